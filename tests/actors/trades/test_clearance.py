"""An emergency that leaves nothing: ours first, then others' positions, every order last; over a kill at any commit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.errors import Rejected
from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot
from actors.messages.guarding import GuardsQuestion, GuardsReading, SetSafety
from actors.model.guarding import SafetyState
from actors.model.order import ObservedOrder, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.rules.clearance import steps
from runtime import Refused
from tests.actors.trades.conftest import SYMBOL, TradeWorld
from tests.actors.trades.test_exit_rules import LADDER, entered
from tests.actors.trades.test_leftovers import LEFT

D = Decimal
SHORT = ObservedPosition(
    symbol="BTCUSDT",
    side=PositionSide.SHORT,
    size=D("0.5"),
    average_price=D(65000),
    leverage=D(5),
    position_index=2,
    stop_price=None,
    liquidation_price=None,
)
STOP = replace(LEFT, symbol="BTCUSDT", order_side=OrderSide.BUY, trigger_price=D(70000), position_index=2)
ENTRY = replace(LEFT, order_id="entry", reduce_only=False, trigger_price=None, price=D("1.1"), order_side=OrderSide.BUY)


def snapshot(*orders: ObservedOrder, positions: tuple[ObservedPosition, ...] = ()) -> AccountSnapshot:
    now = TradeWorld.EPOCH
    return AccountSnapshot(
        account="main", started_at=now, finished_at=now, orders=orders, positions=positions, executions=()
    )


def test_positions_are_closed_and_entries_cancelled_before_the_stops_go() -> None:
    first = steps(snapshot(STOP, ENTRY, positions=(SHORT,)), ())
    assert ([each.symbol for each in first.closes], [each.order_id for each in first.cancels]) == (
        ["BTCUSDT"],
        ["entry"],
    )
    assert steps(snapshot(STOP, positions=(SHORT,)), {"BTCUSDT/2"}).closes == ()
    last = steps(snapshot(STOP), ())
    assert ([each.order_id for each in last.cancels], last.done) == (["left"], False)
    assert steps(snapshot(), ()).done


def put_there(world: TradeWorld) -> None:
    """A trade of ours, somebody's position with a stop, somebody's entry."""
    entered(world, LADDER)
    world.exchange.positions = (*world.exchange.positions, SHORT)
    world.exchange.orders |= {"left": STOP, "entry": ENTRY}


def leave(world: TradeWorld, *, everything: bool = True) -> None:
    wanted = SetSafety(
        command_id="e1", state=SafetyState.REDUCE_ONLY, why="fire", by="cli", leave="main", everything=everything
    )
    world.ask(addresses.DESK, wanted)


def fill_closes(world: TradeWorld) -> None:
    """The exchange fills market orders at once, ours and the sweep's."""
    for name, order in list(world.exchange.orders.items()):
        market = order.reduce_only and order.trigger_price is None and order.price is None
        if not market or order.state.terminal:
            continue
        if name.startswith("SX"):
            world.exchange.orders[name] = replace(order, state=OrderState.FILLED, filled_quantity=order.quantity)
            world.exchange.positions = tuple(each for each in world.exchange.positions if each.symbol != order.symbol)
        else:
            world.fill("X")


def go_on(world: TradeWorld, seconds: int = 120) -> None:
    for _ in range(seconds):
        fill_closes(world)
        stands = not world.exchange.orders["left"].state.terminal
        assert stands or all(each.symbol != "BTCUSDT" for each in world.exchange.positions)
        world.pass_time(1)


def clearing(world: TradeWorld) -> tuple[str, ...]:
    reading = world.ask(addresses.DESK, GuardsQuestion())
    assert isinstance(reading, GuardsReading)
    return reading.clearing


def nothing_left(world: TradeWorld) -> bool:
    return not world.exchange.positions and all(order.state.terminal for order in world.exchange.orders.values())


def test_everything_is_closed_and_every_order_cancelled(world: TradeWorld) -> None:
    put_there(world)
    leave(world)
    assert clearing(world) == ("main",)
    go_on(world, 60)
    assert nothing_left(world)
    assert (clearing(world), world.live_rows()) == ((), [])
    assert len([name for name in world.exchange.accepted if name.startswith("SX")]) == 1
    assert len(world.alerts("account_cleared")) == 1
    assert world.unsettled(addresses.client("main")) == []


def test_without_the_word_others_are_left_alone(world: TradeWorld) -> None:
    put_there(world)
    leave(world, everything=False)
    go_on(world, 60)
    assert (world.exchange.positions, world.live_rows()) == ((SHORT,), [])
    assert not world.exchange.orders["entry"].state.terminal


def test_a_refused_close_is_asked_for_again(world: TradeWorld) -> None:
    put_there(world)
    leave(world)
    fill_closes(world)
    world.until(lambda: not world.live_rows() or world.exchange.live("X"))
    fill_closes(world)
    world.until(lambda: not world.live_rows())
    world.exchange.script("place", Rejected("not now", code=10001))
    go_on(world, 60)
    assert nothing_left(world)


def test_everything_needs_an_account(world: TradeWorld) -> None:
    wanted = SetSafety(command_id="e1", state=SafetyState.REDUCE_ONLY, why="fire", by="cli", everything=True)
    with pytest.raises(Refused, match="everything is left on one account at a time: write which"):
        world.ask(addresses.DESK, wanted)


def test_a_kill_after_any_one_commit_ends_nothing(make_world: Callable[..., TradeWorld]) -> None:
    for number in itertools.count():
        world = make_world(seed=number)
        put_there(world)
        leave(world)
        world.kill_after_commits = number
        go_on(world, 90)
        assert nothing_left(world), number
        assert clearing(world) == ()
        if world.still_alive():
            assert number >= 6
            return


def test_what_is_cleared_twice_is_recorded_once(world: TradeWorld) -> None:
    leave(world)
    leave(world)
    world.pass_time(30)
    assert clearing(world) == ()
    assert len(world.alerts("account_cleared")) == 1
    assert SYMBOL not in {each.symbol for each in world.exchange.positions}
