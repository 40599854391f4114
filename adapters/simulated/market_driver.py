"""The market driver: market time, and prices that follow their path as it passes.

Enters: an exchange, a price path, a speed, the wall clock. Stays out: who calls it (a server's loop, virtual time).
Market time runs ``speed`` times as fast as the wall clock from the path's start; speed 0 stands still. It drives
prices, candles and funding only; every stamp on orders and events is wall time. A market elsewhere goes on without us:
there market time is wall time, and what was missed is walked at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated.candles import KEPT_MINUTES, KEPT_MINUTES_SYNTHETIC, CandleBook
from adapters.simulated.exchange import Exchange
from adapters.simulated.past_prices import PastPrices
from adapters.simulated.prices import PricePath
from adapters.simulated.records import BUY, SELL, ZERO
from adapters.simulated.refusals import bad_parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the walked path of a symbol began."""

    opened_ms: int
    price: Decimal
    has_past: bool


class MarketDriver:
    """Walks an exchange along its price paths."""

    def __init__(
        self,
        exchange: Exchange,
        paths: Sequence[PricePath],
        *,
        speed: Decimal,
        seed: int,
        past: bool,
        goes_on: bool = False,
    ) -> None:
        """Begin.

        Args:
            exchange: whose prices are walked.
            paths: where they go, each for symbols of its own.
            speed: market seconds per wall second.
            seed: of the candles from before the start.
            past: whether the symbols of the first path have such (a replay has none).
            goes_on: the market does not stand still while nobody walks it.

        """
        self.exchange = exchange
        self._goes_on = goes_on
        self.speed = speed
        self._seed = seed
        self._paths = tuple(paths)
        self._path_of = {symbol: path for path in paths for symbol in path.opening_prices()}
        self._market_ms = self._base_market_ms = paths[0].start_ms
        self._base_wall_ms = exchange.venue.clock()
        self.origins: dict[str, Origin] = {}
        self.candles: dict[str, CandleBook] = {}
        for symbol, market in exchange.venue.markets.items():
            opening = self._opening(symbol)
            market.last = opening
            has_past = past or self._path_of.get(symbol) is not paths[0]
            self._open_candles(symbol, Origin(opened_ms=self._market_ms, price=opening, has_past=has_past))
            self._record(symbol, opening, ZERO)
            exchange.keep_market_time(symbol, self._market_ms)

    def _opening(self, symbol: str) -> Decimal:
        path = self._path_of.get(symbol)
        return self.exchange.venue.markets[symbol].last if path is None else path.opening_prices()[symbol]

    def _open_candles(self, symbol: str, origin: Origin) -> None:
        instrument = self.exchange.venue.markets[symbol].instrument
        past = PastPrices(instrument, self._seed, origin.opened_ms, origin.price) if origin.has_past else None
        kept = KEPT_MINUTES_SYNTHETIC if instrument.synthetic else KEPT_MINUTES
        self.origins[symbol] = origin
        self.candles[symbol] = CandleBook(past, kept)

    def restore(self, market_ms: int, prices: Mapping[str, Decimal], origins: Mapping[str, Origin]) -> None:
        """Go on where a saved exchange stopped; market time stood still meanwhile, or else is made up for."""
        self._base_wall_ms = self.exchange.venue.clock()
        self._market_ms = market_ms
        self._base_market_ms = self._base_wall_ms if self._goes_on else market_ms
        for symbol, origin in origins.items():
            if symbol in self.candles:
                self._open_candles(symbol, origin)
        for path in self._paths:
            path.resume(market_ms)
            for symbol in path.opening_prices():
                if symbol in prices:
                    path.moved(symbol, prices[symbol])

    @property
    def market_ms(self) -> int:
        """Market time up to which prices have been walked."""
        return self._market_ms

    def target_ms(self) -> int:
        """Market time that the wall clock says it is."""
        elapsed = self.exchange.venue.clock() - self._base_wall_ms
        return self._base_market_ms + int(elapsed * self.speed)

    def slip(self, most_behind_ms: int) -> None:
        """Let market time fall back to at most ``most_behind_ms`` wall milliseconds behind, after a pause or overload.

        Without it prices would race to catch up, faster than the speed that anybody trading here was promised.
        """
        if self._goes_on:
            return
        behind_ms = int((self.target_ms() - self._market_ms) / self.speed) if self.speed else 0
        if behind_ms > most_behind_ms:
            self._base_wall_ms += behind_ms - most_behind_ms

    def advance(self, *, until_ms: int | None = None, most_steps: int | None = None) -> bool:
        """Walk the steps that are due (``until_ms``: market time, default what the wall clock says).

        ``most_steps`` bounds one call. Returns whether everything due has been walked.
        """
        target = self.target_ms() if until_ms is None else until_ms
        left = most_steps
        while left is None or left > 0:
            path = self._next_path()
            due = None if path is None else path.due_ms()
            if path is None or due is None or due > target:
                self._market_ms = max(self._market_ms, target)
                for symbol in self.exchange.venue.markets:
                    self.exchange.keep_market_time(symbol, self._market_ms)
                return True
            step = path.take()
            self._market_ms = max(self._market_ms, step.market_ms)
            self.exchange.keep_market_time(step.symbol, self._market_ms)
            market = self.exchange.venue.markets[step.symbol]
            if step.symbol in self.exchange.venue.taped:
                side = BUY if step.price >= market.last else SELL
                self.exchange.venue.traded(step.symbol, side, step.price, step.volume)
            self.exchange.walk(step.symbol, step.price, volume=step.volume or None)
            self.candles[step.symbol].record(self._market_ms, step.price, step.volume)
            if left is not None:
                left -= 1
        return False

    def _next_path(self) -> PricePath | None:
        due = [(at, number) for number, path in enumerate(self._paths) if (at := path.due_ms()) is not None]
        return self._paths[min(due)[1]] if due else None

    def move(self, prices: Mapping[str, tuple[Decimal, Decimal | None]]) -> None:
        """Walk symbols to (last price, mark price or None for the same) now, matching everything on the way.

        Raises:
            Refusal: 10001, an unknown symbol or a price that is not above 0; nothing moved.

        """
        for symbol, (last, mark) in prices.items():
            instrument = self.exchange.venue.market(symbol).instrument
            for price in (last, mark):
                if price is not None and not instrument.min_price <= price <= instrument.max_price:
                    raise bad_parameter(
                        f"{symbol}: price {price} must lie within {instrument.min_price} and {instrument.max_price}"
                    )
        for symbol, (last, mark) in prices.items():
            instrument = self.exchange.venue.markets[symbol].instrument
            price = instrument.to_tick(last)
            self.exchange.walk(symbol, price, basis=ZERO if mark is None else instrument.to_tick(mark) - price)
            self._record(symbol, price, instrument.min_quantity)
            if symbol in self._path_of:
                self._path_of[symbol].moved(symbol, price)

    def _record(self, symbol: str, price: Decimal, volume: Decimal) -> None:
        self.candles[symbol].record(self._market_ms, price, volume)
