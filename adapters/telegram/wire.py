"""Screens over the bot's methods, on the bot's loop. Each coroutine gives a message id or an error of ours.

Enters: a chat and finished texts. Stays out: threads, deadlines, the budget's waiting (`delivery`). Nothing is
repeated that may have arrived: plain text after refused markup, the new chat of a migrated group, and later parts
after a refusal or a missing connection were all certainly not taken before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from telegram import InlineKeyboardMarkup, InputFile, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import ChatMigrated, RetryAfter
from telegram.ext import ExtBot

from actors.errors import OutcomeUnknown, OutsideError, Throttled, Unreachable
from actors.model.screen import Screen
from adapters.telegram.budget import ChatBudget
from adapters.telegram.config import TelegramConfig
from adapters.telegram.faults import (
    VENDOR_ERRORS,
    classed,
    is_markup_refusal,
    is_unchanged,
    is_uneditable,
    retry_after_seconds,
)
from adapters.telegram.screens import Part, keyboard, parts, plain_text, shown_title

MOST_PARTS = 3  # a longer screen comes as a document: nobody reads five messages in a row
_LATER_PART_TRIES = 3
_LATER_PART_PAUSE_SECONDS = 1.0
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """One message ready to go."""

    text: Part
    markup: InlineKeyboardMarkup | None
    silent: bool


class Wire:
    """Puts one bot's methods behind screens; remembers where groups have moved."""

    def __init__(
        self,
        config: TelegramConfig,
        *,
        budget: ChatBudget,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._config = config
        self._budget = budget
        self._now = now
        self._monotonic = monotonic
        self._moved: dict[int, int] = {}  # groups that became supergroups, by their old id

    def home(self, chat_id: int) -> int:
        """Give the chat's id of today."""
        return self._moved.get(chat_id, chat_id)

    async def send(self, bot: ExtBot[Any], chat_id: int, screen: Screen, attempt: str) -> int | OutsideError:
        """Send every part, the buttons under the last; over MOST_PARTS as one document."""
        letters = _letters(screen)
        if len(letters) > MOST_PARTS:
            return await self._tried(attempt, chat_id, lambda chat: _document(bot, chat, screen))
        outcome: int | OutsideError = 0
        for at, letter in enumerate(letters, start=1):
            tries = 1 if at == 1 else _LATER_PART_TRIES
            outcome = await self._sent(bot, chat_id, letter, attempt, tries)
            if isinstance(outcome, OutsideError):
                arrived = f"{outcome}; {at - 1} of {len(letters)} parts have arrived"
                return outcome if at == 1 else OutcomeUnknown(arrived, code=outcome.code)
        return outcome

    async def edit(
        self, bot: ExtBot[Any], chat_id: int, message_id: int, screen: Screen, attempt: str
    ) -> int | OutsideError:
        """Replace a message; when it cannot be edited, send a new one. Silence means it may simply be repeated."""
        letter = _letters(screen)[0]
        try:
            return await self._at_home(chat_id, lambda chat: _edit(bot, chat, message_id, letter))
        except VENDOR_ERRORS as error:
            if is_unchanged(error):
                return message_id
            if not is_uneditable(error):
                failure = self._classed(attempt, chat_id, error)
                idempotent = isinstance(failure, OutcomeUnknown)
                return Unreachable(f"{failure}, or be repeated", code=failure.code) if idempotent else failure
        return await self._sent(bot, chat_id, letter, attempt, tries=1)

    async def _sent(
        self, bot: ExtBot[Any], chat_id: int, letter: _Letter, attempt: str, tries: int
    ) -> int | OutsideError:
        outcome: int | OutsideError = 0
        for left in reversed(range(tries)):
            outcome = await self._tried(attempt, chat_id, lambda chat: _send(bot, chat, letter))
            if not isinstance(outcome, Throttled | Unreachable) or not left:
                break
            until = outcome.until - self._now() if isinstance(outcome, Throttled) else None
            await asyncio.sleep(max(_LATER_PART_PAUSE_SECONDS, until.total_seconds() if until else 0.0))
        return outcome

    async def _tried(self, attempt: str, chat_id: int, call: Callable[[int], Awaitable[int]]) -> int | OutsideError:
        try:
            return await self._at_home(chat_id, call)
        except VENDOR_ERRORS as error:
            return self._classed(attempt, chat_id, error)

    async def _at_home(self, chat_id: int, call: Callable[[int], Awaitable[int]]) -> int:
        try:
            return await call(self.home(chat_id))
        except ChatMigrated as moved:
            self._moved[chat_id] = moved.new_chat_id
            _log.warning("chat_migrated", chat_id=chat_id, new_chat_id=moved.new_chat_id)
        return await call(self.home(chat_id))

    def _classed(self, attempt: str, chat_id: int, error: Exception) -> OutsideError:
        if isinstance(error, RetryAfter):
            wait = retry_after_seconds(error)
            self._budget.hold(self.home(chat_id), now=self._monotonic(), seconds=wait)
        return classed(attempt, error, redacted=self._config.redacted, now=self._now())


def _letters(screen: Screen) -> list[_Letter]:
    texts = parts(screen)
    last = len(texts)
    return [
        _Letter(text=text, markup=keyboard(screen.buttons) if at == last else None, silent=screen.silent)
        for at, text in enumerate(texts, start=1)
    ]


async def _send(bot: ExtBot[Any], chat_id: int, letter: _Letter) -> int:
    async def posted(words: str, mode: ParseMode | None) -> int:
        message = await bot.send_message(
            chat_id,
            words,
            parse_mode=mode,
            reply_markup=letter.markup,
            disable_notification=letter.silent,
            link_preview_options=_NO_PREVIEW,
        )
        return message.message_id

    return await _html_then_plain(letter.text, posted)


async def _edit(bot: ExtBot[Any], chat_id: int, message_id: int, letter: _Letter) -> int:
    async def edited(words: str, mode: ParseMode | None) -> int:
        await bot.edit_message_text(
            words,
            chat_id=chat_id,
            message_id=message_id,
            parse_mode=mode,
            reply_markup=letter.markup,
            link_preview_options=_NO_PREVIEW,
        )
        return message_id

    return await _html_then_plain(letter.text, edited)


async def _html_then_plain(text: Part, call: Callable[[str, ParseMode | None], Awaitable[int]]) -> int:
    """Say it once more without markup when Telegram cannot read ours: an ugly alert is better than none."""
    try:
        return await call(text.html, ParseMode.HTML)
    except VENDOR_ERRORS as error:
        if not is_markup_refusal(error):
            raise
        _log.warning("chat_markup_refused", reason=str(error))
    return await call(text.plain, None)


async def _document(bot: ExtBot[Any], chat_id: int, screen: Screen) -> int:
    message = await bot.send_document(
        chat_id,
        InputFile(plain_text(screen).encode(), filename="message.txt"),
        caption=f"{shown_title(screen)}: the whole text is in the file.",
        reply_markup=keyboard(screen.buttons),
        disable_notification=screen.silent,
    )
    return message.message_id
