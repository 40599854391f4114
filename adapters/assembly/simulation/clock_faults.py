"""Clock faults (F9): the host's wall clock jumps, stands, drifts; the exchange's runs away from the host's monotonic.

Enters: a world and dice. Stays out: the clocks themselves (wandering_clock, runtime). Time is UTC: there is no
summer time to go wrong. The daemon goes by the exchange's time as it measured it, carried on by the monotonic clock, so
the host's wall clock may do what it likes; where the monotonic clock itself missed something, requests are refused
until the daemon has measured again.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from adapters.assembly.simulation.world import World

_HOUR = 3600.0
STANDS_SECONDS = 30.0
MEASURED_AGAIN_SECONDS = 10.0  # from the first refusal on; what is refused is repeated
DRIFTS = (0.0002, -0.0002, 0.0005)  # several times a crystal's; measured again every five minutes
WRONG_AT_START = (_HOUR, -_HOUR, 1.5, -6.0)


def jump(world: World, dice: Random) -> None:
    """Somebody sets the host's clock: nothing changes, and the person is told that it is off."""
    seconds = dice.choice((_HOUR, -_HOUR, dice.uniform(-10.0, 10.0)))
    world.faults.note("clock_jump", world.clock.monotonic())
    world.story.tell("fault", "", f"the host's clock jumps by {seconds:+.1f} s")
    world.host.jump(seconds)


def stand(world: World, _dice: Random) -> None:
    """The host's clock stands for 30 s and goes on from there: nothing changes."""
    now = world.clock.monotonic()
    world.faults.note("clock_stands", now + STANDS_SECONDS)
    world.story.tell("fault", "", f"the host's clock stands for {STANDS_SECONDS:.0f} s")
    world.host.stand()
    world.agenda.at(now + STANDS_SECONDS, world.host.go_on)


def drift(world: World, dice: Random) -> None:
    """The host's clocks, both of them, run away from the exchange's: measured again before it matters, or refused."""
    rate = dice.choice(DRIFTS)
    world.faults.note("clock_drifts", 0.0)
    world.venue_clock.drift(rate)
    world.host.drift(dice.choice(DRIFTS))


def start_wrong(world: World, dice: Random) -> None:
    """The host's clock is off from the start: measured before the first order."""
    world.faults.note("clock_wrong", 0.0, excuses_seconds=MEASURED_AGAIN_SECONDS)
    world.host.jump(dice.choice(WRONG_AT_START))


def suspend(world: World, dice: Random) -> None:
    """The machine slept: the monotonic clock has missed some time. Refused, measured again, accepted."""
    seconds = dice.choice((3.0, 60.0, _HOUR))
    world.faults.note("clock_missed", world.clock.monotonic(), excuses_seconds=MEASURED_AGAIN_SECONDS)
    world.story.tell("fault", "", f"the host's monotonic clock has missed {seconds:.0f} s")
    world.venue_clock.jump(seconds)


CLOCK_FAULTS: dict[str, Callable[[World, Random], None]] = {
    "clock_jump": jump,
    "clock_stands": stand,
    "clock_missed": suspend,
}
LASTING_CLOCK_FAULTS: dict[str, Callable[[World, Random], None]] = {
    "clock_drifts": drift,
    "clock_wrong": start_wrong,
}
