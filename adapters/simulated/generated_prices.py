"""Generated prices: a seeded geometric random walk per symbol.

Enters: a seed and instruments. Stays out: wall clocks, orders. Whole numbers only: a seed gives one path anywhere.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from random import Random

from adapters.simulated.instruments import Instrument
from adapters.simulated.prices import SECOND_MS, PriceStep

_REGIME_MINUTES = 30
_REGIMES = ((40, 0), (100, 0), (90, 1_500), (90, -1_500), (220, 0), (150, 2_500), (150, -2_500))
# (standard deviation in millionths per root second, drift in billionths per second); 100 is about 3 % a day.
_SUBTICKS = 1_000_000
_SYNTHETIC_STRIDE = 10


class GeneratedPath:
    """A seeded geometric random walk per symbol, whose drift and volatility change every half hour.

    One step in ``stride_seconds`` of market time for each listed symbol, one in ten for each synthetic one.
    """

    def __init__(self, seed: int, instruments: Iterable[Instrument], start_ms: int, *, stride_seconds: int = 1) -> None:
        self._stride = stride_seconds
        self.start_ms = start_ms - start_ms % SECOND_MS
        self._seed = seed
        self._instruments = {each.symbol: each for each in instruments}
        self._second = self.start_ms // SECOND_MS
        self._subticks = {
            symbol: int(each.to_tick(each.opening_price) / each.tick_size) * _SUBTICKS
            for symbol, each in self._instruments.items()
        }
        self._blocks: dict[str, tuple[int, tuple[int, ...], tuple[int, int]]] = {}
        self._queue: list[str] = []

    def opening_prices(self) -> Mapping[str, Decimal]:
        """The instruments' own opening prices."""
        return {symbol: each.to_tick(each.opening_price) for symbol, each in self._instruments.items()}

    def due_ms(self) -> int | None:
        """The next whole market second; never ends."""
        if not self._instruments:
            return None
        while not self._queue:
            self._second += 1
            self._queue = [
                each.symbol
                for number, each in enumerate(self._instruments.values())
                if (self._second + number) % (_SYNTHETIC_STRIDE if each.synthetic else self._stride) == 0
            ]
            self._queue.reverse()
        return self._second * SECOND_MS

    def take(self) -> PriceStep:
        """One symbol's next second."""
        due = self.due_ms()
        symbol = self._queue.pop()
        instrument = self._instruments[symbol]
        noise, (deviation, drift) = self._draw(symbol)
        value = self._subticks[symbol]
        value += value * noise * deviation // 1_000_000_000 + value * drift // 1_000_000_000
        value = max(_SUBTICKS, value)
        self._subticks[symbol] = value
        price = (value + _SUBTICKS // 2) // _SUBTICKS * instrument.tick_size
        step = instrument.quantity_step
        volume = Decimal(2_000 + abs(noise) * 4) / instrument.opening_price // step * step + step
        return PriceStep(due or 0, symbol, price, volume)

    def _draw(self, symbol: str) -> tuple[int, tuple[int, int]]:
        minute, second = divmod(self._second, 60)
        block = self._blocks.get(symbol)
        if block is None or block[0] != minute:
            draw = Random(f"{self._seed}:{symbol}:{minute}")
            noise = tuple(sum(draw.randint(-1000, 1000) for _ in range(3)) for _ in range(60))
            regime = Random(f"{self._seed}:{symbol}:regime:{minute // _REGIME_MINUTES}").choice(_REGIMES)
            block = self._blocks[symbol] = (minute, noise, regime)
        return block[1][second], block[2]

    def moved(self, symbol: str, price: Decimal) -> None:
        """Walk on from the price someone set."""
        if symbol in self._subticks:
            self._subticks[symbol] = int(price / self._instruments[symbol].tick_size) * _SUBTICKS

    def resume(self, market_ms: int) -> None:
        """Walk on; the noise of each second is the same as it would have been."""
        self._second = market_ms // SECOND_MS
        self._queue = []
