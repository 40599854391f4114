"""Snapshot: what every actor is doing now, as plain values for screens, health checks and tests.

Enters: the tree, read under its lock; mailboxes and handlers, read as they run. Stays out: changing anything.
Named tuples, not dataclasses: all are made on every beat, and a frozen dataclass of fourteen fields costs four times as
much.
"""

from typing import TYPE_CHECKING, NamedTuple

from runtime.envelope import OwnEnvelope

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.context import Context
    from runtime.tree import Node


class CellSnapshot(NamedTuple):
    """One node of the tree at one moment. A supervisor without behaviour has an empty dispatcher and mailbox."""

    path: str  # "" is the root
    parent: str | None
    state: str
    incarnation: int
    restarts_in_window: int
    mailbox_depth: int
    mailbox_dropped: int
    oldest_message_age_seconds: float
    running_handler: str | None  # the message type being handled
    running_seconds: float
    handled: int
    last_error: str
    dispatcher: str
    stand_in: str = ""  # of a parked actor that has one: "running", or "starting"


class Handled(NamedTuple):
    """The message an actor handled last. Monotonic seconds."""

    message_id: int
    sent_at: float
    began_at: float
    put_aside: bool  # the handler has stashed it, to be handled once more
    message_type: type
    sender: str | None
    asked_for: bool  # an answer, a timer's or a watch's message, which this incarnation wanted
    caused_by: int = 0  # the message its sender handled when it sent this one


def last_handled(cell: "Cell", context: "Context") -> Handled:
    """Describe what the cell's behaviour has handled last, or is handling."""
    envelope, stashed = context.envelope, context.stashed
    kind = envelope.message if isinstance(envelope.message, type) else type(envelope.message)  # it was let go of
    return Handled(
        message_id=envelope.id,
        sent_at=envelope.sent_at,
        began_at=cell.running_since,
        put_aside=stashed is not None and bool(stashed) and stashed[-1].id == envelope.id,
        message_type=kind,
        sender=envelope.sender,
        asked_for=isinstance(envelope, OwnEnvelope),
        caused_by=0 if envelope.cause is None else envelope.cause.message_id,
    )


def photograph(node: "Node", now: float) -> CellSnapshot:
    """Describe one node; `now` is monotonic seconds."""
    cell = node.cell
    depth = dropped = handled = 0
    oldest_age = running_seconds = 0.0
    running_handler: str | None = None
    dispatcher = ""
    if cell is not None:
        mailbox = cell.actor_inbox
        depth, dropped, handled = len(mailbox.user), mailbox.dropped, cell.handled
        dispatcher = cell.spec.dispatcher
        try:
            oldest_age = max(0.0, now - mailbox.user[0].sent_at)
        except IndexError:
            oldest_age = 0.0
        try:
            running_handler = type(cell.lease[-1].message).__name__
            running_seconds = max(0.0, now - cell.running_since)
        except IndexError:
            running_handler = None
    return CellSnapshot(
        path=node.path,
        parent=None if node.parent is None else node.parent.path,
        state=node.state.value,
        incarnation=node.incarnation,
        restarts_in_window=node.history.restarts_within(now, node.spec.intensity.within_seconds),
        mailbox_depth=depth,
        mailbox_dropped=dropped,
        oldest_message_age_seconds=oldest_age,
        running_handler=running_handler,
        running_seconds=running_seconds,
        handled=handled,
        last_error=node.last_error,
        dispatcher=dispatcher,
        stand_in=_stand_in(node),
    )


def _stand_in(node: "Node") -> str:
    if not node.runs_stand_in or node.cell is None:
        return ""
    return "running" if node.cell.behaviour is not None and node.cell.is_stand_in else "starting"
