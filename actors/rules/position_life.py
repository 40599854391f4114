"""A trade's life: how each fact of its journal changes it. Start reading here.

    BUILDING ──entries ended──▶ MONITORING ──a rung filled──▶ PROFIT_TAKING
        └──────────────┴──────────────┴───────exit started──────▶ CLOSING ──verified flat──▶ CLOSED
    CLOSED ──a late fill──▶ CLOSING

Enters: a trade and one fact. Stays out: decisions (rules.decision), clocks, ids, effects. `evolve` is total and
deterministic: a fact that no longer matters leaves the trade as it is, so any journal prefix folds to a trade.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actors.messages.accounts import BackstopMoved, FundingBooked, PositionVerified, ReductionBooked
from actors.messages.adopting import OutsideStopRemovalRequested, ProtectionStands
from actors.messages.exit_facts import (
    EntriesExpired,
    FloorArmed,
    OutsideChangeAnswered,
    OutsideChangeAsked,
    StopLooseningAsked,
    StopWithdrawn,
    TargetPriceMoved,
    TargetSet,
)
from actors.messages.fanning import MainLeft
from actors.messages.orders import EffectSettled, ExecutionReported, OrderReported, Settlement
from actors.messages.trading import (
    AmendRequested,
    CancelRequested,
    ExcessPassedOn,
    ExecutionsRead,
    ExitReason,
    ExitStarted,
    MemoryLost,
    OrderAbsent,
    OrderRequested,
    SafetyHeeded,
    StopPriceMoved,
    TradeClosed,
    TradeOpened,
)
from actors.model.changing import replace
from actors.model.guarding import SafetyState
from actors.model.order import ObservedOrder, OrderState
from actors.model.trade import Leg, LegState, PendingChange, Phase, Reduction, Role, StopKept, StopLoosening, Trade
from actors.rules import outside_questions
from actors.rules.adopted_stops import protection_stands, removal_requested, removal_settled
from actors.rules.breakeven import tightened
from actors.rules.client_order_ids import epoch_of
from actors.rules.forgotten_orders import forgotten_by_execution, forgotten_by_report
from actors.rules.mirroring import leave_at

# A reading that began this long after an order's end, and still lists it as open, is believed over the end.
RESURRECTION_SECONDS = 5.0

AT_BREAKEVEN = frozenset({"breakeven", "funding", "entry"})  # reasons of moves to where costs are paid

_LEG_STATE = {
    OrderState.UNTRIGGERED: LegState.LIVE,
    OrderState.WORKING: LegState.LIVE,
    OrderState.FILLED: LegState.FILLED,
    OrderState.CANCELLED: LegState.CANCELLED,
    OrderState.REJECTED: LegState.REJECTED,
}


def opened(fact: TradeOpened) -> Trade:
    """Begin a trade from its first fact. One that takes over a position holds it from there on."""
    held_since = fact.opened_at if fact.sized.plan.adopted is not None else None
    return Trade(
        trade_id=fact.trade_id,
        number=fact.number,
        label=fact.label,
        sized=fact.sized,
        instrument=fact.instrument,
        fees=fact.fees,
        position_index=fact.position_index,
        parameters=fact.parameters,
        stop_price=fact.sized.plan.stop_price,
        backstop_price=fact.backstop_price,
        opened_at=fact.opened_at,
        followers=fact.followers,
        follows=fact.follows,
        first_fill_at=held_since,
        last_fill_at=held_since,
    )


def fold(facts: Iterable[Any]) -> Trade:
    """Rebuild a trade from its journal, oldest fact first. TypeError when it does not begin with TradeOpened."""
    journal = iter(facts)
    first = next(journal, None)
    if not isinstance(first, TradeOpened):
        raise TypeError(f"a trade's journal begins with TradeOpened, not {type(first).__name__}")
    trade = opened(first)
    for fact in journal:
        trade = evolve(trade, fact)
    return trade


def evolve(trade: Trade, fact: Any) -> Trade:
    """Apply one fact. TypeError for a fact that does not belong in a trade's journal."""
    try:
        apply = _APPLY[type(fact)]
    except KeyError:
        raise TypeError(f"{type(fact).__name__} is not a fact of a trade's journal") from None
    changed = _stop_arrived(apply(trade, fact))
    phase = _phase(changed)
    return changed if phase is changed.phase else replace(changed, phase=phase)


