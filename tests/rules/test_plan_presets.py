"""A preset stands for words of an order; what the line says itself wins; a bad preset is found when it is read."""

from decimal import Decimal

import pytest

from actors.model.trade_plan import Approach, MarginShare, MarginUsdt, RiskShare, TradePlan
from actors.rules.plan_text import parse_plan
from actors.rules.preset_check import preset_faults

D = Decimal
PRESETS = {
    "scalp": "approach fast slippage 0.2% risk 0.5% leverage 20",
    "swing": "weights front margin 2% leverage 5 account mirror",
    "tens": "approach net-target net 12 floor 8 margin 5% leverage 10",
    "calm": "entries market slippage 0.1% margin 100usdt leverage 3",
}


def plan_of(line: str) -> TradePlan:
    plan = parse_plan(f"XRPUSDT long {line}", presets=PRESETS, accounts=("main", "mirror"))
    assert isinstance(plan, TradePlan), [problem.text for problem in plan]
    return plan


def problems_of(line: str, presets: dict[str, str] = PRESETS) -> list[str]:
    problems = parse_plan(f"XRPUSDT long {line}", presets=presets, accounts=("main", "mirror"))
    assert not isinstance(problems, TradePlan)
    return [problem.text for problem in problems]


def test_a_preset_gives_what_the_line_leaves_out() -> None:
    plan = plan_of("preset scalp targets 1.2 stop 1.15")
    assert (plan.approach, plan.slippage, plan.size) == (Approach.FAST, D("0.002"), RiskShare(of_equity=D("0.005")))
    assert (plan.leverage, plan.preset, plan.account) == (D(20), "scalp", "main")


def test_presets_are_found_whatever_the_case() -> None:
    assert plan_of("preset Scalp targets 1.2 stop 1.15").preset == "scalp"


def test_what_the_line_says_wins() -> None:
    plan = plan_of("leverage 7 preset scalp targets 1.2 stop 1.15 slippage 1% risk 2%")
    assert (plan.slippage, plan.size, plan.leverage) == (D("0.01"), RiskShare(of_equity=D("0.02")), D(7))


def test_a_margin_in_the_line_replaces_a_risk_of_the_preset_and_the_other_way_round() -> None:
    assert plan_of("preset scalp targets 1.2 stop 1.15 margin 50usdt").size == MarginUsdt(amount_usdt=D(50))
    assert plan_of("preset swing entries 1.19 targets 1.2 stop 1.15 risk 1%").size == RiskShare(of_equity=D("0.01"))


@pytest.mark.parametrize(
    ("line", "fractions"),
    [
        ("entries 1.19,1.18", "0.666667 0.333333"),
        ("entries 1.19@10%,1.18", "0.1 0.9"),  # the preset's weights go with what the line has replaced
        ("entries 1.19,1.18 weights even", "0.5 0.5"),
        ("approach fast", "1"),
    ],
)
def test_shares_in_the_line_replace_weights_of_the_preset(line: str, fractions: str) -> None:
    plan = plan_of(f"preset swing {line} targets 1.2 stop 1.15")
    assert [entry.fraction for entry in plan.entries] == [D(share) for share in fractions.split()]


def test_limits_in_the_line_replace_a_bound_of_the_preset() -> None:
    assert plan_of("preset calm targets 1.2 stop 1.15").slippage == D("0.001")
    assert plan_of("preset calm entries 1.19 targets 1.2 stop 1.15").slippage is None


def test_another_approach_in_the_line_leaves_the_presets_net_target_behind() -> None:
    assert plan_of("preset tens entries 1.19").exits.net is not None
    plan = plan_of("preset tens approach conservative entries 1.19 targets 1.2 stop 1.15")
    assert (plan.exits.net, plan.size) == (None, MarginShare(of_available=D("0.05")))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("swng", "preset swng is not known: write swing; the settings hold calm, scalp, swing, tens"),
        ("xyz", "preset xyz is not known: the settings hold calm, scalp, swing, tens"),
    ],
)
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str, text: str) -> None:
    assert problems_of(f"preset {name} entries 1.19 targets 1.2 stop 1.15 margin 2% leverage 10") == [text]


def test_nothing_is_called_missing_because_a_presets_name_is_misspelt() -> None:
    assert problems_of("preset sclap targets 1.2 stop 1.15") == [
        "preset sclap is not known: write scalp; the settings hold calm, scalp, swing, tens"
    ]


def test_without_presets_none_is_known() -> None:
    assert problems_of("preset scalp entries 1.19 targets 1.2 stop 1.15 margin 2% leverage 10", {}) == [
        "preset scalp is not known, and the settings hold none: leave it out, or add it to plan_presets there"
    ]


@pytest.mark.parametrize("words", [*PRESETS.values(), "net 12", "weights back", "slippage 0.3%", "trail 0.5%"])
def test_a_sound_preset_has_no_faults(words: str) -> None:
    assert preset_faults("any", words, accounts=("main", "mirror")) == ()


@pytest.mark.parametrize(
    ("name", "words", "fault"),
    [
        ("Big", "margin 2%", "Big is no name of a preset: write small letters, digits, - and _, as in scalp"),
        ("stop", "margin 2%", "stop is no name of a preset: write small letters, digits, - and _, as in scalp"),
        ("a", "", "it is empty: write words of an order, such as approach fast risk 0.5% leverage 10"),
        ("a", "leverge 10", "leverge is no word of an order: write leverage"),
        (
            "a",
            "stop 1.15 entries 1.19",
            "stop and entries cannot stand in a preset, since prices belong to a symbol and a day: leave them out",
        ),
        ("a", "preset b", "a preset cannot name another one: write that one's words"),
        ("a", "margin 2% risk 1%", "margin 2% and risk 1% are both written: write one of them"),
        ("a", "margin 2", "margin 2 has no unit: write 2% for 2 percent of the available balance, or 2usdt"),
        ("a", "margin 0usdt", "margin 0usdt must be over 0: write an amount like 200usdt"),
        ("a", "risk 120%", "risk 120% of the equity must be over 0% and up to 100%: write for example 1%"),
        ("a", "slippage 9%", "slippage 9% must be over 0% and up to 5%: write for example 0.5%"),
        (
            "a",
            "approach fast weights back",
            (
                "weights back do not go with approach fast, which enters whole at the market: leave them out, or write "
                "approach conservative"
            ),
        ),
        ("a", "approach quick", "approach quick is not known here: write conservative"),
        ("a", "account mirror", "account mirror is not known here: write main"),
    ],
)
def test_a_bad_preset_is_told_with_what_to_write_instead(name: str, words: str, fault: str) -> None:
    assert preset_faults(name, words) == (fault,)
