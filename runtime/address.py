"""Address: a name that outlives restarts. Tell, and ask with a deadline, from outside the tree.

Enters: messages. Stays out: waiting inside a handler (`ask` refuses there; actors use their context).
"""

from typing import TYPE_CHECKING, Any

from runtime.envelope import Cause, Envelope

if TYPE_CHECKING:
    import pykka

    from runtime.cell import Cell
    from runtime.environment import Environment


class Address:
    """One actor's address. Kept, it spares the look-up of the path."""

    __slots__ = ("_environment", "_mailbox", "_monotonic", "_next_number", "path")

    def __init__(self, path: str, cell: "Cell", environment: "Environment") -> None:
        self.path = path
        self._environment = environment
        self._mailbox = cell.actor_inbox
        self._next_number = environment.numbers.__next__
        self._monotonic = environment.monotonic

    def tell(self, message: Any, *, trace_id: str | None = None) -> None:
        """Send a message; never blocks, never raises. It begins a new story unless `trace_id` names one."""
        cause = None if trace_id is None else Cause(trace_id, 0, None)
        envelope = Envelope(message, None, cause, self._next_number(), self._monotonic(), None)
        mailbox = self._mailbox
        if mailbox.closed_reason is not None:
            mailbox = self._find()
        mailbox.post(envelope)

    def ask(self, message: Any, *, timeout_seconds: float = 5.0, trace_id: str | None = None) -> Any:
        """Put a question and wait for the answer.

        Raises:
            Refused: the handler declined, or the mailbox did.
            AskTimeout: no answer in time; what happened is unknown.
            AskFailed: the actor crashed or was restarted over it.
            ActorDead: the actor had ended.
            BlockingAskInActor: when called inside a handler.

        """
        return self._environment.ask(self.path, message, timeout_seconds, trace_id)

    @property
    def ref(self) -> "pykka.ActorRef[Any]":
        """Pykka's own reference to the same actor."""
        return self._environment.cells[self.path].actor_ref

    def _find(self) -> Any:
        cell = self._environment.cells.get(self.path)
        if cell is not None:
            self._mailbox = cell.actor_inbox
        return self._mailbox
