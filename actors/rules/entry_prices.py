"""Entry prices: at what each entry of a plan may fill, before it is sent.

A limit fills at its price. A market entry fills near the last price; with a slippage bound no farther from it than
that, on the tick, rounded toward the last price. Figures are taken at that end of the span that is worse for them.

Enters: a plan, a view of its symbol. Stays out: quantities, sending. Prices are quote per base.
"""

from __future__ import annotations

from decimal import Decimal

from actors.model.account import OpeningView
from actors.model.money import ONE, ceil_to, floor_to
from actors.model.position import PositionSide
from actors.model.trade_plan import TradePlan


def bound_price(plan: TradePlan, view: OpeningView) -> Decimal | None:
    """Give the worst price at which the plan's market entries may fill; None: it names no bound."""
    if plan.slippage is None:
        return None
    far = view.last_price * (ONE + plan.position_side.sign * plan.slippage)
    rounded = floor_to if plan.position_side is PositionSide.LONG else ceil_to
    return rounded(far, view.instrument.tick_size)


def worst_prices(plan: TradePlan, view: OpeningView) -> list[Decimal]:
    """Give what each entry fills at when it goes worst: farthest from the stop, nearest to the targets."""
    bound = bound_price(plan, view)
    market = view.last_price if bound is None else bound
    return [market if entry.price is None else entry.price for entry in plan.entries]


def dearest_prices(plan: TradePlan, view: OpeningView) -> list[Decimal]:
    """Give what each entry is worth most at: a long's at its bound, a short's at the last price."""
    return [
        max(view.last_price, worst) if entry.price is None else worst
        for entry, worst in zip(plan.entries, worst_prices(plan, view), strict=True)
    ]
