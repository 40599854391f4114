"""Outside questions: what waits for a person's answer, what holds meanwhile, and what runs without a stop.

    somebody changes an order of ours -> OutsideChangeAsked -> keep: the fact a person's own change makes
                                                            -> restore, or no answer in time: OutsideChangeAnswered

Enters: a folded trade, facts, the time. Stays out: what is asked about (rules.outside_changes), judging an answer
(rules.trade_change), orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages.exit_facts import OutsideChangeAnswered, OutsideChangeAsked, StopWithdrawn
from actors.model.changing import replace
from actors.model.money import plain
from actors.model.outside import OutsideKind, OutsideQuestion
from actors.model.trade import Phase, Trade

NOBODY = "nobody"  # answered in time
_OVER = (Phase.CLOSING, Phase.CLOSED)


# --- facts ---------------------------------------------------------------------------------------------------------
def change_asked(trade: Trade, fact: OutsideChangeAsked) -> Trade:
    """Open a question; a newer one about the same order takes the older one's place."""
    return replace(trade, questions=(*_without(trade, fact.question.subject), fact.question))


def change_answered(trade: Trade, fact: OutsideChangeAnswered) -> Trade:
    commands = trade.commands if not fact.command_id else (*trade.commands, fact.command_id)
    return replace(trade, questions=tuple(_without(trade, fact.subject)), commands=commands)


def stop_withdrawn(trade: Trade, fact: StopWithdrawn) -> Trade:
    commands = trade.commands if not fact.command_id else (*trade.commands, fact.command_id)
    return replace(
        trade,
        questions=tuple(_without(trade, "stop")),
        commands=commands,
        unstopped_since=fact.withdrawn_at,
        loosening=None,
        asked_stop=None,
        kept_stop=None,
    )


def settled(trade: Trade, subject: str) -> Trade:
    """Close the question about an order that has been decided otherwise: by a person's own change, by a rule."""
    left = tuple(_without(trade, subject))
    return trade if len(left) == len(trade.questions) else replace(trade, questions=left)


def _without(trade: Trade, subject: str) -> Iterable[OutsideQuestion]:
    return (each for each in trade.questions if each.subject != subject)


# --- what holds meanwhile ------------------------------------------------------------------------------------------
def open_question(trade: Trade, subject: str) -> OutsideQuestion | None:
    return next((each for each in trade.questions if each.subject == subject), None)


def left_there(trade: Trade, subject: str, price: Decimal | None, belongs: Decimal) -> Decimal:
    """Give where an order is wanted: where somebody has put it while that is asked about, else where it belongs."""
    asked = open_question(trade, subject)
    return belongs if asked is None or price is None or price != asked.price else price


def stays_away(trade: Trade, place: int) -> bool:
    """Tell whether a target that somebody has cancelled waits for the answer."""
    asked = open_question(trade, f"target {place}")
    return asked is not None and asked.kind is OutsideKind.TARGET_GONE


def runs_without_stop(trade: Trade) -> bool:
    """Tell whether a person has confirmed that the trade goes without a stop of its own; leaving ends that."""
    return trade.unstopped_since is not None and trade.phase not in _OVER


# --- time ----------------------------------------------------------------------------------------------------------
def ask(
    trade: Trade, kind: OutsideKind, price: Decimal | None, now: datetime, *, place: int | None = None
) -> OutsideChangeAsked | None:
    """Put a question about the stop, or about the target at a place; None: this very one is open already."""
    question = OutsideQuestion(
        kind=kind,
        place=place,
        price=price,
        before=trade.stop_price if place is None else trade.rung_prices[place - 1],
        asked_at=now,
        expires_at=now + timedelta(seconds=trade.parameters.answer_seconds),
    )
    known = open_question(trade, question.subject)
    if known is not None and (known.kind, known.price) == (kind, price):
        return None
    return OutsideChangeAsked(question=question)


def expiry_due(trade: Trade, now: datetime) -> OutsideChangeAnswered | None:
    """Give the end of a question that nobody has answered in time: what was changed goes back."""
    if trade.phase in _OVER:
        return None
    over = next((each for each in trade.questions if each.expires_at <= now), None)
    if over is None:
        return None
    return OutsideChangeAnswered(subject=over.subject, by=NOBODY, command_id="", answered_at=now)


def expiry_wait(trade: Trade, now: datetime) -> float | None:
    """Give the seconds until the next question expires; None when none is open."""
    if trade.phase in _OVER:
        return None
    return min((max(0.0, (each.expires_at - now).total_seconds()) for each in trade.questions), default=None)


# --- words ---------------------------------------------------------------------------------------------------------
def asked_words(trade: Trade, question: OutsideQuestion) -> tuple[str, tuple[str, ...]]:
    """Ask: a title, and lines that say what holds meanwhile and how to answer."""
    before, minutes = plain(question.before), (question.expires_at - question.asked_at).total_seconds() / 60
    moved = "" if question.price is None else plain(question.price)
    title, meanwhile, kept = {
        OutsideKind.STOP_MOVED: (
            f"the stop was moved from {before} to {moved} at the exchange: keep it there?",
            "It stays there until you answer.",
            f"the stop stays at {moved}",
        ),
        OutsideKind.STOP_GONE: (
            f"the stop at {before} was cancelled at the exchange: run WITHOUT a stop of its own?",
            "It is placed again, and stays until you answer.",
            "the trade runs without it, UNPROTECTED but for the backstop",
        ),
        OutsideKind.TARGET_MOVED: (
            f"{question.subject} was moved from {before} to {moved} at the exchange: keep it there?",
            "It stays there until you answer.",
            f"it stays at {moved}",
        ),
        OutsideKind.TARGET_GONE: (
            f"{question.subject} at {before} was cancelled at the exchange: leave it away?",
            "It stays away until you answer.",
            "it stays away, the others share what it was for",
        ),
    }[question.kind]
    return title, (
        meanwhile,
        f"/answer {trade.number} keep: {kept}, after a confirmation; /answer {trade.number} restore: back to {before}",
        f"Without an answer within {minutes:.0f} min it goes back to {before}.",
    )


def answered_words(fact: OutsideChangeAnswered) -> str:
    return f"{fact.subject} goes back: {'nobody answered in time' if fact.by == NOBODY else f'asked for by {fact.by}'}"


def unprotected_words(trade: Trade) -> str:
    """Say that a trade runs without its stop; empty where it does not."""
    if not runs_without_stop(trade) or trade.unstopped_since is None:
        return ""
    return (
        f"UNPROTECTED: no stop of its own since {trade.unstopped_since:%Y-%m-%d %H:%M} UTC, by your word; only the "
        f"backstop {plain(trade.backstop_price)} stands. /stop {trade.number} PRICE brings one back"
    )
