"""Reading what a Bot API request carries, refusing what Telegram refuses, and rows for users and chats. Pure.

Enters: decoded parameters. Leaves: checked values, or ApiRefusal with Telegram's code and words. Stays out: state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.simulated.bot_api_markup import MarkupRefused, utf16_length, visible_text

CALLBACK_DATA_BYTES = 64
_COMMAND_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class ApiRefusal(Exception):
    """Telegram's "ok": false."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def user_row(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "first_name": f"Person {user_id}", "language_code": "en"}


def chat_row(chat_id: int) -> dict[str, Any]:
    """Describe a chat; Telegram gives groups negative ids."""
    if chat_id < 0:
        return {"id": chat_id, "type": "supergroup", "title": f"Group {-chat_id}"}
    return {"id": chat_id, "type": "private", "first_name": f"Person {chat_id}"}


def number(raw: Any) -> int | None:
    """Read an integer that arrives as a number or as text; None for anything else."""
    try:
        return int(raw)
    except (TypeError, ValueError):
        return None


def is_true(raw: Any) -> bool:
    return raw is True or str(raw).lower() in {"true", "1"}


def keyboard(raw: Any) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Read an inline keyboard, refusing what Telegram refuses."""
    if raw is None:
        return ()
    rows = raw.get("inline_keyboard") if isinstance(raw, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ApiRefusal(400, "Bad Request: object expected as reply markup")
    return tuple(tuple(_button(button) for button in row) for row in rows if row)


def _button(raw: Any) -> tuple[str, str]:
    label, data = str(raw.get("text", "")), raw.get("callback_data")
    if not label.strip():
        raise ApiRefusal(400, "Bad Request: can't parse inline keyboard button: Text must be non-empty")
    if data is None:
        raise ApiRefusal(
            400,
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        )
    if not 1 <= len(str(data).encode()) <= CALLBACK_DATA_BYTES:
        raise ApiRefusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return label, str(data)


def checked_text(asked: Mapping[str, Any], field: str, limit: int) -> dict[str, Any]:
    """Read a text or caption: what is seen, what was sent, and whether it was HTML."""
    source = str(asked.get(field) or "")
    mode = str(asked.get("parse_mode") or "").lower()
    if mode not in ("", "html"):
        raise ApiRefusal(400, "Bad Request: unsupported parse_mode")  # the local server knows HTML only
    try:
        text = (visible_text(source) if mode else source).strip()
    except MarkupRefused as refusal:
        raise ApiRefusal(400, f"Bad Request: can't parse entities: {refusal}") from None
    if not text and field == "text":
        raise ApiRefusal(400, "Bad Request: message text is empty")
    if utf16_length(text) > limit:
        what = "message" if field == "text" else "message caption"
        raise ApiRefusal(400, f"Bad Request: {what} is too long")
    return {"text": text, "source": source, "html": bool(mode)}


def checked_commands(raw: Any) -> list[dict[str, str]]:
    """Read the list of a bot's commands."""
    if not isinstance(raw, list):
        raise ApiRefusal(400, "Bad Request: can't parse commands: Expected an Array")
    for command in raw:
        name, description = str(command.get("command", "")), str(command.get("description", ""))
        if not (0 < len(name) <= 32 and _COMMAND_SIGNS.issuperset(name)):
            raise ApiRefusal(400, "Bad Request: BOT_COMMAND_INVALID")
        if not 0 < len(description) <= 256:
            raise ApiRefusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
    return raw
