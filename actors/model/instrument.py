"""An instrument's rules: the grid of prices and quantities, the limits, the costs.

Enters: the exchange's filters as Decimals. Stays out: prices of the moment, orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One linear USDT perpetual and what the exchange accepts for it."""

    symbol: str
    base: str  # "BTC" of BTCUSDT
    quote: str  # "USDT"
    tick_size: Decimal  # quote per base
    quantity_step: Decimal  # base units
    min_quantity: Decimal  # base units
    max_limit_quantity: Decimal  # base units, one limit order
    max_market_quantity: Decimal  # base units, one market order
    min_notional_usdt: Decimal  # quantity times price of one order that opens
    min_leverage: Decimal
    max_leverage: Decimal
    leverage_step: Decimal
    funding_interval_minutes: int
    trading: bool = True  # False while the exchange lists it as anything but Trading


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """What a fill costs, as fractions of its notional."""

    maker: Decimal
    taker: Decimal
