"""Telegram's failures in our classes: what the caller may do next.

Enters: whatever python-telegram-bot raised. Leaves: an error of ours with the token taken out and without the vendor's
exception behind it, whose frames and causes carry the address with the token. Stays out: retrying.

The order of the checks matters: BadRequest and TimedOut are NetworkErrors too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from actors.errors import AccessDenied, OutcomeUnknown, OutsideError, Rejected, Throttled, Unreachable

# What the library's methods may raise: its own errors, and what its parsing makes of an answer in no known shape.
VENDOR_ERRORS = (TelegramError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

_WORDS_LIMIT = 300

# All say that no byte of the request left: the address is none, the connection was never made, or none was free.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)


def retry_after_seconds(error: RetryAfter) -> float:
    """Read the wait Telegram asks for; the library gives a number or a timedelta, by an environment switch."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def classed(attempt: str, error: Exception, *, redacted: Callable[[str], str], now: datetime) -> OutsideError:
    """Turn a failure of `attempt` ("send to chat 42") into ours.

    A refusal in Telegram's own envelope says that nothing was done; a gateway's page, a broken connection or silence
    after the request says nothing.
    """
    words = redacted(f"{attempt}: {_words(error)}")
    if isinstance(error, RetryAfter):
        wait = retry_after_seconds(error)
        return Throttled(f"{words}; not sent", until=now + timedelta(seconds=wait), code=429)
    if isinstance(error, BadRequest | ChatMigrated):
        return Rejected(f"{words}; not sent", code=400)
    if isinstance(error, Forbidden):
        return Rejected(f"{words}; not sent, the person blocked the bot or left the chat", code=403)
    if isinstance(error, InvalidToken | EndPointNotFound):
        return AccessDenied(f"{words}; not sent, the token or TELEGRAM_API_URL is wrong", code=401)
    if isinstance(error, Conflict):
        return Unreachable(f"{words}; not sent", code=409)
    if isinstance(error, NetworkError) and _was_not_taken(error):
        return Unreachable(f"{words}; not sent")
    return OutcomeUnknown(f"{words}; it may have arrived")


def _was_not_taken(error: NetworkError) -> bool:
    return error.__cause__ is None or isinstance(error.__cause__, _NEVER_SENT)  # no cause: a 5xx in the envelope


def is_markup_refusal(error: Exception) -> bool:
    return isinstance(error, BadRequest) and "can't parse entities" in error.message.lower()


def is_unchanged(error: Exception) -> bool:
    return isinstance(error, BadRequest) and "message is not modified" in error.message.lower()


def is_uneditable(error: Exception) -> bool:
    """The old message is gone, too old, or has no text: a new one must be sent."""
    if not isinstance(error, BadRequest):
        return False
    said = error.message.lower()
    return any(words in said for words in _UNEDITABLE)


_UNEDITABLE = (
    "message to edit not found",
    "message can't be edited",
    "there is no text in the message to edit",
    "message_id_invalid",
    "message identifier is not specified",
)


def _words(error: Exception) -> str:
    if isinstance(error, TelegramError):
        return error.message[:_WORDS_LIMIT]  # a gateway's page comes whole
    return f"an answer that makes no sense ({type(error).__name__})"
