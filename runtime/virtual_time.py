"""Virtual time of handlers: a handler has returned, but the time it takes has not passed yet.

Enters: conclusions of handlers that spent virtual time (`context.spend`). Stays out: real threads; there handlers take
the time they take, and the watchdog looks after them.
"""

from typing import TYPE_CHECKING, Any

from runtime.commands import Begin, Drained, End
from runtime.context import Context
from runtime.envelope import Envelope, Lease
from runtime.errors import HandlerOverran
from runtime.events import HandlerSlow
from runtime.failure import revoke

if TYPE_CHECKING:
    from runtime.cell import Cell


def conclude_later(
    cell: "Cell", lease: Lease, context: Context, envelope: Envelope, *, value: Any, error: BaseException | None
) -> None:
    """Let the handler's virtual time pass first. The cell stays busy; nothing else of it runs meanwhile."""
    spent = context.spent_seconds
    context.spent_seconds = 0.0
    cell.in_virtual_handler = True
    environment = cell.environment

    def resume() -> None:
        if cell.lease is not lease:
            return
        cell.in_virtual_handler = False
        if isinstance(envelope.message, Begin):
            cell.conclude_begin(lease, context, envelope, value, error)
        elif isinstance(envelope.message, End):
            cell.conclude_end(lease, context, envelope, error)
        elif error is not None:
            cell.conclude_raised(lease, context, envelope, error)
        elif cell.conclude(lease, context, envelope, value):
            cell.handled += 1
            if cell.behaviour is not None and cell.behaviour.drains and not isinstance(envelope.message, Drained):
                cell.count_undrained(lease)
        if cell.lease is lease and not cell.in_virtual_handler:
            cell.hand_back()

    environment.timers.call_later(spent, resume)
    _watch_virtual_handler(cell, lease, type(envelope.message).__name__, spent)


def _watch_virtual_handler(cell: "Cell", lease: Lease, message_type: str, spent: float) -> None:
    """Do in virtual time what the watchdog does in real time."""
    environment = cell.environment
    deadline = cell.spec.handler_deadline_seconds

    def lose() -> None:
        if cell.lease is lease:
            revoke(cell, HandlerOverran(f"{cell.path} ran longer than {deadline} s over {message_type}"))

    def tell() -> None:
        if cell.lease is lease:
            seconds = environment.slow_handler_seconds
            environment.emit(HandlerSlow(path=cell.path, message_type=message_type, seconds=seconds, stack=""))

    if deadline is not None and spent > deadline:
        environment.timers.call_later(deadline, lose)
    if spent > environment.slow_handler_seconds:
        environment.timers.call_later(environment.slow_handler_seconds, tell)
