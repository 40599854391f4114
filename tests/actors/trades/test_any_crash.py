"""A whole trade, cut at every single point: nothing is doubled, nothing is lost, the trade ends as it would have."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from runtime import InjectedFault
from tests.actors.trades.conftest import Life, TradeWorld

MakeWorld = Callable[..., TradeWorld]


def lives_cut_at(make_world: MakeWorld, concerns: Callable[[str], bool]) -> int:
    """Live as often as an actor has messages, crashing it over the first, the second …; give how many there were."""
    for number in itertools.count():
        world = make_world(seed=number)
        left = [number]

        def crash_once(path: str, _message: Any, left: list[int] = left) -> InjectedFault | None:
            if not concerns(path):
                return None
            left[0] -= 1
            return InjectedFault(error=RuntimeError("injected")) if left[0] == -1 else None

        world.pass_time(1)  # what is tried is the trade's life, not the daemon's start
        world.faults.append(crash_once)
        life = Life(world)
        life.run()
        if left[0] >= 0:
            return number
        life.check()
    raise AssertionError("the count never ends")


@pytest.mark.parametrize(
    ("path", "at_least"),
    [
        (addresses.positions("main") + "/", 25),
        (addresses.STORE, 25),
        (addresses.client("main"), 40),
        (addresses.private_stream("main"), 10),
        (addresses.reconciler("main"), 5),
        (addresses.position_book("main"), 10),
        (addresses.DESK, 8),
    ],
    ids=lambda value: str(value).rstrip("/"),
)
def test_an_actor_that_crashes_over_any_one_message_costs_the_trade_nothing(
    make_world: MakeWorld, path: str, at_least: int
) -> None:
    def concerns(at: str) -> bool:
        return at.startswith(path) if path.endswith("/") else at == path

    assert lives_cut_at(make_world, concerns) >= at_least


def test_a_positions_room_that_crashes_over_any_one_message_brings_its_monitors_back(make_world: MakeWorld) -> None:
    assert lives_cut_at(make_world, lambda path: path == addresses.positions("main")) >= 1


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
def test_a_commit_that_fails_at_any_one_point_releases_nothing_and_loses_nothing(
    make_world: MakeWorld, when: str
) -> None:
    """Before: the disk refused, nothing is durable. After: it is durable, and the store fell before it released."""
    for number in itertools.count():
        world = make_world(seed=number)
        world.pass_time(1)
        failures = getattr(world.store, when)
        world.store.healthy_commits = number
        failures.append(Unreachable("commit: the disk is full. Nothing was written"))
        life = Life(world)
        life.run()
        if failures:
            assert number > 15
            return
        life.check()


def test_a_process_killed_after_any_one_commit_takes_the_trade_up_and_ends_it(make_world: MakeWorld) -> None:
    for number in itertools.count():
        world = make_world(seed=number)
        world.pass_time(1)
        world.kill_after_commits = number
        life = Life(world)
        life.run()
        if world.still_alive():
            assert number > 15
            return
        life.check()
