"""I1 to I4 on hand-made wrong records: each finds its own mistake, and nothing in a right record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.accounts import ReductionBooked
from actors.messages.trading import AmendRequested, CancelRequested, ExcessPassedOn, ExitReason, ExitStarted
from actors.model.trade import Role
from actors.rules.position_life import evolve
from adapters.assembly.simulation.invariants import breakeven, cover, ladder, orders
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.timed import TIMED, note_timed
from adapters.simulated.records import Account, Execution, Order
from tests.invariants.conftest import NOON, SYMBOL, broken, filled, report, request

Give = Callable[..., Order]
STOP = "SF00001-7K3Q9X-S-0"


def execution(account: Account, link_id: str, quantity: str, exec_id: str, price: str = "65000") -> Execution:
    row = Execution(
        account=account.name,
        symbol=SYMBOL,
        order_id="order",
        link_id=link_id,
        side="Buy",
        order_price=Decimal(price),
        order_qty=Decimal(quantity),
        leaves_qty=Decimal(0),
        order_type="Limit",
        stop_order_type="",
        create_type="",
        exec_id=exec_id,
        exec_type="Trade",
        price=Decimal(price),
        qty=Decimal(quantity),
        value=Decimal(price) * Decimal(quantity),
        fee=Decimal(0),
        fee_rate=Decimal(0),
        is_maker=True,
        closed_size=Decimal(0),
        realised=Decimal(0),
        mark_price=Decimal(price),
        seq=1,
        number=1,
        time_ms=1,
    )
    account.executions.append(row)
    return row


# --- I1 --------------------------------------------------------------------------------------------------------------
def test_one_order_an_intent_holds_of_a_trade_as_planned(held: Held, give: Give) -> None:
    filled(held, give)
    give(held, "S", "0.100")
    give(held, "T1", "0.085")
    orders.check_one_order_an_intent(held)
    orders.check_counts(held)


def test_two_live_orders_of_one_role_are_found(held: Held, give: Give) -> None:
    give(held, "T1", "0.050")
    give(held, "T1", "0.050", revision=1)
    with broken("I1", "two orders at once for T1"):
        orders.check_one_order_an_intent(held)


def test_what_a_forgotten_opening_placed_was_planned_too(held: Held, give: Give) -> None:
    first = replace(held, trade=held.trade)
    smaller = replace(held.trade.sized.entries[0], quantity=Decimal("0.150"))
    held.trade = replace(held.trade, sized=replace(held.trade.sized, entries=(smaller,), quantity=Decimal("0.150")))
    give(held, "E1", "0.152")
    with broken("I1", "comes to 0.152, planned were 0.150"):
        orders.check_one_order_an_intent(held)
    held.take_over(first)
    orders.check_one_order_an_intent(held)
    give(held, "E1", "0.001", revision=1)
    with broken("I1"):
        orders.check_one_order_an_intent(held)


def test_an_entry_rebuilt_beyond_its_plan_is_found(held: Held, give: Give) -> None:
    give(held, "E1", "0.152", filled="0.100", status="Cancelled")
    give(held, "E1", "0.060", revision=1)
    with broken("I1", "comes to 0.160"):
        orders.check_one_order_an_intent(held)


def test_a_leg_that_counts_more_than_was_filled_is_found(held: Held, give: Give) -> None:
    entry = filled(held, give)
    report(held, entry.link_id, "0.010")
    with broken("I1", "counted 0.110 of 0.100"):
        orders.check_counts(held)


def test_an_execution_nobody_made_is_found(held: Held, account: Account) -> None:
    ledger = orders.ExecutionLedger({"main": account})
    execution(account, "SF00001-7K3Q9X-E1-0", "0.100", "x-1")
    ledger.committed("7K3Q9X", report(held, "SF00001-7K3Q9X-E1-0", "0.100", key="x-1"))
    with broken("I1", "never made"):
        ledger.committed("7K3Q9X", report(held, "SF00001-7K3Q9X-E1-0", "0.100", key="x-2"))
    with broken("I1", "never made"):
        ledger.committed("7K3Q9X", report(held, "SF00001-7K3Q9X-E1-0", "0.099", key="x-1"))


def booked(execution_id: str, quantity: str, cause: str = "manual") -> ReductionBooked:
    return ReductionBooked(
        execution_id=execution_id,
        quantity=Decimal(quantity),
        price=Decimal(65000),
        fee_usdt=Decimal(0),
        cause=cause,
        executed_at=NOON,
    )


def test_shares_of_an_execution_that_exceed_it_are_found(account: Account) -> None:
    ledger = orders.ExecutionLedger({"main": account})
    execution(account, "", "0.100", "app-1")
    ledger.committed("A", booked("app-1", "0.060"))
    with broken("I1", "0.120 of 0.100"):
        ledger.committed("B", booked("app-1", "0.060"))


def test_a_share_of_what_never_happened_is_found_unless_it_says_that_nothing_explains_it(account: Account) -> None:
    ledger = orders.ExecutionLedger({"main": account})
    ledger.committed("A", booked("difference", "0.060", cause="unexplained"))
    with broken("I1", "never happened"):
        ledger.committed("A", booked("nowhere", "0.060"))


def test_excess_is_shared_out_no_further_than_it_was_passed_on(account: Account) -> None:
    ledger = orders.ExecutionLedger({"main": account})
    passed = ExcessPassedOn(
        execution_id="excess-1", quantity=Decimal("0.010"), price=Decimal(1), fee_usdt=Decimal(0), passed_at=NOON
    )
    ledger.committed("A", passed)
    ledger.committed("B", booked("excess-1", "0.010", cause="excess"))
    with broken("I1", "come to 0.020"):
        ledger.committed("C", booked("excess-1", "0.010", cause="excess"))


# --- I2 --------------------------------------------------------------------------------------------------------------
def size_up(account: Account, quantity: str = "0.100") -> None:
    position = account.position(SYMBOL, 0)
    position.side, position.size, position.opened_ms = "Buy", Decimal(quantity), 1


def look(account: Account, trades: list[Held], *, now_ms: int = 1_000_000_000, excused: bool = False) -> None:
    cover.check_position(account, account.position(SYMBOL, 0), trades, now_ms=now_ms, excused=excused)


def test_a_size_above_all_stops_is_found_at_once(held: Held, give: Give, account: Account) -> None:
    filled(held, give)
    size_up(account)
    stop = give(held, "S", "0.100")
    look(account, [held])
    stop.qty = Decimal("0.099")
    with broken("I2", "size 0.100, stops for 0.099"):
        look(account, [held])


def test_a_side_that_nobody_of_ours_holds_is_let_be(held: Held, account: Account) -> None:
    size_up(account)
    look(account, [held])


def test_a_fired_order_of_ours_does_not_excuse_a_missing_backstop(held: Held, give: Give, account: Account) -> None:
    filled(held, give)
    size_up(account)
    give(held, "S", "0.100", status="Filled", triggered=True)
    with broken("I2"):
        look(account, [held])


def test_a_fired_backstop_excuses_what_is_being_closed_for_half_a_minute(
    held: Held, give: Give, account: Account
) -> None:
    filled(held, give)
    size_up(account)
    give(None, "S", "0.100", link_id="", status="Cancelled", triggered=True, stop_order_type="StopLoss")
    look(account, [held], now_ms=1_000_000_000 + 29_000)
    with broken("I2"):
        look(account, [held], now_ms=1_000_000_000 + 31_000)
    look(account, [held], now_ms=1_000_000_000 + 31_000, excused=True)


def test_a_gap_through_entry_and_stop_in_one_instant_leaves_what_the_book_did_not_take(
    held: Held, give: Give, account: Account
) -> None:
    filled(held, give)
    size_up(account, "0.040")
    stop = give(None, "S", "0.100", link_id="", status="Cancelled", triggered=True, stop_order_type="StopLoss")
    stop.created_ms = stop.updated_ms = account.position(SYMBOL, 0).opened_ms = 999_990_000
    look(account, [held])
    stop.created_ms -= 1  # of an earlier position of this slot
    with broken("I2", "stops for 0 of ours"):
        look(account, [held])


def lasting(held: Held) -> set[str]:
    note_timed(held, 0.0, price=None, shut=False)
    return set(held.bad_since)


def test_a_fill_without_its_own_stop_is_late_after_two_seconds(held: Held, give: Give) -> None:
    filled(held, give)
    assert "own_stop" in lasting(held)
    assert (TIMED["own_stop"].invariant, TIMED["own_stop"].seconds) == ("I2", 2.0)
    give(held, "S", "0.100")
    assert "own_stop" not in lasting(held)


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": "Buy"},
        {"trigger_direction": 1},
        {"reduce_only": False, "close_on_trigger": False},
        {"status": "Cancelled"},
    ],
)
def test_an_order_that_would_not_close_the_trade_is_no_stop(held: Held, give: Give, wrong: dict[str, object]) -> None:
    filled(held, give)
    give(held, "S", "0.100", **wrong)
    assert "own_stop" in lasting(held)


@pytest.mark.parametrize("wrong", [{"side": "Buy"}, {"trigger_direction": 1}, {"close_on_trigger": False}])
def test_a_waiting_stop_that_is_none_is_found_at_once(held: Held, give: Give, wrong: dict[str, object]) -> None:
    give(held, "S", "0.100", **wrong)
    with broken("I2", "waits as the own stop"):
        cover.check_stops_are_stops(held)


def test_a_size_under_the_smallest_order_and_a_trade_that_leaves_need_no_own_stop(held: Held, give: Give) -> None:
    filled(held, give)
    whole = held.trade
    held.trade = replace(whole, instrument=replace(whole.instrument, min_quantity=Decimal("0.2")))
    assert "own_stop" not in lasting(held)
    held.trade = evolve(whole, ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=NOON))
    assert "own_stop" not in lasting(held)


def test_what_a_fired_stop_leaves_over_is_counted_until_it_is_gone(held: Held, give: Give) -> None:
    filled(held, give)
    give(held, "S", "0.100", status="Cancelled", triggered=True, filled="0.040")
    assert "left_over" in lasting(held)
    give(held, "X", "0.060", filled="0.060", status="Filled")
    assert "left_over" not in lasting(held)


def test_a_stop_cancelled_while_anything_is_open_is_found(held: Held, give: Give) -> None:
    filled(held, give)
    request(held, Role.STOP, "0.100", STOP)
    cancel = CancelRequested(effect_key=f"{STOP}/cancel/1", client_order_id=STOP, requested_at=NOON)
    with broken("I2", "cancelled while 0.100 is open"):
        cover.check_stop_kept(held.trade, cancel)
    flat = replace(held.trade, legs=tuple(leg for leg in held.trade.legs if leg.role is Role.STOP))
    cover.check_stop_kept(flat, cancel)


# --- I3 --------------------------------------------------------------------------------------------------------------
def rungs(held: Held, give: Give, *quantities: str) -> list[Order]:
    return [give(held, f"T{index}", quantity) for index, quantity in enumerate(quantities, start=1)]


def test_an_exit_that_may_open_is_found(held: Held, give: Give) -> None:
    filled(held, give)
    ladder.check_exits_only_reduce(held)
    give(held, "T1", "0.085", reduce_only=False)
    with broken("I3", "not reduce-only"):
        ladder.check_exits_only_reduce(held)


def test_targets_above_what_is_held_may_not_last(held: Held, give: Give) -> None:
    filled(held, give)
    give(held, "S", "0.100")
    first, *_ = rungs(held, give, "0.085", "0.005", "0.005", "0.005")
    assert not lasting(held)
    first.qty = Decimal("0.086")
    assert "oversold" in lasting(held)


def test_shares_other_than_the_plans_may_not_last(held: Held, give: Give) -> None:
    filled(held, give)
    give(held, "S", "0.100")
    first, second, *_ = rungs(held, give, "0.085", "0.005", "0.005", "0.005")
    first.qty, second.qty = Decimal("0.083"), Decimal("0.007")
    assert lasting(held) == {"skewed"}
    first.cum_qty = Decimal("0.001")  # from here on what was sold counts too
    assert "skewed" not in lasting(held)


def test_asking_for_more_than_is_open_is_found_at_once(held: Held, give: Give) -> None:
    filled(held, give)
    target = "SF00001-7K3Q9X-T1-0"
    first = request(held, Role.TARGET, "0.085", target)
    ladder.check_asked(held.trade, first)
    grown = AmendRequested(
        effect_key=f"{target}/amend/1",
        client_order_id=target,
        quantity=Decimal("0.101"),
        price=None,
        trigger_price=None,
        attached_stop=None,
        requested_at=NOON,
    )
    with broken("I3", "targets of 0.101 in all and believes 0.100 open"):
        ladder.check_asked(evolve(held.trade, grown), grown)


# --- I4 --------------------------------------------------------------------------------------------------------------
def test_a_stop_that_belongs_further_back_after_breakeven_is_found(held: Held) -> None:
    held.trade = replace(held.trade, moved_to_breakeven=True, stop_price=Decimal(65200))
    breakeven.check_never_loosened(held)
    held.trade = replace(held.trade, stop_price=Decimal(65150))
    with broken("I4", "went back from 65200 to 65150"):
        breakeven.check_never_loosened(held)


def test_a_stop_at_the_exchange_that_goes_back_after_breakeven_may_not_last(held: Held, give: Give) -> None:
    filled(held, give)
    stop = give(held, "S", "0.100", trigger_price=Decimal(65000))
    held.trade = replace(held.trade, moved_to_breakeven=True, stop_price=Decimal(65100))
    breakeven.check_never_loosened(held)
    assert "loosened" not in lasting(held), "it is on its way there"
    stop.trigger_price = Decimal(65200)
    assert "loosened" not in lasting(held), "a hand in the app has tightened it"
    stop.trigger_price = Decimal(65099)
    assert "loosened" in lasting(held)


def test_a_lost_memory_lets_the_stop_be_worked_out_again_but_not_go_back_from_where_it_stood(
    held: Held, give: Give
) -> None:
    filled(held, give)
    before = held.trade
    stop = give(held, "S", "0.100", trigger_price=Decimal(65200))
    held.trade = replace(held.trade, moved_to_breakeven=True, stop_price=Decimal(65200))
    breakeven.check_never_loosened(held)
    assert "loosened" not in lasting(held)
    held.trade = before
    breakeven.forget(held)
    held.trade = replace(held.trade, moved_to_breakeven=True, stop_price=Decimal(65150))
    breakeven.check_never_loosened(held)
    assert "loosened" not in lasting(held), "it stands where it stood"
    stop.trigger_price = Decimal(65150)
    assert "loosened" in lasting(held)


def test_a_stop_that_would_lose_the_costs_after_the_first_target_may_not_last(held: Held, give: Give) -> None:
    filled(held, give)
    rungs(held, give, "0.001")[0].status = "Filled"
    stop = give(held, "S", "0.100", trigger_price=Decimal(65001))
    assert "bare" in lasting(held), "above the entry, but not by both fees"
    stop.trigger_price = Decimal(65100)
    assert "bare" not in lasting(held)


def test_a_condition_that_ends_in_between_begins_anew(held: Held) -> None:
    held.note("own_stop", holds=True, now=1.0)
    held.note("own_stop", holds=True, now=2.0)
    assert held.bad_since == {"own_stop": 1.0}
    held.note("own_stop", holds=False, now=2.5)
    held.note("own_stop", holds=True, now=3.0)
    assert held.bad_since == {"own_stop": 3.0}


def test_the_times_allowed_are_those_of_the_design() -> None:
    assert {name: (each.invariant, each.seconds) for name, each in TIMED.items()} == {
        "own_stop": ("I2", 2.0),
        "left_over": ("I2", 60.0),
        "oversold": ("I3", 5.0),
        "skewed": ("I3", 5.0),
        "bare": ("I4", 5.0),
        "loosened": ("I4", 5.0),
        "behind": ("I4", 5.0),
        "floor_met": ("I16", 5.0),
        "trails": ("I17", 8.0),
        "lingers": ("I18", 10.0),
        "touched": ("I18", 5.0),
        "stays": ("I18", 10.0),
        "unheard": ("I19", 15.0),
        "left_behind": ("I19", 75.0),
        "outlasts": ("I20", 45.0),
        "outlasts_person": ("I20", 15.0),
    }
