"""Circuit breaker: stop knocking where nobody answers, and try the door with one probe now and then.

Enters: outcomes and instants (monotonic seconds). Stays out: the calls themselves, clocks, timers.
A breaker is a value: each question or outcome returns the next one.

    closed --failures in a row--> open --after open_seconds--> half open --probe succeeded--> closed
                                   ^----------------------------- probe failed ------------------|
"""

from dataclasses import dataclass, replace
from enum import Enum


class BreakerState(Enum):
    """Where the breaker stands."""

    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused until the pause is over
    HALF_OPEN = "half_open"  # one probe is under way; other calls are refused


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """The breaker's limits and where it stands.

    Example:
        >>> breaker = CircuitBreaker(failure_threshold=1).failed(at=0.0)
        >>> breaker.try_call(at=59.0)[1], breaker.try_call(at=60.0)[1]
        (False, True)

    """

    failure_threshold: int = 5  # failures in a row that open it
    open_seconds: float = 60.0  # the pause before a probe; also how long a probe may stay unanswered
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0  # in a row
    since: float = 0.0  # when the present state began

    def try_call(self, *, at: float) -> tuple["CircuitBreaker", bool]:
        """Ask to make a call now: the next breaker, and whether the call may be made."""
        if self.state is BreakerState.CLOSED:
            return self, True
        if at - self.since < self.open_seconds:
            return self, False
        # The pause is over, or the last probe never reported: this caller is the probe.
        return replace(self, state=BreakerState.HALF_OPEN, since=at), True

    def succeeded(self) -> "CircuitBreaker":
        """Record a call that worked; a late success while open closes it too: the door answers."""
        if self.state is BreakerState.CLOSED and self.failures == 0:
            return self
        return replace(self, state=BreakerState.CLOSED, failures=0)

    def failed(self, *, at: float) -> "CircuitBreaker":
        """Record a call that failed."""
        failures = self.failures + 1
        if self.state is BreakerState.HALF_OPEN or (
            self.state is BreakerState.CLOSED and failures >= self.failure_threshold
        ):
            return replace(self, state=BreakerState.OPEN, failures=failures, since=at)
        return replace(self, failures=failures)

    def pause_cut(self, *, at: float) -> "CircuitBreaker":
        """Let the next call be the probe: something else has shown that the door answers."""
        return replace(self, since=at - self.open_seconds) if self.state is BreakerState.OPEN else self

    def retry_after_seconds(self, *, at: float) -> float:
        """Return how long until a call may pass; 0 when it may pass now."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        return max(0.0, self.since + self.open_seconds - at)
