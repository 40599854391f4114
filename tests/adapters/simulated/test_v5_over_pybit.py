"""The v5 protocol on loopback, spoken by pybit's own HTTP and WebSocket clients."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import websocket
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket

from adapters.simulated.server import ExchangeServer
from adapters.simulated.v5_signing import sign
from tests.adapters.simulated.conftest import PlainSocket

D = Decimal
KEY, SECRET = "paper-main-key", "paper-main-secret"
ORDER = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy"}


class LocalSocket(WebSocket):
    """pybit's socket, led to a local exchange."""

    base = ""

    def _connect(self, url: str) -> None:
        if url.startswith("wss:"):
            url = self.base + ("/v5/private" if url.endswith("/private") else "/v5/public/linear")
        super()._connect(url)


class Heard:
    """Messages as they came, and a way to wait for one."""

    def __init__(self) -> None:
        self.messages = []
        self._news = threading.Condition()

    def __call__(self, message: dict[str, Any]) -> None:
        with self._news:
            self.messages.append(json.loads(json.dumps(message)))
            self._news.notify_all()

    def wait(self, wanted: Callable[[dict[str, Any]], object], seconds: float = 5.0) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((each for each in self.messages if wanted(each)), None)

        with self._news:
            assert self._news.wait_for(found, seconds), [str(each)[:200] for each in self.messages]
            return found()

    def rows(self, topic: str) -> list[dict[str, Any]]:
        return [row for message in self.messages if message.get("topic") == topic for row in message["data"]]

    def wait_row(self, topic: str, **fields: Any) -> dict[str, Any]:
        def holds(message: dict[str, Any]) -> bool:
            rows = message.get("data") if message.get("topic") == topic else []
            return any(all(row.get(name) == value for name, value in fields.items()) for row in rows)

        return self.wait(holds)


@pytest.fixture
def exchange(serve_exchange: Callable[..., ExchangeServer]) -> ExchangeServer:
    return serve_exchange()


@pytest.fixture
def client(exchange: ExchangeServer) -> Iterator[Callable[..., HTTP]]:
    clients = []

    def make(key: str = KEY, secret: str = SECRET, **settings: Any) -> HTTP:
        http = HTTP(api_key=key, api_secret=secret, retry_codes={-1}, **settings)
        http.endpoint = exchange.rest_url
        http.client.trust_env = False
        clients.append(http)
        return http

    yield make
    for http in clients:
        http.client.close()


@pytest.fixture
def http(client: Callable[..., HTTP]) -> HTTP:
    return client()


@pytest.fixture
def socket(exchange: ExchangeServer) -> Iterator[Callable[..., LocalSocket]]:
    sockets = []

    def make(channel: str, heard: Heard, **settings: Any) -> LocalSocket:
        kind = type("Socket", (LocalSocket,), {"base": exchange.ws_url})
        made = kind(testnet=False, channel_type=channel, callback_function=heard, ping_timeout=0.5, **settings)
        sockets.append(made)
        return made

    yield make
    for each in sockets:
        each.exit()
        each.wst.join(5)


@pytest.fixture
def private(socket: Callable[..., LocalSocket]) -> Heard:
    heard = Heard()
    made = socket("private", heard, api_key=KEY, api_secret=SECRET, private_auth_expire=10)
    for subscribe in (made.order_stream, made.execution_stream, made.position_stream, made.wallet_stream):
        subscribe(callback=heard)
    heard.wait(lambda message: sum(each.get("op") == "subscribe" for each in heard.messages) == 4)
    return heard


def refused(act: Callable[..., object], **params: Any) -> int:
    with pytest.raises(InvalidRequestError) as caught:
        act(**params)
    return caught.value.status_code


