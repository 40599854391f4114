"""The position book's decisions: from one message to everything that follows. Start reading here.

    decide(book, message, now, name) -> Turn(facts, effects, tells, ...)

    who may stand on a symbol        book_admission
    where the backstop is            book_backstop
    executions without our id        book_sharing
    the exchange's own word          book_readings
    a side, and the book             book_side, book_turn

Enters: a loaded book, one message, the time. Stays out: the journal, addresses of askers, timers, the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from actors.messages.accounts import ExcessReported, PositionsRead, SliceReported, WithdrawAdmission
from actors.messages.booking import ExecutionBooked, LookAgain
from actors.messages.orders import EffectSettled, ExecutionReported, PositionReported
from actors.rules import book_admission, book_backstop, book_readings, book_sharing
from actors.rules.book_turn import Book, Turn


def decide(book: Book, message: Any, now: datetime, name: Callable[[str], str]) -> Turn:
    """Work on one message; the book has changed when this returns.

    Args:
        book: loaded.
        message: a report, a reading, a slice, an outcome, a reminder.
        now: aware UTC.
        name: gives an effect key, unique for ever, about something.

    Raises:
        TypeError: for a message that is none of a book's.

    """
    turn = Turn(book=book, now=now, name=name)
    match message:
        case SliceReported():
            take_slice(turn, message)
        case ExecutionReported():
            book_sharing.take(turn, message)
        case ExcessReported():
            book_sharing.take_excess(turn, message)
        case PositionReported():
            book_readings.take_report(turn, message)
        case PositionsRead():
            book_readings.take_reading(turn, message)
        case EffectSettled():
            book_backstop.settled(turn, message)
        case WithdrawAdmission():
            book_admission.withdraw(turn, message.trade_id)
        case LookAgain():
            look_again(turn, message.symbol)
        case _:
            raise TypeError(f"{type(message).__name__} is no message of a position book's")
    book_admission.answer(turn)
    return turn


def take_slice(turn: Turn, told: SliceReported) -> None:
    """Take a monitor's word of what its trade holds and where its stop is."""
    book = turn.book
    side = book.side(told.symbol, told.position_side)
    book.put(side.with_slice(told))
    if book.awaited is not None:
        book.awaited.pop(told.trade_id, None)
    _take_over(turn, told)
    book_sharing.place_waiting(turn, told.symbol)
    book_backstop.keep(turn, side.key)
    if told.wants_verification:
        turn.reading_wanted = True


def _take_over(turn: Turn, told: SliceReported) -> None:
    """What a trade has adopted is foreign no more, from its first word on; booked once."""
    key = f"adopted-{told.trade_id}"
    if not told.adopted_quantity or key in turn.book.known_executions:
        return
    turn.add(
        ExecutionBooked(
            execution_id=key,
            symbol=told.symbol,
            position_side=told.position_side,
            foreign_change=-told.adopted_quantity,
            executed_at=told.opened_at,
        )
    )


def look_again(turn: Turn, symbol: str) -> None:
    """Do what was left for later: waiting executions, a paused backstop, an admission that lasts, a difference."""
    book_sharing.place_waiting(turn, symbol)
    for key in turn.book.of(symbol):
        book_backstop.keep(turn, key)
    book_admission.watch_overdue(turn)
    turn.reading_wanted = turn.reading_wanted or book_readings.differs(turn, symbol)
