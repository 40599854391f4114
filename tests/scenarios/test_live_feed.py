"""One local exchange follows the prices of another over loopback: the real stream and requests, as with Bybit's own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from adapters.assembly.live_feed import FeedUnavailable, LiveFeed, feed_of
from adapters.bybit.access import BybitAccess
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.server import ExchangeServer

ROOT = Path(__file__).parents[2]
D = Decimal


def until(holds: Callable[[], bool], within_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@pytest.fixture
def source() -> Iterator[ExchangeServer]:
    """The market elsewhere; prices move when they are told to."""
    server = ExchangeServer(ExchangeConfig(script={}, control=True))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def feed(source: ExchangeServer) -> Iterator[LiveFeed]:
    access = BybitAccess(api_key="", api_secret="", rest_url=source.rest_url, ws_url=source.ws_url)
    feed = LiveFeed(access, random=Random(1))
    yield feed
    feed.close()


@pytest.fixture
def follower(feed: LiveFeed) -> Iterator[ExchangeServer]:
    server = ExchangeServer(ExchangeConfig(live=feed.path, queues=True))
    server.start()
    feed.open()
    yield server
    server.stop()


def last(server: ExchangeServer, symbol: str = "BTCUSDT") -> Decimal:
    return server.run(lambda running: running.bybit.exchange.venue.markets[symbol].last)


def move(server: ExchangeServer, price: str) -> None:
    server.move_prices({"BTCUSDT": D(price)})


def test_prices_follow(source: ExchangeServer, follower: ExchangeServer) -> None:
    assert last(follower) == last(source)
    for price in ("64000", "64100.5"):
        move(source, price)
        until(lambda price=price: last(follower) == D(price))


def test_a_cut_stream_is_made_up_for_before_prices_go_on(source: ExchangeServer, follower: ExchangeServer) -> None:
    move(source, "65010")
    until(lambda: last(follower) == D(65_010))
    with capture_logs() as events:
        source.drop_sockets(refuse_ms=1_500)
        move(source, "60000")
        move(source, "65020")
        until(lambda: any(each["event"] == "live_feed_resumed" for each in events), 60.0)
    assert next(each["event"] for each in events if each["event"].startswith("live_feed")) == "live_feed_down"
    until(lambda: last(follower) == D(65_020))
    move(source, "65030")
    until(lambda: last(follower) == D(65_030))


def test_a_place_without_prices_is_named(source: ExchangeServer) -> None:
    access = BybitAccess(api_key="", api_secret="", rest_url="http://127.0.0.1:9", ws_url="ws://127.0.0.1:9")
    with pytest.raises(FeedUnavailable, match="no live prices from http"):
        LiveFeed(access, random=Random(1))


@pytest.mark.parametrize("stated", ["lives", "bybit.com", "ftp://somewhere"])
def test_what_is_no_feed_is_refused_with_what_to_write(stated: str) -> None:
    with pytest.raises(ValueError, match="write generated, live, or an address"):
        feed_of(stated)


def exchange(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "exchange", "--port", "0", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_verb_follows_and_says_when_it_cannot(source: ExchangeServer) -> None:
    refused = exchange("--feed", "http://127.0.0.1:9")
    assert refused.returncode == 69
    assert "Try later, or leave --feed out for generated prices." in refused.stderr
    mixed = exchange("--feed", source.rest_url, "--control")
    assert (mixed.returncode, "leave out --replay and --control" in mixed.stderr) == (2, True)
