"""What a trade does about a fact: the facts that follow, the requests they promise, the news for the person.

    decide(trade, fact, asker) -> Decision(trade', facts, requests, alerts, ...)

The fact and all that follows go into one commit; the requests leave only after it. Enters: values and the time in
`asker`. Stays out: the store, the exchange, timers (a wanted wake-up is a figure for the caller).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.messages.accounts import ExcessReported, FundingBooked
from actors.messages.adopting import OutsideStopRemovalRequested
from actors.messages.exit_facts import StopLooseningAsked
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    EffectSettled,
    OrderRequest,
    PlaceOrder,
)
from actors.messages.trading import (
    CancelRequested,
    ExcessPassedOn,
    ExecutionsRead,
    ExitReason,
    ExitStarted,
    OrderRequested,
    StopPriceMoved,
    TradeClosed,
)
from actors.model.alert import Alert
from actors.model.money import ONE
from actors.model.trade import LegState, Phase, Role, Trade
from actors.rules.adopted_stops import on_the_wire
from actors.rules.breakeven import breakeven_price, tightened
from actors.rules.exit_turns import next_look, next_turn
from actors.rules.mirroring import mirror_turn, mirror_wait
from actors.rules.next_orders import NO_POSITION, Asker, Request, entry_forgotten, next_orders, to_be_rebuilt
from actors.rules.outside_changes import respected
from actors.rules.outside_questions import expiry_due, expiry_wait
from actors.rules.position_life import evolve
from actors.rules.stop_steps import breakeven_due
from actors.rules.trade_news import news

# Each turn adds at least one fact, and each kind of turn ends; more than this is a mistake of ours.
MOST_TURNS = 12
# More may seem sold than was bought, because reports overtake one another: believed only when a reading that began
# this long after the last fill agrees.
EXCESS_SECONDS = 3.0
_AT_THE_STOP = {ExitReason.STOP_LOSS, ExitReason.TRIGGER_PASSED}

Promise: TypeAlias = tuple[str, OrderRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything that follows from one fact. Empty `facts`: nothing new, nothing to commit."""

    trade: Trade
    facts: tuple[Any, ...] = ()
    requests: tuple[Promise, ...] = ()  # (effect key, request), most urgent first
    alerts: tuple[Alert, ...] = ()
    excess: tuple[ExcessReported, ...] = ()  # for the position book
    wake_after_seconds: float | None = None
    settles: tuple[str, ...] = ()  # effect keys whose outcome is among the facts


def decide(trade: Trade, fact: Any | None, asker: Asker) -> Decision:
    """Decide about one fact, or, with None, about what is due by now.

    Args:
        trade: as folded so far.
        fact: a report, an outcome, a person's wish; a duplicate decides nothing.
        asker: names new orders and gives the time (aware UTC).

    """
    before = trade
    facts: list[Any] = []
    if fact is not None:
        changed = evolve(trade, fact)
        if not _matters(trade, changed, fact) and not (isinstance(fact, ExecutionsRead) and trade.excess_quantity):
            return Decision(trade=changed)
        trade = changed
        facts.append(fact)
    excess: list[ExcessReported] = []
    for _ in range(MOST_TURNS):
        turn = None if asker.taking_up else _turn(before, trade, fact, asker)
        if turn is None:
            break
        if isinstance(turn, ExcessPassedOn):
            excess.append(_excess(trade, turn))
        trade = evolve(trade, turn)
        facts.append(turn)
    else:
        raise RuntimeError(f"trade {trade.label} does not come to rest after {type(fact).__name__}: {facts[-3:]}")
    requests, wake = next_orders(trade, asker)
    if not asker.taking_up:
        look = next_look(trade, asker.price, asker.now)
        waits = (wake, look, mirror_wait(trade, asker.now), expiry_wait(trade, asker.now))
        wake = min((each for each in waits if each is not None), default=None)
    for request in requests:
        trade = evolve(trade, request)
    return Decision(
        trade=trade,
        facts=(*facts, *requests),
        requests=tuple((request.effect_key, _wire(trade, request)) for request in requests),
        alerts=tuple(news(before, trade, facts)),
        excess=tuple(excess),
        wake_after_seconds=wake,
        settles=(fact.effect_key,) if isinstance(fact, EffectSettled) else (),
    )


