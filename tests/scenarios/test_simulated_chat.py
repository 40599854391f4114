"""The simulated chat keeps to what Telegram does with two that poll under one token."""

from __future__ import annotations

from random import Random

import pytest

from actors.ports import ChatReport, OperatorSaid
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.chat import CONFLICT_SECONDS, ChatService
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.story import Story
from runtime.clock import VirtualClock


class Line:
    """A chat, and the daemons that are connected to it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.agenda = Agenda()
        faults = Faults(rates={}, counts={}, dice={})
        story = Story(self.clock.monotonic, wanted=False)
        self.chat = ChatService(self.clock, self.agenda, faults, story, Random(1))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        while (action := self.agenda.take(self.clock.monotonic())) is not None:
            action()


class Daemon:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def hears(self, report: ChatReport) -> None:
        if isinstance(report, OperatorSaid):
            self.heard.append(report.text)


@pytest.fixture
def line() -> Line:
    return Line()


def test_who_is_left_of_two_that_poll_has_the_updates_again(line: Line) -> None:
    new, fenced = Daemon(), Daemon()
    to_new, to_fenced = new.hears, fenced.hears
    line.chat.connect(to_new)
    line.chat.goes_down(100.0)
    line.chat.says("/status")
    line.chat.connect(to_fenced)  # an older run's courier is restarted, before the run finds that it is fenced
    line.chat.disconnect(to_fenced)
    line.pass_time(100.0 + CONFLICT_SECONDS)
    line.chat.says("/health")
    assert (new.heard, fenced.heard) == (["/status", "/health"], [])


def test_one_that_is_frozen_does_not_poll_when_the_other_has_gone(line: Line) -> None:
    frozen, other = Daemon(), Daemon()
    to_frozen, to_other = frozen.hears, other.hears
    line.chat.connect(to_frozen)
    line.chat.sleep()
    line.chat.connect(to_other)
    line.chat.disconnect(to_other)
    line.chat.says("/status")
    line.pass_time(2 * CONFLICT_SECONDS)
    assert (frozen.heard, other.heard, len(line.chat.waiting)) == ([], [], 1)


def test_one_that_closed_while_another_was_connected_hears_nothing_more(line: Line) -> None:
    closed, other = Daemon(), Daemon()
    to_closed, to_other = closed.hears, other.hears
    line.chat.connect(to_closed)
    line.chat.connect(to_other)
    line.chat.disconnect(to_closed)
    line.chat.disconnect(to_other)
    line.chat.says("/status")
    line.pass_time(2 * CONFLICT_SECONDS)
    assert (closed.heard, other.heard, len(line.chat.waiting)) == ([], [], 1)
