"""Nobody outside the allow-list is heard or answered, by whatever kind of update they try."""

from __future__ import annotations

from typing import Any

import pytest
from telegram import Update

from actors.model.screen import Button, Screen
from actors.ports import ChatReport, ChatUp, OperatorSaid, OperatorTapped, StrangerIgnored
from adapters.simulated.bot_api import BotApiServer
from adapters.telegram.gate import Gate, kind_of

WAIT_SECONDS = 5.0
OPERATOR, STRANGER, GROUP, CHANNEL = 4242, 666, -100_500, -100_777

PERSON = {"id": STRANGER, "is_bot": False, "first_name": "Mallory"}
PRIVATE = {"id": STRANGER, "type": "private", "first_name": "Mallory"}
PLACE = {"id": GROUP, "type": "supergroup", "title": "Group"}
DATE = 1_790_000_000
MESSAGE = {"message_id": 9, "date": DATE, "chat": PRIVATE, "from": PERSON, "text": "/close all"}
POST = {"message_id": 9, "date": DATE, "chat": {"id": CHANNEL, "type": "channel", "title": "C"}, "text": "/close all"}
MEMBER = {"user": PERSON, "status": "member"}
JOINED = {"chat": PLACE, "from": PERSON, "date": DATE, "old_chat_member": MEMBER, "new_chat_member": MEMBER}
POLL = {
    "id": "1",
    "question": "?",
    "options": [],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": False,
    "members_only": False,
}
EVERY_KIND: dict[str, Any] = {
    "message": MESSAGE,
    "edited_message": {**MESSAGE, "edit_date": DATE + 1},
    "channel_post": POST,
    "edited_channel_post": {**POST, "edit_date": DATE + 1},
    "business_message": MESSAGE,
    "edited_business_message": {**MESSAGE, "edit_date": DATE + 1},
    "callback_query": {"id": "1", "from": PERSON, "chat_instance": "1", "data": "v1:x", "message": MESSAGE},
    "inline_query": {"id": "1", "from": PERSON, "query": "/close all", "offset": ""},
    "chosen_inline_result": {"result_id": "1", "from": PERSON, "query": "/close all"},
    "poll": POLL,
    "poll_answer": {"poll_id": "1", "user": PERSON, "option_ids": [0], "option_persistent_ids": []},
    "my_chat_member": JOINED,
    "chat_member": JOINED,
    "chat_join_request": {"chat": PLACE, "from": PERSON, "user_chat_id": STRANGER, "date": DATE},
}


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_a_stranger_is_ignored_whatever_kind_of_update_comes(server: BotApiServer, open_chat: Any, kind: str) -> None:
    server.queue_update(kind, EVERY_KIND[kind])
    server.user_says("/status", OPERATOR)
    _, heard = open_chat()
    reports: list[ChatReport] = []
    while not (reports and isinstance(reports[-1], OperatorSaid)):
        reports.append(heard.reports.get(timeout=WAIT_SECONDS))
    assert [type(report) for report in reports] == [ChatUp, StrangerIgnored, OperatorSaid]
    assert [report.kind for report in reports if isinstance(report, StrangerIgnored)] == [kind]
    assert server.messages() == ()
    assert server.answered_callbacks == ()


@pytest.mark.parametrize("kind", sorted(set(EVERY_KIND) - {"message", "callback_query"}))
def test_other_kinds_of_update_never_act_even_from_the_operator(
    server: BotApiServer, open_chat: Any, kind: str
) -> None:
    server.queue_update(kind, as_operator(EVERY_KIND[kind]))
    server.user_says("last", OPERATOR)
    _, heard = open_chat()
    assert heard.next(OperatorSaid).text == "last"


def as_operator(body: Any) -> Any:
    """Give the same update with the operator in every place of the stranger."""
    if isinstance(body, dict):
        return {key: as_operator(value) for key, value in body.items()}
    return OPERATOR if body == STRANGER else body


