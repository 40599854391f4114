"""The net target at work: where target and stop belong for what is held, when the floor arms, when it is met.

    an entry fills   -> the stop for what will be held once all has filled, the target for what is held
    net over floor   -> armed, once and for good
    net at or under  -> left, by the one exit sequence (rungs cancelled first: never two exits)

The stop is the whole plan's from the first fill on, so that it does not wander as parts arrive: parts lose less. Its
first place may lie farther out than planned, as the fill was better; once asked for it is only ever tightened.

Enters: a folded trade, a price seen. Stays out: orders, ids. Amounts are USDT net of both fees, funding apart.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from actors.messages.exit_facts import FloorArmed, TargetPriceMoved
from actors.messages.trading import ExitReason, ExitStarted, StopPriceMoved
from actors.model.exit_rules import NetTarget
from actors.model.money import plain
from actors.model.position import PositionSide
from actors.model.trade import Role, Trade
from actors.rules.breakeven import tightened
from actors.rules.held import entries_live, holding_of, holding_once_entered
from actors.rules.net_target import Holding, loss_price, target_price
from actors.rules.price_seen import SeenPrice
from actors.rules.wording import percent, usdt

# While entries may still fill, the first target of a small part can lie absurdly far: it waits for more, or their end.
MOST_DISTANCE = Decimal("0.05")  # fraction of the average entry

Move: TypeAlias = StopPriceMoved | TargetPriceMoved


def prices_due(trade: Trade, now: datetime) -> Move | None:
    """Give the move that what is held asks for, the stop before the target; None when both are right."""
    net = trade.plan.exits.net
    held = holding_of(trade)
    if net is None or held is None:
        return None
    return _stop_due(trade, net, now) or _target_due(trade, net, held, now)


def _stop_due(trade: Trade, net: NetTarget, now: datetime) -> StopPriceMoved | None:
    if trade.stop_moved_by == "person":
        return None  # it is where the person wants it
    whole = holding_once_entered(trade)
    tick, taker = trade.instrument.tick_size, trade.fees.taker
    wanted = None if whole is None else loss_price(whole, net.stop_usdt, taker, tick)
    if whole is None or wanted is None:
        return None
    if trade.of(Role.STOP):
        wanted = tightened(trade.side, trade.stop_price, wanted)
    else:  # nothing stands yet; the backstop stays behind it
        wanted = tightened(trade.side, trade.backstop_price + trade.side.sign * tick, wanted)
    if wanted == trade.stop_price:
        return None
    return StopPriceMoved(
        stop_price=wanted,
        reason="net",
        lines=_lines(whole, wanted, taker, tick, f"a loss of {usdt(net.stop_usdt)} at most"),
        moved_at=now,
    )


def _target_due(trade: Trade, net: NetTarget, held: Holding, now: datetime) -> TargetPriceMoved | None:
    tick, maker = trade.instrument.tick_size, trade.fees.maker
    wanted = target_price(held, net.target_usdt, maker, tick)
    if wanted is None or wanted == trade.target_price or _still_right(trade, net, held):
        return None
    average = held.entry_value_usdt / held.quantity
    if trade.target_price is None and entries_live(trade) and abs(wanted - average) > MOST_DISTANCE * average:
        return None
    return TargetPriceMoved(
        target_price=wanted,
        entered_quantity=trade.entered_quantity,
        lines=_lines(held, wanted, maker, tick, f"{usdt(net.target_usdt)} at least"),
        moved_at=now,
    )


def _still_right(trade: Trade, net: NetTarget, held: Holding) -> bool:
    """Leave a target that nets enough where it is, in its queue, though a part that filled has netted a little more."""
    if trade.target_price is None or trade.entered_quantity != trade.target_entered:
        return False
    return held.net_usdt(trade.target_price, trade.fees.maker) >= net.target_usdt


def _lines(held: Holding, price: Decimal, rate: Decimal, tick: Decimal, aim: str) -> tuple[str, ...]:
    average = held.entry_value_usdt / held.quantity
    return (
        f"{plain(held.quantity)} entered at {plain(average.quantize(tick / 100))}: {usdt(held.entry_value_usdt)}",
        f"entry fees on it {usdt(held.entry_fees_usdt, 4)}",
        f"fee to leave at {plain(price)} ({percent(rate)}) {usdt(rate * price * held.quantity, 4)}",
        f"net {usdt(held.net_usdt(price, rate))}, where {aim} is meant",
    )


# --- the floor ---------------------------------------------------------------------------------------------------
def floor_due(trade: Trade, seen: SeenPrice | None, now: datetime) -> FloorArmed | ExitStarted | None:
    """Arm the floor, or leave at it; nothing on a stale price, nor on one from before the first fill."""
    net = trade.plan.exits.net
    held = holding_of(trade)
    if net is None or net.floor_usdt is None or held is None or seen is None or not seen.fresh:
        return None
    if seen.best is None:
        return None
    value = held.net_usdt(seen.price, trade.fees.taker)
    if not trade.floor_armed:
        return FloorArmed(price=seen.price, net_usdt=value, armed_at=now) if value > net.floor_usdt else None
    if value > net.floor_usdt:
        return None
    return ExitStarted(
        reason=ExitReason.FLOOR,
        by="rule",
        started_at=now,
        aimed_price=held.price_of(net.floor_usdt, trade.fees.taker),
    )


def floor_price(trade: Trade) -> Decimal | None:
    """Give the price at which the floor is met, on the tick that nets it at least; None: no floor, or nothing held."""
    net = trade.plan.exits.net
    held = holding_of(trade)
    if net is None or net.floor_usdt is None or held is None:
        return None
    return target_price(held, net.floor_usdt, trade.fees.taker, trade.instrument.tick_size)


def resting_price(trade: Trade) -> bool:
    """Tell whether the rungs' prices are known: a net target has none before it was worked out for what is held."""
    return trade.plan.exits.net is None or trade.target_price is not None


def beyond(side: PositionSide, price: Decimal, bound: Decimal) -> bool:
    """Tell whether a price has reached a bound on the winning side: at or above it for a long."""
    return price >= bound if side is PositionSide.LONG else price <= bound
