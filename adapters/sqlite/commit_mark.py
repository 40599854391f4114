"""The commit mark: a line beside the store that says how many commits were acknowledged, and under which epoch.

Why: SQLite ends a write-ahead log at the first frame that fails its checksum, and silently. A cut or flipped log, or
an old copy put in the store's place, would come back as a sound store that has forgotten orders. The mark is written
after each commit's fsync, without one of its own, so it is never ahead of what was durable; a store that holds less
than its mark has lost something. A mark that is missing or unreadable only checks less.

It also says when a run acts on more than is durable, because the disk takes no writes: whoever starts after it has
forgotten something. The line is replaced in place, which a full disk allows.

Enters: numbers. Stays out: SQLite.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from adapters.sqlite.checksums import row_checksum

_LENGTH = 96  # bytes, always the same, within one disk sector
_FORGETFUL, _WHOLE = "forgetful", "whole"


@dataclass(frozen=True, slots=True)
class Mark:
    installation: str
    epoch: int
    commits: int
    forgetful: bool = False  # the run has acted on writes that only its memory holds


def mark_path(store: Path) -> Path:
    return store.with_name(f"{store.name}-mark")


def read_mark(store: Path) -> Mark | None:
    """Give the mark beside a store; None when there is none or it fails its checksum."""
    try:
        descriptor = os.open(mark_path(store), os.O_RDONLY | os.O_CLOEXEC)
        try:
            line = os.read(descriptor, _LENGTH)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return _mark_of(line)


@lru_cache(maxsize=4)  # it is asked before every request, and changes with every commit only
def _mark_of(line: bytes) -> Mark | None:
    try:
        fields = line.decode("ascii").split()
        mark = Mark(fields[0], int(fields[1]), int(fields[2]), forgetful=fields[3] == _FORGETFUL)
        whole = fields[4] == _checksum(mark)
    except (ValueError, IndexError):
        return None
    return mark if whole else None


class MarkWriter:
    """Keeps the file open, so that a mark costs one small write."""

    def __init__(self, store: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor: int | None = os.open(mark_path(store), flags, 0o600)

    def write(self, mark: Mark) -> None:
        """Replace the mark. A failing write is passed over: the commit before it is durable all the same."""
        line = f"{mark.installation} {mark.epoch} {mark.commits} {_word(mark)} {_checksum(mark)}"
        line = line.ljust(_LENGTH - 1) + "\n"
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, line.encode(), 0)

    def latest_epoch(self) -> int:
        """Give the epoch that last committed; 0 when the mark does not tell. Any thread may ask.

        Whoever opens the store after us writes into the same file: a mark is replaced in place, never removed.
        """
        try:
            mark = None if self._descriptor is None else _mark_of(os.pread(self._descriptor, _LENGTH, 0))
        except OSError:
            mark = None
        return 0 if mark is None else mark.epoch

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _word(mark: Mark) -> str:
    return _FORGETFUL if mark.forgetful else _WHOLE


def _checksum(mark: Mark) -> str:
    return row_checksum("mark", mark.installation, mark.epoch, mark.commits, _word(mark)).hex()
