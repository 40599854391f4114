"""Story: what happened in a simulated world, line by line, for the one who has to understand a violation.

Enters: lines with their virtual instant; facts, put into words. Stays out: deciding what is wrong.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

KEPT = 400_000
# Facts that tell what a monitor has made up its mind to; every other fact tells what the world has shown it.
DECISIONS = frozenset(
    {
        "OrderRequested",
        "AmendRequested",
        "CancelRequested",
        "ExitStarted",
        "StopPriceMoved",
        "TradeOpened",
        "TradeClosed",
    }
)
WORLD_WIDE = frozenset({"world", "fault", "restart"})  # told even when they are about nothing in particular
_TALK = frozenset({"person", "chat"})
_UNTOLD = frozenset(
    {"order_id", "execution_id", "account", "opened_by", "chat_id", "plan", "trigger_source", "sequence"}
)
_NAMED_ANYWAY = frozenset({"client_order_id", "order"})  # what has one of them needs no effect key beside it
_SAID_TWICE = ("/place", "/amend/", "/cancel/")  # promises that a decision beside them has told already
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: float  # monotonic seconds
    who: str  # price, stream, request, fact, decides, promise, person, chat, fault, restart, world
    about: str  # a symbol, a trade, a stream of the journal; "" for all
    text: str

    def __str__(self) -> str:
        return f"{self.at:11.4f}  {self.who:<8} {self.about:<10} {self.text}"


class Story:
    """Lines, the newest last. Not kept at all unless wanted: words cost time."""

    def __init__(self, now: Callable[[], float], *, wanted: bool) -> None:
        self.wanted = wanted
        self._now = now
        self._lines: deque[Line] = deque(maxlen=KEPT)

    def tell(self, who: str, about: str, text: str) -> None:
        if self.wanted:
            self._lines.append(Line(self._now(), who, about, text))

    def journal(self, stream: str, fact: Any) -> None:
        """Tell of a fact that has just become durable."""
        if self.wanted:
            who = "decides" if type(fact).__name__ in DECISIONS else "fact"
            self.tell(who, stream.removeprefix("trade/"), in_words(fact))

    def lines(self) -> tuple[Line, ...]:
        return tuple(self._lines)


# --- words -----------------------------------------------------------------------------------------------------------
def in_words(fact: Any) -> str:
    """Give a fact's name and what it says, without what only machines need."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(fact).__name__).lower()
    text = f"{name}: {', '.join(_parts(fact))}"
    return text if len(text) < _LONGEST else f"{text[:_LONGEST]}…"


def _parts(value: Any) -> Iterator[str]:
    names = {each.name for each in fields(value)}
    untold = _UNTOLD | {"effect_key"} if names & _NAMED_ANYWAY else _UNTOLD
    for each in fields(value):
        inner = getattr(value, each.name)
        if each.name in untold or isinstance(inner, datetime) or inner in (None, "", (), False):
            continue
        if is_dataclass(inner):
            yield from _parts(inner)
        elif isinstance(inner, tuple):
            yield f"{_spaced(each.name)} {'; '.join(_plain(part) for part in inner)}"
        else:
            yield _spaced(each.name) if inner is True else f"{_spaced(each.name)} {_plain(inner)}"


def _plain(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if is_dataclass(value):
        return " ".join(_parts(value))
    return str(value)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


# --- the chain that leads to a violation -----------------------------------------------------------------------------
def chain(lines: Iterable[Line], subjects: Iterable[str], symbols: Iterable[str]) -> list[Line]:
    """Choose the lines that concern some trades, orders or effects, and what concerns the whole world.

    Args:
        lines: all of them, oldest first.
        subjects: trade ids, client order ids, effect keys; any line that names one is told.
        symbols: theirs; prices are told once for each pause between two other lines.

    """
    wanted, markets = tuple(subjects), frozenset(symbols)
    chosen: list[Line] = []
    price: Line | None = None
    for line in lines:
        if line.who == "price":
            price = line if line.about in markets else price
        elif _concerns(line, wanted, markets):
            if price is not None and price.at > (chosen[-1].at if chosen else -1.0):
                chosen.append(price)
            price = None
            chosen.append(line)
    return chosen


def _concerns(line: Line, subjects: tuple[str, ...], symbols: frozenset[str]) -> bool:
    if line.who == "promise" and any(each in line.text for each in _SAID_TWICE):
        return False
    if any(each in line.text or each == line.about for each in subjects):
        return True
    if line.who in WORLD_WIDE or line.who == "stream":
        return not line.about or line.about in symbols
    if line.who in _TALK:
        return any(each in line.text for each in symbols) or " all" in line.text
    if line.who == "request":  # of nobody's order: the position's own stop, a hand in the app
        return line.about in symbols and "orderLinkId" not in line.text
    return False
