"""A position that a person opened in the app, adopted from terminal and chat, over kills; their stop goes last."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from pybit.unified_trading import HTTP

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon
from tests.scenarios.test_trade_changes import PERSON, own_stops, targets, terminal

D = Decimal


def by_hand(stage: Any, call: str, **body: Any) -> None:
    client = HTTP(api_key="paper-main-key", api_secret="paper-main-secret")
    client.endpoint = f"http://127.0.0.1:{stage.exchange.port}"
    getattr(client, call)(category="linear", symbol="XRPUSDT", **body)
    client.client.close()


def buy_with_stops(stage: Any) -> None:
    """1000 XRP at the market, a stop of the position at 0.5, a stop order of one's own at 0.55."""
    by_hand(stage, "place_order", side="Buy", orderType="Market", qty="1000", positionIdx=0)
    by_hand(stage, "set_trading_stop", tpslMode="Full", positionIdx=0, stopLoss="0.5")
    by_hand(
        stage,
        "place_order",
        side="Sell",
        orderType="Market",
        qty="1000",
        triggerPrice="0.55",
        triggerDirection=2,
        reduceOnly=True,
        positionIdx=0,
    )


def person_stops(stage: Any) -> list[Decimal]:
    rows = stage.exchange.live_orders()
    return [
        Decimal(row["triggerPrice"]) for row in rows if row["orderStatus"] == "Untriggered" and not row["orderLinkId"]
    ]


def test_a_position_of_the_apps_is_adopted_with_its_stop_replaced(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    buy_with_stops(stage)

    declined = terminal(stage, "adopt", "main", "XRPUSDT", "--stop", "0.58", "--targets", "0.65,0.66", say="n\n")
    assert declined.returncode == 2
    assert declined.stdout.startswith("Adopt 1000 XRPUSDT long on main?\n  taken over: 1000 entered at 0.63")
    assert "your stop order 1000 at 0.55 is removed" in declined.stdout
    assert "Nothing was touched: it was not agreed to. Answer y, or write it again with --yes." in declined.stderr
    assert (stage.daemon.trades(), own_stops(stage), D("0.55") in person_stops(stage)) == ([], set(), True)

    agreed = terminal(stage, "adopt", "main", "XRPUSDT", "--stop", "0.58", "--targets", "0.65,0.66", say="y\n")
    assert agreed.returncode == 0, agreed.stderr
    assert "Trade #1 has adopted 1000 XRPUSDT long on main" in agreed.stdout
    until("our stop and backstop", lambda: own_stops(stage) == {D("0.58")} and backstop(stage) == D("0.5782"))
    until("the person's stop order to go", lambda: D("0.55") not in person_stops(stage))
    until("the targets", lambda: targets(stage) == {"T1": D("0.65"), "T2": D("0.66")})
    until("it to be told", lambda: any("your stop order at 0.55 is removed" in line for line in stage.told()))
    assert stage.exchange.held("XRPUSDT") == D(1000)

    stage.daemon.kill()
    stage.daemon.start()
    (trade,) = stage.daemon.trades()
    assert (trade["label"].split("/")[3], D(trade["open_quantity"])) == ("adopted", D(1000))
    assert stage.daemon.ask("verify")["ok"]["findings"] == []
    stage.exchange.move(XRPUSDT="0.665")
    until("the trade to end", lambda: not stage.daemon.trades())
    until("everything to be gone", lambda: stage.exchange.held("XRPUSDT") == 0 and not own_stops(stage))
    assert stage.exchange.books()["audit"]["duplicate_orders"] == 0


def test_it_is_adopted_from_the_chat(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.exchange.order_by_hand("XRPUSDT", "Sell", "500")
    stage.chat.user_says("/adopt main XRPUSDT stop 0.65", PERSON)
    asked = until(
        "the question",
        lambda: next((each for each in stage.chat.messages(PERSON) if "Adopt 500 XRPUSDT short" in each.text), None),
    )
    assert "you have no stop there now" in asked.text
    until("the news", lambda: any("500 XRPUSDT short belongs to no trade" in line for line in stage.told()))
    stage.chat.user_taps(asked.message_id, asked.buttons[0][0][0])
    until("the stop", lambda: own_stops(stage) == {D("0.65")} and backstop(stage) == D("0.652"))
    assert any("has adopted 500 XRPUSDT short on main" in each.text for each in stage.chat.messages(PERSON))


def test_a_kill_at_any_moment_leaves_it_adopted_whole_or_not_at_all(stage: Any, until: Any) -> None:
    """Killed ever later after the command: the same command again always ends in the one trade."""
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    buy_with_stops(stage)
    body = {"words": ["main", "XRPUSDT", "stop", "0.58"], "command_id": "the-one"}
    for pause_ms in range(0, 200, 40):
        asking = threading.Thread(target=ask_in_vain, args=(stage, body))
        asking.start()
        time.sleep(pause_ms / 1000)
        stage.daemon.kill()
        asking.join()
        covered = D("0.58") in own_stops(stage)
        assert covered or D("0.55") in person_stops(stage)
        assert covered or backstop(stage) == D("0.5")
        stage.daemon.start()
    accepted = until("an answer", lambda: stage.daemon.ask("adopt", **body).get("ok"))
    until("our stop", lambda: own_stops(stage) == {D("0.58")} and backstop(stage) == D("0.5782"))
    until("theirs to go", lambda: D("0.55") not in person_stops(stage))
    assert [trade["trade_id"] for trade in stage.daemon.trades()] == [accepted["trade_id"]]
    assert stage.exchange.held("XRPUSDT") == D(1000)


def backstop(stage: Any) -> Decimal | None:
    rows = (row["stopLoss"] for row in stage.exchange.books()["positions"] if row["symbol"] == "XRPUSDT")
    return next((Decimal(stop) for stop in rows if stop), None)


def ask_in_vain(stage: Any, body: dict[str, Any]) -> None:
    with contextlib.suppress(NoDaemon, AnswerLate, DaemonFailed):
        stage.daemon.ask("adopt", **body)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("main", "XRPUSDT"), "stop is missing: write where the position's stop is to be, as in stop 1.15"),
        (
            ("main", "XRPUSDT", "--stop", "0.58"),
            "there is no position in XRPUSDT on main, so there is nothing to adopt",
        ),
        (("second", "XRPUSDT", "--stop", "0.58"), "account second is not configured; write one of: main"),
        (("main", "XRPUSDT", "--stop", "0.58", "--side", "up"), "side up is not known: write long or short"),
    ],
)
def test_what_cannot_be_adopted_gets_its_sentence(stage: Any, arguments: tuple[str, ...], wanted: str) -> None:
    stage.daemon.start()
    refused = terminal(stage, "adopt", *arguments, "--yes")
    assert (refused.returncode, refused.stdout, refused.stderr.strip()) == (2, "", wanted)
    as_json = terminal(stage, "adopt", *arguments, "--yes", "--json")
    assert json.loads(as_json.stdout) == {"refused": [wanted]}
