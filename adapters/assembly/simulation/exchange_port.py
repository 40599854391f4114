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
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder, SetPositionStop
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.story import Story
from adapters.assembly.simulation.streams import AccountStream
from adapters.bybit.direct_http import DirectHttp, WireFault
from adapters.simulated import v5_routes
from adapters.simulated.local_bybit import LocalBybit
from runtime.clock import Clock

WRITES = (PlaceOrder, AmendOrder, CancelOrder, SetPositionStop, EnsureLeverage)
READ_TIMEOUT_SECONDS = 5.0
WINDOW_SECONDS = 5.0  # the receive window: a request arriving later is refused
STALE_SECONDS = 0.7  # how far a reading may lag behind the stream
# Codes that say nothing was done, that it may have been done, or that a limit was hit; bybit-v5.md, errors.
_REFUSALS = (10006, 10002, 10016, 10000, 10019, 10429, 170007)
_LIMITS = frozenset({10006, 10429})
_LATE_EXCUSE = 20.0  # a write without an answer is looked up for so long at the most
_SLOW_EXCUSE = 5.0


class ExchangeLine:
    """All ways between one daemon and the exchange."""

    def __init__(
        self, bybit: LocalBybit, *, clock: Clock, agenda: Agenda, faults: Faults, story: Story, dice: Random
    ) -> None:
        self.bybit = bybit
        self.requests = 0
        self.streams = {
            name: AccountStream(name, clock=clock, agenda=agenda, faults=faults, story=story, dice=dice)
            for name in bybit.exchange.venue.accounts
        }
        self.on_placed: Callable[[str, str], None] = lambda _account, _client_order_id: None
        self._endpoints = v5_routes.endpoints(bybit)
        self._clock = clock
        self._agenda = agenda
        self._faults = faults
        self._story = story
        self._dice = dice
        self._next: str = ""  # the fault that the next request of the running lane meets
        self._code = 0  # of the refusal it meets
        self._answers: dict[str, tuple[float, dict[str, Any]]] = {}  # by question: when it was read, and the answer

    # --- requests -------------------------------------------------------------------------------------------------
    def http(self, account: str) -> DirectHttp:
        """Make one lane's client."""
        return DirectHttp(partial(self._answer, account))

    def latency_of(self, message: object) -> float:
        """Draw how long a lane takes over this message, and what goes wrong with it; asked just before it runs."""
        now = self._clock.monotonic()
        self._next = ""
        seconds = self._dice.uniform(0.005, 0.06)
        if isinstance(message, WRITES):
            for name in ("write_lost", "write_accepted", "write_late", "write_refused"):
                if self._faults.strikes(name):
                    self._next = name
                    about = getattr(message, "trade_id", "") or getattr(message, "symbol", "")
                    if name == "write_refused":
                        self._code = self._dice.choice(_REFUSALS)
                        about = "" if self._code in _LIMITS else about  # a limit holds back all of its kind
                    self._faults.note(name, now + WINDOW_SECONDS, about=about, excuses_seconds=_LATE_EXCUSE)
                    return READ_TIMEOUT_SECONDS if name in {"write_lost", "write_accepted"} else seconds
            return seconds
        for name in ("read_failed", "read_slow", "read_stale"):
            if self._faults.strikes(name):
                self._next = name
                self._faults.prolong(name, now, _SLOW_EXCUSE)
                return seconds + (self._dice.uniform(0.1, 3.0) if name == "read_slow" else 0.0)
        return seconds

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
        envelope = v5_routes.answer(self.bybit, endpoint, owner, params, lambda _: True)
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
                raise WireFault(self._dice.choice(("timeout", "not_json", "http")))
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

    # --- rows -----------------------------------------------------------------------------------------------------
    def pass_on(self) -> bool:
        """Send what the exchange has to tell on its way; False when it was nothing."""
        events = self.bybit.exchange.drain_events()
        for event in events:
            self.streams[event.account].carry(event.topic, event.row)
        return bool(events)


def _ignore(_answer: object) -> None:
    """Nobody waits for a late request's answer."""
