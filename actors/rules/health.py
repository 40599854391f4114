"""Health: readings to a verdict, with the reasons in words.

Enters: readings with their ages, all at one instant. Stays out: taking them, telling anybody.
A stream that has just dropped is no finding yet: reconnecting is its daily bread. Money at risk, or nobody to tell, is
critical; what works with a limp is degraded; the rest are notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.messages.alert_records import AlertsReading
from actors.messages.health import ActorLine, Finding, HostReading, StreamLine, Verdict
from actors.messages.keeping import StoreReading
from actors.rules.ages import span

MEBIBYTE = 1024 * 1024
# A WAL checkpoint race that can corrupt was closed in these (https://www.sqlite.org/wal.html).
SQLITE_FIXED = (3, 51, 3)
SQLITE_BACKPORTS = ((3, 44, 6), (3, 50, 7))


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """From where on something is a finding."""

    stream_down_seconds: float = 15.0
    message_age_seconds: float = 2.0
    handler_seconds: float = 5.0  # on the pool
    blocking_handler_seconds: float = 60.0  # on a thread of its own
    restarts: int = 3  # of one actor in its window
    clock_offset_seconds: float = 0.5
    disk_degraded_bytes: int = 1024 * MEBIBYTE
    disk_critical_bytes: int = 100 * MEBIBYTE
    memory_degraded_bytes: int = 100 * MEBIBYTE  # available on the machine
    alert_waiting_seconds: float = 60.0
    backup_age_seconds: float = 2 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that was reported and holds until the contrary is."""

    subject: str
    text: str
    since_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything a verdict rests on."""

    actors: tuple[ActorLine, ...] = ()
    streams: tuple[StreamLine, ...] = ()
    suspended: tuple[Trouble, ...] = ()  # accounts the exchange refuses
    unread: tuple[Trouble, ...] = ()  # accounts the reconciler cannot read
    fenced: tuple[Trouble, ...] = ()  # accounts that stopped because another run holds the state
    parked: tuple[Trouble, ...] = ()  # actors
    escalated: tuple[Trouble, ...] = ()  # supervisors that gave up lately
    lost_messages: int = 0  # by overflowing mailboxes, lately
    chat_up: bool | None = None  # None: nothing heard yet
    chat_reason: str = ""
    chat_conflict: bool = False
    chat_down_seconds: float = 0.0
    clock_offsets: tuple[tuple[str, float], ...] = ()  # (account, seconds)
    host: HostReading | None = None
    alerts: AlertsReading | None = None
    store: StoreReading | None = None
    alerts_given_up: int = 0  # lately
    unprotected: tuple[tuple[str, str], ...] = ()  # (trade, words) of what runs without a stop of its own
    disagreements: tuple[str, ...] = ()  # between trades and exchange, by the last comparison; each was told


def judge(readings: Readings, limits: HealthLimits) -> tuple[Verdict, tuple[Finding, ...]]:
    """Give the verdict and its reasons, worst first."""
    findings = sorted(_findings(readings, limits), key=lambda each: -each.verdict.rank)
    worst = max((each.verdict for each in findings), key=lambda verdict: verdict.rank, default=Verdict.OK)
    return worst, tuple(findings)


def is_monitor(path: str) -> bool:
    """Tell whether the path is that of a position's monitor."""
    return path.startswith("accounts/") and "/positions/" in path


def _findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    yield from _account_findings(readings)
    for trade, text in readings.unprotected:
        yield Finding(code="unprotected", subject=trade, verdict=Verdict.DEGRADED, text=text)
    yield from _actor_findings(readings, limits)
    yield from _stream_findings(readings, limits)
    yield from _chat_findings(readings, limits)
    yield from _host_findings(readings, limits)
    yield from _store_findings(readings, limits)


def _account_findings(readings: Readings) -> Iterator[Finding]:
    for each in readings.suspended:
        text = f"account {each.subject}: the exchange refuses it since {span(each.since_seconds)}: {each.text}"
        yield Finding(code="account_suspended", subject=each.subject, verdict=Verdict.CRITICAL, text=text)
    for each in readings.fenced:
        text = f"account {each.subject}: another run holds the state, this one sends nothing any more: {each.text}"
        yield Finding(code="account_fenced", subject=each.subject, verdict=Verdict.CRITICAL, text=text)
    for each in readings.unread:
        # With its socket down too, nobody knows what is held there.
        blind = any(stream.name == each.subject and not stream.up for stream in readings.streams)
        text = f"account {each.subject} could not be read for {span(each.since_seconds)}: {each.text}"
        verdict = Verdict.CRITICAL if blind else Verdict.DEGRADED
        yield Finding(code="account_unread", subject=each.subject, verdict=verdict, text=text)


