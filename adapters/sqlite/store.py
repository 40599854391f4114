"""The store port on SQLite: one connection, one writer at a time, one fsync per commit.

Enters: appends and the other requests of StorePort. Stays out: who asks, and the effects' release. Writes between two
commits share a transaction, which begins by checking that this run still holds the store; an append stands in a
savepoint of its own. When the disk refuses, the whole transaction is given up and nothing more is accepted until
`rollback`, so that nobody acts on half of a group.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from actors.errors import Fenced, GuardUsed, OutcomeUnknown, Unreachable
from actors.messages.storing import Append, Guard, StoredStream, StreamSummary, UnsettledEffect
from adapters.sqlite import instants
from adapters.sqlite.backups import back_up
from adapters.sqlite.commit_mark import Mark, MarkWriter, latest_epoch
from adapters.sqlite.error_classes import as_outside_error, is_failed_sync
from adapters.sqlite.guards import Guards
from adapters.sqlite.integrity import library_note
from adapters.sqlite.journal import Journal
from adapters.sqlite.outbox import Outbox
from adapters.sqlite.runs import Identity, Runs
from adapters.sqlite.shelves import Documents, Register

TURN_SECONDS = 10.0  # how long a second thread waits for the one inside


class SqliteStore:
    """StorePort. Made by `open_store`; any thread may call, one at a time."""

    def __init__(
        self,
        *,
        connection: sqlite3.Connection,
        path: Path,
        mark: MarkWriter,
        identity: Identity,
        clock: Callable[[], datetime],
    ) -> None:
        self.path = path
        self.epoch = identity.epoch
        self.installation = identity.installation
        self.library = library_note()
        self._db = connection
        self._mark = mark
        self._identity = identity  # as of the last commit
        self._clock = clock
        self._turn = threading.RLock()
        self._refusing: str | None = None  # why nothing is accepted before a rollback
        self._stopped: str | None = None  # why nothing is accepted any more
        self._file = _file_identity(path)
        self._journal = Journal(connection)
        self._outbox = Outbox(connection)
        self._guards = Guards(connection)
        self._register = Register(connection)
        self._documents = Documents(connection)
        self._runs = Runs(connection)

    # --- writing --------------------------------------------------------------------------------------------------
    def append(self, append: Append, *, trace_id: str = "") -> int:
        """Add to the open transaction inside a savepoint; give the stream's new length.

        Raises:
            StaleSequence, GuardUsed, PromisedTwice: refused; nothing of this append stays, its neighbours do.
            Fenced, StateDamaged, Unreachable.

        """
        with self._writing(f"append to {append.stream}") as at:
            head = self._journal.add(
                self._journal.head(append.stream),
                append.expected_sequence,
                append.facts,
                trace_id=trace_id,
                at=at,
                epoch=self.epoch,
            )
            self._guards.use(append.guards, at=at)
            head = self._outbox.promise(head, append.effects, trace_id=trace_id, at=at, epoch=self.epoch)
            self._journal.save_head(head)
            for effect_key in append.settles:
                self._outbox.settle(effect_key, note="", at=at)
            if append.register is not None:
                self._register.save(append.stream, append.register)
            return head.length

    def settle(self, effect_key: str, note: str) -> None:
        """Mark an effect as done. The first settlement stands; a key that was pruned is passed over."""
        with self._writing(f"settle {effect_key}") as at:
            self._outbox.settle(effect_key, note=note, at=at)

    def mark_attempt(self, effect_key: str) -> int:
        """Count one more attempt; give the count. Raises UnknownEffect for a key that is not in the outbox."""
        with self._writing(f"mark an attempt at {effect_key}"):
            return self._outbox.mark_attempt(effect_key)

    def use_guards(self, guards: Sequence[Guard]) -> bool:
        """Write all guard rows, or none when one was used before (False)."""
        try:
            with self._writing("use guards") as at:
                self._guards.use(guards, at=at)
        except GuardUsed:
            return False
        return True

    def next_number(self, counter: str) -> int:
        with self._writing(f"count {counter}"):
            return self._guards.next_number(counter)

    def put_document(self, name: str, body: Any) -> None:
        with self._writing(f"keep document {name}") as at:
            self._documents.put(name, body, at=at)

    def take_document(self, name: str) -> Any | None:
        with self._writing(f"take document {name}"):
            body = self._documents.get(name)
            if body is not None:
                self._documents.drop(name)
            return body

    def prune(self, before: datetime) -> int:
        """Delete effects settled and guards expired before the instant; give how many rows went."""
        limit = instants.written(before)
        with self._writing("prune"):
            pruned = self._guards.prune(before=limit)
            for head in tuple(self._journal.heads()):
                after, deleted = self._outbox.prune(head, before=limit)
                if deleted:
                    self._journal.save_head(after)
                    pruned += deleted
            return pruned

    # --- transactions ---------------------------------------------------------------------------------------------
    def commit(self) -> None:
        """Make all since the last commit durable; nothing to do is no fsync.

        Raises:
            Unreachable: refused by the disk; everything since the last commit is gone.
            OutcomeUnknown: the sync failed. It may be found after a restart or not; this store is stopped.

        """
        with self._calling("commit"):
            self._refuse_if_refusing()
            if not self._db.in_transaction:
                return
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if is_failed_sync(error):
                    self._stopped = f"the disk failed a sync ({error}); open the store anew"
                    raise OutcomeUnknown(f"commit: {self._stopped}. It may be there after that or not") from error
                raise
            self._identity = replace(self._identity, commits=self._identity.commits + 1)
            self._mark.write(Mark(self.installation, self.epoch, self._identity.commits))

    def rollback(self) -> None:
        """Forget all since the last commit and accept again."""
        with self._calling("rollback"):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._refusing = None

    # --- reading: what is written and not yet committed is already to be seen ---------------------------------------
    def load(self, stream: str) -> StoredStream:
        """Give a stream whole, every row checked on the way; empty when it is unknown."""
        with self._calling(f"load {stream}"):
            head = self._journal.head(stream)
            return StoredStream(
                stream=stream,
                sequence=head.length,
                facts=self._journal.facts(head),
                unsettled=self._outbox.unsettled_of(stream),
            )

    def unsettled(self, destination: str, limit: int) -> tuple[UnsettledEffect, ...]:
        """Give one destination's open effects, oldest first."""
        with self._calling(f"list open effects of {destination}"):
            return self._outbox.unsettled(destination, limit)

    def register(self, kind: str, *, live_only: bool, account: str | None) -> tuple[tuple[str, StreamSummary], ...]:
        with self._calling(f"list the register of {kind}"):
            return self._register.rows(kind, live_only=live_only, account=account)

    def document(self, name: str) -> Any | None:
        with self._calling(f"read document {name}"):
            return self._documents.get(name)

    def epoch_is_latest(self) -> bool:
        """Tell whether no later run has committed, by the mark beside the store. Any thread, no waiting."""
        return latest_epoch(self.path) <= self.epoch

    def backup(self, to: Path) -> None:
        """Write a whole, checked copy; needs everything committed (RuntimeError otherwise)."""
        with self._calling(f"back up to {to}"):
            try:
                back_up(self._db, to)
            except OSError as error:
                raise Unreachable(f"back up to {to}: {error}") from error

    def close(self) -> None:
        """Forget what is uncommitted, write the log back into the file, end. Twice is harmless."""
        with self._turn:
            self._stopped = self._stopped or "it was closed"
            try:
                with contextlib.suppress(sqlite3.Error):  # a store that cannot roll back is rolled back when opened
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
            finally:
                self._db.close()
                self._mark.close()

    # --- the one way in -------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _calling(self, doing: str) -> Iterator[None]:
        """Admit one thread, and turn SQLite's errors into ours."""
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise Unreachable(f"{doing}: another thread has been inside the store for {TURN_SECONDS:g} s")
        try:
            if self._stopped is not None:
                raise Unreachable(f"{doing}: the store takes nothing more: {self._stopped}")
            yield
        except sqlite3.Error as error:
            self._give_up(error)
            known = as_outside_error(error, doing)
            if known is None:
                raise
            raise known from error
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def _writing(self, doing: str) -> Iterator[str]:
        """Stand in the transaction, in a savepoint; give the time as it is written."""
        with self._calling(doing):
            self._refuse_if_refusing()
            at = instants.written(self._clock())
            if not self._db.in_transaction:
                self._begin()
            self._db.execute("SAVEPOINT one")
            try:
                yield at
            except BaseException:
                if self._db.in_transaction:  # a full disk ends the transaction by itself
                    self._db.execute("ROLLBACK TO one")
                    self._db.execute("RELEASE one")
                raise
            self._db.execute("RELEASE one")

    def _begin(self) -> None:
        if _file_identity(self.path) != self._file:
            raise Fenced(f"{self.path} is not the file this run opened: it was moved, deleted or replaced")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._runs.count_commit(replace(self._identity, commits=self._identity.commits + 1))
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _refuse_if_refusing(self) -> None:
        if self._refusing is not None:
            raise Unreachable(f"the group was given up: {self._refusing}. Nothing since the last commit is kept")

    def _give_up(self, error: sqlite3.Error) -> None:
        """Leave no half of a group behind: SQLite ends some failed transactions by itself, and some not."""
        self._refusing = str(error)
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
