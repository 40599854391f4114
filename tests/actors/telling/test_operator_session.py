"""What a person writes and presses: each accepted command ends in one outcome they see, whatever fails on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from actors.chat_room import ChatRoom
from actors.errors import OutcomeUnknown, Rejected, Unreachable
from actors.messages import addresses, codec
from actors.messages.market import PriceQuestion, PriceReading
from actors.messages.storing import Append, DocumentQuestion, PutDocument, StreamSummary
from actors.messages.trading import (
    CloseAccepted,
    CloseTrades,
    OpenTrade,
    OrderPreview,
    PreviewTrade,
    SliceOutcome,
    TradeAccepted,
    TradeReading,
    TradesQuestion,
)
from actors.model.trade_plan import SizedEntry, SizedPlan, TradePlan
from actors.operator_session import OperatorSession
from actors.ports import OperatorSaid
from actors.rules.chat_commands import HELP
from actors.rules.plan_text import parse_plan
from runtime import LATER, Actor, AskTimeout, ChildSpec, Refused, SupervisorSpec, handles

RECORD = DocumentQuestion(name="chat/17")
TRADE = "/trade XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"


def sized(plan: TradePlan) -> SizedPlan:
    return SizedPlan(
        plan=plan,
        asked_usdt=Decimal(12),
        entries=tuple(SizedEntry(price=entry.price, quantity=Decimal(50)) for entry in plan.entries),
        quantity=Decimal(100),
        reference_price=Decimal("1.185"),
        notional_usdt=Decimal("118.5"),
        margin_usdt=Decimal("11.85"),
        rung_quantities=(Decimal(85), Decimal(15), Decimal(0), Decimal(0)),
        loss_at_stop_usdt=Decimal("3.63"),
        notes=("targets 3 and 4 are merged into target 2: 5 XRP each is under the minimum",),
    )


class Desk:
    """What the desk's actor knows, outside of it: it survives restarts, like the journal does."""

    def __init__(self) -> None:
        self.opened: dict[str, TradePlan] = {}  # by command id
        self.asked: list[object] = []
        self.closed: list[str] = []
        self.unwritten: list[str] = []  # commands that were asked before they were on the disk
        self.trades: list[TradeReading] = []
        self.moods: deque[str] = deque()  # for the next openings and closings: silent, late, refuse


class ScriptedDesk(Actor):
    def __init__(self, desk: Desk, disk: Any) -> None:
        self._desk = desk
        self._disk = disk

    def _check_durable(self, command_id: str) -> None:
        """What is asked must be on the disk by now, or a crash would forget who asked."""
        record = codec.decode(*self._disk.committed.documents["chat/17"])
        if command_id not in {pending.command_id for pending in record.pending}:
            self._desk.unwritten.append(command_id)

    @handles(PreviewTrade)
    def _on_preview(self, question: PreviewTrade) -> OrderPreview:
        if question.plan.symbol != "XRPUSDT":
            raise Refused(f"{question.plan.symbol} is not a USDT perpetual; write its name there, such as XRPUSDT")
        one = SliceOutcome(account="main", approach=question.plan.approach, sized=sized(question.plan))
        return OrderPreview(plan=question.plan, slices=(one,))

    @handles(OpenTrade)
    def _on_open(self, command: OpenTrade) -> Any:
        self._check_durable(command.command_id)
        self._desk.asked.append(command)
        mood = self._desk.moods.popleft() if self._desk.moods else ""
        if mood == "refuse":
            raise Refused("the ninth trade on XRPUSDT: close one first")
        if mood == "silent":
            self.context.defer_reply()
            return LATER
        already = command.command_id in self._desk.opened
        self._desk.opened[command.command_id] = command.plan
        if mood == "late":
            self.context.defer_reply()
            return LATER
        return TradeAccepted(
            trade_id="7K3Q9X",
            number=3,
            label="main/XRPUSDT/long/conservative/7K3Q9X",
            sized=sized(command.plan),
            already_open=already,
        )

    @handles(CloseTrades)
    def _on_close(self, command: CloseTrades) -> Any:
        self._desk.asked.append(command)
        mood = self._desk.moods.popleft() if self._desk.moods else ""
        if mood == "silent":
            self.context.defer_reply()
            return LATER
        if mood == "refuse" or command.which not in {trade.trade_id for trade in self._desk.trades}:
            raise Refused(f"there is no open trade {command.which}")
        self._desk.closed.append(command.which)
        return CloseAccepted(labels=(command.which,))

    @handles(TradesQuestion)
    def _on_trades(self, _: TradesQuestion) -> tuple[TradeReading, ...]:
        return tuple(self._desk.trades)


