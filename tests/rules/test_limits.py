"""What is refused at the door: a sentence each, with the value, the limit and what to write instead."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.account import MarginMode, OpeningView
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.model.trade_plan import Approach, MarginShare, PlannedEntry, PlannedRung, SizedPlan, TradePlan
from actors.rules.backstop import backstop_price, inside_liquidation
from actors.rules.limits import Surroundings, refusals
from actors.rules.liquidation import estimated_liquidation
from actors.rules.plan_text import parse_plan
from actors.rules.sizing import size

ALONE = Surroundings()
LONG = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"
SHORT = "XRPUSDT short entries 1.19,1.2 targets 1.18,1.17,1.16,1.15 stop 1.23 margin 2% leverage 10"


def read(line: str) -> TradePlan:
    plan = parse_plan(line)
    assert isinstance(plan, TradePlan), [problem.text for problem in plan]
    return plan


def texts(plan: TradePlan, view: OpeningView, surroundings: Surroundings = ALONE) -> list[str]:
    return [refusal.text for refusal in refusals(plan, view, surroundings)]


def position(side: PositionSide, *, leverage: str = "10", average: str = "1.19", size: str = "100") -> ObservedPosition:
    return ObservedPosition(
        symbol="XRPUSDT",
        side=side,
        size=Decimal(size),
        average_price=Decimal(average),
        leverage=Decimal(leverage),
        position_index=0,
        stop_price=None,
        liquidation_price=None,
    )


@pytest.mark.parametrize(
    "line",
    [
        LONG,
        SHORT,
        LONG.replace("1.19,1.18", "market"),
        SHORT.replace("1.19,1.2", "market,1.2"),
        LONG.replace("1.19,1.18", "1.18,1.19"),  # entries may stand in any order
        LONG.replace("margin 2%", "margin 100%"),
        LONG.replace("leverage 10", "leverage 1"),
        LONG.replace("leverage 10", "leverage 7.25"),
    ],
)
def test_a_sound_plan_is_not_refused(line: str, view: OpeningView) -> None:
    vast = replace(view, instrument=replace(view.instrument, max_market_quantity=Decimal(10**6)))
    assert texts(read(line), vast) == []


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("1.19,1.18", "1.18005", "entry 1.18005 is not on XRPUSDT's tick of 0.0001: write 1.18 or 1.1801"),
        (
            "1.19,1.18",
            "1.195,1.18",
            (
                "entry 1.195 is above the last price 1.19 and would fill at once as a taker: write market, or "
                "a price no higher than that"
            ),
        ),
        ("1.23 stop", "1.23001 stop", "target 1.23001 is not on XRPUSDT's tick of 0.0001: write 1.23 or 1.2301"),
        (
            "1.2,1.21,1.22,1.23",
            "1.19,1.21",
            "target 1.19 of a long must lie above every entry: write a price above 1.19",
        ),
        (
            "1.2,1.21,1.22,1.23",
            "1.22,1.21",
            "targets 1.22,1.21 of a long must be rising, nearest first and each once: write 1.21,1.22",
        ),
        (
            "1.2,1.21,1.22,1.23",
            "1.2,1.2,1.22",
            "targets 1.2,1.2,1.22 of a long must be rising, nearest first and each once: write 1.2,1.22",
        ),
        ("stop 1.15", "stop 1.15002", "stop 1.15002 is not on XRPUSDT's tick of 0.0001: write 1.15 or 1.1501"),
        (
            "stop 1.15",
            "stop 1.18",
            "stop 1.18 of a long must lie below every entry and the last price: write a price below 1.18 (entry 2)",
        ),
        ("leverage 10", "leverage 0.5", "leverage 0.5 is outside 1 to 75, what XRPUSDT allows: write 1"),
        ("leverage 10", "leverage 5.005", "leverage 5.005 is not on XRPUSDT's step of 0.01: write 5"),
        (
            "stop 1.15",
            "stop 1.05",
            (
                "stop 1.05 lies below the liquidation price, about 1.077 at leverage 10: write a stop well above that, "
                "or leverage 8 or less"
            ),
        ),
    ],
)
def test_a_long_out_of_limits_is_refused_with_what_to_write(old: str, new: str, text: str, view: OpeningView) -> None:
    assert old in LONG
    assert texts(read(LONG.replace(old, new)), view) == [text]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "1.19,1.2 ",
            "1.185,1.2 ",
            (
                "entry 1.185 is below the last price 1.19 and would fill at once as a taker: write market, or "
                "a price no lower than that"
            ),
        ),
        (
            "1.18,1.17,1.16,1.15",
            "1.19,1.17",
            "target 1.19 of a short must lie below every entry: write a price below 1.19",
        ),
        (
            "1.18,1.17,1.16,1.15",
            "1.16,1.17",
            "targets 1.16,1.17 of a short must be falling, nearest first and each once: write 1.17,1.16",
        ),
        (
            "stop 1.23",
            "stop 1.2",
            "stop 1.2 of a short must lie above every entry and the last price: write a price above 1.2 (entry 2)",
        ),
        (
            "1.19,1.2 targets 1.18,1.17,1.16,1.15 stop 1.23",
            "market targets 1.18 stop 1.19",
            (
                "stop 1.19 of a short must lie above every entry and the last price: write a price above 1.19 "
                "(the last price)"
            ),
        ),
        (
            "stop 1.23",
            "stop 1.4",
            (
                "stop 1.4 lies above the liquidation price, about 1.3017 at leverage 10: write a stop well below that, "
                "or leverage 5 or less"
            ),
        ),
    ],
)
def test_a_short_is_the_mirror_image(old: str, new: str, text: str, view: OpeningView) -> None:
    assert old in SHORT
    assert texts(read(SHORT.replace(old, new)), view) == [text]


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        (
            {"size": MarginShare(of_available=Decimal(0))},
            ["margin 0% of the available balance must be over 0% and up to 100%"],
        ),
        ({"size": MarginShare(of_available=Decimal("1.2"))}, ["margin 120% of the available balance must be over 0%"]),
        ({"entries": ()}, ["entries are missing: write a price like 1.19, or market"]),
        ({"rungs": ()}, ["targets are missing: write at least one price"]),
        ({"stop_price": Decimal(0)}, ["stop 0 must be over 0"]),
        ({"stop_price": Decimal(-1)}, ["stop -1 must be over 0"]),
        (
            {"entries": tuple(PlannedEntry(price=Decimal("1.18"), fraction=Decimal("0.6")) for _ in range(2))},
            ["the shares of the entries, 60% + 60%, make 120%: each must be over 0% and all together 100%"],
        ),
        (
            {
                "rungs": (
                    PlannedRung(price=Decimal("1.2"), fraction=Decimal("1.1")),
                    PlannedRung(price=Decimal("1.21"), fraction=Decimal("-0.1")),
                )
            },
            ["the shares of the targets, 110% + -10%, make 100%"],
        ),
        ({"leverage": Decimal(0)}, ["leverage 0 is outside 1 to 75"]),
    ],
)
def test_values_that_no_text_could_carry_are_refused_too(
    changes: dict[str, Any], starts: list[str], view: OpeningView
) -> None:
    found = texts(replace(read(LONG), **changes), view)
    assert len(found) == len(starts)
    assert all(text.startswith(start) for text, start in zip(found, starts, strict=True))


def test_too_small_a_quantity_is_refused_with_the_margin_it_needs(view: OpeningView) -> None:
    found = texts(read(LONG.replace("2%", "0.01%")), view)
    assert len(found) == 2
    assert found[0].startswith("margin 0.01% makes entry 1 4.1 XRP (4.88 USDT), and the smallest order is 0.1 XRP")


@pytest.mark.parametrize(
    ("mode", "margin", "accepted"),
    [(MarginMode.ISOLATED, "2%", True), (MarginMode.CROSS, "2%", True), (MarginMode.PORTFOLIO, "2%", False)],
)
def test_portfolio_margin_is_refused(mode: MarginMode, margin: str, accepted: bool, view: OpeningView) -> None:
    found = texts(read(LONG), replace(view, margin_mode=mode))
    assert (found == []) is accepted
    assert all("switch it to isolated or cross margin" in text for text in found)


def test_an_empty_account_is_told_so_and_nothing_is_divided_by_it(view: OpeningView) -> None:
    empty = replace(view, balance=replace(view.balance, available_usdt=Decimal(0)))
    assert texts(read(LONG), empty) == [
        "account main has 0 USDT free for margin: add USDT or close a position",
    ]


@pytest.mark.parametrize(
    ("mode", "positions", "surroundings", "refused"),
    [
        (PositionMode.ONE_WAY, (position(PositionSide.SHORT),), ALONE, True),
        (PositionMode.ONE_WAY, (), Surroundings(opposite_trades=1, trades_on_symbol=1), True),
        (PositionMode.ONE_WAY, (position(PositionSide.LONG),), Surroundings(trades_on_symbol=1), False),
        (PositionMode.ONE_WAY, (position(PositionSide.SHORT, size="0"),), ALONE, False),
        (PositionMode.HEDGE, (position(PositionSide.SHORT),), Surroundings(opposite_trades=1), False),
    ],
)
def test_in_one_way_mode_the_opposite_side_is_refused(
    *,
    mode: PositionMode,
    positions: tuple[ObservedPosition, ...],
    surroundings: Surroundings,
    refused: bool,
    view: OpeningView,
) -> None:
    found = texts(read(LONG), replace(view, position_mode=mode, positions=positions), surroundings)
    assert [text.split(":")[0] for text in found] == (["long is refused"] if refused else [])


def test_a_side_that_holds_foreign_quantity_is_refused(view: OpeningView) -> None:
    said = (
        "long is refused: 12.5 XRP of the XRPUSDT long belong to no trade here, and one stop covers the whole "
        "position; adopt or close them first"
    )
    assert texts(read(LONG), view, Surroundings(foreign_quantity=Decimal("12.5"))) == [said]


@pytest.mark.parametrize(
    ("positions", "mode", "margin_mode", "leverage"),
    [
        ((position(PositionSide.LONG, leverage="5"),), PositionMode.ONE_WAY, MarginMode.ISOLATED, "5"),
        ((position(PositionSide.LONG, leverage="5"),), PositionMode.HEDGE, MarginMode.ISOLATED, "5"),
        ((position(PositionSide.SHORT, leverage="5"),), PositionMode.HEDGE, MarginMode.CROSS, "5"),
        ((position(PositionSide.SHORT, leverage="5"),), PositionMode.HEDGE, MarginMode.ISOLATED, None),
        ((position(PositionSide.LONG, leverage="10"),), PositionMode.HEDGE, MarginMode.ISOLATED, None),
        ((position(PositionSide.LONG, leverage="5", size="0"),), PositionMode.HEDGE, MarginMode.ISOLATED, None),
    ],
)
def test_leverage_must_be_that_of_the_live_position(
    *,
    positions: tuple[ObservedPosition, ...],
    mode: PositionMode,
    margin_mode: MarginMode,
    leverage: str | None,
    view: OpeningView,
) -> None:
    here = replace(view, positions=positions, position_mode=mode, margin_mode=margin_mode)
    expected = [] if leverage is None else [f"leverage 10 is unlike the {leverage} of the live XRPUSDT position"]
    assert [text.split(", ")[0] for text in texts(read(LONG), here)] == expected


@pytest.mark.parametrize(
    ("trades", "conditionals", "foreign", "text"),
    [
        (7, 7, 0, None),
        (8, 8, 0, "XRPUSDT on main has 8 trades and 8 are the most"),
        (0, 8, 8, None),
        (0, 9, 9, "XRPUSDT on main has 9 conditional orders"),
        (7, 8, 1, None),
        (7, 9, 2, "XRPUSDT on main has 9 conditional orders"),
        (7, 2, 2, "XRPUSDT on main has 9 conditional orders"),  # pending trades will need theirs
    ],
)
def test_each_trade_finds_room_for_its_stop_and_one_spare(
    *, trades: int, conditionals: int, foreign: int, text: str | None, view: OpeningView
) -> None:
    found = texts(
        read(LONG),
        replace(view, conditional_orders=conditionals),
        Surroundings(trades_on_symbol=trades, foreign_conditional_orders=foreign),
    )
    assert [each.startswith(text or "?") for each in found] == ([] if text is None else [True])


def test_the_backstop_must_lie_inside_liquidation_too(view: OpeningView) -> None:
    near = read(LONG.replace("stop 1.15", "stop 1.079"))  # liquidation is at 1.0770
    assert texts(near, view) == []
    said = (
        "the backstop 1.0757 behind stop 1.079 lies below the liquidation price, about 1.077 at leverage 10: write "
        "a nearer stop, or leverage 9 or less"
    )
    assert texts(near, view, Surroundings(backstop_price=Decimal("1.0757"))) == [said]


def test_in_cross_margin_only_the_whole_balance_limits_the_stop(view: OpeningView) -> None:
    far = read(LONG.replace("stop 1.15", "stop 0.9"))
    assert texts(far, replace(view, margin_mode=MarginMode.CROSS)) == []


def test_all_is_refused_at_once_in_a_fixed_order(view: OpeningView) -> None:
    everything = read("XRPUSDT long entries 1.18005 targets 1.17,1.16 stop 1.21 margin 2% leverage 100")
    worst = replace(
        view,
        margin_mode=MarginMode.PORTFOLIO,
        position_mode=PositionMode.ONE_WAY,
        positions=(position(PositionSide.SHORT, leverage="5"),),
        conditional_orders=9,
    )
    found = refusals(everything, worst, Surroundings(foreign_quantity=Decimal(1)))
    assert [(refusal.field, refusal.value) for refusal in found] == [
        ("account", "portfolio"),
        ("side", "long"),
        ("side", "long"),
        ("symbol", "XRPUSDT"),
        ("leverage", "100"),
        ("leverage", "100"),
        ("entries", "1.18005"),
        ("stop", "1.21"),
        ("targets", "1.17"),
        ("targets", "1.16"),
        ("targets", "1.17,1.16"),
    ]
    assert all(refusal.limit and refusal.text for refusal in found)


SHARES = {1: (100,), 2: (85, 15), 3: (85, 10, 5), 4: (85, 5, 5, 5)}


@st.composite
def plans(draw: st.DrawFn) -> TradePlan:
    """Draw a plan whose prices are in order around a last price of 1.19; only money can be wrong with it."""
    side = draw(st.sampled_from(PositionSide))
    tick, last = Decimal("0.0001"), Decimal("1.19")
    ticks = st.integers(1, 500)
    away = [0, *sorted(draw(st.lists(ticks, max_size=2)))]
    rungs = sorted(draw(st.sets(ticks, min_size=1, max_size=4)))
    market = draw(st.booleans())
    entries = [last - side.sign * tick * each for each in away]
    shares = {1: ["1"], 2: ["0.5", "0.5"], 3: ["0.5", "0.25", "0.25"]}[len(away)]
    return TradePlan(
        account="main",
        symbol="XRPUSDT",
        position_side=side,
        approach=Approach.CONSERVATIVE,
        entries=tuple(
            PlannedEntry(price=None if market and price == last else price, fraction=Decimal(share))
            for price, share in zip(entries, shares, strict=True)
        ),
        rungs=tuple(
            PlannedRung(price=last + side.sign * tick * each, fraction=Decimal(share) / 100)
            for each, share in zip(rungs, SHARES[len(rungs)], strict=True)
        ),
        stop_price=entries[-1] - side.sign * tick * draw(st.integers(1, 2000)),
        size=MarginShare(of_available=draw(st.decimals("0.0001", "0.01", places=4))),
        leverage=Decimal(draw(st.integers(1, 75))),
    )


@given(plans())
def test_what_is_admitted_can_be_sized_and_meets_its_backstop_before_liquidation(
    view: OpeningView, plan: TradePlan
) -> None:
    guarded = backstop_price(plan.position_side, [plan.stop_price], view.instrument.tick_size)
    found = refusals(plan, view, Surroundings(backstop_price=guarded))
    sized = size(plan, view)
    too_small = not isinstance(sized, SizedPlan)
    assert ("margin" in {refusal.field for refusal in found}) is too_small
    if isinstance(sized, SizedPlan):
        survives = inside_liquidation(plan.position_side, guarded, estimated_liquidation(plan, view, sized.quantity))
        assert [refusal.field for refusal in found] == ([] if survives else ["stop"])
        assert sized.loss_at_stop_usdt > 0


@given(plans())
def test_a_leverage_advised_against_liquidation_is_accepted(view: OpeningView, plan: TradePlan) -> None:
    guarded = backstop_price(plan.position_side, [plan.stop_price], view.instrument.tick_size)
    surroundings = Surroundings(backstop_price=guarded)
    plan = replace(plan, size=MarginShare(of_available=Decimal("0.05")))
    for advice in (text for text in texts(plan, view, surroundings) if "or leverage" in text):
        leverage = Decimal(advice.split("or leverage ")[1].split(" ")[0])
        assert texts(replace(plan, leverage=leverage), view, surroundings) == []
        assert texts(replace(plan, leverage=leverage + 1), view, surroundings) != []


def test_a_leverage_over_the_cap_hears_of_the_cap_and_of_liquidation_at_once(view: OpeningView) -> None:
    assert [text.split(":")[0] for text in texts(read(LONG.replace("leverage 10", "leverage 100")), view)] == [
        "leverage 100 is outside 1 to 75, what XRPUSDT allows",
        "stop 1.15 lies below the liquidation price, about 1.1847 at leverage 100",
    ]
