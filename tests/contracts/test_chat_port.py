"""What every chat keeps to, whoever carries the words: run on Telegram (over loopback) and on the console."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

import pytest

from actors.errors import Rejected, Unreachable
from actors.model.screen import Button, Screen
from actors.ports import ChatPort, ChatReport, ChatUp, OperatorSaid, OperatorTapped
from adapters.console.chat import CONSOLE_CHAT_ID, CONSOLE_USER_ID, ConsoleChat
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer
from adapters.telegram.bot import TelegramChat
from adapters.telegram.config import TelegramConfig

WAIT_SECONDS = 5.0
OPERATOR = 4242
YES_NO = ((Button(label="Yes", data="v1:yes"), Button(label="No", data="v1:no")),)


@dataclass
class Room:
    """A chat, and the person in it."""

    chat: ChatPort
    chat_id: int
    user_id: int
    says: Callable[[str], object]
    taps: Callable[[int, str], object]
    shown: Callable[[], str]
    reports: Queue[ChatReport] = field(default_factory=Queue)

    def open(self) -> None:
        self.chat.open(self.reports.put)

    def next(self, kind: type[Any]) -> Any:
        """Give the next report of this kind, dropping others."""
        while True:
            report = self.reports.get(timeout=WAIT_SECONDS)
            if isinstance(report, kind):
                return report


def telegram_room() -> Iterator[Room]:
    with BotApiServer(chats=(OPERATOR,)) as server:
        config = TelegramConfig(
            token=LOCAL_TOKEN, api_url=server.url, allowed_users=frozenset({OPERATOR}), poll_seconds=5
        )
        chat = TelegramChat(config)
        yield Room(
            chat=chat,
            chat_id=OPERATOR,
            user_id=OPERATOR,
            says=lambda text: server.user_says(text, OPERATOR),
            taps=server.user_taps,
            shown=lambda: "\n".join(message.text for message in server.messages(OPERATOR)),
        )
        chat.close(WAIT_SECONDS)


def console_room() -> Iterator[Room]:
    keyboard_end, typing_end = os.pipe()
    out = io.StringIO()
    with os.fdopen(keyboard_end) as source, os.fdopen(typing_end, "w", buffering=1) as typing:
        chat = ConsoleChat(source, out, listens=True)
        yield Room(
            chat=chat,
            chat_id=CONSOLE_CHAT_ID,
            user_id=CONSOLE_USER_ID,
            says=lambda text: typing.write(f"{text}\n"),
            taps=lambda _, label: typing.write(f"{label}\n"),
            shown=out.getvalue,
        )
        chat.close(WAIT_SECONDS)


ROOMS = {"telegram": telegram_room, "console": console_room}


@pytest.fixture(params=sorted(ROOMS))
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    before = set(threading.enumerate())
    yield from ROOMS[request.param]()
    left = set(threading.enumerate()) - before
    assert not left, f"threads left behind: {left}"


def test_opening_reports_that_the_chat_is_up_exactly_once(room: Room) -> None:
    room.open()
    assert room.next(ChatUp).name
    room.says("a later word")
    later = room.reports.get(timeout=WAIT_SECONDS)
    assert isinstance(later, OperatorSaid)


def test_what_the_person_says_arrives_with_who_where_and_when(room: Room) -> None:
    room.open()
    room.says("/status table")
    said = room.next(OperatorSaid)
    assert (said.text, said.chat_id, said.user_id) == ("/status table", room.chat_id, room.user_id)
    assert said.said_at.utcoffset() is not None


def test_words_arrive_in_the_order_they_were_said_under_growing_ids(room: Room) -> None:
    room.open()
    for number in range(5):
        room.says(f"word {number}")
    heard = [room.next(OperatorSaid) for _ in range(5)]
    assert [said.text for said in heard] == [f"word {number}" for number in range(5)]
    ids = [said.update_id for said in heard]
    assert ids == sorted(set(ids))


def test_a_pressed_button_gives_back_its_data_and_its_message(room: Room) -> None:
    room.open()
    message_id = room.chat.send(room.chat_id, Screen(title="Open the trade?", buttons=YES_NO))
    room.taps(message_id, "No")
    tapped = room.next(OperatorTapped)
    assert (tapped.data, tapped.message_id, tapped.chat_id) == ("v1:no", message_id, room.chat_id)
    assert tapped.user_id == room.user_id
    assert tapped.tapped_at.utcoffset() is not None


def test_signs_that_mean_something_to_a_formatter_arrive_as_they_were_written(room: Room) -> None:
    room.open()
    line = "price <b>65_000.5</b> & *more* `code` [x](y) - \\ done!"
    room.chat.send(room.chat_id, Screen(title="Title & <i>", lines=(line,), table=("a < b   1.5", "c & d   2.5")))
    shown = room.shown()
    for text in ("Title & <i>", line, "a < b   1.5", "c & d   2.5"):
        assert text in shown


def test_a_changed_screen_takes_the_place_of_the_old_one(room: Room) -> None:
    room.open()
    message_id = room.chat.send(room.chat_id, Screen(title="Trade 1", lines=("building",), buttons=YES_NO))
    changed = Screen(title="Trade 1", lines=("monitoring",), buttons=((Button(label="Close", data="v1:close"),),))
    assert room.chat.edit(room.chat_id, message_id, changed) == message_id
    assert "monitoring" in room.shown()
    room.taps(message_id, "Close")
    assert room.next(OperatorTapped).data == "v1:close"


def test_an_unchanged_screen_counts_as_edited(room: Room) -> None:
    room.open()
    screen = Screen(title="Trade 1", lines=("building",))
    message_id = room.chat.send(room.chat_id, screen)
    before = room.shown()
    assert room.chat.edit(room.chat_id, message_id, screen) == message_id
    assert room.shown() == before


def test_a_message_that_cannot_be_edited_is_sent_anew(room: Room) -> None:
    room.open()
    new_id = room.chat.edit(room.chat_id, 987_654, Screen(title="Trade 1", lines=("from the last run",)))
    assert new_id != 987_654
    assert "from the last run" in room.shown()


def test_a_chat_that_does_not_exist_is_rejected(room: Room) -> None:
    room.open()
    with pytest.raises(Rejected, match="not s"):
        room.chat.send(room.chat_id + 1, Screen(title="Nobody there"))


def test_every_line_of_a_long_screen_arrives(room: Room) -> None:
    room.open()
    lines = tuple(f"line {number:04} {'x' * 40}" for number in range(150))
    room.chat.send(room.chat_id, Screen(title="Long", lines=lines))
    shown = room.shown()
    assert [line for line in lines if line not in shown] == []


def test_screens_sent_from_several_threads_all_arrive_whole(room: Room) -> None:
    room.open()
    screens = [Screen(title=f"Alert {number}", lines=(f"body {number}",)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda screen: room.chat.send(room.chat_id, screen), screens))
    assert len(set(ids)) == 4
    assert all(f"Alert {number}\nbody {number}" in room.shown() for number in range(4))


def test_a_closed_chat_sends_nothing_and_hears_nothing(room: Room) -> None:
    room.open()
    room.next(ChatUp)
    room.chat.close(WAIT_SECONDS)
    room.says("too late")
    with pytest.raises(Unreachable):
        room.chat.send(room.chat_id, Screen(title="Too late"))
    with pytest.raises(Empty):
        room.reports.get(timeout=0.1)
    assert "Too late" not in room.shown()


def test_closing_a_chat_that_was_never_opened_is_harmless(room: Room) -> None:
    room.chat.close(WAIT_SECONDS)
