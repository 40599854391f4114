"""A disk that is full, read-only, busy or failing: a clear error, no half of a group, and nothing acted upon lost."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from actors.errors import Fenced, OutsideError, Unreachable
from actors.messages.storing import Append, Forgotten
from adapters.sqlite import opening
from adapters.sqlite import store as store_module
from adapters.sqlite.commit_mark import read_mark
from adapters.sqlite.faults import Disk, Trouble
from adapters.sqlite.store import SqliteStore
from tests.adapters.sqlite.conftest import StateFolder, absent, effect, everything, fill


def append_one(store: SqliteStore, stream: str, number: int) -> None:
    store.append(
        Append(stream=stream, expected_sequence=number, facts=(absent(number),), effects=(effect(f"{stream}{number}"),))
    )


def append_many(store: SqliteStore, stream: str, numbers: range) -> None:
    for number in numbers:
        append_one(store, stream, number)


def test_a_database_that_may_not_grow_gives_up_the_whole_group_and_goes_on_after_a_rollback(
    folder: StateFolder,
) -> None:
    store = folder.open()
    append_one(store, "trade/A", 0)
    store.commit()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unreachable, match=r"append to trade/A: the disk .* is full"):
        append_many(store, "trade/A", range(1, 10_000))
    for refused in (store.commit, lambda: append_one(store, "trade/B", 0), lambda: store.settle("x", "")):
        with pytest.raises(Unreachable, match="Nothing since the last commit is kept"):
            refused()
    store.rollback()
    assert store.load("trade/A").sequence == 1
    store._db.execute("PRAGMA max_page_count = 1000000")
    append_one(store, "trade/A", 1)
    store.commit()
    store.close()
    assert folder.open().load("trade/A").sequence == 2


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let the operating system refuse longer files, as a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_group_whose_commit_the_disk_refuses_stays_readable_and_is_committed_in_order_when_it_works(
    folder: StateFolder,
) -> None:
    store = folder.open()
    fill(store, 6)
    known = store.load("trade/A").sequence
    append_one(store, "trade/A", known)
    with files_no_longer_than(folder.log.stat().st_size + 100):
        for number in range(1, 5):
            with pytest.raises(Unreachable, match="commit: the disk"):
                store.commit()
            assert store.load("trade/A").sequence == known + number
            append_one(store, "trade/A", known + number)
    commits = read_mark(folder.store)
    store.commit()
    after = read_mark(folder.store)
    assert commits is not None
    assert after is not None
    assert after.commits == commits.commits + 1
    told = everything(store)
    store.close()
    reopened = folder.open()
    assert everything(reopened) == told
    assert reopened.load("trade/A").sequence == known + 5


def test_a_rollback_goes_back_to_what_was_acted_upon_and_no_further(folder: StateFolder) -> None:
    store = folder.open()
    fill(store, 3)
    known = store.load("trade/A").sequence
    append_one(store, "trade/A", known)
    with files_no_longer_than(folder.log.stat().st_size + 100), pytest.raises(Unreachable):
        store.commit()
    store.hold()
    assert store.held == 1
    append_one(store, "trade/A", known + 1)
    store.rollback()
    assert store.load("trade/A").sequence == known + 1
    store.commit()
    assert store.held == 0
    store.close()
    assert folder.open().load("trade/A").sequence == known + 1


def test_a_run_that_ends_with_more_acted_upon_than_is_durable_is_noticed_by_every_later_one(
    folder: StateFolder, make_folder: Callable[[str], StateFolder]
) -> None:
    store = folder.open()
    fill(store, 3)
    assert store.forgotten is None
    append_one(store, "trade/A", store.load("trade/A").sequence)
    store.hold()
    died = make_folder("died")
    folder.copy_to(died)
    second = died.open()
    assert second.forgotten == Forgotten(epoch=second.epoch, at=died.now)
    second.close()
    assert died.open().forgotten == second.forgotten
    store.commit()
    store.close()
    assert folder.open().forgotten is None


def test_a_file_that_cannot_be_written_is_named(folder: StateFolder) -> None:
    store = folder.open()
    append_one(store, "trade/A", 0)
    store.commit()
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(Unreachable, match="append to trade/A: the file cannot be written"):
        append_one(store, "trade/A", 1)
    store._db.execute("PRAGMA query_only = OFF")
    store.rollback()
    append_one(store, "trade/A", 1)
    store.commit()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble.FULL, "is full"),
        (Trouble.READ_ONLY, "cannot be written"),
        (Trouble.WRITE_FAILS, "failed to read or write"),
        (Trouble.SYNC_FAILS, "failed to read or write"),
    ],
)
def test_whatever_the_disk_has_against_a_commit_nothing_of_it_is_lost(
    folder: StateFolder, trouble: Trouble, words: str
) -> None:
    disk = Disk()
    store = folder.open(connection_type=disk.connection_type())
    disk.trouble = trouble
    for number in range(4):
        append_one(store, "trade/A", number)
        with pytest.raises(Unreachable, match=words):
            store.commit()
    disk.trouble = None
    store.commit()
    store.close()
    assert folder.open().load("trade/A").sequence == 4


def test_a_store_that_another_program_holds_is_unreachable_after_the_timeout(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_SECONDS", 0.05)
    store = folder.open()
    append_one(store, "trade/A", 0)
    with pytest.raises(Unreachable, match=r"opening .*store.sqlite: another process holds the store"):
        folder.open()
    store.commit()
    with closing(sqlite3.connect(folder.store, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable, match="append to trade/A: another process holds the store"):
            append_one(store, "trade/A", 1)
    store.rollback()
    append_one(store, "trade/A", 1)
    store.commit()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_whose_file_was_taken_away_is_fenced_before_it_acknowledges_anything(
    folder: StateFolder, *, replaced: bool
) -> None:
    store = folder.open()
    append_one(store, "trade/A", 0)
    store.commit()
    whole = folder.store.read_bytes()
    folder.store.unlink()
    if replaced:
        folder.store.write_bytes(whole)
    with pytest.raises(Fenced, match="is not the file this run opened"):
        append_one(store, "trade/A", 1)


def test_a_folder_that_is_not_there_is_named(folder: StateFolder) -> None:
    folder.path.rmdir()
    with pytest.raises(OutsideError, match=r"opening .*No such file or directory"):
        folder.open()


def test_a_second_thread_waits_its_turn_and_gives_up_with_a_sentence(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "TURN_SECONDS", 0.05)
    store = folder.open()
    inside, go_on = threading.Event(), threading.Event()

    def stay() -> None:
        with store._calling("stay inside"):
            inside.set()
            go_on.wait(5)

    stuck = threading.Thread(target=stay)
    stuck.start()
    try:
        assert inside.wait(5)
        with pytest.raises(Unreachable, match="another thread has been inside"):
            store.load("trade/A")
    finally:
        go_on.set()
        stuck.join()
    assert store.load("trade/A").sequence == 0


def test_closing_does_not_wait_for_ever_for_a_thread_that_hangs_inside(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "TURN_SECONDS", 0.05)
    store = folder.open()
    inside, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def stay() -> None:
        with contextlib.suppress(Unreachable), store._calling("stay inside"):
            inside.set()
            go_on.wait(5)

    def close() -> None:
        store.close()
        closed.set()

    stuck, closing = threading.Thread(target=stay), threading.Thread(target=close)
    stuck.start()
    try:
        assert inside.wait(5)
        closing.start()
        assert closed.wait(2)
        with pytest.raises(Unreachable):  # nobody else gets in either: the run is over
            store.load("trade/A")
    finally:
        go_on.set()
        stuck.join()
        closing.join()
    store.close()
