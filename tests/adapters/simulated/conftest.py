"""The local exchange under a hand-turned clock, and served on loopback."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import websocket

from adapters.simulated.config import ExchangeConfig
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.records import Account, Position
from adapters.simulated.server import ExchangeServer
from adapters.simulated.v5_routes import call
from adapters.simulated.v5_signing import sign

SECRET = "paper-main-secret"
START_MS = 1_700_000_000_000


class Desk:
    """A person at the exchange's own counter: v5 requests without a wire, prices and time by hand."""

    def __init__(self, **config: Any) -> None:
        self.now_ms = START_MS
        frozen = {} if {"speed", "replay_file", "script"} & set(config) else {"script": {}}
        settings = {"speed": Decimal(0), "salt": "test", "seed": 1, **frozen, **config}
        self.bybit = LocalBybit(ExchangeConfig(**settings), lambda: self.now_ms)
        self.symbol = "BTCUSDT"
        self.name = "main"

    # -- asking ---------------------------------------------------------------------------------------------------

    def ask(self, path: str, **params: Any) -> dict[str, Any]:
        """The envelope for one request."""
        name = "" if path.startswith("market") else self.name
        return call(self.bybit, name, f"/v5/{path}", {"category": "linear", **params})

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        envelope = self.ask(path, **params)
        assert envelope["retCode"] == 0, envelope
        return list(envelope["result"]["list"])

    def order(self, side: str, qty: str, **params: Any) -> dict[str, Any]:
        """Place an order: a limit when it has a price; answers the envelope."""
        kind = "Limit" if "price" in params else "Market"
        stated = {"symbol": self.symbol, "side": side, "qty": qty, "orderType": kind, **params}
        return self.ask("order/create", **stated)

    def place(self, side: str, qty: str, **params: Any) -> str:
        """Place an order that must be accepted; answers its id."""
        envelope = self.order(side, qty, **params)
        assert envelope["retCode"] == 0, envelope
        return str(envelope["result"]["orderId"])

    def stop(self, side: str, qty: str, trigger: str, direction: int, **params: Any) -> str:
        """Place a reduce-only, close-on-trigger conditional market order."""
        stated = {"triggerPrice": trigger, "triggerDirection": direction, "reduceOnly": True, "closeOnTrigger": True}
        return self.place(side, qty, **{**stated, **params})

    def status(self, order_id: str) -> dict[str, Any]:
        """The order's row."""
        return self.rows("order/realtime", orderId=order_id)[0]

    # -- moving and looking ---------------------------------------------------------------------------------------

    def move(self, price: str, *, mark: str | None = None) -> None:
        """Walk last and mark price there."""
        self.bybit.driver.move({self.symbol: (Decimal(price), None if mark is None else Decimal(mark))})

    @property
    def account(self) -> Account:
        return self.bybit.exchange.venue.accounts[self.name]

    def position(self, index: int = 0) -> Position:
        return self.account.position(self.symbol, index)

    def position_row(self, index: int = 0) -> dict[str, Any]:
        return next(row for row in self.rows("position/list", symbol=self.symbol) if row["positionIdx"] == index)

    def audit(self) -> dict[str, Any]:
        state = self.bybit.control_state()["accounts"][self.name]
        return dict(state["audit"])

    def deep_pockets(self, usdt: int = 100_000_000) -> None:
        """Give the account money enough for any order."""
        self.account.wallet = self.account.start_balance = Decimal(usdt)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    return Desk


class PlainSocket:
    """A WebSocket without a library's own protocol or reconnecting."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, timeout=5)

    def send(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def read(self) -> dict[str, Any]:
        """The next message; an ended connection raises."""
        text = self._socket.recv()
        if not text:
            raise ConnectionError("the socket was closed")
        return dict(json.loads(text))

    def auth(self, key: str = "paper-main-key", secret: str = SECRET, ahead_ms: int = 5000) -> dict[str, Any]:
        """Sign in; answers the acknowledgement."""
        expires = time.time_ns() // 1_000_000 + ahead_ms
        self.send(op="auth", args=[key, expires, sign(secret, f"GET/realtime{expires}")])
        return self.read()

    def subscribe(self, *topics: str) -> dict[str, Any]:
        """Subscribe; answers the acknowledgement."""
        self.send(op="subscribe", req_id="s1", args=list(topics))
        return self.read()

    def sign_in(self, *topics: str) -> None:
        assert self.auth()["success"] is True
        assert self.subscribe(*topics)["success"] is True

    def order(self) -> str:
        """The client id in the next order message."""
        return str(self.read()["data"][0]["orderLinkId"])

    def ping_frame(self) -> int:
        """Send a ping frame; answers the opcode that comes back."""
        self._socket.ping("here")
        return int(self._socket.recv_data(control_frame=True)[0])

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def plain_socket() -> Iterator[Callable[[str], PlainSocket]]:
    sockets: list[PlainSocket] = []

    def connect(url: str) -> PlainSocket:
        sockets.append(PlainSocket(url))
        return sockets[-1]

    yield connect
    for each in sockets:
        each.close()


@pytest.fixture
def serve_exchange() -> Iterator[Callable[..., ExchangeServer]]:
    """Starts exchanges on loopback; all stop with the test."""
    servers: list[ExchangeServer] = []

    def start(**config: Any) -> ExchangeServer:
        base = ExchangeConfig(speed=Decimal(0), control=True)
        server = ExchangeServer(replace(base, **config))
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
