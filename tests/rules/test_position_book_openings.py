"""What the book's reading of a symbol means for a plan that is to be opened there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.accounts import BookReading
from actors.model.account import OpeningView
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules.opening import judge

NOBODY = BookReading(
    trades_long=0,
    trades_short=0,
    foreign_long=Decimal(0),
    foreign_short=Decimal(0),
    farthest_stop_long=None,
    farthest_stop_short=None,
)


def verdict(plan: TradePlan, view: OpeningView, book: BookReading) -> list[str]:
    """Give the sentences of the refusals; none when the plan may be opened."""
    judged = judge(plan, view, book, distance=Decimal("0.003"), min_ticks=5)
    return [] if isinstance(judged, SizedPlan) else [refusal.text for refusal in judged]


def row(side: PositionSide | None, size: str, leverage: str = "10", index: int = 1) -> ObservedPosition:
    return ObservedPosition(
        symbol="XRPUSDT",
        side=side,
        size=Decimal(size),
        average_price=Decimal("1.19"),
        leverage=Decimal(leverage),
        position_index=index,
        stop_price=None,
        liquidation_price=None,
    )


def test_an_empty_symbol_takes_a_plan(plan: TradePlan, view: OpeningView) -> None:
    assert verdict(plan, view, NOBODY) == []


def test_pending_trades_do_not_hide_foreign_conditionals(plan: TradePlan, view: OpeningView) -> None:
    """Four pending trades have no stop yet: all five conditionals that are listed are somebody else's."""
    book = replace(NOBODY, trades_long=4, farthest_stop_long=Decimal("1.15"), leverage=Decimal(10))
    there = replace(view, conditional_orders=5)
    assert verdict(plan, there, replace(book, foreign_conditionals=4)) == []
    (text,) = verdict(plan, there, replace(book, foreign_conditionals=5))
    assert "has 9 conditional orders" in text


def test_eight_trades_are_the_most_on_both_sides_together(plan: TradePlan, view: OpeningView) -> None:
    full = replace(NOBODY, trades_long=4, trades_short=4, leverage=Decimal(10))
    (text,) = verdict(plan, view, full)
    assert "has 8 trades and 8 are the most" in text


@pytest.mark.parametrize(("long", "short"), [(1, 0), (0, 1)])
def test_a_pending_trade_holds_the_next_to_its_leverage(
    plan: TradePlan, view: OpeningView, long: int, short: int
) -> None:
    book = replace(NOBODY, trades_long=long, trades_short=short, leverage=Decimal(5))
    assert verdict(plan, view, book) == [
        "leverage 10 is unlike the 5 of what is live or pending on XRPUSDT, which would change with it: write 5"
    ]
    assert verdict(replace(plan, leverage=Decimal(5)), view, book) == []


def test_a_live_short_of_a_hedged_account_holds_a_long_to_its_leverage(plan: TradePlan, view: OpeningView) -> None:
    there = replace(view, positions=(row(PositionSide.SHORT, "50", "5", 2), row(None, "0", "10")))
    (text,) = verdict(plan, there, NOBODY)
    assert text.startswith("leverage 10 is unlike the 5")


def test_what_is_held_where_no_trade_stands_is_foreign_though_the_book_has_not_counted_it(
    plan: TradePlan, view: OpeningView
) -> None:
    there = replace(view, positions=(row(PositionSide.LONG, "50"),))
    (text,) = verdict(plan, there, NOBODY)
    assert "50 XRP of the XRPUSDT long belong to no trade here" in text
    ours = replace(NOBODY, trades_long=1, farthest_stop_long=Decimal("1.15"), leverage=Decimal(10))
    assert verdict(plan, there, ours) == []
