"""The chat port on Telegram: python-telegram-bot and its loop on one thread of their own.

Enters: a frozen configuration, screens. Leaves: reports to the sink, message ids, errors of ours. Stays out: every
decision about trades and alerts. The daemon starts and guards with Telegram down; this thread keeps trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import structlog

from actors.model.screen import Screen
from actors.ports import ChatReport
from adapters.telegram.budget import ChatBudget
from adapters.telegram.config import TelegramConfig
from adapters.telegram.delivery import Delivery
from adapters.telegram.gate import Gate
from adapters.telegram.intake import Intake
from adapters.telegram.polling import Cursor, PollLoop

_SHUT_SECONDS = 2.0
# httpx logs every address, token included, at INFO; the library logs it at DEBUG.
_LOUD_LOGGERS = ("httpx", "httpcore", "telegram")

_log = structlog.get_logger(__name__)


class TelegramChat:
    """One bot. Opened once and closed once; send and edit may be called from any thread but the sink's."""

    def __init__(
        self,
        config: TelegramConfig,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self._config = config
        self._now = now
        self._monotonic = monotonic
        self._random = random or Random()  # noqa: S311 - jitter between tries, no secret
        self._delivery = Delivery(config, budget=ChatBudget(), now=now, monotonic=monotonic)
        self._gate = Gate(
            users=config.allowed_users, groups=config.allowed_groups, window_seconds=config.stranger_window_seconds
        )
        self._cursor = Cursor()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._looping = threading.Event()
        self._closing = threading.Event()

    def open(self, sink: Callable[[ChatReport], None]) -> None:
        """Start the thread and return. The sink is called on it and must only enqueue."""
        if self._thread is not None:
            raise RuntimeError("this chat was opened before; build a new one")
        os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's switch for durations without a warning
        for name in _LOUD_LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.level, logging.WARNING))
        self._thread = threading.Thread(target=self._work, args=(sink,), name="telegram", daemon=True)
        self._thread.start()

    def send(self, chat_id: int, screen: Screen) -> int:
        return self._delivery.send(chat_id, screen)

    def edit(self, chat_id: int, message_id: int, screen: Screen) -> int:
        return self._delivery.edit(chat_id, message_id, screen)

    def last_answer_age_seconds(self) -> float | None:
        """Give the heartbeat: seconds since Telegram last answered a poll, None before the first answer.

        Above three times `poll_seconds` the chat is deaf, whatever else it says.
        """
        answered_at = self._cursor.answered_at
        return None if answered_at is None else self._monotonic() - answered_at

    def close(self, deadline_seconds: float) -> None:
        """End polling and waiting sends. A thread that outlasts the deadline is left behind, and logged."""
        self._closing.set()
        self._delivery.close()
        if self._thread is None:
            return
        started = self._monotonic()
        if self._looping.wait(deadline_seconds) and self._loop is not None and self._main is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join(max(0.0, deadline_seconds - (self._monotonic() - started)))
        if self._thread.is_alive():
            _log.error("chat_thread_left_behind", deadline_seconds=deadline_seconds)

    # --- the thread -------------------------------------------------------------------------------------------
    def _work(self, sink: Callable[[ChatReport], None]) -> None:
        def open_sink(report: ChatReport) -> None:
            if not self._closing.is_set():
                sink(report)

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._live(open_sink))

    async def _live(self, sink: Callable[[ChatReport], None]) -> None:
        """Serve until closed. Whatever breaks a serving ends that one only; the next starts from the same cursor."""
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._looping.set()
        loop = PollLoop(self._config, self._cursor, sink, monotonic=self._monotonic, random=self._random)
        while not self._closing.is_set():
            try:
                await self._serve(loop)
            except Exception as failure:  # noqa: BLE001 - a failing sink or handler must not end the chat
                reason = f"{type(failure).__name__}: {self._config.redacted(str(failure))}"
                _log.error("chat_restarted", reason=reason)
                await asyncio.sleep(self._config.backoff_first_seconds)

    async def _serve(self, loop: PollLoop) -> None:
        intake = Intake(self._config, self._gate, now=self._now, monotonic=self._monotonic)
        self._delivery.attach(intake.bot, asyncio.get_running_loop())
        try:
            await loop.run(intake)
        finally:
            if not self._closing.is_set():
                self._delivery.detach()
            async with asyncio.timeout(_SHUT_SECONDS):
                await intake.stop()
