"""Venue clock: the exchange's time as it was last measured, carried on by the monotonic clock.

Enters: the host's clock and readings of market/time. Stays out: asking for them (session). What is compared with the
exchange's instants, signed, journalled or told goes by this clock, so a host clock that jumps, stands still or is an
hour off changes nothing. Until the first measurement it is the host's. UTC throughout: there is no summer time in it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from runtime.clock import Clock


class VenueClock:
    """runtime.Clock. One for all accounts and lanes of a daemon; any thread may use it."""

    def __init__(self, host: Clock) -> None:
        self._host = host
        self._anchor: tuple[datetime, float] = (host.now(), host.monotonic())  # replaced whole: readers take no lock
        self._measured = False
        self.monotonic = host.monotonic

    def now(self) -> datetime:
        instant, at = self._anchor
        return instant + timedelta(seconds=self.monotonic() - at) if self._measured else self._host.now()

    def learn(self, theirs: datetime, *, asked_at: float, answered_at: float) -> None:
        """Take over what the exchange said its time was.

        It said so somewhere between question and answer, so its time now is known to within that long: a reading that
        lies inside is left as it is, another is moved to the nearer end. Noise of the network moves nothing.

        Args:
            theirs: the exchange's instant.
            asked_at: monotonic seconds at which it was asked for.
            answered_at: monotonic seconds at which it was here.

        """
        latest = theirs + timedelta(seconds=answered_at - asked_at)
        at = answered_at
        if not self._measured:
            self._anchor = theirs + (latest - theirs) / 2, at
        else:
            instant, since = self._anchor
            believed = instant + timedelta(seconds=at - since)
            self._anchor = min(max(believed, theirs), latest), at
        self._measured = True

    def host_is_behind_seconds(self) -> float:
        """Tell how far this clock is ahead of the host's."""
        return (self.now() - self._host.now()).total_seconds()
