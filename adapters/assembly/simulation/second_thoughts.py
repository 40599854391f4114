"""Second thoughts: what a person changes of open trades: stops, breakeven, targets; in words, sensible or not.

Enters: trades as they are at that moment, dice. Stays out: when, and by which way it is said (person).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from actors.model.trade import Phase, Trade
from adapters.assembly.simulation.world import World

_OVER = frozenset({Phase.CLOSING, Phase.CLOSED})
_Words = Callable[[Trade, Decimal, Random], str]


def change_words(world: World, dice: Random) -> str:
    """Write a change of some live trade, as behind a slash; "" where there is none to change."""
    live = [held.trade for held in world.watch.trades.values() if held.trade.phase not in _OVER]
    open_ones = [trade for trade in live if trade.open_quantity] or live
    if not live:
        return ""
    trade = dice.choice(open_ones if dice.random() < 0.85 else live)  # noqa: PLR2004 - mostly one that holds something
    last = world.price(trade.plan.symbol)
    kinds: dict[_Words, int] = {_tighter: 25, _looser: 25, _past: 8, _breakeven: 14, _target: 18, _no_target: 10}
    return dice.choices([*kinds], [*kinds.values()])[0](trade, last, dice)


def _tighter(trade: Trade, last: Decimal, dice: Random) -> str:
    return _stop(trade, trade.stop_price + (last - trade.stop_price) * _drawn(dice, 0.05, 1.0), dice)


def _looser(trade: Trade, _last: Decimal, dice: Random) -> str:
    return _stop(trade, trade.stop_price * (1 - trade.side.sign * _drawn(dice, 0.0002, 0.02)), dice)


def _past(trade: Trade, last: Decimal, dice: Random) -> str:
    return _stop(trade, last * (1 + trade.side.sign * _drawn(dice, -0.0003, 0.003)), dice)


def _stop(trade: Trade, price: Decimal, dice: Random) -> str:
    exact = _on_tick(trade, price)
    if dice.random() < 0.2:  # noqa: PLR2004 - one in five lies between two ticks
        exact += trade.instrument.tick_size / 2
    return f"stop {trade.number} {exact:f}"


def _breakeven(trade: Trade, _last: Decimal, _dice: Random) -> str:
    return f"breakeven {trade.number}"


def _target(trade: Trade, _last: Decimal, dice: Random) -> str:
    place = dice.randint(1, len(trade.plan.rungs))
    price = trade.rung_prices[place - 1] * (1 + trade.side.sign * _drawn(dice, -0.004, 0.008))
    return f"target {trade.number} {place} {_on_tick(trade, price):f}"


def _no_target(trade: Trade, _last: Decimal, dice: Random) -> str:
    return f"target {trade.number} {dice.randint(1, len(trade.plan.rungs) + 1)} remove"


def _on_tick(trade: Trade, price: Decimal) -> Decimal:
    tick = trade.instrument.tick_size
    return max(tick, price // tick * tick)


def _drawn(dice: Random, least: float, most: float) -> Decimal:
    return Decimal(repr(round(dice.uniform(least, most), 6)))
