"""Deterministic dispatch: one thread, a seeded choice of who runs next, and a clock that jumps.

Enters: cells with something to do and timers. Stays out: real time, real threads. It runs only while someone turns the
crank: `step`, `run`, `run_for`, or a blocking ask from outside. The same seed gives the same schedule, and its digest.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from runtime.clock import VirtualClock
from runtime.dispatch.port import Runnable
from runtime.randomness import Randomness
from runtime.timers import Timer, TimerHeap

ENDLESS = 10_000_000  # steps after which a run is taken to never end


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the schedule, as hooks see it."""

    number: int  # from 1
    at: float  # virtual monotonic seconds
    path: str  # the actor that ran; "" when a timer fired


class RanTooLong(AssertionError):
    """A run did not come to its end within the steps allowed."""


class DeterministicDispatcher:
    """Runs one message of one cell at a time; when nothing is ready, the clock goes on to the next timer.

    Also the system's timers, in virtual time.
    """

    virtual_time = True

    def __init__(self, seed: int, clock: VirtualClock | None = None) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.on_replaced: Callable[[str, str, str], None] | None = None  # never called: there are no threads
        self.steps = 0
        self.hooks: list[Callable[[Step], None]] = []  # called after every step; what they raise ends the run
        self._choice: Random = Randomness(seed).generator("schedule")
        self._ready: list[Runnable] = []
        self._timers = TimerHeap()
        self._digest = hashlib.blake2b(digest_size=16)

    # -- the dispatchers' port

    def submit(self, cell: Runnable) -> None:
        self._ready.append(cell)

    def hurry(self, _cell: Runnable) -> None:
        """Nothing: who runs next is the seed's choice."""

    def abandon(self, _cell: Runnable) -> str:
        return ""  # a virtual handler has already returned: there is no thread to give up

    def step_aside(self) -> None:
        """Nothing to leave: there is one thread."""

    def release(self, _cell: Runnable) -> None:
        """Nothing to forget; a cell that ended may still be in the run queue and does nothing there."""

    def busy(self) -> list[tuple[Runnable, int]]:
        return []

    def close(self, _seconds: float) -> tuple[str, ...]:
        self._ready.clear()
        return ()

    # -- timers

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> Timer:
        return self._timers.add(self.clock.monotonic() + delay_seconds, callback)

    # -- the crank

    @property
    def digest(self) -> str:
        """A fingerprint of the schedule so far: which actor ran, in which order, at what virtual time."""
        return self._digest.hexdigest()

    @property
    def is_idle(self) -> bool:
        """Nothing is ready to run now; timers may be pending."""
        return not self._ready

    def step(self, *, until: float | None = None) -> bool:
        """Run one message or fire one timer; False when nothing is left to do (by `until`, if given)."""
        if self._ready:
            # Swap-and-pop: taking from the middle of a long list would cost its length.
            ready = self._ready
            place = self._choice.randrange(len(ready)) if len(ready) > 1 else 0
            ready[place], ready[-1] = ready[-1], ready[place]
            cell = ready.pop()
            self._note(cell.path)
            if cell.run(1, float("inf")):
                ready.append(cell)
            self._tell_hooks(cell.path)
            return True
        due = self._timers.next_due()
        if due is None or (until is not None and due > until):
            return False
        self.clock.advance_to(due)
        timer = self._timers.pop_due(due)
        if timer is not None:
            self._note("")
            timer.fire()
            self._tell_hooks("")
        return True

    def run(
        self, until: Callable[[], bool] | None = None, *, within_seconds: float | None = None, steps: int = ENDLESS
    ) -> bool:
        """Turn the crank until the predicate holds, nothing is left to do, or the virtual time is over.

        Args:
            until: checked before every step; None to go on for as long as there is something to do.
            within_seconds: virtual time allowed; at its end the clock stands exactly there.
            steps: steps allowed.

        Returns:
            Whether the predicate held (True without one).

        Raises:
            RanTooLong: when the steps are used up.

        """
        end = None if within_seconds is None else self.clock.monotonic() + within_seconds
        for _ in range(steps):
            if until is not None and until():
                return True
            if not self.step(until=end):
                if end is not None:
                    self.clock.advance_to(end)
                return until is None or until()
        raise RanTooLong(f"still busy after {steps} steps, at {self.clock.monotonic()} s")

    def run_for(self, seconds: float) -> None:
        """Let this much virtual time pass."""
        self.run(within_seconds=seconds)

    def run_until_idle(self, *, steps: int = ENDLESS) -> None:
        """Run what is ready without letting time pass."""
        for _ in range(steps):
            if self.is_idle:
                return
            self.step()
        raise RanTooLong(f"still busy after {steps} steps, at {self.clock.monotonic()} s")

    def turn(self, until: Callable[[], bool], within_seconds: float | None) -> None:
        """Turn the crank for someone who waits outside."""
        self.run(until, within_seconds=within_seconds)

    def _note(self, path: str) -> None:
        self.steps += 1
        self._digest.update(f"{self.clock.monotonic():.9f} {path}\n".encode())

    def _tell_hooks(self, path: str) -> None:
        if self.hooks:
            step = Step(number=self.steps, at=self.clock.monotonic(), path=path)
            for hook in self.hooks:
                hook(step)
