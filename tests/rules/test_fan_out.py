"""Fan-out by hand: what one order becomes, and what a mirror's share of it is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.accounts import BookReading
from actors.model.instrument import FeeRates
from actors.model.position import PositionSide
from actors.model.trade_plan import (
    Approach,
    MarginShare,
    MarginUsdt,
    PlannedEntry,
    RiskShare,
    Size,
    SizedPlan,
    TradePlan,
)
from actors.rules import fan_out
from actors.rules.refusals import Refusal
from actors.rules.sizing import size
from tests.rules.conftest import instrument, read, view_of

DUAL = "XRPUSDT long approach dual entries 1.19,1.18 targets 1.2,1.21 stop 1.15 margin 2% leverage 10"
XRP = instrument("XRPUSDT", "0.0001", "0.1")
VIEW = view_of(XRP, FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.00055")), "1.19")
EMPTY = BookReading(
    trades_long=0,
    trades_short=0,
    foreign_long=Decimal(0),
    foreign_short=Decimal(0),
    farthest_stop_long=None,
    farthest_stop_short=None,
)


def sized(plan: TradePlan) -> SizedPlan:
    found = size(plan, VIEW)
    assert isinstance(found, SizedPlan)
    return found


def test_an_order_that_is_no_dual_is_its_own_only_slice() -> None:
    plan = read(DUAL.replace("dual", "conservative"))
    assert fan_out.slices(plan) == (fan_out.Slice("", plan),)


def test_a_dual_is_a_fast_and_a_conservative_half_with_the_same_targets_and_stop() -> None:
    plan = read(DUAL + " breakeven 2 expire 30m")
    fast, steady = fan_out.slices(plan)
    assert (fast.plan.approach, steady.plan.approach) == (Approach.FAST, Approach.CONSERVATIVE)
    assert fast.plan.entries == (PlannedEntry(price=None, fraction=Decimal(1)),)
    assert steady.plan.entries == plan.entries
    assert fast.plan.slippage == Decimal("0.005")  # the order's, or the usual one of a fast trade
    assert steady.plan.slippage is None  # it has limits alone
    for half in (fast.plan, steady.plan):
        assert half.size == MarginShare(of_available=Decimal("0.01"))
        assert (half.rungs, half.stop_price, half.leverage) == (plan.rungs, plan.stop_price, plan.leverage)
        assert half.exits == plan.exits


@pytest.mark.parametrize(
    ("whole", "half"),
    [
        (MarginShare(of_available=Decimal("0.02")), MarginShare(of_available=Decimal("0.01"))),
        (MarginUsdt(amount_usdt=Decimal(200)), MarginUsdt(amount_usdt=Decimal(100))),
        (RiskShare(of_equity=Decimal("0.01")), RiskShare(of_equity=Decimal("0.005"))),
    ],
)
def test_each_half_has_half_of_the_size_whatever_it_is_a_size_of(whole: Size, half: Size) -> None:
    assert fan_out.halved(whole) == half


def test_the_halves_of_a_dual_never_come_to_more_than_the_order_would_alone() -> None:
    # 2% of 10,000 at 10x binds 200 with fees; each half 100: at the market with its bound 1.1959, or at 1.19 and 1.18.
    fast, steady = (sized(part.plan) for part in fan_out.slices(read(DUAL)))
    both = fan_out.together((fast, steady))
    assert both.margin_usdt == fast.margin_usdt + steady.margin_usdt
    assert both.quantity == fast.quantity + steady.quantity
    assert Decimal(196) < both.margin_usdt < Decimal(200)
    assert (fast.asked_usdt, steady.asked_usdt) == (100, 100)


def test_ids_of_slices_follow_from_the_command_and_differ() -> None:
    names = ("", "fast", "conservative", "mirror/", "mirror/fast")
    ids = [fan_out.slice_id("7QK2", "c1", name, 0) for name in names]
    assert len(set(ids)) == len(names)
    assert ids == [fan_out.slice_id("7QK2", "c1", name, 0) for name in names]
    assert fan_out.slice_id("7QK2", "c1", "", 1) not in ids
    assert fan_out.slice_id("AAAA", "c1", "", 0) not in ids


def test_what_is_wrong_with_both_halves_is_said_once_and_the_rest_by_half() -> None:
    def refusal(text: str) -> Refusal:
        return Refusal(field="stop", value="1", limit="2", text=text)

    lines = fan_out.refusal_lines(
        {"fast": (refusal("the stop is wrong"), refusal("too small")), "conservative": (refusal("the stop is wrong"),)}
    )
    assert list(lines) == ["the stop is wrong", "the fast half: too small"]


def test_slices_of_the_same_order_count_as_trades_there() -> None:
    assert fan_out.beside(EMPTY, PositionSide.LONG, 1).trades_long == 1
    assert fan_out.beside(EMPTY, PositionSide.SHORT, 1).trades_short == 1


# --- mirrors -----------------------------------------------------------------------------------------------------
def test_a_mirror_takes_the_same_share_and_of_an_amount_the_share_that_it_is_on_main() -> None:
    share = fan_out.mirrored(read(DUAL.replace("dual", "conservative")), "mirror", Decimal(10_000))
    assert (share.account, share.size) == ("mirror", MarginShare(of_available=Decimal("0.02")))
    amount = fan_out.mirrored(
        read(DUAL.replace("dual", "conservative").replace("2%", "250usdt")), "mirror", Decimal(10_000)
    )
    assert amount.size == MarginShare(of_available=Decimal("0.025"))
    risk = fan_out.mirrored(read(DUAL.replace("margin 2%", "risk 1%")), "mirror", Decimal(10_000))
    assert risk.size == RiskShare(of_equity=Decimal("0.01"))


def test_a_mirror_takes_the_leverage_that_binds_it_and_says_so() -> None:
    plan = read(DUAL.replace("dual", "conservative"))
    bound, notes = fan_out.fitted(plan, VIEW, replace(EMPTY, leverage=Decimal(5)), Decimal(10_000))
    assert bound.leverage == 5
    assert notes == ("leverage 5 instead of main's 10: what is live or pending there has 5",)
    assert fan_out.fitted(plan, VIEW, EMPTY, Decimal(10_000)) == (plan, ())


def test_a_net_targets_amounts_go_with_the_mirrors_balance() -> None:
    plan = read("XRPUSDT long approach net-target entries 1.19 margin 2% leverage 10")
    fitted, notes = fan_out.fitted(plan, VIEW, EMPTY, VIEW.balance.available_usdt * 4)
    assert fitted.exits.net is not None
    assert (fitted.exits.net.target_usdt, fitted.exits.net.floor_usdt) == (Decimal("2.50"), Decimal("1.75"))
    assert fitted.exits.net.stop_usdt == Decimal("2.50")
    assert len(notes) == 1


def test_a_quantity_is_told_when_it_is_not_mains_in_proportion() -> None:
    main = sized(read(DUAL.replace("dual", "conservative")))
    tenth = replace(main, quantity=main.quantity / 10)
    assert fan_out.differing(tenth, main, Decimal("0.1")) is None
    less = fan_out.differing(replace(main, quantity=main.quantity / 20), main, Decimal("0.1"))
    assert less is not None
    assert "is 50% of main's" in less
