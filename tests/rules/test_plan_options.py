"""Exit rules in the line of a trade, and a sentence for each that is wrong."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.messages.accounts import BookReading
from actors.model.account import OpeningView
from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.trade_plan import Approach, RiskShare, SizedPlan, TradePlan
from actors.rules.exit_words import plan_lines
from actors.rules.opening import judge
from actors.rules.plan_text import parse_plan
from adapters.cli.arguments import Trade, parse

D = Decimal
LINE = "XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"
NET = "XRPUSDT long entries market margin 10% leverage 10 approach net-target"
EMPTY = BookReading(
    trades_long=0,
    trades_short=0,
    foreign_long=D(0),
    foreign_short=D(0),
    farthest_stop_long=None,
    farthest_stop_short=None,
)


def plan_of(text: str) -> TradePlan:
    plan = parse_plan(text)
    assert isinstance(plan, TradePlan), [problem.text for problem in plan]
    return plan


def problems_of(text: str) -> list[str]:
    problems = parse_plan(text)
    assert not isinstance(problems, TradePlan)
    return [problem.text for problem in problems]


def judged(text: str, view: OpeningView) -> SizedPlan | list[str]:
    verdict = judge(plan_of(text), view, EMPTY, distance=D("0.003"), min_ticks=5)
    return verdict if isinstance(verdict, SizedPlan) else [problem.text for problem in verdict]


def test_without_options_a_plan_has_the_usual_exits() -> None:
    assert plan_of(LINE).exits == ExitRules()
    assert plan_of(LINE).exits.usual


def test_options_are_read_in_any_order_with_hyphens_or_without() -> None:
    wanted = ExitRules(
        breakeven_after=2,
        follow_after=3,
        trailing=TrailingStop(
            activation=Offset(value=D("0.01"), of_price=True), distance=Offset(value=D("0.005"), of_price=False)
        ),
        leave_after_seconds=4 * 3600,
        entries_expire_after_seconds=1800,
        entries_expire_on_touch=True,
    )
    words = " breakeven 2 follow 3 trail 0.005 trail-from 1% leave-after 4h expire 30m,touch"
    assert plan_of(LINE + words).exits == wanted
    hyphens = " --expire touch,30m --leave-after 4h --trail-from=1% --trail .005 --follow 3 --breakeven 2"
    assert plan_of(LINE + hyphens).exits == wanted


@pytest.mark.parametrize(
    ("words", "exits"),
    [
        ("breakeven never", ExitRules(breakeven_after=None)),
        ("expire touch", ExitRules(entries_expire_on_touch=True)),
        ("expire 1h30m", ExitRules(entries_expire_after_seconds=5400)),
        ("leave-after 2d", ExitRules(leave_after_seconds=172800)),
    ],
)
def test_an_option_by_itself(words: str, exits: ExitRules) -> None:
    assert plan_of(f"{LINE} {words}").exits == exits


def test_a_net_target_needs_neither_targets_nor_stop() -> None:
    plan = plan_of(NET)
    assert (plan.approach, plan.rungs, plan.exits.net) == (Approach.NET_TARGET, (), NetTarget())
    assert plan_of(NET + " net 12.5 floor -2 loss 20usdt").exits.net == NetTarget(
        target_usdt=D("12.5"), floor_usdt=D(-2), stop_usdt=D(20)
    )
    assert plan_of(NET + " floor none").exits.net == NetTarget(floor_usdt=None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("net 10", "net belongs to approach net-target: write approach net-target, or leave net out"),
        (
            "breakeven soon",
            "breakeven soon is no target: write the number of one, as in breakeven 2, or breakeven never",
        ),
        ("follow 0", "follow 0 is no target: write the number of one, as in follow 2, or follow never"),
        ("trail much", "trail much is no distance: write a percentage like 0.5%, or a price distance"),
        ("trail 0%", "trail 0% must be over 0: write a distance like 0.5%"),
        (
            "trail-from 1%",
            "trail-from says where trailing begins: write trail with a distance beside it, as in trail 0.5%",
        ),
        ("leave-after 4", "leave-after 4 is no duration: write digits with s, m, h or d, as in leave-after 30m"),
        ("leave-after 5s", "leave-after 5s is outside 10s to 365d: write a duration like 30m"),
        ("expire 30m,1h", "expire 30m,1h is not one duration: write expire 30m, expire touch or expire 30m,touch"),
        ("expire later", "expire later is no duration: write digits with s, m, h or d, as in expire 30m"),
    ],
)
def test_a_wrong_option_gets_its_sentence(words: str, sentence: str) -> None:
    assert problems_of(f"{LINE} {words}") == [sentence]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("net much", "net much is no amount: write net 10"),
        ("floor x", "floor x is no amount: write floor 7, or floor none"),
        ("stop 1.1", "stop of a net-target trade follows from its amounts: write loss 10 and leave stop out"),
        ("targets 1.3", "targets of a net-target trade follows from its amounts: write net 10 and leave targets out"),
    ],
)
def test_a_wrong_amount_gets_its_sentence(words: str, sentence: str) -> None:
    assert problems_of(f"{NET} {words}") == [sentence]


# --- against the plan and the market --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "breakeven 5",
            "breakeven after target 5 never comes, the plan has 4 targets: write breakeven 4 or less, or never",
        ),
        (
            "follow 1",
            "follow 1 is refused, the plan has 4 targets and the first has none before it: write follow 2 to 4",
        ),
        (
            "trail 0.01%",
            "trail 0.01% is nearer than 3 ticks of 0.0001, where every trade would fire it: write trail 0.03% or more",
        ),
        ("trail 2", "trail 2 is as much as the price itself, 1.19: write for example trail 1%"),
    ],
)
def test_what_does_not_fit_the_plan_gets_its_sentence(view: OpeningView, words: str, sentence: str) -> None:
    assert judged(f"{LINE} {words}", view) == [sentence]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("floor 10", "floor 10.00 USDT must lie under the net target of 10.00 USDT: write floor 7, or floor none"),
        (
            "floor -10",
            "floor -10.00 USDT must lie over the stop's -10.00 USDT: write a floor between that and 10, or floor none",
        ),
        ("net 0", "the net target must be over 0: write net 10"),
        ("loss 0", "the loss at the stop must be over 0: write it without a sign, as in loss 10"),
        (
            "follow 2 loss 20",
            "follow 2 needs a target before the one that fills, and the plan has 1 target: leave follow out",
        ),
    ],
)
def test_amounts_out_of_order_get_their_sentence(view: OpeningView, words: str, sentence: str) -> None:
    assert judged(f"{NET} {words}", view) == [sentence]


def test_a_risk_cannot_size_what_has_no_stop_before_its_size(view: OpeningView) -> None:
    plan = replace(plan_of(NET), size=RiskShare(of_equity=D("0.01")))
    verdict = judge(plan, view, EMPTY, distance=D("0.003"), min_ticks=5)
    assert not isinstance(verdict, SizedPlan)
    assert "risk 1% does not go with a net target, whose loss is an amount: write margin and loss" in [
        problem.text for problem in verdict
    ]


def test_a_loss_that_the_fees_make_already_is_refused_with_the_least_that_is_not(view: OpeningView) -> None:
    refused = judged(f"{NET} loss 9", view)  # about 9,890 USDT: 5.4 to enter, 5.4 to leave
    assert isinstance(refused, list)
    assert len(refused) == 1
    assert "is made at" in refused[0]
    least = refused[0].partition("write loss ")[2].split()[0]
    assert isinstance(judged(f"{NET} loss {least}", view), SizedPlan)
    assert isinstance(judged(f"{NET} loss {D(least) - D('0.2')}", view), list)


@pytest.mark.parametrize("side", ["long", "short"])
def test_target_and_stop_are_worked_out_for_the_planned_quantities(view: OpeningView, side: str) -> None:
    sized = judged(NET.replace("long", side) + " net 20 floor 10 loss 30", view)
    assert isinstance(sized, SizedPlan)
    plan, quantity, sign = sized.plan, sized.quantity, sized.plan.position_side.sign
    fee_in = quantity * D("1.19") * D("0.00055")
    target, stop, tick = plan.rungs[0].price, plan.stop_price, D("0.0001")

    def net(price: Decimal, rate: str) -> Decimal:
        return (price - D("1.19")) * quantity * sign - fee_in - price * quantity * D(rate)

    assert net(target, "0.0002") >= 20 > net(target - sign * tick, "0.0002")
    assert net(stop, "0.00055") >= -30 > net(stop - sign * tick, "0.00055")
    assert sized.rung_quantities == (quantity,)
    assert abs(sized.loss_at_stop_usdt + net(stop, "0.00055")) < D("1e-20")


def test_a_floor_beyond_the_target_is_said_before_it_is_opened(view: OpeningView) -> None:
    sized = judged(NET + " loss 20", view)  # leaving by taker costs 3.5 more than the target's maker fee
    assert isinstance(sized, SizedPlan)
    assert any(note.startswith("the floor would arm at") for note in sized.notes)


def test_a_plan_that_cannot_be_sized_is_refused_for_that(view: OpeningView) -> None:
    assert judged(NET.replace("10%", "0%"), view) == [
        "margin 0% of the available balance must be over 0% and up to 100%: write for example 2%"
    ]


def test_the_preview_says_which_rules_there_are(view: OpeningView) -> None:
    sized = judged(LINE + " breakeven 2 follow 3 trail 0.5% trail-from 1% leave-after 4h expire 30m,touch", view)
    assert isinstance(sized, SizedPlan)
    assert plan_lines(sized) == (
        "the stop goes to breakeven after target 2",
        "from target 3 on the stop goes to the target before the one that filled",
        "from 1% beyond the average entry on the stop trails 0.5% behind the best price",
        "left at market 4 h 0 min after the first fill",
        "unfilled entries are cancelled after 30 min",
        "entries are cancelled when the first target or the stop is touched before the first fill",
    )
    usual = judged(LINE, view)
    assert isinstance(usual, SizedPlan)
    assert plan_lines(usual) == ()


def test_the_command_line_has_an_option_for_each() -> None:
    options = {
        "--net": "12",
        "--floor": "8",
        "--loss": "15",
        "--trail": "0.5%",
        "--trail-from": "1%",
        "--leave-after": "4h",
        "--expire": "30m,touch",
        "--breakeven": "1",
        "--follow": "never",
    }
    argv = ["trade", "XRPUSDT", "long", "--entries", "market", "--margin", "2%", "--leverage", "10"]
    argv += ["--approach", "net-target", *(word for pair in options.items() for word in pair)]
    command = parse(argv, version="1")
    assert isinstance(command, Trade)
    exits = plan_of(command.words).exits
    assert exits.net == NetTarget(target_usdt=D(12), floor_usdt=D(8), stop_usdt=D(15))
    assert (exits.leave_after_seconds, exits.entries_expire_after_seconds, exits.entries_expire_on_touch) == (
        14400,
        1800,
        True,
    )
    assert exits.trailing is not None
