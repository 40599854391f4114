"""Queues: on paper a limit order stands behind what was at its price before it, and a touch fills it in its turn."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.adapters.simulated.conftest import Desk

D = Decimal
Make = Callable[..., Desk]


@pytest.fixture
def desk(make_desk: Make) -> Desk:
    """Five lots of 0.01 at every level of the book."""
    desk = make_desk(queues=True)
    desk.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.05")
    return desk


def touch(desk: Desk, price: str, volume: str) -> None:
    """Have so much trade at a price, and no further."""
    desk.bybit.exchange.walk(desk.symbol, D(price), volume=D(volume))


def filled(desk: Desk, order: str) -> str:
    return str(desk.status(order)["cumExecQty"])


def test_a_touch_fills_first_what_was_there_before(desk: Desk) -> None:
    order = desk.place("Buy", "0.03", price="64000")
    done = []
    for volume in ("0.02", "0.02", "0.02", "0.01", "0.05"):
        touch(desk, "64000", volume)
        done.append(filled(desk, order))
    assert done == ["0", "0", "0.01", "0.02", "0.03"]  # 0.05 of others came first


def test_a_price_that_goes_through_fills_whoever_waits(desk: Desk) -> None:
    order = desk.place("Sell", "0.03", price="66000")
    touch(desk, "66000.1", "0.001")
    assert desk.status(order)["orderStatus"] == "Filled"


def test_two_orders_at_one_price_are_filled_in_the_order_they_came(desk: Desk) -> None:
    first, second = (desk.place("Buy", "0.03", price="64000") for _ in range(2))
    touch(desk, "64000", "0.09")
    assert (filled(desk, first), filled(desk, second)) == ("0.03", "0.01")


@pytest.mark.parametrize(
    ("change", "done"),
    [
        ({"qty": "0.02"}, "0.02"),  # less: it keeps its place
        ({"qty": "0.04"}, "0"),  # more: to the end
        ({"price": "63999.9"}, "0"),  # a price of its own has a queue of its own
    ],
)
def test_what_an_amend_does_to_the_place(desk: Desk, change: dict[str, str], done: str) -> None:
    order = desk.place("Buy", "0.03", price="64000")
    touch(desk, "64000", "0.05")
    desk.move("65000")
    assert desk.ask("order/amend", symbol=desk.symbol, orderId=order, **change)["retCode"] == 0
    touch(desk, desk.status(order)["price"], "0.02")
    assert filled(desk, order) == done


def test_an_order_better_than_all_others_is_first(desk: Desk) -> None:
    order = desk.place("Buy", "0.01", price="65000")  # the last price; the best bid stands a tick lower
    touch(desk, "65000", "0.01")
    assert filled(desk, order) == "0.01"


def test_a_place_in_a_queue_outlives_the_exchange(make_desk: Make, tmp_path: Path) -> None:
    before = make_desk(queues=True, state_file=tmp_path / "exchange.json")
    before.bybit.exchange.venue.markets["BTCUSDT"].depth.level_quantity = D("0.05")
    order = before.place("Buy", "0.03", price="64000")
    touch(before, "64000", "0.05")
    before.bybit.commit()
    after = make_desk(queues=True, state_file=tmp_path / "exchange.json")
    touch(after, "64000", "0.01")
    assert filled(after, order) == "0.01"


def test_without_queues_a_touch_fills_at_once(make_desk: Make) -> None:
    desk = make_desk()
    order = desk.place("Buy", "0.03", price="64000")
    desk.move("64000")
    assert filled(desk, order) == "0.03"
