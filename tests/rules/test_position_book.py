"""The position book decided without an actor: who stands where, where the backstop is, whose an execution was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from actors.messages.accounts import (
    AdmitTrade,
    BackstopMoved,
    ExcessReported,
    FundingBooked,
    PositionsRead,
    PositionVerified,
    ReductionBooked,
    SliceReported,
    WithdrawAdmission,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.booking import BackstopPlaced, ExecutionBooked, ForeignCounted, LookAgain
from actors.messages.orders import (
    EffectSettled,
    ExecutionKind,
    ExecutionReported,
    PositionReported,
    SetPositionStop,
    Settlement,
)
from actors.messages.storing import StoredStream, UnsettledEffect
from actors.model.alert import Alert, Severity
from actors.model.order import OrderSide
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade import BackstopSettings
from actors.rules import book_admission, book_readings
from actors.rules.book_turn import Book, Turn
from actors.rules.position_book import decide

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
OPENED = NOON - timedelta(hours=1)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SYMBOL = "XRPUSDT"


def slice_of(trade: str = "A", quantity: str = "100", **more: Any) -> SliceReported:
    """A trade's word: 100 long from 1.19, stop 1.15, backstop as the book will have it."""
    side = more.pop("side", LONG)
    stop = more.pop("stop", "1.15" if side is LONG else "1.25")
    backstop = more.pop("backstop", "1.1465" if side is LONG else "1.2538")
    usual: dict[str, Any] = {
        "trade_id": trade,
        "path": f"monitor/{trade}",
        "symbol": SYMBOL,
        "position_side": side,
        "position_index": 0,
        "tick_size": Decimal("0.0001"),
        "quantity_step": Decimal("0.1"),
        "leverage": Decimal(10),
        "opened_at": OPENED,
        "open_quantity": Decimal(quantity),
        "reductions": (),
        "stop_price": None if stop is None else Decimal(stop),
        "backstop_price": Decimal(backstop),
        "attached_stops": (),
        "wants_verification": False,
        "ended": False,
        "last_fill_at": OPENED,
    }
    return SliceReported(**(usual | more))


def admission(trade: str = "B", stop: str = "1.15", **more: Any) -> AdmitTrade:
    usual: dict[str, Any] = {
        "trade_id": trade,
        "symbol": SYMBOL,
        "position_side": LONG,
        "position_index": 0,
        "stop_price": Decimal(stop),
        "tick_size": Decimal("0.0001"),
        "liquidation_price": None,
        "leverage": Decimal(10),
    }
    return AdmitTrade(**(usual | more))


def position(size: str = "100", **more: Any) -> ObservedPosition:
    usual: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": LONG if Decimal(size) else None,
        "size": Decimal(size),
        "average_price": Decimal("1.19"),
        "leverage": Decimal(10),
        "position_index": 0,
        "stop_price": Decimal("1.1465"),
        "liquidation_price": None,
        "mark_price": Decimal("1.188"),
    }
    return ObservedPosition(**(usual | more))


@dataclass
class Desk:
    """A book, a clock and all that has followed, in the order it would leave."""

    book: Book
    now: datetime = NOON
    turns: list[Turn] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    monitors_answer: bool = True

    def name(self, about: str) -> str:
        return f"{next(self.numbers)}/{about}"

    def take(self, *messages: Any) -> Turn:
        for message in messages:
            self.turns.append(decide(self.book, message, self.now, self.name))
        return self.turns[-1]

    def admit(self, request: AdmitTrade) -> str | None:
        turn = Turn(book=self.book, now=self.now, name=self.name)
        refusal = book_admission.admit(turn, request)
        book_admission.answer(turn)
        self.turns.append(turn)
        return refusal

    def vouch(self, *trades: str) -> None:
        """Have these monitors stand by what they told last."""
        turn = Turn(book=self.book, now=self.now, name=self.name)
        for trade in trades:
            told = self.book.slice_of(trade)
            if told is not None:
                book_readings.take_voucher(turn, trade, told.open_quantity)
        self.turns.append(turn)

    def read(self, *positions: ObservedPosition, after: float = 2.0, **more: Any) -> Turn:
        """One reading, begun now; time has passed since the last."""
        self.pass_time(after)
        values: dict[str, Any] = {"foreign_executions": (), "foreign_conditionals": ()}
        turn = self.take(PositionsRead(started_at=self.now, positions=positions, **(values | more)))
        if self.monitors_answer:
            self.vouch(*turn.vouchers_wanted)
        return turn

    def execution(self, order_side: OrderSide, quantity: str, **more: Any) -> ExecutionReported:
        usual: dict[str, Any] = {
            "account": "main",
            "execution_id": f"x{next(self.numbers)}",
            "symbol": SYMBOL,
            "order_id": "o",
            "client_order_id": None,
            "order_side": order_side,
            "kind": ExecutionKind.TRADE,
            "quantity": Decimal(quantity),
            "price": Decimal("1.18"),
            "fee_usdt": Decimal("0.1"),
            "is_maker": False,
            "executed_at": self.now,
        }
        return ExecutionReported(**(usual | more))

    def sold(self, quantity: str, **more: Any) -> Turn:
        return self.take(self.execution(OrderSide.SELL, quantity, **more))

    def bought(self, quantity: str, **more: Any) -> Turn:
        return self.take(self.execution(OrderSide.BUY, quantity, **more))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def settle(self, key: str, settlement: Settlement = Settlement.DONE) -> Turn:
        return self.take(EffectSettled(effect_key=key, settlement=settlement, settled_at=self.now, text="refused"))

    # --- what has followed ---------------------------------------------------------------------------------------
    def requests(self, kind: type) -> list[Any]:
        return [e.request for turn in self.turns for e in turn.effects if isinstance(e.request, kind)]

    def stops(self) -> list[Decimal]:
        return [request.stop_price for request in self.requests(SetPositionStop)]

    def stop_keys(self) -> list[str]:
        return [e.key for turn in self.turns for e in turn.effects if isinstance(e.request, SetPositionStop)]

    def booked(self) -> dict[str, Decimal]:
        """Give what each trade was told to have lost, by its monitor's path."""
        told: dict[str, Decimal] = {}
        for turn in self.turns:
            for effect in turn.effects:
                if isinstance(effect.request, ReductionBooked):
                    trade = effect.destination.removeprefix("monitor/")
                    told[trade] = told.get(trade, Decimal(0)) + effect.request.quantity
        return told

    def alerts(self, kind: str = "") -> list[Alert]:
        raised = [each.alert for each in self.requests(RaiseAlert)]
        return [alert for alert in raised if kind in {"", alert.kind}]

    def facts(self, kind: type) -> list[Any]:
        return [fact for turn in self.turns for fact in turn.facts if isinstance(fact, kind)]

    def told(self, kind: type) -> list[tuple[str, Any]]:
        return [(path, m) for turn in self.turns for path, m in turn.tells if isinstance(m, kind)]

    def admitted(self) -> list[str]:
        return [each.trade_id for turn in self.turns for each in turn.admitted]

    @property
    def foreign(self) -> Decimal:
        return self.book.side(SYMBOL, LONG).foreign_quantity

    @property
    def backstop(self) -> Decimal | None:
        return self.book.side(SYMBOL, LONG).backstop


