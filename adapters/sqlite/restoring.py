"""Restoring: when the store is damaged, go on from the newest sound copy, and set the damaged files aside.

Sound copies are the backups, and the damaged store itself where it is only cut short: a prefix of what it was is newer
than any backup. Whichever holds the most commits is taken. What was lost is never guessed: the copy skips ahead, so
that no epoch, id or small number of the lost part is ever given again, and the next run is told that it has forgotten.

Enters: a path. Stays out: telling anybody; what is at the exchange (the daemon reconciles with it).

A restore that is cut short begins again at the next start: a file beside the store says that it is under way, and it
goes only once the copy stands in the store's place. What was done is written beside it too, restore after restore,
until a start says that the news are durable: one that is cut short, or whose disk refuses, tells nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from actors.errors import StateDamaged, Unreachable
from adapters.sqlite import instants
from adapters.sqlite.backups import back_up, made, place_of, sync
from adapters.sqlite.commit_mark import Mark, mark_path, read_mark
from adapters.sqlite.guards import Guards
from adapters.sqlite.integrity import check_rows, check_structure
from adapters.sqlite.opening import FORGOTTEN, open_store
from adapters.sqlite.runs import Identity, Run, Runs
from adapters.sqlite.schema import MIGRATIONS, check_schema, version_of
from adapters.sqlite.store import SqliteStore

EPOCHS_SKIPPED = 1000  # where no mark tells the last epoch: more runs than can have been since the copy
NUMBERS_SKIPPED = 100  # of each counter, up to the next hundred
AFTER = ("-wal", "-shm", "-mark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did, for the person and the log."""

    damage: str
    source: str  # the copy's name; the store's own when it was only cut short
    commits: int  # that the copy holds
    lost_commits: int | None  # acknowledged and not in it; None: not known
    set_aside: Path  # the folder of the damaged files


def open_or_restore(
    path: Path,
    *,
    clock: Callable[[], datetime],
    random_bytes: Callable[[int], bytes],
    run: Run,
    backups: Path,
    connection_type: type[sqlite3.Connection] = sqlite3.Connection,
) -> tuple[SqliteStore, tuple[Restored, ...]]:
    """Open the store; where it is damaged or gone, restore the newest sound copy first.

    The restores that nobody was told of yet come with it, oldest first, until `forget_told` is called.

    Args:
        path: the store's file.
        clock: gives aware instants.
        random_bytes: a source of randomness.
        run: the process that opens.
        backups: the folder of copies; it may be missing.
        connection_type: of the connection that writes.

    Raises:
        StateDamaged: damaged, and no copy is sound; nothing was changed.
        Unreachable: it cannot be opened or written, or a copy cannot.
        Denied: it was written by a later program.

    """

    def opened() -> SqliteStore:
        return open_store(path, clock=clock, random_bytes=random_bytes, run=run, connection_type=connection_type)

    try:
        _refuse_if_missing(path, backups)
        store = opened()
    except StateDamaged as damage:
        _restore(path, backups, str(damage), clock())
        store = opened()
    return store, _untold(path)


def forget_told(path: Path) -> None:
    """Give no restore so far with a later opening: their news can be lost no more."""
    with contextlib.suppress(OSError):
        _note_path(path).unlink()


def _refuse_if_missing(path: Path, backups: Path) -> None:
    if _under_way(path).exists():
        raise StateDamaged(f"a restore of {path} was cut short")
    if not path.exists() and made(backups):
        raise StateDamaged(f"{path} is gone, but there are backups of it")


def _restore(path: Path, backups: Path, damage: str, now: datetime) -> None:
    mark = read_mark(path)
    copy = path.with_name(f"{path.name}.restoring")
    try:
        chosen = _newest_sound(path, backups, copy, mark)
        if chosen is None:
            raise StateDamaged(
                f"{damage}. No sound copy is in {backups}: put one in place of {path}, with no file named like it and "
                f"ending in {', '.join(AFTER)}, or, to begin anew, move {path.parent} away. Orders and stops at the "
                "exchange stay as they are; look after them there"
            )
        source, identity = chosen
        _skip_ahead(copy, identity, mark, now)
        _keep(copy, place_of(path, backups, now))
        _under_way(path).touch(mode=0o600)
        aside = _set_aside(path, now)
        lost = None if mark is None else max(0, mark.commits - identity.commits)
        _note(
            path,
            Restored(damage=damage, source=source.name, commits=identity.commits, lost_commits=lost, set_aside=aside),
        )
        copy.replace(path)
        mark_path(path).unlink(missing_ok=True)
        sync(path.parent)
        _under_way(path).unlink()
    except (OSError, sqlite3.Error) as error:
        raise Unreachable(f"restoring {path} after this damage: {damage}: {error}") from error
    finally:
        _remove(copy)


