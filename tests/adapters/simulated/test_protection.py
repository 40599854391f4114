"""Position stops and reduce-only orders: they follow the position, and never outgrow it."""

from decimal import Decimal
from typing import Any

import pytest

from tests.adapters.simulated.conftest import Desk

D = Decimal


def stops(desk: Desk) -> dict[str, tuple[str, str]]:
    rows = desk.rows("order/realtime", symbol="BTCUSDT", orderFilter="StopOrder")
    return {row["stopOrderType"]: (row["triggerPrice"], row["qty"]) for row in rows}


def closed(desk: Desk, order_id: str) -> tuple[str, str]:
    row = desk.status(order_id)
    return row["orderStatus"], row["cancelType"]


def test_an_attached_stop_becomes_the_positions_stop_when_the_entry_fills(desk: Desk) -> None:
    desk.place("Buy", "0.1", price="64000", stopLoss="60000", takeProfit="70000", tpslMode="Full")
    assert stops(desk) == {}

    desk.move("64000")

    assert stops(desk) == {"StopLoss": ("60000", "0.1"), "TakeProfit": ("70000", "0.1")}
    row = desk.position_row()
    assert (row["stopLoss"], row["takeProfit"]) == ("60000", "70000")
    system = desk.rows("order/realtime", symbol="BTCUSDT", orderFilter="StopOrder")[0]
    assert (system["orderLinkId"], system["createType"], system["reduceOnly"]) == ("", "CreateByTakeProfit", True)


def test_a_newly_filled_orders_attached_stop_replaces_the_positions_stop(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")
    first = desk.account.position("BTCUSDT", 0).stop_loss_id
    desk.place("Buy", "0.1", stopLoss="59000")

    assert stops(desk) == {"StopLoss": ("59000", "0.2")}
    assert desk.account.position("BTCUSDT", 0).stop_loss_id == first


def test_an_entry_without_an_attached_stop_leaves_the_positions_stop_alone(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")
    desk.place("Buy", "0.1")

    assert stops(desk) == {"StopLoss": ("60000", "0.2")}


def test_the_attached_stop_of_a_pending_entry_can_be_amended(desk: Desk) -> None:
    entry = desk.place("Buy", "0.1", price="64000", stopLoss="60000")
    assert desk.ask("order/amend", symbol="BTCUSDT", orderId=entry, stopLoss="59000")["retCode"] == 0

    desk.move("64000")

    assert stops(desk) == {"StopLoss": ("59000", "0.1")}


def test_a_partly_filled_entry_is_guarded_from_its_first_lot(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.03")
    desk.place("Buy", "0.1", price="64000", stopLoss="60000")

    desk.move("64000")

    assert stops(desk) == {"StopLoss": ("60000", "0.03")}


def test_the_positions_stop_shrinks_with_it_and_goes_when_it_is_flat(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000", takeProfit="70000")
    stop_id = desk.position().stop_loss_id
    desk.place("Sell", "0.04", reduceOnly=True)
    assert stops(desk)["StopLoss"] == ("60000", "0.06")

    desk.place("Sell", "0.06", reduceOnly=True)

    assert stops(desk) == {}
    assert closed(desk, stop_id) == ("Deactivated", "CancelByTpSlTsClear")


def test_the_positions_stop_closes_it_when_the_price_reaches_it(desk: Desk) -> None:
    desk.place("Sell", "0.1", stopLoss="66000", takeProfit="60000")
    stop_id, target_id = desk.position().stop_loss_id, desk.position().take_profit_id

    desk.move("66000")

    assert desk.position().size == 0
    assert closed(desk, stop_id) == ("Filled", "UNKNOWN")
    assert closed(desk, target_id) == ("Deactivated", "CancelByTpSlTsClear")


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"stopLoss": "60000"}, {"StopLoss": ("60000", "0.1")}),
        ({"takeProfit": "70000"}, {"TakeProfit": ("70000", "0.1"), "StopLoss": ("61000", "0.1")}),
        ({"stopLoss": "0"}, {}),
        ({"stopLoss": "60000", "takeProfit": "70000"}, {"TakeProfit": ("70000", "0.1"), "StopLoss": ("60000", "0.1")}),
    ],
)
def test_trading_stop_changes_only_what_it_names(
    desk: Desk, wish: dict[str, Any], expected: dict[str, tuple[str, str]]
) -> None:
    desk.place("Buy", "0.1", stopLoss="61000")

    assert desk.ask("position/trading-stop", symbol="BTCUSDT", tpslMode="Full", positionIdx=0, **wish)["retCode"] == 0

    assert stops(desk) == expected


