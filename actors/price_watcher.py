"""Price watcher: the newest price of each watched symbol, with its age, from the public stream or else from REST.

Enters: the public socket's reports, questions, subscriptions. Stays out: what a price means for anybody.
A price nobody knows is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import PriceFromRest
from actors.messages.market import (
    MarketStreamDown,
    MarketStreamUp,
    PriceQuestion,
    PriceReading,
    PriceReported,
    WatchPrice,
)
from actors.messages.reports import StreamAgeQuestion, SubscribePrice, UnsubscribePrice
from actors.port_slot import PortSlot
from actors.ports import MarketStreamPort
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, Terminated, handles


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    fresh_seconds: float = 3.0  # a streamed price up to this old answers at once
    last_resort_seconds: float = 60.0  # when REST fails too, an older one still answers, with its age; beyond: refused
    rest_deadline_seconds: float = 4.0


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of one symbol's price."""

    last_price: Decimal
    mark_price: Decimal | None
    at: float  # monotonic seconds, of the last price
    source: str  # "stream" or "rest"


@dataclass(slots=True, kw_only=True)
class _Symbol:
    known: _Known | None = None
    waiting: list[Reply] = field(default_factory=list)  # for the REST reading under way
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
        self._unsent: dict[str, PriceReported] = {}  # newest for the subscribers, by symbol

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
            symbol.known = _Known(last_price=report.last_price, mark_price=mark, at=now, source="stream")
        elif known is not None and report.mark_price is not None:
            known.mark_price = report.mark_price
        if symbol.subscribers and symbol.known is not None:
            self._unsent[report.symbol] = _report(report.symbol, symbol.known, report.reported_at)

    def on_drained(self) -> None:
        """Send subscribers the newest price of each symbol, one message for a whole run of reports."""
        for name, report in self._unsent.items():
            for path in self._symbols[name].subscribers:
                self.context.tell(path, report)
        self._unsent.clear()

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
        symbol.subscribers[message.path] = None
        self.context.watch(message.path)
        if symbol.known is not None:
            self.context.tell(message.path, _report(message.symbol, symbol.known, self.context.now()))

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
        if known is not None and self._age(known) < self._terms.fresh_seconds:
            return self._reading(question.symbol, known)
        symbol.waiting.append(self.context.defer_reply())
        if len(symbol.waiting) == 1:
            asked = PriceFromRest(symbol=question.symbol)
            deadline = self._terms.rest_deadline_seconds
            self.context.ask(self._rest_client, asked, timeout_seconds=deadline, tag=question.symbol)
        return LATER

    @handles(Answered)
    def _on_rest_price(self, message: Answered) -> None:
        name = str(message.tag)
        last, mark = message.value
        known = _Known(last_price=last, mark_price=mark, at=self.context.monotonic(), source="rest")
        self._symbols[name].known = known
        for reply in self._take_waiting(name):
            reply.answer(self._reading(name, known))

    @handles(NotAnswered)
    def _on_no_rest_price(self, message: NotAnswered) -> None:
        name = str(message.tag)
        known = self._symbols[name].known
        self.context.log.warning("price_unavailable", symbol=name, reason=message.reason, error=message.error)
        for reply in self._take_waiting(name):
            if known is not None and self._age(known) <= self._terms.last_resort_seconds:
                reply.answer(self._reading(name, known))
            else:
                reply.refuse(Refused(self._unknown(name, known, message.error)))

    def _take_waiting(self, name: str) -> list[Reply]:
        symbol = self._symbols[name]
        waiting, symbol.waiting = symbol.waiting, []
        return waiting

    def _unknown(self, name: str, known: _Known | None, error: str) -> str:
        if known is None:
            return f"no price of {name} is known: the stream has not reported one, and REST says: {error}"
        age = self._age(known)
        return f"no current price of {name} is known: the last one is {age:.0f} s old, and REST says: {error}"

    def _age(self, known: _Known) -> float:
        return self.context.monotonic() - known.at

    def _reading(self, name: str, known: _Known) -> PriceReading:
        return PriceReading(
            symbol=name,
            last_price=known.last_price,
            mark_price=known.mark_price,
            age_seconds=self._age(known),
            source=known.source,
        )


def coalesce_key(message: Any) -> Hashable | None:
    """Give the key under which queued reports replace each other; for this actor's mailbox.

    A report that carries only one of the two prices never replaces one that carries the other.
    """
    if not isinstance(message, PriceReported):
        return None
    return message.symbol, message.last_price is None, message.mark_price is None


def _report(name: str, known: _Known, reported_at: datetime) -> PriceReported:
    return PriceReported(symbol=name, last_price=known.last_price, mark_price=known.mark_price, reported_at=reported_at)
