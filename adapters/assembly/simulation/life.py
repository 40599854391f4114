"""Life: a world from its start to its rest: market, faults, the daemon's runs, and the end where all must agree.

Enters: a world that has not started. Stays out: what goes wrong (strewn and rated faults), judging (judgement).
"""

from __future__ import annotations

from random import Random

from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.judgement import judge, wait_until_up
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.strewn import strew
from adapters.assembly.simulation.world import World

REST_SECONDS = 60.0
MOST_ENDINGS = 5  # of the daemon, by traces of faults that have ended


class Life:
    """A world from start to rest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.person = Person(world)
        world.watch.attend(world.chat)
        self._dice = Random(f"{world.scenario.seed}/aim")  # noqa: S311 - repeatable chance is the point
        aimed = world.faults.counts.get("crash_at_request", 0)
        self._aimed = max(1, round(aimed * world.scenario.seconds / 3600.0)) if aimed else 0
        world.on_handled = self._aim

    def live(self) -> None:
        """Go through it all.

        Raises:
            Violated: an invariant does not hold.

        """
        world, end = self._world, self._world.scenario.seconds
        world.open_market(end)
        strew(world, end)
        world.agenda.at(0.0, world.start_daemon)
        world.run_until(end)
        self._come_to_rest()
        judge(world, self.person)

    def _aim(self, _path: str, message: object) -> None:
        """Have some of the crashes fall between the steps of an order's way."""
        if not self._aimed or self._world.faults.ended:
            return
        if isinstance(message, PlaceOrder | AmendOrder | CancelOrder) and self._dice.random() < 0.1:  # noqa: PLR2004
            self._aimed -= 1
            self._world.faults.note("crash_at_request", self._world.clock.monotonic())
            self._world.crash_soon(self._dice.randint(1, 12))

    def _come_to_rest(self) -> None:
        """Let nothing go wrong any more; wait for the last fault's traces, then as long as coming to rest may take."""
        world = self._world
        world.faults.ended = True
        world.call_off_crash()
        world.run_until(max(world.faults.last_at, world.clock.monotonic()))
        for _ in range(MOST_ENDINGS):
            wait_until_up(world)
            world.run_until(max(world.faults.traces_until, world.clock.monotonic()) + REST_SECONDS)
            if world.system is not None:  # else a trace of the faults had it give up: it comes to rest after its start
                return
        raise Violated("I7", "", "the daemon ends again and again, and nothing goes wrong any more")
