"""A dual order: two trades from one command, each on its own, whatever falls over between them."""

from __future__ import annotations

from contextlib import suppress

import pytest

from actors.messages import addresses
from actors.messages.accounts import AdmitTrade
from actors.messages.storing import Append, NextNumber
from actors.messages.trading import OpenTrade, PreviewTrade, TradeAccepted, TradeOpened
from actors.model.trade import Phase
from actors.model.trade_plan import Approach
from runtime import AskFailed, AskTimeout, InjectedFault, Refused
from tests.actors.trades.conftest import TradeWorld

DUAL = "XRPUSDT long approach dual entries 1.19,1.18 targets 1.21,1.22 stop 1.15 margin 2% leverage 10"
BOOK = addresses.position_book("main")


def order(plan: str = DUAL, command: str = "c1") -> OpenTrade:
    return OpenTrade(command_id=command, plan=TradeWorld.plan(plan), by="test")


def opened(world: TradeWorld) -> list[TradeOpened]:
    """Give what has been opened, by number."""
    journals = (world.store.real.load(stream) for stream in world.live_rows())
    facts = [fact for journal in journals for fact in journal.facts if isinstance(fact, TradeOpened)]
    return sorted(facts, key=lambda fact: fact.number)


def is_a_whole_dual(world: TradeWorld) -> None:
    fast, steady = opened(world)
    assert (fast.sized.plan.approach, steady.sized.plan.approach) == (Approach.FAST, Approach.CONSERVATIVE)
    assert fast.opened_by == steady.opened_by == "test#c1"
    assert fast.sized.asked_usdt == steady.sized.asked_usdt
    assert len(world.exchange.ours("E1")) == 2
    assert len(world.exchange.ours("E2")) == 1
    assert world.no_order_twice()
    promised = [each.request.alert.kind for each in world.unsettled(addresses.ALERT_DISPATCHER)]
    assert promised.count("trade_opened") == 2  # nobody settles them here
    assert "slice_not_opened" not in promised
    assert world.unsettled(addresses.DESK) == []


def test_a_dual_opens_both_halves_and_the_answer_lists_both(world: TradeWorld) -> None:
    accepted = world.open_trade(DUAL)
    (other,) = accepted.others
    assert (accepted.number, other.number) == (1, 2)
    assert (other.approach, other.refused) == (Approach.CONSERVATIVE, "")
    assert accepted.label.split("/")[3] == "fast"
    assert other.label.split("/")[3] == "conservative"
    is_a_whole_dual(world)


def test_its_preview_shows_both_halves_and_opens_nothing(world: TradeWorld) -> None:
    preview = world.ask(addresses.DESK, PreviewTrade(plan=TradeWorld.plan(DUAL)))
    assert [each.approach for each in preview.slices] == [Approach.FAST, Approach.CONSERVATIVE]
    assert all(each.sized is not None for each in preview.slices)
    assert preview.plan == TradeWorld.plan(DUAL)
    assert world.live_rows() == []


def test_the_same_command_again_finds_both(world: TradeWorld) -> None:
    first = world.open_trade(DUAL)
    for _ in range(2):
        again = world.ask(addresses.DESK, order())
        assert again.already_open
        assert (again.trade_id, again.others) == (first.trade_id, first.others)
        world.reboot()
        world.pass_time(2)
    is_a_whole_dual(world)


@pytest.mark.parametrize("commits", range(10))
def test_a_kill_between_any_two_commits_leaves_both_halves_or_none(world: TradeWorld, commits: int) -> None:
    world.pass_time(1)
    world.kill_after_commits = commits
    with suppress(AskFailed, AskTimeout, Refused):
        world.ask(addresses.DESK, order())
    world.pass_time(3)
    world.kill_after_commits = None
    world.pass_time(4)
    assert len(opened(world)) in {0, 2}
    accepted = world.ask(addresses.DESK, order())
    assert isinstance(accepted, TradeAccepted)
    world.pass_time(3)
    is_a_whole_dual(world)


