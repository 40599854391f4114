"""The wire and our values: full payloads as Bybit documents them, and what is left when any part of them is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages.orders import (
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PositionReported,
    WalletReported,
)
from actors.model.account import Balance, KeyRights, MarginMode
from actors.model.instrument import FeeRates, Instrument
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.ports import ClosedPnl
from adapters.bybit import translate
from adapters.bybit.fields import Unreadable

D = Decimal
AT = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
AT_MS = "1700000000123"
EARLIER_MS = "1699999999000"
EARLIER = datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC)

ORDER = {
    "orderId": "fd4300ae-7847-404e-b947-b46980a4d140",
    "orderLinkId": "SFab1-7K3Q9X-e1-0",
    "blockTradeId": "",
    "symbol": "ETHUSDT",
    "price": "1600.10",
    "qty": "0.10",
    "side": "Buy",
    "positionIdx": 1,
    "orderStatus": "PartiallyFilled",
    "cancelType": "UNKNOWN",
    "rejectReason": "EC_NoError",
    "avgPrice": "1600.05",
    "leavesQty": "0.06",
    "cumExecQty": "0.04",
    "cumExecValue": "64.002",
    "cumExecFee": "0.9",
    "cumFeeDetail": {"USDT": "0.0352"},
    "timeInForce": "GTC",
    "orderType": "Limit",
    "stopOrderType": "UNKNOWN",
    "createType": "CreateByUser",
    "triggerPrice": "1590.00",
    "triggerDirection": 0,
    "triggerBy": "UNKNOWN",
    "takeProfit": "",
    "stopLoss": "1500.00",
    "reduceOnly": True,
    "closeOnTrigger": True,
    "smpType": "None",
    "createdTime": EARLIER_MS,
    "updatedTime": AT_MS,
    "category": "linear",
    "closedPnl": "0",
}
ORDER_READ = ObservedOrder(
    order_id="fd4300ae-7847-404e-b947-b46980a4d140",
    client_order_id="SFab1-7K3Q9X-e1-0",
    symbol="ETHUSDT",
    order_side=OrderSide.BUY,
    kind=OrderKind.LIMIT,
    state=OrderState.WORKING,
    quantity=D("0.10"),
    filled_quantity=D("0.04"),
    average_price=D("1600.05"),
    price=D("1600.10"),
    trigger_price=D("1590"),
    attached_stop=D("1500"),
    reduce_only=True,
    close_on_trigger=True,
    position_index=1,
    fee_usdt=D("0.0352"),
    reason="",
    is_position_stop=False,
    updated_at=AT,
)
POSITION = {
    "positionIdx": 1,
    "riskId": 1,
    "symbol": "ETHUSDT",
    "side": "Sell",
    "size": "0.5",
    "avgPrice": "1615.5",
    "positionValue": "807.75",
    "leverage": "10",
    "markPrice": "1610.2",
    "liqPrice": "1700.25",
    "takeProfit": "0.00",
    "stopLoss": "1650.00",
    "trailingStop": "0.00",
    "unrealisedPnl": "2.65",
    "positionStatus": "Normal",
    "seq": 4688002127,
    "createdTime": EARLIER_MS,
    "updatedTime": AT_MS,
}
POSITION_READ = ObservedPosition(
    symbol="ETHUSDT",
    side=PositionSide.SHORT,
    size=D("0.5"),
    average_price=D("1615.5"),
    leverage=D(10),
    position_index=1,
    stop_price=D(1650),
    liquidation_price=D("1700.25"),
    mark_price=D("1610.2"),
    sequence=4688002127,
    updated_at=AT,
)
EXECUTION = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": "9aac161b-8ed6-450d-9cab-c5cc67c21784",
    "orderLinkId": "SFab1-7K3Q9X-t1-0",
    "side": "Sell",
    "orderPrice": "94942.5",
    "orderQty": "0.5",
    "leavesQty": "0",
    "orderType": "Market",
    "stopOrderType": "UNKNOWN",
    "createType": "CreateByUser",
    "execId": "0ab1bdf7-4219-438b-b30a-32ec863018f7",
    "execType": "Trade",
    "execPrice": "95900.1",
    "execQty": "0.5",
    "execValue": "47950.05",
    "execFee": "26.3725275",
    "feeRate": "0.00055",
    "isMaker": True,
    "closedSize": "0.2",
    "positionIdx": 2,
    "execTime": AT_MS,
    "seq": 8688002127,
}
EXECUTION_READ = ExecutionReported(
    account="main",
    execution_id="0ab1bdf7-4219-438b-b30a-32ec863018f7",
    symbol="BTCUSDT",
    order_id="9aac161b-8ed6-450d-9cab-c5cc67c21784",
    client_order_id="SFab1-7K3Q9X-t1-0",
    order_side=OrderSide.SELL,
    kind=ExecutionKind.TRADE,
    quantity=D("0.5"),
    price=D("95900.1"),
    fee_usdt=D("26.3725275"),
    is_maker=True,
    executed_at=AT,
    closed_quantity=D("0.2"),
    position_index=2,
    sequence=8688002127,
    is_position_stop=False,
)
COIN = {
    "coin": "USDT",
    "equity": "1000.5",
    "walletBalance": "990.5",
    "unrealisedPnl": "10",
    "totalPositionIM": "100",
    "totalOrderIM": "50.5",
    "locked": "1",
    "bonus": "2",
}
WALLET = {
    "accountType": "UNIFIED",
    "totalEquity": "3000",
    "totalAvailableBalance": "2500.25",
    "totalPerpUPL": "10",
    "totalPerpUpl": "10",
    "coin": [{"coin": "BTC", "equity": "0.1", "walletBalance": "0.1"}, COIN],
}
WALLET_READ = WalletReported(account="main", equity_usdt=D("1000.5"), available_usdt=D("2500.25"))
INSTRUMENT = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "launchTime": "1584230400000",
    "fundingInterval": 240,
    "priceScale": "2",
    "leverageFilter": {"minLeverage": "2", "maxLeverage": "100.00", "leverageStep": "0.05"},
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {
        "maxOrderQty": "1190.000",
        "minOrderQty": "0.001",
        "qtyStep": "0.001",
        "maxMktOrderQty": "500.000",
        "minNotionalValue": "7",
    },
}
INSTRUMENT_READ = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.10"),
    quantity_step=D("0.001"),
    min_quantity=D("0.001"),
    max_limit_quantity=D(1190),
    max_market_quantity=D(500),
    min_notional_usdt=D(7),
    min_leverage=D(2),
    max_leverage=D(100),
    leverage_step=D("0.05"),
    funding_interval_minutes=240,
    trading=True,
)
CLOSED = {
    "symbol": "ETHPERP",
    "orderId": "5a373bfe-188d-4913-9c81-d57ab5be8068",
    "side": "Sell",
    "qty": "4",
    "closedSize": "3",
    "closedPnl": "-47.4065323",
    "createdTime": EARLIER_MS,
    "updatedTime": AT_MS,
}
CLOSED_READ = ClosedPnl(
    symbol="ETHPERP",
    order_id="5a373bfe-188d-4913-9c81-d57ab5be8068",
    quantity=D(3),
    pnl_usdt=D("-47.4065323"),
    closed_at=AT,
)
KEY = {
    "id": "13770661",
    "readOnly": 0,
    "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer", "Withdraw"]},
    "ips": ["*"],
    "uta": 1,
    "userID": 24617703,
    "expiredAt": "2027-05-15T03:21:05Z",
    "deadlineDay": 83,
}
KEY_READ = KeyRights(
    user_id="24617703",
    read_only=False,
    may_order=True,
    may_position=True,
    may_withdraw=True,
    unified=True,
    expires_at=datetime(2027, 5, 15, 3, 21, 5, tzinfo=UTC),
)

# What each row is read by; which fields it cannot do without; what changes when another is missing.
ROWS: dict[str, tuple[Callable[[Any], Any], Any, Any, set[str], dict[str, dict[str, Any]]]] = {
    "order": (
        translate.order,
        ORDER,
        ORDER_READ,
        {"orderId", "symbol", "side", "orderStatus", "qty", "cumExecQty"},
        {
            "orderLinkId": {"client_order_id": None},
            "price": {"price": None},
            "avgPrice": {"average_price": None},
            "triggerPrice": {"trigger_price": None},
            "stopLoss": {"attached_stop": None},
            "reduceOnly": {"reduce_only": False},
            "closeOnTrigger": {"close_on_trigger": False},
            "positionIdx": {"position_index": 0},
            "cumFeeDetail": {"fee_usdt": D("0.9")},  # the deprecated field still tells
            "updatedTime": {"updated_at": EARLIER},
        },
    ),
    "position": (
        translate.position,
        POSITION,
        POSITION_READ,
        {"symbol", "side", "size"},
        {
            "avgPrice": {"average_price": None},
            "leverage": {"leverage": None},
            "positionIdx": {"position_index": 0},
            "stopLoss": {"stop_price": None},
            "liqPrice": {"liquidation_price": None},
            "markPrice": {"mark_price": None},
            "seq": {"sequence": None},
            "updatedTime": {"updated_at": EARLIER},
        },
    ),
    "execution": (
        lambda row: translate.execution(row, "main"),
        EXECUTION,
        EXECUTION_READ,
        {"execId", "symbol", "side", "execQty", "execPrice", "execTime"},
        {
            "orderId": {"order_id": ""},
            "orderLinkId": {"client_order_id": None},
            "isMaker": {"is_maker": False},
            "closedSize": {"closed_quantity": None},
            "positionIdx": {"position_index": None},
            "seq": {"sequence": None},
        },  # execFee is reckoned from feeRate and execValue: the same figure
    ),
    "wallet": (
        lambda row: translate.wallet(row, "main"),
        WALLET,
        WALLET_READ,
        {"coin"},
        {"totalAvailableBalance": {"available_usdt": D("837.0")}},
    ),
    "instrument": (
        translate.instrument,
        INSTRUMENT,
        INSTRUMENT_READ,
        {"symbol", "leverageFilter", "priceFilter", "lotSizeFilter"},
        {"fundingInterval": {"funding_interval_minutes": 480}},
    ),
    "closed result": (
        translate.closed_pnl,
        CLOSED,
        CLOSED_READ,
        {"symbol", "orderId", "closedPnl"},
        {"closedSize": {"quantity": D(4)}, "updatedTime": {"closed_at": EARLIER}},
    ),
    "key": (
        translate.key_rights,
        KEY,
        KEY_READ,
        {"userID"},
        {
            "readOnly": {"read_only": True},
            "permissions": {"may_order": False, "may_position": False, "may_withdraw": False},
            "uta": {"unified": False},
            "expiredAt": {"expires_at": None},
        },
    ),
}
every_field = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (_, row, *_rest) in ROWS.items() for name in row]
)


def changed(value: Any, changes: dict[str, Any]) -> Any:
    """Give the value with some fields replaced (dataclasses.replace without its type guard)."""
    fields = {name: getattr(value, name) for name in value.__slots__}
    return type(value)(**{**fields, **changes})


@pytest.mark.parametrize("kind", ROWS)
def test_a_full_row_is_read_whole(kind: str) -> None:
    read, row, expected, *_ = ROWS[kind]

    assert read(row) == expected


@every_field
@pytest.mark.parametrize("nothing", ["absent", "", None], ids=["absent", "empty", "null"])
def test_a_missing_field_changes_its_own_value_only_or_refuses_the_row(kind: str, name: str, nothing: Any) -> None:
    read, row, expected, required, effects = ROWS[kind]
    poorer = {key: value for key, value in row.items() if key != name}
    if nothing != "absent":
        poorer[name] = nothing

    if name in required:
        with pytest.raises(Unreadable):
            read(poorer)
    else:
        assert read(poorer) == changed(expected, effects.get(name, {}))


@every_field
@pytest.mark.parametrize("strange", ["no such word", "NaN", "Infinity", [], {}, True, -1, 1e300, "9" * 400])
def test_a_strange_value_is_read_somehow_or_refused(kind: str, name: str, strange: Any) -> None:
    read, row, *_ = ROWS[kind]

    with contextlib.suppress(Unreadable):
        read({**row, name: strange})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.from_regex(r"-?\d{1,9}\.?\d*"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    kind=st.sampled_from(sorted(ROWS)),
    data=st.data(),
)
def test_no_row_whatever_raises_anything_but_unreadable(kind: str, data: st.DataObject) -> None:
    read, row, *_ = ROWS[kind]
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(row)), json_values))
    gone = data.draw(st.sets(st.sampled_from(sorted(row))))
    strange = {name: value for name, value in {**row, **changes}.items() if name not in gone}

    with contextlib.suppress(Unreadable):
        read(strange)


@pytest.mark.parametrize(
    ("wire", "ours"),
    [
        ("New", OrderState.WORKING),
        ("PartiallyFilled", OrderState.WORKING),
        ("Untriggered", OrderState.UNTRIGGERED),
        ("Triggered", OrderState.WORKING),
        ("Filled", OrderState.FILLED),
        ("Cancelled", OrderState.CANCELLED),
        ("PartiallyFilledCanceled", OrderState.CANCELLED),
        ("Deactivated", OrderState.CANCELLED),
        ("Rejected", OrderState.REJECTED),
    ],
)
def test_order_states(wire: str, ours: OrderState) -> None:
    read = translate.order({**ORDER, "orderStatus": wire})

    assert read.state is ours
    assert read.reason == ""


def test_an_unknown_order_status_never_counts_as_the_end_of_an_order() -> None:
    read = translate.order({**ORDER, "orderStatus": "Hibernating"})

    assert not read.state.terminal
    assert read.reason == "unknown status Hibernating"


@pytest.mark.parametrize("unset", ["", "0", "0.00", "0.0000", None])
def test_unset_prices_are_none_in_every_spelling(unset: str | None) -> None:
    names = ("price", "avgPrice", "triggerPrice", "stopLoss")
    read = translate.order({**ORDER, **dict.fromkeys(names, unset)})

    assert (read.price, read.average_price, read.trigger_price, read.attached_stop) == (None, None, None, None)


@pytest.mark.parametrize(
    ("kind", "time_in_force", "immediate"),
    [("Limit", "IOC", True), ("Limit", "GTC", False), ("Market", "IOC", False), ("Limit", "", False)],
)
def test_only_a_limit_order_that_was_not_to_rest_is_immediate(
    kind: str, time_in_force: str, *, immediate: bool
) -> None:
    row = {**ORDER, "orderType": kind, "timeInForce": time_in_force}
    assert translate.order(row).immediate is immediate


def test_what_is_left_of_an_order_comes_from_quantity_and_fills_not_from_the_leaves_field() -> None:
    read = translate.order({**ORDER, "leavesQty": "0"})

    assert read.remaining_quantity == D("0.06")


def test_a_cancel_with_its_reason() -> None:
    row = {**ORDER, "orderStatus": "Cancelled", "cancelType": "CancelByUser"}

    assert translate.order({**row, "rejectReason": "EC_PostOnlyWillTakeLiquidity"}).reason == (
        "EC_PostOnlyWillTakeLiquidity CancelByUser"
    )
    assert translate.order(row).reason == "CancelByUser"


@pytest.mark.parametrize(
    ("marks", "ours"),
    [
        ({"stopOrderType": "StopLoss", "orderLinkId": ""}, True),
        ({"createType": "CreateByStopLoss", "orderLinkId": ""}, True),
        ({"createType": "CreateByStopLoss", "stopOrderType": "", "orderLinkId": None}, True),
        ({"stopOrderType": "StopLoss"}, False),  # it carries an id of ours
        ({"stopOrderType": "Stop", "createType": "CreateByUser", "orderLinkId": ""}, False),
        ({"stopOrderType": "TakeProfit", "createType": "CreateByTakeProfit", "orderLinkId": ""}, False),
        ({"stopOrderType": "PartialStopLoss", "createType": "CreateByPartialStopLoss", "orderLinkId": ""}, False),
        ({"orderLinkId": ""}, False),
    ],
)
def test_the_exchanges_own_position_stop_is_told_from_stops_of_people_and_ours(
    marks: dict[str, Any], ours: bool
) -> None:
    assert translate.order({**ORDER, **marks}).is_position_stop is ours
    assert translate.execution({**EXECUTION, **marks}, "main").is_position_stop is ours


def test_a_position_stop_may_come_without_a_quantity() -> None:
    row = {**ORDER, "stopOrderType": "StopLoss", "orderLinkId": "", "qty": ""}

    assert translate.order(row).quantity == 0


def test_a_stop_of_the_kind_market_has_no_price() -> None:
    row = {**ORDER, "orderType": "Market", "price": "0", "orderStatus": "Untriggered"}

    assert (translate.order(row).kind, translate.order(row).price) == (OrderKind.MARKET, None)


@pytest.mark.parametrize(("price", "kind"), [("64000", OrderKind.LIMIT), ("0", OrderKind.MARKET)])
def test_an_order_of_unknown_type_is_taken_by_its_price(price: str, kind: OrderKind) -> None:
    assert translate.order({**ORDER, "orderType": "Iceberg", "price": price}).kind is kind


def test_a_fee_in_another_coin_is_no_fee_in_usdt() -> None:
    row = {**ORDER, "cumFeeDetail": {"MNT": "1"}, "cumExecFee": ""}

    assert translate.order(row).fee_usdt is None


def test_the_position_topic_spells_the_average_price_differently() -> None:
    row = {**POSITION, "entryPrice": POSITION["avgPrice"]}
    del row["avgPrice"]

    assert translate.position(row) == POSITION_READ


@pytest.mark.parametrize("side", ["", "None", "Buy", None])
def test_a_flat_row_has_no_side_whatever_it_says(side: str | None) -> None:
    row = {
        "symbol": "BTCUSDT",
        "side": side,
        "size": "0",
        "entryPrice": "0",
        "leverage": "10",
        "seq": -1,
        "liqPrice": "",
    }
    read = translate.position(row)

    assert read.size == 0
    assert read.side is None
    assert read.average_price is None
    assert read.sequence is None
    assert read.liquidation_price is None


@pytest.mark.parametrize(
    ("wire", "ours"),
    [
        ("Trade", ExecutionKind.TRADE),
        ("Funding", ExecutionKind.FUNDING),
        ("BustTrade", ExecutionKind.LIQUIDATION),
        ("AdlTrade", ExecutionKind.DELEVERAGING),
        ("Delivery", ExecutionKind.SETTLEMENT),
        ("Settle", ExecutionKind.SETTLEMENT),
        ("MovePosition", ExecutionKind.OTHER),
        ("SomethingNew", ExecutionKind.OTHER),
    ],
)
def test_execution_kinds(wire: str, ours: ExecutionKind) -> None:
    assert translate.execution({**EXECUTION, "execType": wire}, "main").kind is ours


def test_funding_received_is_a_negative_fee() -> None:
    row = {**EXECUTION, "execType": "Funding", "execFee": "-1.25", "orderLinkId": "", "closedSize": "0"}
    read = translate.execution(row, "main")

    assert (read.kind, read.fee_usdt, read.client_order_id) == (ExecutionKind.FUNDING, D("-1.25"), None)


def test_a_fee_that_is_nowhere_to_be_had_refuses_the_execution_instead_of_being_zero() -> None:
    row = {name: value for name, value in EXECUTION.items() if name not in {"execFee", "feeRate"}}

    with pytest.raises(Unreadable, match="feeRate"):
        translate.execution(row, "main")


def test_a_fee_is_reckoned_from_rate_quantity_and_price_where_the_value_is_missing_too() -> None:
    row = {name: value for name, value in EXECUTION.items() if name not in {"execFee", "execValue"}}

    assert translate.execution(row, "main").fee_usdt == D("26.3725275")


def test_in_cross_mode_the_whole_accounts_balance_is_available() -> None:
    read = translate.balance(WALLET, MarginMode.CROSS, AT)

    assert read == Balance(equity_usdt=D("1000.5"), wallet_usdt=D("990.5"), available_usdt=D("2500.25"), read_at=AT)


def test_in_isolated_mode_what_is_held_is_not_available() -> None:
    read = translate.balance({**WALLET, "totalAvailableBalance": ""}, MarginMode.ISOLATED, AT)

    assert read.available_usdt == D("990.5") - 100 - D("50.5") - 1 - 2


def test_more_held_than_there_is_leaves_nothing() -> None:
    row = {**WALLET, "coin": [{**COIN, "totalOrderIM": "5000"}]}

    assert translate.balance(row, MarginMode.ISOLATED, AT).available_usdt == 0


def test_a_wallet_without_usdt_holds_none() -> None:
    read = translate.balance({**WALLET, "coin": []}, MarginMode.CROSS, AT)

    assert (read.equity_usdt, read.wallet_usdt, read.available_usdt) == (D(0), D(0), D(0))


def test_a_wallet_without_a_coin_list_is_no_empty_wallet() -> None:
    with pytest.raises(Unreadable, match="coin"):
        translate.balance({"totalEquity": "5"}, MarginMode.CROSS, AT)


def test_a_wallet_report_says_nothing_of_usdt_when_the_message_does_not() -> None:
    row = {"coin": [{"coin": "BTC", "equity": "1"}], "totalAvailableBalance": ""}

    assert translate.wallet(row, "main") == WalletReported(account="main", equity_usdt=None, available_usdt=None)


@pytest.mark.parametrize(
    "other",
    [
        {"contractType": "LinearFutures"},
        {"settleCoin": "USDC", "quoteCoin": "USDC"},
    ],
)
def test_only_usdt_perpetuals_are_instruments(other: dict[str, str]) -> None:
    assert translate.instrument({**INSTRUMENT, **other}) is None


@pytest.mark.parametrize("status", ["PreLaunch", "Delivering", "Closed", "Paused"])
def test_an_instrument_that_does_not_trade_says_so(status: str) -> None:
    read = translate.instrument({**INSTRUMENT, "status": status})

    assert read is not None
    assert not read.trading


@pytest.mark.parametrize(
    ("filter_name", "name", "effect"),
    [
        ("lotSizeFilter", "maxMktOrderQty", {"max_market_quantity": D(1190)}),
        ("lotSizeFilter", "minNotionalValue", {"min_notional_usdt": D(5)}),
        ("leverageFilter", "minLeverage", {"min_leverage": D(1)}),
        ("leverageFilter", "leverageStep", {"leverage_step": D("0.01")}),
        ("priceFilter", "minPrice", {}),
    ],
)
def test_an_instruments_optional_filters_have_usual_values(filter_name: str, name: str, effect: dict[str, Any]) -> None:
    poorer = {key: value for key, value in INSTRUMENT[filter_name].items() if key != name}  # type: ignore[attr-defined]

    assert translate.instrument({**INSTRUMENT, filter_name: poorer}) == changed(INSTRUMENT_READ, effect)


@pytest.mark.parametrize(
    ("filter_name", "name"),
    [
        ("lotSizeFilter", "qtyStep"),
        ("lotSizeFilter", "minOrderQty"),
        ("lotSizeFilter", "maxOrderQty"),
        ("priceFilter", "tickSize"),
        ("leverageFilter", "maxLeverage"),
    ],
)
@pytest.mark.parametrize("value", ["", "0", "x"])
def test_an_instrument_without_its_grid_or_limits_is_refused(filter_name: str, name: str, value: str) -> None:
    broken = {**INSTRUMENT[filter_name], name: value}  # type: ignore[dict-item]

    with pytest.raises(Unreadable, match=name):
        translate.instrument({**INSTRUMENT, filter_name: broken})


@pytest.mark.parametrize("name", ["lastPrice", "markPrice"])
def test_a_ticker_needs_both_prices(name: str) -> None:
    row = {"symbol": "BTCUSDT", "lastPrice": "65000.1", "markPrice": "65001"}
    assert translate.last_and_mark(row) == (D("65000.1"), D(65001))

    with pytest.raises(Unreadable, match=name):
        translate.last_and_mark({**row, name: "0"})


def test_fee_rates_may_be_rebates() -> None:
    read = translate.fee_rates({"symbol": "BTCUSDT", "makerFeeRate": "-0.0001", "takerFeeRate": "0.0003"})

    assert read == FeeRates(maker=D("-0.0001"), taker=D("0.0003"))


@pytest.mark.parametrize(
    ("indexes", "mode"),
    [
        ((0,), PositionMode.ONE_WAY),
        ((1, 2), PositionMode.HEDGE),
        ((2,), PositionMode.HEDGE),
        ((), PositionMode.ONE_WAY),
    ],
)
def test_the_position_mode_shows_in_the_indexes(indexes: tuple[int, ...], mode: PositionMode) -> None:
    rows = [translate.position({**POSITION, "positionIdx": index}) for index in indexes]

    assert translate.position_mode(rows) is mode


TIER = {"riskLimitValue": "2000000", "maintenanceMargin": "0.005", "initialMargin": "0.01", "maxLeverage": "100"}


@pytest.mark.parametrize(
    ("tiers", "rate"),
    [
        ([TIER], "0.005"),
        ([{**TIER, "maintenanceMargin": "0.5", "initialMargin": "1"}], "0.005"),
        ([{**TIER, "riskLimitValue": "9000000", "maintenanceMargin": "0.02"}, TIER], "0.005"),
        ([{"maintenanceMargin": "0.01"}], "0.01"),
    ],
    ids=["a fraction", "percent", "the lowest tier", "nothing else told"],
)
def test_the_maintenance_margin_is_a_fraction_of_the_lowest_tier(tiers: list[Any], rate: str) -> None:
    assert translate.maintenance_margin_rate(tiers) == D(rate)


def test_no_tier_no_maintenance_margin() -> None:
    assert translate.maintenance_margin_rate([{"riskLimitValue": "1", "maintenanceMargin": ""}]) is None


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        ({"ContractTrade": ["Order"]}, (True, False)),
        ({"ContractTrade": ["Position"]}, (False, True)),
        ({"Derivatives": ["DerivativesTrade"]}, (True, True)),
        ({"Spot": ["SpotTrade"]}, (False, False)),
    ],
)
def test_key_permissions(permissions: dict[str, list[str]], may: tuple[bool, bool]) -> None:
    read = translate.key_rights({**KEY, "permissions": permissions})

    assert (read.may_order, read.may_position) == may
    assert not read.may_withdraw


@pytest.mark.parametrize("written", ["", "1970-01-01T00:00:00Z", "never"])
def test_a_key_that_never_expires(written: str) -> None:
    assert translate.key_rights({**KEY, "expiredAt": written}).expires_at is None


def test_the_servers_time_is_read_to_the_millisecond_and_finer() -> None:
    assert translate.server_time_seconds({"timeSecond": "1700000000", "timeNano": "1700000000123456789"}) == (
        pytest.approx(1700000000.123456, abs=1e-6)
    )
    assert translate.server_time_seconds({"timeSecond": "1700000000"}) == 1700000000.0


@pytest.mark.parametrize(
    ("topic", "row", "expected"),
    [
        ("order", ORDER, OrderReported(account="main", order=ORDER_READ)),
        ("order.linear", ORDER, OrderReported(account="main", order=ORDER_READ)),
        ("position", POSITION, PositionReported(account="main", position=POSITION_READ)),
        ("execution", EXECUTION, EXECUTION_READ),
        ("wallet", WALLET, WALLET_READ),
        ("greeks", {}, None),
        ("order", {**ORDER, "category": "spot"}, None),
        ("position", {**POSITION, "category": "inverse"}, None),
    ],
)
def test_private_topics(topic: str, row: Any, expected: Any) -> None:
    assert translate.private_report(topic, row, "main") == expected


def test_an_instant_keeps_its_milliseconds() -> None:
    read = translate.order({**ORDER, "updatedTime": 1700000000999})

    assert read.updated_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) + timedelta(milliseconds=999)
