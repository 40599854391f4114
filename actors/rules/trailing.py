"""A trailing stop: it follows the best price since something is held, from an activation on, and only ever tighter.

It moves ours by amending, never the exchange's own, in steps: a move is worth at least a tenth of the distance and
three ticks, and 2 s lie between two. Only moves are journalled, with the best price they follow: what was better since
is found again as soon as the market is there again, and where it is not, the stop stays where it is.

Enters: a folded trade, a price seen. Stays out: orders. Prices are quote per base.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages.trading import StopPriceMoved
from actors.model.exit_rules import TrailingStop
from actors.model.money import ceil_to, floor_to, plain
from actors.model.position import PositionSide
from actors.model.trade import Trade
from actors.rules.breakeven import tightened
from actors.rules.price_seen import SeenPrice, better

PACE_SECONDS = 2.0
STEP_FRACTION = Decimal("0.1")  # of the distance
STEP_TICKS = 3
TOLD_EVERY_SECONDS = 1800.0  # of the moves between, the log and the journal know


def trail_due(trade: Trade, seen: SeenPrice | None, now: datetime) -> StopPriceMoved | None:
    """Give the move that is due now; None before activation, for less than a step, on a stale price, and too soon."""
    price = _wanted(trade, seen)
    best = _best(trade, seen)
    if price is None or best is None or pause_left(trade, now) > 0:
        return None
    told_at = trade.trailing_told_at
    return StopPriceMoved(
        stop_price=price,
        reason="trailing",
        lines=(f"the best price was {plain(best)}",),
        moved_at=now,
        best_price=best,
        told=told_at is None or (now - told_at).total_seconds() >= TOLD_EVERY_SECONDS,
    )


def best_seen(trade: Trade, seen: SeenPrice | None) -> Decimal | None:
    """Give the best price that is being followed; None while there is no trailing."""
    rule, best = trade.plan.exits.trailing, _best(trade, seen)
    if rule is None or best is None:
        return trade.best_price
    return best if trade.best_price is not None or active(trade, rule, best) else None


def trail_waits(trade: Trade, seen: SeenPrice | None, now: datetime) -> float | None:
    """Give the seconds until a move that only came too soon is due; None when there is none."""
    left = pause_left(trade, now)
    return left if left > 0 and _wanted(trade, seen) is not None else None


def pause_left(trade: Trade, now: datetime) -> float:
    """Give the seconds before the stop may trail again; 0 and less: it may."""
    if trade.trailed_at is None:
        return 0.0
    return (trade.trailed_at + timedelta(seconds=PACE_SECONDS) - now).total_seconds()


def active(trade: Trade, rule: TrailingStop, best: Decimal) -> bool:
    """Tell whether the best price has been at the activation or beyond."""
    average = trade.average_entry_price
    if average is None:
        return False
    return (best - average) * trade.side.sign >= rule.activation.at(average)


def _best(trade: Trade, seen: SeenPrice | None) -> Decimal | None:
    """Give the best price since something is held; None where nothing is, and before a fresh one has come."""
    if seen is None or not seen.fresh or seen.best is None or not trade.open_quantity:
        return None
    return better(trade.side, seen.best, trade.best_price)


def _wanted(trade: Trade, seen: SeenPrice | None) -> Decimal | None:
    """Give where the stop should trail to, a step tighter than it is at least."""
    rule, best = trade.plan.exits.trailing, _best(trade, seen)
    if rule is None or best is None or trade.loosening is not None:
        return None
    if trade.stop_moved_by == "person" and best == trade.best_price:
        return None  # it is where the person wants it until the market is better than it was then
    if trade.best_price is None and not active(trade, rule, best):
        return None
    tick, distance = trade.instrument.tick_size, rule.distance.at(best)
    exact = best - trade.side.sign * distance
    price = floor_to(exact, tick) if trade.side is PositionSide.LONG else ceil_to(exact, tick)
    step = max(STEP_FRACTION * distance, STEP_TICKS * tick)
    tighter = tightened(trade.side, trade.stop_price, price) != trade.stop_price
    return price if tighter and abs(price - trade.stop_price) >= step else None
