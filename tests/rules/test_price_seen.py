"""Which prices say something of what is held: those since the first fill, by the exchange's clock where it is known."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from actors.rules.price_seen import is_of_holding
from tests.rules.conftest import NOON

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("reported_at", "filled_at", "heard_seconds", "counts"),
    [
        (NOON, None, 100.0, False),  # nothing is held
        (NOON, NOON, -0.1, True),  # the fill's own price, that overtook its report
        (NOON - SECOND, NOON, 0.1, False),  # that the fill's report has overtaken
        (NOON - SECOND, NOON, 30.1, True),  # the exchange's clock was set back: its word is no use
        (None, NOON, 0.0, True),  # asked for by request once the fill was known
        (None, NOON, -0.1, False),
    ],
)
def test_a_price_counts_from_the_first_fill_on(
    reported_at: datetime | None, filled_at: datetime | None, heard_seconds: float, counts: bool
) -> None:
    assert is_of_holding(reported_at, filled_at, heard_seconds) is counts
