"""I4: once its target is filled the stop stands at breakeven, costs included; no stop ever moves against its trade.

By the plan the target is the first, a later one, or none, and the stop follows the targets that fill. Where the stop
belongs is never looser than before, whatever rule moved it; a net target's first place, before anything was asked for
there, is only the plan's guess.
A person may put it anywhere inside the backstop (I21 says when); from there the rules go on and only tighten, and steps
for targets that had filled by then are over.
Exempt: a trade that leaves or whose stop has fired; 5 s for the move, and what a fault may have delayed. Where the
daemon lost its memory it may work out again where the stop belongs; what has been seen at the exchange stays the least.
"""

from __future__ import annotations

from decimal import Decimal

from actors.model.trade import Phase, Role
from adapters.assembly.simulation.invariants.cover import stop_fired
from adapters.assembly.simulation.invariants.held import ENTRY, STOP, TARGET, ZERO, Held, role
from adapters.assembly.simulation.invariants.violation import Violated


def check_never_loosened(held: Held) -> None:
    """I4: where the stop belongs never goes back."""
    trade = held.trade
    if trade.plan.exits.net is not None and not trade.of(Role.STOP):
        return
    if held.best_stop is not None and (trade.stop_price - held.best_stop) * trade.side.sign < 0:
        text = f"the stop went back from {held.best_stop} to {trade.stop_price}"
        raise Violated("I4", trade.trade_id, text)
    held.best_stop = trade.stop_price


def forget(held: Held) -> None:
    """Go on from what the trade still knows of its stop."""
    guessed = held.trade.plan.exits.net is not None and not held.trade.of(Role.STOP)
    held.best_stop = None if guessed else held.trade.stop_price


def moved_by_person(held: Held) -> None:
    """A person has put the stop elsewhere, or their price was not taken: it is judged from there on."""
    held.best_stop, held.reached_stop = held.trade.stop_price, None
    held.followed_until = held.trade.best_price


def loosened(held: Held) -> bool:
    """Whether a stop at the exchange is behind where one was before: nobody but a hand in the app may do that."""
    sign = held.trade.side.sign
    triggers = [order.trigger_price for order in held.of(STOP) if order.is_open and order.trigger_price is not None]
    best, reached = held.best_stop, held.reached_stop
    arrived = best is not None and any((trigger - best) * sign >= 0 for trigger in triggers)
    if best is not None and arrived and (reached is None or (best - reached) * sign > 0):
        held.reached_stop = reached = best
    return reached is not None and any((trigger - reached) * sign < 0 for trigger in triggers)


def bare(held: Held, quantity: Decimal) -> bool:
    """Whether a target is filled, and leaving at a stop that stands there would lose money."""
    if quantity <= 0 or held.trade.phase in {Phase.CLOSING, Phase.CLOSED} or stop_fired(held):
        return False
    after = held.trade.plan.exits.breakeven_after
    if _put_elsewhere(held):
        return False
    if after is None or not any(
        order.status == "Filled" and int(role(order)[1:]) >= after for order in held.of(TARGET)
    ):
        return False
    stops = [order.trigger_price for order in held.of(STOP) if order.is_open and order.trigger_price is not None]
    return any(lost_at(held, quantity, stop) > 0 for stop in stops)


def behind(held: Held, quantity: Decimal) -> bool:
    """Whether the stop is farther out than the target before the farthest filled one, where the plan follows those."""
    trade, after = held.trade, held.trade.plan.exits.follow_after
    if after is None or quantity <= 0 or trade.phase in {Phase.CLOSING, Phase.CLOSED} or stop_fired(held):
        return False
    farthest = max((int(role(order)[1:]) for order in held.of(TARGET) if order.status == "Filled"), default=0)
    if farthest < max(2, after) or farthest <= trade.heeded_rung or trade.asked_stop is not None:
        return False
    least = trade.rung_prices[farthest - 2]
    stops = [order.trigger_price for order in held.of(STOP) if order.is_open and order.trigger_price is not None]
    return any((stop - least) * trade.side.sign < 0 for stop in stops)


def _put_elsewhere(held: Held) -> bool:
    """Whether a person has moved the stop away from breakeven, or their price has no answer yet."""
    trade = held.trade
    return trade.asked_stop is not None or (trade.moved_to_breakeven and trade.stop_moved_by == "person")


def lost_at(held: Held, quantity: Decimal, stop: Decimal) -> Decimal:
    """What leaving at a stop would lose by the exchange's own record, both fees and funding counted (USDT)."""
    trade = held.trade
    entries = list(held.of(ENTRY))
    average = sum((order.cum_value for order in entries), ZERO) / held.entered
    fees = sum((order.cum_fee for order in entries), ZERO) * quantity / held.entered
    fees += quantity * stop * trade.fees.taker + trade.funding_since_entry_usdt
    return fees - (stop - average) * trade.side.sign * quantity
