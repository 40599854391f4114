"""A chat's record: which updates were used, which commands are under way. Pure changes to one document.

Enters: what was said and what came of it. Stays out: keeping the document, carrying anything out.
One document holds both, so that an update is used and its command accepted in the same commit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from actors.messages.operator import Action, ChatRecord, PendingCommand
from actors.model.screen import Screen

UPDATES_KEPT = 256  # a chat service repeats what was not acknowledged, 100 at the most
PENDING_KEPT = 64
FRESH_SECONDS = 60.0  # a command that acts on trades is not carried out later than this


def is_used(record: ChatRecord, update_id: int) -> bool:
    return update_id in record.used_updates


def is_full(record: ChatRecord) -> bool:
    """So many commands are under way that the chat must be out of reach."""
    return len(record.pending) >= PENDING_KEPT


def use(record: ChatRecord, update_id: int) -> ChatRecord:
    """Note an update that starts nothing of its own."""
    return replace(record, used_updates=(*record.used_updates, update_id)[-UPDATES_KEPT:])


def accept(record: ChatRecord, command: PendingCommand) -> ChatRecord:
    return replace(use(record, command.update_id), pending=(*record.pending, command))


def find(record: ChatRecord, update_id: int) -> PendingCommand | None:
    return next((each for each in record.pending if each.update_id == update_id), None)


def is_under_way(record: ChatRecord, data: str) -> bool:
    """Whether a press of this very button is being carried out."""
    return any(each.data == data for each in record.pending)


def confirm(record: ChatRecord, update_id: int, *, command_id: str, action: Action, at: datetime) -> ChatRecord:
    """Note what was confirmed, before it is asked of anyone."""
    return _change(record, update_id, command_id=command_id, action=action, confirmed_at=at)


def decide(record: ChatRecord, update_id: int, outcome: Screen) -> ChatRecord:
    """Note how it ended, before it is shown."""
    return _change(record, update_id, outcome=outcome)


def finish(record: ChatRecord, update_id: int) -> ChatRecord:
    """Forget a command whose outcome was seen."""
    return replace(record, pending=tuple(each for each in record.pending if each.update_id != update_id))


def is_stale(since: datetime, now: datetime) -> bool:
    return now - since > timedelta(seconds=FRESH_SECONDS)


def _change(record: ChatRecord, update_id: int, **changes: object) -> ChatRecord:
    return replace(
        record,
        pending=tuple(
            replace(each, **changes) if each.update_id == update_id else each  # type: ignore[arg-type]  # our own fields
            for each in record.pending
        ),
    )
