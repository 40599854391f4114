"""Slices of an order that are promised with its first: what the desk still has to open, whatever falls over meanwhile.

Both are effects to the desk, committed with the trade they go with, and settled in the commit that opens the slice, or
that tells why it was not opened. A slice's trade id is in its promise, so carrying it out twice opens one trade.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.messages.trading import ChangeTrade, TradeOpened
from actors.model.trade_plan import Follower, TradePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPromised:
    """A mirror's slice: sized by what the mirror's own account is found to be."""

    trade_id: str
    plan: TradePlan  # of the mirror's account, its size a share
    order: str  # "who#command", as main's
    signal_key: str
    follows: str  # main's trade id
    main_label: str
    main_available_usdt: Decimal  # what main's share was a share of
    promised_at: datetime

    @property
    def account(self) -> str:
        return self.plan.account


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfPromised:
    """The other half of a dual order on the account of the first: sized with it, and frozen."""

    draft: TradeOpened  # but for number, backstop and time
    liquidation_price: Decimal | None
    mirrors: tuple[MirrorPromised, ...]  # promised in turn once it is opened
    promised_at: datetime

    @property
    def trade_id(self) -> str:
        return self.draft.trade_id

    @property
    def account(self) -> str:
        return self.draft.sized.plan.account

    @property
    def plan(self) -> TradePlan:
        return self.draft.sized.plan

    @property
    def order(self) -> str:
        return self.draft.opened_by

    @property
    def follows(self) -> str:
        return ""


# --- what a mirror's trade hears of main's -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class MainLeft:
    """Main's trade leaves: a fact in the mirror's journal. By a person it leaves, too; else after a grace."""

    reason: str  # an ExitReason
    by_person: bool
    left_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowMain:
    """An effect to the desk, committed with main's fact: have the follower hear it, once it is known to exist."""

    follower: Follower
    symbol: str
    what: MainLeft | ChangeTrade  # the change's command id makes a repeat harmless
