"""Strewn faults: those that fall at instants of their own, so many in an hour, and those that hold for a whole life.

Enters: a world and its switched-on counts. Stays out: faults that strike a request, a row or a handler as it passes
(rates; drawn where it passes). To add one: a count in faults.COUNTS, an action here. Each fault has dice of its own, so
that adding or leaving out one changes nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from adapters.assembly.simulation.world import World

Action = Callable[[World, Random], None]
FIRST_AT_SECONDS = 5.0


def strew(world: World, end: float) -> None:
    """Put everything that goes wrong by count on the agenda.

    Args:
        world: not started yet.
        end: monotonic seconds; nothing falls after it.

    """
    hours = end / 3600.0
    for name, count in world.faults.counts.items():
        dice = Random(f"{world.scenario.seed}/strewn/{name}")  # noqa: S311 - repeatable chance is the point
        if name in STREWN:
            drawn = tuple(dice.uniform(FIRST_AT_SECONDS, end) for _ in range(max(1, round(count * hours))))
            for at in world.faults.times.setdefault(name, drawn):
                world.agenda.at(at, partial(STREWN[name], world, dice))
        elif name in LASTING:
            LASTING[name](world, dice)


def _drop_stream(world: World, dice: Random) -> None:
    world.line.streams["main"].drop(dice.choice((0.1, 1.0, 5.0, 30.0)))


def _deafen_stream(world: World, _dice: Random) -> None:
    world.line.streams["main"].goes_deaf()


def _cut_chat(world: World, dice: Random) -> None:
    world.chat.goes_down(dice.choice((5.0, 60.0, 600.0)))


def _pay_funding(world: World, dice: Random) -> None:
    world.faults.note("funding", world.clock.monotonic())
    world.pay_funding(dice.choice(world.scenario.instruments).symbol)


def _fill_disk(world: World, dice: Random) -> None:
    world.disk_fills(dice.choice((1, 2, 6)))


def _crash(world: World, dice: Random) -> None:
    world.crash_soon(dice.randint(1, 30))


def _thin_the_market(world: World, dice: Random) -> None:
    for instrument in world.scenario.instruments:
        market = world.bybit.exchange.venue.markets[instrument.symbol]
        notional = dice.choice((20, 60, 400))
        step = instrument.quantity_step
        market.depth.level_quantity = max(step, notional / instrument.opening_price // step * step)
    world.faults.note("thin_market", 0.0)


STREWN: dict[str, Action] = {
    "stream_drop": _drop_stream,
    "stream_half_open": _deafen_stream,
    "chat_outage": _cut_chat,
    "funding": _pay_funding,
    "disk_full": _fill_disk,
    "crash": _crash,
}
LASTING: dict[str, Action] = {
    "thin_market": _thin_the_market,
}
