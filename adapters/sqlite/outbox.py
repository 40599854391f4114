"""The outbox: effects promised with the facts that ask for them, kept until their outcome is known.

Enters: promised effects in an open transaction. Stays out: transactions, releasing, performing.
A row has two checksums: of the promise (chained, never changed) and of its state (attempts, settlement). As in the
journal, rows are made whole before the first of them is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from actors.errors import Denied, StateDamaged
from actors.messages import codec
from actors.messages.storing import PromisedEffect, UnsettledEffect
from adapters.sqlite import instants
from adapters.sqlite.checksums import START, Cell, row_checksum
from adapters.sqlite.journal import Rows, StreamHead, decoded
from adapters.sqlite.statements import insert_rows, marks


class PromisedTwice(Denied):
    """An effect key is used for ever: the same one again is a mistake of the program. Nothing was written."""


class UnknownEffect(Denied):
    """No effect of this key is in the outbox: never promised, or settled so long ago that it was pruned."""


class _Row(NamedTuple):
    effect_key: str
    stream: str
    number: int
    sequence: int
    destination: str
    owner: str
    kind: str
    body: str
    trace_id: str
    promised_at: str
    epoch: int
    previous: bytes
    checksum: bytes
    attempts: int
    settled_at: str | None
    note: str
    state_checksum: bytes

    def checked(self) -> _Row:
        promise = row_checksum("outbox", self.previous, *self[:11])
        state = _state_checksum(self.effect_key, self.attempts, self.settled_at, self.note)
        if promise != self.checksum or state != self.state_checksum:
            raise StateDamaged(f"outbox row {self.effect_key} ({self.stream} {self.number}) fails its checksum")
        return self

    def unsettled(self) -> UnsettledEffect:
        return UnsettledEffect(
            effect=PromisedEffect(
                key=self.effect_key,
                destination=self.destination,
                owner=self.owner,
                request=decoded(self.kind, self.body, f"outbox row {self.effect_key}"),
            ),
            attempts=self.attempts,
            promised_at=instants.read(self.promised_at),
        )


_COLUMNS = ", ".join(_Row._fields)
_SELECT = f"SELECT {_COLUMNS} FROM outbox "  # noqa: S608 - column names of our own, here and below


class Outbox:
    """Reads and writes `outbox` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def follow(
        self, head: StreamHead, effects: Sequence[PromisedEffect], *, trace_id: str, at: str, epoch: int
    ) -> tuple[StreamHead, Rows]:
        """Make the rows of effects that follow the stream's last one; give the new head, too. Nothing is written.

        Raises:
            PromisedTwice: a key is in the outbox already, or twice among them.

        """
        self._refuse_known([effect.key for effect in effects], head.stream)
        rows: Rows = []
        end, stream, sequence = head.outbox_head, head.stream, head.length
        for number, effect in enumerate(effects, start=head.promised + 1):
            kind, body = codec.encode(effect.request)
            to = (effect.destination, effect.owner)
            promise = (effect.key, stream, number, sequence, *to, kind, body, trace_id, at, epoch)
            checksum = row_checksum("outbox", end, *promise)
            rows.append((*promise, end, checksum, 0, None, "", _state_checksum(effect.key, 0, None, "")))
            end = checksum
        return (replace(head, promised=head.promised + len(rows), outbox_head=end) if rows else head), rows

    def write(self, rows: Rows) -> None:
        insert_rows(self._db, "outbox", _Row._fields, rows)

    def settled(self, effect_keys: Sequence[str], *, note: str, at: str) -> Rows:
        """Make the changes that mark effects as done, for `save`. Nothing is written.

        The first settlement stands; an unknown key was settled and pruned long ago.
        """
        found = (self._find(key) for key in dict.fromkeys(effect_keys))
        return [_state(row.effect_key, row.attempts, at, note) for row in found if row and row.settled_at is None]

    def save(self, states: Rows) -> None:
        """Write what `settled` made."""
        for state in states:
            self._db.execute(
                "UPDATE outbox SET attempts = ?, settled_at = ?, note = ?, state_checksum = ? WHERE effect_key = ?",
                state,
            )

    def mark_attempt(self, effect_key: str) -> int:
        """Count one more attempt; give the count, this one included.

        Raises:
            UnknownEffect: no such key.

        """
        row = self._find(effect_key)
        if row is None:
            raise UnknownEffect(f"effect {effect_key!r} is not in the outbox")
        self.save([_state(effect_key, row.attempts + 1, row.settled_at, row.note)])
        return row.attempts + 1

    def unsettled(self, destination: str, limit: int) -> tuple[UnsettledEffect, ...]:
        """Give one destination's open effects, oldest first."""
        rows = self._db.execute(
            _SELECT + "WHERE destination = ? AND settled_at IS NULL ORDER BY position LIMIT ?",
            (destination, limit),
        )
        return tuple(_Row(*row).checked().unsettled() for row in rows.fetchall())

    def unsettled_of(self, stream: str) -> tuple[UnsettledEffect, ...]:
        """Give one stream's open effects, oldest first."""
        rows = self._db.execute(
            _SELECT + "WHERE stream = ? AND settled_at IS NULL ORDER BY number",
            (stream,),
        )
        return tuple(_Row(*row).checked().unsettled() for row in rows.fetchall())

    def prune(self, head: StreamHead, *, before: str) -> tuple[StreamHead, int]:
        """Delete a stream's oldest effects up to the first that is open or was settled at `before` or later.

        Only a beginning can go, so the chain stays whole: the head remembers what the first one left follows.
        """
        stop = self._db.execute(
            "SELECT min(number) FROM outbox WHERE stream = ? AND (settled_at IS NULL OR settled_at >= ?)",
            (head.stream, before),
        ).fetchone()[0]
        last = head.promised if stop is None else stop - 1
        if last <= head.pruned:
            return head, 0
        (anchor,) = self._db.execute(
            "SELECT checksum FROM outbox WHERE stream = ? AND number = ?", (head.stream, last)
        ).fetchone()
        deleted = self._db.execute("DELETE FROM outbox WHERE stream = ? AND number <= ?", (head.stream, last)).rowcount
        return replace(head, pruned=last, outbox_anchor=anchor), deleted

    def check_chains(self, heads: Sequence[StreamHead]) -> None:
        """Follow every chain of the outbox once.

        Raises:
            StateDamaged: names the first row that does not follow.

        """
        ends = {head.stream: (head.pruned, head.outbox_anchor) for head in heads}
        for values in self._db.execute(_SELECT + "ORDER BY position"):
            row = _Row(*values).checked()
            if ends.get(row.stream, (0, START)) != (row.number - 1, row.previous):
                raise StateDamaged(f"outbox row {row.effect_key} ({row.stream} {row.number}) follows another row")
            ends[row.stream] = (row.number, row.checksum)
        for head in heads:
            if ends.pop(head.stream) != (head.promised, head.outbox_head):
                raise StateDamaged(f"outbox of {head.stream} does not end where its stream row says ({head.promised})")
        if ends:
            raise StateDamaged(f"outbox rows of {min(ends)} have no stream row")

    def _find(self, effect_key: str) -> _Row | None:
        row: Any = self._db.execute(
            _SELECT + "WHERE effect_key = ?",
            (effect_key,),
        ).fetchone()
        return None if row is None else _Row(*row).checked()

    def _refuse_known(self, keys: Sequence[str], stream: str) -> None:
        if not keys:
            return
        known = self._db.execute(
            f"SELECT effect_key, stream FROM outbox WHERE effect_key IN ({marks(len(keys))}) LIMIT 1",  # noqa: S608
            keys,
        ).fetchone()
        if known is None and len(set(keys)) < len(keys):
            known = next(key for key in keys if keys.count(key) > 1), stream
        if known is not None:
            raise PromisedTwice(f"effect {known[0]!r} was promised before, by {known[1]}: a key is never reused")


def _state(effect_key: str, attempts: int, settled_at: str | None, note: str) -> tuple[Cell, ...]:
    return attempts, settled_at, note, _state_checksum(effect_key, attempts, settled_at, note), effect_key


def _state_checksum(effect_key: str, attempts: int, settled_at: str | None, note: str) -> bytes:
    return row_checksum("outbox state", effect_key, attempts, settled_at, note)
