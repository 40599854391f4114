"""Attribution: which trade carries what, when a position shrank by an order that was not one of theirs.

Trades share one exchange position, so a backstop, a liquidation or a person's hand in the app reduces it without
saying whose. Foreign quantity goes first where a person did it, then the trades pro rata.

Enters: quantities on the step. Stays out: executions, prices, telling anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from actors.model.money import ZERO
from actors.rules.apportionment import largest_remainder, units_in


def share_reduction(
    quantity: Decimal, foreign: Decimal, slices: Mapping[str, Decimal], step: Decimal, *, manual: bool
) -> tuple[Decimal, dict[str, Decimal]]:
    """Share out a reduction: first foreign quantity (manual ones only), then the slices pro rata, then what is left.

    Args:
        quantity: what the position lost, base units on the step, 0 and up.
        foreign: what nobody's trade holds there, 0 and up.
        slices: trade id to what the trade holds, on the step, 0 and up; the order does not matter.
        step: the quantity step, over 0.
        manual: a person or another program reduced it. Else (backstop, liquidation, deleveraging, settlement) the
            slices go first, and foreign quantity bears only what they could not.

    Returns:
        The foreign part, and the part of each trade that bears any, by trade id. No part is more than is held there;
        the parts sum to the quantity, or to all that is held where the quantity is more. Equal claims on the last
        step go by trade id.

    """
    off_foreign = min(quantity, foreign) if manual else ZERO
    held = sum(slices.values(), ZERO)
    off_slices = min(quantity - off_foreign, held)
    if not manual:
        off_foreign = min(quantity - off_slices, foreign)
    if not off_slices:
        return off_foreign, {}
    trades = sorted(slices)
    parts = largest_remainder(units_in(off_slices, step), [slices[trade] for trade in trades])
    return off_foreign, {trade: part * step for trade, part in zip(trades, parts, strict=True) if part}


def share_excess(quantity: Decimal, siblings: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Share out what an exit sold beyond its own trade: the largest sibling first, equals by trade id.

    Args:
        quantity: base units, 0 and up.
        siblings: trade id to what the trade holds, 0 and up; without the trade that sold.

    Returns:
        The part of each sibling that bears any; none is more than it holds. They sum to the quantity, or to all that
        the siblings hold where that is less.

    """
    parts: dict[str, Decimal] = {}
    for trade in sorted(siblings, key=lambda each: (-siblings[each], each)):
        part = min(quantity, siblings[trade])
        if part:
            parts[trade] = part
            quantity -= part
    return parts
