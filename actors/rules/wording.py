"""Figures as the person reads them. Enters: Decimals. Stays out: sentences, screens, markup."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from actors.model.money import plain


def percent(fraction: Decimal) -> str:
    """Write a fraction as a percentage, to four decimals at most.

    >>> percent(Decimal("0.85")), percent(Decimal("0.00055"))
    ('85%', '0.055%')
    """
    return f"{plain((fraction * 100).quantize(Decimal('0.0001'), ROUND_HALF_EVEN))}%"


def usdt(amount: Decimal, decimals: int = 2) -> str:
    """Write an amount of USDT, always with this many decimals.

    >>> usdt(Decimal("119.255")), usdt(Decimal("0.0978"), decimals=4)
    ('119.26 USDT', '0.0978 USDT')
    """
    return f"{amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):f} USDT"
