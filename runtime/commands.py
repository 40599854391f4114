"""Commands: what the tree tells a cell to do with its behaviour, through the system lane.

Enters: an incarnation each, so that a command that comes too late is recognised. Stays out: deciding (supervision).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runtime.envelope import Cause, Notice

if TYPE_CHECKING:
    from runtime.actor import Actor
    from runtime.context import Context
    from runtime.notices import Restarted, Terminated


class Begin(NamedTuple):
    """Build a behaviour and start it."""

    incarnation: int
    factory: "Callable[[], Actor]"
    is_stand_in: bool
    cause: Cause | None  # the message over which the last one failed: its story goes on


class End(NamedTuple):
    """Stop the behaviour now: on_stop, then down."""

    incarnation: int


class Fail(NamedTuple):
    """Take the behaviour down as failed."""

    incarnation: int
    error: BaseException


Command: TypeAlias = Begin | End | Fail


class StopMark(Notice):
    """Stands in the user lane after the last message that is still handled before an ordered stop."""

    __slots__ = ("incarnation",)

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation


class WatchNotice(Notice):
    """News of a watched actor; it counts only while that incarnation still watches."""

    __slots__ = ("context", "news")

    def __init__(self, context: "Context", news: "Terminated | Restarted") -> None:
        self.context = context
        self.news = news


class Drained:
    """Marks a run of on_drained."""