def empty_book() -> Book:
    book = Book(account="main", settings=BackstopSettings(), inward_from=NOON, silent_from=NOON + timedelta(seconds=30))
    book.load(StoredStream(stream="book/main", sequence=0, facts=(), unsettled=()), ())
    return book


@pytest.fixture
def desk() -> Desk:
    return Desk(empty_book())


@pytest.fixture
def held(desk: Desk) -> Desk:
    """A with 100 long and its backstop at the exchange."""
    desk.take(slice_of("A"))
    desk.read(position())
    assert desk.backstop == Decimal("1.1465")
    assert not desk.stops()
    desk.turns.clear()
    return desk


@pytest.fixture
def shared(held: Desk) -> Desk:
    """A with 100 and B with 200 long, stops 1.15, backstop in force."""
    held.take(slice_of("B", "200"))
    held.read(position("300"))
    held.turns.clear()
    return held


# --- admission ---------------------------------------------------------------------------------------------------
def test_a_trade_on_an_empty_symbol_is_admitted_at_once(desk: Desk) -> None:
    assert desk.admit(admission("B", "1.15")) is None
    assert desk.admitted() == ["B"]
    assert desk.backstop == Decimal("1.1465")


def test_both_sides_of_a_symbol_share_its_eight_places(desk: Desk) -> None:
    for number in range(4):
        desk.take(slice_of(f"L{number}", position_index=1), slice_of(f"S{number}", side=SHORT, position_index=2))
    refusal = desk.admit(admission("B", position_index=1))
    assert refusal is not None
    assert "has 8 trades already, long and short together" in refusal


def test_foreign_conditionals_take_places_too(desk: Desk) -> None:
    desk.read(foreign_conditionals=((SYMBOL, 3),))
    for number in range(6):
        desk.take(slice_of(f"L{number}"))
    refusal = desk.admit(admission("B"))
    assert refusal is not None
    assert "would need 10 conditional orders" in refusal
    assert book_admission.reading(desk.book, SYMBOL).foreign_conditionals == 3


def test_another_leverage_than_a_pending_trades_is_refused(desk: Desk) -> None:
    assert desk.admit(admission("B", leverage=Decimal(5))) is None
    assert book_admission.reading(desk.book, SYMBOL).leverage == Decimal(5)
    refusal = desk.admit(admission("C", leverage=Decimal(10)))
    assert refusal == "leverage 10 is unlike the 5 of a XRPUSDT trade there; write 5"


def test_a_pending_short_holds_a_long_to_its_leverage_because_both_are_set_at_once(desk: Desk) -> None:
    desk.take(slice_of("S", "0", side=SHORT, position_index=2, leverage=Decimal(5)))
    assert "unlike the 5" in (desk.admit(admission("B", position_index=1)) or "")


def test_the_other_side_is_refused_in_one_way_mode_and_taken_in_hedge_mode(desk: Desk) -> None:
    desk.take(slice_of("S", "0", side=SHORT))
    assert "one-way mode" in (desk.admit(admission("B")) or "")
    assert desk.admit(admission("B", position_index=1)) is None


def test_a_side_that_holds_foreign_quantity_is_refused(desk: Desk) -> None:
    desk.read(position("7"))
    desk.read(position("7"))
    assert desk.foreign == 7
    assert "belong to no trade" in (desk.admit(admission()) or "")


