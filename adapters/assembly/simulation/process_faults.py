"""Process faults: what befalls the daemon as a process: signals, freezing, a lost lock, a second one beside it.

Enters: a world and dice. Stays out: handlers (handler_faults), the clock (clock_faults), how a process dies (world).
Each has its line in docs/testing.md with what is expected of the daemon.
"""

from __future__ import annotations

from functools import partial
from random import Random

from adapters.assembly.simulation.process import Process
from adapters.assembly.simulation.world import START_EXCUSE_SECONDS, STOP_SECONDS, World

FROZEN_SECONDS = (5.0, 20.0, 60.0, 120.0)
GIVEN_UP_SECONDS = 30.0  # without an answer to a ping, after which the exchange closes a private stream
TAKE_OVER_SECONDS = (1.0, 10.0, 30.0)
SETTLES_SECONDS = 15.0  # from waking up to everything being as it should


def _awake(world: World) -> Process | None:
    process = world.process
    return None if process is None or process.frozen or process.ending or process.starting else process


def terminate(world: World, dice: Random) -> None:
    """F8: end in order on a signal, and be started again; at times the signal comes twice."""
    process = _awake(world)
    if process is None or world.faults.ended:
        return
    again = dice.random() < 0.3  # noqa: PLR2004 - three in ten are impatient
    name = "terminate_twice" if again else "terminate"
    down = dice.choice((0.5, 5.0, 30.0))
    late = STOP_SECONDS + down + START_EXCUSE_SECONDS
    world.faults.note(name, world.clock.monotonic() + down, excuses_seconds=late)
    how = ", twice" if again else ""
    world.story.tell("fault", "", f"the daemon is told to end{how}; it is started again after {down} s")
    if again:
        world.crash_soon(dice.randint(1, 60))
    world.end(process, comes_back_after=down)


def freeze(world: World, dice: Random) -> None:
    """F8: SIGSTOP, and SIGCONT after a while: late, and nothing worse."""
    process = _awake(world)
    if process is None or world.faults.ended:
        return
    seconds = dice.choice(FROZEN_SECONDS) * dice.uniform(0.8, 1.0)
    _freeze(world, process, "freeze", seconds)


def _freeze(world: World, process: Process, name: str, seconds: float) -> None:
    now = world.clock.monotonic()
    world.faults.note(name, now + seconds, excuses_seconds=SETTLES_SECONDS)
    world.story.tell("fault", "", f"run {process.number} is frozen for {seconds:.0f} s")
    process.frozen = True
    world.chat.sleep()
    if seconds > GIVEN_UP_SECONDS:
        world.agenda.at(now + GIVEN_UP_SECONDS, partial(_give_up_streams, process))
    world.agenda.at(now + seconds, partial(_thaw, world, process, dropped=seconds > GIVEN_UP_SECONDS))


def _give_up_streams(process: Process) -> None:
    if not process.over:
        for stream in process.streams.values():
            stream.hang_up()


def _thaw(world: World, process: Process, *, dropped: bool) -> None:
    if process.over:
        return
    world.story.tell("world", "", f"run {process.number} goes on")
    process.frozen = False
    if process is world.process:
        world.chat.wake()
    if dropped:
        for stream in process.streams.values():
            stream.drop(0.5)


def take_over(world: World, dice: Random) -> None:
    """F8, F19: frozen, its lock deleted, another one started; then the old one goes on, under a stale epoch."""
    process = _awake(world)
    if process is None or world.faults.ended:
        return
    after = dice.choice(TAKE_OVER_SECONDS)
    seconds = after + dice.choice((0.5, 5.0, 60.0))
    _freeze(world, process, "take_over", seconds)
    now = world.clock.monotonic()
    world.faults.note("second_daemon", now + after, excuses_seconds=after + START_EXCUSE_SECONDS)
    world.agenda.at(now + after, partial(_start_beside, world, process))


def lose_lock(world: World, dice: Random) -> None:
    """F19: the lock file is deleted while the daemon lives; at times another one is started right then."""
    process = _awake(world)
    if process is None or world.faults.ended:
        return
    now = world.clock.monotonic()
    if dice.random() < 0.5:  # noqa: PLR2004 - half of them
        world.faults.note("lock_lost", now)
        world.story.tell("fault", "", "the lock file is deleted")
        world.disk.lose_lock()
        return
    world.faults.note("second_daemon", now, excuses_seconds=START_EXCUSE_SECONDS)
    _start_beside(world, process)


def _start_beside(world: World, process: Process) -> None:
    if process is not world.process:
        return
    world.story.tell("fault", "", "the lock file is deleted and another daemon started")
    world.disk.lose_lock()
    world.start_daemon()


def start_second(world: World, _dice: Random) -> None:
    """F19: started again while it runs: the second one is refused and nothing changes."""
    process = _awake(world)
    if process is None or world.faults.ended or world.stale or not process.holds_lock():
        return
    world.faults.note("second_start", world.clock.monotonic())
    world.story.tell("fault", "", "the daemon is started a second time")
    world.start_daemon()
    if world.process is not process:
        world.violated("I14", f"run {world.runs}", "it was let in beside a living run that holds the lock")


PROCESS_FAULTS = {
    "terminate": terminate,
    "freeze": freeze,
    "take_over": take_over,
    "lock_lost": lose_lock,
    "second_start": start_second,
}
