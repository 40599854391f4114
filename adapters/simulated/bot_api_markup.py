"""Telegram's HTML parse mode, as the local Bot API checks it.

Enters: the text of a message. Leaves: the text a person sees, or the refusal Telegram words. Stays out: chats, sockets.
Lengths are UTF-16 code units after the tags are gone. Source: core.telegram.org/bots/api#html-style and the wording
of td's `parse_html`.
"""

from __future__ import annotations

import re

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024

_TAGS = frozenset(
    {
        "a", "b", "blockquote", "code", "del", "em", "i", "ins", "pre", "s", "span", "strike", "strong", "tg-emoji",
        "tg-spoiler", "u",
    }
)  # fmt: skip
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CHARACTER = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot));")
_ATTRIBUTE = re.compile(r"""\s+[a-zA-Z][\w-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[\w.-]+))?""")
_LAST_CODE_POINT = 0x10FFFF


class MarkupRefused(Exception):
    """The text is no valid HTML in Telegram's sense."""


def utf16_length(text: str) -> int:
    """Count UTF-16 code units: an emoji outside the basic plane counts two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def visible_text(markup: str) -> str:
    """Give what a person sees of an HTML text.

    Raises: MarkupRefused for an unknown, unbalanced or unfinished tag, in Telegram's words.
    """
    seen: list[str] = []
    opened: list[str] = []
    at = 0
    while at < len(markup):
        if markup[at] == "&":
            character, at = _character(markup, at)
            seen.append(character)
        elif markup[at] != "<":
            seen.append(markup[at])
            at += 1
        elif markup.startswith("</", at):
            at = _end_tag(markup, at, opened)
        else:
            at = _start_tag(markup, at, opened)
    if opened:
        raise MarkupRefused(f'Can\'t find end tag corresponding to start tag "{opened[-1]}"')
    return "".join(seen)


def _character(markup: str, at: int) -> tuple[str, int]:
    found = _CHARACTER.match(markup, at)
    if found is None:
        return "&", at + 1
    decimal, hexadecimal, name = found.groups()
    if name is not None:
        return _NAMED[name], found.end()
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return (chr(number) if 0 < number <= _LAST_CODE_POINT else found.group()), found.end()


def _start_tag(markup: str, at: int, opened: list[str]) -> int:
    named = re.compile(r"[^\s>/]*").match(markup, at + 1)
    name = "" if named is None else named.group().lower()
    offset = _byte_offset(markup, at)
    if name not in _TAGS:
        raise MarkupRefused(f'Unsupported start tag "{name}" at byte offset {offset}')
    end = at + 1 + len(name)
    while attribute := _ATTRIBUTE.match(markup, end):
        end = attribute.end()
    closing = re.compile(r"\s*>").match(markup, end)
    if closing is None:
        raise MarkupRefused(f'Unclosed start tag "{name}" at byte offset {offset}')
    opened.append(name)
    return closing.end()


def _end_tag(markup: str, at: int, opened: list[str]) -> int:
    offset = _byte_offset(markup, at)
    end = markup.find(">", at)
    if end < 0:
        raise MarkupRefused(f"Unclosed end tag at byte offset {offset}")
    if not opened:
        raise MarkupRefused(f"Unexpected end tag at byte offset {offset}")
    name = markup[at + 2 : end].strip().lower()
    expected = opened.pop()
    if name not in (expected, ""):
        raise MarkupRefused(f'Unmatched end tag at byte offset {offset}, expected "</{expected}>", found "</{name}>"')
    return end + 1


def _byte_offset(markup: str, at: int) -> int:
    return len(markup[:at].encode("utf-8", "replace"))