def _phase(trade: Trade) -> Phase:
    if trade.closed_at is not None:
        return Phase.CLOSED
    if trade.exit_reason is not None:
        return Phase.CLOSING
    if trade.first_target_hit:
        return Phase.PROFIT_TAKING
    entries = [trade.latest(Role.ENTRY, index) for index in range(1, len(trade.sized.entries) + 1)]
    if all(bool(trade.entries_expired) if leg is None else leg.state.terminal for leg in entries):
        return Phase.MONITORING
    return Phase.BUILDING


# --- intents -----------------------------------------------------------------------------------------------------
def _order_requested(trade: Trade, fact: OrderRequested) -> Trade:
    order = fact.order
    return trade.with_leg(
        Leg(
            intent=order,
            role=fact.role,
            index=fact.index,
            revision=fact.revision,
            place_key=fact.effect_key,
            state=LegState.REQUESTED,
            quantity=order.quantity,
            price=order.price,
            trigger_price=order.trigger_price,
            attached_stop=order.attached_stop,
            requested_at=fact.requested_at,
        )
    )


def _amend_requested(trade: Trade, fact: AmendRequested) -> Trade:
    pending = PendingChange(
        effect_key=fact.effect_key,
        quantity=fact.quantity,
        price=fact.price,
        trigger_price=fact.trigger_price,
        attached_stop=fact.attached_stop,
    )
    return _with_pending(trade, fact.client_order_id, pending)


def _cancel_requested(trade: Trade, fact: CancelRequested) -> Trade:
    return _with_pending(trade, fact.client_order_id, PendingChange(effect_key=fact.effect_key, cancels=True))


def _with_pending(trade: Trade, client_order_id: str, pending: PendingChange) -> Trade:
    leg = trade.leg(client_order_id)
    if leg is None:
        return trade
    return trade.with_leg(replace(leg, pending=pending, changes=leg.changes + 1))


# --- outcomes ----------------------------------------------------------------------------------------------------
def _effect_settled(trade: Trade, fact: EffectSettled) -> Trade:
    for leg in trade.legs:
        if leg.place_key == fact.effect_key:
            return _settled_place(trade, leg, fact)
        if leg.pending is not None and leg.pending.effect_key == fact.effect_key:
            return _settled_change(trade, leg, leg.pending, fact)
    return removal_settled(trade, fact)


def _settled_place(trade: Trade, leg: Leg, fact: EffectSettled) -> Trade:
    if leg.state is not LegState.REQUESTED:
        return trade  # the exchange's own report came first
    if fact.settlement is Settlement.DONE:
        leg = replace(leg, state=LegState.LIVE, settled_at=fact.settled_at)
    else:
        leg = replace(leg, state=LegState.REJECTED, code=fact.code, text=fact.text, ended_at=fact.settled_at)
        trade = _heed_trigger(trade, leg, fact, leg.trigger_price)
    return _observed(trade, leg, fact.observed)


def _settled_change(trade: Trade, leg: Leg, pending: PendingChange, fact: EffectSettled) -> Trade:
    leg = replace(leg, pending=None, settled_at=fact.settled_at)
    if leg.state.terminal:
        return trade.with_leg(leg)
    if fact.settlement is Settlement.DONE:
        leg = _done(leg, pending, fact)
    elif fact.settlement is Settlement.GONE:
        leg = replace(leg, in_doubt=True)
    else:
        leg = replace(
            leg,
            in_doubt=True,
            refusals=leg.refusals + 1 if leg.cancel_refused is pending.cancels else 1,
            refused_at=fact.settled_at,
            cancel_refused=pending.cancels,
            code=fact.code,
            text=fact.text,
        )
        trade = _heed_trigger(trade, leg, fact, pending.trigger_price)
    return _observed(trade, leg, fact.observed)


