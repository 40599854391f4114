"""Agenda: what the world outside the daemon does next, by virtual time. It outlives the daemon's crashes.

Enters: instants and what to do then. Stays out: the daemon's own timers.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Agenda:
    """Things to do, by instant; equal instants keep their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, due: float, action: Callable[[], None]) -> None:
        """Have this done at `due` (monotonic seconds)."""
        heapq.heappush(self._heap, (due, next(self._order), action))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Callable[[], None] | None:
        """Take out the next thing that is due by `now`."""
        if not self._heap or self._heap[0][0] > now:
            return None
        return heapq.heappop(self._heap)[2]
