"""State disk: the state folder as the disk holds it, through the deaths of those who write it.

Enters: a folder. Stays out: what is written there (the store's), when a process dies (process, world).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from adapters.sqlite.faults import Disk

_STORE = "store.sqlite"
_WRITTEN = (_STORE, f"{_STORE}-wal", f"{_STORE}-mark")  # what a power cut leaves; -shm is rebuilt from the log
_GONE_AT_DEATH = (*_WRITTEN, f"{_STORE}-shm")


class StateDisk:
    """One state folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "state"
        self.folder.mkdir()
        self.on_found: Callable[[Path], None] = lambda _folder: None  # told before a run opens what a dead one has left
        self.hardware = Disk()
        self._kept = root / "kept"

    @property
    def store(self) -> Path:
        return self.folder / _STORE

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def run_lock(self) -> Path:
        return self.folder / "run.lock"

    def lose_lock(self) -> None:
        """Have somebody delete the lock file."""
        self.run_lock.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Remember what the disk holds now: closing the dead run's connection would tidy it up."""
        self._kept.mkdir()
        for name in _WRITTEN:
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, self._kept / name)

    def thaw(self) -> None:
        """Put back what was remembered, after the connection was closed."""
        for name in _GONE_AT_DEATH:
            (self.folder / name).unlink(missing_ok=True)
        for each in self._kept.iterdir():
            each.rename(self.folder / each.name)
        self._kept.rmdir()
