"""Amounts: Decimal only, made from text, rounded by name.

Enters: Decimals and steps (tick size, quantity step). Stays out: floats, currencies' symbols, screens.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step` (> 0), toward minus infinity.

    >>> floor_to(Decimal("1.2378"), Decimal("0.01"))
    Decimal('1.23')
    """
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of `step` (> 0), toward plus infinity."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def nearest_to(value: Decimal, step: Decimal) -> Decimal:
    """Round to the nearest multiple of `step` (> 0), ties to the even multiple."""
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether `value` lies on the grid of `step` (> 0)."""
    return value % step == 0


def plain(value: Decimal) -> str:
    """Write an amount in fixed point without trailing zeros, as people and the wire read it.

    >>> plain(Decimal("1E-5")), plain(Decimal("65000.10"))
    ('0.00001', '65000.1')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"
