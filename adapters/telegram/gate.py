"""Who is heard: an allow-list of numeric user ids, asked for every kind of update.

Enters: updates. Leaves: a verdict, and at most one report per stranger and window. Stays out: answers, decisions.
An empty list admits nobody. Private chats only, unless a group is named; in a group every member sees the controls,
but only allowed users are heard. Anonymous admins and channels speak as a chat, not as a person: refused.
"""

from __future__ import annotations

from collections import OrderedDict

from telegram import Message, Update
from telegram.constants import ChatType

from actors.ports import StrangerIgnored

_STRANGERS_REMEMBERED = 256  # beyond it strangers are ignored without a report until the window of one has passed


def kind_of(update: Update) -> str:
    """Name the update's kind in Telegram's words: "message", "callback_query", ..."""
    return next((str(kind) for kind in Update.ALL_TYPES if getattr(update, kind, None) is not None), "unknown")


class Gate:
    """Admits updates, and remembers which strangers were reported lately."""

    def __init__(self, *, users: frozenset[int], groups: frozenset[int], window_seconds: float) -> None:
        self._users = users
        self._groups = groups
        self._window_seconds = window_seconds
        self._reported: OrderedDict[tuple[int | None, int | None], float] = OrderedDict()  # oldest first

    def admits(self, update: Update) -> bool:
        """Tell whether a listed person speaks, as themselves, in a chat that may be used."""
        user, chat = update.effective_user, update.effective_chat
        if user is None or chat is None or user.id not in self._users:
            return False
        message = update.effective_message
        if isinstance(message, Message) and message.sender_chat is not None:
            return False
        if chat.type == ChatType.PRIVATE:
            return chat.id == user.id
        return chat.id in self._groups

    def stranger(self, update: Update, now_monotonic: float) -> StrangerIgnored | None:
        """Give the report of a refused update, None when this person was reported within the window."""
        user, chat = update.effective_user, update.effective_chat
        key = (user.id if user else None, chat.id if chat else None)
        while self._reported and next(iter(self._reported.values())) <= now_monotonic - self._window_seconds:
            self._reported.popitem(last=False)
        if key in self._reported or len(self._reported) >= _STRANGERS_REMEMBERED:
            return None
        self._reported[key] = now_monotonic
        return StrangerIgnored(user_id=key[0], chat_id=key[1], kind=kind_of(update))
