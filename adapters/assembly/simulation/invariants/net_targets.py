"""I16: a net target nets what was asked for, its stop loses no more, its floor is left as promised; never two exits.

Worked out again from the trade's fills, without the daemon's formulas. Exempt from the result: trades of which anything
but targets has sold, and targets that a hand in the app has moved; a taker's fee where a target crossed the market
counts as a maker's. Funding stands apart.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from actors.messages.exit_facts import FloorArmed, TargetPriceMoved
from actors.messages.trading import ExitReason, ExitStarted, OrderRequested, StopPriceMoved, TradeClosed
from actors.model.trade import Phase, Role, Trade
from adapters.assembly.simulation.invariants.held import TARGET, ZERO, Held
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.assembly.simulation.invariants.results import CENT, result_of
from adapters.assembly.simulation.invariants.violation import Violated

EXACT = Decimal("0.000001")  # USDT; for quotients that end nowhere
SEEN_SECONDS = 40.0  # a price is believed for 30 s, and told within a few


def check_fact(before: Trade, held: Held, fact: Any, prices: PriceRecord, now: float) -> None:
    """Judge a fact that has become durable."""
    if isinstance(fact, OrderRequested):
        _check_one_exit(before, fact)
    net = before.plan.exits.net
    if net is None:
        return
    if isinstance(fact, StopPriceMoved) and fact.reason == "net":
        _check_stop(before, fact, net.stop_usdt)
    elif isinstance(fact, TargetPriceMoved):
        _check_target(before, fact, net.target_usdt)
    elif isinstance(fact, FloorArmed):
        _check_armed(before, held, fact, prices, now)
    elif isinstance(fact, ExitStarted) and fact.reason is ExitReason.FLOOR:
        _check_floor(before, held, prices, now)
    elif isinstance(fact, TradeClosed):
        _check_result(held, net.target_usdt)


def net_at(trade: Trade, price: Decimal, rate: Decimal, *, pending: bool = False) -> Decimal:
    """What a trade nets when all it holds leaves at a price and rate; `pending`: and all that may still fill (USDT)."""
    average = trade.average_entry_price or ZERO
    quantity, entered = trade.open_quantity, trade.entered_quantity
    value, fees = average * quantity, trade.entry_fee_usdt * quantity / entered
    for leg in trade.of(Role.ENTRY) if pending else ():
        if leg.live:
            left, at = leg.quantity - leg.filled_quantity, average if leg.price is None else leg.price
            quantity, value = quantity + left, value + left * at
            fees += left * at * (trade.fees.taker if leg.price is None else trade.fees.maker)
    return (price * quantity - value) * trade.side.sign - fees - rate * price * quantity + trade.realised_pnl_usdt


def _check_stop(before: Trade, fact: StopPriceMoved, loss: Decimal) -> None:
    """Its trigger loses at most the loss, and a tick farther out more, unless the backstop is there."""
    step = before.instrument.tick_size * before.side.sign
    made = -net_at(before, fact.stop_price, before.fees.taker, pending=True)
    farther = -net_at(before, fact.stop_price - step, before.fees.taker, pending=True)
    at_backstop = fact.stop_price == before.backstop_price + step
    if made > loss + EXACT or (farther <= loss - EXACT and not at_backstop):
        text = f"its stop at {fact.stop_price} loses {made}, a tick farther out {farther}, meant were {loss}"
        raise Violated("I16", before.trade_id, text)


def _check_target(before: Trade, fact: TargetPriceMoved, target: Decimal) -> None:
    """It nets at least the target, and a tick nearer less."""
    step = before.instrument.tick_size * before.side.sign
    made = net_at(before, fact.target_price, before.fees.maker)
    nearer = net_at(before, fact.target_price - step, before.fees.maker)
    if made < target - EXACT or nearer >= target + EXACT:
        text = f"its target at {fact.target_price} nets {made}, a tick nearer {nearer}, meant were {target}"
        raise Violated("I16", before.trade_id, text)


def _check_armed(before: Trade, held: Held, fact: FloorArmed, prices: PriceRecord, now: float) -> None:
    floor, known = before.plan.exits.net, _known(held, prices, now)
    if floor is None or floor.floor_usdt is None or fact.price not in known:
        raise Violated("I16", before.trade_id, f"its floor was armed at {fact.price}, which was no price")
    made = net_at(before, fact.price, before.fees.taker)
    if made <= floor.floor_usdt:
        raise Violated("I16", before.trade_id, f"its floor {floor.floor_usdt} was armed at a net of {made}")


def _check_floor(before: Trade, held: Held, prices: PriceRecord, now: float) -> None:
    known = _known(held, prices, now)
    if not before.floor_armed or not any(floor_met(before, price) for price in known):
        raise Violated("I16", before.trade_id, f"it leaves at a floor that was not armed or not met by {known}")


def _known(held: Held, prices: PriceRecord, now: float) -> list[Decimal]:
    """Give what may be believed now: none from before the first fill, which has left those prices behind."""
    filled = now if held.filled_at is None else held.filled_at
    return prices.since(held.trade.plan.symbol, max(now - SEEN_SECONDS, filled))


def floor_met(trade: Trade, price: Decimal | None) -> bool:
    """Whether an armed floor is to be left at this price."""
    net = trade.plan.exits.net
    if price is None or net is None or net.floor_usdt is None or not trade.floor_armed or not trade.open_quantity:
        return False
    if trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return False
    return net_at(trade, price, trade.fees.taker) <= net.floor_usdt


def _check_one_exit(before: Trade, fact: OrderRequested) -> None:
    """Whoever leaves at the market has no target resting, and no other close on its way."""
    if fact.role is not Role.EXIT:
        return
    beside = [leg.client_order_id for leg in before.of(Role.TARGET, Role.EXIT) if leg.live]
    if beside:
        raise Violated("I3", fact.order.client_order_id, f"is a second exit beside {beside}")


def _check_result(held: Held, target: Decimal) -> None:
    trade = held.trade
    by_others = trade.reductions or held.forgotten or held.planned_before
    filled = [order for order in held.orders if order.cum_qty and order.link_id.split("-")[2][0] != "E"]
    ours = {leg.client_order_id: leg.price for leg in trade.of(Role.TARGET)}
    if not filled or by_others or any(ours.get(order.link_id) != order.price for order in filled):
        return
    dearer = sum((order.cum_fee - order.cum_value * trade.fees.maker for order in held.of(TARGET)), ZERO)
    made = result_of(held) + max(ZERO, dearer)
    if made < target - CENT:
        raise Violated("I16", trade.trade_id, f"its target filled and brought {made}, {target} were meant")
