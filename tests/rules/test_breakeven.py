"""Breakeven pays back both fees, funding and a margin, and is rounded to the safe side."""

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.position import PositionSide
from actors.rules.breakeven import Breakeven, breakeven_price, tightened

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TAKER = Decimal("0.00055")


def xrp_breakeven(
    side: PositionSide,
    *,
    entry_fees: str = "0.0357",
    funding: str = "0",
    taker: Decimal = TAKER,
    margin: str = "0.0002",
) -> Breakeven:
    """150 XRP entered at 1.19 by a limit order: 178.5 USDT, 0.0357 USDT of maker fees."""
    return breakeven_price(
        side=side,
        remaining_quantity=Decimal(150),
        average_entry_price=Decimal("1.19"),
        entry_fees_share_usdt=Decimal(entry_fees),
        funding_share_usdt=Decimal(funding),
        taker_fee_rate=taker,
        margin_fraction=Decimal(margin),
        tick_size=Decimal("0.0001"),
    )


@pytest.mark.parametrize(
    ("side", "entry_fees", "funding", "price"),
    [
        # (178.5 + 0.0357 + 0.0357) / (150 * 0.99945) = 1.191131…
        (LONG, "0.0357", "0", "1.1912"),
        # (178.5 - 0.0357 - 0.0357) / (150 * 1.00055) = 1.188870…
        (SHORT, "0.0357", "0", "1.1888"),
        (LONG, "0.098175", "0", "1.1916"),  # entered by taker
        (LONG, "0.0357", "0.5", "1.1945"),  # funding paid moves it further
        (LONG, "0.0357", "-0.5", "1.1878"),  # funding received may put it below the entry
        (SHORT, "0.0357", "-0.5", "1.1922"),
    ],
)
def test_stop_goes_where_fees_funding_and_margin_are_paid(
    side: PositionSide, entry_fees: str, funding: str, price: str
) -> None:
    assert xrp_breakeven(side, entry_fees=entry_fees, funding=funding).price == Decimal(price)


def test_without_any_cost_breakeven_is_the_entry() -> None:
    for side in PositionSide:
        free = xrp_breakeven(side, entry_fees="0", taker=Decimal(0), margin="0")
        assert free.price == Decimal("1.19")
        assert free.net_usdt == 0


def test_the_sum_is_shown_in_words() -> None:
    assert xrp_breakeven(LONG, funding="0.021").sum_lines == (
        "150 entered at 1.19: 178.50 USDT",
        "entry fees on it 0.0357 USDT",
        "funding paid 0.0210 USDT",
        "taker fee to leave (0.055%) 0.0983 USDT",
        "safety margin (0.02%) 0.0357 USDT",
        "exactly 1.191271, on the tick at the safe side 1.1913",
    )
    assert "funding received 0.0210 USDT" in xrp_breakeven(SHORT, funding="-0.021").sum_lines


def test_the_shown_parts_add_up_to_the_net() -> None:
    made = xrp_breakeven(LONG, funding="0.021")
    gain = (made.price - Decimal("1.19")) * 150
    assert made.net_usdt == gain - made.entry_fees_usdt - made.funding_usdt - made.exit_fee_usdt
    assert made.net_usdt >= made.margin_usdt


class Situation(NamedTuple):
    side: PositionSide
    quantity: Decimal
    entry: Decimal
    fees: Decimal
    funding: Decimal
    taker: Decimal
    margin: Decimal
    tick: Decimal


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    tick = draw(st.sampled_from([Decimal(text) for text in ("0.0001", "0.01", "0.05", "0.1", "0.5")]))
    entry = draw(st.integers(200, 200_000)) * tick + draw(st.decimals(0, 1, places=8)) * tick
    quantity = Decimal(draw(st.integers(1, 10**6))) / 1000
    notional = entry * quantity
    return Situation(
        side=draw(st.sampled_from(PositionSide)),
        quantity=quantity,
        entry=entry,
        fees=notional * draw(st.decimals(0, "0.001", places=6)),
        funding=notional * draw(st.decimals("-0.02", "0.02", places=6)),
        taker=draw(st.decimals(0, "0.001", places=6)),
        margin=draw(st.decimals(0, "0.002", places=6)),
        tick=tick,
    )


def net_when_left_at(price: Decimal, situation: Situation) -> Decimal:
    """Simulate the exit: the move, less all that was and will be paid."""
    exit_fee = price * situation.quantity * situation.taker
    moved = (price - situation.entry) * situation.quantity * situation.side.sign
    return moved - situation.fees - situation.funding - exit_fee


@given(situations())
def test_leaving_at_breakeven_nets_the_margin_and_one_tick_less_does_not(situation: Situation) -> None:
    made = breakeven_price(
        side=situation.side,
        remaining_quantity=situation.quantity,
        average_entry_price=situation.entry,
        entry_fees_share_usdt=situation.fees,
        funding_share_usdt=situation.funding,
        taker_fee_rate=situation.taker,
        margin_fraction=situation.margin,
        tick_size=situation.tick,
    )
    target = situation.margin * situation.entry * situation.quantity
    noise = situation.quantity * situation.entry * Decimal("1e-20")  # 28 digits are carried
    assert made.price % situation.tick == 0
    assert net_when_left_at(made.price, situation) >= target - noise >= -noise
    assert net_when_left_at(made.price - situation.side.sign * situation.tick, situation) < target


@pytest.mark.parametrize(
    ("side", "stop", "candidate", "kept"),
    [
        (LONG, "1.15", "1.19", "1.19"),
        (LONG, "1.20", "1.19", "1.20"),
        (SHORT, "1.25", "1.19", "1.19"),
        (SHORT, "1.18", "1.19", "1.18"),
        (LONG, "1.19", "1.19", "1.19"),
    ],
)
def test_a_stop_is_only_ever_tightened(side: PositionSide, stop: str, candidate: str, kept: str) -> None:
    assert tightened(side, Decimal(stop), Decimal(candidate)) == Decimal(kept)


def test_impossible_values_are_our_mistake_and_raise() -> None:
    with pytest.raises(ValueError, match="no price above 0"):
        xrp_breakeven(SHORT, funding="200")
    with pytest.raises(ValueError, match="must be over 0"):
        breakeven_price(
            side=LONG,
            remaining_quantity=Decimal(0),
            average_entry_price=Decimal(1),
            entry_fees_share_usdt=Decimal(0),
            funding_share_usdt=Decimal(0),
            taker_fee_rate=TAKER,
            tick_size=Decimal("0.1"),
        )