def test_a_backstop_beyond_the_live_positions_liquidation_is_refused(held: Desk) -> None:
    held.read(position(liquidation_price=Decimal("1.12")))
    assert held.admit(admission(stop="1.13")) is None
    assert "beyond the liquidation price 1.12" in (held.admit(admission("C", stop="1.121")) or "")


def test_a_refused_admission_leaves_nothing_behind(held: Desk) -> None:
    held.admit(admission(stop="1.10", liquidation_price=Decimal("1.12")))
    assert held.backstop == Decimal("1.1465")
    assert held.book.side(SYMBOL, LONG).trades == 1


# --- the backstop moves outward before a trade begins, inward after its stop has moved ----------------------------
def test_a_second_trade_begins_only_when_exchange_and_entries_have_the_backstop(desk: Desk) -> None:
    inner, outer = Decimal("1.1465"), Decimal("1.0967")
    desk.take(slice_of("A", attached_stops=(inner,)))
    desk.read(position())
    assert desk.admit(admission("B", "1.10")) is None
    assert desk.backstop == outer
    assert desk.stops() == [outer]
    assert desk.told(BackstopMoved) == [("monitor/A", BackstopMoved(stop_price=outer))]
    assert not desk.admitted()

    desk.settle(desk.stop_keys()[0])
    assert not desk.admitted()  # A's entry would bring the inner one back
    desk.take(slice_of("A", backstop="1.0967", attached_stops=(inner, outer)))
    assert not desk.admitted()  # one of two entries still would
    desk.take(slice_of("A", backstop="1.0967", attached_stops=(outer,)))
    assert desk.admitted() == ["B"]


def test_an_entry_whose_backstop_lies_farther_out_keeps_nobody_waiting(desk: Desk) -> None:
    """The backstop has passed it: the exchange takes no nearer one for it, and the farther one guards B's stop too."""
    desk.take(slice_of("A", attached_stops=(Decimal("1.09"),)))
    desk.read(position())
    assert desk.admit(admission("B", "1.10")) is None
    desk.settle(desk.stop_keys()[0])
    desk.take(slice_of("A", backstop="1.0967", attached_stops=(Decimal("1.09"), Decimal("1.0967"))))
    assert desk.admitted() == ["B"]


def test_entries_first_and_the_exchange_last_makes_no_difference(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position())
    desk.admit(admission("B", "1.10"))
    desk.take(slice_of("A", backstop="1.0967", attached_stops=(Decimal("1.0967"),)))
    assert not desk.admitted()
    desk.settle(desk.stop_keys()[0])
    assert desk.admitted() == ["B"]


def test_a_trade_that_has_sent_no_entry_yet_must_know_the_backstop_its_entries_will_carry(desk: Desk) -> None:
    desk.take(slice_of("A", "0"))
    desk.admit(admission("B", "1.10"))
    assert not desk.admitted()
    desk.take(slice_of("A", "0", backstop="1.0967"))
    assert desk.admitted() == ["B"]


def test_a_nearer_stop_still_on_its_way_holds_an_admission_back(desk: Desk) -> None:
    """The exchange has the outer one, but the inner one may arrive any moment."""
    desk.take(slice_of("A", backstop="1.0967"), slice_of("B", stop="1.10", backstop="1.0967"))
    desk.read(position(stop_price=Decimal("1.0967")))
    desk.take(slice_of("B", "0", stop=None, ended=True))
    assert desk.stops() == [Decimal("1.1465")]
    desk.admit(admission("C", "1.10"))
    assert desk.backstop == desk.book.side(SYMBOL, LONG).exchange_stop
    assert not desk.admitted()
    desk.settle(desk.stop_keys()[0])
    desk.settle(desk.stop_keys()[1])
    assert desk.stops() == [Decimal("1.1465"), Decimal("1.0967")]
    assert desk.admitted() == ["C"]


def test_the_backstop_comes_back_in_when_the_outer_trade_has_ended(desk: Desk) -> None:
    desk.take(slice_of("A"), slice_of("B", stop="1.10"))
    assert desk.backstop == Decimal("1.0967")
    desk.take(slice_of("B", "0", stop=None, ended=True))
    assert desk.backstop == Decimal("1.1465")


def test_it_moves_inward_only_when_the_own_stop_has_arrived(desk: Desk) -> None:
    desk.take(slice_of("A", stop="1.15"))
    before = desk.backstop
    desk.take(slice_of("A", stop="1.15"))  # wanted 1.19, confirmed 1.15: the slice tells the farther
    assert desk.backstop == before
    desk.take(slice_of("A", stop="1.19"))
    assert desk.backstop == Decimal("1.1864")


def test_it_stays_out_while_a_trade_on_the_symbol_is_not_heard_of(desk: Desk) -> None:
    desk.take(slice_of("A", stop="1.10"))
    desk.book.awaited = {"B": SYMBOL}
    desk.take(slice_of("A", stop="1.15"))
    assert desk.backstop == Decimal("1.0967")
    desk.take(slice_of("A", stop="1.05"))
    assert desk.backstop == Decimal("1.0468")  # outward never waits
    desk.take(slice_of("A", stop="1.15"), slice_of("B", stop="1.12"))
    assert desk.backstop == Decimal("1.1166")


