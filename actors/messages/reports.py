"""Reports without their usual reader, and what the readers of the world tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actors.messages.orders import ExecutionReported, OrderReported


@dataclass(frozen=True, slots=True, kw_only=True)
class Misaddressed:
    """A report for one of our trades that has no living monitor. Its journal may know the report already."""

    trade_id: str
    symbol: str
    report: ExecutionReported | OrderReported


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFailed:
    """The account could not be read, three times in a row or more. What is held there is unknown, not nothing."""

    account: str
    failures: int  # in a row
    text: str
    since: datetime  # the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRecovered:
    """The account was read again after ReconcileFailed."""

    account: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAgeQuestion:
    """Asked of a stream's actor; answered with seconds since its last frame (float), None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribePrice:
    """Send this symbol's PriceReading to the path: the newest, a few times a second at most.

    Ends with the subscriber. A restarted price watcher has forgotten it: subscribe again on Restarted.
    """

    symbol: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribePrice:
    symbol: str
    path: str
