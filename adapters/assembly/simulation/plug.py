"""Plug: the instants at which the daemon's process may end, counted, and the one at which it does.

Enters: what happens on the way of an order, told by the world around the daemon. Stays out: what is done then.
A process loses its memory and nothing else. Two instants between which nothing changed outside of it (no commit, no
request at the exchange, no message in the chat, no update acknowledged, no act of the world's) are one and the same
crash; each is counted, and says to which of these worlds it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass


class PlugOut(Exception):
    """Nothing leaves the process any more: its end has come, within a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPoint:
    """One instant at which the process may end."""

    number: int  # from 1, within the watched time
    label: str  # what has just happened, or is just about to
    changes: int  # how often anything outside the process had changed by then
    at: float  # monotonic seconds


class Plug:
    """Watches over one stretch of time."""

    def __init__(self) -> None:
        self.points: list[CutPoint] = []
        self.out = False
        self._watching = False
        self._pull_at = 0
        self._changes = 0

    def watch(self, pull_at: int = 0) -> None:
        """Count from here on, and pull the plug at that point; 0 for never."""
        self.points = []
        self._watching, self._pull_at, self._changes = True, pull_at, 0

    def stop_watching(self) -> None:
        self._watching = False

    def put_in(self) -> None:
        """The process has ended; another may begin."""
        self.out = self._watching = False

    def passes(self, label: str, at: float) -> None:
        """Note one point between two steps."""
        if not self._watching or self.out:
            return
        self.points.append(CutPoint(number=len(self.points) + 1, label=label, changes=self._changes, at=at))
        self.out = len(self.points) == self._pull_at

    def changed(self) -> None:
        """Note that the world outside the process is another now."""
        self._changes += 1

    def before(self, label: str, at: float) -> None:
        """Note the point before something leaves the process.

        Raises:
            PlugOut: it has ended, and nothing leaves.

        """
        self.passes(f"before {label}", at)
        self._end_within_step(label)

    def after(self, label: str, at: float) -> None:
        """Note the point after something has left the process, before it learns how that went.

        Raises:
            PlugOut: it has ended, and learns nothing.

        """
        self.changed()
        self.passes(f"after {label}", at)
        self._end_within_step(label)

    def _end_within_step(self, label: str) -> None:
        if self.out:
            raise PlugOut(label)