def test_an_edited_command_does_not_act_again(server: BotApiServer, open_chat: Any) -> None:
    server.user_says("/close 1", OPERATOR)
    server.user_writes("edited_message", "/close all", OPERATOR)
    server.user_says("done", OPERATOR)
    _, heard = open_chat()
    assert [heard.next(OperatorSaid).text for _ in range(2)] == ["/close 1", "done"]


def test_an_empty_allow_list_admits_nobody(server: BotApiServer, open_chat: Any) -> None:
    server.user_says("/status", OPERATOR)
    _, heard = open_chat(allowed_users=frozenset())
    assert heard.next(StrangerIgnored).user_id == OPERATOR
    server.wait_for(lambda api: not api.pending_updates, WAIT_SECONDS)
    assert not [report for report in heard.rest() if isinstance(report, OperatorSaid)]


def test_a_stranger_cannot_press_the_operators_buttons(server: BotApiServer, open_chat: Any) -> None:
    chat, heard = open_chat()
    heard.next(ChatUp)
    message_id = chat.send(OPERATOR, Screen(title="Sure?", buttons=((Button(label="Yes", data="y"),),)))
    server.user_taps(message_id, "Yes", user_id=STRANGER)
    server.user_taps(message_id, "Yes")
    assert heard.next(OperatorTapped).user_id == OPERATOR
    server.wait_for(lambda api: api.answered_callbacks, WAIT_SECONDS)
    assert len(server.answered_callbacks) == 1


@pytest.mark.parametrize(("groups", "heard_there"), [(frozenset(), False), (frozenset({GROUP}), True)])
def test_the_operator_is_heard_in_a_group_only_when_it_is_named(
    server: BotApiServer, open_chat: Any, groups: frozenset[int], heard_there: bool
) -> None:
    server.user_says("in the group", OPERATOR, GROUP)
    server.user_says("in private", OPERATOR)
    _, heard = open_chat(allowed_groups=groups)
    assert heard.next(OperatorSaid).text == ("in the group" if heard_there else "in private")


def test_a_stranger_in_a_named_group_is_not_heard(server: BotApiServer, open_chat: Any) -> None:
    server.user_says("/close all", STRANGER, GROUP)
    server.user_says("/status", OPERATOR, GROUP)
    _, heard = open_chat(allowed_groups=frozenset({GROUP}))
    assert heard.next(OperatorSaid).user_id == OPERATOR


def test_an_anonymous_admin_is_refused_even_under_an_allowed_id() -> None:
    body = {**MESSAGE, "chat": PLACE, "sender_chat": PLACE}
    update = Update.de_json({"update_id": 1, "message": body}, None)
    gate = Gate(users=frozenset({STRANGER}), groups=frozenset({GROUP}), window_seconds=60.0)
    assert not gate.admits(update)


def test_a_stranger_is_reported_once_in_a_window() -> None:
    gate = Gate(users=frozenset(), groups=frozenset(), window_seconds=60.0)
    update = Update.de_json({"update_id": 1, "message": MESSAGE}, None)
    report = StrangerIgnored(user_id=STRANGER, chat_id=STRANGER, kind="message")
    assert [gate.stranger(update, at) for at in (0.0, 1.0, 59.0, 60.0, 61.0)] == [report, None, None, report, None]


def test_a_flood_of_strangers_is_reported_to_a_bound() -> None:
    gate = Gate(users=frozenset(), groups=frozenset(), window_seconds=60.0)
    reports = 0
    for user_id in range(1, 2000):
        body = {**MESSAGE, "from": {**PERSON, "id": user_id}}
        reports += gate.stranger(Update.de_json({"update_id": user_id, "message": body}, None), 0.0) is not None
    assert reports == 256


def test_every_kind_is_named_in_telegrams_words() -> None:
    for kind, body in EVERY_KIND.items():
        assert kind_of(Update.de_json({"update_id": 1, kind: body}, None)) == kind
