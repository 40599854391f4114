"""The courier waits for the chat so that nobody else has to, and says exactly what became of each text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from actors import ports
from actors.errors import AccessDenied, OutcomeUnknown, Rejected, Throttled, Unreachable
from actors.messages import addresses
from actors.messages.alerts import AlertDelivered, DeliverAlert
from actors.messages.operator import ScreenShown, ShowScreen
from actors.model.screen import Button, Screen

DELIVER = DeliverAlert(effect_key="a/1", chat_id=17, text="first\nsecond", title="title", silent=True)


def test_a_text_arrives_line_by_line_and_says_its_message_id(world: Any) -> None:
    answer = world.system.ask(addresses.CHAT_COURIER, DELIVER)
    (shown,) = world.chat.shown
    assert shown.screen == ports.Screen(title="title", lines=("first", "second"), silent=True)
    assert answer == AlertDelivered(effect_key="a/1", message_id=shown.message_id)


def test_what_went_out_does_not_go_out_again_for_a_restarted_asker(world: Any) -> None:
    first = world.system.ask(addresses.CHAT_COURIER, DELIVER)
    assert world.system.ask(addresses.CHAT_COURIER, DELIVER) == first
    assert len(world.chat.calls) == 1


def test_an_unclear_attempt_is_not_taken_for_a_delivery(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (OutcomeUnknown("timed out"), True)
    assert world.system.ask(addresses.CHAT_COURIER, DELIVER).unclear
    world.chat.mishap = lambda _chat, _screen: None
    assert isinstance(world.system.ask(addresses.CHAT_COURIER, DELIVER), AlertDelivered)
    assert len(world.chat.shown) == 2


@pytest.mark.parametrize(
    ("error", "permanent", "unclear"),
    [
        (Unreachable("no route"), False, False),
        (OutcomeUnknown("timed out"), False, True),
        (Rejected("chat not found"), True, False),
        (AccessDenied("token refused"), False, False),
    ],
)
def test_each_class_of_error_says_what_may_be_done_next(
    world: Any, error: Exception, permanent: bool, unclear: bool
) -> None:
    world.chat.mishap = lambda _chat, _screen: (error, False)
    for question in (DELIVER, ShowScreen(chat_id=17, screen=Screen(title="t"))):
        answer = world.system.ask(addresses.CHAT_COURIER, question)
        assert (answer.permanent, answer.unclear, answer.retry_after_seconds) == (permanent, unclear, None)
        assert answer.text == str(error)


def test_a_throttled_send_says_how_long_to_wait(world: Any) -> None:
    until = world.now() + timedelta(seconds=12)
    world.chat.mishap = lambda _chat, _screen: (Throttled("full", until=until), False)
    assert world.system.ask(addresses.CHAT_COURIER, DELIVER).retry_after_seconds == 12


def test_a_screen_replaces_the_message_it_names(world: Any) -> None:
    screen = Screen(title="t", table=("a b",), buttons=((Button(label="Yes", data="v1:yes:1"),),))
    sent = world.system.ask(addresses.CHAT_COURIER, ShowScreen(chat_id=17, screen=screen))
    edit = ShowScreen(chat_id=17, screen=Screen(title="done"), edit_message_id=sent.message_id)
    assert world.system.ask(addresses.CHAT_COURIER, edit) == ScreenShown(message_id=sent.message_id)
    assert [(shown.screen.title, shown.edited) for shown in world.chat.shown] == [("t", False), ("done", True)]
    assert world.chat.shown[0].button("Yes") == "v1:yes:1"


def test_a_restarted_courier_closes_the_connection_its_forerunner_left(world: Any) -> None:
    world.system.kill(addresses.CHAT_COURIER)
    world.pass_time(1)
    assert world.chat.open_ports == 1
    world.stop()
    assert world.chat.open_ports == 0


def test_what_the_chat_says_of_itself_goes_to_health(world: Any) -> None:
    reports = (
        ports.ChatUp(name="standfast_bot"),
        ports.ChatDown(reason="409", conflict=True),
        ports.StrangerIgnored(user_id=5, chat_id=5, kind="message"),
    )
    for report in reports:
        world.chat.report(report)
    world.pass_time(1)
    assert world.health == list(reports)