class ScriptedPrices(Actor):
    @handles(PriceQuestion)
    def _on_price(self, question: PriceQuestion) -> PriceReading:
        if question.symbol != "XRPUSDT":
            raise Refused("no price is known")
        return PriceReading(
            symbol="XRPUSDT", last_price=Decimal("1.25"), mark_price=None, age_seconds=0.4, source="stream"
        )


class Chat:
    """One person's side of the conversation."""

    def __init__(self, world: Any, desk: Callable[[Desk, Any], Actor] = ScriptedDesk) -> None:
        self.world = world
        self.desk = Desk()
        self._updates = 1000
        self.world.start(
            ChildSpec("desk", lambda: desk(self.desk, world.disk)),
            ChildSpec("chats", lambda: ChatRoom(self._session)),
            SupervisorSpec("market", children=(ChildSpec("prices", ScriptedPrices),)),
        )

    def _session(self, chat_id: int) -> ChildSpec:
        return ChildSpec(str(chat_id), lambda: OperatorSession(chat_id=chat_id, version="1.2.3"))

    def trade(self, number: int, symbol: str = "XRPUSDT", **values: Any) -> TradeReading:
        reading = TradeReading(
            trade_id=f"TRADE{number}",
            number=number,
            label=f"main/{symbol}/long/conservative/TRADE{number}",
            account="main",
            symbol=symbol,
            position_side="long",
            phase="monitoring",
            planned_quantity=Decimal(100),
            open_quantity=Decimal(100),
            average_entry_price=Decimal("1.185"),
            stop_price=Decimal("1.15"),
            stop_at_exchange=True,
            backstop_price=Decimal("1.14"),
            rungs=((Decimal("1.2"), Decimal(85), Decimal(0)),),
            realised_pnl_usdt=Decimal(0),
            funding_usdt=Decimal(0),
            opened_at=self.world.now() - timedelta(hours=2),
            last_confirmed_at=self.world.now() - timedelta(seconds=3),
        )
        reading = replace(reading, **values)
        self.desk.trades.append(reading)
        return reading

    def write(
        self,
        text: str,
        *,
        wait: float = 1.0,
        steps: int | None = None,
        update_id: int | None = None,
        seconds_ago: float = 0.0,
    ) -> Any:
        """Say something, let time pass or so many steps be made, and give the last thing shown."""
        self._updates += 1
        self.world.said(text, update_id or self._updates, seconds_ago=seconds_ago)
        if steps is None:
            self.world.pass_time(wait)
        for _ in range(steps or 0):
            self.world.crank.step(until=self.world.clock.monotonic())
        return self.world.chat.shown[-1] if self.world.chat.shown else None

    def press(self, shown: Any, label: str, *, wait: float | None = 1.0) -> Any:
        self._updates += 1
        self.world.tapped(shown.button(label), shown.message_id, self._updates)
        if wait is not None:
            self.world.pass_time(wait)
        return self.world.chat.shown[-1]

    @property
    def session(self) -> str:
        return addresses.session(17)


@pytest.fixture
def chat(make_world: Callable[..., Any]) -> Chat:
    return Chat(make_world())


# --- words ----------------------------------------------------------------------------------------------------------
def test_start_welcomes_and_gives_alerts_a_home(make_world: Callable[..., Any]) -> None:
    chat = Chat(make_world(default_chat_id=None))
    chat.world.raise_alert("filled")
    chat.write("/start")
    welcome, alert = sorted(chat.world.chat.titles())
    assert (welcome, alert) == ("Standfast watches over your positions.", "filled")


def test_help_lists_the_commands_and_teaches_one_with_examples(chat: Chat) -> None:
    overview = chat.write("/help").text
    assert all(f"/{name}" in overview for name in ("status", "trade", "close", "health", "version"))
    assert "entries market" in chat.write("/help trade").text


def test_every_example_in_the_help_is_understood(chat: Chat) -> None:
    examples = [line for line in HELP["trade"] if line.startswith("/trade ") and "SYMBOL" not in line]
    assert len(examples) >= 2
    assert all(isinstance(parse_plan(line), TradePlan) for line in examples)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/statsu", "Did you mean /status?"),
        ("/helth", "Did you mean /health?"),
        ("/qqqqqq", "There is no command /qqqqqq."),
        ("close it all", "Commands begin with a slash."),
        ("/status x", "'x' is no trade number."),
        ("/close 1 2", "One trade at a time, or all."),
    ],
)
def test_what_is_not_understood_says_what_to_write_instead(chat: Chat, text: str, answer: str) -> None:
    assert answer in chat.write(text).text