def _done(leg: Leg, pending: PendingChange, fact: EffectSettled) -> Leg:
    leg = replace(leg, refusals=0, refused_at=None, cancel_refused=False)
    if pending.cancels:
        # An acknowledged cancel may still have lost against a fill: executions go on counting, reports refine.
        return _end(replace(leg, cancelled_by_us=True), LegState.CANCELLED, fact.settled_at)
    if pending.seen:
        return _filled_up(leg, fact.settled_at)  # an earlier change that arrives late may have undone it meanwhile
    leg = replace(
        leg,
        quantity=leg.quantity if pending.quantity is None else pending.quantity,
        price=leg.price if pending.price is None else pending.price,
        trigger_price=leg.trigger_price if pending.trigger_price is None else pending.trigger_price,
        attached_stop=leg.attached_stop if pending.attached_stop is None else pending.attached_stop,
    )
    return _filled_up(leg, fact.settled_at)


def _heed_trigger(trade: Trade, leg: Leg, fact: EffectSettled, asked: Decimal | None) -> Trade:
    """A price that has been passed is where the trade leaves; a person's new one only is not taken."""
    if leg.role is not Role.STOP or fact.settlement is not Settlement.TRIGGER_PASSED:
        return trade
    if asked is None or trade.asked_stop != asked or trade.kept_stop is None:
        return replace(trade, trigger_passed=True)
    return replace(
        trade,
        stop_price=trade.kept_stop.stop_price,
        stop_moved_by=trade.kept_stop.moved_by,
        stop_reasoning=trade.kept_stop.reasoning,
        moved_to_breakeven=trade.kept_stop.at_breakeven,
        asked_stop=None,
        kept_stop=None,
    )


def _stop_arrived(trade: Trade) -> Trade:
    """Forget where the stop was once the exchange holds a person's price."""
    if trade.asked_stop is None:
        return trade
    stop = trade.live_leg(Role.STOP)
    there = stop is not None and stop.state is LegState.LIVE and stop.trigger_price == trade.asked_stop
    return replace(trade, asked_stop=None, kept_stop=None) if there else trade


def _observed(trade: Trade, leg: Leg, order: ObservedOrder | None) -> Trade:
    trade = trade.with_leg(leg)
    return trade if order is None else _report(trade, leg, order)


# --- the exchange's word ----------------------------------------------------------------------------------------
def _execution_reported(trade: Trade, fact: ExecutionReported) -> Trade:
    if fact.execution_id in trade.executions:
        return trade
    leg = trade.leg(fact.client_order_id or "") or forgotten_by_execution(trade, fact)
    if leg is None:
        return trade
    if trade.leg(leg.client_order_id) is None:
        trade = _with_forgotten(trade, leg)
    leg = replace(
        leg,
        state=LegState.LIVE if leg.state is LegState.REQUESTED else leg.state,
        confirmed=True,
        executed_quantity=leg.executed_quantity + fact.quantity,
        executed_value_usdt=leg.executed_value_usdt + fact.quantity * fact.price,
        executed_fee_usdt=leg.executed_fee_usdt + fact.fee_usdt,
    )
    latest = max(filter(None, (trade.last_fill_at, fact.executed_at)))
    changed = replace(
        trade,
        legs=trade.legs_with(_filled_up(leg, fact.executed_at)),
        executions=trade.executions | {fact.execution_id},
        last_fill_at=latest,
        confirmed_at=latest,
    )
    return _after_fill(trade, changed)


