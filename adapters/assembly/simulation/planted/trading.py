"""Planted in the rules of a trade: folding, deciding, the wanted set of orders, breakeven, shares, the backstop.

Enters: pure functions. Stays out: who calls them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from actors.messages.orders import ExecutionReported, OrderReported
from actors.model.order import OrderIntent
from actors.model.trade import Leg, LegState, Role, Trade
from actors.rules import (
    book_backstop,
    book_sharing,
    book_turn,
    decision,
    next_orders,
    position_life,
    slices,
)
from actors.rules.breakeven import Breakeven, breakeven_price
from actors.rules.ladder import respread
from adapters.assembly.simulation.planted.patch import Bug, Patch

Method = Callable[..., Any]


def _executions_counted_twice(patch: Patch) -> None:
    honest = position_life._APPLY[ExecutionReported]

    def forgetful(trade: Trade, fact: ExecutionReported) -> Trade:
        return honest(replace(trade, executions=trade.executions - {fact.execution_id}), fact)

    patch.item(position_life._APPLY, ExecutionReported, forgetful)


def _partial_fills_ignored(patch: Patch) -> None:
    honest_execution, honest_report = (position_life._APPLY[each] for each in (ExecutionReported, OrderReported))

    def patient(trade: Trade, fact: ExecutionReported) -> Trade:
        changed = honest_execution(trade, fact)
        leg = changed.leg(fact.client_order_id or "")
        return changed if leg is None or leg.state is LegState.FILLED or leg.role is not Role.ENTRY else trade

    def deaf(trade: Trade, fact: OrderReported) -> Trade:
        leg = trade.leg(fact.order.client_order_id or "")
        entry = leg is not None and leg.role is Role.ENTRY
        return (
            trade
            if entry and not fact.order.state.terminal and fact.order.filled_quantity
            else honest_report(trade, fact)
        )

    patch.item(position_life._APPLY, ExecutionReported, patient)
    patch.item(position_life._APPLY, OrderReported, deaf)


def _cancel_undone_fills(patch: Patch) -> None:
    """What an order filled before its cancellation is lost with it."""
    honest = position_life._end

    def drop(leg: Leg, state: LegState, at: Any) -> Leg:
        ended = honest(leg, state, at)
        if ended.state is not LegState.CANCELLED:
            return ended
        return replace(ended, executed_quantity=Decimal(0), reported_quantity=Decimal(0))

    patch.replace(position_life, "_end", drop)


def _only(role: Role, *, amend: Method | None = None) -> Callable[[Method], Method]:
    def make(honest: Method) -> Method:
        def chosen(draft: Any, leg: Leg, **changes: Any) -> None:
            if leg.role is not role:
                honest(draft, leg, **changes)
            elif amend is not None:
                amend(honest, draft, leg, **changes)

        return chosen

    return make


def _stop_never_resized(patch: Patch) -> None:
    patch.wrap(next_orders._Draft, "amend", _only(Role.STOP))


def _stop_after_ladder(patch: Patch) -> None:
    """The stop is brought to size once every rung is at rest."""

    def make(honest: Method) -> Method:
        def last(draft: Any) -> None:
            rungs = [leg for leg in draft.trade.legs if leg.role is Role.TARGET]
            wanted = (
                [each for each in next_orders.wanted_rungs(draft.trade) if each] if draft.trade.open_quantity else []
            )
            resting = [leg for leg in rungs if leg.live]
            if len(resting) >= len(wanted) and all(next_orders._settled(leg) for leg in resting):
                honest(draft)

        return last

    patch.wrap(next_orders, "_keep_stop", make)


def _cancel_before_place(patch: Patch) -> None:
    """A stop is moved by cancelling it and placing another."""

    def instead(_honest: Method, draft: Any, leg: Leg, **_changes: Any) -> None:
        draft.cancel(leg)

    patch.wrap(next_orders._Draft, "amend", _only(Role.STOP, amend=instead))


def _intents(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        patch.replace(next_orders, "OrderIntent", lambda **terms: OrderIntent(**{**terms, **change(terms)}))

    return plant


def _open_ended(terms: dict[str, Any]) -> dict[str, Any]:
    return {"reduce_only": terms["reduce_only"] and terms["price"] is None}


def _exit_free(terms: dict[str, Any]) -> dict[str, Any]:
    return {"reduce_only": terms["reduce_only"] and terms["trigger_price"] is not None}


def _wrong_way(terms: dict[str, Any]) -> dict[str, Any]:
    return {"trigger_rises": None if terms["trigger_rises"] is None else True}


def _bare(_terms: dict[str, Any]) -> dict[str, Any]:
    return {"attached_stop": None}


def _no_breakeven(patch: Patch) -> None:
    patch.replace(decision, "_stop_to_breakeven", lambda *_: None)


def _breakeven_loosens(patch: Patch) -> None:
    patch.replace(decision, "tightened", lambda _side, _current, candidate: candidate)


def _breakeven_without_fees(patch: Patch) -> None:
    honest = breakeven_price

    def naive(**terms: Any) -> Breakeven:
        nothing = Decimal(0)
        return honest(
            **{
                **terms,
                "entry_fees_share_usdt": nothing,
                "funding_share_usdt": nothing,
                "taker_fee_rate": nothing,
                "margin_fraction": nothing,
            }
        )

    patch.replace(decision, "breakeven_price", naive)


def _ladder_does_not_sum(patch: Patch) -> None:
    honest = respread

    def generous(open_quantity: Decimal, states: Any, instrument: Any, prices: Any) -> tuple[Decimal, ...]:
        first, *others = honest(open_quantity, states, instrument, prices)
        return (first + instrument.quantity_step if first else first, *others)

    patch.replace(next_orders, "respread", generous)
    patch.replace(next_orders, "_keep_rungs", _boundless(next_orders._keep_rungs))


def _boundless(honest: Method) -> Method:
    """Have room for any rung."""

    def keep(draft: Any) -> None:
        before = draft.trade
        draft.trade = _Roomy(before)
        try:
            honest(draft)
        finally:
            draft.trade = before

    return keep


class _Roomy:
    """A trade that believes nothing of it is exposed."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trade, name)

    def of(self, *roles: Role) -> tuple[Leg, ...]:
        return () if roles == (Role.TARGET,) else self._trade.of(*roles)


