"""What is told of the guards: a changed safety state, a lock that shuts, one that was opened by hand.

Enters: the facts of their journal. Stays out: sending, screens.
"""

from __future__ import annotations

from typing import Any

from actors.messages.guarding import AccountCleared, LockReleased, LockSet, ProtectionChanged, SafetyChanged
from actors.model.alert import Alert, Severity
from actors.model.guarding import EVERY_SYMBOL, Lock, SafetyState

_MEANS = {
    SafetyState.ACTIVE: "New trades may be opened again. Entries that were cancelled stay cancelled.",
    SafetyState.REDUCE_ONLY: "Unfilled entries are cancelled and nothing new is opened; open trades go on as planned.",
    SafetyState.HALTED: (
        "Unfilled entries are cancelled, and nothing leaves but stops, what protects, and your own closes. "
        "Targets that rest at the exchange stay there."
    ),
}


def means(state: SafetyState) -> str:
    """Say in a sentence what a state does."""
    return _MEANS[state]


def protection_means(*, on: bool) -> str:
    """Say in a sentence what the protection of others' orders does."""
    if on:
        return "What others have ordered is left alone."
    return (
        "Once no trade of ours is left on a symbol and nothing is held there, reduce-only orders that others left on "
        "it are cancelled. Their positions and entries are left alone as ever."
    )


def what_is_shut(lock: Lock) -> str:
    return lock.account if lock.symbol == EVERY_SYMBOL else f"{lock.symbol} on {lock.account}"


def guard_news(fact: Any, number: int) -> Alert:
    """Tell one fact of the guards' journal. `number`: its place there, which makes the news its own."""
    match fact:
        case SafetyChanged():
            return Alert(
                kind="safety_changed",
                severity=Severity.WARNING,
                key=f"guards/{number}",
                title=f"Safety state: {fact.state.value}",
                lines=(f"set by {fact.by}: {fact.why}", means(fact.state)),
            )
        case AccountCleared():
            return Alert(
                kind="account_cleared",
                severity=Severity.WARNING,
                key=f"guards/{number}",
                title=f"{fact.account}: everything is closed and cancelled",
                lines=("A reading of the exchange shows no position and no order there.",),
            )
        case ProtectionChanged():
            return Alert(
                kind="protection_changed",
                severity=Severity.WARNING,
                key=f"guards/{number}",
                title=f"Protection of others' orders: {'on' if fact.on else 'OFF'}",
                lines=(f"set by {fact.by}: {fact.why}", protection_means(on=fact.on)),
            )
        case LockSet(lock=lock):
            return Alert(
                kind="lock_set",
                severity=Severity.WARNING,
                key=f"guards/{number}",
                title=f"New entries on {what_is_shut(lock)} are locked until {lock.until:%d %b %H:%M} UTC",
                lines=(lock.reason, f"/locks release {lock.lock_id} opens it by hand."),
            )
        case LockReleased():
            return Alert(
                kind="lock_released",
                severity=Severity.INFO,
                key=f"guards/{number}",
                title=f"Lock {fact.lock_id} was released by {fact.by}",
                lines=("New entries pass again; what was lost before counts for no further lock.",),
            )
    raise TypeError(f"{type(fact).__name__} is no news of the guards")
