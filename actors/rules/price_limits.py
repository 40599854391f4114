"""Price limits: what the prices and shares of a plan must satisfy among themselves, on the tick and against the market.

Enters: a plan and a view of its symbol. Stays out: money, quantities, other trades (rules.limits).
Prices are quote per base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from actors.model.account import OpeningView
from actors.model.money import ONE, ZERO, ceil_to, floor_to, is_multiple, plain
from actors.model.position import PositionSide
from actors.model.trade_plan import TradePlan
from actors.rules.entry_prices import bound_price, worst_prices
from actors.rules.plan_ranges import slippage_range
from actors.rules.refusals import Refusal
from actors.rules.wording import percent

_PERCENT_STEP = Decimal("0.0001")  # shares are suggested in hundredths of a percent


def fractions_hold(fractions: Sequence[Decimal]) -> bool:
    """Tell whether the shares are each over 0 and sum to 1."""
    return bool(fractions) and min(fractions) > 0 and sum(fractions, ZERO) == ONE


def entries_refusals(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    """Check the entries: shares, ticks, and that a limit rests instead of filling at once."""
    long = plan.position_side is PositionSide.LONG
    yield from _fractions("entries", [entry.fraction for entry in plan.entries])
    for price in (entry.price for entry in plan.entries if entry.price is not None):
        yield from _on_tick("entries", "entry", price, view)
        crosses = price > view.last_price if long else price < view.last_price
        if price > 0 and crosses:
            beyond = "above" if long else "below"
            yield Refusal(
                field="entries",
                value=plain(price),
                limit=plain(view.last_price),
                text=f"entry {plain(price)} is {beyond} the last price {plain(view.last_price)} and would fill at once "
                f"as a taker: write market, or a price no {'higher' if long else 'lower'} than that",
            )


def slippage_refusals(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    """Check the slippage bound: that there is a market entry for it, its range, and that it leaves room for a tick."""
    if plan.slippage is None:
        return
    written, tick = percent(plan.slippage), view.instrument.tick_size
    if all(entry.price is not None for entry in plan.entries):
        text = f"slippage {written} bounds market entries, and none is written: leave it out, or write entries market"
        yield Refusal(field="slippage", value=written, limit="market entries", text=text)
        return
    wrong = tuple(slippage_range(plan.slippage))
    yield from wrong
    if not wrong and bound_price(plan, view) == view.last_price:
        least = percent(ceil_to(tick / view.last_price, _PERCENT_STEP))
        yield Refusal(
            field="slippage",
            value=written,
            limit=f"one tick of {plain(tick)}",
            text=f"slippage {written} of the last price {plain(view.last_price)} is less than one tick of "
            f"{plain(tick)}: write {least} or more",
        )


def stop_refusals(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    """Check the stop: its tick, and that it lies beyond every entry and the market."""
    yield from _on_tick("stop", "stop", plan.stop_price, view)
    long = plan.position_side is PositionSide.LONG
    references = {"the last price": view.last_price} | {
        f"entry {at}": entry.price for at, entry in enumerate(plan.entries, start=1) if entry.price is not None
    }
    if plan.adopted is not None:
        references["the mark price"] = view.mark_price
    name, bound = (min if long else max)(references.items(), key=lambda each: each[1])
    wrong = plan.stop_price >= bound if long else plan.stop_price <= bound
    if plan.stop_price > 0 and wrong:
        where = "below" if long else "above"
        yield Refusal(
            field="stop",
            value=plain(plan.stop_price),
            limit=plain(bound),
            text=f"stop {plain(plan.stop_price)} of a {plan.position_side.value} must lie {where} "
            f"{'every entry and the last price' if plan.entries else 'the market'}: "
            f"write a price {where} {plain(bound)} ({name})",
        )


def targets_refusals(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    """Check the targets: shares, ticks, beyond every entry, nearest first."""
    long = plan.position_side is PositionSide.LONG
    where, order = ("above", "rising") if long else ("below", "falling")
    yield from _fractions("targets", [rung.fraction for rung in plan.rungs])
    if plan.slippage is not None and any(slippage_range(plan.slippage)):
        plan = replace(plan, slippage=None)  # said already; a bound would mean nothing
    entered = worst_prices(plan, view) or [view.last_price]
    bound = max(entered) if long else min(entered)
    at_most = " (the slippage bound)" if bound == bound_price(plan, view) else ""
    prices = [rung.price for rung in plan.rungs]
    for price in prices:
        yield from _on_tick("targets", "target", price, view)
        if price > 0 and (price <= bound if long else price >= bound):
            yield Refusal(
                field="targets",
                value=plain(price),
                limit=plain(bound),
                text=f"target {plain(price)} of a {plan.position_side.value} must lie {where} "
                f"{'every entry' if plan.entries else 'the last price'}: write a price {where} {plain(bound)}{at_most}",
            )
    in_order = sorted(set(prices), reverse=not long)
    if prices != in_order:
        given = ",".join(plain(price) for price in prices)
        yield Refusal(
            field="targets",
            value=given,
            limit=f"{order}, each once",
            text=f"targets {given} of a {plan.position_side.value} must be {order}, nearest first and each once: "
            f"write {','.join(plain(price) for price in in_order)}",
        )


def _on_tick(field: str, name: str, price: Decimal, view: OpeningView) -> Iterator[Refusal]:
    tick = view.instrument.tick_size
    if price <= 0:
        yield Refusal(
            field=field,
            value=plain(price),
            limit="over 0",
            text=f"{name} {plain(price)} must be over 0: write a price like {plain(view.last_price)}, the last one",
        )
    elif not is_multiple(price, tick):
        lower, higher = floor_to(price, tick), ceil_to(price, tick)
        choice = f"{plain(lower)} or {plain(higher)}" if lower else plain(higher)
        yield Refusal(
            field=field,
            value=plain(price),
            limit=f"tick {plain(tick)}",
            text=f"{name} {plain(price)} is not on {view.instrument.symbol}'s tick of {plain(tick)}: write {choice}",
        )


def _fractions(field: str, fractions: Sequence[Decimal]) -> Iterator[Refusal]:
    if not fractions:
        what = "a price like 1.19, or market" if field == "entries" else "at least one price"
        yield Refusal(field=field, value="", limit="at least one", text=f"{field} are missing: write {what}")
    elif not fractions_hold(fractions):
        given = " + ".join(percent(fraction) for fraction in fractions)
        total = percent(sum(fractions, ZERO))
        yield Refusal(
            field=field,
            value=given,
            limit="100%, each over 0%",
            text=f"the shares of the {field}, {given}, make {total}: each must be over 0% and all together 100%; "
            "write them so, or leave them out",
        )
