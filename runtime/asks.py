"""Asks: whoever waits for an answer, inside an actor or outside.

Enters: outcomes, from any thread. Stays out: sending the question. Inside an actor the outcome is a message; outside it
is a future of pykka's, which refuses to block a worker.
"""

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pykka

from runtime import errors
from runtime.envelope import Cause, Envelope, Notice

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.context import Context
    from runtime.timers import Timer


class RunningCell(threading.local):
    """Which cell this thread is running, if any."""

    cell: "Cell | None" = None


running = RunningCell()


class PendingAsk(NamedTuple):
    """What an asker needs to understand the outcome."""

    tag: Any
    question: Any
    timer: "Timer"


class AskSettled(Notice):
    """The outcome of an ask on its way back to the asker."""

    __slots__ = ("ask_id", "context", "error", "reason", "value")

    def __init__(self, context: "Context", ask_id: str, reason: str, value: Any, error: str) -> None:
        self.context = context
        self.ask_id = ask_id
        self.reason = reason  # "" when answered
        self.value = value
        self.error = error


class AskingActor:
    """The asker inside the tree: every outcome is posted to it, the first one it takes counts."""

    __slots__ = ("_ask_id", "_cause", "_cell", "_context")

    def __init__(self, cell: "Cell", context: "Context", ask_id: str, cause: Cause) -> None:
        self._cell = cell
        self._context = context
        self._ask_id = ask_id
        self._cause = cause

    def answer(self, value: Any) -> None:
        self._settle("", value, "")

    def decline(self, reason: str, error: BaseException) -> None:
        self._settle(reason, None, str(error) or type(error).__name__)

    def _settle(self, reason: str, value: Any, error: str) -> None:
        environment = self._cell.environment
        self._cell.actor_inbox.post_notice(
            Envelope(
                AskSettled(self._context, self._ask_id, reason, value, error),
                None,
                self._cause,
                next(environment.numbers),
                environment.monotonic(),
                None,
            )
        )


_EXCEPTION_OF_REASON: dict[str, type[errors.RuntimeFault]] = {
    "timed_out": errors.AskTimeout,
    "refused": errors.Refused,
    "failed": errors.AskFailed,
    "actor_restarted": errors.AskFailed,
    "dead": errors.ActorDead,
}


class ReplyFuture(pykka.Future[Any]):
    """The asker outside: pykka's future, on one lock instead of a condition, and only its first outcome counts.

    `turn` is given when nothing runs by itself (deterministic dispatch): it turns the crank until the predicate holds
    or that much virtual time has passed.
    """

    turn: Callable[[Callable[[], bool], float | None], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self._settled = threading.Lock()  # held until the outcome is known
        self._settled.acquire()
        self._claim = [None]  # whoever takes it out settles the future
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None

    def answer(self, value: Any) -> None:
        try:
            self._claim.pop()
        except IndexError:
            return
        self._value = value
        self.done = True
        self._settled.release()

    def decline(self, reason: str, error: BaseException) -> None:
        wanted = _EXCEPTION_OF_REASON[reason]
        if not isinstance(error, wanted):
            text = str(error)
            fault = wanted(f"{type(error).__name__}: {text}" if text else type(error).__name__)
            fault.__cause__ = error
            error = fault
        self._fail(error)

    # -- pykka's protocol

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the answer or raise what stands in its place.

        Raises:
            BlockingAskInActor: when a handler would have to wait.
            AskTimeout: when `timeout` seconds pass first.

        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if not self.done:
            if running.cell is not None:
                raise errors.BlockingAskInActor(
                    f"a handler of {running.cell.path} tried to wait for an answer: use context.ask"
                )
            if self.turn is not None:
                self.turn(lambda: self.done, timeout)
        if not self._settled.acquire(timeout=-1 if timeout is None else 0 if self.turn is not None else timeout):
            raise errors.AskTimeout(f"no answer within {timeout} s; what happened to the question is unknown")
        self._settled.release()  # the next reader passes too
        if self._error is not None:
            raise self._error
        return self._value

    def set(self, value: Any = None) -> None:
        self.answer(value)

    def set_exception(self, exc_info: Any = None) -> None:
        _, error, _ = exc_info if exc_info is not None else sys.exc_info()
        self._fail(error if error is not None else errors.AskFailed("no reason given"))

    def _fail(self, error: BaseException) -> None:
        try:
            self._claim.pop()
        except IndexError:
            return
        self._error = error
        self.done = True
        self._settled.release()
