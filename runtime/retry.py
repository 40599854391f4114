"""Retry: from an attempt that failed to "again, after this long" or "stop".

Enters: the attempt's number, the class of its error, a number drawn by the caller. Stays out: waiting, sending, clocks.
Only what is known not to have happened may be repeated; an unknown outcome is looked up, never sent again.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random


class ErrorClass(Enum):
    """What an error says about repeating the attempt."""

    REPEATABLE = "repeatable"  # nothing happened: the same attempt may be made again
    THROTTLED = "throttled"  # nothing happened; the other side names the earliest time for the next
    UNKNOWN = "unknown"  # it may have happened: look before repeating
    FINAL = "final"  # it will fail again as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """Make the attempt again after this many seconds."""

    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRetrying:
    """Do not repeat it; `reason` is one of attempts_used, final_error, outcome_unknown."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently; delays grow by `factor` from `base_seconds` to `cap_seconds`, plus jitter."""

    max_attempts: int = 5
    base_seconds: float = 0.2
    factor: float = 2.0
    cap_seconds: float = 30.0
    jitter: float = 0.2  # a fraction of the delay, added; 0 for none

    def after(
        self, attempt: int, error: ErrorClass, random: Random, *, retry_after_seconds: float | None = None
    ) -> RetryAfter | StopRetrying:
        """Decide what follows a failed attempt.

        Args:
            attempt: the attempt that failed, 1 for the first.
            error: what its error says about repeating.
            random: the caller's generator, drawn from once when a delay is due.
            retry_after_seconds: the wait the other side asked for; the delay is never shorter, and jitter only adds.

        Returns:
            The delay, or the reason to stop.

        """
        if error is ErrorClass.FINAL:
            return StopRetrying(reason="final_error")
        if error is ErrorClass.UNKNOWN:
            return StopRetrying(reason="outcome_unknown")
        if attempt >= self.max_attempts:
            return StopRetrying(reason="attempts_used")
        delay = min(self.cap_seconds, self.base_seconds * self.factor ** min(attempt - 1, 64))
        if retry_after_seconds is not None:
            delay = max(delay, retry_after_seconds)
        return RetryAfter(delay_seconds=delay * (1.0 + self.jitter * random.random()))
