"""Market endpoints: what anybody may ask, unsigned.

Enters: parameters; reads the venue and the market driver. Stays out: HTTP, any change.
Prices, candle starts and funding times are market time; ``time`` stamps are wall time.
"""

from decimal import Decimal
from typing import Any

from adapters.simulated import v5_requests as ask
from adapters.simulated.admission import price_limits
from adapters.simulated.candles import INTERVALS, bar_end, bar_start
from adapters.simulated.depth import LEVELS
from adapters.simulated.instruments import Instrument
from adapters.simulated.market_driver import MarketDriver
from adapters.simulated.records import BUY, SELL
from adapters.simulated.refusals import bad_parameter
from adapters.simulated.v5_paging import listed, page
from adapters.simulated.v5_requests import Params
from adapters.simulated.v5_rows import text
from adapters.simulated.venue import Market

Result = dict[str, Any]
MOST_STREAMED_MS = 3_600_000
_OPEN_INTEREST_SHARE = 40_000_000  # USDT; a plausible constant, nothing here depends on it
_SPANS_MS = {"5min": 300_000, "15min": 900_000, "30min": 1_800_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}


class MarketEndpoints:
    """GET /v5/market/..."""

    def __init__(self, driver: MarketDriver) -> None:
        self._driver = driver
        self._venue = driver.exchange.venue
        self._days: dict[str, tuple[int, tuple[Decimal, Decimal, Decimal, Decimal, Decimal]]] = {}

    def time(self, _: Params) -> Result:
        """Wall time."""
        now_ms = self._venue.clock()
        return {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}

    def instruments(self, params: Params) -> Result:
        """The filters of one or of all instruments."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        base = ask.word(params, "baseCoin", default="")
        status = ask.word(params, "status", default="Trading")
        if symbol:
            self._venue.market(symbol)
        found = [
            (-number, market.instrument)
            for number, market in enumerate(self._venue.markets.values())
            if symbol in {"", market.instrument.symbol} and base in {"", market.instrument.base_coin}
        ]
        if status != "Trading":
            found = []
        most = ask.limit(params, default=500, most=1000)
        shown, cursor = page(found, lambda item: item[0], ask.word(params, "cursor", default=""), most)
        return listed([instrument_row(each) for _, each in shown], cursor)

    def tickers(self, params: Params) -> Result:
        """The last prices of one or of all symbols."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        markets = [self._venue.market(symbol)] if symbol else list(self._venue.markets.values())
        return {"category": "linear", "list": [self.ticker(market) for market in markets]}

    def ticker(self, market: Market) -> Result:
        """One symbol's ticker row."""
        symbol = market.instrument.symbol
        before, high, low, volume, turnover = self._day(symbol)
        last = market.last
        now_ms = self._venue.clock()
        hour = self._driver.candles[symbol].bars("60", 0, self._driver.market_ms, 1)
        change = (last - before) / before if before else Decimal(0)
        bid, ask_level = self._best(market, BUY, now_ms), self._best(market, SELL, now_ms)
        interest = market.instrument.opening_price and Decimal(_OPEN_INTEREST_SHARE) / market.instrument.opening_price
        interest -= interest % market.instrument.quantity_step
        return {
            "symbol": symbol,
            "lastPrice": text(last),
            "indexPrice": text(market.mark),
            "markPrice": text(market.mark),
            "prevPrice24h": text(before or last),
            "price24hPcnt": text(change.quantize(Decimal("0.000001"))),
            "highPrice24h": text(max(high, last)),
            "lowPrice24h": text(min(low or last, last)),
            "prevPrice1h": text(hour[0].open if hour else last),
            "openInterest": text(interest),
            "openInterestValue": text((interest * market.mark).quantize(Decimal("0.01"))),
            "singleOpenInterest": text(interest / 2),
            "singleOpenInterestValue": text((interest * market.mark / 2).quantize(Decimal("0.01"))),
            "turnover24h": text(turnover.quantize(Decimal("0.0001"))),
            "volume24h": text(volume),
            "fundingRate": text(market.instrument.funding_rate),
            "nextFundingTime": str(market.next_funding_ms),
            "fundingIntervalHour": str(market.instrument.funding_interval_minutes // 60),
            "fundingCap": "0.005",
            "bid1Price": bid[0],
            "bid1Size": bid[1],
            "ask1Price": ask_level[0],
            "ask1Size": ask_level[1],
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "basis": "",
            "deliveryFeeRate": "",
            "deliveryTime": "0",
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def _best(self, market: Market, side: str, now_ms: int) -> tuple[str, str]:
        for _, price, size in market.depth.levels(side, market.last, now_ms):
            return text(price), text(size)
        return "", ""

    def _day(self, symbol: str) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        second = self._venue.clock() // 1000
        cached = self._days.get(symbol)
        if cached is None or cached[0] != second:
            cached = self._days[symbol] = (second, self._driver.candles[symbol].day(self._driver.market_ms))
        return cached[1]

    def kline(self, params: Params) -> Result:
        """Candles, newest first; the first may still be open."""
        return self._klines(params, columns=7)

    def mark_kline(self, params: Params) -> Result:
        """Candles of the mark price, which moves with the last price here."""
        return self._klines(params, columns=5)

    def _klines(self, params: Params, *, columns: int) -> Result:
        ask.category(params, default="linear")
        symbol = ask.word(params, "symbol")
        self._venue.market(symbol)
        interval = ask.word(params, "interval")
        if interval not in INTERVALS:
            raise bad_parameter(f"Invalid period! {interval} is none of {' '.join(INTERVALS)}")
        now_ms = self._driver.market_ms
        start = ask.whole(params, "start", default=0, low=0, high=10**15)
        end = min(now_ms, ask.whole(params, "end", default=now_ms, low=0, high=10**15))
        most = ask.limit(params, default=200, most=1000)
        if start and not params.get("end"):
            # From a start alone Bybit serves the candles that follow it.
            end = min(end, start + (INTERVALS[interval] or 31 * 86_400_000) * (most - 1))
        bars = self._driver.candles[symbol].bars(interval, start, end, most)
        rows = [bar.to_plain()[:columns] for bar in bars]
        return {"category": "linear", "symbol": symbol, "list": rows}

    def orderbook(self, params: Params) -> Result:
        """The synthetic depth."""
        ask.category(params)
        symbol = ask.word(params, "symbol")
        return self.book(self._venue.market(symbol), ask.whole(params, "limit", default=25, low=1, high=1000))

    def book(self, market: Market, levels: int) -> Result:
        """Bids descending and asks ascending, up to ``levels`` of each (there are at most 50)."""
        now_ms = self._venue.clock()
        count = min(levels, LEVELS)
        sides = {
            name: [[text(p), text(q)] for _, p, q in market.depth.levels(side, market.last, now_ms)][:count]
            for name, side in (("b", BUY), ("a", SELL))
        }
        symbol = market.instrument.symbol
        return {"s": symbol, **sides, "ts": now_ms, "u": market.seq + 1, "seq": market.seq, "cts": now_ms}

    def recent_trades(self, params: Params) -> Result:
        """The newest public trades, newest first."""
        ask.category(params)
        symbol = ask.word(params, "symbol")
        self._venue.market(symbol)
        most = ask.limit(params, default=500, most=1000)
        trades = [each for each in reversed(self._venue.trades) if each.symbol == symbol][:most]
        rows = [
            {
                "execId": each.trade_id,
                "symbol": symbol,
                "price": text(each.price),
                "size": text(each.qty),
                "side": each.side,
                "time": str(each.time_ms),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(each.seq),
            }
            for each in trades
        ]
        return {"category": "linear", "list": rows}

    def price_limit(self, params: Params) -> Result:
        """The band a limit order must keep to."""
        symbol = ask.word(params, "symbol")
        highest, lowest = price_limits(self._venue.market(symbol))
        return {"symbol": symbol, "buyLmt": text(highest), "sellLmt": text(lowest), "ts": str(self._venue.clock())}

    def risk_limit(self, params: Params) -> Result:
        """One risk tier per symbol."""
        ask.category(params)
        symbol = ask.word(params, "symbol", default="")
        if symbol:
            self._venue.market(symbol)
        markets = enumerate(self._venue.markets.values())
        found = [(-number, each) for number, each in markets if symbol in {"", each.instrument.symbol}]
        shown, cursor = page(found, lambda item: item[0], ask.word(params, "cursor", default=""), 15)
        return listed([_risk_row(each) for _, each in shown], cursor)

    def funding_history(self, params: Params) -> Result:
        """Past fundings, newest first: the rate is constant here."""
        ask.category(params)
        symbol = ask.word(params, "symbol")
        market = self._venue.market(symbol)
        if params.get("startTime") and not params.get("endTime"):
            raise bad_parameter("params error: startTime needs endTime")
        start = ask.whole(params, "startTime", default=0, low=0, high=10**15)
        end = ask.whole(params, "endTime", default=10**15, low=0, high=10**15)
        most = ask.limit(params, default=200, most=200)
        interval = market.instrument.funding_interval_minutes * 60_000
        paid = (market.next_funding_ms - interval * number for number in range(1, most + 1))
        rate = text(market.instrument.funding_rate)
        rows = [
            {"symbol": symbol, "fundingRate": rate, "fundingRateTimestamp": str(at)}
            for at in paid
            if start <= at <= end
        ]
        return {"category": "linear", "list": rows}

    def open_interest(self, params: Params) -> Result:
        """Open interest over time: steady here."""
        symbol, times = self._series(params, "intervalTime", 50, 200)
        interest = self.ticker(self._venue.market(symbol))
        rows = [
            {
                "openInterest": interest["openInterest"],
                "singleOpenInterest": interest["singleOpenInterest"],
                "timestamp": str(at),
            }
            for at in times
        ]
        return {**listed(rows, ""), "symbol": symbol}

    def account_ratio(self, params: Params) -> Result:
        """Long and short accounts over time: even here."""
        symbol, times = self._series(params, "period", 50, 500)
        rows = [{"symbol": symbol, "buyRatio": "0.5", "sellRatio": "0.5", "timestamp": str(at)} for at in times]
        return listed(rows, "")

    def _series(self, params: Params, name: str, default: int, most: int) -> tuple[str, list[int]]:
        ask.category(params)
        symbol = ask.word(params, "symbol")
        self._venue.market(symbol)
        span = _SPANS_MS[ask.word(params, name, among=tuple(_SPANS_MS))]
        count = ask.limit(params, default=default, most=most)
        start = ask.whole(params, "startTime", default=0, low=0, high=10**15)
        end = min(self._driver.market_ms, ask.whole(params, "endTime", default=10**15, low=0, high=10**15))
        newest = end // span * span
        return symbol, [at for number in range(count) if (at := newest - number * span) >= start]


def instrument_row(each: Instrument) -> Result:
    """A row of instruments-info."""
    rate_cap = "0.005"
    return {
        "symbol": each.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": each.base_coin,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "symbolType": "",
        "launchTime": str(each.launch_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(each.price_scale),
        "leverageFilter": {
            "minLeverage": text(each.min_leverage),
            "maxLeverage": format(each.max_leverage.quantize(Decimal("0.01")), "f"),
            "leverageStep": text(each.leverage_step),
        },
        "priceFilter": {
            "minPrice": format(each.min_price, "f"),
            "maxPrice": format(each.max_price, "f"),
            "tickSize": format(each.tick_size, "f"),
        },
        "lotSizeFilter": {
            "maxOrderQty": format(each.max_limit_quantity, "f"),
            "minOrderQty": format(each.min_quantity, "f"),
            "qtyStep": format(each.quantity_step, "f"),
            "postOnlyMaxOrderQty": format(each.max_limit_quantity, "f"),
            "maxMktOrderQty": format(each.max_market_quantity, "f"),
            "minNotionalValue": text(each.min_notional_usdt),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": each.funding_interval_minutes,
        "copyTrading": "none",
        "upperFundingRate": rate_cap,
        "lowerFundingRate": f"-{rate_cap}",
        "displayName": "",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {
            "priceLimitRatioX": text(each.price_limit_ratio_x),
            "priceLimitRatioY": text(each.price_limit_ratio_y),
        },
    }


def _risk_row(market: Market) -> Result:
    each = market.instrument
    return {
        "id": 1,
        "symbol": each.symbol,
        "riskLimitValue": text(each.max_market_quantity * each.opening_price // 1),
        "maintenanceMargin": text(each.maintenance_rate),
        "initialMargin": text((1 / each.max_leverage).quantize(Decimal("0.0001"))),
        "isLowestRisk": 1,
        "maxLeverage": format(each.max_leverage.quantize(Decimal("0.01")), "f"),
        "mmDeduction": "",
    }


def streamed_bars(driver: MarketDriver, symbol: str, interval: str, since_ms: int) -> list[Result]:
    """The candles of a kline topic from the one that begins at ``since_ms`` on, oldest first."""
    now_ms = driver.market_ms
    current = bar_start(interval, now_ms)
    bars = driver.candles[symbol].bars(interval, max(since_ms, current - MOST_STREAMED_MS), now_ms, 1000)
    return [
        {
            "start": bar.start_ms,
            "end": bar_end(interval, bar.start_ms) - 1,
            "interval": interval,
            "open": text(bar.open),
            "close": text(bar.close),
            "high": text(bar.high),
            "low": text(bar.low),
            "volume": text(bar.volume),
            "turnover": text(bar.turnover.quantize(Decimal("0.0001"))),
            "confirm": bar.start_ms < current,
            "timestamp": now_ms,
        }
        for bar in reversed(bars)
    ]
