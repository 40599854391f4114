"""A trade's life as the rules decide it: one situation, one event, the orders that follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import BackstopMoved, FundingBooked, PositionVerified, ReductionBooked
from actors.messages.exit_facts import EntriesExpired
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    EffectSettled,
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PlaceOrder,
    Settlement,
)
from actors.messages.trading import ExecutionsRead, ExitReason, ExitStarted, MemoryLost, OrderAbsent, TradeOpened
from actors.model.instrument import FeeRates, Instrument
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Role, Trade, TradeParameters
from actors.model.trade_plan import Approach, MarginShare, PlannedEntry, PlannedRung, SizedEntry, SizedPlan, TradePlan
from actors.rules.decision import Decision, decide
from actors.rules.next_orders import Asker, doubtful_legs
from actors.rules.position_life import fold, opened

D = Decimal
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FRACTIONS = (D("0.85"), D("0.05"), D("0.05"), D("0.05"))
XRP = Instrument(
    symbol="XRPUSDT",
    base="XRP",
    quote="USDT",
    tick_size=D("0.0001"),
    quantity_step=D("0.1"),
    min_quantity=D("0.1"),
    max_limit_quantity=D(1000000),
    max_market_quantity=D(500000),
    min_notional_usdt=D(5),
    min_leverage=D(1),
    max_leverage=D(75),
    leverage_step=D("0.01"),
    funding_interval_minutes=480,
)
FEES = FeeRates(maker=D("0.0002"), taker=D("0.00055"))


def opening(
    *, side: PositionSide = PositionSide.LONG, entries: tuple[str, ...] = ("100", "100"), keep_entries: bool = False
) -> TradeOpened:
    """A trade on XRPUSDT: long entries at 1.19 and 1.18 (short mirrored around 1.20), four rungs, stop 0.03 away."""
    sign = side.sign
    entry_prices = [D("1.20") - sign * D("0.01") * step for step in range(1, len(entries) + 1)]
    rungs = tuple(
        PlannedRung(price=D("1.20") + sign * D("0.01") * step, fraction=fraction)
        for step, fraction in enumerate(FRACTIONS, start=1)
    )
    quantities = [D(text) for text in entries]
    total = sum(quantities, D(0))
    plan = TradePlan(
        account="main",
        symbol="XRPUSDT",
        position_side=side,
        approach=Approach.CONSERVATIVE,
        entries=tuple(
            PlannedEntry(price=price, fraction=quantity / total)
            for price, quantity in zip(entry_prices, quantities, strict=True)
        ),
        rungs=rungs,
        stop_price=D("1.20") - sign * D("0.05"),
        size=MarginShare(of_available=D("0.02")),
        leverage=D(10),
        cancel_entries_on_first_target=not keep_entries,
    )
    sized = SizedPlan(
        asked_usdt=D(200),
        plan=plan,
        entries=tuple(
            SizedEntry(price=price, quantity=quantity) for price, quantity in zip(entry_prices, quantities, strict=True)
        ),
        quantity=total,
        reference_price=D("1.185"),
        notional_usdt=total * D("1.185"),
        margin_usdt=total * D("0.1185"),
        rung_quantities=(total * D("0.85"), total * D("0.05"), total * D("0.05"), total * D("0.05")),
        loss_at_stop_usdt=D(9),
    )
    return TradeOpened(
        trade_id="7K3Q9X",
        number=1,
        label=f"main/XRPUSDT/{side.value}/conservative/7K3Q9X",
        sized=sized,
        instrument=XRP,
        fees=FEES,
        position_index=0,
        backstop_price=D("1.20") - sign * D("0.0535"),
        parameters=TradeParameters(),
        opened_by="test",
        opened_at=START,
    )


@dataclass
class Stage:
    """Plays the exchange's part by hand and keeps what the trade asked for."""

    trade: Trade
    journal: list[Any]
    now: datetime = START
    asked: list[Any] = field(default_factory=list)  # requests not yet answered
    told: list[str] = field(default_factory=list)
    executions: int = 0
    last: Decision | None = None
    excess: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, fact: TradeOpened) -> Stage:
        stage = cls(trade=opened(fact), journal=[fact])
        stage.take(None)
        return stage

    def take(self, fact: Any) -> Decision:
        self.now += timedelta(milliseconds=50)
        decision = decide(self.trade, fact, Asker(installation="QK2C", epoch=3, now=self.now))
        self.trade = decision.trade
        self.journal += decision.facts
        self.asked += decision.requests
        self.told += [alert.kind for alert in decision.alerts]
        self.excess += decision.excess
        self.last = decision
        return decision

    def requests(self) -> list[str]:
        """What is asked for and unanswered, as one line each."""
        return [_line(request) for _, request in self.asked]

    def settle(
        self, settlement: Settlement = Settlement.DONE, *, only: str = "", code: int | None = None, **more: Any
    ) -> None:
        """Answer what was asked (or only what contains `only`); what follows from the answers stays unanswered."""
        due = [pair for pair in self.asked if only in _line(pair[1])]
        assert due, f"nothing like {only!r} was asked: {self.requests()}"
        self.asked = [pair for pair in self.asked if pair not in due]
        for key, _ in due:
            self.take(
                EffectSettled(effect_key=key, settlement=settlement, settled_at=self.now, code=code, text="", **more)
            )

    def settle_all(self) -> None:
        while self.asked:
            self.settle()

    def fill(self, role: Role, quantity: str, price: str | None = None, *, index: int = 1, fee: str = "0.01") -> None:
        leg = self.trade.live_leg(role, index) or self.trade.latest(role, index)
        assert leg is not None
        self.executions += 1
        self.take(
            ExecutionReported(
                account="main",
                execution_id=f"x{self.executions}",
                symbol="XRPUSDT",
                order_id="o",
                client_order_id=leg.client_order_id,
                order_side=leg.intent.order_side,
                kind=ExecutionKind.TRADE,
                quantity=D(quantity),
                price=D(price) if price else leg.price or D("1.15"),
                fee_usdt=D(fee),
                is_maker=True,
                executed_at=self.now,
            )
        )

    def report(
        self,
        role: Role,
        state: OrderState,
        *,
        filled: str = "0",
        index: int = 1,
        read: bool = False,
        reduced_away: bool = False,
        quantity: str = "",
        trigger: str = "",
    ) -> None:
        leg = self.trade.latest(role, index)
        assert leg is not None
        self.take(
            OrderReported(
                account="main",
                order=ObservedOrder(
                    order_id="o",
                    client_order_id=leg.client_order_id,
                    symbol="XRPUSDT",
                    order_side=leg.intent.order_side,
                    kind=leg.intent.kind,
                    state=state,
                    quantity=D(quantity) if quantity else leg.quantity,
                    filled_quantity=D(filled),
                    average_price=leg.price or D("1.15"),
                    price=leg.price,
                    trigger_price=D(trigger) if trigger else leg.trigger_price,
                    reduced_away=reduced_away,
                    updated_at=self.now,
                ),
                read_at=self.now if read else None,
            )
        )

    def verify(self) -> None:
        self.take(PositionVerified(first_read_at=self.now + timedelta(seconds=1), second_read_at=self.now))

    def working(self) -> dict[str, tuple[Decimal, Decimal | None]]:
        """What is believed to be at the exchange: name to remaining quantity and price (or trigger)."""
        return {
            f"{leg.role.value}{leg.index}": (leg.quantity - leg.filled_quantity, leg.price or leg.trigger_price)
            for leg in self.trade.legs
            if leg.state is LegState.LIVE
        }


