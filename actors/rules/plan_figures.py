"""Plan figures: single prices, lists of prices, margins and leverages as a person types them.

Strict on purpose: what could be read in two ways is refused with both ways of writing it. Only plain digits and a
decimal point make a number; no exponents, no signs, no digits of other scripts.

Enters: the text of one field, without spaces. Stays out: which fields there are (rules.plan_text).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from actors.model.money import plain
from actors.model.trade_plan import MarginShare, MarginUsdt

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15}")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+")
_WHOLE = 100  # percent
_TWO_PRICES_WITHIN = 2  # prices of one list lie closer than this factor; 65 and 000 do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One entry or target as written."""

    price: Decimal | None  # None: market
    share: Decimal | None = None  # fraction of the whole; None: not written


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one value; `text` continues the sentence that begins with field and value."""

    value: str
    limit: str
    text: str


def single_price(text: str) -> Decimal | Problem:
    """Read one price, over 0."""
    number = _number(text)
    if number is None:
        return _not_a_number(text)
    return number if number > 0 else Problem(value=text, limit="over 0", text="must be over 0: write a price like 1.15")


def margin(text: str) -> MarginShare | MarginUsdt | Problem:
    """Read a margin: a number and a percent sign (of the available balance), or a number and usdt.

    Its range is for rules.limits to judge, together with all the rest.
    """
    amount = _number(text.lower().removesuffix("usdt")) if text.lower().endswith("usdt") else None
    if amount is not None:
        return MarginUsdt(amount_usdt=amount)
    number = _number(text.removesuffix("%"))
    if number is None:
        return Problem(
            value=text,
            limit="a percentage or an amount",
            text="is no margin: write a share like 2% or an amount like 200usdt",
        )
    if not text.endswith("%"):
        return Problem(
            value=text,
            limit="a percentage or an amount",
            text=f"has no unit: write {text}% for {plain(number)} percent of the available balance, or {text}usdt",
        )
    return MarginShare(of_available=number / _WHOLE)


def percentage(text: str, *, example: str) -> Decimal | Problem:
    """Read a number and a percent sign; give the fraction. Its range is for rules.limits to judge."""
    number = _number(text.removesuffix("%"))
    if number is None:
        return Problem(value=text, limit="a percentage", text=f"is no percentage: write one like {example}")
    if not text.endswith("%"):
        return Problem(value=text, limit="a percentage", text=f"has no percent sign: write {text}%")
    return number / _WHOLE


def leverage(text: str) -> Decimal | Problem:
    """Read a leverage: a number, perhaps with an x before or behind it."""
    number = _number(re.sub(r"^[xX]|[xX]$", "", text))
    if number is None or not number:
        return Problem(value=text, limit="a number over 0", text="is no leverage: write a number like 10")
    return number


def price_list(text: str, *, market: bool) -> Iterator[Figure | Problem]:
    """Read prices parted by commas, each perhaps with a share (1.19@40%); at least one.

    Args:
        text: the field without spaces.
        market: whether the word market stands for a price.

    """
    pieces = [piece for piece in text.split(",") if piece]
    if len(pieces) < text.count(",") + 1:
        yield Problem(
            value=text, limit="no empty place", text=f"has an empty place: write {','.join(pieces) or '1.15'}"
        )
    at = 0
    while at < len(pieces):
        joined = _thousands(pieces[at : at + 2])
        if joined is not None:
            yield joined
            at += 2
            continue
        yield _figure(pieces[at], market=market)
        at += 1


def _thousands(pieces: list[str]) -> Problem | None:
    """Ask about two neighbours that look like one number with a thousands comma rather than two prices."""
    text = ",".join(pieces)
    if not _THOUSANDS.fullmatch(text) or len(pieces) == 1:
        return None
    low, high = sorted(Decimal(piece) for piece in pieces)
    if low * _TWO_PRICES_WITHIN > high:
        return None
    joined = text.replace(",", "")
    apart = f"; for two prices write {pieces[0]}.0,{pieces[1]}" if low else ""
    return Problem(
        value=text,
        limit="no thousands commas",
        text=f"has a comma that parts prices, not thousands: write {joined}{apart}",
    )


def _figure(piece: str, *, market: bool) -> Figure | Problem:
    text, at, share_text = piece.partition("@")
    share: Decimal | None = None
    if at:
        number = _number(share_text.removesuffix("%"))
        if number is None or not share_text.endswith("%") or number <= 0:
            return Problem(value=piece, limit="a percentage", text=f"has no share in percent: write {text}@40%")
        share = number / _WHOLE
    if market and text.lower() == "market":
        return Figure(price=None, share=share)
    price = single_price(text)
    if isinstance(price, Problem):
        return Problem(value=piece, limit=price.limit, text=price.text)
    return Figure(price=price, share=share)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _not_a_number(text: str) -> Problem:
    if _THOUSANDS.fullmatch(text):
        advice = f"has commas: write {text.replace(',', '')}"
        if text.count(",") == 1 and "." not in text:
            advice += f", or {text.replace(',', '.')} if the comma was a decimal point"
        return Problem(value=text, limit="no commas", text=advice)
    if _DECIMAL_COMMA.fullmatch(text):
        return Problem(value=text, limit="a decimal point", text=f"has a comma: write {text.replace(',', '.')}")
    return Problem(value=text, limit="a number", text="is no number: write digits and a point, like 1.15")
