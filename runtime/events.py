"""Events: what the runtime tells its observers, as frozen facts.

Enters: paths, numbers, texts. Stays out: what is done about them (logging, alerts, metrics are observers).
Observers run on the thread where the fact arose, one event at a time and in order; they must not block.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStarted:
    """A behaviour finished its on_start."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRestarted:
    """A behaviour failed and a fresh one will take its place after the delay."""

    path: str
    incarnation: int  # the one that failed
    error: str
    delay_seconds: float
    traceback: str = ""
    over: int = field(default=0, compare=False)  # number of the message it failed over


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorParked:
    """An actor used up its restarts and was set aside."""

    path: str
    error: str
    retry_seconds: float
    has_stand_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorUnparked:
    """The real behaviour of a parked actor runs again."""

    path: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStopped:
    """An actor ended for good."""

    path: str
    incarnation: int
    reason: str  # stopped | ended | failed | killed


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFailed:
    """on_stop raised; the actor is down all the same."""

    path: str
    incarnation: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSlow:
    """A handler has been running for too long; told once for each run."""

    path: str
    message_type: str
    seconds: float
    stack: str  # where its thread is now; empty in virtual time


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerLost:
    """A handler overran its deadline (or was killed) and its lease was revoked."""

    path: str
    incarnation: int
    message_type: str
    seconds: float
    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxOverflowed:
    """A mailbox was full; told at the 1st, 2nd, 4th, 8th ... message it cost."""

    path: str
    policy: str  # reject | drop_oldest | coalesce
    dropped: int  # so far


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered:
    """A message found nobody to take it."""

    path: str
    message: Any
    reason: str
    sender: str | None
    trace_id: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorEscalated:
    """A supervisor could not keep a child alive and took the failure as its own; path "" is the root giving up."""

    path: str
    child: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReplaced:
    """A worker thread was given up (stuck in a lost handler, or dead) or joined by a spare."""

    dispatcher: str
    worker: str
    reason: str  # lost | died | spare


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """A handler refused a message that nobody awaited an answer to."""

    path: str
    message_type: str
    error: str
    trace_id: str


RuntimeEvent: TypeAlias = (
    ActorStarted
    | ActorRestarted
    | ActorParked
    | ActorUnparked
    | ActorStopped
    | StopFailed
    | HandlerSlow
    | HandlerLost
    | MailboxOverflowed
    | DeadLettered
    | SupervisorEscalated
    | WorkerReplaced
    | MessageRefused
)
