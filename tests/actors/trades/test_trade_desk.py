"""The trade desk: one command, one trade, whatever falls over in between; and an answer for every live trade."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.desk_guards import TroubleOutside
from actors.messages import addresses
from actors.messages.accounts import BookQuestion, EnsureLeverage
from actors.messages.monitoring import LeaveNow
from actors.messages.storing import Append, AppendRefused, LoadStream, NextNumber, RegisterQuestion
from actors.messages.trading import (
    CloseAccepted,
    CloseTrades,
    OpenTrade,
    PreviewTrade,
    TradeAccepted,
    TradeOpened,
    TradeQuestion,
    TradesQuestion,
)
from actors.model.account import OpeningView
from runtime import Actor, ActorRestarted, Answered, AskFailed, InjectedFault, NotAnswered, Refused
from runtime.testing import Probe
from tests.actors.trades.conftest import PLAN, SYMBOL, TradeWorld

BOOK = addresses.position_book("main")


def opening(command: str = "c1", plan: str = PLAN) -> OpenTrade:
    return OpenTrade(command_id=command, plan=TradeWorld.plan(plan), by="test")


def trades_in_the_book(world: TradeWorld) -> int:
    return int(world.ask(BOOK, BookQuestion(symbol=SYMBOL)).trades_long)


# --- one command, one trade -------------------------------------------------------------------------------------------
def test_the_same_command_again_gives_the_trade_it_opened(world: TradeWorld) -> None:
    first = world.open_trade()
    again = world.ask(addresses.DESK, opening())
    assert not first.already_open
    assert again.already_open
    assert (again.trade_id, again.number) == (first.trade_id, first.number)
    world.pass_time(2)
    assert len(world.live_rows()) == 1
    assert len(world.exchange.ours("E1")) == 1
    assert len(world.alerts("trade_opened")) == 1


def test_the_same_command_twice_at_once_opens_one_trade_and_answers_both(world: TradeWorld) -> None:
    world.pass_time(1)
    probe = Probe(world.system, "person")

    def put_both(actor: Actor) -> None:
        for _ in range(2):
            actor.context.ask(addresses.DESK, opening(), timeout_seconds=30)

    probe.do(put_both)
    world.pass_time(2)
    first, second = [message.value for message in probe.record.of(Answered)]
    assert (first.already_open, second.already_open) == (False, True)
    assert first.trade_id == second.trade_id
    assert len(world.live_rows()) == 1


def test_the_same_command_after_a_new_start_gives_the_trade_it_opened(world: TradeWorld) -> None:
    first = world.open_trade()
    world.reboot()
    world.pass_time(2)
    again = world.ask(addresses.DESK, opening())
    assert again.already_open
    assert again.trade_id == first.trade_id


def test_two_openings_at_once_are_taken_one_after_the_other_and_number_themselves(world: TradeWorld) -> None:
    world.pass_time(1)
    probe = Probe(world.system, "person")

    def put_both(actor: Actor) -> None:
        for command in ("c1", "c2"):
            actor.context.ask(addresses.DESK, opening(command), timeout_seconds=30)

    probe.do(put_both)
    world.pass_time(3)
    accepted = [message.value for message in probe.record.of(Answered)]
    assert [each.number for each in accepted] == [1, 2]
    assert len({each.trade_id for each in accepted}) == 2
    assert trades_in_the_book(world) == 2
    assert world.no_order_twice()


def test_an_id_that_another_commands_trade_has_by_chance_is_passed_over(world: TradeWorld) -> None:
    first = world.open_trade()
    (opened,) = [fact for fact in world.journal(first).facts if isinstance(fact, TradeOpened)]
    assert opened.opened_by == "test#c1"
    # The id follows from the command alone, so somebody else with the same command id collides.
    other = OpenTrade(command_id="c1", plan=TradeWorld.plan(), by="somebody else")
    second = world.ask(addresses.DESK, other)
    assert second.trade_id != first.trade_id
    assert not second.already_open
    assert world.ask(addresses.DESK, other).trade_id == second.trade_id


# --- a reading that has grown old -------------------------------------------------------------------------------------
def read_late(world: TradeWorld, monkeypatch: pytest.MonkeyPatch, *readings: tuple[float, int]) -> list[str]:
    """Have the account be read so many seconds ago, with so much available; the last reading again and again."""
    view, asked = world.exchange.view, list[str]()

    def old(symbol: str) -> OpeningView | None:
        seconds, available = readings[min(len(asked), len(readings) - 1)]
        asked.append(symbol)
        now = view(symbol)
        assert now is not None
        balance = replace(now.balance, available_usdt=Decimal(available))
        return replace(now, balance=balance, read_at=now.read_at - timedelta(seconds=seconds))

    monkeypatch.setattr(world.exchange, "view", old)
    return asked


def test_a_trade_is_sized_by_a_fresh_reading_when_the_first_has_grown_old(
    world: TradeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was frozen between reading and opening: a minute ago half the balance was bound."""
    read_late(world, monkeypatch, (60, 500), (0, 1000))
    trade = world.open_trade()
    (opened,) = [fact for fact in world.journal(trade).facts if isinstance(fact, TradeOpened)]
    assert opened.sized.asked_usdt == Decimal(20)  # 2 % of 1000
    assert trades_in_the_book(world) == 1
    world.pass_time(2)
    assert len(world.exchange.ours("E1")) == 1


