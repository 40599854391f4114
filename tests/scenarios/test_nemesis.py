"""The real thing under a nemesis: the daemon's own process, threads and sockets, and everything that can go wrong.

About a minute in `make test`; STANDFAST_NEMESIS_SECONDS makes it longer (the script is written anew for each minute),
STANDFAST_NEMESIS_SEED makes it another.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.nemesis import LIVE, OPENING, Nemesis, script

PERSON = 4711
ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("STANDFAST_NEMESIS_SECONDS", "60"))
SEED = int(os.environ.get("STANDFAST_NEMESIS_SEED", "1"))
REST_SECONDS = 60.0  # after the last fault
PATIENCE_SECONDS = 120.0


def printed_status(stage: Any) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "main.py", "status", "--json", "--state", str(stage.daemon.state)],
        cwd=ROOT,
        env=stage.daemon.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    status: dict[str, Any] = json.loads(told.stdout)
    return status


def differences(status: dict[str, Any], books: dict[str, Any]) -> list[str]:
    """Say in what the daemon's status and the exchange's own record disagree."""
    if not status.get("ready"):
        return ["the daemon is not ready"]
    found = []
    held = {row["symbol"]: Decimal(row["size"]) for row in books["positions"]}
    live = [row for row in books["orders"] if row["orderStatus"] in LIVE and row["orderLinkId"]]
    trades = {trade["trade_id"]: trade for trade in status["trades"]}
    for symbol in OPENING:
        ours = sum((Decimal(each["open_quantity"]) for each in trades.values() if each["symbol"] == symbol), Decimal(0))
        if ours != held.get(symbol, Decimal(0)):
            found.append(f"{symbol}: trades hold {ours}, the exchange {held.get(symbol, 0)}")
    found += [f"{row['orderLinkId']} is of no trade" for row in live if row["orderLinkId"].split("-")[1] not in trades]
    for trade_id, trade in trades.items():
        found += _differences_of(trade, [row for row in live if row["orderLinkId"].split("-")[1] == trade_id])
    return found


def _differences_of(trade: dict[str, Any], live: list[dict[str, Any]]) -> list[str]:
    quantity, label = Decimal(trade["open_quantity"]), trade["label"]
    if not quantity:
        return []
    stops = [row for row in live if row["orderLinkId"].split("-")[2] == "S"]
    at = [(Decimal(row["qty"]), Decimal(row["triggerPrice"])) for row in stops]
    targets = sum(
        (Decimal(row["leavesQty"]) for row in live if row["orderLinkId"].split("-")[2].startswith("T")), Decimal(0)
    )
    found = []
    if at != [(quantity, Decimal(trade["stop_price"]))]:
        found.append(f"{label} holds {quantity}, stop {trade['stop_price']}; there are {at}")
    if targets != quantity:
        found.append(f"{label} holds {quantity}, its targets come to {targets}")
    return found


@pytest.mark.timeout(SECONDS + 600)
def test_whatever_befalls_the_real_daemon_it_keeps_its_promises_and_comes_to_rest(stage: Any, until: Any) -> None:
    stage.exchange.move(**OPENING)
    stage.daemon.start()
    nemesis = Nemesis(stage, SEED)
    eye = nemesis.eye
    until("a first trade on every symbol", nemesis.everywhere, seconds=PATIENCE_SECONDS)
    try:
        nemesis.rage(script(SEED, SECONDS), SECONDS)
    finally:
        nemesis.rest()
    assert eye.wrong == []
    assert nemesis.happened.count("kill") >= 6
    assert eye.looks > SECONDS / 2
    assert any(Decimal(row["cumExecQty"]) for row in stage.exchange.books()["orders"])

    if not stage.daemon.alive:
        stage.daemon.launch()
    until("the daemon to take commands", lambda: stage.daemon.status().get("ready"), seconds=PATIENCE_SECONDS)
    left: list[str] = []

    def agreed() -> bool:
        eye.disturbed()  # what is late now is what this waits for; all else is judged
        eye.look()
        left[:] = differences(stage.daemon.status(), stage.exchange.books())
        return not left

    try:
        until("daemon and exchange to agree", agreed, seconds=REST_SECONDS)
    finally:
        print(f"left to agree on: {left}", file=sys.stderr)
    assert eye.wrong == []
    assert differences(printed_status(stage), stage.exchange.books()) == []

    until("everything to be told to close", lambda: "ok" in _close_all(stage), seconds=PATIENCE_SECONDS)
    until("every trade to be closed", lambda: stage.daemon.status().get("ready") and not stage.daemon.trades())
    books = stage.exchange.books()
    assert [row for row in books["positions"] if Decimal(row["size"])] == []
    assert stage.exchange.live_orders() == []
    assert (books["audit"]["unprotected_ms_max"], books["audit"]["duplicate_orders"]) == (0, 0)
    opened = {row["orderLinkId"].split("-")[1] for row in books["orders"] if row["orderLinkId"].startswith("SF")}
    try:
        until("every trade's end to be told", lambda: _closed_told(stage) >= len(opened), seconds=PATIENCE_SECONDS)
    finally:
        print(f"told of {_closed_told(stage)} ends of {len(opened)}; {stage.told()[-30:]}", file=sys.stderr)


def _close_all(stage: Any) -> dict[str, Any]:
    if not stage.daemon.trades():
        return {"ok": True}
    answer: dict[str, Any] = stage.daemon.ask("close", which="all")
    return answer


def _closed_told(stage: Any) -> int:
    """Count the trades whose end the person has been told, alone or among other news in one message."""
    text = "\n".join(message.text for message in stage.chat.messages(PERSON))
    return len(set(re.findall(r"#(\d+) \w+ long: closed, ", text)))
