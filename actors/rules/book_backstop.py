"""Keeping the backstop: where it is to be, who is told, and when the exchange is asked.

    a stop farther out is told -> BackstopPlaced (committed) -> the exchange's stop, and every trade's entries
    a stop nearer is told      -> the same, but only once every trade is known and its own stop has arrived there

Enters: a turn and a side's key. Stays out: where exactly it lies (rules.backstop), what the trades do about it.
One request a side is on its way at a time; a refused one is repeated ever more patiently and told a bounded number of
times. Sources: design, "A trade" (the backstop).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from actors.messages.accounts import BackstopMoved, BackstopQuestion, BackstopStanding
from actors.messages.booking import BackstopPlaced
from actors.messages.orders import EffectSettled, Settlement
from actors.model.changing import replace
from actors.model.trade import BackstopSettings
from actors.rules import book_news
from actors.rules.backstop import backstop_price, is_outward
from actors.rules.book_side import Placing, Side, SideKey
from actors.rules.book_turn import Book, Turn

FIRST_PAUSE_SECONDS = 2.0  # before a refused stop is asked for again
LONGEST_PAUSE_SECONDS = 60.0
TOLD_EVERY = 10  # refusals: the first and then every tenth in a row


def wanted_backstop(side: Side, settings: BackstopSettings) -> Decimal | None:
    """Give the backstop a side needs: beyond the farthest stop there; None when no trade needs one."""
    stops = side.stops()
    if not stops or side.tick_size is None:
        return None
    return backstop_price(
        side.position_side, stops, side.tick_size, distance=settings.distance, min_ticks=settings.min_ticks
    )


def keep(turn: Turn, key: SideKey) -> None:
    """Bring a side's backstop to where its stops want it, then trades and exchange to the backstop."""
    side = turn.book.side(*key)
    wanted = wanted_backstop(side, turn.book.settings)
    if wanted != side.backstop and _may_move(turn, side, wanted):
        turn.note("backstop_moved", symbol=side.symbol, side=side.position_side.value, to=str(wanted))
        left_on = side.foreign_quantity and side.size and side.backstop == side.exchange_stop
        if wanted is None and side.backstop is not None and left_on:
            turn.alert(book_news.backstop_stays(turn.book.account, side, side.backstop))
        turn.add(
            BackstopPlaced(symbol=side.symbol, position_side=side.position_side, stop_price=wanted, placed_at=turn.now)
        )
    _tell_trades(turn, key)
    align(turn, key)


def _may_move(turn: Turn, side: Side, wanted: Decimal | None) -> bool:
    """Outward at once; inward only when nobody unheard can have a stop farther out."""
    if side.backstop is None or wanted is None:
        return wanted is not None or turn.book.knows(side.symbol)
    if is_outward(side.position_side, wanted, side.backstop):
        return True
    if turn.now < turn.book.inward_from:
        turn.look(side.symbol, (turn.book.inward_from - turn.now).total_seconds())
        return False
    return turn.book.knows(side.symbol)


def _tell_trades(turn: Turn, key: SideKey) -> None:
    """Tell each trade that believes in another backstop, once until it answers with a slice."""
    side = turn.book.side(*key)
    if side.backstop is None:
        return
    for trade, told in sorted(side.slices.items()):
        if told.stop_price is None or side.backstop in {told.backstop_price, side.told.get(trade)}:
            continue
        turn.tells.append((told.path, BackstopMoved(stop_price=side.backstop)))
        side = replace(side, told={**side.told, trade: side.backstop})
    turn.book.put(side)


def align(turn: Turn, key: SideKey) -> None:
    """Have the exchange's stop moved to the backstop, unless it is there, on its way, or nothing of ours is open."""
    side = turn.book.side(*key)
    if side.backstop is None or side.placing or side.exchange_stop == side.backstop or not _is_ours(side):
        return
    if side.stop_to_come:
        return  # what a person has put there protects better than a backstop alone
    if side.not_before is not None and turn.now < side.not_before:
        turn.look(side.symbol, (side.not_before - turn.now).total_seconds())
        return
    effect_key = turn.promise_stop(side, side.backstop)
    placing = Placing(stop_price=side.backstop, requested_at=turn.now)
    turn.book.put(replace(side, placing={effect_key: placing}))