def test_version_is_told(chat: Chat) -> None:
    assert chat.write("/version").text == "Standfast 1.2.3"


def test_an_update_that_comes_twice_is_answered_once(chat: Chat) -> None:
    chat.write("/version", update_id=5)
    chat.write("/version", update_id=5)
    assert len(chat.world.chat.shown) == 1


def test_an_update_that_comes_again_after_a_restart_is_answered_once(chat: Chat) -> None:
    chat.write("/version", update_id=5)
    chat.world.system.kill(chat.session)
    chat.world.pass_time(1)
    chat.write("/version", update_id=5)
    assert len(chat.world.chat.shown) == 1


# --- readings -------------------------------------------------------------------------------------------------------
def test_status_says_of_every_figure_where_it_comes_from_and_how_old_it_is(chat: Chat) -> None:
    chat.trade(3)
    text = chat.write("/status").text
    assert "#3 XRPUSDT long" in text
    assert "stop 1.15 at exchange, confirmed 3 s ago" in text or "confirmed 4 s ago" in text
    assert "price 1.25 (stream, 0 s ago), open PnL +6.50 USDT before exit fees" in text


def test_status_says_so_when_the_stop_is_not_confirmed_and_the_price_unknown(chat: Chat) -> None:
    chat.trade(3, "BTCUSDT", stop_at_exchange=False, last_confirmed_at=None)
    text = chat.write("/status 3").text
    assert "stop 1.15 NOT confirmed at exchange; backstop 1.14; nothing heard from the exchange yet" in text
    assert "price unknown at the moment" in text


def test_status_names_trades_whose_monitor_does_not_answer(chat: Chat) -> None:
    row = StreamSummary(
        kind="trade", account="main", symbol="XRPUSDT", number=8, label="main/XRPUSDT/long/8", live=True
    )
    append = Append(stream="trade/X", expected_sequence=0, facts=(), register=row)
    chat.world.system.tell(addresses.STORE, append)
    assert "#8 main/XRPUSDT/long/8: its monitor did not answer" in chat.write("/status").text


def test_the_table_fits_a_phone(chat: Chat) -> None:
    chat.trade(3)
    chat.trade(12, phase="closing", position_side="short", realised_pnl_usdt=Decimal("-1234.567"))
    table = chat.write("/status table").screen.table
    assert len(table) == 3
    assert all(len(row) <= 32 for row in table)


def test_refresh_replaces_the_message_it_stands_under(chat: Chat) -> None:
    first = chat.write("/status")
    chat.trade(3)
    second = chat.press(first, "Refresh")
    assert (second.message_id, second.edited) == (first.message_id, True)
    assert "#3 XRPUSDT" in second.text


def test_a_late_reading_is_answered_and_says_so(chat: Chat) -> None:
    assert "Asked 5 min ago." in chat.write("/status", seconds_ago=300).text


def test_a_silent_desk_is_told(chat: Chat) -> None:
    chat.world.system.stop_actor(addresses.DESK)
    assert "No answer from inside the daemon." in chat.write("/status", wait=20).text


# --- opening --------------------------------------------------------------------------------------------------------
def test_a_trade_is_shown_with_its_consequences_before_anything_is_sent(chat: Chat) -> None:
    text = chat.write(TRADE).text
    for part in (
        "Open XRPUSDT long on main?",
        "entry 1: 50 at 1.19",
        "target 1: 1.2 for 85 (85%)",
        "target 3: 1.22 merged into another",
        "stop 1.15: loss 3.63 USDT with fees",
        "sized by margin 2% of the available balance: 12.00 USDT with fees",
        "margin 11.85 USDT, leverage 10",
        "under the minimum",
    ):
        assert part in text
    assert chat.desk.asked == []


def test_a_confirmed_trade_is_opened_once_and_the_preview_becomes_the_outcome(chat: Chat) -> None:
    preview = chat.write(TRADE)
    outcome = chat.press(preview, "Confirm")
    assert "Trade #3 opened: XRPUSDT long on main" in outcome.text
    assert (outcome.message_id, outcome.screen.buttons) == (preview.message_id, ())
    (asked,) = chat.desk.asked
    assert asked.by == "chat:17"
    assert asked.plan.chat_id == 17


