"""Dead letters: what nobody could take, kept and countable, to be looked at and replayed by hand.

Enters: undeliverable messages with the reason. Stays out: retrying. Bounded twice: in letters, and in letters of one
kind, so that one flood does not wash everything else out. Counts are exact whatever is forgotten.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runtime.poison import fingerprint

KEPT = 1000
KEPT_OF_A_KIND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One undelivered message; the same one again only raises `count`."""

    number: int  # its handle for replay
    path: str
    message: Any
    reason: (
        str  # no_such_actor | stopped | mailbox_full | dropped_oldest | expired | unhandled | refused | crashed | ...
    )
    sender: str | None
    trace_id: str
    at: datetime  # the latest time
    error: str = ""  # with traceback, when a crash is the reason
    count: int = 1


class DeadLetters:
    """The letters of one actor system. Safe from any thread."""

    def __init__(
        self,
        *,
        kept: int = KEPT,
        kept_of_a_kind: int = KEPT_OF_A_KIND,
        sink: Callable[[DeadLetter], None] | None = None,
    ) -> None:
        """Keep up to `kept` letters; `sink` is told of each new letter (not of repeats), never under a lock."""
        self.sink = sink
        self._kept = kept
        self._kept_of_a_kind = kept_of_a_kind
        self._lock = threading.Lock()
        self._letters: OrderedDict[tuple[str, str, str], DeadLetter] = OrderedDict()
        self._of_a_kind: dict[tuple[str, str, str], int] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._numbers = 0
        self.total = 0

    def record(
        self, *, path: str, message: Any, reason: str, sender: str | None, trace_id: str, at: datetime, error: str = ""
    ) -> DeadLetter | None:
        """Note one undelivered message; return its letter when it is a new one that is kept."""
        kind = (path, reason, type(message).__name__)
        with self._lock:
            self.total += 1
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._of_a_kind.get(kind, 0) >= self._kept_of_a_kind:
                return None
            key = (path, reason, fingerprint(message))
            known = self._letters.get(key)
            if known is not None:
                self._letters[key] = replace(known, count=known.count + 1, at=at)
                return None
            self._numbers += 1
            letter = DeadLetter(
                number=self._numbers,
                path=path,
                message=message,
                reason=reason,
                sender=sender,
                trace_id=trace_id,
                at=at,
                error=error,
            )
            self._letters[key] = letter
            self._of_a_kind[kind] = self._of_a_kind.get(kind, 0) + 1
            if len(self._letters) > self._kept:
                self._forget(next(iter(self._letters)))
        return letter

    def letters(self) -> tuple[DeadLetter, ...]:
        """Return what is kept, oldest first."""
        with self._lock:
            return tuple(self._letters.values())

    def count(self, *, path: str | None = None, reason: str | None = None) -> int:
        """Count messages by path and reason, forgotten ones included; None means any."""
        with self._lock:
            return sum(
                number
                for (at_path, for_reason, _), number in self._counts.items()
                if path in {None, at_path} and reason in {None, for_reason}
            )

    def take(self, number: int) -> DeadLetter | None:
        """Take a letter out, to replay it; None when it is no longer kept."""
        with self._lock:
            for key, letter in self._letters.items():
                if letter.number == number:
                    self._forget(key)
                    return letter
        return None

    def _forget(self, key: tuple[str, str, str]) -> None:
        letter = self._letters.pop(key)
        self._of_a_kind[letter.path, letter.reason, type(letter.message).__name__] -= 1
