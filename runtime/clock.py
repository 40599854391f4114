"""Clock: what time it is, for everything that must not read the machine's clock itself.

Enters: the host's clock (`SystemClock`) or a hand (`VirtualClock`). Stays out: timers, sleeping, scheduling.
Monotonic readings are seconds from an arbitrary start and only ever grow: durations, deadlines and timers use them.
Wall readings are aware UTC datetimes and may jump: timestamps use them, nothing else.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The port: one monotonic reading, one wall reading."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...

    def now(self) -> datetime:
        """Return the wall time as an aware UTC datetime; may jump."""
        ...


class SystemClock:
    """The host's clock."""

    # The built-in itself, not a wrapper: it is read twice for every message.
    monotonic = staticmethod(time.monotonic)

    def now(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A clock turned by hand: monotonic and wall time move together unless the wall is made to jump.

    Example:
        >>> clock = VirtualClock()
        >>> clock.advance(1.5)
        >>> clock.monotonic()
        1.5

    """

    def __init__(self, start: datetime = datetime(2025, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_seconds = 0.0
        self._wall_offset = timedelta(0)

    def monotonic(self) -> float:
        return self._elapsed_seconds

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_seconds) + self._wall_offset

    def advance(self, seconds: float) -> None:
        """Move both clocks on by `seconds`, which is 0 or more."""
        if seconds < 0:
            raise ValueError(f"a clock cannot be advanced by {seconds} s: monotonic time never goes back")
        self._elapsed_seconds += seconds

    def advance_to(self, monotonic_seconds: float) -> None:
        """Move on to an instant of the monotonic clock; an instant already past changes nothing."""
        self._elapsed_seconds = max(self._elapsed_seconds, monotonic_seconds)

    def jump_wall(self, seconds: float) -> None:
        """Let the wall clock jump (either way), as a corrected or misset host clock does."""
        self._wall_offset += timedelta(seconds=seconds)
