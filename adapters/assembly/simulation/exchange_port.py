"""The exchange line of a simulated world: requests into the matching core, its private rows back out, both with faults.

Enters: what the bybit adapter would put on the wire, and the core's events. Stays out: matching, translation, error
classes (the real ones), deciding what is right. A request acts the moment its lane sends it; its answer comes when the
lane's virtual time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from actors.messages.accounts import EnsureLeverage
from actors.messages.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, SetPositionStop
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.away import REFUSED_WITH, REFUSING, SILENT, SLOW_SECONDS, Away
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.halts import Halts
from adapters.assembly.simulation.races import concerned, overtake
from adapters.assembly.simulation.story import Story
from adapters.assembly.simulation.streams import AccountStream
from adapters.bybit.direct_http import DirectHttp, WireFault
from adapters.simulated import v5_routes
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.refusals import STALE_REQUEST
from adapters.simulated.v5_signing import AHEAD_MS
from runtime.clock import Clock

WRITES = (PlaceOrder, AmendOrder, CancelOrder, SetPositionStop, EnsureLeverage)
_CHANGES = {"/v5/order/amend": False, "/v5/order/cancel": True}  # whether it cancels
READ_TIMEOUT_SECONDS = 5.0
WINDOW_SECONDS = 5.0  # the receive window: a request arriving later is refused
LANES = 4  # account_client.ClientTerms.lanes
SETTLED_SECONDS = 0.5  # what waited for a lane has it then
STALE_SECONDS = 0.7  # how far a reading may lag behind the stream
# Codes that say nothing was done, that it may have been done, or that a limit was hit; bybit-v5.md, errors.
_REFUSALS = (10006, 10002, 10016, 10000, 10019, 10429, 170007)
_LIMITS = frozenset({10006, 10429})
AFTER_YES_SECONDS = 0.3  # between the exchange's yes and what becomes of it
_LATE_EXCUSE = 20.0  # a write without an answer is looked up for so long at the most
_SLOW_EXCUSE = 5.0


class ExchangeLine:
    """All ways between one daemon and the exchange."""

    def __init__(
        self, bybit: LocalBybit, *, clock: Clock, agenda: Agenda, faults: Faults, story: Story, dice: Random
    ) -> None:
        self.bybit = bybit
        self.requests = 0
        self.halts = Halts(clock)
        self.away = Away(clock)
        self.stuck: dict[tuple[str, str], float] = {}  # by account and symbol: until when backstops are refused
        self.left_alone: list[tuple[str, str]] = []  # other programs' orders: account, client id
        self.swept: set[tuple[str, str]] = set()  # where a person cancelled everything: account, symbol
        self.streams: dict[str, AccountStream] = {}  # by account: the latest run's
        self._open: list[dict[str, AccountStream]] = []  # every living run's
        self.on_placed: Callable[[str, str], None] = lambda _account, _client_order_id: None
        self.on_read: Callable[[str, str], None] = lambda _account, _path: None
        self.on_leaving: Callable[[OrderRequest], None] = lambda _request: None
        self.on_under_way: Callable[[OrderRequest, float], None] = lambda _request, _seconds: None
        self.on_changed: Callable[[str, bool], None] = lambda _client_order_id, _cancels: None
        self._endpoints = v5_routes.endpoints(bybit)
        self._clock = clock
        self._agenda = agenda
        self._faults = faults
        self._story = story
        self._dice = dice
        self._next: str = ""  # the fault that the next request of the running lane meets
        self._hanging: dict[str, list[float]] = {}  # by account: until when lanes wait in vain
        self._code = 0  # of the refusal it meets
        self._answers: dict[str, tuple[float, dict[str, Any]]] = {}  # by question: when it was read, and the answer

    # --- requests -------------------------------------------------------------------------------------------------
    def http(self, account: str, *, leaving: Callable[[str], int]) -> DirectHttp:
        """Make one lane's client; `leaving` is told the path of each request, and gives the ms it is signed with."""

        def send(path: str, params: dict[str, Any]) -> dict[str, Any]:
            stamp_ms = leaving(path)
            now_ms = self.bybit.exchange.venue.clock()
            if self._endpoints[path].signed and not now_ms - WINDOW_SECONDS * 1000 <= stamp_ms < now_ms + AHEAD_MS:
                self._next = ""
                self._story.tell("request", "", f"{path} is refused: signed {(stamp_ms - now_ms) / 1000:+.3f} s off")
                return {"retCode": STALE_REQUEST, "retMsg": "invalid request, check your timestamp", "result": {}}
            return self._answer(account, path, params)

        return DirectHttp(send)

    def latency_of(self, message: object, account: str = "") -> float:
        """Draw how long a lane takes over this message, and what goes wrong with it; asked just before it runs."""
        now = self._clock.monotonic()
        self._next = ""
        seconds = self._dice.uniform(0.005, 0.06)
        how = self.away.how(account)
        if how:
            return self._latency_while_away(message, how, seconds)
        if isinstance(message, WRITES):
            seconds = self._latency_of_write(message, now, seconds)
            if isinstance(message, OrderRequest):
                self.on_under_way(message, seconds)
            return seconds
        for name in ("read_failed", "read_slow", "read_stale"):
            if self._faults.strikes(name):
                self._next = name
                self._faults.prolong(name, now, _SLOW_EXCUSE)
                return seconds + (self._dice.uniform(0.1, 3.0) if name == "read_slow" else 0.0)
        return seconds

    def _latency_while_away(self, message: object, how: str, seconds: float) -> float:
        if how == SILENT:
            seconds = READ_TIMEOUT_SECONDS
        elif how != REFUSING:
            seconds += self._dice.uniform(*SLOW_SECONDS)
        self._next, self._code = {SILENT: "write_lost", REFUSING: "write_refused"}.get(how, ""), REFUSED_WITH
        if isinstance(message, OrderRequest):
            self.on_leaving(message)
            self.on_under_way(message, seconds)
        return seconds

    def _latency_of_write(self, message: Any, now: float, seconds: float) -> float:
        if isinstance(message, OrderRequest):
            self.on_leaving(message)
        about = getattr(message, "trade_id", "") or getattr(message, "symbol", "")
        for name in ("race_lost", "race_after_yes"):
            if isinstance(message, AmendOrder | CancelOrder) and self._faults.strikes(name):
                self._next = name
                self._faults.note(name, now + AFTER_YES_SECONDS, about=about)
                return seconds
        if isinstance(message, SetPositionStop) and self.stuck.get((message.account, message.symbol), 0.0) > now:
            self._next, self._code = "write_refused", REFUSED_WITH
            return seconds
        for name in ("write_lost", "write_accepted", "write_late", "write_refused"):
            if self._faults.strikes(name):
                self._next = name
                order = order_of(message)
                if name == "write_refused":
                    self._code = self._dice.choice(_REFUSALS)
                    if self._code in _LIMITS:  # a limit holds back all of its kind
                        about = order = ""
                until = now + WINDOW_SECONDS
                self._faults.note(name, until, about=about, order=order, excuses_seconds=_LATE_EXCUSE)
                if name not in {"write_lost", "write_accepted"}:
                    return seconds
                self.hangs(message, READ_TIMEOUT_SECONDS)
                return READ_TIMEOUT_SECONDS
        return seconds

    def hangs(self, message: object, seconds: float) -> None:
        """A lane waits in vain. Where all of an account's do, even a stop has to wait for one of them."""
        now, account = self._clock.monotonic(), str(getattr(message, "account", ""))
        hanging = [until for until in self._hanging.get(account, ()) if until > now]
        self._hanging[account] = hanging = [*hanging, now + seconds]
        if len(hanging) >= LANES:
            excuse = min(hanging) - now + SETTLED_SECONDS
            self._faults.note("writes_hang", now, about=account, excuses_seconds=excuse)

    def _answer(self, account: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        fault, self._next = self._next, ""
        self.requests += 1
        if fault:
            return self._go_wrong(fault, account, path, params)
        return self._perform(account, path, params)

    def _perform(self, account: str, path: str, params: dict[str, Any], *, late: bool = False) -> dict[str, Any]:
        endpoint = self._endpoints[path]
        owner = self.bybit.exchange.venue.accounts[account] if endpoint.signed else None
        if path == "/v5/order/create" and "orderLinkId" in params:
            self.on_placed(account, params["orderLinkId"])
        elif path in _CHANGES and "orderLinkId" in params:
            self.on_changed(params["orderLinkId"], _CHANGES[path])
        envelope = self.halts.refusal(path, params) or v5_routes.answer(
            self.bybit, endpoint, owner, params, lambda _: True
        )
        if endpoint.method == "GET":
            self.on_read(account, path)
        if endpoint.method == "POST":
            if self._story.wanted:
                said = {name: value for name, value in params.items() if name not in {"category", "positionIdx"}}
                outcome = "ok" if envelope["retCode"] == 0 else f"{envelope['retCode']} {envelope['retMsg']}"
                words = f"{'(late) ' if late else ''}{path.removeprefix('/v5/')} {said} -> {outcome}"
                self._story.tell("request", str(params.get("symbol", "")), words)
        elif "read_stale" in self._faults.rates and owner is not None:
            self._answers[f"{account}{path}{sorted(params.items())}"] = (self._clock.monotonic(), envelope)
        return envelope

    def _go_wrong(self, fault: str, account: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        self._story.tell("fault", str(params.get("symbol", "")), f"{fault}: {path} {params.get('orderLinkId', '')}")
        match fault:
            case "write_lost":
                raise WireFault("timeout")
            case "write_accepted":
                self._perform(account, path, params)
                return self._unclear(path)
            case "race_lost":
                self._overtake(account, params)
            case "race_after_yes" if self._may_fill(account, params):
                self.on_changed(params["orderLinkId"], _CHANGES[path])
                late = partial(self._perform, account, path, params, late=True)
                due = self._clock.monotonic() + self._dice.uniform(0.001, AFTER_YES_SECONDS)
                self._agenda.at(due, lambda: self._after_yes(account, params, late))
                return {"retCode": 0, "retMsg": "OK", "result": {"orderId": "", **params}}
            case "write_late":
                late = partial(self._perform, account, path, params, late=True)
                due = self._clock.monotonic() + self._dice.uniform(0.01, WINDOW_SECONDS - 0.2)
                self._agenda.at(due, lambda: _ignore(late()))
                raise WireFault("reset")
            case "write_refused":
                return {"retCode": self._code, "retMsg": "injected", "result": {}}
            case "read_failed":
                raise WireFault(self._dice.choice(("timeout", "reset", "no_connection", "not_json", "http")))
            case "read_stale":
                at, envelope = self._answers.get(f"{account}{path}{sorted(params.items())}", (-1e9, {}))
                if self._clock.monotonic() - at < STALE_SECONDS:
                    return envelope
        return self._perform(account, path, params)

    def _unclear(self, path: str) -> dict[str, Any]:
        """Give the answer, or none, to a request that was carried out."""
        kind = self._dice.choice(("timeout", "not_json", "http", "10000", "10016", "110072"))
        if kind == "110072" and path != "/v5/order/create":
            kind = "10016"
        if not kind.isdigit():
            raise WireFault(kind)
        # 110072 of a gateway that has sent our order twice by itself: the id is in use, by this very order.
        return {"retCode": int(kind), "retMsg": "injected", "result": {}}

    def _may_fill(self, account: str, params: dict[str, Any]) -> bool:
        """Tell a resting limit order. What is wrong with a trigger the exchange says at once, never after a yes."""
        order = concerned(self.bybit, account, params)
        return order is not None and not order.is_conditional and not self.halts.stands(order.symbol)

    def _overtake(self, account: str, params: dict[str, Any]) -> None:
        order = concerned(self.bybit, account, params)
        if order is not None and not self.halts.stands(order.symbol):
            self._story.tell("fault", order.symbol, f"{order.link_id}: {overtake(self.bybit, order, self._dice)}")

    def _after_yes(self, account: str, params: dict[str, Any], late: Callable[[], object]) -> None:
        """The exchange has said yes and not done it yet: first the order fills, in part or whole, then it is done."""
        self._overtake(account, params)
        late()

    # --- rows -----------------------------------------------------------------------------------------------------
    def open_streams(self) -> dict[str, AccountStream]:
        """Give a run its ends of the private streams, by account."""
        self.streams = {
            name: AccountStream(
                name, clock=self._clock, agenda=self._agenda, faults=self._faults, story=self._story, dice=self._dice
            )
            for name in self.bybit.exchange.venue.accounts
        }
        self._open.append(self.streams)
        return self.streams

    def close_streams(self, streams: dict[str, AccountStream]) -> None:
        """A run is over; what is on its way to it arrives nowhere."""
        self._open = [each for each in self._open if each is not streams]  # another run's may be as empty
        for stream in streams.values():
            stream.close()

    def pass_on(self) -> bool:
        """Send what the exchange has to tell on its way; False when it was nothing."""
        events = self.bybit.exchange.drain_events()
        for event in events:
            for streams in self._open:
                streams[event.account].carry(event.topic, event.row)
        return bool(events)


def order_of(message: object) -> str:
    """Name the one order that a write is about, if it is about one."""
    match message:
        case PlaceOrder(order=order):
            return order.client_order_id
        case AmendOrder() | CancelOrder():
            return message.client_order_id
    return ""


def _ignore(_answer: object) -> None:
    """Nobody waits for a late request's answer."""
