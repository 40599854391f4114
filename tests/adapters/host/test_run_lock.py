"""One daemon on one state folder: who holds it, when that ends, and how a holder learns that it no longer does."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.errors import Fenced
from adapters.host.run_lock import LockedByAnother, RunLock

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOLDER = """
import os, subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from adapters.host.run_lock import RunLock
lock = RunLock.acquire(Path(sys.argv[1]), pid=os.getpid(), started=datetime(2026, 3, 1, 12, tzinfo=UTC), boot_id="b")
print("held", flush=True)
if sys.argv[2] == "spawning":
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
if sys.argv[2] == "forking":
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.read(0, 1)
        os._exit(0)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lock"


def take(path: Path) -> RunLock:
    return RunLock.acquire(path, pid=os.getpid(), started=STARTED, boot_id="boot")


@contextmanager
def holder(path: Path, kind: str = "plain") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_daemon_is_told_who_holds_the_folder_and_since_when(path: Path) -> None:
    with holder(path) as first:
        with pytest.raises(LockedByAnother, match=rf"process {first.pid}, started 2026-03-01T12:00:00") as caught:
            take(path)
        assert (caught.value.pid, caught.value.started) == (first.pid, STARTED.isoformat())


def test_a_lock_is_refused_within_one_process_too_and_free_after_its_release(path: Path) -> None:
    lock = take(path)
    with pytest.raises(LockedByAnother):
        take(path)
    lock.release()
    lock.release()
    assert path.exists()
    take(path).release()


def test_kill_9_frees_the_lock(path: Path) -> None:
    with holder(path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        take(path).release()


@pytest.mark.parametrize("kind", ["spawning", "forking"])
def test_a_child_that_outlives_its_killed_parent_does_not_keep_the_lock(path: Path, kind: str) -> None:
    with holder(path, kind) as first:
        assert first.stdout is not None
        child = int(first.stdout.readline())
        first.send_signal(signal.SIGKILL)
        first.wait()
        try:
            os.kill(child, 0)  # it lives
            take(path).release()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_leaves_the_lock_with_its_parent(path: Path) -> None:
    with holder(path, "forking") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(LockedByAnother):
            take(path)


def test_a_holder_whose_file_was_deleted_is_fenced_even_if_nobody_else_came(path: Path) -> None:
    lock = take(path)
    lock.check()
    path.unlink()
    with pytest.raises(Fenced, match="is gone"):
        lock.check()
    lock.release()


def test_a_holder_whose_file_was_replaced_is_fenced_and_the_newcomer_is_not(path: Path) -> None:
    lock = take(path)
    path.unlink()
    newcomer = take(path)
    newcomer.check()
    with pytest.raises(Fenced, match="was replaced"):
        lock.check()
    for each in (lock, newcomer):
        each.release()


def test_a_file_deleted_between_opening_and_locking_is_not_taken_for_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    calls = iter(range(100))

    def flock(descriptor: int, how: int) -> None:
        if next(calls) == 0:
            path.unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = take(path)
    lock.check()
    with pytest.raises(LockedByAnother):
        take(path)
    lock.release()


def test_a_holder_is_fenced_once_a_later_run_has_begun(path: Path) -> None:
    lock = take(path)
    moved_on = False
    lock.also_watch(lambda: moved_on)
    lock.check()
    moved_on = True
    with pytest.raises(Fenced, match="a later run"):
        lock.check()
    lock.release()


def test_a_released_lock_fences_its_former_holder(path: Path) -> None:
    lock = take(path)
    lock.release()
    with pytest.raises(Fenced, match="released"):
        lock.check()


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"pid": "x"}', b"\xff\xfe"])
def test_an_unreadable_holder_is_named_as_another_process(path: Path, body: bytes) -> None:
    lock = take(path)
    path.write_bytes(body)
    with pytest.raises(LockedByAnother, match="held by another process") as caught:
        take(path)
    assert caught.value.pid is None
    lock.release()
