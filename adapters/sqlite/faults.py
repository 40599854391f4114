"""A failing disk: the connection as SQLite behaves on it, for simulations and tests.

Enters: what is wrong with the disk, switched from outside. Leaves: SQLite's own errors, at the commit, with the
transaction rolled back as SQLite does. Stays out: when and how long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Trouble(Enum):
    """What a disk has against a commit: SQLite's words and its extended result code."""

    FULL = ("database or disk is full", sqlite3.SQLITE_FULL)
    READ_ONLY = ("attempt to write a readonly database", sqlite3.SQLITE_READONLY)
    WRITE_FAILS = ("disk I/O error", sqlite3.SQLITE_IOERR_WRITE)
    SYNC_FAILS = ("disk I/O error", sqlite3.SQLITE_IOERR_FSYNC)


@dataclass(slots=True)
class Disk:
    """One simulated disk."""

    trouble: Trouble | None = None
    on_refusal: Callable[[Trouble], None] = lambda _trouble: None

    def connection_type(self) -> type[sqlite3.Connection]:
        """Give the type of a connection whose commits this disk may refuse."""
        disk = self

        class OnThisDisk(sqlite3.Connection):
            def __init__(self, *place: Any, **how: Any) -> None:
                # A lock of another run is found at once: SQLite would wait for it in real time.
                super().__init__(*place, **{**how, "timeout": 0.0})

            def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
                if statement == "COMMIT" and disk.trouble is not None:
                    disk.on_refusal(disk.trouble)
                    super().execute("ROLLBACK")
                    raise _error(disk.trouble)
                return super().execute(statement, *parameters)

        return OnThisDisk


def _error(trouble: Trouble) -> sqlite3.OperationalError:
    words, code = trouble.value
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error
