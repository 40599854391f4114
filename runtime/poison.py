"""Poison: messages that crash their actor, recognised by fingerprint when they come again.

Enters: messages that were being handled when an actor crashed. Stays out: what becomes of them (the failing cell's).
"""

import hashlib
from collections import OrderedDict
from typing import Any

REMEMBERED = 128  # fingerprints for each actor
QUARANTINE_AFTER = 2  # crashes over one fingerprint
QUARANTINE_SECONDS = 600.0  # ... since the last: messages without content all look alike, none may be refused for ever


def fingerprint(message: Any) -> str:
    """Return a short digest of a message's type and content; equal messages have equal fingerprints."""
    kind = type(message)
    try:
        content = repr(message)
    except Exception:  # noqa: BLE001 - a message that cannot even be shown is known by its type
        content = ""
    return hashlib.blake2b(f"{kind.__module__}.{kind.__qualname__}:{content}".encode(), digest_size=12).hexdigest()


class PoisonBook:
    """One actor's crashes by message; outlives its behaviours."""

    __slots__ = ("_crashes", "_quarantined_types")

    def __init__(self) -> None:
        self._crashes: OrderedDict[str, tuple[int, float]] = OrderedDict()  # count and last instant by fingerprint
        self._quarantined_types: set[type] = set()

    def crashed_over(self, message: Any, *, at: float) -> int:
        """Note a crash at a monotonic instant; return how many this message has caused by now."""
        mark = fingerprint(message)
        crashes = self._crashes.pop(mark, (0, 0.0))[0] + 1
        self._crashes[mark] = (crashes, at)
        if len(self._crashes) > REMEMBERED:
            self._crashes.popitem(last=False)
        if crashes >= QUARANTINE_AFTER:
            self._quarantined_types.add(type(message))
        return crashes

    def is_quarantined(self, message: Any, *, at: float) -> bool:
        """Say whether this message crashed the actor twice, lately. Cheap for types that never did."""
        if type(message) not in self._quarantined_types:
            return False
        crashes, last = self._crashes.get(fingerprint(message), (0, 0.0))
        return crashes >= QUARANTINE_AFTER and at - last < QUARANTINE_SECONDS
