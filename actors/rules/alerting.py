"""Alerting: what is told first, what is the same news, and in which words.

Enters: alerts with their instants. Stays out: the queue (alert_queue), the breaker and the waiting (the dispatcher's).
Wall instants come from whoever raised the alert; `at` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from actors.messages.alert_records import FailedAlert, ToldAlert
from actors.model.alert import Alert, Severity

RETRY_MARK = "/retry-"  # stands in the effect key of an alert that a person sent again


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingPolicy:
    """The limits of telling."""

    dedup_seconds: float = 300.0  # the same key within it is the same news
    aging_seconds: float = 120.0  # a wait that makes an alert one step more urgent, never as urgent as CRITICAL
    bound: int = 1_000  # alerts in memory; the rest waits in the store
    digest_above: int = 20  # more quiet alerts than this waiting for one chat go as one message
    digest_characters: int = 3_000  # of one digest; Telegram takes 4,096 a message
    delayed_after_seconds: float = 120.0  # an alert told later than this says so
    failed_kept: int = 100
    read_limit: int = 10_000  # rows of one look at the outbox; a fuller one is looked at again, whole
    silent_kinds: frozenset[str] = frozenset()  # told without a sound, whatever their severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One alert that is to be told."""

    effect_key: str
    alert: Alert
    chat_id: int | None  # None: no chat is known yet
    raised_at: datetime
    taken_at: float  # monotonic seconds, when the dispatcher heard of it
    maybe_sent: bool = False  # an attempt may have arrived without a word

    @property
    def severity(self) -> Severity:
        return self.alert.severity

    @property
    def quiet(self) -> bool:
        """Whether it may go into a digest."""
        return self.severity.rank >= Severity.INFO.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A message as it is handed to the chat."""

    title: str
    lines: tuple[str, ...]
    silent: bool
    commands: tuple[tuple[str, str], ...] = ()  # of buttons: (label, command)


def urgency(waiting: Waiting, *, at: float, policy: AlertingPolicy) -> int:
    """Give how urgent an alert is by now; 0 is CRITICAL, and waiting alone never leads there."""
    rank = waiting.severity.rank
    if rank == 0:
        return 0
    return max(1, rank - int(max(0.0, at - waiting.taken_at) / policy.aging_seconds))


def origin(effect_key: str) -> str:
    """Give the effect key an alert had before any person sent it again."""
    return effect_key.partition(RETRY_MARK)[0]


def is_duplicate(told: ToldAlert, waiting: Waiting, policy: AlertingPolicy) -> bool:
    """Tell whether this is the news that was told already; graver news under one key is news."""
    if origin(told.effect_key) == origin(waiting.effect_key) or RETRY_MARK in waiting.effect_key:
        return False  # the very same alert, taken up again; or a person wants it sent again
    if waiting.severity.rank < told.severity.rank:
        return False
    return abs(waiting.raised_at - told.raised_at) < timedelta(seconds=policy.dedup_seconds)


def is_same_failure(kept: FailedAlert, failed: FailedAlert, policy: AlertingPolicy) -> bool:
    """Tell whether two alerts that were refused are the same news: one of them is enough to keep."""
    return (kept.chat_id, kept.alert.key, kept.alert.severity) == (
        failed.chat_id,
        failed.alert.key,
        failed.alert.severity,
    ) and abs(failed.raised_at - kept.raised_at) < timedelta(seconds=policy.dedup_seconds)


def next_group(
    waiting: Iterable[Waiting],
    *,
    at: float,
    policy: AlertingPolicy,
    held_back: frozenset[str] = frozenset(),
    digests: bool = True,
) -> tuple[Waiting, ...]:
    """Choose what one chat is told next: one alert, or the quiet ones of a long queue together.

    Order is kept within a subject, so an alert lends its urgency to those before it in its subject.

    Args:
        waiting: one chat's alerts, oldest first.
        at: monotonic seconds.
        policy: the limits.
        held_back: subjects whose older alerts are not in memory at the moment.
        digests: whether several may go together.

    Returns:
        Nothing, one alert, or more than `digest_above` quiet ones, oldest first.

    """
    eligible = [each for each in waiting if each.alert.subject == "" or each.alert.subject not in held_back]
    heads: dict[str, tuple[int, int]] = {}  # by subject: the most urgent of its alerts, where its oldest stands
    for place, each in enumerate(eligible):
        lane = each.alert.subject or each.effect_key
        own = urgency(each, at=at, policy=policy)
        lent, oldest = heads.get(lane, (own, place))
        heads[lane] = (min(lent, own), oldest)
    if not heads:
        return ()
    first = eligible[min(heads.values())[1]]
    if digests and first.quiet:
        together = _leading_quiet(eligible)
        if len(together) > policy.digest_above:
            return _fitting(first, together, policy)
    return (first,)


def _leading_quiet(eligible: Sequence[Waiting]) -> list[Waiting]:
    """Give the quiet alerts with nothing louder before them in their subject."""
    loud: set[str] = set()
    quiet: list[Waiting] = []
    for each in eligible:
        subject = each.alert.subject
        if not each.quiet:
            loud.add(subject)
        elif not subject or subject not in loud:
            quiet.append(each)
    return quiet


def _fitting(first: Waiting, quiet: list[Waiting], policy: AlertingPolicy) -> tuple[Waiting, ...]:
    """Take as many as one message holds: the subject whose turn it is, then the others, each from its oldest on."""
    subject = first.alert.subject
    its_turn = [each for each in quiet if each is first or (subject and each.alert.subject == subject)]
    rest = [each for each in quiet if each is not first and not (subject and each.alert.subject == subject)]
    chosen: set[str] = set()
    room = policy.digest_characters
    for each in (*its_turn, *rest):
        room -= len(_digest_line(each)) + 1
        if room < 0 and chosen:
            break
        chosen.add(each.effect_key)
    return tuple(each for each in quiet if each.effect_key in chosen)


def keep_in_memory(waiting: Sequence[Waiting], bound: int) -> tuple[tuple[Waiting, ...], tuple[Waiting, ...]]:
    """Choose what stays in memory and what waits in the store alone.

    The least urgent and newest go. CRITICAL ones stay whatever the bound, with those before them in their subject:
    so what goes is always a subject's newest end, and no order within a subject is lost.

    Args:
        waiting: oldest first, all chats.
        bound: how many may stay.

    Returns:
        Those that stay and those that go, each oldest first.

    """
    if len(waiting) <= bound:
        return tuple(waiting), ()
    ranks = [each.severity.rank for each in waiting]
    lent: dict[str, int] = {}
    for place in range(len(waiting) - 1, -1, -1):
        subject = waiting[place].alert.subject
        if subject:
            ranks[place] = lent[subject] = min(ranks[place], lent.get(subject, ranks[place]))
    by_urgency = sorted(range(len(waiting)), key=lambda place: (ranks[place], place))
    stays = set(by_urgency[:bound]) | {place for place, rank in enumerate(ranks) if rank == 0}
    return (
        tuple(each for place, each in enumerate(waiting) if place in stays),
        tuple(each for place, each in enumerate(waiting) if place not in stays),
    )


def wording(group: tuple[Waiting, ...], *, now: datetime, policy: AlertingPolicy) -> Wording:
    """Put what was chosen into words; a possible repeat and a delay are said."""
    if len(group) > 1:
        return _digest(group, now=now, policy=policy)
    (only,) = group
    again = "(again) " if only.maybe_sent else ""
    loud = {Severity.CRITICAL: "CRITICAL: ", Severity.WARNING: "Warning: "}.get(only.severity, "")
    late = _delay((now - only.raised_at).total_seconds(), policy)
    return Wording(
        title=f"{again}{loud}{only.alert.title}",
        lines=(*((late,) if late else ()), *only.alert.lines),
        silent=only.severity is Severity.DEBUG or only.alert.kind in policy.silent_kinds,
        commands=only.alert.commands,
    )


def _digest(group: tuple[Waiting, ...], *, now: datetime, policy: AlertingPolicy) -> Wording:
    late = _delay((now - min(each.raised_at for each in group)).total_seconds(), policy)
    title = f"{len(group)} alerts in one" + (f", {late}" if late else "")
    return Wording(title=title, lines=tuple(_digest_line(each) for each in group), silent=False)


def _digest_line(waiting: Waiting) -> str:
    again = "(again) " if waiting.maybe_sent else ""
    return f"{waiting.raised_at:%H:%M} {again}{waiting.alert.title}"


def _delay(seconds: float, policy: AlertingPolicy) -> str:
    if seconds < policy.delayed_after_seconds:
        return ""
    minutes = int(seconds // 60)
    return f"delayed {minutes} min" if minutes < 120 else f"delayed {minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - two hours
