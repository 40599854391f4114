"""Accounts: balance, mode and rights, each reading with its instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.instrument import FeeRates, Instrument
from actors.model.position import ObservedPosition, PositionMode


class MarginMode(StrEnum):
    ISOLATED = "isolated"
    CROSS = "cross"
    PORTFOLIO = "portfolio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """An account's USDT."""

    equity_usdt: Decimal
    wallet_usdt: Decimal
    available_usdt: Decimal  # free for new margin
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRights:
    """What the API key may do."""

    user_id: str
    read_only: bool
    may_order: bool
    may_position: bool
    may_withdraw: bool
    unified: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningView:
    """All that must be known of an account and a symbol before a trade is sized and admitted there."""

    account: str
    instrument: Instrument
    fees: FeeRates
    balance: Balance
    margin_mode: MarginMode
    position_mode: PositionMode  # as detected for this symbol
    positions: tuple[ObservedPosition, ...]  # of this symbol, flat rows included
    conditional_orders: int  # foreign ones too; the exchange allows 10 a symbol
    last_price: Decimal
    mark_price: Decimal
    maintenance_margin_rate: Decimal  # of the lowest risk tier, a fraction of notional
    read_at: datetime
