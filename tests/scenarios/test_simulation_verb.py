"""`main.py simulate`, as somebody types it: figures, words, refusals, an interrupt, and an exit code that tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import pytest

from actors.rules import decision
from adapters.assembly.program import main
from adapters.assembly.simulation import verb
from adapters.assembly.simulation.jobs import run_simulation
from adapters.assembly.simulation.planted import Finding
from adapters.assembly.simulation.runner import run_case

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {
    "seeds",
    "hours_simulated",
    "trades",
    "faults_injected",
    "messages",
    "violations",
    "digest",
    "wall_seconds",
    "slowest_seed",
    "virtual_seconds_per_second",
}


def simulate(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "simulate", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **more)


def test_the_figures_as_json_are_those_of_the_worlds() -> None:
    ran = simulate("--seeds", "61..63", "--hours", "0.1", "--jobs", "2", "--json")
    assert ran.stderr == ""
    assert ran.returncode == 0
    told = json.loads(ran.stdout)
    assert set(told) >= FIGURES
    here = run_simulation(range(61, 64), hours=0.1)
    assert (told["seeds"], told["violations"], told["digest"]) == (3, 0, here.digest)
    assert (told["trades"], told["messages"], told["faults_injected"]) == (
        here.trades,
        here.messages,
        here.faults_injected,
    )
    assert told["slowest_seed"] in range(61, 64)


def test_the_report_reads_as_text() -> None:
    ran = simulate("--seed", "61", "--hours", "0.1")
    assert ran.returncode == 0
    assert "1 world" in ran.stdout
    assert "Every invariant held" in ran.stdout


def test_the_story_of_a_world_that_held_tells_its_end_and_says_so() -> None:
    ran = simulate("--seed", "61", "--hours", "0.1", "--story", "--save")
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) > 20
    assert "Every invariant held" in ran.stdout.splitlines()[-1]
    assert "nothing to save" in ran.stderr


WRONG = [
    (("--seeds", "9..1"), ["9..1", "1..200"]),
    (("--seeds", "many"), ["many", "1..200"]),
    (("--seeds", "-3..1"), ["-3..1", "from 0"]),
    (("--jobs", "0"), ["0 processes", "from 1"]),
    (("--jobs", "two"), ["two", "whole number"]),
    (("--hours", "-1"), ["-1 hours", "more than 0"]),
    (("--hours", "nan"), ["nan hours", "more than 0"]),
    (("--hours", "soon"), ["soon", "0.25"]),
    (("--trades", "0"), ["0 trades", "more than 0"]),
    (("--trades", "some"), ["some", "as in 10"]),
    (("--seed", "x"), ["--seed"]),
    (("--story",), ["--seed N"]),
    (("--save",), ["--seed N"]),
    (("--seed", "1", "--seeds", "1..2"), ["--seed and --seeds"]),
    (("--seed", "1", "--into", "x"), ["--save"]),
    (("--without", "rain"), ["rain", "write_lost"]),
    (("--case", "nowhere.json"), ["nowhere.json", "--save"]),
    (("--case", "main.py"), ["main.py is not a case", "--save"]),
]


@pytest.mark.parametrize(("words", "wanted"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_what_makes_no_sense_is_refused_with_what_to_write(
    words: tuple[str, ...], wanted: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["simulate", *words]) == 2
    text = " ".join(capfd.readouterr().err.split())
    assert [each for each in wanted if each not in text] == [], text


def test_an_interrupt_ends_it_at_once_with_what_is_known() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "main.py", "simulate", "--seeds", "61..9000", "--hours", "0.05", "--jobs", "2", "--json"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(children_of(process.pid)) < 3 and time.monotonic() < deadline:  # two workers and what tracks them
        time.sleep(0.1)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: everybody hears it
    told, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert json.loads(told)["interrupted"] is True
    assert children_of(process.pid) == []


def children_of(pid: int) -> list[str]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.split()


class OwnProcess:
    """Runs worlds here, where the mistake is."""

    def __init__(self, _jobs: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, case: Any, *, tell: bool = False) -> Any:
        return run_case(case, tell=tell)

    def run_all(self, cases: Any) -> Any:
        return map(run_case, cases)


@pytest.fixture(name="mistaken")
def _mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "_stop_to_breakeven", lambda *_: None)
    monkeypatch.setattr(verb, "WorldProcesses", OwnProcess)


@pytest.mark.usefixtures("mistaken")
def test_a_violation_exits_1_and_the_command_it_names_tells_the_story_and_saves_the_case(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["simulate", "--seeds", "1..12", "--hours", "0.5"]) == 1
    words = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("main.py simulate"))
    arguments = words.split()[1:]
    assert main([*arguments, "--save", "--into", str(tmp_path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith("VIOLATED at ")
    assert "I4" in told[-2]
    again = told[-1].removeprefix("Again: ").split()[1:]
    assert main(again) == 1
    assert told[-2] in capsys.readouterr().out
    assert len(list(tmp_path.glob("i4_seed_*.json"))) == 1


@pytest.mark.parametrize(("seeds", "code"), [((3, 9), 0), ((3, None), 1)])
def test_planted_bugs_are_counted_and_one_missed_fails(
    seeds: tuple[int | None, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tuple(
        Finding(name=f"bug_{at}", mistake="it is wrong", seed=seed, invariant="I1") for at, seed in enumerate(seeds)
    )
    monkeypatch.setattr(verb, "run_planted", lambda *_args, **_named: found)
    assert main(["simulate", "--planted", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["planted"], told["caught"], told["missed"]) == (2, 2 - code, code)
    assert main(["simulate", "--planted"]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
