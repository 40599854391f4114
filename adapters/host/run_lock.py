"""The run lock: one daemon for a state folder, held by the kernel and lost with the process.

flock on a descriptor that is opened once and never unlinked. A kill -9 frees it; exec'd and forked children do not keep
it. A lock file that somebody deletes or replaces lets a second daemon in, so the holder compares the file behind its
descriptor with the one at the path before every request it sends (FencePort). The store's epoch is the second line.
"""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from actors.errors import Fenced

_ATTEMPTS = 10  # against a lock file that is deleted between opening and locking


class LockedByAnother(Exception):
    """Another daemon holds the folder (exit 75). pid None: it has not written down who it is."""

    def __init__(self, path: Path, *, pid: int | None, started: str | None) -> None:
        holder = f"process {pid}, started {started}" if pid is not None else "another process"
        super().__init__(
            f"{path.parent} is held by {holder}: stop that daemon first, or name another folder with --state"
        )
        self.pid = pid
        self.started = started


class RunLock:
    """The lock while it is held. Any thread may `check`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._file_path = str(path)
        self._descriptor: int | None = descriptor
        self._inode = _inode_of(os.fstat(descriptor))
        self._moved_on: Callable[[], bool] | None = None  # says whether the store has gone on to a later epoch
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path, *, pid: int, started: datetime, boot_id: str) -> Self:
        """Take the lock without waiting, and write down who holds it.

        Raises:
            LockedByAnother: somebody else has it; the message names them.
            OSError: the file cannot be made.

        """
        for _ in range(_ATTEMPTS):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(descriptor)
                os.close(descriptor)
                raise LockedByAnother(path, pid=holder[0], started=holder[1]) from None
            if _inode_at(str(path)) == _inode_of(os.fstat(descriptor)):
                body = json.dumps({"pid": pid, "started": started.isoformat(), "boot_id": boot_id}).encode()
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, body, 0)
                return cls(path, descriptor)
            os.close(descriptor)  # the file was deleted meanwhile: what is locked here guards nothing
        raise LockedByAnother(path, pid=None, started=None)

    def also_watch(self, moved_on: Callable[[], bool]) -> None:
        """Count as fenced, too, when this says that a later run has begun."""
        self._moved_on = moved_on

    def check(self) -> None:
        """Raise Fenced when the lock at the path is not the one held here any more."""
        if self._descriptor is None:
            raise Fenced(f"the run lock {self._path} was released: nothing more is sent")
        there = _inode_at(self._file_path)
        if there is None:
            raise Fenced(f"the run lock {self._path} is gone: nothing more is sent")
        if there != self._inode:
            raise Fenced(f"the run lock {self._path} was replaced, another daemon may be running: nothing more is sent")
        if self._moved_on is not None and self._moved_on():
            raise Fenced("a later run holds the state: nothing more is sent")

    def release(self) -> None:
        """Let go. The file stays, so that no second one can be locked beside it. Twice is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A forked child shares the open file and would keep the lock alive after us: close its copy."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)


def _inode_of(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _inode_at(path: str) -> tuple[int, int] | None:
    try:
        return _inode_of(os.stat(path))  # noqa: PTH116 - before every request: a Path takes several times as long
    except OSError:
        return None


def _read(descriptor: int) -> tuple[int | None, str | None]:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return int(holder["pid"]), str(holder["started"])
    except (ValueError, KeyError, TypeError, OSError):
        return None, None
