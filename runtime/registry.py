"""Registry: what pykka's registry and references see of an actor's end, at a cost that suits many actors.

Enters: ended cells. Stays out: everything else about pykka's registry, which is used as it is.
pykka's `unregister` compares the reference with every entry, twice: 10,000 stops walk a hundred million entries.
An ordered stop goes from the last started to the first, so the entry is nearly always at the end.
"""

import threading
from typing import Any

from pykka import ActorRef, ActorRegistry

_NEAR = 64  # entries looked at from either end


def retire(ref: ActorRef[Any]) -> None:
    """Take a reference out of the registry; one that is not there is ignored."""
    with ActorRegistry._actor_refs_lock:  # noqa: SLF001 - the price of the walk; kept true by a contract test
        refs = ActorRegistry._actor_refs  # noqa: SLF001
        for index in (*range(len(refs) - 1, max(-1, len(refs) - 1 - _NEAR), -1), *range(min(_NEAR, len(refs)))):
            if refs[index] is ref:
                del refs[index]
                return
    ActorRegistry.unregister(ref)


class EndFlag(threading.Event):
    """pykka's "stopped" event, whose condition is built when someone waits: it would be a quarter of an idle actor."""

    def __init__(self) -> None:  # the base class is initialised by the first `wait`
        self._ended = False

    def is_set(self) -> bool:
        return self._ended

    def set(self) -> None:
        self._ended = True
        if hasattr(self, "_cond"):
            super().set()

    def wait(self, timeout: float | None = None) -> bool:
        if not hasattr(self, "_cond"):
            super().__init__()
        if self._ended:  # tested after the condition exists: a `set` from now on notifies it
            super().set()
        return super().wait(timeout)
