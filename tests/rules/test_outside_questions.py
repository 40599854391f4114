"""Policy ask: what somebody changes at the exchange is asked about, and a stop is there until the answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import BackstopStanding
from actors.messages.exit_facts import OutsideChangeAnswered, OutsideChangeAsked, StopWithdrawn, TargetSet
from actors.messages.trading import ChangeTrade, StopPriceMoved
from actors.model.order import OrderState
from actors.model.outside import OutsideKind
from actors.model.position import PositionSide
from actors.model.trade import LegState, Role
from actors.model.trade_change import ChangeKind, TradeChange
from actors.model.trade_plan import Policy
from actors.rules import outside_answers
from actors.rules.position_life import fold
from actors.rules.trade_change import Change, Situation
from actors.rules.trade_reading import reading_of
from actors.rules.trade_screens import status, status_table
from tests.rules.conftest import NOON, instrument, view_of
from tests.rules.test_exit_rules import Market
from tests.rules.test_outside_changes import at_rest, report

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
GONE = {"state": OrderState.CANCELLED, "reason": "CancelByUser"}
BOTH = pytest.mark.parametrize("policy", [Policy.RESPECT, Policy.ASK])


def wish(kind: ChangeKind, **more: Any) -> ChangeTrade:
    change = TradeChange(kind=kind, price=more.pop("price", None), place=more.pop("place", None))
    return ChangeTrade(**{"command_id": "c9", "which": "1", "change": change, "by": "chat:17", **more})


def judged(market: Market, wanted: ChangeTrade, last: str = "1.2") -> Change | str:
    view = view_of(instrument("XRPUSDT", "0.0001", "0.1"), market.trade.fees, last)
    standing = BackstopStanding(backstop_price=market.trade.backstop_price, liquidation_price=None, reaches=True)
    at = Situation(view=view, standing=standing, seen=None, now=market.now)
    return outside_answers.judge(market.trade, wanted, at)


def answer(market: Market, kind: ChangeKind, **more: Any) -> Change:
    """Have a wish judged and take what it brings."""
    change = judged(market, wish(kind, **more))
    assert isinstance(change, Change), change
    market.take(change.fact)
    return change


def stop_price(market: Market) -> Decimal | None:
    stop = market.trade.live_leg(Role.STOP)
    return None if stop is None else stop.trigger_price


@pytest.mark.parametrize(("side", "moved"), [(LONG, "1.16"), (LONG, "1.148"), (SHORT, "1.24")])
def test_a_moved_stop_stays_there_while_it_is_asked_about(side: PositionSide, moved: str) -> None:
    market = at_rest(Policy.ASK, side)
    belongs = market.trade.stop_price
    report(market, Role.STOP, trigger_price=D(moved))
    assert market.requests() == []
    assert (market.trade.stop_price, stop_price(market)) == (belongs, D(moved))
    assert market.told.count("outside_change_asked") == 1
    (question,) = market.trade.questions
    assert (question.kind, question.price, question.before) == (OutsideKind.STOP_MOVED, D(moved), belongs)
    assert fold(market.journal) == market.trade


def test_a_stop_that_is_kept_is_the_trades_own() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    change = answer(market, ChangeKind.KEEP)
    assert isinstance(change.fact, StopPriceMoved)
    assert (change.shown.before, change.shown.price, change.shown.loosens) == (D("1.15"), D("1.16"), False)
    assert (market.trade.stop_price, market.trade.questions, market.requests()) == (D("1.16"), (), [])
    assert market.trade.commands == ("c9",)


@pytest.mark.parametrize("how", ["restore", "no answer"])
def test_restored_or_unanswered_it_goes_back(how: str) -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    if how == "restore":
        assert isinstance(answer(market, ChangeKind.RESTORE).fact, OutsideChangeAnswered)
    else:
        market.wait(299)
        market.take(None)
        assert market.requests() == []
        market.wait(2)
        market.take(None)
    assert "1.15" in "".join(market.requests())
    assert market.trade.questions == ()
    assert market.told.count("outside_change_restored") == 1


@BOTH
def test_a_cancelled_stop_is_placed_again_and_asked_about(policy: Policy) -> None:
    market = at_rest(policy)
    report(market, Role.STOP, **GONE)
    stop = market.trade.live_leg(Role.STOP)
    assert stop is not None
    assert (stop.revision, stop.trigger_price, stop.state) == (1, D("1.15"), LegState.REQUESTED)
    (question,) = market.trade.questions
    assert question.kind is OutsideKind.STOP_GONE
    market.wait(301)
    market.take(None)
    assert market.trade.questions == ()
    assert market.trade.live_leg(Role.STOP) is not None


@BOTH
def test_it_runs_without_a_stop_only_once_a_person_has_confirmed_it(policy: Policy) -> None:
    """200 XRP held at 1.185: at the backstop 1.1465 they lose 7.70 and the fees."""
    market = at_rest(policy)
    report(market, Role.STOP, **GONE)
    market.settle_all()
    change = answer(market, ChangeKind.KEEP)
    assert isinstance(change.fact, StopWithdrawn)
    assert (change.shown.loosens, change.shown.price) == (True, None)
    assert "UNPROTECTED" in change.shown.lines[0]
    assert "1.1465" in change.shown.lines[1]
    assert [name for name in market.requests() if "cancel" in name]
    market.settle_all()
    assert market.trade.live_leg(Role.STOP) is None
    market.wait(600)
    market.take(None)
    assert market.requests() == []
    assert market.told.count("stop_withdrawn") == 1
    assert fold(market.journal) == market.trade


def test_what_runs_without_a_stop_is_called_unprotected_wherever_it_is_shown() -> None:
    market = at_rest(Policy.ASK)
    answer(market, ChangeKind.NO_STOP)
    reading = reading_of(market.trade, note="")
    assert reading.unprotected.startswith("UNPROTECTED: no stop of its own since ")
    shown = status((reading,), {}, now=NOON)
    assert shown.title.startswith("UNPROTECTED: #")
    assert reading.unprotected in shown.lines
    table = status_table((reading,), {}, now=NOON)
    assert any("UNPROTECTED" in line for line in table.lines)
    assert f"{reading.number}!" in table.table[1]
    market.fill(Role.TARGET, "10")
    assert any("UNPROTECTED" in line for line in market.last.alerts[-1].lines)


def test_a_stop_that_is_set_again_ends_it() -> None:
    market = at_rest(Policy.ASK)
    answer(market, ChangeKind.NO_STOP)
    market.settle_all()
    answer(market, ChangeKind.STOP, price=D("1.15"), command_id="c10")
    stop = market.trade.live_leg(Role.STOP)
    assert stop is not None
    assert stop.trigger_price == D("1.15")
    assert reading_of(market.trade, note="").unprotected == ""


def test_under_restore_the_stop_is_always_there() -> None:
    market = at_rest(Policy.RESTORE)
    text = judged(market, wish(ChangeKind.NO_STOP))
    assert isinstance(text, str)
    assert "was opened with policy restore, under which its stop is always there" in text
    report(market, Role.STOP, **GONE)
    assert (market.trade.questions, market.trade.live_leg(Role.STOP) is not None) == ((), True)


def test_a_moved_target_stays_there_while_it_is_asked_about() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.TARGET, 2, price=D("1.215"))
    assert market.requests() == []
    change = answer(market, ChangeKind.KEEP)
    assert isinstance(change.fact, TargetSet)
    assert (market.trade.rung_prices[1], market.requests()) == (D("1.215"), [])


def test_a_cancelled_target_stays_away_and_the_others_as_they_are_while_it_is_asked_about() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.TARGET, 3, **GONE)
    assert market.requests() == []
    market.wait(301)
    market.take(None)
    third = market.trade.live_leg(Role.TARGET, 3)
    assert third is not None
    assert third.price == market.trade.rung_prices[2]


def test_a_cancelled_target_that_is_kept_away_shares_what_it_was_for() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.TARGET, 3, **GONE)
    answer(market, ChangeKind.KEEP)
    assert market.trade.taken_targets == {3}
    assert market.trade.live_leg(Role.TARGET, 3) is None


def test_a_second_change_of_the_same_order_replaces_the_question() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    market.wait(10)
    report(market, Role.STOP, trigger_price=D("1.17"))
    (question,) = market.trade.questions
    assert (question.price, question.before) == (D("1.17"), D("1.15"))
    assert market.requests() == []


def test_putting_it_back_oneself_answers_it() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    market.wait(10)
    report(market, Role.STOP, trigger_price=D("1.15"))
    assert (market.trade.questions, market.requests()) == ((), [])


def test_a_stop_at_or_beyond_the_backstop_is_moved_back_at_once() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.14"))
    assert market.trade.questions == ()
    assert "1.15" in "".join(market.requests())


def test_a_confirmed_answer_is_to_the_question_that_was_shown() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    shown = judged(market, wish(ChangeKind.KEEP, preview=True))
    assert isinstance(shown, Change)
    market.wait(10)
    report(market, Role.STOP, trigger_price=D("1.17"))
    asked = shown.shown.change
    late = wish(ChangeKind.KEEP, price=asked.price, place=asked.place, seen_price=shown.shown.before)
    assert judged(market, late) == "what #1 was asked about is over: nothing was changed, look at /status"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (ChangeKind.KEEP, "nothing of #1 was changed at the exchange that waits for an answer"),
        (ChangeKind.RESTORE, "nothing of #1 was changed at the exchange that waits for an answer"),
    ],
)
def test_without_a_question_there_is_nothing_to_answer(kind: ChangeKind, sentence: str) -> None:
    assert judged(at_rest(Policy.ASK), wish(kind)) == sentence


def test_a_price_past_the_moved_stop_is_not_kept() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.19"))
    text = judged(market, wish(ChangeKind.KEEP), last="1.185")
    assert text == "the price is 1.185 and past 1.19 already: answer restore, or close #1"


def test_the_question_says_how_to_answer_and_has_buttons() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    asked = next(alert for alert in market.last.alerts if alert.kind == "outside_change_asked")
    assert "the stop was moved from 1.15 to 1.16 at the exchange: keep it there?" in asked.title
    assert "Without an answer within 5 min it goes back to 1.15." in asked.lines
    assert asked.commands == (("Keep", "/answer 1 keep"), ("Restore", "/answer 1 restore"))


def test_only_what_was_journalled_is_needed_to_go_on() -> None:
    market = at_rest(Policy.ASK)
    report(market, Role.STOP, trigger_price=D("1.16"))
    assert any(isinstance(fact, OutsideChangeAsked) for fact in market.journal)
    assert fold(market.journal).questions == market.trade.questions
