"""Trade prices: what a monitor hears of the market, and only while a rule of its trade could act upon it.

A price brings no fact of its own: the rules are asked what is due now, and what they decide is journalled. Enters:
prices from the watcher, a few a second at most. Stays out: deciding (rules.exit_turns). A fresh life starts without a
price and asks for it again; what a trailing stop follows and whether a floor is armed stand in the journal.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages import addresses
from actors.messages.market import PriceReading
from actors.messages.monitoring import Wake
from actors.messages.reports import SubscribePrice, UnsubscribePrice
from actors.monitored_trade import RunIdentity
from actors.rules.exit_turns import next_turn, wants_prices
from actors.rules.price_seen import FRESH_SECONDS, SeenPrice, better, is_of_holding
from actors.rules.trailing import trail_waits
from actors.trade_readings import TradeReadings
from runtime import handles


class TradePrices(TradeReadings):
    __slots__ = ("_best", "_held_since", "_price", "_priced_at", "_subscribed")

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        super().__init__(account=account, symbol=symbol, trade_id=trade_id, identity=identity)
        self._subscribed = False
        self._price: PriceReading | None = None
        self._priced_at = 0.0  # monotonic seconds, of that price
        self._held_since: float | None = None  # monotonic seconds, when this life knew that something was entered
        self._best: Decimal | None = None  # fresh, since something is held

    def price_seen(self) -> SeenPrice | None:
        if self._price is None:
            return None
        self._follow(self._price)
        return SeenPrice(
            price=self._price.last_price,
            best=self._best,
            age_seconds=self._age(),
            stale=self._price.stale,
        )

    @handles(PriceReading)
    def _on_price(self, reading: PriceReading) -> None:
        self._price, self._priced_at = reading, self.context.monotonic() - reading.age_seconds
        if self._trade is None or not wants_prices(self._trade):
            return
        seen, now = self.price_seen(), self.context.now()
        if not self._reconciled:
            return
        if next_turn(self._trade, seen, now) is not None:
            self._take(None)
            return
        wait = trail_waits(self._trade, seen, now)
        if wait is not None:
            self.context.start_timer("trail", wait + 0.01, Wake())

    def _follow(self, reading: PriceReading) -> None:
        """Take a price into the best one since something is held. Once one was of that time, all later ones are."""
        trade = self._trade
        if trade is None or not trade.open_quantity or reading.stale or self._age() > FRESH_SECONDS:
            return
        heard = -1.0 if self._held_since is None else self._priced_at - self._held_since
        if self._best is not None or is_of_holding(reading.reported_at, trade.first_fill_at, heard):
            self._best = better(trade.side, reading.last_price, self._best)

    def _age(self) -> float:
        return self.context.monotonic() - self._priced_at

    def _watch_prices(self) -> None:
        """Hear prices from when they could bring something about until they no longer can."""
        if self._held_since is None and self._known.open_quantity:
            self._held_since = self.context.monotonic()
            if wants_prices(self._known):
                self.context.start_timer("trail", 0.01, Wake())  # the price that came with the fill may have been first
        wanted = wants_prices(self._known)
        if wanted and not self._subscribed:
            self.context.watch(addresses.PRICES)
            self.context.tell(addresses.PRICES, SubscribePrice(symbol=self._symbol, path=self.context.path))
        elif self._subscribed and not wanted:
            self.context.tell(addresses.PRICES, UnsubscribePrice(symbol=self._symbol, path=self.context.path))
            self.context.unwatch(addresses.PRICES)
        self._subscribed = wanted

    def _prices_forgotten(self) -> None:
        """Subscribe again: a restarted watcher knows no subscriber."""
        self._subscribed = False
        if self._trade is not None:
            self._watch_prices()
