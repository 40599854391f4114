"""Life: a world from its start to its rest: market, faults, the daemon's runs, and the end where all must agree.

Enters: a world that has not started. Stays out: what goes wrong (strewn and rated faults), judging (judgement).
"""

from __future__ import annotations

from functools import partial
from random import Random

from actors.messages.fanning import FollowMain, HalfPromised, MirrorPromised
from actors.messages.operator import ChatRecord
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder
from actors.messages.storing import Append, PutDocument
from actors.messages.trading import (
    ChangeTrade,
    CloseTrades,
    OpenTrade,
    OrderRequested,
    StopPriceMoved,
    TradeOpened,
)
from adapters.assembly.simulation.afterthoughts import Afterthoughts
from adapters.assembly.simulation.changes import leap_away, swing_funding
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.judgement import judge, wait_until_up
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.strewn import strew
from adapters.assembly.simulation.world import World

REST_SECONDS = 60.0
MOST_DEADLINES, PAST_DEADLINE_SECONDS = 20, 20.0  # that fall into the rest, and how long what follows of one takes
MOST_ENDINGS = 5  # of the daemon, by traces of faults that have ended
_LEAPS = 0.35  # of the price, while a bounded entry is on its way
# Crashes that are aimed, and their dice.
_AIMED = {"crash_at_request": "aim", "crash_at_command": "aim-command", "crash_at_promise": "aim-promise"}


class Life:
    """A world from start to rest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.person = Person(world)
        world.watch.attend(world.chat)
        seed = world.scenario.seed
        self._dice = {name: Random(f"{seed}/{dice}") for name, dice in _AIMED.items()}  # noqa: S311 - repeatable chance is the point
        self._left = {name: self._wanted(name) for name in _AIMED}
        self._swing_dice = Random(f"{seed}/swing")  # noqa: S311 - repeatable chance is the point
        self._jump_dice = Random(f"{seed}/jump")  # noqa: S311 - repeatable chance is the point
        self._afterthoughts = Afterthoughts(world, self.person)
        world.on_handled = self._aim

    def _wanted(self, name: str) -> int:
        count = self._world.faults.counts.get(name, 0)
        return max(1, round(count * self._world.scenario.seconds / 3600.0)) if count else 0

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
        """Have some of the crashes fall between the steps of an order's way, or a command's."""
        if self._world.faults.ended:
            return
        if isinstance(message, Append):
            self._swing_funding(message)
            self._leap(message)
            self._afterthoughts.heard(message)
        if self._left["crash_at_request"] and isinstance(message, PlaceOrder | AmendOrder | CancelOrder):
            self._crash_at("crash_at_request", chance=0.1, most_steps=12)
        elif self._left["crash_at_command"] and (chance := _chance_at_command(message)):
            self._crash_at("crash_at_command", chance=chance, most_steps=20)
        elif self._left["crash_at_promise"] and _promises(message):
            self._crash_at("crash_at_promise", chance=0.5, most_steps=40)

    def _swing_funding(self, append: Append) -> None:
        world, moved = self._world, any(isinstance(each, StopPriceMoved) for each in append.facts)
        held = world.watch.trades.get(append.stream.removeprefix("trade/"))
        if moved and held is not None and world.faults.strikes("funding_swing"):
            swing = partial(swing_funding, world, held.trade.plan.symbol, self._swing_dice)
            world.agenda.at(world.clock.monotonic() + self._swing_dice.uniform(0.5, 10.0), swing)

    def _leap(self, append: Append) -> None:
        """The price leaps between the commit of a bounded market entry and its arrival, either way."""
        world, dice = self._world, self._jump_dice
        for fact in append.facts:
            if isinstance(fact, OrderRequested) and fact.order.immediate and dice.random() < _LEAPS:
                leap = partial(leap_away, world, fact.order.symbol, dice.choice((-1, 1)) * dice.uniform(0.0005, 0.02))
                world.agenda.at(world.clock.monotonic() + dice.uniform(0.0, 0.03), leap)

    def _crash_at(self, name: str, *, chance: float, most_steps: int) -> None:
        dice = self._dice[name]
        if dice.random() < chance:
            self._left[name] -= 1
            self._world.faults.note(name, self._world.clock.monotonic())
            self._world.crash_soon(dice.randint(1, most_steps))

    def _come_to_rest(self) -> None:
        """Let nothing go wrong any more; wait for the last fault's traces, then as long as coming to rest may take."""
        world = self._world
        world.faults.ended = True
        world.call_off_crash()
        world.run_until(max(world.faults.last_at, world.clock.monotonic()))
        for _ in range(MOST_ENDINGS):
            wait_until_up(world)
            world.run_until(max(world.faults.traces_until, world.clock.monotonic()) + REST_SECONDS)
            self._let_deadlines_pass()
            if world.system is not None:  # else a trace of the faults had it give up: it comes to rest after its start
                return
        raise Violated("I7", "", "the daemon ends again and again, and nothing goes wrong any more")

    def _let_deadlines_pass(self) -> None:
        """A trade whose time is over just now is not at rest before it has been left."""
        for _ in range(MOST_DEADLINES):
            if not self._world.watch.leaves_soon():
                return
            self._world.run_until(self._world.clock.monotonic() + PAST_DEADLINE_SECONDS)


def _chance_at_command(message: object) -> float:
    """Give the chance of a crash on the way of a person's command: recorded often, asked of the desk, opened once."""
    match message:
        case OpenTrade() | CloseTrades() | ChangeTrade(preview=False):
            return 0.2
        case PutDocument(body=ChatRecord()):
            return 0.04
        case Append(facts=facts) if any(isinstance(each, TradeOpened) for each in facts):
            return 0.5
    return 0.0


def _promises(message: object) -> bool:
    """Tell a commit that promises more than it does: other trades of its order, a word to those that follow."""
    promised = HalfPromised, MirrorPromised, FollowMain
    return isinstance(message, Append) and any(isinstance(each.request, promised) for each in message.effects)
