"""Pooled dispatch: many quiet actors on a few threads, one message at a time each.

Enters: cells with something to do, first come, first served but for those in a hurry. Stays out: the network (that
wants a thread of its own).
At least two workers. When every worker has been in one batch for longer than 20 ms while cells wait, a spare joins, up
to the cap; spares leave when there is nothing to do. A worker whose handler was declared lost is given up and replaced.

What a worker's own turn makes ready it runs next by itself: waking another thread costs more than most turns, and the
two then wait for one another's interpreter lock. Others are called when that would keep somebody waiting: before a cell
that blocks, when its turns have taken a millisecond, and, by the pool's watch, when it hangs in one. An urgent cell's
turn calls nobody for cells that are in no hurry until 5 ms have passed: they would take the interpreter's lock from it
whenever it calls to the outside.

When an urgent cell has asked one on a thread of its own, cells that are not urgent wait for a moment: that thread would
otherwise have to win the interpreter's lock back after every call it makes to the outside.
"""

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from runtime.dispatch.port import BATCH_LIMIT, BATCH_SECONDS, Runnable
from runtime.dispatch.run_queue import RunQueue

STUCK_SECONDS = 0.02
SPARE_IDLE_SECONDS = 1.0
MOST_WORKERS = 16
LEAST_WORKERS = 2
ASIDE_SECONDS = 0.0015  # how long a request has the interpreter to itself
ALONE_SECONDS = 0.001  # how long a worker goes on with what it made ready before it calls others
URGENT_ALONE_SECONDS = 0.005  # the same while its cells are urgent and nobody urgent waits


class _Worker:
    """One thread of the pool and what it is doing."""

    __slots__ = ("cell", "given_up", "is_spare", "name", "owed", "since", "thread")

    def __init__(self, name: str, *, is_spare: bool) -> None:
        self.name = name
        self.is_spare = is_spare
        self.cell: Runnable | None = None
        self.since = 0.0  # when the present batch began
        self.given_up = False
        self.owed: deque[bool] = deque()  # calls kept back: as many cells are queued that nobody was called for
        self.thread: threading.Thread | None = None


class _Mine(threading.local):
    """What the present thread is to its pool."""

    owed: deque[bool] | None = None  # a worker's


