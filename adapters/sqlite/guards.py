"""Guards (keys that may be used once) and counters (small numbers never given twice).

Enters: keys and instants, in an open transaction. Stays out: transactions, what a key stands for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from actors.errors import GuardUsed, StateDamaged
from actors.messages.storing import Guard
from adapters.sqlite import instants
from adapters.sqlite.checksums import Cell, row_checksum


class Guards:
    """Reads and writes `guards` and `counters` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def use(self, guards: Sequence[Guard], *, at: str) -> None:
        """Write guard rows; one past its expiry counts as never used.

        Raises:
            GuardUsed: carries the first key that was used before. The caller undoes those before it.

        """
        for guard in guards:
            row = self._db.execute(
                "SELECT guard_key, used_at, expires_at, checksum FROM guards WHERE guard_key = ?", (guard.key,)
            ).fetchone()
            if row is not None:
                _check("guards", *row)
                if row[2] is None or row[2] > at:
                    until = "for ever" if row[2] is None else f"until {row[2]}"
                    raise GuardUsed(f"{guard.key!r} was used at {row[1]}; it may be used once {until}", key=guard.key)
            expires_at = None if guard.expires_at is None else instants.written(guard.expires_at)
            self._db.execute(
                "INSERT INTO guards (guard_key, used_at, expires_at, checksum) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (guard_key) DO UPDATE SET used_at = excluded.used_at,"
                " expires_at = excluded.expires_at, checksum = excluded.checksum",
                (guard.key, at, expires_at, row_checksum("guards", guard.key, at, expires_at)),
            )

    def prune(self, *, before: str) -> int:
        """Delete guards that expired before the instant; give how many."""
        return self._db.execute("DELETE FROM guards WHERE expires_at < ?", (before,)).rowcount

    def next_number(self, name: str) -> int:
        """Give 1, 2, 3 … of a counter."""
        number = self.number(name) + 1
        self.set_number(name, number)
        return number

    def number(self, name: str) -> int:
        """Give the number a counter gave last; 0 when it never gave one."""
        row = self._db.execute("SELECT name, value, checksum FROM counters WHERE name = ?", (name,)).fetchone()
        if row is None:
            return 0
        _check("counters", *row)
        return int(row[1])

    def numbers(self) -> dict[str, int]:
        """Give every counter and its last number."""
        return {name: self.number(name) for (name,) in self._db.execute("SELECT name FROM counters").fetchall()}

    def set_number(self, name: str, number: int) -> None:
        """Have a counter go on after this number."""
        self._db.execute(
            "INSERT INTO counters (name, value, checksum) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value, checksum = excluded.checksum",
            (name, number, row_checksum("counters", name, number)),
        )

    def check_rows(self) -> None:
        """Raise StateDamaged for the first row that fails its checksum."""
        for row in self._db.execute("SELECT guard_key, used_at, expires_at, checksum FROM guards"):
            _check("guards", *row)
        for row in self._db.execute("SELECT name, value, checksum FROM counters"):
            _check("counters", *row)


def _check(table: str, *row: Cell) -> None:
    *values, checksum = row
    if row_checksum(table, *values) != checksum:
        raise StateDamaged(f"{table} row {values[0]!r} fails its checksum")