def _order_reported(trade: Trade, fact: OrderReported) -> Trade:
    leg = trade.leg(fact.order.client_order_id or "") or forgotten_by_report(trade, fact)
    if leg is None:
        return trade
    if trade.leg(leg.client_order_id) is None:
        trade = _with_forgotten(trade, leg)
    if leg.state.terminal and not fact.order.state.terminal:
        if not _outlives_its_end(leg, fact):
            return trade  # an older word than the one we have
        leg = replace(leg, state=LegState.LIVE, ended_at=None, cancelled_by_us=False)
    changed = _report(_stop_remembered(trade, leg, fact.order), leg, fact.order)
    at = fact.read_at or fact.order.updated_at
    if at is not None and (changed.confirmed_at is None or at > changed.confirmed_at):
        changed = replace(changed, confirmed_at=at)
    return changed


def _with_forgotten(trade: Trade, leg: Leg) -> Trade:
    """Take up an order of this trade that the journal has forgotten. Only who leaves makes exits."""
    reason = ExitReason.PERSON.value if leg.role is Role.EXIT else None
    return replace(trade.with_leg(leg), exit_reason=trade.exit_reason or reason)


def _memory_lost(trade: Trade, fact: MemoryLost) -> Trade:
    return replace(trade, forgot_epoch=max(trade.forgot_epoch, fact.epoch))


def _stop_remembered(trade: Trade, leg: Leg, order: ObservedOrder) -> Trade:
    """After a loss of memory: where a stop of before stands is where we had moved it to, and it never goes back."""
    ours = leg.role is Role.STOP and epoch_of(leg.client_order_id) < trade.forgot_epoch
    if not ours or order.state.terminal or order.trigger_price is None:
        return trade
    price = tightened(trade.side, trade.stop_price, order.trigger_price)
    return trade if price == trade.stop_price else replace(trade, stop_price=price)


def _outlives_its_end(leg: Leg, fact: OrderReported) -> bool:
    if leg.state is LegState.FILLED:
        return _outlives_its_fills(leg, fact.order)
    if fact.read_at is None or leg.ended_at is None:
        return False
    return fact.read_at > leg.ended_at + timedelta(seconds=RESURRECTION_SECONDS)


def _outlives_its_fills(leg: Leg, order: ObservedOrder) -> bool:
    """Tell whether the exchange lists an order as open with all we know of filled and more left of it.

    An acknowledged amend that made it smaller did not hold: it was only taken for then, and the fills came first.
    """
    older = leg.reported_at is not None and order.updated_at is not None and order.updated_at < leg.reported_at
    return not older and leg.filled_quantity <= order.filled_quantity < order.quantity


def _report(trade: Trade, leg: Leg, order: ObservedOrder) -> Trade:
    if order.filled_quantity < leg.filled_quantity and not order.state.terminal:
        # From before a fill already seen: never undoes it, and settles no doubt about what that fill left.
        return trade.with_leg(replace(leg, in_doubt=_overfilled(leg)))
    older = leg.reported_at is not None and order.updated_at is not None and order.updated_at < leg.reported_at
    more = order.filled_quantity > leg.reported_quantity
    leg = replace(
        leg,
        in_doubt=False,
        confirmed=True,
        reported_quantity=max(leg.reported_quantity, order.filled_quantity),
        reported_average=order.average_price if more else leg.reported_average,
        reported_fee_usdt=order.fee_usdt if more else leg.reported_fee_usdt,
        reported_at=leg.reported_at if older else order.updated_at or leg.reported_at,
    )
    if leg.pending is not None and not leg.pending.seen and not older and _shows(order, leg.pending):
        leg = replace(leg, pending=replace(leg.pending, seen=True))
    if (leg.pending is None or leg.pending.seen) and not older:
        leg = replace(
            leg,
            quantity=leg.quantity if leg.quantity == order.quantity else order.quantity,  # one object for one figure
            price=leg.price if leg.price == order.price else order.price,
            trigger_price=leg.trigger_price if leg.trigger_price == order.trigger_price else order.trigger_price,
            attached_stop=order.attached_stop or leg.attached_stop,  # the exchange may leave it unsaid
        )
    if _overfilled(leg):
        leg = replace(leg, in_doubt=True)
    state = _LEG_STATE[order.state]
    if state.terminal:
        # "Cancelled" after a race with the last fill is a fill all the same.
        state = LegState.FILLED if leg.filled_quantity >= leg.quantity else state
        ended = replace(leg, text=order.reason or leg.text, reduced_away=order.reduced_away)
        leg = _end(ended, state, order.updated_at)
    elif leg.state is LegState.REQUESTED:
        leg = replace(leg, state=LegState.LIVE)
    changed = trade.with_leg(leg)
    if more and order.updated_at is not None:
        latest = max(filter(None, (trade.last_fill_at, order.updated_at)))
        changed = replace(changed, last_fill_at=latest)
    return _after_fill(trade, changed)


