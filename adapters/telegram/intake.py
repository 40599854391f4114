"""One python-telegram-bot application: the gate, then the handlers that read what an admitted person did.

Enters: raw updates. Leaves: reports, in order. Stays out: fetching and acknowledging (`polling`), the sink. A press is
answered at once, beside the reading, so that a slow Telegram never delays what was pressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import structlog
from telegram import CallbackQuery, Update
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackContext,
    CallbackQueryHandler,
    ExtBot,
    MessageHandler,
    TypeHandler,
    filters,
)
from telegram.request import HTTPXRequest

from actors.ports import ChatReport
from adapters.telegram.config import TelegramConfig
from adapters.telegram.faults import VENDOR_ERRORS
from adapters.telegram.gate import Gate, kind_of
from adapters.telegram.updates import said, tapped

_SEND_CONNECTIONS = 8
_GATE_GROUP = -1  # before every other handler

_Context: TypeAlias = CallbackContext[Any, Any, Any, Any]

_log = structlog.get_logger(__name__)


class Intake:
    """Reads updates through the library's own dispatch. Lives on one loop; built anew for each start."""

    def __init__(
        self, config: TelegramConfig, gate: Gate, *, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._gate = gate
        self._now = now
        self._monotonic = monotonic
        self._read: list[ChatReport] = []
        self._failure: Exception | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._bot = _bot(config)
        self._application = Application.builder().bot(self._bot).updater(None).job_queue(None).build()
        self._application.add_handler(TypeHandler(Update, self._pass_gate), group=_GATE_GROUP)
        self._application.add_handler(MessageHandler(filters.UpdateType.MESSAGE, self._on_message))
        self._application.add_handler(CallbackQueryHandler(self._on_tap))
        self._application.add_error_handler(self._on_failure)

    @property
    def bot(self) -> ExtBot[None]:
        return self._bot

    async def start(self) -> str:
        """Ask Telegram who we are; give the bot's user name. May be repeated until it succeeds."""
        await self._application.initialize()
        return self._bot.username

    async def stop(self) -> None:
        for answer in self._answers:
            answer.cancel()
        await self._application.shutdown()
        await self._bot.shutdown()  # the application leaves it open when it was never initialised

    async def read(self, raw: dict[str, Any]) -> tuple[ChatReport, ...]:
        """Give what an update means, nothing for one that no handler takes.

        Raises: VENDOR_ERRORS for an update the library cannot parse; whatever a handler raised.
        """
        self._read, self._failure = [], None
        await self._application.process_update(Update.de_json(raw, self._bot))
        if self._failure is not None:
            raise self._failure
        return tuple(self._read)

    async def _pass_gate(self, update: Update, _: _Context) -> None:
        if self._gate.admits(update):
            return
        report = self._gate.stranger(update, self._monotonic())
        if report is not None:
            self._read.append(report)
        raise ApplicationHandlerStop

    async def _on_message(self, update: Update, _: _Context) -> None:
        report = said(update)
        if report is None:
            _log.info("chat_update_without_words", update_id=update.update_id, kind=kind_of(update))
        else:
            self._read.append(report)

    async def _on_tap(self, update: Update, _: _Context) -> None:
        if update.callback_query is not None:
            answer = asyncio.create_task(_answer(update.callback_query))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)
        report = tapped(update, self._now())
        if report is not None:
            self._read.append(report)

    async def _on_failure(self, _: object, context: _Context) -> None:
        self._failure = context.error


async def _answer(query: CallbackQuery) -> None:
    """Stop the spinner on the person's button. Too late or unreachable changes nothing."""
    try:
        await query.answer()
    except VENDOR_ERRORS as error:
        _log.info("chat_tap_unanswered", reason=type(error).__name__)


def _bot(config: TelegramConfig) -> ExtBot[None]:
    # A proxy for the outside, named in the environment, cannot reach a server on our own loopback.
    client = {"trust_env": not _is_loopback(config.api_url)}
    seconds = config.request_seconds

    def request(connections: int) -> HTTPXRequest:
        return HTTPXRequest(
            connection_pool_size=connections,
            read_timeout=seconds,
            write_timeout=seconds,
            connect_timeout=seconds,
            httpx_kwargs=client,
        )

    return ExtBot(
        config.token,
        base_url=config.base_url,
        base_file_url=config.base_file_url,
        request=request(_SEND_CONNECTIONS),
        get_updates_request=request(1),
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
