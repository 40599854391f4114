"""Exit turns: the one place that asks every exit rule what is due, in a fixed order, most protecting first.

    entries expire -> a net target's stop, then its target -> the floor -> rung steps -> the trailing stop -> time

Each gives a fact that is journalled beside the one it follows from; orders follow from the trade (rules.next_orders).
Enters: a folded trade, the price and time of whoever asks. Stays out: what an exit consists of.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from actors.model.trade import Phase, Trade
from actors.rules.deadlines import expiry_due, expiry_left, time_exit_due, time_left, waits_for_touch
from actors.rules.net_exit import floor_due, prices_due
from actors.rules.price_seen import SeenPrice
from actors.rules.stop_steps import step_due
from actors.rules.trailing import trail_due, trail_waits

_OVER = (Phase.CLOSING, Phase.CLOSED)


def next_turn(trade: Trade, seen: SeenPrice | None, now: datetime) -> Any | None:
    """Give the next fact that an exit rule brings about; None when nothing is due."""
    if trade.phase in _OVER or trade.plan.exits.usual:
        return None
    return (
        expiry_due(trade, seen, now)
        or prices_due(trade, now)
        or floor_due(trade, seen, now)
        or step_due(trade, now)
        or trail_due(trade, seen, now)
        or time_exit_due(trade, now)
    )


def next_look(trade: Trade, seen: SeenPrice | None, now: datetime) -> float | None:
    """Give the seconds until something falls due by time alone; None when nothing will."""
    if trade.phase in _OVER or trade.plan.exits.usual:
        return None
    waits = (expiry_left(trade, now), time_left(trade, now), trail_waits(trade, seen, now))
    return min((max(0.0, each) for each in waits if each is not None), default=None)


def wants_prices(trade: Trade) -> bool:
    """Tell whether a price could bring anything about: only then does a trade have prices told to it."""
    exits = trade.plan.exits
    if trade.phase in _OVER or exits.usual:
        return False
    floor = exits.net is not None and exits.net.floor_usdt is not None
    return waits_for_touch(trade) or (bool(trade.open_quantity) and (floor or exits.trailing is not None))
