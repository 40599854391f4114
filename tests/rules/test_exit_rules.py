"""Exit rules at work: one situation, one price or moment, what follows. Figures are worked by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import ReductionBooked
from actors.messages.exit_facts import EntriesExpired, FloorArmed
from actors.messages.orders import Settlement
from actors.messages.trading import ExitReason, ExitStarted, StopPriceMoved, TradeClosed, TradeOpened
from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.instrument import FeeRates
from actors.model.money import ONE
from actors.model.order import OrderState
from actors.model.position import PositionSide
from actors.model.trade import Phase, Role, Trade
from actors.model.trade_plan import Approach, PlannedRung
from actors.rules.decision import Decision, decide
from actors.rules.exit_turns import wants_prices
from actors.rules.exit_words import status_lines
from actors.rules.next_orders import Asker
from actors.rules.position_life import fold, opened
from actors.rules.price_seen import SeenPrice, better
from actors.rules.trade_guard import Guarded, guard
from tests.rules.test_trade_life import Stage, opening

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
RATES = FeeRates(maker=D("0.0004"), taker=D("0.0004"))


@dataclass
class Market(Stage):
    """A stage with a market that the trade's monitor hears."""

    seen: SeenPrice | None = None

    def take(self, fact: Any) -> Decision:
        self.now += timedelta(milliseconds=50)
        decision = decide(self.trade, fact, Asker(installation="QK2C", epoch=3, now=self.now, price=self.seen))
        self.trade = decision.trade
        self.journal += decision.facts
        self.asked += decision.requests
        self.told += [alert.kind for alert in decision.alerts]
        self.last = decision
        return decision

    def see(self, price: str, *, age: float = 0.0, after: float = 5.0) -> Decision:
        """Let some time pass, and tell a price."""
        self.now += timedelta(seconds=after)
        best = self.seen.best if self.seen is not None else None
        best = better(self.trade.side, D(price), best) if self.trade.open_quantity else None
        self.seen = SeenPrice(price=D(price), best=best, age_seconds=age)
        return self.take(None)

    def wait(self, seconds: float) -> Decision:
        self.now += timedelta(seconds=seconds)
        return self.take(None)

    def facts(self, kind: type) -> list[Any]:
        return [fact for fact in self.journal if isinstance(fact, kind)]

    def restarted(self) -> Trade:
        """What a fresh monitor knows."""
        return fold(self.journal)


def with_exits(exits: ExitRules, **more: Any) -> TradeOpened:
    fact = opening(**more)
    return replace(fact, sized=replace(fact.sized, plan=replace(fact.sized.plan, exits=exits)))


def running(exits: ExitRules, **more: Any) -> Market:
    """200 XRP at an average of 1.185 (long) or 1.215 (short), stop 0.05 from 1.20, rungs each 0.01 from 1.20 on."""
    market = Market.of(with_exits(exits, **more))
    assert isinstance(market, Market)
    market.settle_all()
    for index in (1, 2):
        market.fill(Role.ENTRY, "100", index=index)
        market.settle_all()
    return market


def net_opening(side: PositionSide, net: NetTarget, *, quantity: str = "10000") -> TradeOpened:
    """One market entry of 10,000 XRP around 1.0000, fees of 0.04 % each way; planned 1.0019 and 0.9998."""
    fact = opening(side=side, entries=(quantity,))
    sign = side.sign
    plan = replace(
        fact.sized.plan,
        approach=Approach.NET_TARGET,
        entries=(replace(fact.sized.plan.entries[0], price=None),),
        rungs=(PlannedRung(price=ONE + sign * D("0.0019"), fraction=ONE),),
        stop_price=ONE - sign * D("0.0002"),
        exits=ExitRules(net=net),
    )
    sized = replace(
        fact.sized,
        plan=plan,
        entries=(replace(fact.sized.entries[0], price=None),),
        rung_quantities=(D(quantity),),
    )
    return replace(fact, sized=sized, fees=RATES, backstop_price=ONE - sign * D("0.0035"))


