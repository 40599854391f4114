"""The exchange's records: orders, positions, executions, closed-PnL rows, accounts.

Enters: plain state and how it is written down. Stays out: when it changes (matching, admission, protection).
Words are Bybit's, since this room is a Bybit: side Buy/Sell, statuses and types as they go on the wire. Money is USDT,
quantities base units, prices USDT per base unit, times milliseconds since 1970 UTC.
"""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, get_type_hints

ZERO = Decimal(0)
OPEN_STATUSES = frozenset({"New", "PartiallyFilled", "Untriggered"})
BUY, SELL = "Buy", "Sell"


def opposite(side: str) -> str:
    """Buy for Sell, Sell for Buy."""
    return SELL if side == BUY else BUY


@dataclass(slots=True, kw_only=True)
class Order:
    """One order from acceptance to its end."""

    account: str
    symbol: str
    order_id: str
    number: int  # arrival over the whole exchange: time priority, sort order
    side: str
    order_type: str  # Market | Limit
    qty: Decimal
    created_ms: int
    updated_ms: int
    link_id: str = ""
    price: Decimal = ZERO  # 0 for market orders
    time_in_force: str = "GTC"
    status: str = "New"
    reduce_only: bool = False
    close_on_trigger: bool = False
    position_idx: int = 0
    trigger_price: Decimal | None = None
    trigger_direction: int = 0  # 1 fires rising, 2 fires falling
    trigger_by: str = ""
    triggered: bool = False
    create_type: str = "CreateByUser"
    stop_order_type: str = ""
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    cum_qty: Decimal = ZERO
    cum_value: Decimal = ZERO
    cum_fee: Decimal = ZERO
    closed_pnl: Decimal = ZERO
    take_profit: Decimal = ZERO
    stop_loss: Decimal = ZERO
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""
    tpsl_mode: str = ""
    tp_limit_price: Decimal = ZERO
    sl_limit_price: Decimal = ZERO
    tp_order_type: str = "Market"
    sl_order_type: str = "Market"
    last_price_on_created: Decimal = ZERO
    parent_link_id: str = ""
    parent_id: str = ""  # the entry whose attached partial stop this is
    smp_type: str = "None"
    ahead: Decimal = ZERO  # base units of others that are filled before it at its price, where queues are kept

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.status in OPEN_STATUSES

    @property
    def is_conditional(self) -> bool:
        """Whether it waits for its trigger."""
        return self.status == "Untriggered"

    @property
    def is_position_stop(self) -> bool:
        """Whether the exchange itself made it to guard a position."""
        return self.stop_order_type not in {"", "Stop"}

    @property
    def leaves(self) -> Decimal:
        """What is still to be filled."""
        return self.qty - self.cum_qty

    @property
    def closes(self) -> bool:
        """Whether it may only shrink a position."""
        return self.reduce_only or self.close_on_trigger


@dataclass(slots=True, kw_only=True)
class Position:
    """One position slot: a symbol in one-way mode (index 0), or one of its two hedge sides (1 long, 2 short)."""

    account: str
    symbol: str
    index: int
    leverage: Decimal
    side: str = ""
    size: Decimal = ZERO
    entry_value: Decimal = ZERO  # sum of price * quantity of what is still open
    open_fees: Decimal = ZERO  # opening fees of what is still open
    current_realised: Decimal = ZERO  # since it was opened, fees and funding included
    total_realised: Decimal = ZERO  # for all time
    stop_loss_id: str = ""
    take_profit_id: str = ""
    seq: int = -1
    created_ms: int = 0
    updated_ms: int = 0
    opened_ms: int = 0

    @property
    def average_price(self) -> Decimal:
        """Average entry price; 0 when flat."""
        return self.entry_value / self.size if self.size else ZERO

    @property
    def sign(self) -> int:
        """1 long, -1 short, 0 flat."""
        return {BUY: 1, SELL: -1}.get(self.side, 0)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Unrealised PnL in USDT at the mark price."""
        return (mark * self.size - self.entry_value) * self.sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill, funding payment or take-over; never changes."""

    account: str
    symbol: str
    order_id: str
    link_id: str
    side: str
    order_price: Decimal
    order_qty: Decimal
    leaves_qty: Decimal
    order_type: str
    stop_order_type: str
    create_type: str
    exec_id: str
    exec_type: str
    price: Decimal
    qty: Decimal
    value: Decimal
    fee: Decimal
    fee_rate: Decimal
    is_maker: bool
    closed_size: Decimal
    realised: Decimal  # of the closed part, before fees
    mark_price: Decimal
    seq: int
    number: int
    time_ms: int


