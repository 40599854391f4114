"""Scripts: the order operations of a trade's life, each small enough to be cut at every point.

Enters: moves. Stays out: where they are cut, and what must come of it (cut_points). To add one: what is done before,
with a pause after each move; what is done while every point is counted; how long that takes to be over and done with.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.assembly.simulation.cut_world import Move, cancels, price, says, thin

LONG = "/trade XRPUSDT long entries 1.19,1.18 targets 1.22,1.23,1.24,1.25 stop 1.15 margin 2% leverage 10"
FARTHER = "/trade XRPUSDT long entries 1.17 targets 1.26,1.27 stop 1.12 margin 1% leverage 10"
NEARER = "/trade XRPUSDT long entries 1.185 targets 1.26,1.27 stop 1.16 margin 1% leverage 10"
SHORT = "/trade XRPUSDT short entries 1.21,1.22 targets 1.18,1.17,1.16,1.15 stop 1.25 margin 2% leverage 10"
AT_MARKET = "/trade XRPUSDT long entries market targets 1.22,1.23,1.24,1.25 stop 1.15 margin 2% leverage 10"
SHORT_AT_MARKET = "/trade XRPUSDT short entries market targets 1.15,1.14 stop 1.25 margin 1% leverage 10"

ENTRY_1, ENTRY_2 = price("1.1899"), price("1.1799")
TARGET_1, TARGET_2, TARGET_3, TARGET_4 = price("1.2201"), price("1.2301"), price("1.2401"), price("1.2501")
STOP = price("1.1499")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """What may happen while the daemon is down."""

    what: str
    move: Move
    ends_all: bool = False  # whatever is open by then, nothing may be left of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One order operation."""

    name: str
    before: tuple[Move, ...] = ()
    during: tuple[Move, ...]
    seconds: float = 6.0  # how long the operation is watched; whatever happens later is its rest
    meanwhile: tuple[Meanwhile, ...] = ()
    hedged: bool = False  # the account is in hedge mode
    at_once: bool = False  # it ends in one instant: whether the stop was still moved hangs on what is heard first


FALLS_THROUGH = Meanwhile(what="the price falls through the stop", move=STOP, ends_all=True)
RISES = Meanwhile(what="the price reaches the first target", move=TARGET_1)

SCRIPTS: tuple[Script, ...] = (
    Script(
        name="open with two entries", during=(says(LONG),), meanwhile=(Meanwhile(what="an entry fills", move=ENTRY_1),)
    ),
    Script(name="open at the market", during=(says(AT_MARKET),), meanwhile=(FALLS_THROUGH,)),
    Script(
        name="part of an entry fills",
        before=(says(LONG), thin("300")),
        during=(price("1.19"),),
        meanwhile=(Meanwhile(what="the rest of it fills", move=ENTRY_1),),
    ),
    Script(name="an entry fills", before=(says(LONG),), during=(ENTRY_1,), meanwhile=(RISES, FALLS_THROUGH)),
    Script(name="a short's entry fills", before=(says(SHORT),), during=(price("1.2101"),)),
    Script(
        name="a second entry fills", before=(says(LONG), ENTRY_1), during=(ENTRY_2,), meanwhile=(RISES, FALLS_THROUGH)
    ),
    Script(name="the first target is reached", before=(says(LONG), ENTRY_1, ENTRY_2), during=(TARGET_1,)),
    Script(name="the first target cancels an entry", before=(says(LONG), ENTRY_1), during=(TARGET_1,)),
    Script(
        name="part of a target fills",
        before=(says(LONG), ENTRY_1, ENTRY_2, thin("300")),
        during=(price("1.22"),),
        meanwhile=(Meanwhile(what="the rest of it fills", move=TARGET_1),),
    ),
    Script(
        name="the last target is reached",
        before=(says(LONG), ENTRY_1, ENTRY_2, TARGET_1, TARGET_2, TARGET_3),
        during=(TARGET_4,),
    ),
    Script(name="every target at once", before=(says(LONG), ENTRY_1, ENTRY_2), during=(TARGET_4,), at_once=True),
    Script(name="the stop fires", before=(says(LONG), ENTRY_1, ENTRY_2), during=(STOP,)),
    Script(name="the stop finds a thin market", before=(says(LONG), ENTRY_1, thin("150")), during=(STOP,), seconds=8.0),
    Script(name="the person closes while entries rest", before=(says(LONG),), during=(says("/close 1"),)),
    Script(
        name="the person closes while the ladder rests",
        before=(says(LONG), ENTRY_1),
        during=(says("/close 1"),),
        meanwhile=(RISES, FALLS_THROUGH),
    ),
    Script(name="an entry is cancelled by hand", before=(says(LONG),), during=(cancels("E1"),), seconds=12.0),
    Script(name="a target is cancelled by hand", before=(says(LONG), ENTRY_1), during=(cancels("T1"),), seconds=12.0),
    Script(
        name="the stop is cancelled by hand",
        before=(says(LONG), ENTRY_1),
        during=(cancels("S"),),
        seconds=12.0,
    ),
    Script(
        name="a second trade moves the backstop outward",
        before=(says(LONG), ENTRY_1),
        during=(says(FARTHER),),
        meanwhile=(RISES,),
    ),
    Script(
        name="the farther trade closes and the backstop moves inward",
        before=(says(LONG), says(FARTHER), ENTRY_1),
        during=(says("/close 2"),),
    ),
    Script(
        name="in hedge mode the other side opens at the market",
        before=(says(LONG), ENTRY_1),
        during=(says(SHORT_AT_MARKET),),
        hedged=True,
    ),
    Script(name="closing everything", before=(says(LONG), says(NEARER), ENTRY_1), during=(says("/close all"),)),
)
