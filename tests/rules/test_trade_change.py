"""A person's change of an open trade: what is taken, what is refused and why. Figures are worked by hand.

A long holds 200 XRP at an average of 1.185 (237 USDT, 0.02 of fees), its stop at 1.15, targets from 1.21 on.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import BackstopStanding, FundingBooked
from actors.messages.exit_facts import StopLooseningAsked, TargetSet
from actors.messages.orders import Settlement
from actors.messages.trading import ChangeTrade, ExitReason, ExitStarted, StopPriceMoved
from actors.model.exit_rules import ExitRules, Offset, TrailingStop
from actors.model.order import OrderState
from actors.model.position import PositionSide
from actors.model.trade import Phase, Role
from actors.model.trade_change import ChangeKind, TradeChange
from actors.rules.exit_words import status_lines
from actors.rules.next_orders import wanted_rungs
from actors.rules.position_life import fold
from actors.rules.slices import farthest_stop
from actors.rules.trade_change import Change, Situation, again, judge, loosened
from actors.rules.trade_guard import Guarded, guard
from tests.rules.conftest import view_of
from tests.rules.test_exit_rules import Market, net_trade, running
from tests.rules.test_trade_life import FEES, XRP, opening

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
USUAL = ExitRules()
TRAILING = TrailingStop(activation=Offset(value=D(0), of_price=True), distance=Offset(value=D("0.005"), of_price=False))


def wish(kind: ChangeKind, price: str | None = None, place: int | None = None, **more: Any) -> ChangeTrade:
    change = TradeChange(kind=kind, price=None if price is None else D(price), place=place)
    return ChangeTrade(**{"command_id": "c1", "which": "1", "change": change, "by": "chat:17", **more})


def stop(price: str, **more: Any) -> ChangeTrade:
    return wish(ChangeKind.STOP, price, **more)


def situation(
    market: Market, last: str, *, backstop: str = "1.13", liquidation: str | None = "1.08", reaches: bool = False
) -> Situation:
    standing = BackstopStanding(
        backstop_price=D(backstop),
        liquidation_price=None if liquidation is None else D(liquidation),
        reaches=reaches,
    )
    return Situation(view=view_of(XRP, FEES, last), standing=standing, seen=market.seen, now=market.now)


def weigh(market: Market, wanted: ChangeTrade, last: str = "1.195", **more: Any) -> Change | str:
    return judge(market.trade, wanted, situation(market, last, **more))


def take(market: Market, wanted: ChangeTrade, last: str = "1.195", **more: Any) -> Change:
    verdict = weigh(market, wanted, last, **more)
    assert isinstance(verdict, Change), verdict
    market.take(verdict.fact)
    return verdict


def trigger(market: Market) -> Decimal | None:
    leg = market.trade.live_leg(Role.STOP)
    assert leg is not None
    return leg.trigger_price


# --- a stop, tighter ----------------------------------------------------------------------------------------------
def test_a_tighter_stop_is_amended_and_shows_what_is_lost_there() -> None:
    market = running(USUAL)
    taken = take(market, stop("1.16"))
    assert not taken.shown.loosens
    assert (taken.shown.before, taken.shown.price) == (D("1.15"), D("1.16"))
    assert taken.shown.lines == ("at 1.16 the trade loses 5.15 USDT with fees, at 1.15 it loses 7.15 USDT with fees",)
    (request,) = market.requests()
    assert request.startswith("amend S")
    assert "1.16" in request
    market.settle_all()
    assert trigger(market) == D("1.16")
    assert market.trade.asked_stop is None
    assert fold(market.journal) == market.trade


@pytest.mark.parametrize(
    ("side", "asked", "on_tick", "last"), [(LONG, "1.16003", "1.1601", "1.195"), (SHORT, "1.23007", "1.23", "1.205")]
)
def test_a_price_between_two_ticks_is_rounded_to_the_smaller_loss_and_said_so(
    side: PositionSide, asked: str, on_tick: str, last: str
) -> None:
    market = running(USUAL, side=side)
    taken = take(market, stop(asked), last, backstop="1.27" if side is SHORT else "1.13", liquidation=None)
    assert taken.shown.price == D(on_tick)
    assert taken.shown.lines[0] == f"{asked} lies between two ticks of 0.0001: taken as {on_tick}"


@pytest.mark.parametrize(
    ("side", "price", "last"), [(LONG, "1.195", "1.195"), (LONG, "1.2", "1.195"), (SHORT, "1.2", "1.205")]
)
def test_a_price_the_market_has_passed_is_refused_and_the_stop_stays(side: PositionSide, price: str, last: str) -> None:
    market = running(USUAL, side=side)
    refused = weigh(market, stop(price), last)
    assert isinstance(refused, str)
    assert f"the price is {last} and past {price} already: the stop stays at {market.trade.stop_price}" in refused
    word = "below" if side is LONG else "above"
    assert f"Write a stop {word} {last}, or close #1 to leave now" in refused


@pytest.mark.parametrize("placed_anew", [False, True], ids=["amended", "placed"])
def test_a_price_the_exchange_calls_passed_is_given_up_and_nothing_is_left(placed_anew: bool) -> None:
    market = running(USUAL)
    take(market, stop("1.19"))
    if placed_anew:  # somebody cancelled the old one at the same moment
        market.asked.clear()
        market.report(Role.STOP, OrderState.CANCELLED)
        assert "at 1.19" in market.requests()[0]
    market.settle(Settlement.TRIGGER_PASSED, code=110093)
    assert market.trade.stop_price == D("1.15")
    assert market.trade.phase is Phase.MONITORING
    assert market.facts(ExitStarted) == []
    assert market.told.count("stop_change_refused") == 1
    assert "invariant_violated" not in market.told
    if not placed_anew:
        market.report(Role.STOP, OrderState.UNTRIGGERED, read=True)
    market.wait(1)
    market.settle_all()
    assert trigger(market) == D("1.15")
    assert fold(market.journal) == market.trade


def test_a_rules_own_price_that_is_passed_still_leaves() -> None:
    market = running(USUAL)
    take(market, wish(ChangeKind.STOP, "1.16"))
    market.settle_all()
    market.fill(Role.TARGET, "170", index=1)  # the rule moves it to breakeven now
    market.settle(only="S", settlement=Settlement.TRIGGER_PASSED, code=110093)
    assert [fact.reason for fact in market.facts(ExitStarted)] == [ExitReason.TRIGGER_PASSED]


def test_another_change_waits_until_the_exchange_has_answered_the_last() -> None:
    market = running(USUAL)
    take(market, stop("1.16"))
    refused = weigh(market, stop("1.17", command_id="c2"))
    assert refused == "the stop is still on its way to 1.16, the exchange has not answered yet: ask again in a moment"


def test_what_was_shown_must_still_be_so() -> None:
    market = running(USUAL)
    refused = weigh(market, stop("1.16", seen_price=D("1.14")))
    assert isinstance(refused, str)
    assert refused.startswith("the stop was at 1.14 when you were asked and is at 1.15 now: nothing was changed")
    assert isinstance(weigh(market, stop("1.16", seen_price=D("1.15"))), Change)


def test_a_trade_that_leaves_is_changed_no_more() -> None:
    market = running(USUAL)
    market.take(ExitStarted(reason=ExitReason.PERSON, by="chat:17", started_at=market.now))
    assert weigh(market, stop("1.16")) == "#1 is leaving already: nothing of it can be changed any more"


def test_the_same_command_is_known_again() -> None:
    market = running(USUAL)
    take(market, stop("1.16"))
    assert market.trade.commands == ("c1",)
    assert fold(market.journal).commands == ("c1",)
    assert again(market.trade, stop("1.16")).price == D("1.16")


# --- a stop, farther out ------------------------------------------------------------------------------------------
def test_a_looser_stop_waits_for_the_backstop_and_shows_the_new_loss() -> None:
    market = running(USUAL)
    taken = take(market, stop("1.14"))
    assert taken.shown.loosens
    assert taken.shown.lines == (
        "at 1.14 the trade loses 9.15 USDT with fees, at 1.15 it loses 7.15 USDT with fees",
        "the backstop moves out to 1.13 first; until it is there, the stop stays at 1.15",
    )
    assert isinstance(taken.fact, StopLooseningAsked)
    assert market.requests() == []
    assert market.trade.stop_price == D("1.15")
    assert farthest_stop(market.trade) == D("1.14")  # which is what moves the backstop
    market.take(loosened(market.trade, None, market.now))
    assert market.trade.loosening is None
    market.settle_all()
    assert trigger(market) == D("1.14")
    _, guarded = guard(market.trade, (), Guarded(tightest_stop=D("1.15")))
    assert guarded.wrong == frozenset()  # a person may do what no rule may


def test_a_backstop_beyond_liquidation_is_refused_with_the_figures() -> None:
    refused = weigh(running(USUAL), stop("1.09"), backstop="1.0867", liquidation="1.0870")
    assert refused == (
        "a stop of 1.09 needs the backstop at 1.0867, and the position is liquidated at 1.087 before that: "
        "the stop stays at 1.15, write a nearer one"
    )


def test_a_rule_that_tightens_meanwhile_overtakes_the_wish_and_says_so() -> None:
    market = running(USUAL)
    take(market, stop("1.14"))
    market.fill(Role.TARGET, "170", index=1)
    assert market.trade.loosening is None
    assert market.trade.stop_price > D("1.185")
    assert market.told.count("stop_change_overtaken") == 1


def test_before_the_first_fill_the_stop_stays_on_its_side_of_the_entries() -> None:
    market = Market.of(opening())
    assert isinstance(market, Market)
    market.settle_all()
    refused = weigh(market, stop("1.18"), "1.195", liquidation=None)
    assert isinstance(refused, str)
    assert "entry 2 at 1.18 would fill past a stop of 1.18: write one below it. The stop stays at 1.15" in refused
    taken = take(market, stop("1.16"), "1.195", liquidation=None)
    # 237 - 0.0474 of maker's fees; at 1.16: 232 - 237 - 0.0474 - 0.1276 = -5.175
    assert taken.shown.lines[0].startswith("at 1.16 the trade loses 5.18 USDT with fees")
    assert market.trade.asked_stop is None  # there is none at the exchange that could be refused
    market.fill(Role.ENTRY, "100", index=1)
    assert "at 1.16" in "".join(market.requests())


# --- rules from there on ------------------------------------------------------------------------------------------
def test_a_trailing_stop_that_a_person_loosened_goes_on_with_the_next_better_price() -> None:
    market = running(ExitRules(trailing=TRAILING))
    market.see("1.2000")
    market.settle_all()
    assert trigger(market) == D("1.1950")
    take(market, stop("1.16"), "1.2", backstop="1.15")
    market.take(loosened(market.trade, market.seen, market.now))
    market.settle_all()
    market.see("1.1990")
    market.see("1.2000")
    assert market.trade.stop_price == D("1.16")
    market.see("1.2010")
    assert market.trade.stop_price == D("1.1960")


def test_steps_that_are_over_do_not_undo_what_a_person_set() -> None:
    market = running(ExitRules(follow_after=2))
    market.fill(Role.TARGET, "170", index=1)
    market.settle_all()
    market.fill(Role.TARGET, "10", index=2)
    market.settle_all()
    assert market.trade.stop_price == D("1.21")
    take(market, stop("1.2"), "1.225", backstop="1.19")
    market.take(loosened(market.trade, None, market.now))
    market.settle_all()
    market.take(FundingBooked(execution_id="f1", paid_usdt=D("0.05"), executed_at=market.now))
    assert market.trade.stop_price == D("1.2")
    market.fill(Role.TARGET, "10", index=3)
    assert market.trade.stop_price == D("1.22")


def test_a_net_targets_stop_stays_where_a_person_put_it() -> None:
    market = net_trade()
    before = market.trade.stop_price
    take(market, stop("0.99"), "1.0005", backstop="0.98", liquidation="0.9")
    market.take(loosened(market.trade, None, market.now))
    market.settle_all()
    market.wait(5)
    assert market.trade.stop_price == D("0.99") < before


# --- breakeven ----------------------------------------------------------------------------------------------------
def test_breakeven_is_worked_out_and_kept_at_funding() -> None:
    # (237 + 0.02 + 237 * 0.0002) / (200 * 0.99945) = 1.18598929, up to 1.1860
    market = running(ExitRules(breakeven_after=None))
    taken = take(market, wish(ChangeKind.BREAKEVEN), "1.19")
    assert taken.shown.price == D("1.1860")
    assert "entry fees on it 0.0200 USDT" in taken.shown.lines
    market.settle_all()
    market.take(FundingBooked(execution_id="f1", paid_usdt=D("0.05"), executed_at=market.now))
    assert market.trade.stop_price == D("1.1863")  # 0.05 / 199.89 = 0.00025 more: 1.18623943


def test_breakeven_that_the_price_has_not_passed_is_refused_with_the_sum() -> None:
    refused = weigh(running(USUAL), wish(ChangeKind.BREAKEVEN), "1.1860")
    assert isinstance(refused, str)
    first, *lines = refused.split("\n")
    assert first == "breakeven is at 1.186 and the price at 1.186 has not got past it: the stop stays at 1.15. The sum:"
    assert "taker fee to leave (0.055%) 0.1305 USDT" in lines


def test_breakeven_without_a_fill_or_behind_the_stop_is_refused() -> None:
    market = Market.of(opening())
    assert isinstance(market, Market)
    refused = weigh(market, wish(ChangeKind.BREAKEVEN))
    assert refused == "nothing of #1 is open, so there are no costs to be paid back yet"
    market = running(USUAL)
    take(market, stop("1.19"))
    market.settle_all()
    refused = weigh(market, wish(ChangeKind.BREAKEVEN))
    assert isinstance(refused, str)
    assert refused.startswith("the stop at 1.19 is at breakeven or tighter already (1.186):")


# --- targets ------------------------------------------------------------------------------------------------------
def test_a_target_moves_by_one_amend() -> None:
    market = running(USUAL)
    taken = take(market, wish(ChangeKind.TARGET, "1.2250", 2))
    assert taken.shown.lines == ("for 10 XRP now",)
    assert len(market.requests()) == 1
    market.settle_all()
    leg = market.trade.live_leg(Role.TARGET, 2)
    assert leg is not None
    assert leg.price == D("1.2250")
    assert market.told.count("target_changed") == 1


def test_a_target_that_is_taken_away_leaves_its_share_to_the_others() -> None:
    market = running(USUAL)
    take(market, wish(ChangeKind.NO_TARGET, None, 1))
    while market.asked:
        market.settle()
        market.wait(1)
    assert sum(wanted_rungs(market.trade)) == D(200)
    assert market.trade.live_leg(Role.TARGET, 1) is None
    resting = {name: left for name, (left, _) in market.working().items() if name.startswith("T")}
    assert sum(resting.values()) == D(200)
    assert set(resting) == {"T2", "T3", "T4"}
    refused = weigh(market, wish(ChangeKind.TARGET, "1.215", 1, command_id="c2"))
    assert refused == "target 1 was taken away: it does not come back"


@pytest.mark.parametrize(
    ("place", "price", "words"),
    [
        (5, "1.3", "#1 has no target 5: write one from 1 to 4"),
        (2, "1.22", "target 2 is at 1.22 already: nothing to change"),
        (2, "1.23", "target 2 at 1.23 would reach or cross target 3 at 1.23: it stays at 1.22"),
        (2, "1.2", "target 2 at 1.2 would reach or cross target 1 at 1.21: it stays at 1.22"),
        (1, "1.19", "the price is 1.195 and past 1.19 already, so it would fill at once: it stays at 1.21;"),
    ],
)
def test_a_target_where_it_cannot_be_is_refused(place: int, price: str, words: str) -> None:
    refused = weigh(running(USUAL), wish(ChangeKind.TARGET, price, place))
    assert isinstance(refused, str)
    assert refused.startswith(words)


def test_a_filled_target_the_last_one_and_a_net_target_are_not_changed() -> None:
    market = running(USUAL)
    market.fill(Role.TARGET, "170", index=1)
    market.settle_all()
    assert weigh(market, wish(ChangeKind.TARGET, "1.215", 1)) == "target 1 is filled already"
    for place in (2, 3):
        take(market, wish(ChangeKind.NO_TARGET, None, place, command_id=f"c{place}"))
        market.settle_all()
    assert weigh(market, wish(ChangeKind.NO_TARGET, None, 4)) == "target 4 is the only one left: move it, or close #1"
    refused = weigh(net_trade(), wish(ChangeKind.TARGET, "1.1", 1), "1.0005")
    assert isinstance(refused, str)
    assert refused.startswith("a net target is worked out from what is held")


def test_status_says_what_is_on_its_way_and_what_is_gone() -> None:
    market = running(USUAL)
    take(market, wish(ChangeKind.NO_TARGET, None, 4))
    take(market, stop("1.14", command_id="c2"))
    lines = ("the stop goes out to 1.14 once the backstop reaches beyond that", "taken away: target 4")
    assert status_lines(market.trade, None, market.now) == lines
    take(market, stop("1.16", command_id="c3"))
    assert status_lines(market.trade, None, market.now)[0] == "the stop is on its way to 1.16"


def test_facts_of_changes_survive_the_journal() -> None:
    market = running(replace(USUAL, net=None))
    take(market, wish(ChangeKind.TARGET, "1.2250", 2))
    take(market, stop("1.14", command_id="c2"))
    assert [type(fact) for fact in market.journal if isinstance(fact, TargetSet | StopLooseningAsked)]
    assert fold(market.journal) == market.trade
    assert isinstance(loosened(market.trade, None, market.now), StopPriceMoved)
