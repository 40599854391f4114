"""I13: the result told for a closed trade is the exchange's own, both fees inside, to the cent. Funding stands apart.

Enters: the exchange's orders with what they filled, cost and paid. Exempt: the price of what was booked to a trade of
somebody else's execution (its quantity is judged by I1); a result that was told while the exchange had filled more
than the journal knew is judged once the late fill has closed the trade again.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages.trading import TradeClosed
from adapters.assembly.simulation.invariants.held import ENTRY, ZERO, Held, role
from adapters.assembly.simulation.invariants.violation import Violated

CENT = Decimal("0.01")


def result_of(held: Held) -> Decimal:
    """Work out a trade's result from the exchange's own record (USDT)."""
    entered = held.entered
    if not entered:
        return ZERO
    sold = value = fees = entry_value = entry_fees = ZERO
    for order in held.orders:
        if role(order)[0] == ENTRY:
            entry_value += order.cum_value
            entry_fees += order.cum_fee
        else:
            sold += order.cum_qty
            value += order.cum_value
            fees += order.cum_fee
    for booked in held.trade.reductions:
        sold += booked.quantity
        value += booked.quantity * booked.price
        fees += booked.fee_usdt
    return (value - entry_value / entered * sold) * held.trade.side.sign - entry_fees * sold / entered - fees


def check_closed(held: Held, fact: TradeClosed, titles: tuple[str, ...]) -> None:
    """I13: `titles` are those of the alerts promised with the closing."""
    filled = {order.link_id: order.cum_qty for order in held.orders}
    if any(filled.get(leg.client_order_id, ZERO) != leg.filled_quantity for leg in held.trade.legs):
        return
    ours = result_of(held)
    if abs(fact.realised_pnl_usdt - ours) >= CENT:
        text = f"closed with {fact.realised_pnl_usdt}, by the exchange's record it brought {ours}"
        raise Violated("I13", held.trade.trade_id, text)
    if not any(f"{fact.realised_pnl_usdt:+.2f} USDT" in title for title in titles):
        text = f"closed with {fact.realised_pnl_usdt}, and no alert of that commit says so: {titles}"
        raise Violated("I13", held.trade.trade_id, text)
