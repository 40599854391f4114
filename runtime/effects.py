"""Effects: what a handler asked for, carried out once it has returned. None of these may raise.

Enters: the cell, the cause (which handler run), and what the context noted. Stays out: deciding anything.
"""

from typing import TYPE_CHECKING, Any

from runtime.asks import AskingActor, PendingAsk
from runtime.envelope import Cause, Envelope, Notice
from runtime.errors import ActorDead, AskTimeout, Refused

if TYPE_CHECKING:
    from runtime.cell import Cell
    from runtime.context import Context, Reply
    from runtime.spec import Spec


class TimerFired(Notice):
    """A timer is due; it counts only if its token is still the one under that key of that incarnation."""

    __slots__ = ("context", "key", "message", "token")

    def __init__(self, context: "Context", key: str, token: int, message: Any) -> None:
        self.context = context
        self.key = key
        self.token = token
        self.message = message


def nothing(_cell: "Cell", _cause: Cause, _first: Any, _second: Any) -> None:
    """Mark that the handler did something, though nothing leaves."""


def send(cell: "Cell", cause: Cause, path: str, message: Any) -> None:
    environment = cell.environment
    envelope = Envelope(message, None, cause, next(environment.numbers), environment.monotonic(), None)
    target = environment.cells.get(path)
    if target is None:
        environment.undelivered(path, envelope, "no_such_actor")
    else:
        target.actor_inbox.post(envelope)
        if cell.urgent:
            target.dispatcher.hurry(target)


def send_within(cell: "Cell", cause: Cause, to: tuple[str, str], message: Any) -> None:
    path, trace_id = to
    send(cell, Cause(trace_id, cause.message_id, cause.sender), path, message)


def put_question(cell: "Cell", cause: Cause, how: tuple[str, str, float], what: tuple[Any, Any]) -> None:
    ask_id, path, timeout_seconds = how
    tag, question = what
    environment = cell.environment
    context = cell.context
    if context is None:
        return
    now = environment.monotonic()
    number = next(environment.numbers)
    asker = AskingActor(cell, context, ask_id, Cause(cause.trace, number, path))
    timer = environment.timers.call_later(
        timeout_seconds,
        lambda: asker.decline("timed_out", AskTimeout(f"{path} gave no answer within {timeout_seconds} s")),
    )
    if context.asks is None:
        context.asks = {}
    context.asks[ask_id] = PendingAsk(tag, question, timer)
    target = environment.cells.get(path)
    if target is None:
        asker.decline("dead", ActorDead(f"there is no actor {path}"))
    else:
        target.actor_inbox.post(Envelope(question, asker, cause, number, now, now + timeout_seconds))
        if cell.urgent and target.dispatcher is not cell.dispatcher:
            cell.dispatcher.step_aside()


def owe(cell: "Cell", _cause: Cause, reply: "Reply", _: None) -> None:
    context = cell.context
    if context is None:
        return
    if context.owed is None:
        context.owed = {}
    context.owed[id(reply)] = reply


def answer_later(cell: "Cell", _cause: Cause, reply: "Reply", value: Any) -> None:
    _settle(cell, reply)
    if reply.reply_to is not None:
        reply.reply_to.answer(value)


def refuse_later(cell: "Cell", _cause: Cause, reply: "Reply", error: Refused) -> None:
    _settle(cell, reply)
    if reply.reply_to is not None:
        reply.reply_to.decline("refused", error)


def _settle(cell: "Cell", reply: "Reply") -> None:
    if cell.context is not None and cell.context.owed is not None:
        cell.context.owed.pop(id(reply), None)


def stash(cell: "Cell", _cause: Cause, envelope: Envelope, _: None) -> None:
    cell.stash(envelope)


def unstash_all(cell: "Cell", _cause: Cause, _first: None, _second: None) -> None:
    context = cell.context
    if context is not None and context.stashed:
        cell.actor_inbox.put_back(context.stashed)
        context.stashed = None


def start_timer(cell: "Cell", cause: Cause, key: str, how: tuple[float, Any, bool]) -> None:
    delay_seconds, message, new_trace = how
    environment = cell.environment
    context = cell.context
    if context is None:
        return
    cancel_timer(cell, cause, key, None)
    token = next(environment.numbers)
    notice = TimerFired(context, key, token, message)

    def fire() -> None:
        cell.actor_inbox.post_notice(
            Envelope(
                notice,
                None,
                None if new_trace else cause,
                next(environment.numbers),
                environment.monotonic(),
                None,
            )
        )

    if context.timers is None:
        context.timers = {}
    context.timers[key] = (token, environment.timers.call_later(delay_seconds, fire))


def cancel_timer(cell: "Cell", _cause: Cause, key: str, _: None) -> None:
    context = cell.context
    if context is not None and context.timers is not None:
        running = context.timers.pop(key, None)
        if running is not None:
            running[1].cancel()


def start_child(cell: "Cell", cause: Cause, spec: "Spec", _: None) -> None:
    cell.environment.supervision.start_child(cell.path, spec, cause)


def stop_child(cell: "Cell", _cause: Cause, name: str, _: None) -> None:
    cell.environment.supervision.stop_child(cell.path, name)


def watch(cell: "Cell", _cause: Cause, path: str, _: None) -> None:
    context = cell.context
    if context is None:
        return
    if context.watching is None:
        context.watching = set()
    if path not in context.watching:
        context.watching.add(path)
        cell.environment.supervision.watch(path, cell, context)


def unwatch(cell: "Cell", _cause: Cause, path: str, _: None) -> None:
    context = cell.context
    if context is not None and context.watching is not None:
        context.watching.discard(path)
        cell.environment.supervision.unwatch(path, cell)


def end_self(cell: "Cell", _cause: Cause, _first: None, _second: None) -> None:
    cell.environment.supervision.end(cell.path)


def leave_parking(cell: "Cell", _cause: Cause, _first: None, _second: None) -> None:
    cell.environment.supervision.leave_parking(cell.path)
