"""Rows that are replaced, not added to: the register of streams and the documents kept under a name.

Enters: summaries and documents, in an open transaction. Stays out: transactions, folding.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from actors.errors import StateDamaged
from actors.messages import codec
from actors.messages.storing import StreamSummary
from adapters.sqlite.checksums import row_checksum
from adapters.sqlite.journal import decoded

_REGISTER = "SELECT stream, kind, account, symbol, number, label, live, checksum FROM register "
_DOCUMENTS = "SELECT name, kind, body, saved_at, checksum FROM documents "


class Register:
    """Reads and writes `register` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def save(self, stream: str, summary: StreamSummary) -> None:
        values = (
            stream,
            summary.kind,
            summary.account,
            summary.symbol,
            summary.number,
            summary.label,
            int(summary.live),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO register (stream, kind, account, symbol, number, label, live, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, row_checksum("register", *values)),
        )

    def rows(self, kind: str, *, live_only: bool, account: str | None) -> tuple[tuple[str, StreamSummary], ...]:
        """Give streams and their summaries, by number and then by stream."""
        found = self._db.execute(
            _REGISTER + "WHERE kind = ? AND live >= ? AND (? IS NULL OR account = ?) ORDER BY number, stream",
            (kind, int(live_only), account, account),
        ).fetchall()
        return tuple(_summary(row) for row in found)

    def check_rows(self) -> None:
        """Raise StateDamaged for the first row that fails its checksum."""
        for row in self._db.execute(_REGISTER):
            _summary(row)


class Documents:
    """Reads and writes `documents` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def put(self, name: str, body: Any, *, at: str) -> None:
        kind, text = codec.encode(body)
        self._db.execute(
            "INSERT OR REPLACE INTO documents (name, kind, body, saved_at, checksum) VALUES (?, ?, ?, ?, ?)",
            (name, kind, text, at, row_checksum("documents", name, kind, text, at)),
        )

    def get(self, name: str) -> Any | None:
        row = self._db.execute(_DOCUMENTS + "WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        _check_document(row)
        return decoded(row[1], row[2], f"document {name!r}")

    def take(self, name: str) -> Any | None:
        """Give a document and drop it; None when there is none."""
        body = self.get(name)
        if body is not None:
            self._db.execute("DELETE FROM documents WHERE name = ?", (name,))
        return body

    def check_rows(self) -> None:
        """Raise StateDamaged for the first row that fails its checksum."""
        for row in self._db.execute(_DOCUMENTS):
            _check_document(row)


def _summary(row: tuple[Any, ...]) -> tuple[str, StreamSummary]:
    *values, checksum = row
    if row_checksum("register", *values) != checksum:
        raise StateDamaged(f"register row {values[0]!r} fails its checksum")
    stream, kind, account, symbol, number, label, live = values
    summary = StreamSummary(kind=kind, account=account, symbol=symbol, number=number, label=label, live=bool(live))
    return stream, summary


def _check_document(row: tuple[Any, ...]) -> None:
    *values, checksum = row
    if row_checksum("documents", *values) != checksum:
        raise StateDamaged(f"document {values[0]!r} fails its checksum")
