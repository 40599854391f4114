"""I4: once a target is filled the stop stands at breakeven, costs included, and never moves against the trade again.

Exempt: a trade that leaves or whose stop has fired; 5 s for the move, and what a fault may have delayed.
"""

from __future__ import annotations

from decimal import Decimal

from actors.model.trade import Phase
from adapters.assembly.simulation.invariants.cover import stop_fired
from adapters.assembly.simulation.invariants.held import ENTRY, STOP, TARGET, ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated


def check_never_loosened(held: Held) -> None:
    """I4: no own stop at the exchange goes back from the tightest that was reached after breakeven."""
    if not held.trade.moved_to_breakeven:
        return
    sign = held.trade.side.sign
    for order in held.of(STOP):
        if not order.is_open or order.trigger_price is None:
            continue
        if held.best_stop is not None and (order.trigger_price - held.best_stop) * sign < 0:
            text = f"the stop went back from {held.best_stop} to {order.trigger_price}"
            raise Violated("I4", held.trade.trade_id, text)
        if (order.trigger_price - held.trade.stop_price) * sign >= 0:
            held.best_stop = held.trade.stop_price  # not where a hand in the app may have moved it to


def bare(held: Held, quantity: Decimal) -> bool:
    """Whether a target is filled, and leaving at a stop that stands there would lose money."""
    if quantity <= 0 or held.trade.phase in {Phase.CLOSING, Phase.CLOSED} or stop_fired(held):
        return False
    if not any(order.status == "Filled" for order in held.of(TARGET)):
        return False
    stops = [order.trigger_price for order in held.of(STOP) if order.is_open and order.trigger_price is not None]
    return any(lost_at(held, quantity, stop) > 0 for stop in stops)


def lost_at(held: Held, quantity: Decimal, stop: Decimal) -> Decimal:
    """What leaving at a stop would lose by the exchange's own record, both fees and funding counted (USDT)."""
    trade = held.trade
    entries = list(held.of(ENTRY))
    average = sum((order.cum_value for order in entries), ZERO) / held.entered
    fees = sum((order.cum_fee for order in entries), ZERO) * quantity / held.entered
    fees += quantity * stop * trade.fees.taker + trade.funding_since_entry_usdt
    return fees - (stop - average) * trade.side.sign * quantity
