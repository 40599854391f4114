"""A trade's sums: what was entered, what is open, what it earned."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.instrument import FeeRates, Instrument
from actors.model.order import OrderIntent, OrderKind
from actors.model.position import PositionSide
from actors.model.trade import Leg, LegState, Reduction, Role, Trade, TradeParameters
from actors.model.trade_plan import Approach, MarginShare, PlannedEntry, PlannedRung, SizedEntry, SizedPlan, TradePlan

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
FEES = FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055"))


def trade(*legs: Leg, side: PositionSide = PositionSide.LONG) -> Trade:
    plan = TradePlan(
        account="main",
        symbol="XRPUSDT",
        position_side=side,
        approach=Approach.CONSERVATIVE,
        entries=(PlannedEntry(price=Decimal("1.20"), fraction=Decimal(1)),),
        rungs=(PlannedRung(price=Decimal("1.30"), fraction=Decimal(1)),),
        stop_price=Decimal("1.10"),
        size=MarginShare(of_available=Decimal("0.02")),
        leverage=Decimal(10),
    )
    return Trade(
        trade_id="7K3Q9X",
        number=1,
        label=f"main/XRPUSDT/{side.value}/conservative/7K3Q9X",
        sized=SizedPlan(
            asked_usdt=Decimal(200),
            plan=plan,
            entries=(SizedEntry(price=Decimal("1.20"), quantity=Decimal(100)),),
            quantity=Decimal(100),
            reference_price=Decimal("1.20"),
            notional_usdt=Decimal(120),
            margin_usdt=Decimal(12),
            rung_quantities=(Decimal(100),),
            loss_at_stop_usdt=Decimal("10.1"),
        ),
        instrument=Instrument(
            symbol="XRPUSDT",
            base="XRP",
            quote="USDT",
            tick_size=Decimal("0.0001"),
            quantity_step=Decimal("0.1"),
            min_quantity=Decimal("0.1"),
            max_limit_quantity=Decimal(10**6),
            max_market_quantity=Decimal(10**6),
            min_notional_usdt=Decimal(5),
            min_leverage=Decimal(1),
            max_leverage=Decimal(75),
            leverage_step=Decimal("0.01"),
            funding_interval_minutes=480,
        ),
        fees=FEES,
        position_index=0,
        parameters=TradeParameters(),
        stop_price=Decimal("1.10"),
        backstop_price=Decimal("1.0967"),
        opened_at=NOON,
        legs=legs,
    )


def leg(
    role: Role,
    quantity: str,
    *,
    filled: str = "0",
    at: str = "1.20",
    fee: str = "0",
    state: LegState = LegState.LIVE,
    kind: OrderKind = OrderKind.LIMIT,
    side: PositionSide = PositionSide.LONG,
) -> Leg:
    """Make an order of the trade with executions of one price."""
    intent = OrderIntent(
        client_order_id=f"SFTEST1-7K3Q9X-{role.value}",
        symbol="XRPUSDT",
        order_side=side.entry_side if role is Role.ENTRY else side.exit_side,
        kind=kind,
        quantity=Decimal(quantity),
        price=Decimal(at) if kind is OrderKind.LIMIT else None,
    )
    return Leg(
        intent=intent,
        role=role,
        index=1,
        revision=0,
        place_key=f"{intent.client_order_id}/place",
        state=state,
        quantity=Decimal(quantity),
        price=intent.price,
        trigger_price=None,
        attached_stop=None,
        requested_at=NOON,
        executed_quantity=Decimal(filled),
        executed_value_usdt=Decimal(filled) * Decimal(at),
        executed_fee_usdt=Decimal(fee),
    )


def test_what_is_open_is_what_entered_less_what_left() -> None:
    held = trade(leg(Role.ENTRY, "100", filled="60"), leg(Role.TARGET, "60", filled="20"))
    assert (held.entered_quantity, held.exited_quantity, held.open_quantity) == (Decimal(60), Decimal(20), Decimal(40))
    reduced = replace(
        held,
        reductions=(
            Reduction(
                execution_id="e1",
                quantity=Decimal(15),
                price=Decimal("1.1"),
                fee_usdt=Decimal(0),
                cause="liquidation",
            ),
        ),
    )
    assert reduced.open_quantity == Decimal(25)
    assert reduced.excess_quantity == 0


def test_an_exit_beyond_the_slice_is_excess_and_nothing_is_open() -> None:
    sold_too_much = trade(leg(Role.ENTRY, "100", filled="60"), leg(Role.STOP, "60", filled="75"))
    assert sold_too_much.open_quantity == 0
    assert sold_too_much.excess_quantity == Decimal(15)


@pytest.mark.parametrize(("side", "pnl"), [(PositionSide.LONG, "5.0"), (PositionSide.SHORT, "-5.0")])
def test_realised_profit_takes_its_share_of_the_entry_fees_and_all_exit_fees(side: PositionSide, pnl: str) -> None:
    held = trade(
        leg(Role.ENTRY, "100", filled="100", at="1.20", fee="0.024", side=side),
        leg(Role.TARGET, "50", filled="50", at="1.30", fee="0.013", side=side),
        side=side,
    )
    assert held.realised_pnl_usdt == Decimal(pnl) - Decimal("0.012") - Decimal("0.013")


quantities = st.integers(1, 1000).map(Decimal)
prices = st.decimals("1.0", "2.0", places=4)


@given(st.sampled_from(PositionSide), quantities, prices, prices)
def test_a_closed_trade_earned_what_came_in_less_what_went_out(
    side: PositionSide, quantity: Decimal, entered: Decimal, left: Decimal
) -> None:
    whole = str(quantity)
    over = trade(
        leg(Role.ENTRY, whole, filled=whole, at=str(entered), fee="0.02", side=side),
        leg(Role.EXIT, whole, filled=whole, at=str(left), fee="0.06", side=side),
        side=side,
    )
    expected = (left - entered) * quantity * side.sign - Decimal("0.08")
    assert abs(over.realised_pnl_usdt - expected) < Decimal("1e-15")
    assert over.open_quantity == 0


def test_fills_known_only_from_the_order_count_at_its_figures() -> None:
    seen = leg(Role.ENTRY, "100", filled="40", at="1.20", fee="0.0096")
    reported = replace(seen, reported_quantity=Decimal(100), reported_average=Decimal("1.19"))
    assert reported.executions_missing
    assert reported.filled_quantity == Decimal(100)
    assert reported.filled_value_usdt == Decimal("119.00")
    # The missing 71 USDT are estimated at the maker rate of a limit order.
    assert reported.fee_usdt(FEES) == Decimal("0.0096") + Decimal("71.00") * Decimal("0.0002")
    assert replace(reported, reported_fee_usdt=Decimal("0.025")).fee_usdt(FEES) == Decimal("0.025")


def test_a_late_order_figure_never_undoes_executions() -> None:
    ahead = replace(leg(Role.ENTRY, "100", filled="60"), reported_quantity=Decimal(40), reported_average=Decimal("1.1"))
    assert not ahead.executions_missing
    assert ahead.filled_quantity == Decimal(60)
    assert ahead.filled_value_usdt == Decimal("72.00")


@pytest.mark.parametrize(
    ("state", "covers"),
    [
        (LegState.LIVE, True),
        (LegState.REQUESTED, False),  # on its way is not there
        (LegState.CANCELLED, False),
    ],
)
def test_only_a_stop_that_is_at_the_exchange_covers(state: LegState, covers: bool) -> None:
    held = trade(leg(Role.ENTRY, "100", filled="60"), leg(Role.STOP, "60", state=state, kind=OrderKind.MARKET))
    assert held.own_stop_covers is covers


def test_a_stop_smaller_than_what_is_open_does_not_cover() -> None:
    assert not trade(leg(Role.ENTRY, "100", filled="60"), leg(Role.STOP, "50")).own_stop_covers


def test_a_leg_is_replaced_under_its_id_and_keeps_its_place() -> None:
    entry, target = leg(Role.ENTRY, "100"), leg(Role.TARGET, "100")
    grown = replace(entry, executed_quantity=Decimal(1))
    assert trade(entry, target).with_leg(grown).legs == (grown, target)
    assert trade(entry).with_leg(target).legs == (entry, target)
