"""Writes over the real pybit: what goes out, and that it goes out once whatever comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import (
    AccessDenied,
    DuplicateId,
    Gone,
    OutcomeUnknown,
    OutsideError,
    Rejected,
    Throttled,
    TriggerPassed,
    Unreachable,
)
from actors.messages.orders import AmendOrder, CancelOrder, SetPositionStop
from actors.model.order import OrderIntent, OrderKind, OrderSide, TriggerSource
from actors.model.position import PositionSide
from actors.ports import ExchangePort
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.rate_limit import RateBudget
from runtime.clock import SystemClock

ENTRY = OrderIntent(
    client_order_id="SFab1-7K3Q9X-e1-0",
    symbol="BTCUSDT",
    order_side=OrderSide.BUY,
    kind=OrderKind.LIMIT,
    quantity=Decimal("0.010"),
    price=Decimal("64000.50"),
    attached_stop=Decimal(62000),
)
STOP = OrderIntent(
    client_order_id="SFab1-7K3Q9X-sl-0",
    symbol="BTCUSDT",
    order_side=OrderSide.SELL,
    kind=OrderKind.MARKET,
    quantity=Decimal("0.010"),
    trigger_price=Decimal(63000),
    trigger_rises=False,
    trigger_source=TriggerSource.MARK,
    reduce_only=True,
    close_on_trigger=True,
    position_index=1,
)
AMEND = AmendOrder(
    account="main",
    trade_id="7K3Q9X",
    symbol="BTCUSDT",
    client_order_id="SFab1-7K3Q9X-sl-0",
    trigger_price=Decimal(63500),
    is_stop=True,
)
CANCEL = CancelOrder(account="main", trade_id="7K3Q9X", symbol="BTCUSDT", client_order_id="SFab1-7K3Q9X-e1-0")
BACKSTOP = SetPositionStop(
    account="main",
    symbol="BTCUSDT",
    position_side=PositionSide.LONG,
    position_index=0,
    stop_price=Decimal("61000.10"),
)
WRITES: dict[str, tuple[str, Callable[[ExchangePort], object]]] = {
    "place": ("/v5/order/create", lambda exchange: exchange.place_order(ENTRY)),
    "amend": ("/v5/order/amend", lambda exchange: exchange.amend_order(AMEND)),
    "cancel": ("/v5/order/cancel", lambda exchange: exchange.cancel_order(CANCEL)),
    "set stop": ("/v5/position/trading-stop", lambda exchange: exchange.set_position_stop(BACKSTOP)),
    "set leverage": ("/v5/position/set-leverage", lambda exchange: exchange.set_leverage("BTCUSDT", Decimal(10))),
}
every_write = pytest.mark.parametrize("write", WRITES)


def test_an_entry_leaves_as_a_signed_limit_order_with_its_attached_stop(venue: Any, exchange: ExchangePort) -> None:
    venue.result("/v5/order/create", {"orderId": "o-1", "orderLinkId": ENTRY.client_order_id})

    accepted = exchange.place_order(ENTRY)

    assert accepted.order_id == "o-1"
    [asked] = venue.asked
    assert asked.signed_rightly
    assert asked.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": "64000.5",
        "timeInForce": "GTC",
        "positionIdx": 0,
        "orderLinkId": "SFab1-7K3Q9X-e1-0",
        "stopLoss": "62000",
        "slTriggerBy": "LastPrice",
        "slOrderType": "Market",
        "tpslMode": "Full",
    }


def test_an_immediate_limit_leaves_as_one_that_does_not_rest(venue: Any, exchange: ExchangePort) -> None:
    venue.result("/v5/order/create", {"orderId": "o-1"})

    exchange.place_order(replace(ENTRY, immediate=True))

    [asked] = venue.asked
    assert (asked.params["orderType"], asked.params["timeInForce"], asked.params["price"]) == (
        "Limit",
        "IOC",
        "64000.5",
    )


def test_a_stop_loss_leaves_as_a_reduce_only_conditional_market_order(venue: Any, exchange: ExchangePort) -> None:
    venue.result("/v5/order/create", {"orderId": "o-2"})

    exchange.place_order(STOP)

    [asked] = venue.asked
    assert asked.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Market",
        "qty": "0.01",
        "triggerPrice": "63000",
        "triggerDirection": 2,
        "triggerBy": "MarkPrice",
        "reduceOnly": True,
        "closeOnTrigger": True,
        "positionIdx": 1,
        "orderLinkId": "SFab1-7K3Q9X-sl-0",
    }


def test_an_amend_carries_only_what_changes(venue: Any, exchange: ExchangePort) -> None:
    exchange.amend_order(replace(AMEND, quantity=Decimal("0.0050")))

    [asked] = venue.asked
    assert asked.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": "SFab1-7K3Q9X-sl-0",
        "qty": "0.005",
        "triggerPrice": "63500",
    }


def test_an_amend_that_changes_nothing_is_done_without_a_request(venue: Any, exchange: ExchangePort) -> None:
    exchange.amend_order(replace(AMEND, trigger_price=None))

    assert venue.asked == []


def test_the_backstop_is_set_for_the_whole_position(venue: Any, exchange: ExchangePort) -> None:
    exchange.set_position_stop(BACKSTOP)

    [asked] = venue.asked
    assert asked.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "tpslMode": "Full",
        "positionIdx": 0,
        "stopLoss": "61000.1",
        "slTriggerBy": "LastPrice",
    }


def test_leverage_is_set_alike_for_both_sides(venue: Any, exchange: ExchangePort) -> None:
    exchange.set_leverage("BTCUSDT", Decimal("12.50"))

    [asked] = venue.asked
    assert (asked.params["buyLeverage"], asked.params["sellLeverage"]) == ("12.5", "12.5")


@pytest.mark.parametrize("quantity", [Decimal("0.00001"), Decimal("1E-5"), Decimal("1.0E+3"), Decimal("0.000000010")])
def test_numbers_leave_in_fixed_point(venue: Any, exchange: ExchangePort, quantity: Decimal) -> None:
    venue.result("/v5/order/create", {"orderId": "o-3"})

    exchange.place_order(replace(ENTRY, quantity=quantity, price=quantity, attached_stop=quantity))

    [asked] = venue.asked
    for name in ("qty", "price", "stopLoss"):
        assert re.fullmatch(r"\d+(\.\d+)?", asked.params[name])
        assert Decimal(asked.params[name]) == quantity


@pytest.mark.parametrize(
    "order",
    [replace(ENTRY, price=None), replace(STOP, trigger_rises=None)],
    ids=["limit without a price", "conditional without a direction"],
)
def test_an_order_that_makes_no_sense_is_refused_before_sending(
    venue: Any, exchange: ExchangePort, order: OrderIntent
) -> None:
    with pytest.raises(Rejected, match="Nothing was sent"):
        exchange.place_order(order)

    assert venue.asked == []


# --- what comes back, over the wire: the class, and exactly one request -----------------------------------------
FAILURES: dict[str, tuple[dict[str, Any], type[OutsideError]]] = {
    "the answer never comes": ({"way": "hold"}, OutcomeUnknown),
    "the connection is reset": ({"way": "reset"}, OutcomeUnknown),
    "the connection is closed": ({"way": "close"}, OutcomeUnknown),
    "the answer is cut short": ({"way": "truncate", "body": b'{"retCode":0'}, OutcomeUnknown),
    "the answer is no JSON": ({"body": b"<html>busy</html>"}, OutcomeUnknown),
    "the answer is a JSON list": ({"body": b"[]"}, OutcomeUnknown),
    "the answer is JSON null": ({"body": b"null"}, OutcomeUnknown),
    "the answer lacks the code": ({"body": b'{"result":{}}'}, OutcomeUnknown),
    "the answer lacks the words": ({"body": b'{"retCode":110007}'}, OutcomeUnknown),
    "the answer is a number too large": ({"body": b'{"retCode":"many","retMsg":""}'}, OutcomeUnknown),
    "HTTP 500": ({"status": 500}, OutcomeUnknown),
    "HTTP 502": ({"status": 502}, OutcomeUnknown),
    "HTTP 503": ({"status": 503}, OutcomeUnknown),
    "HTTP 504": ({"status": 504}, OutcomeUnknown),
    "HTTP 404": ({"status": 404}, OutcomeUnknown),
    "HTTP 429": ({"status": 429}, OutcomeUnknown),
    "HTTP 403": ({"status": 403}, Throttled),
    "HTTP 401": ({"status": 401}, AccessDenied),
    "a redirect": ({"status": 307, "headers": {"Location": "/v5/order/create"}}, OutcomeUnknown),
}


@every_write
@pytest.mark.parametrize("failure", FAILURES)
def test_a_write_is_sent_exactly_once_however_it_fails(
    venue: Any, exchange: ExchangePort, write: str, failure: str
) -> None:
    path, send = WRITES[write]
    answer, expected = FAILURES[failure]
    venue.raw(path, **answer)

    with pytest.raises(expected) as caught:
        send(exchange)

    assert type(caught.value) is expected
    assert len(venue.asked) == 1


@every_write
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (10000, OutcomeUnknown),
        (10002, Unreachable),
        (10003, AccessDenied),
        (10004, AccessDenied),
        (10006, Throttled),
        (10014, OutcomeUnknown),
        (10016, OutcomeUnknown),
        (10019, OutcomeUnknown),
        (30034, Rejected),
        (30035, Rejected),
        (110007, Rejected),
        (110072, DuplicateId),
        (110079, OutcomeUnknown),
        (110092, TriggerPassed),
        (130035, Rejected),
        (130150, Rejected),
    ],
)
def test_a_write_is_sent_exactly_once_whatever_code_comes_back(
    venue: Any, exchange: ExchangePort, write: str, code: int, expected: type[OutsideError]
) -> None:
    path, send = WRITES[write]
    venue.code(path, code)

    with pytest.raises(expected) as caught:
        send(exchange)

    assert type(caught.value) is expected
    assert caught.value.code == code
    assert len(venue.asked_at(path)) == 1


@pytest.mark.parametrize("code", [110066, 110063])
def test_a_halted_symbol_holds_back_no_other_symbols_stop(venue: Any, exchange: ExchangePort, code: int) -> None:
    venue.code("/v5/order/create", code, "trading is suspended")
    with pytest.raises(Throttled):
        exchange.place_order(ENTRY)
    venue.result("/v5/order/create", {"orderId": "1"})

    exchange.place_order(replace(STOP, symbol="ETHUSDT"))

    assert [asked.params["symbol"] for asked in venue.asked] == ["BTCUSDT", "ETHUSDT"]


def test_cancelling_what_is_not_there_says_gone(venue: Any, exchange: ExchangePort) -> None:
    venue.code("/v5/order/cancel", 110001, "order not exists or too late to cancel")

    with pytest.raises(Gone, match=r"cancel order SFab1-7K3Q9X-e1-0 on BTCUSDT.*110001.*too late to cancel"):
        exchange.cancel_order(CANCEL)


def test_what_is_already_so_counts_as_done(venue: Any, exchange: ExchangePort) -> None:
    venue.code("/v5/position/trading-stop", 34040, "not modified")
    venue.code("/v5/position/set-leverage", 110043, "leverage not modified")

    exchange.set_position_stop(BACKSTOP)
    exchange.set_leverage("BTCUSDT", Decimal(10))

    assert len(venue.asked) == 2


def test_an_acceptance_without_an_order_id_is_not_taken_for_one(venue: Any, exchange: ExchangePort) -> None:
    venue.result("/v5/order/create", {})

    with pytest.raises(OutcomeUnknown, match="names no order"):
        exchange.place_order(ENTRY)


@every_write
def test_a_refused_connection_means_nothing_was_sent(access: BybitAccess, venue: Any, write: str) -> None:
    clock = SystemClock()
    nobody = replace(access, rest_url="http://127.0.0.1:1")  # nobody listens on port 1
    exchange = open_exchange(nobody, RateBudget(clock), account="main", clock=clock)

    with pytest.raises(Unreachable, match="Nothing was sent"):
        WRITES[write][1](exchange)

    exchange.close()


def test_a_stale_keep_alive_connection_is_not_a_second_sending(venue: Any, exchange: ExchangePort) -> None:
    venue.raw("/v5/order/cancel", body=b'{"retCode":0,"retMsg":"","result":{}}', headers={"Connection": "keep-alive"})
    exchange.cancel_order(CANCEL)
    venue.raw("/v5/order/cancel", way="reset")

    with pytest.raises(OutcomeUnknown):
        exchange.cancel_order(CANCEL)

    assert len(venue.asked) == 2


def test_no_error_tells_the_key_or_the_secret_even_when_the_exchange_echoes_them(
    venue: Any, exchange: ExchangePort, access: BybitAccess
) -> None:
    echo = f"error sign! origin_string[1700000000000{access.api_key}5000{{}}] {access.api_secret}"
    venue.code("/v5/order/cancel", 10004, echo)

    with pytest.raises(AccessDenied) as caught:
        exchange.cancel_order(CANCEL)

    told = f"{caught.value}{caught.value!r}{caught.value.__cause__}{caught.value.__context__}"
    assert "origin_string" in told
    assert access.api_key not in told
    assert access.api_secret not in told


def test_access_facts_print_without_key_and_secret(access: BybitAccess) -> None:
    assert access.api_secret not in repr(access)
    assert access.api_key not in repr(access)