def net_trade(side: PositionSide = LONG, *, floor: str | None = "7", price: str = "1", fee: str = "4") -> Market:
    """Enter 10,000 XRP at 1.0000 for 4 USDT of fees."""
    net = NetTarget(floor_usdt=None if floor is None else D(floor))
    market = Market.of(net_opening(side, net))
    assert isinstance(market, Market)
    market.settle_all()
    market.fill(Role.ENTRY, "10000", price, fee=fee)
    market.settle_all()
    return market


# --- net target: prices -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("side", "stop", "target"),
    [
        # -10: 10,000 P - 10,000 - 4 - 4 P = -10 at 9,994 / 9,996 = 0.99979992, up to 0.9998; +10: see test_net_target
        (LONG, "0.9998", "1.0019"),
        # -10: 10,000 - 10,000 P - 4 - 4 P = -10 at 10,006 / 10,004 = 1.00019992, down to 1.0001
        (SHORT, "1.0001", "0.9982"),
    ],
)
def test_stop_and_target_rest_where_the_fill_nets_the_amounts(side: PositionSide, stop: str, target: str) -> None:
    market = net_trade(side)
    assert market.working() == {"S1": (D(10000), D(stop)), "T1": (D(10000), D(target))}


def test_the_fee_that_was_really_paid_counts() -> None:
    # Entered as a maker for 2: 10,012 / 9,996 = 1.00160064, up to 1.0017
    assert net_trade(fee="2").working()["T1"][1] == D("1.0017")


def test_a_part_rests_at_its_own_target_and_at_the_stop_of_the_whole() -> None:
    market = Market.of(net_opening(LONG, NetTarget()))
    market.settle_all()
    market.fill(Role.ENTRY, "5000", "1", fee="2")
    market.settle_all()
    # 5,000 net 10 at 5,012 / 4,998 = 1.00280112; the stop is that of 10,000 already
    assert market.working()["T1"] == (D(5000), D("1.0029"))
    assert market.working()["S1"] == (D(5000), D("0.9998"))
    market.fill(Role.ENTRY, "5000", "1", fee="2")
    assert "amend T1 quantity 10000.0 price 1.0019" in market.requests()
    market.settle_all()
    assert market.working() == {"S1": (D(10000), D("0.9998")), "T1": (D(10000), D("1.0019"))}


def test_the_target_of_a_tiny_part_waits_for_more() -> None:
    market = Market.of(net_opening(LONG, NetTarget()))
    market.settle_all()
    market.fill(Role.ENTRY, "100", "1", fee="0.04")  # 10 net on 100 XRP would lie at 1.1, a tenth away
    market.settle_all()
    assert set(market.working()) == {"E1", "S1"}


def test_the_planned_target_never_rests_before_it_nets_the_amount() -> None:
    market = Market.of(net_opening(LONG, NetTarget()))
    market.settle_all()
    market.fill(Role.ENTRY, "100", "1", fee="0.04")
    market.settle_all()
    market.report(Role.ENTRY, OrderState.CANCELLED, filled="100")
    assert "place T1 sell 100.0 at 1.1009" in market.requests()  # (100 + 0.04 + 10) / 99.96 = 1.10084034


def test_the_first_place_of_the_stop_follows_the_fill_and_the_backstop_stays_behind_it() -> None:
    better_fill = net_trade(price="0.999", fee="3.996")
    # (9,990 + 3.996 - 10) / 9,996 = 0.99879912, up: farther out than planned, as far from the entry as meant
    assert better_fill.working()["S1"][1] == D("0.9988")
    far = net_trade(price="0.99", fee="3.96")
    assert far.working()["S1"][1] == D("0.9966")  # one tick inside the backstop at 0.9965: it loses less


