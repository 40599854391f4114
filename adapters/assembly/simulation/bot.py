"""The bot of a simulated world: what python-telegram-bot's would do, without a network; the real wire works on it.

Enters: what the wire sends. Leaves: a message id, or the vendor's own errors. Stays out: their classes, markup, parts
and plain text after refused markup, which are the wire's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

import httpx
from telegram import CallbackQuery, Chat, Message, Update, User
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut

from adapters.telegram.config import TelegramConfig
from adapters.telegram.screens import TEXT_LIMIT, units

CONFIG = TelegramConfig(token="simulated")  # noqa: S106 - opens nothing
STRANGER = 666
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Sent:
    """What the bot's methods give back."""

    message_id: int


class Bot:
    """Stands where the wire expects an ExtBot. `fails` draws what goes wrong with this attempt, by its markup."""

    def __init__(self, fails: Callable[[bool], TelegramError | None], accept: Callable[[], int]) -> None:
        """Take what goes wrong, and who takes a message and gives its id."""
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


def finished(work: Coroutine[Any, Any, _Answer]) -> _Answer:
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
def no_connection() -> TelegramError:
    """No byte of the request left."""
    error = NetworkError("httpx.ConnectError: connection refused")
    error.__cause__ = httpx.ConnectError("connection refused")
    return error


def server_error() -> TelegramError:
    """A 5xx in the service's own envelope: nothing was done."""
    return NetworkError("Internal Server Error")


def timed_out() -> TelegramError:
    """The request left, and no answer came."""
    error = TimedOut()
    error.__cause__ = httpx.ReadTimeout("read timed out")
    return error


def too_many(seconds: int) -> TelegramError:
    """429 with retry_after."""
    return RetryAfter(seconds)


def blocked() -> TelegramError:
    return Forbidden("Forbidden: bot was blocked by the user")


def markup_refused() -> TelegramError:
    return BadRequest("Can't parse entities: unsupported start tag at byte offset 12")


def too_long() -> TelegramError:
    return BadRequest("Message is too long")


# --- somebody else ----------------------------------------------------------------------------------------------------
def strangers_updates(*, writes: str, taps: str, at: datetime) -> tuple[Update, Update]:
    """Give the updates of one whom nobody knows."""
    user = User(id=STRANGER, first_name="Mallory", is_bot=False)
    chat = Chat(id=STRANGER, type=Chat.PRIVATE)
    message = Message(message_id=1, date=at, chat=chat, from_user=user, text=writes)
    tapped = CallbackQuery(id="1", from_user=user, chat_instance="1", data=taps, message=message)
    return Update(update_id=1, message=message), Update(update_id=2, callback_query=tapped)
