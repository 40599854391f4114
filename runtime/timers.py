"""Timers: "call me then". Callbacks may only put a message somewhere; they run on the timer thread.

Enters: delays in monotonic seconds. Stays out: wall time, work of any length. Actors never see this: their timers are
messages bound to an incarnation (`context.start_timer`).
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Protocol

from runtime.clock import Clock


class Timer:
    """One pending call; `cancel` is idempotent and may come from any thread."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback = self.callback
        self.callback = None
        if callback is not None:
            callback()


class Timers(Protocol):
    """The port: real timers run on a thread, virtual ones in the deterministic dispatcher."""

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> Timer: ...


class TimerHeap:
    """Pending timers by due time; equal times keep their order. Not synchronised."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def add(self, due: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._heap, (due, next(self._order), timer))
        # Cancelled timers stay until due; a far deadline on every ask would pile them up, so they are swept.
        if len(self._heap) > 1024 and self._heap[0][2].callback is None:  # noqa: PLR2004 - far above normal use
            self._sweep()
        return timer

    def next_due(self) -> float | None:
        """Return when the earliest live timer is due."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Timer | None:
        """Take out the earliest timer that is due by `now`."""
        due = self.next_due()
        if due is None or due > now:
            return None
        return heapq.heappop(self._heap)[2]

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].callback is not None]
        heapq.heapify(self._heap)


class ThreadTimers:
    """Timers on one daemon thread, started with the first of them."""

    def __init__(self, clock: Clock, *, on_error: Callable[[BaseException], None] | None = None) -> None:
        self._clock = clock
        self._on_error = on_error
        self._heap = TimerHeap()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._closed = False

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the timer thread after `delay_seconds`; after `close`, never."""
        due = self._clock.monotonic() + delay_seconds
        with self._changed:
            earliest = self._heap.next_due()
            timer = self._heap.add(due, callback)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="runtime-timers", daemon=True)
                self._thread.start()
            elif earliest is None or due < earliest:
                self._changed.notify()
        return timer

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                timer = self._heap.pop_due(self._clock.monotonic())
                if timer is None:
                    if self._closed:
                        return
                    due = self._heap.next_due()
                    self._changed.wait(None if due is None else max(0.0, due - self._clock.monotonic()))
                    continue
                if self._closed:
                    return
            try:
                timer.fire()
            except BaseException as error:  # noqa: BLE001 - one bad callback must not end all timers
                if self._on_error is not None:
                    self._on_error(error)
