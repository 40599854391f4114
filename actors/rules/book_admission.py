"""Admission: which trade may stand on a symbol, and when it may begin.

A trade is let in once the backstop reaches beyond its stop, at the exchange and on every pending entry. Until its
monitor has told a slice, the admission holds its place; one that lasts too long is looked up, and given up when no such
trade was ever opened.

Enters: a turn and the desk's words. Stays out: the plan's own figures (rules.limits).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages.accounts import AdmitTrade, BookReading, TradeAdmitted
from actors.model.changing import replace
from actors.model.money import plain
from actors.rules import book_backstop
from actors.rules.backstop import inside_liquidation
from actors.rules.book_side import Admission, Side
from actors.rules.book_turn import Book, Turn
from actors.rules.limits import MOST_CONDITIONALS, SPARE_CONDITIONALS

# The desk has 15 s for each of its steps after an admission; a monitor tells its slice within moments of its start.
ADMISSION_PATIENCE = timedelta(seconds=60)
_LOADING = "still being loaded"


def reading(book: Book, symbol: str) -> BookReading:
    """Tell how a symbol stands."""
    long, short = book.both(symbol)
    leverages = _leverages(long) | _leverages(short)
    return BookReading(
        trades_long=long.trades,
        trades_short=short.trades,
        foreign_long=long.foreign_quantity,
        foreign_short=short.foreign_quantity,
        farthest_stop_long=min(long.stops(), default=None),
        farthest_stop_short=max(short.stops(), default=None),
        foreign_conditionals=book.foreign_conditionals.get(symbol, 0),
        leverage=max(leverages, default=None),
        held_long=long.held,
        held_short=short.held,
        cost_long=long.cost,
        cost_short=short.cost,
    )


def _leverages(side: Side) -> set[Decimal]:
    told = {each.leverage for each in side.slices.values()}
    return told | {each.leverage for each in side.admissions.values()}


def not_known(book: Book, symbol: str, now: datetime) -> str | None:
    """Say why nothing can be said about a symbol; None when all its trades are known. "" asks for the account."""
    silent = sorted(trade for trade, where in (book.awaited or {}).items() if symbol in {where, ""})
    if book.awaited is not None and (not silent or (not symbol and now >= book.silent_from)):
        return None
    if now < book.silent_from:
        return f"the {book.account} account's trades are {_LOADING}; try again in a few seconds"
    return f"{symbol} is held back: its trade {', '.join(silent)} does not report what it holds; look at /health"


def is_passing(refusal: str) -> bool:
    """Tell whether a refusal of the book's is over in moments by itself: a start, a restart."""
    return _LOADING in refusal


def admit(turn: Turn, request: AdmitTrade) -> str | None:
    """Let a trade in, or say why not. TradeAdmitted follows when the backstop is in force."""
    book = turn.book
    side = replace(
        book.side(request.symbol, request.position_side),
        position_index=request.position_index,
        tick_size=request.tick_size,
    )
    admission = Admission(
        stop_price=request.stop_price,
        leverage=request.leverage,
        admitted_at=turn.now,
        adopts=bool(request.adopts),
    )
    candidate = replace(side, admissions={**side.admissions, request.trade_id: admission})
    refusal = not_known(book, request.symbol, turn.now) or _refusal(book, request, candidate)
    if refusal is not None:
        return refusal
    book.put(candidate)
    book_backstop.keep(turn, candidate.key)
    turn.look(request.symbol, ADMISSION_PATIENCE.total_seconds())
    return None


