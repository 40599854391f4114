"""Failure: what is done with a behaviour that crashed, was lost, or must go, and with the message it had in hand.

Enters: cells, and the envelope and error of the failing run. Stays out: what follows (supervision decides, told here).
"""

import traceback
from typing import TYPE_CHECKING

from runtime import errors
from runtime.commands import Begin, Drained, End, Fail
from runtime.context import Context
from runtime.envelope import Cause, Envelope, Lease, OwnEnvelope
from runtime.events import HandlerLost
from runtime.poison import QUARANTINE_AFTER, PoisonBook
from runtime.spec import PoisonPolicy

if TYPE_CHECKING:
    from runtime.cell import Cell


def revoke(cell: "Cell", error: BaseException, stack: str = "") -> bool:
    """Declare the running handler lost: whatever it still does is discarded. False when none is running."""
    lease = cell.lease
    try:
        envelope = lease.pop()
    except IndexError:
        return False
    cell.lease = []
    cell.in_virtual_handler = False
    environment = cell.environment
    environment.emit(
        HandlerLost(
            path=cell.path,
            incarnation=cell.incarnation,
            message_type=type(envelope.message).__name__,
            seconds=environment.monotonic() - cell.running_since,
            stack=stack,
        )
    )
    cell.dispatcher.abandon(cell)
    if cell.context is not None:
        crash(cell, cell.context, envelope, error)
    cell.hand_back()
    return True


def crash_outside_handler(cell: "Cell", lease: Lease, error: BaseException) -> None:
    if cell.lease is lease and cell.context is not None:
        lease.clear()
        crash(cell, cell.context, cell.mark(Fail(cell.incarnation, error), None), error)


def crash(cell: "Cell", context: Context, envelope: Envelope, error: BaseException) -> None:
    """Take the behaviour out and report to the supervisor. The message has been consumed."""
    environment = cell.environment
    incarnation = cell.incarnation
    planned = isinstance(error, errors.RestartRequested) and cell.behaviour is not None
    if envelope.reply_to is not None:
        envelope.reply_to.decline("actor_restarted" if planned else "failed", error)
    discard(cell, context)
    cause = Cause(envelope.trace, envelope.id, cell.path)
    if planned:
        environment.supervision.restart_requested(cell.path, incarnation, str(error), cause)
        return
    _judge_poison(cell, envelope, error)
    environment.supervision.failed(cell.path, incarnation, error, cause)


def _judge_poison(cell: "Cell", envelope: Envelope, error: BaseException) -> None:
    message = envelope.message
    if isinstance(message, Begin | End | Fail | Drained):
        return
    crashes = 1
    policy = cell.spec.poison.get(type(message), PoisonPolicy.DEAD_LETTER)
    may_be_refused = cell.spec.quarantines and policy is not PoisonPolicy.INSIST
    if may_be_refused and not isinstance(envelope, OwnEnvelope) and not cell.is_stand_in:
        if cell.poison is None:
            cell.poison = PoisonBook()
        crashes = cell.poison.crashed_over(message, at=cell.environment.monotonic())
    if crashes >= QUARANTINE_AFTER:
        cell.environment.undelivered(cell.path, envelope, "quarantined", describe(error))
    elif policy is PoisonPolicy.RETRY_ONCE and envelope.reply_to is None:
        cell.actor_inbox.put_back([envelope])
    elif policy is not PoisonPolicy.DROP:
        cell.environment.undelivered(cell.path, envelope, "crashed", describe(error))


def discard(cell: "Cell", context: Context) -> None:
    """Let go of a behaviour and of everything that belonged to its incarnation."""
    cell.behaviour = None
    cell.context = None
    cell.handlers = {}
    cell.undrained = 0
    context.held = []
    context.deferred = False
    for _, timer in (context.timers or {}).values():
        timer.cancel()
    for pending in (context.asks or {}).values():
        pending.timer.cancel()
    restarted = errors.AskFailed(f"{cell.path} was restarted or stopped over the question")
    for reply in (context.owed or {}).values():
        if reply.reply_to is not None:
            reply.reply_to.decline("actor_restarted", restarted)
    for envelope in context.stashed or ():
        if envelope.reply_to is not None:
            envelope.reply_to.decline("actor_restarted", restarted)
        cell.environment.undelivered(cell.path, envelope, "stash_lost")
    for path in context.watching or ():
        cell.environment.supervision.unwatch(path, cell)
    context.timers = context.asks = context.owed = context.stashed = context.watching = None


def describe(error: BaseException) -> str:
    """Render an exception with its traceback."""
    return "".join(traceback.format_exception(error))
