"""The ladder: how a quantity is spread over the take-profit rungs, so that it always sums.

Proportions meet the quantity step by largest remainder. A rung too small for an order of its own (quantity or
notional) merges into the one before it; a too small first rung merges forward. What no rung could carry alone goes
to one rung whole, and is flagged. Nothing is ever left over.

Enters: quantities on the step, fractions, prices, the instrument. Stays out: orders, the stop, when to amend.
Quantities are base units; rungs are in the plan's order, nearest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.model.instrument import Instrument
from actors.model.money import ZERO, plain
from actors.rules.apportionment import largest_remainder, units_in
from actors.rules.wording import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """A quantity spread over rungs."""

    quantities: tuple[Decimal, ...]  # one a rung; 0 where it was merged away
    notes: tuple[str, ...] = ()  # what was merged, in the person's words
    below_minimum: bool = False  # the whole is too small even for one order


@dataclass(frozen=True, slots=True, kw_only=True)
class RungState:
    """One rung of a running trade."""

    fraction: Decimal  # of what was filled, over 0
    filled: Decimal  # sold at this rung so far, over all its orders
    wanted: Decimal  # what still rests there, or is asked to
    complete: bool = False  # filled to the end: it takes nothing more


def split(quantity: Decimal, fractions: Sequence[Decimal], instrument: Instrument, prices: Sequence[Decimal]) -> Ladder:
    """Spread a quantity over rungs of which nothing has filled yet.

    Args:
        quantity: base units, a multiple of the quantity step (anything finer is rounded down).
        fractions: n of them, over 0, nearest rung first.
        instrument: its step, smallest order and smallest notional.
        prices: n of them, quote per base, nearest rung first.

    """
    step = instrument.quantity_step
    shares = largest_remainder(units_in(quantity, step), fractions)
    quantities, below_minimum = _merge([share * step for share in shares], instrument, prices)
    notes = _notes([share * step for share in shares], quantities, fractions, instrument)
    return Ladder(quantities=tuple(quantities), notes=notes, below_minimum=below_minimum)


def respread(
    open_quantity: Decimal, rungs: Sequence[RungState], instrument: Instrument, prices: Sequence[Decimal]
) -> tuple[Decimal, ...]:
    """Give what should still rest at each rung; the figures sum to what is open.

    What rests already stays when it sums to what is open, so that a plain rung fill changes no order. Else each rung
    that is not complete is brought to its share of all that is open or was sold at such rungs; a rung that sold more
    than that wants nothing more. A rung without an order that the price has passed (a later one is complete) stays
    without. When every rung is over, the last takes what is open.

    Args:
        open_quantity: base units, a multiple of the quantity step.
        rungs: n of them, nearest first.
        instrument: its step, smallest order and smallest notional.
        prices: n of them, quote per base, nearest rung first.

    """
    if sum((rung.wanted for rung in rungs), ZERO) == open_quantity:
        return tuple(rung.wanted for rung in rungs)
    step = instrument.quantity_step
    places = _places(rungs) or [len(rungs) - 1]
    remaining = _remaining(units_in(open_quantity, step), [rungs[at] for at in places], step)
    merged, _ = _merge([units * step for units in remaining], instrument, [prices[at] for at in places])
    wanted = dict(zip(places, merged, strict=True))
    return tuple(wanted.get(at, ZERO) for at in range(len(rungs)))


def _places(rungs: Sequence[RungState]) -> list[int]:
    """Give the rungs that can take quantity."""
    last_complete = max((at for at, rung in enumerate(rungs) if rung.complete), default=-1)
    return [at for at, rung in enumerate(rungs) if not rung.complete and (rung.wanted or at > last_complete)]


def _remaining(open_units: int, rungs: Sequence[RungState], step: Decimal) -> list[int]:
    """Bring each rung's total to its share, never below what it sold; give what is still to sell, in units."""
    filled = [units_in(rung.filled, step) for rung in rungs]
    sharing = list(range(len(rungs)))
    while True:
        totals = largest_remainder(
            open_units + sum(filled[at] for at in sharing), [rungs[at].fraction for at in sharing]
        )
        oversold = {at for at, total in zip(sharing, totals, strict=True) if total < filled[at]}
        if not oversold:
            break
        sharing = [at for at in sharing if at not in oversold]
    remaining = [0] * len(rungs)
    for at, total in zip(sharing, totals, strict=True):
        remaining[at] = total - filled[at]
    return remaining


def _merge(
    quantities: Sequence[Decimal], instrument: Instrument, prices: Sequence[Decimal]
) -> tuple[list[Decimal], bool]:
    """Merge what is too small for an order; tell whether the whole is."""
    merged = list(quantities)

    def too_small(at: int) -> bool:
        return merged[at] > ZERO and not _is_order(merged[at], prices[at], instrument)

    for at in range(len(merged) - 1, 0, -1):
        if too_small(at):
            merged[at - 1] += merged[at]
            merged[at] = ZERO
    if not too_small(0):
        return merged, False
    onto = next((at for at in range(1, len(merged)) if merged[at]), None)
    if onto is None:
        return merged, True
    merged[onto] += merged[0]
    merged[0] = ZERO
    return merged, False


def _is_order(quantity: Decimal, price: Decimal, instrument: Instrument) -> bool:
    return quantity >= instrument.min_quantity and quantity * price >= instrument.min_notional_usdt


def _notes(
    shares: Sequence[Decimal], quantities: Sequence[Decimal], fractions: Sequence[Decimal], instrument: Instrument
) -> tuple[str, ...]:
    notes = []
    carriers = [at for at, quantity in enumerate(quantities) if quantity]
    for at, (share, quantity, fraction) in enumerate(zip(shares, quantities, fractions, strict=True)):
        if quantity or not carriers:
            continue
        onto = max((carrier for carrier in carriers if carrier < at), default=carriers[0])
        size = f"{plain(share)} {instrument.base}" if share else f"under one step of {plain(instrument.quantity_step)}"
        notes.append(
            f"TP{at + 1} ({percent(fraction)}, {size}) is too small for an order of its own: joins TP{onto + 1}"
        )
    return tuple(notes)
