"""An emergency as a screen: what is still leaving, and what remains on the account that is not ours.

Enters: trades, a reading of the account. Stays out: asking for them, leaving, markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from actors.messages.accounts import AccountSnapshot
from actors.messages.trading import TradeReading
from actors.model.money import plain
from actors.model.screen import Screen
from actors.rules.chat_commands import confirm_buttons
from actors.rules.client_order_ids import is_ours

SHUT = "Nothing new is opened on any account until you write: main.py safety active --why REASON"


def emergency(
    account: str, leaving: Sequence[TradeReading], snapshot: AccountSnapshot | None, *, clearing: bool = False
) -> Screen:
    """Show how far it is. Without a reading of the exchange nothing is said about what remains there.

    Args:
        account: which is left.
        leaving: trades of ours that are still there.
        snapshot: once none is; None: it could not be read.
        clearing: what others have there goes as well, and is not all gone yet.

    """
    if leaving:
        lines = tuple(
            f"#{each.number} {each.symbol} {each.position_side}: {plain(each.open_quantity)} open, {each.phase}"
            for each in leaving
        )
        return Screen(title=f"{account}: {len(leaving)} still leaving", lines=(*lines, SHUT))
    title = f"{account}: every trade of ours is closed, its orders are gone"
    if clearing:
        left = () if snapshot is None else tuple(remaining_lines(snapshot))
        return Screen(title=f"{title}; what others have there is going", lines=(*left, SHUT))
    if snapshot is None:
        return Screen(title=title, lines=("What else remains at the exchange could not be read.", SHUT))
    remaining = tuple(remaining_lines(snapshot))
    if not remaining:
        return Screen(title=title, lines=("Nothing else remains there: no position, no order.", SHUT))
    return Screen(title=title, lines=("Not ours, and left alone:", *remaining, SHUT))


def foreign_lines(
    snapshot: AccountSnapshot, foreign: Mapping[tuple[str, str], Decimal], installation: str
) -> tuple[str, ...]:
    """Name what of an account is not ours: quantities that belong to no trade, orders without an id of ours.

    Args:
        snapshot: a fresh reading.
        foreign: by symbol and side, base units, as the book has it.
        installation: whose order ids are ours.

    """
    held = [
        f"position {position.symbol} {position.side.value} {plain(foreign[position.symbol, position.side.value])}"
        f" of {plain(position.size)}"
        for position in snapshot.positions
        if position.side is not None and foreign.get((position.symbol, position.side.value))
    ]
    theirs = tuple(order for order in snapshot.orders if not is_ours(order.client_order_id, installation))
    return (*held, *remaining_lines(replace(snapshot, positions=(), orders=theirs)))


def asked_for_everything(account: str, lines: Sequence[str]) -> Screen:
    """Name what of others' goes, before it does."""
    if not lines:
        return Screen(title=f"{account}: nothing there is foreign.")
    return Screen(title=f"{account}: not ours, and closed or cancelled too:", lines=tuple(lines))


def confirm(snapshot: AccountSnapshot, nonce: str, seconds: float, *, everything: bool) -> Screen:
    """Ask in the chat, with everything that is there."""
    lines = tuple(remaining_lines(snapshot)) or ("Nothing is there: no position, no order.",)
    how = (
        "All of this is closed at market or cancelled, others' too; every order last."
        if everything
        else "What of this is ours is closed at market or cancelled; what is not is left alone."
    )
    return Screen(
        title=f"Leave {'EVERYTHING' if everything else 'everything of ours'} on {snapshot.account} now?",
        lines=(*lines, how, "Nothing new is opened until /safety active REASON.", f"Confirm within {seconds:.0f} s."),
        buttons=confirm_buttons(nonce, "Leave now"),
    )


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
