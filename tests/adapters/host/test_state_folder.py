"""Where the state lives, and which folders are refused before anything is written in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from adapters.host.state_folder import StateFolder, StateFolderUnusable, default_path, make, state_folder


@pytest.mark.parametrize(
    ("state_home", "expected"),
    [("/var/state", "/var/state/standfast"), ("", ".local/state/standfast"), ("relative", ".local/state/standfast")],
)
def test_the_default_is_in_the_users_state_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state_home: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", state_home)
    assert default_path() == tmp_path / expected


def test_a_stated_folder_is_named_absolutely_and_not_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folder = state_folder(Path("here/there"))
    assert folder.path == tmp_path / "here/there"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = make(StateFolder(tmp_path / "a" / "b"))
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert make(folder) == folder


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make(StateFolder(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_folder_that_others_may_write_in_is_refused_with_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StateFolderUnusable, match=f"chmod 700 {tmp_path}"):
        make(StateFolder(tmp_path))


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_file_in_its_place_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderUnusable, match=r"is a file|cannot be made"):
        make(StateFolder(tmp_path / "file" / below))


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StateFolderUnusable, match="belongs to user"):
        make(StateFolder(tmp_path))