def _shows(order: ObservedOrder, change: PendingChange) -> bool:
    """Tell whether the exchange holds what a change on its way asks for."""
    wanted = (
        (change.quantity, order.quantity),
        (change.price, order.price),
        (change.trigger_price, order.trigger_price),
        (change.attached_stop, order.attached_stop),
    )
    return not change.cancels and all(asked is None or asked == found for asked, found in wanted)


def _order_absent(trade: Trade, fact: OrderAbsent) -> Trade:
    leg = trade.leg(fact.client_order_id)
    if leg is None or leg.state.terminal:
        return trade
    return trade.with_leg(_end(replace(leg, in_doubt=False, text="listed nowhere"), LegState.CANCELLED, fact.read_at))


def _end(leg: Leg, state: LegState, at: Any) -> Leg:
    if leg.filled_quantity >= leg.quantity:
        state = LegState.FILLED
    return replace(leg, state=state, pending=None, in_doubt=False, ended_at=leg.ended_at or at)


def _filled_up(leg: Leg, at: Any) -> Leg:
    """Close a leg whose fills reach its quantity, unless a change of that quantity is still on its way."""
    growing = leg.pending is not None and leg.pending.quantity is not None and leg.pending.quantity > leg.quantity
    if leg.filled_quantity < leg.quantity or growing:
        return leg
    if leg.filled_quantity > leg.quantity:
        return replace(leg, in_doubt=leg.in_doubt or _overfilled(leg))
    return _end(leg, LegState.FILLED, at)


def _overfilled(leg: Leg) -> bool:
    """More has filled than it was for: an acknowledged amend that made it smaller did not hold. It has to be read."""
    return leg.pending is None and leg.filled_quantity > leg.quantity


def _after_fill(before: Trade, after: Trade) -> Trade:
    """Keep what follows from a changed open size: who bears the funding, whether a rung was reached, doubt."""
    hit = after.first_target_hit or _rung_reached(after)
    same = after.legs is before.legs and after.reductions is before.reductions
    if same:
        return after if hit is after.first_target_hit else replace(after, first_target_hit=hit)
    opened_before, opened_now = before.open_quantity, after.open_quantity
    if opened_now == opened_before and after.exited_quantity == before.exited_quantity:
        return after if hit is after.first_target_hit else replace(after, first_target_hit=hit)
    borne = after.funding_since_entry_usdt
    if borne and opened_before and opened_now < opened_before:
        borne = borne * opened_now / opened_before
    began = after.first_fill_at
    if began is None and after.entered_quantity:
        began = after.last_fill_at or after.opened_at
    if borne is after.funding_since_entry_usdt and hit is after.first_target_hit and began is after.first_fill_at:
        return replace(after, verified=False) if after.verified else after
    return replace(after, funding_since_entry_usdt=borne, first_target_hit=hit, first_fill_at=began, verified=False)


def _rung_reached(trade: Trade) -> bool:
    return any(leg.state is LegState.FILLED for leg in trade.of(Role.TARGET))


