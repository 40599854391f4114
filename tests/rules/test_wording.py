"""Figures as the person reads them."""

from decimal import Decimal

import pytest

from actors.rules.wording import percent, usdt


@pytest.mark.parametrize(
    ("fraction", "text"),
    [("0.85", "85%"), ("1", "100%"), ("0.00055", "0.055%"), ("0.0002", "0.02%"), ("0", "0%"), ("0.333333", "33.3333%")],
)
def test_fractions_are_shown_as_percentages(fraction: str, text: str) -> None:
    assert percent(Decimal(fraction)) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("119.255", "119.26 USDT"), ("-0.5", "-0.50 USDT"), ("1E+3", "1000.00 USDT")]
)
def test_money_has_two_decimals(amount: str, text: str) -> None:
    assert usdt(Decimal(amount)) == text


def test_small_money_may_have_more() -> None:
    assert usdt(Decimal("0.0978"), decimals=4) == "0.0978 USDT"
