"""Damage to the files: noticed, or without effect. Never wrong rows that nobody notices."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.errors import Denied, OutsideError, StateDamaged
from actors.messages.storing import Append
from adapters.sqlite.commit_mark import read_mark
from adapters.sqlite.schema import MIGRATIONS
from tests.adapters.sqlite.conftest import StateFolder, absent, everything, fill

FLIPS = 200


def told_after(folder: StateFolder) -> dict[str, Any] | OutsideError:
    """Open, read everything, close; or give the error that kept a reader from wrong rows."""
    try:
        store = folder.open()
    except OutsideError as error:
        return error
    try:
        return everything(store)
    except OutsideError as error:
        return error
    finally:
        store.close()


def with_flipped_bit(clean: bytes, rng: random.Random, low: int = 0) -> bytes:
    damaged = bytearray(clean)
    damaged[rng.randrange(low, len(clean))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def test_a_flipped_bit_in_the_database_is_noticed_or_harmless(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 30)
    truth = everything(store)
    store.close()
    clean, mark = folder.store.read_bytes(), folder.mark.read_bytes()
    noticed = 0
    for seed in range(FLIPS):
        folder.store.write_bytes(with_flipped_bit(clean, random.Random(seed)))
        folder.mark.write_bytes(mark)
        told = told_after(folder)
        assert isinstance(told, OutsideError) or told == truth, f"seed {seed}: wrong rows, unnoticed"
        noticed += isinstance(told, OutsideError)
    assert noticed > FLIPS // 6  # the pages are full enough for the flips to have met rows


def test_a_flipped_letter_in_any_stored_text_names_its_row(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 8)
    store.close()
    clean, mark = folder.store.read_bytes(), folder.mark.read_bytes()
    for text, row in {
        b"SF7QK2C-7K3Q9X-E1-1000": "journal row trade/A 2",
        b"SF-effect/1/5": "outbox row effect/1/5",
    }.items():
        at = clean.rindex(text)
        folder.store.write_bytes(clean[:at] + bytes([clean[at] ^ 1]) + clean[at + 1 :])
        folder.mark.write_bytes(mark)
        with pytest.raises(StateDamaged, match=row):
            folder.open()


def test_a_flipped_bit_in_the_log_of_a_killed_run_is_noticed_or_harmless(
    folder: StateFolder, make_folder: Callable[[str], StateFolder]
) -> None:
    store = folder.open()
    fill(store, 12)
    truth = everything(store)
    crashed, damaged = make_folder("crashed"), make_folder("damaged")
    folder.copy_to(crashed)
    clean = crashed.log.read_bytes()
    assert len(clean) > 20_000
    noticed = 0
    for seed in range(FLIPS // 2):
        shutil.rmtree(damaged.path)
        crashed.copy_to(damaged)
        damaged.log.write_bytes(with_flipped_bit(clean, random.Random(seed)))
        told = told_after(damaged)
        assert isinstance(told, OutsideError) or told == truth, f"seed {seed}: wrong rows, unnoticed"
        noticed += isinstance(told, OutsideError)
    assert noticed > FLIPS // 4


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_log_is_noticed_because_the_mark_knows_of_more_commits(
    folder: StateFolder, make_folder: Callable[[str], StateFolder], kept: float
) -> None:
    store = folder.open()
    fill(store, 12)
    crashed = make_folder("crashed")
    folder.copy_to(crashed)
    log = crashed.log.read_bytes()
    crashed.log.write_bytes(log[: int(len(log) * kept)])
    told = told_after(crashed)
    assert isinstance(told, StateDamaged)


def test_a_whole_log_of_a_killed_run_is_folded_in(
    folder: StateFolder, make_folder: Callable[[str], StateFolder]
) -> None:
    store = folder.open()
    fill(store, 12)
    truth = everything(store)
    crashed = make_folder("crashed")
    folder.copy_to(crashed)
    assert told_after(crashed) == truth


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.95])
def test_a_cut_database_is_noticed(folder: StateFolder, kept: float) -> None:
    store = folder.open()
    fill(store, 12)
    store.close()
    whole = folder.store.read_bytes()
    folder.store.write_bytes(whole[: int(len(whole) * kept)])
    assert isinstance(told_after(folder), StateDamaged)


def test_a_damaged_store_is_left_as_it_was_found_its_log_included(
    folder: StateFolder, make_folder: Callable[[str], StateFolder]
) -> None:
    store = folder.open()
    fill(store, 12)
    crashed = make_folder("crashed")
    folder.copy_to(crashed)
    crashed.log.write_bytes(crashed.log.read_bytes()[:-20_000])
    before = {file.name: file.read_bytes() for file in crashed.path.iterdir()}
    assert isinstance(told_after(crashed), StateDamaged)
    after = {file.name: file.read_bytes() for file in crashed.path.iterdir() if not file.name.endswith("-shm")}
    assert after == before


def test_a_deleted_store_is_not_taken_for_a_new_one(folder: StateFolder) -> None:
    fill(folder.open(), 3)
    folder.opened[0].close()
    folder.store.unlink()
    with pytest.raises(StateDamaged, match=r"is gone, but 4 commits were acknowledged"):
        folder.open()
    assert not folder.store.exists()


def test_an_older_copy_put_in_place_is_noticed_until_the_mark_is_deleted(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    copy = folder.path / "copy.sqlite"
    store.backup(copy)
    for _ in range(3):
        store.next_number("trade")
        store.commit()
    store.close()
    copy.replace(folder.store)
    with pytest.raises(StateDamaged, match=rf"commit 7 of run 1 was acknowledged.*delete {folder.mark}"):
        folder.open()
    folder.mark.unlink()
    assert folder.open().load("trade/A").sequence == 2


def test_an_unreadable_mark_only_checks_less(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    truth = everything(store)
    store.close()
    clean = folder.mark.read_bytes()
    for seed in range(60):
        folder.mark.write_bytes(with_flipped_bit(clean, random.Random(seed)))
        assert told_after(folder) == truth
    again = folder.open()
    assert read_mark(folder.store) is not None
    again.close()


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE journal SET body = replace(body, 'E1-3', 'E1-2') WHERE position = 7", "journal row trade/A 3 fails"),
        ("DELETE FROM journal WHERE stream = 'trade/B' AND sequence = 2", "trade/B 3 follows row 1"),
        ("DELETE FROM journal WHERE stream = 'trade/B' AND sequence = 8", "trade/B does not end where"),
        ("DELETE FROM journal WHERE stream = 'trade/C'", "trade/C does not end where"),
        ("UPDATE streams SET length = length - 1 WHERE stream = 'trade/A'", "stream row trade/A fails"),
        ("DELETE FROM streams WHERE stream = 'trade/A'", "trade/A have no stream row"),
        ("UPDATE outbox SET settled_at = NULL WHERE number = 1 AND stream = 'trade/A'", "outbox row effect/1/0"),
        ("UPDATE outbox SET attempts = 0 WHERE effect_key = 'effect/1/3'", "outbox row effect/1/3"),
        ("DELETE FROM outbox WHERE effect_key = 'effect/1/3'", "outbox row effect/1/6"),
        ("DELETE FROM outbox WHERE effect_key = 'effect/1/11'", "outbox of trade/C does not end where"),
        ("UPDATE guards SET expires_at = '2020' WHERE guard_key = 'guard/2'", "guards row 'guard/2'"),
        ("UPDATE counters SET value = 1", "counters row 'trade'"),
        ("UPDATE register SET live = 0 WHERE stream = 'trade/B'", "register row 'trade/B'"),
        ("UPDATE documents SET name = 'x' WHERE name = 'document/1'", "document 'x'"),
        ("UPDATE identity SET epoch = 7", "identity row"),
        ("UPDATE runs SET pid = 1", "run 1"),
        ("DELETE FROM runs", "latest run's row is 0"),
        ("DELETE FROM identity", "latest run's row is 1"),
    ],
)
def test_a_changed_or_missing_row_is_named(folder: StateFolder, statement: str, words: str) -> None:
    fill(folder.open(), 12)
    folder.opened[0].close()
    execute(folder.store, statement)
    with pytest.raises(StateDamaged, match=words):
        folder.open()


@pytest.mark.parametrize(
    ("statement", "words", "error"),
    [
        ("PRAGMA user_version = 0", "definition of", StateDamaged),
        ("PRAGMA user_version = 9", f"version 9, this program knows versions up to {len(MIGRATIONS)}", Denied),
        ("PRAGMA application_id = 7", "not a Standfast store", StateDamaged),
        ("DROP INDEX register_by_kind", "definition of 'register_by_kind'", StateDamaged),
        ("CREATE TABLE extra (x)", "definition of 'extra'", StateDamaged),
    ],
)
def test_tables_unlike_those_of_the_version_are_refused(
    folder: StateFolder, statement: str, words: str, error: type[OutsideError]
) -> None:
    folder.open().close()
    execute(folder.store, statement)
    with pytest.raises(error, match=words):
        folder.open()


def test_a_file_that_is_no_database_is_refused_and_kept(folder: StateFolder) -> None:
    folder.store.write_text("dear diary, " * 1000)
    with pytest.raises(StateDamaged, match="malformed"):
        folder.open()
    assert folder.store.read_text().startswith("dear diary")


def test_a_database_of_another_program_is_refused(folder: StateFolder) -> None:
    execute(folder.store, "CREATE TABLE theirs (x)")
    with pytest.raises(StateDamaged, match="not a Standfast store"):
        folder.open()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE journal SET body = replace(body, 'E1-0', 'E1-9') WHERE position = 1", "row trade/A 1 .* its checksum"),
        ("DELETE FROM journal WHERE stream = 'trade/A' AND sequence = 2", "row trade/A 2 is missing"),
        ("DELETE FROM journal WHERE stream = 'trade/A' AND sequence = 4", "trade/A ends at row 3"),
        ("UPDATE outbox SET destination = 'x' WHERE effect_key = 'effect/1/3'", "outbox row effect/1/3"),
    ],
)
def test_a_row_damaged_under_a_running_store_is_found_when_it_is_read(
    folder: StateFolder, statement: str, words: str
) -> None:
    store = folder.open()
    fill(store, 6)
    execute(folder.store, statement)
    with pytest.raises(StateDamaged, match=words):
        store.load("trade/A")
    assert store.load("trade/B").sequence == 4


def test_a_flipped_letter_in_an_index_is_noticed_as_in_its_table(folder: StateFolder) -> None:
    """A guard that its index no longer finds would count as never used."""
    fill(folder.open(), 6)
    folder.opened[0].close()
    clean, mark = folder.store.read_bytes(), folder.mark.read_bytes()
    places = [at for at in range(len(clean)) if clean.startswith(b"guard/3", at)]
    assert len(places) == 2
    for at in places:
        folder.store.write_bytes(clean[: at + 6] + b"8" + clean[at + 7 :])
        folder.mark.write_bytes(mark)
        with pytest.raises(StateDamaged):
            folder.open()


def test_a_type_this_program_does_not_know_is_named(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from actors.messages import codec  # noqa: PLC0415 - the one test that reaches into the codec

    store = folder.open()
    monkeypatch.setattr(codec, "encode", lambda _: ("FactOfTomorrow", "{}"))
    store.append(Append(stream="trade/A", expected_sequence=0, facts=(absent(1),)))
    store.commit()
    with pytest.raises(StateDamaged, match="journal row trade/A 1 holds a FactOfTomorrow"):
        store.load("trade/A")
