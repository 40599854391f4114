"""Wandering clock: somebody's wall clock in a simulated world, which jumps, stands still and drifts.

Enters: the world's true clock. Stays out: what anybody makes of it. The host has one and the exchange another; the
monotonic clock is the same for all, so what it misses while a machine is suspended is a jump of the exchange's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runtime.clock import Clock


class WanderingClock:
    """runtime.Clock of one machine; it outlives the daemon's runs."""

    def __init__(self, true: Clock) -> None:
        self._true = true
        self.monotonic = true.monotonic
        self._ahead_seconds = 0.0
        self._drift = 0.0  # seconds a second
        self._drifts_since = 0.0
        self._stands_at: datetime | None = None

    def now(self) -> datetime:
        if self._stands_at is not None:
            return self._stands_at
        return self._true.now() + timedelta(seconds=self._ahead())

    def jump(self, seconds: float) -> None:
        """Have somebody set it, forward or back."""
        self._ahead_seconds += seconds

    def stand(self) -> None:
        self._stands_at = self.now()

    def go_on(self) -> None:
        """Go on from where it stood."""
        if self._stands_at is not None:
            stood, self._stands_at = self._stands_at, None
            self._ahead_seconds += (stood - self.now()).total_seconds()

    def drift(self, seconds_a_second: float) -> None:
        """Run fast or slow by so much from now on."""
        self._ahead_seconds, self._drifts_since = self._ahead(), self.monotonic()
        self._drift = seconds_a_second

    def _ahead(self) -> float:
        return self._ahead_seconds + self._drift * (self.monotonic() - self._drifts_since)
