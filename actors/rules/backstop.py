"""The backstop: the position-level stop that stands behind the trades' own stops and is never the first to fire.

Bybit keeps one such stop a position. It lies beyond the farthest live stop of the trades there, inside the
liquidation price, and moves outward before a trade's stop is loosened. Once the price has passed it the
exchange refuses it; where nothing else covers the position it is then set just beyond the price instead.

Enters: stop prices, a tick. Stays out: who sends it, and when. Prices are quote per base.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from actors.model.money import ceil_to, floor_to
from actors.model.position import PositionSide

DISTANCE = Decimal("0.003")  # of the farthest stop's price
MIN_TICKS = 5
MOST_DOUBLINGS = 3  # of the distance from a price that has passed the backstop


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


def takeable_backstop(
    side: PositionSide, backstop: Decimal, mark_price: Decimal | None, tick_size: Decimal, *, refusals: int = 0
) -> Decimal:
    """Give the stop for a position that nothing covers: the backstop, or what the exchange takes in its place.

    Args:
        side: of the position.
        backstop: where it is meant to be.
        mark_price: as last read; None when it is not known: then the backstop is all there is to try.
        tick_size: over 0.
        refusals: in a row so far. The last price, which the exchange goes by, may be past the backstop when the mark is
            not, and farther out than the mark: each refusal doubles the distance from the mark, three times at most.

    Returns:
        The backstop while the price is before it and it was not refused; else, where that lies farther out, the price
        just beyond the mark.

    >>> takeable_backstop(PositionSide.SHORT, Decimal("1.30"), Decimal("1.33"), Decimal("0.0001"))
    Decimal('1.3340')

    """
    if mark_price is None or (not refusals and is_outward(side, backstop, mark_price)):
        return backstop
    distance = DISTANCE * 2 ** min(refusals, MOST_DOUBLINGS)
    beyond = backstop_price(side, (mark_price,), tick_size, distance=distance)
    return beyond if is_outward(side, beyond, backstop) else backstop


def inside_liquidation(side: PositionSide, backstop: Decimal, liquidation_price: Decimal | None) -> bool:
    """Tell whether the backstop is reached before the liquidation price; always, where there is none (None)."""
    if liquidation_price is None:
        return True
    return backstop > liquidation_price if side is PositionSide.LONG else backstop < liquidation_price


def is_outward(side: PositionSide, new: Decimal, old: Decimal) -> bool:
    """Tell whether a stop at `new` would lie farther from the market than one at `old`."""
    return new < old if side is PositionSide.LONG else new > old
