"""Adoption: what is taken over, at which price, and what is refused, by figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.accounts import BookReading
from actors.messages.adopting import AdoptPosition
from actors.model.account import OpeningView
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.model.trade_plan import Approach, PlannedRung, SizedPlan
from actors.rules.adoption import BackstopTerms, Reading, is_passing, judge
from actors.rules.adoption_words import plan_lines, read_wish

D = Decimal
TERMS = BackstopTerms(distance=D("0.003"), min_ticks=5)
NOBODY = BookReading(
    trades_long=0,
    trades_short=0,
    foreign_long=D(0),
    foreign_short=D(0),
    farthest_stop_long=None,
    farthest_stop_short=None,
)


def wish(**more: Any) -> AdoptPosition:
    usual = {
        "command_id": "c1",
        "account": "main",
        "symbol": "XRPUSDT",
        "position_side": PositionSide.LONG,
        "stop_price": D("1.15"),
        "rungs": (),
        "by": "cli",
    }
    return AdoptPosition(**{**usual, **more})


def held(size: str, average: str = "1.18", **more: Any) -> ObservedPosition:
    usual = {
        "symbol": "XRPUSDT",
        "side": PositionSide.LONG,
        "size": D(size),
        "average_price": D(average),
        "leverage": D(5),
        "position_index": 1,
        "stop_price": None,
        "liquidation_price": None,
    }
    return ObservedPosition(**{**usual, **more})


def order(order_id: str, **more: Any) -> ObservedOrder:
    """A stop of somebody's for 50, at 1.1."""
    usual = {
        "order_id": order_id,
        "client_order_id": None,
        "symbol": "XRPUSDT",
        "order_side": OrderSide.SELL,
        "kind": OrderKind.MARKET,
        "state": OrderState.UNTRIGGERED,
        "quantity": D(50),
        "trigger_price": D("1.1"),
        "reduce_only": True,
        "position_index": 1,
    }
    return ObservedOrder(**{**usual, **more})


def reading(
    view: OpeningView, *positions: ObservedPosition, orders: tuple[ObservedOrder, ...] = (), **book: Any
) -> Reading:
    foreign = {"foreign_long": sum((each.size for each in positions if each.side is PositionSide.LONG), D(0))}
    return Reading(
        view=replace(view, positions=positions),
        book=replace(NOBODY, **{**foreign, **book}),
        orders=orders,
        installation="7QK2",
    )


def adopted(wanted: AdoptPosition, read: Reading) -> SizedPlan:
    sized = judge(wanted, read, TERMS)
    assert isinstance(sized, SizedPlan), sized
    return sized


def refused(wanted: AdoptPosition, read: Reading) -> str:
    wrong = judge(wanted, read, TERMS)
    assert not isinstance(wrong, SizedPlan)
    return "\n".join(each.text for each in wrong)


def test_the_whole_of_a_foreign_position_is_taken_over_as_it_is(view: OpeningView) -> None:
    """100 XRP at 1.18, stop 1.15: 3 USDT lost, and 0.00055 of 118 + 115 for fees, 0.12815."""
    sized = adopted(wish(), reading(view, held("100")))
    taken = sized.plan.adopted
    assert taken is not None
    assert (taken.held_quantity, taken.average_price) == (D(100), D("1.18"))
    assert (sized.plan.approach, sized.plan.entries, sized.entries, sized.plan.rungs) == (Approach.ADOPTED, (), (), ())
    assert (sized.quantity, sized.margin_usdt, sized.plan.leverage) == (D(100), D(0), D(5))
    assert sized.loss_at_stop_usdt == D("3.12815")


def test_a_shorts_figures_are_mirrored(view: OpeningView) -> None:
    """100 XRP short at 1.2, stop 1.23: 3 lost, fees 0.00055 x (120 + 123) = 0.13365."""
    read = reading(view, held("100", "1.2", side=PositionSide.SHORT, position_index=2), foreign_short=D(100))
    sized = adopted(wish(position_side=PositionSide.SHORT, stop_price=D("1.23")), read)
    assert sized.loss_at_stop_usdt == D("3.13365")


