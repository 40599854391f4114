"""The position book alive: over the real store on disk, in virtual time, through crashes at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.messages import addresses
from actors.messages.accounts import (
    AdmitTrade,
    BookQuestion,
    BookReading,
    PositionsRead,
    PriceFromRest,
    ReductionBooked,
    SliceReported,
    SnapshotWanted,
    TradeAdmitted,
    WithdrawAdmission,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.booking import BackstopPlaced, ExecutionBooked
from actors.messages.orders import (
    EffectSettled,
    ExecutionKind,
    ExecutionReported,
    PositionReported,
    SetPositionStop,
    Settlement,
)
from actors.messages.storing import Append, Perform, StreamSummary
from actors.messages.trading import TradeQuestion
from actors.model.order import OrderSide
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade import BackstopSettings
from actors.position_book import PositionBook
from actors.store import Store
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    DeterministicDispatcher,
    InjectedFault,
    Refused,
    SupervisorSpec,
    VirtualClock,
    handles,
)
from tests.actors.conftest import Collector

BOOK = addresses.position_book("main")
CLIENT = addresses.client("main")
LONG = PositionSide.LONG
SYMBOL = "XRPUSDT"
INNER, OUTER = Decimal("1.1465"), Decimal("1.0967")


class Client(Collector):
    """Keeps what it is to perform, and knows a price."""

    @handles(PriceFromRest)
    def _on_price(self, _message: PriceFromRest) -> tuple[Decimal, Decimal]:
        return Decimal("1.171"), Decimal("1.172")


class Monitor(Collector):
    """Keeps what it is told, and stands by what was last reported of its trade: 100."""

    @handles(TradeQuestion)
    def _on_question(self, _message: TradeQuestion) -> Any:
        return SimpleNamespace(open_quantity=Decimal(100))


class BookWorld:
    """A book and its store; whoever it talks to only listens. `kill` ends the process, nothing of it in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.faults: list[Callable[[str, Any], InjectedFault | None]] = []
        self.told: dict[str, list[Any]] = {}
        self.boot()

    def boot(self) -> None:
        run = Run(pid=4711, boot_id="boot", started_at=self.clock.now())
        self.store = open_store(
            self.folder / "store.sqlite", clock=self.clock.now, random_bytes=lambda count: bytes(range(count)), run=run
        )
        self.crank = DeterministicDispatcher(1, clock=self.clock)
        self.system = ActorSystem(
            dispatchers={"pool": self.crank, "thread": self.crank},
            clock=self.clock,
            seed=1,
            interceptor=self._intercept,
        )
        epoch = self.store.epoch
        book = ChildSpec(
            "position_book", lambda: PositionBook(account="main", settings=BackstopSettings(), epoch=epoch)
        )
        rooms = (self._listener("reconciler"), self._listener("client", Client), book)
        trades = tuple(self._listener(f"monitor-{trade}", Monitor) for trade in "ABC")
        self.system.start(
            ChildSpec(addresses.STORE, lambda: Store(open_port=lambda: self.store)),
            SupervisorSpec("alerts", children=(self._listener("dispatcher"),)),
            SupervisorSpec("accounts", children=(SupervisorSpec("main", children=rooms),)),
            *trades,
        )
        self.crank.run_until_idle()

    def _listener(self, name: str, kind: type[Collector] = Collector) -> ChildSpec:
        kept = self.told.setdefault(name, [])
        return ChildSpec(name, lambda: kind(kept))

    def _intercept(self, path: str, message: Any) -> InjectedFault | None:
        found = (fault(path, message) for fault in self.faults)
        return next((fault for fault in found if fault is not None), None)

    def kill(self) -> None:
        """Kill the process and start it again on the same folder."""
        self.system.intercept(None)
        self.crank.close(0)
        self.store.close()
        self.boot()

    def close(self) -> None:
        self.system.intercept(None)
        self.system.stop()
        self.store.close()

    def crash_book_over(self, kind: type, *, after: int = 0) -> None:
        left = [after + 1]

        def fault(path: str, message: Any) -> InjectedFault | None:
            if path != BOOK or not isinstance(message, kind) or not left[0]:
                return None
            left[0] -= 1
            return None if left[0] else InjectedFault(error=RuntimeError("injected"))

        self.faults.append(fault)

    # --- telling it ----------------------------------------------------------------------------------------------
    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.system.tell(BOOK, message)
        self.crank.run_until_idle()

    def tell_unheard(self, *messages: Any) -> None:
        """Queue without letting anybody work."""
        for message in messages:
            self.system.tell(BOOK, message)

    def ask(self, question: Any, *, seconds: float = 5.0) -> Any:
        return self.system.ask(BOOK, question, timeout_seconds=seconds)

    def pass_time(self, seconds: float) -> None:
        self.crank.run_for(seconds)

    def open(self, *trades: str) -> None:
        """Register trades as the desk does."""
        for number, trade in enumerate(trades, start=1):
            summary = StreamSummary(kind="trade", account="main", symbol=SYMBOL, number=number, label=trade, live=True)
            append = Append(
                stream=addresses.trade_stream(trade),
                expected_sequence=0,
                facts=(BackstopPlaced(symbol=SYMBOL, position_side=LONG, stop_price=None, placed_at=self.now),),
                register=summary,
            )
            self.system.tell(addresses.STORE, append)
        self.crank.run_until_idle()

    def read(self, size: str, *, stop: Decimal | None = INNER, **more: Any) -> None:
        self.pass_time(0.01)
        rows = (self.position(size, stop),) if Decimal(size) else ()
        values: dict[str, Any] = {"foreign_executions": (), "foreign_conditionals": ()}
        self.tell(PositionsRead(started_at=self.now, positions=rows, **(values | more)))

    @property
    def now(self) -> Any:
        return self.clock.now()

    def position(self, size: str, stop: Decimal | None = INNER) -> ObservedPosition:
        return ObservedPosition(
            symbol=SYMBOL,
            side=LONG,
            size=Decimal(size),
            average_price=Decimal("1.19"),
            leverage=Decimal(10),
            position_index=0,
            stop_price=stop,
            liquidation_price=None,
        )

    def slice_of(self, trade: str = "A", quantity: str = "100", **more: Any) -> SliceReported:
        usual: dict[str, Any] = {
            "trade_id": trade,
            "path": f"monitor-{trade}",
            "symbol": SYMBOL,
            "position_side": LONG,
            "position_index": 0,
            "tick_size": Decimal("0.0001"),
            "quantity_step": Decimal("0.1"),
            "leverage": Decimal(10),
            "opened_at": self.clock.now().replace(year=2000),
            "open_quantity": Decimal(quantity),
            "reductions": (),
            "stop_price": Decimal("1.15"),
            "backstop_price": INNER,
            "attached_stops": (),
            "wants_verification": False,
            "ended": False,
            "last_fill_at": None,
        }
        return SliceReported(**(usual | more))

    def admission(self, trade: str = "B", stop: str = "1.10") -> AdmitTrade:
        return AdmitTrade(
            trade_id=trade,
            symbol=SYMBOL,
            position_side=LONG,
            position_index=0,
            stop_price=Decimal(stop),
            tick_size=Decimal("0.0001"),
            liquidation_price=None,
            leverage=Decimal(10),
        )

    def sale(self, quantity: str, number: int = 1) -> ExecutionReported:
        return ExecutionReported(
            account="main",
            execution_id=f"x{number}",
            symbol=SYMBOL,
            order_id="o",
            client_order_id=None,
            order_side=OrderSide.SELL,
            kind=ExecutionKind.TRADE,
            quantity=Decimal(quantity),
            price=Decimal("1.18"),
            fee_usdt=Decimal("0.1"),
            is_maker=False,
            executed_at=self.clock.now(),
        )

    # --- what it has told others -----------------------------------------------------------------------------------
    def performs(self, listener: str, kind: type) -> list[Perform]:
        return [m for m in self.told[listener] if isinstance(m, Perform) and isinstance(m.effect.request, kind)]

    def stops(self) -> list[Perform]:
        return self.performs("client", SetPositionStop)

    def settle(self, perform: Perform, settlement: Settlement = Settlement.DONE) -> None:
        self.tell(EffectSettled(effect_key=perform.effect.key, settlement=settlement, settled_at=self.now))

    def shares(self, trade: str) -> list[ReductionBooked]:
        return [each.effect.request for each in self.performs(f"monitor-{trade}", ReductionBooked)]

    def alerts(self) -> list[str]:
        return [each.effect.request.alert.kind for each in self.performs("dispatcher", RaiseAlert)]

    def journal(self, kind: type) -> list[Any]:
        return [fact for fact in self.store.load("book/main").facts if isinstance(fact, kind)]

    def unsettled_stops(self) -> int:
        return len(self.store.unsettled(CLIENT, 100))

    def reading(self) -> BookReading:
        reading = self.ask(BookQuestion(symbol=SYMBOL))
        assert isinstance(reading, BookReading)
        return reading


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = BookWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def holding(world: BookWorld) -> BookWorld:
    """A holds 100 long; its backstop is in force and in the journal."""
    world.open("A")
    world.tell(world.slice_of("A"))
    world.read("100")
    assert world.journal(BackstopPlaced)[-1].stop_price == INNER
    return world


