"""The simulate verb: what was asked for, told on the terminal or as JSON, and an exit code.

Enters: the command's values. Stays out: reading arguments, running worlds.
Exit codes: 0 every invariant held (every planted bug was caught), 1 not so, 2 the question makes no sense, 130 stopped
by Ctrl-C, with what was known by then.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

from adapters.assembly.simulation.cases import TRADES_AN_HOUR, Case, draw_case, read_case, write_case
from adapters.assembly.simulation.cut_points import run_cut_points
from adapters.assembly.simulation.faults import NAMES
from adapters.assembly.simulation.jobs import WorldProcesses
from adapters.assembly.simulation.planted import BUGS, Finding, run_planted
from adapters.assembly.simulation.report import in_words, summarise
from adapters.assembly.simulation.runner import Outcome, Violation
from adapters.assembly.simulation.shrinking import Shrunk, shrink
from adapters.assembly.simulation.story import chain
from adapters.cli.arguments import Simulate

HELD, VIOLATED, SENSELESS, STOPPED, TERMINATED = 0, 1, 2, 130, 143
_REPOSITORY = Path(__file__).resolve().parents[3]
_CASES = Path("tests/scenarios/cases")
_LAST_LINES = 60
Say = Callable[[str], None]


def simulate(command: Simulate) -> int:
    """Carry out one `simulate` command."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        return _carry_out(command)
    finally:
        signal.signal(signal.SIGTERM, before)


def _carry_out(command: Simulate) -> int:
    unknown = sorted(set(command.without) - set(NAMES))
    if unknown:
        print(f"--without {unknown[0]}: there is no such fault; write one of: {', '.join(NAMES)}", file=sys.stderr)
        return SENSELESS
    if command.cut_points:
        return _cut_points(command)
    if command.planted:
        return _planted(command)
    if command.case is not None:
        try:
            return _single(command, read_case(command.case))
        except ValueError as error:
            print(error, file=sys.stderr)
            return SENSELESS
    if command.seed is not None:
        return _single(command, _drawn(command, command.seed))
    return _many(command)


def _end(_signal: int, _frame: object) -> NoReturn:
    """End on SIGTERM as on any other way out: worlds are taken down, their folders go."""
    sys.exit(TERMINATED)


# --- many seeds ------------------------------------------------------------------------------------------------------
def _many(command: Simulate) -> int:
    outcomes: list[Outcome] = []
    began = time.perf_counter()
    stopped = False
    with _Progress(len(command.seeds), "worlds") as progress:
        try:
            with WorldProcesses(min(command.jobs, len(command.seeds))) as processes:
                for outcome in processes.run_all(_drawn(command, seed) for seed in command.seeds):
                    outcomes.append(outcome)
                    progress.tell(len(outcomes), f"{sum(each.violation is not None for each in outcomes)} violated")
        except KeyboardInterrupt:
            stopped = True
    report = summarise(outcomes, wall_seconds=time.perf_counter() - began)
    if command.as_json:
        print(json.dumps({**report.as_json(), "interrupted": stopped}), flush=True)
    else:
        print("\n".join(in_words(report, again=f"{_again(command)} --seed {{seed}} --story")), flush=True)
        if stopped:
            print(f"Stopped after {len(outcomes)} of {len(command.seeds)} worlds.", file=sys.stderr)
    if stopped:
        return STOPPED
    return VIOLATED if report.violations else HELD


# --- one seed, or a saved case ---------------------------------------------------------------------------------------
def _single(command: Simulate, case: Case) -> int:
    try:
        with WorldProcesses(1) as processes:
            return _look_into(command, case, processes)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED


def _look_into(command: Simulate, case: Case, processes: WorldProcesses) -> int:
    outcome = processes.run(case, tell=command.story)
    if command.as_json:
        print(json.dumps(summarise([outcome]).as_json()), flush=True)
    elif not command.story:
        print("\n".join(in_words(summarise([outcome]), again=f"{_of(command)} --story")), flush=True)
    if outcome.violation is not None:
        say = partial(print, file=sys.stderr if command.as_json else sys.stdout, flush=True)
        _explain(command, outcome, processes, say)
        return VIOLATED
    if command.story:
        _tell_end(outcome)
    if command.save:
        print(f"Nothing was violated in seed {case.seed}: there is nothing to save.", file=sys.stderr)
    return HELD


def _explain(command: Simulate, outcome: Outcome, processes: WorldProcesses, say: Say) -> None:
    """Shrink a failing world, tell its story, save it: what of it was asked for."""
    shrunk: Shrunk | None = None
    if command.save or not (command.whole or command.as_json or command.case is not None):
        shrunk = _shrink(outcome, processes)
        outcome = processes.run(shrunk.outcome.case, tell=command.story)
    if command.story:
        for line in chain(outcome.lines, outcome.subjects, outcome.symbols) or outcome.lines[-_LAST_LINES:]:
            say(str(line))
    if shrunk is not None:
        _tell_shrunk(say, shrunk)
    again = f"{_of(command)} --story{' --whole' if command.whole else ''}"
    if command.save and outcome.violation is not None:
        path = _save(command, outcome.case, outcome.violation)
        again = f"main.py simulate --case {path} --story"
        say(f"\nSaved as {path}.")
    if command.story:
        say(f"\nVIOLATED at {outcome.virtual_seconds:.4f} s: {outcome.violation}\nAgain: {again}")


