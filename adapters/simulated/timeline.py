"""Timeline: when executions left for a socket, when orders' requests had arrived, how often each path was asked.

Enters: rows as they are handed to a socket, requests as soon as they are read. Stays out: what either means. It is kept
only where /control is served, so that a reaction can be measured at the exchange, whoever reacts.
"""

import time
from collections import Counter, deque
from typing import Any

LIMIT = 50_000  # of each; the oldest go first


class Timeline:
    """Two bounded lists of plain rows; instants are nanoseconds of this process's monotonic clock."""

    def __init__(self) -> None:
        self._sent: deque[dict[str, Any]] = deque(maxlen=LIMIT)
        self._received: deque[dict[str, Any]] = deque(maxlen=LIMIT)
        self._requests: Counter[str] = Counter()

    def counted(self, path: str) -> None:
        """Note that this path was asked, whatever became of it."""
        self._requests[path] += 1

    def sent(self, account: str, message: dict[str, Any]) -> None:
        """Note that a private message is about to go out; only executions are kept."""
        at = time.monotonic_ns()
        if str(message.get("topic", "")).startswith("execution"):
            for row in message["data"]:
                about = {name: row[name] for name in ("symbol", "execId", "orderLinkId", "execQty")}
                self._sent.append({"account": account, "at_ns": at, **about})

    def received(self, account: str, path: str, at_ns: int, params: dict[str, Any]) -> None:
        """Note that a request had been read whole at that instant."""
        about = {name: params.get(name, "") for name in ("symbol", "orderLinkId", "qty")}
        self._received.append({"account": account, "at_ns": at_ns, "path": path, **about})

    def take(self) -> dict[str, Any]:
        """Give all that was noted since the last time, and begin anew."""
        taken = {"sent": list(self._sent), "received": list(self._received), "requests": dict(self._requests)}
        self._sent.clear()
        self._received.clear()
        self._requests.clear()
        return taken
