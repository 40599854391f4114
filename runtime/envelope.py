"""Envelope: a message on its way, with what led to it, when it left and who waits for the answer.

Enters: any message value. Stays out: where it goes (mailbox) and what becomes of it (cell).
Envelopes are made once per message on the hot path: slots, plain integers for ids, one shared `Cause` per handler run.
"""

from typing import Any, NamedTuple, Protocol, TypeAlias


class Cause(NamedTuple):
    """What led to a message: the story it belongs to, the message before it, and who sent it."""

    trace: int | str  # the first message's number, or the text the outside gave
    message_id: int  # 0 when the outside sent it
    sender: str | None  # an actor's path


class ReplyTo(Protocol):
    """Whoever waits for an answer. Only the first outcome counts; later ones are ignored."""

    def answer(self, value: Any) -> None: ...

    def decline(self, reason: str, error: BaseException) -> None:
        """Say that no answer will come; `reason` is one of the reasons of `NotAnswered`."""
        ...


class Envelope:
    """One message under way. `sent_at` and `deadline` are monotonic seconds; `cause` is None for a new story."""

    __slots__ = ("cause", "coalesce_key", "deadline", "id", "message", "reply_to", "sent_at")

    coalesce_key: Any  # set by a coalescing mailbox alone

    def __init__(  # noqa: PLR0917 - built once for each message; naming six arguments would cost a tenth of a tell
        self,
        message: Any,
        reply_to: ReplyTo | None,
        cause: Cause | None,
        message_id: int,
        sent_at: float,
        deadline: float | None,
    ) -> None:
        self.message = message
        self.reply_to = reply_to
        self.cause = cause
        self.id = message_id
        self.sent_at = sent_at
        self.deadline = deadline

    @property
    def sender(self) -> str | None:
        """The path of the actor that sent it; None when it came from outside."""
        return None if self.cause is None else self.cause.sender

    @property
    def trace(self) -> int | str:
        """The story this message belongs to; its own number when it began one."""
        return self.id if self.cause is None else self.cause.trace


class OwnEnvelope(Envelope):
    """Carries what the actor itself asked for. Never quarantined: refused its own beat, it would fall silent."""

    __slots__ = ()


# A list that holds the envelope being handled and nothing between messages; see cell.
Lease: TypeAlias = list[Envelope]


class Notice:
    """Base of what the runtime itself puts into a user lane (answers, timers, watches, the stop mark).

    Never counted against the bound and never dropped by it; what it stands for is resolved when it is taken.
    """

    __slots__ = ()
