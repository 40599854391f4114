"""Every way in which pybit's socket is known to die: ours tells that it is down, comes back, and says it is up.

A test for each row of what pybit 5.17 with websocket-client 1.9 was measured to do when a connection goes wrong.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from actors.messages.orders import OrderReported, StreamDown, StreamFaulted, StreamUp
from actors.ports import PrivateStreamPort
from adapters.bybit import backoff
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_private_stream
from adapters.bybit.supervised_socket import Patience
from runtime.randomness import Randomness

ORDER_ROW = {
    "orderId": "o-1",
    "orderLinkId": "SF1",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderStatus": "New",
    "qty": "0.01",
    "cumExecQty": "0",
    "orderType": "Limit",
    "price": "64000",
    "category": "linear",
}
ORDER = {"id": "1", "topic": "order", "creationTime": 1700000000000, "data": [ORDER_ROW]}


def recovered(script: Any, inbox: Any, *, connection: int = 2) -> str:
    """Wait until the stream is up again on a new connection that authorised and subscribed anew; give why it fell."""
    up = inbox.wait(StreamUp, connection)
    peer = script.subscribed(script.attempts)
    assert peer.ops() == ["auth", "subscribe"]
    assert sorted(peer.topics()) == ["execution", "order", "position", "wallet"]
    assert up.connection == connection
    [down, *_] = inbox.of(StreamDown)
    assert inbox.reports.index(down) < inbox.reports.index(up)
    peer.send(ORDER)
    assert inbox.wait(OrderReported).order.order_id == "o-1"
    return str(down.reason)


@pytest.fixture
def up(script: Any, private: PrivateStreamPort, inbox: Any) -> Any:
    """The stream is up; gives the server's end of its first connection."""
    private.open(inbox)
    inbox.wait(StreamUp)
    return script.subscribed(1)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda peer: peer.abort(), id="reset"),
        pytest.param(lambda peer: peer.send_frame(8, b"\x03\xe9going away"), id="closed with 1001"),
        pytest.param(lambda peer: peer.send_frame(8, b"\x03\xe8"), id="closed with 1000"),
        pytest.param(lambda peer: peer.send_frame(8, b""), id="closed without a reason"),
        pytest.param(lambda peer: peer.raw.shutdown(2), id="closed without a goodbye"),
        pytest.param(lambda peer: peer.send_frame(1, b"\xff\xfe"), id="a text frame that is no text"),
        pytest.param(lambda peer: peer.raw.sendall(b"\xff\xff\xff\xff"), id="bytes that are no frame"),
    ],
)
def test_a_connection_that_ends_is_replaced(script: Any, up: Any, inbox: Any, end: Callable[[Any], None]) -> None:
    end(up)

    recovered(script, inbox)


def test_a_peer_that_answers_no_ping_is_left(script: Any, up: Any, inbox: Any) -> None:
    script.pongs = False
    inbox.wait(StreamDown)
    script.pongs = True

    assert "ping/pong timed out" in recovered(script, inbox, connection=len(inbox.of(StreamUp)) + 1)


def test_a_server_that_refuses_for_a_while_is_found_again(script: Any, up: Any, inbox: Any) -> None:
    script.stop_listening()
    up.abort()
    inbox.wait(StreamDown, 4)
    script.listen()

    recovered(script, inbox)
    assert "refused" in inbox.of(StreamDown)[1].reason


def test_a_server_that_is_not_there_at_first_is_found(script: Any, private: PrivateStreamPort, inbox: Any) -> None:
    script.stop_listening()
    private.open(inbox)
    inbox.wait(StreamDown, 3)
    script.listen()

    recovered(script, inbox, connection=1)


def test_a_handshake_refused_with_503_is_tried_again(script: Any, up: Any, inbox: Any) -> None:
    script.handshake = "503"
    up.abort()
    inbox.wait(StreamDown, 3)
    script.handshake = "yes"

    recovered(script, inbox)
    assert "503" in inbox.of(StreamDown)[1].reason


def test_a_handshake_that_is_never_answered_is_given_up(script: Any, up: Any, inbox: Any) -> None:
    script.handshake = "silent"
    up.abort()
    inbox.wait(StreamDown, 2)
    script.handshake = "yes"

    recovered(script, inbox)
    assert inbox.of(StreamDown)[1].reason == "no connection within 0.6 s"


def test_one_attempt_is_one_connection(script: Any, up: Any, inbox: Any) -> None:
    """pybit would burn ten in a second."""
    script.handshake = "503"
    up.abort()
    inbox.wait(StreamDown, 4)

    assert script.attempts <= 1 + len(inbox.of(StreamDown))


