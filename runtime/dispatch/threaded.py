"""Threaded dispatch: a thread for each actor, for those that call blocking ports.

Enters: cells with something to do. Stays out: many quiet actors (they share a pool). A thread is started at an actor's
first turn and ends with the actor; it is a daemon, so a stuck one cannot keep the process alive. A thread whose handler
was declared lost is given up: it ends when the handler returns, and the actor goes on with another.
"""

import queue
import threading
import time
from collections.abc import Callable

from runtime.dispatch.port import BATCH_LIMIT, BATCH_SECONDS, Runnable

REMEMBERED_LOST = 64  # threads on their way out, before the ended ones are swept


class _Pinned:
    """One actor's thread. The tokens in its queue mean "run the cell"; None means "end"."""

    __slots__ = ("cell", "given_up", "in_batch", "thread", "tokens")

    def __init__(self, cell: Runnable, name: str, batch_limit: int, batch_seconds: float) -> None:
        self.cell = cell
        self.tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.given_up = False
        self.in_batch = False
        self.thread = threading.Thread(target=self._work, args=(batch_limit, batch_seconds), name=name, daemon=True)
        self.thread.start()

    def _work(self, batch_limit: int, batch_seconds: float) -> None:
        while self.tokens.get() and not self.given_up:
            self.in_batch = True
            while self.cell.run(batch_limit, batch_seconds):
                pass  # nobody shares this thread
            self.in_batch = False


class ThreadedDispatcher:
    """Runs each cell on its own thread."""

    virtual_time = False

    def __init__(
        self,
        *,
        batch_limit: int = BATCH_LIMIT,
        batch_seconds: float = BATCH_SECONDS,
        name: str = "thread",
    ) -> None:
        self.name = name
        self.on_replaced: Callable[[str, str, str], None] | None = None
        self._batch_limit = batch_limit
        self._batch_seconds = batch_seconds
        self._lock = threading.Lock()
        self._pinned: dict[Runnable, _Pinned] = {}
        self._lost: list[_Pinned] = []
        self._numbers = 0
        self._closed = False

    def submit(self, cell: Runnable) -> None:
        pinned = self._pinned.get(cell)
        if pinned is None:
            pinned = self._pin(cell)
            if pinned is None:
                return
        pinned.tokens.put(True)

    def hurry(self, cell: Runnable) -> None:
        """Nothing to overtake: every cell has its thread."""

    def step_aside(self) -> None:
        """Nothing to hold back: what runs here waits for the outside most of the time."""

    def abandon(self, cell: Runnable) -> str:
        with self._lock:
            stuck = self._pinned.pop(cell, None)
            if stuck is None:
                return ""
            stuck.given_up = True
            stuck.tokens.put(False)
            self._lost = [lost for lost in self._lost if lost.thread.is_alive()]
            self._lost.append(stuck)
        if self.on_replaced is not None:
            self.on_replaced(self.name, stuck.thread.name, "lost")
        return stuck.thread.name

    def release(self, cell: Runnable) -> None:
        with self._lock:
            pinned = self._pinned.pop(cell, None)
            if pinned is not None and pinned.in_batch:
                self._lost.append(pinned)  # ends by itself right after this batch; named if it does not
                if len(self._lost) > REMEMBERED_LOST:
                    self._lost = [lost for lost in self._lost if lost.thread.is_alive()]
        if pinned is not None:
            pinned.tokens.put(False)

    def busy(self) -> list[tuple[Runnable, int]]:
        return [
            (pinned.cell, pinned.thread.ident)
            for pinned in tuple(self._pinned.values())
            if pinned.in_batch and pinned.thread.ident is not None
        ]

    def close(self, seconds: float) -> tuple[str, ...]:
        with self._lock:
            self._closed = True
            everyone = [*self._pinned.values(), *self._lost]
            self._pinned.clear()
        for pinned in everyone:
            pinned.tokens.put(False)
        until = time.monotonic() + seconds
        for pinned in everyone:
            if pinned.thread is not threading.current_thread():
                pinned.thread.join(max(0.0, until - time.monotonic()))
        return tuple(
            f"{pinned.thread.name} in {pinned.cell.path}"
            for pinned in everyone
            if pinned.thread.is_alive() and pinned.thread is not threading.current_thread()
        )

    def _pin(self, cell: Runnable) -> _Pinned | None:
        with self._lock:
            if self._closed:
                return None
            pinned = self._pinned.get(cell)
            if pinned is None:
                self._numbers += 1
                name = f"{self.name}-{self._numbers}-{cell.path}"
                pinned = self._pinned[cell] = _Pinned(cell, name, self._batch_limit, self._batch_seconds)
        return pinned
