"""Limits: what a plan must satisfy before anything is sent, all findings at once.

Each refusal is a sentence with the value, the limit and what to write instead. Their order is fixed: account, side,
symbol, leverage, size, entries, stop, targets, quantity, liquidation.

Enters: a plan, a view of account and symbol, what else is there. Stays out: whether the symbol exists and trades,
asking for any of it, refusing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from actors.model.account import MarginMode, OpeningView
from actors.model.money import ZERO, ceil_to, floor_to, is_multiple, plain
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.model.trade_plan import MarginUsdt, RiskShare, SizedPlan, TradePlan
from actors.rules.backstop import inside_liquidation
from actors.rules.liquidation import estimated_liquidation
from actors.rules.plan_ranges import size_ranges
from actors.rules.price_limits import (
    entries_refusals,
    fractions_hold,
    slippage_refusals,
    stop_refusals,
    targets_refusals,
)
from actors.rules.refusals import Refusal
from actors.rules.size_words import USDT_STEP, value_of
from actors.rules.sizing import size

MOST_TRADES = 8  # per account and symbol: each needs a conditional order
MOST_CONDITIONALS = 10  # per account and symbol. Source: Bybit v5 order/create, refused as 110009
SPARE_CONDITIONALS = 1  # moving a stop by placing the new before cancelling the old takes one more


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else is on the account at this symbol, beside the exchange's own view of it."""

    trades_on_symbol: int = 0  # live or pending, both sides
    opposite_trades: int = 0  # of these, on the other side
    foreign_quantity: Decimal = ZERO  # base units on the plan's side that no trade holds
    foreign_conditional_orders: int = 0
    backstop_price: Decimal | None = None  # where the backstop will lie with this trade; None: not known yet
    bound_leverage: Decimal | None = None  # of what is live or pending at the symbol; None: nothing is


def refusals(plan: TradePlan, view: OpeningView, surroundings: Surroundings) -> tuple[Refusal, ...]:
    """Give everything that is wrong with a plan, in a fixed order; nothing means it may be sized and opened.

    Args:
        plan: as asked.
        view: of the plan's account and symbol; prices over 0.
        surroundings: of the same.

    """
    return (
        *_account(plan, view),
        *_side(plan, view, surroundings),
        *_room(plan, view, surroundings),
        *_leverage(plan, view, surroundings),
        *_size(plan, view),
        *entries_refusals(plan, view),
        *slippage_refusals(plan, view),
        *stop_refusals(plan, view),
        *targets_refusals(plan, view),
        *_quantity(plan, view, surroundings),
    )


