"""Streams: the private and the public stream port over supervised sockets.

Enters: raw messages. Leaves: our reports, handed to a sink that only enqueues. Stays out: the socket's life
(supervised_socket), the rows' meaning (translate), any decision.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Generic, TypeVar

import structlog

from actors.messages.market import MarketStreamDown, MarketStreamUp, PriceReported
from actors.messages.orders import StreamDown, StreamFaulted, StreamReport, StreamUp
from adapters.bybit import translate
from adapters.bybit.access import BybitAccess
from adapters.bybit.connection import Connection, Listener
from adapters.bybit.fields import Row, Unreadable, text
from adapters.bybit.price_board import PriceBoard
from adapters.bybit.supervised_socket import Patience, SupervisedSocket
from adapters.bybit.venue_socket import VenueSocket
from runtime.clock import Clock

PRIVATE_TOPICS = ("order", "execution", "position", "wallet")
# What an execution sets off has the interpreter to itself for so long: its order's, position's and wallet's rows come
# right behind it, change nothing about the stop, and cost as much again to handle.
RIGHT_OF_WAY_SECONDS = 0.008
# The socket's thread lets go of the interpreter as soon as it has handed the first execution over: what follows is not
# even read for so long. Others that come while one has the right of way are handed over at once.
STEP_ASIDE_SECONDS = 0.006
_EXCERPT_CHARACTERS = 200
_log = structlog.get_logger(__name__)

Report = TypeVar("Report")


class Outlet(Generic[Report]):
    """Hands reports to the sink, one at a time, until shut; never raises what the sink raises."""

    def __init__(self, sink: Callable[[Report], None]) -> None:
        self._sink = sink
        self._lock = threading.RLock()
        self._shut = False

    def give(self, report: Report) -> str | None:
        """Hand over; give the sink's complaint, None when it took the report or the outlet is shut."""
        with self._lock:
            if self._shut:
                return None
            try:
                self._sink(report)
            except Exception as error:  # noqa: BLE001 - the socket's thread must outlive whatever the receiver does
                _log.warning("stream_report_refused", report=type(report).__name__, reason=repr(error))
                return repr(error)
            return None

    def shut(self) -> None:
        """Let nothing more through; returns when a hand-over in progress is done."""
        with self._lock:
            self._shut = True


