"""Price board: the tickers of one connection, put together from a snapshot and the changes after it.

Enters: raw messages of tickers topics. Stays out: sockets, decisions. Pure but for what it remembers.
Source: Bybit v5 documentation, page websocket/public/ticker: a field that a delta leaves out is unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages.market import PriceReported
from adapters.bybit.fields import Unreadable, inner, instant, price, text

_TOPIC = "tickers."


@dataclass(slots=True)
class PriceBoard:
    """Last and mark price by symbol."""

    _prices: dict[str, tuple[Decimal | None, Decimal | None]] = field(default_factory=dict)

    def take(self, message: Mapping[str, Any], received_at: datetime) -> PriceReported | None:
        """Give both prices as they stand after a message; None for other topics and for changes to nothing known.

        Args:
            message: as it came.
            received_at: stands in where the message carries no instant of its own.

        Raises Unreadable: the message has no data, or neither price is known after it.

        """
        topic = text(message, "topic")
        if not topic.startswith(_TOPIC):
            return None
        symbol = topic.removeprefix(_TOPIC)
        data = inner(message, "data")
        if not data:
            raise Unreadable("a ticker message", "data", message)
        is_whole = text(message, "type") != "delta"
        if not is_whole and symbol not in self._prices:
            return None  # a change to something never seen whole on this connection
        last, mark = (None, None) if is_whole else self._prices[symbol]
        last, mark = price(data, "lastPrice") or last, price(data, "markPrice") or mark
        if last is None and mark is None:
            raise Unreadable("a ticker message", "lastPrice", data)
        self._prices[symbol] = (last, mark)
        reported_at = instant(message, "ts") or received_at
        return PriceReported(symbol=symbol, last_price=last, mark_price=mark, reported_at=reported_at)
