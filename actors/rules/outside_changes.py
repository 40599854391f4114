"""What somebody has changed at the exchange itself, where the plan says that it is respected.

    our stop stands elsewhere, inside the backstop  -> that is where it belongs (StopPriceMoved)
    a target rests elsewhere                        -> likewise (TargetSet)
    a target was cancelled by a person              -> it stays away (TargetSet without a price)

All else is put back: quantities, entries, a cancelled stop, a stop at or beyond the backstop (which would fire first,
and whose loss nobody has confirmed). A report that may be older than our own last change of the order counts for
nothing.

Enters: a trade before and after a report. Stays out: orders, alerts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from actors.messages.exit_facts import TargetSet
from actors.messages.orders import OrderReported
from actors.messages.trading import StopPriceMoved
from actors.model.trade import Leg, LegState, Role, Trade
from actors.model.trade_plan import Policy
from actors.rules.price_seen import SeenPrice
from actors.rules.stop_steps import highest_rung
from actors.rules.trailing import best_seen

OLD_SECONDS = 5.0  # a report from sooner after our own change may show what was before it
BY = "somebody at the exchange"
CANCELLED_BY_PERSON = "CancelByUser"


def respected(
    before: Trade, trade: Trade, fact: Any, seen: SeenPrice | None, now: datetime
) -> StopPriceMoved | TargetSet | None:
    """Give what a report brings about under the policy respect; None: nothing, or it is put back."""
    if trade.plan.policy is not Policy.RESPECT or not isinstance(fact, OrderReported) or not trade.open_quantity:
        return None
    name = fact.order.client_order_id or ""
    was, leg = before.leg(name), trade.leg(name)
    if was is None or leg is None or not _sure(was, leg, fact):
        return None
    if leg.role is Role.STOP:
        return _stop(trade, was, leg, seen, now)
    if leg.role is Role.TARGET and trade.plan.exits.net is None and leg.index not in trade.taken_targets:
        return _target(trade, was, leg, now)
    return None


def _sure(was: Leg, leg: Leg, fact: OrderReported) -> bool:
    """Nothing of ours was on its way, or had just arrived."""
    at = fact.read_at or fact.order.updated_at
    ours = max(each for each in (leg.requested_at, leg.settled_at) if each is not None)
    quiet = was.state is LegState.LIVE and was.pending is None and leg.pending is None
    return quiet and not was.in_doubt and at is not None and (at - ours).total_seconds() >= OLD_SECONDS


def _stop(trade: Trade, was: Leg, leg: Leg, seen: SeenPrice | None, now: datetime) -> StopPriceMoved | None:
    price = leg.trigger_price
    if price is None or not leg.live or leg.filled_quantity or was.trigger_price != trade.stop_price:
        return None
    inside = (price - trade.backstop_price) * trade.side.sign > 0
    if price == trade.stop_price or not inside:
        return None
    return StopPriceMoved(
        stop_price=price,
        reason="person",
        lines=("moved at the exchange itself; the trade keeps it (policy respect)",),
        moved_at=now,
        best_price=best_seen(trade, seen),
        by=BY,
        heeded_rung=highest_rung(trade),
    )


def _target(trade: Trade, was: Leg, leg: Leg, now: datetime) -> TargetSet | None:
    place = trade.rung_prices[leg.index - 1]
    moved = leg.live and leg.price is not None and was.price == place != leg.price
    cancelled = (
        leg.state is LegState.CANCELLED
        and not leg.cancelled_by_us
        and not leg.reduced_away
        and CANCELLED_BY_PERSON in leg.text
    )
    if not moved and not cancelled:
        return None
    price = leg.price if moved else None
    return TargetSet(place=leg.index, price=price, before=place, by=BY, command_id="", set_at=now)