def test_the_stop_of_a_net_target_is_never_loosened_once_asked_for() -> None:
    market = Market.of(net_opening(LONG, NetTarget()))
    market.settle_all()
    market.fill(Role.ENTRY, "5000", "1", fee="2")
    market.settle_all()
    stop = market.working()["S1"][1]
    market.report(Role.ENTRY, OrderState.CANCELLED, filled="5000")  # half of it loses 10 farther out
    market.settle_all()
    assert market.working()["S1"] == (D(5000), stop)


def test_a_target_that_fills_in_part_stays_in_its_queue() -> None:
    market = net_trade()
    market.fill(Role.TARGET, "4000", fee="1.603")  # its fee: 4,000 at 1.0019
    assert market.requests() == ["amend S quantity 6000"]
    market.settle_all()
    assert market.working()["T1"] == (D(6000), D("1.0019"))


def test_what_was_lost_outside_moves_the_target_on_so_that_the_whole_nets_the_amount() -> None:
    market = net_trade()
    lost = ReductionBooked(
        execution_id="r1",
        quantity=D(5000),
        price=D("0.9999"),
        fee_usdt=D("1.99980"),
        cause="manual",
        executed_at=market.now,
    )
    market.take(lost)
    market.settle_all()
    # 5,000 gone for -0.5 - 2 - 1.9998; 5,000 P - 5,000 - 2 - 2 P = 14.4998 at 5,016.4998 / 4,998 = 1.00370144
    assert market.working()["T1"] == (D(5000), D("1.0038"))
    assert market.working()["S1"] == (D(5000), D("0.9998"))  # 10 would be lost at 0.9997 now: never loosened


# --- net target: the floor ------------------------------------------------------------------------------------------
def test_the_floor_arms_when_leaving_would_net_more_and_is_left_when_it_is_met() -> None:
    market = net_trade()
    # Net of leaving at P: 9,996 P - 10,004; 7 is met at 10,011 / 9,996 = 1.00150060
    assert market.see("1.0015").facts == ()  # 6.994
    armed = market.see("1.0016").facts
    assert [type(fact) for fact in armed] == [FloorArmed]
    assert armed[0].net_usdt == D("7.9936")
    assert "floor_armed" in market.told
    assert market.see("1.0017").facts == ()
    left = market.see("1.0015")
    assert isinstance(left.facts[0], ExitStarted)
    assert left.facts[0].reason is ExitReason.FLOOR
    assert market.requests() == ["cancel T1"]  # the stop stands until nothing is open, the close waits for the rung


def test_leaving_at_the_floor_is_one_exit_and_its_slippage_is_told_apart() -> None:
    market = net_trade()
    market.see("1.0016")
    market.see("1.0014")
    market.settle()
    assert market.requests() == ["place X sell 10000 at market"]
    market.settle()
    market.fill(Role.EXIT, "10000", "1.0012", fee="4.0048")
    assert market.requests() == ["cancel S"]
    market.settle()
    market.verify()
    closed = market.facts(TradeClosed)[0]
    assert closed.reason is ExitReason.FLOOR
    assert closed.realised_pnl_usdt == D("3.9952")  # 12 - 4 - 4.0048
    assert closed.slippage_usdt.quantize(D("0.0001")) == D("3.0060")  # (1.00150060 - 1.0012) * 10,000
    assert market.last is not None
    assert any(
        "inside it, lost by slippage past the trigger: 3.01 USDT" in line for line in market.last.alerts[0].lines
    )


def test_a_target_that_fills_while_it_is_being_left_is_the_only_exit() -> None:
    market = net_trade()
    market.see("1.0016")
    market.see("1.0014")
    market.fill(Role.TARGET, "10000", fee="4")  # before its cancel arrived
    market.settle(Settlement.GONE, only="cancel T1")
    market.report(Role.TARGET, OrderState.FILLED, filled="10000")
    assert not market.trade.of(Role.EXIT)
    assert market.requests() == ["cancel S"]


