"""Races: an order is filled while a request about it is on its way, or just after the exchange has said yes to it.

Enters: a request as it reaches the exchange. Stays out: when that happens (faults), whether anybody notices.
Bybit's answer to a write only says that it was taken; what becomes of it the stream tells. Somebody trades with the
resting order at its own price: one lot, a part, all but one lot, or everything. Only near the market: nobody could
trade with one far from it, and what such a fill asks for next the exchange takes at no price.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from adapters.simulated import matching
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.records import Order
from adapters.simulated.venue import Market

_REACH = Decimal("0.02")  # how far the price may dart to fire a stop, or to reach an order


def concerned(bybit: LocalBybit, account: str, params: dict[str, Any]) -> Order | None:
    """Find the open order a request is about."""
    owner = bybit.exchange.venue.accounts[account]
    order = owner.orders.get(owner.by_link_id.get(str(params.get("orderLinkId", "")), ""))
    return order if order is not None and order.is_open else None


def overtake(bybit: LocalBybit, order: Order, dice: Random) -> str:
    """Have something happen to an order before the request arrives; give it in words, "" when nothing can."""
    venue = bybit.exchange.venue
    market = venue.markets[order.symbol]
    if order.is_conditional:
        trigger = order.trigger_price or market.last
        if order.trigger_by not in {"", "LastPrice"} or not _near(market, trigger):
            return ""
        bybit.driver.move({order.symbol: (trigger, None)})
        return f"the price darts to {trigger}"
    if not _near(market, order.price):
        return ""
    quantity = part_of(order.leaves, market.instrument.quantity_step, dice)
    matching.fill_resting(venue, order, quantity)
    return f"{quantity} of it is filled"


def _near(market: Market, price: Decimal) -> bool:
    return abs(price / market.last - 1) <= _REACH


def part_of(leaves: Decimal, step: Decimal, dice: Random) -> Decimal:
    """Draw a part of an order, down to one lot and up to the whole."""
    lots = max(1, int(leaves / step))
    return step * dice.choice((1, 1, max(1, lots // 2), max(1, lots - 1), lots))
