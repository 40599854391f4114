"""What somebody changes at the exchange itself: put back, or respected where the plan says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.exit_facts import TargetSet
from actors.messages.orders import OrderReported
from actors.messages.trading import StopPriceMoved
from actors.model.order import ObservedOrder, OrderState
from actors.model.position import PositionSide
from actors.model.trade import Role
from actors.model.trade_plan import Policy
from actors.rules.position_life import fold
from actors.rules.trade_screens import RESPECTED
from tests.rules.conftest import read
from tests.rules.test_exit_rules import Market
from tests.rules.test_trade_life import opening

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
LINE = "XRPUSDT long entries 1.19 targets 1.2 stop 1.15 margin 2% leverage 10"


def at_rest(policy: Policy, side: PositionSide = LONG, *, seconds: float = 10.0) -> Market:
    """200 XRP held, stop and four targets at the exchange, all of it settled some seconds ago."""
    fact = opening(side=side)
    market = Market.of(replace(fact, sized=replace(fact.sized, plan=replace(fact.sized.plan, policy=policy))))
    assert isinstance(market, Market)
    market.settle_all()
    for index in (1, 2):
        market.fill(Role.ENTRY, "100", index=index)
        market.settle_all()
    market.wait(seconds)
    return market


def report(market: Market, role: Role, index: int = 1, **seen: object) -> None:
    """Let the exchange show an order of ours as it is there now."""
    leg = market.trade.latest(role, index)
    assert leg is not None
    shown = ObservedOrder(
        order_id="o",
        client_order_id=leg.client_order_id,
        symbol="XRPUSDT",
        order_side=leg.intent.order_side,
        kind=leg.intent.kind,
        state=OrderState.UNTRIGGERED if role is Role.STOP else OrderState.WORKING,
        quantity=leg.quantity,
        price=leg.price,
        trigger_price=leg.trigger_price,
        updated_at=market.now,
    )
    market.take(OrderReported(account="main", order=replace(shown, **seen)))  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(("side", "moved"), [(LONG, "1.16"), (LONG, "1.148"), (SHORT, "1.24"), (SHORT, "1.252")])
def test_a_stop_moved_inside_the_backstop_is_the_trades_own_under_respect(side: PositionSide, moved: str) -> None:
    market = at_rest(Policy.RESPECT, side)
    report(market, Role.STOP, trigger_price=D(moved))
    assert market.trade.stop_price == D(moved)
    assert market.requests() == []
    assert market.told.count("stop_moved") == 1
    assert market.told.count("stop_moved_outside") == 0
    assert fold(market.journal) == market.trade


def test_under_restore_a_moved_stop_is_moved_back() -> None:
    market = at_rest(Policy.RESTORE)
    report(market, Role.STOP, trigger_price=D("1.16"))
    assert market.trade.stop_price == D("1.15")
    assert "1.15" in "".join(market.requests())
    assert market.told.count("stop_moved_outside") == 1


@pytest.mark.parametrize("moved", ["1.1465", "1.14"])
def test_a_stop_at_or_beyond_the_backstop_is_moved_back_in_any_case(moved: str) -> None:
    market = at_rest(Policy.RESPECT)
    assert market.trade.backstop_price == D("1.1465")
    report(market, Role.STOP, trigger_price=D(moved))
    assert market.facts(StopPriceMoved) == []
    assert "1.15" in "".join(market.requests())


def test_a_cancelled_stop_is_placed_again_in_any_case() -> None:
    market = at_rest(Policy.RESPECT)
    report(market, Role.STOP, state=OrderState.CANCELLED, reason="CancelByUser")
    assert market.requests() == ["place S sell 200 at 1.15"]


@pytest.mark.parametrize("policy", [Policy.RESTORE, Policy.RESPECT])
def test_a_moved_target_stays_under_respect_and_goes_back_under_restore(policy: Policy) -> None:
    market = at_rest(policy)
    report(market, Role.TARGET, 2, price=D("1.225"))
    stays = policy is Policy.RESPECT
    assert market.trade.rung_prices[1] == (D("1.225") if stays else D("1.22"))
    assert (market.requests() == []) is stays


@pytest.mark.parametrize("policy", [Policy.RESTORE, Policy.RESPECT])
def test_a_target_cancelled_by_a_person_stays_away_under_respect(policy: Policy) -> None:
    market = at_rest(policy)
    report(market, Role.TARGET, 4, state=OrderState.CANCELLED, reason="CancelByUser")
    while market.asked:
        market.settle()
        market.wait(1)
    there = {name for name in market.working() if name.startswith("T")}
    assert there == ({"T1", "T2", "T3"} if policy is Policy.RESPECT else {"T1", "T2", "T3", "T4"})
    resting = sum(left for name, (left, _) in market.working().items() if name.startswith("T"))
    assert resting == D(200)


def test_what_the_exchange_cancelled_for_its_own_reasons_is_put_back() -> None:
    market = at_rest(Policy.RESPECT)
    report(market, Role.TARGET, 4, state=OrderState.CANCELLED, reason="CancelByAdmin")
    assert market.facts(TargetSet) == []
    assert market.requests()


def test_a_report_from_around_our_own_change_is_no_word_of_somebody_elses() -> None:
    market = at_rest(Policy.RESPECT, seconds=1.0)
    report(market, Role.STOP, trigger_price=D("1.148"))
    assert market.trade.stop_price == D("1.15")
    assert "1.15" in "".join(market.requests())


def test_the_policy_is_a_word_of_the_plan() -> None:
    assert read(LINE).policy is Policy.RESTORE
    assert read(f"{LINE} policy respect").policy is Policy.RESPECT
    assert "you cancel stays away" in RESPECTED
