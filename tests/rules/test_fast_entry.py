"""A market entry with a bound: where it makes no sense, how it is sent, what becomes of what it leaves unfilled."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages.orders import EffectSettled, PlaceOrder, Settlement
from actors.messages.trading import ExitReason, TradeOpened
from actors.model.account import OpeningView
from actors.model.order import OrderKind, OrderState
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Role, TradeParameters
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules.entry_prices import bound_price, dearest_prices, worst_prices
from actors.rules.limits import Surroundings, refusals
from actors.rules.opening import opened_news
from actors.rules.position_life import fold
from actors.rules.sizing import size
from actors.rules.trade_screens import plan_lines
from tests.rules.conftest import read
from tests.rules.test_trade_life import Stage

D = Decimal
LONG = "XRPUSDT long approach fast targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"
SHORT = "XRPUSDT short approach fast targets 1.18,1.17 stop 1.23 margin 2% leverage 10"


def told(line: str, view: OpeningView) -> list[str]:
    return [refusal.text for refusal in refusals(read(line), view, Surroundings())]


def sized(plan: TradePlan, view: OpeningView) -> SizedPlan:
    made = size(plan, view)
    assert isinstance(made, SizedPlan)
    return made


def fast(view: OpeningView, line: str = LONG) -> TradeOpened:
    """A fast trade as its desk records it."""
    plan = read(line)
    made = sized(plan, view)
    sign = plan.position_side.sign
    return TradeOpened(
        trade_id="7K3Q9X",
        number=1,
        label=f"main/XRPUSDT/{plan.position_side.value}/fast/7K3Q9X",
        sized=made,
        instrument=view.instrument,
        fees=view.fees,
        position_index=0,
        backstop_price=plan.stop_price - sign * D("0.0035"),
        parameters=TradeParameters(),
        opened_by="test",
        opened_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
    )


# --- the bound ---------------------------------------------------------------------------------------------------
def test_a_bound_lies_so_far_from_the_last_price_rounded_towards_it(view: OpeningView) -> None:
    # 1.19 * 1.005 = 1.19595 and 1.19 * 0.995 = 1.18405
    assert bound_price(read(LONG), view) == D("1.1959")
    assert bound_price(read(SHORT), view) == D("1.1841")


def test_figures_are_taken_where_the_entry_may_fill_worst(view: OpeningView) -> None:
    assert (worst_prices(read(LONG), view), dearest_prices(read(LONG), view)) == ([D("1.1959")], [D("1.1959")])
    assert (worst_prices(read(SHORT), view), dearest_prices(read(SHORT), view)) == ([D("1.1841")], [D("1.19")])
    # A long of 200 / (0.1 + 0.00055 * 2.1) = 1977.17 USDT at 1.1959: 1653.2 XRP; the loss from 1.1959 to 1.15.
    made = sized(read(LONG), view)
    assert (made.quantity, made.notional_usdt) == (D("1653.2"), D("1977.06188"))
    moved = D("1653.2") * D("0.0459")
    assert made.loss_at_stop_usdt == moved + D("1653.2") * (D("1.1959") + D("1.15")) * D("0.00055")


@given(
    slippage=st.integers(1, 500).map(lambda each: D(each) / 10_000),
    last=st.integers(1000, 10**6),
    tick=st.sampled_from(["0.0001", "0.05", "1"]),
    side=st.sampled_from(PositionSide),
)
def test_a_bound_is_on_the_tick_and_never_farther_than_asked(
    view: OpeningView, slippage: Decimal, last: int, tick: str, side: PositionSide
) -> None:
    view = replace(view, last_price=last * D(tick), instrument=replace(view.instrument, tick_size=D(tick)))
    bound = bound_price(replace(read(LONG), position_side=side, slippage=slippage), view)
    assert bound is not None
    assert bound % D(tick) == 0
    assert 0 <= (bound - view.last_price) * side.sign <= slippage * view.last_price


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (LONG + " slippage 0%", "slippage 0% must be over 0% and up to 5%: write for example 0.5%"),
        (LONG + " slippage 6%", "slippage 6% must be over 0% and up to 5%: write for example 0.5%"),
        (
            LONG + " slippage 0.005%",
            "slippage 0.005% of the last price 1.19 is less than one tick of 0.0001: write 0.01% or more",
        ),
        (
            LONG.replace("1.2,1.21", "1.195,1.21"),
            "target 1.195 of a long must lie above every entry: write a price above 1.1959 (the slippage bound)",
        ),
        (
            SHORT.replace("1.18,", "1.1841,"),
            "target 1.1841 of a short must lie below every entry: write a price below 1.1841 (the slippage bound)",
        ),
        (
            LONG.replace("approach fast", "entries 1.19,1.18 slippage 0.5%"),
            "slippage 0.5% bounds market entries, and none is written: leave it out, or write entries market",
        ),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(line: str, text: str, view: OpeningView) -> None:
    assert told(line, view) == [text]


def test_the_bound_is_shown_before_and_after(view: OpeningView) -> None:
    assert "entry 1: 1653.2 at market, 1.1959 at the most" in plan_lines(sized(read(LONG), view))
    assert any("at market, 1.1841 at the least" in line for line in plan_lines(sized(read(SHORT), view)))
    assert "entries 1653.2 at market, 1.1959 at the most XRP" in opened_news(fast(view)).lines


# --- the order ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("line", "bound"), [(LONG, "1.1959"), (SHORT, "1.1841")])
def test_it_leaves_as_a_limit_at_the_recorded_bound_that_does_not_rest(
    view: OpeningView, line: str, bound: str
) -> None:
    stage = Stage.of(fast(view, line))
    [(_, request)] = stage.asked
    assert isinstance(request, PlaceOrder)
    order = request.order
    assert (order.kind, order.price, order.immediate, order.reduce_only) == (OrderKind.LIMIT, D(bound), True, False)
    assert order.attached_stop == stage.trade.backstop_price


def test_a_market_entry_without_a_bound_stays_a_market_order(view: OpeningView) -> None:
    stage = Stage.of(fast(view, LONG.replace("approach fast", "entries market")))
    [(_, request)] = stage.asked
    assert isinstance(request, PlaceOrder)
    assert (request.order.kind, request.order.price, request.order.immediate) == (OrderKind.MARKET, None, False)


# --- its end -----------------------------------------------------------------------------------------------------
def test_what_the_bound_leaves_unfilled_is_told_and_the_filled_part_kept_protected(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.fill(Role.ENTRY, "600", "1.1905")
    stage.report(Role.ENTRY, OrderState.CANCELLED, filled="600")
    stage.settle_all()
    assert stage.told.count("entry_fell_short") == 1
    assert "order_cancelled_outside" not in stage.told
    assert stage.trade.phase is Phase.MONITORING
    working = stage.working()
    assert working["S1"] == (D(600), D("1.15"))
    assert [working[f"T{at}"][0] for at in (1, 2, 3, 4)] == [D(510), D(30), D(30), D(30)]
    assert len(stage.trade.of(Role.ENTRY)) == 1  # not tried again
    assert fold(stage.journal) == stage.trade


def test_the_end_may_be_reported_before_its_fills(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.report(Role.ENTRY, OrderState.CANCELLED, filled="600")
    stage.settle_all()
    stage.fill(Role.ENTRY, "600", "1.1905")
    assert stage.working()["S1"] == (D(600), D("1.15"))
    assert stage.trade.open_quantity == D(600)


def test_nothing_filled_ends_the_trade_without_an_entry(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.report(Role.ENTRY, OrderState.CANCELLED)
    assert stage.trade.exit_reason == ExitReason.NO_ENTRY.value
    assert stage.requests() == []
    assert [kind for kind in stage.told if kind != "trade_opened"] == ["entry_fell_short", "exit_started"]
    stage.verify()
    assert stage.trade.phase is Phase.CLOSED


def test_a_refused_one_ends_the_trade_too(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle(Settlement.REJECTED, code=110003)
    assert stage.trade.exit_reason == ExitReason.NO_ENTRY.value
    assert "order_rejected" in stage.told


def test_a_whole_fill_tells_of_no_shortage(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.fill(Role.ENTRY, "1653.2", "1.1901")
    stage.settle_all()
    assert "entry_fell_short" not in stage.told
    assert stage.working()["S1"] == (D("1653.2"), D("1.15"))


def test_fills_known_only_by_the_orders_figure_are_charged_as_a_takers(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.report(Role.ENTRY, OrderState.CANCELLED, filled="600")
    assert stage.trade.entry_fee_usdt == D(600) * D("1.1959") * D("0.00055")


def test_its_first_target_moves_the_stop_as_any_other_trades(view: OpeningView) -> None:
    stage = Stage.of(fast(view))
    stage.settle_all()
    stage.fill(Role.ENTRY, "600", "1.1905")
    stage.report(Role.ENTRY, OrderState.CANCELLED, filled="600")
    stage.settle_all()
    stage.fill(Role.TARGET, "510", "1.2")
    assert stage.trade.moved_to_breakeven
    assert stage.trade.stop_price > D("1.1905")


def test_the_settled_intent_is_what_is_repeated(view: OpeningView) -> None:
    """A lost answer changes nothing of the order: the leg keeps the recorded price whatever the market does."""
    stage = Stage.of(fast(view))
    [(key, request)] = stage.asked
    [leg] = stage.trade.of(Role.ENTRY)
    assert leg.state is LegState.REQUESTED
    assert leg.intent == request.order
    stage.take(EffectSettled(effect_key=key, settlement=Settlement.DONE, settled_at=stage.now, code=None, text=""))
    assert stage.trade.of(Role.ENTRY)[0].intent == request.order