def _refusal(book: Book, request: AdmitTrade, candidate: Side) -> str | None:
    """The desk has judged the plan by an earlier reading; what must hold now is checked again."""
    symbol, side = request.symbol, request.position_side
    other = book.side(symbol, side.opposite)
    trades, most = candidate.trades + other.trades, book.settings.most_trades
    if trades > most:
        return (
            f"{symbol} has {most} trades already, long and short together, the most that the exchange's limit on "
            "conditional orders allows; close one first"
        )
    conditionals = trades + book.foreign_conditionals.get(symbol, 0)
    if conditionals > MOST_CONDITIONALS - SPARE_CONDITIONALS:
        return (
            f"{symbol} would need {conditionals} conditional orders, and of the {MOST_CONDITIONALS} that are allowed "
            "one stays free for moving a stop; cancel one of your own there"
        )
    if request.position_index == 0 and other.trades:
        return f"{symbol} is in one-way mode and a {other.position_side.value} trade is live or pending there"
    if request.adopts:
        if candidate.foreign_quantity != request.adopts:
            there = plain(candidate.foreign_quantity)
            read = plain(request.adopts)
            return f"{there} of the {symbol} {side.value} belong to no trade by now, {read} were read: ask again"
    elif candidate.foreign_quantity:
        return f"{plain(candidate.foreign_quantity)} of the {symbol} {side.value} belong to no trade; close them first"
    different = (_leverages(candidate) | _leverages(other)) - {request.leverage}
    if different:
        there = plain(max(different))
        return f"leverage {plain(request.leverage)} is unlike the {there} of a {symbol} trade there; write {there}"
    return _beyond_liquidation(book, request, candidate)


def _beyond_liquidation(book: Book, request: AdmitTrade, candidate: Side) -> str | None:
    backstop = book_backstop.wanted_backstop(candidate, book.settings)
    limits = [request.liquidation_price, candidate.liquidation_price if candidate.size else None]
    for limit in (each for each in limits if each is not None):
        if backstop is not None and not inside_liquidation(request.position_side, backstop, limit):
            return (
                f"the backstop {plain(backstop)} would lie beyond the liquidation price {plain(limit)}: "
                "use a nearer stop or less leverage"
            )
    return None


def withdraw(turn: Turn, trade_id: str) -> None:
    """The opening failed after it was let in."""
    for key, side in list(turn.book.sides.items()):
        if trade_id in side.admissions:
            turn.book.put(side.without_admission(trade_id))
            book_backstop.keep(turn, key)


def answer(turn: Turn) -> None:
    """Tell every admitted trade that may begin now."""
    for key, side in list(turn.book.sides.items()):
        waiting = [trade for trade, each in side.admissions.items() if not each.answered]
        if waiting and not _covers(turn, side):
            waiting = [trade for trade in waiting if side.admissions[trade].adopts]  # it has no entry that could fill
        if not waiting or side.backstop is None:
            continue
        admissions = dict(side.admissions)
        for trade in waiting:
            admissions[trade] = replace(admissions[trade], answered=True)
            turn.admitted.append(TradeAdmitted(trade_id=trade, backstop_price=side.backstop))
        turn.book.sides[key] = replace(side, admissions=admissions)


def _covers(turn: Turn, side: Side) -> bool:
    if side.size is None and side.held:
        turn.reading_wanted = True  # the exchange has not said a word about this position yet
    return book_backstop.in_force(side)


def watch_overdue(turn: Turn) -> None:
    """Have the trades of admissions that have lasted too long looked for; look again when the next will have."""
    for side in turn.book.sides.values():
        for admission in side.admissions.values():
            if _is_overdue(turn, admission):
                turn.overdue = True
            else:
                left = admission.admitted_at + ADMISSION_PATIENCE - turn.now
                turn.look(side.symbol, left.total_seconds())


def _is_overdue(turn: Turn, admission: Admission) -> bool:
    return turn.now - admission.admitted_at >= ADMISSION_PATIENCE


def looked_for(turn: Turn, live_trades: Collection[str]) -> None:
    """Give up overdue admissions of trades that do not exist; wait again for those that do."""
    for key, side in list(turn.book.sides.items()):
        for trade, admission in side.admissions.items():
            if not _is_overdue(turn, admission):
                continue
            if trade in live_trades:
                again = {**turn.book.sides[key].admissions, trade: replace(admission, admitted_at=turn.now)}
                turn.book.put(replace(turn.book.sides[key], admissions=again))
                turn.look(side.symbol, ADMISSION_PATIENCE.total_seconds())
            else:
                turn.note("admission_lapsed", symbol=side.symbol, trade=trade)
                withdraw(turn, trade)
