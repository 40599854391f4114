"""Steps of the stop as rungs fill: to breakeven after rung n, to rung n-1's price after rung n. Only ever tighter.

Enters: a folded trade. Stays out: orders. A rung that was merged into another counts with the next one that fills.
"""

from __future__ import annotations

from datetime import datetime

from actors.messages.trading import StopPriceMoved
from actors.model.money import plain
from actors.model.trade import LegState, Role, Trade
from actors.rules.breakeven import tightened


def highest_rung(trade: Trade) -> int:
    """Give the farthest rung that is completely filled; 0: none. A first target that was hit stays hit."""
    filled = max((leg.index for leg in trade.of(Role.TARGET) if leg.state is LegState.FILLED), default=0)
    return max(filled, int(trade.first_target_hit))


def breakeven_due(trade: Trade) -> bool:
    """Tell whether the stop belongs at breakeven or tighter."""
    after = trade.plan.exits.breakeven_after
    if trade.moved_to_breakeven:
        return trade.stop_moved_by != "person"  # who has put it elsewhere since wants it there
    if after is None:
        return False
    return trade.first_target_hit and (after == 1 or highest_rung(trade) >= after)


def step_due(trade: Trade, now: datetime) -> StopPriceMoved | None:
    """Give the step to the rung before the farthest filled one, where the plan has steps and it is tighter."""
    after = trade.plan.exits.follow_after
    if after is None or not trade.first_target_hit or not trade.open_quantity:
        return None
    rung = highest_rung(trade)
    if rung < max(2, after) or rung <= trade.heeded_rung:
        return None
    aimed = trade.rung_prices[rung - 2]
    price = tightened(trade.side, trade.stop_price, aimed)
    if price == trade.stop_price:
        return None
    line = f"target {rung} is filled: the stop goes to target {rung - 1}, {plain(aimed)}"
    return StopPriceMoved(stop_price=price, reason="rung", lines=(line,), moved_at=now)