class PooledDispatcher:
    """A shared run queue and its workers. Threads are daemons: a stuck one cannot keep the process alive."""

    virtual_time = False

    def __init__(
        self,
        workers: int = LEAST_WORKERS,
        *,
        most_workers: int = MOST_WORKERS,
        batch_limit: int = BATCH_LIMIT,
        batch_seconds: float = BATCH_SECONDS,
        name: str = "pool",
    ) -> None:
        if not LEAST_WORKERS <= workers <= most_workers:
            raise ValueError(f"a pool has between {LEAST_WORKERS} and {most_workers} workers, not {workers}")
        self.name = name
        self.on_replaced: Callable[[str, str, str], None] | None = None
        self._queue = RunQueue()
        self._mine = _Mine()
        self._aside_until = 0.0  # monotonic
        # The queue's own method, not another around it: it is called for every wake-up by an urgent actor.
        self.hurry: Callable[[Runnable], None] = self._queue.hurry
        self._most_workers = most_workers
        self._batch_limit = batch_limit
        self._batch_seconds = batch_seconds
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._workers: list[_Worker] = []
        self._lost: list[_Worker] = []
        self._closing = threading.Event()
        for _ in range(workers):
            self._add(is_spare=False)
        self._monitor = threading.Thread(target=self._watch, name=f"{name}-monitor", daemon=True)
        self._monitor.start()

    def submit(self, cell: Runnable) -> None:
        owed = self._mine.owed
        if owed is None:
            self._queue.put(cell)
        else:
            self._queue.add(cell)
            owed.append(True)

    def step_aside(self) -> None:
        self._aside_until = time.monotonic() + ASIDE_SECONDS

    def abandon(self, cell: Runnable) -> str:
        """Give up the worker in this cell and put another in its place; "" when no worker has it."""
        with self._lock:
            stuck = next((worker for worker in self._workers if worker.cell is cell), None)
            if stuck is None:
                return ""
            self._give_up(stuck)
        self._tell(stuck.name, "lost")
        return stuck.name

    def release(self, cell: Runnable) -> None:
        """Nothing to forget: the pool knows only cells that have something to do."""

    def busy(self) -> list[tuple[Runnable, int]]:
        found = []
        for worker in tuple(self._workers):
            cell, thread = worker.cell, worker.thread
            if cell is not None and thread is not None and thread.ident is not None:
                found.append((cell, thread.ident))
        return found

    @property
    def workers(self) -> int:
        """How many workers there are now, spares included, lost ones not."""
        return len(self._workers)

    def close(self, seconds: float) -> tuple[str, ...]:
        self._closing.set()
        with self._lock:
            workers = [*self._workers, *self._lost]
        for _ in workers:
            self._queue.end_one()
        until = time.monotonic() + seconds
        threads = [worker.thread for worker in workers if worker.thread is not None]
        for ending in (*threads, self._monitor):
            if ending is not threading.current_thread():
                ending.join(max(0.0, until - time.monotonic()))
        return tuple(
            f"{thread.name} in {worker.cell.path if worker.cell is not None else 'nothing'}"
            for worker in workers
            if (thread := worker.thread) and thread.is_alive() and thread is not threading.current_thread()
        )

    def _add(self, *, is_spare: bool) -> _Worker:
        worker = _Worker(f"{self.name}-{next(self._numbers)}", is_spare=is_spare)
        self._workers.append(worker)
        worker.thread = threading.Thread(target=self._work, args=(worker,), name=worker.name, daemon=True)
        worker.thread.start()
        return worker

    def _give_up(self, worker: _Worker) -> None:
        worker.given_up = True
        self._call_for(worker)
        self._workers.remove(worker)
        self._lost.append(worker)
        if not self._closing.is_set():
            self._add(is_spare=worker.is_spare)

    def _work(self, worker: _Worker) -> None:
        owed = self._mine.owed = worker.owed
        limit, seconds = self._batch_limit, self._batch_seconds
        monotonic, nobody_waits = time.monotonic, self._queue.empty
        alone_since = 0.0
        try:
            while not worker.given_up:
                try:
                    owed.pop()
                except IndexError:
                    cell = self._wait(worker)
                    if cell is None:
                        return
                    worker.since = alone_since = monotonic()
                else:
                    cell = self._queue.take()
                    worker.since = monotonic()
                worker.cell = cell
                if self._aside_until > worker.since and not cell.urgent:
                    if self._queue.has_urgent():  # whom an urgent cell told comes before those urgent themselves
                        self.submit(cell)
                        continue
                    time.sleep(min(ASIDE_SECONDS, self._aside_until - worker.since))
                if owed and self._keeps_waiting(cell, worker.since - alone_since):
                    self._call_for(worker)
                while cell.run(limit, seconds):
                    # Through the queue it would most likely go to another thread, and handing over costs more than
                    # a batch; only others who wait make that worth it.
                    if owed or not nobody_waits():
                        self.submit(cell)
                        break
                    worker.since = monotonic()
                worker.cell = None
        finally:
            self._leave(worker)

    def _keeps_waiting(self, cell: Runnable, alone_seconds: float) -> bool:
        """Tell whether others are to be called for what waits, before this cell runs."""
        if cell.urgent and not self._queue.has_urgent():
            return alone_seconds > URGENT_ALONE_SECONDS
        return cell.blocks or alone_seconds > ALONE_SECONDS

    def _wait(self, worker: _Worker) -> Runnable | None:
        """Wait for a call and take a cell; None when the worker is to end."""
        try:
            return self._queue.get(SPARE_IDLE_SECONDS if worker.is_spare else None)
        except queue.Empty:
            return None

    def _call_for(self, worker: _Worker) -> None:
        """Call others for what this worker has not got to. Any thread; each call is made once."""
        while True:
            try:
                worker.owed.pop()
            except IndexError:
                return
            self._queue.call()

    def _leave(self, worker: _Worker) -> None:
        self._call_for(worker)
        worker.cell = None
        with self._lock:
            if worker in self._lost:
                self._lost.remove(worker)
                return
            self._workers.remove(worker)
            missed = not worker.is_spare and not self._closing.is_set()
            if missed:
                self._add(is_spare=False)
        if missed:
            # Cells never raise; whatever ended this thread, the pool stays as large as it was asked to be.
            self._tell(worker.name, "died")

    def _watch(self) -> None:
        while not self._closing.wait(STUCK_SECONDS / 2):
            now = time.monotonic()
            for worker in tuple(self._workers):
                if worker.owed and now - worker.since > STUCK_SECONDS / 4:
                    self._call_for(worker)
            if self._queue.empty():
                continue
            with self._lock:
                stuck = all(worker.cell is not None and now - worker.since > STUCK_SECONDS for worker in self._workers)
                spare = self._add(is_spare=True) if stuck and len(self._workers) < self._most_workers else None
            if spare is not None:
                self._tell(spare.name, "spare")

    def _tell(self, worker: str, reason: str) -> None:
        if self.on_replaced is not None:
            self.on_replaced(self.name, worker, reason)
