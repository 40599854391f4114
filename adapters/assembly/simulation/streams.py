"""The streams of a simulated world: private rows and prices, with lag, and with everything that happens to sockets.

Enters: rows as the exchange would send them. Leaves: reports, translated by the real translation. Stays out: the life
of real sockets (adapters.bybit.supervised_socket has tests of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from actors.messages.market import MarketStreamDown, MarketStreamUp, PriceReported
from actors.messages.orders import StreamDown, StreamFaulted, StreamReport, StreamUp
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.story import Story
from adapters.bybit import translate
from adapters.bybit.price_board import PriceBoard
from runtime.clock import Clock

PrivateSink = Callable[[StreamReport | StreamUp | StreamDown | StreamFaulted], None]
MarketSink = Callable[[PriceReported | MarketStreamUp | MarketStreamDown], None]
SILENCE_SECONDS = 40.0  # after which a socket without frames is given up
_OF_ORDERS = frozenset({"order", "execution"})
SLOW_BEAT_SECONDS = 75.0  # a row that was lost without a trace is found by the slow beat at the latest


class AccountStream:
    """One account's socket at the exchange's end; outlives the daemon's runs."""

    def __init__(
        self, account: str, *, clock: Clock, agenda: Agenda, faults: Faults, story: Story, dice: Random
    ) -> None:
        self.account = account
        self._clock = clock
        self._agenda = agenda
        self._faults = faults
        self._story = story
        self._dice = dice
        self._port: SimulatedPrivateStream | None = None
        self._connected = False
        self._deaf = False  # half open: nothing arrives, and nobody knows
        self._connections = 0
        self._last: tuple[str, dict[str, Any]] | None = None  # row that was carried
        self._clear_at = 0.0  # rows keep their order: none before this instant

    # --- connecting -----------------------------------------------------------------------------------------------
    def attach(self, port: SimulatedPrivateStream) -> None:
        self._port = port
        self._connected = False
        self._agenda.at(self._clock.monotonic() + self._dice.uniform(0.05, 0.5), lambda: self._connect(port))

    def detach(self, port: SimulatedPrivateStream) -> None:
        if self._port is port:
            self._port = None
            self._connected = False

    def close(self) -> None:
        """The daemon's process is gone."""
        self._port = None
        self._connected = False

    def hang_up(self) -> None:
        """The exchange gives up a peer that does not answer its pings; the peer learns of it when it reads again."""
        self._deaf = True

    def heard_seconds_ago(self) -> float | None:
        return 0.0 if self._connected else None

    def _connect(self, port: SimulatedPrivateStream) -> None:
        if self._port is not port or self._connected:
            return
        self._connected, self._deaf = True, False
        self._connections += 1
        self._story.tell("stream", "", f"{self.account} connected")
        port.sink(StreamUp(account=self.account, connection=self._connections))

    def drop(self, refused_seconds: float) -> None:
        """Cut the socket; it connects again once the exchange lets it."""
        now = self._clock.monotonic()
        port = self._port
        if port is None or not self._connected:
            return
        self._faults.note("stream_drop", now + refused_seconds, excuses_seconds=refused_seconds + 20)
        self._story.tell("fault", "", f"{self.account}'s stream is cut for {refused_seconds:.1f} s")
        self._connected = False
        port.sink(StreamDown(account=self.account, reason="connection lost"))
        self._agenda.at(now + refused_seconds, lambda: self._connect(port))

    def storms(self, times: int) -> None:
        """Cut the socket again and again, each time soon after it was back."""
        now = self._clock.monotonic()
        self._faults.note("stream_storm", now)
        self._story.tell("fault", "", f"{self.account}'s stream is cut {times} times in a row")
        for turn in range(times):
            self._agenda.at(now + turn * self._dice.uniform(0.5, 2.0), lambda: self.drop(0.3))

    def goes_deaf(self) -> None:
        """Let nothing arrive any more; the socket's watchdog finds out after a while."""
        port = self._port
        if port is None or not self._connected or self._deaf:
            return
        self._deaf = True
        now = self._clock.monotonic()
        self._faults.note("stream_half_open", now + SILENCE_SECONDS, excuses_seconds=SILENCE_SECONDS + 20)
        self._story.tell("fault", "", f"{self.account}'s stream is half open")

        def found() -> None:
            if self._port is port and self._deaf:
                self.drop(0.5)

        self._agenda.at(now + SILENCE_SECONDS, found)

    # --- rows -----------------------------------------------------------------------------------------------------
    def carry(self, topic: str, row: dict[str, Any]) -> None:
        """Send one row on its way to whoever is connected now."""
        port, faults = self._port, self._faults
        if port is None or not self._connected or self._deaf:
            return
        self._last = topic, row
        now = self._clock.monotonic()
        symbol = str(row.get("symbol", ""))
        # What a row without an order of ours delays is told apart from what holds for all of its symbol.
        order = str(row.get("orderLinkId", "")) or ("" if topic in _OF_ORDERS else f"{topic}/{symbol}")
        due = max(self._clear_at, now + self._dice.uniform(0.003, 0.02))
        if faults.strikes("stream_lost"):
            faults.note("stream_lost", now, about=symbol, order=order, excuses_seconds=SLOW_BEAT_SECONDS)
            self._story.tell("fault", symbol, f"a row of {topic} is lost")
            return
        if faults.strikes("stream_late"):
            late = self._dice.choice((1.0, 5.0, 30.0, 90.0, 300.0)) * self._dice.uniform(0.5, 1.0)
            excuse = min(late, SLOW_BEAT_SECONDS) + 10
            faults.note("stream_late", now + late, about=symbol, order=order, excuses_seconds=excuse)
            self._story.tell("fault", symbol, f"a row of {topic} is {late:.1f} s late")
            self._agenda.at(now + late, lambda: self._deliver(port, topic, row))
            return
        if faults.strikes("stream_reordered"):
            overtaken = self._dice.uniform(0.02, 0.5)
            until = now + overtaken
            faults.note("stream_reordered", until, about=symbol, order=order, excuses_seconds=overtaken + 5)
            self._agenda.at(due + overtaken, lambda: self._deliver(port, topic, row))
            return
        self._clear_at = due
        self._agenda.at(due, lambda: self._deliver(port, topic, row))
        if faults.strikes("stream_duplicate"):
            again = self._dice.uniform(0.0, 2.0)
            faults.note("stream_duplicate", now + again)
            self._agenda.at(due + again, lambda: self._deliver(port, topic, row))

    def repeats_last(self, times: int) -> bool:
        """Deliver the last row so many times more, at once; False when there is none."""
        port = self._port
        if port is None or self._last is None:
            return False
        for _ in range(times):
            self._deliver(port, *self._last)
        return True

    def _deliver(self, port: SimulatedPrivateStream, topic: str, row: dict[str, Any]) -> None:
        if self._port is port and self._connected and not self._deaf:
            port.receive(topic, row)