def test_a_stale_price_arms_nothing_and_leaves_nothing() -> None:
    market = net_trade()
    assert market.see("1.0016", age=31).facts == ()
    market.see("1.0016")
    assert market.trade.floor_armed
    assert market.see("1.0001", age=31).facts == ()
    assert market.trade.phase is not Phase.CLOSING


def test_without_a_floor_only_target_and_stop_leave() -> None:
    market = net_trade(floor=None)
    market.see("1.0018")
    assert market.see("1.0001").facts == ()
    assert not wants_prices(market.trade)


def test_a_fresh_monitor_knows_that_the_floor_is_armed() -> None:
    market = net_trade()
    market.see("1.0016")
    assert market.restarted() == market.trade
    market.trade = market.restarted()
    market.seen = None
    assert isinstance(market.see("1.0014").facts[0], ExitStarted)


def test_what_slips_past_the_stop_is_told_apart() -> None:
    market = net_trade()
    market.fill(Role.STOP, "10000", "0.9991", fee="3.9964")
    market.verify()
    market.settle_all()
    market.verify()
    closed = market.facts(TradeClosed)[0]
    assert closed.slippage_usdt == D(7)  # (0.9998 - 0.9991) * 10,000
    assert closed.realised_pnl_usdt == D("-16.9964")  # what was meant and what slipped: -9 - 4 - 3.9964


def test_the_status_says_where_target_floor_and_stop_stand() -> None:
    market = net_trade()
    market.see("1.0016")
    assert status_lines(market.trade, market.seen, market.now) == (
        "net -10.00 USDT at the stop's trigger, 10.99 USDT at the target",
        "floor 7.00 USDT at 1.0016: armed, net now 7.99 USDT",
    )


# --- steps --------------------------------------------------------------------------------------------------------
def fill_rung(market: Market, index: int) -> None:
    leg = market.trade.live_leg(Role.TARGET, index)
    assert leg is not None
    market.fill(Role.TARGET, str(leg.quantity - leg.filled_quantity), index=index)
    market.settle_all()


@pytest.mark.parametrize("after", [1, 2, None])
def test_the_stop_goes_to_breakeven_after_the_plan_s_rung(after: int | None) -> None:
    market = running(ExitRules(breakeven_after=after))
    reached = []
    for index in (1, 2, 3):
        fill_rung(market, index)
        reached.append(market.trade.moved_to_breakeven)
    assert reached == [after == 1, after in {1, 2}, after in {1, 2}]


@pytest.mark.parametrize(("side", "first", "second"), [(LONG, "1.21", "1.22"), (SHORT, "1.19", "1.18")])
def test_the_stop_follows_to_the_rung_before_the_one_that_filled(side: PositionSide, first: str, second: str) -> None:
    market = running(ExitRules(follow_after=2), side=side)
    fill_rung(market, 1)
    assert market.facts(StopPriceMoved)[-1].reason == "breakeven"
    fill_rung(market, 2)
    assert market.working()["S1"][1] == D(first)
    fill_rung(market, 3)
    assert market.working()["S1"][1] == D(second)
    assert market.trade.stop_moved_by == "rung"


def test_steps_begin_with_the_plan_s_rung() -> None:
    market = running(ExitRules(breakeven_after=None, follow_after=3))
    fill_rung(market, 1)
    fill_rung(market, 2)
    assert market.trade.stop_price == D("1.15")
    fill_rung(market, 3)
    assert market.trade.stop_price == D("1.22")


# --- trailing -----------------------------------------------------------------------------------------------------
def trailing(activation: str = "0.01", distance: str = "0.01", *, of_price: bool = False) -> ExitRules:
    rule = TrailingStop(
        activation=Offset(value=D(activation), of_price=of_price), distance=Offset(value=D(distance), of_price=of_price)
    )
    return ExitRules(trailing=rule)


