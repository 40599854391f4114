"""Restart policy: from an actor's failures so far to "again, after this long" or "enough".

Enters: failure instants (monotonic seconds), limits, a number the caller drew. Stays out: actors, clocks, generators.
Source of the shape: OTP's restart intensity (a sliding window) and capped exponential backoff with jitter.
"""

from dataclasses import dataclass, field

HEALTHY_SECONDS = 60.0  # the shortest health that lets the backoff begin anew
HEALTHY_DELAYS = 10.0  # ... and how many of the last delay it must outlast


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """How many restarts are tolerated within a sliding window; one more is too many."""

    max_restarts: int = 5
    within_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.max_restarts < 0 or self.within_seconds <= 0:
            raise ValueError(f"intensity needs max_restarts >= 0 and within_seconds > 0, not {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before restart k: nothing first, then base, base * factor, ... up to the cap, plus jitter."""

    base_seconds: float = 0.2
    factor: float = 2.0
    cap_seconds: float = 30.0
    jitter: float = 0.2  # a fraction of the delay, added; 0 for none
    first_immediate: bool = True

    def delay_seconds(self, consecutive: int, uniform: float) -> float:
        """Return the wait before a restart.

        Args:
            consecutive: failures since the actor was last healthy, this one not counted (0 for the first).
            uniform: a number in [0, 1) from the caller's generator.

        Example:
            >>> [Backoff(jitter=0).delay_seconds(k, 0.5) for k in range(4)]
            [0.0, 0.2, 0.4, 0.8]

        """
        power = consecutive
        if self.first_immediate:
            if consecutive == 0:
                return 0.0
            power = consecutive - 1
        # 64 doublings pass any cap; the bound keeps the power from overflowing after months of failures.
        delay = min(self.cap_seconds, self.base_seconds * self.factor ** min(power, 64))
        return delay * (1.0 + self.jitter * uniform)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureHistory:
    """What is remembered of an actor's failures; a value, replaced at each failure."""

    recent: tuple[float, ...] = ()  # instants of the failures inside the window, oldest first
    consecutive: int = 0  # failures since the actor was last healthy
    last_failure_at: float = 0.0
    last_delay_seconds: float = 0.0

    def restarts_within(self, now: float, within_seconds: float) -> int:
        """Count the failures that are still inside the window."""
        return sum(1 for at in self.recent if now - at < within_seconds)


NO_FAILURES = FailureHistory()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartAfter:
    """Start a fresh behaviour after this long (0: at once)."""

    delay_seconds: float = field(default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The budget is used up: park or escalate, never silently stop."""

    restarts: int
    within_seconds: float


def on_failure(
    history: FailureHistory, *, at: float, intensity: Intensity, backoff: Backoff, uniform: float
) -> tuple[FailureHistory, RestartAfter | Exhausted]:
    """Judge one more failure.

    Args:
        history: what was remembered before it.
        at: the failure's instant, monotonic seconds.
        intensity: the budget.
        backoff: the wait's shape.
        uniform: a number in [0, 1) for the jitter.

    Returns:
        The new history and the verdict.

    """
    recent = (*(t for t in history.recent if at - t < intensity.within_seconds), at)
    healthy_for = at - history.last_failure_at - history.last_delay_seconds
    healthy = healthy_for >= max(HEALTHY_SECONDS, HEALTHY_DELAYS * history.last_delay_seconds)
    consecutive = 0 if healthy else history.consecutive
    if len(recent) > intensity.max_restarts:
        verdict: RestartAfter | Exhausted = Exhausted(restarts=len(recent) - 1, within_seconds=intensity.within_seconds)
        delay = history.last_delay_seconds
    else:
        delay = backoff.delay_seconds(consecutive, uniform)
        verdict = RestartAfter(delay_seconds=delay)
    return (
        FailureHistory(recent=recent, consecutive=consecutive + 1, last_failure_at=at, last_delay_seconds=delay),
        verdict,
    )
