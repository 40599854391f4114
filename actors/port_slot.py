"""Port slot: the place of one port that outlives the behaviours using it, so that there is never more than one open.

Enters: a factory. Stays out: threads, and what the port is for. A behaviour that crashed cannot close its port; its
successor, given the same slot, opens a fresh one here and the old one is closed first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


PortT = TypeVar("PortT", bound=Closable)


class PortSlot(Generic[PortT]):
    """Made once beside an actor's spec and given to each of its incarnations."""

    def __init__(self, factory: Callable[[], PortT]) -> None:
        self._factory = factory
        self._port: PortT | None = None

    def renew(self) -> PortT:
        """Close the port that was left open, if any, and build a fresh one."""
        self.close()
        self._port = self._factory()
        return self._port

    def close(self) -> None:
        """Close the port; nothing to close counts as done."""
        port, self._port = self._port, None
        if port is not None:
            port.close()
