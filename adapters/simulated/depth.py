"""The finite synthetic order book around the last price.

Enters: an instrument and a seed, which give the same depth every time. Stays out: the orders of accounts; they rest in
the order index and trade against this depth only, never against one another.
The best bid and ask stand one tick each side of the last price; 50 levels widen out to the instrument's market-order
band. What a taker consumed stays gone until the last price moves, or for ``REFILL_MS``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from zlib import crc32

from adapters.simulated.instruments import Instrument
from adapters.simulated.records import BUY, SELL, ZERO

LEVELS = 50
REFILL_MS = 1000
LEVEL_NOTIONAL_USDT = Decimal(40_000)


@dataclass(slots=True)
class Depth:
    """Liquidity of one symbol: what is offered at each level, and what is left of it."""

    instrument: Instrument
    seed: int
    level_quantity: Decimal | None = None  # base units at every level, when scripted; None: the seeded shape
    _taken: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    _taken_at_ms: int = 0
    _shape: tuple[Decimal, ...] = ()

    def __post_init__(self) -> None:
        self._shape = tuple(
            LEVEL_NOTIONAL_USDT * (1 + Decimal(level) / 5) * (50 + self._noise(level)) / 100 for level in range(LEVELS)
        )

    def _noise(self, level: int) -> int:
        return crc32(f"{self.seed}:{self.instrument.symbol}:{level}".encode()) % 100

    def refill(self) -> None:
        """Everything that was consumed is offered again: the price moved on."""
        if self._taken:
            self._taken.clear()

    def consume(self, side: str, level: int, quantity: Decimal, now_ms: int) -> None:
        """Note that a taker took ``quantity`` from the ``side`` (Buy: bids, Sell: asks) at ``level``."""
        self._taken[side, level] = self._taken.get((side, level), ZERO) + quantity
        self._taken_at_ms = now_ms

    def offered(self, level: int, price: Decimal) -> Decimal:
        """Base units offered at a full ``level`` (0 is best), a whole number of quantity steps."""
        if self.level_quantity is not None:
            return self.level_quantity
        step = self.instrument.quantity_step
        return max(step, self._shape[level] / price // step * step)

    def waiting(self, side: str, price: Decimal, last: Decimal) -> Decimal:
        """Base units of others that rest at ``price`` on the ``side`` (Buy: bids): a new order queues behind them.

        Better than the best there is nobody; deeper than the last level as many as there.
        """
        sign = -1 if side == BUY else 1
        if (price - last) * sign < self.instrument.tick_size:
            return ZERO
        for level in range(LEVELS):
            if (self._price_of(level, last, sign) - price) * sign >= 0:
                return self.offered(level, last)
        return self.offered(LEVELS - 1, last)

    def levels(self, side: str, last: Decimal, now_ms: int) -> Iterator[tuple[int, Decimal, Decimal]]:
        """(level, price, what is left) of the bids (Buy, descending) or asks (Sell, ascending); empty ones left out."""
        if self._taken and now_ms - self._taken_at_ms >= REFILL_MS:
            self._taken.clear()
        sign = -1 if side == BUY else 1
        for level in range(LEVELS):
            price = self._price_of(level, last, sign)
            if price <= 0:
                return
            left = self.offered(level, last) - self._taken.get((side, level), ZERO)
            if left > 0:
                yield level, price, left

    def _price_of(self, level: int, last: Decimal, sign: int) -> Decimal:
        tick, place = self.instrument.tick_size, level + 1
        band_ticks = int(last * self.instrument.price_limit_ratio_x / tick)
        distance = place + (place * place - 1) * max(0, band_ticks - LEVELS) // (LEVELS * LEVELS - 1)
        return last + sign * distance * tick

    def best(self, side: str, last: Decimal, now_ms: int) -> Decimal:
        """The best bid (Buy) or ask (Sell); one tick from last when that side is eaten empty."""
        for _, price, _ in self.levels(side, last, now_ms):
            return price
        return last - self.instrument.tick_size if side == BUY else last + self.instrument.tick_size


def taken_side(taker_side: str) -> str:
    """The side of the book a taker consumes: a buyer takes asks."""
    return SELL if taker_side == BUY else BUY
