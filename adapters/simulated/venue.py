"""The venue: markets and accounts side by side, and the record of what changed.

Enters: instruments, accounts, a clock, a salt for ids. Stays out: every rule about orders; they act on a venue.
Whoever changes a record says so here (``order_changed``, ``position_changed``, ...). That gives the private stream its
rows, the state file its changes, the audit its readings and each symbol its rising sequence number.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import md5
from typing import Any
from uuid import UUID

from adapters.simulated import v5_rows
from adapters.simulated.audit import ExposureAudit
from adapters.simulated.depth import Depth
from adapters.simulated.instruments import Instrument
from adapters.simulated.margin import FeeRates, MarginRules
from adapters.simulated.order_index import OrderIndex
from adapters.simulated.records import SELL, ZERO, Account, ClosedPnl, Execution, Order, Position, opposite
from adapters.simulated.refusals import Refusal, bad_parameter

Clock = Callable[[], int]  # wall milliseconds since 1970 UTC


@dataclass(slots=True, kw_only=True)
class Market:
    """One symbol: its prices, its resting orders, its depth."""

    instrument: Instrument
    last: Decimal
    depth: Depth
    basis: Decimal = ZERO  # mark price less last price
    index: OrderIndex = field(default_factory=OrderIndex)
    seq: int = 0
    printed: Decimal = ZERO  # price of the last public trade
    rising: bool = True
    next_funding_ms: int = 0  # market time
    holders: dict[tuple[str, int], Position] = field(default_factory=dict)  # open positions only

    @property
    def mark(self) -> Decimal:
        """The mark price; the index price moves with it."""
        return self.last + self.basis


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One trade of the public tape."""

    symbol: str
    trade_id: str
    side: str  # the taker's
    price: Decimal
    qty: Decimal
    time_ms: int
    seq: int
    number: int
    tick_direction: str  # PlusTick | ZeroPlusTick | MinusTick | ZeroMinusTick


@dataclass(frozen=True, slots=True)
class PrivateEvent:
    """One row for one account's private stream."""

    account: str
    topic: str  # order | execution | position | wallet
    row: dict[str, Any]


@dataclass(slots=True)
class Changes:
    """What changed since the state was last written down."""

    orders: dict[str, Order] = field(default_factory=dict)
    positions: dict[tuple[str, str, int], Position] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    closed_pnl: dict[str, ClosedPnl] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.orders or self.positions or self.accounts or self.executions or self.closed_pnl)

    def clear(self) -> None:
        """Forget what has been written down."""
        for each in (self.orders, self.positions, self.accounts, self.closed_pnl, self.executions, self.symbols):
            each.clear()