def test_a_trade_from_entry_to_its_last_rung(http: HTTP, exchange: ExchangeServer, private: Heard) -> None:
    entry = http.place_order(
        **ORDER, orderType="Limit", qty="0.1", price="64000", orderLinkId="SF-entry", stopLoss="60000"
    )
    exchange.move_prices({"BTCUSDT": D(64000)})
    private.wait_row("order", orderLinkId="SF-entry", orderStatus="Filled")
    stop = {"triggerPrice": "62000", "triggerDirection": 2, "reduceOnly": True, "closeOnTrigger": True}
    out = {"category": "linear", "symbol": "BTCUSDT", "side": "Sell"}
    http.place_order(**out, orderType="Market", qty="0.1", orderLinkId="SF-stop", **stop)
    for number, (qty, price) in enumerate((("0.085", "65000"), ("0.015", "66000")), start=1):
        rung = {"qty": qty, "price": price, "reduceOnly": True, "orderLinkId": f"SF-tp{number}"}
        http.place_order(**out, orderType="Limit", **rung)
    exchange.move_prices({"BTCUSDT": D(65000)})
    private.wait_row("order", orderLinkId="SF-tp1", orderStatus="Filled")
    http.amend_order(category="linear", symbol="BTCUSDT", orderLinkId="SF-stop", qty="0.015", triggerPrice="64100")
    exchange.move_prices({"BTCUSDT": D(66000)})
    private.wait_row("position", size="0", side="")
    http.cancel_order(category="linear", symbol="BTCUSDT", orderLinkId="SF-stop")

    assert http.get_open_orders(category="linear", settleCoin="USDT")["result"]["list"] == []
    closed = http.get_closed_pnl(category="linear")["result"]["list"]
    wallet = D(http.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]["totalWalletBalance"])
    assert abs(sum(D(row["closedPnl"]) for row in closed) - (wallet - 10_000)) < D("0.0001")
    found = http.get_open_orders(category="linear", orderId=entry["result"]["orderId"])["result"]["list"]
    assert found[0]["orderStatus"] == "Filled"
    assert {row["orderLinkId"] for row in private.rows("execution")} == {"SF-entry", "SF-tp1", "SF-tp2"}
    rows = private.rows("position")
    assert "avgPrice" not in rows[0]
    assert rows[-1]["entryPrice"] == "0"


def test_a_message_about_the_position_follows_every_create_amend_and_cancel(http: HTTP, private: Heard) -> None:
    order = http.place_order(**ORDER, orderType="Limit", qty="0.1", price="60000")["result"]["orderId"]
    http.amend_order(category="linear", symbol="BTCUSDT", orderId=order, price="60001")
    http.cancel_order(category="linear", symbol="BTCUSDT", orderId=order)

    private.wait(lambda message: len(private.rows("position")) == 3)
    assert [row["seq"] for row in private.rows("position")] == sorted(row["seq"] for row in private.rows("position"))
    assert [row["orderStatus"] for row in private.rows("order")] == ["New", "New", "Cancelled"]
    assert private.rows("order")[-1]["cancelType"] == "CancelByUser"


