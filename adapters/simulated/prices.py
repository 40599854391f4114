"""Price paths: where prices go, step by step in market time.

Enters: a seed, a candle file, scripted waypoints. Stays out: orders, wall clocks, speed (the market driver's).
A path is asked when its next step is due and then for that step; the same seed or file always gives the same steps.
Market time is milliseconds since 1970 UTC. All arithmetic is on whole numbers or Decimal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Protocol

from adapters.simulated.instruments import Instrument

SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class PriceStep:
    """At ``market_ms`` the last price of ``symbol`` becomes ``price``; ``volume`` base units traded on the way."""

    market_ms: int
    symbol: str
    price: Decimal
    volume: Decimal


class PricePath(Protocol):
    """Prices of some symbols over market time."""

    @property
    def start_ms(self) -> int:
        """Market time at which the path begins."""

    def opening_prices(self) -> Mapping[str, Decimal]:
        """The price of each of its symbols at the start."""

    def due_ms(self) -> int | None:
        """Market time of the next step; None when the path is at its end."""

    def take(self) -> PriceStep:
        """The next step."""

    def moved(self, symbol: str, price: Decimal) -> None:
        """Someone else moved the price of ``symbol``: a free path goes on from there, a written one does not care."""

    def resume(self, market_ms: int) -> None:
        """Go on after a restart at ``market_ms``; ``moved`` tells the prices."""


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """One step of a path that is known beforehand."""

    market_ms: int
    price: Decimal
    volume: Decimal


class WrittenPath:
    """A path whose every step is known beforehand: a replayed file, scripted waypoints."""

    def __init__(self, start_ms: int, steps: Mapping[str, Sequence[WrittenStep]]) -> None:
        """``steps`` per symbol are in time order; the first is the opening price."""
        self.start_ms = start_ms
        self._steps = {symbol: tuple(each) for symbol, each in steps.items()}
        self._order = sorted(
            (
                (step.market_ms, symbol, number)
                for symbol, each in self._steps.items()
                for number, step in enumerate(each)
            ),
        )
        self._next = 0

    def opening_prices(self) -> Mapping[str, Decimal]:
        """Each symbol's first price."""
        return {symbol: each[0].price for symbol, each in self._steps.items()}

    @property
    def end_ms(self) -> int:
        """Market time of the last step."""
        return self._order[-1][0]

    def due_ms(self) -> int | None:
        """Market time of the next step, None after the last."""
        return self._order[self._next][0] if self._next < len(self._order) else None

    def take(self) -> PriceStep:
        """The next step over all symbols, in time order."""
        market_ms, symbol, number = self._order[self._next]
        self._next += 1
        step = self._steps[symbol][number]
        return PriceStep(market_ms, symbol, step.price, step.volume)

    def moved(self, symbol: str, price: Decimal) -> None:
        """What is written does not change."""

    def resume(self, market_ms: int) -> None:
        """Skip what was walked before the restart."""
        self._next = next(
            (number for number, (due, _, _) in enumerate(self._order) if due > market_ms), len(self._order)
        )


class FrozenPath:
    """Prices that only the control endpoint moves."""

    def __init__(self, instruments: Iterable[Instrument], start_ms: int) -> None:
        self.start_ms = start_ms
        self._opening = {each.symbol: each.to_tick(each.opening_price) for each in instruments}

    def opening_prices(self) -> Mapping[str, Decimal]:
        """The instruments' own opening prices."""
        return self._opening

    def due_ms(self) -> int | None:
        """Never."""
        return None

    def take(self) -> PriceStep:
        """There is no step to take."""
        raise LookupError("a frozen path has no steps: ask due_ms first")

    def moved(self, symbol: str, price: Decimal) -> None:
        """Nothing goes on from there."""

    def resume(self, market_ms: int) -> None:
        """Nothing goes on."""


def waypoints(
    instruments: Iterable[Instrument],
    script: Mapping[str, Sequence[tuple[Decimal, Decimal]]],
    start_ms: int,
    *,
    step_ms: int = 250,
) -> WrittenPath:
    """The path through scripted points: ``{symbol: [(market seconds from the start, price), ...]}``, straight between.

    Raises:
        ValueError: an unknown symbol, no points, or times that do not rise.

    """
    known = {each.symbol: each for each in instruments}
    steps: dict[str, list[WrittenStep]] = {}
    for symbol, points in script.items():
        if symbol not in known:
            raise ValueError(f"waypoints for {symbol}: no such instrument; known are {', '.join(known)}")
        if not points or any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
            raise ValueError(f"waypoints for {symbol}: give at least one (seconds, price), with seconds rising")
        steps[symbol] = list(_straight(known[symbol], points, start_ms, step_ms))
    return WrittenPath(start_ms, steps)


def _straight(
    instrument: Instrument, points: Sequence[tuple[Decimal, Decimal]], start_ms: int, step_ms: int
) -> Iterator[WrittenStep]:
    volume = instrument.min_quantity * 100
    first_ms = start_ms + int(points[0][0] * SECOND_MS)
    yield WrittenStep(first_ms, instrument.to_tick(points[0][1]), volume)
    for (from_s, from_price), (to_s, to_price) in pairwise(points):
        from_ms, to_ms = start_ms + int(from_s * SECOND_MS), start_ms + int(to_s * SECOND_MS)
        count = max(1, (to_ms - from_ms) // step_ms)
        for number in range(1, count + 1):
            price = from_price + (to_price - from_price) * number / count
            yield WrittenStep(from_ms + (to_ms - from_ms) * number // count, instrument.to_tick(price), volume)
