"""The book and one turn of it: everything an account's book knows, and everything that follows from one message.

    turn = Turn(book, now, name)  ->  the rules work on it  ->  the actor commits facts and effects, tells the rest

The book changes by facts (`evolve`, the same when it is folded from its journal) and by words that can be told again
(slices, readings), which are put straight into their side. Stays out: the store, timers, paths of the tree other than
those the messages carry.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import SliceReported, TradeAdmitted
from actors.messages.alerts import RaiseAlert
from actors.messages.booking import BackstopPlaced, ExecutionBooked, ForeignCounted
from actors.messages.orders import ExecutionReported, SetPositionStop
from actors.messages.storing import PromisedEffect, StoredStream
from actors.model.alert import Alert
from actors.model.changing import replace
from actors.model.position import PositionSide
from actors.model.trade import BackstopSettings
from actors.rules.book_side import Placing, Side, SideKey

REMEMBERED_EXECUTIONS = 10_000
MOST_WAITING = 1_000  # executions that cannot be placed yet; a reading brings back what is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An execution without our id that cannot be shared out yet."""

    execution: ExecutionReported
    since: datetime


@dataclass(slots=True, kw_only=True)
class Book:
    """One account's book."""

    account: str
    settings: BackstopSettings
    inward_from: datetime  # before it, a trade admitted by an earlier life may not have been heard of yet
    silent_from: datetime  # a monitor that has not told its slice by then keeps its own symbol waiting, not the account
    sides: dict[SideKey, Side] = field(default_factory=dict)
    known_executions: OrderedDict[str, None] = field(default_factory=OrderedDict)
    waiting: OrderedDict[str, Waiting] = field(default_factory=OrderedDict)  # by execution id
    awaited: dict[str, str] | None = None  # trade id to symbol: slices not told yet; None: not even known which
    foreign_conditionals: dict[str, int] = field(default_factory=dict)  # by symbol, as last read

    def side(self, symbol: str, position_side: PositionSide) -> Side:
        return self.sides.get((symbol, position_side)) or Side(symbol=symbol, position_side=position_side)

    def both(self, symbol: str) -> tuple[Side, Side]:
        """Give the long and the short side of a symbol."""
        return self.side(symbol, PositionSide.LONG), self.side(symbol, PositionSide.SHORT)

    def put(self, side: Side) -> None:
        self.sides[side.key] = side

    def of(self, symbol: str) -> list[SideKey]:
        """Give the sides of a symbol that the book has heard of."""
        return [key for key in self.sides if key[0] == symbol]

    def knows(self, symbol: str) -> bool:
        """Tell whether every live trade on the symbol has told its slice: only then can a difference mean anything."""
        return self.awaited is not None and symbol not in self.awaited.values()

    @property
    def complete(self) -> bool:
        """Every live trade of the account has told its slice."""
        return self.awaited == {}

    def slice_of(self, trade_id: str) -> SliceReported | None:
        """Find a trade's newest word."""
        return next((side.slices[trade_id] for side in self.sides.values() if trade_id in side.slices), None)

    def remember(self, execution_id: str) -> None:
        self.known_executions[execution_id] = None
        while len(self.known_executions) > REMEMBERED_EXECUTIONS:
            self.known_executions.popitem(last=False)

    def evolve(self, fact: Any) -> None:
        """Apply one fact of the journal. TypeError for any other."""
        match fact:
            case ExecutionBooked():
                self.remember(fact.execution_id)
                side = self.side(fact.symbol, fact.position_side)
                self.put(side.with_booking(fact.execution_id, fact.foreign_change, dict(fact.shares)))
            case ForeignCounted():
                side = self.side(fact.symbol, fact.position_side)
                self.put(replace(side, foreign_quantity=fact.quantity, counted_at=fact.read_at, differs_since=None))
            case BackstopPlaced():
                self.put(replace(self.side(fact.symbol, fact.position_side), backstop=fact.stop_price))
            case _:
                raise TypeError(f"{type(fact).__name__} is not a fact of a position book's journal")

    def load(self, stored: StoredStream, live_trades: Iterable[tuple[str, str]]) -> None:
        """Fold the journal, and take up the stops that are still on their way to the exchange.

        Args:
            stored: the journal; facts oldest first.
            live_trades: (trade id, symbol) of all that are registered as live.

        """
        self.awaited = dict(live_trades)
        for fact in stored.facts:
            self.evolve(fact)
        for side in list(self.sides.values()):  # a closed trade's bookings concern nobody any more
            self.put(replace(side, shares={t: parts for t, parts in side.shares.items() if t in self.awaited}))
        for unsettled in stored.unsettled:
            request = unsettled.effect.request
            if isinstance(request, SetPositionStop):
                side = self.side(request.symbol, request.position_side)
                placing = Placing(stop_price=request.stop_price, requested_at=unsettled.promised_at)
                self.put(replace(side, placing={**side.placing, unsettled.effect.key: placing}))


@dataclass(slots=True, kw_only=True)
class Turn:
    """One message being worked on, and what has followed from it so far."""

    book: Book
    now: datetime
    name: Callable[[str], str]  # gives an effect key, unique for ever, about something
    facts: list[Any] = field(default_factory=list)
    effects: list[PromisedEffect] = field(default_factory=list)
    settles: list[str] = field(default_factory=list)
    tells: list[tuple[str, Any]] = field(default_factory=list)  # (path, message)
    admitted: list[TradeAdmitted] = field(default_factory=list)
    overdue: bool = False  # admissions have lasted too long: which of those trades exist?
    reading_wanted: bool = False
    prices_wanted: set[str] = field(default_factory=set)  # symbols whose mark price nobody has told
    vouchers_wanted: set[str] = field(default_factory=set)  # trade ids whose monitors must stand by their slices
    looks: dict[str, float] = field(default_factory=dict)  # symbol to seconds: look again then
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # log events with their fields

    @property
    def path(self) -> str:
        """The book's own address."""
        return addresses.position_book(self.book.account)

    def add(self, fact: Any) -> None:
        """Let a fact be: it is in the book from here on, and in the journal before anything of this turn leaves."""
        self.book.evolve(fact)
        self.facts.append(fact)

    def promise(self, destination: str, request: Any, *, about: str) -> str:
        """Promise an effect that its destination settles itself; give its key."""
        return self._promise(destination, destination, request, about)

    def promise_stop(self, side: Side, stop_price: Decimal) -> str:
        """Promise a position-level stop; its outcome comes back to the book."""
        request = SetPositionStop(
            account=self.book.account,
            symbol=side.symbol,
            position_side=side.position_side,
            position_index=side.position_index,
            stop_price=stop_price,
        )
        about = f"backstop-{side.symbol}"
        return self._promise(addresses.client(self.book.account), self.path, request, about)

    def _promise(self, destination: str, owner: str, request: Any, about: str) -> str:
        effect = PromisedEffect(key=self.name(about), destination=destination, owner=owner, request=request)
        self.effects.append(effect)
        return effect.key

    def alert(self, alert: Alert) -> None:
        raised = RaiseAlert(alert=alert, raised_at=self.now)
        self.promise(addresses.ALERT_DISPATCHER, raised, about=alert.kind)

    def look(self, symbol: str, seconds: float) -> None:
        """Look at this symbol again then, at the latest."""
        self.looks[symbol] = min(seconds, self.looks.get(symbol, seconds))

    def note(self, event: str, **fields: Any) -> None:
        """Have a log event written."""
        self.notes.append((event, fields))
