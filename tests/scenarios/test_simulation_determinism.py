"""A seed is a world: the same in another process, under another hash seed, told, logged, alone or beside others."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from adapters.assembly.simulation.cases import draw_case, read_case, write_case
from adapters.assembly.simulation.jobs import run_simulation
from adapters.assembly.simulation.runner import run_case, run_world
from adapters.host.log_output import close_logging, configure_logging

ROOT = Path(__file__).resolve().parents[2]
HOURS = 0.25
SEEDS = range(26, 29)


@pytest.fixture(scope="module", name="digest")
def _digest() -> str:
    return run_simulation(SEEDS, hours=HOURS).digest


def test_the_same_seeds_give_the_same_digest_again_and_others_another(digest: str) -> None:
    assert run_simulation(SEEDS, hours=HOURS).digest == digest
    assert run_simulation(range(27, 30), hours=HOURS).digest != digest


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_order_of_sets_and_another_process_change_nothing(digest: str, hash_seed: str) -> None:
    code = (
        "from adapters.assembly.simulation.jobs import run_simulation\n"
        f"print(run_simulation(range({SEEDS.start}, {SEEDS.stop}), hours={HOURS}).digest)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == digest


def test_the_number_of_processes_changes_nothing(digest: str) -> None:
    assert run_simulation(SEEDS, hours=HOURS, jobs=2).digest == digest


def test_the_log_at_its_finest_changes_nothing(tmp_path: Path) -> None:
    case = draw_case(26, hours=HOURS)
    silent = run_case(case)
    sink = StringIO()
    file = configure_logging(tmp_path, console_level="debug", file_level="debug", console=sink)
    try:
        logged = run_case(case, logged=True)
    finally:
        close_logging()
    assert file.read_text(encoding="utf-8").count("\n") > 10, "nothing was logged: this shows nothing"
    assert logged.digest == silent.digest


def test_telling_the_story_changes_nothing() -> None:
    silent = run_world(26, hours=HOURS)
    told = run_world(26, hours=HOURS, tell=True)
    assert told.lines
    assert told.digest == silent.digest


def test_a_case_as_it_was_lived_is_the_same_world_through_a_file(tmp_path: Path) -> None:
    """Though its plans and instants are given then, and not drawn."""
    for seed in SEEDS:
        lived = run_world(seed, hours=HOURS)
        read = read_case(write_case(lived.case, tmp_path))
        assert read == lived.case
        assert run_case(read).digest == lived.digest


def test_leaving_a_fault_out_changes_nothing_about_plans_prices_and_other_faults() -> None:
    whole = draw_case(26, hours=HOURS)
    name = whole.fault_names[0]
    without = draw_case(26, hours=HOURS, without=(name,))
    assert without == whole.without((name,))
    assert name not in run_case(without).faults
