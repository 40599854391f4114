"""Plan words: a line taken apart into symbol, side and the text of each named field.

A misspelt word is refused with the nearest known one and then read as that, so that nothing else is called missing
because of it. Enters: text. Stays out: figures and what they mean (rules.plan_figures, rules.plan_text).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from actors.model.position import PositionSide
from actors.rules.refusals import Refusal

EXAMPLE = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"

_FIELDS = {
    "entries": "entries",
    "entry": "entries",
    "targets": "targets",
    "target": "targets",
    "tp": "targets",
    "stop": "stop",
    "sl": "stop",
    "margin": "margin",
    "risk": "risk",
    "leverage": "leverage",
    "weights": "weights",
    "weight": "weights",
    "slippage": "slippage",
    "approach": "approach",
    "preset": "preset",
    "policy": "policy",
    "account": "account",
    "mirror": "mirror",
}
# Exit rules; what they mean is in rules.plan_options.
_OPTIONS = ("net", "floor", "loss", "breakeven", "follow", "trail", "trail-from", "leave-after", "expire")
_FIELDS |= {name: name for name in _OPTIONS}
FIELD_WORDS = frozenset(_FIELDS)
_TAKE_A_WORD = {
    "approach",
    "account",
    "mirror",
    "entries",
    "weights",
    "preset",
    "policy",
    "breakeven",
    "follow",
    "floor",
    "expire",
}
_UNITS = {"margin": "usdt"}  # a word that ends a figure, as in "200 usdt"
_KNOWN = (
    "entries, targets, stop, margin, risk, leverage, weights, slippage, approach, preset, policy, account or mirror"
)
_SIDES = {"long": PositionSide.LONG, "short": PositionSide.SHORT, "buy": PositionSide.LONG, "sell": PositionSide.SHORT}
_DASHES = "-\u2013\u2014\u2212"  # a phone turns two hyphens into one dash
_SYMBOL = re.compile(r"[A-Z0-9]{2,20}USDT")
_WORD = re.compile(r"[A-Za-z]{2,}")


@dataclass(slots=True)
class Reading:
    """A line taken apart."""

    symbol: str = ""
    side: PositionSide | None = None
    values: dict[str, str] = field(default_factory=dict)  # field to its text, spaces taken out
    problems: list[Refusal] = field(default_factory=list)

    def refuse(self, name: str, value: str, limit: str, text: str) -> None:
        self.problems.append(Refusal(field=name, value=value, limit=limit, text=text))


def read_words(text: str) -> Reading:
    """Take a line apart: an optional /trade, symbol and side in either order, then fields in any order."""
    words = _split(text)
    if words and words[0].split("@")[0].lower() == "/trade":
        words = words[1:]
    reading, opening = _read_fields(words, headless=False)
    _read_opening(reading, opening)
    return reading


def read_fields(text: str) -> Reading:
    """Take words apart that have neither symbol nor side; anything before the first field is refused."""
    reading, opening = _read_fields(_split(text), headless=True)
    for word in opening:
        _refuse_unknown(reading, word)
    return reading


def _split(text: str) -> list[str]:
    return re.sub(r"([A-Za-z])=", r"\1 ", text).split()


def _read_fields(words: Sequence[str], *, headless: bool) -> tuple[Reading, list[str]]:
    """Give the fields, and the words before the first of them."""
    reading = Reading()
    opening: list[str] = []
    current: str | None = None  # the field being read; "" while passing over what cannot be placed
    for word in words:
        name = _field_named(reading, word, current, may_guess=headless or bool(opening))
        if name is not None and name in reading.values:
            reading.refuse(name, word, "once", f"{name} is written twice: write it once")
            current = ""
        elif name is not None:
            current = name
            reading.values[name] = ""
        elif word[0] in _DASHES and _WORD.fullmatch(word.lstrip(_DASHES)):
            _refuse_unknown(reading, word)
            current = ""
        elif current is None:
            opening.append(word)
        elif current and _WORD.fullmatch(word) and reading.values[current] and word.lower() != _UNITS.get(current):
            _refuse_unknown(reading, word)
            current = ""
        elif current:
            reading.values[current] += word  # a value may hold spaces, as in "1.19, 1.18" or "2 %"
    return reading, opening


def _field_named(reading: Reading, word: str, current: str | None, *, may_guess: bool) -> str | None:
    """Give the field that a word names, if need be by a guess at a misspelt one; None when it names none."""
    bare = word.lstrip(_DASHES).lower()
    if current == "account" and word.lower() == "mirror" and not reading.values[current]:
        return None  # the account's name, not the field
    if bare in _FIELDS:
        return _FIELDS[bare]
    takes_a_word = current in _TAKE_A_WORD and not reading.values[current]
    if not may_guess or takes_a_word or bare in _SIDES or _SYMBOL.fullmatch(word.upper()):
        return None
    near = get_close_matches(bare, _FIELDS, n=1, cutoff=0.75)
    if not near:
        return None
    reading.refuse("order", word, _KNOWN, f"{word} is no word of an order: write {near[0]}")
    return _FIELDS[near[0]]


def _refuse_unknown(reading: Reading, word: str) -> None:
    reading.refuse("order", word, _KNOWN, f"{word} is no word of an order: write one of {_KNOWN}, or leave it out")


def _read_opening(reading: Reading, words: list[str]) -> None:
    others = []
    for word in words:
        if reading.side is None and word.lower() in _SIDES:
            _read_side(reading, word, word.lower())
        else:
            others.append(word)
    if not others:
        reading.refuse("symbol", "", "a USDT perpetual", f"the symbol is missing: write it first, as in {EXAMPLE}")
    else:
        _read_symbol(reading, others[0])
    for word in others[1:]:
        near = get_close_matches(word.lower(), _SIDES, n=1)
        if near and reading.side is None:
            _read_side(reading, word, near[0])
        else:
            _refuse_unknown(reading, word)
    if reading.side is None:
        reading.refuse("side", "", "long or short", "the side is missing: write long or short after the symbol")


def _read_side(reading: Reading, word: str, meant: str) -> None:
    reading.side = _SIDES[meant]
    if word.lower() != reading.side.value:
        reading.refuse("side", word, "long or short", f"{word} is no position side: write {reading.side.value}")


def _read_symbol(reading: Reading, word: str) -> None:
    reading.symbol = word.upper()
    if _SYMBOL.fullmatch(reading.symbol):
        return
    base = re.sub(r"[^A-Z0-9]", "", reading.symbol.removesuffix(".P")).removesuffix("PERP").removesuffix("USDT")
    advice = f"write {base}USDT" if base and not base.isdigit() else f"write it first, as in {EXAMPLE}"
    reading.refuse("symbol", word, "a USDT perpetual", f"{word} is no symbol of a USDT perpetual: {advice}")
