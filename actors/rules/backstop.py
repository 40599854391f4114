"""The backstop: the position-level stop that stands behind the trades' own stops and is never the first to fire.

Bybit keeps one such stop a position. It lies beyond the farthest live stop of the trades there, inside the
liquidation price, and moves outward before a trade's stop is loosened.

Enters: stop prices, a tick. Stays out: who sends it, and when. Prices are quote per base.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from actors.model.money import ceil_to, floor_to
from actors.model.position import PositionSide

DISTANCE = Decimal("0.003")  # of the farthest stop's price
MIN_TICKS = 5


def backstop_price(
    side: PositionSide,
    stops: Sequence[Decimal],
    tick_size: Decimal,
    *,
    distance: Decimal = DISTANCE,
    min_ticks: int = MIN_TICKS,
) -> Decimal:
    """Give the price beyond the farthest stop, rounded outward to the tick.

    Args:
        side: of the position.
        stops: the live stop prices there, at least one, on the tick, in any order.
        tick_size: over 0.
        distance: from the farthest stop, a fraction of its price.
        min_ticks: the distance is never less than this many ticks.

    Returns:
        Below the lowest stop of a long (but never below one tick, the lowest price there is), above the highest of a
        short.

    Raises:
        ValueError: no stops.

    >>> backstop_price(PositionSide.LONG, [Decimal("1.15"), Decimal("1.16")], Decimal("0.0001"))
    Decimal('1.1465')

    """
    if side is PositionSide.LONG:
        farthest = min(stops)
        return max(tick_size, floor_to(farthest - max(farthest * distance, min_ticks * tick_size), tick_size))
    farthest = max(stops)
    return ceil_to(farthest + max(farthest * distance, min_ticks * tick_size), tick_size)


def inside_liquidation(side: PositionSide, backstop: Decimal, liquidation_price: Decimal | None) -> bool:
    """Tell whether the backstop is reached before the liquidation price; always, where there is none (None)."""
    if liquidation_price is None:
        return True
    return backstop > liquidation_price if side is PositionSide.LONG else backstop < liquidation_price


def is_outward(side: PositionSide, new: Decimal, old: Decimal) -> bool:
    """Tell whether a stop at `new` would lie farther from the market than one at `old`."""
    return new < old if side is PositionSide.LONG else new > old