# --- what was done -------------------------------------------------------------------------------------------------
def _note(path: Path, restored: Restored) -> None:
    """Keep what was done, behind what was done before and nobody was told of."""
    note = _note_path(path)
    new = note.with_name(f"{note.name}.new")
    new.touch(mode=0o600)
    new.write_text("".join(f"{_written(each)}\n" for each in (*_untold(path), restored)), encoding="utf-8")
    sync(new)
    new.replace(note)


def _written(restored: Restored) -> str:
    return json.dumps({**asdict(restored), "set_aside": str(restored.set_aside)})


def _untold(path: Path) -> tuple[Restored, ...]:
    """Give the restores that nobody was told of, as far as they can be read."""
    try:
        lines = _note_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ()  # nothing that is only told may keep the daemon from what it has to watch
    return tuple(restored for line in lines if (restored := _read(line)) is not None)


def _read(line: str) -> Restored | None:
    try:
        body = json.loads(line)
        return Restored(**{**body, "set_aside": Path(body["set_aside"])})
    except (ValueError, TypeError, KeyError):
        return None


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-restored")


# --- which copy ----------------------------------------------------------------------------------------------------
def _newest_sound(path: Path, backups: Path, copy: Path, mark: Mark | None) -> tuple[Path, Identity] | None:
    """Leave the sound candidate with the most commits at `copy`; give where it is from and what it is."""
    best: tuple[Path, Identity] | None = None
    trial = copy.with_name(f"{copy.name}.trial")
    cut_short = (copy,) if _under_way(path).exists() else ()  # what an earlier restore had chosen already
    for candidate in (path, *cut_short, *made(backups)):
        identity = _copied(candidate, trial)
        of_this_store = identity is not None and (mark is None or identity.installation == mark.installation)
        if identity is not None and of_this_store and (best is None or _age(identity) > _age(best[1])):
            best = candidate, identity
            trial.replace(copy)
    _remove(trial)
    return best


def _age(identity: Identity) -> tuple[int, int]:
    return identity.epoch, identity.commits


def _copied(candidate: Path, to: Path) -> Identity | None:
    """Copy a store as SQLite reads it; None for one that is not whole and sound."""
    if not candidate.exists() or candidate.stat().st_size == 0:
        return None
    try:
        source = sqlite3.connect(f"{candidate.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        with contextlib.closing(source):
            source.execute("PRAGMA cell_size_check = ON")
            check_schema(source, MIGRATIONS)
            check_structure(source)
            if version_of(source) != len(MIGRATIONS):
                return None
            check_rows(source)
            identity = Runs(source).identity()
            back_up(source, to)
    except (sqlite3.Error, StateDamaged):
        return None
    return identity


# --- what must not be given again ----------------------------------------------------------------------------------
def _skip_ahead(copy: Path, identity: Identity, mark: Mark | None, now: datetime) -> None:
    """Move the copy's epoch and counters past all that the lost part may have given.

    A backup carries none of the ids that were sent since; its own next run would give the same ones.
    """
    last = identity.epoch + EPOCHS_SKIPPED if mark is None else max(identity.epoch, mark.epoch)
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        runs = Runs(connection)
        for epoch in range(identity.epoch + 1, last + 2):
            runs.fill_in(epoch, at=instants.written(now))
        runs.move_to(last + 1)
        guards = Guards(connection)
        for name, number in guards.numbers().items():
            if name != FORGOTTEN:
                guards.set_number(name, (number // NUMBERS_SKIPPED + 2) * NUMBERS_SKIPPED)
        guards.set_number(FORGOTTEN, last + 2)  # the next run
        connection.execute("COMMIT")
    sync(copy)


def _keep(copy: Path, to: Path) -> None:
    """Have a backup know how far was skipped: restored a second time, an older one would skip to the same epoch."""
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as source:
        back_up(source, to)


# --- the damaged files ---------------------------------------------------------------------------------------------
def _set_aside(path: Path, now: datetime) -> Path:
    """Move what is damaged into a folder of its own, whole: the log first, which must never meet the copy."""
    stamp = now.strftime("%Y%m%dT%H%M%S")
    aside = path.parent / "damaged" / stamp
    for number in range(1, 1000):
        if not aside.exists():
            break
        aside = path.parent / "damaged" / f"{stamp}-{number}"
    aside.mkdir(mode=0o700, parents=True)
    for suffix in ("-wal", "-shm", ""):
        found = path.with_name(f"{path.name}{suffix}")
        if found.exists():
            found.replace(aside / found.name)
    if mark_path(path).exists():
        (aside / mark_path(path).name).write_bytes(mark_path(path).read_bytes())
    sync(aside)
    return aside


def _under_way(path: Path) -> Path:
    return path.with_name(f"{path.name}-restoring")


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.unlink(path.with_name(f"{path.name}{suffix}"))  # noqa: PTH108 - suppressed together
