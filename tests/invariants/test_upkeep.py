"""I10's other half, and own timers, on hand-made wrong records."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.messages.monitoring import Wake
from actors.messages.storing import Perform
from adapters.assembly.simulation.invariants.upkeep import Upkeep
from runtime import ActorParked, ActorRestarted, ActorStarted, ActorSystem
from runtime.snapshot import Handled
from tests.invariants.conftest import broken

ROOM = "accounts/main/positions"
ONE, OTHER = f"{ROOM}/BTCUSDT-7K3Q9X", f"{ROOM}/BTCUSDT-8K3Q9X"


def failed(path: str, error: str = "ValueError: x") -> ActorRestarted:
    return ActorRestarted(path=path, incarnation=1, error=error, delay_seconds=0.0)


def started(path: str, incarnation: int = 2) -> ActorStarted:
    return ActorStarted(path=path, incarnation=incarnation)


def parked(path: str) -> ActorParked:
    return ActorParked(path=path, error="ValueError: x", retry_seconds=300.0, has_stand_in=True)


@pytest.fixture
def upkeep() -> Upkeep:
    watch = Upkeep()
    for path in (ONE, OTHER):
        watch.event(started(path, 1), 0.0)
    return watch


@pytest.mark.parametrize("path", [ONE, ROOM, "accounts/main/client", "store"])
def test_a_monitor_may_be_started_again_when_it_or_a_room_around_it_has_failed(upkeep: Upkeep, path: str) -> None:
    upkeep.event(failed(path), 1.0)
    upkeep.event(started(ONE), 1.0)


def test_a_monitor_is_not_started_again_for_what_a_sibling_did(upkeep: Upkeep) -> None:
    upkeep.event(failed(OTHER), 1.0)
    upkeep.event(started(OTHER), 1.0)
    with broken("I10", "neither it nor a room above it has failed"):
        upkeep.event(started(ONE), 1.0)


def test_one_failure_is_reason_for_one_start(upkeep: Upkeep) -> None:
    upkeep.event(failed(ONE), 1.0)
    upkeep.event(started(ONE), 1.0)
    with broken("I10", "is started again"):
        upkeep.event(started(ONE, 3), 2.0)


def test_a_monitor_is_set_aside_for_failures_of_its_own_within_the_window(upkeep: Upkeep) -> None:
    for second in range(5):
        upkeep.event(failed(ONE), float(second))
    upkeep.event(parked(ONE), 5.0)
    for second in range(5):
        upkeep.event(failed(OTHER), 20.0 * second)
    with broken("I10", "set aside after 3 failures of its own"):
        upkeep.event(parked(OTHER), 100.0)


def test_planned_restarts_are_no_failures(upkeep: Upkeep) -> None:
    for _ in range(5):
        upkeep.event(failed(ONE, "planned: the store restarted"), 1.0)
    with broken("I10", "set aside after 0 failures"):
        upkeep.event(parked(ONE), 2.0)


def heard(upkeep: Upkeep, **said: Any) -> None:
    last = cast("Handled", SimpleNamespace(**said))
    upkeep.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: last)))
    upkeep.stepped(ONE)


def test_a_timer_of_another_incarnation_is_noticed(upkeep: Upkeep) -> None:
    heard(upkeep, message_type=Wake, sender=ONE, asked_for=True)
    heard(upkeep, message_type=Wake, sender=OTHER, asked_for=False)
    heard(upkeep, message_type=Perform, sender=ONE, asked_for=False)
    heard(upkeep, message_type=type(None), sender=ONE, asked_for=False)
    with broken("own_timers", "heard Wake"):
        heard(upkeep, message_type=Wake, sender=ONE, asked_for=False)


def test_what_a_failed_handler_had_to_say_reaches_nobody(upkeep: Upkeep) -> None:
    fell = ActorRestarted(path=OTHER, incarnation=1, error="ValueError: x", delay_seconds=0.0, over=7)
    said = {"message_type": Wake, "sender": OTHER, "asked_for": False, "message_id": 9}
    heard(upkeep, **said, caused_by=7)
    upkeep.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: SimpleNamespace(**said, caused_by=7))))
    upkeep.event(fell, 1.0)
    with broken("failed_handlers", "heard Wake"):
        upkeep.stepped(ONE)


def test_a_message_that_is_handled_once_more_may_have_its_say(upkeep: Upkeep) -> None:
    said = SimpleNamespace(message_type=Wake, sender="desk", asked_for=False, message_id=7, caused_by=3)
    answer = SimpleNamespace(message_type=Wake, sender=OTHER, asked_for=False, message_id=9, caused_by=7)
    last = {OTHER: said, ONE: answer}
    upkeep.begins(cast("ActorSystem", SimpleNamespace(last_handled=last.get)))
    upkeep.event(ActorRestarted(path=OTHER, incarnation=1, error="ValueError: x", delay_seconds=0.0, over=7), 1.0)
    upkeep.stepped(OTHER)
    upkeep.stepped(ONE)
