"""Venue socket: one WebSocket connection over pybit, made to connect once, survive its messages and end on order.

Enters: an address, keys, where frames go. Stays out: acks, watching, reconnecting (supervised_socket).
pybit's own life cycle is switched off piece by piece, because each piece can end in a dead object that nobody notices:
it connects in the constructor and waits for ever, retries in bursts, dies of any exception in a callback, of a refused
authorisation, of an unknown topic. Here a connection that failed is told, never revived; a new object takes its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import websocket
from pybit.unified_trading import WebSocket

from runtime.clock import Clock, SystemClock

# For websocket-client alone: it bounds connecting, the handshake, sending and a frame that stops half way.
_PATIENCE_SECONDS = 10.0
_ONE_ATTEMPT = 2  # pybit counts the last allowed attempt as failed whatever it brought
_JOIN_SECONDS = 1.0


class Undialled(Exception):
    """The connection was not made."""


class VenueSocket(WebSocket):  # type: ignore[misc]  # pybit carries no types
    """One connection: `dial` once, then `send`, then `discard`. The callbacks run on its own thread."""

    def __init__(
        self,
        url: str,
        *,
        on_message: Callable[[Any], None],
        on_frame: Callable[[], None],
        on_poison: Callable[[Exception, str], None],
        before_message: Callable[[str], None] | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        ping_interval_seconds: float = 20.0,
        ping_timeout_seconds: float = 10.0,
        authorisation_seconds: int = 10,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: where to, whole.
            on_message: gets every JSON message, pongs apart.
            on_frame: called for whatever arrives, pongs included.
            on_poison: gets what `on_message` or the JSON reader raised, with the text that did it.
            before_message: gets every message's text before anything is done with it; may wait.
            api_key: with it the connection is private and authorises itself.
            api_secret: signs the authorisation.
            ping_interval_seconds: between pings; more than the timeout.
            ping_timeout_seconds: without a pong for so long the connection is given up.
            authorisation_seconds: how long an authorisation stays valid on its way.
            clock: by which it is dated; the machine's by default.

        """
        self._url = url
        self._on_frame = on_frame
        self._on_poison = on_poison
        self._before_message = before_message
        self._clock = clock or SystemClock()
        self._dialler: int | None = None
        self._discarded = threading.Event()
        self._transport: Any = None  # websocket-client's, once open
        self.trouble: str | None = None  # why the connection ended, once it has
        super().__init__(
            "linear" if api_key is None else "private",
            testnet=False,
            api_key=api_key,
            api_secret=api_secret,
            ping_interval=ping_interval_seconds,
            ping_timeout=ping_timeout_seconds,
            retries=_ONE_ATTEMPT,
            restart_on_error=False,
            private_auth_expire=authorisation_seconds,
            callback_function=on_message,
        )

    def dial(self) -> None:
        """Connect and, with a key, send the authorisation. Blocks for up to some 20 s; run it in a thread of its own.

        Raises Undialled: refused, timed out, or discarded meanwhile.
        """
        websocket.setdefaulttimeout(_PATIENCE_SECONDS)
        self._dialler = threading.get_ident()
        try:
            super()._connect(self._url)
        except Exception as error:
            self.discard()
            raise Undialled(self.trouble or f"{type(error).__name__}: {error}") from error
        finally:
            self._dialler = None
        if self._discarded.is_set():
            self.discard()
            raise Undialled("it was given up before it was made")

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON message.

        Raises ConnectionError: the connection is gone.
        """
        try:
            self.ws.send(json.dumps(message))
        except (OSError, websocket.WebSocketException) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def ended(self) -> str | None:
        """Tell why the connection is over, None while it lives. Every sign of death counts: pybit shows only some."""
        if self.trouble is not None:
            return self.trouble
        if self.exited:
            return "pybit gave it up"
        if not self.wst.is_alive():
            return "its thread ended"
        if not self.is_connected():
            return "it is not connected"
        return None

    def discard(self) -> None:
        """End the connection at once, without a closing handshake; harmless when repeated. Takes 1 s at most.

        A peer that is gone would never answer the handshake, and waiting for it takes longer than stopping may.
        """
        self._discarded.set()
        self.exited = True
        self._stop_custom_ping_timer()
        app = getattr(self, "ws", None)
        if app is not None:
            app.keep_running = False
        for transport in {self._transport, getattr(app, "sock", None)} - {None}:
            raw = getattr(transport, "sock", None)
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.shutdown(socket.SHUT_RDWR)
        thread = getattr(self, "wst", None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)
        if self._transport is not None:
            self._transport.shutdown()

    # --- pybit's own steps, replaced ------------------------------------------------------------------------------
    def _connect(self, url: str) -> None:
        """Do nothing: the constructor comes here, and connecting is `dial`'s."""

    def is_connected(self) -> bool:
        """Tell whether the socket is open. While dialling, end pybit's loop as soon as its one attempt has failed."""
        if self._dialler == threading.get_ident():
            thread = getattr(self, "wst", None)
            if self._discarded.is_set() or (thread is not None and not thread.is_alive()):
                raise Undialled(self.trouble or "the attempt ended without a connection")
        return bool(super().is_connected())

    def _auth(self) -> None:
        """Authorise as pybit would, dated by our clock: its own knows the machine's only."""
        expires = int(self._clock.now().timestamp() * 1000) + self.private_auth_expire * 1000
        signature = hmac.new(self.api_secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        self.ws.send(json.dumps({"op": "auth", "args": [self.api_key, expires, signature]}))

    def _on_open(self) -> None:
        self._transport = self.ws.sock
        self._on_frame()

    def _on_message(self, message: str) -> None:
        self._on_frame()
        if self._before_message is not None:
            self._before_message(message)
        try:
            super()._on_message(message)
        except Exception as error:  # noqa: BLE001 - an exception here would end the socket for good
            self._on_poison(error, message if isinstance(message, str) else repr(message))

    def _on_pong(self) -> None:
        self._on_frame()
        super()._on_pong()

    def _send_custom_ping(self) -> None:
        """Send the text ping; a failure shows in the socket's own state, this thread must not die of it."""
        with contextlib.suppress(OSError, websocket.WebSocketException, AttributeError):
            super()._send_custom_ping()

    def _on_error(self, error: Exception) -> None:
        """Note what ended the connection. pybit would raise it inside the thread, or close and wait."""
        if self.trouble is None:
            self.trouble = f"{type(error).__name__}: {error}"
        self.exited = True
        self._stop_custom_ping_timer()

    def _on_close(self) -> None:
        if self.trouble is None:
            self.trouble = "closed"
        self.exited = True
