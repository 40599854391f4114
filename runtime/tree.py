"""Tree: the nodes, who is whose child, and in which state each one is. Plain data under the supervisor's lock.

Enters: specs. Stays out: decisions (supervisor), behaviours (cell).
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from runtime.restart_policy import NO_FAILURES, FailureHistory
from runtime.spec import Spec

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.context import Context
    from runtime.envelope import Cause, ReplyTo
    from runtime.timers import Timer


class State(Enum):
    """Where a node stands."""

    WAITING = "waiting"  # down; started when its supervisor's plan comes to it
    STARTING = "starting"  # factory and on_start are under way
    RUNNING = "running"
    CLEARING = "clearing"  # its behaviour failed or must go; its children are stopped first
    BACKOFF = "backoff"  # down; a timer will start it
    STOPPING = "stopping"  # its children are stopped, then it runs on_stop
    PARKED = "parked"  # over its budget; the stand-in runs in its place, if there is one
    ENDED = "ended"  # for good


@dataclass(frozen=True, slots=True)
class Ending:
    """Once down: gone for good."""

    reason: str  # stopped | ended | failed | killed


@dataclass(frozen=True, slots=True)
class Waiting:
    """Once down: stay so until the supervisor's plan starts it again."""


@dataclass(frozen=True, slots=True)
class Restarting:
    """Once down: start afresh after the delay."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class BeingParked:
    """Once down: park."""

    error: str


Fate: TypeAlias = Ending | Waiting | Restarting | BeingParked


@dataclass(slots=True, eq=False)
class Node:
    """One place in the tree. A supervisor's node has no cell."""

    spec: Spec
    path: str
    parent: "Node | None"
    is_static: bool  # named in its parent's spec: started again with the parent
    cell: "Cell | None" = None
    state: State = State.WAITING
    incarnation: int = 0
    settled: bool = False  # started, and so are its static children
    fate: Fate | None = None
    pending: "Restarting | BeingParked | None" = None  # what the plan does with it once its turn has come
    drains: bool = False  # its stop lets it handle what is queued first
    behaviour_up: bool = False  # a behaviour may be running in the cell, or about to
    told_to_end: bool = False  # ... and has been told to stop
    runs_stand_in: bool = False
    was_parked: bool = False
    on_probation_until: float = 0.0  # an unparked actor that fails before this instant is parked again at once
    history: FailureHistory = NO_FAILURES
    last_error: str = ""
    cause: "Cause | None" = None
    timer: "Timer | None" = None  # of the backoff or the stop's deadline
    retry_timer: "Timer | None" = None  # of the parking
    children: "dict[str, Node] | None" = None
    to_start: "deque[Node] | None" = None  # the plan: in this order, each settled before the next
    to_stop: "list[Node] | None" = None  # the plan: from the end, each down before the next
    waiting_for: "Node | None" = None
    watchers: "dict[Cell, Context] | None" = None
    told_at_end: "list[ReplyTo] | None" = None

    def living_children(self) -> "list[Node]":
        """Return the children, in the order they were started."""
        return list(self.children.values()) if self.children else []

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def cancel_retry(self) -> None:
        if self.retry_timer is not None:
            self.retry_timer.cancel()
            self.retry_timer = None
