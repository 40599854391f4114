"""Units divided by largest remainder: nothing lost, nothing made."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.apportionment import largest_remainder, units_in

weights = st.lists(st.decimals("0.001", 1, places=3), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("units", "proportions", "parts"),
    [
        (100, "0.85 0.05 0.05 0.05", (85, 5, 5, 5)),
        (20, "0.85 0.05 0.05 0.05", (17, 1, 1, 1)),
        (10, "0.85 0.05 0.05 0.05", (9, 1, 0, 0)),  # four remainders of one half: the earlier rungs get them
        (1, "0.85 0.05 0.05 0.05", (1, 0, 0, 0)),
        (0, "0.5 0.5", (0, 0)),
        (10, "1 1 1", (4, 3, 3)),
        (7, "1", (7,)),
    ],
)
def test_leftover_units_go_to_the_largest_remainders(units: int, proportions: str, parts: tuple[int, ...]) -> None:
    assert largest_remainder(units, [Decimal(text) for text in proportions.split()]) == parts


@given(st.integers(0, 10**9), weights)
def test_parts_sum_and_stay_within_one_unit_of_their_exact_share(units: int, proportions: list[Decimal]) -> None:
    parts = largest_remainder(units, proportions)
    assert sum(parts) == units
    total = Fraction(sum(proportions))
    assert all(
        abs(part - units * Fraction(weight) / total) < 1 for part, weight in zip(parts, proportions, strict=True)
    )


@given(st.integers(0, 10**6), weights)
def test_a_larger_weight_never_gets_less(units: int, proportions: list[Decimal]) -> None:
    parts = sorted(zip(proportions, largest_remainder(units, proportions), strict=True))
    assert all(small <= large for (light, small), (heavy, large) in pairwise(parts) if light < heavy)


@pytest.mark.parametrize(
    ("quantity", "step", "units"), [("1.2", "0.1", 12), ("1.29", "0.1", 12), ("0", "0.001", 0), ("300", "10", 30)]
)
def test_units_are_whole_steps_rounded_down(quantity: str, step: str, units: int) -> None:
    assert units_in(Decimal(quantity), Decimal(step)) == units
