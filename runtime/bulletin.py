"""Bulletin: runtime events on their way to the observers, in order, one at a time, never under a lock of the runtime.

Enters: events from any thread. Stays out: what observers do; one that raises is logged and the next one still hears.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from runtime.events import RuntimeEvent


class _Holding(threading.local):
    depth = 0


class Bulletin:
    """Delivers events on the thread that emitted them, or on one that is already delivering."""

    def __init__(self, observers: Sequence[Callable[[RuntimeEvent], None]]) -> None:
        self._observers = tuple(observers)
        self._queue: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._delivering = threading.Lock()
        self._holding = _Holding()

    def emit(self, event: RuntimeEvent) -> None:
        """Tell all observers; at once, or when this thread leaves `held`."""
        for observer in self._observers:
            self._queue.append((observer, event))
        if not self._holding.depth:
            self._deliver()

    def call(self, sink: Callable[[Any], None], value: Any) -> None:
        """Call one listener in the same order and under the same care as the observers."""
        self._queue.append((sink, value))
        if not self._holding.depth:
            self._deliver()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Collect this thread's events and deliver them at the end, when its locks are released."""
        self._holding.depth += 1
        try:
            yield
        finally:
            self._holding.depth -= 1
            if not self._holding.depth:
                self._deliver()

    def _deliver(self) -> None:
        # Whoever holds the lock takes over what others append meanwhile; the outer test catches what came as it left.
        while self._queue and self._delivering.acquire(blocking=False):
            try:
                while self._queue:
                    listener, value = self._queue.popleft()
                    try:
                        listener(value)
                    except Exception as error:  # noqa: BLE001 - an observer's fault is not the actors'
                        structlog.get_logger().error(
                            "observer_failed", event_type=type(value).__name__, error=repr(error)
                        )
            finally:
                self._delivering.release()