def admitting(world: BookWorld, trade: str = "B", stop: str = "1.10") -> list[Any]:
    """Have a desk ask for an admission; its answers come into the list."""
    answers: list[Any] = []

    class Asker(Actor):
        def on_start(self) -> None:
            self.context.ask(BOOK, world.admission(trade, stop), timeout_seconds=15, tag="admit")

        def on_unhandled(self, message: Any) -> None:
            answers.append(message)

    world.system.start(ChildSpec(f"desk-{trade}-{len(world.told)}-{world.crank.steps}", Asker))
    world.crank.run_until_idle()
    return answers


# --- admission -----------------------------------------------------------------------------------------------------
def test_nothing_is_said_before_every_trade_has_told_its_slice(world: BookWorld) -> None:
    world.open("A")
    world.kill()
    for question in (BookQuestion(symbol=SYMBOL), world.admission()):
        with pytest.raises(Refused, match="still being loaded"):
            world.ask(question)
    world.tell(world.slice_of("A"))
    assert world.reading().trades_long == 1


def test_an_admitted_trade_hears_of_it_once_the_exchange_has_the_stop(holding: BookWorld) -> None:
    answers = admitting(holding)
    (perform,) = holding.stops()
    assert perform.effect.request.stop_price == OUTER
    holding.tell(holding.slice_of("A", backstop_price=OUTER))
    assert not answers
    holding.settle(perform)
    assert [answer.value for answer in answers] == [TradeAdmitted(trade_id="B", backstop_price=OUTER)]
    assert holding.unsettled_stops() == 0


