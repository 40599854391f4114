"""The queue of alerts: what waits in memory, what waits in the store alone, what was told lately.

Enters: alerts as the outbox promised them, oldest first. Stays out: sending, clocks, the store itself.
The outbox is the truth; this is a bounded view of it that can be thrown away and read again at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from actors.messages.alert_records import ToldAlert
from actors.model.alert import Severity
from actors.rules.alerting import AlertingPolicy, Waiting, is_duplicate, keep_in_memory, next_group, origin

SETTLED_KEPT = 4_096  # effect keys remembered as settled, to tell a lost settlement from news


class Taken(Enum):
    """What became of an alert that was offered."""

    HELD = "held"
    SPILLED = "spilled"  # it waits in the store until there is room
    KNOWN = "known"  # it waits already
    DUPLICATE = "duplicate"  # the same news was taken within the window
    SETTLED = "settled"  # it was told already; its settlement did not reach the store


class AlertQueue:
    """Waiting alerts of all chats, oldest first."""

    def __init__(self, policy: AlertingPolicy) -> None:
        self._policy = policy
        self._waiting: dict[str, Waiting] = {}  # by effect key, oldest first
        self._settled: dict[str, None] = {}  # oldest first
        self._told: dict[tuple[int | None, str], ToldAlert] = {}  # or about to be
        self._told_before: dict[str, ToldAlert] = {}  # by effect key of what stands there: the news it has replaced
        self._spilled = False
        self._spilled_subjects: set[str] = set()
        self._gaps: set[str] = set()  # subjects with a CRITICAL alert here and older ones in the store alone

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, effect_key: object) -> bool:
        return effect_key in self._waiting

    def all(self) -> tuple[Waiting, ...]:
        return tuple(self._waiting.values())

    @property
    def spilled(self) -> bool:
        """Whether the store holds alerts that are not here."""
        return self._spilled

    @property
    def wants_reload(self) -> bool:
        """Whether to read the store again: there is room, or a CRITICAL one waits for older ones of its subject."""
        return self._spilled and (bool(self._gaps) or len(self._waiting) <= self._policy.bound // 2)

    # --- in -----------------------------------------------------------------------------------------------------
    def take(self, waiting: Waiting) -> Taken:
        """Take the newest alert."""
        found = self._judge(waiting)
        if found is not Taken.HELD:
            return found
        if waiting.alert.subject and waiting.alert.subject in self._spilled_subjects:
            if waiting.severity is not Severity.CRITICAL:
                return Taken.SPILLED
            self._gaps.add(waiting.alert.subject)  # it waits for its older ones, and they hurry
        self._waiting[waiting.effect_key] = waiting
        self._bound()
        return Taken.HELD if waiting.effect_key in self._waiting else Taken.SPILLED

    def reload(self, stored: Sequence[Waiting]) -> dict[str, Taken]:
        """Read the whole of the outbox again, oldest first; keeps what is known of each alert, and the order."""
        before = self._waiting
        self._waiting = {}
        self._spilled = False
        self._spilled_subjects = set()
        self._gaps = set()
        taken: dict[str, Taken] = {}
        for each in stored:
            known = before.pop(each.effect_key, None)
            taken[each.effect_key] = Taken.KNOWN if known is not None else self._judge(each)
            if known is not None or taken[each.effect_key] is Taken.HELD:
                self._waiting[each.effect_key] = known or each
        self._waiting.update(before)  # promised after the reading was made
        self._bound()
        return taken

    def mark_maybe_sent(self, effect_keys: Iterable[str]) -> None:
        for key in effect_keys:
            if key in self._waiting:
                self._waiting[key] = replace(self._waiting[key], maybe_sent=True)

    def send_homeless_to(self, chat_id: int) -> None:
        """Give a chat to all that have none."""
        for key, each in self._waiting.items():
            if each.chat_id is None:
                self._waiting[key] = replace(each, chat_id=chat_id)

    def _judge(self, waiting: Waiting) -> Taken:
        if waiting.effect_key in self._waiting:
            return Taken.KNOWN
        if waiting.effect_key in self._settled:
            return Taken.SETTLED
        name = (waiting.alert.chat_id, waiting.alert.key)
        told = self._told.get(name)
        if told is not None and is_duplicate(told, waiting, self._policy):
            return Taken.DUPLICATE
        self._stand(
            ToldAlert(
                chat_id=waiting.alert.chat_id,
                key=waiting.alert.key,
                effect_key=waiting.effect_key,
                severity=waiting.severity,
                raised_at=waiting.raised_at,
            )
        )
        return Taken.HELD

    def _stand(self, told: ToldAlert) -> None:
        """Have this stand for its news from now on, and what stood for it so far again should it be given up."""
        name = (told.chat_id, told.key)
        before = self._told.get(name)
        # Taken up again after a restart, or from the store where there was no room for it, it has replaced itself.
        if before is not None and origin(before.effect_key) != origin(told.effect_key):
            self._told_before[told.effect_key] = before
        self._told[name] = told

    def _bound(self) -> None:
        if len(self._waiting) <= self._policy.bound:
            return
        stays, goes = keep_in_memory(tuple(self._waiting.values()), self._policy.bound)
        if goes:
            self._waiting = {each.effect_key: each for each in stays}
            self._spilled = True
            self._spilled_subjects |= {each.alert.subject for each in goes if each.alert.subject}

    # --- out ----------------------------------------------------------------------------------------------------
    def chats(self) -> tuple[int, ...]:
        """Give the chats somebody waits for, longest waiting first."""
        return tuple(dict.fromkeys(each.chat_id for each in self._waiting.values() if each.chat_id is not None))

    def next_for(self, chat_id: int, *, at: float, digests: bool = True) -> tuple[Waiting, ...]:
        """Choose what this chat is told next (see alerting.next_group)."""
        return next_group(
            (each for each in self._waiting.values() if each.chat_id == chat_id),
            at=at,
            policy=self._policy,
            held_back=frozenset(self._gaps),
            digests=digests,
        )

    def settle(self, effect_key: str) -> None:
        """Take an alert out for good: it was told, or given up, or is a duplicate."""
        self._waiting.pop(effect_key, None)
        self._told_before.pop(effect_key, None)
        self._settled[effect_key] = None
        if len(self._settled) > SETTLED_KEPT:
            del self._settled[next(iter(self._settled))]

    def give_up(self, effect_key: str) -> None:
        """Take out what the chat will never take: it was not told, so the next alert of the same news is tried."""
        before = self._told_before.pop(effect_key, None)
        for name, told in tuple(self._told.items()):
            if told.effect_key == effect_key:
                del self._told[name]
                if before is not None:
                    self._told[name] = before
        for key, told in tuple(self._told_before.items()):
            if told.effect_key == effect_key:
                del self._told_before[key]
                if before is not None:
                    self._told_before[key] = before
        self.settle(effect_key)

    # --- what a restart must know -------------------------------------------------------------------------------
    def told_lately(self, now: datetime) -> tuple[ToldAlert, ...]:
        """Give the news of the window, each after what it has replaced, and forget what is older, save what waits."""
        window = timedelta(seconds=self._policy.dedup_seconds)
        self._told = {
            name: told
            for name, told in self._told.items()
            if now - told.raised_at < window or told.effect_key in self._waiting
        }
        standing = {told.effect_key for told in self._told.values()}
        self._told_before = {
            key: before for key, before in self._told_before.items() if key in standing or key in self._waiting
        }
        lately: list[ToldAlert] = []
        for told in self._told.values():
            before = self._told_before.get(told.effect_key)
            if before is not None and before.effect_key not in self._waiting:  # what waits may never be told
                lately.append(before)
            lately.append(told)
        return tuple(each for each in lately if now - each.raised_at < window)

    def remember_told(self, told: Iterable[ToldAlert]) -> None:
        """Take up what `told_lately` has given to an earlier incarnation."""
        for each in told:
            self._stand(each)