@pytest.mark.parametrize(
    ("side", "short_of_it", "active", "stop"),
    [(LONG, "1.1949", "1.1950", "1.1850"), (SHORT, "1.2051", "1.2050", "1.2150")],
)
def test_trailing_begins_at_its_activation(side: PositionSide, short_of_it: str, active: str, stop: str) -> None:
    market = running(trailing(), side=side)
    assert market.see(short_of_it).facts == ()
    market.see(active)
    assert market.requests() == [f"amend S trigger {stop}"]
    market.settle_all()
    assert "stop_moved" in market.told


def test_distances_may_be_fractions_of_the_price() -> None:
    market = running(trailing("0.01", "0.005", of_price=True))
    assert market.see("1.1968").facts == ()  # a hundredth of 1.185 beyond it is 1.19685
    market.see("1.1969")
    assert market.trade.stop_price == D("1.1909")  # 1.1969 * 0.995 = 1.1909155, down


def test_the_stop_trails_in_steps_and_never_back() -> None:
    market = running(trailing())
    stops = []
    for price in ("1.2000", "1.2005", "1.2010", "1.1950", "1.2019", "1.2020"):
        market.see(price)
        market.settle_all()
        stops.append(market.trade.stop_price)
    # A step is a tenth of the distance, 0.0010.
    assert stops == [D(text) for text in ("1.1900", "1.1900", "1.1910", "1.1910", "1.1910", "1.1920")]


def test_the_stop_trails_at_most_every_two_seconds_and_then_to_the_best_price() -> None:
    market = running(trailing())
    market.see("1.2000")
    market.settle_all()
    decision = market.see("1.2040", after=0.5)
    assert decision.facts == ()
    assert decision.wake_after_seconds == pytest.approx(1.3, abs=0.2)
    market.see("1.2010", after=0.5)
    market.wait(1.2)
    assert market.trade.stop_price == D("1.1940")


def test_many_steps_make_little_news() -> None:
    market = running(trailing())
    for at in range(10):
        market.see(str(D("1.2000") + at * D("0.0010")))
        market.settle_all()
    assert len(market.facts(StopPriceMoved)) == 10
    assert market.told.count("stop_moved") == 1
    market.see("1.2200", after=1800)
    market.settle_all()
    assert market.told.count("stop_moved") == 2


def test_a_stale_price_trails_nothing() -> None:
    market = running(trailing())
    assert market.see("1.2100", age=31).facts == ()


def test_a_fresh_monitor_goes_on_from_the_best_price_journalled() -> None:
    market = running(trailing())
    market.see("1.2100")
    market.settle_all()
    market.trade, market.seen = market.restarted(), None
    assert market.trade.best_price == D("1.2100")
    assert market.see("1.2000").facts == ()
    assert market.trade.stop_price == D("1.2000")
    assert market.see("1.2111").facts != ()


def test_breakeven_does_not_pull_a_trailing_stop_back() -> None:
    market = running(trailing())
    market.see("1.2099")
    market.settle_all()
    fill_rung(market, 1)
    assert market.trade.stop_price == D("1.1999")
    assert market.trade.moved_to_breakeven


def test_a_wide_trail_does_not_loosen_a_stop_at_breakeven() -> None:
    market = running(trailing("0", "0.03"))
    market.see("1.1900")
    market.settle_all()
    fill_rung(market, 1)
    at_breakeven = market.trade.stop_price
    assert at_breakeven > D("1.185")
    assert market.see("1.2100").facts == ()  # it would trail at 1.1800
    assert market.trade.stop_price == at_breakeven


# --- time ---------------------------------------------------------------------------------------------------------
def test_a_trade_is_left_when_its_time_since_the_first_fill_is_over() -> None:
    market = Market.of(with_exits(ExitRules(leave_after_seconds=3600)))
    market.settle_all()
    market.wait(5000)
    assert market.trade.phase is Phase.BUILDING
    market.fill(Role.ENTRY, "100")
    market.settle_all()
    decision = market.wait(3000)
    assert decision.wake_after_seconds == pytest.approx(600, abs=1)
    market.wait(601)
    assert market.trade.exit_reason == "time"
    assert market.requests()[0] == "cancel E2"


