"""What passes between an account's client and its lanes, and what the client tells of the account itself.

A lane is asked with the request or question itself (messages.orders, messages.accounts, the readings below) and
answers with one LaneAnswer: the error classes of actors.errors as a value, so that rules can judge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class AnswerKind(StrEnum):
    """How one call ended, by what may be done next."""

    DONE = "done"  # `value` is what the port gave
    REJECTED = "rejected"
    TRIGGER_PASSED = "trigger_passed"  # `expected_rise` tells which side the exchange objected to
    GONE = "gone"
    DUPLICATE_ID = "duplicate_id"
    UNREACHABLE = "unreachable"  # nothing was sent, or a read failed
    THROTTLED = "throttled"  # nothing was executed; not before `until`
    UNKNOWN = "unknown"  # it may have happened
    ACCESS_DENIED = "access_denied"
    FENCED = "fenced"  # another run holds the state; nothing was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneAnswer:
    """The outcome of one call to the exchange."""

    kind: AnswerKind
    began_at: float  # monotonic seconds, just before the call: the request's own timestamp is not older
    value: Any = None
    code: int | None = None
    text: str = ""
    expected_rise: bool | None = None
    until: datetime | None = None
    shared: bool = True  # what throttled it concerns all requests of its kind


# --- parts of a snapshot, one call each ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrdersReading:
    """All open orders of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsReading:
    """All positions of the account that are not flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsReading:
    """All executions of the account since the instant."""

    since: datetime


# --- told to health --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSuspended:
    """The exchange refuses this key, address or account. Only protective requests go on, slowly."""

    account: str
    code: int | None
    text: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRestored:
    """A write was accepted again after AccountSuspended."""

    account: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFenced:
    """Another run holds the state: this one sends nothing any more and settles nothing."""

    account: str
    text: str
    since: datetime