def test_the_stop_leaves_only_after_its_place_is_committed(holding: BookWorld) -> None:
    seen: list[int] = []
    holding.faults.append(
        lambda path, message: (
            seen.append(len(holding.journal(BackstopPlaced)))
            if path == CLIENT and isinstance(message, Perform)
            else None
        )
    )
    admitting(holding)
    assert seen == [2]


def test_a_withdrawn_admission_is_answered_and_leaves_no_trace(holding: BookWorld) -> None:
    answers = admitting(holding)
    holding.tell(WithdrawAdmission(trade_id="B"))
    assert "withdrawn" in answers[0].error
    assert holding.reading().trades_long == 1


def test_an_admission_whose_desk_died_holds_its_place_for_a_minute(holding: BookWorld) -> None:
    holding.tell_unheard(holding.admission())  # told, not asked: nobody will ever take it up
    holding.pass_time(59)
    assert holding.reading().trades_long == 2
    holding.pass_time(3)
    assert holding.reading().trades_long == 1
    assert holding.journal(BackstopPlaced)[-1].stop_price == INNER


def test_one_that_was_opened_keeps_it_until_its_monitor_speaks(holding: BookWorld) -> None:
    holding.tell_unheard(holding.admission())
    holding.open("B")
    holding.pass_time(200)
    assert holding.reading().trades_long == 2
    assert holding.journal(BackstopPlaced)[-1].stop_price == OUTER


