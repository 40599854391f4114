"""I1: what a trade is told and believes of its orders is true: outcomes, ends, fills, excess, and its own end.

An outcome comes within a minute of the last trouble and is what the exchange did: an order that was placed is there, a
change that is done reached it, one that was refused is not in force. What has ended lives again only where the
exchange has it open, what was counted stays counted. Excess is passed on only where more was truly sold than bought. A
trade closes once its orders are over and two readings of its position have agreed since its last fill.
Exempt: a change whose effect is there already, whoever brought it about; what a lost memory may ask for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from actors.messages.accounts import PositionVerified
from actors.messages.orders import AmendOrder, CancelOrder, EffectSettled, OrderReported, PlaceOrder, Settlement
from actors.messages.trading import ExcessPassedOn, ExitStarted, TradeClosed
from actors.model.trade import Leg, LegState, PendingChange, Trade
from adapters.assembly.simulation.invariants.held import ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Order

# A lane is given up after 12 s; then the order is looked up until a look proves something, 6 s later.
OUTCOME_SECONDS = 60.0
JUST_ENDED_MS = 10_000  # a reading that listed it as open may be on its way for so long


@dataclass(slots=True)
class Arrivals:
    """When requests about an order last arrived at the exchange (monotonic seconds), and when they were promised."""

    promised: dict[str, float] = field(default_factory=dict)  # by effect key
    waiting: dict[str, PlaceOrder | AmendOrder | CancelOrder] = field(default_factory=dict)  # by effect key
    changed: dict[tuple[str, bool], float] = field(default_factory=dict)  # by client order id, and whether cancelled

    def promise(self, effect_key: str, request: object, now: float) -> None:
        if isinstance(request, PlaceOrder | AmendOrder | CancelOrder):
            self.promised[effect_key] = now
            self.waiting[effect_key] = request

    def check_in_time(self, now: float, excused_until: Callable[[str, str], float]) -> None:
        """Judge requests that have no outcome yet. `excused_until`: by the trade and the order."""
        for key, request in self.waiting.items():
            since = self.promised[key]
            if now - since <= OUTCOME_SECONDS:
                return  # the others are younger
            order = request.order.client_order_id if isinstance(request, PlaceOrder) else request.client_order_id
            waited = now - max(since, excused_until(request.trade_id, order))
            if waited > OUTCOME_SECONDS:
                raise Violated("I1", key, f"has no outcome {now - since:.0f} s after it was promised")

    def reached(self, client_order_id: str, effect_key: str, *, cancels: bool) -> bool:
        """Whether a change of this kind arrived since it was promised."""
        arrived = self.changed.get((client_order_id, cancels))
        return arrived is not None and arrived >= self.promised.get(effect_key, arrived)


def check_fact(before: Trade, held: Held, fact: Any, arrivals: Arrivals, *, now_ms: int) -> None:
    """Judge a fact that has become durable. `before`: the trade without it; `held.trade` has it."""
    if isinstance(fact, EffectSettled):
        _check_outcome(before, held, fact, arrivals)
    elif isinstance(fact, ExcessPassedOn):
        _check_excess(before, held, fact)
    elif isinstance(fact, PositionVerified):
        held.verified_at = traded(held.trade)
    elif isinstance(fact, ExitStarted):
        held.verified_at = None
    elif isinstance(fact, TradeClosed):
        _check_closed(before, held)
    _check_kept(before, held, fact, now_ms=now_ms)


# --- outcomes ------------------------------------------------------------------------------------------------------
def _check_outcome(before: Trade, held: Held, fact: EffectSettled, arrivals: Arrivals) -> None:
    for leg in before.legs:
        order = next((each for each in held.orders if each.link_id == leg.client_order_id), None)
        if leg.place_key == fact.effect_key:
            _check_place(held, leg, order, fact)
        elif leg.pending is not None and leg.pending.effect_key == fact.effect_key:
            _check_change(leg, leg.pending, order, fact, arrivals)


def _check_place(held: Held, leg: Leg, order: Order | None, fact: EffectSettled) -> None:
    if fact.settlement is Settlement.DONE:
        if order is None:
            raise Violated("I1", leg.client_order_id, "is said to be placed, and never was")
        return
    after = held.trade.leg(leg.client_order_id)
    believed = after is not None and after.state is LegState.REJECTED  # else a report said better already
    if believed and order is not None and (order.is_open or order.cum_qty):
        raise Violated("I1", leg.client_order_id, f"is believed to be {fact.settlement}, and the exchange has it")


def _check_change(
    leg: Leg, change: PendingChange, order: Order | None, fact: EffectSettled, arrivals: Arrivals
) -> None:
    done = fact.settlement is Settlement.DONE
    if not done or order is None or not order.is_open:
        return
    wanted = (change.quantity, change.price, change.trigger_price)
    there = (order.qty, order.price, order.trigger_price)
    in_force = not change.cancels and all(each in {None, found} for each, found in zip(wanted, there, strict=True))
    if not in_force and not arrivals.reached(leg.client_order_id, fact.effect_key, cancels=change.cancels):
        what = "cancelled" if change.cancels else "amended"
        raise Violated("I1", leg.client_order_id, f"is said to be {what}, and nothing reached the exchange")


# --- what is believed ----------------------------------------------------------------------------------------------
def _check_kept(before: Trade, held: Held, fact: Any, *, now_ms: int) -> None:
    if held.trade.legs is before.legs:
        return
    known = {leg.client_order_id: leg for leg in before.legs}
    for leg in held.trade.legs:
        earlier = known.get(leg.client_order_id)
        if earlier is None or earlier is leg:
            continue
        if leg.filled_quantity < earlier.filled_quantity:
            text = f"counted {earlier.filled_quantity} and now {leg.filled_quantity}"
            raise Violated("I1", leg.client_order_id, text)
        if earlier.state.terminal and not leg.state.terminal:
            _check_lives_again(earlier, held, fact, now_ms=now_ms)


def _check_lives_again(ended: Leg, held: Held, fact: Any, *, now_ms: int) -> None:
    order = next((each for each in held.orders if each.link_id == ended.client_order_id), None)
    if order is not None and order.is_open:
        return
    # It may have ended after the exchange was read; what the stream tells is no reading.
    read = isinstance(fact, OrderReported) and (fact.read_at is not None or ended.state is LegState.FILLED)
    if not read or order is None or order.updated_ms < now_ms - JUST_ENDED_MS:
        raise Violated("I1", ended.client_order_id, f"was {ended.state}, lives again here, and not at the exchange")


def _check_excess(before: Trade, held: Held, fact: ExcessPassedOn) -> None:
    if held.forgotten or held.planned_before:
        return
    booked = sum((each.quantity for each in before.reductions), ZERO)
    sold = held.sold + booked
    if fact.quantity > sold - held.entered:
        text = f"passed on {fact.quantity} as sold too much: it bought {held.entered} and sold {sold}"
        raise Violated("I1", held.trade.trade_id, text)


# --- its end -------------------------------------------------------------------------------------------------------
def traded(trade: Trade) -> Decimal:
    """Sum up what has been bought and sold, booked shares included: it grows with every fill."""
    booked = sum((abs(each.quantity) for each in trade.reductions), ZERO)
    return sum((leg.filled_quantity for leg in trade.legs), booked)


def _check_closed(before: Trade, held: Held) -> None:
    living = [leg.client_order_id for leg in before.legs if not leg.state.terminal]
    if living:
        raise Violated("I1", held.trade.trade_id, f"was closed with orders that were not over: {living}")
    if held.verified_at != traded(before):
        text = "was closed without two readings of its position that agreed since its last fill"
        raise Violated("I1", held.trade.trade_id, text)
