"""Watched store: the real store with an eye on it, so that the world knows what is durable at each instant.

Enters: every call of the store's actor. Leaves: the same call to SQLite, and after each commit its facts and effects.
Stays out: judging them (invariants).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.errors import Unreachable
from actors.messages.storing import Append
from actors.ports import StorePort
from actors.rules import risk

DISK_WORDS = "the simulated disk is full"


class WatchedStore:
    """ports.StorePort around another."""

    def __init__(
        self,
        store: StorePort,
        *,
        committed: Callable[[Append], None],
        settled: Callable[[str], None],
        refuses: Callable[[], bool],
    ) -> None:
        """`refuses`: whether the disk refuses the next commit."""
        self._refuses = refuses
        self._store = store
        self._committed = committed
        self._settled = settled
        self._open: list[Append | str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, append: Append, *, trace_id: str = "") -> int:
        length = self._store.append(append, trace_id=trace_id)
        self._open.append(append)
        return length

    def settle(self, effect_key: str, note: str) -> None:
        self._store.settle(effect_key, note)
        self._open.append(effect_key)

    def commit(self) -> None:
        if self._open and self._refuses():
            raise Unreachable(f"Tried to commit {len(self._open)} writes: {DISK_WORDS}.")
        self._store.commit()
        done, self._open = self._open, []
        self._tell(done)

    def hold(self) -> None:
        """Count what is acted upon from memory as done; a new trade waits for the disk all the same."""
        self._store.hold()
        done = [each for each in self._open if not _opens_trade(each)]
        self._open = [each for each in self._open if _opens_trade(each)]
        self._tell(done)

    def withdraw(self, stream: str) -> None:
        self._store.withdraw(stream)
        self._open = [each for each in self._open if not (isinstance(each, Append) and each.stream == stream)]

    def _tell(self, done: list[Append | str]) -> None:
        for each in done:
            if isinstance(each, Append):
                self._committed(each)
                for key in each.settles:
                    self._settled(key)
            else:
                self._settled(each)

    def rollback(self) -> None:
        self._store.rollback()
        self._open.clear()


def _opens_trade(each: Append | str) -> bool:
    return isinstance(each, Append) and risk.opens_trade(each)
