"""Planted in what the person's options and the desk's guards come to: sizes, bounds, exit rules, safety, limits.

Enters: pure functions, the desk's guards. Stays out: who calls them. Found in worlds whose people write options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actors.desk_guards import DeskGuards
from actors.model.guarding import Safety
from actors.model.instrument import FeeRates
from actors.model.order import OrderIntent
from actors.model.trade import LegState, Role, Trade
from actors.rules import (
    deadlines,
    decision,
    exit_turns,
    guards,
    held,
    net_exit,
    next_orders,
    sizing,
    stop_steps,
    trailing,
)
from actors.rules.guards import Verdict
from adapters.assembly.simulation.planted.patch import Bug, Patch

Method = Callable[..., Any]
OPTIONED = 0.9  # of a dense quarter of an hour's plans
GUARDS_OF = {  # mistakes that show only where a limit is tight
    "cooldown_unheeded": "times",
    "guards_forget": "times",
    "open_trades_uncounted": "counts",
    "locks_unheeded": "protections",
}


def _never(*_: Any) -> None:
    """Bring nothing about."""


# --- sizes and entries -----------------------------------------------------------------------------------------------
def _risk_without_fees(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def naive(plan: Any, view: Any, quantities: Any, prices: Any) -> Any:
            nothing = replace(view, fees=FeeRates(maker=Decimal(0), taker=Decimal(0)))
            return honest(plan, nothing, quantities, prices)

        return naive

    patch.wrap(sizing, "_loss", make)


def _margin_without_fees(patch: Patch) -> None:
    patch.replace(sizing, "_cost_of_notional", lambda plan, _view: 1 / plan.leverage)


def _bound_twice_as_far(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def farther(plan: Any, view: Any) -> Any:
            return honest(plan if plan.slippage is None else replace(plan, slippage=2 * plan.slippage), view)

        return farther

    patch.wrap(sizing, "bound_price", make)


def _bound_not_sent(patch: Patch) -> None:
    """A market entry is sent as what it is called, whatever its bound."""
    patch.replace(
        next_orders,
        "_enter",
        lambda draft, index, entry: draft.place(Role.ENTRY, index, entry.quantity, price=entry.price),
    )


def _bound_rests(patch: Patch) -> None:
    """The bounded entry stays in the book at its bound until it has filled."""
    patch.replace(next_orders, "OrderIntent", lambda **terms: OrderIntent(**{**terms, "immediate": False}))


def _fast_tries_again(patch: Patch) -> None:
    def again(_trade: Trade, leg: Any) -> bool:
        return leg.state is LegState.CANCELLED and not leg.cancelled_by_us and leg.revision < 1

    patch.replace(next_orders, "to_be_rebuilt", again)
    patch.replace(decision, "to_be_rebuilt", again)


# --- exit rules ------------------------------------------------------------------------------------------------------
def _net_without_entry_fees(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def naive(trade: Trade) -> Any:
            holding = honest(trade)
            return holding and replace(holding, entry_fees_usdt=Decimal(0))

        return naive

    patch.wrap(net_exit, "holding_of", make)


def _net_stop_rounded_out(patch: Patch) -> None:
    """The loss is rounded to the nearer tick, whichever side that is on."""

    def make(honest: Method) -> Method:
        def nearer(holding: Any, loss: Decimal, rate: Decimal, tick: Decimal) -> Any:
            price = honest(holding, loss, rate, tick)
            return None if price is None else price - holding.side.sign * tick

        return nearer

    patch.wrap(net_exit, "loss_price", make)


def _net_stop_of_what_is_held(patch: Patch) -> None:
    """The stop is worked out for what has filled so far, as if nothing more could."""
    patch.replace(net_exit, "holding_once_entered", held.holding_of)


def _floor_left_unarmed(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        return lambda trade, *rest: honest(replace(trade, floor_armed=True), *rest)

    patch.wrap(exit_turns, "floor_due", make)


def _trail_loosens(patch: Patch) -> None:
    """The stop keeps its distance from the present price instead of the best."""

    def make(honest: Method) -> Method:
        def along(trade: Trade, seen: Any, now: Any) -> Any:
            present = seen and replace(seen, best=seen.price)
            return honest(replace(trade, best_price=None), present, now)

        return along

    patch.wrap(exit_turns, "trail_due", make)
    patch.replace(trailing, "tightened", lambda _side, _current, candidate: candidate)


def _trail_moves_once(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        return lambda trade, *rest: None if trade.trailed_at is not None else honest(trade, *rest)

    patch.wrap(exit_turns, "trail_due", make)


def _trail_too_near(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def near(trade: Trade, *rest: Any) -> Any:
            rule = trade.plan.exits.trailing
            if rule is None:
                return None
            distance = replace(rule.distance, value=rule.distance.value * Decimal("0.7"))
            exits = replace(trade.plan.exits, trailing=replace(rule, distance=distance))
            plan = replace(trade.plan, exits=exits)
            return honest(replace(trade, sized=replace(trade.sized, plan=plan)), *rest)

        return near

    patch.wrap(exit_turns, "trail_due", make)


def _trail_unactivated(patch: Patch) -> None:
    patch.replace(trailing, "active", lambda *_: True)


def _steps_forgotten(patch: Patch) -> None:
    patch.replace(exit_turns, "step_due", _never)


def _step_too_late(patch: Patch) -> None:
    """The stop follows the targets two behind."""
    honest = stop_steps.highest_rung
    patch.replace(stop_steps, "highest_rung", lambda trade: honest(trade) - 1)


def _entries_never_expire(patch: Patch) -> None:
    patch.replace(exit_turns, "expiry_due", _never)
    patch.replace(exit_turns, "expiry_left", _never)


def _expired_entries_stay(patch: Patch) -> None:
    """That entries are over is noted, and none is cancelled for it."""
    patch.replace(
        next_orders,
        "entries_over",
        lambda trade: trade.first_target_hit and trade.plan.cancel_entries_on_first_target,
    )


def _touch_unheeded(patch: Patch) -> None:
    patch.replace(deadlines, "waits_for_touch", lambda _trade: False)
    patch.replace(exit_turns, "waits_for_touch", lambda _trade: False)


def _time_exit_forgotten(patch: Patch) -> None:
    patch.replace(exit_turns, "time_exit_due", _never)
    patch.replace(exit_turns, "time_left", _never)


def _time_from_the_opening(patch: Patch) -> None:
    """The time to leave is counted from the opening."""

    def make(honest: Method) -> Method:
        def early(trade: Trade, now: Any) -> Any:
            return honest(replace(trade, first_fill_at=trade.opened_at - timedelta(seconds=5)), now)

        return early

    patch.wrap(deadlines, "time_left", make)


# --- guards ----------------------------------------------------------------------------------------------------------
def _safety_unheeded(patch: Patch) -> None:
    patch.replace(DeskGuards, "safety", property(lambda _desk: Safety()))


def _trades_not_told(patch: Patch) -> None:
    """A safety state is recorded, and no live trade hears of it."""

    def make(honest: Method) -> Method:
        return lambda desk, wish, wanted, _trades: honest(desk, wish, wanted, ())

    patch.wrap(DeskGuards, "_set_safety", make)


def _passing(name: str) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        patch.replace(guards, name, lambda *_: Verdict(name.strip("_"), {}))

    return plant


def _history_of_this_run(patch: Patch) -> None:
    """Orders count against a new one while their journals are new: the past of the last minute alone."""

    def make(honest: Method) -> Method:
        def short(order: Any, past: Iterable[Any], locks: Any, terms: Any, *, now: Any) -> Any:
            return honest(
                order, [each for each in past if (now - each.opened_at).total_seconds() < 1.0], locks, terms, now=now
            )

        return short

    patch.wrap(guards, "with_the_account", make)


def _locks_unheeded(patch: Patch) -> None:
    patch.replace(guards, "_locks", lambda *_: iter(()))


BUGS = tuple(
    Bug(name=name, mistake=mistake, plant=plant, optioned=OPTIONED, guards=GUARDS_OF.get(name))
    for name, mistake, plant in (
        ("risk_without_fees", "a risk counts no fees", _risk_without_fees),
        ("margin_without_fees", "a margin counts no fees", _margin_without_fees),
        ("bound_twice_as_far", "the bound lies twice the slippage away", _bound_twice_as_far),
        ("bound_not_sent", "a bounded entry is sent without its bound", _bound_not_sent),
        ("bound_rests", "a bounded entry rests at its bound", _bound_rests),
        ("fast_tries_again", "a fast entry that fell short is tried again", _fast_tries_again),
        ("net_without_entry_fees", "a net target forgets the fees to enter", _net_without_entry_fees),
        ("net_stop_rounded_out", "a net target's stop loses a tick more", _net_stop_rounded_out),
        ("net_stop_of_what_is_held", "a net target's stop forgets what may fill", _net_stop_of_what_is_held),
        ("floor_left_unarmed", "a floor is left that was never armed", _floor_left_unarmed),
        ("trail_loosens", "a trailing stop goes back with the price", _trail_loosens),
        ("trail_moves_once", "a trailing stop moves once", _trail_moves_once),
        ("trail_too_near", "a trailing stop keeps too small a distance", _trail_too_near),
        ("trail_unactivated", "a stop trails before its activation", _trail_unactivated),
        ("steps_forgotten", "the stop does not follow the targets", _steps_forgotten),
        ("step_too_late", "the stop follows two targets behind", _step_too_late),
        ("entries_never_expire", "entries do not expire", _entries_never_expire),
        ("expired_entries_stay", "entries that are over rest on", _expired_entries_stay),
        ("touch_unheeded", "a touched target ends no entries", _touch_unheeded),
        ("time_exit_forgotten", "a trade is never left for its time", _time_exit_forgotten),
        ("time_from_the_opening", "the time to leave counts from the opening", _time_from_the_opening),
        ("safety_unheeded", "the safety state shuts nothing out", _safety_unheeded),
        ("trades_not_told", "live trades do not hear of a safety state", _trades_not_told),
        ("cooldown_unheeded", "a coin does not rest between orders", _passing("_cooldown")),
        ("same_order_twice", "the same order may be carried out again", _passing("_idempotency")),
        ("open_trades_uncounted", "trades are opened beyond their most", _passing("_open_trades")),
        ("locks_unheeded", "locks shut nothing out", _locks_unheeded),
        ("guards_forget", "the guards see the last second alone", _history_of_this_run),
    )
)
