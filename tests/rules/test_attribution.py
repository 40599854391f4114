"""Whose quantity went, when no order of ours took it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.attribution import share_excess, share_reduction

STEP = Decimal("0.1")


def held(text: str) -> dict[str, Decimal]:
    return {trade: Decimal(quantity) for trade, quantity in (word.split("=") for word in text.split())}


@pytest.mark.parametrize(
    ("quantity", "foreign", "slices", "manual", "off_foreign", "parts"),
    [
        ("30", "50", "A=100 B=100", True, "30", ""),  # a person sold their own
        ("70", "50", "A=100 B=100", True, "50", "A=10 B=10"),
        ("70", "50", "A=100 B=100", False, "0", "A=35 B=35"),  # a liquidation does not ask whose
        ("30", "0", "A=100 B=200", True, "0", "A=10 B=20"),
        ("0.1", "0", "A=100 B=100", True, "0", "A=0.1"),  # one step, equal claims: by trade id
        ("0.1", "0", "B=100 A=100", True, "0", "A=0.1"),  # whatever order they come in
        ("0.1", "0", "A=100 B=100.1", True, "0", "B=0.1"),
        ("200", "50", "A=100 B=100", False, "0", "A=100 B=100"),
        ("250", "50", "A=100 B=100", False, "50", "A=100 B=100"),  # the backstop closed everything there
        ("999", "50", "A=100 B=100", True, "50", "A=100 B=100"),  # more than is held
        ("10", "0", "", True, "0", ""),
        ("10", "4", "A=0 B=6", True, "4", "B=6"),
        ("0", "4", "A=6", False, "0", ""),
    ],
)
def test_a_reduction_is_shared_out(
    *, quantity: str, foreign: str, slices: str, manual: bool, off_foreign: str, parts: str
) -> None:
    shared = share_reduction(Decimal(quantity), Decimal(foreign), held(slices), STEP, manual=manual)
    assert shared == (Decimal(off_foreign), held(parts))


steps = st.integers(0, 10_000)
holdings = st.dictionaries(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=6, max_size=6), steps, max_size=8)


@given(steps, steps, holdings, st.booleans())
def test_parts_sum_and_no_slice_loses_more_than_it_holds(
    quantity: int, foreign: int, holding: dict[str, int], manual: bool
) -> None:
    slices = {trade: units * STEP for trade, units in holding.items()}
    off_foreign, parts = share_reduction(quantity * STEP, foreign * STEP, slices, STEP, manual=manual)
    assert off_foreign + sum(parts.values()) == min(quantity, foreign + sum(holding.values())) * STEP
    assert 0 <= off_foreign <= foreign * STEP
    assert all(0 < part <= slices[trade] and part % STEP == 0 for trade, part in parts.items())


@given(steps, steps, holdings, st.booleans())
def test_the_order_of_the_slices_does_not_matter(
    quantity: int, foreign: int, holding: dict[str, int], manual: bool
) -> None:
    slices = {trade: units * STEP for trade, units in holding.items()}
    turned = dict(reversed(slices.items()))
    asked = quantity * STEP, foreign * STEP
    assert share_reduction(*asked, slices, STEP, manual=manual) == share_reduction(*asked, turned, STEP, manual=manual)
    assert share_excess(quantity * STEP, slices) == share_excess(quantity * STEP, turned)


@pytest.mark.parametrize(
    ("quantity", "siblings", "parts"),
    [
        ("10", "A=20 B=50 C=30", "B=10"),  # the largest bears it
        ("60", "A=20 B=50 C=30", "B=50 C=10"),
        ("10", "A=20 B=20", "A=10"),  # equals: by trade id
        ("999", "A=20 B=50", "A=20 B=50"),
        ("10", "", ""),
        ("10", "A=0", ""),
        ("0", "A=5", ""),
    ],
)
def test_an_excess_exit_is_booked_to_the_largest_sibling_first(quantity: str, siblings: str, parts: str) -> None:
    assert share_excess(Decimal(quantity), held(siblings)) == held(parts)


@given(steps, holdings)
def test_an_excess_sums_and_no_sibling_bears_more_than_it_holds(quantity: int, holding: dict[str, int]) -> None:
    siblings = {trade: units * STEP for trade, units in holding.items()}
    parts = share_excess(quantity * STEP, siblings)
    assert sum(parts.values()) == min(quantity, sum(holding.values())) * STEP
    assert all(0 < part <= siblings[trade] for trade, part in parts.items())
