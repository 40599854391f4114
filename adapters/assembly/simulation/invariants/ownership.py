"""I12: no actor is without an owner. Tree, addresses, mailboxes and registry agree; what is parked has its stand-in;
what was stopped is gone.

Looked at after every event of an actor's life, and at rest. Exempt: a stand-in that is itself being started (the tree
says so: it is not parked yet, it is starting).
"""

from __future__ import annotations

from adapters.assembly.simulation.invariants.violation import Violated
from runtime import (
    ActorParked,
    ActorRestarted,
    ActorStarted,
    ActorStopped,
    ActorSystem,
    ActorUnparked,
    RuntimeEvent,
)

_LIFE = (ActorStarted, ActorRestarted, ActorStopped, ActorParked, ActorUnparked)


class Ownership:
    """Looks at the tree when something of it has changed."""

    def __init__(self) -> None:
        self._system: ActorSystem | None = None
        self._changed = False

    def begins(self, system: ActorSystem) -> None:
        self._system, self._changed = system, True

    def ends(self) -> None:
        """The system was dropped: nobody owns anything any more, and nobody minds."""
        self._system = None

    def event(self, event: RuntimeEvent) -> None:
        self._changed = self._changed or isinstance(event, _LIFE)

    def check(self, *, always: bool = False) -> None:
        """I12: nothing lives that nobody owns."""
        if self._system is None or not (self._changed or always):
            return
        self._changed = False
        for finding in self._system.disowned():
            path, _, text = finding.partition(": ")
            raise Violated("I12", path, text)