def _line(request: Any) -> str:
    if isinstance(request, PlaceOrder):
        order = request.order
        role = order.client_order_id.split("-")[2]
        where = order.trigger_price or order.price or "market"
        return f"place {role} {order.order_side.value} {order.quantity} at {where}"
    if isinstance(request, AmendOrder):
        changes = {
            "quantity": request.quantity,
            "price": request.price,
            "trigger": request.trigger_price,
            "backstop": request.attached_stop,
        }
        shown = " ".join(f"{name} {value}" for name, value in changes.items() if value is not None)
        return f"amend {request.client_order_id.split('-')[2]} {shown}"
    assert isinstance(request, CancelOrder)
    return f"cancel {request.client_order_id.split('-')[2]}"


@pytest.fixture
def building() -> Stage:
    """Both entries rest at the exchange."""
    stage = Stage.of(opening())
    stage.settle_all()
    return stage


@pytest.fixture
def monitoring(building: Stage) -> Stage:
    """Both entries are filled, stop and ladder rest."""
    building.fill(Role.ENTRY, "100", index=1)
    building.settle_all()
    building.fill(Role.ENTRY, "100", index=2)
    building.settle_all()
    return building


# --- entries -----------------------------------------------------------------------------------------------------
def test_a_new_trade_asks_for_its_entries_with_the_backstop_attached() -> None:
    stage = Stage.of(opening())
    assert stage.requests() == ["place E1 buy 100 at 1.19", "place E2 buy 100 at 1.18"]
    assert {request.order.attached_stop for _, request in stage.asked} == {D("1.1465")}
    assert not any(request.order.reduce_only for _, request in stage.asked)