# --- crashes and restarts --------------------------------------------------------------------------------------------
def test_after_a_kill_the_stop_on_its_way_is_asked_for_again_under_its_own_key_and_no_other(holding: BookWorld) -> None:
    admitting(holding)
    (first,) = holding.stops()
    holding.kill()
    holding.tell(holding.slice_of("A", backstop_price=OUTER, stop_price=Decimal("1.10")))
    holding.read("100")
    again = holding.stops()[1:]
    assert [(each.effect.key, each.repeat) for each in again] == [(first.effect.key, True)]
    holding.settle(again[0])
    holding.read("100", stop=OUTER)
    assert len(holding.stops()) == 2
    assert holding.unsettled_stops() == 0


def test_an_outcome_that_comes_while_the_book_is_loading_is_not_lost(holding: BookWorld) -> None:
    admitting(holding)
    (perform,) = holding.stops()
    holding.crash_book_over(PositionReported)
    holding.tell_unheard(PositionReported(account="main", position=holding.position("100")))
    outcome = EffectSettled(effect_key=perform.effect.key, settlement=Settlement.DONE, settled_at=holding.now)
    holding.tell_unheard(outcome, holding.slice_of("A", backstop_price=OUTER, stop_price=Decimal("1.10")))
    holding.pass_time(5)
    holding.read("100", stop=OUTER)
    assert holding.unsettled_stops() == 0
    assert {each.effect.key for each in holding.stops()} == {perform.effect.key}


def test_an_outcome_the_book_crashed_over_twice_is_asked_for_again_until_it_may_be_taken(holding: BookWorld) -> None:
    admitting(holding)
    (perform,) = holding.stops()
    outcome = EffectSettled(effect_key=perform.effect.key, settlement=Settlement.DONE, settled_at=holding.now)
    holding.crash_book_over(EffectSettled)
    holding.crash_book_over(EffectSettled)
    for _ in range(3):
        holding.tell(outcome)  # the client says the same each time it is asked
        holding.pass_time(2)
    asked = len(holding.stops())
    assert holding.unsettled_stops() == 1
    holding.tell(holding.slice_of("A", backstop_price=OUTER, stop_price=Decimal("1.10")))
    for _ in range(6):
        holding.pass_time(125)
        assert len(holding.stops()) > asked
        asked = len(holding.stops())
        assert (holding.stops()[-1].effect.key, holding.stops()[-1].repeat) == (perform.effect.key, True)
        holding.tell(outcome)
        if not holding.unsettled_stops():
            break
    assert holding.unsettled_stops() == 0
    holding.pass_time(300)
    assert len(holding.stops()) == asked


@pytest.mark.parametrize("kind", [SliceReported, ExecutionReported, PositionsRead, EffectSettled, PositionReported])
def test_a_crash_over_any_message_books_nothing_twice(holding: BookWorld, kind: type) -> None:
    holding.tell(holding.slice_of("B", "200"))
    holding.read("300")
    holding.crash_book_over(kind)
    sale = holding.sale("30")
    holding.tell(sale, PositionReported(account="main", position=holding.position("270", None)))
    for perform in holding.stops():
        holding.settle(perform)
    holding.pass_time(5)
    # Its supervisor has the monitors start again after it: they tell their slices and the stream's news is read.
    holding.tell(holding.slice_of("A"), holding.slice_of("B", "200"))
    holding.read("270", foreign_executions=(sale,))
    holding.pass_time(5)
    for trade, part in (("A", 10), ("B", 20)):
        told = {each.execution_id: each.quantity for each in holding.shares(trade)}
        assert told == {"x1": Decimal(part)}
    assert len(holding.journal(ExecutionBooked)) == 1


