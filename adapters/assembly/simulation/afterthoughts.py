"""Afterthoughts: what happens just when a person's change, or an order that mirrors follow, has been recorded.

The price crosses the new stop, the backstop cannot be moved, the trade is closed, the next change comes: between the
record and what comes of it. Enters: commits on their way. Stays out: crashes there (life). The dice are its own.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from actors.messages.exit_facts import StopLooseningAsked, TargetSet
from actors.messages.storing import Append
from actors.messages.trading import CloseTrades, StopPriceMoved, TradeOpened
from actors.model.trade import Trade
from adapters.assembly.simulation.changes import leap_away
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.world import World

_CROSSED, _BEFORE, _CLOSED = 0.25, 0.75, 0.12  # how often
_BEFORE_IT_LEAVES, _AFTERWARDS = (0.0, 0.0002), (0.001, 0.1)  # seconds: a commit takes longer than the first
_STUCK_SECONDS = (1.0, 10.0, 60.0)
_BEYOND = 0.0005  # as a fraction of price


class Afterthoughts:
    """Strikes while something is on its way."""

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self._person = person
        self._dice = Random(f"{world.scenario.seed}/afterthoughts")  # noqa: S311 - repeatable chance is the point

    def heard(self, append: Append) -> None:
        """Hear a commit that is about to be made."""
        held = self._world.watch.trades.get(append.stream.removeprefix("trade/"))
        for fact in append.facts:
            if isinstance(fact, TradeOpened) and self._person.in_haste:
                self._later((0.0, 0.3), partial(self._person.leave_if_waiting, self._person.in_haste[0]))
            if isinstance(fact, TradeOpened) and fact.followers:
                self._close(fact.trade_id, (0.0, 4.0))
            elif held is not None and _by_person(fact):
                self._strike(held.trade, fact)

    def _strike(self, trade: Trade, fact: Any) -> None:
        if isinstance(fact, StopLooseningAsked) and self._world.faults.strikes("backstop_stuck"):
            self._stick(trade)
        if isinstance(fact, StopPriceMoved) and self._dice.random() < _CROSSED:
            within = _BEFORE_IT_LEAVES if self._dice.random() < _BEFORE else _AFTERWARDS
            self._later(within, partial(self._cross, trade, fact.stop_price))
        self._close(trade.trade_id, (0.0, 1.5))

    def _close(self, trade_id: str, within: tuple[float, float]) -> None:
        if self._dice.random() < _CLOSED:
            wanted = CloseTrades(which=trade_id, by="cli")
            self._later(within, partial(self._person.terminal.asks, wanted, tries=1))

    def _stick(self, trade: Trade) -> None:
        world, now = self._world, self._world.clock.monotonic()
        until = now + self._dice.choice(_STUCK_SECONDS)
        world.line.stuck[trade.plan.account, trade.plan.symbol] = until
        world.story.tell("fault", trade.plan.symbol, f"backstops are refused for {until - now:.0f} s")
        world.faults.note("backstop_stuck", until, about=trade.plan.symbol)

    def _cross(self, trade: Trade, stop: Decimal) -> None:
        """Have the price leap to just past a new stop."""
        last = self._world.price(trade.plan.symbol)
        by = float(stop / last) - 1 - trade.side.sign * _BEYOND
        if by * trade.side.sign < 0:
            leap_away(self._world, trade.plan.symbol, by)

    def _later(self, within: tuple[float, float], action: Any) -> None:
        self._world.agenda.at(self._world.clock.monotonic() + self._dice.uniform(*within), action)


def _by_person(fact: Any) -> bool:
    return isinstance(fact, StopPriceMoved | StopLooseningAsked | TargetSet) and bool(fact.by)
