"""I20: what an order promised with its first trade ends in one trade or one told refusal, in time; followers leave.

Promised are the other half of a dual order and the same trades on mirrors. Each ends within 60 s of the process being
up, its account in reach: opened once, or told as not opened, never both. A mirror's trade leaves after main's has: at
once where a person closed main, else when it has had 30 s to end by itself.
Exempt: what a lost memory has forgotten; the 30 s where clocks were meddled with, which they are counted by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.messages.fanning import HalfPromised, MirrorPromised
from actors.messages.storing import Append
from actors.messages.trading import ExitReason
from actors.model.trade import Phase
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.violation import Violated

IN_SECONDS = 80.0  # tried for 60 s; the last try takes its time
_OVER = frozenset({Phase.CLOSING, Phase.CLOSED})
_NOT_OPENED = "/not_opened"


@dataclass(frozen=True, slots=True)
class _Promise:
    trade_id: str
    account: str
    symbol: str
    since: float  # monotonic seconds


class Promises:
    """Slices from their promise to their end."""

    def __init__(self) -> None:
        self._due: dict[str, _Promise] = {}  # by effect key
        self._opened: set[str] = set()  # trade ids
        self._told: set[str] = set()  # trade ids of those that were told as not opened

    def appended(self, append: Append, now: float) -> None:
        """Judge what a commit promises and what it says has come to nothing."""
        for effect in append.effects:
            request = effect.request
            if isinstance(request, HalfPromised | MirrorPromised):
                promise = _Promise(request.trade_id, request.account, request.plan.symbol, now)
                self._due[effect.key] = promise
            elif effect.key.endswith(_NOT_OPENED):
                trade_id = effect.key.split("/")[1]
                if trade_id in self._told or trade_id in self._opened:
                    earlier = "opened" if trade_id in self._opened else "told so"
                    raise Violated("I20", trade_id, f"is told as not opened, and was {earlier} before")
                self._told.add(trade_id)

    def opened(self, trade_id: str) -> None:
        if trade_id in self._told:
            raise Violated("I20", trade_id, "is opened after it was told as not opened")
        self._opened.add(trade_id)

    def settled(self, effect_key: str) -> None:
        """Judge a promise that is over: it was kept, or told as broken."""
        promise = self._due.pop(effect_key, None)
        if promise is not None and promise.trade_id not in self._opened | self._told:
            raise Violated("I20", promise.trade_id, "its promise is over; it was neither opened nor told as not opened")

    def forget(self, promised: Iterable[str], known: Iterable[str]) -> None:
        """A run began with less than was acted on: only these promises and trades are known."""
        self._due = {key: self._due[key] for key in promised if key in self._due}
        self._opened, self._told = set(known), set()

    def check_in_time(self, now: float, excused_until: Callable[[str, str], float]) -> None:
        """Judge what is due. `excused_until`: by account and symbol, the present run's start included."""
        for promise in self._due.values():
            late = now - max(promise.since, excused_until(promise.account, promise.symbol))
            if late > IN_SECONDS:
                text = f"was promised {now - promise.since:.0f} s ago; it is neither opened nor told as not opened"
                raise Violated("I20", promise.trade_id, text)

    def check_rest(self) -> None:
        for promise in self._due.values():
            raise Violated("I20", promise.trade_id, "is still promised at rest")


def outlasts(held: Held) -> bool:
    """Whether a mirror's trade goes on though main's has ended."""
    main = held.main
    if main is None or held.timeless or main.forgotten or held.trade.phase in _OVER:
        return False
    return main.trade.phase in _OVER and main.trade.exit_reason != ExitReason.LATE_FILL.value


def outlasts_person(held: Held) -> bool:
    """Whether it goes on though a person has closed main's."""
    return outlasts(held) and held.main is not None and held.main.trade.exit_reason == ExitReason.PERSON.value
