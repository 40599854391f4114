"""The command line and the daemon over a Unix socket: answers, refusals, and a sentence when nobody is there."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.host import control_socket
from adapters.host.control_socket import AnswerLate, ControlServer, DaemonFailed, NoDaemon, call
from adapters.host.state_folder import StateFolder

Body = dict[str, Any]


def echo(verb: str, body: Body) -> Body:
    return {"verb": verb, "body": body, "thread": threading.current_thread().name}


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


@pytest.fixture
def serve(folder: StateFolder) -> Iterator[Callable[..., ControlServer]]:
    servers = []

    def start(handle: Callable[[str, Body], Body] = echo, folder: StateFolder = folder) -> ControlServer:
        server = ControlServer(folder, handle)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


def test_a_verb_and_its_body_reach_the_handler_off_the_loops_thread(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    serve()
    answer = call(folder, "trade", {"symbol": "BTCUSDT", "stop": "64000.5", "note": "ä"}, timeout_seconds=5)
    assert answer["verb"] == "trade"
    assert answer["body"] == {"symbol": "BTCUSDT", "stop": "64000.5", "note": "ä"}
    assert answer["thread"] == "control-trade"


def test_the_socket_is_its_owners_only_and_gone_after_the_end(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    server = serve()
    assert stat.S_IMODE(folder.control_socket.stat().st_mode) == 0o600
    server.stop()
    server.stop()
    assert list(folder.path.iterdir()) == []


def test_without_a_daemon_the_sentence_names_the_folder_and_what_to_run(folder: StateFolder) -> None:
    with pytest.raises(NoDaemon, match=f"no daemon runs at {folder.path}: start one with `main.py run --state"):
        call(folder, "status", {}, timeout_seconds=1)


def test_a_killed_daemons_socket_is_told_apart_and_taken_over(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder.control_socket))
    with pytest.raises(NoDaemon, match=r"the last one was killed\. Start one"):
        call(folder, "status", {}, timeout_seconds=1)
    serve()
    assert call(folder, "status", {}, timeout_seconds=5)["verb"] == "status"


def test_a_path_too_long_for_a_socket_goes_to_a_private_folder_whose_name_is_kept(
    tmp_path: Path, serve: Callable[..., ControlServer]
) -> None:
    long = StateFolder(tmp_path / ("d" * 120))
    long.path.mkdir()
    server = serve(echo, long)
    place = Path(long.control_socket_name.read_text())
    assert len(os.fsencode(place)) < 108
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert call(long, "status", {}, timeout_seconds=5)["verb"] == "status"
    server.stop()
    assert not place.parent.exists()
    assert list(long.path.iterdir()) == []


def test_a_killed_daemons_private_folder_is_removed_by_the_next(
    tmp_path: Path, serve: Callable[..., ControlServer]
) -> None:
    long = StateFolder(tmp_path / ("d" * 120))
    long.path.mkdir()
    serve(echo, long)
    first = Path(long.control_socket_name.read_text())
    serve(echo, long)  # as if the first had been killed
    assert Path(long.control_socket_name.read_text()) != first
    assert not first.parent.exists()
    assert call(long, "status", {}, timeout_seconds=5)["verb"] == "status"


def test_a_pointer_to_something_else_removes_nothing(folder: StateFolder, serve: Callable[..., ControlServer]) -> None:
    precious = folder.path / "precious"
    precious.write_text("x")
    folder.control_socket_name.write_text(str(precious))
    serve()
    assert precious.read_text() == "x"
    assert call(folder, "status", {}, timeout_seconds=5)["verb"] == "status"


def test_an_answer_that_is_too_late_says_that_it_may_have_been_done(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    go_on, done = threading.Event(), threading.Event()

    def slow(verb: str, body: Body) -> Body:
        if verb == "close":
            go_on.wait(10)
            done.set()
        return {}

    serve(slow)
    try:
        with pytest.raises(AnswerLate, match=r"did not answer within 0.1 s; it may have done"):
            call(folder, "close", {}, timeout_seconds=0.1)
        assert call(folder, "status", {}, timeout_seconds=5) == {}  # others are served meanwhile
    finally:
        go_on.set()
    assert done.wait(5)  # what was begun is finished


def test_a_handler_that_fails_is_told_and_the_next_question_is_answered(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    def failing(verb: str, body: Body) -> Body:
        return {"ok": body["symbol"]}

    serve(failing)
    with pytest.raises(DaemonFailed, match="trade failed: KeyError: 'symbol'"):
        call(folder, "trade", {}, timeout_seconds=5)
    assert call(folder, "trade", {"symbol": "X"}, timeout_seconds=5) == {"ok": "X"}


def test_an_answer_that_is_no_json_is_a_failure_not_a_hang(
    folder: StateFolder, serve: Callable[..., ControlServer]
) -> None:
    serve(lambda _verb, _body: {"at": object()})
    with pytest.raises(DaemonFailed, match="not JSON serializable"):
        call(folder, "status", {}, timeout_seconds=5)


def test_more_requests_than_may_be_worked_on_are_turned_away(
    folder: StateFolder, serve: Callable[..., ControlServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "MOST_AT_ONCE", 1)
    go_on, inside = threading.Event(), threading.Event()

    def slow(verb: str, body: Body) -> Body:
        inside.set()
        go_on.wait(10)
        return {}

    serve(slow)
    first = threading.Thread(target=call, args=(folder, "status", {}), kwargs={"timeout_seconds": 5})
    first.start()
    try:
        assert inside.wait(5)
        with pytest.raises(DaemonFailed, match="ask again in a moment"):
            call(folder, "status", {}, timeout_seconds=5)
    finally:
        go_on.set()
        first.join()
    assert call(folder, "status", {}, timeout_seconds=5) == {}


def raw(folder: StateFolder, text: bytes) -> int:
    """Speak to the socket as a foreign client would; give the status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(folder.control_socket))
        connection.sendall(text)
        response = http.client.HTTPResponse(connection)
        response.begin()
        status = response.status
        response.close()
        return status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"POST /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 200),
        (b"POST /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{", 400),
        (b"POST /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", 400),
        (b"GET /v1/status HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n", 405),
        (b"POST /elsewhere HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 404),
        (b"POST /v1/x HTTP/1.1\r\nHost: d\r\nContent-Length: 70000\r\nConnection: close\r\n\r\n" + b"x" * 70_000, 413),
    ],
)
def test_what_is_not_a_question_is_refused_by_its_http_status(
    folder: StateFolder, serve: Callable[..., ControlServer], text: bytes, status: int
) -> None:
    serve()
    assert raw(folder, text) == status


def test_a_daemon_that_goes_away_while_answering_leaves_the_outcome_open(folder: StateFolder) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder.control_socket))
        listening.listen(1)

        def hang_up() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)

        dying = threading.Thread(target=hang_up)
        dying.start()
        with pytest.raises(DaemonFailed, match=r"went away while answering close .*`main.py status`"):
            call(folder, "close", {}, timeout_seconds=5)
        dying.join()
