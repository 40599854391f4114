"""An execution's right of way: what follows it on the socket waits, other executions hardly."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.bybit.access import BybitAccess
from adapters.bybit.connection import Connection, Listener
from adapters.bybit.stream import RIGHT_OF_WAY_SECONDS, STEP_ASIDE_SECONDS, BybitPrivateStream
from adapters.bybit.supervised_socket import Patience
from adapters.bybit.venue_socket import VenueSocket


class Clock:
    """Turned by waiting."""

    def __init__(self) -> None:
        self.at = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def socket(clock: Clock, heard: list[str]) -> VenueSocket:
    """Give the stream's own socket, not connected; a topic counts as heard when its message is read."""
    access = BybitAccess(api_key="key", api_secret="secret")
    stream = BybitPrivateStream(access, "main", clock, random.Random(1), Patience(), pause=clock.wait)

    def message(what: Any) -> None:
        heard.append(f"{what['topic']} at {clock.at - 100:.3f}")
        stream._message(what)

    listener = Listener(up=lambda _: None, down=lambda _: None, message=message, poison=print, refused=lambda *_: None)
    return stream._make(Connection(listener, clock))


def hear(socket: VenueSocket, *topics: str) -> None:
    for topic in topics:
        socket._on_message(json.dumps({"id": "1", "topic": topic, "data": []}, separators=(",", ":")))


def test_what_comes_right_behind_an_execution_waits_once_and_unread(
    socket: VenueSocket, clock: Clock, heard: list[str]
) -> None:
    hear(socket, "execution", "order", "position", "wallet")
    assert clock.waits == [STEP_ASIDE_SECONDS, pytest.approx(RIGHT_OF_WAY_SECONDS - STEP_ASIDE_SECONDS)]
    assert heard == ["execution at 0.000", "order at 0.008", "position at 0.008", "wallet at 0.008"]


def test_further_executions_wait_once_for_the_first_of_them(
    socket: VenueSocket, clock: Clock, heard: list[str]
) -> None:
    hear(socket, "execution", "execution", "execution.linear", "execution")
    assert clock.waits == [STEP_ASIDE_SECONDS]
    assert heard[0] == "execution at 0.000"
    assert {each.partition(" at ")[2] for each in heard[1:]} == {"0.006"}


def test_without_an_execution_just_before_nothing_waits(socket: VenueSocket, clock: Clock) -> None:
    hear(socket, "order", "position")
    assert clock.waits == []
    hear(socket, "execution")
    clock.at += RIGHT_OF_WAY_SECONDS
    hear(socket, "order")
    assert clock.waits == [STEP_ASIDE_SECONDS]