def test_an_authorisation_refused_is_tried_again(script: Any, up: Any, inbox: Any, stream_access: BybitAccess) -> None:
    script.auth = "no"
    up.abort()
    inbox.wait(StreamDown, 3)
    script.auth = "yes"

    recovered(script, inbox)
    reason = inbox.of(StreamDown)[1].reason
    assert reason.startswith("authorisation refused: Params Error")
    assert stream_access.api_key not in reason


def test_an_authorisation_never_answered_is_given_up(script: Any, up: Any, inbox: Any) -> None:
    script.auth = "silent"
    up.abort()
    inbox.wait(StreamDown, 2)
    script.auth = "yes"

    recovered(script, inbox)
    assert inbox.of(StreamDown)[1].reason == "the authorisation was not answered within 0.6 s"


def test_a_subscription_refused_is_tried_again(script: Any, up: Any, inbox: Any) -> None:
    script.subscribe = "no"
    up.abort()
    inbox.wait(StreamDown, 2)
    script.subscribe = "yes"

    recovered(script, inbox)
    assert "subscription to order, execution, position, wallet refused: Invalid topic" in inbox.of(StreamDown)[1].reason


def test_a_subscription_never_answered_is_given_up(script: Any, up: Any, inbox: Any) -> None:
    script.subscribe = "silent"
    up.abort()
    inbox.wait(StreamDown, 2)
    script.subscribe = "yes"

    recovered(script, inbox)
    assert inbox.of(StreamDown)[1].reason == "the subscription was not answered within 0.6 s"


def test_an_ack_that_names_no_request_counts(script: Any, private: PrivateStreamPort, inbox: Any) -> None:
    script.subscribe = "unnamed"
    private.open(inbox)

    inbox.wait(StreamUp)
    assert inbox.of(StreamDown) == []


def test_an_exception_in_the_receiver_costs_one_report_and_says_so(script: Any, up: Any, inbox: Any) -> None:
    def refuse_orders(report: Any) -> None:
        if type(report) is OrderReported:
            raise RuntimeError("the mailbox is full")

    inbox.act = refuse_orders
    up.send(ORDER)
    fault = inbox.wait(StreamFaulted)
    inbox.act = lambda _report: None
    up.send(ORDER)

    inbox.wait(OrderReported)
    assert "the mailbox is full" in fault.reason
    assert inbox.of(StreamDown) == []


def test_a_receiver_that_takes_nothing_for_a_while_is_told_afterwards(script: Any, up: Any, inbox: Any) -> None:
    tried = threading.Semaphore(0)

    def refuse_all(report: Any) -> None:
        tried.release()
        raise RuntimeError("gone")

    inbox.act = refuse_all
    up.send(ORDER)
    assert tried.acquire(timeout=5)
    assert tried.acquire(timeout=5)
    inbox.act = lambda _report: None
    up.send(ORDER)

    inbox.wait(OrderReported)
    [fault] = inbox.of(StreamFaulted)
    assert "it is lost" in fault.reason
    assert inbox.reports.index(fault) < inbox.reports.index(inbox.of(OrderReported)[0])


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(b"{not json", id="no JSON"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"words"', id="a string"),
        pytest.param(b'{"topic": "order", "data": [{"orderId": "x"}]}', id="a row without its fields"),
        pytest.param(b'{"topic": "order", "data": [7]}', id="a row that is a number"),
        pytest.param(b'{"topic": "order"}', id="no data"),
        pytest.param(b'{"topic": "position", "data": {"size": "1", "symbol": "X"}}', id="a size without a side"),
        pytest.param(b'{"topic": "wallet", "data": [{"coin": 3}]}', id="coins that are no list"),
        pytest.param(
            b'{"topic": "order", "data": [{"orderStatus": {"a": []}, "qty": [], "cumFeeDetail": 1}]}', id="types"
        ),
    ],
)
def test_a_message_that_cannot_be_read_is_told_and_skipped(script: Any, up: Any, inbox: Any, poison: bytes) -> None:
    up.send_frame(1, poison)
    up.send(ORDER)

    inbox.wait(OrderReported)
    [fault] = inbox.of(StreamFaulted)
    assert fault.account == "main"
    assert fault.excerpt
    assert inbox.of(StreamDown) == []


