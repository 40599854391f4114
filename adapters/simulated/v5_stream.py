"""WebSocket: Bybit v5's public and private streams over aiohttp.

Enters: sockets, their ops and subscriptions; the venue's private rows. Stays out: what the rows say.
Each socket has a queue and one writer, so messages keep their order; a socket that does not read is cut off.
"""

import asyncio
import json
from collections.abc import Callable
from itertools import groupby
from typing import Any
from uuid import uuid4

from aiohttp import WSCloseCode, WSMsgType, web

from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.misbehaviour import Misbehaviour
from adapters.simulated.public_topics import PublicTopics
from adapters.simulated.records import Account
from adapters.simulated.refusals import Refusal
from adapters.simulated.timeline import Timeline
from adapters.simulated.v5_signing import authenticate_stream
from adapters.simulated.venue import PrivateEvent

PRIVATE_TOPICS = ("order", "execution", "position", "wallet", "greeks", "dcp", "execution.fast")
_WITH_CATEGORY = ("order", "execution", "position")
_QUEUE_LIMIT = 20_000
_IDLE_SECONDS = 600.0
_ARGS_LIMIT = 21_000
Message = dict[str, Any]


class Connection:
    """One socket: what it subscribed to, and its way out."""

    def __init__(self, socket: web.WebSocketResponse, *, private: bool, timeline: Timeline | None = None) -> None:
        self.socket = socket
        self.private = private
        self.conn_id = uuid4().hex
        self.account: Account | None = None
        self.topics: dict[str, None] = {}
        self._timeline = timeline
        self._queue: asyncio.Queue[tuple[str, Message]] = asyncio.Queue(_QUEUE_LIMIT)
        self.transport: asyncio.BaseTransport | None = None

    def send(self, message: Message) -> None:
        """Queue a message; a socket that left 20,000 unread is cut."""
        try:
            self._queue.put_nowait((json.dumps(message, separators=(",", ":")), message))
        except asyncio.QueueFull:
            self.abort()

    def abort(self) -> None:
        """Cut the connection as a lost network would."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def write(self) -> None:
        """Send what is queued, until the socket ends."""
        while True:
            text, message = await self._queue.get()
            if self._timeline is not None and self.account is not None:
                self._timeline.sent(self.account.name, message)
            try:
                await self.socket.send_str(text)
            except (ConnectionError, RuntimeError):
                return


class V5Stream:
    """All sockets of the exchange."""

    def __init__(self, bybit: LocalBybit, misbehaviour: Misbehaviour, timeline: Timeline | None = None) -> None:
        self._bybit = bybit
        self._timeline = timeline
        self._venue = bybit.exchange.venue
        self._misbehaviour = misbehaviour
        self._connections: set[Connection] = set()
        self._public = PublicTopics(bybit)
        self._refuse_until_ms = 0
        self._late: set[asyncio.TimerHandle] = set()

    # -- sockets --------------------------------------------------------------------------------------------------

    async def public(self, request: web.Request) -> web.StreamResponse:
        """GET /v5/public/linear."""
        return await self._serve(request, private=False)

    async def private(self, request: web.Request) -> web.StreamResponse:
        """GET /v5/private."""
        return await self._serve(request, private=True)

    async def _serve(self, request: web.Request, *, private: bool) -> web.StreamResponse:
        if self._venue.clock() < self._refuse_until_ms:
            return web.Response(status=503, text="Service Unavailable")
        socket = web.WebSocketResponse(autoping=True, compress=False)
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="this path speaks WebSocket")
        await socket.prepare(request)
        connection = Connection(socket, private=private, timeline=self._timeline)
        connection.transport = request.transport
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        if (fault := self._misbehaviour.on_connection()) is not None:
            self._refuse(fault.ms)
            connection.abort()
        try:
            await self._read(connection)
        finally:
            self._connections.discard(connection)
            self._watch_tape()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _read(self, connection: Connection) -> None:
        while True:
            try:
                frame = await connection.socket.receive(timeout=_IDLE_SECONDS)
            except TimeoutError:
                await connection.socket.close(code=WSCloseCode.GOING_AWAY)
                return
            if frame.type is WSMsgType.TEXT:
                self._take(connection, frame.data)
            elif frame.type not in {WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG}:
                return

    def drop_all(self, refuse_ms: int) -> None:
        """Cut every socket now, and refuse new ones for a while."""
        self._refuse(refuse_ms)
        for connection in list(self._connections):
            connection.abort()

    def _refuse(self, ms: int) -> None:
        self._refuse_until_ms = max(self._refuse_until_ms, self._venue.clock() + ms)

    async def close(self) -> None:
        """Close every socket in good order."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        sockets = [connection.socket for connection in self._connections]
        await asyncio.gather(*(each.close(code=WSCloseCode.GOING_AWAY) for each in sockets), return_exceptions=True)

    # -- ops ------------------------------------------------------------------------------------------------------

    def _take(self, connection: Connection, text: str) -> None:
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            connection.send(_ack(connection, {}, "", success=False, text="Params Error: not a JSON object"))
            return
        op = asked.get("op")
        ops: dict[Any, Callable[[Connection, Message], None]] = {
            "ping": self._pong,
            "auth": self._auth,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }
        act = ops.get(op) if isinstance(op, str) else None
        if act is None:
            connection.send(_ack(connection, asked, str(op), success=False, text="Params Error: unknown op"))
        else:
            act(connection, asked)

    def _pong(self, connection: Connection, asked: Message) -> None:
        request = {"req_id": asked["req_id"]} if "req_id" in asked else {}
        if connection.private:
            stamp = str(self._venue.clock())
            connection.send({**request, "op": "pong", "args": [stamp], "conn_id": connection.conn_id})
        else:
            pong = {"success": True, "ret_msg": "pong", "conn_id": connection.conn_id, **request, "op": "ping"}
            connection.send(pong)

    def _auth(self, connection: Connection, asked: Message) -> None:
        args = asked.get("args")
        try:
            stated = args if isinstance(args, list) and connection.private else []
            connection.account = authenticate_stream(self._bybit.accounts_by_key, stated, self._venue.clock())
        except Refusal as refusal:
            connection.send(_ack(connection, asked, "auth", success=False, text=refusal.text))
            return
        connection.send(_ack(connection, asked, "auth", success=True, text=""))

    def _subscribe(self, connection: Connection, asked: Message) -> None:
        args = asked.get("args")
        topics = [each for each in args if isinstance(each, str)] if isinstance(args, list) else []
        problem = self._problem(connection, topics, args)
        if problem:
            connection.send(_ack(connection, asked, "subscribe", success=False, text=problem))
            return
        text = "" if connection.private else "subscribe"
        connection.send(_ack(connection, asked, "subscribe", success=True, text=text))
        for topic in topics:
            connection.topics[topic] = None
            if not connection.private:
                for message in self._public.opening(topic):
                    connection.send(message)
        self._watch_tape()

    def _problem(self, connection: Connection, topics: list[str], args: object) -> str:
        if not topics or not isinstance(args, list) or len(topics) != len(args):
            return "Params Error: args must be a list of topics"
        if sum(map(len, topics)) > _ARGS_LIMIT:
            return "Params Error: args are longer than 21000 characters"
        if not connection.private:
            invalid = [topic for topic in topics if not self._public.is_topic(topic)]
            return f"Invalid topic: {invalid}" if invalid else ""
        if connection.account is None:
            return "Request not authorized"
        invalid = [topic for topic in topics if not _is_private_topic(topic)]
        if invalid:
            return f"Invalid topic: {invalid}"
        by_category = {topic.endswith(".linear") for topic in topics}
        return "Params Error: all-in-one and categorised topics must not be mixed" if len(by_category) > 1 else ""

    def _unsubscribe(self, connection: Connection, asked: Message) -> None:
        args = asked.get("args")
        for topic in args if isinstance(args, list) else []:
            connection.topics.pop(topic, None)
        self._watch_tape()
        connection.send(_ack(connection, asked, "unsubscribe", success=True, text=""))

    def _watch_tape(self) -> None:
        self._venue.taped = {
            topic.rpartition(".")[2]
            for connection in self._connections
            for topic in connection.topics
            if topic.startswith("publicTrade.")
        }

    # -- messages -------------------------------------------------------------------------------------------------

    def publish_private(self) -> None:
        """Send the pending private rows to the sockets of their accounts, neighbours of one topic in one message."""
        events = self._bybit.exchange.drain_events()
        for (account, topic), run in groupby(events, key=_topic_of):
            rows = [event.row for event in run]
            message = {"id": uuid4().hex, "creationTime": self._venue.clock(), "data": rows}
            for connection in list(self._connections):
                if connection.account is None or connection.account.name != account:
                    continue
                for form in (topic, f"{topic}.linear"):
                    if form in connection.topics:
                        self._deliver(connection, {**message, "topic": form})

    def _deliver(self, connection: Connection, message: Message) -> None:
        assert connection.account is not None  # noqa: S101 - only signed-in sockets get private rows
        fault = self._misbehaviour.on_message(connection.account.name)
        if fault is None:
            connection.send(message)
        elif fault.kind == "duplicate_ws":
            connection.send(message)
            connection.send(message)
        else:
            self._send_late(connection, message, fault.ms)

    def _send_late(self, connection: Connection, message: Message, delay_ms: int) -> None:
        loop = asyncio.get_running_loop()

        def send() -> None:
            self._late.discard(handle)
            connection.send(message)

        handle = loop.call_later(delay_ms / 1000, send)
        self._late.add(handle)

    def publish_public(self) -> None:
        """Send what changed on every public topic that anyone listens to."""
        listened: dict[str, list[Connection]] = {}
        for connection in self._connections:
            if not connection.private:
                for topic in connection.topics:
                    listened.setdefault(topic, []).append(connection)
        for topic, messages in self._public.news(listened):
            for connection in listened[topic]:
                for message in messages:
                    connection.send(message)


def _topic_of(event: PrivateEvent) -> tuple[str, str]:
    return event.account, event.topic


def _is_private_topic(topic: str) -> bool:
    head, _, tail = topic.rpartition(".")
    return topic in PRIVATE_TOPICS or (tail == "linear" and head in _WITH_CATEGORY)


def _ack(connection: Connection, asked: Message, op: str, *, success: bool, text: str) -> Message:
    request = {"req_id": asked["req_id"]} if "req_id" in asked else {}
    return {"success": success, "ret_msg": text, "op": op, "conn_id": connection.conn_id, **request}