def _matters(before: Trade, after: Trade, fact: Any) -> bool:
    """A report that changes nothing is not journalled; outcomes and wishes always are."""
    return isinstance(fact, EffectSettled | ExitStarted | StopLooseningAsked) or after != before


# --- turns: what follows by itself -------------------------------------------------------------------------------
def _turn(before: Trade, trade: Trade, fact: Any, asker: Asker) -> Any | None:
    if trade.excess_quantity:
        # An entry's fill may only be late: nothing is concluded from what cannot be until it has lasted.
        return _pass_excess_on(trade, asker) if _excess_is_sure(trade) else None
    reason = _reason_to_leave(trade)
    if reason is not None:
        aimed = trade.stop_price if reason in _AT_THE_STOP else None
        return ExitStarted(reason=reason, by="rule", started_at=asker.now, aimed_price=aimed)
    kept = respected(before, trade, fact, asker.price, asker.now) if trade.phase is not Phase.CLOSING else None
    if kept is not None:
        return kept
    moved = _stop_to_breakeven(before, trade, fact, asker)
    if moved is not None:
        return moved
    due = expiry_due(trade, asker.now) or mirror_turn(trade, asker.now) or next_turn(trade, asker.price, asker.now)
    if due is not None:
        return due
    if trade.phase is Phase.CLOSING and trade.verified and _over(trade):
        return TradeClosed(
            realised_pnl_usdt=trade.realised_pnl_usdt,
            funding_usdt=trade.funding_usdt,
            reason=ExitReason(trade.exit_reason or ExitReason.PERSON),
            closed_at=asker.now,
            slippage_usdt=trade.slippage_usdt,
        )
    return None


def _reason_to_leave(trade: Trade) -> ExitReason | None:
    if trade.phase is Phase.CLOSED:
        # Something filled, or an order turned out to be alive, after all was thought to be over.
        return ExitReason.LATE_FILL if trade.open_quantity or any(leg.live for leg in trade.legs) else None
    if trade.phase is Phase.CLOSING:
        return None
    stop = trade.latest(Role.STOP)
    if trade.entered_quantity and not trade.open_quantity:
        return _reason_gone(trade)
    if stop is not None and stop.state.terminal and stop.filled_quantity:
        return ExitReason.STOP_LOSS  # it fired and left something over
    if trade.trigger_passed:
        return ExitReason.TRIGGER_PASSED
    indexes = range(1, len(trade.sized.entries) + 1)
    if not trade.entered_quantity and all(_given_up(trade, index) for index in indexes):
        return ExitReason.NO_ENTRY
    return None


def _given_up(trade: Trade, index: int) -> bool:
    leg = trade.latest(Role.ENTRY, index)
    if leg is None:
        return bool(trade.entries_expired) or entry_forgotten(trade, index)
    return leg.state.terminal and (bool(trade.entries_expired) or not to_be_rebuilt(trade, leg))


def _reason_gone(trade: Trade) -> ExitReason:
    if any(leg.filled_quantity for leg in trade.of(Role.STOP)):
        return ExitReason.STOP_LOSS
    causes = {reduction.cause for reduction in trade.reductions}
    if causes:
        return ExitReason.BACKSTOP if causes == {"backstop"} else ExitReason.OUTSIDE
    return ExitReason.TARGETS


def _excess_is_sure(trade: Trade) -> bool:
    """All executions up to well after the last known fill have been read, and still more was sold than bought."""
    last, read = trade.last_fill_at, trade.executions_read_at
    return last is not None and read is not None and (read - last).total_seconds() >= EXCESS_SECONDS


def _pass_excess_on(trade: Trade, asker: Asker) -> ExcessPassedOn:
    """An exit sold more than the trade held: reduce-only is capped by the position, not by the slice."""
    exits = [leg for leg in trade.legs if leg.role is not Role.ENTRY and leg.filled_quantity]
    last = max(exits, key=lambda leg: leg.ended_at or leg.requested_at)
    share = trade.excess_quantity / last.filled_quantity
    return ExcessPassedOn(
        execution_id=f"excess-{last.client_order_id}-{len(trade.reductions)}",
        quantity=trade.excess_quantity,
        price=last.average_price or trade.stop_price,
        fee_usdt=last.fee_usdt(trade.fees) * min(share, ONE),
        passed_at=asker.now,
    )


