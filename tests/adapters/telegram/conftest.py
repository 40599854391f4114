"""A local Bot API, a quick configuration, and chats that are closed and looked over after each test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from queue import Queue
from typing import Any

import pytest

from actors.ports import ChatReport
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer
from adapters.telegram.bot import TelegramChat
from adapters.telegram.config import TelegramConfig

WAIT_SECONDS = 5.0
OPERATOR = 4242


@dataclass
class Listener:
    """A sink that can be waited on."""

    reports: Queue[ChatReport] = field(default_factory=Queue)

    def __call__(self, report: ChatReport) -> None:
        self.reports.put(report)

    def next(self, kind: type[Any]) -> Any:
        """Give the next report of this kind, dropping others."""
        while True:
            report = self.reports.get(timeout=WAIT_SECONDS)
            if isinstance(report, kind):
                return report

    def rest(self) -> list[ChatReport]:
        reports = []
        while not self.reports.empty():
            reports.append(self.reports.get_nowait())
        return reports


@pytest.fixture
def server() -> Iterator[BotApiServer]:
    with BotApiServer(chats=(OPERATOR,)) as running:
        yield running


@pytest.fixture
def config(server: BotApiServer) -> TelegramConfig:
    return TelegramConfig(
        token=LOCAL_TOKEN,
        api_url=server.url,
        allowed_users=frozenset({OPERATOR}),
        poll_seconds=5,
        request_seconds=0.5,
        send_seconds=3.0,
        backoff_first_seconds=0.02,
        backoff_longest_seconds=0.1,
        conflict_retry_seconds=0.1,
        conflict_clear_seconds=0.5,
        refused_retry_seconds=0.1,
    )


OpenChat = Callable[..., tuple[TelegramChat, Listener]]


@pytest.fixture
def open_chat(config: TelegramConfig) -> Iterator[OpenChat]:
    """Give a function that opens a chat, with changes to the configuration."""
    before = set(threading.enumerate())
    opened: list[TelegramChat] = []

    def opening(sink: Callable[[ChatReport], None] | None = None, **changes: Any) -> tuple[TelegramChat, Listener]:
        listener = Listener()
        chat = TelegramChat(replace(config, **changes))
        opened.append(chat)
        chat.open(sink or listener)
        return chat, listener

    yield opening
    for chat in opened:
        chat.close(WAIT_SECONDS)
    left = {thread for thread in set(threading.enumerate()) - before if thread.name == "telegram"}
    assert not left
