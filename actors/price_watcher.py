"""Price watcher: the newest price of each watched symbol, with its age, from the public stream or else from REST.

    stream  -> kept with its age; told to subscribers, a few times a second at most
    too old -> read from REST, in at most five backed-off tries that questions share; many at once in one request
    no REST -> the last known one, marked stale; a price nobody knows is refused, never guessed

For symbols with subscribers the stream's silence is met without being asked. Enters: the public socket's reports,
questions, subscriptions. Stays out: what a price means for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import PriceFromRest, PricesFromRest
from actors.messages.market import (
    MarketStreamDown,
    MarketStreamUp,
    PriceQuestion,
    PriceReading,
    PriceReported,
    WatchPrice,
)
from actors.messages.monitoring import AskAgain
from actors.messages.reports import StreamAgeQuestion, SubscribePrice, UnsubscribePrice
from actors.port_slot import PortSlot
from actors.ports import MarketStreamPort
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, Terminated, handles


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    told_seconds: float = 0.25  # between two tellings of one symbol to its subscribers
    silence_seconds: float = 30.0  # of a subscribed symbol, before REST is asked
    beat_seconds: float = 5.0  # between looks for such silence
    most_asked_singly: int = 3  # symbols that are due together; more are read with the whole category's, in one request
    rest_deadline_seconds: float = 4.0
    rest_tries: int = 5
    rest_pause_seconds: float = 0.1  # before the second try; doubles
    rest_patience_seconds: float = 1.5  # since the first try: after that none is begun, who asks does not wait longer


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of one symbol's price."""

    last_price: Decimal
    mark_price: Decimal | None
    at: float  # monotonic seconds; it is no older than that
    source: str  # "stream" or "rest"
    reported_at: datetime | None = None  # the exchange's instant, from the stream


@dataclass(slots=True, kw_only=True)
class _Symbol:
    known: _Known | None = None
    waiting: list[Reply] = field(default_factory=list)  # for the REST reading under way
    tries: int = 0  # of that reading; 0: none is under way
    asked_at: float = 0.0  # monotonic seconds, of its first try
    tried_at: float = 0.0  # and of its last
    told_at: float | None = None  # monotonic seconds, when subscribers last were
    subscribers: dict[str, None] = field(default_factory=dict)


