"""Mirrors: an order repeated on another account, by its own balance, never at main's expense."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from actors.messages import addresses
from actors.messages.accounts import OpeningViewQuestion
from actors.messages.trading import (
    ChangeTrade,
    CloseTrades,
    OpenTrade,
    PreviewTrade,
    SliceOutcome,
    StopPriceMoved,
    TradeClosed,
    TradeOpened,
)
from actors.model.guarding import GuardTerms
from actors.model.order import ObservedOrder
from actors.model.trade import Trade
from actors.model.trade_change import ChangeKind, TradeChange
from actors.model.trade_plan import Follower
from actors.rules.position_life import fold
from runtime import AskFailed, AskTimeout, InjectedFault, Refused
from tests.actors.trades.conftest import PLAN, TradeWorld

ORDER = PLAN.replace("targets 1.2,1.21,1.22,1.23", "targets 1.21,1.22")
DUAL = ORDER.replace("long", "long approach dual")
MIRROR = addresses.client("mirror")
MakeWorld = Callable[..., TradeWorld]


@pytest.fixture
def world(make_world: MakeWorld) -> TradeWorld:
    """Main has 10,000 USDT, the mirror a quarter of it."""
    made = make_world(mirrors=("mirror",))
    made.exchanges["mirror"].available_usdt = Decimal(2500)
    made.pass_time(2)
    return made


def order(plan: str = ORDER, command: str = "c1") -> OpenTrade:
    return OpenTrade(command_id=command, plan=TradeWorld.plan(plan), by="test")


def opened(world: TradeWorld) -> dict[str, list[TradeOpened]]:
    """Give what is live, by account, in the order of the numbers."""
    facts = [world.store.real.load(stream).facts[0] for stream in world.live_rows()]
    by_account: dict[str, list[TradeOpened]] = {"main": [], "mirror": []}
    for fact in sorted(facts, key=lambda each: each.number):
        by_account[fact.sized.plan.account].append(fact)
    return by_account


def trade_of(world: TradeWorld, fact: TradeOpened) -> Trade:
    return fold(world.store.real.load(addresses.trade_stream(fact.trade_id)).facts)


def live(world: TradeWorld, account: str) -> list[ObservedOrder]:
    return [each for each in world.exchanges[account].orders.values() if not each.state.terminal]


def told(world: TradeWorld, kind: str) -> list[str]:
    return [
        each.request.alert.title
        for each in world.unsettled(addresses.ALERT_DISPATCHER)
        if each.request.alert.kind == kind
    ]


# --- opening -----------------------------------------------------------------------------------------------------
def test_an_order_is_repeated_in_the_same_percentage_of_the_mirrors_own_balance(world: TradeWorld) -> None:
    accepted = world.open_trade(ORDER)
    world.pass_time(3)
    (main,), (mirror,) = opened(world).values()
    assert main.sized.asked_usdt == 200
    assert mirror.sized.asked_usdt == 50  # 2% of 2,500
    assert mirror.follows == main.trade_id
    assert main.followers == (Follower(account="mirror", trade_id=mirror.trade_id),)
    assert mirror.opened_by == main.opened_by
    assert accepted.others == (
        SliceOutcome(account="mirror", approach=mirror.sized.plan.approach, trade_id=mirror.trade_id),
    )
    assert len(live(world, "mirror")) == len(live(world, "main")) == 2
    assert "#2 XRPUSDT long on mirror: opened (conservative)" in told(world, "trade_opened")
    assert world.unsettled(addresses.DESK) == []


def test_a_dual_with_a_mirror_is_four_trades(world: TradeWorld) -> None:
    world.open_trade(DUAL)
    world.pass_time(3)
    main, mirror = opened(world).values()
    assert [each.sized.plan.approach for each in main] == [each.sized.plan.approach for each in mirror]
    assert [each.follows for each in mirror] == [each.trade_id for each in main]
    assert [each.sized.asked_usdt for each in (*main, *mirror)] == [100, 100, 25, 25]
    again = world.ask(addresses.DESK, order(DUAL))
    assert again.already_open
    assert sorted(each.number for each in again.others) == [2, 3, 4]


def test_mirror_off_and_another_account_repeat_nothing(world: TradeWorld) -> None:
    world.open_trade(ORDER + " mirror off")
    world.pass_time(3)
    assert opened(world)["mirror"] == []
    assert world.ask(addresses.DESK, PreviewTrade(plan=TradeWorld.plan(ORDER + " mirror off"))).slices[1:] == ()


def test_a_preview_shows_each_slice_on_each_account(world: TradeWorld) -> None:
    preview = world.ask(addresses.DESK, PreviewTrade(plan=TradeWorld.plan(DUAL)))
    assert [(each.account, each.approach.value) for each in preview.slices] == [
        ("main", "fast"),
        ("main", "conservative"),
        ("mirror", "fast"),
        ("mirror", "conservative"),
    ]
    assert [each.sized.asked_usdt for each in preview.slices if each.sized] == [100, 100, 25, 25]
    assert world.live_rows() == []


def test_a_preview_does_not_wait_for_a_silent_mirror(world: TradeWorld) -> None:
    world.on_next(MIRROR, OpeningViewQuestion, InjectedFault(lose=True))
    began = world.clock.now()
    preview = world.ask(addresses.DESK, PreviewTrade(plan=TradeWorld.plan(ORDER)))
    assert (world.clock.now() - began).total_seconds() < 6
    mine, there = preview.slices
    assert mine.sized is not None
    assert (there.sized, there.refused) == (None, "")


def test_a_mirror_that_hangs_delays_main_by_nothing(world: TradeWorld) -> None:
    world.on_next(MIRROR, OpeningViewQuestion, InjectedFault(lose=True), times=100)
    began = world.clock.now()
    world.ask(addresses.DESK, order())
    assert (world.clock.now() - began).total_seconds() < 2
    second = world.ask(addresses.DESK, order(command="c2"))
    assert second.number == 2
    assert (world.clock.now() - began).total_seconds() < 4
    world.pass_time(150)
    assert len(opened(world)["main"]) == 2
    assert opened(world)["mirror"] == []
    assert len(told(world, "slice_not_opened")) == 2
    assert world.unsettled(addresses.DESK) == []


def test_a_mirror_that_comes_back_in_time_is_opened_late_and_once(world: TradeWorld) -> None:
    world.on_next(MIRROR, OpeningViewQuestion, InjectedFault(error=Refused("unreachable")), times=2)
    world.ask(addresses.DESK, order())
    world.pass_time(20)
    assert len(opened(world)["mirror"]) == 1
    assert told(world, "slice_not_opened") == []


def test_a_mirrors_own_refusal_is_told_with_its_reason_and_leaves_main_alone(world: TradeWorld) -> None:
    world.exchanges["mirror"].available_usdt = Decimal(5)
    world.open_trade(ORDER)
    world.pass_time(3)
    assert len(opened(world)["main"]) == 1
    assert opened(world)["mirror"] == []
    assert told(world, "slice_not_opened") == ["XRPUSDT long on mirror: conservative not opened"]


@pytest.mark.parametrize("commits", range(14))
def test_a_kill_between_any_two_commits_loses_no_slice_and_doubles_none(world: TradeWorld, commits: int) -> None:
    world.kill_after_commits = commits
    with suppress(AskFailed, AskTimeout, Refused):
        world.ask(addresses.DESK, order(DUAL))
    world.pass_time(5)
    world.kill_after_commits = None
    world.pass_time(12)
    counts = {account: len(facts) for account, facts in opened(world).items()}
    assert counts in ({"main": 0, "mirror": 0}, {"main": 2, "mirror": 2})
    world.ask(addresses.DESK, order(DUAL))
    world.pass_time(12)
    assert {account: len(facts) for account, facts in opened(world).items()} == {"main": 2, "mirror": 2}
    for account in ("main", "mirror"):
        assert len(live(world, account)) == 3
        assert len(world.exchanges[account].accepted) == len(set(world.exchanges[account].accepted)) == 3
    assert told(world, "slice_not_opened") == []
    assert len(told(world, "trade_opened")) == 4


def test_a_promise_that_slept_too_long_is_told_and_not_carried_out(world: TradeWorld) -> None:
    world.on_next(MIRROR, OpeningViewQuestion, InjectedFault(lose=True), times=100)
    world.ask(addresses.DESK, order())
    world.pass_time(1)
    world.crank.close(0)  # killed
    world.clock.advance(120)
    world.faults.clear()
    world.reboot()
    world.pass_time(20)
    assert opened(world)["mirror"] == []
    assert len(told(world, "slice_not_opened")) == 1


def test_guards_are_asked_once_for_an_order_and_all_its_slices(make_world: MakeWorld) -> None:
    world = make_world(mirrors=("mirror",), guards=GuardTerms())
    world.pass_time(2)
    world.open_trade(DUAL)
    world.pass_time(5)
    assert {account: len(facts) for account, facts in opened(world).items()} == {"main": 2, "mirror": 2}


# --- following ---------------------------------------------------------------------------------------------------
def closed(world: TradeWorld, fact: TradeOpened) -> TradeClosed:
    last = world.store.real.load(addresses.trade_stream(fact.trade_id)).facts[-1]
    assert isinstance(last, TradeClosed)
    return last


def test_a_persons_close_on_main_closes_the_mirror_at_once_unfilled_entries_too(world: TradeWorld) -> None:
    world.open_trade(ORDER)
    world.pass_time(3)
    (main,), (mirror,) = opened(world).values()
    first = min(live(world, "mirror"), key=lambda each: -(each.price or 0))
    world.fill_on("mirror", first)  # main's has not filled: each lives by its own fills
    world.until(lambda: any("-S-" in (each.client_order_id or "") for each in live(world, "mirror")))
    world.ask(addresses.DESK, CloseTrades(which=str(main.number), by="chat:1"))

    def leaving() -> bool:
        for each in live(world, "mirror"):
            if "-X-" in (each.client_order_id or ""):
                world.fill_on("mirror", each)
        return not world.live_rows()

    world.until(leaving, within_seconds=25)
    assert closed(world, mirror).reason.value == "main"
    assert live(world, "mirror") == []
    assert world.unsettled(addresses.DESK) == []
    assert world.exchanges["mirror"].positions == ()


@pytest.mark.parametrize("commits", range(8))
def test_a_kill_while_main_leaves_takes_the_mirror_along_all_the_same(world: TradeWorld, commits: int) -> None:
    world.open_trade(ORDER)
    world.pass_time(3)
    _, (mirror,) = opened(world).values()
    world.kill_after_commits = commits
    with suppress(AskFailed, AskTimeout, Refused):
        world.ask(addresses.DESK, CloseTrades(which="1", by="chat:1"))
    world.pass_time(10)
    world.kill_after_commits = None
    with suppress(Refused):
        world.ask(addresses.DESK, CloseTrades(which="1", by="chat:1"))
    world.until(lambda: not world.live_rows(), within_seconds=60)
    assert closed(world, mirror).reason.value == "main"
    assert world.unsettled(addresses.DESK) == []


def test_a_main_that_ended_by_itself_gives_the_mirror_a_grace(world: TradeWorld) -> None:
    world.open_trade(ORDER + " expire 10s")
    world.pass_time(3)
    _, (mirror,) = opened(world).values()
    first = max(live(world, "mirror"), key=lambda each: each.price or 0)
    world.fill_on("mirror", first)
    world.pass_time(12)  # main expires with nothing filled; the mirror holds something
    world.pass_time(10)
    assert opened(world)["main"] == []
    assert len(opened(world)["mirror"]) == 1
    assert told(world, "main_left") == ["#2 XRPUSDT long on mirror: main's trade has ended"]

    def leaving() -> bool:
        for each in live(world, "mirror"):
            if "-X-" in (each.client_order_id or ""):
                world.fill_on("mirror", each)
        return not world.live_rows()

    world.until(leaving, within_seconds=60)
    assert closed(world, mirror).reason.value == "main"


def test_a_mirror_still_being_opened_when_main_leaves_is_not_left_behind(world: TradeWorld) -> None:
    world.on_next(MIRROR, OpeningViewQuestion, InjectedFault(error=Refused("unreachable")), times=2)
    world.ask(addresses.DESK, order())
    world.pass_time(1)
    world.ask(addresses.DESK, CloseTrades(which="1", by="chat:1"))
    world.pass_time(40)
    assert world.live_rows() == []
    assert world.exchanges["mirror"].accepted == []
    assert len(told(world, "slice_not_opened")) == 1
    assert world.unsettled(addresses.DESK) == []


@pytest.fixture
def held(world: TradeWorld) -> tuple[TradeWorld, TradeOpened]:
    """Main's trade and its mirror's, something held in both."""
    world.open_trade(ORDER)
    world.pass_time(3)
    _, (mirror,) = opened(world).values()
    for account in ("main", "mirror"):
        world.fill_on(account, max(live(world, account), key=lambda each: each.price or 0))
    world.pass_time(3)
    return world, mirror


def change(price: str, command: str = "m1") -> ChangeTrade:
    wanted = TradeChange(kind=ChangeKind.STOP, price=Decimal(price))
    return ChangeTrade(command_id=command, which="1", change=wanted, by="chat:1")


@pytest.mark.parametrize("commits", [None, 0, 1, 2, 3, 4])
def test_a_persons_stop_on_main_is_taken_over_by_the_mirror(
    held: tuple[TradeWorld, TradeOpened], commits: int | None
) -> None:
    world, mirror = held
    world.kill_after_commits = commits
    with suppress(AskFailed, AskTimeout, Refused):
        world.ask(addresses.DESK, change("1.16"))
    world.pass_time(5)
    world.kill_after_commits = None
    world.ask(addresses.DESK, change("1.16"))  # the same command: nothing happens twice
    world.until(lambda: trade_of(world, mirror).stop_price == Decimal("1.16"))
    world.pass_time(10)
    facts = world.store.real.load(addresses.trade_stream(mirror.trade_id)).facts
    moved = [fact for fact in facts if isinstance(fact, StopPriceMoved) and fact.command_id]
    assert [(fact.command_id, fact.stop_price) for fact in moved] == [("m1/main", Decimal("1.16"))]
    assert world.unsettled(addresses.DESK) == []


def test_a_target_moved_on_main_moves_on_the_mirror(held: tuple[TradeWorld, TradeOpened]) -> None:
    world, mirror = held
    wanted = TradeChange(kind=ChangeKind.TARGET, price=Decimal("1.25"), place=2)
    world.ask(addresses.DESK, ChangeTrade(command_id="m2", which="1", change=wanted, by="chat:1"))
    world.until(lambda: trade_of(world, mirror).rung_prices[1] == Decimal("1.25"))


def test_a_change_that_the_mirror_refuses_is_told_and_tried_no_more(held: tuple[TradeWorld, TradeOpened]) -> None:
    world, mirror = held
    refusal = InjectedFault(error=Refused("the price is past it already"))
    path = addresses.monitor("mirror", "XRPUSDT", mirror.trade_id)
    world.on_next(path, ChangeTrade, refusal)
    world.ask(addresses.DESK, change("1.16"))
    world.pass_time(10)
    assert trade_of(world, mirror).stop_price == Decimal("1.15")
    assert told(world, "change_not_followed") == ["XRPUSDT on mirror: your change on main was not taken over"]
    assert world.unsettled(addresses.DESK) == []
