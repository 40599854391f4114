"""The position book among its real neighbours: two trades on one symbol, and what others take from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from actors.errors import Rejected
from actors.messages import addresses
from actors.messages.accounts import BookQuestion, BookReading
from actors.messages.orders import ExecutionKind, ExecutionReported, PositionReported
from actors.messages.trading import CloseTrades
from actors.model.order import OrderSide
from actors.model.trade import Phase, TradeParameters
from runtime import Intensity, Refused
from tests.actors.trades.conftest import PLAN, SYMBOL, TradeWorld

INNER, OUTER = Decimal("1.1465"), Decimal("1.0967")
FARTHER = PLAN.replace("stop 1.15", "stop 1.10")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TradeWorld]:
    parameters, intensity = TradeParameters(), Intensity(max_restarts=5, within_seconds=60.0)
    made = TradeWorld(tmp_path, 1, parameters=parameters, intensity=intensity)
    yield made
    made.close()


def report_position(world: TradeWorld) -> None:
    for row in world.exchange.positions:
        world.report(PositionReported(account="main", position=row))
    world.pass_time(1)


def hold(world: TradeWorld) -> str:
    """Open the nearer trade and fill its first entry; give its id."""
    trade = world.open_trade(PLAN)
    world.fill("E1")
    report_position(world)
    return trade.trade_id


def sold_by_nobody(world: TradeWorld, quantity: Decimal, **more: object) -> None:
    """The exchange's own stop, or a person, sells a part of the position."""
    (row,) = world.exchange.positions
    left = row.size - quantity
    world.exchange.positions = (replace(row, size=left),) if left else ()
    world.exchange.fills += 1
    execution = ExecutionReported(
        account="main",
        execution_id=f"foreign-{world.exchange.fills}",
        symbol=SYMBOL,
        order_id="its-own",
        client_order_id=None,
        order_side=OrderSide.SELL,
        kind=ExecutionKind.TRADE,
        quantity=quantity,
        price=Decimal("1.0967"),
        fee_usdt=Decimal("0.5"),
        is_maker=False,
        executed_at=world.exchange.at,
        closed_quantity=quantity,
    )
    execution = replace(execution, **more)  # type: ignore[arg-type] # the values a test names
    world.exchange.executions.append(execution)
    world.report(execution)


def test_exchange_and_pending_entries_have_the_outer_backstop_before_the_second_trade_sends_anything(
    world: TradeWorld,
) -> None:
    first = hold(world)
    before = len(world.exchange.calls)
    second = world.open_trade(FARTHER, command="c2").trade_id
    calls = world.exchange.calls[before:]
    placed = [at for at, (method, about) in enumerate(calls) if method == "place" and second in about]
    moved = calls.index(("position_stop", str(OUTER)))
    amended = [at for at, (method, about) in enumerate(calls) if method == "amend" and f"{first}-E2" in about]
    assert len(placed) == 2
    assert max(moved, *amended) < min(placed)
    live = [order for order in world.exchange.orders.values() if order.attached_stop and not order.state.terminal]
    assert {order.attached_stop for order in live} == {OUTER}
    assert world.exchange.positions[0].stop_price == OUTER


def test_it_comes_back_in_once_the_outer_trade_is_gone(world: TradeWorld) -> None:
    hold(world)
    second = world.open_trade(FARTHER, command="c2")
    world.ask(addresses.DESK, CloseTrades(which=second.trade_id, by="test"))
    world.pass_time(70)  # in its first minute a book keeps it out, for trades that an earlier life admitted
    assert world.trade(second).phase is Phase.CLOSED
    assert world.exchange.positions[0].stop_price == INNER
    live = [order for order in world.exchange.orders.values() if order.attached_stop and not order.state.terminal]
    assert {order.attached_stop for order in live} == {INNER}