def test_only_the_foreign_remainder_is_taken_and_its_price_is_without_what_is_ours(view: OpeningView) -> None:
    """300 at 1.18 are 354; ours are 200 for 238 (1.19): the other 100 cost 116, 1.16 each."""
    read = reading(
        view, held("300"), trades_long=1, foreign_long=D(100), held_long=D(200), cost_long=D(238), leverage=D(5)
    )
    taken = adopted(wish(), read).plan.adopted
    assert taken is not None
    assert (taken.held_quantity, taken.average_price) == (D(100), D("1.16"))


def test_a_remainder_that_comes_out_at_no_sensible_price_takes_the_positions_average(view: OpeningView) -> None:
    read = reading(view, held("300"), trades_long=1, foreign_long=D(1), held_long=D(299), cost_long=D(400))
    taken = adopted(wish(), read).plan.adopted
    assert taken is not None
    assert taken.average_price == D("1.18")


def test_the_position_stop_and_stop_orders_of_others_are_named_and_nothing_else(view: OpeningView) -> None:
    others = (
        order("stop"),
        order("target", trigger_price=D("1.3")),
        order("an entry", reduce_only=False),
        order("the other side", order_side=OrderSide.BUY),
        order("another index", position_index=2),
        order("another symbol", symbol="BTCUSDT"),
        order("ours", client_order_id="SF7QK2C-7K3Q9X-S-0"),
        order("the position stop", is_position_stop=True),
        order("a limit", trigger_price=None, price=D("1.1")),
        order("another installation's", client_order_id="SF0000C-7K3Q9X-S-0", trigger_price=D("1.12")),
    )
    sized = adopted(wish(), reading(view, held("100", stop_price=D("1.05")), orders=others))
    taken = sized.plan.adopted
    assert taken is not None
    assert [each.order_id for each in taken.outside_stops] == ["stop", "another installation's"]
    assert taken.position_stop == D("1.05")
    lines = plan_lines(sized)
    assert "your stop order 50 at 1.1 is removed" in lines
    assert any("the position's own stop 1.05 gives way to the backstop" in line for line in lines)


def test_a_position_stop_behind_our_trades_is_our_own_backstop(view: OpeningView) -> None:
    read = reading(
        view,
        held("300", stop_price=D("1.0465")),
        trades_long=1,
        foreign_long=D(100),
        held_long=D(200),
        cost_long=D(236),
    )
    taken = adopted(wish(), read).plan.adopted
    assert taken is not None
    assert taken.position_stop is None


def test_targets_are_spread_over_what_is_taken_over(view: OpeningView) -> None:
    rungs = (PlannedRung(price=D("1.22"), fraction=D("0.85")), PlannedRung(price=D("1.24"), fraction=D("0.15")))
    sized = adopted(wish(rungs=rungs), reading(view, held("100.3")))
    assert sized.rung_quantities == (D("85.3"), D("15.0"))


def test_a_stop_in_profit_is_called_so(view: OpeningView) -> None:
    """100 at 1.1, stop 1.15: 5 won, fees 0.00055 x 225 = 0.12375: 4.87625 kept."""
    sized = adopted(wish(), reading(view, held("100", "1.1")))
    assert sized.loss_at_stop_usdt == D("-4.87625")
    assert any(line.startswith("stop 1.15: profit 4.88 USDT") for line in plan_lines(sized))


@pytest.mark.parametrize(
    ("wanted", "positions", "book", "sentence"),
    [
        (wish(), (), {}, "there is no position in XRPUSDT on main, so there is nothing to adopt"),
        (
            wish(position_side=PositionSide.SHORT),
            (held("100"),),
            {},
            "there is no short position in XRPUSDT on main, held is long 100: write --side long",
        ),
        (
            wish(position_side=None),
            (held("100"),),
            {},
            "XRPUSDT is in hedge mode, where both sides may be held (now long 100): write --side long or short",
        ),
        (
            wish(),
            (held("100"),),
            {"foreign_long": D(0), "held_long": D(100), "trades_long": 1},
            "all 100 of XRPUSDT long on main belong to trades already: /status names them, and there is nothing",
        ),
        (
            wish(),
            (held("100"),),
            {"foreign_long": D(0)},
            "how much of the 100 XRPUSDT long on main belongs to no trade is still being counted: ask again in a few",
        ),
        (
            wish(stop_price=D("1.19")),
            (held("100"),),
            {},
            "stop 1.19 of a long must lie below the market: write a price below 1.19 (the last price)",
        ),
        (
            wish(stop_price=D("1.15003")),
            (held("100"),),
            {},
            "stop 1.15003 is not on XRPUSDT's tick of 0.0001: write 1.15 or 1.1501",
        ),
        (
            wish(rungs=(PlannedRung(price=D("1.19"), fraction=D(1)),)),
            (held("100"),),
            {},
            "target 1.19 of a long must lie above the last price: write a price above 1.19",
        ),
        (
            wish(),
            (held("100", liquidation_price=D("1.147")),),
            {},
            "stop 1.15 would put the backstop to 1.1465, beyond the position's liquidation price 1.147: write a nearer",
        ),
        (wish(), (held("100"),), {"trades_short": 8}, "XRPUSDT has 8 trades already, the most"),
        (wish(), (held("100"),), {"foreign_conditionals": 9}, "XRPUSDT would need 10 conditional orders with its stop"),
        (
            wish(seen_quantity=D(90)),
            (held("100"),),
            {},
            "100 of XRPUSDT long on main belong to no trade now, 90 when it was shown: ask again",
        ),
    ],
)
def test_what_cannot_be_adopted_is_refused_with_what_to_write(
    view: OpeningView, wanted: AdoptPosition, positions: tuple[ObservedPosition, ...], book: Any, sentence: str
) -> None:
    assert refused(wanted, reading(view, *positions, **book)).startswith(sentence)


