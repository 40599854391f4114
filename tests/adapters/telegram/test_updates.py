"""Updates as Telegram writes them, read into what the person said or tapped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telegram import Update

from actors.ports import OperatorSaid, OperatorTapped
from adapters.telegram.updates import said, tapped

PERSON = {"id": 42, "is_bot": False, "first_name": "P"}
CHAT = {"id": 42, "type": "private", "first_name": "P"}
DATE = 1_790_000_000
MESSAGE = {"message_id": 7, "date": DATE, "chat": CHAT, "from": PERSON}
RECEIVED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def update(**body: Any) -> Update:
    return Update.de_json({"update_id": 5, **body}, None)


def test_a_message_carries_its_own_date_in_utc() -> None:
    assert said(update(message={**MESSAGE, "text": "/status"})) == OperatorSaid(
        update_id=5, chat_id=42, user_id=42, text="/status", said_at=datetime.fromtimestamp(DATE, UTC)
    )


def test_the_words_under_a_picture_are_what_was_said() -> None:
    photo = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]
    read = said(update(message={**MESSAGE, "photo": photo, "caption": "/trade from this"}))
    assert read is not None
    assert read.text == "/trade from this"


def test_a_message_without_words_says_nothing() -> None:
    sticker = {"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1, "is_animated": False, "is_video": False}
    assert said(update(message={**MESSAGE, "sticker": {**sticker, "type": "regular"}})) is None


def test_an_edited_message_says_nothing() -> None:
    assert said(update(edited_message={**MESSAGE, "text": "/close all", "edit_date": DATE + 9})) is None


def test_a_tap_is_dated_by_its_arrival() -> None:
    query = {"id": "1", "from": PERSON, "chat_instance": "1", "data": "v1:x", "message": {**MESSAGE, "text": "Sure?"}}
    assert tapped(update(callback_query=query), RECEIVED) == OperatorTapped(
        update_id=5, chat_id=42, user_id=42, data="v1:x", message_id=7, tapped_at=RECEIVED
    )


def test_a_tap_under_a_message_too_old_to_be_shown_still_counts() -> None:
    query = {"id": "1", "from": PERSON, "chat_instance": "1", "data": "v1:x"}
    old = {"message_id": 7, "date": 0, "chat": CHAT}
    read = tapped(update(callback_query={**query, "message": old}), RECEIVED)
    assert read is not None
    assert read.message_id == 7


def test_a_tap_without_message_or_data_is_none() -> None:
    query = {"id": "1", "from": PERSON, "chat_instance": "1"}
    assert tapped(update(callback_query={**query, "data": "v1:x", "inline_message_id": "9"}), RECEIVED) is None
    assert tapped(update(callback_query={**query, "message": MESSAGE, "game_short_name": "g"}), RECEIVED) is None
