"""Every way a send or an edit can end, over the real library and a local Bot API."""

from __future__ import annotations

import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.errors import AccessDenied, OutcomeUnknown, OutsideError, Rejected, Throttled, Unreachable
from actors.model.screen import Button, Screen
from actors.ports import ChatUp
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer, Fault, FloodLimit
from adapters.telegram.bot import TelegramChat

WAIT_SECONDS = 5.0
OPERATOR = 4242
GROUP = -100_500
ALERT = Screen(title="Stop moved", lines=("BTCUSDT to 65,000",))

REFUSALS = [
    (Fault(method="sendMessage", kind="refuse", code=400, description="Bad Request: odd"), Rejected, 400),
    (Fault(method="sendMessage", kind="refuse", code=403, description="Forbidden: user is deactivated"), Rejected, 403),
    (Fault(method="sendMessage", kind="refuse", code=401, description="Unauthorized"), AccessDenied, 401),
    (Fault(method="sendMessage", kind="refuse", code=404, description="Not Found"), AccessDenied, 401),
    (Fault(method="sendMessage", kind="refuse", code=409, description="Conflict: odd"), Unreachable, 409),
    (Fault(method="sendMessage", kind="refuse", code=500), Unreachable, None),
    (Fault(method="sendMessage", kind="refuse", code=502, description="Bad Gateway"), Unreachable, None),
    (Fault(method="sendMessage", kind="page", code=502), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="page", code=200), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="odd_json"), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="timeout_before"), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="timeout_after_accept"), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="drop_before"), OutcomeUnknown, None),
    (Fault(method="sendMessage", kind="drop_after_accept"), OutcomeUnknown, None),
]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    REFUSALS,
    ids=[f"{fault.kind} {fault.code} {kind.__name__}" for fault, kind, _ in REFUSALS],
)
def test_each_failure_of_a_send_says_what_may_be_done_next(
    server: BotApiServer, open_chat: Any, fault: Fault, kind: type[OutsideError], code: int | None
) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.script(fault)
    with pytest.raises(kind) as raised:
        chat.send(OPERATOR, ALERT)
    assert type(raised.value) is kind
    assert raised.value.code == code
    assert f"send to chat {OPERATOR}" in str(raised.value)
    assert server.attempts["sendMessage"] == 1  # a send is never repeated in here
    arrived = fault.kind.endswith("after_accept")
    assert len(server.messages(OPERATOR)) == (1 if arrived else 0)


