"""Policy ask on the local exchange: a stop moved in the app, a kill -9, the answer in the chat; then without a stop."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

from tests.scenarios.test_adoption import by_hand
from tests.scenarios.test_trade_changes import PERSON, XRP, own_stops, targets, terminal

D = Decimal


def message(stage: Any, words: str) -> Any:
    return next((each for each in stage.chat.messages(PERSON) if words in each.text), None)


def own_stop_id(stage: Any) -> str:
    return next(row["orderLinkId"] for row in stage.exchange.live_orders() if "-S-" in row["orderLinkId"])


def test_what_is_changed_in_the_app_is_asked_about_over_a_kill(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.daemon.ask("open", words=f"{XRP} --policy ask", command_id="the-one")
    until("the entry", lambda: any("-E1-" in row["orderLinkId"] for row in stage.exchange.live_orders()))
    stage.exchange.move(XRPUSDT="0.6195")
    until("stop and targets", lambda: own_stops(stage) and len(targets(stage)) == 4)
    stage.exchange.move(XRPUSDT="0.63")

    moved = {"orderLinkId": own_stop_id(stage), "triggerPrice": "0.6"}

    again_at = time.monotonic() + 6

    def asked_about() -> Any:  # within 5 s of a change of our own it is put back: then the person does it again
        nonlocal again_at
        if own_stops(stage) != {D("0.6")} and time.monotonic() >= again_at:
            again_at = time.monotonic() + 6
            by_hand(stage, "amend_order", **moved)
        return message(stage, "the stop was moved from 0.59 to 0.6 at the exchange")

    until("the question", asked_about)
    stage.daemon.kill()
    stage.daemon.start()
    assert own_stops(stage) == {D("0.6")}
    question = message(stage, "the stop was moved from 0.59 to 0.6 at the exchange")
    assert "Without an answer within 5 min it goes back to 0.59." in question.text
    assert len(question.buttons[0]) == 2  # Keep, Restore
    stage.chat.user_taps(question.message_id, question.buttons[0][0][0])
    asked = until("what it means", lambda: message(stage, "#1: stop from 0.59 to 0.6?"))
    stage.chat.user_taps(asked.message_id, asked.buttons[0][0][0])
    until("it to be kept", lambda: D(stage.daemon.trades()[0]["stop_price"]) == D("0.6") and _no_question(stage))

    by_hand(stage, "cancel_order", orderLinkId=own_stop_id(stage))
    until("it to be there again", lambda: own_stops(stage) == {D("0.6")})
    declined = terminal(stage, "stop", "1", "none", say="n\n")
    assert declined.stdout.startswith("#1: stop at 0.6 away, UNPROTECTED?\n  #1 runs UNPROTECTED then")
    agreed = terminal(stage, "stop", "1", "none", "--yes", "--json")
    assert json.loads(agreed.stdout)["loosens"] is True
    until("the stop to go", lambda: own_stops(stage) == set())
    stage.daemon.kill()
    stage.daemon.start()
    status = terminal(stage, "status")
    assert "UNPROTECTED: #1. 1 open trade" in status.stdout
    assert "main.py stop 1 PRICE brings one back" in status.stdout
    assert own_stops(stage) == set()
    assert terminal(stage, "stop", "1", "0.6", "--yes").returncode == 0
    until("a stop again", lambda: own_stops(stage) == {D("0.6")})
    assert stage.daemon.trades()[0]["unprotected"] == ""


def _no_question(stage: Any) -> bool:
    return "nothing of #1 was changed" in terminal(stage, "answer", "1", "restore", "--yes").stderr
