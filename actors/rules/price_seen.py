"""A price as rules may use it: with its age, and with the best one since something is held.

The price that stood before an entry filled says nothing of what is held: a limit fills because the market has left that
price. No floor is armed on it, no stop trails behind it.

Fresh means at most 30 s old. What is older is stale: on a stale price no rule opens, moves or leaves anything; rules
that need no price (time, expiry by time) go on. Enters: readings. Stays out: clocks (ages arrive), asking for prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.model.position import PositionSide

FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPrice:
    """The last price of a trade's symbol as its monitor knows it."""

    price: Decimal
    best: Decimal | None  # the most favourable fresh one since the trade holds something; None: none has come yet
    age_seconds: float
    stale: bool = False  # marked so by whoever told it

    @property
    def fresh(self) -> bool:
        return not self.stale and self.age_seconds <= FRESH_SECONDS


def is_of_holding(reported_at: datetime | None, first_fill_at: datetime | None, heard_seconds: float) -> bool:
    """Tell whether a price is one that the trade has held through.

    Args:
        reported_at: the exchange's instant of the price; None where it is not known.
        first_fill_at: the exchange's instant of the first fill; None where nothing is held.
        heard_seconds: from when the fill was known to when the price was heard; negative: the price is the older one.

    """
    if first_fill_at is None:
        return False
    if reported_at is None:
        return heard_seconds >= 0
    return reported_at >= first_fill_at or heard_seconds > FRESH_SECONDS  # the second where its clock is set back


def better(side: PositionSide, one: Decimal, other: Decimal | None) -> Decimal:
    """Give the more favourable of two prices: the higher for a long."""
    if other is None:
        return one
    return max(one, other) if side is PositionSide.LONG else min(one, other)
