"""Backups: a whole, checked copy of the store in one file, made while it is in use.

Enters: a store in use, or an open connection with nothing uncommitted. Stays out: when to make one.

A copy is read by a connection of its own in one snapshot: commits go on beside it, and it holds what was committed when
it began. Every row of the finished copy is checked; SQLite's own check would miss most flipped bits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from actors.errors import StateDamaged, Unreachable
from adapters.sqlite.error_classes import as_outside_error
from adapters.sqlite.integrity import check_rows, check_structure

SPARE_BYTES = 100 * 1024 * 1024  # a backup never takes the disk's last space
_STAMP = "%Y%m%dT%H%M%SZ"


def made(folder: Path) -> tuple[Path, ...]:
    """Give the finished copies in a folder, newest first by their names' instants."""
    return tuple(sorted(folder.glob("*.sqlite"), key=lambda each: each.stem.rpartition("-")[2], reverse=True))


def place_of(store: Path, folder: Path, now: datetime) -> Path:
    """Give the file of a copy of the store that is made now."""
    return folder / f"{store.stem}-{now.astimezone(UTC).strftime(_STAMP)}.sqlite"


class Backups:
    """ports.BackupPort: copies of one store in one folder. For one thread that may block."""

    def __init__(self, store: Path, *, folder: Path, clock: Callable[[], datetime], kept: int) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._kept = kept

    def back_up(self) -> str:
        """Make a copy, delete the oldest beyond those to be kept; give the new one's name.

        Copies made before a migration are never deleted.

        Raises:
            Unreachable: it could not be read or written, or too little space would be left.
            StateDamaged: the copy fails its check, so the store in use may be damaged. No file is left.

        """
        try:
            size = self._store.stat().st_size
            if shutil.disk_usage(self._store.parent).free < 2 * size + SPARE_BYTES:
                raise Unreachable(f"the disk has too little space left for a backup of {size} bytes")
            to = place_of(self._store, self._folder, self._clock())
            uri = f"{self._store.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
                back_up(source, to)
            for old in self._own()[self._kept :]:
                old.unlink()
        except sqlite3.Error as error:
            known = as_outside_error(error, "backing up")
            raise known or StateDamaged(f"backing up {self._store}: {error}") from error
        except OSError as error:
            raise Unreachable(f"backing up {self._store}: {error}") from error
        return to.name

    def age_seconds(self) -> float | None:
        """Give how old the newest copy is; None when there is none."""
        own = self._own()
        if not own:
            return None
        stamp = own[0].stem.rpartition("-")[2]
        return (self._clock() - datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)).total_seconds()

    def _own(self) -> list[Path]:
        length = len(f"{self._store.stem}-{self._clock().strftime(_STAMP)}")
        return [each for each in made(self._folder) if len(each.stem) == length]


def back_up(
    connection: sqlite3.Connection, to: Path, *, check: Callable[[sqlite3.Connection], None] | None = check_rows
) -> None:
    """Copy the store by SQLite's online backup, check the copy, then give it its name.

    The folder is made (0700) when missing; a file of that name is replaced only by a finished copy. `check` looks at
    its rows; None for a store of an older version, whose rows this program does not know.

    Raises:
        RuntimeError: something is uncommitted.
        StateDamaged: the copy fails its check; no file is left.

    """
    if connection.in_transaction:
        raise RuntimeError("a backup needs a store without an open transaction: commit first")
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = to.with_name(f"{to.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        _copy(connection, unfinished, check)
        sync(unfinished)
        unfinished.replace(to)
        sync(to.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(connection: sqlite3.Connection, to: Path, check: Callable[[sqlite3.Connection], None] | None) -> None:
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, without a log beside it
        check_structure(copy)
        if check is not None:
            check(copy)
    except StateDamaged as damage:
        raise StateDamaged(f"the backup {to.name} fails its check: {damage}") from damage
    finally:
        copy.close()


def sync(path: Path) -> None:
    """Have a file's or folder's content reach the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