class BybitPrivateStream:
    """ports.PrivateStreamPort: orders, executions, positions and wallet of one account."""

    def __init__(
        self,
        access: BybitAccess,
        account: str,
        clock: Clock,
        random: Random,
        patience: Patience,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._access = access
        self._account = account
        self._clock = clock
        self._patience = patience
        self._outlet: Outlet[StreamReport | StreamUp | StreamDown | StreamFaulted] | None = None
        self._clock = clock
        self._pause = pause
        self._clear_at = 0.0  # monotonic; when an execution's right of way ends
        self._lost: str | None = None  # a report was lost and the receiver could not even be told
        self._socket = SupervisedSocket(
            name=f"bybit-private-{account}",
            make=self._make,
            listener=Listener(
                up=lambda number: self._give(StreamUp(account=account, connection=number)),
                down=lambda reason: self._give(StreamDown(account=account, reason=access.without_secrets(reason))),
                message=self._message,
                poison=self._poison,
                refused=lambda _topic, _words: None,  # all topics are essential: the connection breaks instead
            ),
            topics=lambda: PRIVATE_TOPICS,
            essential=True,
            authorises=True,
            clock=clock,
            random=random,
            patience=patience,
        )

    def open(self, sink: Callable[[StreamReport | StreamUp | StreamDown | StreamFaulted], None]) -> None:
        self._outlet = Outlet(sink)
        self._socket.open()

    def last_message_age_seconds(self) -> float | None:
        return self._socket.heard_seconds_ago()

    def close(self) -> None:
        if self._outlet is not None:
            self._outlet.shut()
        self._socket.close()

    def _make(self, connection: Connection) -> VenueSocket:
        return VenueSocket(
            self._access.private_stream_url,
            on_message=connection.message,
            on_frame=connection.frame,
            on_poison=connection.poison,
            before_message=self._give_way,
            api_key=self._access.api_key,
            api_secret=self._access.api_secret,
            clock=self._clock,
            ping_interval_seconds=self._patience.ping_interval_seconds,
            ping_timeout_seconds=self._patience.ping_timeout_seconds,
        )

    def _message(self, message: Mapping[str, Any]) -> None:
        """Report each row; one that cannot be read does not take its neighbours with it."""
        topic = text(message, "topic")
        data = message.get("data")
        for row in data if isinstance(data, list) else [data]:
            try:
                report = translate.private_report(topic, _as_row(row), self._account)
            except Exception as error:  # noqa: BLE001 - whatever a strange row does, the next one is read
                self._poison(error, repr(row))
                continue
            if report is not None:
                self._give(report)
        if topic.startswith("execution"):
            now = self._clock.monotonic()
            first, self._clear_at = now >= self._clear_at, now + RIGHT_OF_WAY_SECONDS
            if first:
                self._pause(STEP_ASIDE_SECONDS)

    def _give_way(self, message: str) -> None:
        """Wait while an execution has the right of way: once for each, however many messages follow it."""
        left = 0.0 if '"execution' in message else self._clear_at - self._clock.monotonic()
        if left > 0:
            self._pause(left)

    def _poison(self, error: Exception, excerpt: str) -> None:
        self._fault(f"a message could not be read: {type(error).__name__}: {error}", excerpt)

    def _fault(self, reason: str, excerpt: str) -> str | None:
        clean = self._access.without_secrets
        _log.warning("stream_message_unreadable", account=self._account, reason=clean(reason))
        faulted = StreamFaulted(
            account=self._account,
            reason=clean(reason)[:_EXCERPT_CHARACTERS],
            excerpt=clean(excerpt)[:_EXCERPT_CHARACTERS],
        )
        return None if self._outlet is None else self._outlet.give(faulted)

    def _give(self, report: StreamReport | StreamUp | StreamDown | StreamFaulted) -> None:
        """Hand over. A report that the sink refused is lost: the receiver is told as soon as it takes anything."""
        if self._outlet is None:
            return
        if self._lost is not None and self._fault(self._lost, "") is None:
            self._lost = None
        complaint = self._outlet.give(report)
        if complaint is not None:
            reason = f"the receiver refused a report, it is lost: {complaint}"
            self._lost = reason if self._fault(reason, repr(report)) is not None else None


class BybitMarketStream:
    """ports.MarketStreamPort: last and mark price of the watched symbols."""

    def __init__(self, access: BybitAccess, clock: Clock, random: Random, patience: Patience) -> None:
        self._access = access
        self._patience = patience
        self._clock = clock
        self._symbols: tuple[str, ...] = ()
        self._outlet: Outlet[PriceReported | MarketStreamUp | MarketStreamDown] | None = None
        self._board = PriceBoard()
        self._socket = SupervisedSocket(
            name="bybit-public",
            make=self._make,
            listener=Listener(
                up=lambda number: self._give(MarketStreamUp(connection=number)),
                down=lambda reason: self._give(MarketStreamDown(reason=reason)),
                message=self._message,
                poison=_poison_public,
                refused=lambda topic, words: _log.warning("market_topic_refused", topic=topic, reason=words),
            ),
            topics=lambda: tuple(f"tickers.{symbol}" for symbol in self._symbols),
            essential=False,
            authorises=False,
            clock=clock,
            random=random,
            patience=patience,
        )

    def open(self, sink: Callable[[PriceReported | MarketStreamUp | MarketStreamDown], None]) -> None:
        self._outlet = Outlet(sink)
        self._socket.open()

    def watch(self, symbols: Sequence[str]) -> None:
        self._symbols = tuple(dict.fromkeys(symbols))
        self._socket.refresh()

    def last_message_age_seconds(self) -> float | None:
        return self._socket.heard_seconds_ago()

    def close(self) -> None:
        if self._outlet is not None:
            self._outlet.shut()
        self._socket.close()

    def _make(self, connection: Connection) -> VenueSocket:
        self._board = PriceBoard()  # what an earlier connection knew is out of date
        return VenueSocket(
            self._access.public_stream_url,
            on_message=connection.message,
            on_frame=connection.frame,
            on_poison=connection.poison,
            ping_interval_seconds=self._patience.ping_interval_seconds,
            ping_timeout_seconds=self._patience.ping_timeout_seconds,
        )

    def _message(self, message: Mapping[str, Any]) -> None:
        report = self._board.take(message, self._clock.now())
        if report is not None and report.symbol in self._symbols:
            self._give(report)

    def _give(self, report: PriceReported | MarketStreamUp | MarketStreamDown) -> None:
        if self._outlet is not None:
            self._outlet.give(report)  # a lost price is made good by the next one


def _as_row(row: object) -> Row:
    if not isinstance(row, Mapping):
        raise Unreadable("a private message", "row", row)
    return row


def _poison_public(error: Exception, excerpt: str) -> None:
    _log.warning("market_message_unreadable", reason=repr(error), excerpt=excerpt[:_EXCERPT_CHARACTERS])
