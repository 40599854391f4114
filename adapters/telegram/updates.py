"""Pure: an admitted update becomes what the person said or tapped.

Enters: updates that passed the gate. Leaves: our values, None for what nobody can act on. Stays out: who may speak,
answers. Edited messages never act: an edit of last week's command must not trade.
"""

from __future__ import annotations

from datetime import UTC, datetime

from telegram import Update

from actors.ports import OperatorSaid, OperatorTapped


def said(update: Update) -> OperatorSaid | None:
    """Read a new message; None for an edit, a post, or a message without words."""
    message = update.message
    if message is None or message.from_user is None:
        return None
    text = message.text or message.caption
    if not text:
        return None
    return OperatorSaid(
        update_id=update.update_id,
        chat_id=message.chat.id,
        user_id=message.from_user.id,
        text=text,
        said_at=message.date.astimezone(UTC),
    )


def tapped(update: Update, received_at: datetime) -> OperatorTapped | None:
    """Read a pressed button. Telegram gives a tap no date: `received_at` is when we got it.

    The message may be too old for Telegram to show its text; its id and chat are there all the same.
    """
    query = update.callback_query
    if query is None or query.message is None or query.data is None:
        return None
    return OperatorTapped(
        update_id=update.update_id,
        chat_id=query.message.chat.id,
        user_id=query.from_user.id,
        data=query.data,
        message_id=query.message.message_id,
        tapped_at=received_at,
    )
