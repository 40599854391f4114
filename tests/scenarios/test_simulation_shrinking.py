"""A failing world becomes a small one that fails the same way, a story that ends with it, and a file that keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actors.rules import decision
from adapters.assembly.simulation.cases import Case, draw_case, read_case, write_case
from adapters.assembly.simulation.runner import BROKE, Outcome, run_case
from adapters.assembly.simulation.shrinking import shrink
from adapters.assembly.simulation.story import chain
from adapters.assembly.simulation.world import World

HOURS = 0.5


@pytest.fixture(name="failing")
def _failing(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A world with faults in it that fails for a reason of its own: the stop never goes to breakeven."""
    monkeypatch.setattr(decision, "_stop_to_breakeven", lambda *_: None)
    for seed in range(1, 40):
        case = draw_case(seed, hours=HOURS)
        if len(case.fault_names) < 5 or len(case.scenario.actions) < 5:
            continue
        outcome = run_case(case, tell=True)
        if outcome.violation is not None and outcome.violation.invariant == "I4":
            return outcome
    pytest.fail("no seed shows the mistake")


def test_what_is_needless_is_dropped_and_the_same_invariant_breaks(failing: Outcome) -> None:
    shrunk = shrink(failing, run_case)
    small = shrunk.outcome.case
    assert shrunk.outcome.violation is not None
    assert shrunk.outcome.violation.invariant == "I4"
    assert len(small.fault_names) < len(failing.case.fault_names) / 2
    assert len(small.scenario.actions) < len(failing.case.scenario.actions)
    assert small.scenario.seconds < failing.case.scenario.seconds
    assert shrunk.dropped
    assert any("actions" in each for each in shrunk.dropped)


def test_shrinking_ends_after_the_runs_it_is_given(failing: Outcome) -> None:
    ran: list[Case] = []

    def counted(case: Case) -> Outcome:
        ran.append(case)
        return run_case(case)

    shrunk = shrink(failing, counted, runs=3)
    assert len(ran) == shrunk.runs == 3
    assert shrunk.outcome.violation is not None


def test_another_invariant_is_no_substitute(failing: Outcome) -> None:
    """A smaller world that fails otherwise has lost what was looked for."""

    def otherwise(case: Case) -> Outcome:
        outcome = run_case(case)
        found = outcome.violation
        return outcome if found is None else replace(outcome, violation=replace(found, invariant="I1"))

    assert shrink(failing, otherwise, runs=10).outcome is failing


def test_a_world_that_held_cannot_be_shrunk() -> None:
    held = run_case(draw_case(61, hours=0.05))
    assert held.violation is None
    with pytest.raises(ValueError, match="nothing to shrink"):
        shrink(held, run_case)


def test_a_saved_case_breaks_the_same_way_until_the_mistake_is_gone(
    failing: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failing.violation is not None
    path = write_case(failing.case.found("I4", str(failing.violation)), tmp_path / "cases")
    case = read_case(path)
    assert (case.invariant, case.seed) == ("I4", failing.seed)
    assert [each.words for each in case.scenario.actions if each.kind == "open" and each.at < 60] == [
        each.words for each in failing.case.scenario.actions if each.kind == "open" and each.at < 60
    ]
    again = run_case(case)
    assert (again.violation, again.digest) == (failing.violation, failing.digest)
    monkeypatch.undo()
    mended = run_case(case).violation
    assert mended is None or mended.invariant != "I4"


def test_the_story_keeps_to_the_violated_trade_and_leads_up_to_the_violation(failing: Outcome) -> None:
    assert failing.violation is not None
    trade_id = failing.violation.about
    assert trade_id in failing.subjects
    lines = chain(failing.lines, failing.subjects, failing.symbols)
    assert 10 < len(lines) < len(failing.lines)
    told = {line.who for line in lines}
    assert {"fact", "decides", "request", "price", "world"} <= told
    others = {line.about for line in failing.lines if line.who == "decides"} - set(failing.subjects)
    assert not others & {line.about for line in lines if line.who == "decides"}
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert any("target" in line.text for line in lines), "what the stop should have followed is told"


def test_a_world_that_ends_in_an_error_counts_as_violated_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def falls_over(_world: World) -> None:
        raise RuntimeError("the simulation itself")

    monkeypatch.setattr(World, "start_daemon", falls_over)
    outcome = run_case(draw_case(1, hours=0.05))
    assert outcome.violation is not None
    assert outcome.violation.invariant == BROKE
    assert "falls_over" in outcome.violation.text
