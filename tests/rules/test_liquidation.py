"""Where a position would be taken over, before it exists."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.account import MarginMode, OpeningView
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade_plan import TradePlan
from actors.rules.liquidation import estimated_liquidation, liquidation_price

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
MAINTENANCE, TAKER = Decimal("0.005"), Decimal("0.00055")


def solve(side: PositionSide, average: str, collateral: str) -> Decimal | None:
    return liquidation_price(
        side=side,
        average_price=Decimal(average),
        collateral_per_unit=Decimal(collateral),
        maintenance_margin_rate=MAINTENANCE,
        taker_fee_rate=TAKER,
    )


@pytest.mark.parametrize(
    ("side", "average", "collateral", "price"),
    [
        (LONG, "100", "10", "90.5023"),  # 90 / 0.99445
        (SHORT, "100", "10", "109.3929"),  # 110 / 1.00555
        (LONG, "100", "1", "99.5525"),  # at 100x there is half a percent left
        (LONG, "65000", "650", "64709.1357"),
    ],
)
def test_price_uses_up_the_collateral(side: PositionSide, average: str, collateral: str, price: str) -> None:
    solved = solve(side, average, collateral)
    assert solved is not None
    assert round(solved, 4) == Decimal(price)


@pytest.mark.parametrize("collateral", ["100", "150"])
def test_a_long_whose_collateral_outlasts_zero_cannot_be_liquidated(collateral: str) -> None:
    assert solve(LONG, "100", collateral) is None


@given(st.sampled_from(PositionSide), st.decimals(1, 1000, places=4), st.decimals(0, "0.9", places=4))
def test_at_that_price_loss_maintenance_and_fee_equal_the_collateral(
    side: PositionSide, average: Decimal, share: Decimal
) -> None:
    collateral = average * share
    price = solve(side, str(average), str(collateral))
    assert price is not None
    loss = (average - price) * side.sign
    assert abs(loss + price * (MAINTENANCE + TAKER) - collateral) < Decimal("1e-20")


def live(side: PositionSide, average: str, *, liquidation: str | None = None, size: str = "100") -> ObservedPosition:
    return ObservedPosition(
        symbol="XRPUSDT",
        side=side,
        size=Decimal(size),
        average_price=Decimal(average),
        leverage=Decimal(10),
        position_index=1,
        stop_price=None,
        liquidation_price=None if liquidation is None else Decimal(liquidation),
    )


def estimate(plan: TradePlan, view: OpeningView) -> Decimal:
    price = estimated_liquidation(plan, view, Decimal(1668))
    assert price is not None
    return round(price, 4)


def test_isolated_counts_the_entry_that_would_be_liquidated_first(plan: TradePlan, view: OpeningView) -> None:
    # Entries 1.19 and 1.18 at 10x: if only the first has filled, 1.19 * 0.9 / 0.99445.
    assert estimate(plan, view) == Decimal("1.0770")
    # For a short the lower entry is the one: 1.18 * 1.1 / 1.00555.
    assert estimate(replace(plan, position_side=SHORT), view) == Decimal("1.2908")


def test_isolated_counts_the_live_position_it_would_join(plan: TradePlan, view: OpeningView) -> None:
    assert estimate(plan, replace(view, positions=(live(LONG, "1.30", liquidation="1.18"),))) == Decimal("1.18")
    assert estimate(plan, replace(view, positions=(live(LONG, "1.30"),))) == Decimal("1.1765")
    assert estimate(plan, replace(view, positions=(live(LONG, "1.10", liquidation="1.00"),))) == Decimal("1.0770")
    assert estimate(plan, replace(view, positions=(live(SHORT, "1.30", liquidation="1.18"),))) == Decimal("1.0770")
    assert estimate(plan, replace(view, positions=(live(LONG, "1.30", size="0"),))) == Decimal("1.0770")


def test_cross_counts_the_whole_free_balance(plan: TradePlan, view: OpeningView) -> None:
    cross = replace(view, margin_mode=MarginMode.CROSS)
    assert estimated_liquidation(plan, cross, Decimal(1668)) is None  # 10,000 USDT outlast 1,976
    # 1,000 USDT behind 1,668: (1.185 - 0.59952) / 0.99445
    poor = replace(cross, balance=replace(view.balance, available_usdt=Decimal(1000)))
    assert estimate(plan, poor) == Decimal("0.5887")
    # 1,000 more XRP at 1.30 bring their own margin of 130: ((1976.58 + 1300) - 1130) / 2668 / 0.99445
    joined = replace(poor, positions=(live(LONG, "1.30", size="1000"),))
    assert estimate(plan, joined) == Decimal("0.8091")


@given(st.lists(st.integers(0, 100), min_size=2, max_size=2).filter(any))
def test_no_partial_fill_is_liquidated_before_the_estimate(
    plan: TradePlan, view: OpeningView, filled: list[int]
) -> None:
    first, second = (entry.price for entry in plan.entries)
    assert first is not None
    assert second is not None
    average = (first * filled[0] + second * filled[1]) / sum(filled)
    own = solve(LONG, str(average), str(average / 10))
    nearest = estimated_liquidation(plan, view, Decimal(1668))
    assert own is not None
    assert nearest is not None
    assert own <= nearest + Decimal("1e-20")
