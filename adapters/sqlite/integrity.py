"""The check at start: the file's own structure, every row's checksum, every chain, and the commit mark.

Enters: a connection to a file of the current version. Stays out: repairs; a damaged store is for the person.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from actors.errors import StateDamaged
from adapters.sqlite.commit_mark import mark_path, read_mark
from adapters.sqlite.guards import Guards
from adapters.sqlite.journal import Journal
from adapters.sqlite.outbox import Outbox
from adapters.sqlite.runs import Runs
from adapters.sqlite.shelves import Documents, Register

_SAFE_SINCE = (3, 51, 3)
_BACKPORTS = ((3, 50, 7), (3, 44, 6))


def check_structure(connection: sqlite3.Connection) -> None:
    """Raise StateDamaged when SQLite itself finds pages, indexes or types out of order."""
    faults = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    if faults != ["ok"]:
        raise StateDamaged(f"the store's pages are damaged: {'; '.join(faults)}")


def check_rows(connection: sqlite3.Connection) -> None:
    """Raise StateDamaged for the first row, of any table, that is changed, missing or out of its chain."""
    journal = Journal(connection)
    Runs(connection).check_rows()
    journal.check_chains()
    Outbox(connection).check_chains(tuple(journal.heads()))
    Guards(connection).check_rows()
    Register(connection).check_rows()
    Documents(connection).check_rows()


def check_mark(connection: sqlite3.Connection, store: Path) -> None:
    """Raise StateDamaged when the store holds fewer commits than were acknowledged."""
    mark = read_mark(store)
    if mark is None:
        return
    identity = Runs(connection).identity()
    epoch, commits = (0, 0) if identity is None else (identity.epoch, identity.commits)
    if (epoch, commits) < (mark.epoch, mark.commits):
        raise StateDamaged(
            f"{store.name} ends at commit {commits} of run {epoch}, but commit {mark.commits} of run {mark.epoch} was "
            "acknowledged: the newest part is lost, or an older copy was put in its place. If that copy is meant, "
            f"delete {mark_path(store)} and start again; orders sent since then will show as strays"
        )


LIBRARY_VERSION = sqlite3.sqlite_version


def library_note(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """Name the SQLite library in use and the one known fault that concerns us; for the health check.

    Source: sqlite.org/wal.html, the WAL-reset bug: fixed in 3.51.3, 3.50.7 and 3.44.6.
    """
    name = f"SQLite {'.'.join(map(str, version))}"
    if version >= _SAFE_SINCE or any(version[:2] == fixed[:2] and version >= fixed for fixed in _BACKPORTS):
        return name
    return (
        f"{name}: before 3.51.3 two connections that write or checkpoint at the same time can, rarely, damage the "
        "file. Standfast uses one connection; keep other programs off a store in use"
    )
