"""Clearance: what is left to be done until an account holds nothing and no order rests there, others' included.

    others' entries are cancelled, and every position is closed at market (reduce-only)
    -> once nothing is held: every order that is left is cancelled, the stops among them
    -> done, when a reading shows nothing at all

Only after every trade of ours there has ended. Enters: a reading of the account. Stays out: asking, sending.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from actors.messages.accounts import AccountSnapshot
from actors.messages.orders import CancelOrder, PlaceOrder
from actors.model.order import ObservedOrder, OrderIntent, OrderKind
from actors.model.position import ObservedPosition

PREFIX = "SX"  # of the ids of these orders: no trade's, so what they close is booked as somebody's hand
NAME = "clear"  # stands for a trade where a request names one


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What is to be asked for now."""

    closes: tuple[ObservedPosition, ...]
    cancels: tuple[ObservedOrder, ...]
    done: bool  # nothing is there any more


def steps(snapshot: AccountSnapshot, under_way: Collection[str]) -> Steps:
    """Give what is due by a reading; `under_way`: subjects whose request has no outcome yet."""
    held = tuple(position for position in snapshot.positions if position.size and position.side is not None)
    orders = tuple(order for order in snapshot.orders if not order.is_position_stop)
    due = [order for order in orders if not held or not (order.reduce_only or order.close_on_trigger)]
    return Steps(
        closes=tuple(each for each in held if position_subject(each) not in under_way),
        cancels=tuple(each for each in due if each.order_id not in under_way),
        done=not held and not orders,
    )


def position_subject(position: ObservedPosition) -> str:
    return f"{position.symbol}/{position.position_index}"


def close_of(account: str, position: ObservedPosition, client_order_id: str) -> PlaceOrder:
    """Close a position whole. TypeError for one that holds nothing."""
    if position.side is None:
        raise TypeError(f"{position.symbol} holds nothing that could be closed")
    intent = OrderIntent(
        client_order_id=client_order_id,
        symbol=position.symbol,
        order_side=position.side.exit_side,
        kind=OrderKind.MARKET,
        quantity=position.size,
        reduce_only=True,
        position_index=position.position_index,
    )
    return PlaceOrder(account=account, trade_id=NAME, order=intent)


def cancel_of(account: str, order: ObservedOrder) -> CancelOrder:
    return CancelOrder(account=account, trade_id=NAME, symbol=order.symbol, client_order_id="", order_id=order.order_id)
