"""Opening the store: connect, check, migrate, check again, and become the run that may write.

Enters: a path, the clock, random bytes, the run's facts. Stays out: reading and writing (store.py).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from actors.errors import StateDamaged, Unreachable
from actors.messages import registry  # noqa: F401 - the storable types must be registered before a row is read
from actors.messages.storing import Forgotten
from adapters.sqlite import instants
from adapters.sqlite.backups import back_up
from adapters.sqlite.commit_mark import Mark, MarkWriter, read_mark
from adapters.sqlite.error_classes import as_outside_error
from adapters.sqlite.guards import Guards
from adapters.sqlite.integrity import check_mark, check_rows, check_structure
from adapters.sqlite.runs import Run, Runs
from adapters.sqlite.schema import MIGRATIONS, Migration, check_schema, migrate, version_of
from adapters.sqlite.store import SqliteStore

BUSY_TIMEOUT_SECONDS = 5.0
FORGOTTEN = "runs that began with less than was acted on"  # a counter: the latest such run's epoch
_SETTINGS = (
    "foreign_keys = ON",
    "synchronous = FULL",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
    "cache_spill = OFF",  # a transaction that cannot be committed stays in memory, whole
    "wal_autocheckpoint = 8000",  # pages: SqliteStore.tidy comes first, unless there is never a quiet moment
)
_STRICT_TABLES_SINCE = (3, 37, 0)


def open_store(
    path: Path,
    *,
    clock: Callable[[], datetime],
    random_bytes: Callable[[int], bytes],
    run: Run,
    migrations: Sequence[Migration] = MIGRATIONS,
    connection_type: type[sqlite3.Connection] = sqlite3.Connection,
) -> SqliteStore:
    """Open the store, or make it; from here on older runs are fenced.

    Args:
        path: the file; its folder exists. Files beside it: `-wal`, `-shm` (SQLite's), `-mark`, and `backups/`.
        clock: gives aware instants.
        random_bytes: a source of randomness; used once, for a new store's installation.
        run: the process that opens.
        migrations: for tests.
        connection_type: of the one that writes; a simulation's fails on purpose (faults.py).

    Raises:
        StateDamaged: the file fails a check; nothing of it was changed.
        Unreachable: it cannot be opened or written.
        Denied: it was written by a later program.

    """
    if sqlite3.sqlite_version_info < _STRICT_TABLES_SINCE:
        raise Unreachable(f"SQLite {sqlite3.sqlite_version} is too old for the store; 3.37 or later is needed")
    with _classed(f"opening {path}"):
        _refuse_if_gone(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            _check_as_found(path, migrations)
        except sqlite3.Error as error:
            # A query of ours that fails on tables that are as they should be: the rows are not.
            raise as_outside_error(error, f"opening {path}") or StateDamaged(
                f"{path} cannot be read: {error}"
            ) from error
        with contextlib.ExitStack() as undo:
            connection = sqlite3.connect(
                path,
                isolation_level=None,
                timeout=BUSY_TIMEOUT_SECONDS,
                check_same_thread=False,
                cached_statements=256,
                factory=connection_type,
            )
            undo.callback(connection.close)
            _prepare(connection, path, migrations, clock)
            before = read_mark(path)
            mark = MarkWriter(path)
            undo.callback(mark.close)
            connection.execute("BEGIN IMMEDIATE")
            identity = Runs(connection).begin(run, at=instants.written(clock()), random_bytes=random_bytes)
            guards = Guards(connection)
            if before is not None and before.forgetful:
                guards.set_number(FORGOTTEN, identity.epoch)
            forgotten = _forgotten(connection)
            connection.execute("COMMIT")
            mark.write(Mark(identity.installation, identity.epoch, identity.commits))
            undo.pop_all()
        return SqliteStore(
            connection=connection, path=path, mark=mark, identity=identity, clock=clock, forgotten=forgotten
        )


def _forgotten(connection: sqlite3.Connection) -> Forgotten | None:
    epoch = Guards(connection).number(FORGOTTEN)
    return Forgotten(epoch=epoch, at=Runs(connection).began(epoch)) if epoch else None


@contextlib.contextmanager
def _classed(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        known = as_outside_error(error, doing)
        if known is None:
            raise
        raise known from error
    except OSError as error:
        raise Unreachable(f"{doing}: {error}") from error


def _refuse_if_gone(path: Path) -> None:
    if read_mark(path) is not None and (not path.exists() or path.stat().st_size == 0):
        raise _gone(path)


def _gone(path: Path) -> StateDamaged:
    mark = read_mark(path)
    commits = 0 if mark is None else mark.commits
    return StateDamaged(
        f"{path} is gone, but {commits} commits were acknowledged in it. Put a backup in its place, or, to begin "
        "anew, move the whole state folder away"
    )


def _check_as_found(path: Path, migrations: Sequence[Migration]) -> None:
    """Check on a connection that cannot write: a damaged store stays as it is, its log included, for the person."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_SECONDS
    )
    with contextlib.closing(connection):
        connection.execute("PRAGMA cell_size_check = ON")
        check_schema(connection, migrations)
        check_structure(connection)
        if version_of(connection) == 0 and read_mark(path) is not None:
            raise _gone(path)  # nothing of it ever left the log, and the log is gone
        if version_of(connection) == len(migrations):
            check_rows(connection)
            check_mark(connection, path)


def _prepare(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration], clock: Callable[[], datetime]
) -> None:
    """Make every commit durable before it returns, and bring the tables up to date.

    The connection may change threads (check_same_thread is off) because the store's actor may come back on another
    after a crash; SqliteStore itself admits one at a time.
    """
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Unreachable(f"{path}: this file system cannot keep a write-ahead log (journal mode stayed {mode!r})")

    def before_each(version: int) -> None:
        stamp = instants.written(clock()).replace(":", "").replace("-", "")[:15]
        back_up(connection, path.parent / "backups" / f"{path.stem}-v{version}-{stamp}Z.sqlite", check=None)

    found = version_of(connection)
    if migrate(connection, migrations=migrations, before_each=before_each) != found:
        check_rows(connection)
        check_mark(connection, path)
