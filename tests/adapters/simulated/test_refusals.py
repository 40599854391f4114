"""Every refusal that the exchange knows, by the request that earns it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.adapters.simulated.conftest import Desk

BUY = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.1"}
LIMIT = {**BUY, "orderType": "Limit", "price": "64000"}


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({**BUY, "symbol": "NOPEUSDT"}, 10001, "symbol invalid"),
        ({**BUY, "side": "buy"}, 10001, "side invalid"),
        ({**BUY, "orderType": "Stop"}, 10001, "orderType invalid"),
        ({**BUY, "qty": ""}, 10001, "qty is required"),
        ({**BUY, "qty": "0.0005"}, 10001, "Qty invalid"),
        ({**BUY, "qty": "0.1005"}, 10001, "Qty invalid"),
        ({**BUY, "qty": "0"}, 10001, "Qty invalid"),
        ({**BUY, "qty": "1e-3"}, 10001, "qty invalid"),
        ({**BUY, "qty": "-1"}, 10001, "qty invalid"),
        ({**BUY, "qty": "501"}, 10001, "maximum limit"),
        ({**LIMIT, "price": "64000.05"}, 10001, "price invalid"),
        ({**LIMIT, "price": ""}, 10001, "price is required"),
        ({**LIMIT, "timeInForce": "GTD"}, 10001, "timeInForce invalid"),
        ({**BUY, "orderLinkId": "x" * 37}, 10001, "orderLinkId"),
        ({**BUY, "orderLinkId": "with space"}, 10001, "orderLinkId"),
        ({**BUY, "positionIdx": 1}, 10001, "position idx not match position mode"),
        ({**BUY, "triggerPrice": "66000"}, 10001, "triggerDirection invalid"),
        ({**BUY, "triggerPrice": "64000.05", "triggerDirection": 2}, 10001, "triggerPrice invalid"),
        ({**BUY, "triggerPrice": "64000", "triggerDirection": 1}, 110092, "expect Rising"),
        ({**BUY, "triggerPrice": "65000", "triggerDirection": 1}, 110092, "expect Rising"),
        ({**BUY, "triggerPrice": "66000", "triggerDirection": 2}, 110093, "expect Falling"),
        ({**BUY, "stopLoss": "66000"}, 10001, "StopLoss:66000 set for Buy position should be lower"),
        ({**BUY, "takeProfit": "64000"}, 10001, "TakeProfit:64000 set for Buy position should be higher"),
        ({**BUY, "stopLoss": "60000", "reduceOnly": True}, 10001, "reduce-only order cannot carry"),
        ({**BUY, "stopLoss": "60000", "slOrderType": "Limit", "slLimitPrice": "59000"}, 10001, "Full only supports"),
        ({**LIMIT, "price": "67000"}, 110003, "exceeds the allowable range"),
        ({**LIMIT, "side": "Sell", "price": "63000"}, 110003, "exceeds the allowable range"),
        ({**BUY, "qty": "5"}, 110007, "ab not enough for new order"),
        ({**BUY, "reduceOnly": True, "side": "Sell"}, 110017, "current position is zero"),
        ({**BUY, "reduceOnly": True, "side": "Sell", "triggerPrice": "64000", "triggerDirection": 2}, 110017, "zero"),
        ({**BUY, "category": "inverse"}, 10001, "category"),
    ],
)
def test_create_is_refused(desk: Desk, params: dict[str, Any], code: int, text: str) -> None:
    envelope = desk.ask("order/create", **params)

    assert envelope["retCode"] == code, envelope
    assert text in envelope["retMsg"]
    assert desk.account.orders == {}


def test_an_order_under_the_least_notional_is_refused(desk: Desk) -> None:
    desk.symbol = "XRPUSDT"
    assert desk.order("Buy", "4.1")["retCode"] == 110094  # 4.92 USDT
    assert desk.order("Buy", "4.2")["retCode"] == 0


def test_what_is_left_of_a_position_can_always_be_closed(desk: Desk) -> None:
    desk.symbol = "XRPUSDT"
    desk.place("Buy", "10")
    desk.place("Sell", "8", reduceOnly=True)

    assert desk.order("Sell", "1", reduceOnly=True)["retCode"] == 110094
    assert desk.order("Sell", "2", reduceOnly=True)["retCode"] == 0


def test_a_link_id_is_used_once_for_ever(desk: Desk) -> None:
    order = desk.place("Buy", "0.1", price="60000", orderLinkId="SF-1")
    assert desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)["retCode"] == 0

    assert desk.order("Buy", "0.1", price="60000", orderLinkId="SF-1")["retCode"] == 110072


def test_a_reduce_only_order_on_the_positions_own_side_is_refused(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    assert desk.order("Buy", "0.1", reduceOnly=True)["retCode"] == 110017


def test_the_eleventh_conditional_order_on_a_symbol_is_refused_and_position_stops_do_not_count(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000", takeProfit="70000")
    for number in range(10):
        desk.stop("Sell", "0.01", str(64000 - number), 2)

    params = {"triggerPrice": "63000", "triggerDirection": 2, "reduceOnly": True}
    assert desk.order("Sell", "0.01", **params)["retCode"] == 110009
    desk.symbol = "ETHUSDT"
    assert desk.order("Sell", "0.1", triggerPrice="3000", triggerDirection=2)["retCode"] == 0


def test_position_stops_count_toward_the_ten_where_the_exchange_is_told_so(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(position_stops_count=True)
    desk.place("Buy", "0.1", stopLoss="60000")
    for number in range(9):
        desk.stop("Sell", "0.01", str(64000 - number), 2)
    params = {"triggerPrice": "63000", "triggerDirection": 2, "reduceOnly": True}
    assert desk.order("Sell", "0.01", **params)["retCode"] == 110009


def test_the_five_hundred_and_first_active_order_is_refused(desk: Desk) -> None:
    desk.deep_pockets()
    for number in range(500):
        desk.place("Buy", "0.001", price=str(60000 - number))
    assert desk.order("Buy", "0.001", price="50000")["retCode"] == 110020


@pytest.mark.parametrize("path", ["order/cancel", "order/amend"])
@pytest.mark.parametrize("wanted", [{"orderId": "nowhere"}, {"orderLinkId": "nowhere"}])
def test_an_unknown_order_is_gone(desk: Desk, path: str, wanted: dict[str, str]) -> None:
    assert desk.ask(path, symbol="BTCUSDT", qty="0.2", **wanted)["retCode"] == 110001


def test_a_finished_order_is_gone(desk: Desk) -> None:
    order = desk.place("Buy", "0.1")
    assert desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)["retCode"] == 110001


def test_an_order_without_any_identifier_is_a_bad_parameter(desk: Desk) -> None:
    assert desk.ask("order/cancel", symbol="BTCUSDT")["retCode"] == 10001


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 10001),
        ({"price": "64000"}, 10001),
        ({"price": "64000.05"}, 10001),
        ({"qty": "0.1005"}, 10001),
        ({"price": "68000"}, 110003),
        ({"stopLoss": "65000"}, 10001),
        ({"qty": "20"}, 110007),
        ({"qty": "0.02"}, 110064),
        ({"qty": "0.2", "price": "63000"}, 0),
    ],
)
def test_amending_is_checked_like_placing_and_a_refused_amendment_changes_nothing(
    desk: Desk, change: dict[str, Any], code: int
) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = Decimal("0.02")
    order = desk.place("Buy", "0.1", price="64000")
    desk.move("64000")
    desk.move("64500")
    before = desk.status(order)

    envelope = desk.ask("order/amend", symbol="BTCUSDT", orderId=order, **change)

    assert envelope["retCode"] == code, envelope
    if code:
        assert desk.status(order) == before


def test_a_trigger_amended_to_the_wrong_side_is_refused(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    stop = desk.stop("Sell", "0.1", "64000", 2)
    assert desk.ask("order/amend", symbol="BTCUSDT", orderId=stop, triggerPrice="65500")["retCode"] == 110093
    assert desk.ask("order/amend", symbol="BTCUSDT", orderId=stop, triggerPrice="64900")["retCode"] == 0


@pytest.mark.parametrize(
    ("buy", "sell", "code"),
    [("10", "10", 110043), ("5", "5", 0), ("101", "101", 110013), ("5", "6", 10001), ("0.5", "0.5", 10001)],
)
def test_leverage(desk: Desk, buy: str, sell: str, code: int) -> None:
    params = {"symbol": "BTCUSDT", "buyLeverage": buy, "sellLeverage": sell}
    assert desk.ask("position/set-leverage", **params)["retCode"] == code


def test_position_mode_cannot_change_with_orders_or_a_position(desk: Desk) -> None:
    assert desk.ask("position/switch-mode", symbol="BTCUSDT", mode=0)["retCode"] == 110025
    order = desk.place("Buy", "0.1", price="60000")
    assert desk.ask("position/switch-mode", symbol="BTCUSDT", mode=3)["retCode"] == 110028
    desk.place("Buy", "0.1")
    assert desk.ask("position/switch-mode", coin="USDT", mode=3)["retCode"] == 110024
    desk.place("Sell", "0.1", reduceOnly=True)
    desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)
    assert desk.ask("position/switch-mode", coin="USDT", mode=3)["retCode"] == 0
    assert desk.order("Buy", "0.1", positionIdx=0)["retMsg"] == "position idx not match position mode"


@pytest.mark.parametrize(
    ("wish", "code", "text"),
    [
        ({"stopLoss": "66000"}, 10001, "should be lower"),
        ({"takeProfit": "64000"}, 10001, "should be higher"),
        ({"stopLoss": "60000.05"}, 10001, "invalid"),
        ({"stopLoss": "60000"}, 34040, "not modified"),
        ({"takeProfit": "0"}, 34040, "not modified"),
        ({"trailingStop": "100"}, 10001, "trailingStop is not served"),
        ({}, 10001, "give stopLoss or takeProfit"),
        ({"tpslMode": "Partial", "stopLoss": "60000"}, 10001, "needs tpSize or slSize"),
        ({"tpslMode": "Partial", "stopLoss": "60000", "slSize": "5"}, 10001, "must lie within"),
        ({"positionIdx": 1, "stopLoss": "60000"}, 10001, "position idx not match"),
    ],
)
def test_trading_stop_is_refused(desk: Desk, wish: dict[str, Any], code: int, text: str) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")
    params = {"tpslMode": "Full", "positionIdx": 0, **wish}

    envelope = desk.ask("position/trading-stop", symbol="BTCUSDT", **params)

    assert (envelope["retCode"], text in envelope["retMsg"]) == (code, True), envelope


def test_a_flat_position_takes_no_stop(desk: Desk) -> None:
    envelope = desk.ask("position/trading-stop", symbol="BTCUSDT", tpslMode="Full", positionIdx=0, stopLoss="60000")
    assert (envelope["retCode"], "zero position" in envelope["retMsg"]) == (10001, True)


def test_the_twenty_first_partial_stop_is_refused(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    wish = {"tpslMode": "Partial", "positionIdx": 0, "slSize": "0.01"}
    for number in range(20):
        wish["stopLoss"] = str(60000 - number)
        assert desk.ask("position/trading-stop", symbol="BTCUSDT", **wish)["retCode"] == 0
    wish["stopLoss"] = "50000"
    assert desk.ask("position/trading-stop", symbol="BTCUSDT", **wish)["retCode"] == 110061


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("order/realtime", {}),
        ("position/list", {}),
        ("order/history", {"startTime": 1, "endTime": 8 * 86_400_000}),
        ("execution/list", {"cursor": "made-up"}),
        ("account/wallet-balance", {}),
        ("market/kline", {"symbol": "BTCUSDT", "interval": "7"}),
        ("market/funding/history", {"symbol": "BTCUSDT", "startTime": 1}),
    ],
)
def test_a_query_that_lacks_or_bends_a_parameter_is_refused(desk: Desk, path: str, params: dict[str, Any]) -> None:
    assert desk.ask(path, **params)["retCode"] == 10001


def test_a_batch_answers_for_each_order_alone(desk: Desk) -> None:
    request = [
        {**LIMIT, "orderLinkId": "b1"},
        {**LIMIT, "orderLinkId": "b2", "qty": "0.0005"},
        "nonsense",
        {**LIMIT, "orderLinkId": "b3"},
    ]
    envelope = desk.ask("order/create-batch", request=request)

    assert envelope["retCode"] == 0
    assert [each["code"] for each in envelope["retExtInfo"]["list"]] == [0, 10001, 10001, 0]
    assert [bool(each["orderId"]) for each in envelope["result"]["list"]] == [True, False, False, True]
    request = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in ("b1", "b2", "b3")]
    amended = [{**each, "price": "63000"} for each in request]
    envelope = desk.ask("order/amend-batch", request=amended)
    assert [each["code"] for each in envelope["retExtInfo"]["list"]] == [0, 110001, 0]
    envelope = desk.ask("order/cancel-batch", request=request)
    assert [each["code"] for each in envelope["retExtInfo"]["list"]] == [0, 110001, 0]
    assert desk.ask("order/create-batch", request=[LIMIT] * 21)["retCode"] == 10001


def test_cancel_all_leaves_position_stops_only_when_told(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")
    desk.stop("Sell", "0.1", "64000", 2)
    desk.place("Buy", "0.1", price="60000")

    assert desk.ask("order/cancel-all")["retCode"] == 10001
    chosen = desk.ask("order/cancel-all", symbol="BTCUSDT", orderFilter="StopOrder", stopOrderType="Stop")
    assert len(chosen["result"]["list"]) == 1
    assert len(desk.ask("order/cancel-all", settleCoin="USDT", orderFilter="Order")["result"]["list"]) == 1
    assert len(desk.ask("order/cancel-all", settleCoin="USDT")["result"]["list"]) == 1
    assert desk.position_row()["stopLoss"] == ""
