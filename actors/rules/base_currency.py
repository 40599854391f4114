"""Which coin a symbol is about, from its name alone: what shares a coin shares a cooldown.

Enters: an exchange's symbol. Stays out: whether it exists.
"""

from __future__ import annotations

import re

_QUOTES = ("USDT", "USDC", "PERP", "USD")
_DATED = re.compile(r"-?\d{1,2}[A-Z]{3}\d{2}$")
_MULTIPLIER = re.compile(r"^10{3,}(?=[A-Z])|10{3,}$")  # 1000PEPE and SHIB1000 are a thousand of a coin


def base_currency(symbol: str) -> str:
    """Give the coin.

    >>> [base_currency(each) for each in ("BTCUSDT", "BTCPERP", "BTC-27JUN25", "1000PEPEUSDT", "SHIB1000USDT")]
    ['BTC', 'BTC', 'BTC', 'PEPE', 'SHIB']
    >>> base_currency("1INCHUSDT")
    '1INCH'
    """
    name = _DATED.sub("", symbol.upper())
    quote = next((each for each in _QUOTES if name.endswith(each) and name != each), "")
    name = name.removesuffix(quote).rstrip("-")
    return _MULTIPLIER.sub("", name) or name
