"""Environment: what every cell of one actor system shares.

Enters: the system's parts, once. Stays out: per-actor state. Cells, effects and supervision meet here instead of
knowing each other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from runtime.clock import Clock
from runtime.envelope import Cause, ReplyTo
from runtime.events import RuntimeEvent
from runtime.randomness import Randomness
from runtime.timers import Timers

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.context import Context
    from runtime.spec import Spec


class Supervision(Protocol):
    """What cells report to the tree, and what handlers ask of it. Safe from any thread; never runs user code."""

    def check(self, spec: "Spec") -> None: ...
    def started(self, path: str, incarnation: int) -> None: ...
    def failed(self, path: str, incarnation: int, error: BaseException, cause: Cause) -> None: ...
    def restart_requested(self, path: str, incarnation: int, reason: str, cause: Cause) -> None: ...
    def down(self, path: str, incarnation: int, error: BaseException | None) -> None: ...
    def end(self, path: str) -> None: ...
    def leave_parking(self, path: str) -> None: ...
    def stop(self, path: str, reply_to: ReplyTo | None) -> None: ...
    def start_child(self, parent: str, spec: "Spec", cause: Cause | None) -> None: ...
    def stop_child(self, parent: str, name: str) -> None: ...
    def has_child(self, path: str, name: str) -> bool: ...
    def children_of(self, path: str) -> tuple[str, ...]: ...
    def watch(self, path: str, watcher: "Cell", context: "Context") -> None: ...
    def unwatch(self, path: str, watcher: "Cell") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """What a test wants to happen instead of, or before, a handler."""

    error: BaseException | None = None  # raised where the handler would have run
    after: bool = False  # the error is raised once the handler is through: what it wanted to send must not leave
    lose: bool = False  # the message vanishes, as if never sent
    spend_seconds: float = 0.0  # virtual time added to the handler


Interceptor: TypeAlias = Callable[[str, Any], InjectedFault | None]  # (path, message)


@dataclass(slots=True, kw_only=True)
class Environment:
    """The shared parts. `cells` is read without a lock and written under the tree's."""

    clock: Clock
    monotonic: Callable[[], float]  # the clock's, one lookup nearer
    timers: Timers
    randomness: Randomness
    numbers: Iterator[int]  # of messages and tokens; unique in this system
    run_id: str
    emit: Callable[[RuntimeEvent], None]
    undelivered: Callable[..., None]  # (path, envelope, reason, error="")
    ask: Callable[[str, object, float, str | None], Any]  # from outside: (path, message, timeout_seconds, trace_id)
    turn: Callable[[Callable[[], bool], float | None], None] | None  # deterministic dispatch only
    interceptor: Interceptor | None
    slow_handler_seconds: float
    cells: "dict[str, Cell]"
    supervision: Supervision

    def trace_text(self, trace: int | str) -> str:
        """Render a trace or message number so that it is unique across runs."""
        return trace if isinstance(trace, str) else f"{self.run_id}-{trace:x}"
