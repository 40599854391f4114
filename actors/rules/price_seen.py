"""A price as rules may use it: with its age, and with the best one since something is held.

Fresh means at most 30 s old. What is older is stale: on a stale price no rule opens, moves or leaves anything; rules
that need no price (time, expiry by time) go on. Enters: readings. Stays out: clocks (ages arrive), asking for prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from actors.model.position import PositionSide

FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPrice:
    """The last price of a trade's symbol as its monitor knows it."""

    price: Decimal
    best: Decimal  # the most favourable fresh one since the trade holds something; the price itself before
    age_seconds: float
    stale: bool = False  # marked so by whoever told it

    @property
    def fresh(self) -> bool:
        return not self.stale and self.age_seconds <= FRESH_SECONDS


def better(side: PositionSide, one: Decimal, other: Decimal | None) -> Decimal:
    """Give the more favourable of two prices: the higher for a long."""
    if other is None:
        return one
    return max(one, other) if side is PositionSide.LONG else min(one, other)
