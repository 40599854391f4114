"""Measure how fast the simulation's time passes, on one core, in the standard scenario.

Run: python tests/bench/simulation.py [--json] [--worlds N] [--rounds N]

The standard scenario: two symbols, a price every 5 s on average, ten trades, one hour; each seed's random subset of the
faults on, every invariant checked after every step. The daemon's disk is in memory. One process and thread, pinned to
one core where the system allows it; the first world warms up and does not count.

virtual_seconds_per_second   the hour over the processor time of a world, summed over the worlds; the time it takes to
                             come to rest afterwards is not counted as simulated. Each world's fastest round counts.
wall_virtual_seconds_per_second   the same by the wall clock: on a quiet machine the same figure
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from _stand import machine  # noqa: E402 - the folder has to be found first

from adapters.assembly.simulation.cases import Case, standard_case  # noqa: E402 - as above
from adapters.assembly.simulation.runner import run_case  # noqa: E402 - as above

WORLDS = 12
ROUNDS = 3


def measure(worlds: int, rounds: int) -> dict[str, Any]:
    """Run each world `rounds` times in turn; add up each one's fastest."""
    with suppress(AttributeError, OSError):  # not every system can pin
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cases = [standard_case(seed) for seed in range(1, worlds + 1)]
    run_case(cases[0])
    processor = [float("inf")] * worlds
    wall = [float("inf")] * worlds
    faults = messages = trades = violations = 0
    simulated = 0.0
    for at_round in range(rounds):
        for at, case in enumerate(cases):
            outcome, spent, passed = timed(case)
            processor[at], wall[at] = min(processor[at], spent), min(wall[at], passed)
            if at_round == 0:
                simulated += min(case.scenario.seconds, outcome.virtual_seconds)  # a violation ends a world early
                faults += outcome.faults.total()
                messages += outcome.messages
                trades += outcome.trades
                violations += outcome.violation is not None
    return {
        "virtual_seconds_per_second": round(simulated / sum(processor), 1),
        "wall_virtual_seconds_per_second": round(simulated / sum(wall), 1),
        "slowest_world_seconds": round(max(processor), 3),
        "worlds": worlds,
        "rounds": rounds,
        "trades": trades,
        "faults_injected": faults,
        "messages": messages,
        "violations": violations,
        "machine": machine(),
    }


def timed(case: Case) -> tuple[Any, float, float]:
    """Run a world; give its outcome, and the processor and wall seconds it took."""
    processor, wall = time.process_time(), time.perf_counter()
    outcome = run_case(case)
    return outcome, time.process_time() - processor, time.perf_counter() - wall


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    stated = parser.parse_args()
    if stated.worlds < 1 or stated.rounds < 1:
        parser.error("--worlds and --rounds are whole numbers from 1 up")
    result = measure(stated.worlds, stated.rounds)
    if stated.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<34} {value}")
    return 0 if not result["violations"] else 1


if __name__ == "__main__":
    sys.exit(main())
