"""Matching: what fills, at which price, as maker or taker, and what becomes of the rest."""

from decimal import Decimal

import pytest

from tests.adapters.simulated.conftest import Desk

D = Decimal


def fills(desk: Desk, order_id: str) -> list[tuple[str, str, bool]]:
    return [
        (row["execPrice"], row["execQty"], row["isMaker"]) for row in desk.rows("execution/list", orderId=order_id)
    ][::-1]


def test_a_market_buy_takes_the_best_ask_and_pays_the_taker_fee(desk: Desk) -> None:
    order = desk.place("Buy", "0.1")

    row = desk.status(order)
    assert (row["orderStatus"], row["cumExecQty"], row["avgPrice"]) == ("Filled", "0.1", "65000.1")
    assert fills(desk, order) == [("65000.1", "0.1", False)]
    assert row["cumFeeDetail"] == {"USDT": "3.5750055"}  # 65000.1 * 0.1 * 0.00055


def test_a_resting_limit_fills_at_its_own_price_as_maker_when_the_price_walks_through(desk: Desk) -> None:
    order = desk.place("Buy", "0.1", price="64000")
    assert desk.status(order)["orderStatus"] == "New"

    desk.move("63000")

    assert fills(desk, order) == [("64000", "0.1", True)]
    assert desk.status(order)["cumFeeDetail"] == {"USDT": "1.28"}  # 64000 * 0.1 * 0.0002


def test_a_resting_limit_fills_when_the_price_only_touches_it(desk: Desk) -> None:
    order = desk.place("Sell", "0.1", price="66000")

    desk.move("66000")

    assert desk.status(order)["orderStatus"] == "Filled"