def test_partial_stops_are_added_and_shrink_with_the_position(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    wish = {"tpslMode": "Partial", "positionIdx": 0, "stopLoss": "60000", "slSize": "0.06"}
    assert desk.ask("position/trading-stop", symbol="BTCUSDT", **wish)["retCode"] == 0
    assert desk.ask("position/trading-stop", symbol="BTCUSDT", **{**wish, "stopLoss": "61000"})["retCode"] == 0
    rows = desk.rows("order/realtime", symbol="BTCUSDT")
    assert [(row["stopOrderType"], row["qty"]) for row in rows] == [("PartialStopLoss", "0.06")] * 2

    desk.place("Sell", "0.05", reduceOnly=True)
    desk.move("61000")

    assert desk.position().size == 0


def test_attached_partial_stops_grow_with_the_fills(desk: Desk) -> None:
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.03")
    desk.place("Buy", "0.1", price="64000", stopLoss="60000", tpslMode="Partial")
    desk.move("64000")
    assert stops(desk) == {"PartialStopLoss": ("60000", "0.03")}

    desk.move("63000")

    assert stops(desk) == {"PartialStopLoss": ("60000", "0.1")}


def test_a_stop_cancelled_by_its_owner_is_gone_from_the_position(desk: Desk) -> None:
    desk.place("Buy", "0.1", stopLoss="60000")

    assert desk.ask("order/cancel", symbol="BTCUSDT", orderId=desk.position().stop_loss_id)["retCode"] == 0

    assert desk.position_row()["stopLoss"] == ""


def test_reduce_only_limits_shrink_with_the_position_and_go_when_it_is_flat(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    rung = desk.place("Sell", "0.08", price="70000", reduceOnly=True)
    desk.place("Sell", "0.06", reduceOnly=True)
    assert desk.status(rung)["qty"] == "0.04"

    desk.place("Sell", "0.04", reduceOnly=True)

    assert closed(desk, rung) == ("Cancelled", "CancelByReduceOnly")


def test_a_reduce_only_conditional_survives_a_flat_position_and_ends_unfilled_when_it_fires(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    stop = desk.stop("Sell", "0.1", "64000", 2)
    desk.place("Sell", "0.1", reduceOnly=True)
    assert desk.status(stop)["orderStatus"] == "Untriggered"

    desk.move("63000")

    assert closed(desk, stop) == ("Cancelled", "CancelByReduceOnly")
    assert desk.position().size == 0


def test_a_stop_never_closes_more_than_the_position(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    stop = desk.stop("Sell", "0.1", "64000", 2)
    desk.place("Sell", "0.07", reduceOnly=True)

    desk.move("64000")

    row = desk.status(stop)
    assert (row["orderStatus"], row["qty"], row["cumExecQty"]) == ("Filled", "0.03", "0.03")
    assert desk.position().size == 0


def test_quantity_zero_closes_the_whole_position_at_the_trigger(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    desk.stop("Sell", "0", "64000", 2)
    desk.place("Buy", "0.1")

    desk.move("64000")

    assert desk.position().size == 0


def test_a_stop_on_a_thin_book_leaves_a_rest_for_its_owner(desk: Desk) -> None:
    desk.place("Buy", "0.1")
    stop = desk.stop("Sell", "0.1", "64000", 2)
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.001")

    desk.move("64000")

    assert closed(desk, stop)[0] == "Cancelled"
    assert desk.position().size == D("0.05")


class TestAudit:
    """The exchange's own record of exposure."""

    def test_a_position_covered_in_the_same_instant_was_never_unprotected(self, desk: Desk) -> None:
        desk.place("Buy", "0.1", price="64000", stopLoss="60000")
        desk.now_ms += 1000
        desk.move("64000")
        desk.now_ms += 5000
        assert desk.audit()["unprotected_ms_max"] == 0

    def test_a_clock_that_goes_on_meanwhile_makes_no_time_between_a_fill_and_what_it_attaches(self, desk: Desk) -> None:
        def ticking() -> int:
            desk.now_ms += 1
            return desk.now_ms

        desk.bybit.exchange.venue.clock = ticking
        desk.place("Buy", "0.1", stopLoss="60000")
        desk.place("Buy", "0.1", price="64000", stopLoss="60000")
        desk.move("64000")
        desk.move("59000")
        assert desk.audit()["unprotected_ms_max"] == 0

    def test_time_without_any_stop_counts_even_while_it_lasts(self, desk: Desk) -> None:
        desk.place("Buy", "0.1")
        desk.now_ms += 300
        assert desk.audit()["unprotected_ms_max"] == 300

        desk.stop("Sell", "0.1", "64000", 2)
        desk.now_ms += 10_000
        assert desk.audit()["unprotected_ms_max"] == 300

    def test_a_position_stop_protects_but_is_not_the_owners_own(self, desk: Desk) -> None:
        desk.place("Buy", "0.1", stopLoss="60000")
        desk.now_ms += 700
        desk.stop("Sell", "0.06", "64000", 2)
        desk.now_ms += 200
        desk.stop("Sell", "0.04", "64000", 2)
        desk.now_ms += 1000
        audit = desk.audit()
        assert (audit["unprotected_ms_max"], audit["own_stop_late_ms_max"]) == (0, 900)

    def test_a_target_on_the_profit_side_is_no_stop(self, desk: Desk) -> None:
        desk.place("Buy", "0.1")
        desk.stop("Sell", "0.1", "70000", 1)
        desk.now_ms += 400
        assert desk.audit()["unprotected_ms_max"] == 400

    def test_after_its_own_stop_fired_a_rest_is_unprotected_but_not_late(self, desk: Desk) -> None:
        desk.place("Buy", "0.1")
        desk.stop("Sell", "0.1", "64000", 2)
        desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.001")
        desk.move("64000")
        desk.now_ms += 800
        audit = desk.audit()
        assert (audit["unprotected_ms_max"], audit["own_stop_late_ms_max"]) == (800, 0)

    def test_orders_are_counted_and_a_repeated_id_is_never_a_second_order(self, desk: Desk) -> None:
        desk.place("Buy", "0.1", orderLinkId="SF-1")
        assert desk.order("Buy", "0.1", orderLinkId="SF-1")["retCode"] == 110072
        audit = desk.audit()
        assert (audit["orders_placed"], audit["duplicate_orders"]) == (1, 0)
