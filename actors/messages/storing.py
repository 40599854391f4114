"""What passes to and from the store: appends, loads, settlements.

A stream is one actor's journal ("trade/7K3Q9X"). An append carries the sequence its writer believes in, so a stale
incarnation is refused; its effects leave only after the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedEffect:
    """One effect in the outbox: a request under a key that never changes, and who performs it."""

    key: str  # unique for ever
    destination: str  # path of the actor that performs it
    owner: str  # path of the actor that hears the outcome; may be the destination
    request: Any  # one of the registered effect types


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Commit facts and effects of one stream in one transaction; settle effects whose outcome is among the facts."""

    stream: str
    expected_sequence: int  # the stream's length as the writer knows it; 0 for a new stream
    facts: tuple[Any, ...]
    effects: tuple[PromisedEffect, ...] = ()
    settles: tuple[str, ...] = ()  # effect keys
    register: StreamSummary | None = None  # replaces the stream's row in the register of live streams
    guards: tuple[Guard, ...] = ()  # rows that must be new; the append is refused when one is not
    confirm_to: str | None = None  # path told Appended after the commit; refusals always go to the sender


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """The register's row of a stream: enough to find and list it without folding."""

    kind: str  # "trade"
    account: str
    symbol: str
    number: int  # the small number people use; 0 for none
    label: str  # the readable key
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A key that may be used once ("update/8812", "signal/BTCUSDT:long:2931")."""

    key: str
    expires_at: datetime | None = None  # None: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    stream: str
    sequence: int  # length after the append


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendRefused:
    """Nothing of the append was written. `reason`: stale_sequence, guard_used, disk, failed."""

    stream: str
    reason: str
    text: str
    guard_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Perform:
    """The store releases an effect to its destination, after the commit."""

    effect: PromisedEffect
    repeat: bool = False  # True: it may have been performed before; look first


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Mark an effect as done, for owners that keep no journal of their own."""

    effect_key: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkAttempt:
    """Count an attempt at an effect before it is made, so that a crash in between shows. Answered with Attempted."""

    effect_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    effect_key: str
    attempts: int  # this one included


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStream:
    """Ask for a stream whole; answered with StoredStream (empty when unknown)."""

    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledEffect:
    effect: PromisedEffect
    attempts: int
    promised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStream:
    stream: str
    sequence: int
    facts: tuple[Any, ...]  # oldest first
    unsettled: tuple[UnsettledEffect, ...]  # of this stream, oldest first
    begun_epoch: int = 0  # of the run that wrote its first fact; 0 while it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledQuestion:
    """Ask for all unsettled effects of one destination, oldest first; answered with a tuple of UnsettledEffect."""

    destination: str
    limit: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterQuestion:
    """Ask for the register's rows; answered with a tuple of (stream, StreamSummary), by number."""

    kind: str
    live_only: bool = True
    account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsQuestion:
    """Ask how trades began and ended: all that are live, and all that did either since the instant.

    Answered with a tuple of (stream, TradeOpened or TradeClosed), as they were recorded; each trade's opening is there.
    """

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The latest run that began with less than an earlier one had acted on: writes that never reached the disk."""

    epoch: int
    at: datetime  # when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class NextNumber:
    """Ask for the next small number of a counter ("trade"), never given twice; answered with an int."""

    counter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseGuards:
    """Write guard rows outside an append; answered True when all were new, False (nothing written) otherwise."""

    guards: tuple[Guard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutDocument:
    """Keep a small value under a name (a button's record, a chat's offset); replaces. Answered True."""

    name: str
    body: Any  # a registered document type


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuestion:
    """Ask for a kept value; answered with it or None."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDocument:
    """Take a kept value away in one transaction; answered with it or None. A second taker gets None."""

    name: str