@pytest.mark.parametrize("messages", range(16))
def test_a_desk_that_falls_over_anywhere_loses_no_half(world: TradeWorld, messages: int) -> None:
    world.pass_time(1)
    left = [messages]

    def crash(path: str, _message: object) -> InjectedFault | None:
        if path != addresses.DESK:
            return None
        left[0] -= 1
        return InjectedFault(error=RuntimeError("injected")) if left[0] == -1 else None

    world.faults.append(crash)
    with suppress(AskFailed, AskTimeout, Refused):
        world.ask(addresses.DESK, order())
    world.pass_time(8)
    assert len(opened(world)) in {0, 2}
    world.ask(addresses.DESK, order())
    world.pass_time(3)
    is_a_whole_dual(world)


def test_a_second_half_that_is_refused_leaves_the_first_whole_and_is_told(world: TradeWorld) -> None:
    world.pass_time(1)
    refusal = InjectedFault(error=Refused("the backstop would lie beyond liquidation"))
    world.on_next(BOOK, AdmitTrade, refusal, after=1)
    accepted = world.ask(addresses.DESK, order())
    (other,) = accepted.others
    assert (other.number, other.refused) == (0, "the backstop would lie beyond liquidation")
    world.pass_time(2)
    (fast,) = opened(world)
    assert fast.sized.plan.approach is Approach.FAST
    (alert,) = world.alerts("slice_not_opened")
    assert alert.title == "XRPUSDT long: conservative not opened"
    assert world.unsettled(addresses.DESK) == []
    again = world.ask(addresses.DESK, order())  # nor is it opened by asking again
    assert again.others[0].refused
    assert len(opened(world)) == 1


def test_a_half_that_the_account_cannot_take_is_told_at_once_and_the_other_opened(world: TradeWorld) -> None:
    # Off the tick: the conservative half's alone.
    accepted = world.open_trade(DUAL.replace("1.19,1.18", "1.19005"))
    (other,) = accepted.others
    assert accepted.sized.plan.approach is Approach.FAST
    assert "1.19005" in other.refused
    assert len(world.alerts("slice_not_opened")) == 1
    assert len(opened(world)) == 1


def test_a_dual_of_which_both_halves_are_wrong_opens_nothing_and_says_it_once(world: TradeWorld) -> None:
    with pytest.raises(Refused) as refusal:
        world.ask(addresses.DESK, order(DUAL.replace("leverage 10", "leverage 190")))
    assert str(refusal.value).count("leverage 190 is outside") == 1
    assert world.live_rows() == []


def test_a_promised_half_waits_out_a_store_that_fails_and_is_not_opened_late(world: TradeWorld) -> None:
    world.pass_time(1)
    # The number is refused from the second half on: tried again while it is fresh, then told.
    world.on_next(addresses.STORE, NextNumber, InjectedFault(error=Refused("not now")), times=200, after=1)
    accepted = world.ask(addresses.DESK, order(), seconds=200)
    assert accepted.others[0].refused
    world.pass_time(5)
    assert len(opened(world)) == 1
    assert len(world.alerts("slice_not_opened")) == 1
    assert world.unsettled(addresses.DESK) == []


def test_one_half_leaves_and_the_other_stays_with_its_own_stop(world: TradeWorld) -> None:
    accepted = world.open_trade(DUAL)  # the fast half's; which half asks first is nobody's promise
    entries = [each.client_order_id or "" for each in world.exchange.ours("E1")]
    fast = next(each for each in entries if accepted.trade_id in each)
    world.report(world.exchange.fill(fast))
    world.report_order(fast)
    world.until(lambda: world.exchange.live("S"))
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.remaining_quantity == accepted.sized.quantity  # the fast half's alone
    assert world.trade(accepted).phase is not Phase.CLOSED
    assert not [each for each in world.exchange.position_stops if each.stop_price == stop.trigger_price]


def test_a_half_whose_commit_is_lost_is_opened_all_the_same(world: TradeWorld) -> None:
    world.pass_time(1)
    seen = [0]

    def fall(path: str, message: object) -> None:
        if path != addresses.STORE or not isinstance(message, Append):
            return
        seen[0] += any(isinstance(fact, TradeOpened) for fact in message.facts)
        if seen[0] == 2:
            seen[0] += 1
            world.store.before_commit.append(RuntimeError("fell over"))

    world.faults.append(fall)
    world.ask(addresses.DESK, order())
    world.pass_time(3)
    is_a_whole_dual(world)
