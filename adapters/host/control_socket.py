"""The control socket: how the command line reaches a running daemon. HTTP with JSON on a Unix socket, owner only.

A path too long for a socket (107 bytes) goes to a private temporary folder, and its name is kept in the state folder.
Enters: verbs with a JSON body, handed to one callback on a thread of their own. Stays out: what the verbs do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from aiohttp import web

from adapters.host.control_client import DEADLINE_HEADER, AnswerLate, ControlClient, DaemonFailed, NoDaemon, call
from adapters.host.state_folder import StateFolder

__all__ = ["AnswerLate", "ControlClient", "ControlServer", "DaemonFailed", "NoDaemon", "call"]  # both ends

LONGEST_SOCKET_PATH = 107  # bytes, sockaddr_un less its ending zero
LONGEST_BODY = 64 * 1024  # bytes
MOST_AT_ONCE = 16  # requests being worked on; each has a thread
START_SECONDS = 10.0
STOP_SECONDS = 5.0
LONGEST_DEADLINE_SECONDS = 600.0

Answer: TypeAlias = dict[str, Any]
Handle: TypeAlias = Callable[[str, Answer], Answer]


class ControlServer:
    """The daemon's end. `handle(verb, body)` runs on a thread of its own and gives the JSON answer.

    A handler that raises, and one that is not done by the asker's deadline, are told to the asker; the second goes on,
    because what it does to a trade cannot be taken back by losing interest in it.
    """

    def __init__(self, folder: StateFolder, handle: Handle) -> None:
        self._folder = folder
        self._handle = handle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._halt: asyncio.Event | None = None
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._temporary: Path | None = None
        self._path: Path | None = None
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()

    def start(self) -> Path:
        """Listen; give the socket's path. OSError when that cannot be done."""
        path = self._path = self._place()
        listening = _bind(path)
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main(listening, started)), name="control-socket", daemon=True
        )
        self._thread.start()
        started.result(START_SECONDS)
        return path

    def stop(self) -> None:
        """Stop listening and remove the socket. Twice is harmless."""
        if self._loop is not None and self._halt is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._halt.set)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._folder.control_socket_name.unlink(missing_ok=True)

    def _place(self) -> Path:
        """Choose the socket's place; what a killed daemon left there is removed (the run lock is ours)."""
        path = self._folder.control_socket
        pointer = self._folder.control_socket_name
        if pointer.exists():
            _remove_left_over(Path(pointer.read_text(encoding="utf-8").strip()))
            pointer.unlink()
        path.unlink(missing_ok=True)
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            self._temporary = Path(tempfile.mkdtemp(prefix="standfast-"))  # made 0700
            path = self._temporary / "control.sock"
            pointer.write_text(str(path), encoding="utf-8")
        return path

    async def _main(self, listening: socket.socket, started: Future[None]) -> None:
        app = web.Application(client_max_size=LONGEST_BODY)
        app.router.add_post("/v1/{verb}", self._serve)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await web.SockSite(runner, listening).start()
        except OSError as error:
            await runner.cleanup()
            listening.close()
            started.set_exception(error)
            return
        self._loop, self._halt = asyncio.get_running_loop(), asyncio.Event()
        started.set_result(None)
        try:
            await self._halt.wait()
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        try:
            body = json.loads(await request.read() or b"{}")
            deadline = float(request.headers.get(DEADLINE_HEADER, "60"))
        except ValueError:
            return _told("the body is not JSON, or the deadline is no number", status=400)
        if not isinstance(body, dict):
            return _told("the body is not a JSON object", status=400)
        if not self._free.acquire(blocking=False):
            return _told(f"{MOST_AT_ONCE} requests are being worked on: ask again in a moment", status=503)
        work = self._begin(verb, body)
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(work), min(deadline, LONGEST_DEADLINE_SECONDS))
        except TimeoutError:
            return _told(f"{verb} is not done after {deadline:g} s and goes on", status=504)
        except Exception as error:  # noqa: BLE001 - a handler's failure is the asker's to hear, not the server's end
            self._log.exception("control_failed", verb=verb)
            return _told(f"{verb} failed: {type(error).__name__}: {error}", status=500)
        return web.Response(body=answer, content_type="application/json")

    def _begin(self, verb: str, body: Answer) -> Future[bytes]:
        """Work on a thread that does not keep the process alive."""
        work: Future[bytes] = Future()
        work.set_running_or_notify_cancel()

        def run() -> None:
            try:
                work.set_result(json.dumps(self._handle(verb, body)).encode())
            except Exception as error:  # noqa: BLE001 - handed to the asker, who logs it
                work.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=run, name=f"control-{verb}", daemon=True).start()
        return work


def _bind(path: Path) -> socket.socket:
    """Make the socket the owner's before anybody can connect: it does not listen yet."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o600)
    except OSError:
        listening.close()
        raise
    return listening


def _remove_left_over(path: Path) -> None:
    """Remove a killed daemon's temporary socket and folder; anything that is not of our making is left alone."""
    if path.name == "control.sock" and path.parent.name.startswith("standfast-") and path.is_socket():
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _told(text: str, *, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)
