"""Backups every hour, the first of a run when one is due; what fails is told and tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.keeping import BackupFailed, BackupMade, Prune
from actors.record_keeper import KeepingTerms, RecordKeeper
from runtime import ActorSystem, ChildSpec, DeterministicDispatcher, VirtualClock
from runtime.testing import Probe


class Copies:
    """Keeps count of copies instead of making them."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.made: list[float] = []
        self.newest: float | None = None  # monotonic seconds
        self.fails = False

    def back_up(self) -> str:
        if self.fails:
            raise Unreachable("the disk has too little space left")
        self.newest = self._clock.monotonic()
        self.made.append(self.newest)
        return f"copy-{len(self.made)}"

    def age_seconds(self) -> float | None:
        return None if self.newest is None else self._clock.monotonic() - self.newest


Start = Callable[[float | None], tuple[Copies, Probe, Callable[[float], None]]]


@pytest.fixture
def start() -> Start:
    """Start a keeper beside a store that only listens; `age` is that of the newest copy."""

    def start(age: float | None) -> tuple[Copies, Probe, Callable[[float], None]]:
        clock = VirtualClock()
        clock.advance_to(100_000.0)
        crank = DeterministicDispatcher(1, clock=clock)
        system = ActorSystem(dispatchers={"pool": crank, "thread": crank}, clock=clock, seed=1)
        copies = Copies(clock)
        copies.newest = None if age is None else clock.monotonic() - age
        system.start(ChildSpec("records", lambda: RecordKeeper(port=copies, terms=KeepingTerms()), dispatcher="thread"))
        store = Probe(system, addresses.STORE)
        return copies, store, lambda seconds: crank.run(lambda: False, within_seconds=seconds)

    return start


def test_a_store_that_was_never_backed_up_is_so_soon_and_then_every_hour(start: Start) -> None:
    copies, store, pass_time = start(None)
    pass_time(29)
    assert copies.made == []
    pass_time(2)
    assert len(copies.made) == 1
    pass_time(2 * 3600)
    assert len(copies.made) == 3
    assert len(store.record.of(BackupMade)) == len(store.record.of(Prune)) == 3


def test_a_run_that_begins_often_makes_no_more_copies_for_it(start: Start) -> None:
    copies, _, pass_time = start(600.0)
    pass_time(2900)
    assert copies.made == []
    pass_time(200)
    assert len(copies.made) == 1


def test_a_backup_that_fails_is_told_and_tried_again(start: Start) -> None:
    copies, store, pass_time = start(None)
    copies.fails = True
    pass_time(60)
    (failed,) = store.record.of(BackupFailed)
    assert "too little space" in failed.reason
    copies.fails = False
    pass_time(600)
    assert len(copies.made) == 1
