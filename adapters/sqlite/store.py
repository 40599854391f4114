"""The store port on SQLite: one connection, one writer at a time, one fsync per commit.

Enters: appends and the other requests of StorePort. Stays out: who asks, and the effects' release. Writes between two
commits share a transaction, which begins by checking that this run still holds the store. A write that is refused
leaves its neighbours alone: it is made whole before its first row is written, or it stands in a savepoint of its own.

A commit that the disk refuses keeps its group: SQLite has rolled it back, so every write of it is made again, at the
instant it was first made, in a new transaction that only memory holds (no page leaves the cache before a commit). It
is readable there, and the next commit tries all of it. Written once more at the same places of the log, so a failed
sync is made good, too: the pages are dirty again, and the next sync that succeeds covers them. A write that fails
before any commit gives its group up instead, and nothing more is accepted until `rollback`: nobody acts on half of it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from actors.errors import Fenced, GuardUsed, Unreachable
from actors.messages.storing import Append, Forgotten, Guard, StoredStream, StreamSummary, UnsettledEffect
from adapters.sqlite import instants
from adapters.sqlite.backups import back_up
from adapters.sqlite.commit_mark import Mark, MarkWriter
from adapters.sqlite.error_classes import as_outside_error
from adapters.sqlite.guards import Guards
from adapters.sqlite.integrity import library_note
from adapters.sqlite.journal import Journal
from adapters.sqlite.outbox import Outbox
from adapters.sqlite.runs import Identity, Runs
from adapters.sqlite.shelves import Documents, Register

TURN_SECONDS = 10.0  # how long a second thread waits for the one inside
TIDY_COMMITS = 100  # some 800 pages of log

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Write:
    """One write since the last commit, fit to be made again."""

    act: Callable[[str], Any]
    at: str  # as the rows say it
    stream: str = ""  # what it appends to
    stepwise: bool = False  # it may be refused when some of it is written


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
        forgotten: Forgotten | None = None,
    ) -> None:
        self.path = path
        self.forgotten = forgotten
        self.epoch = identity.epoch
        self.installation = identity.installation
        self.library = library_note()
        self._db = connection
        self._mark = mark
        self._identity = identity  # as of the last commit
        self._next = _counted(identity)  # as of the one to come
        self._clock = clock
        self._turn = threading.RLock()
        self._written: list[_Write] = []  # since the last commit
        self._untidied = 0  # commits since the log was last written back
        self._held = 0  # the first so many of them outlast a rollback
        self._refusing: str | None = None  # why nothing is accepted before a rollback
        self._stopped: str | None = None  # why nothing is accepted any more
        self._file_path = str(path)
        self._file = _file_identity(self._file_path)
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
        act = partial(self._append, append, trace_id)
        return self._write(f"append to {append.stream}", act, append.stream, stepwise=bool(append.guards))

    def _append(self, append: Append, trace_id: str, at: str) -> int:
        before = self._journal.head(append.stream)
        head, facts = self._journal.follow(
            before, append.expected_sequence, append.facts, trace_id=trace_id, at=at, epoch=self.epoch
        )
        self._guards.use(append.guards, at=at)
        head, effects = self._outbox.follow(head, append.effects, trace_id=trace_id, at=at, epoch=self.epoch)
        new = {effect.key for effect in append.effects} if append.settles else set()
        settled = self._outbox.settled([key for key in append.settles if key not in new], note="", at=at)
        self._journal.write(facts)
        self._outbox.write(effects)
        self._journal.save_head(head)
        self._outbox.save(settled)
        self._outbox.save(self._outbox.settled([key for key in append.settles if key in new], note="", at=at))
        if append.register is not None:
            self._register.save(append.stream, append.register)
        return head.length

    def settle(self, effect_key: str, note: str) -> None:
        """Mark an effect as done. The first settlement stands; a key that was pruned is passed over."""
        self._write(
            f"settle {effect_key}", lambda at: self._outbox.save(self._outbox.settled((effect_key,), note=note, at=at))
        )

    def mark_attempt(self, effect_key: str) -> int:
        """Count one more attempt; give the count. Raises UnknownEffect for a key that is not in the outbox."""
        return self._write(f"mark an attempt at {effect_key}", lambda _at: self._outbox.mark_attempt(effect_key))

    def use_guards(self, guards: Sequence[Guard]) -> bool:
        """Write all guard rows, or none when one was used before (False)."""
        try:
            self._write("use guards", lambda at: self._guards.use(guards, at=at), stepwise=True)
        except GuardUsed:
            return False
        return True

    def next_number(self, counter: str) -> int:
        return self._write(f"count {counter}", lambda _at: self._guards.next_number(counter))

    def put_document(self, name: str, body: Any) -> None:
        self._write(f"keep document {name}", lambda at: self._documents.put(name, body, at=at))

    def take_document(self, name: str) -> Any | None:
        return self._write(f"take document {name}", lambda _at: self._documents.take(name))

    def prune(self, before: datetime) -> int:
        """Delete effects settled and guards expired before the instant; give how many rows went."""
        return self._write("prune", partial(self._prune, instants.written(before)), stepwise=True)

    def _prune(self, limit: str, _at: str) -> int:
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
            Unreachable: refused by the disk, or its sync failed. All of it stays readable, and the next commit tries
                it again; a process that ends before has forgotten it (or, after a failed sync, perhaps not).

        """
        with self._calling("commit"):
            self._refuse_if_refusing()
            if not self._db.in_transaction:
                return
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                known = as_outside_error(error, "commit")
                if not isinstance(known, Unreachable):
                    raise
                self._write_again()
                raise known from error
            self._written.clear()
            self._held = 0
            self._untidied += 1
            self._identity, self._next = self._next, _counted(self._next)
            self._note()

    @property
    def untidy(self) -> bool:
        """Tell whether `tidy` has enough to do to be worth it."""
        return self._untidied >= TIDY_COMMITS

    def tidy(self) -> None:
        """Write the log back into the file, in a quiet moment instead of within some commit.

        On the one connection there is: before SQLite 3.51.3 a second one that does so may damage the file. A disk that
        refuses has lost nothing: the log is whole, and the next time goes on where this one stopped.
        """
        with self._calling("write the log back"):
            if not self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._untidied = 0

    def hold(self) -> None:
        """Have what is written by now outlast a rollback: somebody has acted on it, though it is not durable."""
        with self._calling("hold"):
            self._held = len(self._written)
            self._note()

    def withdraw(self, stream: str) -> None:
        """Forget what was appended to a stream since the last commit; what stands beside it stays."""
        with self._calling(f"withdraw from {stream}"):
            self._refuse_if_refusing()
            held = sum(write.stream != stream for write in self._written[: self._held])
            self._written = [write for write in self._written if write.stream != stream]
            self._held = held
            self._write_again()

    @property
    def held(self) -> int:
        """How many writes are acted upon and not durable."""
        return self._held

    def rollback(self) -> None:
        """Forget all since the last commit but what is held, and accept again."""
        with self._calling("rollback"):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._refusing = None
            del self._written[self._held :]
            if self._written:
                self._write_again()

    def _write_again(self) -> None:
        """Make every write since the last commit once more, in a new transaction."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._begin()
        for write in self._written:
            self._make(write)

    def _note(self) -> None:
        """Leave word beside the store of what was acknowledged, and whether more was acted upon than is durable."""
        self._mark.write(Mark(self.installation, self.epoch, self._identity.commits, forgetful=self._held > 0))

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
                begun_epoch=self._journal.begun_epoch(stream),
            )

    def unsettled(self, destination: str, limit: int) -> tuple[UnsettledEffect, ...]:
        """Give one destination's open effects, oldest first."""
        with self._calling(f"list open effects of {destination}"):
            return self._outbox.unsettled(destination, limit)

    def register(self, kind: str, *, live_only: bool, account: str | None) -> tuple[tuple[str, StreamSummary], ...]:
        with self._calling(f"list the register of {kind}"):
            return self._register.rows(kind, live_only=live_only, account=account)

    def turns(self, since: datetime) -> tuple[tuple[str, Any], ...]:
        """How trades began and ended: all that are live, and all that did either since the instant."""
        with self._calling("list how trades began and ended"):
            return self._journal.turns(instants.written(since))

    def document(self, name: str) -> Any | None:
        with self._calling(f"read document {name}"):
            return self._documents.get(name)

    def epoch_is_latest(self) -> bool:
        """Tell whether no later run has committed, by the mark beside the store. Any thread, no waiting."""
        return self._mark.latest_epoch() <= self.epoch

    def backup(self, to: Path) -> None:
        """Write a whole, checked copy; needs everything committed (RuntimeError otherwise)."""
        with self._calling(f"back up to {to}"):
            try:
                back_up(self._db, to)
            except OSError as error:
                raise Unreachable(f"back up to {to}: {error}") from error

    def close(self) -> None:
        """Forget what is uncommitted, write the log back into the file, end. Twice is harmless.

        A thread that hangs inside is not waited for: what it holds goes with the process, as in a kill.
        """
        self._stopped = self._stopped or "it was closed"
        if not self._turn.acquire(timeout=TURN_SECONDS):
            return
        try:
            with contextlib.suppress(sqlite3.Error):  # a store that cannot roll back is rolled back when opened
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        finally:
            self._db.close()
            self._mark.close()
            self._turn.release()

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

    def _write(self, doing: str, act: Callable[[str], T], stream: str = "", *, stepwise: bool = False) -> T:
        """Make one write in the transaction, and remember how."""
        with self._calling(doing):
            self._refuse_if_refusing()
            write = _Write(act, instants.written(self._clock()), stream, stepwise)
            if not self._db.in_transaction:
                self._begin()
            result: T = self._make(write)
            self._written.append(write)
            return result

    def _make(self, write: _Write) -> Any:
        if not write.stepwise:
            return write.act(write.at)
        self._db.execute("SAVEPOINT one")
        try:
            result = write.act(write.at)
        except BaseException:
            if self._db.in_transaction:  # a full disk ends the transaction by itself
                self._db.execute("ROLLBACK TO one")
                self._db.execute("RELEASE one")
            raise
        self._db.execute("RELEASE one")
        return result

    def _begin(self) -> None:
        if _file_identity(self._file_path) != self._file:
            raise Fenced(f"{self.path} is not the file this run opened: it was moved, deleted or replaced")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._runs.count_commit(self._next)
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


def _counted(identity: Identity) -> Identity:
    """Give the identity with one commit more."""
    return Identity(
        installation=identity.installation,
        made_at=identity.made_at,
        epoch=identity.epoch,
        commits=identity.commits + 1,
    )


def _file_identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - before every transaction: a Path takes several times as long
    except OSError:
        return None
    return found.st_dev, found.st_ino
