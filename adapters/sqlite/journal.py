"""The journal: each stream's facts in order, every row's checksum chained to the one before it.

Enters: facts the codec knows, in an open transaction. Stays out: transactions, the outbox, what a fact means.
Rows are made whole (`follow`) before the first of them is written (`write`): what cannot be written leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from actors.errors import StaleSequence, StateDamaged
from actors.messages import codec
from adapters.sqlite.checksums import START, Cell, row_checksum
from adapters.sqlite.statements import insert_rows

Rows: TypeAlias = list[tuple[Cell, ...]]
_COLUMNS = ("stream", "sequence", "kind", "body", "trace_id", "recorded_at", "epoch", "checksum")


# The index journal_turns serves both readings: the words of its condition must stand here as they stand there. Left to
# itself the planner reads the whole journal for the second.
TURNS = (
    "WITH meant (stream) AS (SELECT stream FROM register WHERE kind = 'trade' AND live = 1 UNION"
    " SELECT stream FROM journal INDEXED BY journal_turns"
    " WHERE kind IN ('TradeOpened', 'TradeClosed') AND recorded_at >= ?)"
    " SELECT journal.stream, sequence, kind, body, trace_id, recorded_at, epoch, checksum, (SELECT checksum"
    " FROM journal AS previous WHERE previous.stream = journal.stream"
    " AND previous.sequence = journal.sequence - 1) FROM meant CROSS JOIN journal INDEXED BY journal_turns"
    " ON journal.stream = meant.stream"
    " WHERE kind IN ('TradeOpened', 'TradeClosed') ORDER BY position"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """What the next row of a stream must follow, in the journal and in the outbox."""

    stream: str
    length: int = 0  # facts
    head: bytes = START  # checksum of the last fact
    promised: int = 0  # effects ever
    outbox_head: bytes = START  # checksum of the last effect
    pruned: int = 0  # the oldest effects that were deleted after they were settled
    outbox_anchor: bytes = START  # checksum of the last deleted effect

    def checksum(self) -> bytes:
        return row_checksum(
            "streams",
            self.stream,
            self.length,
            self.head,
            self.promised,
            self.outbox_head,
            self.pruned,
            self.outbox_anchor,
        )


class Journal:
    """Reads and writes `streams` and `journal` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def head(self, stream: str) -> StreamHead:
        """Give a stream's head; that of an empty stream when it is unknown."""
        row = self._db.execute(
            "SELECT length, head, promised, outbox_head, pruned, outbox_anchor, checksum FROM streams WHERE stream = ?",
            (stream,),
        ).fetchone()
        return StreamHead(stream=stream) if row is None else _head_from(stream, row)

    def heads(self) -> Iterator[StreamHead]:
        rows = self._db.execute(
            "SELECT stream, length, head, promised, outbox_head, pruned, outbox_anchor, checksum FROM streams"
        )
        for stream, *row in rows:
            yield _head_from(stream, row)

    def save_head(self, head: StreamHead) -> None:
        self._db.execute(
            "INSERT INTO streams (stream, length, head, promised, outbox_head, pruned, outbox_anchor, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream) DO UPDATE SET length = excluded.length,"
            " head = excluded.head, promised = excluded.promised, outbox_head = excluded.outbox_head,"
            " pruned = excluded.pruned, outbox_anchor = excluded.outbox_anchor, checksum = excluded.checksum",
            (
                head.stream,
                head.length,
                head.head,
                head.promised,
                head.outbox_head,
                head.pruned,
                head.outbox_anchor,
                head.checksum(),
            ),
        )

    def follow(
        self, head: StreamHead, expected: int, facts: Sequence[Any], *, trace_id: str, at: str, epoch: int
    ) -> tuple[StreamHead, Rows]:
        """Make the rows of facts that follow the stream's last one; give the new head, too. Nothing is written.

        Raises:
            StaleSequence: the stream is not as long as the writer believes.

        """
        if head.length != expected:
            raise StaleSequence(
                f"{head.stream} holds {head.length} facts, its writer believes {expected}: load it again first"
            )
        rows: Rows = []
        end, stream = head.head, head.stream
        for sequence, fact in enumerate(facts, start=expected + 1):
            values = (stream, sequence, *codec.encode(fact), trace_id, at, epoch)
            end = row_checksum("journal", end, *values)
            rows.append((*values, end))
        return (replace(head, length=expected + len(rows), head=end) if rows else head), rows

    def write(self, rows: Rows) -> None:
        insert_rows(self._db, "journal", _COLUMNS, rows)

    def facts(self, head: StreamHead) -> tuple[Any, ...]:
        """Read a stream whole, oldest first, following its chain to the head.

        Raises:
            StateDamaged: a row is missing, changed or of an unknown type; the text names it.

        """
        rows = self._db.execute(
            "SELECT sequence, kind, body, trace_id, recorded_at, epoch, checksum FROM journal"
            " WHERE stream = ? ORDER BY sequence",
            (head.stream,),
        ).fetchall()
        facts = []
        follows = START
        for number, (sequence, kind, body, trace_id, at, epoch, checksum) in enumerate(rows, start=1):
            if sequence != number:
                raise StateDamaged(f"journal row {head.stream} {number} is missing (the next one is {sequence})")
            follows = row_checksum("journal", follows, head.stream, sequence, kind, body, trace_id, at, epoch)
            if follows != checksum:
                raise StateDamaged(f"journal row {head.stream} {sequence} ({kind}) fails its checksum")
            facts.append(decoded(kind, body, f"journal row {head.stream} {sequence}"))
        if len(facts) != head.length or follows != head.head:
            raise StateDamaged(f"journal of {head.stream} ends at row {len(facts)}, its register says {head.length}")
        return tuple(facts)

    def begun_epoch(self, stream: str) -> int:
        """Give the epoch of the run that wrote a stream's first fact; 0 while it has none."""
        query = "SELECT epoch FROM journal WHERE stream = ? AND sequence = 1"
        row = self._db.execute(query, (stream,)).fetchone()
        return 0 if row is None else int(row[0])

    def turns(self, since: str) -> tuple[tuple[str, Any], ...]:
        """Read how trades began and ended: all that are live, and all that did either since the instant.

        Raises:
            StateDamaged: a row is changed, or follows another one than it says.

        """
        rows = self._db.execute(TURNS, (since,)).fetchall()
        turns = []
        for *values, checksum, follows in rows:
            stream, sequence, kind, body = values[:4]
            row = f"journal row {stream} {sequence}"
            if row_checksum("journal", START if follows is None else follows, *values) != checksum:
                raise StateDamaged(f"{row} ({kind}) fails its checksum")
            turns.append((str(stream), decoded(kind, body, row)))
        return tuple(turns)

    def check_chains(self) -> None:
        """Follow every chain of the journal once, in one pass over the table.

        Raises:
            StateDamaged: names the first row that does not follow.

        """
        lengths: dict[str, int] = {}
        ends: dict[str, bytes] = {}
        rows = self._db.execute(
            "SELECT stream, sequence, kind, body, trace_id, recorded_at, epoch, checksum FROM journal ORDER BY position"
        )
        for *values, checksum in rows:
            stream, sequence = values[0], values[1]
            if sequence != lengths.get(stream, 0) + 1:
                raise StateDamaged(f"journal row {stream} {sequence} follows row {lengths.get(stream, 0)}")
            if row_checksum("journal", ends.get(stream, START), *values) != checksum:
                raise StateDamaged(f"journal row {stream} {sequence} fails its checksum")
            lengths[stream] = sequence
            ends[stream] = checksum
        for head in self.heads():
            if lengths.pop(head.stream, 0) != head.length or ends.get(head.stream, START) != head.head:
                raise StateDamaged(f"journal of {head.stream} does not end where its stream row says ({head.length})")
        if lengths:
            raise StateDamaged(f"journal rows of {min(lengths)} have no stream row")


def decoded(kind: str, body: str, row: str) -> Any:
    """Rebuild a stored value.

    Raises:
        StateDamaged: the type is unknown to this program, or its fields are not; the row itself is whole.

    """
    try:
        return codec.decode(kind, body)
    except (KeyError, ValueError) as error:
        raise StateDamaged(f"{row} holds a {kind} this program cannot read: {error}") from error


def _head_from(stream: str, row: Sequence[Any]) -> StreamHead:
    length, head, promised, outbox_head, pruned, outbox_anchor, checksum = row
    found = StreamHead(
        stream=stream,
        length=length,
        head=head,
        promised=promised,
        outbox_head=outbox_head,
        pruned=pruned,
        outbox_anchor=outbox_anchor,
    )
    if found.checksum() != checksum:
        raise StateDamaged(f"stream row {stream} fails its checksum")
    return found
