"""Supervised socket: a connection that is watched, and replaced when it shows any sign of death.

Enters: how to make a socket, what to subscribe, where news goes. Stays out: what messages mean.
One thread keeps one connection after another: dial with a deadline, await the authorisation, subscribe and await the
acks, then watch. A connection ends for a stated reason, is discarded whole, and the next is made after a growing wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from adapters.bybit import backoff
from adapters.bybit.connection import Connection, Listener
from adapters.bybit.venue_socket import Undialled, VenueSocket
from runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a socket waits for what."""

    dial_seconds: float = 10.0  # for the connection and its handshake
    answer_seconds: float = 10.0  # for the authorisation, and for each round of subscriptions
    silence_seconds: float = 40.0  # without any frame, pongs included; above a ping's interval and time-out together
    ping_interval_seconds: float = 20.0
    ping_timeout_seconds: float = 10.0
    look_seconds: float = 0.25  # between looks at the signs of life
    steady_seconds: float = 30.0  # a connection that lasted so long did not fail
    first_wait_seconds: float = backoff.FIRST_SECONDS
    longest_wait_seconds: float = backoff.LONGEST_SECONDS
    close_seconds: float = 1.8  # for the keeper's thread to end


class Broken(Exception):
    """The connection is of no use any more; says why."""


