"""Reads over the real pybit: whole or not at all, paged to the end, once per question."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from actors.errors import AccessDenied, OutsideError, Rejected, Throttled, Unreachable
from actors.model.instrument import FeeRates
from actors.model.order import OrderState
from actors.model.position import PositionMode
from actors.ports import ExchangePort
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.rate_limit import RateBudget
from runtime.clock import VirtualClock

D = Decimal
NOW = datetime(2025, 6, 30, 12, 0, tzinfo=UTC)
ORDERS, HISTORY, POSITIONS = "/v5/order/realtime", "/v5/order/history", "/v5/position/list"
EXECUTIONS, RESULTS = "/v5/execution/list", "/v5/position/closed-pnl"
RULES, TICKERS, TIERS, TIME = (
    "/v5/market/instruments-info",
    "/v5/market/tickers",
    "/v5/market/risk-limit",
    "/v5/market/time",
)
WALLET, ACCOUNT, FEES, KEY = (
    "/v5/account/wallet-balance",
    "/v5/account/info",
    "/v5/account/fee-rate",
    "/v5/user/query-api",
)


def order(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "orderId": f"o-{number}",
        "orderLinkId": f"SF-{number}",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderStatus": "New",
        "qty": "1",
        "cumExecQty": "0",
        **more,
    }


def execution(number: int, **more: Any) -> dict[str, Any]:
    return {
        "execId": f"x-{number}",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "execQty": "1",
        "execPrice": "65000",
        "execFee": "0.1",
        "execTime": str(1751200000000 + number),
        **more,
    }


INSTRUMENT = {
    "symbol": "BTCUSDT",
    "settleCoin": "USDT",
    "priceFilter": {"tickSize": "0.1"},
    "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "maxOrderQty": "100"},
    "leverageFilter": {"maxLeverage": "50"},
}
READS: dict[str, tuple[str, Callable[[ExchangePort], object]]] = {
    "find order": (ORDERS, lambda exchange: exchange.find_order("BTCUSDT", "SF-1")),
    "open orders": (ORDERS, lambda exchange: exchange.open_orders()),
    "positions": (POSITIONS, lambda exchange: exchange.positions("BTCUSDT")),
    "executions": (EXECUTIONS, lambda exchange: exchange.executions(since=datetime.now(UTC))),
    "closed results": (RESULTS, lambda exchange: exchange.closed_pnl(since=datetime.now(UTC))),
    "rules": (RULES, lambda exchange: exchange.instrument("BTCUSDT")),
    "all rules": (RULES, lambda exchange: exchange.instruments()),
    "view": (RULES, lambda exchange: exchange.opening_view("BTCUSDT")),
    "price": (TICKERS, lambda exchange: exchange.last_price("BTCUSDT")),
    "balance": (ACCOUNT, lambda exchange: exchange.balance()),
    "rights": (KEY, lambda exchange: exchange.key_rights()),
    "clock": (TIME, lambda exchange: exchange.clock_offset_seconds()),
}
FAILURES: dict[str, tuple[dict[str, Any], type[OutsideError]]] = {
    "the answer never comes": ({"way": "hold"}, Unreachable),
    "the connection is reset": ({"way": "reset"}, Unreachable),
    "the answer is cut short": ({"way": "truncate", "body": b'{"retCode":0'}, Unreachable),
    "the answer is no JSON": ({"body": b"<html>"}, Unreachable),
    "the answer is a list": ({"body": b"[]"}, Unreachable),
    "HTTP 503": ({"status": 503}, Unreachable),
    "HTTP 404": ({"status": 404}, Unreachable),
    "HTTP 403": ({"status": 403}, Throttled),
    "HTTP 429": ({"status": 429}, Throttled),
    "server error": ({"body": b'{"retCode":10016,"retMsg":"","result":{}}'}, Unreachable),
    "key unknown": ({"body": b'{"retCode":10003,"retMsg":"","result":{}}'}, AccessDenied),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("read", READS)
def test_a_read_that_fails_asks_once_and_is_never_an_empty_answer(
    venue: Any, exchange: ExchangePort, read: str, failure: str
) -> None:
    path, ask = READS[read]
    answer, expected = FAILURES[failure]
    venue.raw(path, **answer)

    with pytest.raises(expected) as caught:
        ask(exchange)

    assert type(caught.value) is expected
    assert len(venue.asked) == 1


@pytest.mark.parametrize(
    ("path", "ask", "row"),
    [
        (ORDERS, lambda exchange: exchange.open_orders(), {"orderId": "o-2"}),
        (ORDERS, lambda exchange: exchange.open_orders(), 7),
        (ORDERS, lambda exchange: exchange.find_order("BTCUSDT", "SF-2"), {"orderLinkId": "SF-2"}),
        (POSITIONS, lambda exchange: exchange.positions(), {"symbol": "BTCUSDT", "side": "Buy"}),
        (EXECUTIONS, lambda exchange: exchange.executions(since=datetime.now(UTC)), {"execId": "x"}),
        (RESULTS, lambda exchange: exchange.closed_pnl(since=datetime.now(UTC)), {"orderId": "x"}),
        (RULES, lambda exchange: exchange.instrument("BTCUSDT"), {"symbol": "BTCUSDT"}),
        (TICKERS, lambda exchange: exchange.last_price("BTCUSDT"), {"symbol": "BTCUSDT"}),
    ],
)
def test_a_row_that_cannot_be_read_fails_the_question_instead_of_looking_like_an_absence(
    venue: Any, exchange: ExchangePort, path: str, ask: Callable[[ExchangePort], object], row: object
) -> None:
    venue.result(path, {"list": [row], "nextPageCursor": ""})

    with pytest.raises(Unreachable, match="Nothing was read"):
        ask(exchange)


@pytest.mark.parametrize("cursor", ["page%3A1%2C2", "page:1,2", "a|b c&d=e", "plain"])
def test_pages_are_followed_with_the_cursor_signed_as_sent(venue: Any, exchange: ExchangePort, cursor: str) -> None:
    venue.result(ORDERS, {"list": [order(1)], "nextPageCursor": cursor})
    venue.result(ORDERS, {"list": [order(2)], "nextPageCursor": ""})

    found = exchange.open_orders()

    assert [each.order_id for each in found] == ["o-1", "o-2"]
    first, second = venue.asked
    assert first.signed_rightly
    assert second.signed_rightly
    assert "cursor" not in first.params
    assert quote(second.params["cursor"]) in {quote(cursor), cursor}


def test_a_cursor_that_leads_nowhere_ends_the_list(venue: Any, exchange: ExchangePort) -> None:
    venue.set_default(ORDERS, lambda _params: {"list": [order(1)], "nextPageCursor": "same"})

    assert len(exchange.open_orders()) == 2
    assert len(venue.asked) == 2


def test_a_page_without_rows_ends_the_list(venue: Any, exchange: ExchangePort) -> None:
    venue.result(ORDERS, {"list": [], "nextPageCursor": "more"})

    assert exchange.open_orders() == ()
    assert len(venue.asked) == 1


def test_lists_ask_for_all_that_settles_in_usdt_or_for_one_symbol(venue: Any, exchange: ExchangePort) -> None:
    exchange.open_orders()
    exchange.open_orders("ETHUSDT")
    exchange.positions()
    exchange.positions("ETHUSDT")

    assert [asked.params for asked in venue.asked] == [
        {"category": "linear", "settleCoin": "USDT", "limit": "50"},
        {"category": "linear", "symbol": "ETHUSDT", "limit": "50"},
        {"category": "linear", "settleCoin": "USDT", "limit": "200"},
        {"category": "linear", "symbol": "ETHUSDT", "limit": "200"},
    ]


def test_orders_that_are_over_are_not_open(venue: Any, exchange: ExchangePort) -> None:
    rows = [order(1), order(2, orderStatus="Filled"), order(3, orderStatus="Untriggered")]
    venue.result(ORDERS, {"list": rows})

    assert [each.order_id for each in exchange.open_orders()] == ["o-1", "o-3"]


# --- finding an order ------------------------------------------------------------------------------------------
def test_an_order_not_among_the_recent_ones_is_looked_for_in_history(venue: Any, exchange: ExchangePort) -> None:
    venue.result(ORDERS, {"list": []})
    venue.result(HISTORY, {"list": [order(1, orderStatus="Cancelled")]})

    found = exchange.find_order("BTCUSDT", "SF-1")

    assert found is not None
    assert found.state is OrderState.CANCELLED
    assert [(asked.path, asked.params["orderLinkId"]) for asked in venue.asked] == [(ORDERS, "SF-1"), (HISTORY, "SF-1")]


def test_an_order_found_at_once_is_not_looked_for_again(venue: Any, exchange: ExchangePort) -> None:
    venue.result(ORDERS, {"list": [order(1)]})

    assert exchange.find_order("BTCUSDT", "SF-1") is not None
    assert len(venue.asked) == 1


def test_another_order_is_never_taken_for_the_one_looked_for(venue: Any, exchange: ExchangePort) -> None:
    venue.result(ORDERS, {"list": [order(2), order(3)]})
    venue.result(HISTORY, {"list": [order(4)]})

    assert exchange.find_order("BTCUSDT", "SF-1") is None


def test_no_such_order_said_as_an_error_is_an_absence(venue: Any, exchange: ExchangePort) -> None:
    venue.code(ORDERS, 110001, "order not exists")
    venue.code(HISTORY, 110001, "order not exists")

    assert exchange.find_order("BTCUSDT", "SF-1") is None


def test_a_failing_history_is_not_an_absence(venue: Any, exchange: ExchangePort) -> None:
    venue.result(ORDERS, {"list": []})
    venue.raw(HISTORY, status=502)

    with pytest.raises(Unreachable):
        exchange.find_order("BTCUSDT", "SF-1")


# --- histories ------------------------------------------------------------------------------------------
@pytest.fixture
def dated(access: BybitAccess) -> Any:
    """An exchange whose clock stands at NOW."""
    clock = VirtualClock(NOW)
    opened = open_exchange(access, RateBudget(clock), account="main", clock=clock)
    yield opened
    opened.close()


def ms(when: datetime) -> str:
    return str(int(when.timestamp() * 1000))


def test_a_long_history_is_asked_for_in_spans_of_seven_days(venue: Any, dated: ExchangePort) -> None:
    since = NOW - timedelta(days=16)
    venue.result(EXECUTIONS, {"list": [execution(2), execution(1)], "nextPageCursor": "p2"})
    venue.result(EXECUTIONS, {"list": [execution(0)]})
    venue.result(EXECUTIONS, {"list": []})
    venue.result(EXECUTIONS, {"list": [execution(9), execution(2)]})

    found = dated.executions(since=since, symbol="BTCUSDT")

    assert [each.execution_id for each in found] == ["x-0", "x-1", "x-2", "x-9"]
    spans = [(asked.params["startTime"], asked.params.get("endTime")) for asked in venue.asked]
    week = timedelta(days=7)
    almost = timedelta(milliseconds=1)
    assert spans == [
        (ms(since), ms(since + week - almost)),
        (ms(since), ms(since + week - almost)),
        (ms(since + week), ms(since + 2 * week - almost)),
        (ms(since + 2 * week), None),  # open-ended: the exchange's clock may be ahead
    ]
    assert all(asked.params["limit"] == "100" and asked.params["symbol"] == "BTCUSDT" for asked in venue.asked)


def test_a_history_from_the_future_is_asked_for_once(venue: Any, dated: ExchangePort) -> None:
    assert dated.executions(since=NOW + timedelta(hours=1)) == ()
    assert len(venue.asked) == 1


def test_executions_of_one_instant_keep_the_exchanges_sequence(venue: Any, dated: ExchangePort) -> None:
    rows = [execution(0, execId=f"x-{seq}", seq=seq) for seq in (30, 10, 20)]
    venue.result(EXECUTIONS, {"list": rows})

    assert [each.sequence for each in dated.executions(since=NOW)] == [10, 20, 30]


# --- the market and the account ---------------------------------------------------------------------------------
def test_one_odd_listing_does_not_hide_the_others(venue: Any, exchange: ExchangePort) -> None:
    usdc = {**INSTRUMENT, "symbol": "BTCPERP", "settleCoin": "USDC"}
    rows = [INSTRUMENT, {"symbol": "ODDUSDT"}, usdc, {**INSTRUMENT, "symbol": "ETHUSDT"}]
    venue.result(RULES, {"list": rows[:2], "nextPageCursor": "p2"})
    venue.result(RULES, {"list": rows[2:]})

    assert [each.symbol for each in exchange.instruments()] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("answer", ["empty", "another", "refused"])
def test_an_unknown_symbol_has_no_rules(venue: Any, exchange: ExchangePort, answer: str) -> None:
    if answer == "refused":
        venue.code(RULES, 10001, "params error: symbol invalid")
    else:
        venue.result(RULES, {"list": [] if answer == "empty" else [INSTRUMENT]})

    assert exchange.opening_view("NOSUCHUSDT") is None
    assert len(venue.asked) == 1


def script_a_view(venue: Any, *, without: str = "") -> None:
    """Queue everything an opening reads, apart from one path."""
    hedged = [{"symbol": "BTCUSDT", "side": "", "size": "0", "positionIdx": index} for index in (1, 2)]
    untriggered = [order(number, orderStatus="Untriggered") for number in (1, 2)]
    coin = {"coin": "USDT", "equity": "100", "walletBalance": "90", "totalPositionIM": "20"}
    answers = {
        RULES: {"list": [INSTRUMENT]},
        TICKERS: {"list": [{"symbol": "BTCUSDT", "lastPrice": "65000", "markPrice": "65001"}]},
        POSITIONS: {"list": hedged},
        ACCOUNT: {"marginMode": "ISOLATED_MARGIN"},
        ORDERS: {"list": [*untriggered, order(3, orderStatus="Deactivated")]},
        WALLET: {"list": [{"totalAvailableBalance": "", "coin": [coin]}]},
        FEES: {"list": [{"symbol": "BTCUSDT", "makerFeeRate": "0.0001", "takerFeeRate": "0.0004"}]},
        TIERS: {"list": [{"symbol": "BTCUSDT", "riskLimitValue": "1", "maintenanceMargin": "0.004"}]},
    }
    for path, result in answers.items():
        if path != without:
            venue.result(path, result)


def test_an_opening_view_is_put_together_from_eight_answers(venue: Any, exchange: ExchangePort) -> None:
    script_a_view(venue)

    view = exchange.opening_view("BTCUSDT")

    assert view is not None
    assert view.position_mode is PositionMode.HEDGE
    assert view.conditional_orders == 2
    assert view.balance.available_usdt == D(70)
    assert view.fees == FeeRates(maker=D("0.0001"), taker=D("0.0004"))
    assert view.maintenance_margin_rate == D("0.004")
    assert (view.last_price, view.mark_price) == (D(65000), D(65001))
    [asked] = venue.asked_at(ORDERS)
    assert asked.params == {"category": "linear", "symbol": "BTCUSDT", "orderFilter": "StopOrder", "limit": "50"}


@pytest.mark.parametrize("missing", ["code", "404"])
def test_what_demo_does_not_offer_has_stand_ins(venue: Any, exchange: ExchangePort, missing: str) -> None:
    script_a_view(venue, without=FEES)
    if missing == "code":
        venue.code(FEES, 10001, "not supported")
    else:
        venue.raw(FEES, status=404)

    view = exchange.opening_view("BTCUSDT")

    assert view is not None
    assert view.fees == FeeRates(maker=D("0.0002"), taker=D("0.00055"))


@pytest.mark.parametrize("tiers", ["404", "empty"])
def test_without_risk_tiers_the_maintenance_margin_is_a_cautious_one(
    venue: Any, exchange: ExchangePort, tiers: str
) -> None:
    script_a_view(venue, without=TIERS)
    if tiers == "404":
        venue.raw(TIERS, status=404)
    else:
        venue.result(TIERS, {"list": []})

    view = exchange.opening_view("BTCUSDT")

    assert view is not None
    assert view.maintenance_margin_rate == D("0.02")


@pytest.mark.parametrize("path", [FEES, TIERS])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failing_endpoint_is_not_taken_for_a_missing_one(
    venue: Any, exchange: ExchangePort, path: str, status: int
) -> None:
    script_a_view(venue, without=path)
    venue.raw(path, status=status)

    with pytest.raises(Unreachable):
        exchange.opening_view("BTCUSDT")


def test_a_malformed_question_is_our_own_fault(venue: Any, exchange: ExchangePort) -> None:
    venue.code(POSITIONS, 10001, "params error")

    with pytest.raises(Rejected):
        exchange.positions()


@pytest.mark.parametrize("theirs_ahead", [-2.0, 0.0, 0.75])
def test_the_clock_offset_is_theirs_minus_ours(venue: Any, access: BybitAccess, theirs_ahead: float) -> None:
    clock = VirtualClock(NOW)

    def tell(_params: dict[str, Any]) -> dict[str, Any]:
        clock.advance(0.4)  # on its way there
        stamp = clock.now().timestamp() + theirs_ahead
        clock.advance(0.4)  # and back
        return {"timeSecond": str(int(stamp)), "timeNano": str(round(stamp * 1000) * 1_000_000)}

    venue.set_default(TIME, tell)
    exchange = open_exchange(access, RateBudget(clock), account="main", clock=clock)

    offset = exchange.clock_offset_seconds()

    assert math.isclose(offset, theirs_ahead, abs_tol=0.002)
    exchange.close()


# --- limits ------------------------------------------------------------------------------------------
def test_over_the_limit_the_endpoint_is_left_alone_until_its_reset(venue: Any, access: BybitAccess) -> None:
    clock = VirtualClock(NOW)
    budget = RateBudget(clock, max_wait_seconds=0.5)
    exchange = open_exchange(access, budget, account="main", clock=clock)
    reset = NOW + timedelta(seconds=1)
    venue.code(POSITIONS, 10006, "Too many visits!", {"X-Bapi-Limit-Reset-Timestamp": ms(reset)})

    for _ in range(2):
        with pytest.raises(Throttled) as caught:
            exchange.positions()
        assert caught.value.until == reset
    assert len(venue.asked) == 1
    exchange.open_orders()
    clock.advance(1)
    exchange.positions()

    assert [asked.path for asked in venue.asked] == [POSITIONS, ORDERS, POSITIONS]
    exchange.close()


def test_a_banned_address_falls_silent_on_every_lane_for_ten_minutes(venue: Any, access: BybitAccess) -> None:
    clock = VirtualClock(NOW)
    budget = RateBudget(clock)
    one, other = (open_exchange(access, budget, account="main", clock=clock) for _ in range(2))
    venue.raw(POSITIONS, status=403)

    with pytest.raises(Throttled) as caught:
        one.positions()
    assert caught.value.until == NOW + timedelta(minutes=10)
    clock.advance(590)
    with pytest.raises(Throttled):
        other.open_orders()
    assert len(venue.asked) == 1
    clock.advance(10)
    other.open_orders()

    assert len(venue.asked) == 2
    one.close()
    other.close()
