"""Price record: where each symbol's price stood, and since when, by the world's own account.

Enters: every price the world has moved to. Stays out: what the daemon heard of it.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal


class PriceRecord:
    """Prices by symbol, oldest first."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}  # monotonic seconds
        self._prices: dict[str, list[Decimal]] = {}

    def note(self, symbol: str, price: Decimal, now: float) -> None:
        self._times.setdefault(symbol, []).append(now)
        self._prices.setdefault(symbol, []).append(price)

    def before(self, symbol: str) -> tuple[float, Decimal] | None:
        """Give the newest price but one, and since when it stood."""
        times = self._times.get(symbol, ())
        return (times[-2], self._prices[symbol][-2]) if len(times) > 1 else None

    def since(self, symbol: str, start: float) -> list[Decimal]:
        """Give all prices that stood at this instant or came later; none where nothing is known."""
        times = self._times.get(symbol, [])
        return self._prices.get(symbol, [])[max(0, bisect_right(times, start) - 1) :]
