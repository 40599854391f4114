"""One line becomes a plan, or everything that is wrong with it, each with what to write instead."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.money import plain
from actors.model.position import PositionSide
from actors.model.trade_plan import (
    Approach,
    MarginShare,
    MarginUsdt,
    PlannedEntry,
    PlannedRung,
    RiskShare,
    TradePlan,
)
from actors.rules.plan_text import parse_plan, usual_rung_fractions
from actors.rules.refusals import Refusal

FIELDS = (
    "entries, targets, stop, margin, risk, leverage, weights, slippage, approach, preset, policy, account or mirror"
)
LINE = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"


def decimals(text: str) -> list[Decimal]:
    return [Decimal(word) for word in text.split()]


def plan_of(text: str) -> TradePlan:
    plan = parse_plan(text)
    assert isinstance(plan, TradePlan), [problem.text for problem in plan]
    return plan


def problems_of(text: str) -> list[str]:
    problems = parse_plan(text)
    assert not isinstance(problems, TradePlan)
    return [problem.text for problem in problems]


def with_field(name: str, value: str) -> str:
    """Write the usual line with one field changed."""
    words = LINE.split()
    words[words.index(name) + 1] = value
    return " ".join(words)


def test_a_line_becomes_a_plan() -> None:
    plan = parse_plan(LINE, cancel_entries_on_first_target=False, chat_id=17)
    assert plan == TradePlan(
        account="main",
        symbol="XRPUSDT",
        position_side=PositionSide.LONG,
        approach=Approach.CONSERVATIVE,
        entries=tuple(PlannedEntry(price=price, fraction=Decimal("0.5")) for price in decimals("1.19 1.18")),
        rungs=tuple(
            PlannedRung(price=price, fraction=fraction)
            for price, fraction in zip(decimals("1.2 1.21 1.22 1.23"), decimals("0.85 0.05 0.05 0.05"), strict=True)
        ),
        stop_price=Decimal("1.15"),
        size=MarginShare(of_available=Decimal("0.02")),
        leverage=Decimal(10),
        cancel_entries_on_first_target=False,
        chat_id=17,
    )


@pytest.mark.parametrize(
    "same",
    [
        "/trade " + LINE,
        "/trade@StandfastBot " + LINE,
        "long xrpusdt entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10",
        "XRPUSDT long --entries 1.19,1.18 --targets 1.2,1.21,1.22,1.23 --stop 1.15 --margin 2% --leverage 10",
        "XRPUSDT long --entries=1.19,1.18 --targets=1.2,1.21,1.22,1.23 --stop=1.15 --margin=2% --leverage=10x",
        "XRPUSDT long \u2014entries 1.19,1.18 \u2014targets 1.2,1.21,1.22,1.23 \u2013stop 1.15 margin 2% leverage 10",
        "XRPUSDT LONG Entries 1.19, 1.18 Targets 1.2, 1.21, 1.22, 1.23 Stop 1.15 Margin 2 % Leverage x10",
        "XRPUSDT long leverage 10 sl 1.15 tp 1.2,1.21,1.22,1.23 margin 2% entry 1.19,1.18",
        LINE + " approach conservative account main",
        "  XRPUSDT\nlong\nentries 1.19,1.18\ntargets 1.2,1.21,1.22,1.23\nstop 1.15\nmargin 2.0%\nleverage 10  ",
    ],
)
def test_the_chats_and_the_command_lines_way_of_writing_mean_the_same(same: str) -> None:
    assert parse_plan(same) == parse_plan(LINE)


def test_a_symbol_that_resembles_a_field_is_a_symbol() -> None:
    assert plan_of(LINE.replace("XRPUSDT long", "long MARGINUSDT")).symbol == "MARGINUSDT"
    assert plan_of(LINE.replace("XRPUSDT", "1000PEPEUSDT")).symbol == "1000PEPEUSDT"


def test_market_is_an_entry_without_a_price() -> None:
    assert plan_of(with_field("entries", "market")).entries == (PlannedEntry(price=None, fraction=Decimal(1)),)
    assert [entry.price for entry in plan_of(with_field("entries", "Market,1.18")).entries] == [None, Decimal("1.18")]


@pytest.mark.parametrize(
    ("name", "written", "shares"),
    [
        ("entries", "1.19@60%,1.18@40%", "0.6 0.4"),
        ("entries", "1.19@60%,1.18", "0.6 0.4"),
        ("entries", "1.19@50%,1.18,1.17", "0.5 0.25 0.25"),
        ("entries", "1.19,1.18,1.17", "0.333334 0.333333 0.333333"),
        ("entries", "market@30%,1.18", "0.3 0.7"),
        ("targets", "1.2@60%,1.21@40%", "0.6 0.4"),
        ("targets", "1.2@50%,1.21,1.22", "0.5 0.25 0.25"),
        ("targets", "1.2", "1"),
        ("targets", "1.2,1.21", "0.85 0.15"),
        ("targets", "1.2,1.21,1.22", "0.85 0.10 0.05"),
        ("targets", "1.2,1.21,1.22,1.23,1.24,1.25", "0.85 0.03 0.03 0.03 0.03 0.03"),
    ],
)
def test_shares_are_as_written_or_as_usual(name: str, written: str, shares: str) -> None:
    plan = plan_of(with_field(name, written))
    legs = plan.entries if name == "entries" else plan.rungs
    assert [leg.fraction for leg in legs] == decimals(shares)


@given(st.integers(1, 30), st.sampled_from(["0.85 0.05 0.05 0.05", "1", "0.5 0.5", "0.4 0.3 0.2 0.1"]))
def test_usual_shares_always_make_the_whole(count: int, preferred: str) -> None:
    shares = usual_rung_fractions(count, decimals(preferred))
    assert len(shares) == count
    assert sum(shares) == 1
    assert min(shares) > 0


def test_usual_shares_are_a_setting() -> None:
    plan = parse_plan(with_field("targets", "1.2,1.21,1.22"), rung_fractions=decimals("0.5 0.25 0.25"))
    assert isinstance(plan, TradePlan)
    assert [rung.fraction for rung in plan.rungs] == decimals("0.5 0.25 0.25")


@pytest.mark.parametrize(
    ("name", "written", "advice"),
    [
        ("entries", "65,000", "entries 65,000 has a comma that parts prices, not thousands: write 65000"),
        (
            "entries",
            "61,200",
            "entries 61,200 has a comma that parts prices, not thousands: write 61200; for two prices write 61.0,200",
        ),
        ("entries", "1e5", "entries 1e5 is no number: write digits and a point, like 1.15"),
        ("entries", "1.19,,1.18", "entries 1.19,,1.18 has an empty place: write 1.19,1.18"),
        ("entries", "1.19,1.18,", "entries 1.19,1.18, has an empty place: write 1.19,1.18"),
        ("entries", "0", "entries 0 must be over 0: write a price like 1.15"),
        ("entries", "-1.19", "entries -1.19 is no number: write digits and a point, like 1.15"),
        ("entries", "1.19@forty", "entries 1.19@forty has no share in percent: write 1.19@40%"),
        ("entries", "1.19@0%", "entries 1.19@0% has no share in percent: write 1.19@40%"),
        ("entries", "1.19@0.4", "entries 1.19@0.4 has no share in percent: write 1.19@40%"),
        (
            "entries",
            "1.19@50%,1.18@50%,1.17",
            "the shares of the entries make 100% and leave nothing for 1 more: write shares that make 100%, or none",
        ),
        ("targets", "1.2@85%,1.21@10%", "the shares of the targets make 95%: write shares that make 100%, or none"),
        ("targets", "market", "targets market is no number: write digits and a point, like 1.15"),
        ("stop", "nan", "stop nan is no number: write digits and a point, like 1.15"),
        ("stop", "1,15", "stop 1,15 has a comma: write 1.15"),
        ("stop", "61,000", "stop 61,000 has commas: write 61000, or 61.000 if the comma was a decimal point"),
        ("stop", "1,061,000.5", "stop 1,061,000.5 has commas: write 1061000.5"),
        ("stop", "1_150", "stop 1_150 is no number: write digits and a point, like 1.15"),
        ("stop", "\u0661.15", "stop \u0661.15 is no number: write digits and a point, like 1.15"),
        ("margin", "2", "margin 2 has no unit: write 2% for 2 percent of the available balance, or 2usdt"),
        ("margin", "two%", "margin two% is no margin: write a share like 2% or an amount like 200usdt"),
        ("margin", "usdt", "margin usdt is no margin: write a share like 2% or an amount like 200usdt"),
        ("margin", "200usd", "margin 200usd is no margin: write a share like 2% or an amount like 200usdt"),
        ("leverage", "ten", "leverage ten is no leverage: write a number like 10"),
        ("leverage", "0", "leverage 0 is no leverage: write a number like 10"),
    ],
)
def test_a_bad_figure_is_refused_with_what_to_write_instead(name: str, written: str, advice: str) -> None:
    assert problems_of(with_field(name, written)) == [advice]


def test_two_near_whole_prices_are_two_prices() -> None:
    assert [entry.price for entry in plan_of(with_field("entries", "120,118")).entries] == decimals("120 118")


def test_a_size_is_a_share_an_amount_or_a_risk() -> None:
    assert plan_of(LINE).size == MarginShare(of_available=Decimal("0.02"))
    for written in ("margin 200usdt", "margin 200USDT", "margin 200 usdt", "--margin 200 USDT"):
        assert plan_of(LINE.replace("margin 2%", written)).size == MarginUsdt(amount_usdt=Decimal(200))
    for written in ("risk 1%", "--risk 1 %", "risk=1.0%"):
        assert plan_of(LINE.replace("margin 2%", written)).size == RiskShare(of_equity=Decimal("0.01"))


def test_a_fast_trade_enters_whole_at_the_market_within_a_bound() -> None:
    fast = LINE.replace("entries 1.19,1.18 ", "approach fast ")
    plan = plan_of(fast)
    assert plan.approach is Approach.FAST
    assert plan.entries == (PlannedEntry(price=None, fraction=Decimal(1)),)
    assert plan.slippage == Decimal("0.005")
    assert plan_of(fast + " slippage 0.3%").slippage == Decimal("0.003")
    assert plan_of(fast + " entries market") == plan
    usual = parse_plan(fast, fast_slippage=Decimal("0.001"))
    assert isinstance(usual, TradePlan)
    assert usual.slippage == Decimal("0.001")


def test_a_market_entry_of_another_trade_has_a_bound_only_where_one_is_written() -> None:
    assert plan_of(with_field("entries", "market,1.18")).slippage is None
    assert plan_of(with_field("entries", "market,1.18") + " slippage 1%").slippage == Decimal("0.01")


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ("even", "0.333334 0.333333 0.333333"),
        ("front", "0.500001 0.333333 0.166666"),
        ("Front-loaded", "0.500001 0.333333 0.166666"),
        ("back", "0.166666 0.333333 0.500001"),
    ],
)
def test_weights_spread_entries_without_shares(weights: str, shares: str) -> None:
    plan = plan_of(with_field("entries", "1.19,1.18,1.17") + f" weights {weights}")
    assert [entry.fraction for entry in plan.entries] == decimals(shares)


def test_custom_weights_are_the_shares_that_are_written() -> None:
    shared = with_field("entries", "1.19@60%,1.18@40%")
    assert plan_of(shared + " weights custom") == plan_of(shared)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (LINE + " risk 1%", "margin 2% and risk 1% are both written: write one of them"),
        (
            LINE.replace(" margin 2%", ""),
            (
                "margin is missing: write margin with a share of the available balance, like 2%, or an amount, like "
                "200usdt; or risk with the share of the equity to lose at the stop, like 1%"
            ),
        ),
        (LINE.replace("margin 2%", "risk 1"), "risk 1 has no percent sign: write 1%"),
        (LINE.replace("margin 2%", "risk half"), "risk half is no percentage: write one like 1%"),
        (LINE.replace("margin 2%", "risk 50usdt"), "risk 50usdt is no percentage: write one like 1%"),
        (
            LINE.replace("margin 2%", "risk"),
            "risk is missing: write risk with the share of the equity to lose at the stop, like 1%",
        ),
        (LINE + " slippage 0.3", "slippage 0.3 has no percent sign: write 0.3%"),
        (LINE + " slippage wide", "slippage wide is no percentage: write one like 0.5%"),
        (LINE + " slippage", "slippage is missing its value: write one like 0.5%"),
        (
            LINE + " weights heavy",
            "weights heavy are not known here: write even, front or back, or shares as in 1.19@60%",
        ),
        (
            LINE + " weights custom",
            "weights custom needs the shares behind the entries: write them as in 1.19@60%,1.18@40%",
        ),
        (
            with_field("entries", "1.19@60%,1.18@40%") + " weights back",
            "weights back and shares behind the entries are both written: write one of them",
        ),
        (
            LINE + " approach fast",
            (
                "entries 1.19,1.18 do not go with approach fast, which enters whole at the market: leave them out, or "
                "write approach conservative"
            ),
        ),
        (
            "XRPUSDT long approach net-target entries 1.19 risk 1% leverage 10",
            "risk 1% does not go with approach net-target, whose loss is an amount: write margin and loss",
        ),
    ],
)
def test_sizes_weights_and_bounds_that_cannot_be_are_refused_alone(line: str, advice: str) -> None:
    assert problems_of(line) == [advice]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (LINE.replace("stop", "stpo"), "stpo is no word of an order: write stop"),
        (LINE.replace("leverage", "--levarage"), "--levarage is no word of an order: write leverage"),
        (LINE.replace("long", "buy"), "buy is no position side: write long"),
        (LINE.replace("long", "lnog"), "lnog is no position side: write long"),
        (LINE.replace("XRPUSDT", "XRP"), "XRP is no symbol of a USDT perpetual: write XRPUSDT"),
        (LINE.replace("XRPUSDT", "SOL"), "SOL is no symbol of a USDT perpetual: write SOLUSDT"),
        (LINE.replace("XRPUSDT", "XRP/USDT"), "XRP/USDT is no symbol of a USDT perpetual: write XRPUSDT"),
        (LINE.replace("XRPUSDT", "xrpusdt.p"), "xrpusdt.p is no symbol of a USDT perpetual: write XRPUSDT"),
        (LINE + " stop 1.14", "stop is written twice: write it once"),
        (LINE + " approach quick", "approach quick is not known here: write conservative"),
        (LINE + " account mian", "account mian is not known here: write main"),
        (
            LINE + " please",
            f"please is no word of an order: write one of {FIELDS}, or leave it out",
        ),
        (LINE.replace("long ", ""), "the side is missing: write long or short after the symbol"),
        (LINE.replace(" stop 1.15", ""), "stop is missing: write stop with its price"),
        (LINE.replace("1.15", ""), "stop is missing: write stop with its price"),
    ],
)
def test_a_bad_word_is_refused_once_and_alone(line: str, advice: str) -> None:
    assert problems_of(line) == [advice]


def test_all_problems_come_at_once_in_the_order_of_the_line() -> None:
    assert [text.split(":")[0] for text in problems_of("BTC/USDT entires 65,000 margin 2")] == [
        "entires is no word of an order",
        "BTC/USDT is no symbol of a USDT perpetual",
        "the side is missing",
        "entries 65,000 has a comma that parts prices, not thousands",
        "targets are missing",
        "stop is missing",
        "margin 2 has no unit",
        "leverage is missing",
    ]


def test_an_empty_line_is_told_everything_it_needs() -> None:
    problems = parse_plan("/trade")
    assert not isinstance(problems, TradePlan)
    assert [problem.field for problem in problems] == [
        "symbol",
        "side",
        "entries",
        "targets",
        "stop",
        "margin",
        "leverage",
    ]


@given(st.text(st.sampled_from("XRPUSDT long entries targets stop margin leverage market 0123456789.,@%-=/\u2014\n")))
def test_no_text_breaks_the_reader(text: str) -> None:
    read = parse_plan(text)
    assert isinstance(read, TradePlan) or (read and all(isinstance(each, Refusal) and each.text for each in read))


prices = st.decimals("0.0001", 200_000, places=4)


@given(st.lists(prices, min_size=1, max_size=5), st.lists(prices, min_size=1, max_size=8), prices, st.integers(1, 100))
def test_written_figures_are_read_back_exactly(
    entries: list[Decimal], targets: list[Decimal], stop: Decimal, margin: int
) -> None:
    def write(figures: list[Decimal]) -> str:
        return ",".join(f"{each:.4f}" for each in figures)

    figures = f"entries {write(entries)} targets {write(targets)} stop {plain(stop)} margin {margin}% leverage 3"
    plan = plan_of(f"XRPUSDT short {figures}")
    assert [entry.price for entry in plan.entries] == entries
    assert [rung.price for rung in plan.rungs] == targets
    assert (plan.stop_price, plan.size) == (stop, MarginShare(of_available=Decimal(margin) / 100))
    assert sum(entry.fraction for entry in plan.entries) == 1
    assert sum(rung.fraction for rung in plan.rungs) == 1
