"""Stop, breakeven and target of a real trade, changed from terminal and chat, over a kill -9; an emergency at last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
XRP = "XRPUSDT long --entries 0.62 --targets 0.64,0.65,0.66,0.67 --stop 0.59 --margin 2% --leverage 10"
PERSON = 4711


def terminal(stage: Any, *arguments: str, say: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py", *arguments, "--state", str(stage.daemon.state)],
        cwd=ROOT,
        env=dict(os.environ),
        input=say,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def own_stops(stage: Any) -> set[Decimal]:
    rows = stage.exchange.live_orders()
    return {Decimal(row["triggerPrice"]) for row in rows if "-S-" in row["orderLinkId"]}


def targets(stage: Any) -> dict[str, Decimal]:
    rows = [row for row in stage.exchange.live_orders() if "-T" in row["orderLinkId"]]
    return {row["orderLinkId"].split("-")[2]: Decimal(row["price"]) for row in rows}


def backstop(stage: Any) -> Decimal:
    return Decimal(next(row for row in stage.exchange.books()["positions"] if row["symbol"] == "XRPUSDT")["stopLoss"])


def test_a_person_changes_a_trade_from_terminal_and_chat(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.daemon.ask("open", words=XRP, command_id="the-one")
    until("the entry", lambda: any("-E1-" in row["orderLinkId"] for row in stage.exchange.live_orders()))
    stage.exchange.move(XRPUSDT="0.6195")
    until("stop and targets", lambda: own_stops(stage) and len(targets(stage)) == 4)
    stage.exchange.move(XRPUSDT="0.63")

    declined = terminal(stage, "stop", "1", "0.58", say="n\n")
    assert declined.returncode == 2
    assert declined.stdout.startswith("#1: stop from 0.59 to 0.58 FARTHER OUT?\n  at 0.58 the trade loses ")
    assert "Nothing was changed: it was not agreed to." in declined.stderr
    assert own_stops(stage) == {Decimal("0.59")}

    agreed = terminal(stage, "stop", "1", "0.58", say="y\n")
    assert agreed.returncode == 0, agreed.stderr
    assert "#1: stop from 0.59 to 0.58, recorded." in agreed.stdout
    until("the stop farther out", lambda: own_stops(stage) == {Decimal("0.58")})
    assert backstop(stage) < Decimal("0.58")

    moved = terminal(stage, "target", "1", "2", "0.655", "--yes", "--json")
    assert Decimal(json.loads(moved.stdout)["price"]) == Decimal("0.655")
    until("the target", lambda: targets(stage).get("T2") == Decimal("0.655"))
    again = {"which": "1", "change": "target", "words": ["3", "remove"], "command_id": "x"}
    assert stage.daemon.ask("change", **again)["ok"]["price"] is None
    stage.daemon.kill()
    stage.daemon.start()
    assert "recorded before" in " ".join(stage.daemon.ask("change", **again)["text"])
    until("the target to be gone", lambda: set(targets(stage)) == {"T1", "T2", "T4"})
    until("the ladder to cover what is held", lambda: stage.exchange.ladder_covers("XRPUSDT"))

    passed = terminal(stage, "stop", "1", "0.64", "--yes")
    assert passed.returncode == 2
    assert "the price is 0.63 and past 0.64 already: the stop stays at 0.58" in passed.stderr

    stage.chat.user_says("/breakeven 1", PERSON)
    asked = until(
        "the question",
        lambda: next((each for each in stage.chat.messages(PERSON) if "stop from 0.58 to 0.62" in each.text), None),
    )
    assert "taker fee to leave" in asked.text
    stage.chat.user_taps(asked.message_id, asked.buttons[0][0][0])
    until("breakeven", lambda: min(own_stops(stage)) > Decimal("0.62"))
    until("it to be told", lambda: any("stop moved to breakeven" in line for line in stage.told()))

    stage.exchange.order_by_hand("SOLUSDT", "Buy", "1")
    unknown = terminal(stage, "emergency", "--account", "second", "--yes")
    assert (unknown.returncode, unknown.stderr) == (2, "there is no account second: write one of main\n")
    left = terminal(stage, "emergency", "--account", "main", "--yes")
    assert left.returncode == 0, left.stderr
    assert left.stdout.startswith(
        "main: every trade of ours is closed, its orders are gone\n  Not ours, and left alone:"
    )
    assert "position SOLUSDT long 1 at " in left.stdout
    assert (stage.exchange.held("XRPUSDT"), stage.exchange.held("SOLUSDT")) == (Decimal(0), Decimal(1))
    assert stage.daemon.status()["safety"]["why"] == "emergency on main"
    assert stage.exchange.books()["audit"]["duplicate_orders"] == 0


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("stop", "1", "soon", "--yes"), "'soon' is no price: write a number over 0 with a point, such as 1.15."),
        (("target", "1", "0", "0.7", "--yes"), "'0' is no target: they are numbered from 1, the nearest."),
        (("breakeven", "7", "--yes"), "no trade is open, so there is nothing to change"),
    ],
)
def test_what_cannot_be_changed_gets_its_sentence(stage: Any, arguments: tuple[str, ...], wanted: str) -> None:
    stage.daemon.start()
    refused = terminal(stage, *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.strip() == wanted
