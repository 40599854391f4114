"""The trade guard: finds each wrong trade, says so once until it is good again, and is silent about right ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.trading import AmendRequested
from actors.model.alert import Severity
from actors.model.trade import Leg, LegState, Role, Trade
from actors.rules.position_life import evolve
from actors.rules.trade_guard import Guarded, guard, violated
from adapters.assembly.simulation.invariants.held import Held
from tests.invariants.conftest import NOON, report, request
from tests.invariants.conftest import held as _held

held = _held
ENTRY, TARGET, STOP = (f"SF00001-7K3Q9X-{role}-0" for role in ("E1", "T1", "S"))


@pytest.fixture
def trade(held: Held) -> Trade:
    """0.100 BTC entered, a stop and one target asked for."""
    request(held, Role.ENTRY, "0.152", ENTRY)
    report(held, ENTRY, "0.100")
    request(held, Role.STOP, "0.100", STOP)
    request(held, Role.TARGET, "0.085", TARGET)
    return held.trade


def found(trade: Trade, *facts: object, before: Guarded | None = None) -> list[str]:
    news, _ = guard(trade, facts, before or Guarded())
    return [each.subject for each in news]


def changed(trade: Trade, role: Role, **terms: object) -> Trade:
    (leg,) = trade.of(role)
    return trade.with_leg(replace(leg, **terms))  # type: ignore[arg-type] # the leg's own fields


def test_a_right_trade_is_passed_in_silence(trade: Trade) -> None:
    assert found(trade) == []


def test_two_live_orders_of_one_role_are_found(trade: Trade) -> None:
    (stop,) = trade.of(Role.STOP)
    second = replace(stop, intent=replace(stop.intent, client_order_id="SF00001-7K3Q9X-S-1"))
    doubled = replace(trade, legs=(*trade.legs, second))
    assert found(doubled) == ["I1/live/S1"]
    assert found(replace(trade, legs=(*trade.legs, replace(second, state=LegState.CANCELLED)))) == []


def test_an_order_that_counts_more_than_it_could_fill_is_found(trade: Trade) -> None:
    twice = changed(trade, Role.ENTRY, state=LegState.FILLED, executed_quantity=Decimal("0.304"))
    assert found(twice) == [f"I1/count/{ENTRY}"]
    grown = changed(twice, Role.ENTRY, reported_quantity=Decimal("0.304"))
    assert found(grown) == [], "the exchange says so itself: somebody has raised it there"


def test_an_exit_that_may_open_is_found_while_it_lives(trade: Trade) -> None:
    (target,) = trade.of(Role.TARGET)
    careless = changed(trade, Role.TARGET, intent=replace(target.intent, reduce_only=False))
    assert found(careless) == [f"I3/exit/{TARGET}"]
    assert found(changed(careless, Role.TARGET, state=LegState.CANCELLED)) == []


def grown(trade: Trade, quantity: str) -> tuple[Trade, AmendRequested]:
    fact = AmendRequested(
        effect_key=f"{TARGET}/amend/1",
        client_order_id=TARGET,
        quantity=Decimal(quantity),
        price=None,
        trigger_price=None,
        attached_stop=None,
        requested_at=NOON,
    )
    return evolve(trade, fact), fact


def test_asking_for_targets_beyond_what_is_open_is_found_until_they_are_small_enough_again(trade: Trade) -> None:
    after, fact = grown(trade, "0.101")
    news, kept = guard(after, (fact,), Guarded())
    assert [each.invariant for each in news] == ["I3"]
    again, kept = guard(after, (), kept)
    assert again == ()
    assert kept.wrong == {"I3/targets"}
    _, kept = guard(trade, (), kept)
    assert kept.wrong == frozenset()
    assert found(after, fact, before=kept) == ["I3/targets"], "good in between, so it is news"


def test_targets_that_rest_beyond_a_size_that_has_just_shrunk_are_no_mistake(trade: Trade) -> None:
    shrunk = changed(trade, Role.STOP, executed_quantity=Decimal("0.050"), state=LegState.LIVE)
    assert shrunk.open_quantity == Decimal("0.050")
    assert found(shrunk) == []


def test_a_stop_that_goes_back_after_breakeven_is_found(trade: Trade) -> None:
    tight = replace(trade, moved_to_breakeven=True, stop_price=Decimal(65100))
    news, kept = guard(tight, (), Guarded())
    assert news == ()
    loose = replace(tight, stop_price=Decimal(65099))
    assert found(loose, before=kept) == ["I4/stop"]
    assert found(replace(tight, stop_price=Decimal(65200)), before=kept) == []
    before_breakeven = replace(trade, stop_price=Decimal(61000))
    assert found(before_breakeven) == []


def test_the_alert_is_critical_names_the_invariant_and_goes_to_the_trades_chat(trade: Trade) -> None:
    (stop,) = trade.of(Role.STOP)
    legs: tuple[Leg, ...] = (*trade.legs, replace(stop, intent=replace(stop.intent, client_order_id="other")))
    (wrong,), _ = guard(replace(trade, legs=legs), (), Guarded())
    alert = violated(trade, wrong)
    assert (alert.kind, alert.severity, alert.subject) == ("invariant_violated", Severity.CRITICAL, trade.label)
    assert alert.lines[0].startswith("I1: 2 live orders")
