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
    """Ask for the latest price; answered with PriceReading, refused when none is known.

    One that is older than asked for is read from REST first; where that fails, the last known one is marked stale.
    """

    symbol: str
    most_age_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReading:
    """Answers a question, and is what subscribers are told."""

    symbol: str
    last_price: Decimal
    mark_price: Decimal | None
    age_seconds: float
    source: str  # "stream" or "rest"
    stale: bool = False  # the last known one: neither stream nor REST has a newer
    reported_at: datetime | None = None  # the exchange's instant; None from REST: it is no older than its age says
