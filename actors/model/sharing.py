"""One object for equal parts: what was read from a journal holds the same price a dozen times over.

Every value rebuilt from JSON is an object of its own. A trade that is watched for weeks keeps sixty Decimals of a
hundred bytes, most of them equal, and an instrument that hundreds of other trades have too. Enters: frozen values.
Stays out: anything that could change.
"""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from actors.model.changing import replace
from actors.model.instrument import FeeRates, Instrument
from actors.model.trade import TradeParameters

Value = TypeVar("Value")
MOST_KEPT = 10_000
_EVERYWHERE = (Instrument, FeeRates, TradeParameters)  # alike in many trades
_kept: dict[Any, Any] = {}
SHORT_DIGITS = 2  # fractions, leverages, fees: few enough to be everybody's
_short: dict[Any, Any] = {}


def shared(value: Value) -> Value:
    """Give an equal value whose equal parts are one object; alike instruments, fees and parameters are everybody's."""
    return _shared(value, {})  # type: ignore[no-any-return]  # what goes in comes out


def _shared(value: Any, seen: dict[Any, Any]) -> Any:
    match value:
        case Decimal():
            written = value.as_tuple()  # 1.0 and 1.00 are written differently
            table = _short if len(written.digits) <= SHORT_DIGITS else seen
            return table.setdefault(written, value)
        case datetime():
            return seen.setdefault(value, value.astimezone(UTC)) if value.tzinfo is not None else value
        case str() if type(value) is str:
            return sys.intern(value)
        case tuple() if type(value) is tuple:
            return tuple(_shared(each, seen) for each in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = {each.name: _shared(getattr(value, each.name), seen) for each in fields(value)}
            return _everybodys(replace(value, **parts)) if isinstance(value, _EVERYWHERE) else replace(value, **parts)
        case _:
            return value


def _everybodys(value: Any) -> Any:
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    return _kept.setdefault(repr(value), value)  # equal as written, not only as numbers
