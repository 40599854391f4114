"""The floor of the reaction: what the promise costs with nothing around it.

One pybit socket; its callback commits one row (SQLite, WAL, synchronous=FULL) and amends the stop through pybit at
once, on the socket's own thread. No actors, no rules, no log, no retry: the two things that have to happen, and the two
libraries the daemon stands on.

    python tests/bench/_bare_reactor.py REST_URL WS_URL KEY SECRET SYMBOL FOLDER

It opens a long position at market, a stop under it and a reduce-only limit above it, prints the limit's price, and then
reacts to every execution of the limit until it is killed.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

from pybit.unified_trading import HTTP, WebSocket

QUANTITY = Decimal(100)
PIECES = 1000


class LocalSocket(WebSocket):  # type: ignore[misc]  # pybit carries no types
    """pybit's socket, dialled at loopback."""

    base = ""

    def _connect(self, url: str) -> None:
        super()._connect(self.base + "/v5/private" if url.endswith("/private") else url)


class BareReactor:
    """Reacts to executions of one order."""

    def __init__(self, http: HTTP, rows: sqlite3.Connection, symbol: str) -> None:
        self._http = http
        self._rows = rows
        self._symbol = symbol
        self._left = QUANTITY

    def open(self) -> Decimal:
        """Stand in the market; give the price at which the limit fills."""
        order = {"category": "linear", "symbol": self._symbol, "qty": str(QUANTITY), "positionIdx": 0}
        last = Decimal(self._http.get_tickers(category="linear", symbol=self._symbol)["result"]["list"][0]["lastPrice"])
        self._http.place_order(**order, side="Buy", orderType="Market", orderLinkId="bare-entry")
        self._http.place_order(
            **order,
            side="Sell",
            orderType="Market",
            orderLinkId="bare-S-0",
            triggerPrice=str(round(last * Decimal("0.9"), 1)),
            triggerDirection=2,
            reduceOnly=True,
            closeOnTrigger=True,
        )
        above = round(last * Decimal("1.01"), 1)
        self._http.place_order(
            **order, side="Sell", orderType="Limit", price=str(above), orderLinkId="bare-T1-0", reduceOnly=True
        )
        return above

    def on_message(self, message: dict[str, Any]) -> None:
        """Commit what was heard, then shrink the stop to what is left."""
        for row in message["data"]:
            if row["orderLinkId"] != "bare-T1-0":
                continue
            self._left -= Decimal(row["execQty"])
            self._rows.execute("INSERT INTO journal (body) VALUES (?)", (json.dumps(row),))
            self._rows.execute("COMMIT")
            self._http.amend_order(category="linear", symbol=self._symbol, orderLinkId="bare-S-0", qty=str(self._left))
            self._rows.execute("BEGIN IMMEDIATE")


def main() -> None:
    rest_url, ws_url, key, secret, symbol, folder = sys.argv[1:]
    rows = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None, check_same_thread=False)
    rows.execute("PRAGMA journal_mode = WAL")
    rows.execute("PRAGMA synchronous = FULL")
    rows.execute("CREATE TABLE journal (id INTEGER PRIMARY KEY, body TEXT)")
    rows.execute("BEGIN IMMEDIATE")
    http = HTTP(api_key=key, api_secret=secret)
    http.endpoint = rest_url
    reactor = BareReactor(http, rows, symbol)
    LocalSocket.base = ws_url
    socket = LocalSocket("private", testnet=False, api_key=key, api_secret=secret, private_auth_expire=10)
    socket.execution_stream(callback=reactor.on_message)
    print(reactor.open(), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
