"""F7: a crash at every point of every order operation, enumerated; each comes to what the uncrashed run came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors import operator_session
from actors.conversation import Step
from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.orders import CancelOrder
from actors.messages.storing import Append, StoredStream, TakeDocument
from actors.operator_session import OperatorSession
from actors.position_monitor import PositionMonitor
from actors.rules.chat_commands import Press
from actors.store import Store
from adapters.assembly.program import main
from adapters.assembly.simulation import verb
from adapters.assembly.simulation.cut_points import (
    CutReport,
    ScriptReport,
    cuts_of,
    live,
    run_cut_points,
    run_script,
    script_named,
)
from adapters.assembly.simulation.cut_scripts import SCRIPTS

Method = Callable[..., Any]


@pytest.mark.parametrize("script", [each.name for each in SCRIPTS])
def test_a_crash_at_any_point_changes_nothing_about_the_end(script: str) -> None:
    report = run_script(script)
    assert report.failures == ()
    assert report.runs >= report.worlds > 5
    assert report.points > report.worlds
    assert report.second_crashes > 0


def test_the_points_reach_from_before_the_first_commit_to_after_the_last_answer() -> None:
    """Before and after each commit, request and message, and between any two handlers."""
    whole = live(script_named("an entry fills"))
    labels = [each.label for each in whole.points]
    for order in ("S", "T1", "T2", "T3", "T4"):
        before, after = (
            next(
                place
                for place, label in enumerate(labels)
                if label.startswith(f"{when} order/create") and wanted in label
            )
            for when, wanted in (("before", f"-{order}-"), ("after", f"-{order}-"))
        )
        assert after == before + 1
    assert sum(label == "before a commit" for label in labels) == sum(label == "after a commit" for label in labels) > 5
    assert sum("message" in label for label in labels) >= 4  # two alerts, before and after
    assert sum(label == "after a step" for label in labels) > 50
    # What had changed outside of the process only ever grows, and every one of these worlds is run.
    changes = [each.changes for each in whole.points]
    assert changes == sorted(changes)
    chosen = {each.point for each in cuts_of(script_named("an entry fills"), whole.points)}
    assert {whole.points[point - 1].changes for point in chosen} == set(changes)


def test_points_between_which_nothing_changed_outside_come_to_the_same() -> None:
    """The ground for running one of them for all: run each of them, in the shortest script, and see."""
    every = run_script("an entry is cancelled by hand", every=True)
    assert every.failures == ()
    assert every.runs - every.second_crashes == every.points


def test_the_report_counts_all_there_is() -> None:
    report = run_cut_points("an entry is cancelled by hand")
    assert [each.script for each in report.scripts] == ["an entry is cancelled by hand"]
    figures = report.figures()
    assert figures["violations"] == 0
    assert figures["cut_points"] == report.scripts[0].points
    with pytest.raises(LookupError, match="open with two entries"):
        run_cut_points("no such script")


@pytest.mark.parametrize(("failures", "code"), [((), 0), (("an entry fills, point 7: I2",), 1)])
def test_the_verb_ends_with_0_only_when_nothing_failed(
    failures: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ScriptReport(
        script="an entry fills", points=9, worlds=3, runs=4, second_crashes=1, failures=failures, cpu_seconds=0.1
    )
    report = CutReport(scripts=(script,), wall_seconds=0.1)
    monkeypatch.setattr(verb, "run_cut_points", lambda **_: report)
    assert main(["simulate", "--cut-points", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["cut_points"], told["runs"], told["violations"]) == (9, 4, len(failures))
    assert main(["simulate", "--cut-points"]) == code
    assert "9 points" in capsys.readouterr().out
    assert main(["simulate", "--cut-points", "--planted"]) == 2


# --- the enumeration finds what it is there for -----------------------------------------------------------------------
def found_in(script: str) -> tuple[str, ...]:
    return run_script(script, to_the_end=False).failures


def test_it_finds_an_effect_that_is_settled_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Store.handlers[Append]

    def hasty(store: Any, message: Append) -> None:
        honest(store, message)
        for effect in message.effects:
            if isinstance(effect.request, RaiseAlert | CancelOrder):
                store._db.settle(effect.key, "")

    monkeypatch.setitem(Store.handlers, Append, hasty)
    assert found_in("an entry fills")


def test_it_finds_effects_that_are_released_before_their_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Store.handlers[Append]

    def hasty(store: Any, message: Append) -> None:
        known = len(store._told)
        honest(store, message)
        told, store._told[known:] = store._told[known:], []
        for path, each, story in told:
            store.context.tell(path, each, trace_id=story)

    monkeypatch.setitem(Store.handlers, Append, hasty)
    assert found_in("an entry fills")


def test_it_finds_a_press_that_is_used_up_before_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(session: Any, update_id: int, press: Press) -> None:
        taken = TakeDocument(name=operator_session._button(press.nonce))  # answered once it is gone for good
        session.question(Step(update_id, "confirm", press.nonce), addresses.STORE, taken)

    monkeypatch.setattr(OperatorSession, "_take_button", hasty)
    assert found_in("open with two entries")


def test_it_finds_promises_that_nobody_takes_up_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = PositionMonitor._take_up

    def forgetful(monitor: Any, stored: StoredStream) -> None:
        honest(monitor, replace(stored, unsettled=()))

    monkeypatch.setattr(PositionMonitor, "_take_up", forgetful)
    assert found_in("an entry fills")
