"""Each actor bears its own failures only, hears its own timers only, and says nothing in a handler that failed.

I10, the other half of isolation: a monitor is started again, or set aside, for failures of its own (or of a room it
stands in), never for a sibling's. Own timers: what a timer brings was started by the incarnation that hears it; a
message to oneself by any other way is none, save a promise that the position book takes up again. Failed handlers: what
one that raised, or was declared lost, had to say reaches nobody; a message that is handled once more may.
"""

from __future__ import annotations

from actors.messages.storing import Perform
from actors.supervision_tree import MONITOR_INTENSITY
from adapters.assembly.simulation.invariants.violation import Violated
from runtime import ActorParked, ActorRestarted, ActorStarted, ActorSystem, RuntimeEvent
from runtime.snapshot import Handled

MONITORS = "/positions/"
_RUNTIME = ("runtime.", "builtins")  # the marks of starting and ending


class Upkeep:
    """What was done to monitors, and why."""

    def __init__(self) -> None:
        self._system: ActorSystem | None = None
        self._events = 0
        self._failed: dict[str, list[float]] = {}  # instants of each actor's own failures
        self._reasons: dict[str, int] = {}  # by actor: when it last gave a reason to be started anew, in events
        self._started: dict[str, int] = {}  # by monitor, in events
        self._parked: set[str] = set()  # ever: a failure on probation parks again
        self._fell_over: set[tuple[str, int]] = set()  # actor and number of the message it failed over

    def begins(self, system: ActorSystem) -> None:
        self.__init__()  # type: ignore[misc]  # a fresh run has failed in nothing
        self._system = system

    def ends(self) -> None:
        self._system = None

    def event(self, event: RuntimeEvent, now: float) -> None:
        """Judge one event of an actor's life.

        Raises:
            Violated: a monitor pays for what another one did.

        """
        self._events += 1
        if isinstance(event, ActorRestarted):
            self._reasons[event.path] = self._events
            if not event.error.startswith("planned:"):
                self._failed.setdefault(event.path, []).append(now)
                if event.over:
                    self._fell_over.add((event.path, event.over))
        elif isinstance(event, ActorParked):
            self._reasons[event.path] = self._events
            self._check_parked(event.path, now)
        elif isinstance(event, ActorStarted) and MONITORS in event.path:
            if event.incarnation > 1 and not self._has_reason(event.path):
                raise Violated("I10", event.path, "is started again, and neither it nor a room above it has failed")
            self._started[event.path] = self._events

    def _has_reason(self, monitor: str) -> bool:
        since = self._started.get(monitor, 0)
        return any(
            path == monitor or (MONITORS not in path and monitor.startswith(path.rpartition("/")[0]))
            for path, when in self._reasons.items()
            if when > since
        )

    def _check_parked(self, path: str, now: float) -> None:
        if MONITORS not in path:
            return
        window = MONITOR_INTENSITY.within_seconds
        own = sum(now - at <= window for at in self._failed.get(path, ()))
        if path not in self._parked and own < MONITOR_INTENSITY.max_restarts:
            raise Violated("I10", path, f"is set aside after {own} failures of its own in {window:.0f} s")
        self._parked.add(path)

    def stepped(self, path: str) -> None:
        """Judge what an actor has just handled.

        Raises:
            Violated: it heard a timer that this incarnation did not start, or what a failed handler had to say.

        """
        last = None if self._system is None or not path else self._system.last_handled(path)
        if last is None or last.asked_for:
            return
        if self._fell_over:
            self._check_failed(path, last)
        own = last.sender == path and last.message_type is not Perform
        if own and not last.message_type.__module__.startswith(_RUNTIME):
            name = last.message_type.__name__
            raise Violated("own_timers", path, f"heard {name}, which this incarnation did not ask for")

    def _check_failed(self, path: str, last: Handled) -> None:
        self._fell_over.discard((path, last.message_id))  # it is tried once more
        failed = (last.sender, last.caused_by) in self._fell_over
        if failed and not last.message_type.__module__.startswith(_RUNTIME):
            text = f"heard {last.message_type.__name__}, which {last.sender} meant to say in a handler that failed"
            raise Violated("failed_handlers", path, text)