def test_an_unreadable_row_does_not_take_its_neighbours_with_it(script: Any, up: Any, inbox: Any) -> None:
    up.send({**ORDER, "data": [ORDER_ROW, {"orderId": "half"}, {**ORDER_ROW, "orderId": "o-2"}]})

    inbox.wait(OrderReported, 2)
    assert [report.order.order_id for report in inbox.of(OrderReported)] == ["o-1", "o-2"]
    assert len(inbox.of(StreamFaulted)) == 1


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param({"topic": "greeks", "data": [{}]}, id="a topic nobody asked for"),
        pytest.param({"topic": "order", "data": [{**ORDER_ROW, "category": "spot"}]}, id="another product"),
        pytest.param({"op": "subscribe", "success": False, "ret_msg": "late", "req_id": "never"}, id="a stray ack"),
        pytest.param({"op": "unheard of"}, id="an unknown op"),
    ],
)
def test_what_is_not_for_us_passes_by(script: Any, up: Any, inbox: Any, unknown: dict[str, Any]) -> None:
    up.send(unknown)
    up.send(ORDER)

    assert inbox.wait(OrderReported).order.order_id == "o-1"
    assert inbox.of(StreamFaulted) == []
    assert inbox.of(StreamDown) == []


def test_silence_is_noticed_even_when_pybit_sees_nothing_wrong(
    script: Any, stream_access: BybitAccess, inbox: Any
) -> None:
    """No ping of pybit's falls into the watched time: only the age of the last frame tells."""
    patience = Patience(
        silence_seconds=0.4,
        ping_interval_seconds=60.0,
        ping_timeout_seconds=50.0,
        look_seconds=0.02,
        first_wait_seconds=0.02,
        longest_wait_seconds=0.05,
    )
    stream = open_private_stream(
        stream_access, account="main", random=Randomness(7).generator("stream"), patience=patience
    )
    stream.open(inbox)
    inbox.wait(StreamDown)

    assert inbox.of(StreamDown)[0].reason.startswith("nothing heard for 0.")
    inbox.wait(StreamUp, 2)
    stream.close()


def test_the_age_of_the_last_frame_counts_pongs(script: Any, up: Any, private: PrivateStreamPort, inbox: Any) -> None:
    """Nothing but pongs comes for longer than the silence that would be taken for death."""
    deadline = time.monotonic() + 2.4
    ages = []
    while time.monotonic() < deadline:
        ages.append(private.last_message_age_seconds() or 0.0)
        time.sleep(0.02)

    assert max(ages) < 2.0
    assert inbox.of(StreamDown) == []


def test_a_stream_never_opened_knows_no_age_and_closes(private: PrivateStreamPort) -> None:
    assert private.last_message_age_seconds() is None


@pytest.mark.parametrize("state", ["up", "handshake silent", "auth silent", "refused", "no pongs"])
def test_closing_takes_less_than_two_seconds_and_ends_all_reports(
    script: Any, private: PrivateStreamPort, inbox: Any, state: str
) -> None:
    if state == "handshake silent":
        script.handshake = "silent"
    if state == "auth silent":
        script.auth = "silent"
    if state == "refused":
        script.stop_listening()
    script.pongs = state != "no pongs"
    private.open(inbox)
    if state == "refused":
        inbox.wait(StreamDown)
    else:
        script.wait(lambda: script.attempts >= 1)
    began = time.monotonic()

    private.close()

    assert time.monotonic() - began < 2.0
    told = len(inbox.reports)
    for peer in script.peers:
        try:
            peer.send(ORDER)
        except OSError:
            continue
    assert len(inbox.reports) == told


def test_closing_from_inside_the_receiver_does_not_hang(script: Any, private: PrivateStreamPort, inbox: Any) -> None:
    closed = threading.Event()

    def close_at_once(report: Any) -> None:
        private.close()
        closed.set()

    inbox.act = close_at_once
    private.open(inbox)

    assert closed.wait(3)


def test_waits_grow_and_stay_far_below_what_the_exchange_allows() -> None:
    random = Randomness(1).generator("waits")
    waits = [backoff.wait_seconds(failures, random) for failures in range(1, 200)]
    in_five_minutes = 0
    elapsed = 0.0
    for wait in waits:
        elapsed += wait
        in_five_minutes += elapsed < 300

    assert in_five_minutes < 100
    assert max(waits) <= 30.0
    assert 0.25 <= waits[0] <= 0.5


def test_a_connection_that_falls_at_once_each_time_is_not_hammered(script: Any, private: Any, inbox: Any) -> None:
    """Being up for a moment is no success: the waits keep growing."""
    inbox.act = lambda report: script.peers[-1].abort() if isinstance(report, StreamUp) else None
    private.open(inbox)
    inbox.wait(StreamDown, 6)
    began = time.monotonic()
    inbox.wait(StreamDown, 9)

    assert time.monotonic() - began > 0.25  # three waits of at least half the longest, 0.2 s each
