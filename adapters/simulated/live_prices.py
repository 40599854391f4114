"""Live prices: a path that follows a market elsewhere, and makes up for the time in which nobody followed it.

Enters: prices as they come, minute candles for what was missed. Stays out: where they come from, sockets, wall clocks
(a clock is injected). Prices may be handed in by another thread than the one that walks the path.

A candle does not tell whether its high or its low came first. Where a position is held, what hurts it is walked first:
a stop and a target that lie inside one candle make a stop. Otherwise the extreme nearer to the open comes first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated.prices import PriceStep
from adapters.simulated.records import BUY, SELL

MINUTE_MS = 60_000
_CORNER_MS = 19_999  # between open, one extreme, the other, and the close just before the next minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One minute of a symbol. Prices in quote per base, volume in base units."""

    symbol: str
    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


History = Callable[
    [str, int], Sequence[Candle]
]  # minutes of a symbol that begin at this instant or later, oldest first
Sides = Callable[[str], frozenset[str]]  # on which sides positions of a symbol are held


class LivePath:
    """Prices of a market elsewhere, oldest first."""

    def __init__(self, opening: Mapping[str, Decimal], clock: Callable[[], int], history: History) -> None:
        """Begin.

        Args:
            opening: the present prices.
            clock: gives wall milliseconds since 1970 UTC.
            history: reads what was missed; raises OSError where it cannot.

        """
        self.start_ms = clock()
        self._clock = clock
        self._opening = dict(opening)
        self._history = history
        self._sides: Sides = lambda _symbol: frozenset()
        self.alive: Callable[[], bool] = lambda: True  # whether prices can be believed; set by who listens
        self._steps: deque[PriceStep | Candle] = deque()
        self._held_back: list[PriceStep] | None = None  # came while a gap is being filled: they follow it
        self._gap = 0  # number of the last one
        self._lock = threading.Lock()

    def heeds(self, sides: Sides) -> None:
        """Know which positions are held, from now on."""
        self._sides = sides

    # --- as prices.PricePath ---------------------------------------------------------------------------------------
    def opening_prices(self) -> Mapping[str, Decimal]:
        """The prices when it began."""
        return self._opening

    def due_ms(self) -> int | None:
        """When the next known price was; None when all are walked."""
        with self._lock:
            head = self._head()
            return None if head is None else head.market_ms

    def take(self) -> PriceStep:
        """The next price."""
        with self._lock:
            head = self._head()
            if head is None:
                raise LookupError("nothing more is known: ask due_ms first")
            self._steps.popleft()
            return head

    def moved(self, symbol: str, price: Decimal) -> None:
        """Nobody moves a market elsewhere."""

    def resume(self, market_ms: int) -> None:
        """Read what happened since `market_ms` and walk it before the present prices. OSError: it cannot be read."""
        candles = self._missed_since(market_ms)
        with self._lock:
            self._steps.extend(candles)

    # --- what comes in ---------------------------------------------------------------------------------------------
    def price(self, symbol: str, at_ms: int, price: Decimal) -> None:
        """Take a price in. Of symbols that were not there at the beginning none is taken."""
        if symbol not in self._opening:
            return
        step = PriceStep(at_ms, symbol, price, Decimal(0))
        with self._lock:
            if self._held_back is None:
                self._steps.append(step)
            else:
                self._held_back.append(step)

    def begin_gap(self) -> int:
        """Hold prices back until what was missed before them is known; give the gap's number.

        One that begins within another takes its place: its candles cover what was held back so far.
        """
        with self._lock:
            self._held_back = []
            self._gap += 1
            return self._gap

    def end_gap(self, since_ms: int, gap: int) -> bool:
        """Walk what was missed since then, and let prices through again. OSError: it cannot be read, as yet.

        Returns whether that was so: False, and nothing walked, for a gap that is filled or has been replaced.
        """
        candles = self._missed_since(since_ms)
        with self._lock:
            if self._held_back is None or gap != self._gap:
                return False
            self._steps.extend((*candles, *self._held_back))
            self._held_back = None
            return True

    # --- inside ----------------------------------------------------------------------------------------------------
    def _missed_since(self, since_ms: int) -> list[Candle]:
        """All symbols' candles in time order. Of the minute that was begun already only the close is new for sure."""
        first = since_ms // MINUTE_MS * MINUTE_MS
        found = [
            _closing(candle) if candle.start_ms == first and since_ms > first else candle
            for symbol in self._opening
            for candle in self._history(symbol, first)
        ]
        return sorted(found, key=lambda each: each.start_ms)

    def _head(self) -> PriceStep | None:
        """Give what comes next. A candle is unfolded only when it is: what is held then decides how."""
        head = self._steps[0] if self._steps else None
        if isinstance(head, Candle):
            self._steps.popleft()
            self._steps.extendleft(reversed(tuple(_walked(head, self._sides(head.symbol), self._clock()))))
            head = self._head()
        return head


def _closing(candle: Candle) -> Candle:
    close = candle.close
    return Candle(
        symbol=candle.symbol,
        start_ms=candle.start_ms,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=candle.volume,
    )


def _walked(candle: Candle, held: frozenset[str], now_ms: int) -> Iterator[PriceStep]:
    """Open, what hurts, what helps, close; those of the running minute at once, for they have been."""
    if held == {SELL}:
        turns = (candle.high, candle.low)
    elif BUY in held or candle.open - candle.low <= candle.high - candle.open:
        turns = (candle.low, candle.high)
    else:
        turns = (candle.high, candle.low)
    for number, price in enumerate((candle.open, *turns, candle.close)):
        yield PriceStep(min(candle.start_ms + number * _CORNER_MS, now_ms), candle.symbol, price, candle.volume / 4)
