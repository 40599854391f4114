"""Net target arithmetic: what leaving nets is simulated apart, to the cent, over random ticks, steps and fees."""

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.money import is_multiple
from actors.model.position import PositionSide
from actors.rules.net_target import Holding, loss_price, target_price

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def ten_thousand(side: PositionSide) -> Holding:
    """10,000 XRP entered at 1.0000 for 0.04 %: 10,000 USDT, 4 USDT of fees."""
    return Holding(side=side, quantity=D(10000), entry_value_usdt=D(10000), entry_fees_usdt=D(4))


@pytest.mark.parametrize(
    ("side", "price", "net"),
    [
        # 10,000 P - 10,000 - 4 - 4 P = 10 is met at 10,014 / 9,996 = 1.00180072; up to 1.0019: 19 - 4 - 4.0076
        (LONG, "1.0019", "10.9924"),
        # 10,000 - 10,000 P - 4 - 4 P = 10 is met at 9,986 / 10,004 = 0.99820072; down to 0.9982: 18 - 4 - 3.9928
        (SHORT, "0.9982", "10.0072"),
    ],
)
def test_ten_net_on_ten_thousand_at_four_hundredths_a_side_is_about_eighteen_gross(
    side: PositionSide, price: str, net: str
) -> None:
    held, rate = ten_thousand(side), D("0.0004")
    found = target_price(held, D(10), rate, D("0.0001"))
    assert found == D(price)
    assert held.net_usdt(D(price), rate) == D(net)
    assert held.net_usdt(D(price) - side.sign * D("0.0001"), rate) < 10


@pytest.mark.parametrize(
    ("side", "price", "net"),
    [
        # 10,000 P - 10,000 - 4 - 5.5 P = -10 is met at 9,994 / 9,994.5 = 0.99994997; up to 1.0000: -4 - 5.5
        (LONG, "1.0000", "-9.5"),
        # 10,000 - 10,000 P - 4 - 5.5 P = -10 is met at 10,006 / 10,005.5 = 1.00004998; down to 1.0000
        (SHORT, "1.0000", "-9.5"),
    ],
)
def test_the_stop_loses_at_most_ten_and_a_tick_farther_it_loses_more(side: PositionSide, price: str, net: str) -> None:
    held, rate = ten_thousand(side), D("0.00055")
    assert loss_price(held, D(10), rate, D("0.0001")) == D(price)
    assert held.net_usdt(D(price), rate) == D(net)
    assert held.net_usdt(D(price) - side.sign * D("0.0001"), rate) < -10


def test_what_was_realised_before_counts() -> None:
    # 5,000 left of 10,000; the others brought 6: 5,000 P - 5,000 - 2 - 2 P + 6 = 10 at 5,006 / 4,998 = 1.00160064
    left = Holding(side=LONG, quantity=D(5000), entry_value_usdt=D(5000), entry_fees_usdt=D(2), realised_usdt=D(6))
    assert target_price(left, D(10), D("0.0004"), D("0.0001")) == D("1.0017")


def test_where_no_price_does_there_is_none() -> None:
    short = Holding(side=SHORT, quantity=D(1), entry_value_usdt=D(5), entry_fees_usdt=D(0))
    assert target_price(short, D(5), D("0.0002"), D("0.01")) is None  # a short of 5 USDT cannot win 5
    long = Holding(side=LONG, quantity=D(1), entry_value_usdt=D(5), entry_fees_usdt=D(0))
    assert loss_price(long, D(6), D("0.0005"), D("0.01")) is None  # nor a long of 5 lose 6


class Situation(NamedTuple):
    side: PositionSide
    fills: list[tuple[Decimal, Decimal]]  # price, quantity
    fee_in: Decimal
    fee_out: Decimal
    tick: Decimal
    net: Decimal


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    tick = draw(st.sampled_from([D(text) for text in ("0.0001", "0.01", "0.05", "0.1", "0.5")]))
    step = draw(st.sampled_from([D(text) for text in ("0.001", "0.1", "1", "10")]))
    base = draw(st.integers(5_000, 200_000))
    fills = draw(
        st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 100_000)), min_size=1, max_size=4).map(
            lambda parts: [((base + offset) * tick, count * step) for offset, count in parts]
        )
    )
    value = sum(price * quantity for price, quantity in fills)
    return Situation(
        side=draw(st.sampled_from(PositionSide)),
        fills=fills,
        fee_in=draw(st.decimals("-0.0001", "0.001", places=6)),
        fee_out=draw(st.decimals("-0.0001", "0.001", places=6)),
        tick=tick,
        net=(value * draw(st.decimals("-0.05", "0.05", places=5))).quantize(D("0.01")),
    )


def left_at(price: Decimal, situation: Situation) -> Decimal:
    """Book every fill by itself: bought and sold, a fee each."""
    net = D(0)
    for paid, quantity in situation.fills:
        net += (price - paid) * quantity * situation.side.sign
        net -= paid * quantity * situation.fee_in + price * quantity * situation.fee_out
    return net


def holding(situation: Situation) -> Holding:
    value = sum((price * quantity for price, quantity in situation.fills), D(0))
    return Holding(
        side=situation.side,
        quantity=sum((quantity for _, quantity in situation.fills), D(0)),
        entry_value_usdt=value,
        entry_fees_usdt=value * situation.fee_in,
    )


@given(situations())
def test_leaving_at_the_price_nets_the_amount_and_a_tick_less_does_not(situation: Situation) -> None:
    price = target_price(holding(situation), situation.net, situation.fee_out, situation.tick)
    assert price is not None
    assert is_multiple(price, situation.tick)
    assert left_at(price, situation) >= situation.net
    assert left_at(price - situation.side.sign * situation.tick, situation) < situation.net


@given(situations())
def test_the_loss_at_the_stop_is_within_a_tick_s_worth_of_what_was_meant(situation: Situation) -> None:
    loss = abs(situation.net)
    price = loss_price(holding(situation), loss, situation.fee_out, situation.tick)
    assert price is not None
    quantity = sum((quantity for _, quantity in situation.fills), D(0))
    tick_worth = quantity * situation.tick * (1 + abs(situation.fee_out))
    assert -loss <= left_at(price, situation) < -loss + tick_worth


@given(situations())
def test_target_floor_and_stop_lie_in_their_order(situation: Situation) -> None:
    held, amount = holding(situation), abs(situation.net) + D("0.01")
    target = held.price_of(amount, situation.fee_out)
    floor = held.price_of(amount * 7 / 10, situation.fee_out)
    stop = held.price_of(-amount, situation.fee_out)
    assert (target - floor) * situation.side.sign > 0
    assert (floor - stop) * situation.side.sign > 0