class SupervisedSocket:
    """Keeps a socket open until `close`."""

    def __init__(
        self,
        *,
        name: str,
        make: Callable[[Connection], VenueSocket],
        listener: Listener,
        topics: Callable[[], Sequence[str]],
        essential: bool,
        authorises: bool,
        clock: Clock,
        random: Random,
        patience: Patience,
    ) -> None:
        """Prepare; nothing is connected before `open`.

        Args:
            name: of its threads.
            make: builds an unconnected socket that reports to a connection.
            listener: where news goes.
            topics: what should be subscribed now; `refresh` makes the socket look again.
            essential: one refused topic ends the connection; else it is left out and told. Essential topics are
                subscribed in one request, others each in its own, since the exchange refuses a request as a whole.
            authorises: whether to wait for an authorisation.
            clock: its monotonic reading.
            random: for the spread of waits.
            patience: all waits.

        """
        self._name = name
        self._make = make
        self._listener = listener
        self._topics = topics
        self._essential = essential
        self._authorises = authorises
        self._clock = clock
        self._random = random
        self._patience = patience
        self._closing = threading.Event()
        self._nudge = threading.Event()  # set by `refresh` and `close`: look now
        self._connection: Connection | None = None
        self._number = 0
        self._requests = 0
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def open(self) -> None:
        self._thread.start()

    def refresh(self) -> None:
        """Look at the topics again, soon."""
        self._nudge.set()
        self._wake()

    def heard_seconds_ago(self) -> float | None:
        """Give the age of the last frame of the present connection, or of the last one while there is none."""
        connection = self._connection
        heard = None if connection is None else connection.heard_at
        return None if heard is None else self._clock.monotonic() - heard

    def close(self) -> None:
        """End it all; nothing is reported by the time this returns, at most 2 s later."""
        self._closing.set()
        self._wake()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(self._patience.close_seconds)

    def _wake(self) -> None:
        connection = self._connection
        if connection is not None:
            with connection.changed:
                connection.changed.notify_all()

    # --- the keeper's thread -----------------------------------------------------------------------------------
    def _keep(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = self._clock.monotonic()
            reason = self._live()
            if self._closing.is_set():
                return
            self._listener.down(reason)
            lasted = self._clock.monotonic() - began
            failures = 1 if lasted >= self._patience.steady_seconds else failures + 1
            self._closing.wait(
                backoff.wait_seconds(
                    failures,
                    self._random,
                    first_seconds=self._patience.first_wait_seconds,
                    longest_seconds=self._patience.longest_wait_seconds,
                )
            )

    def _live(self) -> str:
        """Go through one connection's life; give the reason it ended for."""
        connection = Connection(self._listener, self._clock)
        if self._connection is not None:
            connection.heard_at = self._connection.heard_at  # its age is still asked for
        self._connection = connection
        socket = self._make(connection)
        try:
            self._dial(socket)
            connection.frame()  # silence counts from here
            if self._authorises:
                self._await(connection, socket, lambda: connection.authorised, "the authorisation was not answered")
            subscribed: set[str] = set()
            self._subscribe(connection, socket, subscribed)
            self._number += 1
            self._listener.up(self._number)
            self._watch(connection, socket, subscribed)
        except (Broken, Undialled, ConnectionError) as end:
            return str(end)
        finally:
            connection.discarded = True
            socket.discard()
        return "closed by us"

    def _dial(self, socket: VenueSocket) -> None:
        """Dial in a thread of its own: pybit waits for a handshake as long as it takes."""
        outcome: list[Exception] = []
        done = threading.Event()

        def dial() -> None:
            try:
                socket.dial()
            except Exception as error:  # noqa: BLE001 - told to the keeper, whatever it is
                outcome.append(error)
            finally:
                done.set()

        threading.Thread(target=dial, name=f"{self._name}-dial", daemon=True).start()
        deadline = self._clock.monotonic() + self._patience.dial_seconds
        while not done.wait(min(self._patience.look_seconds, self._patience.dial_seconds)):
            if self._closing.is_set():
                raise Broken("closed by us")
            if self._clock.monotonic() >= deadline:
                raise Broken(f"no connection within {self._patience.dial_seconds} s")
        if outcome:
            raise Broken(f"no connection: {outcome[0]}")

    def _subscribe(self, connection: Connection, socket: VenueSocket, subscribed: set[str]) -> None:
        """Bring the subscriptions to what is wanted now, and await the acks."""
        wanted = list(dict.fromkeys(self._topics()))
        new = [topic for topic in wanted if topic not in subscribed]
        old = sorted(subscribed - set(wanted))
        groups = [new] if self._essential and new else [[topic] for topic in new]
        for group in groups:
            with connection.changed:
                request = self._request_id()
                connection.pending[request] = ", ".join(group)
            socket.send({"op": "subscribe", "req_id": request, "args": group})
        if old:
            socket.send({"op": "unsubscribe", "req_id": self._request_id(), "args": old})
        subscribed.difference_update(old)
        subscribed.update(new)
        self._await(connection, socket, lambda: not connection.pending, "the subscription was not answered")
        refused, connection.refused = connection.refused, {}
        for topics, words in refused.items():
            if self._essential:
                raise Broken(f"subscription to {topics} refused: {words}")
            self._listener.refused(topics, words)

    def _watch(self, connection: Connection, socket: VenueSocket, subscribed: set[str]) -> None:
        while not self._closing.is_set():
            self._look(connection, socket)
            if self._nudge.is_set():
                self._nudge.clear()
                self._subscribe(connection, socket, subscribed)
            with connection.changed:
                connection.changed.wait(self._patience.look_seconds)

    def _await(self, connection: Connection, socket: VenueSocket, come: Callable[[], bool], missing: str) -> None:
        deadline = self._clock.monotonic() + self._patience.answer_seconds
        while True:
            self._look(connection, socket)
            with connection.changed:
                if come():
                    return
                if self._clock.monotonic() >= deadline:
                    raise Broken(f"{missing} within {self._patience.answer_seconds} s")
                connection.changed.wait(min(self._patience.look_seconds, self._patience.answer_seconds))
            if self._closing.is_set():
                raise Broken("closed by us")

    def _look(self, connection: Connection, socket: VenueSocket) -> None:
        """Look at every sign of life; raises Broken at the first that is missing."""
        if connection.refusal is not None:
            raise Broken(connection.refusal)
        ended = socket.ended()
        if ended is not None:
            raise Broken(ended)
        heard = connection.heard_at
        silence = 0.0 if heard is None else self._clock.monotonic() - heard
        if silence > self._patience.silence_seconds:
            raise Broken(f"nothing heard for {silence:.1f} s")

    def _request_id(self) -> str:
        self._requests += 1
        return f"{self._name}-{self._requests}"
