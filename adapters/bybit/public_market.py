"""Public market: prices and minute candles of a Bybit that anybody may ask, without a key.

Enters: an address. Stays out: accounts, orders, sockets.
Source: Bybit v5 documentation, page market/kline: at most 1,000 candles a page, newest first, the running one included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from adapters.bybit import endpoints, translate
from adapters.bybit.access import BybitAccess
from adapters.bybit.faults import Attempt, Operation
from adapters.bybit.fields import Unreadable, milliseconds, rows, text
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.reader import listed
from adapters.bybit.session import Session
from runtime.clock import Clock

CATEGORY = "linear"
_MINUTE_MS = 60_000
_PAGE = 1000  # candles
_COLUMNS = 6  # start, open, high, low, close, volume; a turnover follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """One minute of a symbol: prices in quote per base, volume in base units."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PublicMarket:
    """Asks; every method raises what reads may raise. Belongs to one thread."""

    def __init__(self, access: BybitAccess, clock: Clock) -> None:
        self._clock = clock
        self._session = Session(access, RateBudget(clock), clock)

    def last_prices(self, symbols: Collection[str]) -> Mapping[str, Decimal]:
        """Give the last prices of those that are listed."""
        attempt = Attempt(operation=Operation.READ, what=f"read the public prices of {len(symbols)} symbols")
        found: dict[str, Decimal] = {}
        for row in listed(self._session.call(attempt, endpoints.TICKERS, {"category": CATEGORY})):
            if text(row, "symbol") in symbols:
                with contextlib.suppress(Unreadable):  # an odd one hides no other
                    found[text(row, "symbol")] = translate.last_and_mark(row)[0]
        return found

    def minutes(self, symbol: str, since: datetime) -> list[Minute]:
        """Give the minutes that begin then or later, oldest first, the running one included."""
        first, now = milliseconds(since), milliseconds(self._clock.now())
        found: dict[int, Minute] = {}
        for start in range(first, now + 1, _PAGE * _MINUTE_MS):
            for minute in self._page(symbol, start):
                if minute.start_ms >= first:
                    found[minute.start_ms] = minute
        return [found[start] for start in sorted(found)]

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _page(self, symbol: str, start_ms: int) -> list[Minute]:
        attempt = Attempt(operation=Operation.READ, what=f"read the minutes of {symbol}")
        params = {
            "category": CATEGORY,
            "symbol": symbol,
            "interval": "1",
            "start": start_ms,
            "end": start_ms + _PAGE * _MINUTE_MS - 1,
            "limit": _PAGE,
        }
        answer = self._session.call(attempt, endpoints.KLINES, params)
        try:
            return [_minute(row) for row in rows(answer, "list")]
        except (ValueError, InvalidOperation, TypeError) as error:
            self._session.not_understood(attempt, f"a candle is not six numbers: {error}")


def _minute(row: object) -> Minute:
    if not isinstance(row, list) or len(row) < _COLUMNS:
        raise TypeError(row)
    start, *figures = (str(cell) for cell in row[:_COLUMNS])
    opening, high, low, close, volume = (Decimal(figure) for figure in figures)
    whole = 0 < low <= min(opening, close) <= max(opening, close) <= high and volume >= 0
    if not whole:
        raise ValueError(row)
    return Minute(start_ms=int(start), open=opening, high=high, low=low, close=close, volume=volume)
