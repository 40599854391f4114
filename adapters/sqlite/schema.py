"""The tables, as numbered migrations, and the check that a file's tables are exactly the ones the migrations make.

Enters: a connection. Stays out: rows. A migration is never edited once released: a change is a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.errors import Denied, StateDamaged

APPLICATION_ID = 0x53464431  # "SFD1": a file that is not ours is refused before anything is read


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; applied whole or not at all."""

    number: int  # 1 and up, without gaps
    about: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "identity, runs, streams, journal, outbox, register, guards, counters, documents",
        (
            """CREATE TABLE identity (
                one INTEGER PRIMARY KEY CHECK (one = 1),
                installation TEXT NOT NULL,
                made_at TEXT NOT NULL,
                epoch INTEGER NOT NULL,
                commits INTEGER NOT NULL,
                checksum BLOB NOT NULL
            ) STRICT""",
            """CREATE TABLE runs (
                epoch INTEGER PRIMARY KEY,
                pid INTEGER NOT NULL,
                boot_id TEXT NOT NULL,
                started_at TEXT NOT NULL,
                sqlite_version TEXT NOT NULL,
                checksum BLOB NOT NULL
            ) STRICT""",
            """CREATE TABLE streams (
                stream TEXT NOT NULL PRIMARY KEY,
                length INTEGER NOT NULL,
                head BLOB NOT NULL,
                promised INTEGER NOT NULL,
                outbox_head BLOB NOT NULL,
                pruned INTEGER NOT NULL,
                outbox_anchor BLOB NOT NULL,
                checksum BLOB NOT NULL
            ) STRICT""",
            """CREATE TABLE journal (
                position INTEGER PRIMARY KEY,
                stream TEXT NOT NULL REFERENCES streams (stream) DEFERRABLE INITIALLY DEFERRED,
                sequence INTEGER NOT NULL,
                kind TEXT NOT NULL,
                body TEXT NOT NULL,
                trace_id TEXT NOT NULL,
                recorded_at TEXT NOT NULL,
                epoch INTEGER NOT NULL REFERENCES runs (epoch),
                checksum BLOB NOT NULL,
                UNIQUE (stream, sequence)
            ) STRICT""",
            """CREATE TABLE outbox (
                position INTEGER PRIMARY KEY,
                effect_key TEXT NOT NULL UNIQUE,
                stream TEXT NOT NULL REFERENCES streams (stream) DEFERRABLE INITIALLY DEFERRED,
                number INTEGER NOT NULL,
                sequence INTEGER NOT NULL,
                destination TEXT NOT NULL,
                owner TEXT NOT NULL,
                kind TEXT NOT NULL,
                body TEXT NOT NULL,
                trace_id TEXT NOT NULL,
                promised_at TEXT NOT NULL,
                epoch INTEGER NOT NULL REFERENCES runs (epoch),
                previous BLOB NOT NULL,
                checksum BLOB NOT NULL,
                attempts INTEGER NOT NULL,
                settled_at TEXT,
                note TEXT NOT NULL,
                state_checksum BLOB NOT NULL,
                UNIQUE (stream, number)
            ) STRICT""",
            "CREATE INDEX outbox_unsettled ON outbox (destination, position) WHERE settled_at IS NULL",
            "CREATE INDEX outbox_unsettled_of_stream ON outbox (stream, number) WHERE settled_at IS NULL",
            """CREATE TABLE register (
                stream TEXT NOT NULL PRIMARY KEY REFERENCES streams (stream) DEFERRABLE INITIALLY DEFERRED,
                kind TEXT NOT NULL,
                account TEXT NOT NULL,
                symbol TEXT NOT NULL,
                number INTEGER NOT NULL,
                label TEXT NOT NULL,
                live INTEGER NOT NULL CHECK (live IN (0, 1)),
                checksum BLOB NOT NULL
            ) STRICT""",
            "CREATE INDEX register_by_kind ON register (kind, live, number)",
            """CREATE TABLE guards (
                guard_key TEXT NOT NULL PRIMARY KEY,
                used_at TEXT NOT NULL,
                expires_at TEXT,
                checksum BLOB NOT NULL
            ) STRICT""",
            """CREATE TABLE counters (
                name TEXT NOT NULL PRIMARY KEY,
                value INTEGER NOT NULL,
                checksum BLOB NOT NULL
            ) STRICT""",
            """CREATE TABLE documents (
                name TEXT NOT NULL PRIMARY KEY,
                kind TEXT NOT NULL,
                body TEXT NOT NULL,
                saved_at TEXT NOT NULL,
                checksum BLOB NOT NULL
            ) STRICT""",
        ),
    ),
    Migration(
        2,
        "an index of how trades began and ended, for the guards",
        ("CREATE INDEX journal_turns ON journal (stream, recorded_at) WHERE kind IN ('TradeOpened', 'TradeClosed')",),
    ),
)


def version_of(connection: sqlite3.Connection) -> int:
    """Give the number of the last migration applied; 0 for a new file."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def migrate(
    connection: sqlite3.Connection, *, migrations: Sequence[Migration], before_each: Callable[[int], None]
) -> int:
    """Apply what is missing, each step in a transaction of its own; give the version reached.

    `before_each` is called with the version about to be left (not for a new file, which has nothing to lose).

    Raises:
        Denied: the file was written by a later program.

    """
    found = reached = version_of(connection)
    if reached > len(migrations):
        raise Denied(
            f"the store is of version {reached}, this program knows versions up to {len(migrations)}: "
            "run the program that wrote it, or a later one"
        )
    for step in migrations[reached:]:
        if found:
            before_each(reached)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in step.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        reached = step.number
    return reached


def check_schema(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Compare the file's tables with what the migrations up to its version make.

    A flipped letter in a stored table definition changes the meaning of every row below it.

    Raises:
        StateDamaged: not our file, a version without its tables, or a definition that differs.

    """
    version = version_of(connection)
    found = _definitions(connection)
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if version == 0 and not found and application_id == 0:
        return
    if application_id != APPLICATION_ID:
        raise StateDamaged(f"the file is not a Standfast store: its application id is {application_id:#x}")
    if version > len(migrations):
        return  # of a later program; `migrate` says so
    with_all = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(with_all, migrations=migrations[:version], before_each=lambda _: None)
        expected = _definitions(with_all)
    finally:
        with_all.close()
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise StateDamaged(f"the store's definition of {name!r} is not that of version {version}")


def _definitions(connection: sqlite3.Connection) -> dict[str, tuple[str, str, str | None]]:
    rows = connection.execute("SELECT name, type, tbl_name, sql FROM sqlite_schema").fetchall()
    return {name: (kind, table, text) for name, kind, table, text in rows if name != "sqlite_stat1"}
