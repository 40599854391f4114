"""I17: a trailing stop keeps its distance: never nearer to the best price there was, and no farther than a step.

*Nearer* is judged when a move becomes durable, by every price the world has had since the first fill. *Farther* is
judged after 8 s by the best price that stood for a second while nothing excused the daemon from seeing it; a fresh run
knows the best price of its last move only, so that is where the record begins anew. That a stop is never loosened,
by whatever rule, is I4's.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages.trading import StopPriceMoved
from actors.model.trade import Phase, Trade
from adapters.assembly.simulation.invariants.cover import stop_fired
from adapters.assembly.simulation.invariants.held import STOP, Held
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.assembly.simulation.invariants.violation import Violated

STOOD_SECONDS = 1.0
STEP, STEP_TICKS = Decimal("0.1"), 3  # of the distance; smaller moves are not made


def check_moved(before: Trade, held: Held, fact: StopPriceMoved, prices: PriceRecord) -> None:
    """I17: the move follows a price that there was since the first fill, at the asked distance, and only tightens."""
    rule = before.plan.exits.trailing
    if fact.reason != "trailing":
        return
    sign, tick = before.side.sign, before.instrument.tick_size
    if rule is None or fact.best_price is None or (fact.stop_price - before.stop_price) * sign <= 0:
        raise Violated("I17", before.trade_id, f"its stop trails from {before.stop_price} to {fact.stop_price}")
    seen = prices.since(before.plan.symbol, held.filled_at if held.filled_at is not None else 0.0)
    if not any((price - fact.best_price) * sign >= 0 for price in seen):
        raise Violated("I17", before.trade_id, f"it follows {fact.best_price}, and no price was there since its fill")
    gap = (fact.best_price - fact.stop_price) * sign - rule.distance.at(fact.best_price)
    if not 0 <= gap < tick:
        text = f"its stop at {fact.stop_price} is {gap} off its distance from {fact.best_price}"
        raise Violated("I17", before.trade_id, text)
    average = before.average_entry_price or fact.best_price
    if before.best_price is None and (fact.best_price - average) * sign < rule.activation.at(average):
        raise Violated("I17", before.trade_id, f"it trails from {fact.best_price}, {average} was paid: not activated")


def note_price(held: Held, stood: tuple[float, Decimal] | None, now: float, *, excused: bool) -> None:
    """Note that a price has gone which stood since then. `excused`: the daemon may not have seen it."""
    trade = held.trade
    if trade.plan.exits.trailing is None:
        return
    if excused or not trade.open_quantity:
        held.trailed, held.trails_since = None, now
        return
    if stood is not None and stood[0] >= held.trails_since and now - stood[0] >= STOOD_SECONDS:
        price = stood[1]
        if held.trailed is None or (price - held.trailed) * trade.side.sign > 0:
            held.trailed = price


def forget(held: Held, now: float) -> None:
    """A fresh run, or life of the monitor: it has seen nothing yet."""
    held.trailed, held.trails_since = None, now


def loose(held: Held) -> bool:
    """Whether the own stop is farther behind the best price than it was asked to be, by a step."""
    trade, rule = held.trade, held.trade.plan.exits.trailing
    if rule is None or trade.phase in {Phase.CLOSING, Phase.CLOSED} or stop_fired(held):
        return False
    average, sign = trade.average_entry_price, trade.side.sign
    best = max((each * sign for each in (held.trailed, trade.best_price) if each is not None), default=None)
    if best is None or average is None or not trade.open_quantity:
        return False
    best *= sign
    by_person = trade.stop_moved_by == "person" or trade.loosening is not None or trade.asked_stop is not None
    if by_person and (held.followed_until is None or (best - held.followed_until) * sign <= 0):
        return False
    if trade.best_price is None and (best - average) * sign < rule.activation.at(average):
        return False
    distance, tick = rule.distance.at(best), trade.instrument.tick_size
    least = best - sign * (distance + tick + max(STEP * distance, STEP_TICKS * tick))
    triggers = [order.trigger_price for order in held.of(STOP) if order.is_open and order.trigger_price is not None]
    return any((trigger - least) * sign < 0 for trigger in triggers)
