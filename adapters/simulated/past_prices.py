"""Prices from before the market opened here: a past that was never walked, the same each time it is asked for.

Enters: a seed, and the instant and price at which the walked path begins. Stays out: the walked path itself.
The price at any past instant is the opening price times a sum of seeded waves from two minutes to a year and a half, so
opens and closes of every interval agree. Highs and lows are sampled, by the minute in candles up to an hour.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from zlib import crc32

from adapters.simulated.instruments import Instrument

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
_SAMPLES = 24  # in a candle longer than an hour
_KEPT_CANDLES = 5_000
_WAVES = 20  # periods of 2**1 .. 2**20 minutes
_AMPLITUDE_PPM = 500  # of the shortest wave; grows with the root of the period


@lru_cache(maxsize=200_000)
def _knot(name: str, wave: int, number: int) -> int:
    return crc32(f"{name}:{wave}:{number}".encode()) % 2001 - 1000


@dataclass(frozen=True, slots=True)
class PastPrices:
    """One symbol's past."""

    instrument: Instrument
    seed: int
    opened_ms: int
    opening_price: Decimal
    _opening_swing: list[int] = field(default_factory=list, compare=False, repr=False)
    _candles: dict[tuple[int, int], list[Decimal]] = field(default_factory=dict, compare=False, repr=False)

    def _swing_ppm(self, market_ms: int) -> int:
        name = f"{self.seed}:{self.instrument.symbol}"
        total = 0
        for wave in range(1, _WAVES + 1):
            period = MINUTE_MS << wave
            number, within = divmod(market_ms, period)
            left, right = _knot(name, wave, number), _knot(name, wave, number + 1)
            height = left * 1000 + (right - left) * (within * 1000 // period)
            half_powers = (
                _AMPLITUDE_PPM << (wave // 2) if wave % 2 == 0 else (_AMPLITUDE_PPM * 141 // 100) << (wave // 2)
            )
            total += height * half_powers // 4_000_000
        return total

    def price_at(self, market_ms: int) -> Decimal:
        """The price at an instant up to the opening."""
        if not self._opening_swing:
            self._opening_swing.append(self._swing_ppm(self.opened_ms))
        swing = self._swing_ppm(market_ms) - self._opening_swing[0]
        factor = Decimal(max(200_000, 1_000_000 + swing)) / 1_000_000
        return self.instrument.to_tick(self.opening_price * factor)

    def candle(self, start_ms: int, end_ms: int) -> list[Decimal]:
        """[open, high, low, close, volume, turnover] of the past from ``start_ms`` to ``end_ms``."""
        known = self._candles.get((start_ms, end_ms))
        if known is None:
            if len(self._candles) >= _KEPT_CANDLES:
                self._candles.clear()
            known = self._candles[start_ms, end_ms] = self._sample(start_ms, end_ms)
        return list(known)

    def _sample(self, start_ms: int, end_ms: int) -> list[Decimal]:
        minutes = (end_ms - start_ms) // MINUTE_MS
        stride = MINUTE_MS * (1 if minutes <= 60 else minutes // _SAMPLES)
        samples = [self.price_at(instant) for instant in range(start_ms, end_ms, stride)]
        samples.append(self.price_at(end_ms))
        step = self.instrument.quantity_step
        minutes = max(1, minutes)
        busy = 500 + crc32(f"{self.seed}:{start_ms}".encode()) % 1000
        volume = (Decimal(busy * 300) * minutes / self.instrument.opening_price) // step * step + step
        middle = (samples[0] + samples[-1]) / 2
        return [samples[0], max(samples), min(samples), samples[-1], volume, volume * middle]
