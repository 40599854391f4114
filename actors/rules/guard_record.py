"""The guards' record: safety state and locks, folded from the stream "guards".

Enters: its facts. Stays out: keeping them, acting on them. A fact that changes nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actors.messages.guarding import (
    AccountCleared,
    GuardsReading,
    LockReleased,
    LockSet,
    ProtectionChanged,
    SafetyChanged,
)
from actors.model.guarding import GuardTerms, Lock, Protection, Safety

COMMANDS_KEPT = 64  # a repeat comes soon after its original, or never


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRecord:
    safety: Safety = Safety()  # noqa: RUF009 - an immutable value
    protection: Protection | None = None  # None: nobody ever switched it, so the settings say
    clearing: frozenset[str] = frozenset()  # accounts
    locks: tuple[Lock, ...] = ()  # all that ever were, oldest first
    commands: tuple[str, ...] = ()  # the newest that changed the safety state or the protection

    def holding(self, now: datetime) -> tuple[Lock, ...]:
        return tuple(lock for lock in self.locks if lock.holds(now))

    def protection_by(self, terms: GuardTerms) -> Protection:
        return self.protection or Protection(on=terms.external_order_protection)

    def reading(self, now: datetime, terms: GuardTerms) -> GuardsReading:
        return GuardsReading(
            safety=self.safety,
            locks=self.holding(now),
            dry_run=terms.dry_run,
            clearing=tuple(sorted(self.clearing)),
            protection=self.protection_by(terms),
        )


def fold(facts: Iterable[Any]) -> GuardRecord:
    record = GuardRecord()
    for fact in facts:
        record = evolve(record, fact)
    return record


def evolve(record: GuardRecord, fact: Any) -> GuardRecord:
    match fact:
        case SafetyChanged():
            safety = Safety(state=fact.state, by=fact.by, why=fact.why, since=fact.changed_at)
            commands = (*record.commands, fact.command_id)[-COMMANDS_KEPT:]
            clearing = record.clearing | {fact.clears} if fact.clears else record.clearing
            return replace(record, safety=safety, commands=commands, clearing=clearing)
        case AccountCleared():
            return replace(record, clearing=record.clearing - {fact.account})
        case ProtectionChanged():
            protection = Protection(on=fact.on, by=fact.by, why=fact.why, since=fact.changed_at)
            return replace(record, protection=protection, commands=(*record.commands, fact.command_id)[-COMMANDS_KEPT:])
        case LockSet():
            return replace(record, locks=(*record.locks, fact.lock))
        case LockReleased():
            locks = tuple(
                replace(lock, released_at=fact.released_at, released_by=fact.by)
                if lock.lock_id == fact.lock_id and lock.released_at is None
                else lock
                for lock in record.locks
            )
            return replace(record, locks=locks)
    raise TypeError(f"{type(fact).__name__} is not a fact of the guards' journal")
