"""Live feed: the local exchange follows the prices of a Bybit elsewhere; public ones, without a key.

    its public stream -> prices as they come
    its candles       -> what was missed: while this exchange did not run, and while the stream was down

Enters: where to ask. Stays out: how prices are walked (simulated.live_prices), the socket's life (bybit.stream).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from urllib.parse import urlsplit

import structlog

from actors.errors import OutsideError
from actors.messages.market import MarketStreamDown, MarketStreamUp, PriceReported
from adapters.bybit.access import MAINNET_REST_URL, MAINNET_WS_URL, BybitAccess
from adapters.bybit.connections import open_market_stream
from adapters.bybit.public_market import PublicMarket
from adapters.simulated.instruments import catalogue
from adapters.simulated.live_prices import Candle, LivePath
from runtime.clock import Clock, SystemClock

LIVE = "live"
GENERATED = "generated"
SILENT_SECONDS = 30.0  # without any word from there trading is suspended here
RETRY_SECONDS = 5.0  # between tries at reading what a cut stream has missed
_log = structlog.get_logger(__name__)


class FeedUnavailable(OSError):
    """The prices elsewhere cannot be read."""


class LiveFeed:
    """Prices of the listed symbols, from a Bybit elsewhere into a path."""

    def __init__(self, access: BybitAccess, *, random: Random, clock: Clock | None = None) -> None:
        """Read the present prices.

        Args:
            access: where; no key is used.
            random: spreads the waits between connections.
            clock: the machine's by default.

        Raises:
            FeedUnavailable: nothing can be read there, or none of the symbols is listed.

        """
        self._access = access
        self._clock = clock or SystemClock()
        self._last_ms = self._now_ms()
        self._gap = 0  # number of the one that is being filled; 0: none
        self._missing_ms = 0  # since when, wall milliseconds
        self._stopping = threading.Event()
        symbols = tuple(each.symbol for each in catalogue(0))
        try:
            market = PublicMarket(access, self._clock)
            try:
                opening = market.last_prices(symbols)
            finally:
                market.close()
        except OutsideError as error:
            raise FeedUnavailable(f"no live prices from {access.rest_url}: {error}") from error
        if not opening:
            raise FeedUnavailable(f"no live prices from {access.rest_url}: it lists none of {', '.join(symbols)}")
        self.path = LivePath(opening, self._now_ms, self._history)
        self.path.alive = self._alive
        self._began = self._clock.monotonic()
        self._stream = open_market_stream(access, random=random, clock=self._clock)
        self._stream.watch(tuple(opening))

    def open(self) -> None:
        """Begin to listen."""
        self._stream.open(self._take)

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._stream.close()

    def _take(self, report: PriceReported | MarketStreamUp | MarketStreamDown) -> None:
        if isinstance(report, PriceReported):
            if report.last_price is not None:
                self._last_ms = self._now_ms()
                at_ms = min(int(report.reported_at.timestamp() * 1000), self._last_ms)
                self.path.price(report.symbol, at_ms, report.last_price)
        elif isinstance(report, MarketStreamUp):
            if self._gap:
                threading.Thread(
                    target=self._catch_up, args=(self._missing_ms, self._gap), name="live-feed", daemon=True
                ).start()
        else:
            if not self._gap:
                self._missing_ms = self._last_ms
            self._gap = self.path.begin_gap()
            _log.warning("live_feed_down", reason=report.reason)

    def _catch_up(self, since_ms: int, gap: int) -> None:
        """Read what the cut stream has missed, as often as it takes: until then no price is walked."""
        while not self._stopping.is_set():
            try:
                if not self.path.end_gap(since_ms, gap):
                    return  # cut again meanwhile: who fills that gap fills this one, too
            except FeedUnavailable as error:
                _log.warning("live_feed_gap_unread", error=str(error))
                self._stopping.wait(RETRY_SECONDS)
            else:
                if self._gap == gap:
                    self._gap = 0
                _log.info("live_feed_resumed", since=datetime.fromtimestamp(since_ms / 1000, UTC).isoformat())
                return

    def _history(self, symbol: str, since_ms: int) -> Sequence[Candle]:
        market = PublicMarket(self._access, self._clock)
        try:
            minutes = market.minutes(symbol, datetime.fromtimestamp(since_ms / 1000, UTC))
        except OutsideError as error:
            raise FeedUnavailable(f"no candles of {symbol} from {self._access.rest_url}: {error}") from error
        finally:
            market.close()
        return [
            Candle(
                symbol=symbol,
                start_ms=each.start_ms,
                open=each.open,
                high=each.high,
                low=each.low,
                close=each.close,
                volume=each.volume,
            )
            for each in minutes
        ]

    def _alive(self) -> bool:
        silent = self._stream.last_message_age_seconds()
        return (self._clock.monotonic() - self._began if silent is None else silent) <= SILENT_SECONDS

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def feed_of(stated: str) -> Callable[[], LiveFeed] | None:
    """Give what opens the feed that was asked for; None for generated prices.

    Args:
        stated: "generated", "live" (Bybit's own), or the address of another exchange, such as http://127.0.0.1:8080.

    Raises:
        ValueError: says what to write.

    """
    if stated in {"", GENERATED}:
        return None
    if stated == LIVE:
        access = BybitAccess(api_key="", api_secret="", rest_url=MAINNET_REST_URL, ws_url=MAINNET_WS_URL)
    else:
        address = urlsplit(stated)
        if address.scheme not in {"http", "https"} or not address.netloc:
            raise ValueError(f"--feed {stated}: write generated, live, or an address such as http://127.0.0.1:8080")
        socket = f"{'wss' if address.scheme == 'https' else 'ws'}://{address.netloc}"
        access = BybitAccess(api_key="", api_secret="", rest_url=stated, ws_url=socket)
    return lambda: LiveFeed(access, random=Random())  # noqa: S311 - spreads waits
