"""An emergency as a screen: what is still leaving, and what remains on the account that is not ours.

Enters: trades, a reading of the account. Stays out: asking for them, leaving, markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actors.messages.accounts import AccountSnapshot
from actors.messages.trading import TradeReading
from actors.model.money import plain
from actors.model.screen import Screen

SHUT = "Nothing new is opened on any account until you write: main.py safety active --why REASON"


def emergency(account: str, leaving: Sequence[TradeReading], snapshot: AccountSnapshot | None) -> Screen:
    """Show how far it is. Without a reading of the exchange nothing is said about what remains there."""
    if leaving:
        lines = tuple(
            f"#{each.number} {each.symbol} {each.position_side}: {plain(each.open_quantity)} open, {each.phase}"
            for each in leaving
        )
        return Screen(title=f"{account}: {len(leaving)} still leaving", lines=(*lines, SHUT))
    title = f"{account}: every trade of ours is closed, its orders are gone"
    if snapshot is None:
        return Screen(title=title, lines=("What else remains at the exchange could not be read.", SHUT))
    remaining = tuple(remaining_lines(snapshot))
    if not remaining:
        return Screen(title=title, lines=("Nothing else remains there: no position, no order.", SHUT))
    return Screen(title=title, lines=("Not ours, and left alone:", *remaining, SHUT))


def remaining_lines(snapshot: AccountSnapshot) -> Iterator[str]:
    """Name the positions and orders of an account on which no trade of ours is open, a line each."""
    for position in snapshot.positions:
        if position.size and position.side is not None:
            average = "" if position.average_price is None else f" at {plain(position.average_price)}"
            stop = "NO STOP" if position.stop_price is None else f"stop {plain(position.stop_price)}"
            yield f"position {position.symbol} {position.side.value} {plain(position.size)}{average}, {stop}"
    for order in snapshot.orders:
        if not order.is_position_stop:
            where = order.trigger_price or order.price
            at = "at the market" if where is None else f"at {plain(where)}"
            name = order.client_order_id or order.order_id
            yield f"order {order.symbol} {order.order_side.value} {plain(order.remaining_quantity)} {at} ({name})"
