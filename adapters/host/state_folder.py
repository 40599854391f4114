"""The state folder: where one daemon keeps everything it must find again, and what is called what in it.

Enters: a path from the command line or none. Stays out: reading and writing what is inside.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

OWNER_ONLY = 0o700


class StateFolderUnusable(OSError):
    """The folder cannot hold a daemon's state; the text says why and what to do. A fault of configuration (exit 78)."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder and the names of what is kept there."""

    path: Path

    @property
    def store(self) -> Path:
        return self.path / "store.sqlite"

    @property
    def run_lock(self) -> Path:
        return self.path / "run.lock"

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def control_socket_name(self) -> Path:
        """Where the socket's real path is written when the folder's own is too long for a socket."""
        return self.path / "control.sock.path"

    @property
    def settings(self) -> Path:
        return self.path / "standfast.toml"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def paper_exchange(self) -> Path:
        """The local exchange's books in paper mode."""
        return self.path / "paper-exchange.json"


def default_path() -> Path:
    """Give the folder used when none is named: `standfast` in the user's state home.

    Source: XDG Base Directory Specification 0.8, which bids to ignore a relative XDG_STATE_HOME.
    """
    home = os.environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "standfast"


def state_folder(stated: Path | None) -> StateFolder:
    """Name the folder without touching it."""
    return StateFolder((stated or default_path()).expanduser().absolute())


def make(folder: StateFolder) -> StateFolder:
    """Make the folder if need be, its owner's only. One that exists keeps its mode: it may serve others, too.

    Raises:
        StateFolderUnusable: not a folder, somebody else's, writable by others, or not to be made or written.

    """
    path = folder.path
    try:
        path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        found = path.stat()
    except FileExistsError:
        raise StateFolderUnusable(f"{path} is a file: give --state a folder, or a name that is free") from None
    except OSError as error:
        raise StateFolderUnusable(f"{path} cannot be made ({error.strerror}): choose another with --state") from error
    if found.st_uid != os.geteuid():
        raise StateFolderUnusable(f"{path} belongs to user {found.st_uid}: give --state a folder of your own")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateFolderUnusable(f"others may write in {path}: take that away with `chmod 700 {path}`")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StateFolderUnusable(f"{path} cannot be written: look at its mode and mount")
    return folder
