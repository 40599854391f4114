"""The whole daemon from a seed: real rules, store, translation, error classes; the rest made up, and broken.

The seeds come in slices, which spread over the cores. A slice that fails prints the command that tells its story.
"""

from __future__ import annotations

from collections import Counter

import pytest

from adapters.assembly.simulation.cases import draw_case_of
from adapters.assembly.simulation.faults import NAMES
from adapters.assembly.simulation.jobs import run_simulation
from adapters.assembly.simulation.report import Report, in_words
from adapters.assembly.simulation.runner import run_case

DENSE = 16.0  # trades an hour, where the hour is a quarter: more happens in less time
SLICE = 12
QUARTERS = [tuple(range(first, first + SLICE)) for first in range(1, 18 * SLICE, SLICE)]  # 216 seeds
HOURS = [tuple(range(1001, 1005)), tuple(range(1005, 1009))]  # as `main.py simulate` runs them
TOGETHER = 5  # faults that share a world
GROUPS = [NAMES[at : at + TOGETHER] for at in range(0, len(NAMES), TOGETHER)]
TRIES = 24  # most end after two; some faults strike only where a person changes trades
RARE = frozenset({"chat_long_outage"})  # six hours, in one world of ten that have it: too seldom for so few tries


def named(seeds: tuple[int, ...]) -> str:
    return f"seeds {seeds[0]}..{seeds[-1]}"


def told(report: Report, words: str) -> str:
    return "\n".join(in_words(report, again=f"main.py simulate {words} --seed {{seed}} --story"))


@pytest.mark.parametrize("seeds", QUARTERS, ids=named)
def test_every_invariant_holds_whatever_goes_wrong(seeds: tuple[int, ...]) -> None:
    report = run_simulation(seeds, hours=0.25, trades_an_hour=DENSE)
    assert report.violations == (), told(report, f"--hours 0.25 --trades {DENSE:g}")
    assert report.trades >= SLICE
    assert report.faults_injected > 100


@pytest.mark.parametrize("seeds", HOURS, ids=named)
def test_every_invariant_holds_for_hours(seeds: tuple[int, ...]) -> None:
    report = run_simulation(seeds)
    assert report.violations == (), told(report, "")
    assert report.hours_simulated > len(seeds)
    assert report.trades > 3 * len(seeds)


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_each_fault_strikes_and_is_survived(names: tuple[str, ...]) -> None:
    """A fault that never strikes proves nothing; a few worlds with it on are enough to see it."""
    struck: Counter[str] = Counter()
    for seed in range(1, TRIES + 1):
        outcome = run_case(draw_case_of(seed, names, hours=0.25, trades_an_hour=DENSE))
        violation = outcome.violation
        assert violation is None, f"seed {seed}"
        struck.update(outcome.faults)
        if set(names) - RARE <= set(struck):
            return
    pytest.fail(f"never struck: {', '.join(sorted(set(names) - set(struck)))}")


def test_a_quiet_world_is_quiet() -> None:
    report = run_simulation(range(61, 66), hours=0.25, without=NAMES)
    assert report.violations == ()
    assert not report.noticed, "a message that nobody took, though nothing went wrong"
