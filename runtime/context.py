"""Context: what a behaviour may do to the world of actors. One for each incarnation.

Enters: calls made inside handlers. What they ask for is held and leaves together when the handler returns; a handler
that crashed, refused or was lost has sent nothing. Stays out: waiting. Nothing here blocks.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import structlog

from runtime import effects
from runtime.envelope import Envelope, ReplyTo
from runtime.errors import Refused, RestartRequested, RuntimeFault

if TYPE_CHECKING:
    from runtime.asks import PendingAsk
    from runtime.cell import Cell
    from runtime.spec import Spec
    from runtime.timers import Timer

STASH_LIMIT = 256

Effect: TypeAlias = tuple[Callable[..., None], Any, Any]


class Reply:
    """An answer owed: given later, by whichever handler has it."""

    __slots__ = ("_context", "given", "reply_to")

    def __init__(self, context: "Context", reply_to: ReplyTo | None) -> None:
        self._context = context
        self.reply_to = reply_to  # None when the message was told: nobody waits
        self.given = False

    def answer(self, value: Any) -> None:
        """Answer the question; leaves when the calling handler returns."""
        self._give()
        self._context.held.append((effects.answer_later, self, value))

    def refuse(self, error: Refused) -> None:
        """Decline the question; leaves when the calling handler returns."""
        self._give()
        self._context.held.append((effects.refuse_later, self, error))

    def _give(self) -> None:
        if self.given:
            raise RuntimeFault(f"{self._context.path} answered one question twice")
        self.given = True


class Context:
    """The hands of one incarnation. Attributes without an underscore that the cell alone uses are listed below."""

    __slots__ = (
        "_log",
        "_random",
        "asks",  # cell: questions under way, by ask id
        "cell",
        "deferred",  # cell: the running handler took the reply upon itself
        "envelope",  # cell: the message being handled
        "held",  # cell: what leaves when the handler returns
        "incarnation",
        "owed",  # cell: deferred replies not yet given
        "path",
        "spent_seconds",  # cell: virtual time the running handler takes
        "starting",  # cell: names of children this handler starts
        "stashed",  # cell: messages set aside
        "timers",  # cell: running timers, by key
        "watching",  # cell: paths whose end is awaited
    )

    def __init__(self, cell: "Cell", incarnation: int, envelope: Envelope) -> None:
        self.cell = cell
        self.path: str = cell.path
        self.incarnation = incarnation
        self.envelope = envelope
        self.held: list[Effect] = []
        self.deferred = False
        self.spent_seconds = 0.0
        # Most actors never use most of these; each costs memory only once it is needed.
        self.timers: dict[str, tuple[int, Timer]] | None = None
        self.asks: dict[str, PendingAsk] | None = None
        self.stashed: list[Envelope] | None = None
        self.owed: dict[int, Reply] | None = None
        self.watching: set[str] | None = None
        self.starting: set[str] | None = None
        self._random: Random | None = None
        self._log: tuple[Envelope, structlog.stdlib.BoundLogger] | None = None

    # -- where and when

    def let_go(self) -> None:
        """Drop the last message, which a quiet actor would keep alive for hours; its type and its cause stay known."""
        last = self.envelope
        if not isinstance(last.message, type):
            self.envelope = type(last)(type(last.message), None, last.cause, last.id, last.sent_at, None)
            self._log = None
            if not self.timers:  # an emptied dict keeps the room it once needed
                self.timers = None
            if not self.asks:
                self.asks = None

    @property
    def sender(self) -> str | None:
        """The path of the actor that sent this message; None when it came from outside."""
        return self.envelope.sender

    @property
    def trace_id(self) -> str:
        """The story this message belongs to."""
        return self.cell.environment.trace_text(self.envelope.trace)

    @property
    def deadline(self) -> float | None:
        """When the asker stops waiting, monotonic seconds; None for what was told."""
        return self.envelope.deadline

    @property
    def random(self) -> Random:
        """The incarnation's own generator, seeded by the system's seed, the path and the incarnation."""
        if self._random is None:
            self._random = self.cell.environment.randomness.generator(f"{self.path}#{self.incarnation}")
        return self._random

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """A logger bound to the actor, its incarnation and the trace of the message being handled."""
        if self._log is None or self._log[0] is not self.envelope:
            logger: structlog.stdlib.BoundLogger = structlog.get_logger().bind(
                actor=self.path, incarnation=self.incarnation, trace_id=self.trace_id
            )
            self._log = (self.envelope, logger)
        return self._log[1]

    def now(self) -> datetime:
        """Return the wall time, aware UTC: for timestamps only."""
        return self.cell.environment.clock.now()

    def monotonic(self) -> float:
        """Return monotonic seconds: for durations and deadlines."""
        return self.cell.environment.monotonic()

    def new_id(self) -> str:
        """Return a fresh id of 26 letters and digits."""
        return self.cell.environment.randomness.new_id()

    def exists(self, path: str) -> bool:
        """Say whether an actor has this path now (running, restarting or parked)."""
        return path in self.cell.environment.cells

    # -- messages

    def tell(self, path: str, message: object, *, trace_id: str | None = None) -> None:
        """Send a message; what cannot be delivered becomes a dead letter.

        Args:
            path: who gets it.
            message: what is said.
            trace_id: the story it belongs to, when that is another than the running handler's: what was put off until
                several messages had been handled goes on with its own.

        """
        if trace_id is None:
            self.held.append((effects.send, path, message))
        else:
            self.held.append((effects.send_within, (path, trace_id), message))

    def ask(self, path: str, question: object, *, timeout_seconds: float = 5.0, tag: object = None) -> str:
        """Put a question; exactly one `Answered` or `NotAnswered` with the returned id comes later.

        Args:
            path: whom to ask.
            question: the message.
            timeout_seconds: how long an answer is waited for, counted from when the handler returns; more than 0.
            tag: anything the asker wants back with the outcome.

        """
        if timeout_seconds <= 0:
            raise ValueError(f"an ask needs a deadline ahead, not timeout_seconds={timeout_seconds}")
        environment = self.cell.environment
        ask_id = environment.trace_text(next(environment.numbers))
        self.held.append((effects.put_question, (ask_id, path, timeout_seconds), (tag, question)))
        return ask_id

    def defer_reply(self) -> Reply:
        """Owe the answer to this message: the handler returns LATER, any handler of this incarnation gives it later."""
        self.deferred = True
        reply = Reply(self, self.envelope.reply_to)
        if reply.reply_to is not None:
            self.held.append((effects.owe, reply, None))
        return reply

    def leave_unhandled(self, message: object) -> None:
        """Make the message being handled a dead letter, reason "unhandled"; an asker is refused."""
        self.cell.leave_unhandled(self, message)

    def stash(self) -> None:
        """Set the message being handled aside until `unstash_all`; an asker goes on waiting. At most 256."""
        self.deferred = True
        self.held.append((effects.stash, self.envelope, None))

    def unstash_all(self) -> None:
        """Put the stashed messages back before everything else in the mailbox, in their order."""
        self.held.append((effects.unstash_all, None, None))

    # -- time

    def start_timer(self, key: str, delay_seconds: float, message: object, *, new_trace: bool = False) -> None:
        """Have `message` arrive from self after the delay; the same key replaces. Ends with the incarnation.

        Args:
            key: the timer's name.
            delay_seconds: 0 or more, counted from when the handler returns.
            message: what arrives.
            new_trace: begin a new story instead of carrying on this one, as a regular beat should.

        """
        if delay_seconds < 0:
            raise ValueError(f"timer {key!r} cannot fire {-delay_seconds} s ago")
        self.held.append((effects.start_timer, key, (delay_seconds, message, new_trace)))

    def cancel_timer(self, key: str) -> None:
        """Stop a timer; also one that has fired but whose message is still queued."""
        self.held.append((effects.cancel_timer, key, None))

    def spend(self, seconds: float) -> None:
        """Let the running handler take this much virtual time; what it sends leaves at its end. Nothing elsewhere."""
        if self.cell.dispatcher.virtual_time:
            self.spent_seconds += seconds
            self.held.append((effects.nothing, None, None))

    # -- the tree

    def start_child(self, spec: "Spec") -> str:
        """Start a child under this actor when the handler returns, and return its path.

        Raises:
            ValueError: when a child of that name lives or was started by this handler, or the dispatcher is unknown.

        """
        self.cell.environment.supervision.check(spec)
        starting = self.starting or set()
        if spec.name in starting or self.cell.environment.supervision.has_child(self.path, spec.name):
            raise ValueError(f"{self.path} already has a child {spec.name!r}")
        starting.add(spec.name)
        self.starting = starting
        self.held.append((effects.start_child, spec, None))
        return f"{self.path}/{spec.name}"

    def stop_child(self, name: str) -> None:
        """Stop a child for good, in order; an unknown name is ignored, as it may just have ended."""
        self.held.append((effects.stop_child, name, None))

    def children(self) -> tuple[str, ...]:
        """Return the names of the living children, those this handler starts included."""
        starting = [first.name for effect, first, _ in self.held if effect is effects.start_child]
        return (*self.cell.environment.supervision.children_of(self.path), *starting)

    def watch(self, path: str) -> None:
        """Have `Terminated` arrive once that actor has ended for good (or already had), `Restarted` at restarts."""
        self.held.append((effects.watch, path, None))

    def unwatch(self, path: str) -> None:
        """Stop watching; a notice already queued does not arrive any more."""
        self.held.append((effects.unwatch, path, None))

    def stop(self) -> None:
        """End normally once what is already queued has been handled; a permanent actor is started again."""
        self.held.append((effects.end_self, None, None))

    def leave_parking(self) -> None:
        """From a stand-in: have the real behaviour tried again now instead of at its time."""
        self.held.append((effects.leave_parking, None, None))

    def restart(self, reason: str) -> NoReturn:
        """Leave the handler at once for a fresh behaviour. Counts as no failure; what the handler held is discarded."""
        raise RestartRequested(reason)
