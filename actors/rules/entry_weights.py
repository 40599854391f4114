"""Entry weights: how a trade's quantity is spread over entries that were written without shares.

Front-loaded: the entry that is filled first, at the market or nearest to it, weighs most, each farther one a step less
(n, n-1 … 1 of their sum); back-loaded: the farthest weighs most.

Enters: prices, a side. Stays out: reading, quantities.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from actors.model.money import ONE, ZERO, floor_to
from actors.model.position import PositionSide

SHARE_STEP = Decimal("0.000001")  # shares are cut here


class Weights(StrEnum):
    """A way to spread a quantity over entries."""

    EVEN = "even"
    FRONT = "front"
    BACK = "back"


def evenly(total: Decimal, count: int) -> tuple[Decimal, ...]:
    """Divide a share so that the parts sum to it exactly; the first takes the remainder."""
    each = floor_to(total / count, SHARE_STEP)
    return (total - each * (count - 1), *[each] * (count - 1))


def weighted(weights: Weights, prices: Sequence[Decimal | None], side: PositionSide) -> tuple[Decimal, ...]:
    """Give each entry its share; the shares sum to 1 exactly, the heaviest takes what cutting leaves over.

    Args:
        weights: as asked.
        prices: one an entry, in any order, at least one; None: at the market.
        side: of the trade; a long's nearest limit is the highest.

    >>> shares = weighted(Weights.FRONT, [Decimal("1.18"), Decimal("1.19"), None], PositionSide.LONG)
    >>> [str(share) for share in shares]
    ['0.166666', '0.333333', '0.500001']

    """
    count = len(prices)
    if weights is Weights.EVEN:
        return evenly(ONE, count)
    nearest_first = sorted(range(count), key=lambda at: _distance(prices[at], side))
    heaviest_first = nearest_first if weights is Weights.FRONT else nearest_first[::-1]
    whole = Decimal(count * (count + 1) // 2)
    shares = [ZERO] * count
    for rank, at in enumerate(heaviest_first):
        shares[at] = floor_to((count - rank) / whole, SHARE_STEP)
    shares[heaviest_first[0]] += ONE - sum(shares, ZERO)
    return tuple(shares)


def _distance(price: Decimal | None, side: PositionSide) -> tuple[bool, Decimal]:
    return (price is not None, ZERO if price is None else -price * side.sign)
