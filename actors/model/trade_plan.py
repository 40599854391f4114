"""A trade's plan: what the person asked for, before any quantity is known.

Enters: prices and fractions. Stays out: balances, instruments, orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from actors.model.adoption import Adopted
from actors.model.exit_rules import ExitRules
from actors.model.position import PositionSide


class Approach(StrEnum):
    """What kind of plan a slice follows."""

    CONSERVATIVE = "conservative"
    FAST = "fast"
    DUAL = "dual"  # an order's alone: its slices are one fast and one conservative (rules.fan_out)
    NET_TARGET = "net-target"
    SCREENSHOT = "screenshot"
    SIGNAL = "signal"
    ADOPTED = "adopted"  # begun with what was at the exchange already; nothing is bought


class Policy(StrEnum):
    """What becomes of a change that somebody makes to our orders at the exchange itself."""

    RESTORE = "restore"  # everything is put back
    RESPECT = "respect"  # a moved stop or target stays there, a cancelled target away; all else is put back
    ASK = "ask"  # likewise once a person says so; put back without an answer in time


# How large a trade is meant to be: one of three. Their fields differ in name, so that their JSON tells them apart.
@dataclass(frozen=True, slots=True, kw_only=True)
class MarginShare:
    """As much as this share of the available balance carries, both fees included."""

    of_available: Decimal  # fraction, over 0 up to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginUsdt:
    """As much as this amount carries, both fees included."""

    amount_usdt: Decimal  # over 0, no more than is available


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskShare:
    """As much as loses this share of the equity at the stop, both fees included."""

    of_equity: Decimal  # fraction, over 0 up to 1


Size: TypeAlias = MarginShare | MarginUsdt | RiskShare


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
    """One person's order for one account, or one slice of it."""

    account: str  # "main" or "mirror"
    symbol: str
    position_side: PositionSide
    approach: Approach
    entries: tuple[PlannedEntry, ...]  # in the order given; none in an adopted one
    rungs: tuple[PlannedRung, ...]  # nearest first; none in a net target that was not worked out yet (rules.net_plan)
    stop_price: Decimal  # likewise 0
    size: Size  # of an adopted one 0 USDT: nothing more is bound
    leverage: Decimal
    slippage: Decimal | None = None  # how far from the last price market entries may fill, a fraction; None: unbounded
    preset: str = ""  # the settings' preset it was written with; empty: none
    cancel_entries_on_first_target: bool = True
    policy: Policy = Policy.RESTORE
    exits: ExitRules = ExitRules()  # noqa: RUF009 - an immutable value
    chat_id: int | None = None  # where its alerts go; None: the default chat
    mirror: bool = True  # repeat it on the mirror accounts, where there are any
    adopted: Adopted | None = None  # of approach adopted alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A mirror's trade that goes with one of main's. It may turn out never to have been opened."""

    account: str
    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedEntry:
    price: Decimal | None
    quantity: Decimal
    bound_price: Decimal | None = None  # of a market entry: filled at this price or better, or not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedPlan:
    """A plan with quantities on the instrument's grid, and the money they bind."""

    plan: TradePlan
    asked_usdt: Decimal  # what the plan's size came to: the margin, or the loss at the stop, that was asked for
    entries: tuple[SizedEntry, ...]
    quantity: Decimal  # sum of the entries
    reference_price: Decimal  # quantity-weighted entry price, market entries at the last price
    notional_usdt: Decimal
    margin_usdt: Decimal
    rung_quantities: tuple[Decimal, ...]  # if all entries fill; 0 where a rung was merged away
    loss_at_stop_usdt: Decimal  # fees included, positive
    notes: tuple[str, ...] = ()  # merged rungs and roundings, in the person's words
