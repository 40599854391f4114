"""State: an exchange that is killed comes back as it was; a state that does not fit is named."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from pybit.unified_trading import HTTP

from adapters.simulated.config import ExchangeConfig, parse_account
from adapters.simulated.exchange import DEFAULT_ACCOUNTS
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.server import ExchangeServer
from tests.adapters.simulated.conftest import Desk

D = Decimal
PROCESS = """
import asyncio, sys
from decimal import Decimal
from pathlib import Path
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.server import serve
config = ExchangeConfig(speed=Decimal(sys.argv[2]), state_file=Path(sys.argv[1]), control=True)
asyncio.run(serve(config, ready=lambda port: print(port, flush=True), until=asyncio.Event()))
"""


class Process:
    """A local exchange as a process of its own."""

    def __init__(self, state: Path, speed: str = "0") -> None:
        root = Path(__file__).parents[3]
        command = [sys.executable, "-c", PROCESS, str(state), speed]
        self.process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def client(self) -> HTTP:
        http = HTTP(api_key="paper-main-key", api_secret="paper-main-secret", retry_codes={-1}, timeout=10)
        http.endpoint = self.url
        return http

    def state(self) -> dict[str, Any]:
        return requests.get(f"{self.url}/control/state", timeout=5).json()["accounts"]

    def move(self, **prices: Any) -> None:
        assert requests.post(f"{self.url}/control/prices", json=prices, timeout=5).status_code == 200

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    processes = []

    def make(speed: str = "0") -> Process:
        processes.append(Process(tmp_path / "exchange.json", speed))
        return processes[-1]

    yield make
    for each in processes:
        if each.process.poll() is None:
            each.kill()


def without_time(state: dict[str, Any]) -> dict[str, Any]:
    for account in state.values():
        for name in ("unprotected_ms_max", "own_stop_late_ms_max"):
            account["audit"].pop(name)
    return state


def test_a_killed_exchange_comes_back_with_everything_it_answered_for(start: Callable[..., Process]) -> None:
    first = start()
    http = first.client()
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
    http.place_order(**order, qty="0.1", price="64000", orderLinkId="filled", stopLoss="60000")
    http.place_order(**order, qty="0.1", price="50000", orderLinkId="resting")
    first.move(BTCUSDT="64000", ETHUSDT="3333")
    out = {"category": "linear", "symbol": "BTCUSDT", "side": "Sell", "reduceOnly": True}
    http.place_order(**out, orderType="Market", qty="0.04", orderLinkId="part")
    stop = {"triggerPrice": "62000", "triggerDirection": 2, "orderLinkId": "stop"}
    http.place_order(**out, orderType="Market", qty="0.06", **stop)
    http.set_leverage(category="linear", symbol="SOLUSDT", buyLeverage="7", sellLeverage="7")
    http.client.close()
    before = without_time(first.state())
    first.kill()

    second = start()
    assert without_time(second.state()) == before
    http = second.client()
    assert http.get_tickers(category="linear", symbol="ETHUSDT")["result"]["list"][0]["lastPrice"] == "3333"
    leverage = http.get_positions(category="linear", symbol="SOLUSDT")["result"]["list"][0]["leverage"]
    assert leverage == "7"
    with pytest.raises(Exception, match="110072"):
        http.place_order(**order, qty="0.1", price="50000", orderLinkId="filled")
    old = {row["execId"] for row in before["main"]["executions"]}
    second.move(BTCUSDT="61000")
    http.client.close()
    after = second.state()["main"]
    assert after["positions"] == []
    assert len({row["execId"] for row in after["executions"]}) == len(old) + 1
    stopped = {row["orderLinkId"]: row["orderStatus"] for row in after["orders"] if row["orderLinkId"]}
    assert stopped == {"filled": "Filled", "resting": "New", "part": "Filled", "stop": "Filled"}


def test_eight_kills_lose_no_answered_order_and_repeat_none(start: Callable[..., Process]) -> None:
    acknowledged = []
    for number in range(8):
        process = start(speed="50")
        http = process.client()
        for each in range(2):
            link = f"k{number}-{each}"
            order = {"category": "linear", "symbol": "XRPUSDT", "side": "Buy", "orderType": "Limit"}
            http.place_order(**order, qty="10", price="0.9", orderLinkId=link)
            acknowledged.append(link)
        http.client.close()
        process.kill()
    last = start()
    orders = [row["orderLinkId"] for row in last.state()["main"]["orders"]]
    assert orders == acknowledged


def exchange(path: Path, clock: Callable[[], int], **config: Any) -> LocalBybit:
    return LocalBybit(ExchangeConfig(state_file=path, **config), clock)


def test_market_time_and_the_generated_path_go_on_where_they_stopped(tmp_path: Path) -> None:
    now = [1_700_000_000_000]
    first = exchange(tmp_path / "s.json", lambda: now[0], speed=D(60))
    now[0] += 30_000
    while not first.advance():
        pass
    first.keep_prices()
    stopped = (first.driver.market_ms, first.exchange.venue.markets["BTCUSDT"].last)
    candles = first.market.kline({"symbol": "BTCUSDT", "interval": "1", "limit": "60"})["list"]
    now[0] += 3_600_000  # not running for an hour, and without a last snapshot

    second = exchange(tmp_path / "s.json", lambda: now[0], speed=D(60))

    assert (second.driver.market_ms, second.exchange.venue.markets["BTCUSDT"].last) == stopped
    again = second.market.kline({"symbol": "BTCUSDT", "interval": "1", "limit": "60"})["list"]
    assert again == candles
    now[0] += 1000
    second.advance()
    assert second.driver.market_ms == stopped[0] + 60_000
    first.close()
    second.close()


def test_books_with_keys_in_them_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    opened = exchange(path, lambda: 0, salt="s")
    opened.close()
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()} == {
        each.name: "0o600" for each in tmp_path.iterdir()
    }
    assert path.exists()


def test_a_torn_last_line_is_left_out(tmp_path: Path, make_desk: Callable[..., Desk]) -> None:
    path = tmp_path / "s.json"
    desk = make_desk(state_file=path)
    desk.place("Buy", "0.1", price="60000", orderLinkId="whole")
    desk.place("Buy", "0.1", price="60000", orderLinkId="torn")
    log = tmp_path / "s.json.log"
    raw = log.read_bytes()
    log.write_bytes(raw[:-30])

    again = make_desk(state_file=path)

    assert list(again.account.by_link_id) == ["whole"]


def test_a_snapshot_newer_than_its_log_is_not_applied_twice(tmp_path: Path, make_desk: Callable[..., Desk]) -> None:
    """Killed between the snapshot's renaming and the log's emptying."""
    path = tmp_path / "s.json"
    desk = make_desk(state_file=path)
    desk.place("Buy", "0.1")
    log = (tmp_path / "s.json.log").read_bytes()
    desk.bybit.close()
    (tmp_path / "s.json.log").write_bytes(log)

    again = make_desk(state_file=path)

    assert len(again.account.executions) == 1


def test_the_log_is_folded_into_the_snapshot_when_it_grows(
    tmp_path: Path, make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.simulated.state_file.COMPACT_BYTES", 20_000)
    desk = make_desk(state_file=tmp_path / "s.json")
    for number in range(30):
        desk.place("Buy", "0.001", price=str(60000 - number))
        desk.bybit.keep_prices()
    assert (tmp_path / "s.json.log").stat().st_size < 25_000
    assert len(json.loads((tmp_path / "s.json").read_text())["orders"]) > 10
    assert len(make_desk(state_file=tmp_path / "s.json").account.orders) == 30


def test_orders_that_ended_without_a_fill_are_forgotten_after_a_day_but_their_ids_stay_used(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    desk = make_desk(state_file=tmp_path / "s.json")
    order = desk.place("Buy", "0.1", price="60000", orderLinkId="old")
    desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)
    desk.place("Buy", "0.1", orderLinkId="kept")
    desk.now_ms += 86_400_001
    assert [row["orderLinkId"] for row in desk.rows("order/history")] == ["kept"]
    desk.bybit.close()

    again = make_desk(state_file=tmp_path / "s.json")
    assert list(again.account.by_link_id) == ["kept"]
    assert again.order("Buy", "0.1", orderLinkId="old")["retCode"] == 110072


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be continued"),
        ('{"format": 99}', "format 99"),
        ("[]", "cannot be continued"),
        ('{"format": 1, "accounts": {"stranger": {}}, "positions": [], "orders": []}', "account stranger"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_left_as_it_was(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=says):
        exchange(path, lambda: 0)
    assert path.read_text() == content


def test_two_restarted_exchanges_keep_their_own_ids(make_desk: Callable[..., Desk], tmp_path: Path) -> None:
    salts = {make_desk(state_file=tmp_path / name, salt="").bybit.exchange.venue.salt for name in ("a", "b", "a")}
    assert len(salts) == 2


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("main:key:10000", "there are 3"),
        ("main:::5", "must not be empty"),
        ("main:key:top-secret:much", "'much' is not a number"),
        ("main:key:top-secret:-1", "must be 0 or more"),
        ("main:key:top-secret:NaN", "must be 0 or more"),
    ],
)
def test_an_account_stated_wrongly_is_explained_without_its_secret(stated: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_account(stated)
    assert "top-secret" not in str(caught.value)


def test_an_account_is_read_as_stated() -> None:
    spec = parse_account("paper:k:s:2500.50")
    assert (spec.name, spec.key, spec.secret, spec.balance_usdt) == ("paper", "k", "s", D("2500.50"))
    assert "secret='s'" not in repr(spec)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"accounts": ()}, "at least one account"),
        ({"accounts": (DEFAULT_ACCOUNTS[0], DEFAULT_ACCOUNTS[0])}, "share a name"),
        ({"speed": D(-1)}, "--speed -1"),
        ({"replay_file": Path("x.csv")}, "--replay needs --symbol"),
        ({"replay_symbol": "XRPUSDT"}, "belongs to --replay"),
        ({"replay_file": Path("x.csv"), "replay_symbol": "NOPE"}, "no such instrument"),
        ({"instruments": -3}, "--instruments -3"),
    ],
)
def test_a_configuration_that_cannot_be_served_is_explained_to_the_thread_that_starts_it(
    config: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        ExchangeServer(ExchangeConfig(**config)).start()


def test_a_taken_port_is_an_error_for_the_starter(serve_exchange: Callable[..., ExchangeServer]) -> None:
    taken = serve_exchange().port
    with pytest.raises(OSError, match="address"):
        ExchangeServer(ExchangeConfig(port=taken)).start()


def test_a_stopped_exchange_says_so(serve_exchange: Callable[..., ExchangeServer]) -> None:
    server = serve_exchange()
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        server.state()
