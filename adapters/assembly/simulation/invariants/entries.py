"""I5, I6 for entries: bounded ones leave at the journalled bound and fill no farther; what is over never comes back.

A market entry with a bound is one limit order at that price that does not rest; a fast trade has one entry order in all
its life. The bound itself lies as far from a price of the last minutes as the plan allows. Exempt: a trade whose
opening a lost memory has forgotten may meet the order of its first opening, at that one's bound.
"""

from __future__ import annotations

from actors.messages.trading import OrderRequested, TradeOpened
from actors.model.trade import Role, Trade
from actors.model.trade_plan import Approach
from adapters.assembly.simulation.invariants.held import ENTRY, Held, role
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.assembly.simulation.invariants.violation import Violated

READ_SECONDS = 120.0  # an opening's steps take 15 s each at the most


def check_bound(prices: PriceRecord, fact: TradeOpened, now: float) -> None:
    """I5: the bound of a market entry is the plan's slippage away from a price there was, on the tick."""
    plan = fact.sized.plan
    bounds = {entry.bound_price for entry in fact.sized.entries if entry.price is None}
    if plan.slippage is None:
        bounds -= {None}
    known = prices.since(plan.symbol, now - READ_SECONDS)
    tick = fact.instrument.tick_size
    for bound in bounds:
        far = [price * (1 + plan.position_side.sign * plan.slippage) for price in known if plan.slippage is not None]
        if bound is None or (known and not any(0 <= (each - bound) * plan.position_side.sign < tick for each in far)):
            text = f"its bound is {bound}, with {plan.slippage} to slip from any of {sorted({*known})}"
            raise Violated("I5", fact.trade_id, text)


def check_asked(before: Trade, held: Held, fact: OrderRequested) -> None:
    """I5: an entry is asked for at its price or bound, only while entries are wanted."""
    if fact.role is not Role.ENTRY:
        return
    order, entry = fact.order, before.sized.entries[fact.index - 1]
    wanted = (
        (entry.bound_price, True) if entry.price is None and entry.bound_price is not None else (entry.price, False)
    )
    if (order.price, order.immediate) != wanted:
        text = f"asks for {order.price} (immediate {order.immediate}), journalled were {entry}"
        raise Violated("I5", order.client_order_id, text)
    if before.entries_expired:
        raise Violated(
            "I6", order.client_order_id, f"entries are over ({before.entries_expired}), and one is asked for"
        )
    again = [leg.client_order_id for leg in before.of(Role.ENTRY)]
    if before.plan.approach is Approach.FAST and again and not (held.forgotten or held.planned_before):
        raise Violated("I1", order.client_order_id, f"is another entry of a fast trade, beside {again}")


def check_filled(held: Held) -> None:
    """I5: no bounded entry fills beyond its bound; a fast trade has one entry order."""
    if held.forgotten or held.planned_before or not held.bounded:
        return
    trade, entries = held.trade, list(held.of(ENTRY))
    if trade.plan.approach is Approach.FAST and len(entries) > 1:
        raise Violated("I1", trade.trade_id, f"{len(entries)} entry orders of a fast trade")
    for order in entries:
        bound = trade.sized.entries[int(role(order)[1:]) - 1].bound_price
        if bound is None:
            continue
        if order.price != bound or order.time_in_force != "IOC":
            text = f"is {order.time_in_force} at {order.price}, its journalled bound is {bound}"
            raise Violated("I5", order.link_id, text)
        if (order.cum_value - bound * order.cum_qty) * trade.side.sign > 0:
            text = f"filled {order.cum_qty} for {order.cum_value}, beyond {bound}"
            raise Violated("I5", order.link_id, text)
