"""The command line's end of the control socket: ask the daemon of a state folder, and say plainly when none answers.

Enters: a verb and its JSON body. Stays out: what the verbs do.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from pathlib import Path
from typing import Any

from adapters.host.state_folder import StateFolder

DEADLINE_HEADER = "X-Deadline-Seconds"
GRACE_SECONDS = 1.0  # the daemon speaks of its own lateness first


class NoDaemon(Exception):
    """Nobody answers at the state folder's socket. Nothing was done."""


class AnswerLate(Exception):
    """The daemon did not answer in time; what was asked may have been done, or may yet be."""


class DaemonFailed(Exception):
    """The daemon could not do what was asked, or went away while doing it; the text says which."""


class ControlClient:
    """Asks one daemon, one connection a question."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def call(self, verb: str, body: dict[str, Any], *, timeout_seconds: float) -> dict[str, Any]:
        """Ask and give the answer.

        Raises:
            NoDaemon: there is none at this folder; says what to run.
            AnswerLate: no answer within the timeout.
            DaemonFailed: it answered that it cannot, or the connection broke off.

        """
        connection = _UnixConnection(self._socket_path(), timeout_seconds + GRACE_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except OSError as error:
                raise self._no_daemon(error) from None
            try:
                headers = {"Content-Type": "application/json", DEADLINE_HEADER: f"{timeout_seconds:g}"}
                connection.request("POST", f"/v1/{verb}", json.dumps(body), headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
            except TimeoutError:
                raise self._late(timeout_seconds) from None
            except (http.client.HTTPException, OSError, ValueError) as error:
                raise DaemonFailed(
                    f"the daemon at {self._folder.path} went away while answering {verb} ({error or 'no answer'}): "
                    "look with `main.py status` whether it was done"
                ) from None
        if response.status == http.HTTPStatus.GATEWAY_TIMEOUT:
            raise self._late(timeout_seconds)
        if response.status != http.HTTPStatus.OK or not isinstance(answer, dict):
            told = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise DaemonFailed(f"the daemon at {self._folder.path}: {told}")
        return answer

    def _socket_path(self) -> Path:
        try:
            return Path(self._folder.control_socket_name.read_text(encoding="utf-8").strip())
        except OSError:
            return self._folder.control_socket

    def _no_daemon(self, error: OSError) -> NoDaemon:
        start = f"start one with `main.py run --state {self._folder.path}`"
        if isinstance(error, PermissionError):
            return NoDaemon(f"the daemon at {self._folder.path} is another user's: its socket lets only them in")
        if isinstance(error, ConnectionRefusedError):
            return NoDaemon(f"no daemon runs at {self._folder.path}; the last one was killed. {start.capitalize()}")
        return NoDaemon(f"no daemon runs at {self._folder.path}: {start}")

    def _late(self, timeout_seconds: float) -> AnswerLate:
        return AnswerLate(
            f"the daemon at {self._folder.path} did not answer within {timeout_seconds:g} s; it may have done what was "
            "asked: look with `main.py status`"
        )


def call(folder: StateFolder, verb: str, body: dict[str, Any], *, timeout_seconds: float) -> dict[str, Any]:
    """Ask the running daemon once; see ControlClient.call."""
    return ControlClient(folder).call(verb, body, timeout_seconds=timeout_seconds)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("daemon", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise
