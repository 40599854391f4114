"""Migrations, backups, pruning, runs and the notes a store gives about itself."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from actors.errors import Denied
from actors.messages.storing import Append, Guard
from adapters.sqlite.checksums import START as CHAIN_START
from adapters.sqlite.checksums import row_checksum
from adapters.sqlite.integrity import library_note
from adapters.sqlite.schema import MIGRATIONS, Migration
from tests.adapters.sqlite.conftest import DESTINATION, START, StateFolder, absent, effect, everything, fill

NOW = len(MIGRATIONS)  # the version this program makes
NEXT = Migration(
    NOW + 1, "a place for notes", ("CREATE TABLE notes (note TEXT) STRICT", "INSERT INTO notes VALUES ('x')")
)
AFTER_NEXT = Migration(NOW + 2, "more", ("ALTER TABLE notes ADD COLUMN more TEXT",))
FAILING = Migration(
    NOW + 2, "fails half way", ("CREATE TABLE half (x TEXT) STRICT", "CREATE TABLE half (x TEXT) STRICT")
)


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def backups(folder: StateFolder) -> list[str]:
    kept = folder.path / "backups"
    return sorted(file.name for file in kept.iterdir()) if kept.exists() else []


# --- migrations -----------------------------------------------------------------------------------------------------
def test_a_new_store_is_made_in_all_steps_without_a_backup_of_nothing(folder: StateFolder) -> None:
    folder.open(migrations=(*MIGRATIONS, NEXT)).close()
    assert query(folder.store, "PRAGMA user_version") == [(NOW + 1,)]
    assert backups(folder) == []


def test_each_step_of_a_migration_follows_a_backup_and_keeps_every_row(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 10)
    truth = everything(store)
    store.close()
    later = folder.open(migrations=(*MIGRATIONS, NEXT, AFTER_NEXT))
    assert everything(later) == truth
    later.close()
    assert query(folder.store, "SELECT note, more FROM notes") == [("x", None)]
    assert backups(folder) == [f"store-v{NOW + step}-20260301T120000Z.sqlite" for step in (0, 1)]
    assert query(folder.path / "backups" / backups(folder)[0], "PRAGMA user_version") == [(NOW,)]


def test_a_failing_step_leaves_the_steps_before_it_and_no_half_of_itself(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 10)
    truth = everything(store)
    store.close()
    with pytest.raises(sqlite3.OperationalError, match="half already exists"):
        folder.open(migrations=(*MIGRATIONS, NEXT, FAILING))
    assert query(folder.store, "PRAGMA user_version") == [(NOW + 1,)]
    assert query(folder.store, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    again = folder.open(migrations=(*MIGRATIONS, NEXT))
    assert everything(again) == truth


def test_a_store_of_a_later_program_is_refused_and_unchanged(folder: StateFolder) -> None:
    folder.open(migrations=(*MIGRATIONS, NEXT)).close()
    before = folder.store.read_bytes()
    with pytest.raises(Denied, match=f"version {NOW + 1}, this program knows versions up to {NOW}"):
        folder.open()
    assert folder.store.read_bytes() == before


def test_the_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_checksums_of_stored_rows_never_change_their_recipe() -> None:
    assert row_checksum("counters", "trade", 1).hex() == "1c598adc8f48cad09effede39bc7a9d4"
    assert row_checksum("journal", CHAIN_START, "trade/Ä", None).hex() == "3112a5fbae4154a6ecad7bba2cfac51c"


# --- backups --------------------------------------------------------------------------------------------------------
def test_a_backup_is_one_owner_only_file_that_opens_as_a_store_of_that_moment(
    folder: StateFolder, make_folder: Callable[[str], StateFolder]
) -> None:
    store = folder.open()
    fill(store, 10)
    truth = everything(store)
    copy = make_folder("copy")
    store.backup(copy.store)
    store.next_number("trade")
    store.commit()
    assert [file.name for file in copy.path.iterdir()] == ["store.sqlite"]
    assert stat.S_IMODE(copy.store.stat().st_mode) == 0o600
    assert everything(copy.open()) == truth


def test_a_backup_of_something_uncommitted_is_a_mistake(folder: StateFolder) -> None:
    store = folder.open()
    store.next_number("trade")
    with pytest.raises(RuntimeError, match="commit first"):
        store.backup(folder.path / "copy.sqlite")


# --- pruning --------------------------------------------------------------------------------------------------------
def test_pruning_deletes_what_was_settled_or_expired_long_ago_and_the_chains_stay_whole(folder: StateFolder) -> None:
    store = folder.open()
    effects = tuple(effect(key) for key in "abcd")
    guards = (Guard(key="brief", expires_at=START + timedelta(hours=1)), Guard(key="for ever"))
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), effects=effects, guards=guards))
    for key in "abd":
        store.settle(key, "")
    store.commit()
    folder.now += timedelta(days=40)
    store.append(Append(stream="trade/B", expected_sequence=0, facts=(), effects=(effect("e"),)))
    store.settle("e", "")
    assert store.prune(before=START + timedelta(days=30)) == 3  # a, b and the brief guard; c is open, d follows it
    store.commit()
    assert store.prune(before=START + timedelta(days=30)) == 0
    store.commit()
    store.close()
    again = folder.open()
    assert [each.effect.key for each in again.unsettled(DESTINATION, 10)] == ["c"]
    again.settle("c", "")
    again.append(Append(stream="trade/A", expected_sequence=1, facts=(), effects=(effect("f"),)))
    assert again.prune(before=folder.now + timedelta(days=1)) == 3  # c, d, e
    again.commit()
    again.close()
    assert [each.effect.key for each in folder.open().unsettled(DESTINATION, 10)] == ["f"]
    assert query(folder.store, "SELECT effect_key FROM outbox") == [("f",)]


def test_pruning_keeps_what_was_settled_at_the_very_instant(folder: StateFolder) -> None:
    store = folder.open()
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=(effect("a"),)))
    store.settle("a", "")
    assert store.prune(before=START) == 0
    assert store.prune(before=START + timedelta(microseconds=1)) == 1


def test_the_first_settlement_of_an_effect_stands(folder: StateFolder) -> None:
    store = folder.open()
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(), effects=(effect("a"),)))
    store.settle("a", "filled")
    folder.now += timedelta(minutes=1)
    store.settle("a", "again")
    store.commit()
    assert query(folder.store, "SELECT settled_at, note FROM outbox") == [
        ("2026-03-01T12:00:00.000000+00:00", "filled")
    ]


# --- runs, marks, notes -----------------------------------------------------------------------------------------------
def test_an_older_run_sees_that_it_is_no_longer_the_latest_without_touching_the_store(folder: StateFolder) -> None:
    older = folder.open()
    assert older.epoch_is_latest()
    newer = folder.open()
    assert not older.epoch_is_latest()
    assert newer.epoch_is_latest()


def test_a_run_is_recorded_with_its_process_and_library(folder: StateFolder) -> None:
    folder.open().close()
    rows = query(folder.store, "SELECT epoch, pid, boot_id, started_at, sqlite_version FROM runs")
    assert rows == [(1, 4711, "boot", "2026-03-01T12:00:00.000000+00:00", sqlite3.sqlite_version)]


def test_the_trace_of_a_fact_and_of_an_effect_is_kept(folder: StateFolder) -> None:
    store = folder.open()
    store.append(
        Append(stream="trade/A", expected_sequence=0, facts=(absent(1),), effects=(effect("a"),)), trace_id="tap-17"
    )
    store.commit()
    assert query(folder.store, "SELECT trace_id FROM journal UNION ALL SELECT trace_id FROM outbox") == [
        ("tap-17",),
        ("tap-17",),
    ]


def test_the_files_are_the_owners_only(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 1)
    for file in (folder.store, folder.mark, folder.log):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_a_commit_is_durable_before_it_returns(folder: StateFolder) -> None:
    store = folder.open()
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


@pytest.mark.parametrize(
    ("version", "noted"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 9), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_a_library_with_the_known_fault_says_so(version: tuple[int, int, int], *, noted: bool) -> None:
    assert ("two connections" in library_note(version)) is noted
    assert library_note(version).startswith(f"SQLite {version[0]}.{version[1]}.{version[2]}")
