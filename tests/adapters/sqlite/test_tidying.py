"""The log is written back in a quiet moment, not within some commit; a disk that refuses has lost nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from actors.messages.storing import Append
from adapters.sqlite.store import TIDY_COMMITS, SqliteStore
from tests.adapters.sqlite.conftest import StateFolder, absent


def commit(store: SqliteStore, numbers: range) -> None:
    for number in numbers:
        store.append(Append(stream="trade/A", expected_sequence=number, facts=(absent(number),)))
        store.commit()


def in_the_file(folder: StateFolder, store: SqliteStore) -> int:
    """Count the facts that are there without the log."""
    alone = folder.path / "alone.sqlite"
    alone.write_bytes(store.path.read_bytes())
    with closing(sqlite3.connect(f"{alone.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    return int(count)


def test_many_commits_are_written_back_when_asked_and_not_before(folder: StateFolder) -> None:
    store = folder.open()
    store.tidy()
    commit(store, range(TIDY_COMMITS))
    assert store.untidy
    assert in_the_file(folder, store) == 0
    store.tidy()
    assert not store.untidy
    assert in_the_file(folder, store) == TIDY_COMMITS


def test_what_is_not_committed_is_not_disturbed(folder: StateFolder) -> None:
    store = folder.open()
    commit(store, range(3))
    store.append(Append(stream="trade/A", expected_sequence=3, facts=(absent(3),)))
    store.tidy()
    store.commit()
    assert len(store.load("trade/A").facts) == 4
