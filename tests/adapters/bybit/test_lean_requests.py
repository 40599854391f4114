"""An order's request goes once, in one piece, over a connection that stands open; what goes wrong is named as ever."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import InvalidHeader, ReadTimeout

from adapters.bybit.lean_requests import LeanSession

PATIENCE_SECONDS = 10.0
OK = b'{"retCode": 0}'


def answer(body: bytes = OK, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Exchange:
    """Answers as it is told, and remembers in which pieces requests came, and over which connection."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v5/order/amend"
        self.pieces: list[tuple[int, bytes]] = []
        self.then: Callable[[socket.socket], bool] = lambda taken: taken.sendall(answer()) is None  # False: hang up
        self.hung_up = threading.Semaphore(0)
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(taken)
            threading.Thread(target=self._serve, args=(taken, len(self._connections)), daemon=True).start()

    def _serve(self, taken: socket.socket, number: int) -> None:
        read = b""
        with taken:
            while piece := _received(taken):
                self.pieces.append((number, piece))
                read += piece
                if _whole(read):
                    read = b""
                    if not self.then(taken):
                        break
        self.hung_up.release()

    def close(self) -> None:
        self._listening.close()
        for each in self._connections:
            each.close()


def _received(taken: socket.socket) -> bytes:
    try:
        return taken.recv(65536)
    except OSError:
        return b""


def _whole(read: bytes) -> bool:
    head, ended, body = read.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return bool(ended) and len(body) >= length


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.close()


@pytest.fixture
def session() -> Iterator[LeanSession]:
    made = LeanSession()
    yield made
    made.close()


def post(
    session: LeanSession, exchange: Exchange, seconds: float = PATIENCE_SECONDS, **headers: str
) -> requests.Response:
    body = json.dumps({"qty": "1"})
    prepared = session.prepare_request(requests.Request("POST", exchange.url, data=body, headers=headers))
    return session.send(prepared, timeout=(seconds, seconds))


def test_the_second_order_goes_in_one_piece_over_the_connection_of_the_first(
    session: LeanSession, exchange: Exchange
) -> None:
    assert post(session, exchange).json() == {"retCode": 0}
    first = len(exchange.pieces)
    response = post(session, exchange, **{"X-BAPI-SIGN": "abc"})
    assert response.json() == {"retCode": 0}
    assert response.status_code == 200
    assert response.elapsed.total_seconds() > 0
    ((number, piece),) = exchange.pieces[first:]
    assert number == 1
    assert piece.startswith(b"POST /v5/order/amend HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-BAPI-SIGN: abc\r\n" in piece
    assert piece.endswith(b'\r\n\r\n{"qty": "1"}')


def test_a_connection_the_exchange_has_closed_is_not_used(session: LeanSession, exchange: Exchange) -> None:
    exchange.then = lambda taken: taken.sendall(answer()) is not None
    post(session, exchange)
    assert exchange.hung_up.acquire(timeout=PATIENCE_SECONDS)
    assert post(session, exchange).json() == {"retCode": 0}
    assert [number for number, _ in exchange.pieces][-1] == 2


def test_a_connection_that_is_to_be_closed_is_not_used_again(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    exchange.then = lambda taken: taken.sendall(answer(OK, "Connection: close")) is None
    post(session, exchange)
    assert post(session, exchange).json() == {"retCode": 0}
    assert [number for number, _ in exchange.pieces][-1] == 2


def test_a_connection_cut_instead_of_an_answer_is_told_and_nothing_is_sent_twice(
    session: LeanSession, exchange: Exchange
) -> None:
    post(session, exchange)
    first = len(exchange.pieces)
    exchange.then = lambda _: False
    with pytest.raises(Broken, match="Connection aborted"):
        post(session, exchange)
    assert len(exchange.pieces) == first + 1
    exchange.then = lambda taken: taken.sendall(answer()) is None
    assert post(session, exchange).json() == {"retCode": 0}


def test_an_answer_that_breaks_off_is_told(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    exchange.then = lambda taken: taken.sendall(answer()[:-3]) is not None
    with pytest.raises(Broken):
        post(session, exchange)


def test_a_missing_answer_is_a_timeout_and_its_connection_is_given_up(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    exchange.then = lambda _: True
    with pytest.raises(ReadTimeout):
        post(session, exchange, seconds=0.1)
    exchange.then = lambda taken: taken.sendall(answer()) is None
    assert post(session, exchange).json() == {"retCode": 0}
    assert [number for number, _ in exchange.pieces][-1] == 2


def test_a_refusal_and_a_redirect_are_answers(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    for status in ("503 Service Unavailable", "302 Found"):
        exchange.then = lambda taken, status=status: (
            taken.sendall(answer(b"", "Location: http://127.0.0.1:9/", status=status)) is None
        )
        assert post(session, exchange).status_code == int(status[:3])


def test_a_packed_answer_is_unpacked(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    exchange.then = lambda taken: taken.sendall(answer(gzip.compress(OK), "Content-Encoding: gzip")) is None
    assert post(session, exchange).json() == {"retCode": 0}


def test_a_value_that_would_add_a_header_is_refused(session: LeanSession, exchange: Exchange) -> None:
    post(session, exchange)
    first = len(exchange.pieces)
    with pytest.raises(InvalidHeader):
        post(session, exchange, **{"X-BAPI-API-KEY": "key\r\nX-Other: 1"})
    assert len(exchange.pieces) == first
    assert post(session, exchange).json() == {"retCode": 0}
