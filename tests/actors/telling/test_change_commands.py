"""/stop, /breakeven, /target: what it means is shown first; Confirm does it once, under one id, whatever is lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import ChangeTrade, TradeChanged
from actors.model.trade_change import ChangeKind, TradeChange
from runtime import LATER, Refused, handles
from tests.actors.telling.test_operator_session import Chat, ScriptedDesk

D = Decimal


class ChangingDesk(ScriptedDesk):
    """A desk with a trade 3 whose stop is at 1.15."""

    @handles(ChangeTrade)
    def _on_change(self, wanted: ChangeTrade) -> Any:
        if wanted.which not in {"3", "TRADE3"}:
            raise Refused(f"there is no open trade {wanted.which}: open are #3 XRPUSDT")
        if not wanted.preview:
            self._check_durable(wanted.command_id)
            self._desk.asked.append(wanted)
            mood = self._desk.moods.popleft() if self._desk.moods else ""
            if mood == "silent":
                self.context.defer_reply()
                return LATER
            if mood == "refuse":
                raise Refused("the stop was at 1.15 when you were asked and is at 1.16 now: ask again")
        price = wanted.change.price
        return TradeChanged(
            trade_id="TRADE3",
            number=3,
            label="main/XRPUSDT/long/conservative/TRADE3",
            change=wanted.change,
            before=D("1.15") if wanted.change.place is None else D("1.2"),
            price=price,
            loosens=price is not None and price < D("1.15"),
            lines=("at 1.14 the trade loses 9.15 USDT with fees",),
        )


@pytest.fixture
def chat(make_world: Callable[..., Any]) -> Chat:
    chat = Chat(make_world(), ChangingDesk)
    chat.trade(3)
    return chat


def test_a_stop_farther_out_is_confirmed_with_the_new_loss_in_view(chat: Chat) -> None:
    asked_back = chat.write("/stop 3 1.14")
    assert "#3: stop from 1.15 to 1.14 FARTHER OUT?" in asked_back.text
    assert "at 1.14 the trade loses 9.15 USDT with fees" in asked_back.text
    assert chat.desk.asked == []
    outcome = chat.press(asked_back, "Risk more")
    assert outcome.text.startswith("#3: stop from 1.15 to 1.14, recorded.")
    (asked,) = chat.desk.asked
    assert isinstance(asked, ChangeTrade)
    assert asked.change == TradeChange(kind=ChangeKind.STOP, price=D("1.14"))
    assert (asked.which, asked.by, asked.seen_price) == ("TRADE3", "chat:17", D("1.15"))
    assert chat.desk.unwritten == []


def test_what_is_not_confirmed_changes_nothing(chat: Chat) -> None:
    cancelled = chat.press(chat.write("/target 3 1 1.25"), "Cancel")
    assert cancelled.text == "#3 Target 1 to 1.25: cancelled, nothing was sent."
    assert chat.desk.asked == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/stop 3", "Which trade, and which price? Write both."),
        ("/stop 3 near", "'near' is no price: write a number over 0 with a point, such as 1.15."),
        ("/stop 3 0", "'0' is no price"),
        ("/stop 3 1,15", "'1,15' is no price"),
        ("/breakeven 3 1.2", "One trade at a time, and no price: it is worked out."),
        ("/target 3 1.25", "Which trade, which target, and which price? Write all three."),
        ("/target 3 first 1.25", "'first' is no target: they are numbered from 1, the nearest."),
        ("/stop 9 1.1", "there is no open trade 9: open are #3 XRPUSDT"),
        ("/stp 3 1.1", "Did you mean /stop?"),
    ],
)
def test_what_cannot_be_done_says_what_to_write(chat: Chat, text: str, answer: str) -> None:
    assert answer in chat.write(text).text
    assert chat.desk.asked == []


def test_breakeven_alone_offers_the_trades_that_hold_something(chat: Chat) -> None:
    chat.trade(4, open_quantity=D(0))
    offered = chat.write("/breakeven")
    assert [row[0].label for row in offered.screen.buttons] == ["#3 XRPUSDT long"]
    assert "Which stop goes to breakeven?" in offered.text


def test_a_refusal_at_the_end_is_the_outcome(chat: Chat) -> None:
    chat.desk.moods.append("refuse")
    outcome = chat.press(chat.write("/stop 3 1.14"), "Risk more")
    assert outcome.text.startswith("#3 Stop to 1.14: refused, nothing was sent.")
    assert "is at 1.16 now: ask again" in outcome.text


def test_a_change_without_an_answer_is_asked_again_under_the_same_id(chat: Chat) -> None:
    chat.desk.moods.append("silent")
    chat.press(chat.write("/stop 3 1.14"), "Risk more", wait=0.5)
    chat.world.system.stop_actor(chat.session)
    chat.write("/version")  # the room starts the session again
    chat.world.pass_time(30)
    first, again = chat.desk.asked
    assert first == again
    assert sum(title.startswith("#3: stop from 1.15 to 1.14, recorded.") for title in chat.world.chat.titles()) == 1


def test_the_help_teaches_each(chat: Chat) -> None:
    for name in ("stop", "breakeven", "target"):
        assert f"/{name} 3" in chat.write(f"/help {name}").text
