"""What one execution without our id did: which sides of its symbol it touched, and whose part each is.

    a sale reduces the long and, beyond it, adds to the short of a one-way position; a purchase the other way round

Enters: the book as it stands, one execution. Stays out: booking it, waiting, telling anybody.
Sources: design, "A trade" (executions without our id); Bybit v5 execution/list (closedSize is what reduced a position;
an execution names no position index).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from actors.messages.orders import ExecutionKind, ExecutionReported
from actors.model.money import ZERO
from actors.model.position import PositionSide
from actors.rules.attribution import share_reduction
from actors.rules.book_side import Side
from actors.rules.book_turn import Book

_HEDGE_SIDES = {1: PositionSide.LONG, 2: PositionSide.SHORT}
_CAUSES = {
    ExecutionKind.LIQUIDATION: "liquidation",
    ExecutionKind.DELEVERAGING: "deleveraging",
    ExecutionKind.SETTLEMENT: "settlement",
}


def cause_of(execution: ExecutionReported) -> str:
    """Name what made the execution; a person or another program where nothing says otherwise."""
    return "backstop" if execution.is_position_stop else _CAUSES.get(execution.kind, "manual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one execution did to the sides of its symbol."""

    reduced: Side | None = None
    foreign_reduction: Decimal = ZERO
    shares: Mapping[str, Decimal] = field(default_factory=dict)  # trade id to quantity
    added: Side | None = None
    addition: Decimal = ZERO
    beyond: Decimal = ZERO  # reduced more than is known to be held


def parts_of(book: Book, execution: ExecutionReported) -> Parts | None:
    """Tell what an execution did; None when nobody stands on a side that it touched."""
    reducible, addable = _sides_of(book, execution)
    closed, opened = _closed_and_opened(execution, reducible, addable)
    at = execution.executed_at
    reduced = reducible if reducible is not None and closed and reducible.stood(at) else None
    added = addable if addable is not None and opened and (addable.stood(at) or reduced is not None) else None
    if reduced is None and added is None:
        return None
    parts = Parts() if reduced is None else _reduction(reduced, execution, closed)
    turned = parts.beyond if execution.closed_quantity is None and _can_turn(execution) else ZERO
    if turned and added is None:
        added = addable
    addition = (opened if added is not None else ZERO) + turned
    if added is not None and _is_counted(added, execution):
        addition = ZERO
    return Parts(
        reduced=reduced,
        foreign_reduction=parts.foreign_reduction,
        shares=parts.shares,
        added=added if addition else None,
        addition=addition,
        beyond=parts.beyond,
    )


def _sides_of(book: Book, execution: ExecutionReported) -> tuple[Side | None, Side | None]:
    """Give the side that this order side reduces, and the one it adds to; a hedge index leaves one of them."""
    long, short = book.both(execution.symbol)
    reducible, addable = (long, short) if execution.order_side is long.position_side.exit_side else (short, long)
    only = _HEDGE_SIDES.get(execution.position_index or 0)
    if only is None:
        return reducible, addable
    return (reducible, None) if reducible.position_side is only else (None, addable)


def _closed_and_opened(
    execution: ExecutionReported, reducible: Side | None, addable: Side | None
) -> tuple[Decimal, Decimal]:
    """Split the quantity by the exchange's own figure; without one, whatever can be a reduction is one."""
    quantity, closed = execution.quantity, execution.closed_quantity
    if reducible is None:
        return ZERO, quantity
    if addable is None or not _can_turn(execution):
        return quantity, ZERO
    if closed is not None:
        return min(closed, quantity), max(ZERO, quantity - closed)
    return (quantity, ZERO) if reducible.stood(execution.executed_at) else (ZERO, quantity)


def _can_turn(execution: ExecutionReported) -> bool:
    """A stop of the position's, a liquidation and the like only ever close."""
    return cause_of(execution) == "manual" and (execution.position_index or 0) not in _HEDGE_SIDES


def _reduction(side: Side, execution: ExecutionReported, quantity: Decimal) -> Parts:
    if _is_counted(side, execution):
        return Parts(reduced=side)
    there = {
        trade: held for trade, held in side.holdings().items() if side.slices[trade].opened_at <= execution.executed_at
    }
    known = min(quantity, side.foreign_quantity + sum(there.values(), ZERO))
    # Without a step nobody of ours ever stood here, and nothing but foreign quantity is shared.
    step = side.quantity_step or quantity
    manual = cause_of(execution) == "manual"
    foreign, shares = share_reduction(known, side.foreign_quantity, there, step, manual=manual)
    return Parts(reduced=side, foreign_reduction=foreign, shares=shares, beyond=quantity - known)


def _is_counted(side: Side, execution: ExecutionReported) -> bool:
    """A count of the position that is newer than the execution has it inside already."""
    return side.counted_at is not None and execution.executed_at <= side.counted_at


# --- funding ---------------------------------------------------------------------------------------------------
def funding_shares(side: Side, execution: ExecutionReported) -> dict[str, Decimal]:
    """Split one funding payment by slice (trade id to USDT paid); the foreign slice's part is nobody's."""
    total = side.expected
    return {
        trade: execution.fee_usdt * held / total
        for trade, held in side.holdings().items()
        if held and side.slices[trade].opened_at <= execution.executed_at
    }


def funded_side(book: Book, execution: ExecutionReported) -> Side | None:
    """Find the side a payment was for. Without an index: the one held; of two, by size, then by its own word."""
    only = _HEDGE_SIDES.get(execution.position_index or 0)
    if only is not None:
        return book.side(execution.symbol, only)
    held = [side for side in book.both(execution.symbol) if side.expected]
    if len(held) > 1:
        held = [side for side in held if execution.quantity == side.expected] or held
    if len(held) > 1:
        held = [side for side in held if side.position_side.entry_side is execution.order_side]
    return held[0] if held else None
