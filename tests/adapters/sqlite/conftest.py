"""A folder with a store in it, facts to keep, and everything a store can tell in one value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.messages.orders import CancelOrder
from actors.messages.storing import Append, Guard, PromisedEffect, StreamSummary
from actors.messages.trading import OrderAbsent
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from adapters.sqlite.store import SqliteStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAMS = ("trade/A", "trade/B", "trade/C")
DESTINATION = "accounts/main/client"


@dataclass
class StateFolder:
    """A folder whose store is opened again and again; the clock is turned by hand."""

    path: Path
    now: datetime = START
    opened: list[SqliteStore] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.path / "store.sqlite"

    @property
    def mark(self) -> Path:
        return self.path / "store.sqlite-mark"

    @property
    def log(self) -> Path:
        return self.path / "store.sqlite-wal"

    def open(self, **more: Any) -> SqliteStore:
        run = Run(pid=4711, boot_id="boot", started_at=self.now)
        store = open_store(
            self.store, clock=lambda: self.now, random_bytes=lambda count: bytes(range(count)), run=run, **more
        )
        self.opened.append(store)
        return store

    def copy_to(self, other: StateFolder) -> None:
        """Copy as a crash leaves it: database, log and mark, without closing anything."""
        other.path.mkdir(exist_ok=True)
        for file in self.path.iterdir():
            if file.is_file() and not file.name.endswith("-shm"):
                (other.path / file.name).write_bytes(file.read_bytes())


@pytest.fixture
def make_folder(tmp_path: Path) -> Iterator[Callable[[str], StateFolder]]:
    made: list[StateFolder] = []

    def make(name: str) -> StateFolder:
        (tmp_path / name).mkdir()
        made.append(StateFolder(tmp_path / name))
        return made[-1]

    yield make
    for folder in made:
        for store in folder.opened:
            store.close()


@pytest.fixture
def folder(make_folder: Callable[[str], StateFolder]) -> StateFolder:
    return make_folder("state")


def absent(number: int) -> OrderAbsent:
    return OrderAbsent(client_order_id=f"SF7QK2C-7K3Q9X-E1-{number}", read_at=START + timedelta(seconds=number))


def effect(key: str) -> PromisedEffect:
    request = CancelOrder(account="main", trade_id="7K3Q9X", symbol="BTCUSDT", client_order_id=f"SF-{key}")
    return PromisedEffect(key=key, destination=DESTINATION, owner="trade/7K3Q9X", request=request)


def fill(store: SqliteStore, rounds: int, *, first: int = 0) -> None:
    """Write a little of everything, a commit a round."""
    for number in range(first, first + rounds):
        stream = STREAMS[number % len(STREAMS)]
        store.append(
            Append(
                stream=stream,
                expected_sequence=store.load(stream).sequence,
                facts=(absent(number), absent(number + 1000)),
                effects=(effect(f"effect/{store.epoch}/{number}"),),
                settles=(f"effect/{store.epoch}/{number - 4}",),
                register=StreamSummary(
                    kind="trade", account="main", symbol="BTCUSDT", number=number, label=stream, live=True
                ),
                guards=(Guard(key=f"guard/{number}"), Guard(key=f"brief/{number}", expires_at=START)),
            ),
            trace_id=f"trace-{number}",
        )
        store.mark_attempt(f"effect/{store.epoch}/{number}")
        store.put_document(f"document/{number % 5}", absent(number))
        store.next_number("trade")
        store.commit()


def everything(store: SqliteStore) -> dict[str, Any]:
    """Give all a store can tell, and undo what asking changed."""
    told: dict[str, Any] = {stream: store.load(stream) for stream in STREAMS}
    told["unsettled"] = store.unsettled(DESTINATION, 1000)
    told["register"] = store.register("trade", live_only=False, account=None)
    told["live"] = store.register("trade", live_only=True, account="main")
    told["documents"] = [store.document(f"document/{number}") for number in range(5)]
    told["guards"] = [store.use_guards([Guard(key=f"guard/{number}")]) for number in range(60)]
    told["counter"] = store.next_number("trade")
    told["installation"] = store.installation
    store.rollback()
    return told
