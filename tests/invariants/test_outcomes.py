"""What a trade is told and believes of its orders, on hand-made records: outcomes, ends, excess, its own end, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import PositionVerified
from actors.messages.orders import AmendOrder, EffectSettled, OrderReported, PlaceOrder, Settlement
from actors.messages.storing import Append, PromisedEffect
from actors.messages.trading import (
    CancelRequested,
    ExcessPassedOn,
    ExitReason,
    ExitStarted,
    TradeClosed,
)
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.trade import LegState, Role
from actors.rules.position_life import evolve
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.outcomes import Arrivals, check_fact
from adapters.assembly.simulation.invariants.precedence import OneByOne, Precedence
from adapters.simulated.records import Order
from tests.invariants.conftest import NOON, SYMBOL, broken, filled, report, request

Give = Callable[..., Order]
ENTRY, TARGET, STOP = (f"SF00001-7K3Q9X-{role}-0" for role in ("E1", "T1", "S"))
NOW_MS = 1_000_000_000


def take(held: Held, fact: Any, arrivals: Arrivals | None = None, *, now_ms: int = NOW_MS) -> None:
    before, held.trade = held.trade, evolve(held.trade, fact)
    check_fact(before, held, fact, arrivals or Arrivals(), now_ms=now_ms)


def settled(key: str, settlement: Settlement = Settlement.DONE) -> EffectSettled:
    return EffectSettled(effect_key=key, settlement=settlement, settled_at=NOON)


def reported(link: str, state: OrderState, quantity: str, fill: str = "0", *, read: bool = False) -> OrderReported:
    order = ObservedOrder(
        order_id="o",
        client_order_id=link,
        symbol=SYMBOL,
        order_side=OrderSide.BUY,
        kind=OrderKind.LIMIT,
        state=state,
        quantity=Decimal(quantity),
        filled_quantity=Decimal(fill),
        average_price=Decimal(65000) if Decimal(fill) else None,
    )
    return OrderReported(account="main", order=order, read_at=NOON + timedelta(minutes=1) if read else None)


# --- outcomes --------------------------------------------------------------------------------------------------------
def test_outcomes_that_say_what_happened_are_passed(held: Held, give: Give) -> None:
    request(held, Role.ENTRY, "0.152", ENTRY)
    give(held, "E1", "0.152")
    take(held, settled(f"{ENTRY}/place"))
    request(held, Role.TARGET, "0.010", TARGET)
    take(held, settled(f"{TARGET}/place", Settlement.REJECTED))


def test_an_order_that_is_said_to_be_placed_and_never_was_is_found(held: Held) -> None:
    request(held, Role.ENTRY, "0.152", ENTRY)
    with broken("I1", "never was"):
        take(held, settled(f"{ENTRY}/place"))


def test_an_order_that_is_believed_to_be_refused_and_is_there_is_found(held: Held, give: Give) -> None:
    request(held, Role.ENTRY, "0.152", ENTRY)
    give(held, "E1", "0.152")
    with broken("I1", "believed to be rejected"):
        take(held, settled(f"{ENTRY}/place", Settlement.REJECTED))


@pytest.mark.parametrize("arrived", [None, 4.0, 6.0])
def test_a_cancel_is_done_only_once_one_has_arrived(held: Held, give: Give, arrived: float | None) -> None:
    filled(held, give, "0.100")
    key = f"{ENTRY}/cancel/1"
    take(held, CancelRequested(effect_key=key, client_order_id=ENTRY, requested_at=NOON))
    arrivals = Arrivals(promised={key: 5.0}, changed={} if arrived is None else {(ENTRY, True): arrived})
    if arrived == 6.0:
        take(held, settled(key), arrivals)
        return
    with broken("I1", "said to be cancelled, and nothing reached"):
        take(held, settled(key), arrivals)


# --- what is believed ------------------------------------------------------------------------------------------------
def test_a_fill_that_is_not_counted_any_more_is_found(held: Held, give: Give) -> None:
    filled(held, give, "0.100")
    before = held.trade
    held.trade = before.with_leg(replace(before.legs[0], executed_quantity=Decimal(0)))
    with broken("I1", "counted 0.100 and now 0"):
        check_fact(before, held, None, Arrivals(), now_ms=NOW_MS)


@pytest.mark.parametrize("read", [False, True])
def test_an_order_that_is_over_lives_again_only_by_a_reading_of_just_before_its_end(
    held: Held, give: Give, read: bool
) -> None:
    filled(held, give, "0.100")
    order = held.orders[0]
    order.status = "Cancelled"
    take(held, reported(ENTRY, OrderState.CANCELLED, "0.152", "0.100"))
    before = held.trade
    held.trade = before.with_leg(replace(before.legs[0], state=LegState.LIVE))
    word = reported(ENTRY, OrderState.WORKING, "0.152", "0.100", read=read)
    if read:
        check_fact(before, held, word, Arrivals(), now_ms=NOW_MS + 1_000)
    with broken("I1", "lives again here, and not at the exchange"):
        check_fact(before, held, word, Arrivals(), now_ms=NOW_MS + 60_000)
    order.status = "New"
    check_fact(before, held, word, Arrivals(), now_ms=NOW_MS + 60_000)


def test_only_what_was_truly_sold_too_much_is_passed_on(held: Held, give: Give) -> None:
    filled(held, give, "0.100")
    give(held, "S", "0.110", filled="0.110", status="Filled")
    excess = ExcessPassedOn(
        execution_id="x", quantity=Decimal("0.010"), price=Decimal(62000), fee_usdt=Decimal(0), passed_at=NOON
    )
    take(held, excess)
    with broken("I1", "it bought 0.100 and sold"):
        take(held, excess)


# --- its end ---------------------------------------------------------------------------------------------------------
def verified() -> PositionVerified:
    return PositionVerified(first_read_at=NOON + timedelta(minutes=5), second_read_at=NOON + timedelta(minutes=6))


def closed() -> TradeClosed:
    nothing = Decimal(0)
    return TradeClosed(realised_pnl_usdt=nothing, funding_usdt=nothing, reason=ExitReason.PERSON, closed_at=NOON)


def over(held: Held, give: Give) -> None:
    filled(held, give, "0.152")
    give(held, "S", "0.152", filled="0.152", status="Filled")
    request(held, Role.STOP, "0.152", STOP)
    take(held, ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=NOON))
    report(held, STOP, "0.152")


def test_a_trade_closes_once_its_orders_are_over_and_its_position_is_verified(held: Held, give: Give) -> None:
    over(held, give)
    take(held, verified())
    take(held, closed())


def test_a_trade_that_closes_without_a_word_of_its_position_is_found(held: Held, give: Give) -> None:
    over(held, give)
    with broken("I1", "without two readings"):
        take(held, closed())


def test_a_word_from_before_its_last_fill_does_not_verify(held: Held, give: Give) -> None:
    filled(held, give, "0.100")
    take(held, ExitStarted(reason=ExitReason.PERSON, by="chat:1", started_at=NOON))
    take(held, verified())
    report(held, ENTRY, "0.052")
    held.orders[0].cum_qty = Decimal("0.152")
    held.trade = held.trade.with_leg(replace(held.trade.legs[0], state=LegState.FILLED))
    with broken("I1", "without two readings"):
        take(held, closed())


def test_a_trade_that_closes_with_an_order_that_lives_is_found(held: Held, give: Give) -> None:
    filled(held, give, "0.100")
    with broken("I1", "orders that were not over"):
        take(held, closed())


# --- in what order requests leave ------------------------------------------------------------------------------------
def asked(held: Held) -> tuple[Append, PlaceOrder, AmendOrder]:
    target = request(held, Role.TARGET, "0.010", TARGET)
    place = PlaceOrder(account="main", trade_id="7K3Q9X", order=target.order)
    amend = AmendOrder(
        account="main",
        trade_id="7K3Q9X",
        symbol=SYMBOL,
        client_order_id=STOP,
        quantity=Decimal("0.010"),
        price=None,
        trigger_price=None,
        attached_stop=None,
        is_stop=True,
    )
    effects = tuple(
        PromisedEffect(key=key, destination="client", owner="monitor", request=each)
        for key, each in (("a", amend), ("b", place))
    )
    return Append(stream="trade/7K3Q9X", expected_sequence=1, facts=(), effects=effects), place, amend


def never(_stop: str) -> bool:
    return False


def test_a_target_that_leaves_before_the_stop_it_was_asked_with_is_found(held: Held) -> None:
    append, place, amend = asked(held)
    precedence = Precedence()
    precedence.appended(append)
    precedence.leaving(amend, excused=False, waits=never)
    precedence.leaving(place, excused=False, waits=never)
    precedence.appended(append)
    with broken("I2", "leaves before SF00001-7K3Q9X-S-0"):
        precedence.leaving(place, excused=False, waits=never)


def test_a_target_does_not_wait_for_the_answer_that_its_stop_waits_for(held: Held) -> None:
    append, place, _amend = asked(held)
    precedence = Precedence()
    precedence.appended(append)
    with broken("I2", f"leaves before {STOP}"):
        precedence.leaving(place, excused=False, waits=lambda stop: stop != STOP)
    precedence.appended(append)
    precedence.leaving(place, excused=False, waits=lambda stop: stop == STOP)


def test_two_requests_of_one_order_are_never_under_way_at_once(held: Held) -> None:
    _append, place, amend = asked(held)
    one_by_one = OneByOne()
    one_by_one.leaves(amend, 10.0, 0.05)
    one_by_one.leaves(place, 10.01, 0.05)  # another order's
    one_by_one.leaves(amend, 10.05, 0.05)
    with broken("I1", "while an earlier one of the same order is under way"):
        one_by_one.leaves(amend, 10.09, 0.05)


def test_a_call_that_hangs_and_an_earlier_runs_keep_no_order_waiting(held: Held) -> None:
    _append, _place, amend = asked(held)
    one_by_one = OneByOne()
    one_by_one.leaves(amend, 10.0, 10.0)
    one_by_one.leaves(amend, 12.0, 0.05)
    one_by_one.begins()
    one_by_one.leaves(amend, 12.01, 0.05)


def test_what_an_earlier_run_asked_for_and_what_a_limit_holds_back_has_no_order(held: Held) -> None:
    append, place, _amend = asked(held)
    precedence = Precedence()
    precedence.appended(append)
    precedence.leaving(place, excused=True, waits=never)
    precedence.appended(append)
    precedence.begins()
    precedence.leaving(place, excused=False, waits=never)
