"""Trades: what a person asks for, and the facts of a trade's journal.

The journal of one trade is TradeOpened and then these, with the exchange's reports (messages.orders) and the book's
(messages.accounts) between them. Folding it gives the trade; nothing is ever recomputed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.guarding import SafetyState
from actors.model.instrument import FeeRates, Instrument
from actors.model.money import ZERO
from actors.model.order import OrderIntent
from actors.model.trade import Role, TradeParameters
from actors.model.trade_change import TradeChange
from actors.model.trade_plan import Approach, Follower, SizedPlan, TradePlan


# --- asked of the desk -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTrade:
    """Answered with OrderPreview, or refused with all that is wrong."""

    plan: TradePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """Answered with TradeAccepted, or refused with all that is wrong. The command id makes a repeat harmless."""

    command_id: str
    plan: TradePlan
    by: str  # who asked: "chat:17", "cli"
    asked_at: datetime | None = None  # when; None: as it arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceOutcome:
    """What became of one slice of an order: opened (it has a number), refused, or under way (neither)."""

    account: str
    approach: Approach
    trade_id: str = ""
    number: int = 0
    label: str = ""
    sized: SizedPlan | None = None  # None: not known, or refused
    refused: str = ""  # why it was not opened

    @property
    def name(self) -> str:
        return f"{self.approach.value} on {self.account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPreview:
    """What an order comes to, slice by slice; nothing was opened. At least one of them is sized."""

    plan: TradePlan  # as asked
    slices: tuple[SliceOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAccepted:
    trade_id: str
    number: int
    label: str  # main/BTCUSDT/long/conservative/7K3Q9X
    sized: SizedPlan
    already_open: bool = False  # the same command was accepted before
    dry_run: bool = False  # every check passed, and nothing was recorded or sent; the number is 0
    others: tuple[SliceOutcome, ...] = ()  # the other slices of the same order


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTrades:
    """Leave trades now. Answered with CloseAccepted, or refused when none is meant.

    `which`: a small number, a trade id, or "all".
    """

    which: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccepted:
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTrade:
    """Change one open trade as a person wishes. Asked of the desk, or of the trade's monitor itself.

    Answered with TradeChanged once it is recorded (with `preview`, once it is judged), or refused with the reason.
    The same command again is answered as before and changes nothing. Promised to a monitor (Perform), it is settled
    with its record, or with an alert that says why it was not made.
    """

    command_id: str
    which: str  # a small number or a trade id
    change: TradeChange
    by: str  # who asked: "chat:17", "cli", "main/BTCUSDT/…" for what follows another trade
    preview: bool = False  # only say what would become of it
    seen_price: Decimal | None = None  # what the preview showed: where it is another by now, ask again. None: any


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeChanged:
    """A change as it is carried out, or would be."""

    trade_id: str
    number: int
    label: str
    change: TradeChange
    before: Decimal  # where the stop or the target was
    price: Decimal | None  # where it is going, on the tick; None: taken away
    loosens: bool  # the stop goes farther out: more may be lost
    lines: tuple[str, ...]  # what it means, in the person's words


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesQuestion:
    """Ask for the live trades; answered with a tuple of TradeReading, by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuestion:
    """Asked of a monitor; answered with TradeReading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeReading:
    """One trade as its monitor knows it, with the age of the knowledge."""

    trade_id: str
    number: int
    label: str
    account: str
    symbol: str
    position_side: str
    phase: str
    planned_quantity: Decimal
    open_quantity: Decimal
    average_entry_price: Decimal | None
    stop_price: Decimal | None
    stop_at_exchange: bool  # the own stop is confirmed at the exchange and covers what is open
    backstop_price: Decimal | None
    rungs: tuple[tuple[Decimal, Decimal, Decimal], ...]  # (price, quantity, filled)
    realised_pnl_usdt: Decimal
    funding_usdt: Decimal
    opened_at: datetime
    last_confirmed_at: datetime | None  # newest report from the exchange
    note: str = ""
    exits: tuple[str, ...] = ()  # how its exit rules stand, a line each, in the person's words
    filled_quantity: Decimal = ZERO  # of the entries, base units
    follows: str = ""  # main's trade id, of a mirror's trade
    unprotected: str = ""  # that it runs without a stop of its own, in words; empty: it does not
    order_ids: tuple[str, ...] = ()  # client ids of its orders that it believes at the exchange, or on their way


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMonitor:
    """Asked of the positions room: watch this trade."""

    trade_id: str
    symbol: str


# --- facts of a trade's journal --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOpened:
    trade_id: str
    number: int
    label: str
    sized: SizedPlan
    instrument: Instrument
    fees: FeeRates
    position_index: int
    backstop_price: Decimal
    parameters: TradeParameters
    opened_by: str  # "who#command": the trades of one order share it
    opened_at: datetime
    signal_key: str = ""  # BTCUSDT:long:29310000, symbol, side and minute of the order; what may be used once
    equity_usdt: Decimal = ZERO  # of the account when it was opened; 0: not known
    followers: tuple[Follower, ...] = ()  # mirrors' trades that go with it
    follows: str = ""  # main's trade id, of a mirror's trade


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequested:
    """An order's intent, committed before it leaves."""

    effect_key: str
    role: Role
    index: int  # 1 is the first entry or target; 1 for stop and exit
    revision: int
    order: OrderIntent
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequested:
    """A live order is to become this; None leaves a value as it is."""

    effect_key: str
    client_order_id: str
    quantity: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    attached_stop: Decimal | None
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    effect_key: str
    client_order_id: str
    requested_at: datetime


