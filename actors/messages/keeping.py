"""How the store fares: whether the disk takes writes, and when it was last backed up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WritesFailing:
    """The disk refuses commits. What protects goes on from memory; what opens is refused."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WritesWork:
    """A commit was taken again, and everything kept in memory with it."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade:
    """A whole, checked copy of the store exists."""

    name: str  # the file's
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFailed:
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Delete effects settled and guards expired before the instant."""

    before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreQuestion:
    """Answered at once with StoreReading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReading:
    failing_seconds: float | None  # how long the disk has refused commits; None: it takes them
    reason: str  # what it said last
    held: int  # writes acted upon and not durable
    backup_age_seconds: float | None  # None: none made in this run
    backup_fault: str  # why the last attempt failed; "" when it did not
