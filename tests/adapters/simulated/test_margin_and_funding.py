"""Margin, leverage, liquidation, funding."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapters.simulated.exchange import AccountSpec
from tests.adapters.simulated.conftest import Desk

D = Decimal
EIGHT_HOURS_MS = 8 * 3_600_000


def cross(make_desk: Callable[..., Desk], usdt: str = "10000") -> Desk:
    spec = AccountSpec(name="main", key="k", secret="s", balance_usdt=D(usdt), margin_mode="REGULAR_MARGIN")
    return make_desk(accounts=(spec,))


def coin(desk: Desk) -> dict[str, Any]:
    return desk.ask("account/wallet-balance", accountType="UNIFIED")["result"]["list"][0]["coin"][0]


def test_resting_entries_hold_margin_and_give_it_back(desk: Desk) -> None:
    order = desk.place("Buy", "0.1", price="60000")
    # 6000 / 10 and the fee to open and to close
    assert D(coin(desk)["totalOrderIM"]) == D(600) + D(6000) * D("0.00055") * 2

    desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)

    assert coin(desk)["totalOrderIM"] == "0"


def test_conditional_and_reduce_only_orders_hold_none(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    desk.place("Sell", "0.1", price="66000", reduceOnly=True)
    desk.stop("Sell", "0.1", "64000", 2)
    desk.place("Buy", "0.1", triggerPrice="66000", triggerDirection=1)
    assert coin(desk)["totalOrderIM"] == "0"


def test_the_opposite_side_is_free_up_to_the_position(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    desk.place("Sell", "0.1", price="66000")
    assert coin(desk)["totalOrderIM"] == "0"
    desk.place("Sell", "0.1", price="66000")
    assert D(coin(desk)["totalOrderIM"]) == D(660) + D(6600) * D("0.00055") * 2


def test_leverage_decides_how_much_may_be_opened(desk: Desk) -> None:
    assert desk.order("Buy", "2")["retCode"] == 110007
    desk.ask("position/set-leverage", symbol="BTCUSDT", buyLeverage="50", sellLeverage="50")
    assert desk.order("Buy", "2")["retCode"] == 0
    assert desk.ask("position/set-leverage", symbol="BTCUSDT", buyLeverage="5", sellLeverage="5")["retCode"] == 110007


@pytest.mark.parametrize(("side", "past"), [("Buy", "58000"), ("Sell", "72000")])
def test_an_isolated_position_is_taken_over_and_loses_its_initial_margin(desk: Desk, side: str, past: str) -> None:
    desk.place(side, "0.1")
    entry = desk.position().average_price
    resting = desk.place(side, "0.1", price="50000" if side == "Buy" else "90000")
    liquidation = D(desk.position_row()["liqPrice"])
    sign = 1 if side == "Buy" else -1
    # IM = maintenance + fee there: entry - liq = entry / leverage - liq * (mmr + taker), for a long
    assert abs((entry - liquidation) * sign - (entry / 10 - liquidation * D("0.00555"))) < D("0.2")

    desk.move(str(liquidation + sign * D("0.1")))
    assert desk.position().size == D("0.1")
    desk.move(past)

    assert desk.position().size == 0
    bust = desk.rows("execution/list")[0]
    assert (bust["execType"], bust["createType"]) == ("BustTrade", "CreateByLiq")
    assert desk.status(resting)["cancelType"] == "CancelAllBeforeLiq"
    assert abs(desk.account.realised + entry * D("0.1") / 10) < D("0.02")


def test_a_stop_before_the_liquidation_price_saves_the_margin(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")
    desk.move("50000")
    assert {row["execType"] for row in desk.rows("execution/list")} == {"Trade"}


def test_a_cross_position_is_backed_by_the_whole_account(make_desk: Callable[..., Desk]) -> None:
    desk = cross(make_desk)
    desk.place("Buy", "0.5")
    assert D(desk.position_row()["liqPrice"]) < D(47000)

    desk.move("50000")
    assert desk.position().size == D("0.5")
    desk.move("45000")
    assert desk.position().size == 0
    assert 0 <= desk.account.wallet < 500


def test_a_small_cross_position_has_no_liquidation_price(make_desk: Callable[..., Desk]) -> None:
    desk = cross(make_desk)
    desk.place("Buy", "0.01")
    assert desk.position_row()["liqPrice"] == ""


def test_cross_margin_counts_unrealised_profit_and_isolated_does_not(make_desk: Callable[..., Desk]) -> None:
    wallets = {}
    for name, desk in (("isolated", make_desk()), ("cross", cross(make_desk))):
        desk.place("Buy", "1")
        desk.move("68000")
        wallets[name] = desk.order("Buy", "0.8")["retCode"]
    assert wallets == {"isolated": 110007, "cross": 0}


def test_margin_mode_changes_only_while_flat(desk: Desk) -> None:
    assert desk.ask("account/set-margin-mode", setMarginMode="ISOLATED_MARGIN")["retCode"] == 110026
    assert desk.ask("account/set-margin-mode", setMarginMode="REGULAR_MARGIN")["retCode"] == 0
    assert desk.ask("account/info")["result"]["marginMode"] == "REGULAR_MARGIN"
    desk.place("Buy", "0.1")
    assert desk.ask("account/set-margin-mode", setMarginMode="ISOLATED_MARGIN")["retCode"] == 110024


@pytest.mark.parametrize(("side", "paid"), [("Buy", "0.65"), ("Sell", "-0.65")])
def test_at_funding_time_a_positive_rate_makes_longs_pay_shorts(desk: Desk, side: str, paid: str) -> None:
    desk.place(side, "0.1")
    before = desk.account.wallet
    due = desk.bybit.exchange.venue.markets["BTCUSDT"].next_funding_ms

    desk.bybit.driver.advance(until_ms=due - 1)
    assert desk.account.wallet == before
    desk.bybit.driver.advance(until_ms=due)

    row = desk.rows("execution/list", execType="Funding")[0]
    assert (row["execFee"], row["feeRate"], row["closedSize"]) == (paid, "0.0001", "0")
    assert before - desk.account.wallet == D(paid)
    assert desk.bybit.exchange.venue.markets["BTCUSDT"].next_funding_ms == due + EIGHT_HOURS_MS


def test_a_flat_account_pays_no_funding(desk: Desk) -> None:
    desk.bybit.driver.advance(until_ms=desk.bybit.driver.market_ms + 3 * EIGHT_HOURS_MS)
    assert desk.rows("execution/list") == []


def test_the_breakeven_price_covers_fees_so_far_and_the_fee_to_leave(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    row = desk.position_row()
    entry, fee = D("65000.1") * D("0.1"), D("65000.1") * D("0.1") * D("0.00055")
    expected = (entry + fee) / (D("0.1") * (1 - D("0.00055")))
    assert abs(D(row["breakEvenPrice"]) - expected) < D("0.0001")
