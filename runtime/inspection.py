"""Inspection: everything between taking an envelope and running its handler that is not the ordinary case.

Enters: envelopes whose message has no handler in the table, has a deadline, or may be coalesced, quarantined or
intercepted. Stays out: ordinary messages; they never come here.
"""

from typing import TYPE_CHECKING, Any

from runtime import errors
from runtime.asks import AskSettled
from runtime.commands import StopMark, WatchNotice
from runtime.effects import TimerFired
from runtime.envelope import Envelope, Lease, Notice, OwnEnvelope
from runtime.notices import Answered, NotAnswered, Restarted, Terminated

if TYPE_CHECKING:
    from runtime.actor import Handler
    from runtime.cell import Cell
    from runtime.context import Context


def inspect(cell: "Cell", envelope: Envelope, lease: Lease, now: float) -> "tuple[Envelope, Handler] | None":
    """Find what is to be handled and by what; None when there is nothing left to handle."""
    cell.actor_inbox.taken(envelope)
    message = envelope.message
    if isinstance(message, Notice):
        resolved = _resolve(cell, message, lease)
        if resolved is None:
            return None
        envelope = OwnEnvelope(resolved, None, envelope.cause, envelope.id, envelope.sent_at, None)
    elif envelope.deadline is not None and now > envelope.deadline:
        late = errors.AskTimeout(f"{cell.path} was asked too late to begin")
        _turn_away(cell, envelope, "expired", "timed_out", late)
        return None
    elif cell.poison is not None and not cell.is_stand_in and cell.poison.is_quarantined(message, at=now):
        _turn_away(cell, envelope, "quarantined", "refused", errors.Refused("this message crashed the actor twice"))
        return None
    handler = _handler_of(cell, envelope)
    return None if handler is None else _intercepted(cell, envelope, handler)


def _turn_away(cell: "Cell", envelope: Envelope, reason: str, outcome: str, error: errors.RuntimeFault) -> None:
    if envelope.reply_to is not None:
        envelope.reply_to.decline(outcome, error)
    cell.environment.undelivered(cell.path, envelope, reason)


def _handler_of(cell: "Cell", envelope: Envelope) -> "Handler | None":
    handler = cell.handlers.get(type(envelope.message))
    if handler is not None:
        return handler
    if not cell.is_stand_in:
        return type(cell.behaviour).on_unhandled  # type: ignore[union-attr] # a cell that handles has a behaviour
    if envelope.reply_to is not None:
        envelope.reply_to.decline("refused", errors.Refused(f"{cell.path} is parked"))
    return None


def _intercepted(cell: "Cell", envelope: Envelope, handler: "Handler") -> "tuple[Envelope, Handler] | None":
    interceptor = cell.environment.interceptor
    fault = None if interceptor is None else interceptor(cell.path, envelope.message)
    if fault is None:
        return envelope, handler
    if fault.lose:
        return None
    if cell.context is not None and fault.spend_seconds:
        cell.context.spend(fault.spend_seconds)
    if fault.error is None:
        return envelope, handler
    injected, after = fault.error, fault.after

    def fail(behaviour: Any, message: Any) -> None:
        if after:
            handler(behaviour, message)
        raise injected

    return envelope, fail


def _resolve(cell: "Cell", notice: Notice, lease: Lease) -> Any:
    """Turn one of the runtime's own messages into the one a handler sees; None when it has lost its meaning."""
    context = cell.context
    if isinstance(notice, StopMark):
        cell.end(notice.incarnation, lease)
    elif isinstance(notice, TimerFired):
        if notice.context is context:
            return _due(context, notice)
    elif isinstance(notice, AskSettled):
        if notice.context is context:
            return _outcome(context, notice)
    elif isinstance(notice, WatchNotice) and notice.context is context:
        return _news(context, notice.news)
    return None


def _due(context: "Context", notice: TimerFired) -> Any:
    timers = context.timers or {}
    if notice.key not in timers or timers[notice.key][0] != notice.token:
        return None  # cancelled or replaced after it had fired
    del timers[notice.key]
    return notice.message


def _outcome(context: "Context", notice: AskSettled) -> Answered | NotAnswered | None:
    pending = (context.asks or {}).pop(notice.ask_id, None)
    if pending is None:
        return None  # the first outcome counted
    pending.timer.cancel()
    if not notice.reason:
        return Answered(ask_id=notice.ask_id, tag=pending.tag, question=pending.question, value=notice.value)
    return NotAnswered(
        ask_id=notice.ask_id, tag=pending.tag, question=pending.question, reason=notice.reason, error=notice.error
    )


def _news(context: "Context", news: Terminated | Restarted) -> Terminated | Restarted | None:
    watching = context.watching or set()
    if news.path not in watching:
        return None  # unwatched meanwhile
    if isinstance(news, Terminated):
        watching.discard(news.path)
    return news
