"""Sides, indexes and what an order can still fill."""

from decimal import Decimal

import pytest

from actors.model.alert import Severity
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import PositionMode, PositionSide


@pytest.mark.parametrize(
    ("side", "entry", "exit_side", "sign"),
    [(PositionSide.LONG, OrderSide.BUY, OrderSide.SELL, 1), (PositionSide.SHORT, OrderSide.SELL, OrderSide.BUY, -1)],
)
def test_a_side_knows_its_orders_and_its_direction(
    side: PositionSide, entry: OrderSide, exit_side: OrderSide, sign: int
) -> None:
    assert (side.entry_side, side.exit_side, side.sign) == (entry, exit_side, sign)
    assert side.opposite.opposite is side
    assert side.opposite.entry_side is exit_side


@pytest.mark.parametrize(
    ("mode", "side", "index"),
    [
        (PositionMode.ONE_WAY, PositionSide.LONG, 0),
        (PositionMode.ONE_WAY, PositionSide.SHORT, 0),
        (PositionMode.HEDGE, PositionSide.LONG, 1),
        (PositionMode.HEDGE, PositionSide.SHORT, 2),
    ],
)
def test_the_position_index_follows_mode_and_side(mode: PositionMode, side: PositionSide, index: int) -> None:
    assert mode.index_for(side) == index


@pytest.mark.parametrize(
    ("state", "remaining"),
    [
        (OrderState.UNTRIGGERED, "6"),
        (OrderState.WORKING, "6"),
        (OrderState.FILLED, "0"),
        (OrderState.CANCELLED, "0"),  # it holds fills, but nothing of it can fill any more
        (OrderState.REJECTED, "0"),
    ],
)
def test_only_a_live_order_has_something_left_to_fill(state: OrderState, remaining: str) -> None:
    order = ObservedOrder(
        order_id="1",
        client_order_id=None,
        symbol="XRPUSDT",
        order_side=OrderSide.BUY,
        kind=OrderKind.LIMIT,
        state=state,
        quantity=Decimal(10),
        filled_quantity=Decimal(4),
    )
    assert order.remaining_quantity == Decimal(remaining)
    assert state.terminal is (remaining == "0")


def test_the_most_urgent_comes_first() -> None:
    assert sorted(Severity, key=lambda each: each.rank) == [
        Severity.CRITICAL,
        Severity.WARNING,
        Severity.INFO,
        Severity.DEBUG,
    ]