# --- the account's word -----------------------------------------------------------------------------------------
def _reduction_booked(trade: Trade, fact: ReductionBooked) -> Trade:
    if fact.execution_id in trade.executions:
        return trade
    reduction = Reduction(
        execution_id=fact.execution_id,
        quantity=fact.quantity,
        price=fact.price,
        fee_usdt=fact.fee_usdt,
        cause=fact.cause,
    )
    latest = max(filter(None, (trade.last_fill_at, fact.executed_at)))
    changed = replace(
        trade,
        reductions=(*trade.reductions, reduction),
        executions=trade.executions | {fact.execution_id},
        last_fill_at=latest,
    )
    return _after_fill(trade, changed)


def _excess_passed_on(trade: Trade, fact: ExcessPassedOn) -> Trade:
    passed = Reduction(
        execution_id=fact.execution_id,
        quantity=-fact.quantity,
        price=fact.price,
        fee_usdt=-fact.fee_usdt,
        cause="excess_passed_on",
    )
    return replace(trade, reductions=(*trade.reductions, passed))


def _executions_read(trade: Trade, fact: ExecutionsRead) -> Trade:
    return replace(trade, executions_read_at=fact.read_at)


def _funding_booked(trade: Trade, fact: FundingBooked) -> Trade:
    if fact.execution_id in trade.executions:
        return trade
    return replace(
        trade,
        executions=trade.executions | {fact.execution_id},
        funding_usdt=trade.funding_usdt + fact.paid_usdt,
        funding_since_entry_usdt=trade.funding_since_entry_usdt + fact.paid_usdt,
    )


def _backstop_moved(trade: Trade, fact: BackstopMoved) -> Trade:
    return replace(trade, backstop_price=fact.stop_price)


def _position_verified(trade: Trade, fact: PositionVerified) -> Trade:
    newer = trade.last_fill_at is None or fact.first_read_at > trade.last_fill_at
    return replace(trade, verified=True) if newer else trade


# --- its own turns ----------------------------------------------------------------------------------------------
def _stop_price_moved(trade: Trade, fact: StopPriceMoved) -> Trade:
    trade = outside_questions.settled(trade, "stop")
    if fact.by:
        return _stop_set(trade, fact)
    trade = replace(trade, loosening=None, asked_stop=None, kept_stop=None)  # overtaken
    behind = fact.stop_price != trade.stop_price or not trade.stop_moved_by  # else another rule had it there already
    changed = replace(
        trade,
        stop_price=fact.stop_price,
        moved_to_breakeven=trade.moved_to_breakeven or fact.reason in AT_BREAKEVEN,
        stop_reasoning=fact.lines if behind else trade.stop_reasoning,
        stop_moved_by=fact.reason if behind else trade.stop_moved_by,
        stop_move_told=fact.told,
    )
    if fact.reason != "trailing":
        return changed
    told_at = fact.moved_at if fact.told else trade.trailing_told_at
    return replace(changed, best_price=fact.best_price, trailed_at=fact.moved_at, trailing_told_at=told_at)


def _stop_set(trade: Trade, fact: StopPriceMoved) -> Trade:
    """Take a person's price. What the exchange may refuse it for is known only there: then the stop stays."""
    standing = trade.live_leg(Role.STOP) is not None
    kept = StopKept(
        stop_price=trade.stop_price,
        moved_by=trade.stop_moved_by,
        reasoning=trade.stop_reasoning,
        at_breakeven=trade.moved_to_breakeven,
    )
    return replace(
        trade,
        unstopped_since=None,
        stop_price=fact.stop_price,
        stop_reasoning=fact.lines,
        stop_moved_by=fact.reason,
        stop_move_told=True,
        moved_to_breakeven=trade.moved_to_breakeven or fact.reason in AT_BREAKEVEN,
        best_price=trade.best_price if fact.best_price is None else fact.best_price,
        heeded_rung=max(trade.heeded_rung, fact.heeded_rung),
        loosening=None,
        asked_stop=fact.stop_price if standing else None,
        kept_stop=(trade.kept_stop or kept) if standing else None,
        commands=_with_command(trade, fact.command_id),
    )