def _shrink(outcome: Outcome, processes: WorldProcesses) -> Shrunk:
    with _Progress(0, "runs of shrinking") as progress:
        return shrink(outcome, processes.run, progress=lambda done, of: progress.tell(done, f"of at most {of}"))


def _tell_shrunk(say: Say, shrunk: Shrunk) -> None:
    case = shrunk.outcome.case
    needless = "; ".join(shrunk.dropped) or "nothing"
    faults = ", ".join(case.fault_names) or "none"
    say(f"\nShrunk in {shrunk.runs} runs to {case.scenario.seconds:.0f} s that still violate it.")
    say(f"  needless  {needless}")
    say(f"  left      the faults {faults}")
    for action in case.scenario.actions:
        say(f"            {action.kind} at {action.at:.1f} s {action.words or action.symbol}")


def _tell_end(outcome: Outcome) -> None:
    for line in outcome.lines[-_LAST_LINES:]:
        print(line)
    hours = outcome.virtual_seconds / 3600
    print(
        f"\nEvery invariant held: {outcome.trades} trades, {outcome.closed} of them closed, {outcome.faults.total()} "
        f"faults in {hours:.2f} virtual hours. These were the last {min(len(outcome.lines), _LAST_LINES)} of "
        f"{len(outcome.lines)} lines; digest {outcome.digest}."
    )


def _save(command: Simulate, case: Case, violation: Violation) -> Path:
    in_repository = _REPOSITORY / _CASES
    folder = command.into or (in_repository if in_repository.is_dir() else Path.cwd())
    path = write_case(case.found(violation.invariant, str(violation).splitlines()[0]), folder)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


# --- planted bugs ----------------------------------------------------------------------------------------------------
def _planted(command: Simulate) -> int:
    found: list[Finding] = []
    stopped = False
    with _Progress(len(BUGS), "planted bugs") as progress:
        try:
            for each in run_planted(command.seeds, jobs=command.jobs):
                found.append(each)
                if not command.as_json:
                    progress.clear()
                    print(_found(each), flush=True)
                progress.tell(len(found), f"{_missed(found)} missed")
        except KeyboardInterrupt:
            stopped = True
    missed = _missed(found)
    if command.as_json:
        details = [
            {"name": each.name, "seed": each.seed, "invariant": each.invariant, "mistake": each.mistake}
            for each in found
        ]
        figures = {"planted": len(found), "caught": len(found) - missed, "missed": missed}
        print(json.dumps({**figures, "bugs": details, "interrupted": stopped}), flush=True)
    else:
        print(f"\n{len(found) - missed} of {len(found)} planted bugs were caught.", flush=True)
        if stopped:
            print(f"Stopped after {len(found)} of {len(BUGS)} planted bugs.", file=sys.stderr)
    if stopped:
        return STOPPED
    return VIOLATED if missed else HELD


def _missed(found: list[Finding]) -> int:
    return sum(not each.caught for each in found)


def _found(finding: Finding) -> str:
    by = f"seed {finding.seed:<4} {finding.invariant}" if finding.caught else "MISSED"
    return f"{finding.name:<36} {by:<32} {finding.mistake}"


# --- cut points ------------------------------------------------------------------------------------------------------
def _cut_points(command: Simulate) -> int:
    try:
        report = run_cut_points(jobs=command.jobs)
    except KeyboardInterrupt:
        print("Stopped: the scripts are judged together, nothing is known yet.", file=sys.stderr)
        return STOPPED
    if command.as_json:
        print(json.dumps({**report.figures(), "failures": report.failures}), flush=True)
    else:
        print("\n".join(report.in_words()), flush=True)
    return VIOLATED if report.failures else HELD


# --- words -----------------------------------------------------------------------------------------------------------
def _drawn(command: Simulate, seed: int) -> Case:
    return draw_case(seed, hours=command.hours, trades_an_hour=command.trades_an_hour, without=command.without)


def _again(command: Simulate) -> str:
    """Give the command that makes the same worlds again, but for the seed."""
    words = ["main.py simulate"]
    if command.hours != 1.0:
        words.append(f"--hours {command.hours:g}")
    if command.trades_an_hour != TRADES_AN_HOUR:
        words.append(f"--trades {command.trades_an_hour:g}")
    words += [f"--without {name}" for name in command.without]
    return " ".join(words)


def _of(command: Simulate) -> str:
    if command.case is not None:
        return f"main.py simulate --case {command.case}"
    return f"{_again(command)} --seed {command.seed}"


class _Progress:
    """One line on the terminal that is written over; nothing where nobody looks."""

    def __init__(self, of: int, what: str) -> None:
        self._of = of
        self._what = what
        self._began = time.monotonic()
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.clear()

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def tell(self, done: int, rest: str) -> None:
        if self._shown:
            count = f"{done:,}/{self._of:,}" if self._of else f"{done:,}"
            seconds = time.monotonic() - self._began
            print(f"\r\033[K{count} {self._what}, {rest}, {seconds:.0f} s", end="", file=sys.stderr, flush=True)