# --- account, side, symbol ---------------------------------------------------------------------------------------
def _account(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    if view.margin_mode is MarginMode.PORTFOLIO:
        yield Refusal(
            field="account",
            value=view.margin_mode.value,
            limit="isolated or cross",
            text=f"account {plan.account} is in portfolio margin, where a position has no leverage of its own: "
            "switch it to isolated or cross margin at Bybit",
        )
    if view.balance.available_usdt <= 0:
        yield Refusal(
            field="account",
            value=plain(view.balance.available_usdt),
            limit="over 0 USDT",
            text=f"account {plan.account} has {plain(view.balance.available_usdt)} USDT free for margin: "
            "add USDT or close a position",
        )


def _side(plan: TradePlan, view: OpeningView, surroundings: Surroundings) -> Iterator[Refusal]:
    side, symbol = plan.position_side, plan.symbol
    against = any(each.side is side.opposite and each.size for each in view.positions)
    if view.position_mode is PositionMode.ONE_WAY and (against or surroundings.opposite_trades):
        yield Refusal(
            field="side",
            value=side.value,
            limit=f"{side.opposite.value} is live or pending",
            text=f"{side.value} is refused: {symbol} is in one-way mode and a {side.opposite.value} is live or pending "
            f"there, which this would reduce; write {side.opposite.value}, close it first, or switch to hedge mode",
        )
    if surroundings.foreign_quantity:
        foreign = f"{plain(surroundings.foreign_quantity)} {view.instrument.base}"
        yield Refusal(
            field="side",
            value=side.value,
            limit=f"{foreign} are foreign",
            text=f"{side.value} is refused: {foreign} of the {symbol} {side.value} belong to no trade here, and one "
            "stop covers the whole position; adopt or close them first",
        )


def _room(plan: TradePlan, view: OpeningView, surroundings: Surroundings) -> Iterator[Refusal]:
    trades = surroundings.trades_on_symbol
    if trades >= MOST_TRADES:
        yield Refusal(
            field="symbol",
            value=plan.symbol,
            limit=f"{MOST_TRADES} trades",
            text=f"{plan.symbol} on {plan.account} has {trades} trades and {MOST_TRADES} are the most, since each "
            "needs a conditional order: close one first, or write another symbol",
        )
        return
    # Stops that are there, or stops that will be there once pending trades fill: whichever is more.
    conditionals = max(view.conditional_orders, trades + surroundings.foreign_conditional_orders)
    most = MOST_CONDITIONALS - SPARE_CONDITIONALS
    if conditionals + 1 > most:
        yield Refusal(
            field="symbol",
            value=plan.symbol,
            limit=f"{MOST_CONDITIONALS} conditional orders",
            text=f"{plan.symbol} on {plan.account} has {conditionals} conditional orders, and of Bybit's "
            f"{MOST_CONDITIONALS} one stays free for moving a stop: cancel {conditionals + 1 - most} of your own there",
        )


# --- leverage and margin -----------------------------------------------------------------------------------------
def _leverage(plan: TradePlan, view: OpeningView, surroundings: Surroundings) -> Iterator[Refusal]:
    rules, leverage = view.instrument, plan.leverage
    if not rules.min_leverage <= leverage <= rules.max_leverage:
        nearest = rules.max_leverage if leverage > rules.max_leverage else rules.min_leverage
        yield Refusal(
            field="leverage",
            value=plain(leverage),
            limit=f"{plain(rules.min_leverage)} to {plain(rules.max_leverage)}",
            text=f"leverage {plain(leverage)} is outside {plain(rules.min_leverage)} to {plain(rules.max_leverage)}, "
            f"what {plan.symbol} allows: write {plain(nearest)}",
        )
    elif not is_multiple(leverage, rules.leverage_step):
        yield Refusal(
            field="leverage",
            value=plain(leverage),
            limit=f"steps of {plain(rules.leverage_step)}",
            text=f"leverage {plain(leverage)} is not on {plan.symbol}'s step of {plain(rules.leverage_step)}: "
            f"write {plain(floor_to(leverage, rules.leverage_step))}",
        )
    live, bound = _bound_leverage(plan, view), surroundings.bound_leverage
    if live is not None and live != leverage:
        yield Refusal(
            field="leverage",
            value=plain(leverage),
            limit=plain(live),
            text=f"leverage {plain(leverage)} is unlike the {plain(live)} of the live {plan.symbol} position, "
            f"which would change with it: write {plain(live)}",
        )
    elif live is None and bound is not None and bound != leverage:
        yield Refusal(
            field="leverage",
            value=plain(leverage),
            limit=plain(bound),
            text=f"leverage {plain(leverage)} is unlike the {plain(bound)} of what is live or pending on "
            f"{plan.symbol}, which would change with it: write {plain(bound)}",
        )


def _bound_leverage(plan: TradePlan, view: OpeningView) -> Decimal | None:
    """Give the leverage that a live position holds this plan to. Only isolated hedge positions have one a side."""

    def shares(position: ObservedPosition) -> bool:
        apart = view.position_mode is PositionMode.HEDGE and view.margin_mode is MarginMode.ISOLATED
        return position.size > 0 and (position.side is plan.position_side or not apart)

    return next((each.leverage for each in view.positions if shares(each) and each.leverage is not None), None)


def _size(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    yield from size_ranges(plan.size)
    balance, written = view.balance, value_of(plan.size)
    if isinstance(plan.size, MarginUsdt) and ZERO < balance.available_usdt < plan.size.amount_usdt:
        most = plain(floor_to(balance.available_usdt, USDT_STEP))  # where nothing is, that is told with the account
        yield Refusal(
            field="margin",
            value=written,
            limit=f"{most} USDT",
            text=f"margin {written} is over the {most} USDT available on {plan.account}: write margin {most}usdt or "
            "less",
        )
    if isinstance(plan.size, RiskShare) and balance.equity_usdt <= 0 < balance.available_usdt:
        equity = f"{plain(balance.equity_usdt)} USDT"
        text = f"risk {written} has no equity to be a share of, {equity} on {plan.account}: write a margin instead"
        yield Refusal(field="risk", value=written, limit=equity, text=text)


# --- quantity and liquidation ------------------------------------------------------------------------------------
def _quantity(plan: TradePlan, view: OpeningView, surroundings: Surroundings) -> Iterator[Refusal]:
    if not sizable(plan, view):
        return  # said above; a quantity would mean nothing
    sized = size(plan, view)
    if isinstance(sized, tuple):
        yield from sized
        return
    yield from _liquidation(sized, view, surroundings)


def sizable(plan: TradePlan, view: OpeningView) -> bool:
    """Tell whether a quantity can be worked out; what is wrong is refused elsewhere."""
    entries = [entry.price for entry in plan.entries if entry.price is not None]
    prices = (plan.stop_price, *entries, *(rung.price for rung in plan.rungs))
    return (
        fractions_hold([entry.fraction for entry in plan.entries])
        and fractions_hold([rung.fraction for rung in plan.rungs])
        and min(*prices, plan.leverage, view.balance.available_usdt) > 0
        and not any(_size(plan, view))
        and not any(slippage_refusals(plan, view))
        and not (isinstance(plan.size, RiskShare) and any(stop_refusals(plan, view)))
    )


def _liquidation(sized: SizedPlan, view: OpeningView, surroundings: Surroundings) -> Iterator[Refusal]:
    plan, tick = sized.plan, view.instrument.tick_size
    long = plan.position_side is PositionSide.LONG
    where, beyond = ("above", "below") if long else ("below", "above")
    price = estimated_liquidation(plan, view, sized.quantity)
    guarded = plan.stop_price if surroundings.backstop_price is None else surroundings.backstop_price
    if price is None or inside_liquidation(plan.position_side, guarded, price):
        return
    shown = ceil_to(price, tick) if long else floor_to(price, tick)
    if inside_liquidation(plan.position_side, plan.stop_price, price):
        what = f"the backstop {plain(guarded)} behind stop {plain(plan.stop_price)}"
        nearer = "a nearer stop"
    else:
        what = f"stop {plain(plan.stop_price)}"
        nearer = f"a stop well {where} that"
    lower = None if surroundings.bound_leverage is not None else _safe_leverage(sized, view, guarded)
    yield Refusal(
        field="stop",
        value=plain(plan.stop_price),
        limit=plain(shown),
        text=f"{what} lies {beyond} the liquidation price, about {plain(shown)} at leverage {plain(plan.leverage)}: "
        f"write {nearer}" + (f", or leverage {lower} or less" if lower else ""),
    )


def _safe_leverage(sized: SizedPlan, view: OpeningView, guarded: Decimal) -> int | None:
    """Give the highest whole leverage that keeps liquidation away; None where it could not help."""
    if view.margin_mode is MarginMode.CROSS or _bound_leverage(sized.plan, view) is not None:
        return None
    for leverage in range(int(sized.plan.leverage), 0, -1):
        price = estimated_liquidation(replace(sized.plan, leverage=Decimal(leverage)), view, sized.quantity)
        if inside_liquidation(sized.plan.position_side, guarded, price):
            return leverage
    return None
