"""Each report of an account's socket reaches the actor it concerns, and only that one."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages import addresses
from actors.messages.orders import (
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PositionReported,
    StreamDown,
    StreamFaulted,
    StreamUp,
    WalletReported,
)
from actors.messages.reports import Misaddressed, StreamAgeQuestion
from actors.model.order import OrderSide
from actors.model.position import ObservedPosition, PositionSide
from actors.port_slot import PortSlot
from actors.private_stream import PrivateStream
from runtime import ChildSpec
from tests.actors.conftest import AccountWorld, Feeds, Requests, observed

STREAM = addresses.private_stream("main")
BOOK = addresses.position_book("main")
POSITIONS = addresses.positions("main")
RECONCILER = addresses.reconciler("main")
MONITOR = addresses.monitor("main", "BTCUSDT", "7K3Q9X")


@pytest.fixture
def world(make_world: Callable[..., AccountWorld], trade: Requests, feeds: Feeds) -> AccountWorld:
    world = make_world(start=False)
    slot: PortSlot[Any] = PortSlot(feeds)

    def stream() -> PrivateStream:
        enqueue = lambda message: world.system.tell(STREAM, message)  # noqa: E731 - as assembly passes it
        return PrivateStream(account="main", installation="7QK2", slot=slot, enqueue=enqueue)

    world.start(*world.neighbours(trade), world.collector(RECONCILER), ChildSpec("private_stream", stream))
    return world


@pytest.fixture
def execution(world: AccountWorld, trade: Requests) -> ExecutionReported:
    return ExecutionReported(
        account="main",
        execution_id="x1",
        symbol="BTCUSDT",
        order_id="o1",
        client_order_id=trade.order_id("E1"),
        order_side=OrderSide.BUY,
        kind=ExecutionKind.TRADE,
        quantity=Decimal(1),
        price=Decimal(100),
        fee_usdt=Decimal("0.05"),
        is_maker=False,
        executed_at=world.clock.now(),
    )


def deliver(world: AccountWorld, feeds: Feeds, *reports: Any) -> None:
    for report in reports:
        feeds.open.report(report)
    world.crank.run_until_idle()


def test_our_execution_goes_to_its_trade_s_monitor(
    world: AccountWorld, feeds: Feeds, execution: ExecutionReported
) -> None:
    deliver(world, feeds, execution)
    assert world.inbox(MONITOR) == [execution]
    assert world.inbox(BOOK) == world.inbox(POSITIONS) == []


def test_our_order_s_state_goes_to_its_trade_s_monitor(world: AccountWorld, feeds: Feeds, trade: Requests) -> None:
    report = OrderReported(account="main", order=observed(trade.intent("T1")))
    deliver(world, feeds, report)
    assert world.inbox(MONITOR) == [report]


def test_duplicates_and_late_reports_are_handed_on_as_they_come(
    world: AccountWorld, feeds: Feeds, execution: ExecutionReported
) -> None:
    older = replace(execution, execution_id="x0", sequence=1)
    deliver(world, feeds, execution, execution, older)
    assert world.inbox(MONITOR) == [execution, execution, older]


def test_report_for_a_trade_without_a_monitor_goes_to_the_positions_room(
    world: AccountWorld, feeds: Feeds, execution: ExecutionReported, make_trade: type[Requests]
) -> None:
    closed = make_trade(trade_id="8K3Q9X")
    late = replace(execution, client_order_id=closed.order_id("T1"))
    order = OrderReported(account="main", order=observed(closed.intent("T1")))
    deliver(world, feeds, late, order)
    assert world.inbox(POSITIONS) == [
        Misaddressed(trade_id="8K3Q9X", symbol="BTCUSDT", report=late),
        Misaddressed(trade_id="8K3Q9X", symbol="BTCUSDT", report=order),
    ]


@pytest.mark.parametrize("foreign_id", [None, "by-hand-1", "SFZZZZC-7K3Q9X-E1-0"], ids=["none", "other", "standfast"])
def test_foreign_execution_goes_to_the_position_book(
    world: AccountWorld, feeds: Feeds, execution: ExecutionReported, foreign_id: str | None
) -> None:
    foreign = replace(execution, client_order_id=foreign_id)
    deliver(world, feeds, foreign)
    assert world.inbox(BOOK) == [foreign]
    assert world.inbox(MONITOR) == []


def test_funding_goes_to_the_position_book(world: AccountWorld, feeds: Feeds, execution: ExecutionReported) -> None:
    funding = replace(execution, kind=ExecutionKind.FUNDING)
    deliver(world, feeds, funding)
    assert world.inbox(BOOK) == [funding]


def test_foreign_orders_and_balances_concern_nobody(world: AccountWorld, feeds: Feeds, trade: Requests) -> None:
    foreign = OrderReported(account="main", order=replace(observed(trade.intent("E1")), client_order_id=None))
    deliver(world, feeds, foreign, WalletReported(account="main", equity_usdt=None, available_usdt=None))
    assert world.inbox(BOOK) == world.inbox(POSITIONS) == world.inbox(MONITOR) == []
    assert world.system.dead_letters.total == 0


def test_positions_go_to_the_position_book(world: AccountWorld, feeds: Feeds) -> None:
    position = ObservedPosition(
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        size=Decimal(1),
        average_price=Decimal(100),
        leverage=Decimal(10),
        position_index=0,
        stop_price=None,
        liquidation_price=None,
    )
    report = PositionReported(account="main", position=position)
    deliver(world, feeds, report)
    assert world.inbox(BOOK) == [report]


def test_ups_downs_and_faults_go_to_the_reconciler_and_to_health(world: AccountWorld, feeds: Feeds) -> None:
    reports = [
        StreamUp(account="main", connection=1),
        StreamFaulted(account="main", reason="no topic", excerpt="{"),
        StreamDown(account="main", reason="no pong"),
    ]
    deliver(world, feeds, *reports)
    assert world.inbox(RECONCILER) == reports
    assert world.health == reports


def test_restart_closes_the_old_socket_before_the_new_one_opens(
    world: AccountWorld, feeds: Feeds, execution: ExecutionReported
) -> None:
    world.system.kill(STREAM)
    world.pass_time(1)
    assert [feed.closed for feed in feeds.built] == [True, False]
    deliver(world, feeds, execution)
    assert world.inbox(MONITOR) == [execution]


def test_ordered_stop_closes_the_socket(world: AccountWorld, feeds: Feeds) -> None:
    world.system.stop_actor(STREAM)
    assert [feed.closed for feed in feeds.built] == [True]


def test_age_of_the_stream_is_the_socket_s(world: AccountWorld, feeds: Feeds) -> None:
    assert world.system.ask(STREAM, StreamAgeQuestion()) is None
    feeds.open.age_seconds = 4.5
    assert world.system.ask(STREAM, StreamAgeQuestion()) == 4.5