class Venue:
    """Markets, accounts, and the bookkeeping of change."""

    def __init__(
        self,
        *,
        instruments: Iterable[Instrument],
        accounts: Iterable[Account],
        clock: Clock,
        salt: str,
        fees: FeeRates,
        seed: int,
        untriggered_end: str = "Deactivated",
        queues: bool = False,
    ) -> None:
        """``untriggered_end``: the status of a conditional order that ended before its trigger fired.

        ``queues``: whether a limit order stands behind the depth at its price, and waits for its turn at a touch.
        """
        self.clock = clock
        self.salt = salt
        self.fees = fees
        self.untriggered_end = untriggered_end
        self.queues = queues
        self.suspended: Callable[[str], bool] = lambda _symbol: False  # whether a symbol's trading stands still
        self.counter = 0
        self.accounts = {account.name: account for account in accounts}
        self.markets = {
            each.symbol: Market(instrument=each, last=each.to_tick(each.opening_price), depth=Depth(each, seed))
            for each in instruments
        }
        self.margin = MarginRules(
            fees, lambda symbol: self.markets[symbol].instrument, lambda symbol: self.markets[symbol].mark
        )
        self.audits = {name: ExposureAudit() for name in self.accounts}
        self.changes = Changes()
        self.events: list[PrivateEvent] = []
        self._instant_ms: int | None = None  # of what is happening at once
        self.trades: deque[PublicTrade] = deque(maxlen=10_000)
        self.taped: set[str] = set()  # symbols whose every price step is printed as a trade

    def charge(self, fees: FeeRates) -> None:
        """Charge other fees from now on."""
        self.fees = fees
        self.margin = replace(self.margin, fees=fees)

    def market(self, symbol: str) -> Market:
        """The market of ``symbol``.

        Raises:
            Refusal: 10001, no such symbol.

        """
        found = self.markets.get(symbol)
        if found is None:
            raise bad_parameter(f"params error: symbol invalid {symbol}")
        return found

    def number(self) -> int:
        """The next number of this exchange's life; never given twice."""
        self.counter += 1
        return self.counter

    def identity(self, number: int) -> str:
        """A UUID-like id made from ``number``; differs between exchanges by their salt."""
        return str(UUID(bytes=md5(f"{self.salt}:{number}".encode(), usedforsecurity=False).digest()))

    def order_changed(self, order: Order) -> None:
        """An order was accepted, filled, amended, triggered or ended."""
        order.updated_ms = self.clock()
        account = self.accounts[order.account]
        market = self.markets[order.symbol]
        account.refile(order)
        market.seq += 1
        self.changes.orders[order.order_id] = order
        self.changes.symbols.add(order.symbol)
        self.events.append(PrivateEvent(order.account, "order", v5_rows.streamed_order(order)))
        if order.trigger_price is not None:
            self._observe(account, order.symbol, order.position_idx)

    def position_changed(self, position: Position) -> None:
        """A position was traded, or an order, stop or setting of its symbol changed; act on differences."""
        market = self.markets[position.symbol]
        market.seq += 1
        position.seq = market.seq
        position.updated_ms = self.clock()
        account = self.accounts[position.account]
        if position.size:
            market.holders[position.account, position.index] = position
        else:
            market.holders.pop((position.account, position.index), None)
        self.changes.positions[position.account, position.symbol, position.index] = position
        self.changes.symbols.add(position.symbol)
        self.events.append(
            PrivateEvent(position.account, "position", v5_rows.streamed_position(position, account, self))
        )
        self._observe(account, position.symbol, position.index)

    def executed(self, execution: Execution) -> None:
        """A fill, a funding payment or a take-over happened."""
        self.accounts[execution.account].executions.append(execution)
        self.changes.executions.append(execution)
        self.events.append(PrivateEvent(execution.account, "execution", v5_rows.streamed_execution(execution)))

    def wallet_changed(self, account: Account) -> None:
        """An account's money moved."""
        self.changes.accounts.add(account.name)
        self.events.append(PrivateEvent(account.name, "wallet", v5_rows.wallet(account, self)))

    def traded(self, symbol: str, side: str, price: Decimal, qty: Decimal) -> None:
        """Print a trade on the public tape; ``side`` is the taker's."""
        market = self.markets[symbol]
        market.seq += 1
        number = self.number()
        moved = price - market.printed
        market.rising = moved > 0 or (moved == 0 and market.rising)
        market.printed = price
        self.trades.append(
            PublicTrade(
                symbol=symbol,
                trade_id=self.identity(number),
                side=side,
                price=price,
                qty=qty,
                time_ms=self.clock(),
                seq=market.seq,
                number=number,
                tick_direction=("" if moved else "Zero") + ("PlusTick" if market.rising else "MinusTick"),
            )
        )

    def drain_events(self) -> list[PrivateEvent]:
        """The private rows since the last call, in order."""
        drained, self.events = self.events, []
        return drained

    def price_of(self, symbol: str, source: str) -> Decimal:
        """The price a trigger watches: LastPrice, else mark."""
        market = self.markets[symbol]
        return market.last if source in {"", "LastPrice"} else market.mark

    @contextmanager
    def one_instant(self) -> Iterator[None]:
        """What happens inside happens at once: the audit counts no time between its parts."""
        outer = self._instant_ms
        self._instant_ms = self.clock() if outer is None else outer
        try:
            yield
        finally:
            self._instant_ms = outer

    def _observe(self, account: Account, symbol: str, index: int) -> None:
        position = account.positions.get((symbol, index))
        if position is None:
            return
        own, system = stop_cover(account, position)
        now_ms = self.clock() if self._instant_ms is None else self._instant_ms
        self.audits[account.name].observe(
            (symbol, index), size=position.size, all_stops=own + system, own_stops=own, now_ms=now_ms
        )


def stop_cover(account: Account, position: Position) -> tuple[Decimal, Decimal]:
    """(own, position-level) quantity of the stops that would close ``position`` on an adverse move."""
    own = system = ZERO
    if not position.size:
        return own, system
    adverse = 2 if position.side != SELL else 1
    for order in account.open_on(position.symbol).values():
        guards = (
            order.is_conditional
            and order.closes
            and order.position_idx == position.index
            and order.side == opposite(position.side)
            and order.trigger_direction == adverse
        )
        if guards and order.is_position_stop:
            system += order.qty
        elif guards:
            own += order.qty or position.size  # quantity 0 closes the whole position
    return own, system


def position_index(account: Account, symbol: str, index: int) -> int:
    """The given index, when it fits the account's position mode on ``symbol``.

    Raises:
        Refusal: 10001, the index belongs to the other mode.

    """
    if index not in account.indexes(symbol):
        raise Refusal(10001, "position idx not match position mode")
    return index