def test_a_double_tap_acts_once(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.press(preview, "Confirm", wait=0.0)
    chat.press(preview, "Confirm")
    chat.press(preview, "Confirm")
    assert len(chat.desk.asked) == 1
    titles = chat.world.chat.titles()
    assert sum("opened" in title for title in titles) == 1
    assert titles[-1] == "This button was used or has expired."
    assert chat.world.chat.shown[-1].message_id != preview.message_id  # the outcome stays to be read


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_asked_of_the_desk_before_it_is_written_down(make_world: Callable[..., Any], seed: int) -> None:
    chat = Chat(make_world(seed=seed))
    random = Random(seed)
    for _ in range(3):
        chat.press(chat.write(TRADE), "Confirm", wait=None)
        for _ in range(12):  # each writes the record, too
            chat.write("/version", steps=random.randrange(6))
        chat.world.pass_time(30)
    assert len(chat.desk.opened) == 3
    assert chat.desk.unwritten == []


def test_a_cancelled_trade_is_not_sent_and_cannot_be_confirmed_after(chat: Chat) -> None:
    preview = chat.write(TRADE)
    assert chat.press(preview, "Cancel").text == "Open XRPUSDT long: cancelled, nothing was sent."
    chat.press(preview, "Confirm")
    assert chat.desk.asked == []


def test_a_button_expires(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.world.pass_time(60)
    assert "the button has expired" in chat.press(preview, "Confirm").text
    assert chat.desk.asked == []


def test_a_button_works_after_a_restart_of_the_session(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.world.system.kill(chat.session)
    chat.world.pass_time(1)
    assert "opened" in chat.press(preview, "Confirm").text


def test_a_button_of_another_chat_does_nothing(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.world.tapped(preview.button("Confirm"), preview.message_id, 4, chat_id=18)
    chat.world.pass_time(1)
    assert chat.desk.asked == []
    assert chat.world.chat.shown[-1].chat_id == 18


def test_expired_buttons_are_not_kept_for_ever(chat: Chat) -> None:
    chat.write(TRADE)
    assert any(name.startswith("button/") for name in chat.world.disk.committed.documents)
    chat.world.pass_time(150)
    assert not any(name.startswith("button/") for name in chat.world.disk.committed.documents)


def test_an_incomplete_plan_says_all_that_is_missing(chat: Chat) -> None:
    text = chat.write("/trade XRPUSDT long entries 1.19").text
    assert all(word in text for word in ("targets", "stop", "margin", "leverage"))


def test_a_refused_preview_gives_the_desks_words(chat: Chat) -> None:
    assert "NOPEUSDT is not a USDT perpetual" in chat.write(TRADE.replace("XRPUSDT", "NOPEUSDT")).text


def test_a_refused_opening_gives_the_desks_words(chat: Chat) -> None:
    chat.desk.moods.append("refuse")
    text = chat.press(chat.write(TRADE), "Confirm").text
    assert "refused, nothing was sent" in text
    assert "the ninth trade on XRPUSDT" in text


@pytest.mark.parametrize("text", [TRADE, "/close 3"])
def test_an_old_command_that_acts_on_trades_is_not_carried_out(chat: Chat, text: str) -> None:
    chat.trade(3)
    shown = chat.write(text, seconds_ago=250)
    assert shown.screen.title == "This command is 4 min old, send it again."
    assert shown.screen.buttons == ()


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_id(chat: Chat) -> None:
    chat.desk.moods.append("late")
    outcome = chat.press(chat.write(TRADE), "Confirm", wait=60)
    assert "it was opened by this command before" in outcome.text
    assert len({command.command_id for command in chat.desk.asked}) == 1
    assert len(chat.desk.opened) == 1


def test_a_desk_that_never_answers_ends_in_an_unknown_outcome(chat: Chat) -> None:
    chat.desk.moods.extend(["silent"] * 3)
    outcome = chat.press(chat.write(TRADE), "Confirm", wait=120)
    assert outcome.screen.title == "Open XRPUSDT long: outcome unknown, look at /status."
    assert len(chat.desk.asked) == 3


# --- closing --------------------------------------------------------------------------------------------------------
def test_closing_shows_the_consequence_and_acts_on_what_was_shown(chat: Chat) -> None:
    chat.trade(3)
    preview = chat.write("/close 3")
    assert "Close #3 XRPUSDT long at market?" in preview.text
    assert "100 at about 1.25 (stream, 0 s ago), +6.50 USDT before exit fees" in preview.text
    assert "leaving now" in chat.press(preview, "Close now").text
    assert chat.desk.closed == ["TRADE3"]


def test_close_all_closes_the_trades_that_were_shown_and_no_later_one(chat: Chat) -> None:
    chat.trade(3)
    chat.trade(4, "BTCUSDT")
    preview = chat.write("/close all")
    assert "result unknown (no price at the moment)" in preview.text
    assert "together: unknown" in preview.text
    chat.trade(5)
    chat.press(preview, "Close all 2")
    assert chat.desk.closed == ["TRADE3", "TRADE4"]


def test_close_without_a_number_offers_the_open_trades(chat: Chat) -> None:
    chat.trade(3)
    chat.trade(4)
    choice = chat.write("/close")
    assert "Close #4 XRPUSDT long at market?" in chat.press(choice, "#4 XRPUSDT long").text


def test_closing_what_is_not_open_names_what_is(chat: Chat) -> None:
    chat.trade(3)
    assert "Open are #3 XRPUSDT." in chat.write("/close 9").text


def test_each_trade_of_a_close_has_its_own_result(chat: Chat) -> None:
    chat.trade(3)
    chat.trade(4)
    preview = chat.write("/close all")
    chat.desk.trades.pop()
    text = chat.press(preview, "Close all 2").text
    assert "TRADE3: leaving now" in text
    assert "TRADE4: refused (there is no open trade TRADE4)" in text


# --- one outcome, whatever fails ------------------------------------------------------------------------------------
def test_an_outcome_waits_for_the_chat_to_come_back(chat: Chat) -> None:
    chat.world.chat.mishap = lambda _chat, _screen: (Unreachable("no route"), False)
    chat.write("/version", wait=100)
    assert chat.world.chat.shown == []
    chat.world.chat.mishap = lambda _chat, _screen: None
    chat.world.pass_time(80)
    (shown,) = chat.world.chat.shown
    assert shown.screen.title == "Standfast 1.2.3"
    assert shown.screen.lines[0].startswith("Asked ")


def test_an_answer_the_chat_will_not_take_is_cut_to_its_title(chat: Chat) -> None:
    chat.world.chat.mishap = lambda _chat, screen: (Rejected("too long"), False) if len(screen.lines) > 1 else None
    shown = chat.write("/help")
    assert shown.screen.title == "Commands"
    assert "refused the rest" in shown.screen.lines[0]
    assert chat.world.system.ask(addresses.STORE, RECORD).pending == ()


def test_an_unclear_showing_is_repeated_and_marked(chat: Chat) -> None:
    mishaps = [(OutcomeUnknown("timed out"), True)]
    chat.world.chat.mishap = lambda _chat, _screen: mishaps.pop() if mishaps else None
    chat.write("/version", wait=10)
    assert chat.world.chat.titles() == ["Standfast 1.2.3", "(again) Standfast 1.2.3"]


def test_a_session_that_crashes_before_the_outcome_is_shown_shows_it_after(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.press(preview, "Confirm", wait=0.0)
    assert chat.world.crank.run(lambda: bool(chat.desk.opened), within_seconds=5)
    chat.world.system.kill(chat.session)
    chat.world.pass_time(5)
    assert "opened" in chat.world.chat.shown[-1].text
    assert len(chat.desk.opened) == 1
    assert chat.world.system.ask(addresses.STORE, RECORD).pending == ()


def test_a_confirmation_older_than_a_minute_is_not_sent_again_but_ends_in_a_word(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.desk.moods.append("silent")
    chat.press(preview, "Confirm", wait=2.0)
    asked = len(chat.desk.asked)
    chat.world.system.stop_actor(chat.session)
    chat.world.pass_time(300)
    chat.write("/version")  # the room starts the session again
    assert len(chat.desk.asked) == asked
    titles = chat.world.chat.titles()
    assert "Open XRPUSDT long: outcome unknown, look at /status." in titles


def test_the_room_takes_up_what_was_under_way_without_being_spoken_to(chat: Chat) -> None:
    preview = chat.write(TRADE)
    chat.desk.moods.append("silent")
    chat.press(preview, "Confirm", wait=2.0)
    chat.world.system.kill("chats")
    chat.world.pass_time(10)
    assert "opened" in chat.world.chat.shown[-1].text


def test_commands_wait_for_a_store_that_is_away(chat: Chat) -> None:
    chat.write("/version")
    chat.world.crash(addresses.STORE, PutDocument)
    assert chat.write("/help", wait=30).screen.title == "Commands"


def test_an_update_that_comes_again_is_not_acknowledged_before_its_record_is_durable(chat: Chat) -> None:
    """The first hand-over got no answer: the store was slow. Memory knows the update; a crash would lose it."""
    world = chat.world
    chat.write("/version")
    world.slow(addresses.STORE, PutDocument, seconds=20.0)
    again = OperatorSaid(update_id=77, chat_id=17, user_id=17, text="/help", said_at=world.now())
    for _ in range(3):
        with pytest.raises(AskTimeout):
            world.system.ask(chat.session, again, timeout_seconds=2.0)
    assert world.system.ask(chat.session, again, timeout_seconds=30.0) is True
    assert 77 in codec.decode(*world.disk.committed.documents["chat/17"]).used_updates


@pytest.mark.parametrize("steps", range(9, 40))  # it is accepted by the ninth
def test_a_question_asked_again_after_a_crash_confirms_the_same_trade(
    make_world: Callable[..., Any], steps: int
) -> None:
    chat = Chat(make_world())
    chat.write(TRADE, steps=steps)
    chat.world.system.kill("chats")
    chat.world.pass_time(5)
    questions = [shown for shown in chat.world.chat.shown if "Confirm" in str(shown.screen.buttons)]
    assert questions
    for question in questions:
        chat.press(question, "Confirm", wait=5)
    assert len(chat.desk.opened) == 1


@pytest.mark.parametrize("steps", range(40))
def test_a_press_that_a_crash_cuts_short_is_carried_out_after_it(make_world: Callable[..., Any], steps: int) -> None:
    chat = Chat(make_world())
    preview = chat.write(TRADE)
    chat.press(preview, "Confirm", wait=None)
    for _ in range(steps):
        chat.world.crank.step(until=chat.world.clock.monotonic())
    chat.world.system.kill("chats")
    chat.world.pass_time(30)
    assert len(chat.desk.opened) == 1
    assert "opened" in chat.world.chat.shown[-1].text


class Weather:
    """A chat service on a bad line; only what is unclear may have arrived."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.bad = 0.0

    def __call__(self, _chat: int, _screen: Any) -> tuple[Exception, bool] | None:
        if self._random.random() >= self.bad:
            return None
        if self._random.random() < 0.5:
            return Unreachable("no route"), False
        return OutcomeUnknown("timed out"), self._random.random() < 0.5


@pytest.mark.parametrize("seed", range(40))
def test_through_any_crash_each_confirmation_ends_in_one_outcome_and_no_trade_is_doubled(
    make_world: Callable[..., Any], seed: int
) -> None:
    random = Random(seed)
    chat = Chat(make_world(seed=seed))
    world = chat.world
    weather = world.chat.mishap = Weather(random)
    for _ in range(6):
        weather.bad = 0.0
        preview = chat.write(TRADE, wait=2)
        weather.bad = random.choice((0.0, 0.5))
        chat.desk.moods.extend(random.choices(("", "silent", "late"), (4, 1, 1), k=1))
        chat.press(preview, "Confirm", wait=random.choice((0.0, 0.0, 0.01, 1.0)))
        for _ in range(random.randrange(40)):
            world.crank.step(until=world.clock.monotonic())
        world.system.kill(random.choice((chat.session, "chats", addresses.CHAT_COURIER, addresses.STORE, "nobody")))
        chat.press(preview, "Confirm", wait=random.choice((0.0, 1.0)))
        world.pass_time(130)
        weather.bad = 0.0
        world.pass_time(130)
        edits = {shown.text for shown in world.chat.shown if shown.edited and shown.message_id == preview.message_id}
        spent = [shown for shown in world.chat.shown if shown.screen.title.endswith("used or has expired.")]
        assert len(edits) == 1 or (not edits and spent), f"seed {seed}: {edits}"
        chat.desk.moods.clear()
    assert world.system.ask(addresses.STORE, RECORD).pending == (), f"seed {seed}"
    assert chat.desk.unwritten == []
    opened = {shown.message_id for shown in world.chat.shown if "opened" in shown.screen.title}
    unknown = {shown.message_id for shown in world.chat.shown if "unknown" in shown.screen.title}
    assert len(opened) <= len(chat.desk.opened) <= len(opened | unknown), f"seed {seed}"
