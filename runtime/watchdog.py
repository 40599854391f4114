"""Watchdog: handlers that run for too long are told of, and declared lost past their deadline. Real time only.

Enters: the dispatchers' busy cells, a few times a second. Stays out: virtual time (the cell does it there itself).
"""

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.dispatch.port import Dispatcher
from runtime.errors import HandlerOverran
from runtime.events import HandlerSlow
from runtime.failure import revoke

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.environment import Environment
    from runtime.timers import Timer

LOOK_EVERY_SECONDS = 0.1


class Watchdog:
    """Looks at every running handler, again and again, on the timer thread."""

    def __init__(self, environment: "Environment", dispatchers: Sequence[Dispatcher]) -> None:
        self._environment = environment
        self._dispatchers = dispatchers
        self._told: dict[Cell, float] = {}  # slow handlers already told of, by when they began
        self._timer: Timer | None = None
        self._closed = False

    def start(self) -> None:
        if not self._closed:
            self._timer = self._environment.timers.call_later(LOOK_EVERY_SECONDS, self._look)

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        try:
            now = self._environment.monotonic()
            told: dict[Cell, float] = {}
            for dispatcher in self._dispatchers:
                for runnable, thread_id in dispatcher.busy():
                    self._inspect(runnable, thread_id, now, told)  # type: ignore[arg-type] # cells are all there is to run
            self._told = told
        finally:
            self.start()

    def _inspect(self, cell: "Cell", thread_id: int, now: float, told: "dict[Cell, float]") -> None:
        try:
            message_type = type(cell.lease[-1].message).__name__
        except IndexError:
            return
        # Read after the lease: if the next message has begun meanwhile, this is its beginning, never an older one.
        since = cell.running_since
        seconds = now - since
        deadline = cell.spec.handler_deadline_seconds
        if deadline is not None and seconds > deadline:
            error = HandlerOverran(f"{cell.path} ran longer than {deadline} s over {message_type}")
            revoke(cell, error, stack_of(thread_id))
        elif seconds > self._environment.slow_handler_seconds:
            told[cell] = since
            if self._told.get(cell) != since:
                self._environment.emit(
                    HandlerSlow(path=cell.path, message_type=message_type, seconds=seconds, stack=stack_of(thread_id))
                )


def stack_of(thread_id: int) -> str:
    """Render where a thread is now; empty when it has ended."""
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the documented way to see another thread's stack
    return "" if frame is None else "".join(traceback.format_stack(frame))
