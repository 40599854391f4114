"""Runs: whose store this is, which run writes it now, and how many commits it holds.

Enters: a run's facts, in an open transaction. Stays out: transactions, locks on files. The epoch is the fencing token:
a run's every transaction begins by counting its commit under its own epoch, which an older run no longer can.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from actors.errors import Fenced, StateDamaged
from adapters.sqlite import instants
from adapters.sqlite.checksums import row_checksum

_INSTALLATION_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: fit to be read aloud
_INSTALLATION_LENGTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The process that opens the store."""

    pid: int
    boot_id: str  # the machine's, so that a pid of before a reboot is not taken for a living one
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The one row that says whose store this is."""

    installation: str  # 4 of Crockford's base 32, made once
    made_at: str
    epoch: int  # of the latest run
    commits: int  # ever

    def checksum(self) -> bytes:
        return row_checksum("identity", self.installation, self.made_at, self.epoch, self.commits)


class Runs:
    """Reads and writes `identity` and `runs` on a connection it does not own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def identity(self) -> Identity | None:
        """None: nobody has run on this file yet."""
        row = self._db.execute("SELECT installation, made_at, epoch, commits, checksum FROM identity").fetchone()
        if row is None:
            return None
        found = Identity(installation=row[0], made_at=row[1], epoch=row[2], commits=row[3])
        if found.checksum() != row[4]:
            raise StateDamaged("the store's identity row fails its checksum")
        return found

    def begin(self, run: Run, *, at: str, random_bytes: Callable[[int], bytes]) -> Identity:
        """Make this run the one that may write: the next epoch, and on a new file a new installation."""
        known = self.identity()
        if known is None:
            drawn = random_bytes(_INSTALLATION_LENGTH)
            name = "".join(_INSTALLATION_DIGITS[byte % len(_INSTALLATION_DIGITS)] for byte in drawn)
            identity = Identity(installation=name, made_at=at, epoch=1, commits=1)
        else:
            identity = Identity(
                installation=known.installation,
                made_at=known.made_at,
                epoch=known.epoch + 1,
                commits=known.commits + 1,
            )
        self._db.execute(
            "INSERT OR REPLACE INTO identity (one, installation, made_at, epoch, commits, checksum)"
            " VALUES (1, ?, ?, ?, ?, ?)",
            (identity.installation, identity.made_at, identity.epoch, identity.commits, identity.checksum()),
        )
        values = (identity.epoch, run.pid, run.boot_id, instants.written(run.started_at), sqlite3.sqlite_version)
        self._db.execute(
            "INSERT INTO runs (epoch, pid, boot_id, started_at, sqlite_version, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            (*values, row_checksum("runs", *values)),
        )
        return identity

    def fill_in(self, epoch: int, *, at: str) -> None:
        """Write the row of a run that is lost: its epoch was given, or may have been."""
        values = (epoch, 0, "lost", at, "")
        self._db.execute(
            "INSERT INTO runs (epoch, pid, boot_id, started_at, sqlite_version, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            (*values, row_checksum("runs", *values)),
        )

    def move_to(self, epoch: int) -> None:
        """Have the next run get an epoch after this one. LookupError for a store nobody has run on."""
        known = self.identity()
        if known is None:
            raise LookupError("nobody has run on this store")
        moved = replace(known, epoch=epoch)
        self._db.execute("UPDATE identity SET epoch = ?, checksum = ? WHERE one = 1", (epoch, moved.checksum()))

    def began(self, epoch: int) -> datetime:
        """Give when a run began. LookupError for one that never was."""
        row = self._db.execute("SELECT started_at FROM runs WHERE epoch = ?", (epoch,)).fetchone()
        if row is None:
            raise LookupError(f"there was no run {epoch}")
        return instants.read(row[0])

    def count_commit(self, now: Identity) -> None:
        """Write the identity as it will be after this transaction.

        Raises:
            Fenced: another run has taken the store over; the holder is named.

        """
        changed = self._db.execute(
            "UPDATE identity SET commits = ?, checksum = ? WHERE one = 1 AND epoch = ? AND commits = ?",
            (now.commits, now.checksum(), now.epoch, now.commits - 1),
        ).rowcount
        if changed != 1:
            holder = self._db.execute("SELECT epoch, pid, started_at FROM runs ORDER BY epoch DESC LIMIT 1").fetchone()
            told = "" if holder is None else f" (epoch {holder[0]}, pid {holder[1]}, started {holder[2]})"
            raise Fenced(f"the store is another run's now{told}; this is epoch {now.epoch}. Nothing was written")

    def check_rows(self) -> None:
        """Raise StateDamaged for the first row that fails its checksum, or when the latest run has no row."""
        latest = 0
        rows = self._db.execute(
            "SELECT epoch, pid, boot_id, started_at, sqlite_version, checksum FROM runs ORDER BY epoch"
        )
        for *values, checksum in rows:
            if row_checksum("runs", *values) != checksum or values[0] != latest + 1:
                raise StateDamaged(f"row of run {values[0]} fails its checksum, or the one before it is missing")
            latest = values[0]
        identity = self.identity()
        if latest != (0 if identity is None else identity.epoch):
            raise StateDamaged(f"the latest run's row is {latest}, the store's identity says otherwise")
