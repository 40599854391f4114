"""Whose stop protects an adopted position: ours is put up first, then the backstop, and only then others' stops go.

    own stop at the exchange -> the backstop takes the place of the position's own stop -> outside stops are cancelled

Until the own stop stands nothing that protects the position is touched, so that an adoption that cannot be carried out
leaves it as protected as it was. Enters: a folded trade, its facts. Stays out: the backstop (the book's), asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from actors.messages.adopting import OutsideStopRemovalRequested, ProtectionStands
from actors.messages.orders import CancelOrder, EffectSettled, Settlement
from actors.model.adoption import Removal
from actors.model.changing import replace
from actors.model.money import plain
from actors.model.trade import LegState, Phase, Role, Trade

_OVER = (Phase.CLOSING, Phase.CLOSED)


# --- facts ---------------------------------------------------------------------------------------------------------
def protection_stands(trade: Trade, fact: ProtectionStands) -> Trade:
    return replace(trade, protected_at=trade.protected_at or fact.seen_at)


def removal_requested(trade: Trade, fact: OutsideStopRemovalRequested) -> Trade:
    removal = Removal(order_id=fact.order_id, effect_key=fact.effect_key)
    return replace(trade, removals=(*trade.removals, removal))


def removal_settled(trade: Trade, fact: EffectSettled) -> Trade:
    """Take the outcome of a removal; one of anything else leaves the trade as it is."""
    if all(each.effect_key != fact.effect_key for each in trade.removals):
        return trade
    settled = (replace(each, settled=each.settled or each.effect_key == fact.effect_key) for each in trade.removals)
    return replace(trade, removals=tuple(settled))


# --- decisions -----------------------------------------------------------------------------------------------------
def stop_to_come(trade: Trade) -> bool:
    """Tell whether what protects the position now has to stay: an adopted one whose own stop has not stood yet."""
    if trade.adopted is None or trade.protected_at is not None or trade.phase in _OVER:
        return False
    return bool(trade.open_quantity) and not _own_stop_stands(trade)


def awaits_backstop(trade: Trade) -> bool:
    """Tell whether the own stop stands and the backstop is all that is waited for."""
    if trade.adopted is None or trade.protected_at is not None or trade.phase in _OVER:
        return False
    return bool(trade.open_quantity) and _own_stop_stands(trade)


def _own_stop_stands(trade: Trade) -> bool:
    """The exchange itself has shown it, for all that is open: an acknowledgement may still be taken back."""
    stop = trade.live_leg(Role.STOP)
    return stop is not None and stop.state is LegState.LIVE and stop.confirmed and trade.own_stop_covers


def removals_due(trade: Trade, now: datetime) -> Iterator[OutsideStopRemovalRequested]:
    """Give the cancels of outside stops that may leave now, each once."""
    if trade.adopted is None or trade.protected_at is None or trade.phase in _OVER:
        return
    asked = {each.order_id for each in trade.removals}
    for stop in trade.adopted.outside_stops:
        if stop.order_id not in asked:
            key = f"{trade.trade_id}/outside/{stop.order_id}"
            yield OutsideStopRemovalRequested(effect_key=key, order_id=stop.order_id, requested_at=now)


def on_the_wire(trade: Trade, request: OutsideStopRemovalRequested) -> CancelOrder:
    return CancelOrder(
        account=trade.plan.account,
        trade_id=trade.trade_id,
        symbol=trade.plan.symbol,
        client_order_id="",
        order_id=request.order_id,
    )


def protected_words(trade: Trade) -> tuple[str, ...]:
    """Say that an adopted position has our stops, and what becomes of the others: a title and lines."""
    title = f"protected by its own stop {plain(trade.stop_price)} and the backstop {plain(trade.backstop_price)}"
    adopted = trade.adopted
    if adopted is None or not adopted.outside_stops:
        return (title,)
    prices = ", ".join(plain(each.trigger_price) for each in adopted.outside_stops)
    return title, f"your own stop orders go now: {prices}"


def removal_told(trade: Trade, fact: EffectSettled) -> tuple[bool, str, tuple[str, ...]] | None:
    """Word the outcome of a removal: whether it is done, the title, the lines. None for any other outcome."""
    removal = next((each for each in trade.removals if each.effect_key == fact.effect_key), None)
    if removal is None or trade.adopted is None:
        return None
    stop = next(each for each in trade.adopted.outside_stops if each.order_id == removal.order_id)
    name = f"your stop order at {plain(stop.trigger_price)}"
    ours = f"the trade's stop {plain(trade.stop_price)} and the backstop {plain(trade.backstop_price)} stand"
    if fact.settlement in {Settlement.DONE, Settlement.GONE}:
        return True, f"{name} is removed", (ours,)
    code = f" (code {fact.code})" if fact.code is not None else ""
    return False, f"{name} could not be removed", (f"{fact.text}{code}", f"{ours}; remove it in the app")
