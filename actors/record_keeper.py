"""The record keeper: has the store backed up every hour, and what nobody needs any more deleted from it.

On a thread of its own: a copy may take seconds, and commits go on meanwhile. The store does the pruning, between
commits of its own. Enters: time. Stays out: how a copy is made (its port), whether the disk takes writes (the store).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from actors.errors import OutsideError
from actors.messages import addresses
from actors.messages.keeping import BackupFailed, BackupMade, Prune
from actors.ports import BackupPort
from runtime import Actor, handles

RETRY_SECONDS = 600.0  # after a backup that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingTerms:
    """How records are kept."""

    backup_seconds: float = 3600.0  # between backups
    first_seconds: float = 30.0  # from the start of a run to its first backup, if one is due
    settled_days: float = 30.0  # how long settled requests and expired keys are kept


@dataclass(frozen=True, slots=True)
class _Due:
    """Time for a backup."""


class RecordKeeper(Actor):
    def __init__(self, *, port: BackupPort, terms: KeepingTerms) -> None:
        self._port = port
        self._terms = terms

    def on_start(self) -> None:
        age = self._age_seconds()
        left = 0.0 if age is None else self._terms.backup_seconds - age
        self._wait(max(self._terms.first_seconds, left))

    def _age_seconds(self) -> float | None:
        try:
            return self._port.age_seconds()
        except OutsideError as error:
            self.context.log.error("backup_failed", error=str(error))  # noqa: TRY400 - the words say all there is
            return None

    def _wait(self, seconds: float) -> None:
        self.context.start_timer("due", seconds, _Due(), new_trace=True)

    @handles(_Due)
    def _on_due(self, _: _Due) -> None:
        began = self.context.monotonic()
        try:
            name = self._port.back_up()
        except OutsideError as error:
            self.context.log.error("backup_failed", error=str(error))  # noqa: TRY400 - the words say all there is
            self.context.tell(addresses.STORE, BackupFailed(reason=str(error), at=self.context.now()))
            self._wait(min(RETRY_SECONDS, self._terms.backup_seconds))
            return
        self.context.log.info("backup_made", name=name, seconds=round(self.context.monotonic() - began, 3))
        self.context.tell(addresses.STORE, BackupMade(name=name, made_at=self.context.now()))
        before = self.context.now() - timedelta(days=self._terms.settled_days)
        self.context.tell(addresses.STORE, Prune(before=before))
        self._wait(self._terms.backup_seconds)
