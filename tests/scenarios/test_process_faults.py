"""What befalls the daemon as a process, its handlers, its clocks: each alone is lived through, and really happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actors.messages.orders import CancelOrder
from adapters.assembly.simulation.cases import draw_case_of
from adapters.assembly.simulation.clock_faults import CLOCK_FAULTS, LASTING_CLOCK_FAULTS
from adapters.assembly.simulation.handler_faults import HANDLER_FAULTS
from adapters.assembly.simulation.life import Life
from adapters.assembly.simulation.process_faults import PROCESS_FAULTS
from adapters.assembly.simulation.runner import Outcome, run_case
from adapters.assembly.simulation.world import World
from adapters.host.run_lock import RunLock

HOURS = 0.2
TRADES_AN_HOUR = 40.0
TOLD_OTHERWISE = {"lock_lost": {"lock_lost", "second_daemon"}, "terminate": {"terminate", "terminate_twice"}}


def life_with(*names: str, seed: int = 5) -> Outcome:
    return run_case(draw_case_of(seed, names, hours=HOURS, trades_an_hour=TRADES_AN_HOUR))


@pytest.mark.parametrize("name", [*PROCESS_FAULTS, *HANDLER_FAULTS, *CLOCK_FAULTS, *LASTING_CLOCK_FAULTS])
def test_alone_it_happens_and_is_lived_through(name: str) -> None:
    outcome = life_with(name)
    assert outcome.violation is None
    assert TOLD_OTHERWISE.get(name, {name}) & set(outcome.faults)


def test_a_store_that_hangs_ends_the_run_and_the_next_one_takes_its_trades_up() -> None:
    outcome = life_with("hang_store")
    assert outcome.violation is None
    assert outcome.noticed["lost store"] == 1
    assert outcome.faults["gave_up"] == 1


def test_a_crash_is_aimed_at_requests_only_until_the_faults_end(tmp_path: Path) -> None:
    case = draw_case_of(5, ("crash_at_request",), hours=HOURS, trades_an_hour=TRADES_AN_HOUR)
    request = CancelOrder(account="main", trade_id="7K3Q9X", symbol="BTCUSDT", client_order_id="SF")

    def aimed(*, ended: bool) -> bool:
        faults = replace(case, counts={"crash_at_request": 1_000}).faults()
        faults.ended = ended
        folder = tmp_path / str(ended)
        folder.mkdir()
        world = World(case.scenario, faults, folder)
        Life(world)
        for _ in range(100):
            world.on_handled("accounts/main/client", request)
        return bool(faults.happened["crash_at_request"])

    assert aimed(ended=False)
    assert not aimed(ended=True)


def test_a_daemon_that_is_taken_over_and_not_fenced_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunLock, "check", lambda _lock: None)
    found = {violation.invariant for seed in range(1, 6) if (violation := life_with("take_over", seed=seed).violation)}
    assert "I14" in found


def test_a_daemon_that_never_measures_its_clock_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.bybit.venue_clock.VenueClock.learn", lambda _clock, *_theirs, **_at: None)
    assert any(life_with("clock_missed", seed=seed).violation for seed in range(1, 6))
