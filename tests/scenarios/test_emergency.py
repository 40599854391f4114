"""An emergency that leaves nothing at all, from the terminal over a kill -9, and one from the chat."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.scenarios.test_adoption import by_hand
from tests.scenarios.test_trade_changes import PERSON, XRP, own_stops, targets, terminal

D = Decimal


def a_trade_and_somebody_else(stage: Any, until: Any) -> None:
    """One trade of ours in XRP; in SOL a position and an entry of somebody's."""
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.daemon.ask("open", words=XRP, command_id="the-one")
    until("the entry", lambda: any("-E1-" in row["orderLinkId"] for row in stage.exchange.live_orders()))
    stage.exchange.move(XRPUSDT="0.6195")
    until("stop and targets", lambda: own_stops(stage) and len(targets(stage)) == 4)
    stage.exchange.order_by_hand("SOLUSDT", "Buy", "1")
    by_hand(stage, "place_order", side="Buy", orderType="Limit", qty="10", price="0.5", positionIdx=0)


def test_everything_goes_others_included_over_a_kill(stage: Any, until: Any) -> None:
    a_trade_and_somebody_else(stage, until)
    declined = terminal(stage, "emergency", "--account", "main", "--everything", say="n\n")
    assert declined.returncode == 2
    assert "main: not ours, and closed or cancelled too:" in declined.stdout
    assert "order XRPUSDT buy 10 at 0.5" in declined.stdout
    assert stage.exchange.held("SOLUSDT") == D(1)
    begun = stage.daemon.ask("emergency", account="main", everything=True, command_id="fire")
    assert begun["ok"]["clearing"] is True
    stage.daemon.kill()
    stage.daemon.start()
    again = terminal(stage, "emergency", "--account", "main", "--everything", "--yes")
    assert again.returncode == 0, again.stderr
    assert "Nothing else remains there: no position, no order." in again.stdout
    assert (stage.exchange.held("XRPUSDT"), stage.exchange.held("SOLUSDT")) == (D(0), D(0))
    assert stage.exchange.live_orders() == []
    until("it to be told", lambda: any("everything is closed and cancelled" in line for line in stage.told()))


def test_an_emergency_from_the_chat_leaves_others_alone(stage: Any, until: Any) -> None:
    a_trade_and_somebody_else(stage, until)
    stage.chat.user_says("/emergency nowhere", PERSON)
    until("a refusal", lambda: any("There is no account nowhere." in each.text for each in stage.chat.messages(PERSON)))
    stage.chat.user_says("/emergency main", PERSON)
    asked = until(
        "the question",
        lambda: next((each for each in stage.chat.messages(PERSON) if "Leave everything of ours" in each.text), None),
    )
    stage.chat.user_taps(asked.message_id, asked.buttons[0][0][0])
    until("ours to be gone", lambda: stage.exchange.held("XRPUSDT") == 0 and not stage.daemon.trades())
    assert stage.exchange.held("SOLUSDT") == D(1)
    assert any(D(row["price"] or 0) == D("0.5") for row in stage.exchange.live_orders())
    assert stage.daemon.status()["safety"]["why"] == "emergency on main"
