"""Instruments: what may be traded here, on which grid, with which margin.

Enters: Bybit's own filters for five USDT perpetuals, and synthetic ones on demand. Stays out: prices in motion, orders.
Prices are USDT per base unit, quantities base units, ratios fractions.
Source: /v5/market/instruments-info and /v5/market/risk-limit as published for the main site.
"""

from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32

FUNDING_INTERVAL_MINUTES = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The rules of one linear perpetual."""

    symbol: str
    base_coin: str
    opening_price: Decimal  # where a seeded path begins
    tick_size: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    max_limit_quantity: Decimal
    max_market_quantity: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal  # fraction of position value
    price_limit_ratio_x: Decimal  # market orders reach this far from mark
    price_limit_ratio_y: Decimal  # limit orders may cross mark by this much
    funding_rate: Decimal = Decimal("0.0001")
    funding_interval_minutes: int = FUNDING_INTERVAL_MINUTES
    min_notional_usdt: Decimal = Decimal(5)
    min_leverage: Decimal = Decimal(1)
    leverage_step: Decimal = Decimal("0.01")
    launch_ms: int = 1585526400000
    synthetic: bool = False

    @property
    def price_scale(self) -> int:
        """Decimal places of a price on this instrument's grid."""
        exponent = self.tick_size.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    @property
    def min_price(self) -> Decimal:
        """The lowest price an order may name."""
        return self.tick_size

    @property
    def max_price(self) -> Decimal:
        """The highest price an order may name."""
        return self.tick_size * 19999998

    def to_tick(self, price: Decimal) -> Decimal:
        """The price on this instrument's grid nearest to ``price``; halves go up; never under one tick."""
        ticks = int(price / self.tick_size + Decimal("0.5"))
        return max(1, ticks) * self.tick_size

    def on_tick(self, price: Decimal) -> bool:
        """Whether ``price`` is a whole number of ticks."""
        return price % self.tick_size == 0

    def on_step(self, quantity: Decimal) -> bool:
        """Whether ``quantity`` is a whole number of quantity steps."""
        return quantity % self.quantity_step == 0


def _listed(
    symbol: str,
    opening: str,
    tick: str,
    step: str,
    *,
    largest: tuple[str, str],
    leverage: int,
    maintenance: str,
    ratios: tuple[str, str],
) -> Instrument:
    return Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        opening_price=Decimal(opening),
        tick_size=Decimal(tick),
        quantity_step=Decimal(step),
        min_quantity=Decimal(step),
        max_limit_quantity=Decimal(largest[0]),
        max_market_quantity=Decimal(largest[1]),
        max_leverage=Decimal(leverage),
        maintenance_rate=Decimal(maintenance),
        price_limit_ratio_x=Decimal(ratios[0]),
        price_limit_ratio_y=Decimal(ratios[1]),
    )


LISTED = (
    _listed(
        "BTCUSDT",
        "65000",
        "0.10",
        "0.001",
        largest=("1190", "500"),
        leverage=100,
        maintenance="0.005",
        ratios=("0.01", "0.02"),
    ),
    _listed(
        "ETHUSDT",
        "3200",
        "0.01",
        "0.01",
        largest=("7240", "1450"),
        leverage=100,
        maintenance="0.005",
        ratios=("0.01", "0.02"),
    ),
    _listed(
        "SOLUSDT",
        "150",
        "0.010",
        "0.1",
        largest=("79770", "15954"),
        leverage=100,
        maintenance="0.005",
        ratios=("0.01", "0.02"),
    ),
    _listed(
        "XRPUSDT",
        "1.2",
        "0.0001",
        "0.1",
        largest=("1900000", "380000"),
        leverage=75,
        maintenance="0.0067",
        ratios=("0.02", "0.04"),
    ),
    _listed(
        "DOGEUSDT",
        "0.2",
        "0.00001",
        "1",
        largest=("15000000", "3000000"),
        leverage=75,
        maintenance="0.0067",
        ratios=("0.02", "0.04"),
    ),
)

_SYNTHETIC_SHAPES = (
    ("250", "0.01", "0.01"),
    ("12", "0.001", "0.1"),
    ("0.85", "0.0001", "1"),
    ("0.031", "0.00001", "10"),
)


def synthetic(number: int) -> Instrument:
    """The made-up instrument ``SYN0001USDT``, ``SYN0002USDT``, ...; the same number is always the same instrument.

    ``number`` counts from 1 to 9999.
    """
    symbol = f"SYN{number:04d}USDT"
    opening, tick, step = _SYNTHETIC_SHAPES[number % len(_SYNTHETIC_SHAPES)]
    spread = Decimal(crc32(symbol.encode()) % 1000) / 1000
    price = Decimal(opening) * (1 + spread)
    largest = int(Decimal(2_000_000) / Decimal(opening))
    return Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        opening_price=price - price % Decimal(tick),
        tick_size=Decimal(tick),
        quantity_step=Decimal(step),
        min_quantity=Decimal(step),
        max_limit_quantity=Decimal(largest * 10),
        max_market_quantity=Decimal(largest),
        max_leverage=Decimal(25),
        maintenance_rate=Decimal("0.02"),
        price_limit_ratio_x=Decimal("0.05"),
        price_limit_ratio_y=Decimal("0.1"),
        synthetic=True,
    )


def catalogue(extra: int = 0) -> tuple[Instrument, ...]:
    """The five listed instruments, then ``extra`` synthetic ones (0 to 9999).

    Raises:
        ValueError: ``extra`` is outside 0 to 9999.

    """
    if not 0 <= extra <= 9999:
        raise ValueError(f"--instruments {extra}: give a number from 0 to 9999")
    return LISTED + tuple(synthetic(number) for number in range(1, extra + 1))
