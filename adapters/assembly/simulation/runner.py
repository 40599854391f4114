"""Runner: one world from its case, from start to rest, and what came of it.

Enters: cases, seeds. Stays out: processes, command lines, printing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from actors.model.trade import Phase
from adapters.assembly.simulation.cases import TRADES_AN_HOUR, Case, draw_case
from adapters.assembly.simulation.features import Features
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.life import Life
from adapters.assembly.simulation.quiet import silence
from adapters.assembly.simulation.story import Line
from adapters.assembly.simulation.world import World

BROKE = "simulation_broke"  # named like an invariant: a world that ends in an error has shown nothing

FOLDER_PREFIX = "standfast-simulation-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it get names nobody can guess
_ROOM_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold, where, and how it showed."""

    invariant: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.about}: {self.text}" if self.about else f"{self.invariant}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one world went. It travels between processes."""

    seed: int
    case: Case  # as it was lived: plans written and instants drawn on the way put down
    violation: Violation | None
    digest: str
    trades: int
    closed: int
    faults: Counter[str]
    messages: int
    requests: int
    virtual_seconds: float
    wall_seconds: float
    noticed: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)  # "fault on state of the trade it fell upon"
    lines: tuple[Line, ...] = ()
    subjects: tuple[str, ...] = ()  # trades and orders that the violation concerns
    symbols: tuple[str, ...] = ()  # theirs


def run_world(
    seed: int,
    *,
    hours: float = 1.0,
    trades_an_hour: float = TRADES_AN_HOUR,
    without: Iterable[str] = (),
    optioned: float | None = None,
    guards: str | None = None,
    features: Features | None = None,
    tell: bool = False,
) -> Outcome:
    """Run the world of a seed from its start to its rest, or to its first violation."""
    case = draw_case(
        seed,
        hours=hours,
        trades_an_hour=trades_an_hour,
        without=without,
        optioned=optioned,
        guards=guards,
        features=features,
    )
    return run_case(case, tell=tell)


def run_case(case: Case, *, tell: bool = False, folder: Path | None = None, logged: bool = False) -> Outcome:
    """Run one world from its start to its rest, or to its first violation.

    Args:
        case: what it is made from.
        tell: keep the lines of its story.
        folder: where its state folders come and go; by default memory, where there is enough.
        logged: leave the daemon's logging as it is configured, instead of silencing it.

    """
    began = time.perf_counter()
    faults = case.faults()
    violation: Violation | None = None
    with (
        nullcontext() if logged else silence(),
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=folder or quick_folder()) as place,
    ):
        world = World(case.scenario, faults, Path(place), story=tell)
        life = Life(world)
        try:
            life.live()
        except Violated as found:
            violation = Violation(invariant=found.invariant, about=found.about, text=found.text)
        except Exception:  # noqa: BLE001 - told with its traceback, and counted; the other seeds go on
            violation = Violation(invariant=BROKE, about="", text=traceback.format_exc())
        finally:
            world.close()
    subjects, symbols = _concerned(world, violation)
    return Outcome(
        seed=case.seed,
        case=case.lived(life.person.written, faults.times),
        violation=violation,
        digest=_digest(world),
        trades=len(world.watch.trades),
        closed=sum(held.trade.phase is Phase.CLOSED for held in world.watch.trades.values()),
        faults=faults.happened,
        messages=world.steps,
        requests=world.line.requests,
        virtual_seconds=world.clock.monotonic(),
        wall_seconds=time.perf_counter() - began,
        noticed=world.failures,
        met=faults.met,
        lines=world.story.lines(),
        subjects=subjects,
        symbols=symbols,
    )


def quick_folder() -> Path | None:
    """Give a folder in memory, where a commit waits for no disk; None where there is none with room to spare."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        return _MEMORY
    return None


def _concerned(world: World, violation: Violation | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the trades that a violation speaks of, or else those on its symbol, and their symbols."""
    if violation is None or violation.invariant == BROKE:
        return (), ()
    trades = {trade_id: held.trade.plan.symbol for trade_id, held in world.watch.trades.items()}
    spoken = f"{violation.about} {violation.text}"
    concerned = [trade_id for trade_id in trades if trade_id in spoken]
    symbols = {trades[trade_id] for trade_id in concerned}
    if not concerned:
        symbols = {each.symbol for each in world.scenario.instruments if each.symbol in spoken}
        concerned = [trade_id for trade_id, symbol in trades.items() if symbol in symbols]
    subjects = [violation.about, *concerned] if violation.about else concerned
    return tuple(dict.fromkeys(subjects)), tuple(sorted(symbols))


def _digest(world: World) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for each in world.digests:
        digest.update(each.encode())
    for account in world.bybit.exchange.venue.accounts.values():
        for order in account.orders.values():
            digest.update(f"{order.link_id} {order.status} {order.cum_qty} {order.updated_ms}\n".encode())
    for message in world.chat.messages:
        digest.update(f"{message.at:.6f} {message.screen.title}\n".encode())
    return digest.hexdigest()
