"""Readings of the position against the book: whether they agree, what is foreign, what is missing, who is closed.

A reading is a fact about its instant only. A difference counts when readings have shown the very same one for long
enough, with no execution or fill known that explains it; then the exchange is right. A trade that holds nothing any
more is verified by two readings, both after its last fill, that agree with what the others hold.

Enters: a turn and what was read. Stays out: how a reading is made; one that failed never comes here.
Sources: design, "A trade" (closed when ...), "An account" (the reconciler).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages.accounts import PositionsRead, PositionVerified
from actors.messages.booking import ForeignCounted
from actors.messages.orders import ExecutionKind, ExecutionReported, PositionReported
from actors.model.changing import replace
from actors.model.money import ZERO
from actors.model.position import ObservedPosition, PositionSide
from actors.rules import book_backstop, book_news
from actors.rules.attribution import share_reduction
from actors.rules.book_sharing import book_unexplained, is_waiting, place_waiting, take
from actors.rules.book_side import Side, SideKey
from actors.rules.book_turn import Turn

# Two readings must lie this far apart before they are believed about a position.
READINGS_APART = timedelta(seconds=1)
# Where trades stand, the fills and executions that explain a difference may still be on their way.
DIFFERENCE_PATIENCE = timedelta(seconds=10)
LOOK_SECONDS = 2.0  # between readings while something differs
SILENCE_LOOK_SECONDS = 30.0  # while a trade that could explain it does not answer
VERIFY_SECONDS = 1.05  # a little more than READINGS_APART


# --- the stream's word -------------------------------------------------------------------------------------------
def take_report(turn: Turn, report: PositionReported) -> None:
    """Heed the stream for size and stop; verdicts wait for readings."""
    position = report.position
    for key in turn.book.of(position.symbol):
        if not _concerns(position, key[1]):
            continue
        side = turn.book.side(*key)
        if side.sequence is not None and position.sequence is not None and position.sequence < side.sequence:
            continue  # overtaken
        told = position if position.side is key[1] else None
        side = _seen(side, told, position.updated_at)
        turn.book.put(replace(side, sequence=position.sequence or side.sequence))
        book_backstop.align(turn, key)


def _concerns(position: ObservedPosition, side: PositionSide) -> bool:
    """A one-way row (index 0) speaks of both sides: what it is not, is flat."""
    return position.position_index in {0, 1 if side is PositionSide.LONG else 2}


def _seen(side: Side, position: ObservedPosition | None, at: datetime | None) -> Side:
    """Take the exchange's word about a side; None: it is flat.

    A word about its stop from before the newest request was answered is out of date.
    """
    if position is None or not position.size:
        return replace(side, size=ZERO, exchange_stop=None, liquidation_price=None)
    outdated = at is not None and side.stop_set_at is not None and at < side.stop_set_at
    return replace(
        side,
        size=position.size,
        exchange_stop=side.exchange_stop if outdated else position.stop_price,
        mark_price=position.mark_price or side.mark_price,
        liquidation_price=position.liquidation_price,
    )


# --- a reading ---------------------------------------------------------------------------------------------------
def take_reading(turn: Turn, reading: PositionsRead) -> None:
    """Take one reading of all positions, with the executions it brought."""
    book = turn.book
    book.foreign_conditionals = dict(reading.foreign_conditionals)
    for execution in reading.foreign_executions:
        take(turn, execution)
    for position in reading.positions:  # sides the book has never heard of
        if position.side is not None:
            book.sides.setdefault(
                (position.symbol, position.side),
                Side(symbol=position.symbol, position_side=position.side, position_index=position.position_index),
            )
    for key in list(book.sides):
        _read_side(turn, key, _position_of(reading, key), reading.started_at)
        book_backstop.align(turn, key)


def _position_of(reading: PositionsRead, key: SideKey) -> ObservedPosition | None:
    return next((each for each in reading.positions if (each.symbol, each.side) == key), None)


def _read_side(turn: Turn, key: SideKey, position: ObservedPosition | None, at: datetime) -> None:
    side = turn.book.side(*key)
    if side.read_at is not None and at <= side.read_at:
        return  # overtaken by a newer one
    side = _seen(side, position, at)
    side = replace(side, read_at=at, sequence=position.sequence if position is not None else side.sequence)
    turn.book.put(side)
    if not turn.book.knows(side.symbol):
        return
    place_waiting(turn, side.symbol)
    _compare(turn, turn.book.side(*key), at)
    _verify(turn, key, at)


def _compare(turn: Turn, side: Side, at: datetime) -> None:
    """Judge a difference once readings have shown the same one for long enough."""
    difference = side.difference
    filled = [each.last_fill_at for each in side.slices.values() if each.last_fill_at is not None]
    if not difference or is_waiting(turn.book, side.symbol) or (filled and at <= max(filled)):
        turn.book.put(replace(side, differs_since=None, differs_by=ZERO))
        if difference:
            _read_again(turn, side)
        return
    if side.differs_since is None or side.differs_by != difference:
        turn.book.put(replace(side, differs_since=at, differs_by=difference))
        _read_again(turn, side)
        return
    if at - side.differs_since < (DIFFERENCE_PATIENCE if side.slices else READINGS_APART):
        _read_again(turn, side)
    elif (side.size or ZERO) >= side.held:
        _count_foreign(turn, side, at)
    else:
        _book_shortfall(turn, side, at)


def _read_again(turn: Turn, side: Side) -> None:
    turn.look(side.symbol, LOOK_SECONDS if side.slices else VERIFY_SECONDS)


def _count_foreign(turn: Turn, side: Side, at: datetime) -> None:
    quantity = (side.size or ZERO) - side.held
    turn.note("foreign_quantity", symbol=side.symbol, side=side.position_side.value, quantity=str(quantity))
    turn.alert(book_news.foreign(turn.book.account, side, quantity))
    turn.add(ForeignCounted(symbol=side.symbol, position_side=side.position_side, quantity=quantity, read_at=at))


def _book_shortfall(turn: Turn, side: Side, at: datetime) -> None:
    """Less is there than the trades hold, and no execution tells how it went. The price can only be estimated."""
    missing = side.held - (side.size or ZERO)
    turn.note("position_shortfall", symbol=side.symbol, side=side.position_side.value, missing=str(missing))
    unheard = {trade for trade, held in side.holdings().items() if held and not _vouched(side, trade)}
    if unheard:
        # One whose monitor is set aside may have sold it by its own stop: nothing is shared over its head.
        turn.vouchers_wanted |= unheard
        turn.look(side.symbol, SILENCE_LOOK_SECONDS)
        return
    if side.mark_price is None or side.quantity_step is None:
        turn.prices_wanted.add(side.symbol)  # nothing is booked at a price nobody has told
        _read_again(turn, side)
        return
    _, shares = share_reduction(missing, ZERO, side.holdings(), side.quantity_step, manual=True)
    execution = ExecutionReported(
        account=turn.book.account,
        execution_id=f"unexplained-{turn.book.account}-{side.symbol}-{side.position_side.value}-{at.isoformat()}",
        symbol=side.symbol,
        order_id="",
        client_order_id=None,
        order_side=side.position_side.exit_side,
        kind=ExecutionKind.OTHER,
        quantity=missing,
        price=side.mark_price,
        fee_usdt=ZERO,
        is_maker=False,
        executed_at=at,
    )
    turn.alert(book_news.unexplained(turn.book.account, side, missing, side.mark_price, shares))
    book_unexplained(turn, side, execution, shares)
    # Its executions may yet be told: they are inside this count.
    turn.add(ForeignCounted(symbol=side.symbol, position_side=side.position_side, quantity=ZERO, read_at=at))


def _vouched(side: Side, trade_id: str) -> bool:
    at = side.vouched_at.get(trade_id)
    return at is not None and side.differs_since is not None and at >= side.differs_since


def take_voucher(turn: Turn, trade_id: str, open_quantity: Decimal) -> None:
    """A monitor lives and says what its trade holds; if that is what it told last, the difference is not its own."""
    told = turn.book.slice_of(trade_id)
    if told is None or told.open_quantity != open_quantity:
        return
    side = turn.book.side(told.symbol, told.position_side)
    turn.book.put(replace(side, vouched_at={**side.vouched_at, trade_id: turn.now}))
    turn.reading_wanted = True


def take_price(turn: Turn, symbol: str, mark_price: Decimal) -> None:
    """Keep a mark price that was asked for because no reading has told one."""
    for key in turn.book.of(symbol):
        side = turn.book.side(*key)
        turn.book.put(replace(side, mark_price=side.mark_price or mark_price))
    turn.reading_wanted = True


# --- closed? -----------------------------------------------------------------------------------------------------
def _verify(turn: Turn, key: SideKey, at: datetime) -> None:
    side = turn.book.side(*key)
    for trade, told in sorted(side.slices.items()):
        if not told.wants_verification:
            continue
        agreed = dict(side.agreed_at)
        first = agreed.pop(trade, None)
        late = told.last_fill_at is not None and at <= told.last_fill_at
        if side.difference or is_waiting(turn.book, side.symbol) or late:
            pass  # what was agreed on before does not count any more
        elif first is None or (told.last_fill_at is not None and first <= told.last_fill_at):
            agreed[trade] = at
        elif at - first < READINGS_APART:
            agreed[trade] = first
        else:
            turn.tells.append((told.path, PositionVerified(first_read_at=first, second_read_at=at)))
            # Should it not reach its trade, the next reading, whoever wants it, verifies again.
            side = replace(side, agreed_at={**agreed, trade: at})
            turn.book.put(side)
            continue
        turn.look(side.symbol, VERIFY_SECONDS)
        side = replace(side, agreed_at=agreed)
        turn.book.put(side)


def differs(turn: Turn, symbol: str) -> bool:
    """Tell whether a reading is needed: a difference is open, or a trade waits to be verified."""
    sides = turn.book.both(symbol)
    return any(
        side.differs_since is not None
        or side.difference
        or any(told.wants_verification for told in side.slices.values())
        for side in sides
    )
