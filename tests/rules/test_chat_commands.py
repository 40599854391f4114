"""What a person may write and press, and how long things read."""

from __future__ import annotations

import pytest

from actors.rules.ages import span
from actors.rules.chat_commands import (
    DATA_BYTES,
    AskHelp,
    AskStatus,
    DraftClose,
    DraftTrade,
    Misunderstood,
    Press,
    acts_on_trades,
    confirm_buttons,
    parse,
    parse_press,
    say_button,
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/status", AskStatus()),
        ("/STATUS@standfast_bot #3", AskStatus(number=3)),
        ("/status table", AskStatus(table=True)),
        ("/close 3", DraftClose(which="3")),
        ("/fx all", DraftClose(which="all")),
        ("/close", DraftClose(which="")),
        ("/trade  XRPUSDT   long", DraftTrade(words="XRPUSDT long")),
        ("/start", AskHelp(welcome=True)),
        ("/help /trade", AskHelp(topic="trade")),
    ],
)
def test_commands_are_understood_in_the_ways_people_write_them(text: str, command: object) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    "text", ["", "   ", "hello", "/", "/status ٣", "/status -1", "/😀", "/close 1 2", "/status " + "9" * 40]
)
def test_nothing_a_person_writes_makes_it_fail(text: str) -> None:
    assert isinstance(parse(text), Misunderstood)


def test_only_commands_that_lead_to_orders_must_be_fresh() -> None:
    assert [acts_on_trades(parse(text)) for text in ("/trade x", "/close 3", "/status", "/health")] == [
        True,
        True,
        False,
        False,
    ]


def test_buttons_come_back_as_what_they_were_made_for() -> None:
    ((yes, no),) = confirm_buttons("0123456789ABCDEFGHJKMNPQRS", "Confirm")
    assert parse_press(yes.data) == Press(nonce="0123456789ABCDEFGHJKMNPQRS", confirmed=True)
    assert parse_press(no.data) == Press(nonce="0123456789ABCDEFGHJKMNPQRS", confirmed=False)
    assert parse_press(say_button("Close", "/close 3").data) == "/close 3"
    assert all(len(button.data.encode()) <= DATA_BYTES for button in (yes, no))


@pytest.mark.parametrize("data", ["", "v1", "v1:yes", "v1:yes:", "v0:yes:abc", "v1:open:abc", "yes:abc"])
def test_foreign_buttons_mean_nothing(data: str) -> None:
    assert parse_press(data) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (3.9, "3 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3_600, "1 h 0 min"),
        (8_100, "2 h 15 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_spans_read_in_the_units_that_matter(seconds: float, text: str) -> None:
    assert span(seconds) == text
