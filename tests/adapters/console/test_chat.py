"""The chat on a terminal: a real pseudo-terminal, a pipe, and the ways standard input can be missing."""

from __future__ import annotations

import io
import os
import pty
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import TextIO

import pytest

from actors.errors import Unreachable
from actors.model.screen import Button, Screen
from actors.ports import ChatReport, ChatUp, OperatorSaid, OperatorTapped
from adapters.console.chat import CONSOLE_CHAT_ID, ConsoleChat

WAIT_SECONDS = 5.0
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Terminal:
    """A person at a terminal with a chat open on it."""

    def __init__(self, source: TextIO, typing: TextIO) -> None:
        self.out = io.StringIO()
        self.reports: Queue[ChatReport] = Queue()
        self.typing = typing
        self.chat = ConsoleChat(source, self.out, now=lambda: NOW)
        self.chat.open(self.reports.put)
        assert self.next() == ChatUp(name="console")

    def type(self, text: str) -> None:
        self.typing.write(f"{text}\n")
        self.typing.flush()

    def next(self) -> ChatReport:
        return self.reports.get(timeout=WAIT_SECONDS)

    def tapped(self) -> OperatorTapped:
        report = self.next()
        assert isinstance(report, OperatorTapped)
        return report


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r+b", buffering=0) as raw, os.fdopen(ours, "w") as typing:
        source = io.TextIOWrapper(raw, encoding="utf-8")
        person = Terminal(source, typing)
        yield person
        person.chat.close(WAIT_SECONDS)
    assert "console" not in {thread.name for thread in threading.enumerate()}


def confirm(trade: str) -> Screen:
    buttons = ((Button(label="Confirm", data=f"{trade}:yes"), Button(label="Cancel", data=f"{trade}:no")),)
    return Screen(title=f"Open {trade}?", buttons=buttons)


def test_a_line_typed_at_a_terminal_is_what_the_person_said(terminal: Terminal) -> None:
    terminal.type("  /status table  ")
    said = terminal.next()
    assert isinstance(said, OperatorSaid)
    assert (said.text, said.said_at) == ("/status table", NOW)


def test_an_empty_line_says_nothing(terminal: Terminal) -> None:
    terminal.type("")
    terminal.type("/help")
    said = terminal.next()
    assert isinstance(said, OperatorSaid)
    assert said.text == "/help"


def test_buttons_are_numbered_and_pressed_by_number_or_label(terminal: Terminal) -> None:
    message_id = terminal.chat.send(CONSOLE_CHAT_ID, confirm("a"))
    assert "[1] Confirm   [2] Cancel" in terminal.out.getvalue()
    terminal.type("2")
    assert terminal.tapped().data == "a:no"
    terminal.type("confirm")
    tapped = terminal.tapped()
    assert (tapped.data, tapped.message_id) == ("a:yes", message_id)


def test_a_number_keeps_pressing_the_button_it_was_shown_with(terminal: Terminal) -> None:
    terminal.chat.send(CONSOLE_CHAT_ID, confirm("a"))
    terminal.chat.send(CONSOLE_CHAT_ID, confirm("b"))  # arrives while the person types the number
    terminal.type("1")
    assert terminal.tapped().data == "a:yes"
    terminal.type("3")
    assert terminal.tapped().data == "b:yes"


def test_a_label_presses_the_newest_button_of_that_name(terminal: Terminal) -> None:
    terminal.chat.send(CONSOLE_CHAT_ID, confirm("a"))
    terminal.chat.send(CONSOLE_CHAT_ID, confirm("b"))
    terminal.type("Cancel")
    assert terminal.tapped().data == "b:no"


def test_an_edited_screen_loses_its_old_buttons(terminal: Terminal) -> None:
    message_id = terminal.chat.send(CONSOLE_CHAT_ID, confirm("a"))
    terminal.chat.edit(CONSOLE_CHAT_ID, message_id, Screen(title="Opened a"))
    assert "Opened a (updated)" in terminal.out.getvalue()
    terminal.type("1")
    assert isinstance(terminal.next(), OperatorSaid)


def test_ids_of_a_later_run_do_not_repeat_those_of_an_earlier_one(terminal: Terminal) -> None:
    terminal.type("x")
    said = terminal.next()
    assert isinstance(said, OperatorSaid)
    assert said.update_id >= int(NOW.timestamp() * 1000)


def test_text_from_outside_cannot_steer_the_terminal(terminal: Terminal) -> None:
    terminal.chat.send(CONSOLE_CHAT_ID, Screen(title="\x1b[2Jcleared", lines=("bell\x07",), table=("a  b",)))
    shown = terminal.out.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[2Jcleared\nbell\n  a  b\n" in shown


def test_the_end_of_input_leaves_a_chat_that_prints() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    out = io.StringIO()
    with os.fdopen(reading) as source:
        chat = ConsoleChat(source, out, listens=True)
        chat.open(lambda report: None)
        chat.send(CONSOLE_CHAT_ID, Screen(title="still here"))
        chat.close(WAIT_SECONDS)
    assert "still here" in out.getvalue()


def test_without_a_terminal_nothing_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    reports: Queue[ChatReport] = Queue()
    with os.fdopen(reading) as source, os.fdopen(writing, "w", buffering=1) as typing:
        chat = ConsoleChat(source, io.StringIO())
        chat.open(reports.put)
        typing.write("/close all\n")
        assert isinstance(reports.get(timeout=WAIT_SECONDS), ChatUp)
        with pytest.raises(Empty):
            reports.get(timeout=0.1)
        chat.close(WAIT_SECONDS)


@pytest.mark.parametrize("missing", ["none", "closed", "no descriptor", "a file"])
def test_standard_input_may_be_missing_in_any_way(tmp_path: Path, missing: str) -> None:
    file = tmp_path / "input"
    file.write_text("/status\n")
    with file.open() as opened, file.open() as closed:
        closed.close()
        sources: dict[str, TextIO | None] = {
            "none": None,
            "closed": closed,
            "no descriptor": io.StringIO("x\n"),
            "a file": opened,
        }
        out = io.StringIO()
        chat = ConsoleChat(sources[missing], out, listens=True)
        chat.open(lambda report: None)
        chat.send(CONSOLE_CHAT_ID, Screen(title="shown"))
        chat.close(WAIT_SECONDS)
    assert "shown" in out.getvalue()


def test_a_terminal_that_knows_no_line_drawing_still_shows_the_words() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    ConsoleChat(None, out).send(CONSOLE_CHAT_ID, Screen(title="65000 → 66000"))
    assert b"65000 ? 66000" in raw.getvalue()


def test_a_terminal_that_is_gone_is_unreachable() -> None:
    out = io.StringIO()
    out.close()
    with pytest.raises(Unreachable, match="not shown"):
        ConsoleChat(None, out).send(CONSOLE_CHAT_ID, Screen(title="x"))