def test_every_endpoint_that_start_up_needs_answers_pybit(http: HTTP) -> None:
    assert http.get_server_time()["result"]["timeNano"].endswith("000000")
    key = http.get_api_key_information()["result"]
    assert (key["readOnly"], key["permissions"]["ContractTrade"], key["uta"]) == (0, ["Order", "Position"], 1)
    assert key["permissions"]["Wallet"] == []
    assert http.get_account_info()["result"]["unifiedMarginStatus"] == 5
    assert http.get_fee_rates(category="linear", symbol="BTCUSDT")["result"]["list"] == [
        {"symbol": "BTCUSDT", "takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}
    ]
    book = http.get_orderbook(category="linear", symbol="BTCUSDT", limit=3)["result"]
    assert (book["b"][0][0], book["a"][0][0], len(book["b"])) == ("64999.9", "65000.1", 3)
    assert http.get_tickers(category="linear", symbol="BTCUSDT")["result"]["list"][0]["lastPrice"] == "65000"
    assert len(http.get_kline(category="linear", symbol="BTCUSDT", interval=5)["result"]["list"]) == 200
    assert http.get_risk_limit(category="linear", symbol="BTCUSDT")["result"]["list"][0]["maxLeverage"] == "100.00"
    assert http.get_price_limit(category="linear", symbol="BTCUSDT")["result"]["buyLmt"] == "66300"
    assert http.get_funding_rate_history(category="linear", symbol="BTCUSDT", limit=2)["result"]["list"]
    assert http.get_open_interest(category="linear", symbol="BTCUSDT", intervalTime="1h", limit=2)["result"]["list"]
    assert http.get_long_short_ratio(category="linear", symbol="BTCUSDT", period="1h", limit=2)["result"]["list"]
    assert len(http.get_mark_price_kline(category="linear", symbol="BTCUSDT", interval="D")["result"]["list"][0]) == 5


def test_main_and_mirror_are_strangers(client: Callable[..., HTTP], http: HTTP) -> None:
    mirror = client("paper-mirror-key", "paper-mirror-secret")
    http.place_order(**ORDER, orderType="Market", qty="0.01", orderLinkId="SF-1")
    mirror.place_order(**ORDER, orderType="Limit", qty="0.01", price="60000", orderLinkId="SF-1")
    assert mirror.get_positions(category="linear", settleCoin="USDT")["result"]["list"] == []
    ids = {each.get_api_key_information()["result"]["userID"] for each in (http, mirror)}
    assert len(ids) == 2


def test_orders_are_paged_by_cursors_that_survive_newcomers(http: HTTP) -> None:
    for number in range(9):
        http.place_order(**ORDER, orderType="Limit", qty="0.001", price=str(60000 - number), orderLinkId=f"p{number}")
    seen, cursor = [], ""
    for page in range(3):
        answer = http.get_open_orders(category="linear", symbol="BTCUSDT", limit=4, cursor=cursor or None)["result"]
        seen += [row["orderLinkId"] for row in answer["list"]]
        cursor = answer["nextPageCursor"]
        if page == 0:
            http.place_order(**ORDER, orderType="Limit", qty="0.001", price="50000", orderLinkId="late")
    assert seen == [f"p{number}" for number in range(8, -1, -1)]
    assert cursor == ""


def test_instruments_are_paged_and_filtered(serve_exchange: Callable[..., ExchangeServer]) -> None:
    url = serve_exchange(instruments=300).rest_url + "/v5/market/instruments-info"
    with requests.Session() as session:
        session.trust_env = False
        first = session.get(url, params={"category": "linear", "limit": 200}, timeout=5).json()["result"]
        cursor = {"cursor": first["nextPageCursor"]}
        rest = session.get(url, params={"category": "linear", "limit": 200, **cursor}, timeout=5).json()["result"]
        one = session.get(url, params={"category": "linear", "symbol": "SYN0300USDT"}, timeout=5).json()["result"]
    assert (len(first["list"]), len(rest["list"]), rest["nextPageCursor"]) == (200, 105, "")
    assert rest["list"][-1] == one["list"][0]


def test_history_executions_and_closed_pnl_are_bounded_pages_newest_first(http: HTTP) -> None:
    for number in range(3):
        http.place_order(**ORDER, orderType="Market", qty="0.01", orderLinkId=f"in{number}")
        out = {"category": "linear", "symbol": "BTCUSDT", "side": "Sell", "reduceOnly": True}
        http.place_order(**out, orderType="Market", qty="0.01", orderLinkId=f"out{number}")
    history = http.get_order_history(category="linear", limit=2)["result"]
    assert [row["orderLinkId"] for row in history["list"]] == ["out2", "in2"]
    following = http.get_order_history(category="linear", limit=2, cursor=history["nextPageCursor"])["result"]
    assert [row["orderLinkId"] for row in following["list"]] == ["out1", "in1"]
    executions = http.get_executions(category="linear", limit=4)["result"]
    assert [row["orderLinkId"] for row in executions["list"]] == ["out2", "in2", "out1", "in1"]
    since = executions["list"][-1]["execTime"]
    assert len(http.get_executions(category="linear", startTime=since)["result"]["list"]) >= 4
    closed = http.get_closed_pnl(category="linear", limit=2)["result"]
    assert len(closed["list"]) == 2
    assert len(http.get_closed_pnl(category="linear", cursor=closed["nextPageCursor"])["result"]["list"]) == 1
    assert http.get_order_history(category="linear", orderStatus="Cancelled")["result"]["list"] == []


class TestSignatures:
    """Who may ask, and how fresh a request must be."""

    def test_a_wrong_secret_is_10004_and_an_unknown_key_10003(self, client: Callable[..., HTTP]) -> None:
        assert refused(client(KEY, "wrong").get_positions, category="linear", settleCoin="USDT") == 10004
        assert refused(client("nobody", SECRET).get_positions, category="linear", settleCoin="USDT") == 10003

    @pytest.mark.parametrize(
        ("shift_ms", "window", "code"),
        [(0, "5000", 0), (-4000, "5000", 0), (-6000, "5000", 10002), (-6000, "7500", 0), (1500, "60000", 10002)],
    )
    def test_a_request_is_fresh_within_its_window_and_never_a_second_fast(
        self, exchange: ExchangeServer, shift_ms: int, window: str, code: int
    ) -> None:
        stamp = str(time.time_ns() // 1_000_000 + shift_ms)
        query = "category=linear&settleCoin=USDT"
        headers = {
            "X-BAPI-API-KEY": KEY,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": sign(SECRET, f"{stamp}{KEY}{window}{query}"),
        }
        answer = requests.get(f"{exchange.rest_url}/v5/position/list?{query}", headers=headers, timeout=5)
        assert answer.json()["retCode"] == code

    def test_missing_headers_are_10001_and_a_changed_body_10004(self, exchange: ExchangeServer) -> None:
        url = f"{exchange.rest_url}/v5/order/create"
        assert requests.post(url, json={}, timeout=5).json()["retCode"] == 10001
        stamp = str(time.time_ns() // 1_000_000)
        headers = {"X-BAPI-API-KEY": KEY, "X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": "5000"}
        headers["X-BAPI-SIGN"] = sign(SECRET, f'{stamp}{KEY}5000{{"qty":"1"}}')
        assert requests.post(url, data='{"qty":"2"}', headers=headers, timeout=5).json()["retCode"] == 10004

    def test_unserved_paths_and_methods_are_not_found(self, exchange: ExchangeServer) -> None:
        assert requests.get(f"{exchange.rest_url}/v5/spot/time", timeout=5).status_code == 404
        assert requests.get(f"{exchange.rest_url}/v5/order/create", timeout=5).status_code == 404


class TestRateLimits:
    """So many a rolling second, for each account and endpoint."""

    def test_headers_count_down_and_the_eleventh_order_is_not_executed(self, client: Callable[..., HTTP]) -> None:
        http = client(return_response_headers=True)
        left: list[int] = []

        def flood() -> None:
            for number in range(30):
                answer = http.place_order(**ORDER, orderType="Limit", qty="0.001", price=str(60000 - number))
                left.append(int(answer[2]["X-Bapi-Limit-Status"]))

        with pytest.raises(InvalidRequestError) as caught:
            flood()
        assert caught.value.status_code == 10006
        headers = caught.value.resp_headers
        assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("10", "0")
        assert 0 < int(headers["X-Bapi-Limit-Reset-Timestamp"]) - time.time_ns() // 1_000_000 <= 1000
        assert left[:3] == [9, 8, 7]
        resting = http.get_open_orders(category="linear", symbol="BTCUSDT", limit=50)[0]["result"]["list"]
        assert len(resting) == len(left)

    def test_the_orders_of_a_batch_count_one_by_one_and_the_overflow_fails_alone(self, http: HTTP) -> None:
        request = [{**ORDER, "orderType": "Limit", "qty": "0.001", "price": str(60000 - n)} for n in range(12)]
        for each in request:
            del each["category"]
        answer = http.place_batch_order(category="linear", request=request)
        codes = [each["code"] for each in answer["retExtInfo"]["list"]]
        assert codes == [0] * 10 + [10006] * 2
        assert [bool(row["orderId"]) for row in answer["result"]["list"]] == [True] * 10 + [False] * 2

    def test_an_address_over_six_hundred_requests_in_five_seconds_is_shut_out(self, exchange: ExchangeServer) -> None:
        url = f"{exchange.rest_url}/v5/market/time"
        with requests.Session() as session:
            session.trust_env = False
            statuses = [session.get(url, timeout=5).status_code for _ in range(605)]
        assert set(statuses) == {200, 403}
        assert statuses.index(403) >= 600


class TestPublicStream:
    """What anybody may listen to."""

    def test_tickers_begin_with_a_snapshot_and_go_on_with_deltas(
        self, socket: Callable[..., LocalSocket], exchange: ExchangeServer
    ) -> None:
        heard = Heard()
        socket("linear", heard).ticker_stream("BTCUSDT", heard)
        first = heard.wait(lambda message: message.get("topic") == "tickers.BTCUSDT")
        assert (first["type"], first["data"]["lastPrice"]) == ("snapshot", "65000")
        assert {"cs", "ts"} <= set(first)
        exchange.move_prices({"BTCUSDT": D(65432)})
        delta = heard.wait(lambda message: message.get("type") == "delta")
        assert delta["data"]["lastPrice"] == "65432"
        assert "fundingRate" not in delta["data"]

    def test_klines_trades_and_books_follow_the_price(
        self, socket: Callable[..., LocalSocket], exchange: ExchangeServer, http: HTTP
    ) -> None:
        heard = Heard()
        made = socket("linear", heard)
        made.kline_stream(5, "BTCUSDT", heard)
        made.trade_stream("BTCUSDT", heard)
        made.orderbook_stream(50, "BTCUSDT", heard)
        heard.wait(lambda message: message.get("topic") == "orderbook.50.BTCUSDT")
        http.place_order(**ORDER, orderType="Market", qty="0.01")
        trade = heard.wait(lambda message: message.get("topic") == "publicTrade.BTCUSDT")["data"][0]
        assert (trade["S"], trade["v"], trade["p"], trade["s"]) == ("Buy", "0.01", "65000.1", "BTCUSDT")
        exchange.move_prices({"BTCUSDT": D(65500)})
        bar = heard.wait(
            lambda message: message.get("topic") == "kline.5.BTCUSDT" and message["data"][0]["close"] == "65500"
        )["data"][0]
        assert (bar["high"], bar["confirm"], bar["interval"]) == ("65500", False, "5")

        def shows_the_new_best_bid(message: dict[str, Any]) -> bool:
            levels = message["data"]["b"] if message.get("topic") == "orderbook.50.BTCUSDT" else []
            return message.get("type") == "delta" and "65499.9" in [price for price, _ in levels]

        heard.wait(shows_the_new_best_bid)

    def test_every_candle_that_closes_is_told_closed_once(self, serve_exchange: Callable[..., ExchangeServer]) -> None:
        fast = serve_exchange(speed=D(600))
        heard = Heard()
        kind = type("Socket", (LocalSocket,), {"base": fast.ws_url})
        made = kind(testnet=False, channel_type="linear", callback_function=heard, ping_timeout=0.5)
        try:
            made.kline_stream(1, "BTCUSDT", heard)
            heard.wait(lambda _: len([row for row in heard.rows("kline.1.BTCUSDT") if row["confirm"]]) >= 12, 10)
        finally:
            made.exit()
            made.wst.join(5)
        closed = [row["start"] for row in heard.rows("kline.1.BTCUSDT") if row["confirm"]]
        assert closed == list(range(closed[0], closed[0] + 60_000 * len(closed), 60_000))

    def test_an_unknown_topic_is_refused(
        self, exchange: ExchangeServer, plain_socket: Callable[[str], PlainSocket]
    ) -> None:
        ack = plain_socket(exchange.ws_url + "/v5/public/linear").subscribe("tickers.NOPE")
        assert (ack["success"], ack["op"], ack["req_id"]) == (False, "subscribe", "s1")
        assert ack["ret_msg"].startswith("Invalid topic")


class TestPrivateStream:
    """What only the owner hears."""

    def test_nothing_before_auth_and_nothing_of_others(
        self,
        exchange: ExchangeServer,
        http: HTTP,
        client: Callable[..., HTTP],
        plain_socket: Callable[[str], PlainSocket],
    ) -> None:
        url = exchange.ws_url + "/v5/private"
        bare, mirror = plain_socket(url), plain_socket(url)
        assert bare.subscribe("order")["success"] is False
        assert mirror.auth("paper-mirror-key", "paper-mirror-secret")["success"] is True
        assert mirror.subscribe("order")["success"] is True
        http.place_order(**ORDER, orderType="Limit", qty="0.01", price="60000", orderLinkId="main-order")
        other = client("paper-mirror-key", "paper-mirror-secret")
        other.place_order(**ORDER, orderType="Limit", qty="0.01", price="60000", orderLinkId="mirror-order")
        assert mirror.order() == "mirror-order"
        bare.send(op="ping")
        assert bare.read()["op"] == "pong"

    @pytest.mark.parametrize(
        ("keys", "ahead_ms", "success"),
        [
            ((KEY, SECRET), 5000, True),
            ((KEY, SECRET), -1, False),
            ((KEY, "wrong"), 5000, False),
            (("nobody", "x"), 5000, False),
        ],
    )
    def test_auth_needs_a_known_key_a_right_signature_and_a_time_to_come(
        self,
        exchange: ExchangeServer,
        plain_socket: Callable[[str], PlainSocket],
        keys: tuple[str, str],
        ahead_ms: int,
        success: bool,
    ) -> None:
        ack = plain_socket(exchange.ws_url + "/v5/private").auth(*keys, ahead_ms)
        assert (ack["op"], ack["success"]) == ("auth", success)

    def test_topics_by_category_and_all_in_one_must_not_be_mixed(
        self, exchange: ExchangeServer, http: HTTP, plain_socket: Callable[[str], PlainSocket]
    ) -> None:
        socket = plain_socket(exchange.ws_url + "/v5/private")
        socket.auth()
        assert socket.subscribe("order", "execution.linear")["success"] is False
        assert socket.subscribe("order.linear")["success"] is True
        http.place_order(**ORDER, orderType="Limit", qty="0.01", price="60000", orderLinkId="x")
        message = socket.read()
        assert (message["topic"], message["data"][0]["orderLinkId"]) == ("order.linear", "x")

    @pytest.mark.parametrize(
        ("path", "pong"),
        [("/v5/private", {"op": "pong"}), ("/v5/public/linear", {"op": "ping", "ret_msg": "pong", "success": True})],
    )
    def test_both_kinds_of_ping_are_answered(
        self, exchange: ExchangeServer, plain_socket: Callable[[str], PlainSocket], path: str, pong: dict[str, Any]
    ) -> None:
        socket = plain_socket(exchange.ws_url + path)
        socket.send(op="ping", req_id="9")
        answer = socket.read()
        assert {name: answer[name] for name in pong} == pong
        assert answer["req_id"] == "9"
        assert socket.ping_frame() == websocket.ABNF.OPCODE_PONG

    def test_the_ack_comes_before_the_order_is_told(self, serve_exchange: Callable[..., ExchangeServer]) -> None:
        """A slow acknowledgement does not hold the stream back; an immediate one precedes it on the wire."""
        slow = serve_exchange(ack_delay_ms=300)
        http = HTTP(api_key=KEY, api_secret=SECRET, retry_codes={-1})
        http.endpoint = slow.rest_url
        began = time.monotonic()
        http.place_order(**ORDER, orderType="Limit", qty="0.01", price="60000")
        assert time.monotonic() - began >= 0.3
        http.client.close()
