"""Scripted faults and the control endpoints, over the wire."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import websocket
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP

from adapters.simulated.misbehaviour import Fault
from adapters.simulated.server import ExchangeServer
from tests.adapters.simulated.conftest import PlainSocket

ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.01",
    "price": "60000",
}


@pytest.fixture
def exchange(serve_exchange: Callable[..., ExchangeServer]) -> ExchangeServer:
    return serve_exchange()


@pytest.fixture
def http(exchange: ExchangeServer) -> Iterator[HTTP]:
    made = HTTP(api_key="paper-main-key", api_secret="paper-main-secret", retry_codes={-1}, timeout=1)
    made.endpoint = exchange.rest_url
    yield made
    made.client.close()


def control(exchange: ExchangeServer, path: str, body: Any) -> requests.Response:
    return requests.post(f"{exchange.rest_url}/control/{path}", json=body, timeout=5)


def fault(exchange: ExchangeServer, **stated: Any) -> None:
    answer = control(exchange, "faults", stated)
    assert answer.status_code == 200, answer.text


def resting(http: HTTP) -> list[dict[str, Any]]:
    return http.get_open_orders(category="linear", symbol="BTCUSDT")["result"]["list"]


@pytest.mark.parametrize(("kind", "placed"), [("timeout_before", 0), ("timeout_after_accept", 1)])
def test_a_timeout_leaves_the_caller_waiting_and_only_one_kind_has_acted(
    exchange: ExchangeServer, http: HTTP, kind: str, placed: int
) -> None:
    fault(exchange, path="/v5/order/create", kind=kind, times=1)

    with pytest.raises(requests.exceptions.ReadTimeout):
        http.place_order(**ORDER, orderLinkId="SF-1")

    assert len(resting(http)) == placed
    if placed:
        with pytest.raises(InvalidRequestError) as caught:
            http.place_order(**ORDER, orderLinkId="SF-1")
        assert caught.value.status_code == 110072
    else:
        http.place_order(**ORDER, orderLinkId="SF-1")


def test_a_held_connection_is_cut_after_its_time(exchange: ExchangeServer, http: HTTP) -> None:
    fault(exchange, path="/v5/order/create", kind="timeout_after_accept", ms=100)
    with pytest.raises(requests.exceptions.ConnectionError):
        http.place_order(**ORDER)
    assert len(resting(http)) == 1


def test_a_503_and_a_return_code_execute_nothing(exchange: ExchangeServer, http: HTTP) -> None:
    fault(exchange, path="/v5/order/create", kind="http_503")
    fault(exchange, path="/v5/order/create", kind="ret_code", ret_code=10016)
    with pytest.raises(FailedRequestError) as unavailable:
        http.place_order(**ORDER)
    with pytest.raises(InvalidRequestError) as failed:
        http.place_order(**ORDER)
    assert (unavailable.value.status_code, failed.value.status_code) == (503, 10016)
    assert int(failed.value.resp_headers["X-Bapi-Limit-Status"]) >= 0  # it counts against the rate like any answer
    assert resting(http) == []
    http.place_order(**ORDER)


def test_a_fault_may_single_out_an_account(exchange: ExchangeServer, http: HTTP) -> None:
    exchange.run(lambda running: running.misbehaviour.add(Fault(kind="http_503", account="mirror")))
    http.place_order(**ORDER)
    mirror = HTTP(api_key="paper-mirror-key", api_secret="paper-mirror-secret", retry_codes={-1})
    mirror.endpoint = exchange.rest_url
    with pytest.raises(FailedRequestError):
        mirror.place_order(**ORDER)
    mirror.client.close()


@pytest.fixture
def listen(exchange: ExchangeServer, plain_socket: Callable[[str], PlainSocket]) -> Iterator[Callable[[], PlainSocket]]:
    listeners = []

    def make() -> PlainSocket:
        listeners.append(plain_socket(exchange.ws_url + "/v5/private"))
        listeners[-1].sign_in("order")
        return listeners[-1]

    yield make
    for each in listeners:
        each.close()


def test_a_duplicated_message_comes_twice_and_a_late_one_after_its_successor(
    exchange: ExchangeServer, http: HTTP, listen: Callable[[], PlainSocket]
) -> None:
    listener = listen()
    fault(exchange, kind="duplicate_ws", times=1)
    http.place_order(**ORDER, orderLinkId="one")
    assert [listener.order(), listener.order()] == ["one", "one"]
    fault(exchange, kind="delay_ws", ms=300, times=1)
    http.place_order(**ORDER, orderLinkId="two")
    http.place_order(**ORDER, orderLinkId="three")
    assert [listener.order(), listener.order()] == ["three", "two"]


def test_dropped_sockets_are_cut_at_once_and_refused_for_a_while(
    exchange: ExchangeServer, listen: Callable[[], PlainSocket]
) -> None:
    listener = listen()
    fault(exchange, kind="drop_ws", ms=400)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        listener.read()
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(exchange.ws_url + "/v5/private", timeout=5)
    gate = threading.Event()
    deadline = 50
    while deadline:
        try:
            listen()
            break
        except websocket.WebSocketBadStatusException:
            gate.wait(0.05)
            deadline -= 1
    assert deadline


def test_a_drop_repeated_cuts_the_next_socket_too(exchange: ExchangeServer) -> None:
    fault(exchange, kind="drop_ws", times=2)
    plain = websocket.create_connection(exchange.ws_url + "/v5/private", timeout=5)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        plain.recv()
    plain.close()


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("faults", {"kind": "explode"}, "write one of timeout_before"),
        ("faults", {"kind": "http_503"}, "write one such as /v5/order/create"),
        ("faults", {"kind": "http_503", "path": "/v5/nowhere"}, "is not served"),
        ("faults", {"kind": "drop_ws", "path": "/v5/order/create"}, "leave path out"),
        ("faults", {"kind": "delay_ws", "ms": "soon"}, "whole number"),
        ("faults", {"kind": "delay_ws", "time": 3}, "unknown time"),
        ("faults", [], "send one JSON object"),
        ("prices", {}, "send {"),
        ("prices", {"BTCUSDT": "high"}, "BTCUSDT: price 'high'"),
        ("prices", {"BTCUSDT": "0"}, "must lie within"),
        ("prices", {"NOPEUSDT": "1"}, "symbol invalid NOPEUSDT"),
        ("prices", {"BTCUSDT": {"mark": "1"}}, "send {"),
        ("liquidity", {"BTCUSDT": "-1"}, "quantity per level"),
        ("liquidity", {"NOPEUSDT": "1"}, "symbol invalid"),
    ],
)
def test_bad_control_input_is_told_what_to_write(exchange: ExchangeServer, path: str, body: Any, says: str) -> None:
    answer = control(exchange, path, body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_body_that_is_not_json_is_told_so(exchange: ExchangeServer) -> None:
    answer = requests.post(f"{exchange.rest_url}/control/prices", data="BTC up", timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "the body is not JSON")


def test_prices_are_answered_when_everything_on_the_way_is_matched(exchange: ExchangeServer, http: HTTP) -> None:
    http.place_order(**ORDER, orderLinkId="entry", stopLoss="59000")
    answer = control(exchange, "prices", {"BTCUSDT": "58000", "ETHUSDT": {"last": "3300", "mark": "3299.5"}}).json()
    assert answer["prices"]["BTCUSDT"] == {"last": "58000", "mark": "58000"}
    assert answer["prices"]["ETHUSDT"] == {"last": "3300", "mark": "3299.5"}

    state = requests.get(f"{exchange.rest_url}/control/state", timeout=5).json()["accounts"]["main"]
    assert [row["orderStatus"] for row in state["orders"]] == ["Filled", "Filled"]
    assert [row["execPrice"] for row in state["executions"]] == ["60000", "58999.9"]
    assert (state["positions"], len(state["closed_pnl"])) == ([], 1)
    assert state["audit"]["unprotected_ms_max"] == 0


def test_liquidity_can_be_made_thin_and_given_back(exchange: ExchangeServer, http: HTTP) -> None:
    control(exchange, "liquidity", {"BTCUSDT": "0.001"})
    book = http.get_orderbook(category="linear", symbol="BTCUSDT")["result"]
    assert {size for _, size in book["b"]} == {"0.001"}
    control(exchange, "liquidity", {"BTCUSDT": None})
    assert Decimal(http.get_orderbook(category="linear", symbol="BTCUSDT")["result"]["b"][0][1]) > Decimal("0.1")


def test_without_control_there_is_no_control(serve_exchange: Callable[..., ExchangeServer]) -> None:
    plain = serve_exchange(control=False)
    assert requests.get(f"{plain.rest_url}/control/state", timeout=5).status_code == 404


def test_queued_faults_can_be_forgotten(exchange: ExchangeServer, http: HTTP) -> None:
    fault(exchange, path="/v5/order/create", kind="http_503", times=50)
    assert requests.delete(f"{exchange.rest_url}/control/faults", timeout=5).json() == {"queued": 0}
    http.place_order(**ORDER)


def test_the_timeline_tells_when_an_execution_left_and_when_the_request_after_it_came(
    exchange: ExchangeServer, http: HTTP, plain_socket: Callable[[str], PlainSocket]
) -> None:
    listener = plain_socket(exchange.ws_url + "/v5/private")
    listener.sign_in("execution")
    http.place_order(**ORDER, orderLinkId="entry", stopLoss="59000")
    control(exchange, "prices", {"BTCUSDT": "58000"})
    assert len([listener.read(), listener.read()]) == 2  # the entry, then its stop, which fired
    http.place_order(**ORDER | {"price": "57900"}, orderLinkId="again")

    found = requests.post(f"{exchange.rest_url}/control/timeline", timeout=5).json()
    entry, stop = found["sent"]
    assert (entry["account"], entry["symbol"], entry["orderLinkId"]) == ("main", "BTCUSDT", "entry")
    assert stop["execQty"] == ORDER["qty"]
    first, again = found["received"]
    assert (again["account"], again["path"], again["orderLinkId"]) == ("main", "/v5/order/create", "again")
    assert first["at_ns"] < entry["at_ns"] < stop["at_ns"] < again["at_ns"]
    assert requests.post(f"{exchange.rest_url}/control/timeline", timeout=5).json() == {
        "sent": [],
        "received": [],
        "requests": {},
    }
