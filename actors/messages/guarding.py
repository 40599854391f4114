"""The guards of the desk: what a person may change and ask of them, and the facts of their journal.

The journal is the stream "guards"; only the desk writes it. What the guards know of orders and results is in the
trades' own journals (messages.trading), so it is committed with the trade and never apart from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actors.model.guarding import Lock, Protection, Safety, SafetyState

STREAM = "guards"


# --- asked of the desk -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsQuestion:
    """How the guards stand; answered with GuardsReading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSafety:
    """Set the safety state. Answered with GuardsReading. The command id makes a repeat harmless."""

    command_id: str
    state: SafetyState
    why: str
    by: str  # "chat:17", "cli"
    leave: str = ""  # an account whose trades are all left with it, in the same commit; never to a looser state then
    everything: bool = False  # of that account: what others hold and have ordered there goes as well, last


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProtection:
    """Switch the protection of others' orders. Answered with GuardsReading. The command id makes a repeat harmless."""

    command_id: str
    on: bool
    why: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLock:
    """Let new entries through again in spite of a lock. Answered with GuardsReading, or refused: no such lock."""

    lock_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEnded:
    """Told to the desk when a trade's monitor has ended: a protection may be due."""

    trade_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsReading:
    safety: Safety
    locks: tuple[Lock, ...]  # those that hold, oldest first
    dry_run: bool
    clearing: tuple[str, ...] = ()  # accounts on which an emergency leaves nothing at all, and which are not clear yet
    protection: Protection = Protection()  # noqa: RUF009 - an immutable value


# --- facts of the guards' journal -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyChanged:
    command_id: str
    state: SafetyState
    why: str
    by: str
    changed_at: datetime
    clears: str = ""  # an account on which nothing at all is to be left


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCleared:
    """A reading has shown that nothing is held and no order rests on an account that was to be cleared."""

    account: str
    cleared_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionChanged:
    command_id: str
    on: bool
    why: str
    by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSet:
    lock: Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReleased:
    lock_id: str
    by: str
    released_at: datetime