class PriceWatcher(Actor):
    """Owner of the public socket.

    Args:
        slot: where the socket's port lives; the same for every incarnation.
        enqueue: puts a message into this actor's own mailbox, from any thread, without waiting.
        rest_client: path of the account client that is asked when the stream has nothing fresh.
        terms: numbers and patience.

    """

    def __init__(
        self,
        *,
        slot: PortSlot[MarketStreamPort],
        enqueue: Callable[[object], None],
        rest_client: str,
        terms: PriceTerms | None = None,
    ) -> None:
        self._slot = slot
        self._enqueue = enqueue
        self._rest_client = rest_client
        self._terms = terms or PriceTerms()
        self._symbols: dict[str, _Symbol] = {}
        self._unsent: dict[str, None] = {}  # symbols of which subscribers do not know the newest
        self._to_read: dict[str, None] = {}  # symbols that REST is to be asked for once the mailbox is drained

    def on_start(self) -> None:
        self._port = self._slot.renew()
        self._port.open(self._enqueue)

    def on_stop(self) -> None:
        self._slot.close()

    # --- the stream -----------------------------------------------------------------------------------------------
    @handles(PriceReported)
    def _on_price(self, report: PriceReported) -> None:
        symbol = self._symbols.get(report.symbol)
        if symbol is None:
            return
        known = symbol.known
        if report.last_price is not None:
            mark = report.mark_price or (known.mark_price if known else None)
            now = self.context.monotonic()
            symbol.known = _Known(
                last_price=report.last_price, mark_price=mark, at=now, source="stream", reported_at=report.reported_at
            )
        elif known is not None and report.mark_price is not None:
            known.mark_price = report.mark_price
        if symbol.subscribers and symbol.known is not None:
            self._unsent[report.symbol] = None

    def on_drained(self) -> None:
        """Tell subscribers the newest price of each symbol: one message for a run of reports, and few of those."""
        self._ask_rest()
        now, waits = self.context.monotonic(), []
        for name in tuple(self._unsent):
            symbol = self._symbols[name]
            left = 0.0 if symbol.told_at is None else symbol.told_at + self._terms.told_seconds - now
            if left > 0:
                waits.append(left)
            else:
                self._tell_subscribers(name, symbol)
        if waits:
            self.context.start_timer("tell", min(waits), AskAgain(about="tell"))

    def _tell_subscribers(self, name: str, symbol: _Symbol, *, stale: bool = False) -> None:
        self._unsent.pop(name, None)
        if symbol.known is None:
            return
        symbol.told_at = self.context.monotonic()
        for path in symbol.subscribers:
            self.context.tell(path, self._reading(name, symbol.known, stale=stale))

    @handles(AskAgain)
    def _on_time(self, message: AskAgain) -> None:
        if message.about == "beat":
            self._meet_silence()
        elif message.about != "tell":  # what is due to be told is told once the mailbox is drained
            self._begin_try(message.about)

    def _meet_silence(self) -> None:
        """Read from REST what subscribers want and the stream has not told for too long."""
        wanted = {name: symbol for name, symbol in self._symbols.items() if symbol.subscribers}
        for name, symbol in wanted.items():
            if symbol.known is None or self._age(symbol.known) >= self._terms.silence_seconds:
                self._begin_rest(name)
        if wanted:
            self._beat()

    def _beat(self) -> None:
        self.context.start_timer("beat", self._terms.beat_seconds, AskAgain(about="beat"), new_trace=True)

    @handles(MarketStreamUp, MarketStreamDown)
    def _on_stream(self, report: MarketStreamUp | MarketStreamDown) -> None:
        if isinstance(report, MarketStreamUp):
            self.context.log.info("market_stream_up", connection=report.connection)
        else:
            self.context.log.warning("market_stream_down", reason=report.reason)
        self.context.tell(addresses.HEALTH, report)

    @handles(StreamAgeQuestion)
    def _on_age_question(self, _question: StreamAgeQuestion) -> float | None:
        return self._port.last_message_age_seconds()

    # --- who wants what -------------------------------------------------------------------------------------------
    @handles(WatchPrice)
    def _on_watch(self, message: WatchPrice) -> None:
        self._watched(message.symbol)

    def _watched(self, name: str) -> _Symbol:
        symbol = self._symbols.get(name)
        if symbol is None:
            symbol = self._symbols[name] = _Symbol()
            self._port.watch(tuple(sorted(self._symbols)))
        return symbol

    @handles(SubscribePrice)
    def _on_subscribe(self, message: SubscribePrice) -> None:
        symbol = self._watched(message.symbol)
        if not any(each.subscribers for each in self._symbols.values()):
            self._beat()
        symbol.subscribers[message.path] = None
        self.context.watch(message.path)
        if symbol.known is not None:
            self.context.tell(message.path, self._reading(message.symbol, symbol.known))
        else:
            self._begin_rest(message.symbol)

    @handles(UnsubscribePrice)
    def _on_unsubscribe(self, message: UnsubscribePrice) -> None:
        if message.symbol in self._symbols:
            self._symbols[message.symbol].subscribers.pop(message.path, None)
        if not any(message.path in symbol.subscribers for symbol in self._symbols.values()):
            self.context.unwatch(message.path)

    @handles(Terminated)
    def _on_terminated(self, message: Terminated) -> None:
        for symbol in self._symbols.values():
            symbol.subscribers.pop(message.path, None)

    # --- questions ------------------------------------------------------------------------------------------------
    @handles(PriceQuestion)
    def _on_question(self, question: PriceQuestion) -> Any:
        symbol = self._watched(question.symbol)
        known = symbol.known
        if known is not None and self._age(known) < question.most_age_seconds:
            return self._reading(question.symbol, known)
        symbol.waiting.append(self.context.defer_reply())
        self._begin_rest(question.symbol)
        return LATER

    # --- REST -----------------------------------------------------------------------------------------------------
    def _begin_rest(self, name: str) -> None:
        """Read it, unless that is under way."""
        symbol = self._symbols[name]
        if not symbol.tries:
            symbol.asked_at = self.context.monotonic()
            self._begin_try(name)

    def _begin_try(self, name: str) -> None:
        symbol = self._symbols[name]
        symbol.tries, symbol.tried_at = symbol.tries + 1, self.context.monotonic()
        self._to_read[name] = None

    def _ask_rest(self) -> None:
        """Read all that is due: each by itself, or, where there are many, the category's prices at once."""
        due, self._to_read = tuple(self._to_read), {}
        patience = self._terms.rest_deadline_seconds
        if len(due) > self._terms.most_asked_singly:
            self.context.ask(self._rest_client, PricesFromRest(symbols=due), timeout_seconds=patience, tag=due)
        else:
            for name in due:
                self.context.ask(self._rest_client, PriceFromRest(symbol=name), timeout_seconds=patience, tag=(name,))

    @handles(Answered)
    def _on_rest_prices(self, message: Answered) -> None:
        if isinstance(message.question, PriceFromRest):
            self._take_price(message.question.symbol, message.value)
            return
        for name in message.tag:
            if name in message.value:
                self._take_price(name, message.value[name])
            else:
                self._miss_price(name, "refused", "it is not among the prices of its category")

    def _take_price(self, name: str, prices: tuple[Decimal, Decimal]) -> None:
        last, mark = prices
        symbol = self._symbols[name]
        known = _Known(last_price=last, mark_price=mark, at=symbol.tried_at, source="rest")
        symbol.known = known
        for reply in self._take_waiting(symbol):
            reply.answer(self._reading(name, known))
        self._tell_subscribers(name, symbol)

    @handles(NotAnswered)
    def _on_no_rest_prices(self, message: NotAnswered) -> None:
        for name in message.tag:
            self._miss_price(name, message.reason, message.error)

    def _miss_price(self, name: str, reason: str, error: str) -> None:
        """Try again after a pause, or go on with the last known one."""
        symbol, terms = self._symbols[name], self._terms
        if symbol.tries < terms.rest_tries and self.context.monotonic() - symbol.asked_at < terms.rest_patience_seconds:
            pause = terms.rest_pause_seconds * 2 ** (symbol.tries - 1)
            self.context.start_timer(f"rest/{name}", pause, AskAgain(about=name))
            return
        self.context.log.warning("price_unavailable", symbol=name, reason=reason, error=error, tries=symbol.tries)
        known = symbol.known
        for reply in self._take_waiting(symbol):
            if known is not None:
                reply.answer(self._reading(name, known, stale=True))
            else:
                text = f"no price of {name} is known: the stream has not reported one, and REST says: {error}"
                reply.refuse(Refused(text))
        self._tell_subscribers(name, symbol, stale=True)

    def _take_waiting(self, symbol: _Symbol) -> list[Reply]:
        """End a reading: give those who wait for it."""
        symbol.tries = 0
        waiting, symbol.waiting = symbol.waiting, []
        return waiting

    def _age(self, known: _Known) -> float:
        return self.context.monotonic() - known.at

    def _reading(self, name: str, known: _Known, *, stale: bool = False) -> PriceReading:
        return PriceReading(
            symbol=name,
            last_price=known.last_price,
            mark_price=known.mark_price,
            age_seconds=self._age(known),
            source=known.source,
            stale=stale,
            reported_at=known.reported_at,
        )


def coalesce_key(message: Any) -> Hashable | None:
    """Give the key under which queued reports replace each other; for this actor's mailbox.

    A report that carries only one of the two prices never replaces one that carries the other.
    """
    if not isinstance(message, PriceReported):
        return None
    return message.symbol, message.last_price is None, message.mark_price is None
