"""Runner: whole worlds from their seeds, and what came of them.

Enters: seeds. Stays out: command lines, printing.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import structlog

from actors.model.trade import Phase
from adapters.assembly.simulation.faults import draw_faults
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.life import Life
from adapters.assembly.simulation.scenario import draw_scenario
from adapters.assembly.simulation.story import Line
from adapters.assembly.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one world went."""

    seed: int
    violation: Violated | None
    digest: str
    trades: int
    closed: int
    faults: Counter[str]
    messages: int
    requests: int
    virtual_seconds: float
    wall_seconds: float
    noticed: Counter[str] = field(default_factory=Counter)
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many worlds went."""

    seeds: int
    hours_simulated: float
    trades: int
    faults_injected: int
    messages: int
    violations: tuple[tuple[int, str], ...]
    digest: str
    wall_seconds: float
    slowest_seed: int
    faults: Counter[str]
    noticed: Counter[str]

    @property
    def virtual_seconds_per_second(self) -> float:
        return self.hours_simulated * 3600 / self.wall_seconds if self.wall_seconds else 0.0


def run_simulation(
    seeds: Iterable[int], *, hours: float = 1.0, trades_an_hour: float = 10.0, without: Iterable[str] = ()
) -> Report:
    """Run one world a seed.

    Args:
        seeds: which.
        hours: virtual time of each, before it comes to rest.
        trades_an_hour: plans the person writes.
        without: names of faults that are left out.

    """
    outcomes = [run_world(seed, hours=hours, trades_an_hour=trades_an_hour, without=without) for seed in seeds]
    digest = hashlib.blake2b("".join(each.digest for each in outcomes).encode(), digest_size=16)
    return Report(
        seeds=len(outcomes),
        hours_simulated=sum(each.virtual_seconds for each in outcomes) / 3600,
        trades=sum(each.trades for each in outcomes),
        faults_injected=sum(sum(each.faults.values()) for each in outcomes),
        messages=sum(each.messages for each in outcomes),
        violations=tuple((each.seed, str(each.violation)) for each in outcomes if each.violation is not None),
        digest=digest.hexdigest(),
        wall_seconds=sum(each.wall_seconds for each in outcomes),
        slowest_seed=max(outcomes, key=lambda each: each.wall_seconds).seed if outcomes else 0,
        faults=sum((each.faults for each in outcomes), Counter()),
        noticed=sum((each.noticed for each in outcomes), Counter()),
    )


def story(seed: int, *, hours: float = 1.0, trades_an_hour: float = 10.0, last: int = 120) -> tuple[Outcome, list[str]]:
    """Run one world and give its outcome with the last lines that concern what was violated."""
    outcome = run_world(seed, hours=hours, trades_an_hour=trades_an_hour, tell=True)
    return outcome, [str(line) for line in outcome.lines[-last:]]


def run_world(
    seed: int, *, hours: float = 1.0, trades_an_hour: float = 10.0, without: Iterable[str] = (), tell: bool = False
) -> Outcome:
    """Run one world from its start to its rest, or to its first violation."""
    began = time.perf_counter()
    scenario = draw_scenario(seed, hours=hours, trades_an_hour=trades_an_hour)
    faults = draw_faults(seed, without=without)
    violation: Violated | None = None
    with _silence(), tempfile.TemporaryDirectory(prefix="standfast-simulation-") as folder:
        world = World(scenario, faults, Path(folder), story=tell)
        try:
            Life(world).live()
        except Violated as found:
            violation = found
        finally:
            world.close()
    return Outcome(
        seed=seed,
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
        lines=world.story.lines(),
    )


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


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the daemon's log to itself: thousands of hours would be written."""
    before = structlog.get_config()
    only_critical = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=only_critical, processors=[_drop], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: object) -> NoReturn:
    raise structlog.DropEvent
