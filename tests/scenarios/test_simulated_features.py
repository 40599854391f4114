"""What worlds draw of dual orders, mirrors, changes of trades and emergencies: beside all else, never in its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from actors.model.trade_plan import Approach, Policy, TradePlan
from actors.rules.plan_text import parse_plan
from adapters.assembly.simulation.cases import draw_case, read_case, write_case
from adapters.assembly.simulation.fanned import fanned
from adapters.assembly.simulation.features import NO_FEATURES, Features
from adapters.assembly.simulation.options import with_options
from adapters.assembly.simulation.plans import plan_words
from adapters.assembly.simulation.runner import run_world
from adapters.assembly.simulation.scenario import Scenario, draw_scenario

SEEDS = range(1, 61)
EVERYTHING = Features(dual=0.5, mirrored=True, mirror_off=0.2, changes=30.0, respect=0.5, emergencies=2.0)


def plans_of(scenario: Scenario) -> list[tuple[str, str]]:
    """Give each opening's words, without features and with them, at the price its market opens with."""
    markets = {each.symbol: each for each in scenario.instruments}
    words = []
    for action in scenario.actions:
        if action.kind == "open":
            market = markets[action.symbol]
            price = market.opening_price
            usual = plan_words(scenario.seed, action, market, price)
            usual = with_options(scenario, action, usual, market, price=price, wallet=Decimal(10_000))
            words.append((usual, fanned(scenario, action, usual, market, price=price)))
    return words


def test_features_change_nothing_else_of_a_seed() -> None:
    for seed in SEEDS:
        plain = draw_scenario(seed, hours=1.0, features=NO_FEATURES)
        whole = draw_scenario(seed, hours=1.0, features=replace(EVERYTHING, mirrored=False))
        assert list(whole.actions)[: len(plain.actions)] == list(plain.actions)
        assert {each.kind for each in whole.actions[len(plain.actions) :]} == {"change", "emergency", "active"}
        assert replace(whole, actions=(), features=NO_FEATURES) == replace(plain, actions=())
        assert all(usual == words for usual, words in plans_of(plain))


def test_every_feature_is_drawn_and_a_world_without_any_too() -> None:
    drawn = [draw_scenario(seed, hours=1.0).features for seed in range(1, 301)]
    assert sum(each == NO_FEATURES for each in drawn) >= 3
    for name in ("dual", "mirrored", "mirror_off", "changes", "respect", "emergencies"):
        assert sum(bool(getattr(each, name)) for each in drawn) >= 60, name


def test_mirrored_orders_have_the_second_account() -> None:
    for seed in SEEDS:
        scenario = draw_scenario(seed, hours=1.0)
        assert not scenario.features.mirrored or scenario.accounts == ("main", "mirror")
        assert draw_scenario(seed, hours=1.0, features=EVERYTHING).accounts == ("main", "mirror")


def test_every_plan_can_be_read_and_every_kind_occurs() -> None:
    kinds: Counter[str] = Counter()
    for seed in SEEDS:
        for _, words in plans_of(draw_scenario(seed, hours=1.0, features=EVERYTHING)):
            plan = parse_plan(words, accounts=("main", "mirror"))
            assert isinstance(plan, TradePlan), (words, plan)
            kinds["dual"] += plan.approach is Approach.DUAL
            kinds["respect"] += plan.policy is Policy.RESPECT
            kinds["off"] += not plan.mirror
            kinds["every"] += 1
    assert 1 / 4 <= kinds["dual"] / kinds["every"] <= 1 / 2
    assert min(kinds["respect"], kinds["off"]) > kinds["every"] / 20


def test_a_case_keeps_its_features(tmp_path: Path) -> None:
    case = draw_case(3, features=EVERYTHING)
    assert read_case(write_case(case, tmp_path)).scenario == case.scenario


def test_a_world_with_everything_is_the_same_again() -> None:
    first, again = (run_world(5, hours=0.2, trades_an_hour=30.0, features=EVERYTHING) for _ in range(2))
    assert first.violation is None
    assert (first.digest, first.trades) == (again.digest, again.trades)
    assert first.trades >= 4
