"""Slices and foreign quantity sum to the position, in whatever order the book hears of what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages.accounts import ExcessReported, ReductionBooked
from actors.messages.booking import ForeignCounted, LookAgain
from actors.messages.orders import ExecutionReported
from actors.model.money import ZERO
from actors.model.order import OrderSide
from actors.rules.book_readings import take_price
from tests.rules.test_position_book import LONG, NOON, SYMBOL, Desk, empty_book, position, slice_of

STEP = Decimal("0.1")
TRADES = ("A", "B", "C")


@dataclass
class Holder:
    """A trade as its monitor knows it: fills of its own, and what the book has booked to it."""

    trade: str
    entered: Decimal = ZERO
    exited: Decimal = ZERO
    passed_on: Decimal = ZERO
    reductions: dict[str, Decimal] = field(default_factory=dict)
    last_fill_at: datetime = NOON

    @property
    def balance(self) -> Decimal:
        return self.entered - self.exited + self.passed_on - sum(self.reductions.values(), ZERO)

    @property
    def open(self) -> Decimal:
        return max(ZERO, self.balance)


class World:
    """One long position, its trades, and the reports about it that are still on their way."""

    def __init__(self) -> None:
        self.desk = Desk(empty_book())
        self.holders = {trade: Holder(trade) for trade in TRADES}
        self.size = ZERO
        self.executions: list[ExecutionReported] = []  # not heard of by the book yet
        self.heard: list[ExecutionReported] = []
        self.taken: set[str] = set()  # effect keys that monitors have taken
        for trade in TRADES:
            self.tell(trade)

    # --- what happens at the exchange ----------------------------------------------------------------------------
    def fill(self, trade: str, quantity: Decimal) -> None:
        self.holders[trade].entered += quantity
        self.holders[trade].last_fill_at = self.desk.now
        self.size += quantity

    def exit(self, trade: str, quantity: Decimal) -> None:
        """An exit of the trade's own; never more than it believes to hold."""
        sold = min(quantity, self.holders[trade].open, self.size)
        self.holders[trade].exited += sold
        self.holders[trade].last_fill_at = self.desk.now
        self.size -= sold

    def foreign(self, quantity: Decimal, *, buys: bool, stop: bool, tells_closed: bool) -> None:
        if not buys:
            quantity = min(quantity, self.size)
        if not quantity:
            return
        self.size += quantity if buys else -quantity
        execution = self.desk.execution(
            OrderSide.BUY if buys else OrderSide.SELL,
            str(quantity),
            is_position_stop=stop and not buys,
            closed_quantity=(ZERO if buys else quantity) if tells_closed else None,
        )
        self.executions.append(execution)

    # --- what reaches whom -----------------------------------------------------------------------------------------
    def hear(self, which: int) -> None:
        if self.executions:
            execution = self.executions.pop(which % len(self.executions))
            self.heard.append(execution)
            self.desk.take(execution)

    def hear_again(self, which: int) -> None:
        if self.heard:
            self.desk.take(self.heard[which % len(self.heard)])

    def tell(self, trade: str) -> None:
        holder = self.holders[trade]
        reductions = tuple(holder.reductions)
        self.desk.take(slice_of(trade, str(holder.open), reductions=reductions, last_fill_at=holder.last_fill_at))

    def carry(self) -> None:
        """Let the monitors take what was booked to them."""
        for effect in [effect for turn in self.desk.turns for effect in turn.effects if effect.key not in self.taken]:
            if isinstance(effect.request, ReductionBooked):
                self.taken.add(effect.key)
                holder = self.holders[effect.destination.removeprefix("monitor/")]
                holder.reductions[effect.request.execution_id] = effect.request.quantity
                holder.last_fill_at = max(holder.last_fill_at, effect.request.executed_at)

    def pass_on(self) -> None:
        """Let trades that sold more than they held say so, as they do once readings bear it out."""
        for holder in self.holders.values():
            if holder.balance < 0:
                excess = -holder.balance
                holder.passed_on += excess
                self.desk.take(
                    ExcessReported(
                        trade_id=holder.trade,
                        symbol=SYMBOL,
                        position_side=LONG,
                        execution_id=f"excess-{holder.trade}-{holder.passed_on}",
                        quantity=excess,
                        price=Decimal(1),
                        fee_usdt=ZERO,
                        executed_at=self.desk.now,
                    )
                )

    def read(self) -> None:
        rows = (position(str(self.size)),) if self.size else ()
        turn = self.desk.read(*rows, after=2.0)
        for symbol in turn.prices_wanted:
            take_price(turn, symbol, Decimal("1.2"))

    def settle(self) -> None:
        """Let everything that is on its way arrive."""
        while self.executions:
            self.hear(0)
        for _ in range(4):
            for trade in TRADES:
                self.tell(trade)
            self.desk.pass_time(30)
            self.desk.take(LookAgain(symbol=SYMBOL))
            self.carry()
            for trade in TRADES:
                self.tell(trade)
            self.pass_on()
            self.carry()
        for trade in TRADES:
            self.tell(trade)

    def check(self) -> None:
        side = self.desk.book.side(SYMBOL, LONG)
        assert not self.desk.book.waiting
        assert side.expected == self.size, (side.holdings(), side.foreign_quantity, self.size)
        assert side.holdings() == {trade: holder.open for trade, holder in self.holders.items()}
        assert all(not holder.balance < 0 for holder in self.holders.values())


trades = st.sampled_from(TRADES)
quantities = st.integers(1, 40).map(lambda steps: steps * STEP)
numbers = st.integers(0, 9)
happenings = st.one_of(
    st.tuples(st.just("fill"), trades, quantities),
    st.tuples(st.just("exit"), trades, quantities),
    st.tuples(st.just("foreign"), quantities, st.booleans(), st.booleans(), st.booleans()),
    st.tuples(st.just("hear"), numbers),
    st.tuples(st.just("hear_again"), numbers),
    st.tuples(st.just("tell"), trades),
    st.tuples(st.just("carry")),
)


def happen(world: World, happening: tuple[object, ...]) -> None:
    match happening:
        case ("foreign", Decimal() as quantity, bool() as buys, bool() as stop, bool() as tells_closed):
            world.foreign(quantity, buys=buys, stop=stop, tells_closed=tells_closed)
        case (str() as what, *values):
            getattr(world, what)(*values)


@settings(deadline=None)
@given(st.lists(happenings, max_size=30))
def test_they_sum_once_all_reports_have_arrived_and_no_reading_was_needed(steps: list[tuple[object, ...]]) -> None:
    world = World()
    for step in steps:
        happen(world, step)
        world.desk.pass_time(0.1)
    world.settle()
    world.check()
    assert not world.desk.facts(ForeignCounted)


@settings(deadline=None)
@given(st.lists(st.one_of(happenings, st.tuples(st.just("read"))), max_size=40))
def test_they_sum_after_readings_at_the_wrong_moments_too(steps: list[tuple[object, ...]]) -> None:
    """Readings in between may count what reports would have explained; in the end the exchange is right."""
    world = World()
    for step in steps:
        happen(world, step)
        world.desk.pass_time(1.0)
    world.settle()
    for _ in range(3):
        world.desk.pass_time(2.0)
        for _ in range(8):
            world.read()
        world.settle()
    world.check()
