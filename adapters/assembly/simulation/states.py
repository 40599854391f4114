"""States: in which states the trades are that a fault falls upon, so that it can be seen that each pair really occurs.

Enters: what is watched of the trades, what a fault is about. Stays out: faults, judging. Asked at every fault, so it
only looks at what is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from actors.model.trade import LegState, Phase, Role, Trade
from adapters.assembly.simulation.invariants.watch import Watch

NO_TRADE = "no trade"
ENTRY_RESTING = "entry resting"
PARTLY_FILLED = "partly filled"
REQUEST_IN_FLIGHT = "request in flight"
LADDER_RESTING = "ladder resting"
STOP_MOVING = "stop moving to breakeven"
PROFIT_TAKING = "profit taking"
CLOSING = "closing"
STATES = (
    NO_TRADE,
    ENTRY_RESTING,
    PARTLY_FILLED,
    REQUEST_IN_FLIGHT,
    LADDER_RESTING,
    STOP_MOVING,
    PROFIT_TAKING,
    CLOSING,
)


def states_of(watch: Watch, about: str) -> Iterable[str]:
    """Give the states of the live trades that something is about: a trade id, a symbol, or "" for all."""
    found: dict[str, None] = {}
    for trade_id, held in watch.trades.items():
        trade = held.trade
        if trade.phase is not Phase.CLOSED and about in {"", trade_id, trade.plan.symbol, trade.plan.account}:
            found.update(dict.fromkeys(_states(trade)))
    return found or (NO_TRADE,)


def _states(trade: Trade) -> Iterator[str]:
    if trade.phase is Phase.CLOSING:
        yield CLOSING
    stop = trade.live_leg(Role.STOP)
    stop_under_way = stop is not None and stop.pending is not None
    if trade.first_target_hit and trade.phase is Phase.PROFIT_TAKING:
        yield STOP_MOVING if stop_under_way or not trade.moved_to_breakeven else PROFIT_TAKING
    for leg in trade.legs:
        if leg.state is LegState.REQUESTED or leg.pending is not None:
            yield REQUEST_IN_FLIGHT
        if leg.state is not LegState.LIVE:
            continue
        if leg.role is Role.TARGET:
            yield LADDER_RESTING
        if leg.role is not Role.STOP and leg.filled_quantity:
            yield PARTLY_FILLED
        elif leg.role is Role.ENTRY:
            yield ENTRY_RESTING
