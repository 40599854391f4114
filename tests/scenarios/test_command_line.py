"""The program as a newcomer meets it: every refusal is a sentence and a code, every question can be answered."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.host.control_client import AnswerLate, NoDaemon, call
from adapters.host.state_folder import state_folder

ROOT = Path(__file__).resolve().parents[2]
IN_THE_BACKGROUND = """
import fcntl, os, subprocess, sys, termios
os.setsid()
terminal = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.tcsetpgrp(terminal, os.getpgrp())
daemon = subprocess.Popen(sys.argv[2:], stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL, process_group=0)
print(daemon.pid, flush=True)
daemon.wait()
"""  # what a shell does with "main.py run &"


def main(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BYBIT_", "TELEGRAM_"))}
    return subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        env=clean,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_that_has_seen_enough_ends_the_program_quietly() -> None:
    """As in `main.py status | head -1`."""
    gone, kept = os.pipe()
    os.close(gone)
    with os.fdopen(kept, "w") as pipe:
        ended = subprocess.run(
            [sys.executable, "main.py", "--version"],
            cwd=ROOT,
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_damaged_books_of_the_paper_exchange_are_refused_with_what_to_do(tmp_path: Path) -> None:
    books = tmp_path / "paper-exchange.json"
    books.write_text("{bad", encoding="utf-8")
    refused = main("run", "--state", str(tmp_path))
    assert refused.returncode == 78
    assert "Standfast cannot start" in refused.stderr
    assert "move it away to begin afresh" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert books.read_text(encoding="utf-8") == "{bad"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--replay", "nowhere.csv", "--symbol", "XRPUSDT"), "nowhere.csv is no file"),
        (("--state", "/dev/null/state"), "/dev/null cannot be used"),
    ],
)
def test_an_exchange_that_cannot_have_its_file_names_it(arguments: tuple[str, ...], wanted: str) -> None:
    refused = main("exchange", "--port", "0", *arguments)
    assert refused.returncode == 2
    assert wanted in refused.stderr
    assert "port" not in refused.stderr


def test_the_terminals_question_names_no_time_that_has_run_out(stage: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    plan = [
        "--entries",
        "0.62",
        "--targets",
        "0.64,0.65,0.66,0.67",
        "--stop",
        "0.59",
        "--margin",
        "2%",
        "--leverage",
        "10",
    ]
    asked = main("trade", "XRPUSDT", "long", *plan, "--state", str(stage.daemon.state), typed="no\n")
    assert asked.returncode == 2
    assert "target 1: 0.64 for" in asked.stdout
    assert "within" not in asked.stdout
    assert "Nothing was sent" in asked.stderr
    told = main("trade", "XRPUSDT", "long", *plan, "--json", "--state", str(stage.daemon.state), typed="no\n")
    assert told.returncode == 2
    assert json.loads(told.stdout) == {"refused": ["Nothing was sent: it was not agreed to."]}
    assert stage.exchange.live_orders() == []


@contextlib.contextmanager
def background_daemon(state: Path) -> Iterator[int]:
    """A paper daemon as a shell's background job; gives the terminal's other end."""
    master, slave = pty.openpty()
    job = [sys.executable, "main.py", "run", "--state", str(state)]
    shell = subprocess.Popen(
        [sys.executable, "-c", IN_THE_BACKGROUND, os.ttyname(slave), *job], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    os.close(slave)
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    try:
        yield master
    finally:
        os.kill(pid, signal.SIGKILL)
        shell.wait(60)
        shell.stdout.close()
        os.close(master)


def test_a_daemon_in_a_shells_background_is_not_frozen_by_what_is_typed_there(tmp_path: Path, until: Any) -> None:
    state = tmp_path / "state"

    def ready() -> bool:
        try:
            return bool(call(state_folder(state), "status", {}, timeout_seconds=20.0)["ready"])
        except (NoDaemon, AnswerLate):
            return False

    with background_daemon(state) as terminal:
        until("the daemon to take commands", ready)
        os.write(terminal, b"ls\n")
        assert all(ready() for _ in range(20))


def test_commands_may_come_through_a_pipe(tmp_path: Path) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "main.py", "run", "--state", str(tmp_path / "state")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stdin is not None
    assert daemon.stdout is not None
    try:
        assert "PAPER" in daemon.stdout.readline()
        daemon.stdin.write("/help\n")
        daemon.stdin.flush()
        assert any("/help trade shows how" in line for line in daemon.stdout)  # ends at the end of the output
        daemon.stdin.close()
        daemon.terminate()
        assert daemon.wait(60) == 0
    finally:
        daemon.kill()
        daemon.wait(60)
        daemon.stdout.close()
