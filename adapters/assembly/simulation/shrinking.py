"""Shrinking: the smallest world found that still violates the same invariant.

Enters: an outcome with a violation, a way to run cases, how many runs are allowed. Stays out: saving, telling.
Faults go first, then actions, then single strikes of what is left; time is cut to just behind the violation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from adapters.assembly.simulation.cases import Case
from adapters.assembly.simulation.runner import Outcome

RUNS = 120
_LOWERED = (0.1, 0.3, 0.6)  # of a rate, the boldest first
_RARE = 0.002  # a rate that is not lowered any more
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What is left, and what was not needed."""

    outcome: Outcome
    dropped: tuple[str, ...]  # in words
    runs: int


def shrink(
    outcome: Outcome,
    run: Callable[[Case], Outcome],
    *,
    runs: int = RUNS,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Shrunk:
    """Make the world of a violation smaller.

    Args:
        outcome: of a world that violated something.
        run: runs one case.
        runs: worlds that may be run; when they are used up the smallest so far is given.
        progress: told after each run how many were done, and of how many.

    Raises:
        ValueError: the outcome has no violation.

    """
    search = _Search(outcome, run, runs, progress)
    before: Case | None = None
    while search.case != before:  # what one pass leaves out may make more of it needless
        before = search.case
        search.cut_time()
        search.drop_faults()
        search.drop_actions()
        search.drop_strikes()
        search.lower_rates()
        search.drop_markets()
    return Shrunk(outcome=search.best, dropped=tuple(_dropped(outcome.case, search.best.case)), runs=search.done)


class _Search:
    """The smallest world so far, and what is tried next."""

    def __init__(
        self, outcome: Outcome, run: Callable[[Case], Outcome], runs: int, progress: Callable[[int, int], None]
    ) -> None:
        if outcome.violation is None:
            raise ValueError(f"seed {outcome.seed} violated nothing: there is nothing to shrink")
        self.best = outcome
        self.done = 0
        self._invariant = outcome.violation.invariant
        self._run = run
        self._runs = runs
        self._progress = progress

    @property
    def case(self) -> Case:
        return self.best.case

    def _still(self, case: Case) -> bool:
        """Whether this world violates the same; it is the best one then."""
        if self.done >= self._runs:
            return False
        self.done += 1
        outcome = self._run(case)
        self._progress(self.done, self._runs)
        if outcome.violation is None or outcome.violation.invariant != self._invariant:
            return False
        self.best = outcome
        return True

    def cut_time(self) -> None:
        """End just behind the violation."""
        scenario = self.case.scenario
        end = float(math.ceil(self.best.virtual_seconds) + 1)
        if end < scenario.seconds:
            actions = tuple(each for each in scenario.actions if each.at <= end)
            times = {name: tuple(at for at in instants if at <= end) for name, instants in self.case.times.items()}
            self._still(replace(self.case, scenario=replace(scenario, seconds=end, actions=actions), times=times))

    def drop_faults(self) -> None:
        def only(names: Sequence[str]) -> Case:
            return self.case.without(set(self.case.fault_names) - set(names))

        _drop_needless(self.case.fault_names, lambda names: self._still(only(names)))

    def drop_actions(self) -> None:
        def only(numbers: Sequence[int]) -> Case:
            scenario = self.case.scenario
            left = tuple(each for each in scenario.actions if each.number in set(numbers))
            return replace(self.case, scenario=replace(scenario, actions=left))

        numbers = tuple(each.number for each in self.case.scenario.actions)
        _drop_needless(numbers, lambda left: self._still(only(left)))

    def drop_strikes(self) -> None:
        """Leave out single instants of strewn faults."""
        for name in tuple(self.case.times):

            def only(instants: Sequence[float], name: str = name) -> Case:
                return replace(self.case, times={**self.case.times, name: tuple(instants)})

            _drop_needless(self.case.times[name], lambda left, only=only: self._still(only(left)))  # type: ignore[misc]

    def lower_rates(self) -> None:
        """Have faults strike less often: a lower rate keeps some of the same strikes."""
        for name, rate in tuple(self.case.rates.items()):
            if rate <= _RARE:
                continue
            any(self._still(replace(self.case, rates={**self.case.rates, name: rate * share})) for share in _LOWERED)

    def drop_markets(self) -> None:
        """Close the markets that nobody trades on."""
        scenario = self.case.scenario
        traded = {each.symbol for each in scenario.actions}
        left = tuple(each for each in scenario.instruments if each.symbol in traded)
        if left and len(left) < len(scenario.instruments):
            self._still(replace(self.case, scenario=replace(scenario, instruments=left)))


def _drop_needless(items: Sequence[_T], still: Callable[[Sequence[_T]], bool]) -> None:
    """Leave out ever smaller parts of a sequence while what is left still does. `still` keeps the last that did."""
    left = list(items)
    if left and still([]):
        return
    size = len(left)
    while size > 1:
        size = (size + 1) // 2
        at = 0
        while at < len(left) and len(left) > 1:
            without = left[:at] + left[at + size :]
            if without and still(without):
                left = without
            else:
                at += size


def _dropped(before: Case, after: Case) -> Iterator[str]:
    faults = [name for name in before.fault_names if name not in after.fault_names]
    if faults:
        yield f"the faults {', '.join(faults)}"
    strikes = sum(len(before.times.get(name, ())) - len(instants) for name, instants in after.times.items())
    if strikes:
        yield f"{strikes} strikes of other faults"
    weaker = [name for name, rate in after.rates.items() if rate < before.rates[name]]
    if weaker:
        yield f"a part of {', '.join(weaker)}"
    actions = len(before.scenario.actions) - len(after.scenario.actions)
    if actions:
        yield f"{actions} of the person's {len(before.scenario.actions)} actions"
    markets = len(before.scenario.instruments) - len(after.scenario.instruments)
    if markets:
        yield f"{markets} of {len(before.scenario.instruments)} markets"
    seconds = before.scenario.seconds - after.scenario.seconds
    if seconds > 0:
        yield f"the last {seconds / 60:.0f} of {before.scenario.seconds / 60:.0f} minutes"
