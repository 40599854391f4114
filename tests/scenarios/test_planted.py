"""Mistakes put into the running code on purpose: each is found by the simulation, and by an invariant, not by luck."""

from __future__ import annotations

import pytest

from actors.rules import decision
from adapters.assembly.simulation.planted import (
    BUGS,
    KNOWN_SEEDS,
    Bug,
    Patch,
    desk,
    find,
    garden,
    recording,
    requesting,
    run_planted,
    supervising,
    telling,
    trading,
    whole_desk,
)
from adapters.assembly.simulation.runner import Violation

SEEDS = tuple(range(1, 201))
ENOUGH = 60
EVERY = 3  # of so many mistakes one is tried here, at its known seed; `simulate --planted` tries and searches all
FAMILIES = {
    module.__name__.rpartition(".")[2]: module.BUGS
    for module in (recording, trading, requesting, telling, supervising, desk, whole_desk)
}


def test_there_are_enough_of_them_and_each_has_a_name_of_its_own() -> None:
    names = [bug.name for bug in BUGS]
    assert len(set(names)) == len(names)
    assert len(names) >= ENOUGH
    assert set(KNOWN_SEEDS) == set(names)
    assert set(KNOWN_SEEDS.values()) <= set(SEEDS)


@pytest.mark.parametrize("family", FAMILIES)
def test_of_each_kind_of_mistake_nearly_all_are_found_where_they_were_found_last(family: str) -> None:
    """A change of the code changes its worlds, and a rare mistake may have to be searched for anew."""
    names = [bug.name for bug in FAMILIES[family]][::EVERY]
    found = [find(name, seeds=(KNOWN_SEEDS[name],)) for name in names]
    missed = [each.name for each in found if not each.caught]
    assert len(missed) <= len(names) // 3, f"search their seeds again with main.py simulate --planted: {missed}"
    assert all(each.invariant for each in found if each.caught)


def test_what_a_world_shows_without_the_mistake_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worlds change with the code: a seed that shows something by itself says nothing of a mistake."""
    tried: list[int] = []
    shown = Violation(invariant="I1", about="", text="two orders for one intent")

    def lived(seed: int, *_world: object) -> Violation | None:
        tried.append(seed)
        return shown if seed == KNOWN_SEEDS["no_breakeven"] else None

    monkeypatch.setattr(garden, "_lived", lived)
    garden.holds.cache_clear()
    hint = KNOWN_SEEDS["no_breakeven"]
    finding = find("no_breakeven", seeds=(hint, 901, 902))
    garden.holds.cache_clear()
    assert not finding.caught
    assert tried == [hint, hint, 901, 902]


def test_a_mistake_is_taken_out_again() -> None:
    honest = decision._stop_to_breakeven
    bug = next(bug for bug in BUGS if bug.name == "no_breakeven")
    with bug.planted():
        assert decision._stop_to_breakeven is not honest
    assert decision._stop_to_breakeven is honest


def test_a_bug_whose_place_is_gone_says_so_instead_of_passing_for_harmless() -> None:
    bug = Bug(name="lost", mistake="none", plant=lambda patch: patch.replace(decision, "_nowhere", None))
    with pytest.raises(LookupError, match="has no _nowhere to patch"), bug.planted():
        pytest.fail("nothing was planted")
    patch = Patch()
    with pytest.raises(LookupError, match="no entry"):
        patch.item({}, "key", 1)


def test_an_unknown_bug_is_named_with_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"write one of: .*no_breakeven"):
        run_planted((1,), names=("nonsense",))
