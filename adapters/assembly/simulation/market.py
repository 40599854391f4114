"""Market: what prices do in a simulated world, until the curtain falls.

Enters: price walks drawn from the scenario. Stays out: orders (the exchange's own), who hears of a price (streams).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Protocol

from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.prices import Tick
from adapters.assembly.simulation.story import Story
from adapters.assembly.simulation.streams import MarketLine
from adapters.simulated.local_bybit import LocalBybit
from runtime.clock import Clock


class Walk(Protocol):
    """Where a symbol's price goes."""

    def next(self) -> Tick: ...


class Market:
    """Moves the exchange's prices and tells them."""

    def __init__(
        self,
        walks: Mapping[str, Walk],
        bybit: LocalBybit,
        line: MarketLine,
        *,
        clock: Clock,
        agenda: Agenda,
        story: Story,
        stands: Callable[[str], bool],
    ) -> None:
        """`stands`: whether a symbol is halted."""
        self._walks = walks
        self._bybit = bybit
        self._line = line
        self._clock = clock
        self._agenda = agenda
        self._story = story
        self._stands = stands
        self.on_moved: Callable[[str, Decimal], None] = lambda _symbol, _price: None

    def open(self, until: float) -> None:
        """Have prices move until an instant (monotonic seconds)."""
        for symbol in self._walks:
            self._agenda.at(0.0, partial(self._go_on, symbol, until))

    def price(self, symbol: str) -> Decimal:
        return self._bybit.exchange.venue.markets[symbol].last

    def pay_funding(self, symbol: str) -> None:
        """Have this symbol's funding fall due now."""
        market = self._bybit.exchange.venue.markets[symbol]
        self._story.tell("fault", symbol, "funding is paid")
        market.next_funding_ms = self._bybit.driver.market_ms
        self._bybit.exchange.keep_market_time(symbol, self._bybit.driver.market_ms)

    def tell_again(self, symbol: str, times: int) -> None:
        """Tell the present price so many times at once."""
        price = self.price(symbol)
        for _ in range(times):
            self._line.tell(symbol, price, price)

    def move(self, symbol: str, price: Decimal, *, leaps: bool = False) -> None:
        """Move a symbol's price, through everything on the way or, in a leap, past it, and tell whoever watches."""
        if leaps:
            market = self._bybit.exchange.venue.markets[symbol]
            market.last = price
            market.depth.refill()
        self._bybit.driver.move({symbol: (price, None)})
        self._story.tell("price", symbol, f"{price} in a leap" if leaps else str(price))
        self.on_moved(symbol, price)
        self._line.tell(symbol, price, price)

    def _go_on(self, symbol: str, until: float) -> None:
        now = self._clock.monotonic()
        if now >= until:
            return
        tick = self._walks[symbol].next()
        self._bybit.advance()
        if not self._stands(symbol):
            self.move(symbol, tick.price, leaps=tick.leaps)
        self._agenda.at(now + tick.pause_seconds, partial(self._go_on, symbol, until))