def _excess(trade: Trade, turn: ExcessPassedOn) -> ExcessReported:
    return ExcessReported(
        trade_id=trade.trade_id,
        symbol=trade.plan.symbol,
        position_side=trade.side,
        execution_id=turn.execution_id,
        quantity=turn.quantity,
        price=turn.price,
        fee_usdt=turn.fee_usdt,
        executed_at=turn.passed_at,
    )


def _stop_to_breakeven(before: Trade, trade: Trade, fact: Any, asker: Asker) -> StopPriceMoved | None:
    """After the plan's rung, and again at funding and when an entry fills at a worse price; only ever tighter."""
    entered = trade.entered_quantity > before.entered_quantity
    again = entered or isinstance(fact, FundingBooked)
    due = breakeven_due(trade) and (again or not trade.moved_to_breakeven)
    average = trade.average_entry_price
    if not due or not trade.open_quantity or average is None or trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return None
    breakeven = breakeven_price(
        side=trade.side,
        remaining_quantity=trade.open_quantity,
        average_entry_price=average,
        entry_fees_share_usdt=trade.entry_fee_usdt * trade.open_quantity / trade.entered_quantity,
        funding_share_usdt=trade.funding_since_entry_usdt,
        taker_fee_rate=trade.fees.taker,
        margin_fraction=trade.parameters.breakeven_margin_fraction,
        tick_size=trade.instrument.tick_size,
    )
    price = tightened(trade.side, trade.stop_price, breakeven.price)
    if trade.moved_to_breakeven and price == trade.stop_price:
        return None
    return StopPriceMoved(
        stop_price=price,
        reason="breakeven" if not trade.moved_to_breakeven else "entry" if entered else "funding",
        lines=tuple(breakeven.sum_lines),
        moved_at=asker.now,
    )


def _over(trade: Trade) -> bool:
    return not trade.open_quantity and all(leg.state.terminal for leg in trade.legs)


def wants_reading(trade: Trade) -> bool:
    """Its figures do not fit together: executions are missing, or the exchange says that nothing is open."""
    return bool(trade.excess_quantity) or trade.executions_missing or _called_flat(trade)


def _called_flat(trade: Trade) -> bool:
    """An order that only reduces was refused for want of a position, and none of its kind was taken since."""
    if not trade.open_quantity:
        return False
    newest = {(leg.role, leg.index): leg for leg in trade.legs if leg.role is not Role.ENTRY}
    return any(leg.state is LegState.REJECTED and leg.code == NO_POSITION for leg in newest.values())


def wants_verification(trade: Trade) -> bool:
    """Its orders are terminal and it holds nothing: what is left is the position's word."""
    return trade.phase is Phase.CLOSING and _over(trade) and not trade.verified


# --- requests as the account's client hears them -----------------------------------------------------------------
def _wire(trade: Trade, request: Request) -> OrderRequest:
    account, trade_id, symbol = trade.plan.account, trade.trade_id, trade.plan.symbol
    if isinstance(request, OrderRequested):
        return PlaceOrder(account=account, trade_id=trade_id, order=request.order)
    if isinstance(request, OutsideStopRemovalRequested):
        return on_the_wire(trade, request)
    if isinstance(request, CancelRequested):
        return CancelOrder(account=account, trade_id=trade_id, symbol=symbol, client_order_id=request.client_order_id)
    leg = trade.leg(request.client_order_id)
    return AmendOrder(
        account=account,
        trade_id=trade_id,
        symbol=symbol,
        client_order_id=request.client_order_id,
        quantity=request.quantity,
        price=request.price,
        trigger_price=request.trigger_price,
        attached_stop=request.attached_stop,
        is_stop=leg is not None and leg.role is Role.STOP,
    )


def promised(trade: Trade) -> Iterator[str]:
    """Give the effect keys the trade is waiting on."""
    for leg in trade.legs:
        if leg.state is LegState.REQUESTED:
            yield leg.place_key
        if leg.pending is not None:
            yield leg.pending.effect_key
    for removal in trade.removals:
        if not removal.settled:
            yield removal.effect_key
