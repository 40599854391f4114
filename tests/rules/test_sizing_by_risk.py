"""A size may be an amount of margin, or the loss at the stop: by hand, refused, and whatever the figures."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.account import OpeningView
from actors.model.instrument import FeeRates
from actors.model.position import PositionSide
from actors.model.trade_plan import (
    MarginShare,
    MarginUsdt,
    PlannedEntry,
    PlannedRung,
    RiskShare,
    Size,
    SizedPlan,
    TradePlan,
)
from actors.rules.entry_prices import bound_price
from actors.rules.limits import Surroundings, refusals
from actors.rules.size_words import asked_words
from actors.rules.sizing import size

D = Decimal
WHOLE_MARKET = (PlannedEntry(price=None, fraction=D(1)),)


def risk(share: str) -> RiskShare:
    return RiskShare(of_equity=D(share))


def usdt(amount: str) -> MarginUsdt:
    return MarginUsdt(amount_usdt=D(amount))


def with_balance(view: OpeningView, *, available: str, equity: str = "10000") -> OpeningView:
    return replace(view, balance=replace(view.balance, available_usdt=D(available), equity_usdt=D(equity)))


@pytest.fixture
def single(plan: TradePlan) -> TradePlan:
    """A long from 1.19 with its stop at 1.15."""
    return replace(plan, entries=(PlannedEntry(price=D("1.19"), fraction=D(1)),))


def sized(plan: TradePlan, view: OpeningView) -> SizedPlan:
    made = size(plan, view)
    assert isinstance(made, SizedPlan), [problem.text for problem in made]
    return made


def refused(plan: TradePlan, view: OpeningView) -> list[str]:
    return [refusal.text for refusal in refusals(plan, view, Surroundings())]


# --- worked by hand ----------------------------------------------------------------------------------------------
def test_a_risk_is_what_is_lost_at_the_stop_with_both_fees(single: TradePlan, view: OpeningView) -> None:
    # One XRP loses 0.04 on its way, 1.19 * 0.0002 to enter as a maker, 1.15 * 0.00055 to leave: 0.0408705.
    # 1 % of 10,000 is 100 USDT: 100 / 0.0408705 = 2446.75, in steps of 0.1: 2446.7, which lose 99.99785235.
    made = sized(replace(single, size=risk("0.01")), view)
    assert made.quantity == D("2446.7")
    assert made.loss_at_stop_usdt == D("99.99785235")
    assert made.asked_usdt == D(100)
    assert made.margin_usdt == D("291.15730")
    assert asked_words(made.plan.size, made.asked_usdt) == "sized by risk 1% of equity: 100.00 USDT at the stop"


def test_a_risk_at_the_market_pays_the_taker_fee_to_enter(single: TradePlan, view: OpeningView) -> None:
    # 0.04 + 1.19 * 0.00055 + 1.15 * 0.00055 = 0.041287 a XRP: 100 / 0.041287 = 2422.07
    made = sized(replace(single, entries=WHOLE_MARKET, size=risk("0.01")), view)
    assert made.quantity == D("2422.0")
    assert made.loss_at_stop_usdt == D("99.9971140")


def test_a_short_loses_upwards(single: TradePlan, view: OpeningView) -> None:
    # From 1.19 to 1.23: 0.04 + 1.19 * 0.0002 + 1.23 * 0.00055 = 0.0409145: 100 / 0.0409145 = 2444.12
    rungs = (PlannedRung(price=D("1.18"), fraction=D(1)),)
    short = replace(single, position_side=PositionSide.SHORT, stop_price=D("1.23"), rungs=rungs, size=risk("0.01"))
    assert sized(short, view).quantity == D("2444.1")


def test_a_risk_is_a_share_of_the_equity_not_of_what_is_available(single: TradePlan, view: OpeningView) -> None:
    tied = with_balance(view, available="400")
    assert sized(replace(single, size=risk("0.01")), tied).quantity == D("2446.7")


def test_an_amount_of_margin_does_as_the_same_share_does(plan: TradePlan, view: OpeningView) -> None:
    by_share = sized(replace(plan, size=MarginShare(of_available=D("0.02"))), view)
    by_amount = sized(replace(plan, size=usdt("200")), view)
    assert replace(by_amount, plan=by_share.plan) == by_share
    assert asked_words(by_amount.plan.size, by_amount.asked_usdt) == "sized by margin 200usdt: 200.00 USDT with fees"
    assert asked_words(by_share.plan.size, by_share.asked_usdt) == (
        "sized by margin 2% of the available balance: 200.00 USDT with fees"
    )


# --- refused -----------------------------------------------------------------------------------------------------
def test_a_risk_that_takes_more_margin_than_there_is_is_refused_with_what_fits(
    single: TradePlan, view: OpeningView
) -> None:
    # 2446.75 XRP bind 2446.75 * 1.19 * (0.1 + 0.00055 * 2.1) = 294.53 USDT.
    poor, asked = with_balance(view, available="200"), replace(single, size=risk("0.01"))
    (text,) = refused(asked, poor)
    assert text == (
        "risk 1% takes 294.53 USDT of margin and fees at leverage 10, and 200.00 USDT are available: "
        "write risk 0.67% or less, or leverage 15 or more"
    )
    assert refused(replace(asked, size=risk("0.0067")), poor) == []
    assert refused(replace(asked, size=risk("0.0068")), poor) != []
    assert refused(replace(asked, leverage=D(15)), poor) == []
    assert refused(replace(asked, leverage=D(14)), poor) != []


def test_no_leverage_is_advised_where_the_symbol_has_none_so_high(single: TradePlan, view: OpeningView) -> None:
    (text,) = refused(replace(single, size=risk("0.01")), with_balance(view, available="10"))
    assert text.endswith("and 10.00 USDT are available: write risk 0.03% or less")


def test_an_amount_over_what_is_available_is_refused(plan: TradePlan, view: OpeningView) -> None:
    poor = with_balance(view, available="150.009")
    assert refused(replace(plan, size=usdt("200")), poor) == [
        "margin 200usdt is over the 150 USDT available on main: write margin 150usdt or less"
    ]
    assert refused(replace(plan, size=usdt("150")), poor) == []


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (usdt("0"), "margin 0usdt must be over 0: write an amount like 200usdt"),
        (risk("0"), "risk 0% of the equity must be over 0% and up to 100%: write for example 1%"),
        (risk("1.5"), "risk 150% of the equity must be over 0% and up to 100%: write for example 1%"),
    ],
)
def test_a_size_out_of_its_range_is_refused(plan: TradePlan, view: OpeningView, asked: Size, text: str) -> None:
    assert refused(replace(plan, size=asked), view) == [text]


def test_a_risk_without_equity_is_refused(plan: TradePlan, view: OpeningView) -> None:
    broke = with_balance(view, available="100", equity="-5")
    assert refused(replace(plan, size=risk("0.01")), broke) == [
        "risk 1% has no equity to be a share of, -5 USDT on main: write a margin instead"
    ]


def test_a_risk_with_its_stop_on_the_wrong_side_hears_of_the_stop_alone(single: TradePlan, view: OpeningView) -> None:
    (text,) = refused(replace(single, stop_price=D("1.195"), size=risk("0.01")), view)
    assert text.startswith("stop 1.195 of a long must lie below every entry")


def test_too_small_a_risk_is_told_with_the_risk_it_needs(single: TradePlan, view: OpeningView) -> None:
    # 4.3 XRP are the least worth 5 USDT at 1.19, and lose 4.3 * 0.0408705 = 0.1757 USDT.
    asked = replace(single, size=risk("0.00001"))
    (text,) = refused(asked, view)
    assert text.endswith("and the smallest order is 0.1 XRP and 5.00 USDT: write risk 0.01% or more")
    tiny = with_balance(view, available="10000", equity="10")
    (text,) = refused(asked, tiny)
    assert text.endswith("write risk 1.76% or more")
    assert refused(replace(asked, size=risk("0.0176")), tiny) == []


def test_too_small_a_risk_whose_larger_one_takes_too_much_margin_needs_leverage_too(
    single: TradePlan, view: OpeningView
) -> None:
    tied = with_balance(view, available="0.3", equity="10")
    (text,) = refused(replace(single, size=risk("0.00001")), tied)
    assert text.endswith("write risk 1.76% or more and a higher leverage")


def test_too_large_a_risk_is_told_with_the_risk_that_fits(single: TradePlan, view: OpeningView) -> None:
    small = replace(view, instrument=replace(view.instrument, max_market_quantity=D(1000)))
    (text,) = refused(replace(single, size=risk("0.01")), small)
    assert text.endswith(
        "over 1000, the most for one market order, and the stop is one for the whole trade: write risk 0.4% or less"
    )


# --- whatever the figures ----------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Situation:
    plan: TradePlan
    view: OpeningView


@st.composite
def situations(draw: st.DrawFn, plan: TradePlan, view: OpeningView) -> Situation:
    """Any tick, step, fees, side, entries and size, with a stop beyond the entries and targets beyond the bound."""
    tick = D(1).scaleb(-draw(st.integers(0, 5))) * draw(st.sampled_from([1, 5]))
    side = draw(st.sampled_from(PositionSide))
    last = tick * draw(st.integers(1000, 100_000))
    step = D(1).scaleb(-last.adjusted() - draw(st.integers(0, 4)))  # worth ten USDT at the most
    away = sorted(draw(st.sets(st.integers(1, 300), max_size=3)))
    market = draw(st.booleans()) or not away
    prices: list[Decimal | None] = [last - side.sign * tick * each for each in away]
    prices = [None, *prices] if market else prices
    slippage = draw(st.none() | st.integers(10, 500).map(lambda each: D(each) / 10_000)) if market else None
    stop = last - side.sign * tick * (max([0, *away]) + draw(st.integers(1, 300)))
    weights = draw(st.lists(st.integers(1, 9), min_size=len(prices), max_size=len(prices)))
    parts = [D(each) * 10_000 // sum(weights) / 10_000 for each in weights]
    parts[0] += 1 - sum(parts)
    shares = st.integers(10, 3_000).map(lambda each: D(each) / 10_000)
    asked: Size = draw(
        st.one_of(
            shares.map(lambda each: MarginShare(of_available=each)),
            shares.map(lambda each: RiskShare(of_equity=each)),
            st.integers(1_000, 500_000).map(lambda each: MarginUsdt(amount_usdt=D(each) / 100)),
        )
    )
    rungs = tuple(
        PlannedRung(price=last * (1 + side.sign * D("0.1") * each), fraction=share)
        for each, share in ((1, D("0.85")), (2, D("0.1")), (3, D("0.05")))
    )
    made = replace(
        plan,
        position_side=side,
        entries=tuple(PlannedEntry(price=at, fraction=part) for at, part in zip(prices, parts, strict=True)),
        rungs=rungs,
        stop_price=stop,
        size=asked,
        slippage=slippage,
        leverage=D(draw(st.integers(5, 75))),
    )
    rates = st.integers(-2, 20).map(lambda each: D(each) / 10_000)
    taker = draw(st.integers(0, 20)) / D(10_000)
    rules = replace(
        view.instrument,
        tick_size=tick,
        quantity_step=step,
        min_quantity=step * draw(st.integers(1, 3)),
        max_market_quantity=D(10**9),
        max_limit_quantity=D(10**9),
    )
    market_view = replace(
        view,
        instrument=rules,
        fees=FeeRates(maker=draw(rates), taker=taker),
        last_price=last,
        mark_price=last,
        balance=replace(
            view.balance,
            equity_usdt=D(draw(st.integers(10_000, 1_000_000))) / 10,
            available_usdt=D(draw(st.integers(10_000, 1_000_000))) / 10,
        ),
    )
    return Situation(plan=made, view=market_view)


def loss_of_one(plan: TradePlan, view: OpeningView, entry: PlannedEntry, price: Decimal) -> Decimal:
    """What one base unit of an entry loses at the stop, worked out anew."""
    fee_in = price * (view.fees.taker if entry.price is None else view.fees.maker)
    moved = price - plan.stop_price if plan.position_side is PositionSide.LONG else plan.stop_price - price
    return moved + fee_in + plan.stop_price * view.fees.taker


ALMOST = D("1E-18")  # quotients end nowhere


@settings(max_examples=200)
@given(data=st.data())
def test_no_size_is_ever_exceeded_and_nothing_is_left_over(
    plan: TradePlan, view: OpeningView, data: st.DataObject
) -> None:
    situation = data.draw(situations(plan, view))
    plan, view = situation.plan, situation.view
    made = size(plan, view)
    if not isinstance(made, SizedPlan):
        return
    step = view.instrument.quantity_step
    assert made.quantity == sum(entry.quantity for entry in made.entries) == sum(made.rung_quantities)
    assert all(each % step == 0 for each in (*made.rung_quantities, *(entry.quantity for entry in made.entries)))
    assert all(entry.quantity >= view.instrument.min_quantity for entry in made.entries)
    bound = bound_price(plan, view)
    market_worst = view.last_price if bound is None else bound
    worst = [market_worst if entry.price is None else entry.price for entry in plan.entries]
    ones = [loss_of_one(plan, view, entry, price) for entry, price in zip(plan.entries, worst, strict=True)]
    loss = sum(each.quantity * one for each, one in zip(made.entries, ones, strict=True))
    assert abs(made.loss_at_stop_usdt - loss) < ALMOST * max(loss, 1)
    dearest = max(view.last_price, market_worst)
    values = [each.quantity * (each.price or dearest) for each in made.entries]
    binds = sum(values) * (1 / plan.leverage + view.fees.taker * (2 + 1 / plan.leverage))
    assert binds <= view.balance.available_usdt * (1 + ALMOST) or isinstance(plan.size, MarginUsdt)
    if isinstance(plan.size, RiskShare):
        asked = plan.size.of_equity * view.balance.equity_usdt
        assert loss <= asked * (1 + ALMOST)
        assert asked - loss < step * sum(ones) + ALMOST * asked
    else:
        by_share = isinstance(plan.size, MarginShare)
        asked = plan.size.of_available * view.balance.available_usdt if by_share else plan.size.amount_usdt
        assert binds <= asked * (1 + ALMOST)
    assert made.asked_usdt == asked


@given(data=st.data(), percent=st.integers(0, 100))
def test_a_bounded_entry_never_loses_more_than_was_shown_wherever_it_fills(
    plan: TradePlan, view: OpeningView, data: st.DataObject, percent: int
) -> None:
    situation = data.draw(situations(plan, view))
    plan, view = situation.plan, situation.view
    made, bound = size(plan, view), bound_price(plan, view)
    if not isinstance(made, SizedPlan) or bound is None:
        return
    at = view.last_price + (bound - view.last_price) * percent / 100
    prices = [at if entry.price is None else entry.price for entry in plan.entries]
    lost = sum(
        each.quantity * loss_of_one(plan, view, entry, price)
        for each, entry, price in zip(made.entries, plan.entries, prices, strict=True)
    )
    assert lost <= made.loss_at_stop_usdt * (1 + ALMOST)


@given(data=st.data())
def test_an_advised_size_is_taken(plan: TradePlan, view: OpeningView, data: st.DataObject) -> None:
    """Where a risk takes too much margin, the risk and the leverage that are advised do not."""
    situation = data.draw(situations(plan, view))
    plan, view = situation.plan, situation.view
    made = size(plan, view)
    if isinstance(made, SizedPlan) or not isinstance(plan.size, RiskShare):
        return
    for text in (each.text for each in made if "of margin and fees" in each.text and "write risk " in each.text):
        advised = D(text.split("write risk ")[1].split("%")[0]) / 100
        again = size(replace(plan, size=RiskShare(of_equity=advised)), view)
        assert not isinstance(again, tuple) or not any("of margin and fees" in each.text for each in again)
        if "or leverage " in text:
            leverage = D(text.split("or leverage ")[1].split(" ")[0])
            again = size(replace(plan, leverage=leverage), view)
            assert not isinstance(again, tuple) or not any("of margin and fees" in each.text for each in again)
