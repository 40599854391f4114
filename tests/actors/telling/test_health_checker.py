"""Health: what fails is noticed, judged, and told; what is not known is not made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from actors import ports
from actors.health_checker import HealthChecker, concerns_health
from actors.messages import addresses
from actors.messages.accounts import ClockOffsetQuestion
from actors.messages.alert_records import AlertGivenUp
from actors.messages.health import CoverRead, HealthQuestion, HealthReading, HostReading, Uncovered, Verdict
from actors.messages.lanes import AccountFenced, AccountRestored, AccountSuspended
from actors.messages.market import MarketStreamDown, MarketStreamUp
from actors.messages.orders import StreamDown, StreamUp
from actors.messages.reports import ReconcileFailed, ReconcileRecovered
from actors.rules.health_screen import health_screen
from runtime import (
    Actor,
    ActorParked,
    ActorRestarted,
    CellSnapshot,
    ChildSpec,
    DeadLettered,
    Intensity,
    MailboxOverflowed,
    Parking,
    SupervisorEscalated,
    SupervisorSpec,
    handles,
)

GIB = 1024**3
HOST = HostReading(
    disk_free_bytes=50 * GIB, memory_used_bytes=GIB // 10, memory_available_bytes=4 * GIB, sqlite_version="3.51.3"
)
MONITOR = "accounts/main/positions/XRPUSDT-7K3Q9X"


@dataclass(frozen=True)
class Break:
    """Makes a monitor fail."""


class Monitor(Actor):
    @handles(Break)
    def _on_break(self, _: Break) -> None:
        raise ValueError("broken")


class Guardian(Actor):
    pass


class Client(Actor):
    offset = 0.012

    @handles(ClockOffsetQuestion)
    def _on_offset(self, _: ClockOffsetQuestion) -> float:
        if Client.offset < 0:
            raise RuntimeError("no answer")
        return Client.offset


class Watched:
    """The telling side with the real health checker."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.host = HOST
        self.beats = 0
        self.more_of_the_tree: tuple[CellSnapshot, ...] = ()  # beside what is really there
        self.world.observers.append(self._observe)
        Client.offset = 0.012
        monitor = ChildSpec(
            "XRPUSDT-7K3Q9X",
            Monitor,
            intensity=Intensity(max_restarts=1, within_seconds=60),
            parking=Parking(stand_in=Guardian, retry_seconds=120),
        )
        main = SupervisorSpec(
            "main",
            children=(ChildSpec("client", Client), SupervisorSpec("positions", children=(monitor,))),
        )
        world.start(SupervisorSpec("accounts", children=(main,)), health=ChildSpec("health", self._checker))

    def _observe(self, event: Any) -> None:
        if concerns_health(event):
            self.world.system.tell(addresses.HEALTH, event)

    def _checker(self) -> HealthChecker:
        return HealthChecker(
            accounts=("main",), read_tree=self._read_tree, read_host=lambda: self.host, beat=self._beat
        )

    def _read_tree(self) -> tuple[CellSnapshot, ...]:
        return (*self.world.system.snapshot(), *self.more_of_the_tree)

    def _beat(self) -> None:
        self.beats += 1

    def tell(self, *facts: Any) -> None:
        for fact in facts:
            self.world.system.tell(addresses.HEALTH, fact)
        self.world.crank.run_until_idle()

    def reading(self) -> HealthReading:
        reading: HealthReading = self.world.system.ask(addresses.HEALTH, HealthQuestion())
        return reading

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.reading().findings}

    @property
    def titles(self) -> list[str]:
        titles: list[str] = self.world.chat.titles()
        return titles

    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)


@pytest.fixture
def watched(make_world: Callable[..., Any]) -> Watched:
    return Watched(make_world())


def test_a_quiet_daemon_is_well_and_says_nothing(watched: Watched) -> None:
    watched.pass_time(600)
    assert watched.reading().verdict is Verdict.OK
    assert watched.titles == []


def test_the_watchdog_is_fed_on_each_beat(watched: Watched) -> None:
    watched.pass_time(95)
    assert watched.beats == 10


def test_a_stream_that_drops_for_a_moment_is_nothing_to_tell(watched: Watched) -> None:
    watched.tell(StreamUp(account="main", connection=1), StreamDown(account="main", reason="closed"))
    watched.pass_time(12)
    watched.tell(StreamUp(account="main", connection=2))
    watched.pass_time(60)
    assert watched.titles == []


