"""The guards of a real daemon: what they keep is there after kill -9; terminal and chat both can change it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
XRP = "XRPUSDT long --entries 0.62,0.61 --targets 0.64,0.65,0.66,0.67 --stop 0.59 --margin 2% --leverage 10"
SOL = "SOLUSDT long --entries 140,139 --targets 153,155,157,159 --stop 130 --margin 2% --leverage 10"


@pytest.fixture
def guarded(stage: Any) -> Any:
    """A stage whose daemon runs with the guards a new user has."""
    for name in ("COOLDOWN_SECONDS", "IDEMPOTENCY_HOURS", "RAPID_CREATION_ORDERS"):
        del stage.daemon.environment[name]
    stage.exchange.move(XRPUSDT="0.63", SOLUSDT="150")
    stage.daemon.start()
    return stage


def terminal(stage: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py", *arguments, "--state", str(stage.daemon.state)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def kill(stage: Any) -> None:
    stage.daemon.kill()
    stage.daemon.start()


def entries(stage: Any) -> set[str]:
    return {row["orderLinkId"].split("-")[2] for row in stage.exchange.live_orders() if "-E" in row["orderLinkId"]}


def test_cooldown_idempotency_and_safety_state_hold_across_kills(guarded: Any, until: Any) -> None:
    asked = {"words": XRP, "command_id": "the-one"}
    first = guarded.daemon.ask("open", **asked)["ok"]
    kill(guarded)
    (refused,) = guarded.daemon.ask("open", words=XRP, command_id="another")["refused"]
    assert refused.startswith("XRPUSDT was opened ")
    assert "XRP rests for 5 min after an order: wait 2" in refused
    again = guarded.daemon.ask("open", **asked)["ok"]
    assert (again["already_open"], again["trade_id"]) == (True, first["trade_id"])
    until("the entries", lambda: entries(guarded) == {"E1", "E2"})

    halted = terminal(guarded, "safety", "halted", "--why", "maintenance at the exchange")
    assert (halted.returncode, halted.stderr) == (0, "")
    assert halted.stdout.startswith("Safety state: halted for 0 s (by cli: maintenance at the exchange)")
    assert terminal(guarded, "safety").stdout.startswith("Safety state: halted for")
    kill(guarded)
    until("the entries to be cancelled", lambda: not entries(guarded))
    until("the trade to end", lambda: not guarded.daemon.trades())
    assert guarded.daemon.status()["safety"]["state"] == "halted"
    shown = terminal(guarded, "status")
    assert "SAFETY STATE halted for " in shown.stdout
    (refused,) = guarded.daemon.ask("open", words=SOL, command_id="sol")["refused"]
    assert "(by cli: maintenance at the exchange), and nothing new is opened" in refused

    assert terminal(guarded, "locks").stdout.startswith("No lock holds.")
    unknown = terminal(guarded, "locks", "release", "L9")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "there is no lock L9 to release: none holds, so nothing is shut\n"
    active = terminal(guarded, "safety", "active", "--why", "it is over", "--json")
    assert json.loads(active.stdout)["safety"]["state"] == "active"
    kill(guarded)
    assert guarded.daemon.ask("open", words=SOL, command_id="sol")["ok"]["number"]
    assert not entries(guarded) - {"E1", "E2"}
    assert guarded.exchange.books()["audit"]["duplicate_orders"] == 0


def test_a_dry_run_says_so_everywhere_and_orders_nothing(stage: Any) -> None:
    stage.daemon.environment["DRY_RUN"] = "1"
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    answer = stage.daemon.ask("open", words=XRP, command_id="the-one")
    assert answer["ok"]["dry_run"]
    assert answer["text"][0] == "DRY RUN: XRPUSDT long on main passes every check; nothing was sent."
    assert "PAPER" in (shown := terminal(stage, "status").stdout) or "LIVE" in shown
    assert ", DRY RUN, on " in shown
    assert "DRY RUN: new orders pass every check and are not sent" in shown
    assert stage.daemon.trades() == []
    assert stage.exchange.books()["orders"] == []


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("safety", "off", "--why", "x"), "'off' is no safety state; write one of: active, reduce-only, halted"),
        (("safety", "halted"), "the reason is missing; write it, as in: main.py safety halted --why"),
        (("safety", "--why", "x"), "--why belongs to a state; write one of: active, reduce-only, halted"),
        (("locks", "open", "L1"), "'open' cannot be done to locks; write: main.py locks release ID"),
        (("locks", "release"), "main.py locks lists them"),
    ],
)
def test_what_is_written_wrongly_gets_its_sentence(tmp_path: Path, arguments: tuple[str, ...], wanted: str) -> None:
    refused = subprocess.run(
        [sys.executable, "main.py", *arguments, "--state", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "400", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert wanted in " ".join(refused.stderr.split())


def test_a_person_sets_and_loosens_the_safety_state_in_the_chat(guarded: Any, until: Any) -> None:
    guarded.daemon.ask("open", words=XRP, command_id="the-one")
    chat = guarded.chat
    person = 4711

    def last() -> str:
        messages = chat.messages(person)
        return messages[-1].text if messages else ""

    chat.user_says("/safety reduce-only away for a while", person)
    until("the state to be told", lambda: any("Safety state: reduce-only" in each for each in guarded.told()))
    until("the entries to be cancelled", lambda: not entries(guarded))
    chat.user_says("/safety active back again", person)
    asked = until(
        "the question", lambda: next((each for each in chat.messages(person) if "to active?" in each.text), None)
    )
    assert guarded.daemon.status()["safety"]["state"] == "reduce-only"
    chat.user_taps(asked.message_id, asked.buttons[0][0][0])
    until("it to be active", lambda: guarded.daemon.status()["safety"]["state"] == "active")
    chat.user_says("/locks", person)
    until("the locks", lambda: any(line.startswith("No lock holds") for line in guarded.told()))
    assert guarded.daemon.status()["safety"]["why"] == "back again"