def _with_command(trade: Trade, command_id: str) -> tuple[str, ...]:
    return trade.commands if not command_id or command_id in trade.commands else (*trade.commands, command_id)


def _stop_loosening_asked(trade: Trade, fact: StopLooseningAsked) -> Trade:
    wish = StopLoosening(stop_price=fact.stop_price, lines=fact.lines, by=fact.by, command_id=fact.command_id)
    return replace(trade, loosening=wish, commands=_with_command(trade, fact.command_id))


def _target_set(trade: Trade, fact: TargetSet) -> Trade:
    trade = outside_questions.settled(trade, f"target {fact.place}")
    others = tuple(each for each in trade.set_targets if each[0] != fact.place)
    return replace(
        trade,
        set_targets=others if fact.price is None else (*others, (fact.place, fact.price)),
        taken_targets=trade.taken_targets | {fact.place} if fact.price is None else trade.taken_targets,
        commands=_with_command(trade, fact.command_id),
    )


def _target_price_moved(trade: Trade, fact: TargetPriceMoved) -> Trade:
    return replace(trade, target_price=fact.target_price, target_entered=fact.entered_quantity)


def _floor_armed(trade: Trade, _fact: FloorArmed) -> Trade:
    return replace(trade, floor_armed=True)


def _entries_expired(trade: Trade, fact: EntriesExpired) -> Trade:
    return replace(trade, entries_expired=fact.reason)


def _safety_heeded(trade: Trade, fact: SafetyHeeded) -> Trade:
    withdrawn = "" if fact.state is SafetyState.ACTIVE else "safety"
    expired = trade.entries_expired or withdrawn  # an active state brings none of them back
    return replace(trade, entries_expired=expired, halted=fact.state is SafetyState.HALTED)


def _main_left(trade: Trade, fact: MainLeft) -> Trade:
    return trade if trade.leave_with_main_at is not None else replace(trade, leave_with_main_at=leave_at(trade, fact))


def _exit_started(trade: Trade, fact: ExitStarted) -> Trade:
    return replace(trade, exit_reason=fact.reason.value, aimed_price=fact.aimed_price, closed_at=None, verified=False)


def _trade_closed(trade: Trade, fact: TradeClosed) -> Trade:
    return replace(trade, closed_at=fact.closed_at)


_APPLY: dict[type[Any], Callable[[Trade, Any], Trade]] = {
    OrderRequested: _order_requested,
    AmendRequested: _amend_requested,
    CancelRequested: _cancel_requested,
    EffectSettled: _effect_settled,
    ExecutionReported: _execution_reported,
    OrderReported: _order_reported,
    OrderAbsent: _order_absent,
    MemoryLost: _memory_lost,
    ReductionBooked: _reduction_booked,
    ExecutionsRead: _executions_read,
    ExcessPassedOn: _excess_passed_on,
    FundingBooked: _funding_booked,
    BackstopMoved: _backstop_moved,
    PositionVerified: _position_verified,
    StopPriceMoved: _stop_price_moved,
    StopLooseningAsked: _stop_loosening_asked,
    TargetSet: _target_set,
    OutsideChangeAsked: outside_questions.change_asked,
    OutsideChangeAnswered: outside_questions.change_answered,
    StopWithdrawn: outside_questions.stop_withdrawn,
    TargetPriceMoved: _target_price_moved,
    FloorArmed: _floor_armed,
    EntriesExpired: _entries_expired,
    SafetyHeeded: _safety_heeded,
    ProtectionStands: protection_stands,
    OutsideStopRemovalRequested: removal_requested,
    MainLeft: _main_left,
    ExitStarted: _exit_started,
    TradeClosed: _trade_closed,
}
