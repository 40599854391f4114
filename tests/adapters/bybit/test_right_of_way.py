"""An execution's right of way: what follows it on the socket waits, other executions do not."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.bybit.access import BybitAccess
from adapters.bybit.stream import RIGHT_OF_WAY_SECONDS, BybitPrivateStream
from adapters.bybit.supervised_socket import Patience


class Clock:
    """Turned by waiting."""

    def __init__(self) -> None:
        self.at = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream(clock: Clock) -> BybitPrivateStream:
    access = BybitAccess(api_key="key", api_secret="secret")
    return BybitPrivateStream(access, "main", clock, random.Random(1), Patience(), pause=clock.wait)


def hear(stream: BybitPrivateStream, *topics: str) -> None:
    for topic in topics:
        message: dict[str, Any] = {"topic": topic, "data": []}
        stream._message(message)


def test_what_comes_right_behind_an_execution_waits_once(stream: BybitPrivateStream, clock: Clock) -> None:
    hear(stream, "execution", "order", "position", "wallet")
    assert clock.waits == [pytest.approx(RIGHT_OF_WAY_SECONDS)]


def test_executions_wait_for_nobody(stream: BybitPrivateStream, clock: Clock) -> None:
    hear(stream, "execution", "execution", "execution.linear")
    assert clock.waits == []


def test_without_an_execution_just_before_nothing_waits(stream: BybitPrivateStream, clock: Clock) -> None:
    hear(stream, "order", "position")
    hear(stream, "execution")
    clock.at += RIGHT_OF_WAY_SECONDS
    hear(stream, "order")
    assert clock.waits == []
