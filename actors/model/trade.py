"""A trade as its journal tells it: legs, fills, phase. State only; what to do about it is actors.rules.

Enters: values. Stays out: decisions, clocks. Quantities are base units; money is USDT.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.adoption import Adopted, Removal
from actors.model.changing import replace
from actors.model.instrument import FeeRates, Instrument
from actors.model.money import ZERO
from actors.model.order import OrderIntent
from actors.model.outside import OutsideQuestion
from actors.model.position import PositionSide
from actors.model.trade_plan import Follower, SizedPlan, TradePlan


class Phase(StrEnum):
    BUILDING = "building"  # entries may still fill
    MONITORING = "monitoring"  # no entry can fill any more, the first target is not reached
    PROFIT_TAKING = "profit_taking"  # the first target is filled
    CLOSING = "closing"  # leaving, or gone and not yet verified
    CLOSED = "closed"


class Role(StrEnum):
    """What an order does for its trade; the letter stands in its client order id."""

    ENTRY = "E"
    TARGET = "T"
    STOP = "S"
    EXIT = "X"


class LegState(StrEnum):
    REQUESTED = "requested"  # the intent is committed; whether the exchange has it is not known yet
    LIVE = "live"
    FILLED = "filled"
    CANCELLED = "cancelled"  # may hold fills
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        return self is LegState.FILLED or self is LegState.CANCELLED or self is LegState.REJECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChange:
    """An amend or cancel on its way; None leaves a value as it is."""

    effect_key: str
    cancels: bool = False
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    attached_stop: Decimal | None = None
    seen: bool = False  # the exchange has shown it: what it shows from then on is newer than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order of a trade: what the exchange is believed to hold, and what is on its way to it."""

    intent: OrderIntent
    role: Role
    index: int
    revision: int
    place_key: str
    state: LegState
    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    attached_stop: Decimal | None
    requested_at: datetime
    ended_at: datetime | None = None
    settled_at: datetime | None = None  # the outcome of our last request about it
    pending: PendingChange | None = None
    changes: int = 0  # amends and cancels requested so far; numbers their effect keys
    executed_quantity: Decimal = ZERO  # by executions
    executed_value_usdt: Decimal = ZERO
    executed_fee_usdt: Decimal = ZERO
    reported_quantity: Decimal = ZERO  # by the order's own cumulative figure
    reported_average: Decimal | None = None
    reported_fee_usdt: Decimal | None = None
    reported_at: datetime | None = None  # newest exchange instant seen
    confirmed: bool = False  # the exchange itself has shown it, not only an acknowledgement
    code: int | None = None
    text: str = ""
    refusals: int = 0  # changes of it that the exchange refused in a row
    refused_at: datetime | None = None
    cancel_refused: bool = False  # the last of these was a cancel
    in_doubt: bool = False  # gone by an answer, its end not yet read
    cancelled_by_us: bool = False
    reduced_away: bool = False  # the exchange cancelled it because the position had shrunk

    @property
    def client_order_id(self) -> str:
        return self.intent.client_order_id

    @property
    def live(self) -> bool:
        return self.state is LegState.LIVE or self.state is LegState.REQUESTED

    @property
    def filled_quantity(self) -> Decimal:
        executed, reported = self.executed_quantity, self.reported_quantity
        return executed if executed >= reported else reported  # noqa: FURB136 - asked for forty times a decision

    @property
    def executions_missing(self) -> bool:
        """The order's own figure knows of fills whose executions have not been seen."""
        return self.reported_quantity > self.executed_quantity

    @property
    def filled_value_usdt(self) -> Decimal:
        if self.executions_missing and self.reported_average is not None:
            return self.reported_average * self.reported_quantity
        return self.executed_value_usdt

    def fee_usdt(self, fees: FeeRates) -> Decimal:
        """Fees paid; estimated at the role's rate for fills whose executions are missing."""
        if not self.executions_missing:
            return self.executed_fee_usdt
        if self.reported_fee_usdt is not None:
            return self.reported_fee_usdt
        rate = fees.taker if self.intent.takes else fees.maker
        return self.executed_fee_usdt + (self.filled_value_usdt - self.executed_value_usdt) * rate

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_value_usdt / self.filled_quantity if self.filled_quantity else None

    @property
    def exposed_quantity(self) -> Decimal:
        """The most that could still fill, counting a change on its way either as made or as not made."""
        if not self.live:
            return ZERO
        asked = self.quantity if self.pending is None or self.pending.quantity is None else self.pending.quantity
        return max(ZERO, max(self.quantity, asked) - self.filled_quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A share of an exit that was not this trade's own order; negative for excess of its own exits passed on."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    fee_usdt: Decimal
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoosening:
    """A stop price farther out that a person wishes."""

    stop_price: Decimal
    lines: tuple[str, ...]
    by: str
    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopKept:
    """The stop as it was before a person's price that the exchange has not taken yet."""

    stop_price: Decimal
    moved_by: str
    reasoning: tuple[str, ...]
    at_breakeven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeParameters:
    """The settings a trade was opened under, frozen with it."""

    breakeven_margin_fraction: Decimal = Decimal("0.0002")
    exit_pace_seconds: float = 1.0
    own_stop_deadline_seconds: float = 2.0
    entry_rebuilds: int = 3
    answer_seconds: float = 300.0  # for a person to say what becomes of a change made at the exchange
    orphan_grace_seconds: float = 30.0  # for a mirror's trade to end by itself once main's has ended by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade. Built by folding its journal (rules.position_life.evolve)."""

    trade_id: str
    number: int
    label: str
    sized: SizedPlan
    instrument: Instrument
    fees: FeeRates
    position_index: int
    parameters: TradeParameters
    stop_price: Decimal
    backstop_price: Decimal
    opened_at: datetime
    followers: tuple[Follower, ...] = ()  # mirrors' trades that go with it
    follows: str = ""  # main's trade id, of a mirror's trade
    leave_with_main_at: datetime | None = None  # main has left: when this leaves, too
    phase: Phase = Phase.BUILDING
    legs: tuple[Leg, ...] = ()
    executions: frozenset[str] = frozenset()
    reductions: tuple[Reduction, ...] = ()
    funding_usdt: Decimal = ZERO  # paid; negative when received
    funding_since_entry_usdt: Decimal = ZERO  # the part still borne by what is open
    first_target_hit: bool = False
    halted: bool = False  # nothing leaves for it but protection and a person's close
    moved_to_breakeven: bool = False
    stop_reasoning: tuple[str, ...] = ()  # the sum behind the present stop price, in the person's words
    stop_moved_by: str = ""  # the rule behind the present stop price; "": the plan
    stop_move_told: bool = True
    best_price: Decimal | None = None  # that a trailing stop follows, as last journalled
    trailed_at: datetime | None = None
    trailing_told_at: datetime | None = None
    target_price: Decimal | None = None  # of a net target, for what is held
    target_entered: Decimal = ZERO  # base units entered when that was worked out
    floor_armed: bool = False
    set_targets: tuple[tuple[int, Decimal], ...] = ()  # by a person: (place, price)
    taken_targets: frozenset[int] = frozenset()  # by a person: places of targets that are gone
    loosening: StopLoosening | None = None  # a person's wish that waits for the backstop
    asked_stop: Decimal | None = None  # a person's price on its way to the exchange
    kept_stop: StopKept | None = None  # how the stop stays if the price is past that already
    heeded_rung: int = 0  # steps of the stop for targets up to this one are over
    commands: tuple[str, ...] = ()  # of a person's changes that were recorded
    questions: tuple[OutsideQuestion, ...] = ()  # about changes made at the exchange; one an order
    unstopped_since: datetime | None = None  # it runs without a stop of its own: a person has confirmed that
    protected_at: datetime | None = None  # adopted: since when our own stop and backstop have stood
    removals: tuple[Removal, ...] = ()  # of the stops that somebody else had there
    entries_expired: str = ""  # why; "": they have not
    first_fill_at: datetime | None = None
    exit_reason: str | None = None
    aimed_price: Decimal | None = None  # that a rule wanted to leave at
    trigger_passed: bool = False  # the exchange refused the own stop because the price is past it already
    last_fill_at: datetime | None = None
    forgot_epoch: int = 0  # orders of runs before this one may have been changed by requests nobody remembers
    verified: bool = False  # the position agreed with the slices after the last fill
    closed_at: datetime | None = None
    # Knowledge of the moment, no part of what the journal says:
    confirmed_at: datetime | None = field(default=None, compare=False)  # newest word of the exchange about it
    executions_read_at: datetime | None = field(default=None, compare=False)  # all executions before it are known
    # (entered, exited, open) base units, once somebody has asked: every decision asks a dozen times
    _quantities: tuple[Decimal, Decimal, Decimal] | None = field(
        default=None, init=False, repr=False, compare=False, metadata={"of": ("legs", "reductions")}
    )

    @property
    def plan(self) -> TradePlan:
        return self.sized.plan

    @property
    def adopted(self) -> Adopted | None:
        return self.sized.plan.adopted

    @property
    def rung_prices(self) -> tuple[Decimal, ...]:
        """Where the rungs belong now, nearest first."""
        prices = tuple(rung.price for rung in self.plan.rungs)
        if self.target_price is not None:
            return (self.target_price, *prices[1:])
        if not self.set_targets:
            return prices
        by_person = dict(self.set_targets)
        return tuple(by_person.get(place, price) for place, price in enumerate(prices, start=1))

    @property
    def side(self) -> PositionSide:
        return self.plan.position_side

    def leg(self, client_order_id: str) -> Leg | None:
        for leg in self.legs:
            if leg.intent.client_order_id == client_order_id:
                return leg
        return None

    def of(self, *roles: Role) -> tuple[Leg, ...]:
        return tuple(leg for leg in self.legs if leg.role in roles)

    def live_leg(self, role: Role, index: int = 1) -> Leg | None:
        for leg in self.legs:
            if leg.role is role and leg.index == index and leg.live:
                return leg
        return None

    def latest(self, role: Role, index: int = 1) -> Leg | None:
        for leg in reversed(self.legs):
            if leg.role is role and leg.index == index:
                return leg
        return None

    def with_leg(self, leg: Leg) -> Trade:
        """Replace the leg of this client order id, or add it."""
        legs = self.legs_with(leg)
        return self if legs is self.legs else replace(self, legs=legs)

    def legs_with(self, leg: Leg) -> tuple[Leg, ...]:
        """Give the legs with that of this client order id replaced, or added; the same ones when nothing changes."""
        name = leg.intent.client_order_id
        for at, known in enumerate(self.legs):
            if known.intent.client_order_id == name:
                if known == leg:
                    return self.legs  # most reports say what is known
                return (*self.legs[:at], leg, *self.legs[at + 1 :])
        return (*self.legs, leg)

    # --- sums -------------------------------------------------------------------------------------------------
    @property
    def entered_quantity(self) -> Decimal:
        return (self._quantities or self._sum_up())[0]

    @property
    def exited_quantity(self) -> Decimal:
        """What its own exits sold, excess included, and what others' exits took from it."""
        return (self._quantities or self._sum_up())[1]

    def _sum_up(self) -> tuple[Decimal, Decimal, Decimal]:
        adopted, exited = self.adopted, ZERO
        entered = ZERO if adopted is None else adopted.held_quantity
        for leg in self.legs:
            if leg.role is Role.ENTRY:
                entered += leg.filled_quantity
            else:
                exited += leg.filled_quantity
        for reduction in self.reductions:
            exited += reduction.quantity
        quantities = entered, exited, max(ZERO, entered - exited)
        object.__setattr__(self, "_quantities", quantities)
        return quantities

    @property
    def open_quantity(self) -> Decimal:
        return (self._quantities or self._sum_up())[2]

    @property
    def excess_quantity(self) -> Decimal:
        """How much more its exits sold than it held."""
        return max(ZERO, self.exited_quantity - self.entered_quantity)

    @property
    def average_entry_price(self) -> Decimal | None:
        entered = self.entered_quantity
        if not entered:
            return None
        value = ZERO if self.adopted is None else self.adopted.cost_usdt
        return sum((leg.filled_value_usdt for leg in self.legs if leg.role is Role.ENTRY), value) / entered

    @property
    def entry_fee_usdt(self) -> Decimal:
        """What was paid to enter; for what was adopted nobody tells, and a taker's fee is counted."""
        paid = ZERO if self.adopted is None else self.adopted.cost_usdt * self.fees.taker
        return sum((leg.fee_usdt(self.fees) for leg in self.legs if leg.role is Role.ENTRY), paid)

    @property
    def realised_pnl_usdt(self) -> Decimal:
        """Profit of what was sold, less its share of the entry fees and all exit fees; funding apart."""
        average = self.average_entry_price
        if average is None:
            return ZERO
        exits = [leg for leg in self.legs if leg.role is not Role.ENTRY and leg.filled_quantity]
        sold = sum((leg.filled_quantity for leg in exits), ZERO) + sum((r.quantity for r in self.reductions), ZERO)
        value = sum((leg.filled_value_usdt for leg in exits), ZERO)
        value += sum((r.quantity * r.price for r in self.reductions), ZERO)
        exit_fees = sum((leg.fee_usdt(self.fees) for leg in exits), ZERO)
        exit_fees += sum((r.fee_usdt for r in self.reductions), ZERO)
        entry_fees = self.entry_fee_usdt * sold / self.entered_quantity
        return (value - average * sold) * self.side.sign - entry_fees - exit_fees

    @property
    def slippage_usdt(self) -> Decimal:
        """What leaving past a trigger (the stop's, a rule's) has cost so far; negative where it was better."""
        lost = ZERO
        for leg in self.legs:
            aimed = leg.trigger_price if leg.role is Role.STOP else self.aimed_price if leg.role is Role.EXIT else None
            if aimed is not None and leg.filled_quantity:
                lost += (aimed * leg.filled_quantity - leg.filled_value_usdt) * self.side.sign
        return lost

    @property
    def own_stop_covers(self) -> bool:
        """The own stop is known to be at the exchange for at least what is open."""
        stop = self.live_leg(Role.STOP)
        held = ZERO if stop is None or stop.state is not LegState.LIVE else stop.quantity - stop.filled_quantity
        return held >= self.open_quantity

    @property
    def executions_missing(self) -> bool:
        return any(leg.executions_missing for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopSettings:
    """Where an account keeps its backstops."""

    distance: Decimal = Decimal("0.003")  # fraction of price beyond the farthest stop
    min_ticks: int = 5
    most_trades: int = 8  # per symbol, both sides; the exchange allows 10 conditionals and moving needs a spare
