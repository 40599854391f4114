"""I7, I10, I11, I12, I14 and I15 on hand-made wrong records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.messages.alerts import RaiseAlert
from actors.messages.operator import ChatRecord
from actors.messages.orders import CancelOrder
from actors.messages.storing import Append, Guard, PromisedEffect
from actors.messages.trading import ExitReason, ExitStarted
from actors.model.alert import Alert, Severity
from actors.model.trade import Role
from actors.rules.position_life import evolve
from adapters.assembly.simulation.invariants import journal, rest
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.identity import Identities
from adapters.assembly.simulation.invariants.isolation import Isolation
from adapters.assembly.simulation.invariants.ownership import Ownership
from adapters.simulated.records import Account, Order
from adapters.simulated.venue import Venue
from runtime import ActorRestarted, ActorStarted, ActorSystem
from runtime.snapshot import Handled
from tests.invariants.conftest import NOON, SYMBOL, broken, filled, opening, request

Give = Callable[..., Order]
ENTRY, STOP = "SF00001-7K3Q9X-E1-0", "SF00001-7K3Q9X-S-0"  # of installation 0000, epoch 1


# --- I7 --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def settled(held: Held, give: Give, account: Account) -> Held:
    """0.100 BTC, an entry that is over, its stop and its ladder, and a backstop beyond."""
    entry = filled(held, give)
    entry.status = "Cancelled"
    for order in [give(held, "S", "0.100"), *(give(held, f"T{n}", q) for n, q in enumerate(LADDER, start=1))]:
        request(held, Role(order.link_id.split("-")[2][0]), str(order.qty), order.link_id, int(order.number))
    legs = []
    for leg in held.trade.legs:
        there = next(order for order in held.orders if order.link_id == leg.client_order_id)
        live = there.is_open
        legs.append(
            replace(leg, state=type(leg.state)("live" if live else "cancelled"), trigger_price=there.trigger_price)
        )
    held.trade = replace(held.trade, legs=tuple(legs), stop_price=Decimal(62000))
    backstop = give(None, "S", "0.100", link_id="", stop_order_type="StopLoss", trigger_price=Decimal(61800))
    position = account.position(SYMBOL, 0)
    position.side, position.size, position.stop_loss_id = "Buy", Decimal("0.100"), backstop.order_id
    return held


LADDER = ("0.085", "0.005", "0.005", "0.005")


def judge(venue: Venue, held: Held, *, foreign: frozenset[str] = frozenset(), **unsettled: Any) -> None:
    rest.check_rest(venue, {held.trade.trade_id: held}, unsettled, foreign)


def test_a_world_in_agreement_is_passed(venue: Venue, settled: Held) -> None:
    judge(venue, settled)


def test_a_backstop_that_did_not_follow_the_stops_inward_is_found(
    venue: Venue, settled: Held, account: Account
) -> None:
    account.orders[account.position(SYMBOL, 0).stop_loss_id].trigger_price = Decimal(61000)
    with broken("I2", "far beyond the farthest stop"):
        rest.check_backstops(venue, (settled,))


def test_a_position_other_than_the_trades_is_found_unless_others_trade_there(
    venue: Venue, account: Account, settled: Held
) -> None:
    account.position(SYMBOL, 0).size = Decimal("0.101")
    with broken("I7", "trades hold 0.100, position 0.101"):
        judge(venue, settled)
    judge(venue, settled, foreign=frozenset({SYMBOL}))
    account.position(SYMBOL, 0).size = Decimal("0.099")
    with broken("I7"):
        judge(venue, settled, foreign=frozenset({SYMBOL}))


def test_an_order_that_is_alive_on_one_side_only_is_found(venue: Venue, settled: Held) -> None:
    settled.orders[1].status = "Cancelled"
    with broken("I7", "is live here and Cancelled at the exchange"):
        judge(venue, settled)


def test_an_order_of_no_leg_is_found(venue: Venue, settled: Held, give: Give) -> None:
    give(settled, "X", "0.001")
    with broken("I7", "orders of no leg"):
        judge(venue, settled)


def test_an_order_whose_intent_was_forgotten_may_be_of_no_leg_once_it_has_ended_without_a_fill(
    venue: Venue, settled: Held, give: Give
) -> None:
    order = give(settled, "X", "0.001")
    settled.forgotten = {order.link_id}
    with broken("I7", "orders of no leg"):
        judge(venue, settled)
    order.status = "Cancelled"
    judge(venue, settled)
    order.cum_qty = Decimal("0.001")
    with broken("I7", "orders of no leg"):
        judge(venue, settled)
    order.cum_qty, settled.forgotten = Decimal(0), set()
    with broken("I7", "orders of no leg"):
        judge(venue, settled)


def test_an_order_with_our_mark_that_could_open_a_position_of_no_trade_is_found(venue: Venue, give: Give) -> None:
    order = give(None, "E1", "0.001", link_id="SF00001-AAAAAA-E1-0")
    rest.check_strays(venue, {"AAAAAA"}, "0000")
    rest.check_strays(venue, set(), "ZZZZ")
    with broken("I7", "belongs to no trade"):
        rest.check_strays(venue, {"7K3Q9X"}, "0000")
    order.reduce_only = True
    rest.check_strays(venue, set(), "0000")
    order.reduce_only, order.status = False, "Cancelled"
    rest.check_strays(venue, set(), "0000")


def test_a_request_without_an_outcome_is_found_an_alert_is_somebody_elses(venue: Venue, settled: Held) -> None:
    told = RaiseAlert(alert=Alert(kind="k", severity=Severity.INFO, key="k", title="t"), raised_at=NOON)
    judge(venue, settled, alert=told)
    cancel = CancelOrder(account="main", trade_id="7K3Q9X", symbol=SYMBOL, client_order_id=STOP)
    with broken("I7", "outcome is not known at rest: CancelOrder"):
        judge(venue, settled, cancel=cancel)


def test_protection_that_is_not_in_place_is_found_at_rest(venue: Venue, account: Account, settled: Held) -> None:
    stop, first = settled.orders[1], settled.orders[2]
    settled.trade = replace(settled.trade, stop_price=Decimal(62001))
    with broken("I2", "stop wanted at 62001"):
        judge(venue, settled)
    settled.trade = replace(settled.trade, stop_price=Decimal(62000))
    assert stop.trigger_price == 62000
    account.orders[account.position(SYMBOL, 0).stop_loss_id].trigger_price = Decimal(62000)
    with broken("I2", "not beyond the stop"):
        judge(venue, settled)
    legs = settled.trade.legs
    first.qty = Decimal("0.084")
    settled.trade = replace(
        settled.trade, legs=tuple(replace(leg, quantity=first.qty) if leg.role is Role.TARGET else leg for leg in legs)
    )
    with broken("I(3|7)"):
        judge(venue, settled)


# --- I10 -------------------------------------------------------------------------------------------------------------
WELL, ILL = "accounts/main/positions/BTCUSDT-A", "accounts/main/positions/BTCUSDT-B"


def isolation(*handled: Handled) -> Isolation:
    """Watch one monitor handle these while another one crashes."""
    watch, queue = Isolation(), list(handled)
    watch.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: queue.pop(0))))
    watch.event(ActorStarted(path=WELL, incarnation=1), 0.0)
    watch.event(ActorRestarted(path=ILL, incarnation=1, error="ValueError: x", delay_seconds=0.0), 10.0)
    for _ in handled:
        watch.stepped(WELL, 11.0)
    return watch


def handled(number: int, waited: float, *, put_aside: bool = False) -> Handled:
    said = SimpleNamespace(message_id=number, sent_at=10.0, began_at=10.0 + waited, put_aside=put_aside)
    return cast("Handled", said)  # no more of it is looked at here


def test_one_late_message_in_a_hundred_is_borne_two_are_not() -> None:
    isolation(*(handled(number, 0.3 if number < 2 else 0.0) for number in range(200))).check_rest()
    with broken("I10", "3 of 200"):
        isolation(*(handled(number, 0.3 if number < 3 else 0.0) for number in range(200))).check_rest()


def test_what_a_monitor_put_aside_itself_is_not_counted_again() -> None:
    watch = isolation(handled(1, 0.0, put_aside=True), handled(1, 90.0))
    assert (watch.handled, watch.late) == (1, 0)


def test_what_a_monitor_put_aside_while_all_were_well_is_not_counted_when_one_is_ill() -> None:
    watch, queue = Isolation(), [handled(1, 0.0, put_aside=True), handled(1, 90.0)]
    watch.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: queue.pop(0))))
    watch.stepped(WELL, 9.0)
    watch.event(ActorRestarted(path=ILL, incarnation=1, error="ValueError: x", delay_seconds=0.0), 10.0)
    watch.stepped(WELL, 11.0)
    assert watch.handled == 0


def test_only_the_others_count_and_only_while_one_is_ill() -> None:
    watch = Isolation()
    watch.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: handled(1, 90.0))))
    watch.stepped(WELL, 5.0)
    watch.event(ActorRestarted(path=ILL, incarnation=1, error="ValueError: x", delay_seconds=0.0), 10.0)
    watch.stepped(ILL, 11.0)
    watch.stepped("desk", 11.0)
    watch.stepped(WELL, 21.0)
    assert watch.handled == 0
    watch.stepped(WELL, 19.0)
    assert (watch.handled, watch.late) == (1, 1)


def test_time_before_a_monitors_own_start_is_no_waiting() -> None:
    watch = Isolation()
    watch.begins(cast("ActorSystem", SimpleNamespace(last_handled=lambda _path: handled(1, 3.0))))
    watch.event(ActorRestarted(path=ILL, incarnation=1, error="ValueError: x", delay_seconds=0.0), 10.0)
    watch.event(ActorStarted(path=WELL, incarnation=1), 12.9)
    watch.stepped(WELL, 13.0)
    assert (watch.handled, watch.late) == (1, 0)


# --- I11 and I14 -----------------------------------------------------------------------------------------------------
@pytest.fixture
def ids() -> Identities:
    identities = Identities()
    identities.begins(0)
    identities.begins(1)
    return identities


def asked(held: Held, client_order_id: str) -> Any:
    return request(held, Role.ENTRY, "0.152", client_order_id)


def test_an_epoch_given_again_is_found(ids: Identities) -> None:
    with broken("I11", "under 1"):
        ids.begins(1)


def test_an_order_id_used_twice_or_of_another_epoch_is_found(ids: Identities, held: Held) -> None:
    fact = asked(held, "SF00001-7K3Q9X-E1-0")
    ids.fact("7K3Q9X", fact)
    with broken("I11", "second intent"):
        ids.fact("7K3Q9X", fact)
    with broken("I14", "first committed under epoch 1"):
        ids.fact("7K3Q9X", asked(held, "SF00000-7K3Q9X-E1-1"))
    with broken("I11", "asks for an order under"):
        ids.fact("7K3Q9X", asked(held, "SF00001-AAAAAA-E1-1"))


def test_what_leaves_without_a_durable_intent_is_found(ids: Identities, held: Held) -> None:
    with broken("I14", "before its intent was committed"):
        ids.check_sent(ENTRY)
    ids.fact("7K3Q9X", asked(held, ENTRY))
    ids.check_sent(ENTRY)
    with broken("I14", "cancelled without an intent"):
        ids.check_changed(ENTRY, cancels=True)
    cancel = CancelOrder(account="main", trade_id="7K3Q9X", symbol=SYMBOL, client_order_id=ENTRY)
    ids.appended(promise(f"{ENTRY}/cancel/1", request=cancel), NOON)
    ids.check_changed(ENTRY, cancels=True)
    with broken("I14", "amended without an intent"):
        ids.check_changed(ENTRY, cancels=False)


def test_a_command_that_opens_two_trades_and_a_number_given_twice_are_found(ids: Identities) -> None:
    ids.fact("7K3Q9X", opening())
    with broken("I11", "opened 7K3Q9X before"):
        ids.fact("AAAAAA", opening(trade_id="AAAAAA", number=2))
    with broken("I11", "number 1 was given before"):
        ids.fact("BBBBBB", opening(trade_id="BBBBBB", number=1, opened_by="chat:1#b"))


def promise(key: str, *guards: Guard, request: Any = None) -> Append:
    effect = PromisedEffect(key=key, destination="a", owner="a", request=request)
    return Append(stream="s", expected_sequence=0, facts=(), effects=(effect,), guards=guards)


def test_an_effect_key_promised_twice_and_a_guard_used_again_are_found(ids: Identities) -> None:
    guard = Guard(key="update/1", expires_at=NOON + timedelta(seconds=10))
    ids.appended(promise("a", guard), NOON)
    with broken("I11", "promised twice"):
        ids.appended(promise("a"), NOON)
    with broken("I11", "guard was used again"):
        ids.appended(promise("b", guard), NOON)
    ids.appended(promise("c", guard), NOON + timedelta(seconds=11))


def test_a_chats_update_that_is_forgotten_or_used_twice_is_found(ids: Identities) -> None:
    ids.chat_kept("chat/1", ChatRecord(used_updates=(1, 2)))
    with broken("I11", r"forgotten: \[1\]"):
        ids.chat_kept("chat/1", ChatRecord(used_updates=(2, 3)))
    with broken("I11", "used twice"):
        ids.chat_kept("chat/1", ChatRecord(used_updates=(1, 2, 2)))


# --- I12 -------------------------------------------------------------------------------------------------------------
def test_what_nobody_owns_is_found_when_something_of_the_tree_has_changed() -> None:
    watch = Ownership()
    found: list[str] = []
    watch.begins(cast("ActorSystem", SimpleNamespace(disowned=lambda: tuple(found))))
    watch.check()
    found.append("desk: is running without a behaviour")
    watch.check()
    watch.event(ActorStarted(path="desk", incarnation=2))
    with broken("I12", "is running without a behaviour"):
        watch.check()
    watch.ends()
    watch.check(always=True)


# --- I15 -------------------------------------------------------------------------------------------------------------
def test_a_journal_that_folds_otherwise_at_any_prefix_is_found(held: Held) -> None:
    facts: list[Any] = [opening()]
    for fact in (
        asked(held, ENTRY),
        ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=NOON),
    ):
        facts.append(fact)
        if isinstance(fact, ExitStarted):
            held.trade = evolve(held.trade, fact)
            held.states.append(held.trade)
    journal.check_replay(held, facts)
    with broken("I15", "3 facts were made durable, 2 are stored"):
        journal.check_replay(held, facts[:2])
    held.states[1] = replace(held.states[1], number=9)
    with broken("I15", "the first 2 facts fold to another trade: number"):
        journal.check_replay(held, facts)
