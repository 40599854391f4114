"""What worlds draw of sizes, approaches, exit rules and guards: beside all else, never in its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from actors.model.trade_plan import Approach, TradePlan
from actors.rules.plan_text import parse_plan
from adapters.assembly.simulation.cases import draw_case, read_case, write_case
from adapters.assembly.simulation.features import NO_FEATURES
from adapters.assembly.simulation.guard_terms import GUARD_TERMS
from adapters.assembly.simulation.options import with_options
from adapters.assembly.simulation.plans import plan_words
from adapters.assembly.simulation.scenario import Scenario, draw_scenario

SEEDS = range(1, 61)


def plans_of(scenario: Scenario) -> list[tuple[str, str]]:
    """Give each opening's words, as usual and with options, at the price its market opens with."""
    markets = {each.symbol: each for each in scenario.instruments}
    words = []
    for action in scenario.actions:
        if action.kind != "open":
            continue
        market = markets[action.symbol]
        usual = plan_words(scenario.seed, action, market, market.opening_price)
        optioned = with_options(scenario, action, usual, market, price=market.opening_price, wallet=Decimal(10_000))
        words.append((usual, optioned))
    return words


def test_options_change_nothing_else_of_a_seed() -> None:
    for seed in SEEDS:
        whole = draw_scenario(seed, hours=1.0, features=NO_FEATURES)
        plain = draw_scenario(seed, hours=1.0, optioned=0.0, features=NO_FEATURES)
        more = {"strict", "active", "locks", "release"}
        assert [each for each in whole.actions if each.kind not in more] == list(plain.actions)
        assert replace(whole, actions=(), optioned=0.0, guards="") == replace(plain, actions=())
        assert all(usual == words for usual, words in plans_of(plain))


def test_a_third_to_a_half_of_all_plans_have_options_and_every_kind_occurs() -> None:
    kinds: Counter[str] = Counter()
    every = optioned = 0
    for seed in SEEDS:
        for usual, words in plans_of(draw_scenario(seed, hours=1.0)):
            every += 1
            optioned += usual != words
            kinds.update(words.split()[2::2])
            kinds[words.partition(" approach ")[2].partition(" ")[0]] += 1
    assert 1 / 3 <= optioned / every <= 1 / 2
    wanted = ("fast", "net-target", "risk", "weights", "slippage", "breakeven", "follow", "trail", "trail-from")
    assert {name: kinds[name] for name in (*wanted, "net", "leave-after", "expire") if kinds[name] < 5} == {}


def test_every_plan_with_options_can_be_read() -> None:
    for seed in SEEDS:
        for _, words in plans_of(draw_scenario(seed, hours=1.0)):
            plan = parse_plan(words, accounts=("main", "mirror"))
            assert isinstance(plan, TradePlan), (words, plan)
            assert plan.approach is not Approach.FAST or plan.slippage is not None


def test_most_worlds_have_loose_guards_and_all_kinds_occur() -> None:
    drawn = Counter(draw_scenario(seed, hours=1.0).guards for seed in range(1, 601))
    assert set(drawn) == set(GUARD_TERMS)
    assert drawn["loose"] > 300
    assert min(drawn[name] for name in ("times", "counts", "protections")) >= 20


def test_a_case_keeps_options_and_guards(tmp_path: Path) -> None:
    case = next(case for case in (draw_case(seed) for seed in SEEDS) if case.scenario.guards == "protections")
    again = read_case(write_case(case, tmp_path))
    assert again.scenario == case.scenario
