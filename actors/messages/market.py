"""Facts of the public market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReported:
    """Prices of one symbol at one instant; None where this message did not carry one."""

    symbol: str
    last_price: Decimal | None
    mark_price: Decimal | None
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStreamUp:
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStreamDown:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPrice:
    """Keep this symbol's price coming."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuestion:
    """Ask for the latest price; answered with PriceReading, refused when none is known."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReading:
    symbol: str
    last_price: Decimal
    mark_price: Decimal | None
    age_seconds: float
    source: str  # "stream" or "rest"