def _shares_even(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def even(trade: Trade, index: int, fraction: Decimal) -> Any:
            return honest(trade, index, Decimal(1) / len(trade.plan.rungs) if fraction else fraction)

        return even

    patch.wrap(next_orders, "_rung_state", make)


def _close_leaves_entries(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def half(draft: Any, leg: Leg) -> None:
            if leg.role is not Role.ENTRY:
                honest(draft, leg)

        return half

    patch.wrap(next_orders._Draft, "cancel", make)


def _exit_beside_rungs(patch: Patch) -> None:
    """The market exit does not wait for the rungs to be gone."""

    def impatient(draft: Any) -> None:
        trade = draft.trade
        stop = trade.live_leg(Role.STOP)
        if trade.open_quantity and trade.live_leg(Role.EXIT) is None:
            next_orders._exit(draft, stop)
        for leg in trade.legs:
            if leg.live and leg.role is not Role.EXIT:
                draft.cancel(leg)

    patch.replace(next_orders, "_leave", impatient)


def _closed_too_soon(patch: Patch) -> None:
    patch.replace(decision, "_over", lambda trade: not trade.open_quantity)


def _closed_unverified(patch: Patch) -> None:
    honest = position_life._APPLY

    def make(apply: Method) -> Method:
        return lambda trade, fact: replace(apply(trade, fact), verified=True)

    for fact in (OrderReported, ExecutionReported):
        patch.item(honest, fact, make(honest[fact]))


def _foreign_hands_ignored(patch: Patch) -> None:
    patch.replace(book_sharing, "_share", lambda *_args: None)


def _backstop_stays(patch: Patch) -> None:
    patch.replace(book_backstop, "_may_move", lambda _turn, side, _wanted: side.backstop is None)


def _backstop_inside(patch: Patch) -> None:
    """The backstop follows the nearest stop of its side instead of the farthest."""
    honest = slices.farthest_stop

    def none_of_mine(trade: Trade) -> Decimal | None:
        wanted = honest(trade)
        return None if wanted is None else trade.stop_price * (1 + Decimal("0.02") * trade.side.sign)

    patch.replace(slices, "farthest_stop", none_of_mine)


def _executions_of_others_dropped(patch: Patch) -> None:
    patch.replace(book_turn.Book, "remember", lambda _book, _execution_id: None)


BUGS = (
    Bug(name="executions_counted_twice", mistake="executions are not deduplicated", plant=_executions_counted_twice),
    Bug(name="partial_fills_ignored", mistake="an entry counts once it is filled whole", plant=_partial_fills_ignored),
    # An older word of an ended order that is believed: part of readings_always_believed.
    Bug(name="cancel_undone_fills", mistake="a cancelled order's fills are forgotten", plant=_cancel_undone_fills),
    Bug(name="stop_never_resized", mistake="the stop does not follow what is held", plant=_stop_never_resized),
    Bug(name="stop_after_ladder", mistake="the stop is re-sized after the ladder", plant=_stop_after_ladder),
    Bug(name="cancel_before_place", mistake="a stop is moved by cancel and place", plant=_cancel_before_place),
    Bug(name="target_may_open", mistake="targets are not reduce-only", plant=_intents(_open_ended)),
    Bug(name="exit_may_open", mistake="targets and closes are not reduce-only", plant=_intents(_exit_free)),
    Bug(name="stop_wrong_way", mistake="a long's stop waits for a rise", plant=_intents(_wrong_way)),
    Bug(name="entry_without_backstop", mistake="an entry carries no backstop", plant=_intents(_bare)),
    Bug(name="no_breakeven", mistake="the stop stays behind after the first target", plant=_no_breakeven),
    Bug(
        name="breakeven_loosens", mistake="the stop goes to breakeven also when it is tighter", plant=_breakeven_loosens
    ),
    Bug(name="breakeven_without_fees", mistake="breakeven is the entry price", plant=_breakeven_without_fees),
    Bug(name="ladder_does_not_sum", mistake="the rungs come to a step more than is held", plant=_ladder_does_not_sum),
    Bug(name="shares_even", mistake="the ladder is spread evenly whatever the plan says", plant=_shares_even),
    Bug(name="close_leaves_entries", mistake="entries are never cancelled", plant=_close_leaves_entries),
    Bug(name="exit_beside_rungs", mistake="a close does not wait for its rungs to be gone", plant=_exit_beside_rungs),
    Bug(name="closed_too_soon", mistake="a trade closes while orders of it live", plant=_closed_too_soon),
    Bug(name="closed_unverified", mistake="a trade closes without the position's word", plant=_closed_unverified),
    # No bug: excess passed on at once. Exits never come to more than is known to be held, and what is found after a
    # loss of memory is taken up before anything is concluded, so nothing ever seems oversold that is not.
    Bug(name="foreign_hands_ignored", mistake="what others sold is booked to no trade", plant=_foreign_hands_ignored),
    Bug(name="backstop_stays", mistake="the backstop never moves", plant=_backstop_stays),
    Bug(name="backstop_inside", mistake="the backstop stands before the stops", plant=_backstop_inside),
    Bug(
        name="foreign_executions_again",
        mistake="executions without our id are not deduplicated",
        plant=_executions_of_others_dropped,
    ),
)
