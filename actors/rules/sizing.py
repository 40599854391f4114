"""Sizing: margin or risk become quantities on the instrument's grid.

A margin (a share of the available balance, or an amount) pays the initial margin and the fees to enter and to leave, so
the position is a little smaller than margin times leverage. A risk is a share of the equity: the quantity is that which
loses it at the stop, both fees included, and is refused where the available balance cannot carry it. Every entry is
rounded down to the quantity step; the quantity is their sum, so what was asked for is never exceeded.

Enters: a plan whose own values hold (rules.limits), a view of account and symbol. Stays out: asking for either.
Quantities are base units; prices quote per base; money USDT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from actors.model.account import OpeningView
from actors.model.money import ONE, ZERO, ceil_to, floor_to, plain
from actors.model.trade_plan import MarginShare, MarginUsdt, RiskShare, SizedEntry, SizedPlan, TradePlan
from actors.rules.entry_prices import bound_price, dearest_prices, worst_prices
from actors.rules.ladder import split
from actors.rules.refusals import Refusal
from actors.rules.size_words import field_of, finest, lowered, raised, value_of, words_of
from actors.rules.wording import percent, usdt

_WORTH_A_NOTE = Decimal("0.01")  # of the quantity lost to rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    """What the entries may fill at, in their order."""

    worst: Sequence[Decimal]  # for the loss
    dearest: Sequence[Decimal]  # for what is bound

    def average(self, prices: Sequence[Decimal], plan: TradePlan) -> Decimal:
        return sum((price * entry.fraction for price, entry in zip(prices, plan.entries, strict=True)), ZERO)


def size(plan: TradePlan, view: OpeningView) -> SizedPlan | tuple[Refusal, ...]:
    """Give the plan with quantities, or all that is wrong with them.

    With margin M, leverage L and taker rate t the notional is N = M / (1/L + t(2 + 1/L)): the initial margin, the fee
    to enter, and the fee to leave at the bankruptcy price, for a short the dearer of the two sides. With risk R the
    quantity is q = R / l, where l is what one base unit loses: its way from the entries to the stop, the fee to enter
    (maker for limits, taker at the market), and the taker fee to leave at the stop.

    Args:
        plan: fractions over 0 that sum to 1, prices over 0, leverage over 0, size in its range; a risk needs a stop
            beyond every entry.
        view: last price over 0.

    Source: Bybit, order cost of linear contracts (initial margin + fee to open + fee to close).

    """
    prices = _Prices(worst=worst_prices(plan, view), dearest=dearest_prices(plan, view))
    asked, aimed = _aim(plan, view, prices)
    entries = _entries(plan, view, aimed)
    quantity = sum((entry.quantity for entry in entries), ZERO)
    ladder = split(
        quantity, [rung.fraction for rung in plan.rungs], view.instrument, [rung.price for rung in plan.rungs]
    )
    problems = (
        *_too_small(plan, view, entries, prices, aimed),
        *_too_large(plan, view, entries, ladder.quantities),
        *_too_dear(plan, view, prices, aimed),
    )
    if problems:
        return problems
    notional = _value(entries, prices.dearest)
    return SizedPlan(
        plan=plan,
        asked_usdt=asked,
        entries=entries,
        quantity=quantity,
        reference_price=notional / quantity,
        notional_usdt=notional,
        margin_usdt=notional / plan.leverage,
        rung_quantities=ladder.quantities,
        loss_at_stop_usdt=_loss(plan, view, [entry.quantity for entry in entries], prices.worst),
        notes=(*_rounding_notes(plan, view, quantity, aimed), *ladder.notes),
    )


def _aim(plan: TradePlan, view: OpeningView, prices: _Prices) -> tuple[Decimal, Decimal]:
    """Give the USDT that the plan's size asks for, and the quantity before rounding that comes to it."""
    match plan.size:
        case RiskShare(of_equity=share):
            asked = share * view.balance.equity_usdt
            return asked, asked / _loss(plan, view, [entry.fraction for entry in plan.entries], prices.worst)
        case MarginShare(of_available=share):
            asked = share * view.balance.available_usdt
        case MarginUsdt(amount_usdt=asked):
            pass
    return asked, asked / _cost_of_notional(plan, view) / prices.average(prices.dearest, plan)


def _entries(plan: TradePlan, view: OpeningView, aimed: Decimal) -> tuple[SizedEntry, ...]:
    bound, step = bound_price(plan, view), view.instrument.quantity_step
    return tuple(
        SizedEntry(
            price=entry.price,
            quantity=floor_to(aimed * entry.fraction, step),
            bound_price=bound if entry.price is None else None,
        )
        for entry in plan.entries
    )


def _cost_of_notional(plan: TradePlan, view: OpeningView) -> Decimal:
    """Give the balance that one USDT of notional binds: margin and both fees."""
    return 1 / plan.leverage + view.fees.taker * (2 + 1 / plan.leverage)


def _bound_usdt(plan: TradePlan, view: OpeningView, prices: _Prices, quantity: Decimal) -> Decimal:
    """Give the balance that a quantity binds, spread over the entries as planned."""
    return quantity * prices.average(prices.dearest, plan) * _cost_of_notional(plan, view)


def _loss(plan: TradePlan, view: OpeningView, quantities: Iterable[Decimal], prices: Sequence[Decimal]) -> Decimal:
    """All entries filled, then left at the stop: the move, the fees in (limits as makers), the taker fee out."""
    fees, loss = view.fees, ZERO
    for entry, quantity, price in zip(plan.entries, quantities, prices, strict=True):
        fee_in = price * (fees.taker if entry.price is None else fees.maker)
        loss += quantity * ((price - plan.stop_price) * plan.position_side.sign + fee_in)
        loss += quantity * plan.stop_price * fees.taker
    return loss


