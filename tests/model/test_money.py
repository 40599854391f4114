"""Amounts: rounding says its direction, and text says the amount."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.money import ceil_to, floor_to, is_multiple, nearest_to, plain

steps = st.sampled_from([Decimal(text) for text in ("0.00001", "0.001", "0.05", "0.1", "0.5", "1", "10")])
amounts = st.decimals("-1000000", 1_000_000, places=8)


@pytest.mark.parametrize(
    ("value", "step", "down", "up", "nearest"),
    [
        ("1.2378", "0.01", "1.23", "1.24", "1.24"),
        ("1.23", "0.01", "1.23", "1.23", "1.23"),
        ("-1.2378", "0.01", "-1.24", "-1.23", "-1.24"),
        ("0.125", "0.05", "0.10", "0.15", "0.10"),  # a tie goes to the even multiple
        ("0.175", "0.05", "0.15", "0.20", "0.20"),
        ("7", "10", "0", "10", "10"),
    ],
)
def test_rounding_goes_the_way_it_is_named(value: str, step: str, down: str, up: str, nearest: str) -> None:
    rounded = [each(Decimal(value), Decimal(step)) for each in (floor_to, ceil_to, nearest_to)]
    assert rounded == [Decimal(down), Decimal(up), Decimal(nearest)]


@given(amounts, steps)
def test_rounded_amounts_enclose_the_amount_within_one_step(value: Decimal, step: Decimal) -> None:
    down, up, nearest = (each(value, step) for each in (floor_to, ceil_to, nearest_to))
    assert down <= value <= up
    assert up - down == (0 if is_multiple(value, step) else step)
    assert nearest in {down, up}
    assert abs(nearest - value) <= step / 2
    assert is_multiple(down, step)
    assert is_multiple(up, step)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-5", "0.00001"),
        ("65000.10", "65000.1"),
        ("1E+3", "1000"),
        ("1000", "1000"),
        ("0.000", "0"),
        ("-0.0", "0"),
        ("-1.50", "-1.5"),
    ],
)
def test_amounts_are_written_without_exponent_or_trailing_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(st.decimals("-1e12", "1e12", allow_nan=False, places=12))
def test_written_amounts_read_back_the_same(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)
