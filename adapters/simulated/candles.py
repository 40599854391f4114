"""Candles of the walked path, built step by step, over any of Bybit's intervals.

Enters: prices and volumes as they happen, in market time; the past from before. Stays out: the wire.
Kept per symbol: the newest minutes one by one, everything older by the hour.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from adapters.simulated.past_prices import HOUR_MS, MINUTE_MS, PastPrices

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_WEEK_OFFSET_MS = 4 * DAY_MS  # 1970-01-01 was a Thursday; weeks begin on Monday
INTERVALS = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY_MS,
    "W": WEEK_MS,
    "M": 0,  # by the calendar
}
KEPT_MINUTES = 12_000
KEPT_MINUTES_SYNTHETIC = 1_500
_EXTREMES = 2


@dataclass(slots=True)
class Bar:
    """One candle: prices, volume in base units, turnover in USDT."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal

    def add(self, price: Decimal, volume: Decimal) -> None:
        """One more trade price."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += volume
        self.turnover += volume * price

    def join(self, later: "Bar") -> None:
        """Take in the bar that follows."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.turnover += later.turnover

    def to_plain(self) -> list[str]:
        """Seven texts, as /v5/market/kline has them."""
        numbers = (self.open, self.high, self.low, self.close, self.volume, self.turnover)
        return [str(self.start_ms), *(format(number, "f") for number in numbers)]

    @classmethod
    def from_plain(cls, row: list[str]) -> "Bar":
        """The bar that ``to_plain`` wrote."""
        return cls(int(row[0]), *(Decimal(cell) for cell in row[1:]))


