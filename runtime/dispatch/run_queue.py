"""Run queue: the cells that wait for a worker, those in a hurry first.

Enters: cells, each at most once until it has run. Stays out: workers. First come, first served within each of the two
lines. Of every few turns one goes to the slow line, so that a hurry that never ends cannot starve everybody else.

A cell that is queued calls one worker, who may be asleep. A worker that queues cells itself keeps that call back, and
takes one without sleeping when its own turn is over (`PooledDispatcher`); every cell queued has one call, kept or not.
"""

import queue
from collections import deque

from runtime.dispatch.port import Runnable

FAIR_TURN = 8


class RunQueue:
    """Two lines behind one count of permits; any number of threads on either side."""

    __slots__ = ("_hurried", "_permits", "_turns", "_waiting", "empty")

    def __init__(self) -> None:
        self._permits: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._waiting: deque[Runnable] = deque()
        self._hurried: deque[Runnable] = deque()
        self._turns = 0  # two threads may count as one: it only has to come round
        self.empty = self._permits.empty

    def put(self, cell: Runnable) -> None:
        """Queue a cell behind the others of its kind, and call a worker for it."""
        self.add(cell)
        self._permits.put(True)

    def add(self, cell: Runnable) -> None:
        """Queue a cell; the caller owes a `call`, or a `take`."""
        (self._hurried if cell.urgent else self._waiting).append(cell)

    def call(self) -> None:
        """Have a worker take one of the cells that were added."""
        self._permits.put(True)

    def hurry(self, cell: Runnable) -> None:
        """Have a cell taken before those in no hurry, if it waits among them."""
        try:
            self._waiting.remove(cell)  # one step: cells compare by identity
        except ValueError:
            return  # a worker has it, or it is in the other line already
        self._hurried.append(cell)

    def has_urgent(self) -> bool:
        """Tell whether a cell in a hurry waits."""
        return bool(self._hurried)

    def end_one(self) -> None:
        """Let one `get` return None."""
        self._permits.put(False)

    def get(self, timeout: float | None = None) -> Runnable | None:
        """Wait for a cell and take it; None when a worker is to end.

        Raises:
            queue.Empty: nothing came within `timeout` seconds.

        """
        return self.take() if self._permits.get(timeout=timeout) else None

    def take(self) -> Runnable:
        """Take the cell whose turn it is; the caller has heard the call for one, or owes it."""
        self._turns += 1
        first, second = self._hurried, self._waiting
        if self._turns % FAIR_TURN == 0:
            first, second = second, first
        while True:  # there is a cell for every permit; for an instant it may be between the two lines
            for line in (first, second):
                try:
                    return line.popleft()
                except IndexError:
                    continue
