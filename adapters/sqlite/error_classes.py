"""SQLite's errors as ours: what the caller may do next decides the class.

Enters: sqlite3.Error as raised. Stays out: any repeat. Full, read-only, busy and failing disks leave nothing written
(Unreachable); a malformed file is StateDamaged; anything else is our own mistake and goes up as it is.
"""

from __future__ import annotations

import sqlite3

from actors.errors import OutsideError, StateDamaged, Unreachable

_PRIMARY = 0xFF  # extended result codes carry the primary one in their low byte
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_WORDS = {
    sqlite3.SQLITE_FULL: "the disk (or the database's size limit) is full; free some space",
    sqlite3.SQLITE_READONLY: "the file cannot be written; look at its owner, mode and mount",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
    sqlite3.SQLITE_BUSY: "another process holds the store; only one may",
    sqlite3.SQLITE_LOCKED: "another process holds the store; only one may",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; look at the folder's owner and mode",
    sqlite3.SQLITE_PERM: "the file cannot be opened; look at its owner and mode",
    sqlite3.SQLITE_NOMEM: "the machine has no memory left",
}


def as_outside_error(error: sqlite3.Error, doing: str) -> OutsideError | None:
    """Class a SQLite error; None for one that is our own mistake.

    Args:
        error: as raised by the sqlite3 module.
        doing: what was attempted and on what, for the sentence.

    """
    extended: int = getattr(error, "sqlite_errorcode", 0)
    primary = extended & _PRIMARY
    if primary in _DAMAGED or str(error).startswith("Could not decode to UTF-8"):  # Python's own, without a code
        return StateDamaged(f"{doing}: the store is malformed ({error})", code=extended)
    if primary in _WORDS:
        return Unreachable(f"{doing}: {_WORDS[primary]} ({error}). Nothing was written", code=extended)
    return None
