"""The Bot API's wire: addresses, parameters, long polls, envelopes, and scripted faults carried out.

Enters: aiohttp requests. Leaves: answers in Telegram's envelope. Stays out: what a message means (`bot_api_chats`),
the thread and the listening socket (`bot_api`). Everything here runs on the server's loop; the state is shared with
other threads under `changed`. Source: core.telegram.org/bots/api, "Making requests" and "Getting updates".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from adapters.simulated.bot_api_chats import BotApiChats
from adapters.simulated.bot_api_faults import Fault, FaultScript
from adapters.simulated.bot_api_fields import ApiRefusal, number

LONGEST_POLL_SECONDS = 50
_NESTED = ("reply_markup", "commands", "scope", "allowed_updates", "link_preview_options")


class BotApiHttp:
    """Serve `/bot<token>/<method>` over one state."""

    def __init__(
        self, *, token: str, chats: BotApiChats, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self.chats = chats
        self.faults = FaultScript()
        self.changed = threading.Condition()  # guards chats, faults, counters; notified after every request
        self.attempts: Counter[str] = Counter()  # requests that reached a method, faults included
        self.accepted: Counter[str] = Counter()  # requests that took effect
        self._token = token
        self._now = now
        self._monotonic = monotonic
        self._poll: asyncio.Future[str] | None = None  # the one getUpdates that waits; resolved to why it ends

    def route(self) -> web.RouteDef:
        return web.route("*", r"/bot{token:[^/]+}/{method:\w+}", self._handle)

    def end_poll(self, why: str) -> None:
        """Wake the waiting getUpdates: "updates" or "conflict"."""
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(why)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            self._check_token(request)
            asked = await _parameters(request)
            with self.changed:
                self.attempts[method] += 1
                fault = self.faults.next_for(method)
                self.changed.notify_all()
            if fault is not None:
                return await self._misbehave(fault, method, asked, request)
            return web.json_response({"ok": True, "result": await self._result(method, asked)})
        except ApiRefusal as refusal:
            return _refused(refusal)

    def _check_token(self, request: web.Request) -> None:
        if request.match_info["token"] != self._token:
            raise ApiRefusal(401, "Unauthorized")

    async def _result(self, method: str, asked: Mapping[str, Any]) -> Any:
        if method.lower() == "getupdates":
            result: Any = await self._get_updates(asked)
        else:
            result = self._call(method, asked)
        with self.changed:
            self.accepted[method] += 1
            self.changed.notify_all()
        return result

    def _call(self, method: str, asked: Mapping[str, Any]) -> Any:
        chats, now, monotonic = self.chats, self._now(), self._monotonic()
        calls: Mapping[str, Callable[[], Any]] = {
            "getme": lambda: chats.bot,
            "sendmessage": lambda: chats.send_message(asked, now=now, monotonic=monotonic),
            "editmessagetext": lambda: chats.edit_text(asked, monotonic=monotonic),
            "senddocument": lambda: self._send_document(asked, now, monotonic),
            "answercallbackquery": lambda: chats.answer_callback(asked),
            "sendchataction": lambda: chats.chat_action(asked),
            "setmycommands": lambda: chats.set_commands(asked),
            "deletewebhook": chats.delete_webhook,
        }
        call = calls.get(method.lower())
        if call is None:
            raise ApiRefusal(404, "Not Found")
        with self.changed:
            return call()

    def _send_document(self, asked: Mapping[str, Any], now: datetime, monotonic: float) -> Any:
        sent = asked.get("document")
        if isinstance(sent, str) and sent.startswith("attach://"):
            sent = asked.get(sent.removeprefix("attach://"))
        if not isinstance(sent, web.FileField):
            raise ApiRefusal(400, "Bad Request: there is no document in the request")
        content = sent.file.read()
        return self.chats.send_document(asked, name=sent.filename, content=content, now=now, monotonic=monotonic)

    async def _get_updates(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer at once when there is something, else hold the request. A newer poll ends an older one with 409."""
        if self.chats.webhook_url:
            raise ApiRefusal(409, "Conflict: can't use getUpdates method while webhook is active")
        offset, limit = number(asked.get("offset")), number(asked.get("limit")) or 100
        seconds = max(0, min(number(asked.get("timeout")) or 0, LONGEST_POLL_SECONDS))
        self.end_poll("conflict")
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poll = waiting
        with self.changed:
            found = self.chats.pending(offset, limit)
        if found or not seconds:
            return found
        with contextlib.suppress(TimeoutError):
            if await asyncio.wait_for(waiting, seconds) == "conflict":
                raise ApiRefusal(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
        with self.changed:
            return self.chats.pending(offset, limit)

    async def _misbehave(
        self, fault: Fault, method: str, asked: Mapping[str, Any], request: web.Request
    ) -> web.StreamResponse:
        if fault.kind == "refuse":
            wait = {} if fault.retry_after_seconds is None else {"retry_after": fault.retry_after_seconds}
            raise ApiRefusal(fault.code, fault.description, **wait)
        if fault.kind == "page":
            return web.Response(status=fault.code, text="<html><body>a gateway's page</body></html>")
        if fault.kind == "odd_json":
            return web.json_response({"unexpected": True})
        if fault.kind.endswith("after_accept"):
            await self._result(method, asked)
        if fault.kind.startswith("timeout"):
            await asyncio.Event().wait()  # until the client hangs up or the server stops
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


async def _parameters(request: web.Request) -> dict[str, Any]:
    """Read query, form, multipart or JSON alike; nested values arrive as JSON text in all but the last."""
    asked: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        with contextlib.suppress(ValueError):
            body = await request.json()
            asked.update(body if isinstance(body, dict) else {})
    else:
        asked.update(await request.post())
    for name in _NESTED:
        if isinstance(asked.get(name), str):
            with contextlib.suppress(ValueError):
                asked[name] = json.loads(asked[name])
    return asked


def _refused(refusal: ApiRefusal) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": refusal.code, "description": refusal.description}
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return web.json_response(body, status=refusal.code)
