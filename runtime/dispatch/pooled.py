"""Pooled dispatch: many quiet actors on a few threads, one message at a time each.

Enters: cells with something to do, first come, first served but for those in a hurry. Stays out: blocking I/O (that
wants a thread of its own).
At least two workers. When every worker has been in one batch for longer than 20 ms while cells wait, a spare joins, up
to the cap; spares leave when there is nothing to do. A worker whose handler was declared lost is given up and replaced.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable

from runtime.dispatch.port import BATCH_LIMIT, BATCH_SECONDS, Runnable
from runtime.dispatch.run_queue import RunQueue

STUCK_SECONDS = 0.02
SPARE_IDLE_SECONDS = 1.0
MOST_WORKERS = 16
LEAST_WORKERS = 2


class _Worker:
    """One thread of the pool and what it is doing."""

    __slots__ = ("cell", "given_up", "is_spare", "name", "since", "thread")

    def __init__(self, name: str, *, is_spare: bool) -> None:
        self.name = name
        self.is_spare = is_spare
        self.cell: Runnable | None = None
        self.since = 0.0  # when the present batch began
        self.given_up = False
        self.thread: threading.Thread | None = None


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
        # The queue's own methods, not others around them: they are called for every wake-up of every actor.
        self.submit: Callable[[Runnable], None] = self._queue.put
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
        self._workers.remove(worker)
        self._lost.append(worker)
        if not self._closing.is_set():
            self._add(is_spare=worker.is_spare)

    def _work(self, worker: _Worker) -> None:
        take = self._queue.get
        limit, seconds = self._batch_limit, self._batch_seconds
        monotonic, nobody_waits = time.monotonic, self._queue.empty
        try:
            while not worker.given_up:
                try:
                    cell = take(SPARE_IDLE_SECONDS if worker.is_spare else None)
                except queue.Empty:
                    return
                if cell is None:
                    return
                worker.since = monotonic()
                worker.cell = cell
                while cell.run(limit, seconds):
                    # Through the queue it would most likely go to another thread, and handing over costs more than
                    # a batch; only others who wait make that worth it.
                    if not nobody_waits():
                        self.submit(cell)
                        break
                    worker.since = monotonic()
                worker.cell = None
        finally:
            self._leave(worker)

    def _leave(self, worker: _Worker) -> None:
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
            if self._queue.empty():
                continue
            now = time.monotonic()
            with self._lock:
                stuck = all(worker.cell is not None and now - worker.since > STUCK_SECONDS for worker in self._workers)
                spare = self._add(is_spare=True) if stuck and len(self._workers) < self._most_workers else None
            if spare is not None:
                self._tell(spare.name, "spare")

    def _tell(self, worker: str, reason: str) -> None:
        if self.on_replaced is not None:
            self.on_replaced(self.name, worker, reason)
