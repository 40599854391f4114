"""How much one chat may be told: a token bucket per chat, kept here because the library's own limiter has none for
private chats.

Enters: a chat, a number of messages, the time. Leaves: how long to wait, booked, or a refusal. Stays out: sleeping.
Source: core.telegram.org/bots/faq, "My bot is hitting limits": about one message a second in a chat, short bursts
pass, 20 a minute in a group. Edits count as messages.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

_BURST = 3.0
_CHAT_RATE = 1.0  # messages a second
_GROUP_RATE = 20 / 60
_CHATS_REMEMBERED = 1000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    read_at: float
    held_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """Send after so many seconds; the messages are counted already."""

    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdrawn:
    """Nothing was counted; ask again after so many seconds."""

    wait_seconds: float


class ChatBudget:
    """Thread-safe; instants are monotonic seconds."""

    def __init__(self) -> None:
        self._buckets: dict[int, _Bucket] = {}
        self._lock = threading.Lock()

    def book(self, chat_id: int, messages: int, *, now: float, patience_seconds: float) -> Booked | Overdrawn:
        """Count `messages` against the chat unless the wait would be longer than `patience_seconds`.

        More messages than the burst holds are let through once the bucket is full; it stays in debt for the rest.
        """
        with self._lock:
            bucket = self._filled(chat_id, now)
            lacking = min(float(messages), _BURST) - bucket.tokens
            wait = max(lacking / _rate(chat_id), bucket.held_until - now, 0.0)
            if wait > patience_seconds:
                return Overdrawn(wait_seconds=wait)
            bucket.tokens -= messages
            return Booked(wait_seconds=wait)

    def hold(self, chat_id: int, *, now: float, seconds: float) -> None:
        """Send nothing there for so long: Telegram said so."""
        with self._lock:
            bucket = self._filled(chat_id, now)
            bucket.held_until = max(bucket.held_until, now + seconds)

    def _filled(self, chat_id: int, now: float) -> _Bucket:
        if chat_id not in self._buckets and len(self._buckets) >= _CHATS_REMEMBERED:
            self._buckets.clear()  # an allow-list never gets here; a bound all the same
        bucket = self._buckets.setdefault(chat_id, _Bucket(tokens=_BURST, read_at=now))
        bucket.tokens = min(_BURST, bucket.tokens + max(0.0, now - bucket.read_at) * _rate(chat_id))
        bucket.read_at = max(bucket.read_at, now)
        return bucket


def _rate(chat_id: int) -> float:
    return _GROUP_RATE if chat_id < 0 else _CHAT_RATE  # Telegram gives groups negative ids