# --- expiry -------------------------------------------------------------------------------------------------------
def test_unfilled_entries_are_cancelled_when_their_time_is_over_and_the_trade_ends() -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_after_seconds=1800)))
    market.settle_all()
    market.wait(1799)
    assert market.requests() == []
    market.wait(1)
    assert market.requests() == ["cancel E1", "cancel E2"]
    market.settle()
    assert market.trade.exit_reason == "no_entry"
    assert market.last is not None
    assert any("their time was over" in alert.title for alert in market.last.alerts)


def test_what_has_filled_by_then_is_kept_with_its_stop() -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_after_seconds=1800)))
    market.settle_all()
    market.fill(Role.ENTRY, "40")
    market.settle_all()
    market.wait(1801)
    market.settle_all()
    assert market.trade.phase is Phase.MONITORING
    assert market.working()["S1"] == (D(40), D("1.15"))


@pytest.mark.parametrize(
    ("side", "price", "reason"),
    [(LONG, "1.21", "target"), (LONG, "1.15", "stop"), (SHORT, "1.19", "target"), (SHORT, "1.25", "stop")],
)
def test_entries_end_when_target_or_stop_is_touched_before_the_first_fill(
    side: PositionSide, price: str, reason: str
) -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_on_touch=True), side=side))
    market.settle_all()
    inside = str((D(price) + D("1.20")) / 2)
    assert market.see(inside).facts == ()
    assert market.see(price, age=31).facts == ()
    fact = market.see(price).facts[0]
    assert isinstance(fact, EntriesExpired)
    assert (fact.reason, fact.price) == (reason, D(price))
    market.settle()
    assert market.trade.exit_reason == "no_entry"


def test_after_the_first_fill_a_touch_ends_nothing() -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_on_touch=True)))
    market.settle_all()
    market.fill(Role.ENTRY, "100")
    market.settle_all()
    assert not wants_prices(market.trade)
    assert market.see("1.2100").facts == ()
    assert market.trade.live_leg(Role.ENTRY, 2) is not None


def test_a_fill_that_came_before_the_cancel_is_a_trade_like_any_other() -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_on_touch=True)))
    market.settle_all()
    market.see("1.21")
    market.fill(Role.ENTRY, "100")
    assert "place S sell 100 at 1.15" in market.requests()
    market.settle_all()
    assert market.trade.phase in {Phase.BUILDING, Phase.MONITORING}


def test_expired_entries_are_not_built_anew() -> None:
    market = Market.of(with_exits(ExitRules(entries_expire_after_seconds=60)))
    market.settle_all()
    market.fill(Role.ENTRY, "100")
    market.settle_all()
    market.wait(60)
    market.asked.clear()
    market.report(Role.ENTRY, OrderState.CANCELLED, index=2)
    assert not [line for line in market.requests() if " E2 " in line]


# --- prices are only for who needs them ---------------------------------------------------------------------------
def test_only_trades_that_could_act_want_prices() -> None:
    assert not wants_prices(running(ExitRules()).trade)
    assert not wants_prices(running(ExitRules(follow_after=2, leave_after_seconds=60)).trade)
    assert wants_prices(running(trailing()).trade)
    assert wants_prices(net_trade().trade)
    waiting = opened(with_exits(ExitRules(entries_expire_on_touch=True)))
    assert wants_prices(waiting)
    assert not wants_prices(opened(with_exits(trailing())))  # nothing is held yet
    left = net_trade()
    left.take(ExitStarted(reason=ExitReason.PERSON, by="test", started_at=left.now))
    assert not wants_prices(left.trade)


def test_the_guard_sees_a_stop_that_was_loosened_by_a_rule() -> None:
    market = running(trailing())
    market.see("1.2100")
    _, kept = guard(market.trade, (), Guarded())
    wrong, _ = guard(replace(market.trade, stop_price=D("1.16")), (), kept)
    assert [each.invariant for each in wrong] == ["I4"]
