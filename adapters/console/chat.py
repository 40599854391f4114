"""The chat port on a terminal, for a person without a Telegram token.

Enters: lines typed at a terminal, screens. Leaves: what the person said or tapped, printed screens. Stays out: what
anything means. There is one chat and one person (CONSOLE_CHAT_ID, CONSOLE_USER_ID); whoever sits at the terminal is
allowed. Buttons are shown with numbers and pressed by typing the number or the label. A number is never given twice
in a run, so a screen that arrives while one types cannot change what the number presses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Final, TextIO
from unicodedata import category

from actors.errors import Rejected, Unreachable
from actors.model.screen import Button, Screen
from actors.ports import ChatReport, ChatUp, OperatorSaid, OperatorTapped
from adapters.console.lines import LineReader

CONSOLE_USER_ID: Final = 1  # Telegram's ids are larger by far
CONSOLE_CHAT_ID: Final = 1
_SCREENS_REMEMBERED = 200  # older screens can no longer be edited, nor their buttons pressed
_RULE = "─" * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    screen: Screen
    buttons: tuple[tuple[int, Button], ...]  # by the number that presses it


class ConsoleChat:
    """Prints to `out`; reads `source` on a thread of its own while it is a terminal (or `listens` says so)."""

    def __init__(
        self,
        source: TextIO | None,
        out: TextIO,
        *,
        listens: bool | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._out = out
        self._now = now
        terminal = source is not None and not source.closed and source.isatty()
        self._reader = LineReader(source) if source is not None and (terminal if listens is None else listens) else None
        self._lock = threading.Lock()
        self._shown: dict[int, _Shown] = {}
        self._next_button = count(1)
        # Ids go on from the clock, so that those of an earlier run, which the daemon remembers, do not come again.
        self._ids = count(int(now().timestamp() * 1000))
        self._sink: Callable[[ChatReport], None] | None = None
        self._closed = False

    def open(self, sink: Callable[[ChatReport], None]) -> None:
        """Start reading and return. Without a terminal there is nothing to read, and the chat only prints."""
        self._sink = sink
        sink(ChatUp(name="console"))
        if self._reader is not None:
            self._reader.start(self._typed)

    def send(self, chat_id: int, screen: Screen) -> int:
        """Print a screen; give its id. Raises Rejected for another chat, Unreachable when the terminal is gone."""
        _check_chat(chat_id)
        with self._lock:
            return self._show(next(self._ids), screen)

    def edit(self, chat_id: int, message_id: int, screen: Screen) -> int:
        """Print the screen again if it changed, in place of the old one's buttons. Raises as `send`."""
        _check_chat(chat_id)
        with self._lock:
            old = self._shown.get(message_id)
            if old is not None and old.screen == screen:
                return message_id
            return self._show(next(self._ids) if old is None else message_id, screen)

    def close(self, deadline_seconds: float) -> None:
        with self._lock:
            self._closed, self._sink = True, None
        if self._reader is not None:
            self._reader.stop(deadline_seconds)

    # --- inside -----------------------------------------------------------------------------------------------
    def _show(self, message_id: int, screen: Screen) -> int:
        if self._closed:
            raise Unreachable("print to the console: the chat is closed; not shown")
        shown = _Shown(
            screen=screen,
            buttons=tuple((next(self._next_button), button) for row in screen.buttons for button in row),
        )
        updated = " (updated)" if message_id in self._shown else ""
        try:
            self._out.write(self._printable(_text(shown, updated)))
            self._out.flush()
        except (OSError, ValueError) as gone:  # a closed stream raises ValueError
            raise Unreachable(f"print to the console: {gone}; not shown") from gone
        self._shown.pop(message_id, None)
        self._shown[message_id] = shown  # the newest last, for labels
        if len(self._shown) > _SCREENS_REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return message_id

    def _printable(self, text: str) -> str:
        """Take out what would steer the terminal (the text may come from outside) and what it cannot show."""
        steered = "".join(sign for sign in text if sign == "\n" or category(sign) != "Cc")
        encoding = self._out.encoding or "utf-8"
        return steered.encode(encoding, "replace").decode(encoding)

    def _typed(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        with self._lock:
            sink, update_id, pressed = self._sink, next(self._ids), self._pressed(text)
        if sink is None:
            return
        who = {"update_id": update_id, "chat_id": CONSOLE_CHAT_ID, "user_id": CONSOLE_USER_ID}
        if pressed is None:
            sink(OperatorSaid(text=text, said_at=self._now(), **who))
        else:
            message_id, button = pressed
            sink(OperatorTapped(data=button.data, message_id=message_id, tapped_at=self._now(), **who))

    def _pressed(self, text: str) -> tuple[int, Button] | None:
        """Find the button of this number, or the newest one with this label."""
        for message_id, shown in reversed(self._shown.items()):
            for number, button in shown.buttons:
                if text == str(number) or text.casefold() == button.label.casefold():
                    return message_id, button
        return None


def _check_chat(chat_id: int) -> None:
    if chat_id != CONSOLE_CHAT_ID:
        raise Rejected(f"show to chat {chat_id}: the console is chat {CONSOLE_CHAT_ID} only; not shown")


def _text(shown: _Shown, updated: str) -> str:
    screen = shown.screen
    lines = [_RULE, f"{screen.title}{updated}", *screen.lines, *(f"  {row}" for row in screen.table)]
    if shown.buttons:
        lines.append("   ".join(f"[{number}] {button.label}" for number, button in shown.buttons))
        lines.append("(type a number to press)")
    return "\n".join(lines) + "\n"
