"""The stand for measurements of whole processes: a local exchange, a local chat server, the real daemon.

    with Stand(folder, seeded) as stand:
        stand.start_daemon()
        stand.wait_reconciled(len(seeded.trades))

Each runs in a process of its own, as in production, but for the chat server (a thread here; it is quiet). Nothing is
pinned to a core and nothing is switched off: the daemon logs, tells its alerts and checks its health as ever.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from _seeded import KEY, SECRET, Seeded

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon, call
from adapters.host.state_folder import state_folder
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer

ROOT = Path(__file__).resolve().parents[2]
PERSON = 4711
PATIENCE_SECONDS = 120.0


def machine() -> dict[str, Any]:
    """Give what figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def until(what: str, found: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition of another process. TimeoutError says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (outcome := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
    return outcome


def clean_environment(**more: str) -> dict[str, str]:
    """Give this process's environment without settings of the daemon's, and what is added."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BYBIT_", "TELEGRAM_"))}
    return {**kept, **more}


class Stand:
    """Exchange, chat server and daemon of one measurement."""

    def __init__(self, folder: Path, seeded: Seeded, *exchange_arguments: str) -> None:
        self._folder = folder
        self.seeded = seeded
        self._arguments = (*seeded.exchange_arguments, *exchange_arguments)
        self._chat = BotApiServer(chats=(PERSON,))
        self._exchange: subprocess.Popen[str] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._chat_url = ""

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # nothing is left running
        self._chat_url = self._chat.start()
        command = [sys.executable, "main.py", "exchange", "--port", "0", "--control", *self._arguments]
        self._exchange = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._exchange.stdout is not None
        first = self._exchange.stdout.readline()
        self.port = int(first.split("http://127.0.0.1:")[1].split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_daemon()
        if self._exchange is not None:
            self._exchange.kill()
            self._exchange.wait(10)
            assert self._exchange.stdout is not None
            self._exchange.stdout.close()
        self._chat.stop()

    # --- the exchange -----------------------------------------------------------------------------------------------
    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def control(self, what: str, body: Any = None) -> Any:
        """Ask something of the exchange's /control."""
        request = urllib.request.Request(
            f"{self.rest_url}/control/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    # --- the daemon -------------------------------------------------------------------------------------------------
    def start_daemon(self, command: Sequence[str] = ("main.py",)) -> subprocess.Popen[bytes]:
        """Start it; `command` is what Python runs."""
        environment = clean_environment(
            BYBIT_REST_URL=self.rest_url,
            BYBIT_WS_URL=self.ws_url,
            BYBIT_API_KEY=KEY,
            BYBIT_API_SECRET=SECRET,
            TELEGRAM_TOKEN=LOCAL_TOKEN,
            TELEGRAM_API_URL=self._chat_url,
            TELEGRAM_ALLOWED_USERS=str(PERSON),
        )
        with (self._folder / "daemon.out").open("ab") as out:
            self.daemon = subprocess.Popen(
                [sys.executable, *command, "run", "--state", str(self.seeded.state)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.daemon

    def kill_daemon(self) -> None:
        """End it as a power cut would."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.wait(10)

    def stop_daemon(self) -> None:
        """End it in order."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(30)

    def status(self) -> dict[str, Any]:
        """Give what `main.py status` reads; empty while nobody answers."""
        try:
            answer: dict[str, Any] = call(state_folder(self.seeded.state), "status", {}, timeout_seconds=20.0)
        except (NoDaemon, AnswerLate, DaemonFailed):
            return {}
        return answer

    def wait_reconciled(self, trades: int, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
        """Wait until that many monitors have agreed with the exchange; give their readings."""

        def all_of_them() -> list[dict[str, Any]]:
            if self.daemon is not None and self.daemon.poll() is not None:
                raise RuntimeError((self._folder / "daemon.out").read_text()[-2000:])
            known: list[dict[str, Any]] = self.status().get("trades", [])
            return known if len([each for each in known if not each["note"]]) == trades else []

        found: list[dict[str, Any]] = until(f"{trades} monitors to agree with the exchange", all_of_them, seconds)
        return found
