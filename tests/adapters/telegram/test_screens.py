"""Screens become messages Telegram takes: judged by the same markup rules as the local Bot API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.model.screen import Button, Screen
from adapters.simulated.bot_api_markup import utf16_length, visible_text
from adapters.telegram.screens import TEXT_LIMIT, keyboard, parts, plain_text, shown_title

# Anything a person or an exchange may write, markup and halves of emoji included.
TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("<>&/b \n🚀_*é")), max_size=200)
SCREENS = st.builds(
    Screen,
    title=TEXTS,
    lines=st.lists(TEXTS, max_size=12).map(tuple),
    table=st.lists(TEXTS, max_size=12).map(tuple),
)


def test_a_short_screen_is_one_message_with_a_bold_title_and_a_fixed_table() -> None:
    screen = Screen(title="Trade 1", lines=("long BTCUSDT",), table=("TP1  66,000", "TP2  67,000"))
    (part,) = parts(screen)
    assert part.html == "<b>Trade 1</b>\nlong BTCUSDT\n<pre>TP1  66,000\nTP2  67,000</pre>"
    assert part.plain == "Trade 1\nlong BTCUSDT\nTP1  66,000\nTP2  67,000"


def test_a_title_alone_is_a_message() -> None:
    assert [part.html for part in parts(Screen(title="Standfast is up"))] == ["<b>Standfast is up</b>"]


def test_signs_of_markup_are_escaped_and_quotes_are_left() -> None:
    (part,) = parts(Screen(title="<b>", lines=("a & b < c > d \"e\" 'f'",)))
    assert part.html == "<b>&lt;b&gt;</b>\na &amp; b &lt; c &gt; d \"e\" 'f'"


def test_text_exactly_at_the_limit_fills_its_messages_and_none_is_over_it() -> None:
    screen = Screen(title="T", lines=tuple("🚀" * 50 for _ in range(200)))  # 20,000 UTF-16 units, 10,000 characters
    texts = parts(screen)
    assert all(utf16_length(visible_text(part.html)) <= TEXT_LIMIT for part in texts)
    assert len(texts) == 5
    assert sum(part.plain.count("🚀") for part in texts) == 10_000


def test_splits_fall_on_line_ends() -> None:
    lines = tuple(f"{number:05} {'x' * 90}" for number in range(100))
    texts = parts(Screen(title="T", lines=lines))
    arrived = [line for part in texts for line in part.plain.split("\n")[1:]]
    assert arrived == list(lines)
    assert [part.plain.split("\n")[0] for part in texts] == ["T (1/3)", "T (2/3)", "T (3/3)"]


def test_a_table_that_is_split_is_a_block_in_each_part() -> None:
    texts = parts(Screen(title="T", table=tuple("y" * 99 for _ in range(60))))
    assert len(texts) == 2
    assert all(part.html.count("<pre>") == part.html.count("</pre>") == 1 for part in texts)


def test_a_line_longer_than_a_message_is_cut_at_a_space() -> None:
    words = " ".join(f"word{number}" for number in range(1000))
    texts = parts(Screen(title="T", lines=(words,)))
    arrived = " ".join(part.plain.split("\n")[1] for part in texts)
    assert arrived == words


def test_a_long_title_is_cut_above_and_stands_in_full_below() -> None:
    title = "Refused: " + "reason " * 60
    (part,) = parts(Screen(title=title.strip()))
    assert part.plain.split("\n")[0].endswith("…")
    assert title.strip() in part.plain


def test_signs_that_turn_the_writing_or_steer_a_terminal_are_taken_out() -> None:
    (part,) = parts(Screen(title="a\x1b[31m", lines=("1\u202e002", "tab\there", "half \ud83d emoji")))
    assert part.plain == "a[31m\n1002\ntab    here\nhalf ? emoji"


@given(SCREENS)
def test_any_screen_is_valid_markup_under_the_limit_and_says_the_same_plainly(screen: Screen) -> None:
    for limit in (120, TEXT_LIMIT):
        for part in parts(screen, limit):
            seen = visible_text(part.html)
            assert utf16_length(seen) <= limit
            assert seen == part.plain


@given(SCREENS)
def test_no_word_of_a_screen_is_lost(screen: Screen) -> None:
    whole = Screen(title="T", lines=screen.lines, table=screen.table)
    arrived = "".join("\n".join(part.plain.split("\n")[1:]) for part in parts(whole, 120))
    wanted = plain_text(whole).removeprefix("T\n") if whole.lines or whole.table else ""
    assert "".join(arrived.split()) == "".join(wanted.split())


@given(TEXTS)
def test_a_title_is_one_line(title: str) -> None:
    assert "\n" not in shown_title(Screen(title=title))


def test_buttons_keep_their_rows_and_empty_rows_vanish() -> None:
    yes, no = Button(label="Yes", data="y"), Button(label="No", data="n")
    markup = keyboard(((yes, no), (), (no,)))
    assert markup is not None
    assert [[button.callback_data for button in row] for row in markup.inline_keyboard] == [["y", "n"], ["n"]]
    assert keyboard(((),)) is None
