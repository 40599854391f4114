"""Request queue: an account's requests that have no outcome yet, and the outcomes given lately.

Enters: promised effects and the states the rules give them. Stays out: lanes, telling anybody, clocks.
One effect has one place here, however often it is handed in; two waiting changes of one order become one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.messages.orders import AmendOrder, CancelOrder, EffectSettled, PlaceOrder
from actors.messages.storing import PromisedEffect
from actors.rules.order_outcome import RequestState, Step
from actors.rules.request_order import Candidate, Standing, merged, next_to_start, standing_of


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One request on its way, for the effect it was promised under and those it has taken over."""

    number: int  # of arrival
    effect: PromisedEffect
    state: RequestState
    standing: Standing
    ready_at: float = 0.0  # monotonic seconds
    in_flight: bool = False
    started_at: float = 0.0  # of the call in flight
    unclear_told: bool = False
    taken_over: list[PromisedEffect] = field(default_factory=list)  # settled with the same outcome

    @property
    def effects(self) -> tuple[PromisedEffect, ...]:
        return (*self.taken_over, self.effect)

    @property
    def untouched(self) -> bool:
        """Nothing of it is at the exchange and nothing is under way."""
        return self.state.step is Step.SEND and not self.in_flight


class RequestQueue:
    """Entries in the order of their arrival."""

    def __init__(self, *, remembered: int = 1000, slow_seconds: float = 2.0) -> None:
        """Begin empty.

        Args:
            remembered: how many outcomes are kept.
            slow_seconds: a call under way for so long holds only its own order any more, not the rest of its trade.

        """
        self._slow_seconds = slow_seconds
        self._entries: dict[int, Entry] = {}
        self._by_key: dict[str, Entry] = {}
        self._by_order: dict[str, list[Entry]] = {}  # in the order of their arrival
        self._cancels = 0
        self._outcomes: OrderedDict[str, EffectSettled] = OrderedDict()
        self._remembered = remembered
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def holds(self, effect_key: str) -> bool:
        return effect_key in self._by_key

    def outcome(self, effect_key: str) -> EffectSettled | None:
        """Give the outcome of an effect settled lately."""
        return self._outcomes.get(effect_key)

    def add(self, effect: PromisedEffect, state: RequestState) -> Entry:
        """Take a new effect in; fold it into the last waiting change of the same order where that is possible."""
        standing = standing_of(state.request)
        of_order = self._by_order.setdefault(standing.order, [])
        folded = self._fold(effect, state, of_order)
        if folded is not None:
            return folded
        self._arrivals += 1
        entry = Entry(number=self._arrivals, effect=effect, state=state, standing=standing)
        self._entries[entry.number] = entry
        self._by_key[effect.key] = entry
        of_order.append(entry)
        self._cancels += isinstance(state.request, CancelOrder)
        return entry

    def _fold(self, effect: PromisedEffect, state: RequestState, of_order: list[Entry]) -> Entry | None:
        if state.step is not Step.SEND or not of_order or not of_order[-1].untouched:
            return None
        last = of_order[-1]
        request = merged(last.state.request, state.request)
        if request is None:
            return None
        last.taken_over.append(last.effect)
        last.effect = effect
        last.state = replace(last.state, request=request)
        last.standing = standing_of(request)
        self._by_key[effect.key] = last
        return last

    def settle(self, entry: Entry, outcomes: tuple[EffectSettled, ...]) -> None:
        """Take an entry out and remember what became of its effects."""
        del self._entries[entry.number]
        of_order = self._by_order[entry.standing.order]
        of_order.remove(entry)
        if not of_order:
            del self._by_order[entry.standing.order]
        self._cancels -= isinstance(entry.state.request, CancelOrder)
        for outcome in outcomes:
            del self._by_key[outcome.effect_key]
            self._outcomes[outcome.effect_key] = outcome
        while len(self._outcomes) > self._remembered:
            self._outcomes.popitem(last=False)

    def amends_behind(self, entry: Entry) -> tuple[AmendOrder, ...]:
        """Give the later amends of the entry's order, oldest first."""
        return tuple(
            other.state.request
            for other in self._by_order[entry.standing.order]
            if other.number > entry.number and isinstance(other.state.request, AmendOrder)
        )

    def cancelled_before_sent(self) -> tuple[Entry, Entry] | None:
        """Find an order of which nothing is at the exchange and whose cancel waits behind it; (place, cancel)."""
        for of_order in self._by_order.values() if self._cancels else ():
            first, later = of_order[0], of_order[1:]
            if isinstance(first.state.request, PlaceOrder) and first.untouched:
                cancel = next((entry for entry in later if isinstance(entry.state.request, CancelOrder)), None)
                if cancel is not None:
                    return first, cancel
        return None

    def next_to_start(self, *, at: float, free_lanes: int, lanes: int, not_before: dict[type, float]) -> Entry | None:
        """Choose the entry that is to make its next call; `not_before` holds back kinds of request being sent."""
        candidates = (
            Candidate(
                number=entry.number,
                standing=entry.standing,
                ready_at=_ready_at(entry, not_before),
                aside=entry.state.aside or (entry.in_flight and at >= entry.started_at + self._slow_seconds),
                in_flight=entry.in_flight,
            )
            for entry in self._entries.values()
        )
        chosen = next_to_start(candidates, at=at, free_lanes=free_lanes, lanes=lanes)
        return None if chosen is None else self._entries[chosen.number]

    def next_change_at(self, *, at: float, not_before: dict[type, float]) -> float | None:
        """Give the next instant at which time alone lets something start."""
        instants = (
            entry.started_at + self._slow_seconds if entry.in_flight else _ready_at(entry, not_before)
            for entry in self._entries.values()
        )
        return min((instant for instant in instants if instant > at), default=None)


def _ready_at(entry: Entry, not_before: dict[type, float]) -> float:
    if entry.state.step is Step.LOOK:
        return entry.ready_at
    return max(entry.ready_at, not_before.get(type(entry.state.request), 0.0))
