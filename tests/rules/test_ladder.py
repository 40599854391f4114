"""The ladder always sums, never leaves dust, and never rests an order the exchange would refuse."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.instrument import Instrument
from actors.rules.ladder import RungState, respread, split

USUAL = tuple(Decimal(text) for text in ("0.85", "0.05", "0.05", "0.05"))


def decimals(text: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(word) for word in text.split())


@pytest.mark.parametrize(
    ("quantity", "fractions", "prices", "expected"),
    [
        # room for everyone
        ("1000", "0.85 0.05 0.05 0.05", "1.20 1.21 1.22 1.23", "850 50 50 50"),
        # the step rounds, the first rungs take the remainder, the sum stays
        ("333.3", "0.85 0.05 0.05 0.05", "1.20 1.21 1.22 1.23", "283.3 16.7 16.7 16.6"),
        # 5 % is 4 XRP, under 5 USDT: TP4 joins TP3 (8 XRP, 9.76 USDT), TP2 joins TP1
        ("80", "0.85 0.05 0.05 0.05", "1.20 1.21 1.22 1.23", "72 0 8 0"),
        # even all three small ones together are too small: they end in TP1, none is lost on the way
        ("26", "0.85 0.05 0.05 0.05", "1.20 1.21 1.22 1.23", "26 0 0 0"),
        # a too small first rung merges forward
        ("100", "0.02 0.49 0.49", "1.20 1.21 1.22", "0 51 49"),
        # the first merges forward past a rung that has merged already
        ("100", "0.01 0.01 0.98", "1.20 1.21 1.22", "0 0 100"),
        # the notional counts at the rung's own price: 4.1 XRP are 4.92 USDT at 1.20 and 5.002 at 1.22
        ("8.2", "0.5 0.5", "1.20 1.22", "0 8.2"),
        # exactly the smallest notional is enough
        ("8", "0.5 0.5", "1.25 1.30", "4 4"),
        ("100", "1", "1.20", "100"),
    ],
)
def test_small_rungs_merge_and_the_ladder_sums(
    xrp: Instrument, quantity: str, fractions: str, prices: str, expected: str
) -> None:
    ladder = split(Decimal(quantity), decimals(fractions), xrp, decimals(prices))
    assert ladder.quantities == decimals(expected)
    assert not ladder.below_minimum


def test_what_is_too_small_for_any_rung_goes_to_one_and_is_flagged(xrp: Instrument) -> None:
    ladder = split(Decimal("3.9"), USUAL, xrp, decimals("1.20 1.21 1.22 1.23"))
    assert ladder.quantities == decimals("3.9 0 0 0")
    assert ladder.below_minimum


def test_the_person_is_told_what_merged_where(xrp: Instrument) -> None:
    assert split(Decimal(80), USUAL, xrp, decimals("1.20 1.21 1.22 1.23")).notes == (
        "TP2 (5%, 4 XRP) is too small for an order of its own: joins TP1",
        "TP4 (5%, 4 XRP) is too small for an order of its own: joins TP3",
    )
    assert split(Decimal(100), decimals("0.02 0.49 0.49"), xrp, decimals("1.20 1.21 1.22")).notes == (
        "TP1 (2%, 2 XRP) is too small for an order of its own: joins TP2",
    )
    assert split(Decimal(1000), USUAL, xrp, decimals("1.20 1.21 1.22 1.23")).notes == ()


def test_a_rung_of_less_than_a_step_is_told_so(btc: Instrument) -> None:
    ladder = split(Decimal("0.010"), USUAL, btc, decimals("66000 67000 68000 69000"))
    assert ladder.quantities == decimals("0.009 0.001 0 0")
    assert ladder.notes == (
        "TP3 (5%, under one step of 0.001) is too small for an order of its own: joins TP2",
        "TP4 (5%, under one step of 0.001) is too small for an order of its own: joins TP2",
    )


class Case(NamedTuple):
    instrument: Instrument
    quantity: Decimal
    fractions: tuple[Decimal, ...]
    prices: tuple[Decimal, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    step = draw(st.sampled_from(decimals("0.001 0.01 0.1 1 10")))
    instrument = Instrument(
        symbol="TESTUSDT",
        base="TEST",
        quote="USDT",
        tick_size=Decimal("0.0001"),
        quantity_step=step,
        min_quantity=step * draw(st.sampled_from([1, 1, 2, 5, 37])),
        max_limit_quantity=step * 10**9,
        max_market_quantity=step * 10**9,
        min_notional_usdt=Decimal(draw(st.sampled_from([0, 1, 5, 100]))),
        min_leverage=Decimal(1),
        max_leverage=Decimal(50),
        leverage_step=Decimal("0.01"),
        funding_interval_minutes=480,
    )
    rungs = draw(st.integers(1, 8))
    cuts = sorted(draw(st.sets(st.integers(1, 999), min_size=rungs - 1, max_size=rungs - 1)))
    fractions = tuple(Decimal(end - start) / 1000 for start, end in zip([0, *cuts], [*cuts, 1000], strict=True))
    start = draw(st.decimals("0.1", 1000, places=4))
    gap = draw(st.decimals("0.0001", "0.01", places=4)) * draw(st.sampled_from([1, -1]))
    prices = tuple(start * (1 + gap * at) for at in range(1, rungs + 1))
    return Case(instrument, draw(st.integers(0, 5000)) * step, fractions, prices)


def is_order(quantity: Decimal, price: Decimal, instrument: Instrument) -> bool:
    return quantity >= instrument.min_quantity and quantity * price >= instrument.min_notional_usdt


@given(cases())
def test_every_split_sums_to_the_quantity_on_the_step(case: Case) -> None:
    ladder = split(case.quantity, case.fractions, case.instrument, case.prices)
    assert sum(ladder.quantities) == case.quantity
    assert len(ladder.quantities) == len(case.fractions)
    assert all(each >= 0 and each % case.instrument.quantity_step == 0 for each in ladder.quantities)


@given(cases())
def test_every_rung_could_be_an_order_unless_the_whole_could_not(case: Case) -> None:
    ladder = split(case.quantity, case.fractions, case.instrument, case.prices)
    orders = [
        is_order(each, price, case.instrument)
        for each, price in zip(ladder.quantities, case.prices, strict=True)
        if each
    ]
    if ladder.below_minimum:
        assert orders == [False]
        assert ladder.quantities[0] == case.quantity
    else:
        assert all(orders)


@given(cases())
def test_without_minimums_a_larger_fraction_never_gets_less(case: Case) -> None:
    free = replace(case.instrument, min_quantity=case.instrument.quantity_step, min_notional_usdt=Decimal(0))
    quantities = split(case.quantity, case.fractions, free, case.prices).quantities
    ordered = sorted(zip(case.fractions, quantities, strict=True))
    assert all(small <= large for (light, small), (heavy, large) in pairwise(ordered) if light < heavy)


@given(cases())
def test_each_rung_without_a_number_was_merged_into_a_named_one(case: Case) -> None:
    ladder = split(case.quantity, case.fractions, case.instrument, case.prices)
    empty = sum(1 for each in ladder.quantities if not each)
    assert len(ladder.notes) == (empty if case.quantity else 0)


# --- a running ladder --------------------------------------------------------------------------------------------
def states(*rungs: str) -> tuple[RungState, ...]:
    """Write each rung as "fraction filled wanted", with "!" behind it when complete."""
    made = []
    for text in rungs:
        fraction, filled, wanted = decimals(text.removesuffix("!"))
        made.append(RungState(fraction=fraction, filled=filled, wanted=wanted, complete=text.endswith("!")))
    return tuple(made)


PRICES = decimals("1.20 1.21 1.22 1.23")


@pytest.mark.parametrize(
    ("situation", "open_quantity", "rungs", "expected"),
    [
        ("the first fill", "100", ("0.85 0 0", "0.05 0 0", "0.05 0 0", "0.05 0 0"), "85 5 5 5"),
        ("a further entry", "200", ("0.85 0 85", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "170 10 10 10"),
        ("part of TP1 sold", "160", ("0.85 40 45", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "130 10 10 10"),
        ("TP1 done, nothing new", "15", ("0.85 85 0!", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "0 5 5 5"),
        ("an entry after TP1", "75", ("0.85 85 0!", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "0 25 25 25"),
        ("an entry after TP2", "75", ("0.85 85 0!", "0.05 5 0!", "0.05 0 5", "0.05 0 5"), "0 0 37.5 37.5"),
        ("an entry after the last", "40", ("0.85 85 0!", "0.05 5 0!", "0.05 5 0!", "0.05 5 0!"), "0 0 0 40"),
        ("sold elsewhere", "40", ("0.85 0 85", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "34 6 0 0"),
        ("TP1 sold more than its share", "20", ("0.5 60 40", "0.25 0 50", "0.25 0 50"), "0 10 10"),
        ("all gone", "0", ("0.85 50 35", "0.05 0 5", "0.05 0 5", "0.05 0 5"), "0 0 0 0"),
        ("an order cancelled by the exchange", "100", ("0.85 0 85", "0.05 0 0", "0.05 0 5", "0.05 0 5"), "85 5 5 5"),
        ("TP1 was merged away, TP2 is done", "60", ("0.02 0 0", "0.49 51 0!", "0.49 0 49"), "0 0 60"),
        ("TP1 was merged away and would fit now", "60", ("0.1 0 0", "0.45 55 0!", "0.45 0 45"), "0 0 60"),
        ("all gone at even fills", "0", ("0.5 10 5", "0.5 10 5"), "0 0"),
        ("one lot", "0.1", ("0.85 0 0", "0.05 0 0", "0.05 0 0", "0.05 0 0"), "0.1 0 0 0"),
    ],
)
def test_open_quantity_is_spread_over_the_rungs_that_remain(
    xrp: Instrument, situation: str, open_quantity: str, rungs: tuple[str, ...], expected: str
) -> None:
    assert respread(Decimal(open_quantity), states(*rungs), xrp, PRICES[: len(rungs)]) == decimals(expected)


def test_rungs_that_sum_are_left_as_they_are_even_if_a_fresh_split_would_differ(xrp: Instrument) -> None:
    uneven = states("0.85 60 25", "0.05 0 9", "0.05 0 1", "0.05 0 5")
    assert respread(Decimal(40), uneven, xrp, PRICES) == decimals("25 9 1 5")


def test_each_rung_is_measured_at_its_own_price(xrp: Instrument) -> None:
    # 4 XRP are an order at 1.25, though they would not be at the price of TP1, which is done.
    after_first = states("0.5 10 0!", "0.25 0 0", "0.25 0 0")
    assert respread(Decimal(8), after_first, xrp, decimals("1.00 1.25 1.26")) == decimals("0 4 4")


class Running(NamedTuple):
    case: Case
    rungs: tuple[RungState, ...]


@st.composite
def running(draw: st.DrawFn) -> Running:
    case = draw(cases())
    step = case.instrument.quantity_step
    rungs = []
    for fraction in case.fractions:
        complete = draw(st.booleans())
        filled = draw(st.integers(1 if complete else 0, 500)) * step
        wanted = Decimal(0) if complete else draw(st.integers(0, 500)) * step
        rungs.append(RungState(fraction=fraction, filled=filled, wanted=wanted, complete=complete))
    return Running(case, tuple(rungs))


@given(running())
def test_a_running_ladder_sums_to_what_is_open_on_the_step(running: Running) -> None:
    case, rungs = running
    wanted = respread(case.quantity, rungs, case.instrument, case.prices)
    assert sum(wanted) == case.quantity
    assert all(each >= 0 and each % case.instrument.quantity_step == 0 for each in wanted)


@given(running())
def test_spreading_again_changes_nothing(running: Running) -> None:
    case, rungs = running
    wanted = respread(case.quantity, rungs, case.instrument, case.prices)
    resting = tuple(replace(rung, wanted=each) for rung, each in zip(rungs, wanted, strict=True))
    assert respread(case.quantity, resting, case.instrument, case.prices) == wanted


@given(running())
def test_complete_rungs_take_nothing_while_another_can(running: Running) -> None:
    case, rungs = running
    wanted = respread(case.quantity, rungs, case.instrument, case.prices)
    takers = [at for at, each in enumerate(wanted) if each]
    later_open = not rungs[-1].complete or any(rung.wanted for rung in rungs)
    assert all(not rungs[at].complete for at in takers) or (not later_open and takers == [len(rungs) - 1])


@given(running())
def test_what_rests_could_be_orders_unless_the_whole_could_not(running: Running) -> None:
    case, rungs = running
    sums_already = sum(rung.wanted for rung in rungs) == case.quantity
    wanted = respread(case.quantity, rungs, case.instrument, case.prices)
    takers = [(each, price) for each, price in zip(wanted, case.prices, strict=True) if each]
    assert sums_already or len(takers) <= 1 or all(is_order(*taker, case.instrument) for taker in takers)


@given(cases())
def test_a_fresh_running_ladder_is_the_split(case: Case) -> None:
    fresh = [RungState(fraction=each, filled=Decimal(0), wanted=Decimal(0)) for each in case.fractions]
    planned = split(case.quantity, case.fractions, case.instrument, case.prices)
    assert respread(case.quantity, fresh, case.instrument, case.prices) == planned.quantities


@given(cases(), st.data())
def test_filling_rung_by_rung_never_changes_an_order_and_leaves_no_dust(case: Case, data: st.DataObject) -> None:
    planned = split(case.quantity, case.fractions, case.instrument, case.prices).quantities
    step = case.instrument.quantity_step
    rungs = [
        RungState(fraction=fraction, filled=Decimal(0), wanted=each)
        for fraction, each in zip(case.fractions, planned, strict=True)
    ]
    still_open = case.quantity
    for at, planned_here in enumerate(planned):
        while rungs[at].wanted:
            sold = data.draw(st.integers(1, int(rungs[at].wanted / step))) * step
            still_open -= sold
            left = rungs[at].wanted - sold
            rungs[at] = replace(rungs[at], filled=rungs[at].filled + sold, wanted=left, complete=not left)
            kept = tuple(rung.wanted for rung in rungs)
            assert respread(still_open, rungs, case.instrument, case.prices) == kept
        assert rungs[at].filled == planned_here
    assert still_open == 0
