"""Fields: one value out of one row of Bybit's JSON.

Enters: a row and the names a value may go by. Stays out: what a row means (translate).
Bybit writes numbers as text and "none" as "", "0", "0.00" or by leaving the key out, differently per field. Here an
optional value that is missing or garbled is None, and a required one is an error with its name. Nothing becomes a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_402_300_799_000  # the end of the year 9999: beyond it is no date
_EXCERPT_CHARACTERS = 200


class Unreadable(ValueError):
    """A row cannot be understood: `field` is missing or makes no sense in it."""

    def __init__(self, what: str, field: str, row: object) -> None:
        self.field = field
        self.excerpt = repr(row)[:_EXCERPT_CHARACTERS]
        super().__init__(f"{what} without a usable {field}: {self.excerpt}")


def amount(row: Row, *names: str) -> Decimal | None:
    """Give the first of `names` that holds a finite number, zero included."""
    for name in names:
        value = row.get(name)
        if value is None or value == "" or isinstance(value, bool):
            continue
        number = _number(str(value))
        if number is not None:
            return number
    return None


@lru_cache(maxsize=1024)  # one object for the same figure: an order's price and size stand in many rows
def _number(written: str) -> Decimal | None:
    try:
        number = Decimal(written)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def price(row: Row, *names: str) -> Decimal | None:
    """Give the first of `names` that holds a number above zero: an unset price is "", "0" or "0.00"."""
    for name in names:
        number = amount(row, name)
        if number is not None and number > 0:
            return number
    return None


def required_amount(what: str, row: Row, *names: str) -> Decimal:
    """Give the number.

    Raises Unreadable: none of `names` holds one.
    """
    number = amount(row, *names)
    if number is None:
        raise Unreadable(what, names[0], row)
    return number


def required_price(what: str, row: Row, *names: str) -> Decimal:
    """Give the number above zero.

    Raises Unreadable: none of `names` holds one.
    """
    number = price(row, *names)
    if number is None:
        raise Unreadable(what, names[0], row)
    return number


def text(row: Row, name: str) -> str:
    """Give the value as text; "" when there is none."""
    value = row.get(name)
    return "" if value is None else str(value)


def required_text(what: str, row: Row, name: str) -> str:
    """Give the text.

    Raises Unreadable: it is missing or empty.
    """
    value = text(row, name)
    if not value:
        raise Unreadable(what, name, row)
    return value


def flag(row: Row, name: str) -> bool:
    """Tell whether the value is set; a missing one is not."""
    return text(row, name).lower() in {"true", "1"}


def integer(row: Row, name: str) -> int | None:
    """Give the whole number, None when there is none."""
    number = amount(row, name)
    return None if number is None else int(number)


def instant(row: Row, *names: str) -> datetime | None:
    """Give the first of `names` that holds milliseconds since 1970 (text or number) as an aware UTC instant."""
    for name in names:
        number = amount(row, name)
        if number is not None and 0 < number <= _LAST_MILLISECOND:
            return _EPOCH + timedelta(milliseconds=int(number))
    return None


def required_instant(what: str, row: Row, *names: str) -> datetime:
    """Give the instant.

    Raises Unreadable: none of `names` holds one.
    """
    when = instant(row, *names)
    if when is None:
        raise Unreadable(what, names[0], row)
    return when


def milliseconds(when: datetime) -> int:
    """Give an aware instant as whole milliseconds since 1970, rounded down."""
    return (when - _EPOCH) // timedelta(milliseconds=1)


def inner(row: Row, name: str) -> Row:
    """Give the object inside, an empty one when there is none."""
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def rows(body: Row, name: str) -> Sequence[Any]:
    """Give the list inside, an empty one when there is none."""
    value = body.get(name)
    return value if isinstance(value, list) else []