def test_no_error_carries_the_token_or_the_vendors_exception(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    for fault, kind, _ in REFUSALS[:6]:
        server.script(fault)
        with pytest.raises(kind) as raised:
            chat.send(OPERATOR, ALERT)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None
        assert LOCAL_TOKEN not in "".join(traceback.format_exception(raised.value))


def test_a_refused_connection_means_that_nothing_was_sent(open_chat: Any, server: BotApiServer) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.outage(on=True)
    with pytest.raises(Unreachable, match="not sent"):
        chat.send(OPERATOR, ALERT)
    server.outage(on=False)
    heard.next(ChatUp)
    assert chat.send(OPERATOR, ALERT)


def test_a_send_while_telegram_has_never_answered_is_unreachable(open_chat: Any) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        chat, _ = open_chat(api_url=f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(Unreachable):
            chat.send(OPERATOR, ALERT)


def test_a_send_before_the_chat_was_opened_ends_at_its_deadline(config: Any) -> None:
    chat = TelegramChat(replace(config, send_seconds=0.1))
    with pytest.raises(Unreachable, match="not open"):
        chat.send(OPERATOR, ALERT)


def test_a_send_never_hangs_longer_than_its_deadline(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat(send_seconds=0.3, request_seconds=30.0)
    heard.next(ChatUp)
    server.script(Fault(method="sendMessage", kind="timeout_before"))
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="may have arrived"):
        chat.send(OPERATOR, ALERT)
    assert time.monotonic() - started < 2.0


def test_closing_releases_a_send_that_waits(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat(send_seconds=30.0, request_seconds=30.0)
    heard.next(ChatUp)
    server.script(Fault(method="sendMessage", kind="timeout_before"))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(chat.send, OPERATOR, ALERT)
        server.wait_for(lambda api: api.attempts["sendMessage"] == 1, WAIT_SECONDS)
        chat.close(WAIT_SECONDS)
        with pytest.raises(OutcomeUnknown):
            sending.result(WAIT_SECONDS)


def test_flood_control_is_passed_on_with_its_instant_and_kept_by_the_next_send(open_chat: Any) -> None:
    flood = FloodLimit(messages=1, window_seconds=60.0, retry_after_seconds=7)
    with BotApiServer(chats=(OPERATOR,), flood=flood) as strict:
        chat, heard = open_chat(api_url=strict.url)
        heard.next(ChatUp)
        chat.send(OPERATOR, ALERT)
        started = datetime.now(UTC)
        for _ in range(2):
            with pytest.raises(Throttled) as raised:
                chat.send(OPERATOR, ALERT)
            wait = raised.value.until - started
            assert timedelta(seconds=6) < wait < timedelta(seconds=9)
        assert strict.attempts["sendMessage"] == 2  # the third was held back here


def test_refused_markup_is_sent_once_more_as_plain_text(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.script(
        Fault(method="sendMessage", kind="refuse", code=400, description="Bad Request: can't parse entities: odd")
    )
    message_id = chat.send(OPERATOR, Screen(title="A & B", lines=("<1>",), buttons=((Button(label="Y", data="y"),),)))
    (message,) = server.messages(OPERATOR)
    assert (message.message_id, message.html) == (message_id, False)
    assert message.text == "A & B\n<1>"
    assert message.buttons == ((("Y", "y"),),)


def test_markup_refused_twice_is_rejected(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.script(
        Fault(
            method="sendMessage", kind="refuse", code=400, description="Bad Request: can't parse entities: odd", times=2
        )
    )
    with pytest.raises(Rejected):
        chat.send(OPERATOR, ALERT)


def test_a_blocked_bot_is_rejected_with_403(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.block(OPERATOR)
    with pytest.raises(Rejected, match="blocked") as raised:
        chat.send(OPERATOR, ALERT)
    assert raised.value.code == 403


def test_a_group_that_became_a_supergroup_is_followed(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.migrate(GROUP, GROUP - 1)
    chat.send(GROUP, ALERT)
    chat.send(GROUP, ALERT)
    assert len(server.messages(GROUP - 1)) == 2
    assert server.attempts["sendMessage"] == 3  # the move was learnt once


def test_button_data_over_64_bytes_is_rejected(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    with pytest.raises(Rejected, match=r"(?i)button_data_invalid"):
        chat.send(OPERATOR, Screen(title="x", buttons=((Button(label="Y", data="é" * 33),),)))


def test_routine_messages_make_no_sound(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    chat.send(OPERATOR, Screen(title="Routine", silent=True))
    chat.send(OPERATOR, Screen(title="Filled"))
    assert [message.silent for message in server.messages(OPERATOR)] == [True, False]


# --- edits -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: message to edit not found",
        "Bad Request: message can't be edited",
        "Bad Request: there is no text in the message to edit",
        "Bad Request: MESSAGE_ID_INVALID",
    ],
)
def test_a_message_that_telegram_will_not_edit_is_sent_anew(
    server: BotApiServer, open_chat: Any, description: str
) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    old = chat.send(OPERATOR, Screen(title="Old"))
    server.script(Fault(method="editMessageText", kind="refuse", code=400, description=description))
    new = chat.edit(OPERATOR, old, Screen(title="New"))
    assert new != old
    assert [message.text for message in server.messages(OPERATOR)] == ["Old", "New"]


@pytest.mark.parametrize("kind", ["timeout_after_accept", "drop_before", "odd_json"])
def test_an_edit_that_may_have_arrived_may_be_repeated(server: BotApiServer, open_chat: Any, kind: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    old = chat.send(OPERATOR, Screen(title="Old"))
    server.script(Fault(method="editMessageText", kind=kind))
    with pytest.raises(Unreachable):
        chat.edit(OPERATOR, old, Screen(title="New"))
    assert chat.edit(OPERATOR, old, Screen(title="New")) == old
    assert [message.text for message in server.messages(OPERATOR)] == ["New"]


def test_an_edit_to_a_screen_too_long_for_one_message_is_sent_anew(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    old = chat.send(OPERATOR, Screen(title="Old"))
    last = chat.edit(OPERATOR, old, Screen(title="New", lines=("y" * 3000, "z" * 3000)))
    assert [message.message_id for message in server.messages(OPERATOR)] == [old, last - 1, last]


# --- several parts -------------------------------------------------------------------------------------------------
def long_screen(lines: int) -> Screen:
    body = tuple(f"{number:03} " + "🚀" * 100 for number in range(lines))
    return Screen(title="Long", lines=body, buttons=((Button(label="OK", data="ok"),),))


def test_a_long_screen_comes_in_numbered_parts_with_the_buttons_under_the_last(
    server: BotApiServer, open_chat: Any
) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    message_id = chat.send(OPERATOR, long_screen(30))  # some 6,100 UTF-16 units, 3,100 characters
    first, last = server.messages(OPERATOR)
    assert last.message_id == message_id
    assert first.text.startswith("Long (1/2)\n000 ")
    assert last.text.startswith("Long (2/2)\n")
    assert (first.buttons, last.buttons) == ((), ((("OK", "ok"),),))


def test_a_very_long_screen_comes_as_a_document(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    message_id = chat.send(OPERATOR, long_screen(100))
    (message,) = server.messages(OPERATOR)
    assert message.message_id == message_id
    assert message.document.decode().startswith("Long\n000 🚀")
    assert message.document.decode().count("\n") == 100
    assert message.buttons == ((("OK", "ok"),),)


def test_a_later_part_is_tried_again_so_that_the_first_need_not_be(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.script(Fault(method="sendMessage", kind="refuse", code=500, after=1))
    chat.send(OPERATOR, long_screen(30))
    assert [message.text[:10] for message in server.messages(OPERATOR)] == ["Long (1/2)", "Long (2/2)"]


def test_a_message_of_which_some_parts_arrived_is_unclear(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    server.script(Fault(method="sendMessage", kind="refuse", code=403, description="Forbidden: odd", after=1))
    with pytest.raises(OutcomeUnknown, match="1 of 2 parts have arrived"):
        chat.send(OPERATOR, long_screen(30))


# --- the budget ----------------------------------------------------------------------------------------------------
def test_a_burst_passes_and_what_is_over_it_waits_or_is_throttled(open_chat: Any) -> None:
    flood = FloodLimit(messages=4, window_seconds=1.0)
    with BotApiServer(chats=(OPERATOR,), flood=flood) as strict:
        chat, heard = open_chat(api_url=strict.url, patience_seconds=1.5)
        heard.next(ChatUp)
        started = time.monotonic()
        for _ in range(4):
            chat.send(OPERATOR, ALERT)
        assert 0.9 < time.monotonic() - started < 3.0
        with ThreadPoolExecutor(3) as pool:
            sends = [pool.submit(chat.send, OPERATOR, ALERT) for _ in range(3)]
            refusals = [sent.exception(WAIT_SECONDS) for sent in sends]
        throttled = [refusal for refusal in refusals if refusal is not None]
        assert len(throttled) == 2
        assert all(isinstance(refusal, Throttled) for refusal in throttled)
        assert strict.accepted["sendMessage"] == strict.attempts["sendMessage"] == 5
