"""The protection of others' orders, switched from terminal and chat, over a kill -9; what they left goes at the end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.scenarios.test_adoption import by_hand, person_stops
from tests.scenarios.test_trade_changes import PERSON, XRP, own_stops, targets, terminal

D = Decimal


def test_off_what_others_left_goes_when_the_trade_ends(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    wrong = terminal(stage, "protection", "maybe", "--why", "x")
    assert (wrong.returncode, "'maybe' is neither on nor off" in wrong.stderr) == (2, True)
    silent = terminal(stage, "protection", "off")
    assert (silent.returncode, "the reason is missing" in silent.stderr) == (2, True)
    off = terminal(stage, "protection", "off", "--why", "the old bot left stops")
    assert off.returncode == 0, off.stderr
    assert "(by cli: the old bot left stops)" in off.stdout
    stage.daemon.kill()
    stage.daemon.start()
    assert "PROTECTION OF OTHERS' ORDERS OFF for" in terminal(stage, "status").stdout

    stage.daemon.ask("open", words=XRP, command_id="the-one")
    until("the entry", lambda: any("-E1-" in row["orderLinkId"] for row in stage.exchange.live_orders()))
    stage.exchange.move(XRPUSDT="0.6195")
    until("stop and targets", lambda: own_stops(stage) and len(targets(stage)) == 4)
    stop = {"qty": "10", "triggerPrice": "0.55", "triggerDirection": 2, "reduceOnly": True, "positionIdx": 0}
    by_hand(stage, "place_order", side="Sell", orderType="Market", **stop)
    assert terminal(stage, "close", "1", "--yes").returncode == 0
    until("what was left to go", lambda: D("0.55") not in person_stops(stage) and not stage.daemon.trades())
    until("it to be told", lambda: any("orders that others left there are cancelled" in line for line in stage.told()))

    stage.chat.user_says("/protection on enough", PERSON)
    until("it to be on", lambda: "orders: on for" in terminal(stage, "protection").stdout)
