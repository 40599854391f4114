"""The local Bot API answers a foreign client as Telegram does: codes, words, polls, limits and faults."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer, Fault, FloodLimit

WAIT_SECONDS = 5.0
PERSON, GROUP = 4242, -100_500

Call = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[BotApiServer]:
    with BotApiServer(chats=(PERSON,), control=True) as running:
        yield running


@pytest.fixture
def call(server: BotApiServer) -> Iterator[Call]:
    """Give a function that calls a method and gives the HTTP status and the body."""
    with httpx.Client(trust_env=False, timeout=WAIT_SECONDS) as client:

        def calling(method: str, **asked: Any) -> tuple[int, dict[str, Any]]:
            answer = client.post(f"{server.url}/bot{LOCAL_TOKEN}/{method}", json=asked)
            return answer.status_code, answer.json()

        yield calling


def test_the_bot_knows_its_name(call: Call) -> None:
    status, body = call("getMe")
    assert (status, body["ok"], body["result"]["username"]) == (200, True, "standfast_local_bot")


@pytest.mark.parametrize("encoding", ["json", "data", "params"])
def test_parameters_are_read_from_json_form_and_query_alike(server: BotApiServer, encoding: str) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
    asked: dict[str, Any] = {"chat_id": PERSON, "text": "hi", "reply_markup": keyboard}
    if encoding != "json":
        asked["reply_markup"] = json.dumps(keyboard)
    with httpx.Client(trust_env=False) as client:
        carried: dict[str, Any] = {encoding: asked}
        answer = client.request("POST", f"{server.url}/bot{LOCAL_TOKEN}/sendMessage", **carried)
    assert answer.json()["ok"]
    assert server.messages(PERSON)[0].buttons == ((("Yes", "y"),),)


REFUSED = [
    ("sendMessage", {"chat_id": 999, "text": "x"}, 400, "Bad Request: chat not found"),
    ("sendMessage", {"text": "x"}, 400, "Bad Request: chat_id is empty"),
    ("sendMessage", {"chat_id": PERSON}, 400, "Bad Request: message text is empty"),
    ("sendMessage", {"chat_id": PERSON, "text": " \n"}, 400, "Bad Request: message text is empty"),
    ("sendMessage", {"chat_id": PERSON, "text": "x" * 4097}, 400, "Bad Request: message is too long"),
    ("sendMessage", {"chat_id": PERSON, "text": "🚀" * 2049}, 400, "Bad Request: message is too long"),
    (
        "sendMessage",
        {"chat_id": PERSON, "text": "<p>", "parse_mode": "HTML"},
        400,
        'Bad Request: can\'t parse entities: Unsupported start tag "p" at byte offset 0',
    ),
    (
        "sendMessage",
        {
            "chat_id": PERSON,
            "text": "x",
            "reply_markup": {"inline_keyboard": [[{"text": "Y", "callback_data": "é" * 33}]]},
        },
        400,
        "Bad Request: BUTTON_DATA_INVALID",
    ),
    ("editMessageText", {"chat_id": PERSON, "message_id": 77, "text": "x"}, 400, "message to edit not found"),
    ("answerCallbackQuery", {"callback_query_id": "nope"}, 400, "query is too old"),
    ("sendDocument", {"chat_id": PERSON}, 400, "there is no document"),
    ("setMyCommands", {"commands": [{"command": "Up", "description": "x"}]}, 400, "BOT_COMMAND_INVALID"),
    ("setMyCommands", {"commands": [{"command": "up", "description": ""}]}, 400, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ("fooBar", {}, 404, "Not Found"),
]


@pytest.mark.parametrize(("method", "asked", "code", "words"), REFUSED, ids=[row[3][:50] for row in REFUSED])
def test_bad_requests_are_refused_in_telegrams_words(
    call: Call, method: str, asked: dict[str, Any], code: int, words: str
) -> None:
    status, body = call(method, **asked)
    assert (status, body["ok"], body["error_code"]) == (code, False, code)
    assert words in body["description"]


def test_the_limit_counts_what_is_seen_in_utf16_units(call: Call) -> None:
    text = f"<b>{'🚀' * 2047}</b>&amp;x"  # 4,096 units once the markup is gone
    assert call("sendMessage", chat_id=PERSON, text=text, parse_mode="HTML")[0] == 200
    assert call("sendMessage", chat_id=PERSON, text=f"{text}y", parse_mode="HTML")[0] == 400


def test_a_wrong_token_is_unauthorized(server: BotApiServer) -> None:
    answer = httpx.post(f"{server.url}/bot123:wrong/getMe", trust_env=False)
    assert (answer.status_code, answer.json()["description"]) == (401, "Unauthorized")


def test_a_blocked_bot_is_forbidden(server: BotApiServer, call: Call) -> None:
    server.block(PERSON)
    assert call("sendMessage", chat_id=PERSON, text="x")[0] == 403
    server.block(PERSON, blocked=False)
    assert call("sendMessage", chat_id=PERSON, text="x")[0] == 200


def test_a_migrated_group_names_its_new_id(server: BotApiServer, call: Call) -> None:
    server.migrate(GROUP, GROUP - 1)
    status, body = call("sendMessage", chat_id=GROUP, text="x")
    assert (status, body["parameters"]) == (400, {"migrate_to_chat_id": GROUP - 1})


def test_an_edit_changes_the_text_and_an_equal_one_is_refused(server: BotApiServer, call: Call) -> None:
    message_id = call("sendMessage", chat_id=PERSON, text="a")[1]["result"]["message_id"]
    assert call("editMessageText", chat_id=PERSON, message_id=message_id, text="b")[0] == 200
    status, body = call("editMessageText", chat_id=PERSON, message_id=message_id, text="b")
    assert (status, "message is not modified" in body["description"]) == (400, True)
    (message,) = server.messages(PERSON)
    assert (message.text, message.edits) == ("b", 1)


def test_a_chat_over_its_flood_limit_is_told_how_long_to_wait() -> None:
    clock = [0.0]
    flood = FloodLimit(messages=2, window_seconds=1.0, retry_after_seconds=3)
    with (
        BotApiServer(chats=(PERSON, PERSON + 1), flood=flood, monotonic=lambda: clock[0]) as strict,
        httpx.Client(trust_env=False) as client,
    ):

        def send(chat_id: int) -> dict[str, Any]:
            url = f"{strict.url}/bot{LOCAL_TOKEN}/sendMessage"
            body: dict[str, Any] = client.post(url, json={"chat_id": chat_id, "text": "x"}).json()
            return body

        assert [send(PERSON)["ok"] for _ in range(3)] == [True, True, False]
        assert send(PERSON)["parameters"] == {"retry_after": 3}
        assert send(PERSON + 1)["ok"]
        clock[0] = 1.0
        assert send(PERSON)["ok"]


# --- updates -------------------------------------------------------------------------------------------------------
def test_updates_stay_until_a_higher_offset_acknowledges_them(server: BotApiServer, call: Call) -> None:
    first, second = server.user_says("a", PERSON), server.user_says("b", PERSON)
    ids = [update["update_id"] for update in call("getUpdates")[1]["result"]]
    assert ids == [first, second]
    assert [update["update_id"] for update in call("getUpdates", offset=second)[1]["result"]] == [second]
    assert server.pending_updates == (second,)
    assert call("getUpdates", offset=second + 1)[1]["result"] == []


def test_limit_and_negative_offset_choose_updates(server: BotApiServer, call: Call) -> None:
    ids = [server.user_says(str(number), PERSON) for number in range(4)]
    assert [update["update_id"] for update in call("getUpdates", limit=2)[1]["result"]] == ids[:2]
    assert [update["update_id"] for update in call("getUpdates", offset=-1)[1]["result"]] == ids[-1:]
    assert server.pending_updates == (ids[-1],)


def test_a_long_poll_ends_with_the_first_update_and_else_with_its_time(server: BotApiServer, call: Call) -> None:
    started = time.monotonic()
    assert call("getUpdates", timeout=1)[1]["result"] == []
    assert time.monotonic() - started >= 0.9
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(call, "getUpdates", timeout=50)
        server.wait_for(lambda api: api.attempts["getUpdates"] == 2, WAIT_SECONDS)
        server.user_says("wake", PERSON)
        assert polling.result(WAIT_SECONDS)[1]["result"][0]["message"]["text"] == "wake"


def test_a_second_poll_ends_the_first_with_a_conflict(server: BotApiServer, call: Call) -> None:
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(call, "getUpdates", timeout=50)
        server.wait_for(lambda api: api.attempts["getUpdates"] == 1, WAIT_SECONDS)
        assert call("getUpdates")[0] == 200
        status, body = polling.result(WAIT_SECONDS)
    assert (status, "terminated by other getUpdates request" in body["description"]) == (409, True)


def test_polling_is_refused_beside_a_webhook(server: BotApiServer, call: Call) -> None:
    server.leave_webhook("https://example.org")
    assert call("getUpdates")[0] == 409
    assert call("deleteWebhook")[0] == 200
    assert call("getUpdates")[0] == 200


def test_a_tap_is_an_update_that_can_be_answered(server: BotApiServer, call: Call) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "v1:y"}]]}
    message_id = call("sendMessage", chat_id=PERSON, text="?", reply_markup=keyboard)[1]["result"]["message_id"]
    server.user_taps(message_id, "Yes")
    query = call("getUpdates")[1]["result"][0]["callback_query"]
    assert (query["data"], query["from"]["id"], query["message"]["message_id"]) == ("v1:y", PERSON, message_id)
    assert call("answerCallbackQuery", callback_query_id=query["id"])[0] == 200
    assert server.answered_callbacks == (query["id"],)


def test_a_button_that_is_not_shown_cannot_be_tapped(server: BotApiServer, call: Call) -> None:
    message_id = call("sendMessage", chat_id=PERSON, text="?")[1]["result"]["message_id"]
    with pytest.raises(LookupError, match="shows no button 'Yes'"):
        server.user_taps(message_id, "Yes")
    with pytest.raises(LookupError, match="no message 999"):
        server.user_taps(999, "Yes")


def test_somebody_who_writes_makes_the_chat_known(server: BotApiServer, call: Call) -> None:
    assert call("sendMessage", chat_id=77, text="x")[0] == 400
    server.user_says("/start", 77)
    assert call("sendMessage", chat_id=77, text="x")[0] == 200
    assert call("sendChatAction", chat_id=77, action="typing")[0] == 200


# --- faults --------------------------------------------------------------------------------------------------------
def test_a_scripted_fault_is_used_up_and_serves_its_method_only(server: BotApiServer, call: Call) -> None:
    server.script(Fault(method="sendMessage", kind="refuse", code=503, times=2, after=1))
    statuses = [call("sendMessage", chat_id=PERSON, text=str(number))[0] for number in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert call("getMe")[0] == 200
    assert (server.attempts["sendMessage"], server.accepted["sendMessage"]) == (4, 2)


@pytest.mark.parametrize(("kind", "arrives"), [("drop_before", 0), ("drop_after_accept", 1)])
def test_a_dropped_connection_may_or_may_not_have_done_its_work(
    server: BotApiServer, call: Call, kind: Any, arrives: int
) -> None:
    server.script(Fault(method="sendMessage", kind=kind))
    with pytest.raises(httpx.TransportError):
        call("sendMessage", chat_id=PERSON, text="x")
    assert len(server.messages(PERSON)) == arrives


def test_an_unknown_kind_of_fault_is_refused() -> None:
    odd: Any = "explode"
    with pytest.raises(ValueError, match="unknown fault kind 'explode'"):
        Fault(method="*", kind=odd)


def test_an_outage_refuses_connections_and_ends_on_the_same_port(server: BotApiServer, call: Call) -> None:
    url = server.url
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(call, "getUpdates", timeout=50)
        server.wait_for(lambda api: api.attempts["getUpdates"] == 1, WAIT_SECONDS)
        server.outage(on=True)
        assert isinstance(polling.exception(WAIT_SECONDS), httpx.TransportError)
    with pytest.raises(httpx.ConnectError):
        call("getMe")
    server.outage(on=False)
    assert server.url == url
    assert call("getMe")[0] == 200


def test_a_taken_port_is_reported_to_the_one_who_starts(server: BotApiServer) -> None:
    with pytest.raises(OSError, match="address already in use"):
        BotApiServer(port=int(server.url.rpartition(":")[2])).start()


def test_stopping_leaves_no_thread_and_may_be_repeated() -> None:
    running = BotApiServer()
    running.start()
    running.stop()
    running.stop()
    assert "bot-api" not in {thread.name for thread in threading.enumerate()}


def test_a_wait_that_fails_shows_what_there_was(server: BotApiServer, call: Call) -> None:
    call("sendMessage", chat_id=PERSON, text="the only one")
    with pytest.raises(TimeoutError, match="the only one"):
        server.wait_for(lambda api: len(api.messages()) == 2, 0.05)


# --- another process plays the person ------------------------------------------------------------------------------
def test_another_process_can_write_tap_and_read(server: BotApiServer, call: Call) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "v1:y"}]]}
    with httpx.Client(base_url=server.url, trust_env=False) as person:
        said = person.post("/control/say", json={"text": "/start", "user_id": PERSON}).json()
        call("sendMessage", chat_id=PERSON, text="hello", reply_markup=keyboard)
        (message,) = person.get("/control/messages", params={"chat_id": PERSON}).json()["messages"]
        assert (message["text"], message["buttons"]) == ("hello", [[{"label": "Yes", "data": "v1:y"}]])
        tap = {"message_id": message["message_id"], "button": "Yes"}
        tapped = person.post("/control/tap", json=tap).json()
        person.post("/control/faults", json={"method": "getMe", "kind": "refuse", "code": 500})
    assert call("getMe")[0] == 500
    updates = call("getUpdates")[1]["result"]
    assert [update["update_id"] for update in updates] == [said["update_id"], tapped["update_id"]]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("say", {"text": "x"}, "'user_id' is missing"),
        ("say", {"text": "x", "user_id": "me"}, "invalid literal"),
        ("say", ["x"], "must be a JSON object"),
        ("tap", {"message_id": 5, "button": "Yes"}, "no message 5"),
        ("faults", {"method": "getMe", "kind": "explode"}, "unknown fault kind"),
    ],
)
def test_a_wrong_control_request_is_told_what_is_wrong(server: BotApiServer, path: str, body: Any, words: str) -> None:
    answer = httpx.post(f"{server.url}/control/{path}", json=body, trust_env=False)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_control_is_closed_unless_asked_for() -> None:
    with BotApiServer() as closed:
        answer = httpx.post(f"{closed.url}/control/say", json={"text": "x", "user_id": 1}, trust_env=False)
    assert answer.status_code == 404
