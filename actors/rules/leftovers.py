"""Leftovers: orders of others that can only close a position which is there no more.

Enters: a reading of an account. Stays out: cancelling them, and whether that is wished (EXTERNAL_ORDER_PROTECTION).
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.messages.accounts import AccountSnapshot
from actors.model.alert import Alert, Severity
from actors.model.money import plain
from actors.model.order import ObservedOrder
from actors.rules.client_order_ids import is_ours
from actors.rules.trade_names import on_account


def leftovers(snapshot: AccountSnapshot, symbol: str, installation: str) -> tuple[ObservedOrder, ...]:
    """Give what others have left on a symbol: reduce-only orders, where nothing of their side is held.

    Args:
        snapshot: a fresh reading of the account.
        symbol: on which no trade of ours is live.
        installation: whose order ids are ours.

    """
    held = {
        (position.position_index, position.side.exit_side)
        for position in snapshot.positions
        if position.symbol == symbol and position.size and position.side is not None
    }
    return tuple(
        order
        for order in snapshot.orders
        if order.symbol == symbol
        and (order.reduce_only or order.close_on_trigger)
        and not order.is_position_stop
        and not is_ours(order.client_order_id, installation)
        and (order.position_index, order.order_side) not in held
    )


def cleared(account: str, symbol: str, trade_id: str, orders: Iterable[ObservedOrder]) -> Alert:
    """Tell what is cancelled."""
    lines = tuple(
        f"{order.order_side.value} {plain(order.remaining_quantity)} "
        f"{'at the market' if order.price is None else f'at {plain(order.price)}'}"
        f"{'' if order.trigger_price is None else f', trigger {plain(order.trigger_price)}'}"
        for order in orders
    )
    return Alert(
        kind="leftovers_cleared",
        severity=Severity.INFO,
        key=f"leftovers/{account}/{symbol}/{trade_id}",
        title=f"{symbol}{on_account(account)}: orders that others left there are cancelled",
        lines=(*lines, "They could only close a position, and there is none. The protection of others' orders is off."),
    )
