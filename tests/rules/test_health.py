"""Readings to a verdict: each finding on its own, and the worst of them decides."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages.health import ActorLine, HostReading, StreamLine, Verdict
from actors.messages.keeping import StoreReading
from actors.rules.health import HealthLimits, Readings, Trouble, is_monitor, judge, notes

MEBIBYTE = 1024 * 1024
MONITOR = "accounts/main/positions/XRPUSDT-7K3Q9X"


def line(**values: Any) -> ActorLine:
    usual: dict[str, Any] = {
        "path": "desk",
        "state": "running",
        "dispatcher": "pool",
        "incarnation": 1,
        "restarts_in_window": 0,
        "mailbox_depth": 0,
        "oldest_message_age_seconds": None,
        "running_handler": None,
        "running_seconds": None,
        "last_error": None,
    }
    return ActorLine(**{**usual, **values})


def host(disk: int = 5_000, memory: int = 500, sqlite: str = "3.51.3") -> HostReading:
    return HostReading(
        disk_free_bytes=disk * MEBIBYTE,
        memory_used_bytes=0,
        memory_available_bytes=memory * MEBIBYTE,
        sqlite_version=sqlite,
    )


def trouble(subject: str) -> tuple[Trouble, ...]:
    return (Trouble(subject=subject, text="why", since_seconds=5.0),)


@pytest.mark.parametrize(
    ("readings", "code", "verdict"),
    [
        (Readings(suspended=trouble("main")), "account_suspended", Verdict.CRITICAL),
        (Readings(fenced=trouble("main")), "account_fenced", Verdict.CRITICAL),
        (Readings(unread=trouble("main")), "account_unread", Verdict.DEGRADED),
        (Readings(parked=trouble(MONITOR)), "actor_parked", Verdict.CRITICAL),
        (Readings(parked=trouble("statistics")), "actor_parked", Verdict.DEGRADED),
        (Readings(escalated=trouble("")), "supervisor_escalated", Verdict.CRITICAL),
        (Readings(lost_messages=1), "mailbox_overflowed", Verdict.DEGRADED),
        (Readings(chat_conflict=True), "chat_conflict", Verdict.CRITICAL),
        (Readings(chat_up=False, chat_down_seconds=16), "chat_down", Verdict.DEGRADED),
        (Readings(alerts_given_up=1), "alerts_given_up", Verdict.DEGRADED),
        (Readings(clock_offsets=(("main", -0.6),)), "clock_offset", Verdict.DEGRADED),
        (Readings(host=host(disk=1_000)), "disk_low", Verdict.DEGRADED),
        (Readings(host=host(disk=99)), "disk_low", Verdict.CRITICAL),
        (Readings(host=host(memory=99)), "memory_low", Verdict.DEGRADED),
        (Readings(actors=(line(running_handler="Tick", running_seconds=5.1),)), "handler_slow", Verdict.DEGRADED),
        (Readings(actors=(line(mailbox_depth=9, oldest_message_age_seconds=2.1),)), "mailbox_late", Verdict.DEGRADED),
        (Readings(actors=(line(restarts_in_window=3),)), "actor_restarting", Verdict.DEGRADED),
        (Readings(streams=(StreamLine(name="main", up=False, since_seconds=16),)), "stream_down", Verdict.DEGRADED),
    ],
)
def test_each_trouble_has_its_finding(readings: Readings, code: str, verdict: Verdict) -> None:
    judged, (finding,) = judge(readings, HealthLimits())
    assert (judged, finding.code, finding.verdict) == (verdict, code, verdict)
    assert finding.text


@pytest.mark.parametrize(
    "readings",
    [
        Readings(),
        Readings(chat_up=False, chat_down_seconds=15),
        Readings(clock_offsets=(("main", 0.5),)),
        Readings(host=host(disk=1_024, memory=100)),
        Readings(actors=(line(running_handler="Tick", running_seconds=5.0, restarts_in_window=2),)),
        Readings(actors=(line(dispatcher="thread", running_handler="PlaceOrder", running_seconds=50.0),)),
        Readings(streams=(StreamLine(name="main", up=False, since_seconds=15),)),
    ],
)
def test_within_its_limits_nothing_is_a_finding(readings: Readings) -> None:
    assert judge(readings, HealthLimits()) == (Verdict.OK, ())


def test_the_worst_finding_decides_and_stands_first() -> None:
    verdict, findings = judge(Readings(lost_messages=3, suspended=trouble("main"), host=host(disk=900)), HealthLimits())
    assert verdict is Verdict.CRITICAL
    assert [finding.code for finding in findings] == ["account_suspended", "mailbox_overflowed", "disk_low"]


@pytest.mark.parametrize(
    ("version", "noted"),
    [("3.40.1", True), ("3.44.5", True), ("3.44.6", False), ("3.50.6", True), ("3.50.7", False), ("3.51.2", True),
     ("3.51.3", False), ("3.52.0", False), ("4.0.0", False)],
)  # fmt: skip
def test_an_sqlite_with_the_checkpoint_race_is_noted(version: str, noted: bool) -> None:
    assert bool(notes(Readings(host=host(sqlite=version)))) is noted


def test_a_monitor_is_known_by_its_path() -> None:
    assert is_monitor(MONITOR)
    assert not is_monitor("accounts/main/client")


def test_a_disk_that_takes_no_writes_is_critical_and_an_old_or_failed_backup_degraded() -> None:
    def store(**more: Any) -> Readings:
        usual = {"failing_seconds": None, "reason": "", "held": 0, "backup_age_seconds": 720.0, "backup_fault": ""}
        return Readings(store=StoreReading(**{**usual, **more}))

    assert judge(store(), HealthLimits()) == (Verdict.OK, ())
    verdict, (finding,) = judge(store(failing_seconds=125.0, reason="full", held=9), HealthLimits())
    assert (verdict, finding.code) == (Verdict.CRITICAL, "writes_failing")
    assert "9 are kept in memory" in finding.text
    for trouble in ({"backup_fault": "no space"}, {"backup_age_seconds": 3 * 86_400.0}):
        assert judge(store(**trouble), HealthLimits())[0] is Verdict.DEGRADED
