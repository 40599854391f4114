"""Stop cover: how much of a position no stop at the exchange covers, by one reading of it.

Enters: positions and open orders as read. Stays out: whose they are, putting it right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from actors.messages.health import Uncovered
from actors.model.money import ZERO
from actors.model.order import ObservedOrder
from actors.model.position import ObservedPosition


def uncovered_sides(
    positions: Iterable[ObservedPosition], orders: tuple[ObservedOrder, ...], symbols: Collection[str]
) -> tuple[Uncovered, ...]:
    """Give the sides of these symbols of which something has no stop."""
    found = []
    for position in positions:
        quantity = uncovered_quantity(position, orders) if position.symbol in symbols else ZERO
        if quantity and position.side is not None:
            found.append(Uncovered(symbol=position.symbol, side=position.side.value, quantity=quantity))
    return tuple(found)


def uncovered_quantity(position: ObservedPosition, orders: tuple[ObservedOrder, ...]) -> Decimal:
    """Give how much of the position no stop at the exchange covers; a position-level stop covers all of it."""
    if position.side is None or position.stop_price is not None:
        return ZERO
    covered = sum((order.remaining_quantity for order in orders if _is_a_stop_of(position, order)), ZERO)
    return max(ZERO, position.size - covered)


def _is_a_stop_of(position: ObservedPosition, order: ObservedOrder) -> bool:
    """Tell whether a conditional order closes this position at a loss: one in profit protects nothing."""
    side, trigger, mark = position.side, order.trigger_price, position.mark_price
    if side is None or trigger is None or not order.reduce_only:
        return False
    behind_the_price = mark is None or (trigger - mark) * side.sign < 0
    return order.symbol == position.symbol and order.order_side is side.exit_side and behind_the_price
