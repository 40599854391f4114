"""A trade opened in Telegram goes through its whole life, and each step arrives in the chat once."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

PERSON = 4711
ORDER = "/trade XRPUSDT long entries 0.62,0.61 targets 0.64,0.65,0.66,0.67 stop 0.59 margin 2% leverage 10"


def asked(stage: Any, until: Any, seen: int) -> Any:
    """The next message with buttons."""
    return until(
        "a question with buttons",
        lambda: next((each for each in stage.chat.messages(PERSON)[seen:] if each.buttons), None),
    )


def test_a_trade_from_the_chat_lives_its_life_and_tells_each_step_once(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.chat.user_says(ORDER, PERSON)
    preview = asked(stage, until, 0)
    assert "0.64" in preview.text
    assert not stage.exchange.live_orders(), "a preview orders nothing"
    stage.chat.user_taps(preview.message_id, preview.buttons[0][0][0])
    stage.chat.user_taps(preview.message_id, preview.buttons[0][0][0])  # a double press
    until("the entries to rest", lambda: len(stage.exchange.live_orders()) == 2)
    for price in ("0.6195", "0.6095", "0.6405", "0.6505", "0.6605", "0.6705"):
        stage.exchange.move(XRPUSDT=price)
        until("the own stop to cover", lambda: stage.exchange.own_stop_covers("XRPUSDT"))
        until("the ladder to cover", lambda: stage.exchange.ladder_covers("XRPUSDT"))
    until("the trade to be closed", lambda: any("closed, +" in line for line in stage.told()))
    steps = [line.split(": ", 1)[1] for line in stage.told() if line.startswith("#1 ")]
    assert {step: times for step, times in Counter(steps).items() if times > 1} == {}
    wanted = ["opened (conservative)", "entry 1 filled", "entry 2 filled", "target 1 filled", "target 4 filled"]
    assert [step for step in steps if step in wanted] == wanted
    assert any(step.startswith("stop moved to breakeven") for step in steps)
    audit = stage.exchange.books()["audit"]
    assert (audit["unprotected_ms_max"], audit["duplicate_orders"], audit["orders_placed"]) == (0, 0, 7)


def test_closing_from_the_chat_asks_first_and_leaves_nothing_behind(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.daemon.ask("open", words=ORDER.removeprefix("/trade "), command_id="one")
    stage.exchange.move(XRPUSDT="0.6195")
    until("the own stop to cover", lambda: stage.exchange.own_stop_covers("XRPUSDT"))
    seen = len(stage.chat.messages(PERSON))
    stage.chat.user_says("/close 1", PERSON)
    question = asked(stage, until, seen)
    assert stage.exchange.held("XRPUSDT") > 0, "nothing is closed before it is confirmed"
    stage.chat.user_taps(question.message_id, question.buttons[0][0][0])
    until("the trade to be closed", lambda: any("closed, " in line for line in stage.told()))
    assert stage.exchange.held("XRPUSDT") == 0
    assert stage.exchange.live_orders() == []


@pytest.mark.parametrize("milliseconds", [0, 15, 60])
def test_what_was_written_as_the_daemon_died_is_answered_by_the_next_run(
    stage: Any, until: Any, milliseconds: int
) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    until("the chat to be up", stage.told)
    stage.chat.user_says(ORDER, PERSON)
    time.sleep(milliseconds / 1000)  # a moment, not a wait: wherever the command is by then, it must not be lost
    stage.daemon.kill()
    stage.daemon.start()
    preview = asked(stage, until, 0)
    assert "0.64" in preview.text


def test_strangers_are_not_heard(stage: Any, until: Any) -> None:
    stage.daemon.start()
    stage.chat.user_says("/status", 666)
    stage.chat.user_says("/status", PERSON)
    until("the person to be answered", lambda: stage.chat.messages(PERSON))
    assert stage.chat.messages(666) == ()
