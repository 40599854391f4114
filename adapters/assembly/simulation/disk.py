"""Disk faults: a disk that takes no writes for a while, and one that damaged what a dead daemon has left on it.

Enters: a world and dice. Stays out: how SQLite behaves on such a disk (adapters.sqlite.faults), when a daemon dies
(world). Expected: without writes the daemon lives on and protects from memory, so nothing is excused but what a crash
meanwhile forgets; after damage the newest sound copy goes on, trades it does not know are told and left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from adapters.assembly.simulation.world import START_EXCUSE_SECONDS, World
from adapters.sqlite.faults import Trouble

LASTS_SECONDS = (0.3, 1.5, 10.0, 120.0, 1800.0)
DOWN_SECONDS = (0.5, 2.0, 10.0)
PAGE_BYTES = 4096
TELLS_SECONDS = 45.0  # of refused openings and their news, after the disk works again

Damage = Callable[[Path, Random], None]


def _refuses(name: str, trouble: Trouble) -> Callable[[World, Random], None]:
    def begin(world: World, dice: Random) -> None:
        if world.faults.ended or world.disk.hardware.trouble is not None:
            return
        seconds = dice.choice(LASTS_SECONDS)
        now = world.clock.monotonic()
        world.faults.note(name, now + seconds)
        world.story.tell("fault", "", f"{name}: the disk takes no commit for {seconds} s")
        world.disk.hardware.trouble = trouble
        world.agenda.at(now + seconds, lambda: _works(world))

    return begin


def _works(world: World) -> None:
    world.story.tell("world", "", "the disk takes writes again")
    world.disk.hardware.trouble = None


def _is_damaged(name: str, damage: Damage) -> Callable[[World, Random], None]:
    def begin(world: World, dice: Random) -> None:
        """Kill the daemon, and damage what it leaves before it comes back."""
        if world.faults.ended or world.process is None or world.stale:
            return
        folder = world.disk.folder
        if not any((folder / "backups").glob("*.sqlite")):
            return  # without a copy there is nothing to go on from: that start is refused
        world.crash()
        now = world.clock.monotonic()
        world.faults.note(name, now, excuses_seconds=max(DOWN_SECONDS) + 60.0 + START_EXCUSE_SECONDS)
        world.story.tell("fault", "", f"{name}: the dead daemon's files are damaged")
        damage(folder / "store.sqlite", dice)

    return begin


def flip_a_bit(store: Path, dice: Random) -> None:
    """Flip one bit anywhere in the database or its log."""
    files = [each for each in (store, _log(store)) if each.exists() and each.stat().st_size]
    victim = dice.choice(files)
    whole = bytearray(victim.read_bytes())
    whole[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
    victim.write_bytes(whole)


def tear_a_page(store: Path, dice: Random) -> None:
    """Leave the second part of one page as zeros, as a write that was cut short does."""
    whole = bytearray(store.read_bytes())
    page = dice.randrange(len(whole) // PAGE_BYTES) * PAGE_BYTES
    cut = page + dice.randrange(1, PAGE_BYTES)
    whole[cut : page + PAGE_BYTES] = bytes(page + PAGE_BYTES - cut)
    store.write_bytes(whole)


def cut_the_log(store: Path, dice: Random) -> None:
    log = _log(store)
    if log.exists():
        whole = log.read_bytes()
        log.write_bytes(whole[: dice.randrange(len(whole) + 1)])


def delete_the_log(store: Path, _dice: Random) -> None:
    _log(store).unlink(missing_ok=True)


def delete_the_store(store: Path, dice: Random) -> None:
    """Take the database away, at times with everything beside it."""
    for name in ("", *(("-wal", "-mark") if dice.random() < 0.5 else ())):  # noqa: PLR2004 - half of the times
        store.with_name(f"{store.name}{name}").unlink(missing_ok=True)


def _log(store: Path) -> Path:
    return store.with_name(f"{store.name}-wal")


DISK_FAULTS: dict[str, Callable[[World, Random], None]] = {
    "disk_full": _refuses("disk_full", Trouble.FULL),
    "disk_io_error": _refuses("disk_io_error", Trouble.WRITE_FAILS),
    "disk_read_only": _refuses("disk_read_only", Trouble.READ_ONLY),
    "disk_sync_fails": _refuses("disk_sync_fails", Trouble.SYNC_FAILS),
    "bit_flip": _is_damaged("bit_flip", flip_a_bit),
    "torn_page": _is_damaged("torn_page", tear_a_page),
    "wal_truncated": _is_damaged("wal_truncated", cut_the_log),
    "wal_deleted": _is_damaged("wal_deleted", delete_the_log),
    "file_missing": _is_damaged("file_missing", delete_the_store),
}
