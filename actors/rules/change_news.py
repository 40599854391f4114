"""News of a person's changes that their own answer cannot tell: what became of them later.

Enters: a trade before and after, the facts between. Stays out: alerts' form, who hears them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from actors.messages.exit_facts import OutsideChangeAnswered, OutsideChangeAsked, StopWithdrawn, TargetSet
from actors.messages.trading import ChangeTrade, StopPriceMoved
from actors.model.alert import Alert, Severity
from actors.model.money import plain
from actors.model.trade import Trade
from actors.rules.outside_questions import answered_words, asked_words

ASKED = "outside_change_asked"  # kind of the one alert that has buttons

News: TypeAlias = tuple[str, Severity, str, str, tuple[str, ...]]  # kind, severity, what about, title, lines


def change_news(before: Trade, after: Trade, facts: Iterable[Any]) -> Iterator[News]:
    """Tell a target that was set, a stop price that the market has passed, a wish that a rule has overtaken."""
    facts = tuple(facts)
    for fact in facts:
        if isinstance(fact, TargetSet):
            yield _target_set(fact)
        elif isinstance(fact, OutsideChangeAsked):
            title, lines = asked_words(after, fact.question)
            about = f"{fact.question.subject}/{fact.question.asked_at}"
            yield ASKED, Severity.WARNING, about, title, lines
        elif isinstance(fact, OutsideChangeAnswered):
            about = f"{fact.subject}/{fact.answered_at}"
            yield "outside_change_restored", Severity.INFO, about, answered_words(fact), ()
        elif isinstance(fact, StopWithdrawn):
            yield "stop_withdrawn", Severity.CRITICAL, str(fact.withdrawn_at), "runs WITHOUT a stop of its own", ()
    if before.asked_stop is not None and after.asked_stop is None and after.stop_price != before.asked_stop:
        if any(isinstance(fact, StopPriceMoved) for fact in facts):
            return
        asked, kept = plain(before.asked_stop), plain(after.stop_price)
        line = "write one that the price has yet to reach, or close the trade to leave now"
        title = f"stop not moved: the price is past {asked} already, it stays at {kept}"
        yield "stop_change_refused", Severity.WARNING, f"{asked}/{after.confirmed_at}", title, (line,)
    overtaken = any(isinstance(fact, StopPriceMoved) and not fact.by for fact in facts)
    if before.loosening is not None and after.loosening is None and overtaken:
        asked, there = plain(before.loosening.stop_price), plain(after.stop_price)
        title = f"stop not moved out to {asked}: meanwhile a rule has moved it to {there}"
        lines = ("ask again if you still want it farther out",)
        yield "stop_change_overtaken", Severity.WARNING, before.loosening.command_id, title, lines


def change_not_made(trade: Trade, wanted: ChangeTrade, why: str) -> Alert:
    """Tell a change that was promised to this trade, after another one's, and could not be made."""
    return Alert(
        kind="change_not_made",
        severity=Severity.WARNING,
        key=f"{trade.trade_id}/change_not_made/{wanted.command_id}",
        title=f"#{trade.number} {trade.plan.symbol} {trade.side.value}: the change of {wanted.by} is not followed",
        lines=tuple(why.split("\n")),
        chat_id=trade.plan.chat_id,
        subject=trade.label,
    )


def _target_set(fact: TargetSet) -> News:
    if fact.price is None:
        title = f"target {fact.place} at {plain(fact.before)} is taken away"
    else:
        title = f"target {fact.place} goes from {plain(fact.before)} to {plain(fact.price)}"
    return "target_changed", Severity.INFO, fact.command_id, title, (f"asked for by {fact.by}",)
