"""The whole daemon from a seed: real rules, store, translation, error classes; the rest made up, and broken."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.alert_dispatcher import AlertDispatcher
from actors.messages.orders import ExecutionReported
from actors.model.order import OrderIntent
from actors.model.trade import Leg, Role, Trade
from actors.rules import decision, next_orders, position_life
from adapters.assembly.simulation.faults import NAMES
from adapters.assembly.simulation.jobs import run_simulation
from adapters.assembly.simulation.runner import run_world

ROOT = Path(__file__).resolve().parents[2]
HOURS = 0.25
SEEDS = range(1, 61)


def test_sixty_worlds_hold_every_invariant_whatever_goes_wrong_in_them() -> None:
    report = run_simulation(SEEDS, hours=HOURS, trades_an_hour=16)
    assert report.violations == ()
    assert report.trades > 100
    assert report.faults_injected > 1000
    # Each kind of fault really occurred; one that never strikes proves nothing.
    never = set(NAMES) - set(report.faults) - {"crash_at_request"}
    assert not never


def test_a_quiet_world_is_quiet() -> None:
    report = run_simulation(range(61, 66), hours=HOURS, without=NAMES)
    assert report.violations == ()
    assert not report.noticed, "a message that nobody took, though nothing went wrong"


def test_the_same_seed_is_the_same_world_in_another_process_under_another_hash_seed() -> None:
    digest = run_simulation(range(26, 28), hours=HOURS).digest
    assert run_simulation(range(26, 28), hours=HOURS).digest == digest
    code = (
        "from adapters.assembly.simulation.jobs import run_simulation\n"
        f"print(run_simulation(range(26, 28), hours={HOURS}).digest)"
    )
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        told = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == digest


def test_telling_the_story_changes_nothing() -> None:
    silent = run_world(26, hours=HOURS)
    told = run_world(26, hours=HOURS, tell=True)
    assert told.digest == silent.digest
    assert told.lines


def test_leaving_a_fault_out_changes_nothing_about_the_plans_and_prices() -> None:
    whole = run_world(26, hours=HOURS)
    without = run_world(26, hours=HOURS, without=("crash", "crash_at_request"))
    assert without.violation is None
    assert not {"crash"} & set(without.faults)
    assert whole.virtual_seconds > 0


# --- the eye itself: a daemon with a mistake in it is caught ---------------------------------------------------------
def caught() -> set[str]:
    """Name the invariants that break in the first worlds."""
    found: set[str] = set()
    for seed in range(1, 21):
        violation = run_world(seed, hours=HOURS, trades_an_hour=16).violation
        if violation is not None:
            found.add(violation.invariant)
            if len(found) > 1:
                break
    return found


def test_an_execution_counted_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = position_life._APPLY[ExecutionReported]

    def forgetful(trade: Trade, fact: ExecutionReported) -> Trade:
        return honest(replace(trade, executions=trade.executions - {fact.execution_id}), fact)

    monkeypatch.setitem(position_life._APPLY, ExecutionReported, forgetful)
    assert "I1" in caught()


def test_a_stop_that_does_not_follow_what_is_held_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = next_orders._Draft.amend

    def lazy(draft: next_orders._Draft, leg: Leg, **changes: Any) -> None:
        if leg.role is not Role.STOP:
            honest(draft, leg, **changes)

    monkeypatch.setattr(next_orders._Draft, "amend", lazy)
    assert caught() & {"I2", "I4"}


def test_an_entry_without_a_backstop_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(**terms: Any) -> OrderIntent:
        return OrderIntent(**{**terms, "attached_stop": None})

    monkeypatch.setattr(next_orders, "OrderIntent", bare)
    assert "I2" in caught()


def test_a_target_that_could_open_a_position_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(**terms: Any) -> OrderIntent:
        return OrderIntent(**{**terms, "reduce_only": terms["reduce_only"] and terms["price"] is None})

    monkeypatch.setattr(next_orders, "OrderIntent", careless)
    assert "I3" in caught()


def test_a_stop_left_behind_after_the_first_target_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "_stop_to_breakeven", lambda *_: None)
    assert "I4" in caught()


def test_an_alert_taken_for_told_before_it_was_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = AlertDispatcher._hand_over

    def hasty(dispatcher: AlertDispatcher, chat_id: int, delivery: Any) -> None:
        for each in delivery.group:
            dispatcher.settle(each.effect_key, "")
        if dispatcher.context.random.random() < 0.5:
            honest(dispatcher, chat_id, delivery)

    monkeypatch.setattr(AlertDispatcher, "_hand_over", hasty)
    assert "I9" in caught()
