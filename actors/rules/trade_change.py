"""A person's change of an open trade, judged: what is to be journalled and what it means, or why it may not be.

    stop, tighter      -> StopPriceMoved; the exchange is asked by amending, a price it has passed is not taken
    stop, farther out  -> StopLooseningAsked; StopPriceMoved once the backstop reaches beyond it (`loosened`)
    breakeven          -> StopPriceMoved, with the sum
    target, no_target  -> TargetSet; the ladder follows

Rules go on from there and only tighten. Enters: a folded trade, a fresh reading of the market and of the backstop.
Stays out: asking for them, orders, ids. Prices are quote per base. Sources: design, "A trade" (a trigger that is
refused, the backstop).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from actors.messages.accounts import BackstopStanding
from actors.messages.exit_facts import OutsideChangeAnswered, StopLooseningAsked, StopWithdrawn, TargetSet
from actors.messages.trading import ChangeTrade, StopPriceMoved, TradeChanged
from actors.model.account import OpeningView
from actors.model.money import ZERO, ceil_to, floor_to, plain
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Role, Trade
from actors.model.trade_change import ChangeKind
from actors.rules.backstop import inside_liquidation
from actors.rules.breakeven import Breakeven, breakeven_price
from actors.rules.held import entries_live, holding_once_entered
from actors.rules.liquidation import estimated_liquidation
from actors.rules.net_exit import beyond
from actors.rules.net_target import Holding
from actors.rules.next_orders import wanted_rungs
from actors.rules.outside_questions import runs_without_stop
from actors.rules.price_seen import SeenPrice
from actors.rules.stop_steps import highest_rung
from actors.rules.trailing import best_seen
from actors.rules.wording import usdt

Fact: TypeAlias = StopPriceMoved | StopLooseningAsked | TargetSet | OutsideChangeAnswered | StopWithdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a change is judged by beside the trade. All of it is fresh: without a fresh price nothing is changed."""

    view: OpeningView
    standing: BackstopStanding  # for the stop as it is wished
    seen: SeenPrice | None  # by the trade's rules
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be journalled, and what the person is told."""

    fact: Fact
    shown: TradeChanged


def judge(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    """Judge a change; a text is the reason why it may not be made, with what to do instead."""
    if trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return f"#{trade.number} is leaving already: nothing of it can be changed any more"
    if wish.change.kind in {ChangeKind.TARGET, ChangeKind.NO_TARGET}:
        return _target(trade, wish, at)
    if trade.asked_stop is not None:
        return (
            f"the stop is still on its way to {plain(trade.asked_stop)}, the exchange has not answered yet: "
            "ask again in a moment"
        )
    if _outdated(wish, trade.stop_price):
        return _moved_meanwhile("the stop", wish, trade.stop_price)
    return _breakeven(trade, wish, at) if wish.change.kind is ChangeKind.BREAKEVEN else _stop(trade, wish, at)


def again(trade: Trade, wish: ChangeTrade) -> TradeChanged:
    """Answer a command that was recorded before."""
    place = wish.change.place
    price = trade.stop_price if place is None else trade.rung_prices[place - 1]
    return TradeChanged(
        trade_id=trade.trade_id,
        number=trade.number,
        label=trade.label,
        change=wish.change,
        before=price,
        price=None if wish.change.kind in {ChangeKind.NO_TARGET, ChangeKind.NO_STOP} else price,
        loosens=False,
        lines=("This command was recorded before; it is not done twice.",),
    )


def loosened(trade: Trade, seen: SeenPrice | None, now: datetime) -> StopPriceMoved:
    """Give the move that waited for the backstop. ValueError when none waits."""
    wish = trade.loosening
    if wish is None:
        raise ValueError(f"no stop of {trade.label} waits to be loosened")
    return StopPriceMoved(
        stop_price=wish.stop_price,
        reason="person",
        lines=wish.lines,
        moved_at=now,
        best_price=best_seen(trade, seen),
        by=wish.by,
        command_id=wish.command_id,
        heeded_rung=highest_rung(trade),
    )


def stop_on_tick(trade: Trade, wish: ChangeTrade) -> Decimal:
    """Give the stop price a wish is about, on the tick; the present one where it names none.

    Rounded to the smaller loss: up for a long, down for a short.
    """
    asked = wish.change.price
    if wish.change.kind is not ChangeKind.STOP or asked is None:
        return trade.stop_price
    rounded = ceil_to if trade.side is PositionSide.LONG else floor_to
    return rounded(asked, trade.instrument.tick_size)


def _outdated(wish: ChangeTrade, price: Decimal) -> bool:
    return not wish.preview and wish.seen_price is not None and wish.seen_price != price


def _moved_meanwhile(what: str, wish: ChangeTrade, price: Decimal) -> str:
    return (
        f"{what} was at {plain(wish.seen_price or ZERO)} when you were asked and is at {plain(price)} now: "
        "nothing was changed, look again and ask again"
    )


# --- the stop ----------------------------------------------------------------------------------------------------
def _stop(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    asked, price, last = wish.change.price, stop_on_tick(trade, wish), at.view.last_price
    if asked is None or price <= 0:
        return "a stop needs a price over 0"
    loosens = (price - trade.stop_price) * trade.side.sign < 0
    refusal = _stop_refused(trade, price, last) or (_too_far(trade, price, at) if loosens else None)
    if refusal is not None:
        return refusal
    lines = (
        *_tick_line(trade, asked, price),
        *result_lines(trade, price, last),
        *_backstop_lines(trade, at, loosens=loosens),
        *_rule_lines(trade),
    )
    return _changed(trade, wish, at, price=price, reason="person", lines=lines, loosens=loosens)


def _stop_refused(trade: Trade, price: Decimal, last: Decimal) -> str | None:
    side = "below" if trade.side is PositionSide.LONG else "above"
    waits = trade.loosening is not None and trade.loosening.stop_price == price
    if waits or (price == trade.stop_price and trade.loosening is None and not runs_without_stop(trade)):
        return f"the stop {'is on its way to' if waits else 'is at'} {plain(price)} already: nothing to change"
    if beyond(trade.side.opposite, last, price):
        return (
            f"the price is {plain(last)} and past {plain(price)} already: the stop stays at {plain(trade.stop_price)}. "
            f"Write a stop {side} {plain(last)}, or close #{trade.number} to leave now"
        )
    if trade.open_quantity:
        return None
    for index, entry in enumerate(trade.sized.entries, start=1):
        if entry.price is not None and beyond(trade.side.opposite, entry.price, price):
            return (
                f"nothing has filled yet, and entry {index} at {plain(entry.price)} would fill past a stop of "
                f"{plain(price)}: write one {side} it. The stop stays at {plain(trade.stop_price)}"
            )
    return None


def _too_far(trade: Trade, price: Decimal, at: Situation) -> str | None:
    """The backstop lies beyond the stop, and the liquidation beyond the backstop; else the stop would never fire."""
    backstop = at.standing.backstop_price
    limit = at.standing.liquidation_price
    if limit is None and not trade.open_quantity:
        limit = estimated_liquidation(trade.plan, at.view, trade.sized.quantity)
    if backstop is None or inside_liquidation(trade.side, backstop, limit):
        return None
    return (
        f"a stop of {plain(price)} needs the backstop at {plain(backstop)}, and the position is liquidated at "
        f"{plain(limit or ZERO)} before that: the stop stays at {plain(trade.stop_price)}, write a nearer one"
    )


def _breakeven(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    found = _where_costs_are_paid(trade)
    if found is None:
        return f"nothing of #{trade.number} is open, so there are no costs to be paid back yet"
    last, price = at.view.last_price, found.price
    about = "\n".join(found.sum_lines)
    if beyond(trade.side, trade.stop_price, price) and not runs_without_stop(trade):
        return f"the stop at {plain(trade.stop_price)} is at breakeven or tighter already ({plain(price)}):\n{about}"
    if beyond(trade.side.opposite, last, price):
        return (
            f"breakeven is at {plain(price)} and the price at {plain(last)} has not got past it: "
            f"the stop stays at {plain(trade.stop_price)}. The sum:\n{about}"
        )
    lines = (*found.sum_lines, *_rule_lines(trade))
    return _changed(trade, wish, at, price=price, reason="breakeven", lines=lines, loosens=False)


def _where_costs_are_paid(trade: Trade) -> Breakeven | None:
    average = trade.average_entry_price
    if average is None or not trade.open_quantity:
        return None
    return breakeven_price(
        side=trade.side,
        remaining_quantity=trade.open_quantity,
        average_entry_price=average,
        entry_fees_share_usdt=trade.entry_fee_usdt * trade.open_quantity / trade.entered_quantity,
        funding_share_usdt=trade.funding_since_entry_usdt,
        taker_fee_rate=trade.fees.taker,
        margin_fraction=trade.parameters.breakeven_margin_fraction,
        tick_size=trade.instrument.tick_size,
    )


def _changed(
    trade: Trade,
    wish: ChangeTrade,
    at: Situation,
    *,
    price: Decimal,
    reason: str,
    lines: tuple[str, ...],
    loosens: bool,
) -> Change:
    fact: Fact
    if loosens:
        fact = StopLooseningAsked(
            stop_price=price, lines=lines, by=wish.by, command_id=wish.command_id, asked_at=at.now
        )
    else:
        fact = StopPriceMoved(
            stop_price=price,
            reason=reason,
            lines=lines,
            moved_at=at.now,
            best_price=best_seen(trade, at.seen),
            by=wish.by,
            command_id=wish.command_id,
            heeded_rung=highest_rung(trade),
        )
    return Change(fact=fact, shown=shown(trade, wish, trade.stop_price, price, lines, loosens=loosens))


def shown(
    trade: Trade, wish: ChangeTrade, before: Decimal, price: Decimal | None, lines: tuple[str, ...], *, loosens: bool
) -> TradeChanged:
    """Give a change as it is shown."""
    return TradeChanged(
        trade_id=trade.trade_id,
        number=trade.number,
        label=trade.label,
        change=wish.change,
        before=before,
        price=price,
        loosens=loosens,
        lines=lines,
    )


# --- in words ----------------------------------------------------------------------------------------------------
def _tick_line(trade: Trade, asked: Decimal, price: Decimal) -> tuple[str, ...]:
    if asked == price:
        return ()
    return (f"{plain(asked)} lies between two ticks of {plain(trade.instrument.tick_size)}: taken as {plain(price)}",)


def result_lines(trade: Trade, price: Decimal, last: Decimal) -> tuple[str, ...]:
    """Say what the trade comes to at a stop price, and at the present one."""
    held = holding_once_entered(trade) or _as_planned(trade, last)
    if held is None:
        return ()
    taker = trade.fees.taker
    new, old = held.net_usdt(price, taker), held.net_usdt(trade.stop_price, taker)
    filling = ", if all entries fill" if entries_live(trade) else ""
    return (f"at {plain(price)} the trade {_result(new)}, at {plain(trade.stop_price)} it {_result(old)}{filling}",)


def _result(net_usdt: Decimal) -> str:
    word = "loses" if net_usdt < 0 else "nets"
    return f"{word} {usdt(abs(net_usdt))} with fees"


def _as_planned(trade: Trade, last: Decimal) -> Holding | None:
    """Nothing has filled yet: all entries at their prices."""
    prices = [entry.price or entry.bound_price or last for entry in trade.sized.entries]
    rates = [trade.fees.taker if entry.price is None else trade.fees.maker for entry in trade.sized.entries]
    values = [price * entry.quantity for price, entry in zip(prices, trade.sized.entries, strict=True)]
    if not trade.sized.quantity:
        return None
    return Holding(
        side=trade.side,
        quantity=trade.sized.quantity,
        entry_value_usdt=sum(values, ZERO),
        entry_fees_usdt=sum((value * rate for value, rate in zip(values, rates, strict=True)), ZERO),
    )


def _backstop_lines(trade: Trade, at: Situation, *, loosens: bool) -> tuple[str, ...]:
    if not loosens or at.standing.reaches or at.standing.backstop_price is None:
        return ()
    backstop, stays = plain(at.standing.backstop_price), plain(trade.stop_price)
    return (f"the backstop moves out to {backstop} first; until it is there, the stop stays at {stays}",)


def _rule_lines(trade: Trade) -> tuple[str, ...]:
    if trade.plan.exits.trailing is None:
        return ()
    return ("the stop trails again from the next better price on",)


# --- targets -----------------------------------------------------------------------------------------------------
def _target(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    place, asked = wish.change.place or 0, wish.change.price
    refusal = _not_a_target(trade, place)
    if refusal is not None:
        return refusal
    before = trade.rung_prices[place - 1]
    if _outdated(wish, before):
        return _moved_meanwhile(f"target {place}", wish, before)
    price: Decimal | None = None
    lines: tuple[str, ...]
    if wish.change.kind is ChangeKind.TARGET:
        if asked is None or asked <= 0:
            return "a target needs a price over 0"
        rounded = ceil_to if trade.side is PositionSide.LONG else floor_to
        price = rounded(asked, trade.instrument.tick_size)
        refusal = _target_refused(trade, place, price, at.view.last_price)
        lines = _tick_line(trade, asked, price)
    else:
        refusal = (
            None
            if _others(trade, place)
            else (f"target {place} is the only one left: move it, or close #{trade.number}")
        )
        lines = ("the other targets share what it was for",)
    if refusal is not None:
        return refusal
    resting = wanted_rungs(trade)[place - 1] if trade.open_quantity else ZERO
    about = (f"for {plain(resting)} {trade.instrument.base} now",) if resting else ()
    fact = TargetSet(place=place, price=price, before=before, by=wish.by, command_id=wish.command_id, set_at=at.now)
    return Change(fact=fact, shown=shown(trade, wish, before, price, (*lines, *about), loosens=False))


def _not_a_target(trade: Trade, place: int) -> str | None:
    count = len(trade.plan.rungs)
    if trade.plan.exits.net is not None:
        return "a net target is worked out from what is held, fees inside: its price is not set by hand"
    if not 1 <= place <= count:
        return f"#{trade.number} has no target {place}: write one from 1 to {count}"
    if place in trade.taken_targets:
        return f"target {place} was taken away: it does not come back"
    if _complete(trade, place):
        return f"target {place} is filled already"
    return None


def _target_refused(trade: Trade, place: int, price: Decimal, last: Decimal) -> str | None:
    before = trade.rung_prices[place - 1]
    stays = f"it stays at {plain(before)}"
    if price == before:
        return f"target {place} is at {plain(price)} already: nothing to change"
    if beyond(trade.side, last, price):
        return (
            f"the price is {plain(last)} and past {plain(price)} already, so it would fill at once: {stays}; "
            f"write one beyond {plain(last)}, or close #{trade.number}"
        )
    if beyond(trade.side.opposite, price, trade.stop_price):
        return f"a target of {plain(price)} lies on the stop's side of the stop at {plain(trade.stop_price)}: {stays}"
    for other in _others(trade, place):
        there = trade.rung_prices[other - 1]
        crosses = beyond(trade.side, price, there) if other > place else beyond(trade.side, there, price)
        if crosses:
            return f"target {place} at {plain(price)} would reach or cross target {other} at {plain(there)}: {stays}"
    return None


def _others(trade: Trade, place: int) -> list[int]:
    """Give the places of the other targets that still count."""
    places = range(1, len(trade.plan.rungs) + 1)
    return [at for at in places if at not in {place, *trade.taken_targets} and not _complete(trade, at)]


def _complete(trade: Trade, place: int) -> bool:
    last = trade.latest(Role.TARGET, place)
    return last is not None and last.state is LegState.FILLED