def test_the_first_filled_lot_asks_for_the_stop_before_the_ladder(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    assert building.requests()[0] == "place S sell 40 at 1.15"
    assert building.requests()[1].startswith("place T1 sell")
    stop = building.asked[0][1].order
    assert (stop.reduce_only, stop.close_on_trigger, stop.trigger_rises, stop.kind) == (
        True,
        True,
        False,
        OrderKind.MARKET,
    )


def test_a_short_mirrors_a_long() -> None:
    stage = Stage.of(opening(side=PositionSide.SHORT))
    stage.settle_all()
    stage.fill(Role.ENTRY, "100")
    stop = stage.asked[0][1].order
    assert stage.requests()[0] == "place S buy 100 at 1.25"
    assert (stop.order_side, stop.trigger_rises) == (OrderSide.BUY, True)


def test_a_further_fill_amends_the_stop_first_and_then_the_rungs(building: Stage) -> None:
    building.fill(Role.ENTRY, "100")
    building.settle_all()
    building.fill(Role.ENTRY, "100", index=2)
    assert building.requests()[0] == "amend S quantity 200"
    assert building.requests()[1] == "amend T1 quantity 170.0"
    building.settle_all()
    assert sum(quantity for name, (quantity, _) in building.working().items() if name.startswith("T")) == D(200)


def test_nothing_more_is_asked_of_an_order_whose_change_is_unsettled(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.asked.clear()
    building.fill(Role.ENTRY, "20")
    assert not [line for line in building.requests() if " S " in line]


def test_a_duplicate_execution_changes_nothing(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    again = [fact for fact in building.journal if isinstance(fact, ExecutionReported)][-1]
    decision = building.take(again)
    assert decision.facts == ()
    assert building.trade.entered_quantity == D(40)


def test_an_older_report_never_undoes_a_fill(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.report(Role.ENTRY, OrderState.WORKING, filled="0")
    assert building.trade.entered_quantity == D(40)


def test_a_fill_known_only_by_the_orders_figure_counts_and_is_told_once(building: Stage) -> None:
    building.report(Role.ENTRY, OrderState.FILLED, filled="100")
    assert building.trade.open_quantity == D(100)
    assert building.told.count("entry_filled") == 1
    building.fill(Role.ENTRY, "100")
    assert building.trade.open_quantity == D(100)
    assert building.told.count("entry_filled") == 1


def test_an_entry_that_somebody_cancelled_is_rebuilt_with_the_backstop_of_the_day(building: Stage) -> None:
    building.take(BackstopMoved(stop_price=D("1.14")))
    building.settle_all()
    building.report(Role.ENTRY, OrderState.CANCELLED)
    assert building.requests() == ["place E1 buy 100 at 1.19"]
    assert building.asked[0][1].order.attached_stop == D("1.14")
    assert building.asked[0][1].order.client_order_id.endswith("-E1-1")


def test_a_moved_backstop_is_brought_to_the_pending_entries(building: Stage) -> None:
    building.take(BackstopMoved(stop_price=D("1.14")))
    assert building.requests() == ["amend E1 backstop 1.14", "amend E2 backstop 1.14"]


@pytest.mark.parametrize("backstop", ["1.18", "1.185"])
def test_an_entry_that_the_backstop_has_passed_keeps_the_one_it_carries(building: Stage, backstop: str) -> None:
    """The second entry waits at 1.18: the exchange takes no stop for it there or above."""
    building.take(BackstopMoved(stop_price=D(backstop)))
    assert building.requests() == [f"amend E1 backstop {backstop}"]


def test_a_cancel_does_not_wait_for_an_amend_that_was_refused_again_and_again(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle_all()
    building.take(BackstopMoved(stop_price=D("1.14")))
    for _ in range(6):
        building.settle(Settlement.REJECTED, only="amend E2", code=10001)
        building.report(Role.ENTRY, OrderState.WORKING, index=2)
        building.now += timedelta(seconds=20)
        building.take(None)
    building.settle(Settlement.REJECTED, only="amend E2", code=10001)
    building.report(Role.ENTRY, OrderState.WORKING, index=2)
    building.take(EntriesExpired(reason="time", price=None, expired_at=building.now))
    assert "cancel E2" in building.requests()


def test_a_cancel_that_is_refused_is_repeated_at_growing_pauses(building: Stage) -> None:
    building.take(EntriesExpired(reason="time", price=None, expired_at=building.now))
    waits = []
    for _ in range(3):
        building.settle(Settlement.REJECTED, only="cancel E2", code=10001)
        building.report(Role.ENTRY, OrderState.WORKING, index=2)
        assert "cancel E2" not in building.requests()
        assert building.last is not None
        waits.append(building.last.wake_after_seconds)
        building.now += timedelta(seconds=5)
        building.take(None)
    assert waits == sorted(waits)
    assert waits[0] < waits[2]


def test_a_trade_whose_entries_are_all_refused_ends() -> None:
    stage = Stage.of(opening())
    stage.settle(Settlement.REJECTED, code=110007)
    assert stage.trade.exit_reason == ExitReason.NO_ENTRY
    stage.verify()
    assert stage.trade.phase is Phase.CLOSED
    assert stage.told.count("order_rejected") == 2


# --- the ladder --------------------------------------------------------------------------------------------------
def test_the_ladder_is_85_5_5_5_of_what_was_filled(monitoring: Stage) -> None:
    assert monitoring.trade.phase is Phase.MONITORING
    assert monitoring.working() == {
        "S1": (D(200), D("1.15")),
        "T1": (D("170.0"), D("1.21")),
        "T2": (D("10.0"), D("1.22")),
        "T3": (D("10.0"), D("1.23")),
        "T4": (D("10.0"), D("1.24")),
    }


def test_the_ladder_never_asks_for_more_than_is_open_whatever_is_unsettled(building: Stage) -> None:
    for index, lot in ((1, "30"), (2, "50"), (1, "70"), (2, "50")):
        building.fill(Role.ENTRY, lot, index=index)
        assert sum(leg.exposed_quantity for leg in building.trade.of(Role.TARGET)) <= building.trade.open_quantity


def test_a_partial_rung_fill_shrinks_the_stop_at_once_and_is_no_first_target(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "20")
    assert monitoring.requests() == ["amend S quantity 180"]
    assert monitoring.trade.phase is Phase.MONITORING


def test_the_stop_moves_to_breakeven_only_after_the_first_rung_fills(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "100")
    monitoring.settle_all()
    assert monitoring.trade.stop_price == D("1.15")
    monitoring.fill(Role.TARGET, "70.0")
    assert monitoring.trade.phase is Phase.PROFIT_TAKING
    assert monitoring.trade.stop_price > monitoring.trade.average_entry_price
    assert monitoring.requests() == [f"amend S quantity 30.0 trigger {monitoring.trade.stop_price}"]
    assert "stop_moved" not in monitoring.told  # not before the exchange has it
    monitoring.settle_all()
    assert monitoring.told.count("stop_moved") == 1


def test_later_rungs_change_only_the_stops_quantity(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "170.0")
    monitoring.settle_all()
    at_breakeven = monitoring.trade.stop_price
    monitoring.fill(Role.TARGET, "10.0", index=2)
    assert monitoring.requests() == ["amend S quantity 20.0"]
    assert monitoring.trade.stop_price == at_breakeven


def test_the_first_target_cancels_unfilled_entries(building: Stage) -> None:
    building.fill(Role.ENTRY, "100")
    building.settle_all()
    building.fill(Role.TARGET, "85.0")
    assert "cancel E2" in building.requests()


def test_entries_stay_after_the_first_target_when_the_plan_says_so_and_later_fills_are_spread() -> None:
    stage = Stage.of(opening(keep_entries=True))
    stage.settle_all()
    stage.fill(Role.ENTRY, "100")
    stage.settle_all()
    stage.fill(Role.TARGET, "85.0")
    assert not [line for line in stage.requests() if line.startswith("cancel")]
    stage.settle_all()
    tight = stage.trade.stop_price
    stage.fill(Role.ENTRY, "100", index=2)
    stage.settle_all()
    rungs = {name: quantity for name, (quantity, _) in stage.working().items() if name.startswith("T")}
    assert set(rungs) == {"T2", "T3", "T4"}
    assert sum(rungs.values()) == D(115)
    assert stage.trade.stop_price == tight


def test_an_entry_that_fills_dearer_after_the_first_target_recomputes_breakeven(building: Stage) -> None:
    building.fill(Role.ENTRY, "100", index=2)
    building.settle_all()
    building.fill(Role.TARGET, "85.0")  # which cancels the other entry, at 1.19, and that fills first
    before = building.trade.stop_price
    assert before < D("1.19")
    building.fill(Role.ENTRY, "100")
    average = building.trade.average_entry_price
    assert average is not None
    assert building.trade.stop_price > average > before


def test_funding_recomputes_breakeven_and_only_tightens(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "170.0")
    monitoring.settle_all()
    before = monitoring.trade.stop_price
    monitoring.take(FundingBooked(execution_id="f1", paid_usdt=D("-1"), executed_at=monitoring.now))
    assert monitoring.trade.stop_price == before
    monitoring.take(FundingBooked(execution_id="f2", paid_usdt=D("1.5"), executed_at=monitoring.now))
    assert monitoring.trade.stop_price > before


def test_a_rung_the_exchange_cancelled_is_rebuilt(monitoring: Stage) -> None:
    monitoring.report(Role.TARGET, OrderState.CANCELLED, index=2)
    assert monitoring.requests() == ["place T2 sell 10.0 at 1.22"]
    assert "order_cancelled_outside" in monitoring.told


# --- the stop ----------------------------------------------------------------------------------------------------
def test_a_stop_the_exchange_cancelled_is_rebuilt_under_a_new_id(monitoring: Stage) -> None:
    monitoring.report(Role.STOP, OrderState.CANCELLED)
    assert monitoring.requests() == ["place S sell 200 at 1.15"]
    assert monitoring.asked[0][1].order.client_order_id.endswith("-S-1")


def test_a_refused_stop_is_repeated_at_growing_pauses_and_told_as_critical(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle(Settlement.REJECTED, only="place S", code=110009)
    assert building.last is not None
    assert building.last.wake_after_seconds is not None
    assert not [line for line in building.requests() if " S " in line]
    building.now += timedelta(seconds=1)
    building.take(None)
    assert "place S sell 40 at 1.15" in building.requests()


def test_a_stop_refused_for_its_small_worth_asks_for_the_least_the_exchange_takes(building: Stage) -> None:
    """A slice under the least order value, beside a sibling: 4 of 1.15 are 4.60 of 5 USDT."""
    building.fill(Role.ENTRY, "4")
    building.settle(Settlement.REJECTED, only="place S", code=110094)
    building.now += timedelta(seconds=1)
    building.take(None)
    assert "place S sell 4.4 at 1.15" in building.requests()
    building.settle_all()
    assert building.working()["S1"] == (D("4.4"), D("1.15"))
    assert not building.asked, "the little more is not taken back"


def test_a_remainder_of_small_worth_has_its_stop_at_breakeven_all_the_same(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "170", index=1)
    monitoring.settle_all()
    for index, quantity in enumerate(("10", "10", "6"), start=2):
        monitoring.fill(Role.TARGET, quantity, index=index)
        if index < 4:
            monitoring.settle_all()
    breakeven = monitoring.trade.stop_price
    assert monitoring.trade.open_quantity == D(4)
    monitoring.settle(Settlement.REJECTED, only="amend S", code=110094)
    monitoring.report(Role.STOP, OrderState.UNTRIGGERED)
    monitoring.now += timedelta(seconds=1)
    monitoring.take(None)
    assert "amend S quantity 4.3" in monitoring.requests()
    monitoring.settle_all()
    assert monitoring.working()["S1"] == (D("4.3"), breakeven)
    assert not monitoring.asked


def test_a_slice_of_small_worth_leaves_at_the_market_all_the_same(building: Stage) -> None:
    building.fill(Role.ENTRY, "4")
    building.settle_all()
    building.take(ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=building.now))
    building.settle(only="cancel")
    building.settle(Settlement.REJECTED, only="place X", code=110094)
    building.now += timedelta(seconds=1)
    building.take(None)
    assert "place X sell 4.4 at market" in building.requests()


def test_a_stop_whose_trigger_the_price_has_passed_leaves_now(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle(only="place T")
    building.settle(Settlement.TRIGGER_PASSED, only="place S", code=110093)
    assert building.trade.exit_reason == ExitReason.TRIGGER_PASSED
    assert all(line.startswith("cancel") for line in building.requests())
    building.settle_all()
    assert "X1" in building.working()


def test_the_other_trigger_code_is_our_mistake_and_closes_nothing(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle(Settlement.TRIGGER_WRONG_SIDE, only="place S", code=110092)
    assert building.trade.exit_reason is None
    assert "trigger_wrong_side" in building.told


def test_an_unchangeable_stop_is_read_before_anything_is_done_about_it(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "20")
    monitoring.settle(Settlement.GONE)
    stop = monitoring.trade.live_leg(Role.STOP)
    assert stop is not None
    assert stop.in_doubt
    assert monitoring.requests() == []
    monitoring.take(OrderAbsent(client_order_id=stop.client_order_id, read_at=monitoring.now))
    assert monitoring.requests() == ["place S sell 180 at 1.15"]


def test_a_filled_stop_cancels_the_rest_and_closes_after_the_position_agrees(monitoring: Stage) -> None:
    monitoring.fill(Role.STOP, "200")
    assert monitoring.requests() == ["cancel T1", "cancel T2", "cancel T3", "cancel T4"]
    monitoring.settle_all()
    assert monitoring.trade.phase is Phase.CLOSING
    monitoring.verify()
    assert monitoring.trade.phase is Phase.CLOSED
    assert monitoring.told.count("trade_closed") == 1


def test_a_stop_that_ends_short_is_followed_by_market_closes_at_a_pace(monitoring: Stage) -> None:
    monitoring.fill(Role.STOP, "150")
    monitoring.report(Role.STOP, OrderState.CANCELLED, filled="150")
    monitoring.settle_all()
    assert monitoring.working() == {"X1": (D(50), None)}
    monitoring.fill(Role.EXIT, "20")
    monitoring.report(Role.EXIT, OrderState.CANCELLED, filled="20")
    assert not monitoring.asked
    monitoring.now += timedelta(seconds=2)
    monitoring.take(None)
    assert monitoring.requests() == ["place X sell 30 at market"]


def test_a_rung_filled_while_its_growth_is_unanswered_is_told_once_the_answer_comes(building: Stage) -> None:
    building.fill(Role.ENTRY, "100")
    building.settle_all()
    building.fill(Role.ENTRY, "100", index=2)
    building.fill(Role.TARGET, "85.0")
    assert "rung_filled" not in building.told
    building.settle(Settlement.GONE, only="amend T1")
    building.report(Role.TARGET, OrderState.FILLED, filled="85.0")
    assert building.told.count("rung_filled") == 1


def test_what_the_exchange_shows_after_a_change_was_seen_stands_against_its_late_outcome(building: Stage) -> None:
    """An earlier amend, acknowledged long ago, may take effect behind the one that followed it."""
    building.fill(Role.ENTRY, "40")
    building.settle_all()
    building.fill(Role.ENTRY, "60")
    building.report(Role.TARGET, OrderState.WORKING, quantity="85")  # what is asked for now
    building.report(Role.TARGET, OrderState.WORKING, quantity="34")  # the one before, late
    building.settle(only="amend T1")
    leg = building.trade.live_leg(Role.TARGET, 1)
    assert leg is not None
    assert leg.quantity == D(34)
    assert "amend T1 quantity 85" in " ".join(building.requests())


def test_what_the_exchange_shows_before_a_change_was_seen_is_older_than_its_outcome(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle_all()
    building.fill(Role.ENTRY, "60")
    building.report(Role.TARGET, OrderState.WORKING, quantity="34")
    building.settle(only="amend T1")
    leg = building.trade.live_leg(Role.TARGET, 1)
    assert leg is not None
    assert leg.quantity == D(85)


# --- leaving -----------------------------------------------------------------------------------------------------
def test_a_rung_that_is_refused_to_shrink_to_a_small_worth_is_cancelled(monitoring: Stage) -> None:
    for index in range(2, 5):
        monitoring.report(Role.TARGET, OrderState.CANCELLED, index=index, reduced_away=True)
    monitoring.take(
        ReductionBooked(
            execution_id="m1",
            quantity=D("199"),
            price=D("1.2"),
            fee_usdt=D("0.03"),
            cause="manual",
            executed_at=monitoring.now,
        )
    )
    assert "amend T1 quantity 1.0" in monitoring.requests()
    monitoring.settle(Settlement.REJECTED, only="amend T1", code=110094)
    monitoring.report(Role.TARGET, OrderState.WORKING)
    monitoring.now += timedelta(seconds=1)
    monitoring.take(None)
    assert "cancel T1" in monitoring.requests()


def test_what_was_refused_for_its_small_worth_waits_no_longer_once_more_has_filled(building: Stage) -> None:
    """A first lot, then the rest: the pauses that the lot has earned are not waited out."""
    building.fill(Role.ENTRY, "0.4")
    building.settle(Settlement.REJECTED, only="place", code=110094)
    building.fill(Role.ENTRY, "99.6")
    assert "place S sell 100.0 at 1.15" in building.requests()
    assert "place T1 sell 85.0 at 1.21" in building.requests()


def test_a_rung_that_was_refused_many_times_for_its_small_worth_is_placed_with_the_fill(building: Stage) -> None:
    building.fill(Role.ENTRY, "0.4")
    for _ in range(4):
        building.settle(Settlement.REJECTED, only="place T1", code=110094)
        building.settle_all()
        building.now += timedelta(seconds=20)
        building.take(None)
    building.settle(Settlement.REJECTED, only="place T1", code=110094)
    building.now += timedelta(seconds=0.2)
    building.fill(Role.ENTRY, "99.6")
    assert "place T1 sell 85.0 at 1.21" in building.requests()


@pytest.mark.parametrize(
    ("side", "raised", "twice"), [(PositionSide.LONG, "1.2221", "1.2342"), (PositionSide.SHORT, "1.1782", "1.1666")]
)
def test_a_rung_that_the_market_has_left_far_behind_is_placed_where_the_exchange_takes_it(
    side: PositionSide, raised: str, twice: str
) -> None:
    """The plan's price is out of the band of prices: asked for is a little more for each refusal, never less."""
    stage = Stage.of(opening(side=side, entries=("100",)))
    stage.settle_all()
    stage.fill(Role.ENTRY, "100")
    out = side.exit_side.value
    for price in (raised, twice):
        stage.settle(Settlement.REJECTED, only="place T1", code=110003)
        stage.now += timedelta(seconds=1)
        stage.take(None)
        assert f"place T1 {out} 85.0 at {price}" in stage.requests()
    stage.settle_all()
    assert stage.working()["T1"] == (D("85.0"), D(twice))
    assert not stage.asked, "where it rests it stays"
    stage.report(Role.TARGET, OrderState.CANCELLED)
    assert f"place T1 {out} 85.0 at {stage.trade.plan.rungs[0].price}" in stage.requests()


def test_a_rung_refused_for_anything_else_is_asked_for_at_the_plans_price_again(building: Stage) -> None:
    building.fill(Role.ENTRY, "100")
    building.settle(Settlement.REJECTED, only="place T1", code=110017)
    building.now += timedelta(seconds=1)
    building.take(None)
    assert "place T1 sell 85.0 at 1.21" in building.requests()


def test_nothing_is_asked_for_beside_orders_that_are_about_to_be_taken_up(building: Stage) -> None:
    forgetful = Stage.of(opening())  # its command is carried out again; what the first opening placed is there
    forgetful.trade = opened(opening())
    for leg in reversed(building.trade.legs):
        there = ObservedOrder(
            order_id="o",
            client_order_id=leg.client_order_id,
            symbol="XRPUSDT",
            order_side=leg.intent.order_side,
            kind=leg.intent.kind,
            state=OrderState.WORKING,
            quantity=leg.quantity,
            price=leg.price,
            attached_stop=leg.attached_stop,
        )
        fact = OrderReported(account="main", order=there, read_at=START)
        asker = Asker(installation="QK2C", epoch=4, now=START, taking_up=True)
        decision = decide(forgetful.trade, fact, asker)
        assert decision.requests == ()
        forgetful.trade = decision.trade
    assert forgetful.take(None).requests == ()


@pytest.fixture
def shrunk(monitoring: Stage) -> Stage:
    """The first rung, 170, is asked to be 127.5, the exchange has said yes, and no report has shown it yet."""
    monitoring.take(
        ReductionBooked(
            execution_id="m1",
            quantity=D(50),
            price=D("1.2"),
            fee_usdt=D("0.03"),
            cause="manual",
            executed_at=monitoring.now,
        )
    )
    monitoring.settle_all()
    rung = monitoring.trade.live_leg(Role.TARGET, 1)
    assert rung is not None
    assert rung.quantity == D("127.5")
    return monitoring


def test_an_order_that_fills_beyond_what_it_was_made_smaller_to_is_read(shrunk: Stage) -> None:
    shrunk.fill(Role.TARGET, "150")
    rung = shrunk.trade.live_leg(Role.TARGET, 1)
    assert rung is not None
    assert rung.in_doubt
    assert rung.exposed_quantity == 0
    shrunk.report(Role.TARGET, OrderState.WORKING, filled="100")  # from before the fill: the doubt stays
    rung = shrunk.trade.live_leg(Role.TARGET, 1)
    assert rung is not None
    assert rung.in_doubt
    shrunk.settle_all()
    shrunk.report(Role.TARGET, OrderState.WORKING, filled="150", quantity="170")
    assert "cancel T1" in shrunk.requests()  # 20 of it are left, and the other rungs are for what is open
    shrunk.settle(only="cancel T1")
    assert all(leg.state.terminal for leg in shrunk.trade.of(Role.TARGET) if leg.index == 1)


def test_an_order_that_looked_filled_up_and_fills_on_is_read(shrunk: Stage) -> None:
    shrunk.fill(Role.TARGET, "127.5")
    shrunk.fill(Role.TARGET, "22.5")
    rung = shrunk.trade.latest(Role.TARGET, 1)
    assert rung is not None
    assert rung.state.terminal
    assert [leg.client_order_id for leg in doubtful_legs(shrunk.trade)] == [rung.client_order_id]
    shrunk.report(Role.TARGET, OrderState.FILLED, filled="150", quantity="150")
    assert not list(doubtful_legs(shrunk.trade))


def test_an_order_that_fills_up_while_it_was_not_made_smaller_is_alive_again(shrunk: Stage) -> None:
    shrunk.fill(Role.TARGET, "127.5")  # it looks complete; the exchange refuses the amend that it had said yes to
    assert shrunk.trade.live_leg(Role.TARGET, 1) is None
    shrunk.report(Role.TARGET, OrderState.WORKING, filled="100", quantity="170")  # from before the last fill
    assert shrunk.trade.live_leg(Role.TARGET, 1) is None
    shrunk.report(Role.TARGET, OrderState.WORKING, filled="127.5", quantity="170")
    rung = shrunk.trade.live_leg(Role.TARGET, 1)
    assert rung is not None
    assert rung.quantity == D(170)
    assert rung.exposed_quantity == D("42.5")


def test_after_a_loss_of_memory_a_stop_stays_where_it_had_been_moved_to(monitoring: Stage) -> None:
    monitoring.report(Role.STOP, OrderState.UNTRIGGERED, trigger="1.16")
    assert "amend S trigger 1.15" in monitoring.requests()  # somebody else's doing
    monitoring.settle_all()
    monitoring.take(MemoryLost(epoch=4, noted_at=monitoring.now))
    monitoring.report(Role.STOP, OrderState.UNTRIGGERED, trigger="1.16", read=True)
    assert monitoring.requests() == []
    assert monitoring.trade.stop_price == D("1.16")
    monitoring.report(Role.STOP, OrderState.UNTRIGGERED, trigger="1.14")
    assert monitoring.requests() == ["amend S trigger 1.16"]


def leave(stage: Stage) -> None:
    stage.take(ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=stage.now))


def test_leaving_cancels_the_rungs_then_closes_then_cancels_the_stop(monitoring: Stage) -> None:
    leave(monitoring)
    assert [line[:8] for line in monitoring.requests()] == ["cancel T"] * 4
    monitoring.settle()
    assert monitoring.requests() == ["place X sell 200 at market"]
    assert "S1" in monitoring.working()
    monitoring.settle()
    monitoring.fill(Role.EXIT, "200", "1.2")
    assert monitoring.requests() == ["cancel S"]


def test_leaving_before_any_fill_only_cancels(building: Stage) -> None:
    leave(building)
    assert building.requests() == ["cancel E1", "cancel E2"]
    building.settle_all()
    building.verify()
    assert building.trade.phase is Phase.CLOSED


def test_a_fill_during_the_cancel_is_flattened(building: Stage) -> None:
    leave(building)
    building.fill(Role.ENTRY, "100")
    assert "place X sell 100 at market" in building.requests()


def test_a_late_fill_of_a_closed_trade_is_flattened_and_told(building: Stage) -> None:
    leave(building)
    building.settle_all()
    building.verify()
    assert building.trade.phase is Phase.CLOSED
    building.fill(Role.ENTRY, "60")
    assert building.trade.phase is Phase.CLOSING
    assert building.requests() == ["place X sell 60 at market"]
    assert "exit_started" in building.told
    building.settle_all()
    building.fill(Role.EXIT, "60", "1.19")
    building.verify()
    assert building.trade.phase is Phase.CLOSED


def test_a_trade_is_not_closed_on_a_reading_from_before_its_last_fill(monitoring: Stage) -> None:
    early = monitoring.now - timedelta(seconds=30)
    monitoring.fill(Role.STOP, "200")
    monitoring.settle_all()
    monitoring.take(PositionVerified(first_read_at=early, second_read_at=monitoring.now))
    assert monitoring.trade.phase is Phase.CLOSING


# --- what others do ----------------------------------------------------------------------------------------------
def test_a_booked_reduction_shrinks_stop_and_ladder(monitoring: Stage) -> None:
    booked = ReductionBooked(
        execution_id="m1",
        quantity=D(100),
        price=D("1.2"),
        fee_usdt=D("0.06"),
        cause="manual",
        executed_at=monitoring.now,
    )
    monitoring.take(booked)
    assert monitoring.requests()[0] == "amend S quantity 100"
    monitoring.settle_all()
    assert sum(quantity for name, (quantity, _) in monitoring.working().items() if name[0] == "T") == D(100)
    assert monitoring.trade.phase is Phase.MONITORING
    assert monitoring.take(booked).facts == ()


def test_rungs_the_exchange_reduced_away_wait_for_word_of_the_shrunk_position(monitoring: Stage) -> None:
    for index in range(1, 5):
        monitoring.report(Role.TARGET, OrderState.CANCELLED, index=index, reduced_away=True)
    assert monitoring.requests() == []
    assert "order_cancelled_outside" not in monitoring.told
    monitoring.now += timedelta(seconds=3)
    monitoring.take(None)
    assert [line[:8] for line in monitoring.requests()] == ["place T1", "place T2", "place T3", "place T4"]


def test_a_reduction_to_nothing_ends_the_trade(monitoring: Stage) -> None:
    monitoring.take(
        ReductionBooked(
            execution_id="m1",
            quantity=D(200),
            price=D("1.1465"),
            fee_usdt=D("0.1"),
            cause="backstop",
            executed_at=monitoring.now,
        )
    )
    assert monitoring.trade.exit_reason == ExitReason.BACKSTOP
    assert "cancel S" in monitoring.requests()


def test_what_the_exchange_clears_away_with_the_position_is_not_told_as_a_loss(monitoring: Stage) -> None:
    monitoring.fill(Role.STOP, "200")
    monitoring.report(Role.TARGET, OrderState.CANCELLED, index=1)
    assert "order_cancelled_outside" not in monitoring.told


def test_an_exit_that_sold_too_much_passes_the_rest_on(monitoring: Stage) -> None:
    monitoring.take(
        ReductionBooked(
            execution_id="m1",
            quantity=D(50),
            price=D("1.2"),
            fee_usdt=D(0),
            cause="manual",
            executed_at=monitoring.now,
        )
    )
    monitoring.fill(Role.STOP, "200", "1.15")
    assert monitoring.excess == []
    monitoring.now += timedelta(seconds=3)
    monitoring.take(ExecutionsRead(read_at=monitoring.now))
    assert [(each.quantity, each.price) for each in monitoring.excess] == [(D(50), D("1.15"))]
    assert monitoring.trade.open_quantity == 0
    assert monitoring.trade.excess_quantity == 0


def test_an_exit_reported_before_its_entrys_fill_concludes_nothing(building: Stage) -> None:
    building.fill(Role.ENTRY, "40")
    building.settle_all()
    stop = building.trade.live_leg(Role.STOP)
    assert stop is not None
    building.fill(Role.STOP, "60")
    assert building.trade.exit_reason is None
    building.fill(Role.ENTRY, "60")
    assert building.excess == []
    assert building.trade.open_quantity == D(40)


# --- money -------------------------------------------------------------------------------------------------------
def test_the_realised_result_is_net_of_both_fees(monitoring: Stage) -> None:
    monitoring.fill(Role.STOP, "200", "1.15", fee="0.1265")
    entry_value = D(100) * D("1.19") + D(100) * D("1.18")
    assert monitoring.trade.realised_pnl_usdt == D(200) * D("1.15") - entry_value - D("0.02") - D("0.1265")


# --- the journal -------------------------------------------------------------------------------------------------
def test_every_prefix_of_the_journal_folds_and_the_whole_gives_the_same_trade(monitoring: Stage) -> None:
    monitoring.fill(Role.TARGET, "170.0")
    monitoring.settle_all()
    monitoring.fill(Role.STOP, "30.0")
    monitoring.settle_all()
    monitoring.verify()
    for length in range(1, len(monitoring.journal) + 1):
        fold(monitoring.journal[:length])
    assert fold(monitoring.journal) == monitoring.trade


def test_orders_keep_the_epoch_that_first_committed_them(building: Stage) -> None:
    trade = fold(building.journal)
    decision = decide(trade, None, Asker(installation="QK2C", epoch=4, now=building.now))
    assert decision.requests == ()
    assert {leg.client_order_id for leg in trade.of(Role.ENTRY)} == {"SFQK2C3-7K3Q9X-E1-0", "SFQK2C3-7K3Q9X-E2-0"}
