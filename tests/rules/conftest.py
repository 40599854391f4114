"""Instruments with true filters, an account, a usual plan: so that rules are tried where the rounding bites."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors.model.account import Balance, MarginMode, OpeningView
from actors.model.instrument import FeeRates, Instrument
from actors.model.position import PositionMode
from actors.model.trade_plan import TradePlan
from actors.rules.plan_text import parse_plan

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def instrument(
    symbol: str, tick: str, step: str, *, min_quantity: str | None = None, min_notional: str = "5"
) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal(tick),
        quantity_step=Decimal(step),
        min_quantity=Decimal(min_quantity or step),
        max_limit_quantity=Decimal(step) * 1_000_000,
        max_market_quantity=Decimal(step) * 200_000,
        min_notional_usdt=Decimal(min_notional),
        min_leverage=Decimal(1),
        max_leverage=Decimal(75),
        leverage_step=Decimal("0.01"),
        funding_interval_minutes=480,
    )


@pytest.fixture(scope="session")
def xrp() -> Instrument:
    return instrument("XRPUSDT", "0.0001", "0.1")


@pytest.fixture(scope="session")
def btc() -> Instrument:
    return instrument("BTCUSDT", "0.1", "0.001")


@pytest.fixture(scope="session")
def fees() -> FeeRates:
    return FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055"))


def view_of(rules: Instrument, fee_rates: FeeRates, last_price: str) -> OpeningView:
    """An isolated hedge account with 10,000 USDT and nothing open."""
    return OpeningView(
        account="main",
        instrument=rules,
        fees=fee_rates,
        balance=Balance(
            equity_usdt=Decimal(10_000),
            wallet_usdt=Decimal(10_000),
            available_usdt=Decimal(10_000),
            read_at=NOON,
        ),
        margin_mode=MarginMode.ISOLATED,
        position_mode=PositionMode.HEDGE,
        positions=(),
        conditional_orders=0,
        last_price=Decimal(last_price),
        mark_price=Decimal(last_price),
        maintenance_margin_rate=Decimal("0.005"),
        read_at=NOON,
    )


@pytest.fixture(scope="session")
def view(xrp: Instrument, fees: FeeRates) -> OpeningView:
    return view_of(xrp, fees, "1.19")


@pytest.fixture(scope="session")
def btc_view(btc: Instrument, fees: FeeRates) -> OpeningView:
    return view_of(btc, fees, "65000")


@pytest.fixture(scope="session")
def plan() -> TradePlan:
    return read("XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10")


@pytest.fixture(scope="session")
def btc_plan() -> TradePlan:
    return read("BTCUSDT long entries 65000 targets 66000,67000,68000,69000 stop 62000 margin 2% leverage 10")


def read(line: str) -> TradePlan:
    plan = parse_plan(line)
    assert isinstance(plan, TradePlan)
    return plan