@dataclass(slots=True, kw_only=True)
class ClosedPnl:
    """What one closing order brought, net of both fees."""

    account: str
    symbol: str
    order_id: str
    side: str
    qty: Decimal
    order_price: Decimal
    order_type: str
    exec_type: str
    leverage: Decimal
    number: int
    created_ms: int
    updated_ms: int
    closed_size: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_value: Decimal = ZERO
    open_fee: Decimal = ZERO
    close_fee: Decimal = ZERO
    closed_pnl: Decimal = ZERO
    fill_count: int = 0


@dataclass(slots=True, kw_only=True)
class Account:
    """One account's money and everything it owns here."""

    name: str
    key: str
    secret: str = field(repr=False)
    start_balance: Decimal
    user_id: int
    wallet: Decimal = ZERO
    margin_mode: str = "ISOLATED_MARGIN"
    realised: Decimal = ZERO  # closed PnL before fees, for all time
    fees: Decimal = ZERO  # paid, for all time
    funding: Decimal = ZERO  # received minus paid, for all time
    orders_placed: int = 0
    duplicate_orders: int = 0
    hedge_symbols: set[str] = field(default_factory=set)
    used_link_ids: set[str] = field(default_factory=set)
    positions: dict[tuple[str, int], Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    by_link_id: dict[str, str] = field(default_factory=dict)
    open_orders: dict[str, dict[str, Order]] = field(default_factory=dict)  # symbol -> order id -> order
    executions: list[Execution] = field(default_factory=list)
    closed_pnl: dict[str, ClosedPnl] = field(default_factory=dict)  # closing order id -> row

    DEFAULT_LEVERAGE: ClassVar[Decimal] = Decimal(10)

    def position(self, symbol: str, index: int) -> Position:
        """The slot for ``symbol``; made flat at the default leverage when it never traded."""
        found = self.positions.get((symbol, index))
        if found is None:
            found = Position(account=self.name, symbol=symbol, index=index, leverage=self.DEFAULT_LEVERAGE)
            self.positions[symbol, index] = found
        return found

    def indexes(self, symbol: str) -> tuple[int, ...]:
        """The position indexes in use on ``symbol``: (0,) one-way, (1, 2) hedged."""
        return (1, 2) if symbol in self.hedge_symbols else (0,)

    def open_on(self, symbol: str) -> dict[str, Order]:
        """Its open orders on ``symbol``, oldest first; do not change the dict."""
        return self.open_orders.get(symbol, {})

    def remember(self, order: Order) -> None:
        """Take an order into the books, open or closed."""
        self.orders[order.order_id] = order
        if order.link_id:
            self.by_link_id[order.link_id] = order.order_id
        self.refile(order)

    def refile(self, order: Order) -> None:
        """Keep the open-order index true after ``order`` changed."""
        if order.is_open:
            self.open_orders.setdefault(order.symbol, {})[order.order_id] = order
        else:
            self.open_orders.get(order.symbol, {}).pop(order.order_id, None)


Record = TypeVar("Record", Order, Position, Execution, ClosedPnl)


def to_plain(record: Order | Position | Execution | ClosedPnl) -> dict[str, Any]:
    """A record as JSON values: amounts become text, nothing is rounded."""
    plain: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        plain[each.name] = str(value) if isinstance(value, Decimal) else value
    return plain


def _amounts_of(kind: Any) -> frozenset[str]:
    hints = get_type_hints(kind)
    return frozenset(each.name for each in fields(kind) if hints[each.name] in {Decimal, Decimal | None})


_AMOUNTS = {kind.__name__: _amounts_of(kind) for kind in (Order, Position, Execution, ClosedPnl)}


def from_plain(kind: type[Record], plain: dict[str, Any]) -> Record:
    """The record that ``to_plain`` wrote.

    Raises:
        TypeError: the text lacks a field or has one this version does not know.

    """
    amounts = _AMOUNTS[kind.__name__]
    values: dict[str, Any] = {
        name: Decimal(value) if name in amounts and value is not None else value for name, value in plain.items()
    }
    return kind(**values)
