"""Strewn faults: those that fall at instants of their own, so many in an hour, and those that hold for a whole life.

Enters: a world and its switched-on counts. Stays out: faults that strike a request, a row or a handler as it passes
(rates; drawn where it passes). To add one: a count in faults.COUNTS, an action here. Each fault has dice of its own, so
that adding or leaving out one changes nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from adapters.assembly.simulation.away import send_away
from adapters.assembly.simulation.changes import CHANGES
from adapters.assembly.simulation.clock_faults import CLOCK_FAULTS, LASTING_CLOCK_FAULTS
from adapters.assembly.simulation.disk import DISK_FAULTS
from adapters.assembly.simulation.handler_faults import HANDLER_FAULTS
from adapters.assembly.simulation.outsiders import OUTSIDERS
from adapters.assembly.simulation.process_faults import PROCESS_FAULTS
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
    dice.choice(list(world.line.streams.values())).drop(dice.choice((0.1, 1.0, 5.0, 30.0)))


def _deafen_stream(world: World, dice: Random) -> None:
    dice.choice(list(world.line.streams.values())).goes_deaf()


def _storm(world: World, dice: Random) -> None:
    dice.choice(list(world.line.streams.values())).storms(dice.randint(4, 20))


def _cut_chat(world: World, dice: Random) -> None:
    world.chat.goes_down(dice.choice((5.0, 60.0, 600.0)))


def _cut_chat_for_long(world: World, dice: Random) -> None:
    """Not in every world that could have it: six hours of nothing take their time."""
    if dice.random() < 0.1:  # noqa: PLR2004 - one in ten
        world.chat.goes_down(6 * 3600.0, name="chat_long_outage")


def _shuffle_chat(world: World, dice: Random) -> None:
    world.chat.goes_down(dice.choice((5.0, 30.0)), name="chat_shuffled", shuffles=True)


def _block_chat(world: World, dice: Random) -> None:
    world.chat.is_blocked(dice.choice((20.0, 300.0)))


def _pay_funding(world: World, dice: Random) -> None:
    world.faults.note("funding", world.clock.monotonic())
    world.pay_funding(dice.choice(world.scenario.instruments).symbol)


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
    "chat_long_outage": _cut_chat_for_long,
    "chat_shuffled": _shuffle_chat,
    "chat_blocked": _block_chat,
    "funding": _pay_funding,
    "crash": _crash,
    "stream_storm": _storm,
    "mirror_away": send_away,
    **OUTSIDERS,
    **CHANGES,
    **PROCESS_FAULTS,
    **HANDLER_FAULTS,
    **CLOCK_FAULTS,
    **DISK_FAULTS,
}
LASTING: dict[str, Action] = {
    "thin_market": _thin_the_market,
    **LASTING_CLOCK_FAULTS,
}
