"""Prices of a simulated market: a walk with trends, chop, wicks, gaps and leaps, or the recorded candles of a file.

Enters: a seed, an instrument. Stays out: what is matched on the way (the exchange's), halts (faults).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

from adapters.simulated.instruments import Instrument
from adapters.simulated.replayed_prices import replay

MEAN_TICK_SECONDS = 5.0
_REGIMES = ("trend", "chop", "calm", "wild")
_WICK, _GAP, _LEAP = 1 / 250, 1 / 600, 1 / 900  # chances of one tick
_GAP_FROM, _GAP_TO = 0.01, 0.04


@dataclass(frozen=True, slots=True)
class Tick:
    """The next price, and how long it takes to come."""

    pause_seconds: float
    price: Decimal  # on the instrument's grid
    leaps: bool = False  # nothing trades between the last price and this one: a stop in between is filled beyond it


class PriceWalk:
    """One symbol's price: regimes that change, with wicks, gaps and leaps in between."""

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._dice = Random(f"{seed}/price/{instrument.symbol}")  # noqa: S311 - repeatable chance is the point
        self._instrument = instrument
        self._origin = float(instrument.opening_price)
        self._price = self._origin
        self._regime_left = 0
        self._drift = 0.0
        self._spread = 0.0
        self._after_wick: float | None = None

    def next(self) -> Tick:
        """Draw the next price."""
        dice = self._dice
        if self._regime_left <= 0:
            self._begin_regime()
        self._regime_left -= 1
        pause = min(30.0, dice.expovariate(1.0 / MEAN_TICK_SECONDS) + 0.05)
        luck = dice.random()
        leaps = False
        if self._after_wick is not None:
            self._price, self._after_wick = self._after_wick, None
            pause = dice.uniform(0.05, 2.0)
        elif luck < _WICK:
            self._after_wick = self._price
            self._price *= 1 + dice.choice((-1, 1)) * dice.uniform(0.005, 0.03)
        elif luck < _WICK + _GAP + _LEAP:
            leaps = luck >= _WICK + _GAP
            self._price *= 1 + dice.choice((-1, 1)) * dice.uniform(_GAP_FROM, _GAP_TO)
        else:
            pull = (self._origin - self._price) / self._origin * 0.002
            self._price *= 1 + self._drift + pull + dice.gauss(0.0, self._spread)
        return Tick(pause, self._instrument.to_tick(Decimal(repr(round(self._price, 8)))), leaps)

    def _begin_regime(self) -> None:
        dice = self._dice
        regime = dice.choice(_REGIMES)
        self._regime_left = dice.randint(10, 120)
        self._drift = dice.choice((-1, 1)) * dice.uniform(0.0002, 0.0008) if regime == "trend" else 0.0
        self._spread = {"trend": 0.0008, "chop": 0.0015, "calm": 0.0002, "wild": 0.004}[regime]


class RecordedWalk:
    """One symbol's price as it once was: a candle file, from a place of the seed's choice, over and over."""

    def __init__(self, seed: int, instrument: Instrument, file: Path) -> None:
        """Read the file.

        Raises:
            ValueError: it cannot be used.
            OSError: it cannot be read.

        """
        self._dice = Random(f"{seed}/price/{instrument.symbol}")  # noqa: S311 - repeatable chance is the point
        path = replay(instrument, file)
        self._steps: list[tuple[int, Decimal]] = []  # market milliseconds, price
        while path.due_ms() is not None:
            step = path.take()
            self._steps.append((step.market_ms, step.price))
        self._ticks = self._walk()

    def next(self) -> Tick:
        """Give the next recorded price; those closer together than the usual tick are passed over."""
        return next(self._ticks)

    def _walk(self) -> Iterator[Tick]:
        at = self._dice.randrange(len(self._steps))
        while True:
            wanted = self._steps[at][0] + self._dice.expovariate(1.0 / MEAN_TICK_SECONDS) * 1000
            before = at
            while at < len(self._steps) and self._steps[at][0] < wanted:
                at += 1
            if at == len(self._steps):
                at = before = 0
            pause = min(30.0, max(0.05, (self._steps[at][0] - self._steps[before][0]) / 1000))
            yield Tick(pause, self._steps[at][1])


def open_walks(seed: int, instruments: tuple[Instrument, ...], candles: str) -> dict[str, PriceWalk | RecordedWalk]:
    """Give each symbol its walk; the first one the recorded candles, where there is a file of them.

    Raises:
        ValueError: the file cannot be used.
        OSError: it cannot be read.

    """
    walks: dict[str, PriceWalk | RecordedWalk] = {each.symbol: PriceWalk(seed, each) for each in instruments}
    if candles:
        walks[instruments[0].symbol] = RecordedWalk(seed, instruments[0], Path(candles))
    return walks