def _actor_findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    for each in readings.parked:
        monitor = is_monitor(each.subject)
        stands_in = "a guardian keeps its stop" if monitor else "its work waits"
        text = f"{each.subject} is parked for {span(each.since_seconds)}, {stands_in}: {each.text}"
        verdict = Verdict.CRITICAL if monitor else Verdict.DEGRADED
        yield Finding(code="actor_parked", subject=each.subject, verdict=verdict, text=text)
    for each in readings.escalated:
        text = f"{each.subject or 'the root'} gave up on a part of the tree {span(each.since_seconds)} ago: {each.text}"
        yield Finding(code="supervisor_escalated", subject=each.subject, verdict=Verdict.CRITICAL, text=text)
    if readings.lost_messages:
        text = f"{readings.lost_messages} messages were lost to full mailboxes lately"
        yield Finding(code="mailbox_overflowed", subject="", verdict=Verdict.DEGRADED, text=text)
    for line in readings.actors:
        patience = limits.handler_seconds if line.dispatcher == "pool" else limits.blocking_handler_seconds
        if line.running_seconds is not None and line.running_seconds > patience:
            text = f"{line.path} has been busy with one {line.running_handler} for {span(line.running_seconds)}"
            yield Finding(code="handler_slow", subject=line.path, verdict=Verdict.DEGRADED, text=text)
        elif (line.oldest_message_age_seconds or 0.0) > max(
            limits.message_age_seconds, patience - limits.handler_seconds
        ):
            text = f"{line.path} is {span(line.oldest_message_age_seconds or 0.0)} behind, {line.mailbox_depth} wait"
            yield Finding(code="mailbox_late", subject=line.path, verdict=Verdict.DEGRADED, text=text)
        if line.restarts_in_window >= limits.restarts:
            text = (
                f"{line.path} was restarted {line.restarts_in_window} times lately: {line.last_error or 'no word why'}"
            )
            yield Finding(code="actor_restarting", subject=line.path, verdict=Verdict.DEGRADED, text=text)


def _stream_findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    for stream in readings.streams:
        if not stream.up and stream.since_seconds > limits.stream_down_seconds:
            text = f"stream {stream.name} is down for {span(stream.since_seconds)}: {stream.reason or 'no word why'}"
            yield Finding(code="stream_down", subject=stream.name, verdict=Verdict.DEGRADED, text=text)
    for account, seconds in readings.clock_offsets:
        if abs(seconds) > limits.clock_offset_seconds:
            slow = "behind" if seconds > 0 else "ahead of"
            text = (
                f"our clock is {abs(seconds) * 1000:.0f} ms {slow} the exchange's ({account}); check the time service"
            )
            yield Finding(code="clock_offset", subject=account, verdict=Verdict.DEGRADED, text=text)


def _chat_findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    if readings.chat_conflict:
        text = f"another program takes this chat's messages away: {readings.chat_reason}; stop it or change the token"
        yield Finding(code="chat_conflict", subject="", verdict=Verdict.CRITICAL, text=text)
    elif readings.chat_up is False and readings.chat_down_seconds > limits.stream_down_seconds:
        text = f"the chat is out of reach for {span(readings.chat_down_seconds)}: {readings.chat_reason}"
        yield Finding(code="chat_down", subject="", verdict=Verdict.DEGRADED, text=text)
    if readings.alerts_given_up:
        text = f"{readings.alerts_given_up} alerts were refused by the chat lately; they are kept and can be sent again"
        yield Finding(code="alerts_given_up", subject="", verdict=Verdict.DEGRADED, text=text)
    alerts = readings.alerts
    if alerts is None:
        return
    if not alerts.default_chat_known:
        text = "no chat is known for alerts: set DEFAULT_ALERT_CHAT_ID or write /start to the bot"
        yield Finding(code="no_default_chat", subject="", verdict=Verdict.DEGRADED, text=text)
    elif alerts.oldest_waiting_seconds is not None and alerts.oldest_waiting_seconds > limits.alert_waiting_seconds:
        text = f"{alerts.waiting} alerts wait, the oldest for {span(alerts.oldest_waiting_seconds)}"
        yield Finding(code="alerts_waiting", subject="", verdict=Verdict.DEGRADED, text=text)


def _host_findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    host = readings.host
    if host is None:
        return
    free = host.disk_free_bytes
    if free < limits.disk_degraded_bytes:
        verdict = Verdict.CRITICAL if free < limits.disk_critical_bytes else Verdict.DEGRADED
        text = f"the disk that holds the state has {free // MEBIBYTE} MiB left"
        yield Finding(code="disk_low", subject="", verdict=verdict, text=text)
    if host.memory_available_bytes < limits.memory_degraded_bytes:
        text = f"the machine has {host.memory_available_bytes // MEBIBYTE} MiB of memory left"
        yield Finding(code="memory_low", subject="", verdict=Verdict.DEGRADED, text=text)


def _store_findings(readings: Readings, limits: HealthLimits) -> Iterator[Finding]:
    store = readings.store
    if store is None:
        return
    if store.failing_seconds is not None:
        text = (
            f"the disk has taken no writes for {span(store.failing_seconds)}, {store.held} are kept in memory, "
            f"nothing new is opened: {store.reason}"
        )
        yield Finding(code="writes_failing", subject="", verdict=Verdict.CRITICAL, text=text)
    if store.backup_fault:
        text = f"the store could not be backed up: {store.backup_fault}"
        yield Finding(code="backup_failed", subject="", verdict=Verdict.DEGRADED, text=text)
    elif (store.backup_age_seconds or 0.0) > limits.backup_age_seconds:
        text = f"the last backup was made {span(store.backup_age_seconds or 0.0)} ago"
        yield Finding(code="backup_old", subject="", verdict=Verdict.DEGRADED, text=text)


def notes(readings: Readings) -> tuple[str, ...]:
    """Give what is worth knowing and no verdict: what is told by itself, what is wrong with nobody."""
    found = tuple(f"verify: {text}" for text in readings.disagreements)
    if readings.host is None or _sqlite_is_safe(readings.host.sqlite_version):
        return found
    known = (
        f"SQLite {readings.host.sqlite_version} has a rare WAL fault between two connections; "
        "Standfast uses one, keep other programs off its database"
    )
    return (*found, known)


def _sqlite_is_safe(version: str) -> bool:
    parts = tuple(int(part) for part in version.split(".") if part.isdigit())
    backported = any(parts[:2] == fixed[:2] and parts >= fixed for fixed in SQLITE_BACKPORTS)
    return parts >= SQLITE_FIXED or backported