def test_a_second_trade_that_cannot_move_the_backstop_is_not_opened(world: TradeWorld) -> None:
    hold(world)
    accepted = list(world.exchange.accepted)
    world.exchange.script("position_stop", *(Rejected("not now", code=10001) for _ in range(20)))
    with pytest.raises(Refused, match="backstop could not be moved in time"):
        world.open_trade(FARTHER, command="c2")
    world.pass_time(5)
    assert world.exchange.accepted == accepted
    reading = world.ask(addresses.position_book("main"), BookQuestion(symbol=SYMBOL))
    assert isinstance(reading, BookReading)
    assert reading.trades_long == 1


def test_another_leverage_is_refused_while_the_first_trade_is_only_pending(world: TradeWorld) -> None:
    world.open_trade(PLAN)
    with pytest.raises(Refused, match="leverage 5 is unlike the 10 of what is live or pending"):
        world.open_trade(PLAN.replace("leverage 10", "leverage 5"), command="c2")
    assert {leverage for _, leverage in world.exchange.leverages} == {Decimal(10)}


def test_when_the_backstop_takes_all_both_trades_end_and_are_told(world: TradeWorld) -> None:
    hold(world)
    second = world.open_trade(FARTHER, command="c2")
    order = next(order for key, order in world.exchange.orders.items() if f"{second.trade_id}-E1" in key)
    assert order.client_order_id is not None
    world.report(world.exchange.fill(order.client_order_id))
    report_position(world)
    size = world.exchange.positions[0].size
    for part in (size / 4, size / 4, size / 2):
        sold_by_nobody(
            world,
            part.quantize(Decimal("0.1")) if part != size / 2 else world.exchange.positions[0].size,
            is_position_stop=True,
        )
    world.pass_time(30)
    assert world.live_rows() == []
    assert not [order for order in world.exchange.orders.values() if not order.state.terminal]
    assert {alert.severity.value for alert in world.alerts("unattributed_execution")} == {"critical"}
    assert not world.alerts("position_shortfall")


def test_a_persons_sale_shrinks_the_trades_stop_with_it(world: TradeWorld) -> None:
    hold(world)
    sold_by_nobody(world, Decimal("34.2"))
    world.pass_time(2)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == world.exchange.positions[0].size == Decimal(800)


@pytest.mark.parametrize("commits", range(8))
def test_a_kill_after_any_commit_of_a_persons_sale_books_it_once(world: TradeWorld, commits: int) -> None:
    hold(world)
    world.kill_after_commits = commits
    sold_by_nobody(world, Decimal("34.2"))
    world.pass_time(40)
    world.kill_after_commits = None
    world.pass_time(40)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == Decimal(800)
    assert not world.alerts("position_shortfall")
    assert not world.alerts("foreign_quantity")


@pytest.mark.parametrize("commits", range(10))
def test_a_kill_after_any_commit_of_a_second_opening_never_leaves_an_inner_backstop_behind(
    world: TradeWorld, commits: int
) -> None:
    hold(world)
    world.kill_after_commits = commits
    try:
        world.open_trade(FARTHER, command="c2")
    except Exception:  # noqa: BLE001 - the process died under the asker: the same command is given again
        world.pass_time(20)
        world.kill_after_commits = None
        world.open_trade(FARTHER, command="c2")
    world.kill_after_commits = None
    world.pass_time(30)
    assert len(world.live_rows()) == 2
    assert world.no_order_twice()
    assert world.exchange.positions[0].stop_price == OUTER
    live = [order for order in world.exchange.orders.values() if order.attached_stop and not order.state.terminal]
    assert {order.attached_stop for order in live} == {OUTER}


def test_what_vanishes_without_an_execution_is_booked_once_its_monitor_stands_by_its_slice(world: TradeWorld) -> None:
    hold(world)
    world.exchange.prices = {SYMBOL: (Decimal("1.17"), Decimal("1.171"))}
    world.exchange.positions = (replace(world.exchange.positions[0], size=Decimal(800)),)
    report_position(world)
    world.ask(addresses.position_book("main"), BookQuestion(symbol=SYMBOL))
    world.pass_time(120)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == Decimal(800)
    (alert,) = world.alerts("position_shortfall")
    assert any("1.171, an ESTIMATE" in line for line in alert.lines)
