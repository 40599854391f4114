"""A scriptable Bybit over loopback: it records every request and misbehaves on demand, as a well-behaved one cannot."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from actors.ports import ExchangePort, MarketStreamPort, PrivateStreamPort
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange, open_market_stream, open_private_stream
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.supervised_socket import Patience
from runtime.clock import SystemClock
from runtime.randomness import Randomness

KEY, SECRET = "key-of-the-test", "secret-of-the-test"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    params: dict[str, Any]
    signed_rightly: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to do with one request: answer, or `way` of not answering."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    way: str = "answer"  # answer | hold | reset | truncate | close


class ScriptedVenue:
    """Answers `queued` answers first, then what `set_default` said, else an empty result."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.released = threading.Event()
        self._sockets: list[socket.socket] = []
        self._queued: dict[str, deque[Answer]] = defaultdict(deque)
        self._defaults: dict[str, Callable[[dict[str, Any]], Answer]] = {}
        venue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                split = urlsplit(self.path)
                venue._serve(self, split.path, dict(parse_qsl(split.query)), split.query)

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                venue._serve(self, self.path, json.loads(raw), raw)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            allow_reuse_address = False

            def get_request(self) -> tuple[socket.socket, Any]:
                accepted, address = super().get_request()
                venue._sockets.append(accepted)
                return accepted, address

            def handle_error(self, *_args: object) -> None:
                """A peer that went away is part of the script."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def result(self, path: str, result: dict[str, Any], **headers: str) -> None:
        """Queue one success."""
        self._queued[path].append(_envelope(0, "OK", result, headers))

    def code(self, path: str, ret_code: int, words: str = "no", headers: dict[str, str] | None = None) -> None:
        """Queue one business error."""
        self._queued[path].append(_envelope(ret_code, words, {}, headers or {}))

    def raw(self, path: str, **answer: Any) -> None:
        """Queue one answer of any shape."""
        self._queued[path].append(Answer(**answer))

    def set_default(self, path: str, build: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Answer every further request to a path with the result made from its parameters."""
        self._defaults[path] = lambda params: _envelope(0, "OK", build(params), {})

    def asked_at(self, path: str) -> list[Asked]:
        return [each for each in self.asked if each.path == path]

    def _serve(self, handler: BaseHTTPRequestHandler, path: str, params: dict[str, Any], signed: str) -> None:
        headers = handler.headers
        stamp = f"{headers.get('X-BAPI-TIMESTAMP')}{KEY}{headers.get('X-BAPI-RECV-WINDOW')}{signed}"
        expected = hmac.new(SECRET.encode(), stamp.encode(), hashlib.sha256).hexdigest()
        self.asked.append(
            Asked(
                method=handler.command,
                path=path,
                params=params,
                signed_rightly=headers.get("X-BAPI-SIGN") == expected,
            )
        )
        queue = self._queued[path]
        build = self._defaults.get(path)
        if not queue and build is not None:
            queue.append(build(params))
        self._answer(handler, queue.popleft() if queue else _envelope(0, "OK", {}, {}))

    def _answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.way == "hold":
            self.released.wait(30)
            handler.close_connection = True
            return
        if answer.way in {"reset", "close"}:
            if answer.way == "reset":
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        claimed = len(answer.body) + (1000 if answer.way == "truncate" else 0)
        handler.send_header("Content-Length", str(claimed))
        handler.end_headers()
        handler.wfile.write(answer.body)
        handler.close_connection = answer.way == "truncate"


