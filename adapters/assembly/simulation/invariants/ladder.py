"""I3: exits only reduce; targets never come to more than is held; the ladder keeps its shares to the lot step.

While the safety state is halted, nothing is added to them. Exempt: shares while it is halted, and of a net target whose
price is not worked out yet; shares where a rung is too small for an order of its own (it merges, as the design says) or
where a target has filled already (what sold counts then). Both sums may be off for 5 s, and for what a fault may have
delayed; what is *asked for* may never be, not for an instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from actors.messages.trading import AmendRequested, OrderRequested
from actors.model.trade import Phase, Role, Trade
from adapters.assembly.simulation.invariants.held import ENTRY, TARGET, ZERO, Held, role
from adapters.assembly.simulation.invariants.violation import Violated


def check_exits_only_reduce(held: Held) -> None:
    """I3: whatever is no entry can only shrink the position."""
    for order in held.orders:
        if role(order)[0] != ENTRY and not order.reduce_only:
            raise Violated("I3", order.link_id, "an exit that is not reduce-only")


def check_asked(after: Trade, fact: Any) -> None:
    """I3: with this request on its way, the targets could at most sell what the trade believes open."""
    if not isinstance(fact, OrderRequested | AmendRequested):
        return
    leg = after.leg(fact.order.client_order_id if isinstance(fact, OrderRequested) else fact.client_order_id)
    if leg is None or leg.role is not Role.TARGET:
        return
    if isinstance(fact, AmendRequested) and (fact.quantity is None or fact.quantity <= leg.quantity):
        return
    exposed = sum((each.exposed_quantity for each in after.of(Role.TARGET)), ZERO)
    if after.halted:
        raise Violated("I19", leg.client_order_id, "a target is added while the safety state is halted")
    if exposed > after.open_quantity:
        text = f"asks for targets of {exposed} in all and believes {after.open_quantity} open"
        raise Violated("I3", leg.client_order_id, text)


def oversold(held: Held, quantity: Decimal) -> bool:
    """Whether the targets at the exchange come to more than is held."""
    return held.resting_targets > max(ZERO, quantity)


def skewed(held: Held, quantity: Decimal) -> bool:
    """Whether a rung is further than one step from its share of what is held, or one rests that was taken away."""
    trade = held.trade
    if trade.taken_targets and trade.phase not in {Phase.CLOSING, Phase.CLOSED}:
        resting_places = {int(role(order)[1:]) for order in held.of(TARGET) if order.is_open}
        if resting_places & trade.taken_targets:
            return True
    if trade.phase not in {Phase.BUILDING, Phase.MONITORING} or quantity < trade.instrument.min_quantity:
        return False
    if unpriced(trade) or trade.halted:
        return False
    shares = shares_of(trade)
    if any(order.cum_qty for order in held.of(TARGET)) or not _each_rung_is_an_order(trade, shares, quantity):
        return False
    resting = dict.fromkeys(range(1, len(trade.plan.rungs) + 1), ZERO)
    for order in held.of(TARGET):
        if order.is_open:
            resting[int(role(order)[1:])] += order.leaves
    step = trade.instrument.quantity_step
    return any(abs(resting[index] - share * quantity) >= step for index, share in enumerate(shares, start=1))


def shares_of(trade: Trade) -> tuple[Decimal, ...]:
    """Give what each target is for, as fractions: those that a person took away are for nothing, the others for it."""
    left = [
        ZERO if index in trade.taken_targets else rung.fraction for index, rung in enumerate(trade.plan.rungs, start=1)
    ]
    whole = sum(left, ZERO)
    return tuple(each / whole if whole else ZERO for each in left)


def unpriced(trade: Trade) -> bool:
    """Whether it is not known yet where the target belongs."""
    return trade.plan.exits.net is not None and trade.target_price is None


def _each_rung_is_an_order(trade: Trade, shares: Iterable[Decimal], quantity: Decimal) -> bool:
    rules = trade.instrument
    for part, price in zip(shares, trade.rung_prices, strict=True):
        share = part * quantity - rules.quantity_step
        if part and (share < rules.min_quantity or share * price < rules.min_notional_usdt):
            return False
    return True
