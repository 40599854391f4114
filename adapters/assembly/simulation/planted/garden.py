"""Garden: every planted bug, and how soon the simulation finds it.

Enters: seeds, how many processes. Stays out: what the bugs do (their own files).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial

from adapters.assembly.simulation.features import Features
from adapters.assembly.simulation.planted import (
    desk,
    recording,
    requesting,
    supervising,
    telling,
    trading,
    whole_desk,
)
from adapters.assembly.simulation.planted.known_seeds import KNOWN_SEEDS
from adapters.assembly.simulation.runner import Violation, run_world

BUGS = (
    *recording.BUGS,
    *trading.BUGS,
    *requesting.BUGS,
    *telling.BUGS,
    *supervising.BUGS,
    *desk.BUGS,
    *whole_desk.BUGS,
)
HOURS = 0.25  # a dense quarter of an hour finds as much as a whole one
TRADES_AN_HOUR = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one planted bug."""

    name: str
    mistake: str
    seed: int | None  # the first that found it; None: it was missed
    invariant: str = ""
    text: str = ""

    @property
    def caught(self) -> bool:
        return self.seed is not None


def run_planted(seeds: Iterable[int], *, jobs: int = 1, names: Iterable[str] = ()) -> Iterator[Finding]:
    """Plant each bug by itself and look for the first seed that finds it; tell of each as soon as it is known.

    Args:
        seeds: which, in order.
        jobs: processes to share the bugs.
        names: of the bugs to plant; empty for all.

    Raises:
        LookupError: no bug has one of the names, or a patch's place is gone.

    """
    known = {bug.name for bug in BUGS}
    wanted = tuple(names) or tuple(bug.name for bug in BUGS)
    for name in wanted:
        if name not in known:
            raise LookupError(f"there is no planted bug {name!r}; write one of: {', '.join(sorted(known))}")
    search = partial(find, seeds=tuple(seeds))
    if jobs == 1:
        return map(search, wanted)
    return _side_by_side(search, wanted, jobs)


def _side_by_side(search: Callable[[str], Finding], names: Iterable[str], jobs: int) -> Iterator[Finding]:
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        for found in as_completed([pool.submit(search, name) for name in names]):
            yield found.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def find(name: str, *, seeds: tuple[int, ...]) -> Finding:
    """Plant one bug and run seed after seed until an invariant breaks, the one that showed it last time first.

    What a world shows without the bug as well is no finding.
    """
    bug = next(bug for bug in BUGS if bug.name == name)
    hint = KNOWN_SEEDS.get(name)
    for seed in sorted(seeds, key=lambda each: each != hint):
        with bug.planted():
            violation = _lived(seed, bug.optioned, bug.guards, bug.features)
        if violation is not None and holds(seed, bug.optioned, bug.guards, bug.features):
            return Finding(
                name=name, mistake=bug.mistake, seed=seed, invariant=violation.invariant, text=str(violation)
            )
    return Finding(name=name, mistake=bug.mistake, seed=None)


def _lived(seed: int, optioned: float, guards: str | None, features: Features) -> Violation | None:
    return run_world(
        seed, hours=HOURS, trades_an_hour=TRADES_AN_HOUR, optioned=optioned, guards=guards, features=features
    ).violation


@lru_cache(maxsize=256)
def holds(seed: int, optioned: float, guards: str | None, features: Features) -> bool:
    """Tell whether the world of a seed breaks nothing by itself."""
    return _lived(seed, optioned, guards, features) is None
