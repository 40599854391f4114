"""Apportionment: a whole number of units divided in given proportions, nothing lost and nothing made.

Enters: counts of units (of a quantity step) and weights. Stays out: prices, minimums, what the parts are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from actors.model.money import ZERO, floor_to


def units_in(quantity: Decimal, step: Decimal) -> int:
    """Count the whole steps in a quantity (>= 0), rounding down."""
    return int(floor_to(quantity, step) / step)


def largest_remainder(units: int, weights: Sequence[Decimal]) -> tuple[int, ...]:
    """Divide units in proportion to the weights; the parts sum to the units.

    Each part is its exact share rounded down; the units left over go one each to the largest remainders, the first
    of equals before the later. So a part is never a whole unit away from its exact share.

    Args:
        units: 0 and up.
        weights: one a part, 0 and up, their sum over 0; they need not sum to 1.

    Source: the Hamilton method (largest remainder), in exact fractions.

    >>> largest_remainder(20, [Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05")])
    (17, 1, 1, 1)

    """
    total = Fraction(sum(weights, ZERO))
    shares = [units * Fraction(weight) / total for weight in weights]
    parts = [int(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda at: parts[at] - shares[at])
    for at in by_remainder[: units - sum(parts)]:
        parts[at] += 1
    return tuple(parts)
