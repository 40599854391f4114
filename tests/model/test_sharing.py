"""Shared values are equal to what they were made of, written alike, and hold each part once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from actors.model.instrument import FeeRates
from actors.model.sharing import shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    first: Decimal
    second: Decimal
    at: datetime | None = None
    fees: tuple[FeeRates, ...] = ()


def test_equal_parts_become_one_object() -> None:
    value = shared(Pair(first=Decimal("1.50"), second=Decimal("1.50")))
    assert value == Pair(first=Decimal("1.50"), second=Decimal("1.50"))
    assert value.first is value.second


def test_numbers_that_are_written_differently_stay_apart() -> None:
    value = shared(Pair(first=Decimal("1.5"), second=Decimal("1.50")))
    assert (str(value.first), str(value.second)) == ("1.5", "1.50")


def test_instants_stay_the_same_instants() -> None:
    at = datetime(2025, 3, 4, 10, 0, tzinfo=timezone(timedelta(hours=2)))
    assert shared(Pair(first=Decimal(1), second=Decimal(1), at=at)).at == datetime(2025, 3, 4, 8, 0, tzinfo=UTC)


def test_fees_of_two_trades_are_one_object() -> None:
    def pair() -> Pair:
        fees = FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055"))
        return Pair(first=Decimal(1), second=Decimal(2), fees=(fees,))

    assert shared(pair()).fees[0] is shared(pair()).fees[0]
