"""Exit limits: what a plan's exit rules must satisfy against its rungs, its approach and the tick.

Enters: a plan with its prices, a view of its symbol. Stays out: amounts of a net target (rules.net_plan), how rules are
written (rules.plan_options). Each refusal is a sentence with what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from actors.model.account import OpeningView
from actors.model.exit_rules import ExitRules, TrailingStop
from actors.model.money import ceil_to, plain
from actors.model.trade_plan import Approach, TradePlan
from actors.rules.exit_words import offset
from actors.rules.refusals import Refusal
from actors.rules.trailing import STEP_TICKS

_HUNDREDTH = Decimal("0.01")  # percent are suggested in these


def exit_refusals(plan: TradePlan, view: OpeningView) -> Iterator[Refusal]:
    """Give everything that is wrong with a plan's exit rules, in a fixed order."""
    yield from _approach(plan)
    yield from _steps(plan.exits, len(plan.rungs))
    if plan.exits.trailing is not None:
        yield from _trailing(plan.exits.trailing, view)


def _approach(plan: TradePlan) -> Iterator[Refusal]:
    asked = plan.approach is Approach.NET_TARGET
    if asked and plan.exits.net is None:
        text = "approach net-target needs its amounts: write net 10 floor 7 loss 10, or another approach"
        yield Refusal(field="approach", value=plan.approach.value, limit="with net", text=text)
    elif plan.exits.net is not None and not asked:
        text = f"net belongs to approach net-target, not to {plan.approach.value}: write approach net-target"
        yield Refusal(field="net", value=plan.approach.value, limit="net-target", text=text)


def _steps(exits: ExitRules, rungs: int) -> Iterator[Refusal]:
    after, follow = exits.breakeven_after, exits.follow_after
    few = f"the plan has {rungs} target{'' if rungs == 1 else 's'}"
    if after is not None and not 1 <= after <= max(1, rungs):
        yield Refusal(
            field="breakeven",
            value=str(after),
            limit=f"1 to {rungs}",
            text=f"breakeven after target {after} never comes, {few}: write breakeven {rungs} or less, or never",
        )
    if follow is None:
        return
    if rungs < 2:  # noqa: PLR2004 - the first rung has none before it
        text = f"follow {follow} needs a target before the one that fills, and {few}: leave follow out"
        yield Refusal(field="follow", value=str(follow), limit="2 targets and more", text=text)
    elif not 2 <= follow <= rungs:  # noqa: PLR2004 - likewise
        limit = "2" if rungs == 2 else f"2 to {rungs}"  # noqa: PLR2004 - likewise
        text = f"follow {follow} is refused, {few} and the first has none before it: write follow {limit}"
        yield Refusal(field="follow", value=str(follow), limit=limit, text=text)


def _trailing(rule: TrailingStop, view: OpeningView) -> Iterator[Refusal]:
    price, tick = view.last_price, view.instrument.tick_size
    distance = rule.distance.at(price)
    least = STEP_TICKS * tick
    if distance < least:
        nearest = f"{plain(ceil_to(least / price * 100, _HUNDREDTH))}%" if rule.distance.of_price else plain(least)
        yield Refusal(
            field="trail",
            value=offset(rule.distance),
            limit=f"{STEP_TICKS} ticks",
            text=f"trail {offset(rule.distance)} is nearer than {STEP_TICKS} ticks of {plain(tick)}, where every trade "
            f"would fire it: write trail {nearest} or more",
        )
    elif distance >= price:
        yield Refusal(
            field="trail",
            value=offset(rule.distance),
            limit=f"under {plain(price)}",
            text=f"trail {offset(rule.distance)} is as much as the price itself, {plain(price)}: write for example "
            "trail 1%",
        )