class SimulatedPrivateStream:
    """ports.PrivateStreamPort: the daemon's end of one account's socket."""

    def __init__(self, line: AccountStream) -> None:
        self._line = line
        self.sink: PrivateSink = lambda _report: None

    def open(self, sink: PrivateSink) -> None:
        self.sink = sink
        self._line.attach(self)

    def last_message_age_seconds(self) -> float | None:
        return self._line.heard_seconds_ago()

    def close(self) -> None:
        self._line.detach(self)

    def receive(self, topic: str, row: dict[str, Any]) -> None:
        report = translate.private_report(topic, row, self._line.account)
        if report is not None:
            self.sink(report)


class MarketLine:
    """The public socket at the exchange's end."""

    def __init__(self, clock: Clock, agenda: Agenda) -> None:
        self._clock = clock
        self._agenda = agenda
        self._port: SimulatedMarketStream | None = None

    def attach(self, port: SimulatedMarketStream) -> None:
        self._port = port

        def up() -> None:
            if self._port is port:
                port.sink(MarketStreamUp(connection=1))

        self._agenda.at(self._clock.monotonic() + 0.1, up)

    def detach(self, port: SimulatedMarketStream) -> None:
        if self._port is port:
            self._port = None

    def tell(self, symbol: str, last: Decimal, mark: Decimal) -> None:
        """Tell whoever watches this symbol."""
        port = self._port
        if port is not None and symbol in port.symbols:
            port.receive(symbol, last, mark)


class SimulatedMarketStream:
    """ports.MarketStreamPort."""

    def __init__(self, line: MarketLine, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._board = PriceBoard()
        self.symbols: frozenset[str] = frozenset()
        self.sink: MarketSink = lambda _report: None

    def open(self, sink: MarketSink) -> None:
        self.sink = sink
        self._line.attach(self)

    def watch(self, symbols: Sequence[str]) -> None:
        self.symbols = frozenset(symbols)

    def last_message_age_seconds(self) -> float | None:
        return 0.0

    def close(self) -> None:
        self._line.detach(self)

    def receive(self, symbol: str, last: Decimal, mark: Decimal) -> None:
        message = {
            "topic": f"tickers.{symbol}",
            "type": "snapshot",
            "data": {"symbol": symbol, "lastPrice": str(last), "markPrice": str(mark)},
        }
        report = self._board.take(message, self._clock.now())
        if report is not None:
            self.sink(report)
