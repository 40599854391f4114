"""Planted in what one order becomes on two accounts, in a person's changes of open trades, and in emergencies.

Enters: the desk's promises, what followers hear, the rules of changes. Stays out: who calls them. Found in worlds that
have these features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors import monitored_trade
from actors.desk_guards import DeskGuards
from actors.fanned_openings import FannedOpenings
from actors.messages import addresses
from actors.messages.fanning import MainLeft
from actors.messages.storing import Settle
from actors.model.trade import Trade
from actors.model.trade_plan import Policy
from actors.rules import decision, mirroring, next_orders, position_life, trade_change
from actors.trade_changes import TradeChanges
from adapters.assembly.simulation.features import Features
from adapters.assembly.simulation.planted.patch import Bug, Patch

Method = Callable[..., Any]
FANNED = Features(dual=0.7, mirrored=True, mirror_off=0.1)
CHANGED = Features(dual=0.6, changes=160.0, respect=0.6)
EMERGENCIES = Features(emergencies=8.0)


def _never(*_: Any, **__: Any) -> None:
    """Bring nothing about."""


# --- promises ------------------------------------------------------------------------------------------------------
def _promises_not_taken_up(patch: Patch) -> None:
    """A fresh desk does not ask for what is still promised."""
    patch.replace(FannedOpenings, "_ask_for_promises", _never)


def _refusal_untold(patch: Patch) -> None:
    """A slice that cannot be opened is settled, and nobody hears of it."""

    def give_up(desk: Any, opening: Any, _text: str) -> None:
        desk.context.tell(addresses.STORE, Settle(effect_key=opening.promise_key, note="given up"))

    patch.replace(FannedOpenings, "_give_up", give_up)


def _followers_untold(patch: Patch) -> None:
    patch.replace(monitored_trade, "to_followers", lambda _trade, _facts: iter(()))


def _followers_hear_no_end(patch: Patch) -> None:
    """Followers hear of changes, and not that main has left."""

    def make(honest: Method) -> Method:
        return lambda trade, facts: (each for each in honest(trade, facts) if not isinstance(each[1].what, MainLeft))

    patch.wrap(mirroring, "to_followers", make)
    patch.replace(monitored_trade, "to_followers", mirroring.to_followers)


def _grace_for_ever(patch: Patch) -> None:
    """A mirror's trade never ends because main's has."""
    patch.replace(decision, "mirror_turn", _never)
    patch.replace(decision, "mirror_wait", _never)


# --- changes -------------------------------------------------------------------------------------------------------
def _loosened_at_once(patch: Patch) -> None:
    """A looser stop does not wait for the backstop."""

    def make(honest: Method) -> Method:
        return lambda *terms, **more: honest(*terms, **{**more, "loosens": False})

    patch.wrap(trade_change, "_changed", make)


def _backstop_not_awaited(patch: Patch) -> None:
    """The stop follows whether or not the backstop reaches beyond it."""

    def make(honest: Method) -> Method:
        return lambda trade, step, standing: honest(trade, step, replace(standing, reaches=True))

    patch.wrap(TradeChanges, "_on_standing", make)


def _commands_forgotten(patch: Patch) -> None:
    """The same command is recorded as often as it is sent."""
    patch.replace(position_life, "_with_command", lambda trade, _command_id: trade.commands)


def _passed_price_leaves(patch: Patch) -> None:
    """A person's price that the market has passed is left at, like a rule's."""

    def leave(trade: Trade, *_: Any) -> Trade:
        return replace(trade, trigger_passed=True)

    def make(honest: Method) -> Method:
        def heed(trade: Trade, leg: Any, fact: Any, asked: Any) -> Trade:
            after = honest(trade, leg, fact, asked)
            return after if after.stop_price == trade.stop_price else leave(trade)

        return heed

    patch.wrap(position_life, "_heed_trigger", make)


def _taken_target_returns(patch: Patch) -> None:
    patch.replace(
        next_orders, "_without_taken", lambda trade, states: next_orders._spread(trade, states, trade.rung_prices)
    )


def _everything_respected(patch: Patch) -> None:
    """What a hand in the app has moved stays there under any plan."""

    def make(honest: Method) -> Method:
        def respected(before: Trade, trade: Trade, *rest: Any) -> Any:
            plan = replace(trade.plan, policy=Policy.RESPECT)
            return honest(before, replace(trade, sized=replace(trade.sized, plan=plan)), *rest)

        return respected

    patch.wrap(decision, "respected", make)


# --- emergencies ---------------------------------------------------------------------------------------------------
def _emergency_only_shuts(patch: Patch) -> None:
    """The door is shut, and what is open stays."""

    def make(honest: Method) -> Method:
        return lambda desk, wish, wanted, trades: honest(desk, wish, replace(wanted, leave=""), trades)

    patch.wrap(DeskGuards, "_set_safety", make)


def _emergency_half_heard(patch: Patch) -> None:
    """Of an account's trades the oldest is told to leave."""

    def make(honest: Method) -> Method:
        return lambda desk, wish, wanted, trades: honest(desk, wish, wanted, trades[:1] if wanted.leave else trades)

    patch.wrap(DeskGuards, "_set_safety", make)


BUGS = tuple(
    Bug(name=name, mistake=mistake, plant=plant, features=features)
    for features, name, mistake, plant in (
        (FANNED, "promises_not_taken_up", "promised slices are forgotten with the desk's life", _promises_not_taken_up),
        (FANNED, "refusal_untold", "a slice that cannot be opened is not told", _refusal_untold),
        (FANNED, "followers_untold", "mirrors hear nothing of main", _followers_untold),
        (FANNED, "followers_hear_no_end", "mirrors do not hear that main has left", _followers_hear_no_end),
        (FANNED, "grace_for_ever", "a mirror's trade outlasts main's", _grace_for_ever),
        (CHANGED, "loosened_at_once", "a looser stop goes before the backstop", _loosened_at_once),
        (CHANGED, "backstop_not_awaited", "a looser stop does not look where the backstop is", _backstop_not_awaited),
        (CHANGED, "commands_forgotten", "a change is recorded twice", _commands_forgotten),
        (CHANGED, "passed_price_leaves", "a trade leaves at a person's price that is passed", _passed_price_leaves),
        (CHANGED, "taken_target_returns", "a target that was taken away comes back", _taken_target_returns),
        (CHANGED, "everything_respected", "hands in the app are respected by every plan", _everything_respected),
        (EMERGENCIES, "emergency_only_shuts", "an emergency closes nothing", _emergency_only_shuts),
        (EMERGENCIES, "emergency_half_heard", "an emergency reaches one trade", _emergency_half_heard),
    )
)
