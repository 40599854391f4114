"""I10: while one monitor crash-loops, is parked or blocked, the others handle what they are sent as fast as ever.

The delay is the virtual time from a message's being sent to a monitor until its handler begins. Only real waiting
counts: not the time before the monitor's own start, nor messages it has put aside itself (they are handled twice).
Judged by the 99th percentile over all messages to the others while any monitor was in trouble in the last 10 s.
"""

from __future__ import annotations

from adapters.assembly.simulation.invariants.violation import Violated
from runtime import ActorParked, ActorRestarted, ActorStarted, ActorSystem, RuntimeEvent

MOST_SECONDS = 0.25
LATELY_SECONDS = 10.0
ENOUGH = 100  # messages before a percentile says anything
MONITORS = "/positions/"


class Isolation:
    """The delays of the well, while others are ill."""

    def __init__(self) -> None:
        self.handled = 0  # by monitors that were well, while another was not
        self.late = 0  # of these, over the limit
        self.worst = 0.0
        self._system: ActorSystem | None = None
        self._started: dict[str, float] = {}
        self._ill: dict[str, float] = {}  # monitors in trouble: when last
        self._put_aside: set[int] = set()  # message numbers

    def begins(self, system: ActorSystem) -> None:
        self._system = system
        self._started.clear()
        self._ill.clear()
        self._put_aside.clear()

    def ends(self) -> None:
        self._system = None

    def event(self, event: RuntimeEvent, now: float) -> None:
        if not isinstance(event, ActorStarted | ActorRestarted | ActorParked) or MONITORS not in event.path:
            return
        if isinstance(event, ActorStarted):
            self._started[event.path] = now
        elif not (isinstance(event, ActorRestarted) and event.error.startswith("planned:")):
            self._ill[event.path] = now

    def blocked(self, path: str, now: float) -> None:
        """Note that a monitor's handler takes its time."""
        self._ill[path] = now

    def stepped(self, path: str, now: float) -> None:
        """Measure what this actor has just begun to handle."""
        if MONITORS not in path or self._system is None:
            return
        last = self._system.last_handled(path)
        if last is None:
            return
        again = last.message_id in self._put_aside
        if last.put_aside:  # noted while all are well, too: it may be handled again when one is not
            self._put_aside.add(last.message_id)
        others = [at for ill, at in self._ill.items() if ill != path]
        if again or not others or now - max(others) > LATELY_SECONDS or path in self._ill:
            return
        waited = last.began_at - max(last.sent_at, self._started.get(path, 0.0))
        self.measured(waited)

    def measured(self, waited_seconds: float) -> None:
        self.handled += 1
        self.worst = max(self.worst, waited_seconds)
        self.late += waited_seconds > MOST_SECONDS

    def check_rest(self) -> None:
        """I10: at most one message in a hundred waited longer than 250 ms."""
        if self.handled >= ENOUGH and self.late * 100 > self.handled:
            text = (
                f"{self.late} of {self.handled} messages waited over {MOST_SECONDS} s, the longest {self.worst:.2f} s"
            )
            raise Violated("I10", "monitors", text)
