"""Account access: what may still be sent after the exchange has refused a key, address or account.

Enters: refusals and instants (monotonic seconds). Stays out: requests, telling anybody. Ordinary requests wait for a
pause to pass and are then tried again; what protects goes on meanwhile, one by one and slowly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAccess:
    """Where the access stands; open until the first refusal. Each event returns the next value."""

    pause_seconds: float = 60.0  # after a refusal, before an ordinary request is tried again
    pace_seconds: float = 5.0  # between any two requests while access is refused
    suspended: bool = False
    ordinary_at: float = 0.0  # no ordinary request before
    next_at: float = 0.0  # no request at all before

    def refused(self, *, at: float) -> AccountAccess:
        return replace(self, suspended=True, ordinary_at=at + self.pause_seconds, next_at=at + self.pace_seconds)

    def accepted(self) -> AccountAccess:
        """A write was taken: all is open again."""
        return replace(self, suspended=False, ordinary_at=0.0, next_at=0.0)

    def started(self, *, at: float) -> AccountAccess:
        """A request left; while suspended the next one keeps its distance."""
        return replace(self, next_at=at + self.pace_seconds) if self.suspended else self

    def may_start(self, *, at: float) -> bool:
        return at >= self.next_at

    def admits_ordinary(self, *, at: float) -> bool:
        return at >= self.ordinary_at
