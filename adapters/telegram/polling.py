"""Our own poll loop: what ends or blocks the library's updater is stepped over here, and told.

Enters: raw getUpdates answers. Leaves: reports to the sink, ChatUp and ChatDown at each change. Stays out: sending.
An update is acknowledged (the offset moves past it) only after the sink took all it meant. One that cannot be parsed
is skipped with a log line; one whose handing over fails comes again, three times at most. 401, 404 and 409 never end
the loop. `Cursor` outlives a restart of the loop, so nothing is repeated by it.
Source: python-telegram-bot 22.8, where one 401 ends polling for good and one odd update blocks all later ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Any, Never

import structlog
from telegram import BotCommand, BotCommandScopeChat
from telegram.error import Conflict, EndPointNotFound, InvalidToken, RetryAfter

from actors.ports import ChatDown, ChatReport, ChatUp
from adapters.telegram.config import TelegramConfig
from adapters.telegram.faults import VENDOR_ERRORS, retry_after_seconds
from adapters.telegram.intake import Intake

# The library warns at each raw call of a method it has under that very name. Under this spelling it has none, and
# makes "getUpdates" of it for the wire.
_GET_UPDATES = "get_Updates"
_ALLOWED_UPDATES = ("message", "callback_query")
_NETWORK_SECONDS = 5.0  # what an answer may take beyond the time Telegram holds it
_HANDOVERS = 3
_BACKOFF_FACTOR = 1.5

_POLL_ERRORS = (*VENDOR_ERRORS, TimeoutError)

_log = structlog.get_logger(__name__)


class HandoverFailed(Exception):
    """The sink did not take an update; it stays unacknowledged and comes again."""


@dataclass(slots=True)
class Cursor:
    """How far updates were taken, and what is known of the service."""

    offset: int | None = None
    head: int | None = None  # the update being handed over
    handovers: int = 0
    failures: int = 0  # in a row
    told: ChatUp | ChatDown | None = None
    answered_at: float | None = None  # monotonic
    conflict_at: float | None = None


class PollLoop:
    """Fetches updates for as long as it is not cancelled."""

    def __init__(
        self,
        config: TelegramConfig,
        cursor: Cursor,
        sink: Callable[[ChatReport], None],
        *,
        monotonic: Callable[[], float],
        random: Random,
    ) -> None:
        self._config = config
        self._cursor = cursor
        self._sink = sink
        self._monotonic = monotonic
        self._random = random

    async def run(self, intake: Intake) -> Never:
        """Greet Telegram, then poll. Raises only what is no fault of the network: a failing sink or handler."""
        name = await self._greet(intake)
        while True:
            try:
                await self._round(intake, name)
            except _POLL_ERRORS as error:
                await asyncio.sleep(self._after(error))

    async def _greet(self, intake: Intake) -> str:
        while True:
            try:
                name = await intake.start()
                await intake.bot.delete_webhook(drop_pending_updates=False)
            except _POLL_ERRORS as error:
                await asyncio.sleep(self._after(error))
            else:
                await self._show_commands(intake)
                return name

    async def _show_commands(self, intake: Intake) -> None:
        """Put the commands into each allowed person's app. Failing that, they can still be typed."""
        if not self._config.commands:
            return
        commands = [BotCommand(name, description) for name, description in self._config.commands]
        for user_id in sorted(self._config.allowed_users):
            try:
                await intake.bot.set_my_commands(commands, scope=BotCommandScopeChat(user_id))
            except VENDOR_ERRORS as error:
                _log.info("chat_commands_not_shown", user_id=user_id, reason=type(error).__name__)

    async def _round(self, intake: Intake, name: str) -> None:
        updates = await self._fetch(intake)
        self._cursor.answered_at = self._monotonic()
        self._cursor.failures = 0
        if not self._conflict_seconds_left():
            self._tell(ChatUp(name=name))
        for raw in updates:
            await self._take(intake, raw)

    async def _fetch(self, intake: Intake) -> list[Any]:
        seconds = self._hold_seconds()
        asked = {"offset": self._cursor.offset, "timeout": seconds, "allowed_updates": list(_ALLOWED_UPDATES)}
        longest = seconds + _NETWORK_SECONDS
        async with asyncio.timeout(longest * 2):  # the read time-out counts from byte to byte, this one overall
            updates = await intake.bot.do_api_request(_GET_UPDATES, asked, read_timeout=longest)
        if not isinstance(updates, list):
            raise TypeError("getUpdates gave no list")
        if updates and all(_update_id(raw) is None for raw in updates):
            raise ValueError("getUpdates gave only updates without ids, which would come again at once")
        return updates

    def _hold_seconds(self) -> int:
        """How long Telegram may hold the request: after a failure not at all, to know at once that it is back."""
        if self._cursor.failures:
            return 0
        if left := self._conflict_seconds_left():
            return min(self._config.poll_seconds, ceil(left))
        return self._config.poll_seconds if isinstance(self._cursor.told, ChatUp) else 0

    async def _take(self, intake: Intake, raw: Any) -> None:
        update_id = _update_id(raw)
        if update_id is None:
            return
        cursor = self._cursor
        cursor.handovers = cursor.handovers + 1 if cursor.head == update_id else 1
        cursor.head = update_id
        if cursor.handovers > _HANDOVERS:
            _log.error("chat_update_given_up", update_id=update_id, handovers=_HANDOVERS)
        else:
            await self._hand_over(intake, raw, update_id)
        cursor.offset = update_id + 1

    async def _hand_over(self, intake: Intake, raw: dict[str, Any], update_id: int) -> None:
        try:
            reports = await intake.read(raw)
        except VENDOR_ERRORS as error:
            _log.error("chat_update_skipped", update_id=update_id, reason=self._config.redacted(repr(error)))
            return
        for report in reports:
            try:
                # It may wait until the report is recorded; the loop goes on sending meanwhile.
                await asyncio.to_thread(self._sink, report)
            except Exception as failure:
                raise HandoverFailed(f"update {update_id} was not taken: {type(failure).__name__}") from failure

    def _conflict_seconds_left(self) -> float:
        at = self._cursor.conflict_at
        return 0.0 if at is None else max(0.0, at + self._config.conflict_clear_seconds - self._monotonic())

    def _after(self, error: Exception) -> float:
        """Tell the change and give the seconds until the next try."""
        self._cursor.failures += 1
        words = self._config.redacted(str(error) or type(error).__name__)
        if isinstance(error, RetryAfter):
            return retry_after_seconds(error)
        if isinstance(error, Conflict):
            self._cursor.conflict_at = self._monotonic()
            self._tell(ChatDown(reason=words, conflict=True))
            return self._config.conflict_retry_seconds
        longest = self._config.backoff_longest_seconds
        if isinstance(error, InvalidToken | EndPointNotFound):
            longest = self._config.refused_retry_seconds
            words = "Telegram refuses the token, or TELEGRAM_API_URL is not Telegram's"
        self._tell(ChatDown(reason=words, conflict=self._conflict_seconds_left() > 0))
        growing = self._config.backoff_first_seconds * _BACKOFF_FACTOR ** min(self._cursor.failures - 1, 50)
        return min(growing, longest) * self._random.uniform(0.5, 1.0)

    def _tell(self, state: ChatUp | ChatDown) -> None:
        """Report a change of state once; other words for the same state are none."""
        old = self._cursor.told
        if type(old) is type(state) and getattr(old, "conflict", None) == getattr(state, "conflict", None):
            return
        self._cursor.told = state
        self._sink(state)


def _update_id(raw: Any) -> int | None:
    update_id = raw.get("update_id") if isinstance(raw, dict) else None
    return update_id if isinstance(update_id, int) else None