def test_shares_that_were_on_their_way_are_still_known_after_a_kill(holding: BookWorld) -> None:
    holding.open("B")
    holding.tell(holding.slice_of("B", "200"), holding.sale("30"))
    holding.kill()
    holding.tell(holding.slice_of("A"), holding.slice_of("B", "180", reductions=("x1",)))
    holding.tell(holding.sale("30"))  # told once more by the first reading of the new run
    for _ in range(10):
        holding.pass_time(2)
        holding.read("270")
    assert len(holding.shares("A")) == 1
    assert holding.reading().foreign_long == 0
    assert "position_shortfall" not in holding.alerts()


def test_executions_are_kept_until_their_trades_are_known(holding: BookWorld) -> None:
    holding.kill()
    holding.tell(*(holding.sale("0.1", number) for number in range(400)))
    assert not holding.shares("A")
    holding.tell(holding.slice_of("A"))
    assert sum(each.quantity for each in holding.shares("A")) == 40


def test_a_store_that_does_not_answer_is_asked_again(world: BookWorld) -> None:
    world.open("A")
    left = [3]

    def silent(path: str, message: Any) -> InjectedFault | None:
        if path != addresses.STORE or not left[0]:
            return None
        left[0] -= 1
        return InjectedFault(lose=True)

    world.faults.append(silent)
    world.kill()
    world.faults.append(silent)
    world.system.intercept(world._intercept)
    world.pass_time(60)
    world.tell(world.slice_of("A"))
    assert world.reading().trades_long == 1


def test_keys_of_two_runs_never_meet(holding: BookWorld) -> None:
    for _ in range(3):
        holding.kill()
        holding.tell(holding.slice_of("A"))
        holding.read("100", stop=None)
        holding.settle(holding.stops()[-1])
    assert len({each.effect.key for each in holding.stops()}) == 3


# --- the exchange ---------------------------------------------------------------------------------------------------
def test_a_burst_of_reports_sends_one_request(holding: BookWorld) -> None:
    bare = PositionReported(account="main", position=holding.position("100", None))
    holding.tell(*(bare for _ in range(50)))
    assert len(holding.stops()) == 1


def test_a_refused_stop_is_asked_for_again_after_a_pause_and_told(holding: BookWorld) -> None:
    holding.read("100", stop=None)
    holding.settle(holding.stops()[0], Settlement.REJECTED)
    assert holding.alerts() == ["backstop_refused"]
    assert any(isinstance(each, SnapshotWanted) for each in holding.told["reconciler"])
    holding.pass_time(1.9)
    holding.read("100", stop=None)
    assert len(holding.stops()) == 1
    holding.pass_time(0.2)
    assert len(holding.stops()) == 2
    holding.settle(holding.stops()[1])
    assert holding.alerts() == ["backstop_refused", "backstop_in_place"]


def test_a_price_for_what_vanished_is_asked_for_and_never_made_up(world: BookWorld) -> None:
    world.open("A")
    world.tell(world.slice_of("A"))
    for _ in range(12):
        world.pass_time(2)
        world.read("0")
    (share,) = world.shares("A")
    assert (share.price, share.cause) == (Decimal("1.172"), "unexplained")


def test_an_open_difference_keeps_asking_for_readings(holding: BookWorld) -> None:
    holding.read("60")
    before = len(holding.told["reconciler"])
    holding.pass_time(2.1)
    assert len(holding.told["reconciler"]) == before + 1


def test_a_closing_trade_has_the_exchange_read(holding: BookWorld) -> None:
    before = len(holding.told["reconciler"])
    holding.tell(replace(holding.slice_of("A", "0"), stop_price=None, wants_verification=True))
    assert len(holding.told["reconciler"]) == before + 1