def test_a_reading_of_some_seconds_ago_is_taken(world: TradeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = read_late(world, monkeypatch, (10, 1000))
    world.open_trade()
    assert len(asked) == 1


def test_no_trade_is_opened_where_every_reading_comes_too_late(
    world: TradeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = read_late(world, monkeypatch, (60, 1000))
    with pytest.raises(TroubleOutside, match="the account was read 3 times"):
        world.open_trade()
    assert len(asked) == 3
    assert trades_in_the_book(world) == 0
    assert not world.live_rows()


@pytest.mark.parametrize("messages_before", range(10))
def test_a_desk_that_falls_over_between_two_steps_leaves_no_half_trade(world: TradeWorld, messages_before: int) -> None:
    world.pass_time(1)
    left = [messages_before]

    def crash(path: str, _message: object) -> InjectedFault | None:
        if path != addresses.DESK:
            return None
        left[0] -= 1
        return InjectedFault(error=RuntimeError("injected")) if left[0] == -1 else None

    world.faults.append(crash)
    with pytest.raises(AskFailed):
        world.open_trade()
    world.pass_time(2)
    live = len(world.live_rows())
    assert live == (1 if messages_before == 9 else 0)  # the last step is the news of the commit
    accepted = world.open_trade()
    assert accepted.already_open is bool(live)
    world.pass_time(2)
    assert len(world.live_rows()) == trades_in_the_book(world) == 1
    assert len(world.exchange.ours("E1")) == 1


# --- refusals ---------------------------------------------------------------------------------------------------------
def test_a_plan_is_refused_with_everything_that_is_wrong_with_it(world: TradeWorld) -> None:
    wrong = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 100% leverage 90"
    for question in (opening(plan=wrong), PreviewTrade(plan=TradeWorld.plan(wrong))):
        with pytest.raises(Refused) as refusal:
            world.ask(addresses.DESK, question)
        assert "leverage" in str(refusal.value)
    off_tick = wrong.replace("1.19,1.18", "1.19005,1.18")
    with pytest.raises(Refused) as refusal:
        world.ask(addresses.DESK, opening(plan=off_tick))
    assert len(str(refusal.value).splitlines()) >= 2
    assert world.live_rows() == []


def test_an_unknown_symbol_and_an_unknown_account_are_refused_in_words(world: TradeWorld) -> None:
    with pytest.raises(Refused, match="NOPEUSDT is not a USDT perpetual"):
        world.ask(addresses.DESK, opening(plan=PLAN.replace("XRPUSDT", "NOPEUSDT")))


def test_a_preview_shows_the_size_and_opens_nothing(world: TradeWorld) -> None:
    (one,) = world.ask(addresses.DESK, PreviewTrade(plan=TradeWorld.plan())).slices
    assert one.sized is not None
    assert (one.refused, one.number) == ("", 0)
    world.pass_time(2)
    assert world.live_rows() == []
    assert trades_in_the_book(world) == 0
    assert world.exchange.accepted == []
    assert world.exchange.leverages == []


@pytest.mark.parametrize("step", ["number", "commit"])
def test_an_opening_that_fails_after_its_admission_withdraws_it(world: TradeWorld, step: str) -> None:
    world.pass_time(1)
    if step == "number":
        world.on_next(addresses.STORE, NextNumber, InjectedFault(error=Refused("not now")))
    else:
        lost = [True]

        def refuse(path: str, message: object) -> InjectedFault | None:
            opened = isinstance(message, Append) and any(isinstance(fact, TradeOpened) for fact in message.facts)
            if path != addresses.STORE or not opened or not lost.pop():
                return None
            assert isinstance(message, Append)
            refusal = AppendRefused(stream=message.stream, reason="failed", text="the disk is full")
            world.system.tell(addresses.DESK, refusal)
            return InjectedFault(lose=True)

        world.faults.append(refuse)
    with pytest.raises(Refused, match=r"not now|the disk is full"):
        world.ask(addresses.DESK, opening())
    world.faults.clear()
    world.pass_time(1)
    assert trades_in_the_book(world) == 0
    assert world.live_rows() == []
    assert isinstance(world.ask(addresses.DESK, opening()), TradeAccepted)


def test_leverage_is_set_while_nothing_is_held_and_left_alone_once_the_position_has_it(world: TradeWorld) -> None:
    world.open_trade()
    assert len(world.exchange.leverages) == 1
    world.fill("E1")
    world.pass_time(1)
    world.on_next(addresses.client("main"), EnsureLeverage, InjectedFault(error=RuntimeError("never asked")))
    world.open_trade(command="c2")
    assert len(world.exchange.leverages) == 1
    assert not [event for event in world.events if isinstance(event, ActorRestarted)]


def test_an_opening_caught_by_a_falling_store_is_looked_up_and_answered_as_its_own(world: TradeWorld) -> None:
    world.pass_time(1)

    def fall_over_it(path: str, message: object) -> None:
        """The trade's commit is durable, and nobody is told."""
        if path == addresses.STORE and isinstance(message, Append):
            opens = any(isinstance(fact, TradeOpened) for fact in message.facts)
            if opens and not world.store.after_commit:
                world.store.after_commit.append(RuntimeError("fell over"))

    world.faults.append(fall_over_it)
    accepted = world.ask(addresses.DESK, opening())
    assert not accepted.already_open
    world.pass_time(2)
    assert len(world.exchange.ours("E1")) == 1


# --- closing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["1", "#1", "id", "ID in small letters"])
def test_a_trade_is_closed_by_its_number_or_its_id(world: TradeWorld, which: str) -> None:
    first, second = world.open_trade(), world.open_trade(command="c2")
    named = {"id": first.trade_id, "ID in small letters": first.trade_id.lower()}.get(which, which)
    accepted = world.ask(addresses.DESK, CloseTrades(which=named, by="chat:1"))
    assert accepted == CloseAccepted(labels=(first.label,))
    world.until(lambda: len(world.live_rows()) == 1)
    assert world.live_rows() == [addresses.trade_stream(second.trade_id)]


def test_all_trades_are_closed_at_once(world: TradeWorld) -> None:
    labels = {world.open_trade(command=command).label for command in ("c1", "c2", "c3")}
    accepted = world.ask(addresses.DESK, CloseTrades(which="all", by="chat:1"))
    assert set(accepted.labels) == labels
    world.until(lambda: not world.live_rows())


def test_closing_what_is_not_open_names_what_is(world: TradeWorld) -> None:
    with pytest.raises(Refused, match="no trade is open"):
        world.ask(addresses.DESK, CloseTrades(which="7", by="chat:1"))
    world.open_trade()
    with pytest.raises(Refused, match=f"no open trade 7: open are #1 {SYMBOL}, or write all"):
        world.ask(addresses.DESK, CloseTrades(which="7", by="chat:1"))


def test_of_several_trades_those_that_leave_and_those_that_were_not_reached_are_named(world: TradeWorld) -> None:
    world.open_trade()
    silent = world.open_trade(command="c2")
    world.on_next(world.monitor(silent), LeaveNow, InjectedFault(lose=True))
    with pytest.raises(Refused, match=r"#1 closing; #2 did not answer .*try again"):
        world.ask(addresses.DESK, CloseTrades(which="all", by="chat:1"))
    world.until(lambda: len(world.live_rows()) == 1)


# --- reading ----------------------------------------------------------------------------------------------------------
def test_all_live_trades_are_read_in_the_order_of_their_numbers(world: TradeWorld) -> None:
    assert world.ask(addresses.DESK, TradesQuestion()) == ()
    for command in ("c1", "c2", "c3"):
        world.open_trade(command=command)
    readings = world.ask(addresses.DESK, TradesQuestion())
    assert [(each.number, each.note) for each in readings] == [(1, ""), (2, ""), (3, "")]


@pytest.mark.parametrize("how", ["hangs", "crashes"])
def test_a_trade_whose_monitor_is_silent_is_read_from_its_journal_and_said_to_be(world: TradeWorld, how: str) -> None:
    silent = world.open_trade()
    world.open_trade(command="c2")
    world.fill("E1")
    world.pass_time(1)
    hangs, crashes = InjectedFault(spend_seconds=8.0), InjectedFault(error=RuntimeError("injected"))
    world.on_next(world.monitor(silent), TradeQuestion, hangs if how == "hangs" else crashes)
    one, other = world.ask(addresses.DESK, TradesQuestion())
    assert (one.number, one.note) == (1, "its monitor does not answer: as last journalled")
    assert (one.open_quantity, one.phase) == (world.trade(silent).open_quantity, "building")
    assert (other.number, other.note) == (2, "")


def test_a_trade_of_which_not_even_the_journal_can_be_read_is_still_named(world: TradeWorld) -> None:
    silent = world.open_trade()
    world.on_next(world.monitor(silent), TradeQuestion, InjectedFault(lose=True))
    world.on_next(addresses.STORE, LoadStream, InjectedFault(lose=True))
    (reading,) = world.ask(addresses.DESK, TradesQuestion())
    assert (reading.number, reading.phase, reading.position_side) == (1, "unknown", "long")
    assert "figures unknown" in reading.note


def test_a_store_that_does_not_answer_is_said_not_to(world: TradeWorld) -> None:
    world.pass_time(1)
    probe = Probe(world.system, "person")
    world.on_next(addresses.STORE, RegisterQuestion, InjectedFault(lose=True))
    probe.do(lambda actor: actor.context.ask(addresses.DESK, TradesQuestion(), timeout_seconds=30))
    refusal = probe.wait(NotAnswered, within_seconds=30)
    assert refusal.error == "the store did not answer; try again"