def test_a_stream_that_stays_down_is_told_and_its_return_too(watched: Watched) -> None:
    watched.tell(MarketStreamUp(connection=1), MarketStreamDown(reason="no route"))
    watched.pass_time(60)
    assert watched.titles == ["Warning: Standfast is degraded."]
    assert "stream market is down for" in watched.world.chat.shown[0].text
    watched.tell(MarketStreamUp(connection=2))
    watched.pass_time(60)
    assert watched.titles[1:] == ["All is well again."]


def test_repeated_words_of_a_stream_that_is_down_do_not_make_it_look_fresh(watched: Watched) -> None:
    for _ in range(6):
        watched.tell(StreamDown(account="main", reason="refused"))
        watched.pass_time(5)
    assert watched.codes == {"stream_down"}


def test_a_parked_monitor_is_critical_at_once_and_over_once_it_works(watched: Watched) -> None:
    for _ in range(2):
        watched.world.system.tell(MONITOR, Break())
        watched.pass_time(1)
    assert watched.titles == ["CRITICAL: XRPUSDT-7K3Q9X kept failing and is parked."]
    assert "A guardian keeps its stop at the exchange." in watched.world.chat.shown[0].text
    reading = watched.reading()
    assert (reading.verdict, reading.restarts) == (Verdict.CRITICAL, 1)
    watched.pass_time(200)
    assert watched.codes == set()
    assert "XRPUSDT-7K3Q9X works again." in watched.titles
    assert watched.titles[-1] == "All is well again."


def test_a_restarted_checker_still_sees_what_is_parked(watched: Watched) -> None:
    for _ in range(2):
        watched.world.system.tell(MONITOR, Break())
        watched.pass_time(1)
    watched.world.system.kill(addresses.HEALTH)
    watched.pass_time(1)
    assert watched.codes == {"actor_parked"}


def test_any_other_parked_actor_is_a_limp_and_no_emergency(watched: Watched) -> None:
    watched.tell(ActorParked(path="statistics", error="division by zero", retry_seconds=300, has_stand_in=False))
    watched.pass_time(1)
    assert watched.titles == ["Warning: statistics kept failing and is parked."]


def test_a_suspended_account_is_critical_until_it_is_accepted_again(watched: Watched) -> None:
    now = watched.world.now()
    watched.tell(AccountSuspended(account="main", code=10003, text="API key is invalid", since=now))
    watched.pass_time(15)
    assert watched.titles == ["CRITICAL: Account main is refused by the exchange."]
    assert watched.codes == {"account_suspended"}
    watched.tell(AccountRestored(account="main", at=now))
    watched.pass_time(30)
    assert watched.titles[1:] == ["Account main is accepted again.", "All is well again."]


def test_another_program_on_the_chats_token_is_critical(watched: Watched) -> None:
    watched.tell(ports.ChatDown(reason="409 conflict", conflict=True))
    watched.pass_time(15)
    assert watched.titles == ["CRITICAL: Another program takes this chat's messages away."]
    watched.tell(ports.ChatUp(name="bot"))
    assert watched.codes == set()


def test_an_account_nobody_can_see_is_critical_and_one_the_stream_still_shows_is_not(watched: Watched) -> None:
    failed = ReconcileFailed(account="main", failures=3, text="read timed out", since=watched.world.now())
    watched.tell(StreamUp(account="main", connection=1), failed)
    assert watched.reading().verdict is Verdict.DEGRADED
    watched.tell(StreamDown(account="main", reason="closed"))
    assert watched.reading().verdict is Verdict.CRITICAL
    watched.tell(ReconcileRecovered(account="main", at=watched.world.now()))
    assert watched.codes == set()


def test_a_fenced_account_and_a_supervisor_that_gave_up_are_critical(watched: Watched) -> None:
    watched.tell(
        AccountFenced(account="main", text="epoch 7 holds the state", since=watched.world.now()),
        SupervisorEscalated(path="accounts", child="accounts/main", error="client failed"),
    )
    assert {finding.verdict for finding in watched.reading().findings} == {Verdict.CRITICAL}
    assert watched.codes == {"account_fenced", "supervisor_escalated"}


def test_a_clock_that_is_off_is_told_and_an_unanswered_one_is_not_shown(watched: Watched) -> None:
    watched.pass_time(1)
    assert watched.reading().clock_offsets == (("main", 0.012),)
    Client.offset = 0.8
    watched.pass_time(300)
    assert watched.codes == {"clock_offset"}
    Client.offset = -1
    watched.pass_time(302)
    assert watched.reading().clock_offsets == ()


