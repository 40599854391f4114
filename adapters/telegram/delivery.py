"""Sending and editing from an actor's thread: blocking calls with a deadline, over the bot's own loop.

Enters: a chat and a screen. Leaves: the last part's message id, or an error of ours. Stays out: when to try again,
which the alert dispatcher decides, and what goes over the wire (`wire`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from telegram.ext import ExtBot

from actors.errors import OutcomeUnknown, OutsideError, Throttled, Unreachable
from actors.model.screen import Screen
from adapters.telegram.budget import ChatBudget, Overdrawn
from adapters.telegram.config import TelegramConfig
from adapters.telegram.screens import parts
from adapters.telegram.wire import MOST_PARTS, Wire


class Delivery:
    """Carries screens to chats for the life of the adapter; `attach` names the bot and loop of the day."""

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
        self._wire = Wire(config, budget=budget, now=now, monotonic=monotonic)
        self._now = now
        self._monotonic = monotonic
        self._bot: ExtBot[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._attached = threading.Event()
        self._closed = threading.Event()

    def attach(self, bot: ExtBot[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._bot, self._loop = bot, loop
        self._attached.set()

    def detach(self) -> None:
        """Let senders wait for the next bot, each until its own deadline."""
        self._attached.clear()

    def close(self) -> None:
        """End every wait; later calls raise Unreachable at once."""
        self._closed.set()
        self._attached.set()

    def send(self, chat_id: int, screen: Screen) -> int:
        """Send all parts; give the last one's id. Raises as ChatPort says."""
        messages = len(parts(screen))
        attempt = f"send to chat {chat_id}"
        deadline = self._monotonic() + self._config.send_seconds
        self._wait_for_budget(chat_id, messages if messages <= MOST_PARTS else 1, attempt)
        return self._run(lambda bot: self._wire.send(bot, chat_id, screen, attempt), attempt, deadline)

    def edit(self, chat_id: int, message_id: int, screen: Screen) -> int:
        """Replace a message; give its id, or the new one's when it cannot be edited or is too long for one message.

        Raises as ChatPort says. An edit that may have arrived is Unreachable: repeating it changes nothing.
        """
        if len(parts(screen)) > 1:
            return self.send(chat_id, screen)
        attempt = f"edit message {message_id} in chat {chat_id}"
        deadline = self._monotonic() + self._config.send_seconds
        self._wait_for_budget(chat_id, 1, attempt)
        return self._run(lambda bot: self._wire.edit(bot, chat_id, message_id, screen, attempt), attempt, deadline)

    def _wait_for_budget(self, chat_id: int, messages: int, attempt: str) -> None:
        booking = self._budget.book(
            self._wire.home(chat_id),
            messages,
            now=self._monotonic(),
            patience_seconds=self._config.patience_seconds,
        )
        if isinstance(booking, Overdrawn):
            until = self._now() + timedelta(seconds=booking.wait_seconds)
            raise Throttled(f"{attempt}: over what one chat may be sent; not sent", until=until)
        if self._closed.wait(booking.wait_seconds):
            raise Unreachable(f"{attempt}: the chat is closed; not sent")

    def _run(
        self,
        work: Callable[[ExtBot[Any]], Coroutine[Any, Any, int | OutsideError]],
        attempt: str,
        deadline: float,
    ) -> int:
        """Do the work on the loop and wait for it here, never past the deadline.

        The error is raised here and not on the loop, so that no frame of the vendor's stands behind it.
        """
        self._attached.wait(max(0.0, deadline - self._monotonic()))
        bot, loop = self._bot, self._loop
        if self._closed.is_set() or bot is None or loop is None or not self._attached.is_set():
            raise Unreachable(f"{attempt}: the chat is not open; not sent")
        coroutine = work(bot)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:  # the loop ended in between
            coroutine.close()
            raise Unreachable(f"{attempt}: the chat is closing; not sent") from None
        outcome = self._outcome(future, attempt, deadline)
        if isinstance(outcome, OutsideError):
            raise outcome
        return outcome

    def _outcome(
        self, future: concurrent.futures.Future[int | OutsideError], attempt: str, deadline: float
    ) -> int | OutsideError:
        try:
            return future.result(max(0.0, deadline - self._monotonic()))
        except TimeoutError:
            future.cancel()
            return OutcomeUnknown(f"{attempt}: no answer in {self._config.send_seconds} s; it may have arrived")
        except concurrent.futures.CancelledError:
            return OutcomeUnknown(f"{attempt}: the chat closed meanwhile; it may have arrived")
