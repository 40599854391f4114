"""From a plan and a reading of the account to a sized plan, or to everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from actors.messages.accounts import BookReading
from actors.messages.trading import TradeOpened
from actors.model.account import OpeningView
from actors.model.alert import Alert, Severity
from actors.model.money import ZERO, plain
from actors.model.position import PositionSide
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules.backstop import backstop_price
from actors.rules.exit_limits import exit_refusals
from actors.rules.exit_words import floor_warning, plan_lines
from actors.rules.limits import Surroundings, refusals
from actors.rules.liquidation import estimated_liquidation
from actors.rules.net_plan import planned_holding, with_placeholders, with_prices
from actors.rules.refusals import Refusal
from actors.rules.size_words import asked_words, entry_price_words
from actors.rules.sizing import size
from actors.rules.trade_names import on_account


def judge(
    plan: TradePlan, view: OpeningView, book: BookReading, *, distance: Decimal, min_ticks: int
) -> SizedPlan | tuple[Refusal, ...]:
    """Size a plan, or give all that is wrong with it.

    Args:
        plan: as asked.
        view: fresh, of the plan's account and symbol.
        book: what the account's trades and strangers hold at this symbol.
        distance: of the backstop beyond the farthest stop, a fraction.
        min_ticks: of the same, at least.

    """
    if not view.instrument.trading:
        text = f"{plan.symbol} is not trading at the exchange now: write another symbol, or wait until it is"
        return (Refusal(field="symbol", value=plan.symbol, limit="trading", text=text),)
    priced = with_prices(plan, view)
    amiss, plan = ((), priced) if isinstance(priced, TradePlan) else (priced, with_placeholders(plan, view))
    long = plan.position_side is PositionSide.LONG
    other_stop = book.farthest_stop_long if long else book.farthest_stop_short
    stops = [plan.stop_price] if other_stop is None else [plan.stop_price, other_stop]
    trades = book.trades_long if long else book.trades_short
    foreign = book.foreign_long if long else book.foreign_short
    if not trades:  # what is held where no trade stands is foreign, counted by the book yet or not
        foreign = max(foreign, *(each.size for each in view.positions if each.side is plan.position_side), ZERO)
    held = next((each.leverage for each in view.positions if each.size and each.leverage is not None), None)
    problems = refusals(
        plan,
        view,
        Surroundings(
            trades_on_symbol=book.trades_long + book.trades_short,
            opposite_trades=book.trades_short if long else book.trades_long,
            foreign_quantity=foreign,
            # The book's count is as old as the last reading; of the view's, trades may explain any.
            foreign_conditional_orders=max(
                book.foreign_conditionals, view.conditional_orders - book.trades_long - book.trades_short
            ),
            # Leverage is set for both sides of a symbol at once, so each trade there holds all others to its own.
            bound_leverage=held if book.leverage is None else book.leverage,
            backstop_price=backstop_price(
                plan.position_side, stops, view.instrument.tick_size, distance=distance, min_ticks=min_ticks
            ),
        ),
    )
    problems = (*problems, *exit_refusals(plan, view), *amiss)
    return problems or _with_notes(size(plan, view), view)


def _with_notes(sized: SizedPlan | tuple[Refusal, ...], view: OpeningView) -> SizedPlan | tuple[Refusal, ...]:
    """Add what the exit rules have to say about the figures."""
    if not isinstance(sized, SizedPlan) or sized.plan.exits.net is None:
        return sized
    held = planned_holding(sized, view)
    note = floor_warning(held, sized.plan.exits.net, view.fees, view.instrument.tick_size)
    return sized if note is None else replace(sized, notes=(*sized.notes, note))


def liquidation_estimate(sized: SizedPlan, view: OpeningView) -> Decimal | None:
    """Give the nearest price at which this plan's position could be liquidated; None where there is none."""
    return estimated_liquidation(sized.plan, view, sized.quantity)


def opened_news(fact: TradeOpened) -> Alert:
    """Tell the person that their trade was accepted, with the whole plan in figures."""
    plan, sized, base = fact.sized.plan, fact.sized, fact.instrument.base
    entries = ", ".join(
        f"{plain(entry.quantity)} at {entry_price_words(entry, plan.position_side)}" for entry in sized.entries
    )
    rungs = ", ".join(
        f"{plain(quantity)} at {plain(rung.price)}"
        for rung, quantity in zip(plan.rungs, sized.rung_quantities, strict=True)
        if quantity
    )
    named = f"#{fact.number} {plan.symbol} {plan.position_side.value}{on_account(plan.account)}"
    return Alert(
        kind="trade_opened",
        severity=Severity.INFO,
        key=f"{fact.trade_id}/trade_opened",
        title=f"{named}: opened ({plan.approach.value})",
        lines=(
            f"entries {entries} {base}",
            f"targets {rungs} {base}",
            f"stop {plain(plan.stop_price)}, backstop {plain(fact.backstop_price)}",
            asked_words(plan.size, sized.asked_usdt),
            f"margin {sized.margin_usdt:.2f} USDT at {plain(plan.leverage)}x",
            f"loss at the stop {sized.loss_at_stop_usdt:.2f} USDT, fees included",
            *plan_lines(sized),
            *sized.notes,
        ),
        chat_id=plan.chat_id,
        subject=fact.label,
    )