def test_a_touch_fills_only_what_is_offered_there_and_going_through_fills_the_rest(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.04")
    order = desk.place("Buy", "0.1", price="64000")

    desk.move("64000")
    row = desk.status(order)
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == ("PartiallyFilled", "0.04", "0.06")

    desk.move("63999.9")
    assert desk.status(order)["orderStatus"] == "Filled"
    assert [qty for _, qty, _ in fills(desk, order)] == ["0.04", "0.06"]


def test_a_limit_that_crosses_takes_up_to_its_price_and_rests_with_what_is_left(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.01")
    order = desk.place("Buy", "0.1", price="65000.1")

    row = desk.status(order)
    assert (row["orderStatus"], row["cumExecQty"]) == ("PartiallyFilled", "0.01")
    assert fills(desk, order) == [("65000.1", "0.01", False)]


def test_a_market_order_larger_than_the_band_offers_ends_cancelled_with_what_it_got(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.001")
    order = desk.place("Buy", "0.5")

    row = desk.status(order)
    assert (row["orderStatus"], row["rejectReason"]) == ("Cancelled", "EC_NoImmediateQtyToFill")
    assert row["cumExecQty"] == "0.05"  # fifty levels
    worst = max(D(price) for price, _, _ in fills(desk, order))
    assert worst <= D(65000) * D("1.01")


def test_what_a_taker_consumed_is_gone_until_the_book_refills(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.01")
    first = desk.place("Buy", "0.01")
    second = desk.place("Buy", "0.01")
    desk.now_ms += 1000
    third = desk.place("Buy", "0.01")

    prices = [fills(desk, order)[0][0] for order in (first, second, third)]
    assert prices[0] == prices[2] == "65000.1"
    assert D(prices[1]) > D(prices[0])


@pytest.mark.parametrize(
    ("time_in_force", "price", "outcome", "filled"),
    [
        ("PostOnly", "65000", ("New", "EC_NoError"), "0"),
        ("PostOnly", "65000.1", ("Cancelled", "EC_PostOnlyWillTakeLiquidity"), "0"),
        ("IOC", "64000", ("Cancelled", "EC_NoImmediateQtyToFill"), "0"),
        ("IOC", "65000.1", ("Cancelled", "EC_NoImmediateQtyToFill"), "0.01"),
        ("FOK", "65000.1", ("Cancelled", "EC_NoEnoughQtyToFill"), "0"),
        ("FOK", "65010", ("Filled", "EC_NoError"), "0.03"),
        ("GTC", "65000.1", ("PartiallyFilled", "EC_NoError"), "0.01"),
    ],
)
def test_time_in_force_decides_what_may_take_and_what_may_rest(
    desk: Desk, time_in_force: str, price: str, outcome: tuple[str, str], filled: str
) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.01")

    row = desk.status(desk.place("Buy", "0.03", price=price, timeInForce=time_in_force))

    assert (row["orderStatus"], row["rejectReason"]) == outcome
    assert row["cumExecQty"] == filled


def test_orders_at_one_price_fill_in_the_order_they_came(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.01")
    first = desk.place("Buy", "0.01", price="64000")
    second = desk.place("Buy", "0.01", price="64000")

    desk.move("64000")

    assert [desk.status(order)["orderStatus"] for order in (first, second)] == ["Filled", "New"]


def test_everything_on_the_way_is_matched_in_the_order_the_price_meets_it(desk: Desk) -> None:
    """Entry, then its stop below it, in one jump of the price."""
    desk.place("Buy", "0.1", price="64000", stopLoss="63000", tpslMode="Full")

    desk.move("60000")

    rows = desk.rows("execution/list")[::-1]
    assert [(row["side"], row["execPrice"]) for row in rows] == [("Buy", "64000"), ("Sell", "62999.9")]
    assert desk.position().size == 0


@pytest.mark.parametrize(("direction", "trigger", "there"), [(1, "66000", "66000"), (2, "64000", "64000")])
def test_a_conditional_order_waits_for_its_trigger_then_takes(
    desk: Desk, direction: int, trigger: str, there: str
) -> None:
    order = desk.place("Buy", "0.1", triggerPrice=trigger, triggerDirection=direction)
    assert desk.status(order)["orderStatus"] == "Untriggered"
    assert desk.account.wallet == D(10_000)

    desk.move(there)

    assert desk.status(order)["orderStatus"] == "Filled"


def test_a_trigger_by_mark_price_does_not_hear_the_last_price(desk: Desk) -> None:
    by_mark = desk.place("Buy", "0.01", triggerPrice="66000", triggerDirection=1, triggerBy="MarkPrice")
    by_last = desk.place("Buy", "0.01", triggerPrice="66000", triggerDirection=1, triggerBy="LastPrice")

    desk.move("66100", mark="65990")
    assert [desk.status(order)["orderStatus"] for order in (by_mark, by_last)] == ["Untriggered", "Filled"]

    desk.move("66100", mark="66000")
    assert desk.status(by_mark)["orderStatus"] == "Filled"


def test_a_triggered_limit_rests_at_its_price(desk: Desk) -> None:
    order = desk.place("Buy", "0.1", price="65500", triggerPrice="66000", triggerDirection=1)

    desk.move("66000")
    assert desk.status(order)["orderStatus"] == "New"

    desk.move("65400")
    assert fills(desk, order) == [("65500", "0.1", True)]


def test_a_conditional_order_without_the_margin_at_its_trigger_is_cancelled(desk: Desk) -> None:
    order = desk.place("Buy", "5", triggerPrice="66000", triggerDirection=1)

    desk.move("66000")

    row = desk.status(order)
    assert (row["orderStatus"], row["cumExecQty"]) == ("Cancelled", "0")


def test_an_amended_price_that_crosses_takes_at_once(desk: Desk) -> None:
    order = desk.place("Buy", "0.1", price="64000")

    assert desk.ask("order/amend", symbol="BTCUSDT", orderId=order, price="65100")["retCode"] == 0

    assert fills(desk, order) == [("65000.1", "0.1", False)]


def test_an_order_larger_than_the_opposite_position_flips_it_in_one_way_mode(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    order = desk.place("Sell", "0.3")

    assert (desk.position().side, desk.position().size) == ("Sell", D("0.2"))
    row = desk.rows("execution/list", orderId=order)[0]
    assert (row["execQty"], row["closedSize"]) == ("0.3", "0.1")


def test_hedge_mode_keeps_long_and_short_apart(desk: Desk) -> None:
    assert desk.ask("position/switch-mode", symbol="BTCUSDT", mode=3)["retCode"] == 0
    desk.place("Buy", "0.1", positionIdx=1)
    desk.place("Sell", "0.2", positionIdx=2)

    assert [(row["positionIdx"], row["side"], row["size"]) for row in desk.rows("position/list", symbol="BTCUSDT")] == [
        (1, "Buy", "0.1"),
        (2, "Sell", "0.2"),
    ]
    desk.place("Sell", "0.1", positionIdx=1, reduceOnly=True)
    assert (desk.position(1).size, desk.position(2).size) == (0, D("0.2"))


def test_a_closing_order_leaves_one_row_net_of_both_fees(desk: Desk) -> None:
    """Bybit's published sample: (exit - entry) less the fees of both sides."""
    desk.place("Buy", "0.1")
    order = desk.place("Sell", "0.1", price="66000", reduceOnly=True)
    desk.move("66000")

    row = desk.rows("position/closed-pnl")[0]
    gross = (D(66000) - D("65000.1")) * D("0.1")
    fees = D("65000.1") * D("0.1") * D("0.00055") + D(66000) * D("0.1") * D("0.0002")
    assert row["orderId"] == order
    assert (row["side"], row["fillCount"], D(row["closedPnl"])) == ("Sell", "1", gross - fees)
    assert D(row["openFee"]) + D(row["closeFee"]) == fees


def test_a_ladder_leaves_a_row_for_each_closing_order(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    for qty, price in (("0.085", "65500"), ("0.005", "65600"), ("0.005", "65700"), ("0.005", "65800")):
        desk.place("Sell", qty, price=price, reduceOnly=True)

    desk.move("66000")

    rows = desk.rows("position/closed-pnl")
    assert [row["closedSize"] for row in rows] == ["0.005", "0.005", "0.005", "0.085"]
    to_the_cent = sum(D(row["closedPnl"]) for row in rows) - (desk.account.wallet - 10_000)
    assert abs(to_the_cent) < D("0.000001")
    assert desk.position().size == 0


def test_every_change_of_a_symbol_raises_its_sequence_number(desk: Desk) -> None:
    desk.place("Buy", "0.1", price="64000")
    desk.place("Buy", "0.1")
    desk.move("63000")

    events = desk.bybit.exchange.drain_events()
    sequence = [event.row["seq"] for event in events if event.topic in {"execution", "position"}]
    assert sequence == sorted(sequence)
    assert len(set(sequence)) == len(sequence)