def _is_ours(side: Side) -> bool:
    """Tell whether a trade has part of what is open. Until the exchange has said a size, what entries attach stands."""
    return bool(side.trades) and side.size is not None and side.size > side.foreign_quantity


def in_force(side: Side) -> bool:
    """Tell whether the backstop holds against every fill: at the exchange, and in all that may still fill.

    A trade's next entry attaches the backstop it was last told; orders on their way attach what they were sent with:
    that holds too where it lies farther out, which is where an entry keeps it that the backstop has passed.
    """
    if side.backstop is None or side.placing or not (side.flat or side.exchange_stop == side.backstop):
        return False
    filling = (each for each in side.slices.values() if each.stop_price is not None)
    return all(
        each.backstop_price == side.backstop
        and all(
            attached == side.backstop or is_outward(side.position_side, attached, side.backstop)
            for attached in each.attached_stops
        )
        for each in filling
    )


def standing(turn: Turn, question: BackstopQuestion) -> BackstopStanding:
    """Tell where the backstop would be with a stop of a trade there, and whether it reaches beyond that already."""
    book = turn.book
    side = book.side(question.symbol, question.position_side)
    wanted = None
    if side.tick_size is not None:
        stops = (*side.stops(), question.stop_price)
        wanted = backstop_price(
            side.position_side,
            stops,
            side.tick_size,
            distance=book.settings.distance,
            min_ticks=book.settings.min_ticks,
        )
    if side.held and (side.size is None or side.difference):
        turn.reading_wanted = True  # the exchange's word about this position is still to come
    beyond = side.backstop is not None and is_outward(side.position_side, side.backstop, question.stop_price)
    return BackstopStanding(
        backstop_price=wanted,
        liquidation_price=side.liquidation_price if side.size else None,
        reaches=beyond and in_force(side),
    )


def settled(turn: Turn, outcome: EffectSettled) -> None:
    """Take the outcome of a stop that was asked for; also of one that an earlier life asked for."""
    turn.settles.append(outcome.effect_key)
    key = placed_where(turn.book, outcome.effect_key)
    if key is None:
        return
    side = turn.book.side(*key)
    placing = side.placing[outcome.effect_key]
    left = {each: other for each, other in side.placing.items() if each != outcome.effect_key}
    if outcome.settlement is Settlement.DONE:
        if side.refusals and side.size:
            turn.alert(book_news.backstop_in_place(turn.book.account, side, placing.stop_price))
        side = replace(
            side,
            placing=left,
            exchange_stop=placing.stop_price if side.size else None,
            stop_set_at=max(filter(None, (side.stop_set_at, placing.requested_at))),
            refusals=0,
            not_before=None,
        )
        turn.book.put(side)
    else:
        _refused(turn, replace(side, placing=left), outcome)
    align(turn, key)


def placed_where(book: Book, effect_key: str) -> SideKey | None:
    """Find the side that a stop on its way belongs to."""
    return next((key for key, side in book.sides.items() if effect_key in side.placing), None)


def _refused(turn: Turn, side: Side, outcome: EffectSettled) -> None:
    refusals = side.refusals + 1
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(refusals - 1, 10))
    wanted = side.backstop is not None  # else the trades have left meanwhile, and nothing is asked for again
    if side.size and wanted and refusals % TOLD_EVERY == 1:
        turn.alert(book_news.backstop_refused(turn.book.account, side, outcome, refusals))
    turn.note("backstop_refused", symbol=side.symbol, code=outcome.code, text=outcome.text, refusals=refusals)
    turn.book.put(replace(side, refusals=refusals, not_before=turn.now + timedelta(seconds=pause)))
    turn.reading_wanted = True  # most often the position is gone
    turn.look(side.symbol, pause)
