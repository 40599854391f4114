"""Notices: the messages the runtime itself puts into an actor's mailbox, for handlers to take like any other.

Enters: outcomes of asks, ends and restarts of watched actors. Stays out: what the application says.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question was answered."""

    ask_id: str
    tag: Any  # what the asker attached to the question
    question: Any
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnswered:
    """A question will not be answered.

    `timed_out`, `failed` and `actor_restarted` mean unknown, never no: the question may have been carried out.
    `refused` and `dead` mean that it was not.
    """

    ask_id: str
    tag: Any
    question: Any
    reason: str  # timed_out | refused | failed | actor_restarted | dead
    error: str  # a sentence for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """A watched actor has ended for good; sent once for each watch."""

    path: str
    incarnation: int  # the last one; 0 when it never lived
    reason: str  # stopped | ended | failed | killed | no_such_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A watched actor runs again with a fresh behaviour; the watch goes on."""

    path: str
    incarnation: int  # the new one
