"""What somebody has changed at the exchange itself, where the plan says that it is respected, or asked about.

    our stop stands elsewhere, inside the backstop  -> that is where it belongs (StopPriceMoved)
    a target rests elsewhere                        -> likewise (TargetSet)
    a target was cancelled by a person              -> it stays away (TargetSet without a price)
    our stop was cancelled by a person              -> placed again, and asked about under both policies
    any of these, under policy ask                  -> asked about (OutsideChangeAsked)

All else is put back: quantities, entries, a stop at or beyond the backstop (which would fire first,
and whose loss nobody has confirmed). A report that may be older than our own last change of the order counts for
nothing.

Enters: a trade before and after a report. Stays out: orders, alerts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from actors.messages.exit_facts import OutsideChangeAnswered, OutsideChangeAsked, TargetSet
from actors.messages.orders import OrderReported
from actors.messages.trading import StopPriceMoved
from actors.model.outside import OutsideKind
from actors.model.trade import Leg, LegState, Role, Trade
from actors.model.trade_plan import Policy
from actors.rules.outside_questions import ask, left_there, open_question, runs_without_stop
from actors.rules.price_seen import SeenPrice
from actors.rules.stop_steps import highest_rung
from actors.rules.trailing import best_seen

OLD_SECONDS = 5.0  # a report from sooner after our own change may show what was before it
BY = "somebody at the exchange"
CANCELLED_BY_PERSON = "CancelByUser"


Fact: TypeAlias = StopPriceMoved | TargetSet | OutsideChangeAsked | OutsideChangeAnswered


def respected(before: Trade, trade: Trade, fact: Any, seen: SeenPrice | None, now: datetime) -> Fact | None:
    """Give what a report brings about under the policies respect and ask; None: nothing, or it is put back."""
    if trade.plan.policy is Policy.RESTORE or not isinstance(fact, OrderReported) or not trade.open_quantity:
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


def _cancelled(leg: Leg) -> bool:
    """A person has cancelled it at the exchange."""
    ours = leg.cancelled_by_us or leg.reduced_away
    return leg.state is LegState.CANCELLED and not ours and CANCELLED_BY_PERSON in leg.text


def _stop(trade: Trade, was: Leg, leg: Leg, seen: SeenPrice | None, now: datetime) -> Fact | None:
    price, belongs = leg.trigger_price, trade.stop_price
    if _cancelled(leg) and not leg.filled_quantity:
        return None if runs_without_stop(trade) else ask(trade, OutsideKind.STOP_GONE, None, now)
    stood = left_there(trade, "stop", was.trigger_price, belongs)
    if price is None or not leg.live or leg.filled_quantity or was.trigger_price != stood:
        return None
    if price == stood or (price - trade.backstop_price) * trade.side.sign <= 0:
        return None
    if price == belongs:
        return _back_again(trade, "stop", now)
    if trade.plan.policy is Policy.ASK:
        return ask(trade, OutsideKind.STOP_MOVED, price, now)
    return StopPriceMoved(
        stop_price=price,
        reason="person",
        lines=("moved at the exchange itself; the trade keeps it (policy respect)",),
        moved_at=now,
        best_price=best_seen(trade, seen),
        by=BY,
        heeded_rung=highest_rung(trade),
    )


def _target(trade: Trade, was: Leg, leg: Leg, now: datetime) -> Fact | None:
    place, subject = trade.rung_prices[leg.index - 1], f"target {leg.index}"
    stood = left_there(trade, subject, was.price, place)
    moved = leg.live and leg.price is not None and was.price == stood != leg.price
    if not moved and not _cancelled(leg):
        return None
    price = leg.price if moved else None
    if price == place:
        return _back_again(trade, subject, now)
    if trade.plan.policy is Policy.ASK:
        kind = OutsideKind.TARGET_GONE if price is None else OutsideKind.TARGET_MOVED
        return ask(trade, kind, price, now, place=leg.index)
    return TargetSet(place=leg.index, price=price, before=place, by=BY, command_id="", set_at=now)


def _back_again(trade: Trade, subject: str, now: datetime) -> OutsideChangeAnswered | None:
    """Somebody has put it back themselves: that answers what was asked about it."""
    if open_question(trade, subject) is None:
        return None
    return OutsideChangeAnswered(subject=subject, by=BY, command_id="", answered_at=now)
