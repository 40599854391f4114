"""Connection: what one socket has said so far: authorised or refused, subscriptions answered, last heard when.

Enters: messages from the socket's thread. Stays out: waiting, deciding what follows (supervised_socket).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where a supervised socket's news goes. Called on its threads; must return at once and not raise."""

    up: Callable[[int], None]  # authorised and subscribed; the connection's number
    down: Callable[[str], None]  # why; after each connection and each attempt that failed
    message: Callable[[Mapping[str, Any]], None]  # everything but acks and pongs
    poison: Callable[[Exception, str], None]  # what could not be read, and its text
    refused: Callable[[str, str], None]  # a topic that is not essential, and the exchange's words


class Connection:
    """What is known of one connection, shared by its thread and the keeper's."""

    def __init__(self, listener: Listener, clock: Clock) -> None:
        self.changed = threading.Condition()
        self.authorised = False
        self.refusal: str | None = None
        self.pending: dict[str, str] = {}  # request id to topics, oldest first
        self.refused: dict[str, str] = {}  # topics to the exchange's words
        self.heard_at: float | None = None
        self.discarded = False
        self._listener = listener
        self._clock = clock

    def frame(self) -> None:
        self.heard_at = self._clock.monotonic()

    def message(self, message: object) -> None:
        if self.discarded:
            return
        if not isinstance(message, Mapping):
            raise TypeError("a message that is no object")
        op = message.get("op")
        if message.get("topic"):
            self._listener.message(message)
        elif op == "auth" or message.get("type") == "AUTH_RESP":
            self._authorisation(message)
        elif op == "subscribe" or message.get("type") == "COMMAND_RESP":
            self._acknowledgement(message)

    def poison(self, error: Exception, text: str) -> None:
        if not self.discarded:
            self._listener.poison(error, text)

    def _authorisation(self, message: Mapping[str, Any]) -> None:
        with self.changed:
            if _is_yes(message):
                self.authorised = True
            else:
                self.refusal = f"authorisation refused: {_words(message)}"
            self.changed.notify_all()

    def _acknowledgement(self, message: Mapping[str, Any]) -> None:
        """Take an ack for the request it names; one that names none (private sockets may) answers the oldest."""
        with self.changed:
            request = str(message.get("req_id") or next(iter(self.pending), ""))
            topics = self.pending.pop(request, None)
            if topics is not None and not _is_yes(message):
                self.refused[topics] = _words(message)
            self.changed.notify_all()


def _is_yes(message: Mapping[str, Any]) -> bool:
    return message.get("success") is True or message.get("retCode") == 0


def _words(message: Mapping[str, Any]) -> str:
    return str(message.get("ret_msg") or message.get("retMsg") or "no reason given")
