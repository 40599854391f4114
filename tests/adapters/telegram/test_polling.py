"""Polling goes on through everything that stops or blocks the library's own updater."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import structlog

from actors.model.screen import Button, Screen
from actors.ports import ChatDown, ChatReport, ChatUp, OperatorSaid, OperatorTapped
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer, Fault
from adapters.telegram.bot import TelegramChat
from adapters.telegram.config import TelegramConfig

WAIT_SECONDS = 5.0
OPERATOR = 4242


def test_the_chat_starts_while_telegram_is_down_and_comes_up_when_it_returns(open_chat: Any) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    _, heard = open_chat(api_url=f"http://127.0.0.1:{port}")
    down = heard.next(ChatDown)
    assert not down.conflict
    with BotApiServer(port=port, chats=(OPERATOR,)) as late:
        late.user_says("/start", OPERATOR)
        assert heard.next(ChatUp).name == "standfast_local_bot"
        assert heard.next(OperatorSaid).text == "/start"


def test_an_outage_is_told_once_and_what_was_said_meanwhile_arrives_after_it(
    server: BotApiServer, open_chat: Any
) -> None:
    _, heard = open_chat()
    heard.next(ChatUp)
    server.outage(on=True)
    heard.next(ChatDown)
    server.user_says("said into the dark", OPERATOR)
    server.outage(on=False)
    after = [heard.reports.get(timeout=WAIT_SECONDS) for _ in range(2)]
    assert [type(report) for report in after] == [ChatUp, OperatorSaid]


@pytest.mark.parametrize(
    "body",
    [
        {"message_id": "x", "date": "never"},
        {"message_id": 1, "chat": None},
        {"chat": {"id": "?"}},
        ["no object"],
        7,
        None,
    ],
    ids=str,
)
def test_an_update_that_cannot_be_parsed_is_stepped_over(server: BotApiServer, open_chat: Any, body: Any) -> None:
    server.queue_update("message", body)
    server.user_says("after the broken one", OPERATOR)
    _, heard = open_chat()
    assert heard.next(OperatorSaid).text == "after the broken one"
    server.wait_for(lambda api: not api.pending_updates, WAIT_SECONDS)


def test_a_skipped_update_leaves_a_line_in_the_log(server: BotApiServer, open_chat: Any) -> None:
    with structlog.testing.capture_logs() as lines:
        broken = server.queue_update("message", {"message_id": 1})
        server.user_says("next", OPERATOR)
        _, heard = open_chat()
        heard.next(OperatorSaid)
    skipped = [line for line in lines if line["event"] == "chat_update_skipped"]
    assert [line["update_id"] for line in skipped] == [broken]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(method="getUpdates", kind="refuse", code=401, description="Unauthorized", times=2),
        Fault(method="getUpdates", kind="refuse", code=404, description="Not Found", times=2),
        Fault(method="getUpdates", kind="refuse", code=500, times=2),
        Fault(method="getUpdates", kind="refuse", code=400, description="Bad Request: odd", times=2),
        Fault(method="getUpdates", kind="page", code=502, times=2),
        Fault(method="getUpdates", kind="page", code=200, times=2),
        Fault(method="getUpdates", kind="odd_json", times=2),
        Fault(method="getUpdates", kind="drop_before", times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.code}",
)
def test_no_answer_to_a_poll_ends_polling(server: BotApiServer, open_chat: Any, fault: Fault) -> None:
    _, heard = open_chat()
    heard.next(ChatUp)
    server.wait_for(lambda api: api.attempts["getUpdates"] == 2, WAIT_SECONDS)  # the second one is held
    server.script(fault)
    server.user_says("before", OPERATOR)  # ends the waiting poll; the next ones meet the fault
    assert heard.next(OperatorSaid).text == "before"
    assert not heard.next(ChatDown).conflict
    heard.next(ChatUp)
    server.user_says("after", OPERATOR)
    assert heard.next(OperatorSaid).text == "after"


@pytest.mark.parametrize("method", ["getMe", "deleteWebhook"])
@pytest.mark.parametrize("code", [401, 404, 500])
def test_a_refusal_at_the_start_is_retried(server: BotApiServer, open_chat: Any, method: str, code: int) -> None:
    server.script(Fault(method=method, kind="refuse", code=code, description="no", times=2))
    _, heard = open_chat()
    heard.next(ChatDown)
    heard.next(ChatUp)


def test_flood_control_on_polls_is_waited_out_without_calling_the_chat_down(
    server: BotApiServer, open_chat: Any
) -> None:
    server.script(Fault(method="getUpdates", kind="refuse", code=429, description="Too Many", retry_after_seconds=1))
    server.user_says("patience", OPERATOR)
    _, heard = open_chat()
    assert heard.next(OperatorSaid).text == "patience"
    assert not [report for report in heard.rest() if isinstance(report, ChatDown)]


def test_a_webhook_left_behind_by_another_program_is_removed(server: BotApiServer, open_chat: Any) -> None:
    server.leave_webhook("https://example.org/hook")
    _, heard = open_chat()
    heard.next(ChatUp)


def test_a_second_poller_is_told_as_a_conflict_and_polling_goes_on(server: BotApiServer, open_chat: Any) -> None:
    _, first = open_chat()
    first.next(ChatUp)
    second_chat, _ = open_chat()
    assert first.next(ChatDown).conflict
    second_chat.close(WAIT_SECONDS)
    first.next(ChatUp)
    server.user_says("who hears me?", OPERATOR)
    assert first.next(OperatorSaid).text == "who hears me?"


def test_two_pollers_do_not_flap_between_up_and_down(server: BotApiServer, open_chat: Any) -> None:
    _, first = open_chat(conflict_clear_seconds=60.0)
    first.next(ChatUp)
    _, second = open_chat(conflict_clear_seconds=60.0)
    polls = server.attempts["getUpdates"]
    server.wait_for(lambda api: api.attempts["getUpdates"] > polls + 8, WAIT_SECONDS)
    told = [report for report in (*first.rest(), *second.rest()) if isinstance(report, ChatDown)]
    assert [down.conflict for down in told] == [True, True]


def test_a_poller_that_met_another_leaves_it_alone_for_a_while(server: BotApiServer, open_chat: Any) -> None:
    _, first = open_chat(conflict_retry_seconds=60.0)
    first.next(ChatUp)
    _, second = open_chat()
    assert first.next(ChatDown).conflict
    second.next(ChatUp)
    for number in range(3):
        server.user_says(str(number), OPERATOR)
    undisturbed = [second.reports.get(timeout=WAIT_SECONDS) for _ in range(3)]
    assert [report.text for report in undisturbed if isinstance(report, OperatorSaid)] == ["0", "1", "2"]
    polls = server.attempts["getUpdates"]
    with pytest.raises(TimeoutError):  # both would poll without end if the first were impatient
        server.wait_for(lambda api: api.attempts["getUpdates"] > polls + 2, 0.5)


def test_an_update_is_acknowledged_only_after_the_sink_took_it(server: BotApiServer, open_chat: Any) -> None:
    taken, release = threading.Event(), threading.Event()

    def slow_sink(report: ChatReport) -> None:
        if isinstance(report, OperatorSaid):
            taken.set()
            assert release.wait(WAIT_SECONDS)

    said = server.user_says("hold", OPERATOR)
    open_chat(slow_sink)
    assert taken.wait(WAIT_SECONDS)
    assert server.pending_updates == (said,)
    release.set()
    server.wait_for(lambda api: not api.pending_updates, WAIT_SECONDS)


def test_an_update_that_the_sink_refused_comes_again(server: BotApiServer, open_chat: Any) -> None:
    heard: list[str] = []
    done = threading.Event()

    def failing_once(report: ChatReport) -> None:
        if isinstance(report, OperatorSaid):
            heard.append(report.text)
            if len(heard) == 1:
                raise RuntimeError("the mailbox broke")
            done.set()

    server.user_says("again", OPERATOR)
    open_chat(failing_once)
    assert done.wait(WAIT_SECONDS)
    assert heard == ["again", "again"]


def test_a_sink_that_never_takes_an_update_does_not_block_the_later_ones(server: BotApiServer, open_chat: Any) -> None:
    heard: list[str] = []
    done = threading.Event()

    def failing(report: ChatReport) -> None:
        if isinstance(report, OperatorSaid):
            heard.append(report.text)
            if report.text == "poison":
                raise RuntimeError("never")
            done.set()

    server.user_says("poison", OPERATOR)
    server.user_says("wine", OPERATOR)
    open_chat(failing)
    assert done.wait(WAIT_SECONDS)
    assert heard == ["poison", "poison", "poison", "wine"]


def test_what_was_taken_is_not_taken_again_after_a_network_error(server: BotApiServer, open_chat: Any) -> None:
    server.script(Fault(method="getUpdates", kind="drop_after_accept"))
    server.user_says("once", OPERATOR)
    _, heard = open_chat()
    assert heard.next(OperatorSaid).text == "once"
    server.user_says("last", OPERATOR)
    assert heard.next(OperatorSaid).text == "last"


def test_the_heartbeat_is_the_age_of_the_last_answer(server: BotApiServer, config: TelegramConfig) -> None:
    clock = [100.0]
    chat = TelegramChat(config, monotonic=lambda: clock[0])
    up = threading.Event()
    assert chat.last_answer_age_seconds() is None
    chat.open(lambda report: up.set())
    assert up.wait(WAIT_SECONDS)
    clock[0] = 130.0
    assert chat.last_answer_age_seconds() == 30.0
    chat.close(WAIT_SECONDS)


def test_a_tap_is_answered_at_once_even_when_the_answer_is_slow_to_be_taken(
    server: BotApiServer, open_chat: Any
) -> None:
    chat, heard = open_chat(request_seconds=30.0)
    heard.next(ChatUp)
    buttons = ((Button(label="Yes", data="v1:yes"),),)
    message_id = chat.send(OPERATOR, Screen(title="Sure?", buttons=buttons))
    server.script(Fault(method="answerCallbackQuery", kind="timeout_before"))
    server.user_taps(message_id, "Yes")
    assert heard.next(OperatorTapped).data == "v1:yes"
    server.user_taps(message_id, "Yes")
    server.wait_for(lambda api: len(api.answered_callbacks) == 1, WAIT_SECONDS)


def test_the_commands_are_shown_to_each_allowed_person(server: BotApiServer, open_chat: Any) -> None:
    _, heard = open_chat(commands=(("status", "What is open"),), allowed_users=frozenset({OPERATOR, 5}))
    heard.next(ChatUp)  # the second person has never written to the bot: no commands there, and no failure
    assert list(server.commands) == [f"chat:{OPERATOR}"]


def test_an_empty_token_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="token is empty"):
        TelegramConfig(token="")


def test_a_poll_longer_than_telegram_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="poll_seconds is 90"):
        TelegramConfig(token=LOCAL_TOKEN, poll_seconds=90)


def test_closing_ends_a_poll_that_waits(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat(poll_seconds=50)
    heard.next(ChatUp)
    server.wait_for(lambda api: api.attempts["getUpdates"] >= 2, WAIT_SECONDS)
    chat.close(2.0)
    assert "telegram" not in {thread.name for thread in threading.enumerate()}


def test_a_thread_left_behind_by_a_stuck_sink_reports_nothing_more(server: BotApiServer, open_chat: Any) -> None:
    heard: list[str] = []
    stuck, release = threading.Event(), threading.Event()

    def sticking(report: ChatReport) -> None:
        if isinstance(report, OperatorSaid):
            heard.append(report.text)
            stuck.set()
            assert release.wait(WAIT_SECONDS)

    server.user_says("first", OPERATOR)
    server.user_says("second", OPERATOR)  # in the same batch
    chat, _ = open_chat(sticking)
    assert stuck.wait(WAIT_SECONDS)
    with structlog.testing.capture_logs() as lines:
        chat.close(0.05)
    assert [line["event"] for line in lines] == ["chat_thread_left_behind"]
    release.set()
    chat.close(WAIT_SECONDS)
    assert heard == ["first"]