def test_a_full_disk_is_critical_and_a_filling_one_a_limp(watched: Watched) -> None:
    watched.host = replace(HOST, disk_free_bytes=GIB // 2)
    assert watched.reading().verdict is Verdict.DEGRADED
    watched.host = replace(HOST, disk_free_bytes=GIB // 20)
    assert watched.reading().verdict is Verdict.CRITICAL


def test_an_sqlite_with_the_checkpoint_race_is_a_note_and_no_finding(watched: Watched) -> None:
    watched.host = replace(HOST, sqlite_version="3.40.1")
    reading = watched.reading()
    assert (reading.verdict, len(reading.notes)) == (Verdict.OK, 1)


def test_lost_messages_and_refused_alerts_are_findings_for_five_minutes(watched: Watched) -> None:
    watched.tell(
        MailboxOverflowed(path="desk", policy="reject", dropped=4),
        AlertGivenUp(effect_key="a", chat_id=1, text="chat not found"),
    )
    assert watched.codes == {"mailbox_overflowed", "alerts_given_up"}
    watched.pass_time(330)
    assert watched.codes == set()


def test_without_a_chat_for_alerts_health_says_what_to_do(make_world: Callable[..., Any]) -> None:
    watched = Watched(make_world(default_chat_id=None))
    watched.pass_time(15)
    (finding,) = watched.reading().findings
    assert (finding.code, "write /start" in finding.text) == ("no_default_chat", True)


def test_the_checkers_own_troubles_are_not_told_to_it() -> None:
    event = DeadLettered(path=addresses.HEALTH, message=1, reason="full", sender=None, trace_id="t")
    assert not concerns_health(event)
    assert concerns_health(replace(event, path="desk"))
    assert concerns_health(ActorRestarted(path="desk", incarnation=1, error="x", delay_seconds=0.0))


def test_the_screen_shows_verdict_reasons_streams_and_the_host(watched: Watched) -> None:
    watched.tell(StreamUp(account="main", connection=1))
    watched.pass_time(30)
    screen = health_screen(watched.reading(), ("SAFETY STATE halted",))
    assert screen.lines[0] == "SAFETY STATE halted"  # what the guards shut, on top
    text = "\n".join((screen.title, *screen.lines))
    assert screen.title.startswith("All is well for 30 s")
    for part in ("stream main: up for 30 s", "exchange clock of main: +12 ms", "MiB free", "up 30 s, 0 restarts"):
        assert part in text
    assert all(len(row) <= 32 for row in screen.table)


# --- invariants -------------------------------------------------------------------------------------------------------
def bare(quantity: str) -> CoverRead:
    sides = (Uncovered(symbol="XRPUSDT", side="long", quantity=Decimal(quantity)),) if quantity else ()
    return CoverRead(account="main", uncovered=sides)


def broken(watched: Watched) -> list[str]:
    return [shown.text for shown in watched.world.chat.shown if "must always hold" in shown.screen.title]


def test_a_size_that_two_readings_show_without_a_stop_is_told_once_until_it_is_covered(watched: Watched) -> None:
    for read, told in ((bare("5"), 0), (bare("5"), 1), (bare("6"), 1), (bare(""), 1), (bare("5"), 1), (bare("5"), 2)):
        watched.tell(read)
        watched.pass_time(400)  # past the window within which the same news would be told once anyway
        assert len(broken(watched)) == told
    assert "I2: two readings of main/XRPUSDT/long show 5" in broken(watched)[0]
    assert watched.reading().restarts == 0


def test_a_parked_monitor_without_a_guardian_is_told_once_and_health_goes_on(watched: Watched) -> None:
    (monitor,) = (each for each in watched.world.system.snapshot() if each.path == MONITOR)
    watched.more_of_the_tree = (monitor._replace(path=f"{MONITOR}-2", state="parked"),)
    watched.pass_time(400)
    assert [f"{MONITOR}-2 is parked and no guardian stands in for it" in text for text in broken(watched)] == [True]
    watched.more_of_the_tree = (monitor._replace(path=f"{MONITOR}-2", state="parked", stand_in="running"),)
    watched.pass_time(400)
    assert len(broken(watched)) == 1
    assert watched.reading().restarts == 0
