"""Health: what is read of the host and the tree, and the answer to "how are you".

Enters: readings with their ages. Stays out: how they are taken, what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from actors.messages.alert_records import AlertsReading
from actors.messages.keeping import StoreReading


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"  # it works, something wants attention
    CRITICAL = "critical"  # money may be at risk, or nobody can be told

    @property
    def rank(self) -> int:
        """0 is healthy; higher is worse."""
        return {"ok": 0, "degraded": 1, "critical": 2}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    code: str  # snake_case, e.g. "stream_down"
    subject: str  # an account, an actor's path, "" for the whole
    verdict: Verdict
    text: str  # a sentence for the person


class ActorLine(NamedTuple):
    """One actor of the tree at the moment of reading."""

    path: str
    state: str
    dispatcher: str
    incarnation: int
    restarts_in_window: int
    mailbox_depth: int
    oldest_message_age_seconds: float | None
    running_handler: str | None
    running_seconds: float | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLine:
    """A socket and for how long it has been so."""

    name: str  # an account, or "market"
    up: bool
    since_seconds: float
    reason: str = ""  # why it is down


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """Quantity of one side that no stop at the exchange covers."""

    symbol: str
    side: str  # "long" or "short"
    quantity: Decimal  # base units


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverRead:
    """What a reading of an account shows of sides where trades of ours hold something."""

    account: str
    uncovered: tuple[Uncovered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """The machine as the process sees it."""

    disk_free_bytes: int  # where the state lives
    memory_used_bytes: int  # by this process
    memory_available_bytes: int  # on the machine
    sqlite_version: str  # "3.40.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthQuestion:
    """Answered with HealthReading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReading:
    """The verdict of the last beat and what it rests on."""

    verdict: Verdict
    since_seconds: float  # how long the verdict stands
    findings: tuple[Finding, ...]  # worst first
    notes: tuple[str, ...]  # worth knowing, wrong with nobody
    read_at: datetime
    uptime_seconds: float
    restarts: int  # of actors, in this run
    dead_letters: int  # in this run
    actors: tuple[ActorLine, ...]
    streams: tuple[StreamLine, ...]
    clock_offsets: tuple[tuple[str, float], ...]  # (account, seconds the exchange is ahead)
    host: HostReading | None
    alerts: AlertsReading | None
    store: StoreReading | None = None
