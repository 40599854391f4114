"""A small Telegram on loopback: the real python-telegram-bot talks to it in demo and tests.

One aiohttp server on its own thread. The person's side is a Python API (`user_says`, `user_taps`, `messages`,
`wait_for`) and, when asked for, the same over HTTP under /control, so that another process can play the person.
Stays out: what the methods mean (`bot_api_chats`) and how they look on the wire (`bot_api_http`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from aiohttp import web

from adapters.simulated.bot_api_chats import BotApiChats, ChatMessage, FloodLimit
from adapters.simulated.bot_api_control import control_routes
from adapters.simulated.bot_api_faults import Fault
from adapters.simulated.bot_api_fields import user_row
from adapters.simulated.bot_api_http import BotApiHttp

__all__ = ["LOCAL_TOKEN", "BotApiServer", "ChatMessage", "Fault", "FloodLimit"]

LOCAL_TOKEN = "7000000001:local-bot-token-on-loopback"  # noqa: S105 - opens nothing but this server
_START_SECONDS = 5.0
_STOP_SECONDS = 5.0
_UPLOAD_BYTES = 50 * 1024 * 1024  # what Telegram takes from a bot

_Found = TypeVar("_Found")


_ACCEPTING_SECONDS = 0.02  # a connection that was being taken as the door closed is then there to be cut


class BotApiServer:
    """The local Bot API. `start` gives the address for `TELEGRAM_API_URL`; every public method is thread-safe.

    Args: chats the bot may write to before the person has written; a flood limit per chat, None for none; control
    opens /control to whoever reaches the port.
    """

    def __init__(
        self,
        *,
        token: str = LOCAL_TOKEN,
        bot_name: str = "standfast_local_bot",
        chats: Iterable[int] = (),
        flood: FloodLimit | None = None,
        control: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chats = BotApiChats(bot_name=bot_name, chats=chats, flood=flood)
        self._http = BotApiHttp(token=token, chats=self._chats, now=now, monotonic=monotonic)
        self._changed = self._http.changed
        self._control = control
        self._host = host
        self._port = port
        self._now = now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._stopping: asyncio.Event | None = None
        self._listening = threading.Event()
        self._start_failure: OSError | None = None

    # --- life -------------------------------------------------------------------------------------------------
    def start(self) -> str:
        """Listen on loopback and give the base address, without "/bot".

        Raises: OSError when the port is taken.
        """
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="bot-api", daemon=True)
        self._thread.start()
        if not self._listening.wait(_START_SECONDS):
            raise TimeoutError(f"the local Bot API did not listen on {self._host} within {_START_SECONDS} s")
        if self._start_failure is not None:
            self._thread.join(_STOP_SECONDS)
            raise self._start_failure
        return self.url

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def stop(self) -> None:
        """End every connection and the thread. A second call does nothing."""
        if self._loop is not None and self._stopping is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- the person -------------------------------------------------------------------------------------------
    def user_says(self, text: str, user_id: int, chat_id: int | None = None) -> int:
        """Write to the bot, privately unless a chat is named; give the update's id."""
        return self.user_writes("message", text, user_id, chat_id)

    def user_writes(self, kind: str, text: str, user_id: int, chat_id: int | None = None) -> int:
        """Queue a text update of any message kind: message, edited_message, channel_post, edited_channel_post."""
        chat = user_id if chat_id is None else chat_id
        with self._change_the_queue():
            body = self._chats.written(text=text, user_id=user_id, chat_id=chat, now=self._now())
            if kind.startswith("edited_"):
                body["edit_date"] = body["date"] + 1
            if kind.endswith("channel_post"):
                del body["from"]
                body["chat"] = body["sender_chat"] = {"id": chat, "type": "channel", "title": "Channel"}
            return self._chats.queue(kind, body)

    def user_taps(self, message_id: int, button: str, user_id: int | None = None) -> int:
        """Press a button, named by label or data, under a message; give the update's id.

        Raises: LookupError when there is no such message or it shows no such button.
        """
        with self._change_the_queue():
            message = next((one for one in self._chats.messages.values() if one.message_id == message_id), None)
            if message is None:
                raise LookupError(f"no message {message_id} in any chat")
            return self._chats.tap(message, button, message.chat_id if user_id is None else user_id)

    def queue_update(self, kind: str, body: Any) -> int:
        """Queue any update, well formed or not, whatever kinds the bot asked for; give its id."""
        with self._change_the_queue():
            return self._chats.queue(kind, body)

    def queue_inline_query(self, text: str, user_id: int) -> int:
        body = {"id": "1", "from": user_row(user_id), "query": text, "offset": ""}
        return self.queue_update("inline_query", body)

    def messages(self, chat_id: int | None = None) -> tuple[ChatMessage, ...]:
        """Give what the bot has sent, with the final text of each, oldest first."""
        with self._changed:
            shown = sorted(self._chats.messages.values(), key=lambda message: message.message_id)
        return tuple(message for message in shown if chat_id in (None, message.chat_id))

    def wait_for(self, predicate: Callable[[BotApiServer], _Found], deadline_seconds: float) -> _Found:
        """Wait until the predicate gives something true, and give that. It is asked again after every request.

        Raises: TimeoutError that shows the messages and counters at the deadline.
        """
        with self._changed:
            found: _Found = self._changed.wait_for(lambda: predicate(self), deadline_seconds)
        if not found:
            texts = [message.text for message in self.messages()]
            raise TimeoutError(f"not within {deadline_seconds} s; messages {texts!r}, requests {dict(self.attempts)!r}")
        return found

    # --- what happened ----------------------------------------------------------------------------------------
    @property
    def attempts(self) -> Counter[str]:
        """Count the requests that reached each method, those that met a fault included."""
        with self._changed:
            return self._http.attempts.copy()

    @property
    def accepted(self) -> Counter[str]:
        """Count the requests that took effect, by method."""
        with self._changed:
            return self._http.accepted.copy()

    @property
    def answered_callbacks(self) -> tuple[str, ...]:
        with self._changed:
            return tuple(self._chats.answered_callbacks)

    @property
    def commands(self) -> dict[str, list[dict[str, str]]]:
        """Give the commands set, by scope ("default", "chat:42")."""
        with self._changed:
            return dict(self._chats.commands)

    @property
    def pending_updates(self) -> tuple[int, ...]:
        """Give the ids of updates the bot has not acknowledged."""
        with self._changed:
            return tuple(update["update_id"] for update in self._chats.updates)

    # --- misbehaviour -----------------------------------------------------------------------------------------
    def script(self, fault: Fault) -> None:
        with self._changed:
            self._http.faults.add(fault)

    def behave(self) -> None:
        """Drop the faults that are still scripted."""
        with self._changed:
            self._http.faults.clear()

    def block(self, chat_id: int, *, blocked: bool = True) -> None:
        """Let the person block the bot, or unblock it."""
        with self._changed:
            (self._chats.blocked.add if blocked else self._chats.blocked.discard)(chat_id)

    def migrate(self, chat_id: int, new_chat_id: int) -> None:
        """Turn a group into a supergroup."""
        with self._changed:
            self._chats.migrated[chat_id] = new_chat_id
            self._chats.known_chats.add(new_chat_id)

    def leave_webhook(self, url: str) -> None:
        """Set a webhook, as another program might have; polling is refused until it is deleted."""
        with self._changed:
            self._chats.webhook_url = url

    def outage(self, on: bool) -> None:
        """Refuse connections and break the open ones; or listen again on the same port."""
        if self._loop is None:
            raise RuntimeError("the local Bot API was never started")
        asyncio.run_coroutine_threadsafe(self._go_dark() if on else self._listen(), self._loop).result(_START_SECONDS)

    # --- the server's thread ----------------------------------------------------------------------------------
    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=_UPLOAD_BYTES)
        app.add_routes([self._http.route(), *(control_routes(self) if self._control else ())])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await self._listen()
        except OSError as failure:
            self._start_failure = failure
            self._stopping.set()
        self._listening.set()
        await self._stopping.wait()
        await self._go_dark()
        await asyncio.sleep(_ACCEPTING_SECONDS)
        self._cut_connections()
        await self._runner.cleanup()

    async def _listen(self) -> None:
        if self._runner is None or self._site is not None:
            return
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._site = site
        self._port = self._runner.addresses[0][1]

    async def _go_dark(self) -> None:
        if self._site is None or self._runner is None:
            return
        await self._site.stop()
        self._site = None
        self._cut_connections()

    def _cut_connections(self) -> None:
        server = None if self._runner is None else self._runner.server
        for connection in server.connections if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    @contextlib.contextmanager
    def _change_the_queue(self) -> Iterator[None]:
        """Hold the state, then wake the waiting poll."""
        with self._changed:
            yield
            self._changed.notify_all()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # stopped: the update waits for nobody
                self._loop.call_soon_threadsafe(self._http.end_poll, "updates")
