"""The slow beat of readings, on hand-made records."""

from __future__ import annotations

import pytest

from adapters.assembly.simulation.invariants.readings import PATH, Readings
from tests.invariants.conftest import broken


@pytest.fixture
def readings() -> Readings:
    return Readings(("main", "mirror"))


def test_an_account_that_is_read_each_minute_is_well(readings: Readings) -> None:
    for now in (0.0, 61.0, 122.0):
        readings.answered("main", PATH, now)
        readings.answered("mirror", PATH, now)
        readings.check(now + 60.0, well_since=0.0)


def test_an_account_that_is_not_read_is_named_though_another_is(readings: Readings) -> None:
    readings.answered("main", PATH, 100.0)
    with broken("I7", "mirror"):
        readings.check(101.0, well_since=0.0)


def test_other_answers_are_no_reading(readings: Readings) -> None:
    readings.answered("main", "/v5/market/time", 80.0)
    readings.answered("mirror", PATH, 80.0)
    with broken("I7", "main"):
        readings.check(81.0, well_since=0.0)


def test_the_time_counts_from_the_end_of_the_last_trouble(readings: Readings) -> None:
    readings.check(300.0, well_since=225.0)
    with broken("I7", "main"):
        readings.check(306.0, well_since=225.0)
