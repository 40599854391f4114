"""I9: what the person must hear: critical news in time, each piece once, in order, none settled untold.

Judged by the alerts promised in the outbox and by what the chat service has shown. Exempt: time in which the chat or
the daemon was out of reach or misbehaving (a handler that no news goes round stood still, say), or the chat had asked
for patience with alerts (30 s run from the end of the last such trouble); repeats that say so; order and repetition
across a repeat that says so; graver news under a key that was told; news settled as told while the alert that stood
for it was not yet refused; news that was shown without a word of it, and then given up because the chat refused the
repeat: nobody knows that it was told, so it is tried anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.messages.alerts import RaiseAlert
from actors.model.alert import Severity
from adapters.assembly.simulation.invariants.violation import Violated

CRITICAL_SECONDS = 30.0
WINDOW_SECONDS = 300.0
AGAIN = "(again) "
RETRY_MARK = "/retry-"


@dataclass(slots=True, kw_only=True)
class Promise:
    """One alert in the outbox."""

    raised: RaiseAlert
    since: float  # monotonic seconds, when it became durable
    settled: bool = False
    shown: bool = False
    refused: bool = False  # by the chat, for good, since it was shown last
    settled_as: int = 0  # the how manieth settlement that was


class Alerts:
    """All alerts of one world."""

    def __init__(self) -> None:
        self.promised: dict[str, Promise] = {}  # by effect key, oldest first
        self._critical: dict[str, Promise] = {}  # of these, critical and neither shown nor settled
        self._waiting: dict[str, list[str]] = {}  # by subject: effect keys not shown yet, oldest first
        self._told: dict[tuple[int | None, str], Promise] = {}  # the newest that was shown under a key
        self._settlements = 0

    def promise(self, effect_key: str, raised: RaiseAlert, now: float) -> None:
        promise = self.promised[effect_key] = Promise(raised=raised, since=now)
        if raised.alert.severity is Severity.CRITICAL:
            self._critical[effect_key] = promise
        if raised.alert.subject:
            self._waiting.setdefault(raised.alert.subject, []).append(effect_key)

    def settle(self, effect_key: str) -> None:
        promise = self.promised.get(effect_key)
        if promise is not None:
            promise.settled = True
            self._settlements += 1
            promise.settled_as = self._settlements
            self._forget(effect_key, promise)

    def refuse(self, effect_key: str) -> None:
        """Hear that the chat will never take this alert (or the message that begins with it)."""
        promise = self.promised.get(effect_key)
        if promise is not None:
            promise.refused = True

    def _forget(self, effect_key: str, promise: Promise) -> None:
        self._critical.pop(effect_key, None)
        waiting = self._waiting.get(promise.raised.alert.subject, [])
        if effect_key in waiting:
            waiting.remove(effect_key)

    def forget(self, is_lost: Callable[[str], bool]) -> None:
        """Let go of what was never durable: acted upon in memory while the disk took no writes."""
        untold: set[str] = set()  # alert keys whose news was lost while it waited
        for key, promise in tuple(self.promised.items()):
            if not is_lost(key):
                promise.shown = promise.settled = False  # that it was told may be what was lost
            elif not promise.settled:
                untold.add(promise.raised.alert.key)
                self._forget(key, promise)
                del self.promised[key]
        for key, promise in tuple(self.promised.items()):  # settled as the same news as one of these: lost with it
            if promise.settled and not promise.shown and promise.raised.alert.key in untold:
                del self.promised[key]
        self._told.clear()  # what had been told was remembered in the same store

    # --- what is shown ----------------------------------------------------------------------------------------------
    def show(self, effect_key: str, title: str, lines: Iterable[str]) -> None:
        """Judge a message that the chat has shown, under the key of the (first) alert it tells."""
        promise = self.promised.get(effect_key)
        if promise is None:
            raise Violated("I9", effect_key, f"was shown and never promised: {title}")
        if promise.raised.alert.title in title:
            self._show_one(effect_key, promise, again=AGAIN in title)
            return
        said = tuple(lines)  # several in one message: each on a line of its own
        told = [
            (key, each)
            for key, each in self.promised.items()
            if not each.settled and any(each.raised.alert.title in line for line in said)
        ]
        for key, each in told:
            again = any(each.raised.alert.title in line and AGAIN in line for line in said)
            self._show_one(key, each, again=again)

    def _show_one(self, effect_key: str, promise: Promise, *, again: bool) -> None:
        if promise.shown and not again:
            raise Violated("I9", effect_key, f"told twice without saying so: {promise.raised.alert.title}")
        if not again and not promise.shown:
            self._check_order(effect_key, promise)
            self._check_window(effect_key, promise)
        promise.shown = True
        promise.refused = False
        self._forget(effect_key, promise)

    def _check_order(self, effect_key: str, promise: Promise) -> None:
        waiting = self._waiting.get(promise.raised.alert.subject, [])
        if waiting and effect_key in waiting and waiting[0] != effect_key:
            before = self.promised[waiting[0]].raised.alert.title
            if not self._is_same_news(waiting[0]):
                raise Violated("I9", effect_key, f"was told before {before!r}, which was raised earlier")

    def _is_same_news(self, effect_key: str) -> bool:
        """Whether this alert is one that was told already under its key: it will be settled as such."""
        raised = self.promised[effect_key].raised
        told = self._told.get((raised.alert.chat_id, raised.alert.key))
        return told is not None and _same_news(told.raised, raised)

    def _check_window(self, effect_key: str, promise: Promise) -> None:
        raised = promise.raised
        name = (raised.alert.chat_id, raised.alert.key)
        told = self._told.get(name)
        given_up = told is not None and told.refused and told.settled
        if told is not None and not given_up and RETRY_MARK not in effect_key and _same_news(told.raised, raised):
            raise Violated("I9", effect_key, f"{raised.alert.key} was shown a second time within its window")
        self._told[name] = promise

    # --- time, and rest ---------------------------------------------------------------------------------------------
    def check_in_time(self, now: float, undisturbed_since: float) -> None:
        """I9: critical news is shown within 30 s of the chat's being in reach."""
        for key, promise in self._critical.items():
            if now - max(promise.since, undisturbed_since) > CRITICAL_SECONDS:
                text = (
                    f"critical and not told for {now - promise.since:.1f} s, {now - undisturbed_since:.1f} s in reach"
                )
                raise Violated("I9", key, f"{text}: {promise.raised.alert.title}")
            return  # the others are younger

    def check_rest(self, refused: frozenset[str] = frozenset()) -> None:
        """I9 at rest: all is settled, and what is settled was told, or the same news was.

        `refused`: what the chat would not take for good; it is kept for a person and can be sent again, and stands for
        the same news that came while it was waiting, not for any that came after it was given up.
        """
        told: dict[str, list[RaiseAlert]] = {}  # by alert key
        for promise in self.promised.values():
            if promise.shown:
                told.setdefault(promise.raised.alert.key, []).append(promise.raised)
        given_up: dict[str, int] = {}  # by alert key: the last settlement of what was refused
        for key in refused & self.promised.keys():
            name = self.promised[key].raised.alert.key
            given_up[name] = max(given_up.get(name, 0), self.promised[key].settled_as)
        for key, promise in self.promised.items():
            if not promise.settled:
                raise Violated("I9", key, f"never settled: {promise.raised.alert.title}")
            name = promise.raised.alert.key
            stood_for = promise.settled_as < given_up.get(name, 0)
            stood_for = stood_for or any(_same_news(each, promise.raised) for each in told.get(name, ()))
            if not promise.shown and key not in refused and not stood_for:
                raise Violated("I9", key, f"settled and never told: {promise.raised.alert.title}")


def _same_news(told: RaiseAlert, raised: RaiseAlert) -> bool:
    if raised.alert.severity.rank < told.alert.severity.rank:
        return False
    return abs((raised.raised_at - told.raised_at).total_seconds()) < WINDOW_SECONDS
