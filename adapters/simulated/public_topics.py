"""Public topics: what tickers, kline, publicTrade and orderbook say, and what changed since they last said it.

Enters: topic names, the market's present. Stays out: sockets; who listens.
A topic opens with a snapshot where Bybit sends one; then come deltas (tickers, orderbook), candles (kline), trades.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from adapters.simulated.candles import INTERVALS
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.v5_market import streamed_bars
from adapters.simulated.v5_rows import text

Message = dict[str, Any]
_BOOKS = ("1", "50", "200", "1000")
_MOST_TRADES = 1024


class PublicTopics:
    """The public side of the stream."""

    def __init__(self, bybit: LocalBybit) -> None:
        self._bybit = bybit
        self._venue = bybit.exchange.venue
        self._tickers: dict[str, Message] = {}  # topic -> the row as last sent
        self._books: dict[str, dict[str, dict[str, str]]] = {}  # topic -> side -> price -> size
        self._bars: dict[str, tuple[int, Message]] = {}  # topic -> newest candle as last sent
        self._trades = 0  # venue trade number up to which the tape was sent

    def is_topic(self, topic: str) -> bool:
        """Whether there is such a topic."""
        head, _, symbol = topic.rpartition(".")
        if symbol not in self._venue.markets:
            return False
        name, _, depth = head.partition(".")
        return head in {"tickers", "publicTrade"} or (
            (name == "kline" and depth in INTERVALS) or (name == "orderbook" and depth in _BOOKS)
        )

    def opening(self, topic: str) -> list[Message]:
        """What a new listener gets at once."""
        name, symbol = topic.partition(".")[0], topic.rpartition(".")[2]
        now_ms = self._venue.clock()
        if name == "tickers":
            row = self._bybit.market.ticker(self._venue.markets[symbol])
            self._tickers.setdefault(topic, row)
            return [self._ticker(topic, symbol, "snapshot", row, now_ms)]
        if name == "orderbook":
            book = self._book(topic, symbol)
            self._books.setdefault(topic, book)
            return [self._book_message(topic, "snapshot", symbol, book, now_ms)]
        return []

    def news(self, topics: Iterable[str]) -> Iterator[tuple[str, list[Message]]]:
        """(topic, messages) for those of ``topics`` that have something to say."""
        listened = list(topics)
        for known in (self._tickers, self._books, self._bars):
            for gone in set(known) - set(listened):
                known.pop(gone, None)
        tape = self._tape()
        now_ms = self._venue.clock()
        for topic in listened:
            name, symbol = topic.partition(".")[0], topic.rpartition(".")[2]
            if name == "tickers":
                messages = self._ticker_news(topic, symbol, now_ms)
            elif name == "orderbook":
                messages = self._book_news(topic, symbol, now_ms)
            elif name == "kline":
                messages = self._bar_news(topic, symbol, now_ms)
            else:
                rows = tape.get(symbol, [])[-_MOST_TRADES:]
                messages = [{"topic": topic, "type": "snapshot", "ts": now_ms, "data": rows}] if rows else []
            if messages:
                yield topic, messages

    # -- tickers --------------------------------------------------------------------------------------------------

    def _ticker_news(self, topic: str, symbol: str, now_ms: int) -> list[Message]:
        row = self._bybit.market.ticker(self._venue.markets[symbol])
        before = self._tickers.get(topic)
        self._tickers[topic] = row
        if before is None:
            return [self._ticker(topic, symbol, "snapshot", row, now_ms)]
        changed = {name: value for name, value in row.items() if before.get(name) != value}
        if not changed:
            return []
        return [self._ticker(topic, symbol, "delta", {"symbol": symbol, **changed}, now_ms)]

    def _ticker(self, topic: str, symbol: str, kind: str, row: Message, now_ms: int) -> Message:
        return {"topic": topic, "type": kind, "data": row, "cs": self._venue.markets[symbol].seq, "ts": now_ms}

    # -- orderbook ------------------------------------------------------------------------------------------------

    def _book(self, topic: str, symbol: str) -> dict[str, dict[str, str]]:
        levels = int(topic.split(".")[1])
        book = self._bybit.market.book(self._venue.markets[symbol], levels)
        return {side: dict(book[side]) for side in ("b", "a")}

    def _book_news(self, topic: str, symbol: str, now_ms: int) -> list[Message]:
        book = self._book(topic, symbol)
        before = self._books.get(topic)
        self._books[topic] = book
        if before == book:
            return []
        if before is None or topic.startswith("orderbook.1."):
            return [self._book_message(topic, "snapshot", symbol, book, now_ms)]
        changes = {
            side: {
                **{price: "0" for price in before[side] if price not in book[side]},
                **{price: size for price, size in book[side].items() if before[side].get(price) != size},
            }
            for side in ("b", "a")
        }
        return [self._book_message(topic, "delta", symbol, changes, now_ms)]

    def _book_message(
        self, topic: str, kind: str, symbol: str, book: dict[str, dict[str, str]], now_ms: int
    ) -> Message:
        seq = self._venue.markets[symbol].seq
        sides = {side: [[price, size] for price, size in levels.items()] for side, levels in book.items()}
        data = {"s": symbol, **sides, "u": seq + 1, "seq": seq}
        return {"topic": topic, "type": kind, "ts": now_ms, "data": data, "cts": now_ms}

    # -- kline and trades -----------------------------------------------------------------------------------------

    def _bar_news(self, topic: str, symbol: str, now_ms: int) -> list[Message]:
        interval = topic.split(".")[1]
        since, last = self._bars.get(topic, (-1, {}))
        rows = streamed_bars(self._bybit.driver, symbol, interval, since)
        if since < 0:
            rows = rows[-1:]
        if not rows:
            return []
        newest = {name: value for name, value in rows[-1].items() if name != "timestamp"}
        if newest == last:
            return []
        self._bars[topic] = (rows[-1]["start"], newest)
        return [{"topic": topic, "type": "snapshot", "ts": now_ms, "data": [row]} for row in rows]

    def _tape(self) -> dict[str, list[Message]]:
        """The trades since the last call, by symbol, oldest first."""
        fresh = []
        for trade in reversed(self._venue.trades):
            if trade.number <= self._trades:
                break
            fresh.append(trade)
        if fresh:
            self._trades = fresh[0].number
        tape: dict[str, list[Message]] = {}
        for trade in reversed(fresh):
            tape.setdefault(trade.symbol, []).append(
                {
                    "T": trade.time_ms,
                    "s": trade.symbol,
                    "S": trade.side,
                    "v": text(trade.qty),
                    "p": text(trade.price),
                    "L": trade.tick_direction,
                    "i": trade.trade_id,
                    "BT": False,
                    "RPI": False,
                    "seq": trade.seq,
                }
            )
        return tape
