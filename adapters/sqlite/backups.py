"""Backups: a whole, checked copy of the store in one file, made while it is in use.

Enters: an open connection with nothing uncommitted. Stays out: when to make one, how many to keep.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from actors.errors import StateDamaged


def back_up(connection: sqlite3.Connection, to: Path) -> None:
    """Copy the store by SQLite's online backup, check the copy, then give it its name.

    The folder is made (0700) when missing; a file of that name is replaced only by a finished copy.

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
        _copy(connection, unfinished)
        _sync(unfinished)
        unfinished.replace(to)
        _sync(to.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(connection: sqlite3.Connection, to: Path) -> None:
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, without a log beside it
        faults = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        copy.close()
    if faults != "ok":
        raise StateDamaged(f"the backup {to.name} fails its check: {faults}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
