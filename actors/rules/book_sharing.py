"""Sharing out executions that carry no id of ours: the app, another program, the backstop, liquidation, funding.

A reduction takes foreign quantity first when somebody's hand made it, then the slices pro rata; an addition is foreign.
One that turns a one-way position round does both. Reports overtake one another: what is reduced beyond all that is
known to be held waits a little for the slices to be told. Each execution is booked once, however often it is reported.

Enters: a turn, an execution. Stays out: executions of our own orders (their trade's), readings.
Sources: design, "A trade" (executions without our id); Bybit v5 execution/list (closedSize: what reduced a position;
an execution names no position index).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages.accounts import ExcessReported, FundingBooked, ReductionBooked
from actors.messages.booking import ExecutionBooked
from actors.messages.orders import ExecutionKind, ExecutionReported
from actors.model.money import ZERO
from actors.rules import book_news
from actors.rules.attribution import share_excess
from actors.rules.book_side import Side
from actors.rules.book_turn import MOST_WAITING, Book, Turn, Waiting
from actors.rules.execution_parts import Parts, cause_of, funded_side, funding_shares, parts_of

# How long a reduction of more than is known to be held waits for slices that have grown meanwhile: a monitor that is
# being restarted needs some seconds. What is let go here comes back as a difference, at an estimated price.
SLICE_PATIENCE = timedelta(seconds=30)


def take(turn: Turn, execution: ExecutionReported) -> None:
    """Share out one execution, or keep it until its symbol's trades are known."""
    book = turn.book
    if execution.execution_id in book.known_executions or execution.execution_id in book.waiting:
        return
    if execution.kind is ExecutionKind.OTHER:
        return
    book.waiting[execution.execution_id] = Waiting(execution=execution, since=turn.now)
    while len(book.waiting) > MOST_WAITING:
        dropped, _ = book.waiting.popitem(last=False)
        turn.note("execution_dropped", execution=dropped)
    place_waiting(turn, execution.symbol)


def place_waiting(turn: Turn, symbol: str) -> None:
    """Share out what can be by now, in the order of the exchange.

    Reductions wait for one another, so that each is shared by what was held then. Additions wait for none: what they
    add may be the very quantity that a reduction lacks.
    """
    if not turn.book.knows(symbol):
        return
    waiting = [each for each in turn.book.waiting.values() if each.execution.symbol == symbol]
    waiting.sort(key=lambda each: (not _only_adds(turn.book, each.execution), *_order(each.execution)))
    for each in waiting:
        if not _place(turn, each):
            turn.look(symbol, SLICE_PATIENCE.total_seconds())
            return
        turn.book.waiting.pop(each.execution.execution_id)
        turn.book.remember(each.execution.execution_id)


def _order(execution: ExecutionReported) -> tuple[datetime, int]:
    return execution.executed_at, execution.sequence or 0


def _only_adds(book: Book, execution: ExecutionReported) -> bool:
    if execution.kind is ExecutionKind.FUNDING:
        return False
    parts = parts_of(book, execution)
    return parts is not None and parts.reduced is None


def is_waiting(book: Book, symbol: str) -> bool:
    """Tell whether executions of the symbol are known and not shared out yet."""
    return any(each.execution.symbol == symbol for each in book.waiting.values())


def _place(turn: Turn, waiting: Waiting) -> bool:
    if waiting.execution.kind is ExecutionKind.FUNDING:
        _share_funding(turn, waiting.execution)
        return True
    patient = turn.now - waiting.since < SLICE_PATIENCE
    parts = parts_of(turn.book, waiting.execution)
    if parts is None:
        return True  # where nobody of ours stands, it is nobody's business here
    if parts.beyond and parts.reduced is not None and parts.reduced.slices and patient:
        return False
    _book(turn, waiting.execution, parts)
    return True


# --- booking ----------------------------------------------------------------------------------------------------
def _book(turn: Turn, execution: ExecutionReported, parts: Parts) -> None:
    cause = cause_of(execution)
    foreign: dict[str, Decimal] = {}
    if parts.reduced is not None:
        _share(turn, parts.reduced, execution, parts.shares, cause)
        _add_booked(turn, parts.reduced, execution, -parts.foreign_reduction, parts.shares)
        foreign[parts.reduced.position_side.value] = -parts.foreign_reduction
    if parts.added is not None:
        _add_booked(turn, parts.added, execution, parts.addition, {})
        foreign[parts.added.position_side.value] = parts.addition
    told = {"symbol": execution.symbol, "execution": execution.execution_id, "cause": cause}
    if not parts.shares and not any(foreign.values()):
        turn.note("execution_counted_before", **told)
        return
    turn.note("execution_unattributed", **told, beyond=str(parts.beyond))
    turn.alert(book_news.unattributed(turn.book.account, execution, cause, parts.shares, foreign))


def _add_booked(
    turn: Turn, side: Side, execution: ExecutionReported, change: Decimal, shares: Mapping[str, Decimal]
) -> None:
    turn.add(
        ExecutionBooked(
            execution_id=execution.execution_id,
            symbol=side.symbol,
            position_side=side.position_side,
            foreign_change=change,
            executed_at=execution.executed_at,
            shares=tuple(shares.items()),
        )
    )


def _share(
    turn: Turn, side: Side, execution: ExecutionReported | ExcessReported, shares: Mapping[str, Decimal], cause: str
) -> None:
    """Promise each trade its part, with its part of the fee."""
    for trade, part in shares.items():
        booked = ReductionBooked(
            execution_id=execution.execution_id,
            quantity=part,
            price=execution.price,
            fee_usdt=execution.fee_usdt * part / execution.quantity,
            cause=cause,
            executed_at=execution.executed_at,
        )
        turn.promise(side.slices[trade].path, booked, about=f"share-{trade}")


def take_excess(turn: Turn, excess: ExcessReported) -> None:
    """Book what an exit sold of its siblings, largest first; what none of them held was foreign."""
    if excess.execution_id in turn.book.known_executions:
        return
    side = turn.book.side(excess.symbol, excess.position_side)
    siblings = {trade: held for trade, held in side.holdings().items() if trade != excess.trade_id}
    shares = share_excess(excess.quantity, siblings)
    _share(turn, side, excess, shares, "excess")
    turn.alert(book_news.excess(turn.book.account, excess, shares))
    turn.add(
        ExecutionBooked(
            execution_id=excess.execution_id,
            symbol=excess.symbol,
            position_side=excess.position_side,
            foreign_change=sum(shares.values(), ZERO) - excess.quantity,
            executed_at=excess.executed_at,
            shares=tuple(shares.items()),
        )
    )


def book_unexplained(turn: Turn, side: Side, execution: ExecutionReported, shares: Mapping[str, Decimal]) -> None:
    """Book what is gone and nothing explains; the price of `execution` is an estimate and its fee unknown."""
    _share(turn, side, execution, shares, "unexplained")
    _add_booked(turn, side, execution, -side.foreign_quantity, shares)


# --- funding ----------------------------------------------------------------------------------------------------
def _share_funding(turn: Turn, execution: ExecutionReported) -> None:
    side = funded_side(turn.book, execution)
    if side is None:
        return
    shares = funding_shares(side, execution)
    for trade, part in shares.items():
        booked = FundingBooked(execution_id=execution.execution_id, paid_usdt=part, executed_at=execution.executed_at)
        turn.promise(side.slices[trade].path, booked, about=f"funding-{trade}")
    if shares:
        _add_booked(turn, side, execution, ZERO, {})
