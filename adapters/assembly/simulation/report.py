"""Report: what many worlds came to, as figures, as JSON and as words for a terminal.

Enters: outcomes. Stays out: running them, processes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from adapters.assembly.simulation.faults import NAMES
from adapters.assembly.simulation.runner import Outcome, Violation
from adapters.assembly.simulation.states import STATES

_LISTED = 20  # violations told in full
_ENOUGH = 50  # worlds after which a fault that never struck is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many worlds went. The digest depends on the seeds alone, not on the order they were finished in."""

    seeds: int
    hours_simulated: float
    trades: int
    faults_injected: int
    messages: int
    violations: tuple[tuple[int, Violation], ...]  # by seed
    digest: str
    wall_seconds: float
    slowest_seed: int
    slowest_seconds: float
    faults: Counter[str]
    noticed: Counter[str]
    met: Counter[str]  # "fault on state of the trade it fell upon": the pairs that really occurred

    @property
    def never_met(self) -> tuple[str, ...]:
        """Name the pairs of fault and state that did not occur."""
        return tuple(pair for name in NAMES for state in STATES if (pair := f"{name} on {state}") not in self.met)

    @property
    def virtual_seconds_per_second(self) -> float:
        return self.hours_simulated * 3600 / self.wall_seconds if self.wall_seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Give the figures, and each violation with its seed."""
        return {
            "seeds": self.seeds,
            "hours_simulated": round(self.hours_simulated, 3),
            "trades": self.trades,
            "faults_injected": self.faults_injected,
            "messages": self.messages,
            "violations": len(self.violations),
            "digest": self.digest,
            "wall_seconds": round(self.wall_seconds, 2),
            "slowest_seed": self.slowest_seed,
            "virtual_seconds_per_second": round(self.virtual_seconds_per_second, 1),
            "violated": [
                {"seed": seed, "invariant": each.invariant, "about": each.about, "text": each.text}
                for seed, each in self.violations
            ],
            "faults": dict(sorted(self.faults.items())),
            "noticed": dict(sorted(self.noticed.items())),
            "met": dict(sorted(self.met.items())),
            "never_met": list(self.never_met),
        }


def summarise(outcomes: Iterable[Outcome], *, wall_seconds: float | None = None) -> Report:
    """Add worlds up, in whichever order they come.

    Args:
        outcomes: one a seed.
        wall_seconds: from the first's start to the last's end; by default what they took together.

    """
    ordered = sorted(outcomes, key=lambda each: each.seed)
    digest = hashlib.blake2b("".join(each.digest for each in ordered).encode(), digest_size=16)
    slowest = max(ordered, key=lambda each: each.wall_seconds, default=None)
    faults: Counter[str] = Counter()
    noticed: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for each in ordered:
        faults.update(each.faults)
        noticed.update(each.noticed)
        met.update(each.met)
    return Report(
        seeds=len(ordered),
        hours_simulated=sum(each.virtual_seconds for each in ordered) / 3600,
        trades=sum(each.trades for each in ordered),
        faults_injected=faults.total(),
        messages=sum(each.messages for each in ordered),
        violations=tuple((each.seed, each.violation) for each in ordered if each.violation is not None),
        digest=digest.hexdigest(),
        wall_seconds=sum(each.wall_seconds for each in ordered) if wall_seconds is None else wall_seconds,
        slowest_seed=slowest.seed if slowest else 0,
        slowest_seconds=slowest.wall_seconds if slowest else 0.0,
        faults=faults,
        noticed=noticed,
        met=met,
    )


def in_words(report: Report, *, again: str) -> Iterator[str]:
    """Tell a report in lines. `again`: a format with {seed} in it, the command that tells a seed's story."""
    yield (
        f"{_many(report.seeds, 'world')}, {report.hours_simulated:,.1f} virtual hours in {report.wall_seconds:,.1f} s: "
        f"{_many(report.trades, 'trade')}, {_many(report.faults_injected, 'fault')}, "
        f"{_many(report.messages, 'message')}; {report.virtual_seconds_per_second:,.0f} virtual seconds a second"
    )
    if report.faults:
        yield f"faults   {_counted(report.faults)}"
    silent = [name for name in NAMES if name not in report.faults]
    if silent and report.seeds >= _ENOUGH:
        yield f"         never: {', '.join(silent)}"
    if report.met:
        yield f"states   {len(report.met)} of {len(NAMES) * len(STATES)} pairs of a fault and a trade's state occurred"
    if report.noticed:
        yield f"noticed  {_counted(report.noticed)}"
    yield f"slowest  seed {report.slowest_seed}, {report.slowest_seconds:.1f} s"
    yield f"digest   {report.digest}"
    yield ""
    if not report.violations:
        held = f"Every invariant held in {_many(report.seeds, 'world')}."
        yield held if report.seeds else "No world was lived to its end."
        return
    yield f"VIOLATED in {len(report.violations)} of {_many(report.seeds, 'world')}:"
    for seed, violation in report.violations[:_LISTED]:
        yield f"  seed {seed}: {_short(violation)}"
        yield f"    {again.format(seed=seed)}"
    if len(report.violations) > _LISTED:
        rest = ", ".join(str(seed) for seed, _ in report.violations[_LISTED:])
        yield f"  and the seeds {rest}"


def _short(violation: Violation) -> str:
    """Give a violation on one line; of a traceback, where it ends."""
    lines = str(violation).strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def _counted(counter: Counter[str]) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in counter.most_common())


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