def bar_start(interval: str, market_ms: int) -> int:
    """Where the candle of ``interval`` that holds ``market_ms`` begins."""
    if interval == "M":
        moment = datetime.fromtimestamp(market_ms / 1000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
    if interval == "W":
        return (market_ms - _WEEK_OFFSET_MS) // WEEK_MS * WEEK_MS + _WEEK_OFFSET_MS
    length = INTERVALS[interval]
    return market_ms // length * length


def bar_end(interval: str, start_ms: int) -> int:
    """Where the candle that begins at ``start_ms`` ends (its successor's start)."""
    if interval == "M":
        return bar_start("M", start_ms + 32 * DAY_MS)
    return start_ms + INTERVALS[interval]


@dataclass(slots=True)
class CandleBook:
    """One symbol's candles."""

    past: PastPrices | None
    kept_minutes: int = KEPT_MINUTES
    minutes: list[Bar] = field(default_factory=list)
    hours: list[Bar] = field(default_factory=list)  # complete ones whose minutes may be gone
    unsaved: list[Bar] = field(default_factory=list)  # finished minutes not yet written down

    def record(self, market_ms: int, price: Decimal, volume: Decimal) -> None:
        """Note a price at ``market_ms``; time never runs backwards."""
        start = market_ms - market_ms % MINUTE_MS
        if self.minutes and self.minutes[-1].start_ms >= start:
            self.minutes[-1].add(price, volume)
            return
        if self.minutes:
            self.unsaved.append(self.minutes[-1])
            opening = self.minutes[-1].close
            self._fill_gap(start, opening)
        self.minutes.append(Bar(start, price, price, price, price, volume, volume * price))
        if len(self.minutes) > self.kept_minutes + 600:
            self._fold()

    def _fill_gap(self, start: int, price: Decimal) -> None:
        """Quiet minutes are candles too, while the gap is short; a long one stays a gap."""
        missing = (start - self.minutes[-1].start_ms) // MINUTE_MS - 1
        if missing <= 60:
            for number in range(missing):
                at = start - (missing - number) * MINUTE_MS
                self.minutes.append(Bar(at, price, price, price, price, Decimal(0), Decimal(0)))

    def _fold(self) -> None:
        surplus = len(self.minutes) - self.kept_minutes
        boundary = bar_start("60", self.minutes[surplus].start_ms)
        folding = [bar for bar in self.minutes if bar.start_ms < boundary]
        self.hours += _grouped("60", folding)
        self.minutes = self.minutes[len(folding) :]

    def bars(self, interval: str, start_ms: int, end_ms: int, limit: int) -> list[Bar]:
        """Up to ``limit`` candles that begin within ``start_ms`` .. ``end_ms``, newest first.

        ``end_ms`` is at latest the present market time. Before the walked path comes the past, where there is one.
        """
        found: list[Bar] = []
        first_walked = self._first_ms()
        newest = bar_start(interval, end_ms)
        walked = {bar.start_ms: bar for bar in _grouped(interval, self._walked(interval, newest, limit))}
        at = newest
        while len(found) < limit and at >= start_ms:
            bar = walked.get(at)
            if at < first_walked and self.past is not None:
                bar = self._past_bar(interval, at, first_walked, bar)
            if bar is not None:
                found.append(bar)
            elif at < first_walked:
                break
            at = bar_start(interval, at - 1)
        return found

    def _walked(self, interval: str, newest: int, limit: int) -> list[Bar]:
        length = INTERVALS[interval] or 31 * DAY_MS
        oldest = newest - length * limit
        minutes = _since(self.minutes, oldest)
        return minutes if length < HOUR_MS else _since(self.hours, oldest) + minutes

    def _first_ms(self) -> int:
        if self.past is not None:
            return self.past.opened_ms
        return (self.hours or self.minutes)[0].start_ms if self.minutes else 0

    def _past_bar(self, interval: str, at: int, first_walked: int, walked: Bar | None) -> Bar:
        assert self.past is not None  # noqa: S101 - the caller saw it
        bar = Bar(at, *self.past.candle(at, min(bar_end(interval, at), first_walked)))
        if walked is not None:
            bar.join(walked)
        return bar

    def saved(self, kept_minutes: int) -> tuple[list[Bar], list[Bar]]:
        """(minutes, hours) to write down: the newest minutes, what is older by the hour."""
        if len(self.minutes) <= kept_minutes:
            return self.minutes, self.hours
        boundary = bar_start("60", self.minutes[-kept_minutes].start_ms)
        folded = _grouped("60", [bar for bar in self.minutes if bar.start_ms < boundary])
        return [bar for bar in self.minutes if bar.start_ms >= boundary], self.hours + folded

    def append_saved(self, bars: list[Bar]) -> None:
        """Take back finished minutes that were written down after the last whole save."""
        for bar in bars:
            if self.minutes and self.minutes[-1].start_ms >= bar.start_ms:
                if self.minutes[-1].start_ms == bar.start_ms:
                    self.minutes[-1] = bar
            else:
                self.minutes.append(bar)

    def day(self, now_ms: int) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """(price 24 h ago, high, low, volume, turnover) over the last 24 h, from the hour in which they began."""
        since = bar_start("60", now_ms - DAY_MS)
        bars = _grouped("60", self._walked("60", bar_start("60", now_ms), 25))
        if self.past is not None and since < self.past.opened_ms:
            end = min(self.past.opened_ms, since + DAY_MS)
            bars.insert(0, Bar(since, *self.past.candle(since, end)))
        if not bars:
            none = Decimal(0)
            return none, none, none, none, none
        whole = bars[0]
        for bar in bars[1:]:
            whole.join(bar)
        return whole.open, whole.high, whole.low, whole.volume, whole.turnover


def _since(bars: list[Bar], start_ms: int) -> list[Bar]:
    return bars[bisect_left(bars, start_ms, key=lambda bar: bar.start_ms) :]


def _grouped(interval: str, bars: Iterable[Bar]) -> list[Bar]:
    """Bars in time order, joined into those of a longer interval."""
    joined: list[Bar] = []
    for bar in bars:
        start = bar_start(interval, bar.start_ms)
        if joined and joined[-1].start_ms == start:
            joined[-1].join(bar)
        else:
            joined.append(
                Bar(start, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover),
            )
    return joined