def _value(entries: Sequence[SizedEntry], prices: Sequence[Decimal]) -> Decimal:
    return sum((entry.quantity * price for entry, price in zip(entries, prices, strict=True)), ZERO)


def _rounding_notes(plan: TradePlan, view: OpeningView, quantity: Decimal, aimed: Decimal) -> Iterator[str]:
    rounded_off = 1 - quantity / aimed
    if rounded_off >= _WORTH_A_NOTE:
        step = plain(view.instrument.quantity_step)
        left_out = percent(round(rounded_off, 3))
        yield f"rounding to the quantity step {step} leaves out {left_out} of the {field_of(plan.size)}"


# --- what does not fit --------------------------------------------------------------------------------------------
def _too_small(
    plan: TradePlan, view: OpeningView, entries: Sequence[SizedEntry], prices: _Prices, aimed: Decimal
) -> Iterator[Refusal]:
    instrument = view.instrument
    for at, (entry, price) in enumerate(zip(entries, prices.worst, strict=True), start=1):
        value = entry.quantity * price
        if entry.quantity >= instrument.min_quantity and value >= instrument.min_notional_usdt:
            continue
        least = ceil_to(max(instrument.min_quantity, instrument.min_notional_usdt / price), instrument.quantity_step)
        needed = least / plan.entries[at - 1].fraction
        limit = f"{plain(instrument.min_quantity)} {instrument.base} and {usdt(instrument.min_notional_usdt)}"
        fewer = "" if len(entries) == 1 else ", or fewer entries"
        yield Refusal(
            field=field_of(plan.size),
            value=value_of(plan.size),
            limit=limit,
            text=f"{words_of(plan.size)} makes entry {at} {plain(entry.quantity)} {instrument.base} "
            f"({usdt(value)}), and the smallest order is {limit}: "
            f"{_larger(plan, view, prices, needed, aimed)}{fewer}",
        )


def _larger(plan: TradePlan, view: OpeningView, prices: _Prices, needed: Decimal, aimed: Decimal) -> str:
    """Say what to write for at least this quantity."""
    more = raised(plan.size, needed / aimed)
    carried = more is not None and _carried(replace(plan, size=more), view, prices)
    if isinstance(plan.size, RiskShare):
        if more is None:
            return "write a nearer stop"
        return f"write {words_of(more)} or more{'' if carried else ' and a higher leverage'}"
    return f"write {words_of(more)} or more" if more is not None and carried else "write a higher leverage"


def _carried(plan: TradePlan, view: OpeningView, prices: _Prices) -> bool:
    """Tell whether the available balance carries what the plan's size comes to."""
    if isinstance(plan.size, RiskShare):
        _, aimed = _aim(plan, view, prices)
        return _bound_usdt(plan, view, prices, aimed) <= view.balance.available_usdt
    asked, _ = _aim(plan, view, prices)
    return asked <= view.balance.available_usdt


def _too_large(
    plan: TradePlan, view: OpeningView, entries: Sequence[SizedEntry], rungs: Sequence[Decimal]
) -> Iterator[Refusal]:
    instrument = view.instrument
    quantity = sum((entry.quantity for entry in entries), ZERO)
    limits = [entry.quantity for entry in entries if entry.price is not None or entry.bound_price is not None]
    largest_limit = max([*limits, *rungs])
    cases = (
        (quantity, instrument.max_market_quantity, "one market order, and the stop is one for the whole trade"),
        (largest_limit, instrument.max_limit_quantity, "one limit order"),
    )
    for asked, most, what in cases:
        if asked > most:
            yield Refusal(
                field=field_of(plan.size),
                value=value_of(plan.size),
                limit=f"{plain(most)} {instrument.base}",
                text=f"{words_of(plan.size)} makes {plain(asked)} {instrument.base}, over "
                f"{plain(most)}, the most for {what}: {_smaller(plan, most / asked)}",
            )


def _smaller(plan: TradePlan, factor: Decimal) -> str:
    """Say what to write instead; a size that would round to nothing is no advice."""
    less = lowered(plan.size, factor)
    if less is not None:
        return f"write {words_of(less)} or less"
    other = "a farther stop" if isinstance(plan.size, RiskShare) else f"a leverage under {plain(plan.leverage)}"
    return f"write the {field_of(plan.size)} in finer steps than {finest(plan.size)}, or {other}"


def _too_dear(plan: TradePlan, view: OpeningView, prices: _Prices, aimed: Decimal) -> Iterator[Refusal]:
    """A risk says nothing of the margin it takes: a near stop may ask for more than there is."""
    available = view.balance.available_usdt
    needed = _bound_usdt(plan, view, prices, aimed)
    if not isinstance(plan.size, RiskShare) or needed <= available:
        return
    leverage = _leverage_for(plan, view, prices, aimed)
    or_leverage = f", or leverage {leverage} or more" if leverage is not None else ""
    yield Refusal(
        field="risk",
        value=value_of(plan.size),
        limit=usdt(available),
        text=f"{words_of(plan.size)} takes {usdt(needed)} of margin and fees at leverage {plain(plan.leverage)}, and "
        f"{usdt(available)} are available: {_smaller(plan, available / needed)}{or_leverage}",
    )


def _leverage_for(plan: TradePlan, view: OpeningView, prices: _Prices, aimed: Decimal) -> int | None:
    """Give the lowest whole leverage at which the available balance carries a quantity; None: the symbol has none."""
    taker = view.fees.taker
    room = view.balance.available_usdt / (aimed * prices.average(prices.dearest, plan)) - 2 * taker
    if room <= 0:
        return None
    lowest = int(((ONE + taker) / room).to_integral_value(ROUND_CEILING))
    return lowest if lowest <= view.instrument.max_leverage else None
