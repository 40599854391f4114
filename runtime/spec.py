"""Specs: the tree as data. What runs under which name, how it is restarted, how much it may queue, when it is parked.

Enters: names, factories, limits. Stays out: running anything. Every limit carries its unit in its name.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from runtime.actor import Actor
from runtime.restart_policy import Backoff, Intensity


class RestartType(Enum):
    """Which ends of an actor are followed by a fresh start."""

    PERMANENT = "permanent"  # every one
    TRANSIENT = "transient"  # crashes; a normal end is for good
    TEMPORARY = "temporary"  # none


PERMANENT = RestartType.PERMANENT
TRANSIENT = RestartType.TRANSIENT
TEMPORARY = RestartType.TEMPORARY


class Strategy(Enum):
    """Whom a child's failure concerns."""

    ONE_FOR_ONE = "one_for_one"  # the child alone
    REST_FOR_ONE = "rest_for_one"  # the child and its siblings started after it


ONE_FOR_ONE = Strategy.ONE_FOR_ONE
REST_FOR_ONE = Strategy.REST_FOR_ONE


class OnExhausted(Enum):
    """What follows when an actor has used up its restarts."""

    PARK = "park"  # set aside, a stand-in in its place, tried again slowly
    ESCALATE = "escalate"  # its supervisor takes the failure as its own


class PoisonPolicy(Enum):
    """What becomes of a message that crashed its actor.

    The second crash over one message quarantines it anyway, unless it is insisted upon: then only the actor's restarts
    set a limit.
    """

    DROP = "drop"  # superseded by the next of its kind; only counted
    DEAD_LETTER = "dead_letter"  # kept with the error
    RETRY_ONCE = "retry_once"  # given to the fresh behaviour first; only for messages that may be handled twice
    INSIST = "insist"  # kept with the error, and taken whenever it comes again: the actor cannot go on without it


@dataclass(frozen=True, slots=True)
class Reject:
    """A full mailbox sends what is new to the dead letters; an asker is refused."""


@dataclass(frozen=True, slots=True)
class DropOldest:
    """A full mailbox gives up its oldest message for the new one."""


@dataclass(frozen=True, slots=True)
class Coalesce:
    """Of the queued messages with one key the latest remains, in the place of the first; a key of None never coalesces.

    A mailbox full of different keys rejects. Questions are never coalesced: each is owed an answer.
    """

    key: Callable[[Any], Any]  # hashable; runs in the sender, an error in it rejects the message


Overflow: TypeAlias = Reject | DropOldest | Coalesce


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSpec:
    """How many told messages an actor may have waiting, and what happens to one more."""

    capacity: int = 1024
    overflow: Overflow = Reject()

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a mailbox holds at least 1 message, not {self.capacity}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """What stands in for a parked actor, and how often the real one is tried again."""

    stand_in: Callable[[], Actor] | None = None  # None: its messages become dead letters, reason "parked"
    retry_seconds: float = 300.0


DEFAULT_MAILBOX = MailboxSpec()
DEFAULT_INTENSITY = Intensity()
SUPERVISOR_INTENSITY = Intensity(max_restarts=3, within_seconds=300.0)
DEFAULT_BACKOFF = Backoff()
DEFAULT_PARKING = Parking()
NO_POISON_POLICIES: Mapping[type, PoisonPolicy] = {}


def _check_name(name: str) -> None:
    if not name or "/" in name:
        raise ValueError(f"an actor's name is one step of a path: not empty and without '/', not {name!r}")


def _check_children(owner: str, children: tuple["Spec", ...]) -> None:
    names = {child.name for child in children}
    if len(names) < len(children):
        seen = Counter(child.name for child in children)
        twice = sorted(name for name, times in seen.items() if times > 1)
        raise ValueError(f"children of {owner!r} need different names; these appear twice: {', '.join(twice)}")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One actor: how it is built and how it is looked after."""

    name: str
    factory: Callable[[], Actor]  # called at every start and restart
    _: KW_ONLY
    restart: RestartType = PERMANENT
    dispatcher: str = "pool"
    mailbox: MailboxSpec = DEFAULT_MAILBOX
    intensity: Intensity = DEFAULT_INTENSITY
    backoff: Backoff = DEFAULT_BACKOFF
    on_exhausted: OnExhausted = OnExhausted.PARK
    parking: Parking = DEFAULT_PARKING
    handler_deadline_seconds: float | None = None  # a handler over it is declared lost; None: never
    stop_timeout_seconds: float = 5.0  # an ordered stop that takes longer is not waited for
    significant: bool = False  # when all significant children have ended for good, their parent ends
    poison: Mapping[type, PoisonPolicy] = field(default_factory=lambda: NO_POISON_POLICIES)
    urgent: bool = False  # on a pool it runs before those that are not, and so does whom it tells
    blocks: bool = False  # its handlers wait for a disk: a pool calls others to what its worker would get to next
    quarantines: bool = True  # False: a message is taken however often it crashed the actor (its world was at fault)
    strategy: Strategy = ONE_FOR_ONE  # for its own children
    children: tuple["Spec", ...] = ()  # started in this order after its on_start, stopped in reverse

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_children(self.name, self.children)
        if not self.quarantines and PoisonPolicy.RETRY_ONCE in self.poison.values():
            raise ValueError(f"{self.name} would retry one message for ever: RETRY_ONCE needs the quarantine")


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A node with no behaviour of its own: it groups, orders and restarts. Its budget counts escalations to it."""

    name: str
    _: KW_ONLY
    strategy: Strategy = ONE_FOR_ONE
    children: tuple["Spec", ...] = ()
    restart: RestartType = PERMANENT
    intensity: Intensity = SUPERVISOR_INTENSITY
    backoff: Backoff = DEFAULT_BACKOFF
    on_exhausted: OnExhausted = OnExhausted.ESCALATE
    parking: Parking = DEFAULT_PARKING  # retry_seconds only: a supervisor has no stand-in
    stop_timeout_seconds: float = 5.0
    significant: bool = False

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_children(self.name, self.children)


Spec: TypeAlias = ChildSpec | SupervisorSpec
