"""Sizing: margin and leverage become quantities on the instrument's grid.

The margin is a fraction of the available balance; fees to enter and to leave are paid from it, so the position is a
little smaller than margin times leverage. Every entry is rounded down to the quantity step; the quantity is their sum.

Enters: a plan whose own values hold (rules.limits), a view of account and symbol. Stays out: asking for either.
Quantities are base units; prices quote per base; money USDT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from actors.model.account import OpeningView
from actors.model.money import ZERO, ceil_to, floor_to, plain
from actors.model.trade_plan import SizedEntry, SizedPlan, TradePlan
from actors.rules.ladder import split
from actors.rules.refusals import Refusal
from actors.rules.wording import percent, usdt

_PERCENT_STEP = Decimal("0.0001")  # margins are suggested in hundredths of a percent
_WORTH_A_NOTE = Decimal("0.01")  # of the quantity lost to rounding


def size(plan: TradePlan, view: OpeningView) -> SizedPlan | tuple[Refusal, ...]:
    """Give the plan with quantities, or all that is wrong with them.

    With margin M, leverage L and taker rate t the notional is N = M / (1/L + t(2 + 1/L)): the initial margin, the fee
    to enter, and the fee to leave at the bankruptcy price, for a short the dearer of the two sides.

    Args:
        plan: fractions over 0 that sum to 1, prices over 0, leverage over 0, margin over 0 up to 1.
        view: last price over 0.

    Source: Bybit, order cost of linear contracts (initial margin + fee to open + fee to close).

    """
    prices = [view.last_price if entry.price is None else entry.price for entry in plan.entries]
    aimed_price = sum((price * entry.fraction for price, entry in zip(prices, plan.entries, strict=True)), ZERO)
    aimed = _notional(plan, view) / aimed_price
    step = view.instrument.quantity_step
    entries = tuple(
        SizedEntry(price=entry.price, quantity=floor_to(aimed * entry.fraction, step)) for entry in plan.entries
    )
    quantity = sum((entry.quantity for entry in entries), ZERO)
    ladder = split(
        quantity, [rung.fraction for rung in plan.rungs], view.instrument, [rung.price for rung in plan.rungs]
    )
    problems = (
        *_too_small(plan, view, entries, prices, aimed_price),
        *_too_large(plan, view, entries, ladder.quantities),
    )
    if problems:
        return problems
    notional = sum((entry.quantity * price for entry, price in zip(entries, prices, strict=True)), ZERO)
    rounded_off = 1 - quantity / aimed
    notes = ladder.notes
    if rounded_off >= _WORTH_A_NOTE:
        notes = (
            f"rounding to the quantity step {plain(step)} leaves out {percent(round(rounded_off, 3))} of the margin",
            *notes,
        )
    return SizedPlan(
        plan=plan,
        entries=entries,
        quantity=quantity,
        reference_price=notional / quantity,
        notional_usdt=notional,
        margin_usdt=notional / plan.leverage,
        rung_quantities=ladder.quantities,
        loss_at_stop_usdt=_loss_at_stop(plan, view, entries, notional),
        notes=notes,
    )


def _cost_of_notional(plan: TradePlan, view: OpeningView) -> Decimal:
    """Give the balance that one USDT of notional binds: margin and both fees."""
    return 1 / plan.leverage + view.fees.taker * (2 + 1 / plan.leverage)


def _notional(plan: TradePlan, view: OpeningView) -> Decimal:
    return plan.margin_fraction * view.balance.available_usdt / _cost_of_notional(plan, view)


def _loss_at_stop(plan: TradePlan, view: OpeningView, entries: Sequence[SizedEntry], notional: Decimal) -> Decimal:
    """All entries filled, then left at the stop: the move, the fees in (limits as makers), the taker fee out."""
    quantity = sum((entry.quantity for entry in entries), ZERO)
    left = plan.stop_price * quantity
    by_limit = sum((entry.quantity * entry.price for entry in entries if entry.price is not None), ZERO)
    fees_in = by_limit * view.fees.maker + (notional - by_limit) * view.fees.taker
    return (notional - left) * plan.position_side.sign + fees_in + left * view.fees.taker


def _too_small(
    plan: TradePlan, view: OpeningView, entries: Sequence[SizedEntry], prices: Sequence[Decimal], aimed_price: Decimal
) -> Iterator[Refusal]:
    instrument = view.instrument
    for at, (entry, price) in enumerate(zip(entries, prices, strict=True), start=1):
        value = entry.quantity * price
        if entry.quantity >= instrument.min_quantity and value >= instrument.min_notional_usdt:
            continue
        least = ceil_to(max(instrument.min_quantity, instrument.min_notional_usdt / price), instrument.quantity_step)
        needed = least / plan.entries[at - 1].fraction * aimed_price * _cost_of_notional(plan, view)
        margin = ceil_to(needed / view.balance.available_usdt, _PERCENT_STEP)
        limit = f"{plain(instrument.min_quantity)} {instrument.base} and {usdt(instrument.min_notional_usdt)}"
        advice = f"write margin {percent(margin)} or more" if margin <= 1 else "write a higher leverage"
        fewer = "" if len(entries) == 1 else ", or fewer entries"
        yield Refusal(
            field="margin",
            value=percent(plan.margin_fraction),
            limit=limit,
            text=f"margin {percent(plan.margin_fraction)} makes entry {at} {plain(entry.quantity)} {instrument.base} "
            f"({usdt(value)}), and the smallest order is {limit}: {advice}{fewer}",
        )


def _too_large(
    plan: TradePlan, view: OpeningView, entries: Sequence[SizedEntry], rungs: Sequence[Decimal]
) -> Iterator[Refusal]:
    instrument = view.instrument
    quantity = sum((entry.quantity for entry in entries), ZERO)
    limits = [entry.quantity for entry in entries if entry.price is not None]
    largest_limit = max([*limits, *rungs])
    cases = (
        (quantity, instrument.max_market_quantity, "one market order, and the stop is one for the whole trade"),
        (largest_limit, instrument.max_limit_quantity, "one limit order"),
    )
    for asked, most, what in cases:
        if asked > most:
            margin = floor_to(plan.margin_fraction * most / asked, _PERCENT_STEP)
            yield Refusal(
                field="margin",
                value=percent(plan.margin_fraction),
                limit=f"{plain(most)} {instrument.base}",
                text=f"margin {percent(plan.margin_fraction)} makes {plain(asked)} {instrument.base}, over "
                f"{plain(most)}, the most for {what}: {_smaller(margin, plan.leverage)}",
            )


def _smaller(margin: Decimal, leverage: Decimal) -> str:
    """Say what to write instead; a margin that would round to nothing is no advice."""
    if margin > 0:
        return f"write margin {percent(margin)} or less"
    return f"write the margin in finer steps than {percent(_PERCENT_STEP)}, or a leverage under {plain(leverage)}"
