"""Questions to an account's client and what the reconciler hands round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.messages.orders import ExecutionReported
from actors.model.money import ZERO
from actors.model.order import ObservedOrder
from actors.model.position import ObservedPosition, PositionSide


# --- questions to the client (answered, or refused with the error's words) -------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningViewQuestion:
    """Answered with OpeningView, or None when there is no such USDT perpetual."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureLeverage:
    """Answered True once the exchange holds this leverage for the symbol."""

    symbol: str
    leverage: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuestion:
    """Answered with ObservedOrder, or None when the exchange lists none (which proves nothing by itself).

    With `order_id` (the exchange's) an order that is not ours is meant, and there is no client id.
    """

    symbol: str
    client_order_id: str
    order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotQuestion:
    """Answered with AccountSnapshot: all open orders and positions, and the executions since the instant.

    None: without executions; they are asked for once it is known how far back they must reach.
    """

    executions_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsQuestion:
    """Answered with all executions since the instant, oldest first."""

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFromRest:
    """Answered with (last, mark)."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesFromRest:
    """Answered with {symbol: (last, mark)} of those that are listed; one request, however many."""

    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsQuestion:
    """Answered with KeyRights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceQuestion:
    """Answered with Balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffsetQuestion:
    """Answered with seconds (float), exchange minus ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPnlQuestion:
    """Answered with a tuple of ports.ClosedPnl."""

    since: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One reading of an account. Newer events than `started_at` may be missing from it and are never undone by it."""

    account: str
    started_at: datetime  # when the first request left: what happened before it is inside
    finished_at: datetime
    orders: tuple[ObservedOrder, ...]  # all that are open
    positions: tuple[ObservedPosition, ...]  # all that are not flat
    executions: tuple[ExecutionReported, ...]  # oldest first


# --- the reconciler --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotWanted:
    """Ask for the part of a fresh reading that concerns one monitor (or the book): one reading serves many."""

    path: str
    executions_since: datetime | None = None  # older than the reconciler's own watermark: read from there
    wanted_at: datetime | None = None  # by the asker's clock: comes back in the part, as what it answers
    first: bool = False  # the asker has done nothing in this run yet: the run's first reading will do, old as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorsLost:
    """The monitors of an account are started anew, and what was on its way to them is lost: what was read is old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSnapshot:
    """What a fresh reading says of one trade: its open orders and its executions since the asked instant."""

    started_at: datetime
    orders: tuple[ObservedOrder, ...]
    executions: tuple[ExecutionReported, ...]
    answers: datetime | None = None  # the newest request that this reading serves; None: the trade had not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRead:
    """What a fresh reading says of the account's positions (all that are not flat) and foreign executions."""

    started_at: datetime
    positions: tuple[ObservedPosition, ...]
    foreign_executions: tuple[ExecutionReported, ...]
    foreign_conditionals: tuple[tuple[str, int], ...]  # (symbol, how many)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerNear:
    """A monitor's nearest trigger, so that the reconciler knows how fast to read while the stream is stale."""

    trade_id: str
    symbol: str
    stop_price: Decimal | None  # None: nothing open any more
    target_price: Decimal | None
    entry_price: Decimal | None = None  # the entry that fills next


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayOrder:
    """An order with our installation's id and no live trade."""

    account: str
    order: ObservedOrder
    trade_id: str


# --- the position book -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitTrade:
    """Ask the book to admit a trade: answered with TradeAdmitted once the backstop reaches beyond its stop."""

    trade_id: str
    symbol: str
    position_side: PositionSide
    position_index: int
    stop_price: Decimal
    tick_size: Decimal
    liquidation_price: Decimal | None
    leverage: Decimal
    adopts: Decimal = ZERO  # foreign quantity that it takes over, base units; then no backstop is moved for it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAdmitted:
    trade_id: str
    backstop_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawAdmission:
    """The opening failed after it was admitted."""

    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookQuestion:
    """Ask how a symbol stands in the book; answered with BookReading."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookReading:
    """One symbol as the book has it. Trades are those that are live or admitted."""

    trades_long: int
    trades_short: int
    foreign_long: Decimal
    foreign_short: Decimal
    farthest_stop_long: Decimal | None
    farthest_stop_short: Decimal | None
    foreign_conditionals: int = 0  # conditional orders there that are not ours, at the last reading
    leverage: Decimal | None = None  # what the trades there were opened with, either side; None: no trade
    held_long: Decimal = ZERO  # by the trades together, base units
    held_short: Decimal = ZERO
    cost_long: Decimal = ZERO  # what that was entered for, USDT
    cost_short: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopQuestion:
    """Ask about the backstop of a side, for a stop of a trade there; answered with BackstopStanding."""

    symbol: str
    position_side: PositionSide
    stop_price: Decimal  # where the trade's stop is to be


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopStanding:
    backstop_price: Decimal | None  # where it would be, with a stop there
    liquidation_price: Decimal | None  # the exchange's word about the position; None: flat, or none
    reaches: bool  # it is beyond that stop already: at the exchange, and on every entry that may fill


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceReported:
    """What one trade holds of a position, told by its monitor whenever it changes."""

    trade_id: str
    path: str
    symbol: str
    position_side: PositionSide
    position_index: int
    tick_size: Decimal
    quantity_step: Decimal
    leverage: Decimal
    opened_at: datetime
    open_quantity: Decimal
    reductions: tuple[str, ...]  # execution ids of the bookings it has taken; `open_quantity` is without them
    stop_price: Decimal | None  # None once nothing is open and nothing can fill
    backstop_price: Decimal  # as it was last told; what its next entry will attach
    attached_stops: tuple[Decimal, ...]  # distinct values on its live entries
    wants_verification: bool  # its orders are terminal and it holds nothing: confirm against the position
    ended: bool
    last_fill_at: datetime | None
    average_entry_price: Decimal | None = None
    adopted_quantity: Decimal = ZERO  # of what it began with: foreign until then
    stop_to_come: bool = (
        False  # adopted, and its own stop has not stood yet: what protects the position meanwhile stays
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopMoved:
    """The account's backstop for this trade's side is now to be here: a fact in each trade's journal."""

    stop_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionVerified:
    """Two readings, both after the trade's last fill, agree with the slices that remain."""

    first_read_at: datetime
    second_read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionBooked:
    """A share of an execution without our id (or of a sibling's excess exit) that this trade carries. An effect."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    fee_usdt: Decimal
    cause: str  # "backstop", "liquidation", "deleveraging", "settlement", "manual", "excess"; "unexplained": estimated
    executed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingBooked:
    """A trade's share of one funding payment. An effect."""

    execution_id: str
    paid_usdt: Decimal  # negative when received
    executed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcessReported:
    """A trade's exit sold more than the trade held: the rest came from its siblings."""

    trade_id: str
    symbol: str
    position_side: PositionSide
    execution_id: str
    quantity: Decimal
    price: Decimal
    fee_usdt: Decimal
    executed_at: datetime