def test_it_stays_out_at_first_for_a_trade_that_an_earlier_life_admitted(desk: Desk) -> None:
    desk.book.inward_from = NOON + timedelta(seconds=60)
    desk.take(slice_of("A", stop="1.10"))
    turn = desk.take(slice_of("A", stop="1.15"))
    assert desk.backstop == Decimal("1.0967")
    assert turn.looks == {SYMBOL: 60.0}
    desk.pass_time(60)
    desk.take(LookAgain(symbol=SYMBOL))
    assert desk.backstop == Decimal("1.1465")


def test_a_monitor_that_believes_in_an_older_backstop_is_told_again_once(desk: Desk) -> None:
    desk.take(slice_of("A", backstop="1.13"), slice_of("B"), slice_of("B"))
    assert desk.told(BackstopMoved) == [("monitor/A", BackstopMoved(stop_price=Decimal("1.1465")))]
    desk.take(slice_of("A", backstop="1.13"))  # a word from before the telling: it may have been lost
    assert len(desk.told(BackstopMoved)) == 2


def test_without_trades_there_is_no_backstop(held: Desk) -> None:
    held.take(slice_of("A", "0", stop=None, ended=True))
    assert held.backstop is None
    assert held.facts(BackstopPlaced)[-1].stop_price is None


# --- asking the exchange -------------------------------------------------------------------------------------------
def test_a_burst_of_position_reports_asks_for_the_stop_once(desk: Desk) -> None:
    desk.take(slice_of("A"))
    for _ in range(20):
        desk.take(PositionReported(account="main", position=position(stop_price=None)))
    assert desk.stops() == [Decimal("1.1465")]


