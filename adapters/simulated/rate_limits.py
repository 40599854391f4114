"""Rate limits: so many requests a rolling second per account and endpoint group, so many per address.

Enters: who asks for what, when. Stays out: headers and envelopes. Source: bybit-v5.md section 11.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW_MS = 1000
ADDRESS_LIMIT = 600
ADDRESS_WINDOW_MS = 5000


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit after a request."""

    limit: int
    left: int
    reset_ms: int  # when a request would pass again; now, when one would pass already
    passed: bool


@dataclass(slots=True)
class RateLimits:
    """Counts requests per key (account, group) in a rolling window."""

    window_ms: int = WINDOW_MS
    _seen: dict[tuple[str, str], deque[int]] = field(default_factory=dict)

    def take(self, key: tuple[str, str], limit: int, now_ms: int) -> Standing:
        """Count one request, unless the window is full; a refused one does not count."""
        seen = self._seen.setdefault(key, deque())
        while seen and seen[0] <= now_ms - self.window_ms:
            seen.popleft()
        if len(seen) >= limit:
            return Standing(limit, 0, seen[0] + self.window_ms, passed=False)
        seen.append(now_ms)
        return Standing(limit, limit - len(seen), now_ms, passed=True)
