"""The backstop lies beyond the farthest stop and is never the first to fire."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.position import PositionSide
from actors.rules.backstop import backstop_price, inside_liquidation, is_outward, takeable_backstop

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


@pytest.mark.parametrize(
    ("side", "stops", "tick", "price"),
    [
        (LONG, "1.15", "0.0001", "1.1465"),  # 1.15 less 0.3 % is 1.14655, outward is down
        (SHORT, "1.15", "0.0001", "1.1535"),  # 1.15345, outward is up
        (LONG, "1.15 1.20 1.10", "0.0001", "1.0967"),  # beyond the lowest
        (SHORT, "1.15 1.20 1.10", "0.0001", "1.2036"),  # beyond the highest
        (LONG, "0.0100", "0.0001", "0.0095"),  # 0.3 % is under five ticks
        (SHORT, "0.0100", "0.0001", "0.0105"),
        (LONG, "60000", "0.1", "59820"),
        (LONG, "0.0003", "0.0001", "0.0001"),  # there is no lower price than one tick
    ],
)
def test_backstop_is_beyond_the_farthest_stop(side: PositionSide, stops: str, tick: str, price: str) -> None:
    assert backstop_price(side, [Decimal(text) for text in stops.split()], Decimal(tick)) == Decimal(price)


def test_distance_and_ticks_are_settings() -> None:
    stops = [Decimal("1.15")]
    assert backstop_price(LONG, stops, Decimal("0.0001"), distance=Decimal("0.01")) == Decimal("1.1385")
    assert backstop_price(LONG, stops, Decimal("0.0001"), min_ticks=100) == Decimal("1.14")


ticks = st.sampled_from([Decimal(text) for text in ("0.0001", "0.05", "0.1")])
grids = st.lists(st.integers(100, 10**6), min_size=1, max_size=8)


@given(st.sampled_from(PositionSide), grids, ticks)
def test_every_stop_fires_before_the_backstop(side: PositionSide, grid: list[int], tick: Decimal) -> None:
    stops = [place * tick for place in grid]
    backstop = backstop_price(side, stops, tick)
    assert backstop % tick == 0
    for stop in stops:
        assert is_outward(side, backstop, stop)
        assert abs(backstop - stop) >= max(5 * tick, stop * Decimal("0.003") if len(stops) == 1 else 0)


@given(st.sampled_from(PositionSide), grids, st.integers(100, 10**6), ticks)
def test_a_further_trade_never_draws_the_backstop_inward(
    side: PositionSide, grid: list[int], further: int, tick: Decimal
) -> None:
    stops = [place * tick for place in grid]
    alone, together = (backstop_price(side, each, tick) for each in (stops, [*stops, further * tick]))
    assert not is_outward(side, alone, together)


@pytest.mark.parametrize(
    ("side", "backstop", "liquidation", "inside"),
    [
        (LONG, "1.10", "1.09", True),
        (LONG, "1.10", "1.10", False),
        (LONG, "1.10", "1.11", False),
        (SHORT, "1.10", "1.11", True),
        (SHORT, "1.10", "1.10", False),
        (SHORT, "1.10", "1.09", False),
        (LONG, "1.10", None, True),
        (SHORT, "1.10", None, True),
    ],
)
def test_backstop_must_be_reached_before_liquidation(
    side: PositionSide, backstop: str, liquidation: str | None, inside: bool
) -> None:
    price = None if liquidation is None else Decimal(liquidation)
    assert inside_liquidation(side, Decimal(backstop), price) is inside


def test_outward_is_away_from_the_market() -> None:
    low, high = Decimal("1.10"), Decimal("1.11")
    assert is_outward(LONG, low, high)
    assert not is_outward(LONG, high, low)
    assert is_outward(SHORT, high, low)
    assert not is_outward(SHORT, low, low)


def test_without_a_stop_there_is_no_backstop() -> None:
    with pytest.raises(ValueError, match="empty"):
        backstop_price(LONG, [], Decimal("0.1"))


@pytest.mark.parametrize(
    ("side", "backstop", "mark", "refusals", "price"),
    [
        (LONG, "1.15", "1.16", 0, "1.15"),  # before it
        (LONG, "1.15", None, 0, "1.15"),
        (LONG, "1.15", None, 5, "1.15"),
        (LONG, "1.15", "1.15", 0, "1.1465"),  # at it counts as passed
        (LONG, "1.15", "1.10", 0, "1.0967"),
        (SHORT, "1.15", "1.20", 0, "1.2036"),
        (SHORT, "1.15", "1.20", 1, "1.2072"),  # twice as far
        (SHORT, "1.15", "1.20", 3, "1.2288"),
        (SHORT, "1.15", "1.20", 9, "1.2288"),  # no farther
        (SHORT, "1.15", "1.149", 1, "1.1559"),  # the last price may be past it when the mark is not
        (SHORT, "1.15", "1.10", 1, "1.15"),  # refused for another reason: never nearer than it is meant to be
    ],
)
def test_a_backstop_the_price_has_passed_goes_just_beyond_the_price(
    side: PositionSide, backstop: str, mark: str | None, refusals: int, price: str
) -> None:
    marked = None if mark is None else Decimal(mark)
    taken = takeable_backstop(side, Decimal(backstop), marked, Decimal("0.0001"), refusals=refusals)
    assert taken == Decimal(price)
