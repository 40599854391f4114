"""A trade's plan: what the person asked for, before any quantity is known.

Enters: prices and fractions. Stays out: balances, instruments, orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from actors.model.exit_rules import ExitRules
from actors.model.position import PositionSide


class Approach(StrEnum):
    """What kind of plan a slice follows."""

    CONSERVATIVE = "conservative"
    FAST = "fast"
    NET_TARGET = "net-target"
    SCREENSHOT = "screenshot"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEntry:
    """One entry: a limit at `price`, or a market order when it is None."""

    price: Decimal | None
    fraction: Decimal  # of the trade's quantity; all entries sum to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRung:
    """One take-profit rung, nearest first."""

    price: Decimal
    fraction: Decimal  # of what was filled; all rungs sum to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePlan:
    """One person's order for one slice on one account."""

    account: str  # "main" or "mirror"
    symbol: str
    position_side: PositionSide
    approach: Approach
    entries: tuple[PlannedEntry, ...]  # in the order given
    rungs: tuple[PlannedRung, ...]  # nearest first; none in a net target that was not worked out yet (rules.net_plan)
    stop_price: Decimal  # likewise 0
    margin_fraction: Decimal  # of the available balance, over 0 up to 1
    leverage: Decimal
    cancel_entries_on_first_target: bool = True
    exits: ExitRules = ExitRules()  # noqa: RUF009 - an immutable value
    chat_id: int | None = None  # where its alerts go; None: the default chat


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedEntry:
    price: Decimal | None
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedPlan:
    """A plan with quantities on the instrument's grid, and the money they bind."""

    plan: TradePlan
    entries: tuple[SizedEntry, ...]
    quantity: Decimal  # sum of the entries
    reference_price: Decimal  # quantity-weighted entry price, market entries at the last price
    notional_usdt: Decimal
    margin_usdt: Decimal
    rung_quantities: tuple[Decimal, ...]  # if all entries fill; 0 where a rung was merged away
    loss_at_stop_usdt: Decimal  # fees included, positive
    notes: tuple[str, ...] = ()  # merged rungs and roundings, in the person's words
