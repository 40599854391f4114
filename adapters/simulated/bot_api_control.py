"""The person's side of the local Bot API over HTTP: another process writes, presses and reads.

Enters: JSON bodies. Leaves: JSON, or 400 with a sentence. Stays out: what a message or a tap means.

    POST /control/say      {"text": "/status", "user_id": 42, "chat_id": 42}   -> {"update_id": N}
    POST /control/tap      {"message_id": 7, "button": "Confirm"}              -> {"update_id": N}
    GET  /control/messages?chat_id=42                                          -> {"messages": [...]}
    POST /control/faults   {"method": "sendMessage", "kind": "timeout_after_accept", "times": 1} -> {}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from adapters.simulated.bot_api_chats import ChatMessage
from adapters.simulated.bot_api_faults import Fault
from adapters.simulated.bot_api_fields import number

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class PlayedPerson(Protocol):
    """What the server lets another process do."""

    def user_says(self, text: str, user_id: int, chat_id: int | None = None) -> int: ...

    def user_taps(self, message_id: int, button: str, user_id: int | None = None) -> int: ...

    def messages(self, chat_id: int | None = None) -> tuple[ChatMessage, ...]: ...

    def script(self, fault: Fault) -> None: ...


def control_routes(person: PlayedPerson) -> list[web.RouteDef]:
    """Give the /control routes that act through `person`."""

    async def say(request: web.Request) -> web.Response:
        body = await _body(request)
        update_id = person.user_says(str(body["text"]), int(body["user_id"]), number(body.get("chat_id")))
        return web.json_response({"update_id": update_id})

    async def tap(request: web.Request) -> web.Response:
        body = await _body(request)
        update_id = person.user_taps(int(body["message_id"]), str(body["button"]), number(body.get("user_id")))
        return web.json_response({"update_id": update_id})

    async def shown(request: web.Request) -> web.Response:
        messages = person.messages(number(request.query.get("chat_id")))
        return web.json_response({"messages": [_message_row(message) for message in messages]})

    async def faults(request: web.Request) -> web.Response:
        person.script(Fault(**await _body(request)))
        return web.json_response({})

    return [
        web.post("/control/say", _explained(say)),
        web.post("/control/tap", _explained(tap)),
        web.get("/control/messages", _explained(shown)),
        web.post("/control/faults", _explained(faults)),
    ]


def _explained(handler: _Handler) -> _Handler:
    """Answer a bad request with what is wrong in it."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except KeyError as missing:
            return web.json_response({"error": f"the field {missing} is missing"}, status=400)
        except (TypeError, ValueError, LookupError) as wrong:
            return web.json_response({"error": str(wrong)}, status=400)

    return handle


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def _message_row(message: ChatMessage) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "chat_id": message.chat_id,
        "text": message.text,
        "buttons": [[{"label": label, "data": data} for label, data in row] for row in message.buttons],
        "silent": message.silent,
        "edits": message.edits,
        "sent_at": message.sent_at.isoformat(),
        "document_name": message.document_name,
    }