def _envelope(code: int, words: str, result: dict[str, Any], headers: dict[str, str]) -> Answer:
    body = {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": 1700000000000}
    return Answer(body=json.dumps(body).encode(), headers=headers)


@pytest.fixture
def venue() -> Iterator[ScriptedVenue]:
    """A scripted Bybit of one test's own."""
    scripted = ScriptedVenue()
    yield scripted
    scripted.close()


@pytest.fixture
def access(venue: ScriptedVenue) -> BybitAccess:
    """The way to the scripted Bybit, with little patience."""
    return BybitAccess(api_key=KEY, api_secret=SECRET, rest_url=venue.url, read_timeout_seconds=0.3)


@pytest.fixture
def exchange(access: BybitAccess) -> Iterator[ExchangePort]:
    """The adapter under test over the real pybit."""
    clock = SystemClock()
    opened = open_exchange(access, RateBudget(clock), account="main", clock=clock)
    yield opened
    opened.close()


# --- a scriptable stream ---------------------------------------------------------------------------------------
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Peer:
    """One accepted connection of the scripted stream."""

    def __init__(self, number: int, raw: socket.socket) -> None:
        self.number = number
        self.raw = raw
        self.said: list[dict[str, Any]] = []
        self.path = ""
        self.sending = threading.Lock()

    def send(self, message: object) -> None:
        self.send_frame(_TEXT, json.dumps(message).encode())

    def send_frame(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack("!H", length)
        with self.sending:
            self.raw.sendall(bytes([0x80 | opcode]) + size + payload)

    def abort(self) -> None:
        """Reset the connection: the other side gets no goodbye."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.shutdown(socket.SHUT_RD)
        self.raw.close()

    def topics(self) -> list[str]:
        return [topic for said in self.said if said.get("op") == "subscribe" for topic in said["args"]]

    def ops(self) -> list[str]:
        return [said["op"] for said in self.said if said.get("op") != "ping"]


class ScriptedStream:
    """A stream that answers as Bybit does, or as `handshake`, `auth`, `subscribe` and `pongs` say instead."""

    def __init__(self) -> None:
        self.handshake = "yes"  # yes | silent | 503
        self.auth = "yes"  # yes | no | silent
        self.subscribe = "yes"  # yes | no | silent | unnamed (an ack that names no request)
        self.refused_topics: set[str] = set()
        self.pongs = True
        self.peers: list[Peer] = []
        self.attempts = 0
        self.changed = threading.Condition()
        self._over = False
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._port = 0
        self.listen()
        self.url = f"ws://127.0.0.1:{self._port}"

    def listen(self) -> None:
        """Accept connections, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(16)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._start(self._accept, listener)

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        self._over = True
        self.stop_listening()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.raw.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for peer in self.peers:
            peer.raw.close()

    def wait(self, come: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until something is so."""
        with self.changed:
            assert self.changed.wait_for(come, seconds), f"it did not come about within {seconds} s"

    def subscribed(self, number: int, *, topics: int = 4) -> Peer:
        """Wait until the given connection (1 is the first) has subscribed, and give it."""
        self.wait(lambda: len(self.peers) >= number and len(self.peers[number - 1].topics()) >= topics)
        return self.peers[number - 1]

    def _start(self, act: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=act, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                raw, _address = listener.accept()
            except OSError:
                return
            with self.changed:
                self.attempts += 1
                peer = Peer(self.attempts, raw)
                self.peers.append(peer)
                self.changed.notify_all()
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        with contextlib.suppress(OSError, EOFError), peer.raw.makefile("rb") as incoming:
            if not self._shake_hands(peer, incoming):
                return
            while True:
                opcode, payload = _read_frame(incoming)
                if opcode == _CLOSE:
                    return
                if opcode == _PING and self.pongs:
                    peer.send_frame(_PONG, payload)
                if opcode == _TEXT:
                    self._take(peer, json.loads(payload))

    def _shake_hands(self, peer: Peer, incoming: Any) -> bool:
        lines: list[str] = []
        while (line := incoming.readline().decode().strip()) or not lines:
            lines.append(line)
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines[1:])}
        peer.path = lines[0].split()[1]
        if self.handshake == "silent":
            incoming.read()  # until the other side gives up
            return False
        if self.handshake == "503":
            peer.raw.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            peer.raw.shutdown(socket.SHUT_WR)
            return False
        digest = hashlib.sha1((headers["sec-websocket-key"] + _GUID).encode(), usedforsecurity=False).digest()
        accept = base64.b64encode(digest).decode()
        reply = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        peer.raw.sendall("\r\n".join((*reply, f"Sec-WebSocket-Accept: {accept}", "", "")).encode())
        return True

    def _take(self, peer: Peer, said: dict[str, Any]) -> None:
        with self.changed:
            peer.said.append(said)
            self.changed.notify_all()
        op = said.get("op")
        if op == "ping" and self.pongs:
            peer.send({"op": "pong", "args": ["1"], "conn_id": "c"})
        if op == "auth" and self.auth != "silent":
            good = self.auth == "yes" and _is_signed(said["args"])
            words = "" if good else f"Params Error {said['args'][0]}"
            peer.send({"success": good, "ret_msg": words, "op": "auth", "conn_id": "c"})
        if op in {"subscribe", "unsubscribe"} and self.subscribe != "silent":
            good = self.subscribe != "no" and not self.refused_topics.intersection(said["args"])
            words = "" if good else f"Invalid topic: {said['args']}"
            named = {} if self.subscribe == "unnamed" else {"req_id": said.get("req_id")}
            peer.send({"success": good, "ret_msg": words, "op": op, "conn_id": "c", **named})


def _is_signed(args: list[Any]) -> bool:
    key, expires, signature = args
    expected = hmac.new(SECRET.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return bool(key == KEY and signature == expected)


def _read_frame(incoming: Any) -> tuple[int, bytes]:
    head = incoming.read(2)
    if len(head) < 2:
        raise EOFError
    length = head[1] & 0x7F
    if length == 126:
        length = struct.unpack("!H", incoming.read(2))[0]
    mask = incoming.read(4)
    masked = incoming.read(length)
    return head[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


class Inbox:
    """A sink that keeps what it gets and can be waited on; `act` may raise in its place."""

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.act: Callable[[Any], None] = lambda _report: None
        self.changed = threading.Condition()

    def __call__(self, report: Any) -> None:
        self.act(report)
        with self.changed:
            self.reports.append(report)
            self.changed.notify_all()

    def of(self, kind: type[Any]) -> list[Any]:
        return [report for report in list(self.reports) if isinstance(report, kind)]

    def find(self, kind: type[Any], like: Callable[[Any], bool], seconds: float = 5.0) -> Any:
        """Wait for a report of a kind that is like so, and give the first."""
        with self.changed:
            assert self.changed.wait_for(lambda: any(map(like, self.of(kind))), seconds), self.reports
        return next(filter(like, self.of(kind)))

    def wait(self, kind: type[Any], count: int = 1, seconds: float = 5.0) -> Any:
        """Wait for the given number of reports of a kind and give the last of them."""
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.of(kind)) >= count, seconds)
        assert came, f"{count} {kind.__name__} did not come within {seconds} s; there is {self.reports}"
        return self.of(kind)[count - 1]


@pytest.fixture
def script() -> Iterator[ScriptedStream]:
    """A scripted stream of one test's own."""
    scripted = ScriptedStream()
    yield scripted
    scripted.close()


@pytest.fixture
def inbox() -> Inbox:
    """An empty inbox."""
    return Inbox()


@pytest.fixture
def impatience() -> Patience:
    """Waits short enough for a test, in the proportions of the real ones."""
    return Patience(
        dial_seconds=0.6,
        answer_seconds=0.6,
        silence_seconds=2.0,
        ping_interval_seconds=0.8,
        ping_timeout_seconds=0.35,
        look_seconds=0.02,
        steady_seconds=1.0,
        first_wait_seconds=0.02,
        longest_wait_seconds=0.2,
    )


@pytest.fixture
def stream_access(script: ScriptedStream) -> BybitAccess:
    """The way to the scripted stream."""
    return BybitAccess(api_key=KEY, api_secret=SECRET, ws_url=script.url)


@pytest.fixture
def private(stream_access: BybitAccess, impatience: Patience) -> Iterator[PrivateStreamPort]:
    """The private stream under test, not yet open; no thread of it may outlive the test."""
    stream = open_private_stream(
        stream_access, account="main", random=Randomness(7).generator("stream"), patience=impatience
    )
    yield stream
    stream.close()
    _assert_no_threads_left()


@pytest.fixture
def market(stream_access: BybitAccess, impatience: Patience) -> Iterator[MarketStreamPort]:
    """The public stream under test, not yet open; no thread of it may outlive the test."""
    stream = open_market_stream(stream_access, random=Randomness(7).generator("stream"), patience=impatience)
    yield stream
    stream.close()
    _assert_no_threads_left()


def _assert_no_threads_left() -> None:
    """pybit and websocket-client name their threads after functions; ours carry "bybit"."""
    telling = ("bybit-", "_send_ping", "_send_custom_ping", "Timer", "<lambda>")
    left = [each for each in threading.enumerate() if any(word in each.name for word in telling)]
    for thread in left:
        thread.join(1)
    assert [thread.name for thread in left if thread.is_alive()] == []