class ExitReason(StrEnum):
    PERSON = "person"
    TRIGGER_PASSED = "trigger_passed"
    STOP_LOSS = "stop_loss"
    TARGETS = "targets"
    NO_ENTRY = "no_entry"
    BACKSTOP = "backstop"
    OUTSIDE = "outside"  # reduced by somebody else: manual, liquidation, deleveraging
    LATE_FILL = "late_fill"
    FLOOR = "floor"  # of a net target: armed, and met again
    TIME = "time"  # its time was over
    MAIN = "main"  # of a mirror's trade: main's has left


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStarted:
    """The trade leaves: one sequence, once begun never turned back."""

    reason: ExitReason
    by: str
    started_at: datetime
    aimed_price: Decimal | None = None  # the price it meant to leave at, where there is one: slippage counts from it


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPriceMoved:
    """Where the own stop belongs from now on."""

    stop_price: Decimal
    reason: str  # "breakeven", "funding", "entry" (all three: at breakeven), "rung", "trailing", "net", "person"
    lines: tuple[str, ...]  # the sum, shown to the person
    moved_at: datetime
    best_price: Decimal | None = None  # "trailing": what it follows; "person": only a better one is followed again
    told: bool = True  # False: a step of a trailing stop among many
    by: str = ""  # who asked for it; empty: a rule
    command_id: str = ""  # of that wish
    heeded_rung: int = 0  # "person": steps for targets up to this one are not made any more


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyHeeded:
    """The trade has heard of a safety state. Entries once withdrawn never come back; halted ends with the state."""

    state: SafetyState
    by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAbsent:
    """A believed-live order is listed nowhere, past the window in which it could still appear."""

    client_order_id: str
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLost:
    """The run that notes this began with less than the one before it had acted on: facts of this trade may be gone.

    What earlier runs have cancelled can look as if somebody else had; it is not placed again.
    """

    epoch: int  # the first run that knows no more
    noted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsRead:
    """A reading of the exchange has brought all executions from before this instant."""

    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcessPassedOn:
    """An exit of this trade sold more than it held; the rest is its siblings' to book."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    fee_usdt: Decimal
    passed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeClosed:
    realised_pnl_usdt: Decimal  # both fees inside, funding apart
    funding_usdt: Decimal  # paid; negative when received
    reason: ExitReason
    closed_at: datetime
    slippage_usdt: Decimal = ZERO  # inside the result: lost past the prices that were to be left at; negative: won
