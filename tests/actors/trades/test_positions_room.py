"""The positions room: what is live has a monitor; what comes late finds its trade, or is told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from actors import positions_room
from actors.errors import Rejected, Unreachable
from actors.messages import addresses
from actors.messages.monitoring import LeaveNow
from actors.messages.orders import ExecutionReported, OrderReported
from actors.messages.storing import Appended
from actors.messages.trading import TradeAccepted
from actors.model.order import OrderIntent, OrderKind, OrderSide, OrderState
from runtime import ActorRestarted, InjectedFault
from tests.actors.trades.conftest import SYMBOL, Life, TradeWorld


def closed_trade(world: TradeWorld) -> TradeAccepted:
    life = Life(world)
    life.run()
    world.pass_time(90)  # past every overlap of readings
    assert not world.system.exists(world.monitor(life.opened))
    return life.opened


def late_fill(world: TradeWorld, quantity: str = "10") -> ExecutionReported:
    """Let the exchange report a match of the cancelled second entry, as if the cancel had lost the race."""
    (entry,) = world.exchange.ours("E2")
    assert entry.client_order_id is not None
    world.exchange.orders[entry.client_order_id] = replace(entry, state=OrderState.WORKING)
    execution = world.exchange.fill(entry.client_order_id, quantity)
    world.exchange.orders[entry.client_order_id] = replace(
        world.exchange.orders[entry.client_order_id], state=OrderState.CANCELLED
    )
    return execution


def restarts(world: TradeWorld) -> list[str]:
    return [event.path for event in world.events if isinstance(event, ActorRestarted)]


def test_a_late_fill_of_a_closed_trade_brings_its_monitor_back_to_flatten_it(world: TradeWorld) -> None:
    trade = closed_trade(world)
    world.report(late_fill(world))
    world.until(lambda: world.exchange.live("X"))
    assert len(world.live_rows()) == 1
    exit_order = world.exchange.live("X")
    assert exit_order is not None
    assert exit_order.quantity == 10
    world.fill("X")
    world.until(lambda: not world.live_rows() and not world.system.exists(world.monitor(trade)))
    assert [alert.severity.value for alert in world.alerts("exit_started")] == ["critical"]
    assert len(world.alerts("trade_closed")) == 2


def test_several_late_reports_of_one_closed_trade_at_once_reach_one_monitor(world: TradeWorld) -> None:
    closed_trade(world)
    reports = [late_fill(world) for _ in range(3)]
    for report in reports:
        world.report(report)
    world.until(lambda: world.exchange.live("X"))
    world.pass_time(2)
    assert restarts(world) == []
    sold = sum((order.quantity for order in world.exchange.ours("X")), Decimal(0))
    assert sold <= 30
    while world.live_rows():
        if world.exchange.live("X"):
            world.fill("X")
        world.pass_time(1)
    assert world.exchange.positions == ()


def test_a_late_report_that_the_journal_knows_brings_nobody_back(world: TradeWorld) -> None:
    trade = closed_trade(world)
    known = next(fact for fact in world.journal(trade).facts if isinstance(fact, ExecutionReported))
    world.report(known)
    (entry,) = world.exchange.ours("E2")
    assert entry.client_order_id is not None
    world.report(OrderReported(account="main", order=entry))  # it ended; once more
    world.pass_time(3)
    assert not world.system.exists(world.monitor(trade))
    assert world.live_rows() == []


def test_a_fill_in_a_monitors_very_last_moment_leaves_no_trade_without_one(world: TradeWorld) -> None:
    life = Life(world)
    done: list[bool] = []

    def at_the_end(path: str, message: object) -> InjectedFault | None:
        if "/positions/" in path and isinstance(message, Appended) and not done:
            done.append(True)
            world.system.tell(path, late_fill(world))  # queued behind what ends the monitor
        return None

    world.faults.append(at_the_end)
    trade = life.open()
    world.until(lambda: world.exchange.live("E2"))
    world.fill("E1")
    for role in ("T1", "T2", "T3", "T4"):
        world.until(partial(world.exchange.live, role))
        world.pass_time(0.5)
        world.fill(role)
    world.until(lambda: done)
    world.until(lambda: world.exchange.live("X"))
    world.until(lambda: world.system.exists(world.monitor(trade)) and len(world.live_rows()) == 1)
    world.fill("X")
    world.until(lambda: not world.live_rows() and not world.system.exists(world.monitor(trade)))
    assert world.unsettled(addresses.client("main")) == []


def test_a_room_that_goes_down_does_not_start_again_what_it_stops(world: TradeWorld) -> None:
    path = world.monitor(world.open_trade())
    world.open_trade(command="c2")  # stopped first, while the other is busy still
    world.on_next(path, LeaveNow, InjectedFault(spend_seconds=5.0))
    world.system.tell(path, LeaveNow(by="test"))
    world.pass_time(1)
    steps = world.crank.steps
    world.system.stop()
    assert world.crank.steps - steps < 500
    assert not world.system.exists(path)


# --- orders of ours that no trade explains ----------------------------------------------------------------------------
def stray(world: TradeWorld, role: str, *, exits: bool = False) -> str:
    """Put an order with our mark and an unknown trade at the exchange."""
    client_order_id = f"SF{world.identity.installation}0-ZZZZZZ-{role}-0"
    world.exchange.place(
        OrderIntent(
            client_order_id=client_order_id,
            symbol=SYMBOL,
            order_side=OrderSide.SELL if exits else OrderSide.BUY,
            kind=OrderKind.LIMIT,
            quantity=Decimal(100),
            price=Decimal("1.1"),
            reduce_only=exits,
            position_index=1,
        )
    )
    return client_order_id


def test_entries_of_an_unknown_trade_are_cancelled_exits_left_and_it_is_told_once(world: TradeWorld) -> None:
    entries, exits = [stray(world, "E1"), stray(world, "E2")], stray(world, "T1", exits=True)
    world.until(lambda: world.exchange.called("cancel"))
    world.pass_time(0.5)  # one reading is enough for all of them
    assert [world.exchange.orders[each].state for each in entries] == [OrderState.CANCELLED] * 2
    assert world.exchange.orders[exits].state is OrderState.WORKING
    assert [alert.severity.value for alert in world.alerts("trade_unknown")] == ["critical"]
    assert world.unsettled(addresses.client("main")) == []
    world.reboot()
    world.pass_time(60)
    assert len(world.alerts("trade_unknown")) == 1
    assert restarts(world) == []


def test_a_stray_cancel_whose_outcome_a_crash_took_is_settled_by_the_next_life(world: TradeWorld) -> None:
    stray(world, "E1")
    world.until(lambda: world.exchange.called("cancel"))
    assert world.unsettled(addresses.client("main")), "it has reached the exchange, and nobody has heard of it"
    world.reboot()
    world.pass_time(10)
    assert world.unsettled(addresses.client("main")) == []


def test_a_stray_entry_whose_cancel_was_refused_is_cancelled_at_a_later_reading(world: TradeWorld) -> None:
    world.exchange.script("cancel", Rejected("the engine is busy", code=10016))
    entry = stray(world, "E1")
    world.pass_time(60)
    assert world.exchange.orders[entry].state is OrderState.CANCELLED


def test_monitors_of_many_trades_are_started_in_waves_until_all_are_there(
    world: TradeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    trades = [world.open_trade(command=command) for command in ("c1", "c2", "c3", "c4", "c5")]
    world.pass_time(5)
    monkeypatch.setattr(positions_room, "WAVE", 2)
    world.exchange.script("open_orders", *[Unreachable("no route")] * 100)  # else their orders would bring them up
    world.reboot()
    world.until(lambda: all(world.system.exists(world.monitor(trade)) for trade in trades))