def test_a_report_from_before_the_answer_does_not_ask_again(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    late = position(stop_price=None, updated_at=desk.now - timedelta(seconds=1))
    desk.settle(desk.stop_keys()[0])
    desk.take(PositionReported(account="main", position=late))
    assert len(desk.stops()) == 1
    desk.take(PositionReported(account="main", position=replace(late, updated_at=desk.now + timedelta(seconds=1))))
    assert len(desk.stops()) == 2  # somebody took it away: it is set again


def test_the_answer_counts_for_the_price_that_was_asked(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    desk.take(slice_of("A", stop="1.10"))  # moves on while the first request is under way
    assert desk.stops() == [Decimal("1.1465")]
    desk.settle(desk.stop_keys()[0])
    assert desk.stops() == [Decimal("1.1465"), Decimal("1.0967")]


def test_refusals_pause_ever_longer_and_alert_a_bounded_number_of_times(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    for _ in range(600):  # ten minutes
        if len(desk.stop_keys()) > sum(isinstance(s, str) for turn in desk.turns for s in turn.settles):
            desk.settle(desk.stop_keys()[-1], Settlement.REJECTED)
        desk.take(PositionReported(account="main", position=position(stop_price=None)))
        desk.pass_time(1)
        desk.take(LookAgain(symbol=SYMBOL))
    assert 10 <= len(desk.stops()) <= 16  # after 2, 4, 8, 16, 32 s, then every minute
    assert 1 <= len(desk.alerts("backstop_refused")) <= 2
    assert desk.alerts("backstop_refused")[0].severity is Severity.CRITICAL
    desk.settle(desk.stop_keys()[-1])
    assert not desk.alerts("backstop_in_place") or desk.alerts("backstop_in_place")[0].severity is Severity.INFO


def test_a_person_hears_when_a_refused_backstop_is_in_place(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    desk.settle(desk.stop_keys()[0], Settlement.REJECTED)
    desk.pass_time(2)
    desk.take(LookAgain(symbol=SYMBOL))
    desk.settle(desk.stop_keys()[1])
    assert [alert.kind for alert in desk.alerts()] == ["backstop_refused", "backstop_in_place"]


def test_a_refused_backstop_that_no_trade_needs_any_more_alarms_nobody(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    desk.take(slice_of("A", "0", stop=None))  # its last target has filled: the position is gone
    desk.settle(desk.stop_keys()[0], Settlement.REJECTED)
    assert not desk.alerts("backstop_refused")


def test_a_position_that_is_the_persons_own_gets_no_stop_of_ours(desk: Desk) -> None:
    desk.read(position("7", stop_price=None))
    desk.read(position("7", stop_price=None))
    assert desk.foreign == 7
    desk.take(slice_of("A", "0"))  # pending, nothing filled
    desk.read(position("7", stop_price=None))
    assert not desk.stops()


def test_a_flat_long_of_a_hedged_account_says_nothing_of_the_short(desk: Desk) -> None:
    desk.take(slice_of("S", side=SHORT, position_index=2, backstop="1.2538"))
    short = position(side=SHORT, position_index=2, stop_price=Decimal("1.2538"))
    desk.take(PositionReported(account="main", position=short))
    desk.take(PositionReported(account="main", position=position("0", position_index=1, stop_price=None)))
    assert desk.book.side(SYMBOL, SHORT).size == 100


def test_an_overtaken_position_report_is_not_heeded(held: Desk) -> None:
    held.take(PositionReported(account="main", position=position("60", sequence=9)))
    held.take(PositionReported(account="main", position=position("100", sequence=8)))
    assert held.book.side(SYMBOL, LONG).size == 60


# --- admissions that nobody takes up -------------------------------------------------------------------------------
def test_an_admission_whose_desk_died_is_given_up_when_no_such_trade_exists(desk: Desk) -> None:
    turn_looks = desk.admit(admission("B", "1.10"))
    assert turn_looks is None
    desk.pass_time(59)
    assert not desk.take(LookAgain(symbol=SYMBOL)).overdue
    desk.pass_time(1)
    turn = desk.take(LookAgain(symbol=SYMBOL))
    assert turn.overdue
    book_admission.looked_for(turn, ())
    assert desk.book.side(SYMBOL, LONG).trades == 0
    assert desk.backstop is None


def test_one_whose_trade_was_opened_keeps_its_place_until_it_reports(desk: Desk) -> None:
    desk.admit(admission("B", "1.10"))
    desk.pass_time(61)
    turn = desk.take(LookAgain(symbol=SYMBOL))
    book_admission.looked_for(turn, {"B"})
    assert desk.book.side(SYMBOL, LONG).trades == 1
    assert turn.looks[SYMBOL] <= 60
    desk.take(slice_of("B", "0", stop="1.10", backstop="1.0967"))
    assert not desk.book.side(SYMBOL, LONG).admissions


def test_another_look_does_not_forget_a_lasting_admission(desk: Desk) -> None:
    desk.admit(admission("B"))
    desk.pass_time(10)
    assert desk.take(LookAgain(symbol=SYMBOL)).looks[SYMBOL] == 50


def test_a_withdrawn_admission_lets_the_backstop_come_back(held: Desk) -> None:
    held.admit(admission("B", "1.10"))
    held.take(WithdrawAdmission(trade_id="B"))
    assert held.backstop == Decimal("1.1465")


# --- executions without our id -------------------------------------------------------------------------------------
def test_an_addition_is_foreign(held: Desk) -> None:
    held.bought("20")
    assert held.foreign == 20
    assert not held.booked()
    assert held.alerts("unattributed_execution")[0].severity is Severity.WARNING


def test_a_manual_reduction_takes_foreign_quantity_first(shared: Desk) -> None:
    shared.bought("20")
    shared.sold("50")
    assert shared.foreign == 0
    assert shared.booked() == {"A": Decimal(10), "B": Decimal(20)}


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ({"is_position_stop": True}, "backstop"),
        ({"kind": ExecutionKind.LIQUIDATION}, "liquidation"),
        ({"kind": ExecutionKind.DELEVERAGING}, "deleveraging"),
    ],
)
def test_what_the_exchange_takes_goes_pro_rata_and_spares_foreign_quantity(
    shared: Desk, how: dict[str, Any], cause: str
) -> None:
    shared.bought("20")
    shared.sold("30", **how)
    assert shared.foreign == 20
    assert shared.booked() == {"A": Decimal(10), "B": Decimal(20)}
    assert {each.cause for each in shared.requests(ReductionBooked)} == {cause}
    assert shared.alerts("unattributed_execution")[-1].severity is Severity.CRITICAL


def test_of_many_fills_of_one_order_the_first_alone_is_told(shared: Desk) -> None:
    for _ in range(5):
        shared.sold("10", is_position_stop=True, order_id="one")
    shared.sold("10", is_position_stop=True, order_id="two")
    assert len({alert.key for alert in shared.alerts("unattributed_execution")}) == 2


def test_a_backstop_that_no_trade_needs_stays_on_what_is_foreign_and_that_is_told(held: Desk) -> None:
    held.bought("20")
    held.read(position("120"))
    held.take(slice_of("A", "0", ended=True))
    held.read(position("20"))
    held.pass_time(60)
    held.read(position("20"))
    assert not held.stops(), "nothing foreign is left without a stop by our doing"
    (alert,) = held.alerts("backstop_stays")
    assert "1.1465 stays on your 20 XRPUSDT long" in alert.title


def test_fees_are_split_with_the_quantity(shared: Desk) -> None:
    shared.sold("30")
    assert sum(each.fee_usdt for each in shared.requests(ReductionBooked)) == Decimal("0.1")


def test_parts_that_follow_each_other_are_shared_by_what_is_left(desk: Desk) -> None:
    """Before any monitor has answered: one lot from A, two from B, never three from B."""
    desk.take(slice_of("A", "0.1"), slice_of("B", "0.2"))
    for _ in range(3):
        desk.sold("0.1", is_position_stop=True)
    assert desk.booked() == {"A": Decimal("0.1"), "B": Decimal("0.2")}


def test_a_share_counts_once_whether_its_trade_has_told_it_or_not(shared: Desk) -> None:
    shared.sold("30", execution_id="x")
    assert shared.book.side(SYMBOL, LONG).held == 270
    shared.take(slice_of("A", "90", reductions=("x",)))
    assert shared.book.side(SYMBOL, LONG).held == 270
    shared.take(slice_of("B", "200"))  # an older word of B's, on its way when it was told
    assert shared.book.side(SYMBOL, LONG).held == 270


def test_a_repeated_execution_is_booked_once(shared: Desk) -> None:
    execution = shared.execution(OrderSide.SELL, "30")
    shared.take(execution, execution)
    shared.read(position("270"), foreign_executions=(execution,))
    assert shared.booked() == {"A": Decimal(10), "B": Decimal(20)}
    assert len(shared.facts(ExecutionBooked)) == 1


def test_an_execution_where_nobody_stands_is_nobodys_business(desk: Desk) -> None:
    for turn in (desk.sold("5"), desk.bought("5")):
        assert not turn.facts
        assert not turn.effects


def test_one_from_before_a_trade_is_never_its_own_however_late_it_is_read(desk: Desk) -> None:
    late = desk.execution(OrderSide.SELL, "5", executed_at=OPENED - timedelta(minutes=1))
    desk.take(slice_of("A"))
    desk.read(position(), foreign_executions=(late,))
    desk.pass_time(10)
    desk.take(LookAgain(symbol=SYMBOL))
    assert not desk.booked()
    assert desk.foreign == 0


def test_of_two_trades_only_the_one_that_was_there_bears_it(desk: Desk) -> None:
    desk.take(slice_of("A"), slice_of("B", opened_at=NOON + timedelta(seconds=1)))
    desk.sold("30")
    desk.bought("500", kind=ExecutionKind.FUNDING, fee_usdt=Decimal(4))
    assert desk.booked() == {"A": Decimal(30)}
    assert len(desk.requests(FundingBooked)) == 1


def test_one_from_before_a_count_is_in_the_count_already(desk: Desk) -> None:
    early = desk.execution(OrderSide.BUY, "7")
    desk.read(position("7"))
    desk.read(position("7"))
    desk.take(early)
    assert desk.foreign == 7


def test_a_fill_the_book_has_not_been_told_yet_is_waited_for(desk: Desk) -> None:
    """The backstop fires right after an entry fills, and its report overtakes the monitor's."""
    desk.take(slice_of("A", "0"))
    turn = desk.sold("100", is_position_stop=True)
    assert not desk.booked()
    assert turn.looks == {SYMBOL: 30.0}
    desk.take(slice_of("A", "100"))
    assert desk.booked() == {"A": Decimal(100)}


def test_it_is_not_waited_for_for_ever(desk: Desk) -> None:
    desk.take(slice_of("A", "60"))
    desk.sold("100", is_position_stop=True)
    desk.pass_time(29)
    desk.take(LookAgain(symbol=SYMBOL))
    assert not desk.booked()
    desk.pass_time(1)
    desk.take(LookAgain(symbol=SYMBOL))
    assert desk.booked() == {"A": Decimal(60)}
    assert not desk.book.waiting


def test_executions_wait_until_the_symbols_trades_are_known_again(desk: Desk) -> None:
    desk.book.awaited = {"A": SYMBOL, "Z": "BTCUSDT"}
    desk.sold("30")
    assert not desk.booked()
    desk.take(slice_of("A"))
    assert desk.booked() == {"A": Decimal(30)}  # BTCUSDT may stay silent


def test_a_manual_sale_on_a_foreign_position_does_not_trip_the_book(desk: Desk) -> None:
    desk.read(position("7"))
    desk.read(position("7"))
    desk.take(LookAgain(symbol=SYMBOL))
    desk.pass_time(1)
    desk.sold("3.5")
    assert desk.foreign == Decimal("3.5")


@pytest.mark.parametrize("closed", [Decimal(100), None])
def test_a_sale_that_turns_a_one_way_position_closes_the_long_and_leaves_a_foreign_short(
    held: Desk, closed: Decimal | None
) -> None:
    held.sold("150", closed_quantity=closed)
    held.pass_time(30)
    held.take(LookAgain(symbol=SYMBOL))
    assert held.booked() == {"A": Decimal(100)}
    assert held.foreign == 0
    assert held.book.side(SYMBOL, SHORT).foreign_quantity == 50


def test_of_a_hedged_symbol_the_closed_quantity_tells_the_side(desk: Desk) -> None:
    """An execution names no position index: with both sides held, nothing else does."""
    desk.take(slice_of("L", position_index=1), slice_of("S", side=SHORT, position_index=2))
    desk.sold("30", closed_quantity=Decimal(30))
    assert desk.booked() == {"L": Decimal(30)}
    desk.sold("20", closed_quantity=Decimal(0))
    assert desk.book.side(SYMBOL, SHORT).foreign_quantity == 20
    desk.bought("50", is_position_stop=True)
    assert desk.booked() == {"L": Decimal(30), "S": Decimal(50)}


def test_excess_is_booked_to_the_largest_sibling(shared: Desk) -> None:
    shared.take(slice_of("C", "50"))
    excess = ExcessReported(
        trade_id="A",
        symbol=SYMBOL,
        position_side=LONG,
        execution_id="excess-1",
        quantity=Decimal(30),
        price=Decimal("1.2"),
        fee_usdt=Decimal("0.3"),
        executed_at=NOON,
    )
    shared.take(excess, excess)
    assert shared.booked() == {"B": Decimal(30)}
    assert shared.alerts("excess_exit")[0].severity is Severity.CRITICAL


def test_funding_is_split_by_slice_and_the_foreign_part_is_nobodys(shared: Desk) -> None:
    shared.bought("100")
    shared.bought("400", kind=ExecutionKind.FUNDING, fee_usdt=Decimal(4))
    paid = [each.paid_usdt for each in shared.requests(FundingBooked)]
    assert paid == [Decimal(1), Decimal(2)]
    assert shared.foreign == 100


def test_funding_of_a_hedged_symbol_goes_to_the_side_of_its_size(desk: Desk) -> None:
    desk.take(slice_of("L", position_index=1), slice_of("S", "40", side=SHORT, position_index=2))
    desk.bought("40", kind=ExecutionKind.FUNDING, fee_usdt=Decimal(4))
    effects = [e for turn in desk.turns for e in turn.effects if isinstance(e.request, FundingBooked)]
    assert [effect.destination for effect in effects] == ["monitor/S"]


# --- readings ------------------------------------------------------------------------------------------------------
def test_a_position_nobody_opened_is_foreign_after_two_readings(desk: Desk) -> None:
    desk.read(position("7"))
    assert desk.foreign == 0
    desk.read(position("7"), after=0.5)
    assert desk.foreign == 0
    desk.read(position("7"), after=0.6)
    assert desk.foreign == 7
    assert len(desk.alerts("foreign_quantity")) == 1
    desk.read()
    desk.read()
    assert desk.foreign == 0
    assert desk.alerts("foreign_quantity")[-1].severity is Severity.INFO


def test_a_difference_that_keeps_changing_is_not_believed(held: Desk) -> None:
    for size in range(101, 120):
        held.read(position(str(size)))
    assert held.foreign == 0


def test_what_is_larger_than_the_slices_is_foreign_once_it_has_lasted(held: Desk) -> None:
    """A fill whose monitor is being restarted looks the same at first."""
    for _ in range(5):
        held.read(position("150"))
    assert held.foreign == 0
    held.take(slice_of("A", "150", last_fill_at=held.now))
    held.read(position("150"))
    assert not held.alerts()
    for _ in range(7):
        held.read(position("200"))
    assert held.foreign == 50


def test_a_reading_from_before_the_last_fill_says_nothing(held: Desk) -> None:
    for _ in range(12):
        held.read(position("150"))
        held.take(slice_of("A", "100", last_fill_at=held.now + timedelta(seconds=5)))
    assert held.foreign == 0


def test_what_vanished_unexplained_is_booked_at_the_last_mark_price_and_called_an_estimate(held: Desk) -> None:
    for _ in range(8):
        held.read(position("60", mark_price=Decimal("1.183")))
    (share,) = held.requests(ReductionBooked)
    assert (share.quantity, share.price, share.cause) == (Decimal(40), Decimal("1.183"), "unexplained")
    (alert,) = held.alerts("position_shortfall")
    assert alert.severity is Severity.CRITICAL
    assert any("1.183, an ESTIMATE" in line for line in alert.lines)


def test_it_is_not_shared_out_over_the_head_of_a_trade_whose_monitor_is_silent(shared: Desk) -> None:
    """Set aside under a guardian, its own stop may have sold it: only its monitor knows."""
    shared.monitors_answer = False
    for _ in range(30):
        turn = shared.read(position("200"))
        shared.vouch("B")
    assert turn.vouchers_wanted == {"A"}
    assert not shared.booked()
    shared.take(slice_of("A", "0", last_fill_at=shared.now))  # it is back, and knows
    shared.read(position("200"))
    assert not shared.booked()
    assert shared.book.side(SYMBOL, LONG).difference == 0


def test_a_monitor_that_knows_more_than_it_has_told_does_not_vouch(held: Desk) -> None:
    held.monitors_answer = False
    for _ in range(10):
        turn = held.read(position("60"))
        book_readings.take_voucher(turn, "A", Decimal(60))
    assert not held.booked()


def test_it_takes_ten_seconds_of_readings(held: Desk) -> None:
    for _ in range(5):
        held.read(position("60"))
    assert not held.booked()


def test_its_executions_may_come_after_all_and_change_nothing(held: Desk) -> None:
    late = held.execution(OrderSide.SELL, "40")
    for _ in range(8):
        held.read(position("60"))
    held.take(slice_of("A", "60", reductions=tuple(r.execution_id for r in held.requests(ReductionBooked))))
    held.take(late)
    held.read(position("60"))
    assert held.booked() == {"A": Decimal(40)}
    assert held.foreign == 0


def test_no_price_is_made_up(desk: Desk) -> None:
    desk.take(slice_of("A"))
    for _ in range(9):
        turn = desk.read()
    assert not desk.booked()
    assert turn.prices_wanted == {SYMBOL}
    book_readings.take_price(turn, SYMBOL, Decimal("1.17"))
    desk.read()
    assert desk.requests(ReductionBooked)[0].price == Decimal("1.17")


def test_a_shortfall_takes_foreign_quantity_first(shared: Desk) -> None:
    shared.bought("20")
    for _ in range(8):
        shared.read(position("270"))
    assert shared.booked() == {"A": Decimal(10), "B": Decimal(20)}
    assert shared.foreign == 0


def test_an_execution_that_explains_the_difference_ends_it(held: Desk) -> None:
    for _ in range(4):
        held.read(position("60"))
    held.sold("40")
    for _ in range(8):
        held.read(position("60"))
    assert held.booked() == {"A": Decimal(40)}
    assert not held.alerts("position_shortfall")


# --- closed? -------------------------------------------------------------------------------------------------------
def closing(trade: str = "A", **more: Any) -> SliceReported:
    return slice_of(trade, "0", stop=None, wants_verification=True, **more)


def test_two_readings_a_second_apart_verify_a_closing_trade(shared: Desk) -> None:
    turn = shared.take(closing(last_fill_at=shared.now))
    assert turn.reading_wanted
    shared.read(position("200"), after=0.5)
    shared.read(position("200"), after=0.9)
    assert not shared.told(PositionVerified)
    first = shared.now - timedelta(seconds=0.9)
    shared.read(position("200"), after=0.2)
    assert shared.told(PositionVerified) == [
        ("monitor/A", PositionVerified(first_read_at=first, second_read_at=shared.now))
    ]


@pytest.mark.parametrize("sizes", [("300", "200"), ("200", "300"), ("300", "300"), ("200", "190")])
def test_readings_that_do_not_agree_with_what_remains_verify_nothing(shared: Desk, sizes: tuple[str, str]) -> None:
    shared.take(closing(last_fill_at=shared.now))
    for size in sizes:
        shared.read(position(size))
    assert not shared.told(PositionVerified)


def test_an_execution_that_is_not_shared_out_yet_stands_in_the_way(shared: Desk) -> None:
    shared.take(closing(last_fill_at=shared.now), slice_of("B", "0"))
    shared.sold("200", is_position_stop=True)
    for _ in range(3):
        shared.read()
    assert not shared.told(PositionVerified)


def test_a_disagreement_in_between_begins_anew(shared: Desk) -> None:
    shared.take(closing(last_fill_at=shared.now))
    for size in ("200", "210", "200"):
        shared.read(position(size))
    assert not shared.told(PositionVerified)
    shared.read(position("200"))
    assert len(shared.told(PositionVerified)) == 1


def test_a_fill_in_between_begins_anew(shared: Desk) -> None:
    shared.take(closing(last_fill_at=shared.now))
    shared.read(position("200"))
    shared.take(closing(last_fill_at=shared.now + timedelta(seconds=1)))
    shared.read(position("200"))
    assert not shared.told(PositionVerified)
    shared.read(position("200"))
    assert len(shared.told(PositionVerified)) == 1


def test_a_reading_from_before_the_last_fill_verifies_nothing(shared: Desk) -> None:
    shared.take(closing(last_fill_at=shared.now + timedelta(minutes=1)))
    for _ in range(4):
        shared.read(position("200"))
    assert not shared.told(PositionVerified)


def test_foreign_quantity_does_not_stand_in_the_way(shared: Desk) -> None:
    shared.bought("20")
    shared.take(closing(last_fill_at=shared.now))
    shared.read(position("220"))
    shared.read(position("220"))
    assert len(shared.told(PositionVerified)) == 1


def test_a_trade_that_is_told_is_not_read_for_every_second_any_more(shared: Desk) -> None:
    shared.take(closing(last_fill_at=shared.now))
    shared.read(position("200"))
    assert shared.read(position("200")).looks == {}


# --- another life --------------------------------------------------------------------------------------------------
def reborn(desk: Desk, *live: str) -> Desk:
    """Fold what was committed, as after a crash of the book."""
    facts = tuple(fact for turn in desk.turns for fact in turn.facts)
    settled = {key for turn in desk.turns for key in turn.settles}
    unsettled = tuple(
        UnsettledEffect(effect=effect, attempts=0, promised_at=desk.now)
        for turn in desk.turns
        for effect in turn.effects
        if effect.key not in settled
    )
    book = Book(account="main", settings=BackstopSettings(), inward_from=desk.now, silent_from=desk.now)
    stored = StoredStream(stream="book/main", sequence=len(facts), facts=facts, unsettled=unsettled)
    book.load(stored, [(trade, SYMBOL) for trade in live])
    return Desk(book, now=desk.now, numbers=desk.numbers)


def test_a_stop_on_its_way_is_not_asked_for_twice(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.read(position(stop_price=None))
    again = reborn(desk, "A")
    again.take(slice_of("A"))
    again.read(position(stop_price=None))
    assert not again.stops()
    turn = again.settle(desk.stop_keys()[0])
    assert turn.settles == desk.stop_keys()
    assert again.book.side(SYMBOL, LONG).exchange_stop == Decimal("1.1465")


def test_the_outcome_of_something_unknown_is_settled_all_the_same(desk: Desk) -> None:
    assert desk.settle("from/another/life").settles == ["from/another/life"]


def test_shares_not_told_yet_are_still_counted(shared: Desk) -> None:
    shared.sold("30", execution_id="x")
    again = reborn(shared, "A", "B")
    again.take(slice_of("A", "100"), slice_of("B", "180", reductions=("x",)))
    assert again.book.side(SYMBOL, LONG).held == 270
    assert "x" in again.book.known_executions
    assert set(reborn(shared, "B").book.side(SYMBOL, LONG).shares) == {"B"}


def test_foreign_quantity_and_backstop_come_back(desk: Desk) -> None:
    desk.take(slice_of("A"))
    desk.bought("20")
    again = reborn(desk, "A")
    assert (again.foreign, again.backstop) == (desk.foreign, desk.backstop) == (Decimal(20), Decimal("1.1465"))
    assert again.facts(ForeignCounted) == []


def test_a_silent_trade_holds_back_its_own_symbol_only(desk: Desk) -> None:
    desk.book.awaited = {"A": SYMBOL}
    early, late = NOON, NOON + timedelta(seconds=31)
    assert book_admission.not_known(desk.book, "BTCUSDT", early) is None
    assert "being loaded" in (book_admission.not_known(desk.book, "", early) or "")
    assert book_admission.not_known(desk.book, "", late) is None
    assert "its trade A does not report" in (book_admission.not_known(desk.book, SYMBOL, late) or "")
