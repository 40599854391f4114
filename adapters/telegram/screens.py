"""Pure: a screen becomes Telegram messages: HTML, the same as plain text, and the keyboard.

Enters: Screen. Leaves: parts under Telegram's limit, counted in UTF-16 units after the tags are gone, numbered when
there are several. Stays out: sending. Text is escaped, so prices, underscores and exchange errors cannot break the
markup; it is split before it is formatted, so a split is never inside a tag.
Source: core.telegram.org/bots/api, "HTML style" and sendMessage (4,096 characters after entities are parsed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from unicodedata import category

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import MessageLimit

from actors.model.screen import Button, Screen

TEXT_LIMIT = int(MessageLimit.MAX_TEXT_LENGTH)
_TITLE_LIMIT = 200
_NUMBER_ROOM = len(" (999/999)")
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One message's text in both forms."""

    html: str
    plain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    text: str
    fixed: bool  # shown in a monospaced block


def units(text: str) -> int:
    """Count UTF-16 code units, as Telegram does: most emoji count two."""
    return len(text.encode("utf-16-le")) // 2


def parts(screen: Screen, limit: int = TEXT_LIMIT) -> tuple[Part, ...]:
    """Split a screen into messages of at most `limit` units of visible text, each under the title.

    Splits fall on line ends; only a line longer than a whole message is cut, at a space if it has one near.
    """
    title = _cut(shown_title(screen), limit // 4)
    room = limit - units(title) - _NUMBER_ROOM - 1
    pages = list(_pages(list(_rows(screen, room)), room))
    numbers = [f" ({at}/{len(pages)})" if len(pages) > 1 else "" for at in range(1, len(pages) + 1)]
    return tuple(_part(title, number, page) for number, page in zip(numbers, pages, strict=True))


def shown_title(screen: Screen) -> str:
    """Give the title on one line; a long one is cut here and stands in full among the lines."""
    return _cut(_sendable(screen.title).replace("\n", " ").strip(), _TITLE_LIMIT)


def plain_text(screen: Screen) -> str:
    """Give the whole screen as plain text, for a document."""
    return _sendable("\n".join((screen.title, *screen.lines, *screen.table)))


def keyboard(buttons: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    """Put the buttons under a message; None without buttons."""
    rows = [[InlineKeyboardButton(one.label, callback_data=one.data) for one in row] for row in buttons if row]
    return InlineKeyboardMarkup(rows) if rows else None


def _rows(screen: Screen, room: int) -> Iterator[_Row]:
    if units(_sendable(screen.title)) > _TITLE_LIMIT:
        yield from _pieces(screen.title, room, fixed=False)
    for line in screen.lines:
        yield from _pieces(line, room, fixed=False)
    for line in screen.table:
        yield from _pieces(line, room, fixed=True)


def _pieces(text: str, room: int, *, fixed: bool) -> Iterator[_Row]:
    for line in _sendable(text).split("\n"):
        rest = line
        while units(rest) > room:
            head = _cut(rest, room, ellipsis_mark="")
            at_space = head.rfind(" ")
            head = head[:at_space] if at_space > len(head) // 2 else head
            yield _Row(text=head, fixed=fixed)
            rest = rest[len(head) :].lstrip(" ")
        yield _Row(text=rest, fixed=fixed)


def _pages(rows: Sequence[_Row], room: int) -> Iterator[list[_Row]]:
    page: list[_Row] = []
    used = 0
    for row in rows:
        size = units(row.text) + 1  # its line end
        if page and used + size > room:
            yield page
            page, used = [], 0
        page.append(row)
        used += size
    yield page


def _part(title: str, number: str, page: Sequence[_Row]) -> Part:
    heading = f"<b>{escape(title, quote=False)}</b>{number}" if title else number.strip()
    blocks = [heading] if heading else []
    for fixed, rows in groupby(page, key=lambda row: row.fixed):
        text = escape("\n".join(row.text for row in rows), quote=False)
        blocks.append(f"<pre>{text}</pre>" if fixed else text)
    plain = [f"{title}{number}".strip()] if heading else []
    return Part(html="\n".join(blocks), plain="\n".join([*plain, *(row.text for row in page)]))


def _cut(text: str, limit: int, ellipsis_mark: str = "…") -> str:
    """Cut to `limit` units, never through a character."""
    if units(text) <= limit:
        return text
    room = limit - units(ellipsis_mark)
    kept = text.encode("utf-16-le")[: room * 2].decode("utf-16-le", "ignore")
    return kept + ellipsis_mark


def _sendable(text: str) -> str:
    """Replace what no UTF-8 can carry (half an emoji cut elsewhere); take out control signs and those that turn the
    direction of writing, which could make a foreign text show a price backwards.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\t", "    ")
    return "".join(sign for sign in whole if sign == "\n" or not (category(sign) == "Cc" or sign in _TURNS))
