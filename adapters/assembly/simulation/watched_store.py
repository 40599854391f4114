"""Watched store: the real store with an eye on it, so that the world knows what is durable at each instant.

Enters: every call of the store's actor. Leaves: the same call to SQLite, and after each commit its facts and effects.
Stays out: judging them (invariants).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.messages.storing import Append, Guard
from actors.ports import StorePort
from actors.rules import risk


@dataclass(frozen=True, slots=True)
class _Document:
    name: str
    body: Any


@dataclass(frozen=True, slots=True)
class _Guards:
    guards: tuple[Guard, ...]


class WatchedStore:
    """ports.StorePort around another."""

    def __init__(
        self,
        store: StorePort,
        *,
        committed: Callable[[Append], None],
        settled: Callable[[str], None],
        kept: Callable[[str, Any], None],
        guarded: Callable[[Sequence[Guard]], None],
    ) -> None:
        self._store = store
        self._committed = committed
        self._settled = settled
        self._kept = kept
        self._guarded = guarded
        self._open: list[Append | str | _Document | _Guards] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, append: Append, *, trace_id: str = "") -> int:
        length = self._store.append(append, trace_id=trace_id)
        self._open.append(append)
        return length

    def settle(self, effect_key: str, note: str) -> None:
        self._store.settle(effect_key, note)
        self._open.append(effect_key)

    def put_document(self, name: str, body: Any) -> None:
        self._store.put_document(name, body)
        self._open.append(_Document(name, body))

    def use_guards(self, guards: Sequence[Guard]) -> bool:
        new = self._store.use_guards(guards)
        if new:
            self._open.append(_Guards(tuple(guards)))
        return new

    def commit(self) -> None:
        self._store.commit()
        self._tell()

    def hold(self) -> None:
        """What is written by now is acted upon: to the world that is as good as durable, until a crash forgets it."""
        self._store.hold()
        waiting = [each for each in self._open if _opens_trade(each)]  # for the disk, or for being withdrawn
        self._open = [each for each in self._open if not _opens_trade(each)]
        self._tell()
        self._open = waiting

    def withdraw(self, stream: str) -> None:
        self._store.withdraw(stream)
        self._open = [each for each in self._open if not (isinstance(each, Append) and each.stream == stream)]

    def _tell(self) -> None:
        done, self._open = self._open, []
        for each in done:
            if isinstance(each, Append):
                self._committed(each)
                for key in each.settles:
                    self._settled(key)
            elif isinstance(each, _Document):
                self._kept(each.name, each.body)
            elif isinstance(each, _Guards):
                self._guarded(each.guards)
            else:
                self._settled(each)

    def rollback(self) -> None:
        self._store.rollback()
        self._open.clear()


def _opens_trade(each: object) -> bool:
    return isinstance(each, Append) and risk.opens_trade(each)
