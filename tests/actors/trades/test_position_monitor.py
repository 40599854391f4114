"""The position monitor: it reconciles before it acts, commits before it asks, and says when a stop is late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.accounts import BackstopMoved, FundingBooked, SnapshotQuestion, TradeSnapshot
from actors.messages.monitoring import LeaveNow
from actors.messages.orders import EffectSettled, OrderReported, PlaceOrder, StreamUp
from actors.messages.storing import Append, Appended, AppendRefused, LoadStream, PromisedEffect
from actors.messages.trading import TradeAccepted, TradeClosed, TradeQuestion
from actors.model.order import OrderIntent, OrderState
from actors.model.trade import LegState, Role
from actors.position_monitor import PositionMonitor
from actors.rules import next_orders
from runtime import ActorRestarted, InjectedFault, Refused
from tests.actors.conftest import Mishap
from tests.actors.trades.conftest import Life, TradeWorld

CLIENT = addresses.client("main")


def note(world: TradeWorld, trade: TradeAccepted) -> str:
    """Give what the monitor says of its own knowledge; "" once it is whole."""
    try:
        return str(world.ask(world.monitor(trade), TradeQuestion()).note)
    except Refused as refusal:
        return str(refusal)


def hold_readings(world: TradeWorld, times: int = 1) -> None:
    """Let the next readings of the account get no answer (they are given up after 20 s)."""
    world.on_next(CLIENT, SnapshotQuestion, InjectedFault(lose=True), times=times)


def reconciling(world: TradeWorld) -> TradeAccepted:
    """Give a trade whose monitor has crashed and waits for a reading that does not come for 20 s."""
    trade = world.open_trade()
    hold_readings(world)
    world.crash(world.monitor(trade), LeaveNow)
    world.system.tell(world.monitor(trade), LeaveNow(by="crash"))
    world.pass_time(1)
    assert note(world, trade) == "reconciling with the exchange"
    return trade


def failures(world: TradeWorld, path: str) -> int:
    restarts = [event for event in world.events if isinstance(event, ActorRestarted) and event.path == path]
    return sum(1 for event in restarts if not event.error.startswith("planned"))


# --- coming back ------------------------------------------------------------------------------------------------------
def test_what_arrives_before_the_first_reading_waits_and_is_acted_upon_after_it(world: TradeWorld) -> None:
    trade = reconciling(world)
    world.fill("E1")
    world.pass_time(2)
    assert world.exchange.live("S") is None
    world.until(lambda: world.exchange.live("S"), within_seconds=60)
    assert note(world, trade) == ""
    assert world.trade(trade).open_quantity == Life.QUANTITY


def test_a_wish_to_leave_while_it_reconciles_is_kept_and_answered(world: TradeWorld) -> None:
    trade = reconciling(world)
    assert world.ask(world.monitor(trade), LeaveNow(by="chat:1"), seconds=60) is True
    world.until(lambda: not world.live_rows())
    assert world.exchange.live("E1") is None


def test_a_wish_to_leave_put_twice_closes_once(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.pass_time(1)
    for _ in range(2):
        assert world.ask(world.monitor(trade), LeaveNow(by="chat:1")) is True
    world.until(lambda: world.exchange.live("X"))
    assert world.ask(world.monitor(trade), LeaveNow(by="chat:1")) is True
    world.fill("X")
    world.until(lambda: not world.live_rows())
    assert len(world.exchange.ours("X")) == 1


def test_a_reading_that_an_earlier_life_asked_for_does_not_count_as_its_own(world: TradeWorld) -> None:
    trade = reconciling(world)
    before = world.clock.now() - timedelta(seconds=30)
    world.system.tell(world.monitor(trade), TradeSnapshot(started_at=before, orders=(), executions=()))
    world.pass_time(0.5)
    assert note(world, trade) == "reconciling with the exchange"


def test_a_reading_from_before_a_change_was_settled_does_not_bring_the_old_order_back(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.pass_time(1)
    old_stop, read_at = world.exchange.live("S"), world.clock.now()
    assert old_stop is not None
    world.pass_time(1)
    world.fill("T1")
    world.pass_time(1)
    amends = len(world.exchange.called("amend"))
    world.system.tell(world.monitor(trade), TradeSnapshot(started_at=read_at, orders=(old_stop,), executions=()))
    world.pass_time(1)
    assert len(world.exchange.called("amend")) == amends
    assert [alert.kind for alert in world.alerts("stop_moved")] == ["stop_moved"]


def test_a_journal_that_cannot_be_loaded_at_first_is_asked_for_again(world: TradeWorld) -> None:
    # The desk looks once for the trade it is about to open; the monitor's own question comes second.
    world.pass_time(1)  # the desk has read the guards' record
    world.on_next(addresses.STORE, LoadStream, InjectedFault(error=Refused("not now")), times=3, after=1)
    trade = world.open_trade()
    assert world.exchange.live("E1") is None
    world.until(lambda: world.exchange.live("E1"))
    assert failures(world, world.monitor(trade)) == 0


def test_bookings_that_waited_for_the_first_reading_are_each_taken_once(world: TradeWorld) -> None:
    trade = reconciling(world)
    path = world.monitor(trade)
    effects = tuple(
        PromisedEffect(
            key=f"booked/{number}",
            destination=path,
            owner=path,
            request=FundingBooked(
                execution_id=f"funding-{number}", paid_usdt=Decimal(1), executed_at=world.clock.now()
            ),
        )
        for number in range(20)
    )
    world.system.tell(addresses.STORE, Append(stream="other", expected_sequence=0, facts=(), effects=effects))
    world.pass_time(1)
    world.crash(path, LeaveNow)
    hold_readings(world)
    world.system.tell(path, LeaveNow(by="crash"))  # what was released and stashed is lost; the outbox still has it
    world.until(lambda: note(world, trade) == "", within_seconds=120)
    world.pass_time(5)
    assert world.trade(trade).funding_usdt == 20
    assert world.unsettled(path) == []
    appends = [fact for fact in world.journal(trade).facts if isinstance(fact, FundingBooked)]
    assert len(appends) == 20


# --- the journal says no ----------------------------------------------------------------------------------------------
def test_a_monitor_overtaken_by_another_writer_begins_again_from_the_journal(world: TradeWorld) -> None:
    trade = world.open_trade()
    stored = world.journal(trade)
    moved = BackstopMoved(stop_price=Decimal("1.14"))
    world.system.tell(addresses.STORE, Append(stream=stored.stream, expected_sequence=stored.sequence, facts=(moved,)))
    world.pass_time(1)
    world.fill("E1")
    world.until(lambda: world.exchange.live("S"))
    assert moved in world.journal(trade).facts
    assert failures(world, world.monitor(trade)) == 0
    assert world.trade(trade).open_quantity == Life.QUANTITY
    assert len(world.exchange.ours("S")) == 1


def test_a_refusal_of_an_earlier_lifes_append_restarts_nobody_again(world: TradeWorld) -> None:
    trade = world.open_trade()
    path = world.monitor(trade)
    world.on_next(addresses.STORE, LoadStream, InjectedFault(spend_seconds=1.0))
    world.crash(path, LeaveNow)
    world.system.tell(path, LeaveNow(by="crash"))
    world.pass_time(0.5)
    restarts = sum(1 for event in world.events if isinstance(event, ActorRestarted))
    refusal = AppendRefused(stream=f"trade/{trade.trade_id}", reason="stale_sequence", text="an old one")
    world.system.tell(path, refusal)
    world.pass_time(5)
    assert sum(1 for event in world.events if isinstance(event, ActorRestarted)) == restarts
    assert note(world, trade) == ""


def test_word_of_an_earlier_lifes_commit_means_nothing_before_the_journal_is_loaded(world: TradeWorld) -> None:
    trade = world.open_trade()
    path = world.monitor(trade)
    world.on_next(addresses.STORE, LoadStream, InjectedFault(spend_seconds=1.0))
    world.crash(path, LeaveNow)
    world.system.tell(path, LeaveNow(by="crash"))
    world.pass_time(0.5)
    before = failures(world, path)
    world.system.tell(path, Appended(stream=f"trade/{trade.trade_id}", sequence=1))
    world.pass_time(5)
    assert failures(world, path) == before


def test_an_append_refused_for_a_fault_of_its_own_counts_as_a_failure(world: TradeWorld) -> None:
    trade = world.open_trade()
    path = world.monitor(trade)
    world.system.tell(path, AppendRefused(stream="trade/x", reason="failed", text="promised twice"))
    world.pass_time(1)
    assert failures(world, path) == 1


def test_a_room_started_anew_as_often_as_it_likes_makes_no_alert_key_twice(world: TradeWorld) -> None:
    world.open_trade()
    for role in ("E1", "T1", "T2", "T3"):
        world.crash(addresses.positions("main"), LeaveNow)
        world.system.tell(addresses.positions("main"), LeaveNow(by="crash"))
        world.pass_time(3)
        world.fill(role)
        world.pass_time(1)
    assert failures(world, addresses.STORE) == 0
    assert len(world.alerts("rung_filled")) == 3


def test_an_outcome_that_crashed_the_monitor_twice_is_told_again_until_it_is_taken(world: TradeWorld) -> None:
    trade = world.open_trade()
    crashes: list[str] = []

    def crash(path: str, message: Any) -> InjectedFault | None:
        about_stop = isinstance(message, EffectSettled) and "-S-" in message.effect_key
        if path != world.monitor(trade) or not about_stop or len(crashes) == 2:
            return None
        crashes.append(message.effect_key)
        return InjectedFault(error=RuntimeError("injected"))

    world.faults.append(crash)
    world.fill("E1")
    world.until(lambda: len(crashes) == 2)
    world.pass_time(10)
    assert len(set(crashes)) == 1
    assert world.unsettled(CLIENT) == []
    (stop,) = world.trade(trade).of(Role.STOP)
    assert stop.state is LegState.LIVE


# --- telling ----------------------------------------------------------------------------------------------------------
def refuse_stops(world: TradeWorld) -> Callable[[], None]:
    """Let no stop through to the exchange; give what lets them through again."""
    refused = [True]

    def unreachable(path: str, message: Any) -> InjectedFault | None:
        stop = isinstance(message, PlaceOrder) and message.order.close_on_trigger
        if "/lane-" in path and stop and refused[0]:
            world.exchange.script("place", Unreachable("connection refused"))
        return None

    world.faults.append(unreachable)
    return lambda: refused.__setitem__(0, False)


def test_an_own_stop_that_is_late_is_told_once_with_the_backstop_that_covers_meanwhile(world: TradeWorld) -> None:
    world.open_trade()
    heal = refuse_stops(world)
    world.fill("E1", "100")
    world.pass_time(1.9)
    assert world.alerts("own_stop_late") == []
    world.pass_time(0.2)
    (late,) = world.alerts("own_stop_late")
    assert late.severity.value == "critical"
    assert "1.1465" in late.lines[0]
    world.fill("E1", "100")  # the same exposure, larger
    world.pass_time(10)
    assert len(world.alerts("own_stop_late")) == 1
    heal()
    world.until(lambda: world.exchange.live("S"), within_seconds=60)


def test_a_second_exposure_is_told_again(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.pass_time(1)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.client_order_id is not None
    for number in (1, 2):
        heal = refuse_stops(world)
        standing = world.exchange.live("S")
        assert standing is not None
        assert standing.client_order_id is not None
        world.exchange.end(standing.client_order_id, OrderState.CANCELLED)
        world.report_order(standing.client_order_id)
        world.pass_time(3)
        assert len(world.alerts("own_stop_late")) == number
        heal()
        world.until(lambda: world.exchange.live("S"), within_seconds=60)
        world.pass_time(1)
    assert world.trade(trade).own_stop_covers


def test_a_request_without_an_answer_is_told_and_nothing_is_sent_twice(world: TradeWorld) -> None:
    world.open_trade()
    world.exchange.script("place", Mishap.ANSWER_LOST)
    world.fill("E1")
    world.pass_time(10)
    (unclear,) = world.alerts("request_unclear")
    assert "Nothing is sent twice" in unclear.lines[-1]
    assert world.no_order_twice()
    assert world.exchange.live("S")


def test_an_execution_that_came_in_time_does_not_put_the_watch_for_missing_ones_to_sleep(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.report(StreamUp(account="main", connection=1))  # from now on the account is read on a slow beat only
    world.pass_time(1)
    in_time = world.fill("E1", told=False)
    world.report_order(str(in_time.client_order_id))  # the order's own figure comes first
    world.pass_time(0.5)
    world.report(in_time)
    world.pass_time(5)
    lost = world.fill("T1", told=False)
    world.report_order(str(lost.client_order_id))
    world.pass_time(6)
    assert lost.execution_id in world.trade(trade).executions


# --- the end ----------------------------------------------------------------------------------------------------------
def test_it_ends_only_when_the_closing_is_durable_and_the_register_has_it(world: TradeWorld) -> None:
    trade = world.open_trade()
    slow: list[bool] = []

    def slow_closing(path: str, message: Any) -> InjectedFault | None:
        closing = isinstance(message, Append) and any(isinstance(fact, TradeClosed) for fact in message.facts)
        if path == addresses.STORE and closing and not slow:
            slow.append(True)
            return InjectedFault(spend_seconds=5.0)
        return None

    world.faults.append(slow_closing)
    world.ask(world.monitor(trade), LeaveNow(by="chat:1"))
    world.until(lambda: slow)
    world.pass_time(4)
    assert world.system.exists(world.monitor(trade))
    world.until(lambda: not world.system.exists(world.monitor(trade)))
    assert world.live_rows() == []
    assert world.trade(trade).closed_at is not None


def test_an_order_that_was_heard_of_just_now_is_not_taken_for_gone_because_a_listing_lags(world: TradeWorld) -> None:
    trade = world.open_trade()
    world.fill("E1")
    world.until(lambda: world.exchange.live("T1"))
    world.pass_time(60)  # the intent is old by now: only the newest word of an order tells whether it may still appear
    target = world.exchange.live("T1")
    assert target is not None
    assert target.client_order_id is not None
    hidden = world.exchange.orders.pop(target.client_order_id)  # no listing shows it yet
    world.report(OrderReported(account="main", order=replace(hidden, updated_at=world.clock.now())))
    nothing = TradeSnapshot(started_at=world.clock.now(), orders=(), executions=())
    world.system.tell(world.monitor(trade), nothing)
    world.pass_time(3)
    world.exchange.orders[target.client_order_id] = hidden
    world.pass_time(30)
    assert world.exchange.ours("T1") == [hidden], "a second order for the same target"
    leg = world.trade(trade).leg(target.client_order_id)
    assert leg is not None
    assert leg.live


def test_a_trade_that_closes_before_its_cancels_are_clear_leaves_no_promise_behind(world: TradeWorld) -> None:
    """Nobody would ever settle it: a closed trade has no monitor that could hear of the outcome."""
    trade = world.open_trade()
    entry = world.exchange.live("E1")
    assert entry is not None
    assert entry.client_order_id is not None
    world.exchange.script("cancel", Mishap.ANSWER_LOST)
    world.exchange.script("find", *[Unreachable("no route")] * 30)  # how the cancel ended stays unclear for long
    assert world.ask(world.monitor(trade), LeaveNow(by="chat:1")) is True
    world.until(lambda: world.exchange.live("E1") is None)
    world.report_order(entry.client_order_id)  # the stream says how
    world.until(lambda: not world.live_rows())
    assert world.unsettled(CLIENT) == []


def test_a_monitor_has_slots_for_all_it_keeps(world: TradeWorld) -> None:
    """One attribute without a slot, and each of a thousand monitors keeps a dict for it."""
    monitor = PositionMonitor(account="main", symbol="XRPUSDT", trade_id="7K3Q9X", identity=world.identity)
    assert vars(monitor) == {}


# --- the guard --------------------------------------------------------------------------------------------------------
def test_a_broken_invariant_is_told_once_and_stops_neither_the_monitor_nor_its_orders(
    world: TradeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(**terms: Any) -> OrderIntent:
        return OrderIntent(**{**terms, "reduce_only": terms["reduce_only"] and terms["price"] is None})

    monkeypatch.setattr(next_orders, "OrderIntent", careless)
    trade = world.open_trade()
    world.fill("E1")
    world.pass_time(5)
    told = world.alerts("invariant_violated")
    assert [alert.severity.value for alert in told] == ["critical"] * 4, "one for each rung"
    assert all("not reduce-only" in alert.lines[0] for alert in told)
    assert failures(world, world.monitor(trade)) == 0
    assert world.exchange.live("S") is not None
    assert len([each for each in world.exchange.orders if "-T" in each]) == 4, "none more, and none held back"
    world.fill("E2")
    world.pass_time(60)
    assert len(world.alerts("invariant_violated")) == 4
