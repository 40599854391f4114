"""Weights spread a quantity over entries by how near they are to the market, and make exactly the whole."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.position import PositionSide
from actors.rules.entry_weights import Weights, weighted

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def shares(weights: Weights, prices: str, side: PositionSide) -> list[Decimal]:
    figures = [None if word == "market" else Decimal(word) for word in prices.split()]
    return list(weighted(weights, figures, side))


@pytest.mark.parametrize(
    ("weights", "prices", "side", "spread"),
    [
        (Weights.EVEN, "1.19 1.18", LONG, "0.5 0.5"),
        (Weights.FRONT, "1.19 1.18", LONG, "0.666667 0.333333"),
        (Weights.FRONT, "1.18 1.19", LONG, "0.333333 0.666667"),  # by nearness, not by the order written
        (Weights.FRONT, "1.19 1.18", SHORT, "0.333333 0.666667"),  # a short's nearest is the lowest
        (Weights.BACK, "1.19 1.18", LONG, "0.333333 0.666667"),
        (Weights.FRONT, "1.19 1.18 1.17 1.16", LONG, "0.4 0.3 0.2 0.1"),
        (Weights.BACK, "1.19 1.18 1.17 1.16", LONG, "0.1 0.2 0.3 0.4"),
        (Weights.FRONT, "1.18 market 1.19", LONG, "0.166666 0.500001 0.333333"),  # the market comes first
        (Weights.BACK, "1.19", LONG, "1"),
    ],
)
def test_the_nearest_weighs_most_in_front_and_the_farthest_in_back(
    weights: Weights, prices: str, side: PositionSide, spread: str
) -> None:
    assert shares(weights, prices, side) == [Decimal(share) for share in spread.split()]


@given(
    st.sampled_from(Weights),
    st.lists(st.none() | st.decimals("0.0001", 100_000, places=4), min_size=1, max_size=30),
    st.sampled_from(PositionSide),
)
def test_shares_always_make_the_whole(weights: Weights, prices: list[Decimal | None], side: PositionSide) -> None:
    spread = weighted(weights, prices, side)
    assert sum(spread) == 1
    assert min(spread) > 0
