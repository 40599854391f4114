"""Liquidation: where the exchange would take a position over, estimated before the position exists.

Enters: prices, quantities, margin rates. Stays out: what to do about it. Prices are quote per base.

The position is taken over when its loss, maintenance margin and fee to leave have used up its collateral:
long  (A - P)q + (m + t)Pq = C, short (P - A)q + (m + t)Pq = C, with entry A, quantity q, collateral C, maintenance
rate m, taker rate t. In isolated mode C is the initial margin Aq / leverage, and q drops out. In cross mode C is what
the whole account can still lose, and the figure only an estimate.
Source: Bybit, Liquidation Price Calculation under Isolated Mode (UTA), without added margin and for the lowest risk
tier, which has no deduction.
"""

from __future__ import annotations

from decimal import Decimal

from actors.model.account import MarginMode, OpeningView
from actors.model.money import ZERO
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade_plan import TradePlan
from actors.rules.entry_prices import worst_prices


def liquidation_price(
    *,
    side: PositionSide,
    average_price: Decimal,
    collateral_per_unit: Decimal,
    maintenance_margin_rate: Decimal,
    taker_fee_rate: Decimal,
) -> Decimal | None:
    """Solve for the price that uses up the collateral.

    Args:
        side: of the position.
        average_price: of its entries, over 0.
        collateral_per_unit: USDT behind one base unit, 0 and up.
        maintenance_margin_rate: fraction of notional, 0 and up.
        taker_fee_rate: fraction of notional, 0 and up.

    Returns:
        The price, not rounded; None for a long whose collateral outlasts a price of 0.

    >>> rates = {"maintenance_margin_rate": Decimal("0.0495"), "taker_fee_rate": Decimal("0.0005")}
    >>> long = {"side": PositionSide.LONG, "average_price": Decimal(100), "collateral_per_unit": Decimal(10)}
    >>> round(liquidation_price(**long, **rates), 4)
    Decimal('94.7368')

    """
    sign = side.sign
    price = (average_price - sign * collateral_per_unit) / (1 - sign * (maintenance_margin_rate + taker_fee_rate))
    return price if price > 0 else None


def estimated_liquidation(plan: TradePlan, view: OpeningView, quantity: Decimal) -> Decimal | None:
    """Give the nearest price at which the position of this plan could be liquidated; None where there is none.

    Entries fill one by one and join a position that may be there already, so in isolated mode the nearest of all
    their own liquidation prices counts: every mixture lies between them. In cross mode all is taken as filled.

    Args:
        plan: prices over 0, leverage over 0.
        view: of its account and symbol; the position's own liquidation price counts where it is reported.
        quantity: of the whole plan, base units, over 0.

    """
    live = next((each for each in view.positions if each.side is plan.position_side and each.size), None)
    if view.margin_mode is MarginMode.CROSS:
        return _of_the_account(plan, view, quantity, live)
    prices = [_solve(plan, view, price, price / plan.leverage) for price in worst_prices(plan, view)]
    if live is not None and live.average_price is not None:
        estimate = _solve(plan, view, live.average_price, live.average_price / (live.leverage or plan.leverage))
        prices.append(live.liquidation_price or estimate)
    known = [price for price in prices if price is not None]
    return (max if plan.position_side is PositionSide.LONG else min)(known, default=None)


def _of_the_account(
    plan: TradePlan, view: OpeningView, quantity: Decimal, live: ObservedPosition | None
) -> Decimal | None:
    value = sum(
        (price * entry.fraction for price, entry in zip(worst_prices(plan, view), plan.entries, strict=True)), ZERO
    )
    value *= quantity
    collateral = view.balance.available_usdt
    if live is not None and live.average_price is not None:
        held = live.average_price * live.size
        value, quantity = value + held, quantity + live.size
        collateral += held / (live.leverage or plan.leverage)
    return _solve(plan, view, value / quantity, collateral / quantity)


def _solve(plan: TradePlan, view: OpeningView, average_price: Decimal, collateral_per_unit: Decimal) -> Decimal | None:
    return liquidation_price(
        side=plan.position_side,
        average_price=average_price,
        collateral_per_unit=collateral_per_unit,
        maintenance_margin_rate=view.maintenance_margin_rate,
        taker_fee_rate=view.fees.taker,
    )
