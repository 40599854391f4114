"""Margin and leverage become quantities that the balance can carry, fees included."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors.model.account import OpeningView
from actors.model.position import PositionSide
from actors.model.trade_plan import MarginShare, PlannedEntry, SizedPlan, TradePlan
from actors.rules.sizing import size


def sized(plan: TradePlan, view: OpeningView) -> SizedPlan:
    made = size(plan, view)
    assert isinstance(made, SizedPlan), [problem.text for problem in made]
    return made


def refused(plan: TradePlan, view: OpeningView) -> list[str]:
    made = size(plan, view)
    assert not isinstance(made, SizedPlan)
    return [problem.text for problem in made]


def with_margin(plan: TradePlan, fraction: str) -> TradePlan:
    return replace(plan, size=MarginShare(of_available=Decimal(fraction)))


def test_margin_times_leverage_less_both_fees_is_spread_over_the_entries(plan: TradePlan, view: OpeningView) -> None:
    # 2 % of 10,000 at 10x: 200 / (0.1 + 0.00055 * 2.1) = 1977.17 USDT at 1.185 on average: 1668.5 XRP
    made = sized(plan, view)
    assert [entry.quantity for entry in made.entries] == [Decimal("834.2"), Decimal("834.2")]
    assert made.quantity == Decimal("1668.4")
    assert made.reference_price == Decimal("1.185")
    assert made.notional_usdt == Decimal("1977.0540")
    assert made.margin_usdt == Decimal("197.70540")
    assert made.rung_quantities == tuple(Decimal(text) for text in ("1418.2", "83.4", "83.4", "83.4"))
    assert made.notes == ()


def test_loss_at_stop_holds_the_move_and_the_fees(plan: TradePlan, view: OpeningView) -> None:
    # moved 1668.4 * 0.035 = 58.394; makers in 1977.054 * 0.0002; taker out 1668.4 * 1.15 * 0.00055
    assert sized(plan, view).loss_at_stop_usdt == Decimal("58.394") + Decimal("0.3954108") + Decimal("1.055263")


def test_a_market_entry_counts_at_the_last_price_and_as_a_taker(plan: TradePlan, view: OpeningView) -> None:
    made = sized(replace(plan, entries=(PlannedEntry(price=None, fraction=Decimal(1)),)), view)
    assert made.reference_price == view.last_price == Decimal("1.19")
    assert made.entries[0].price is None
    moved = made.quantity * (Decimal("1.19") - Decimal("1.15"))
    fees = (made.quantity * Decimal("1.19") + made.quantity * Decimal("1.15")) * Decimal("0.00055")
    assert made.loss_at_stop_usdt == moved + fees


def test_merged_rungs_are_told(plan: TradePlan, view: OpeningView) -> None:
    made = sized(with_margin(plan, "0.0009"), view)
    assert made.quantity == Decimal("75.0")
    assert made.rung_quantities == tuple(Decimal(text) for text in ("67.6", "0", "7.4", "0"))
    assert [note.split(" ")[0] for note in made.notes] == ["TP2", "TP4"]


def test_rounding_is_told_when_it_leaves_much_out(btc_plan: TradePlan, btc_view: OpeningView) -> None:
    # 2 % of 10,000 at 10x is 0.0304 BTC at 65,000
    assert sized(btc_plan, btc_view).notes[0] == "rounding to the quantity step 0.001 leaves out 1.4% of the margin"


def test_too_small_an_entry_is_refused_with_the_margin_it_needs(plan: TradePlan, view: OpeningView) -> None:
    said = (
        "margin 0.005% makes entry 1 2 XRP (2.38 USDT), and the smallest order is 0.1 XRP and 5.00 USDT: "
        "write margin 0.02% or more, or fewer entries"
    )
    found = refused(with_margin(plan, "0.00005"), view)
    assert found[0] == said
    assert len(found) == len(plan.entries)


def test_a_balance_too_small_for_any_margin_is_told_so(plan: TradePlan, view: OpeningView) -> None:
    poor = replace(view, balance=replace(view.balance, available_usdt=Decimal("0.5")))
    single = replace(plan, entries=(PlannedEntry(price=Decimal("1.19"), fraction=Decimal(1)),))
    assert [text.split(": ")[1] for text in refused(single, poor)] == ["write a higher leverage"]


def test_too_large_a_trade_is_refused_with_the_margin_that_fits(plan: TradePlan, view: OpeningView) -> None:
    small = replace(view, instrument=replace(view.instrument, max_market_quantity=Decimal(1000)))
    said = (
        "margin 2% makes 1668.4 XRP, over 1000, the most for one market order, and the stop is one for the whole "
        "trade: write margin 1.19% or less"
    )
    assert refused(plan, small) == [said]
    assert sized(with_margin(plan, "0.0119"), small).quantity <= 1000


def test_where_even_the_smallest_written_margin_is_too_large_finer_steps_are_advised(
    plan: TradePlan, view: OpeningView
) -> None:
    tiny = replace(view, instrument=replace(view.instrument, max_market_quantity=Decimal(1)))
    (text,) = refused(plan, tiny)
    assert text.endswith("write the margin in finer steps than 0.01%, or a leverage under 10")


def test_too_large_a_rung_is_refused(plan: TradePlan, view: OpeningView) -> None:
    small = replace(view, instrument=replace(view.instrument, max_limit_quantity=Decimal(1000)))
    assert refused(plan, small) == [
        "margin 2% makes 1418.2 XRP, over 1000, the most for one limit order: write margin 1.41% or less"
    ]
    assert max(sized(with_margin(plan, "0.0141"), small).rung_quantities) <= 1000


fractions = st.integers(50, 10_000).map(lambda hundredths: Decimal(hundredths) / 10_000)


@given(
    margin=fractions,
    leverage=st.integers(1, 75),
    side=st.sampled_from(PositionSide),
    last=st.decimals("1.0", "2.0", places=4),
    data=st.data(),
)
def test_what_is_sized_fits_the_balance_with_both_fees(
    plan: TradePlan,
    view: OpeningView,
    *,
    margin: Decimal,
    leverage: int,
    side: PositionSide,
    last: Decimal,
    data: st.DataObject,
) -> None:
    vast = replace(view.instrument, max_market_quantity=Decimal(10**7), max_limit_quantity=Decimal(10**7))
    view = replace(view, last_price=last, instrument=vast)
    entries = data.draw(st.sampled_from([plan.entries, (PlannedEntry(price=None, fraction=Decimal(1)),)]))
    asked = replace(
        plan, size=MarginShare(of_available=margin), leverage=Decimal(leverage), position_side=side, entries=entries
    )
    made = sized(asked, view)
    # The fee to leave is taken at the bankruptcy price: value times (1 - 1/L) for a long, (1 + 1/L) for a short.
    bankrupt = made.notional_usdt * (1 - side.sign / Decimal(leverage))
    fees = (made.notional_usdt + bankrupt) * view.fees.taker
    assert made.margin_usdt + fees <= margin * view.balance.available_usdt
    assert made.quantity == sum(entry.quantity for entry in made.entries) == sum(made.rung_quantities)
    assert all(entry.quantity % view.instrument.quantity_step == 0 for entry in made.entries)


@given(
    available=st.decimals(1, 5000, places=2),
    leverage=st.integers(1, 75),
    share=st.integers(1, 99),
)
def test_the_margin_advised_for_too_small_an_entry_is_enough(
    plan: TradePlan, view: OpeningView, *, available: Decimal, leverage: int, share: int
) -> None:
    poor = replace(view, balance=replace(view.balance, available_usdt=available))
    first, second = plan.entries
    uneven = (
        replace(first, fraction=Decimal(share) / 100),
        replace(second, fraction=Decimal(100 - share) / 100),
    )
    asked = replace(
        plan, entries=uneven, leverage=Decimal(leverage), size=MarginShare(of_available=Decimal("0.000001"))
    )
    advised = [text.split("write margin ")[1].split("%")[0] for text in refused(asked, poor) if "write margin" in text]
    wanted = max((Decimal(text) / 100 for text in advised), default=None)
    if wanted is not None and len(advised) == len(uneven):
        assert isinstance(size(replace(asked, size=MarginShare(of_available=wanted)), poor), SizedPlan)
