"""Promises, followers, a person's changes and emergencies, on hand-made records: each judged where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.exit_facts import StopLooseningAsked, TargetSet
from actors.messages.fanning import HalfPromised
from actors.messages.guarding import SafetyChanged
from actors.messages.operator import ChangeAction, ChatRecord, PendingCommand
from actors.messages.orders import EffectSettled, Settlement
from actors.messages.storing import Append, PromisedEffect
from actors.messages.trading import AmendRequested, ChangeTrade, ExitReason, ExitStarted, StopPriceMoved
from actors.model.guarding import SafetyState
from actors.model.trade import Role
from actors.model.trade_change import ChangeKind, TradeChange
from actors.model.trade_plan import Policy
from actors.rules.position_life import evolve
from adapters.assembly.simulation.invariants.breakeven import check_never_loosened, moved_by_person
from adapters.assembly.simulation.invariants.changes import Changes, check_inside
from adapters.assembly.simulation.invariants.emergencies import left_behind, note_emergency, unheard
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.ladder import shares_of, skewed
from adapters.assembly.simulation.invariants.promises import Promises, outlasts, outlasts_person
from adapters.simulated.records import Account, Order
from tests.invariants.conftest import SYMBOL, broken, filled, opening, request
from tests.rules.conftest import NOON

Give = Callable[..., Order]
STOP = "SF00001-7K3Q9X-S-0"
D = Decimal


def effect(key: str, request_: Any = None) -> PromisedEffect:
    return PromisedEffect(key=key, destination="desk", owner="desk", request=request_)


def append(*effects: PromisedEffect) -> Append:
    return Append(stream="trade/7K3Q9X", expected_sequence=0, facts=(), effects=effects)


HALF = effect(
    "slice/HALF11",
    HalfPromised(draft=opening(trade_id="HALF11"), liquidation_price=None, mirrors=(), promised_at=NOON),
)
TOLD = effect("alert/HALF11/not_opened")


# --- promises ------------------------------------------------------------------------------------------------------
@pytest.fixture
def promises() -> Promises:
    promised = Promises()
    promised.appended(append(HALF), 100.0)
    return promised


def test_a_promise_ends_in_a_trade_or_a_told_refusal(promises: Promises) -> None:
    with broken("I20", "neither opened nor told"):
        promises.settled(HALF.key)


def test_a_kept_and_a_refused_promise_are_both_fine() -> None:
    for told in (False, True):
        promised = Promises()
        promised.appended(append(HALF), 100.0)
        if told:
            promised.appended(append(TOLD), 101.0)
        else:
            promised.opened("HALF11")
        promised.settled(HALF.key)
        promised.check_rest()


def test_it_ends_once(promises: Promises) -> None:
    promises.opened("HALF11")
    with broken("I20", "was opened before"):
        promises.appended(append(TOLD), 101.0)


def test_what_was_told_as_not_opened_is_not_opened(promises: Promises) -> None:
    promises.appended(append(TOLD), 101.0)
    with broken("I20", "after it was told"):
        promises.opened("HALF11")
    with broken("I20", "told so before"):
        promises.appended(append(TOLD), 102.0)


def test_it_ends_in_time_its_account_in_reach(promises: Promises) -> None:
    promises.check_in_time(175.0, lambda _account, _symbol: 0.0)
    promises.check_in_time(400.0, lambda account, _symbol: 390.0 if account == "main" else 0.0)
    with broken("I20", "promised 100 s ago"):
        promises.check_in_time(200.0, lambda _account, _symbol: 0.0)
    with broken("I20", "at rest"):
        promises.check_rest()


def test_a_follower_leaves_after_main(held: Held) -> None:
    main = Held(trade=held.trade)
    held.main = main
    assert not outlasts(held)
    main.trade = evolve(main.trade, ExitStarted(reason=ExitReason.TARGETS, by="rule", started_at=NOON))
    assert outlasts(held)
    assert not outlasts_person(held)
    main.trade = evolve(main.trade, ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=NOON))
    assert outlasts_person(held)
    held.trade = evolve(held.trade, ExitStarted(reason=ExitReason.MAIN, by="main", started_at=NOON))
    assert not outlasts(held)


# --- changes -------------------------------------------------------------------------------------------------------
def wished(kind: ChangeKind = ChangeKind.STOP, price: str | None = "63000", place: int | None = None) -> Changes:
    changes = Changes()
    change = TradeChange(kind=kind, price=None if price is None else D(price), place=place)
    changes.asked(ChangeTrade(command_id="c1", which="1", change=change, by="cli"))
    return changes


def moved(price: str, *, command: str = "c1", by: str = "cli") -> StopPriceMoved:
    return StopPriceMoved(stop_price=D(price), reason="person", lines=(), moved_at=NOON, by=by, command_id=command)


def take(changes: Changes, held: Held, fact: Any) -> None:
    before, held.trade = held.trade, evolve(held.trade, fact)
    changes.check_fact(before, held, fact)


def test_a_change_is_recorded_as_it_was_asked_for(held: Held) -> None:
    take(wished(), held, moved("63000"))
    assert held.trade.stop_price == 63000


@pytest.mark.parametrize("fact", [moved("63000.1"), moved("62999.9"), moved("63000", command="c9")])
def test_a_change_that_nobody_asked_for_is_found(held: Held, fact: StopPriceMoved) -> None:
    with broken("I21"):
        take(wished(), held, fact)


def test_a_confirmed_button_is_a_wish(held: Held) -> None:
    changes = Changes()
    change = TradeChange(kind=ChangeKind.NO_TARGET, place=2)
    action = ChangeAction(trade_id="7K3Q9X", number=1, change=change, seen_price=D(67000))
    pending = PendingCommand(
        update_id=1, user_id=1, text="", data="v1", message_id=1, said_at=NOON, command_id="c1", action=action
    )
    changes.kept(ChatRecord(pending=(pending,)))
    take(changes, held, TargetSet(place=2, price=None, before=D(67000), by="chat:1", command_id="c1", set_at=NOON))
    with broken("I21", "asked for"):
        wrong = TargetSet(place=3, price=None, before=D(68000), by="chat:1", command_id="c1", set_at=NOON)
        changes.forget()
        take(changes, held, wrong)


def test_a_command_is_recorded_once(held: Held) -> None:
    changes = wished()
    take(changes, held, moved("63000"))
    with broken("I21", "a second time"):
        take(changes, held, moved("63000"))


def test_a_stop_goes_out_behind_the_backstop_alone(held: Held) -> None:
    with broken("I21", "has not waited"):
        take(wished(price="61000"), held, moved("61000"))


def test_a_wish_that_waited_is_carried_out(held: Held) -> None:
    changes = wished(price="61000")
    take(changes, held, StopLooseningAsked(stop_price=D(61000), lines=(), by="cli", command_id="c1", asked_at=NOON))
    take(changes, held, moved("61000"))


def test_main_has_recorded_what_a_mirror_follows(held: Held) -> None:
    held.trade = replace(held.trade, follows="MAIN11")
    with broken("I21", "no record"):
        take(wished(), held, moved("63000", command="c1/main", by="main/BTCUSDT"))


def test_a_hand_in_the_app_counts_where_the_plan_respects_it(held: Held, give: Give) -> None:
    with broken("I21", "does not respect"):
        take(Changes(), held, moved("62500", command="", by="somebody at the exchange"))
    plan = replace(held.trade.plan, policy=Policy.RESPECT)
    held.trade = replace(held.trade, sized=replace(held.trade.sized, plan=plan), stop_price=D(62000))
    with broken("I21", "nobody did"):
        take(Changes(), held, moved("62500", command="", by="somebody at the exchange"))
    give(held, "S", "0.1", trigger_price=D(62600))
    take(Changes(), held, moved("62600", command="", by="somebody at the exchange"))


def test_a_person_may_put_the_stop_farther_out_and_rules_may_not(held: Held) -> None:
    check_never_loosened(held)
    held.trade = replace(held.trade, stop_price=D(61000))
    with broken("I4", "went back"):
        check_never_loosened(held)
    moved_by_person(held)
    check_never_loosened(held)


def test_nobody_leaves_for_a_price_that_a_person_asked_for(held: Held, give: Give) -> None:
    filled(held, give)
    request(held, Role.STOP, "0.1", STOP, trigger_price=D(62000))
    placed = held.trade.of(Role.STOP)[0].place_key
    held.trade = evolve(held.trade, EffectSettled(effect_key=placed, settlement=Settlement.DONE, settled_at=NOON))
    held.trade = replace(held.trade, stop_price=D(64000), asked_stop=D(64000))
    amend = AmendRequested(
        client_order_id=STOP,
        effect_key="k",
        quantity=None,
        price=None,
        trigger_price=D(64000),
        attached_stop=None,
        requested_at=NOON,
    )
    held.trade = evolve(held.trade, amend)
    with broken("I21", "leaves because"):
        refused = EffectSettled(effect_key="k", settlement=Settlement.TRIGGER_PASSED, settled_at=NOON)
        take(Changes(), held, refused)


def test_no_stop_waits_at_the_backstop_or_beyond(held: Held, account: Account, give: Give) -> None:
    filled(held, give)
    position = account.position(SYMBOL, 0)
    position.side, position.size = "Buy", D("0.1")
    backstop = give(None, "S", "0", link_id="", trigger_price=D(61800), stop_order_type="StopLoss")
    position.stop_loss_id = backstop.order_id
    stop = give(held, "S", "0.1")
    check_inside(account, position, [held])
    stop.trigger_price = D(61800)
    with broken("I21", "would fire first"):
        check_inside(account, position, [held])


def test_targets_that_were_taken_away_are_shared_by_the_others(held: Held, give: Give) -> None:
    filled(held, give)
    give(held, "T1", "0.085")
    for place in (2, 3, 4):
        give(held, f"T{place}", "0.005")
    assert not skewed(held, D("0.1"))
    held.trade = replace(held.trade, taken_targets=frozenset({2, 3, 4}))
    assert shares_of(held.trade) == (D(1), D(0), D(0), D(0))
    assert skewed(held, D("0.1"))


# --- emergencies ---------------------------------------------------------------------------------------------------
def test_every_trade_of_the_account_leaves_and_leaves_nothing(held: Held, give: Give) -> None:
    there = Held(trade=replace(held.trade, sized=_on(held, "mirror")))
    fact = SafetyChanged(
        command_id="e1", state=SafetyState.REDUCE_ONLY, why="emergency on main", by="cli", changed_at=NOON
    )
    note_emergency([fact], [held, there])
    assert unheard(held)
    assert not unheard(there)
    held.trade = evolve(held.trade, ExitStarted(reason=ExitReason.PERSON, by="cli", started_at=NOON))
    assert not unheard(held)
    assert not left_behind(held)
    stop = give(held, "S", "0.1")
    assert left_behind(held)
    stop.status = "Cancelled"
    assert not left_behind(held)


def _on(held: Held, account: str) -> Any:
    return replace(held.trade.sized, plan=replace(held.trade.plan, account=account))
