"""I2: never unprotected, as the design defines it, and the own stop never late.

*Unprotected* is a size above the sum of all stops there, at every instant, by the exchange's own record. *Own stop
late* is a filled size without the trade's own stop for more than 2 s.

Exempt from the first: a side that none of our trades holds anything of (it is foreign), and the while in which the
position's own stop has fired and what it left is being closed: what fired last is the last line there is; the while
after a hand in the app has cancelled the position's own stop (the daemon never cancels that one, it only moves it), or
the exchange did, on its way to liquidate.
Exempt from the second: a size under the smallest order (only the backstop can cover it; the person must have been
told), a trade whose stop has fired or which leaves (its stop may not be cancelled before it is flat: see below), and
what a fault of this symbol, trade or daemon may have delayed, for as long as that fault states.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from actors.messages.trading import CancelRequested
from actors.model.position import PositionSide
from actors.model.trade import Phase, Role, Trade
from adapters.assembly.simulation.invariants.held import STOP, ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account, Position
from adapters.simulated.venue import stop_cover

AT_WORK_MS = 30_000  # what a fired position stop has left over is closed, one that was cancelled is back, within this
BY_LIQUIDATION = "CancelAllBeforeLiq"
BY_REQUEST = "EC_PerCancelRequest"  # by its id, or with all others


def check_position(
    account: Account, position: Position, trades: Iterable[Held], *, now_ms: int, excused: bool, swept: bool = False
) -> None:
    """I2: what our trades hold is covered by stops at every instant.

    `excused`: a fault may have delayed the daemon. `swept`: somebody has cancelled whole symbols by hand in this world.
    """
    own, system = stop_cover(account, position)
    if own + system >= position.size:
        return
    side = PositionSide.LONG if position.sign > 0 else PositionSide.SHORT
    ours = any(
        held.trade.plan.account == account.name
        and held.trade.plan.symbol == position.symbol
        and held.trade.side is side
        and held.open_quantity > 0
        for held in trades
    )
    since = position.opened_ms if excused else max(position.opened_ms, now_ms - AT_WORK_MS)
    if ours and not _last_line_gone(account, position, since_ms=since, swept=swept):
        text = f"size {position.size}, stops for {own} of ours and {system} of the position's"
        raise Violated("I2", f"{account.name}/{position.symbol}", text)


def _last_line_gone(account: Account, position: Position, *, since_ms: int, swept: bool) -> bool:
    """Tell whether the position's own stop has fired since, or was taken away: by hand, by liquidation.

    A price that gaps through entries and stop opens the position and fires its stop in one and the same millisecond;
    what went with an earlier position of this slot is of an order that was made before this one was opened.
    """
    return any(
        order.is_position_stop
        and order.position_idx == position.index
        and order.symbol == position.symbol
        and order.created_ms >= position.opened_ms
        and order.updated_ms >= since_ms
        and (order.triggered or order.cancel_type == BY_LIQUIDATION or (swept and order.reject_reason == BY_REQUEST))
        for order in reversed(account.orders.values())
    )


def stop_fired(held: Held) -> bool:
    return any(order.triggered for order in held.of(STOP))


def own_stop_missing(held: Held, quantity: Decimal) -> bool:
    """Whether the own stop ought to cover this quantity now and does not."""
    trade = held.trade
    return (
        quantity >= trade.instrument.min_quantity
        and held.stop_cover < quantity
        and trade.phase not in {Phase.CLOSING, Phase.CLOSED}
        and not stop_fired(held)
    )


def left_over(held: Held, quantity: Decimal) -> bool:
    """Whether the own stop has fired and quantity is still there."""
    return quantity >= held.trade.instrument.min_quantity and stop_fired(held)


def check_stops_are_stops(held: Held) -> None:
    """I2: an own stop that waits would close this trade on an adverse move and can do nothing else."""
    for order in held.of(STOP):
        if order.is_open and order.is_conditional and not (held.protects(order) and order.close_on_trigger):
            raise Violated("I2", order.link_id, "waits as the own stop and would not close the trade on its stop")


def check_stop_kept(before: Trade, fact: Any) -> None:
    """I2: while a trade believes anything open, it never asks for its own stop to be cancelled."""
    if not isinstance(fact, CancelRequested):
        return
    leg = before.leg(fact.client_order_id)
    if leg is not None and leg.role is Role.STOP and before.open_quantity > ZERO:
        raise Violated("I2", fact.client_order_id, f"its stop is cancelled while {before.open_quantity} is open")
