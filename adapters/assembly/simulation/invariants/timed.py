"""Timed: the conditions that may last a little, how long, and in which words they are told when they last longer.

Enters: one trade. A fault that may have delayed the daemon puts the end off (Faults.excused_until); nothing else does.
The own stop waits for its entries' fills and for itself: trouble with a target excuses it for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from adapters.assembly.simulation.invariants.breakeven import bare, behind, loosened
from adapters.assembly.simulation.invariants.cover import left_over, own_stop_missing
from adapters.assembly.simulation.invariants.deadlines import lingers, stays, touched
from adapters.assembly.simulation.invariants.emergencies import left_behind, unheard
from adapters.assembly.simulation.invariants.held import ENTRY, STOP, Held
from adapters.assembly.simulation.invariants.ladder import oversold, skewed
from adapters.assembly.simulation.invariants.net_targets import floor_met
from adapters.assembly.simulation.invariants.promises import outlasts, outlasts_person
from adapters.assembly.simulation.invariants.trails import loose


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One condition."""

    invariant: str
    seconds: float
    waits_for: frozenset[str] = frozenset()  # roles of the orders it waits for alone; empty: for any
    tell: Callable[[Held], str]


TIMED: dict[str, Timed] = {
    "own_stop": Timed(
        invariant="I2",
        seconds=2.0,
        waits_for=frozenset({ENTRY, STOP}),
        tell=lambda held: f"holds {held.open_quantity}, its own stop covers {held.stop_cover}",
    ),
    # A fired stop that found too little is followed by closes, a second apart, each as far as the book goes.
    "left_over": Timed(
        invariant="I2",
        seconds=60.0,
        tell=lambda held: f"its stop has fired and it still holds {held.open_quantity}",
    ),
    "oversold": Timed(
        invariant="I3",
        seconds=5.0,
        tell=lambda held: f"targets for {held.resting_targets} rest while it holds {held.open_quantity}",
    ),
    "skewed": Timed(
        invariant="I3",
        seconds=5.0,
        tell=lambda held: f"its rungs are not the plan's shares of {held.open_quantity}",
    ),
    "bare": Timed(
        invariant="I4",
        seconds=5.0,
        tell=lambda _held: "a target is filled and the stop is not at breakeven",
    ),
    "loosened": Timed(
        invariant="I4",
        seconds=5.0,
        tell=lambda held: f"its stop at the exchange is behind {held.reached_stop}, where it stood before",
    ),
    "floor_met": Timed(
        invariant="I16",
        seconds=5.0,
        tell=lambda _held: "its floor is armed and met, and it does not leave",
    ),
    "trails": Timed(
        invariant="I17",
        seconds=8.0,  # 2 s lie between two moves
        tell=lambda held: f"its stop trails too far behind {held.trailed}",
    ),
    "lingers": Timed(
        invariant="I18",
        seconds=10.0,
        tell=lambda held: f"entries are over ({held.trade.entries_expired or 'told to be'}) and rest at the exchange",
    ),
    "touched": Timed(
        invariant="I18",
        seconds=5.0,
        tell=lambda _held: "its first target or stop is passed, and entries that end with that rest at the exchange",
    ),
    "behind": Timed(
        invariant="I4",
        seconds=5.0,
        tell=lambda _held: "its stop has not followed the target that has filled",
    ),
    "unheard": Timed(
        invariant="I19",
        seconds=15.0,
        tell=lambda _held: "there is an emergency on its account, and it has not begun to leave",
    ),
    # Targets are cancelled, then a market order goes as far as the book does, and another a second later.
    "left_behind": Timed(
        invariant="I19",
        seconds=75.0,
        tell=lambda held: f"there is an emergency on its account, and it has {held.open_quantity} or orders left",
    ),
    "outlasts": Timed(
        invariant="I20",
        seconds=45.0,  # 30 s of grace
        tell=lambda _held: "main's trade has ended, and this one goes on",
    ),
    "outlasts_person": Timed(
        invariant="I20",
        seconds=15.0,
        tell=lambda _held: "main's trade was closed, and this one goes on",
    ),
    "stays": Timed(
        invariant="I18",
        seconds=10.0,
        tell=lambda held: f"its time is over and it holds {held.open_quantity}",
    ),
}


def note_timed(held: Held, now: float, *, price: Decimal | None, shut: bool) -> None:
    """Note which of the conditions hold of a trade now. `shut`: by the safety state."""
    quantity = held.open_quantity
    held.note("own_stop", holds=own_stop_missing(held, quantity), now=now)
    held.note("left_over", holds=left_over(held, quantity), now=now)
    held.note("oversold", holds=oversold(held, quantity), now=now)
    held.note("skewed", holds=skewed(held, quantity), now=now)
    held.note("loosened", holds=loosened(held), now=now)
    held.note("bare", holds=bare(held, quantity), now=now)
    held.note("lingers", holds=lingers(held, now, shut=shut), now=now)
    if held.is_to_leave:
        held.note("unheard", holds=unheard(held), now=now)
        held.note("left_behind", holds=left_behind(held), now=now)
    if held.main is not None:
        held.note("outlasts", holds=outlasts(held), now=now)
        held.note("outlasts_person", holds=outlasts_person(held), now=now)
    if not held.trade.plan.exits.usual:
        held.note("stays", holds=stays(held, now), now=now)
        held.note("floor_met", holds=floor_met(held.trade, price), now=now)
        held.note("touched", holds=touched(held, price), now=now)
        held.note("behind", holds=behind(held, quantity), now=now)
        held.note("trails", holds=loose(held), now=now)


def note_time(held: Held, now: float, *, shut: bool) -> None:
    """Note what time alone has brought about."""
    held.note("lingers", holds=lingers(held, now, shut=shut), now=now)
    held.note("stays", holds=stays(held, now), now=now)
