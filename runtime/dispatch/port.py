"""The dispatchers' port: who gives cells a thread to run on.

Enters: cells that have something to do. Stays out: what they do. A cell is submitted at most once until it has run.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

BATCH_LIMIT = 64  # messages one cell may handle before others get their turn ...
BATCH_SECONDS = 0.005  # ... and how long it may go on before it takes no further message


class Runnable(Protocol):
    """What a dispatcher knows of a cell."""

    path: str
    urgent: bool  # runs before those that are not
    blocks: bool  # its handlers wait for a disk: what its worker would get to next is left to others meanwhile

    def run(self, limit: int, seconds: float) -> bool:
        """Handle up to `limit` messages, taking none after `seconds`. Never raises.

        True when there is more to do: the caller still has the cell, to run it again or submit it.
        """
        ...


class Dispatcher(Protocol):
    """Runs cells, each on at most one worker at a time."""

    virtual_time: bool
    on_replaced: Callable[[str, str, str], None] | None  # told (dispatcher, worker, reason); set by the system

    def submit(self, cell: Runnable, /) -> None:
        """Queue a cell to be run. Never blocks."""
        ...

    def hurry(self, cell: Runnable, /) -> None:
        """Run a cell that waits in the queue before those that are in no hurry. Never blocks."""
        ...

    def step_aside(self) -> None:
        """Leave the interpreter to a thread that an urgent cell has just asked, for a moment. Never blocks."""
        ...

    def abandon(self, cell: Runnable, /) -> str:
        """Give up the worker that is stuck in this cell and replace it; return the lost worker's name."""
        ...

    def release(self, cell: Runnable, /) -> None:
        """Forget a cell that has ended."""
        ...

    def busy(self) -> Iterable[tuple[Runnable, int]]:
        """Return the cells being run now, each with its thread's identifier."""
        ...

    def close(self, seconds: float, /) -> tuple[str, ...]:
        """End the workers; return the names of those that are still busy after `seconds`."""
        ...
