"""The slow beat: what does not agree is told once it lasts, once; what runs without a stop shows in the health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.health_checker import HealthChecker
from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, BookQuestion, BookReading, ClockOffsetQuestion, SnapshotQuestion
from actors.messages.health import HealthQuestion, HealthReading, HostReading, Verdict
from actors.messages.trading import TradeReading, TradesQuestion
from actors.model.position import ObservedPosition, PositionSide
from runtime import Actor, ChildSpec, Refused, SupervisorSpec, handles
from tests.rules.test_verification import NOW, OURS, trade

D = Decimal
HOST = HostReading(
    disk_free_bytes=50 * 1024**3, memory_used_bytes=1, memory_available_bytes=4 * 1024**3, sqlite_version="3.51.3"
)


class Exchange:
    """What trades and exchange say at the moment; `held` is the position's size."""

    def __init__(self) -> None:
        self.trades: tuple[TradeReading, ...] = (trade("7K3Q9X", 1, "100"),)
        self.held = D(100)
        self.snapshots = 0
        self.silent = False
        self.only_first: Decimal | None = None  # what the next snapshot alone shows

    def snapshot(self) -> AccountSnapshot:
        self.snapshots += 1
        held, self.only_first = self.only_first or self.held, None
        position = ObservedPosition(
            symbol="XRPUSDT",
            side=PositionSide.LONG,
            size=held,
            average_price=D("1.19"),
            leverage=D(10),
            position_index=0,
            stop_price=None,
            liquidation_price=None,
        )
        return AccountSnapshot(
            account="main", started_at=NOW, finished_at=NOW, orders=(), positions=(position,), executions=()
        )


class Desk(Actor):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @handles(TradesQuestion)
    def _on_question(self, _: TradesQuestion) -> tuple[TradeReading, ...]:
        return self._exchange.trades


class Client(Actor):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @handles(ClockOffsetQuestion)
    def _on_offset(self, _: ClockOffsetQuestion) -> float:
        return 0.0

    @handles(SnapshotQuestion)
    def _on_snapshot(self, _: SnapshotQuestion) -> AccountSnapshot:
        if self._exchange.silent:
            raise Refused("no route")
        return self._exchange.snapshot()


class Book(Actor):
    @handles(BookQuestion)
    def _on_question(self, _: BookQuestion) -> BookReading:
        return BookReading(
            trades_long=1,
            trades_short=0,
            foreign_long=D(0),
            foreign_short=D(0),
            farthest_stop_long=None,
            farthest_stop_short=None,
        )


class Stage:
    def __init__(self, world: Any) -> None:
        self.world = world
        self.exchange = Exchange()
        children = (ChildSpec("client", lambda: Client(self.exchange)), ChildSpec("position_book", Book))
        accounts = SupervisorSpec("accounts", children=(SupervisorSpec("main", children=children),))
        desk = ChildSpec("desk", lambda: Desk(self.exchange))
        world.start(accounts, desk, health=ChildSpec("health", self._checker))

    def _checker(self) -> HealthChecker:
        return HealthChecker(
            accounts=("main",),
            read_tree=self.world.system.snapshot,
            read_host=lambda: HOST,
            beat=lambda: None,
            installation=OURS,
        )

    def told(self, words: str) -> int:
        return sum(words in title for title in self.world.chat.titles())

    def health(self) -> HealthReading:
        reading: HealthReading = self.world.system.ask(addresses.HEALTH, HealthQuestion())
        return reading


@pytest.fixture
def stage(make_world: Callable[..., Any]) -> Stage:
    return Stage(make_world())


def test_what_agrees_is_read_every_five_minutes_and_says_nothing(stage: Stage) -> None:
    stage.world.pass_time(1210)
    assert stage.exchange.snapshots == 4
    assert stage.told("do not agree") == 0


def test_a_lasting_finding_is_told_once_and_noted_in_the_health(stage: Stage) -> None:
    stage.exchange.held = D(120)
    stage.world.pass_time(320)
    assert stage.told("trades and exchange do not agree (separation)") == 1
    (note,) = stage.health().notes
    assert note == "verify: main XRPUSDT long: the trades hold 100, and the position is 120"
    stage.world.pass_time(1200)
    assert stage.told("do not agree") == 1


def test_once_it_is_gone_it_is_told_anew_when_it_comes_back(stage: Stage) -> None:
    stage.exchange.held = D(120)
    stage.world.pass_time(320)
    stage.exchange.held = D(100)
    stage.world.pass_time(3600)  # beyond the window in which the same news is told once
    assert stage.health().notes == ()
    stage.exchange.held = D(120)
    stage.world.pass_time(320)
    assert stage.told("do not agree") == 2


def test_a_moments_difference_is_none(stage: Stage) -> None:
    stage.exchange.only_first = D(120)
    stage.world.pass_time(320)
    assert stage.exchange.snapshots == 2
    assert (stage.told("do not agree"), stage.health().notes) == (0, ())


def test_what_cannot_be_read_is_no_finding(stage: Stage) -> None:
    stage.exchange.held, stage.exchange.silent = D(120), True
    stage.world.pass_time(700)
    assert stage.told("do not agree") == 0
    stage.exchange.silent = False
    stage.world.pass_time(320)
    assert stage.told("do not agree") == 1


def test_a_trade_without_a_stop_of_its_own_shows_until_one_is_back(stage: Stage) -> None:
    (bare,) = stage.exchange.trades
    stage.exchange.trades = (replace(bare, unprotected="UNPROTECTED: no stop of its own since noon"),)
    stage.world.pass_time(90)
    reading = stage.health()
    assert reading.verdict is Verdict.DEGRADED
    (finding,) = (each for each in reading.findings if each.code == "unprotected")
    assert finding.text == "#1 UNPROTECTED: no stop of its own since noon"
    assert stage.told("Standfast is degraded.") == 1
    stage.exchange.trades = (bare,)
    stage.world.pass_time(120)
    assert "unprotected" not in {each.code for each in stage.health().findings}
