"""The server: a local Bybit on one loopback port, in a thread of its own or as a whole process.

Enters: a configuration. Stays out: printing anything; the caller tells people where the exchange is.
One event loop owns the exchange, so nothing in it is shared between threads; others go through ``ExchangeServer``.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from decimal import Decimal
from threading import Thread
from typing import Any, TypeVar

from aiohttp import web

from adapters.simulated.config import ExchangeConfig
from adapters.simulated.control import Control
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.misbehaviour import Fault, Misbehaviour
from adapters.simulated.timeline import Timeline
from adapters.simulated.v5_http import V5Http
from adapters.simulated.v5_stream import V5Stream
from adapters.simulated.venue import Clock

_PACE_SECONDS = 0.02
_PUBLIC_SECONDS = 0.1
_KEEP_SECONDS = 1.0
_STEPS_AT_ONCE = 250
_MOST_BEHIND_MS = 500
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_ACCEPTING_SECONDS = 0.02  # a connection that was being taken as the door closed is then there to be closed
Outcome = TypeVar("Outcome")


def wall_ms() -> int:
    """Wall milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class RunningExchange:
    """A local Bybit being served on the running event loop."""

    def __init__(self, config: ExchangeConfig, clock: Clock = wall_ms) -> None:
        """See ``LocalBybit`` for what may be wrong with the configuration."""
        self.bybit = LocalBybit(config, clock)
        self.misbehaviour = Misbehaviour()
        self.port = 0
        self._config = config
        self._stopping = asyncio.Event()
        timeline = Timeline() if config.control else None
        self.stream = V5Stream(self.bybit, self.misbehaviour, timeline)
        self._http = V5Http(self.bybit, self.misbehaviour, self.stream.publish_private, self._stopping, timeline)
        self.control = Control(
            self.bybit,
            self.misbehaviour,
            self.stream,
            self._http.endpoints,
            self.stream.publish_private,
            timeline=timeline or Timeline(),
        )
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """Begin to serve; returns the port.

        Raises:
            OSError: the port is taken.

        """
        app = web.Application()
        app.router.add_get("/v5/public/linear", self.stream.public)
        app.router.add_get("/v5/private", self.stream.private)
        if self._config.control:
            app.router.add_routes(self.control.routes())
        app.router.add_route("*", "/v5/{path:.*}", self._http.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._config.host, self._config.port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            self.bybit.close()
            raise
        self.port = self._runner.addresses[0][1]
        self._tasks = [asyncio.create_task(each) for each in (self._walk(), self._tell(), self._keep())]
        return self.port

    async def stop(self) -> None:
        """Close the sockets, stop serving, write the last state."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stream.close()
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
            await asyncio.sleep(_ACCEPTING_SECONDS)
            await self._runner.cleanup()
        self.bybit.close()

    async def wait_failed(self) -> None:
        """Return never, or raise what ended one of the loops that walk, tell and keep."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def _walk(self) -> None:
        """Prices follow their path; long walks let requests in between."""
        while True:
            self.bybit.driver.slip(_MOST_BEHIND_MS)
            while not self.bybit.advance(most_steps=_STEPS_AT_ONCE):
                self.stream.publish_private()
                await asyncio.sleep(0)
                self.bybit.driver.slip(_MOST_BEHIND_MS)
            self.stream.publish_private()
            await asyncio.sleep(_PACE_SECONDS)

    async def _tell(self) -> None:
        while True:
            self.stream.publish_public()
            await asyncio.sleep(_PUBLIC_SECONDS)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            self.bybit.keep_prices()


async def serve(config: ExchangeConfig, *, ready: Callable[[int], None], until: asyncio.Event) -> None:
    """Serve an exchange as a process of its own: ``ready(port)`` once it listens, until ``until`` is set.

    Raises:
        ValueError: the configuration, replay or state file does not fit; says what to write.
        OSError: a file cannot be used, or the port is taken.

    """
    running = RunningExchange(config)
    port = await running.start()
    ready(port)
    await _serve_until(running, until)


async def _serve_until(running: RunningExchange, until: asyncio.Event) -> None:
    """Serve until ``until`` is set, or a loop of the exchange failed: then raise what it failed with."""
    try:
        waiting = [asyncio.create_task(until.wait()), asyncio.create_task(running.wait_failed())]
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
    finally:
        await running.stop()


class ExchangeServer:
    """A local Bybit in a thread of this process."""

    def __init__(self, config: ExchangeConfig, clock: Clock = wall_ms) -> None:
        self._config = config
        self._clock = clock
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: RunningExchange | None = None
        self._halt: asyncio.Event | None = None
        self.port = 0

    @property
    def rest_url(self) -> str:
        """Where HTTP clients go."""
        return f"http://{self._config.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where WebSocket clients go; paths /v5/public/linear and /v5/private."""
        return f"ws://{self._config.host}:{self.port}"

    def start(self) -> int:
        """Begin to serve in a new thread; returns the port.

        Raises:
            ValueError: the configuration, replay or state file does not fit; says what to write.
            OSError: a file cannot be used, or the port is taken.
            RuntimeError: it was started already.

        """
        if self._thread is not None:
            raise RuntimeError("this exchange was started already")
        started: Future[int] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._main(started)), name="local-exchange", daemon=True)
        self._thread.start()
        try:
            self.port = started.result(_START_SECONDS)
        except BaseException:
            self._thread.join(_STOP_SECONDS)
            self._thread = None
            raise
        return self.port

    async def _main(self, started: "Future[int]") -> None:
        try:
            running = RunningExchange(self._config, self._clock)
            port = await running.start()
        except Exception as problem:  # noqa: BLE001 - handed to the thread that called start
            started.set_exception(problem)
            return
        self._loop, self._running, self._halt = asyncio.get_running_loop(), running, asyncio.Event()
        started.set_result(port)
        await _serve_until(running, self._halt)

    def stop(self) -> None:
        """Stop serving and write the last state; returns when the thread has ended. Harmless when not started."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._halt is None:
            return
        self._loop.call_soon_threadsafe(self._halt.set)
        thread.join(_STOP_SECONDS)
        if thread.is_alive():
            raise RuntimeError(f"the local exchange did not stop within {_STOP_SECONDS} s")
        self._loop = self._running = self._halt = None

    def run(self, act: Callable[[RunningExchange], Outcome]) -> Outcome:
        """Do something with the exchange on its own loop, and return what came of it.

        Raises:
            RuntimeError: it is not running.

        """
        running, loop = self._running, self._loop
        if running is None or loop is None:
            raise RuntimeError("the local exchange is not running")
        done: Future[Outcome] = Future()

        def perform() -> None:
            try:
                done.set_result(act(running))
            except Exception as problem:  # noqa: BLE001 - handed to the calling thread
                done.set_exception(problem)

        loop.call_soon_threadsafe(perform)
        return done.result(_START_SECONDS)

    def move_prices(self, prices: Mapping[str, Decimal]) -> None:
        """Walk last and mark prices there; returns when everything on the way is matched."""
        self.run(lambda running: running.control.move({symbol: (price, None) for symbol, price in prices.items()}))

    def misbehave(self, fault: Fault) -> None:
        """Queue a fault; for dropped sockets use ``drop_sockets``."""
        self.run(lambda running: running.misbehaviour.add(fault))

    def drop_sockets(self, refuse_ms: int = 0) -> None:
        """Cut every socket now, and refuse new ones for a while."""
        self.run(lambda running: running.stream.drop_all(refuse_ms))

    def state(self) -> dict[str, Any]:
        """What GET /control/state answers."""
        return self.run(lambda running: running.bybit.control_state())
