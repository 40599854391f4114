"""An emergency: every trade of the account is left, in one commit with the shut door, over a kill after any commit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest

from actors.messages import addresses
from actors.messages.guarding import SetSafety
from actors.messages.trading import ExitStarted, TradeAccepted
from actors.model.guarding import SafetyState
from runtime import AskFailed, AskTimeout, Refused
from tests.actors.trades.conftest import TradeWorld

BTC = "BTCUSDT long entries 64000 targets 66000,67000,68000,69000 stop 62000 margin 2% leverage 10"
XRP = "XRPUSDT long entries 1.19 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"


def emergency(world: TradeWorld, *, account: str = "main", command: str = "e1") -> None:
    wanted = SetSafety(
        command_id=command, state=SafetyState.REDUCE_ONLY, why="emergency on main", by="cli", leave=account
    )
    for _ in range(5):
        with suppress(AskFailed, AskTimeout):
            world.ask(addresses.DESK, wanted)
            return
        world.pass_time(5)
    raise AssertionError("it was never answered")


def two_trades(world: TradeWorld) -> tuple[TradeAccepted, TradeAccepted]:
    """One that holds something, and one whose entry still rests."""
    held = world.open_trade(XRP)
    world.fill("E1")
    resting = world.open_trade(BTC, command="c2")
    assert world.exchange.live("S") is not None
    return held, resting


def gone(world: TradeWorld) -> None:
    """Fill the market close as soon as it is there, and wait until nothing is left."""
    world.until(lambda: world.exchange.live("X"), within_seconds=120)
    assert [world.exchange.live(f"T{place}") for place in (1, 2, 3, 4)] == [None] * 4
    assert world.exchange.live("S") is not None  # until it is flat
    world.fill("X")
    world.until(lambda: not world.live_rows(), within_seconds=120)
    assert [order for order in world.exchange.orders.values() if not order.state.terminal] == []
    assert world.exchange.positions == ()
    assert world.no_order_twice()


def test_entries_go_positions_are_closed_stops_last_and_nothing_new_is_opened(world: TradeWorld) -> None:
    held, resting = two_trades(world)
    emergency(world)
    with pytest.raises(Refused, match="emergency on main"):
        world.open_trade(XRP, command="c3")
    gone(world)
    for trade in (held, resting):
        reasons = [fact.reason.value for fact in world.journal(trade).facts if isinstance(fact, ExitStarted)]
        assert len(reasons) == 1


def test_an_account_that_is_none_is_refused_with_those_that_are(world: TradeWorld) -> None:
    two_trades(world)
    with pytest.raises(Refused, match="there is no account second: write one of main"):
        emergency(world, account="second")
    world.pass_time(5)
    assert len(world.live_rows()) == 2


def test_a_stricter_state_stays(world: TradeWorld) -> None:
    halted = SetSafety(command_id="s1", state=SafetyState.HALTED, why="maintenance", by="cli")
    world.ask(addresses.DESK, halted)
    emergency(world)
    with pytest.raises(Refused, match="halted"):
        world.open_trade(XRP, command="c3")


def test_a_process_killed_after_any_one_commit_leaves_everything_once(make_world: Callable[..., TradeWorld]) -> None:
    for number in itertools.count():
        world = make_world(seed=number)
        two_trades(world)
        world.kill_after_commits = number
        emergency(world)
        gone(world)
        assert len(world.exchange.ours("X")) == 1
        if world.still_alive():
            assert number >= 5
            return
