"""What the local Bot API knows: chats, messages, pending updates, limits. Pure: time arrives as an argument.

Enters: the parameters of Bot API methods, already decoded, and what the person does. Leaves: result rows in Telegram's
shape, or ApiRefusal with Telegram's code and words. Stays out: HTTP, threads, clocks, scripted faults.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.simulated.bot_api_fields import (
    ApiRefusal,
    chat_row,
    checked_commands,
    checked_text,
    is_true,
    keyboard,
    number,
    user_row,
)
from adapters.simulated.bot_api_markup import CAPTION_LIMIT, TEXT_LIMIT, utf16_length

BOT_ID = 7000000001
_UPDATE_LIMIT = 100  # getUpdates gives at most so many at once


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimit:
    """How many messages, edits included, one chat takes in a sliding window before it answers 429."""

    messages: int
    window_seconds: float
    retry_after_seconds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message as the person sees it now, edits included."""

    message_id: int
    chat_id: int
    text: str  # without tags; the caption for a document
    source: str  # as it was sent
    html: bool
    buttons: tuple[tuple[tuple[str, str], ...], ...]  # rows of (label, data)
    silent: bool
    sent_at: datetime
    edits: int = 0
    document_name: str | None = None
    document: bytes = b""


class BotApiChats:
    """The state behind the methods. Not thread-safe: the server serialises every call."""

    def __init__(self, *, bot_name: str, chats: Iterable[int], flood: FloodLimit | None) -> None:
        self.bot = {"id": BOT_ID, "is_bot": True, "first_name": "Standfast", "username": bot_name}
        self.known_chats = set(chats)
        self.blocked: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.messages: dict[tuple[int, int], ChatMessage] = {}
        self.updates: deque[dict[str, Any]] = deque()
        self.commands: dict[str, list[dict[str, str]]] = {}
        self.webhook_url = ""
        self.open_callbacks: set[str] = set()
        self.answered_callbacks: list[str] = []
        self.chat_actions: list[tuple[int, str]] = []
        self._flood = flood
        self._recent: defaultdict[int, deque[float]] = defaultdict(deque)
        self._next_message_id = 1
        self._next_update_id = 100_001

    # --- what the person does ---------------------------------------------------------------------------------
    def take_update_id(self) -> int:
        self._next_update_id += 1
        return self._next_update_id - 1

    def take_message_id(self) -> int:
        self._next_message_id += 1
        return self._next_message_id - 1

    def queue(self, kind: str, body: Any) -> int:
        """Add an update of this kind to the bot's queue; give its id."""
        update_id = self.take_update_id()
        self.updates.append({"update_id": update_id, kind: body})
        return update_id

    def written(self, *, text: str, user_id: int, chat_id: int, now: datetime) -> dict[str, Any]:
        """Describe a message of a person's. Writing to the bot makes the chat known to it, as in Telegram."""
        self.known_chats.add(chat_id)
        message: dict[str, Any] = {
            "message_id": self.take_message_id(),
            "date": int(now.timestamp()),
            "chat": chat_row(chat_id),
            "from": user_row(user_id),
            "text": text,
        }
        if text.startswith("/"):
            length = utf16_length(text.split(maxsplit=1)[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return message

    def tap(self, message: ChatMessage, button: str, user_id: int) -> int:
        """Press a button by its label or its data; give the update's id.

        Raises: LookupError when the message shows no such button any more.
        """
        shown = [pair for row in message.buttons for pair in row]
        data = next((data for label, data in shown if button in (label, data)), None)
        if data is None:
            raise LookupError(f"message {message.message_id} shows no button {button!r}, only {shown!r}")
        callback_id = str(4_000_000_000 + self._next_update_id)
        self.open_callbacks.add(callback_id)
        return self.queue(
            "callback_query",
            {
                "id": callback_id,
                "from": user_row(user_id),
                "chat_instance": str(message.chat_id),
                "data": data,
                "message": self.row(message),
            },
        )

    def pending(self, offset: int | None, limit: int) -> list[dict[str, Any]]:
        """Forget updates below the offset and give the rest, oldest first. Negative: count from the end."""
        if offset is not None and offset < 0:
            offset = self.updates[max(0, len(self.updates) + offset)]["update_id"] if self.updates else None
        while offset is not None and self.updates and self.updates[0]["update_id"] < offset:
            self.updates.popleft()
        return list(self.updates)[: max(1, min(limit, _UPDATE_LIMIT))]

    # --- methods that write -----------------------------------------------------------------------------------
    def send_message(self, asked: Mapping[str, Any], *, now: datetime, monotonic: float) -> dict[str, Any]:
        chat_id = self._open_chat(asked.get("chat_id"))
        message = ChatMessage(
            message_id=0,
            chat_id=chat_id,
            buttons=keyboard(asked.get("reply_markup")),
            silent=is_true(asked.get("disable_notification")),
            sent_at=now,
            **checked_text(asked, "text", TEXT_LIMIT),
        )
        return self._post(message, monotonic)

    def send_document(
        self, asked: Mapping[str, Any], *, name: str, content: bytes, now: datetime, monotonic: float
    ) -> dict[str, Any]:
        chat_id = self._open_chat(asked.get("chat_id"))
        message = ChatMessage(
            message_id=0,
            chat_id=chat_id,
            buttons=keyboard(asked.get("reply_markup")),
            silent=is_true(asked.get("disable_notification")),
            sent_at=now,
            document_name=name,
            document=content,
            **checked_text(asked, "caption", CAPTION_LIMIT),
        )
        return self._post(message, monotonic)

    def edit_text(self, asked: Mapping[str, Any], *, monotonic: float) -> dict[str, Any]:
        chat_id = self._open_chat(asked.get("chat_id"))
        old = self.messages.get((chat_id, number(asked.get("message_id")) or 0))
        if old is None:
            raise ApiRefusal(400, "Bad Request: message to edit not found")
        if old.document_name is not None:
            raise ApiRefusal(400, "Bad Request: there is no text in the message to edit")
        new = replace(
            old,
            buttons=keyboard(asked.get("reply_markup")),
            edits=old.edits + 1,
            **checked_text(asked, "text", TEXT_LIMIT),
        )
        if (new.source, new.html, new.buttons) == (old.source, old.html, old.buttons):
            raise ApiRefusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        self._count_flood(chat_id, monotonic)
        self.messages[chat_id, old.message_id] = new
        return self.row(new)

    def answer_callback(self, asked: Mapping[str, Any]) -> bool:
        callback_id = str(asked.get("callback_query_id", ""))
        if callback_id not in self.open_callbacks:
            raise ApiRefusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered_callbacks.append(callback_id)
        return True

    def delete_webhook(self) -> bool:
        self.webhook_url = ""
        return True

    def chat_action(self, asked: Mapping[str, Any]) -> bool:
        self.chat_actions.append((self._open_chat(asked.get("chat_id")), str(asked.get("action", ""))))
        return True

    def set_commands(self, asked: Mapping[str, Any]) -> bool:
        commands = checked_commands(asked.get("commands"))
        scope = asked.get("scope") or {"type": "default"}
        if "chat_id" in scope and number(scope["chat_id"]) not in self.known_chats:
            raise ApiRefusal(400, "Bad Request: chat not found")
        self.commands[":".join(str(scope[part]) for part in ("type", "chat_id") if part in scope)] = commands
        return True

    def row(self, message: ChatMessage) -> dict[str, Any]:
        """Give the message in Telegram's shape."""
        row: dict[str, Any] = {
            "message_id": message.message_id,
            "date": int(message.sent_at.timestamp()),
            "chat": chat_row(message.chat_id),
            "from": self.bot,
        }
        if message.document_name is None:
            row["text"] = message.text
        else:
            row["caption"] = message.text
            row["document"] = {
                "file_id": f"document-{message.message_id}",
                "file_unique_id": f"unique-{message.message_id}",
                "file_name": message.document_name,
                "file_size": len(message.document),
            }
        if message.edits:
            row["edit_date"] = int(message.sent_at.timestamp()) + message.edits
        if message.buttons:
            rows = [[{"text": label, "callback_data": data} for label, data in line] for line in message.buttons]
            row["reply_markup"] = {"inline_keyboard": rows}
        return row

    # --- checks -----------------------------------------------------------------------------------------------
    def _post(self, message: ChatMessage, monotonic: float) -> dict[str, Any]:
        self._count_flood(message.chat_id, monotonic)
        message = replace(message, message_id=self.take_message_id())
        self.messages[message.chat_id, message.message_id] = message
        return self.row(message)

    def _open_chat(self, raw: Any) -> int:
        chat_id = number(raw)
        if chat_id is None:
            raise ApiRefusal(400, "Bad Request: chat_id is empty")
        if chat_id in self.migrated:
            raise ApiRefusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=self.migrated[chat_id],
            )
        if chat_id not in self.known_chats:
            raise ApiRefusal(400, "Bad Request: chat not found")
        if chat_id in self.blocked:
            raise ApiRefusal(403, "Forbidden: bot was blocked by the user")
        return chat_id

    def _count_flood(self, chat_id: int, monotonic: float) -> None:
        if self._flood is None:
            return
        recent = self._recent[chat_id]
        while recent and recent[0] <= monotonic - self._flood.window_seconds:
            recent.popleft()
        if len(recent) >= self._flood.messages:
            wait = self._flood.retry_after_seconds
            raise ApiRefusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        recent.append(monotonic)
