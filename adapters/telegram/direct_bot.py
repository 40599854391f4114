"""Direct bot: python-telegram-bot's without a network, for a chat that lives in the same thread.

Enters: what the wire sends, what goes wrong. Leaves: a message id, or an error of ours. The real wire is between, so
that parts, markup, plain text after refused markup and error classes are the real ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar, cast

import httpx
from telegram import CallbackQuery, Chat, Message, Update, User
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.ext import ExtBot

from actors.errors import OutsideError
from actors.model.screen import Screen
from adapters.telegram.budget import ChatBudget
from adapters.telegram.config import TelegramConfig
from adapters.telegram.screens import TEXT_LIMIT, units
from adapters.telegram.wire import Wire

Failure: TypeAlias = TelegramError
STRANGER = 666
_CONFIG = TelegramConfig(token="simulated")  # noqa: S106 - opens nothing
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the bot's methods give back."""

    message_id: int


class DirectBot:
    """Stands where the wire expects an ExtBot."""

    def __init__(self, fails: Callable[[bool], Failure | None], accept: Callable[[], int]) -> None:
        """Take what goes wrong with an attempt (with markup or not), and who takes a message and gives its id."""
        self._fails = fails
        self._accept = accept

    async def send_message(self, _chat_id: int, words: str, *, parse_mode: ParseMode | None, **_: Any) -> Sent:
        return self._post(words, parse_mode)

    async def edit_message_text(self, words: str, *, parse_mode: ParseMode | None, **_: Any) -> Sent:
        return self._post(words, parse_mode)

    async def send_document(self, _chat_id: int, _file: object, **_: Any) -> Sent:
        return self._post("", None)

    def _post(self, words: str, parse_mode: ParseMode | None) -> Sent:
        failure = self._fails(parse_mode is not None)
        if failure is not None:
            raise failure
        if parse_mode is None and units(words) > TEXT_LIMIT:
            raise too_long()
        return Sent(self._accept())


class DirectWire:
    """The real wire on a direct bot, without a loop."""

    def __init__(self, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wire = Wire(_CONFIG, budget=ChatBudget(), now=now, monotonic=monotonic)

    def deliver(self, bot: DirectBot, chat_id: int, screen: Screen, message_id: int | None) -> int:
        """Send a screen, or put it in a message's place; give the message's id.

        Raises:
            OutsideError: as ports.ChatPort says.

        """
        stand_in = cast("ExtBot[Any]", bot)
        if message_id is None:
            outcome = _finished(self._wire.send(stand_in, chat_id, screen, "send a message"))
        else:
            outcome = _finished(self._wire.edit(stand_in, chat_id, message_id, screen, "edit a message"))
        if isinstance(outcome, OutsideError):
            raise outcome
        return outcome


def _finished(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Run what waits for nothing, without a loop.

    Raises:
        RuntimeError: it waits for something after all.

    """
    try:
        work.send(None)
    except StopIteration as end:
        return cast(_Answer, end.value)
    work.close()
    raise RuntimeError("the wire waits for something that a simulated bot cannot give")


# --- the vendor's errors ----------------------------------------------------------------------------------------------
def no_connection() -> Failure:
    """No byte of the request left."""
    error = NetworkError("httpx.ConnectError: connection refused")
    error.__cause__ = httpx.ConnectError("connection refused")
    return error


def server_error() -> Failure:
    """A 5xx in the service's own envelope: nothing was done."""
    return NetworkError("Internal Server Error")


def timed_out() -> Failure:
    """The request left, and no answer came."""
    error = TimedOut()
    error.__cause__ = httpx.ReadTimeout("read timed out")
    return error


def too_many(seconds: int) -> Failure:
    """429 with retry_after."""
    os.environ.setdefault("PTB_TIMEDELTA", "true")  # as the bot does: durations without a warning
    return RetryAfter(seconds)


def blocked() -> Failure:
    return Forbidden("Forbidden: bot was blocked by the user")


def markup_refused() -> Failure:
    return BadRequest("Can't parse entities: unsupported start tag at byte offset 12")


def too_long() -> Failure:
    return BadRequest("Message is too long")


# --- somebody else ----------------------------------------------------------------------------------------------------
def strangers_updates(*, writes: str, taps: str, at: datetime) -> tuple[Update, Update]:
    """Give the updates of one whom nobody knows."""
    user = User(id=STRANGER, first_name="Mallory", is_bot=False)
    chat = Chat(id=STRANGER, type=Chat.PRIVATE)
    message = Message(message_id=1, date=at, chat=chat, from_user=user, text=writes)
    tapped = CallbackQuery(id="1", from_user=user, chat_instance="1", data=taps, message=message)
    return Update(update_id=1, message=message), Update(update_id=2, callback_query=tapped)