def test_less_than_the_smallest_order_cannot_have_a_stop_of_its_own(view: OpeningView) -> None:
    rules = replace(view.instrument, min_quantity=D(1))
    text = refused(wish(), reading(replace(view, instrument=rules), held("0.5")))
    assert text.startswith("0.5 of XRPUSDT long on main are under the smallest order of 1, so no stop of their own")


def test_the_mark_price_bounds_the_stop_too(view: OpeningView) -> None:
    read = reading(replace(view, mark_price=D("1.149")), held("100"))
    assert "write a price below 1.149 (the mark price)" in refused(wish(), read)


def test_in_one_way_mode_the_side_need_not_be_written(view: OpeningView) -> None:
    one_way = replace(view, position_mode=PositionMode.ONE_WAY)
    sized = adopted(wish(position_side=None), reading(one_way, held("100", position_index=0)))
    assert sized.plan.position_side is PositionSide.LONG


def test_only_what_is_still_being_counted_may_be_asked_again_as_it_is(view: OpeningView) -> None:
    counting, wrong = (
        judge(wish(), reading(view, held("100"), **book), TERMS)
        for book in ({"foreign_long": D(0)}, {"foreign_conditionals": 9})
    )
    assert not isinstance(counting, SizedPlan)
    assert not isinstance(wrong, SizedPlan)
    assert (is_passing(counting), is_passing(wrong)) == (True, False)


# --- reading the wish ----------------------------------------------------------------------------------------------
def test_the_words_of_chat_and_terminal_are_read_alike() -> None:
    chat = read_wish(["main", "xrpusdt", "long", "stop", "1.15", "targets", "1.22@85%,1.24"], by="cli")
    typed = ["main", "XRPUSDT", "--side", "long", "--stop", "1.15", "--targets", "1.22@85%,1.24"]
    terminal = read_wish(typed, by="cli")
    assert chat == terminal
    assert isinstance(chat, AdoptPosition)
    assert chat.rungs == (
        PlannedRung(price=D("1.22"), fraction=D("0.85")),
        PlannedRung(price=D("1.24"), fraction=D("0.15")),
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("main", "Which account and which symbol? Write adopt ACCOUNT SYMBOL"),
        ("main XRPUSDT", "stop is missing: write where the position's stop is to be"),
        ("main XRPUSDT stop soon", "stop soon is no number: write digits and a point, like 1.15"),
        ("main XRPUSDT sideways stop 1", "'sideways' is not understood here: write adopt ACCOUNT SYMBOL"),
        ("main XRPUSDT --side both --stop 1", "side both is not known: write long or short"),
        ("main XRPUSDT stop 1 targets", "targets are missing: write prices with commas"),
        ("main XRPUSDT stop 1 targets 1,two", "targets two is no number"),
        ("main XRPUSDT stop 1 targets 2@100%,3", "the shares of the targets leave nothing for 1 of them"),
    ],
)
def test_what_cannot_be_read_gets_its_sentence(words: str, sentence: str) -> None:
    text = read_wish(words.split(), by="cli")
    assert isinstance(text, str)
    assert text.startswith(sentence)
