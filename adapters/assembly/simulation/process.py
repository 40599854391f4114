"""Process: one run of the daemon in a simulated world. It starts, ends in order, is frozen, is killed.

Enters: the world around it. Stays out: when any of this happens (world), what goes wrong in handlers (interception).
The tree, store, lock, translation, error classes and request budget are production's; lanes, store and courier run on
the deterministic dispatcher, and what would block takes virtual time instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

from actors.errors import Fenced, OutsideError
from actors.health_checker import concerns_health
from actors.messages import addresses
from actors.messages.health import HostReading
from actors.messages.storing import Append, Guard
from actors.ports import ExchangePort, StorePort
from actors.position_monitor import RunIdentity
from adapters.assembly.simulation.chat import ChatService, SimulatedChat
from adapters.assembly.simulation.exchange_port import ExchangeLine
from adapters.assembly.simulation.state_disk import StateDisk
from adapters.assembly.simulation.streams import (
    AccountStream,
    MarketLine,
    SimulatedMarketStream,
    SimulatedPrivateStream,
)
from adapters.assembly.simulation.watched_store import WatchedStore
from adapters.assembly.wiring import Ports, Terms, wire
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.venue_clock import VenueClock
from adapters.host.run_lock import RunLock
from adapters.sqlite.backups import Backups
from adapters.sqlite.restoring import forget_told, open_or_restore
from adapters.sqlite.runs import Run
from runtime import (
    ActorDead,
    ActorSystem,
    AskFailed,
    AskTimeout,
    DeterministicDispatcher,
    Refused,
    RuntimeEvent,
    StopReport,
    VirtualClock,
)
from runtime.clock import Clock
from runtime.environment import InjectedFault

Port = TypeVar("Port")
_ACCESS = BybitAccess(api_key="simulated-key", api_secret="simulated-secret")  # noqa: S106 - signs nothing
BACKUPS_KEPT = 3
_UNHEARD = (Refused, AskTimeout, ActorDead, AskFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process lives in."""

    clock: VirtualClock
    host: Clock  # what the machine's clock says
    disk: StateDisk
    accounts: tuple[str, ...]
    terms: Terms
    line: ExchangeLine
    market: MarketLine
    chat: ChatService
    turn: Callable[[Callable[[], bool], float | None], None]  # let the whole world go on while something waits
    intercept: Callable[[Process, str, Any], InjectedFault | None]
    fenced: Callable[[Process, str], None]  # it found out that it has lost the state
    heard: Callable[[Process, RuntimeEvent], None]
    stepped: Callable[[Process, str], None]  # after every step of it: whose turn it was, "" for a timer
    committed: Callable[[Process, Append], None]
    settled: Callable[[str], None]
    kept: Callable[[str, Any], None]  # a document has become durable
    guarded: Callable[[Sequence[Guard]], None]  # guards have been used, apart from any append
    sending: Callable[[Process, str], None]  # before every request of it: (path)
    breaks: Callable[[str], None]  # may raise where a port is opened or closed (which)
    around_store: Callable[[StorePort], StorePort] = lambda store: store  # what else stands between store and actor


class Process:
    """One run; made by starting it."""

    def __init__(self, around: Surroundings, number: int, dice: Random) -> None:
        """Take the lock and open the store; nothing runs before `start`.

        Raises:
            LockedByAnother: another process holds the state.
            OutsideError: the store cannot be opened.

        """
        self.number = number
        self.frozen = False
        self.starting = True
        self.ending = False
        self.over = False
        self._around = around
        self._chat: SimulatedChat | None = None
        clock = self.clock = VenueClock(around.host)
        disk = around.disk
        self.lock = RunLock.acquire(disk.run_lock, pid=number, started=clock.now(), boot_id="simulated")
        run = Run(pid=number, boot_id="simulated", started_at=clock.now())
        try:
            self.store, self.restored = open_or_restore(
                disk.store,
                clock=clock.now,
                random_bytes=dice.randbytes,
                run=run,
                backups=disk.backups,
                connection_type=disk.hardware.connection_type(),
            )
            forget_told(disk.store)
        except BaseException:
            self.lock.release()
            raise
        self.lock.also_watch(lambda: not self.store.epoch_is_latest())
        self.epoch = self.store.epoch
        self.crank = _Crank(dice.getrandbits(60), around.clock, around.turn, stepped=partial(around.stepped, self))
        self.streams: dict[str, AccountStream] = around.line.open_streams()
        self.system = ActorSystem(
            dispatchers={"pool": self.crank, "thread": self.crank},
            clock=clock,
            seed=dice.getrandbits(60),
            observers=(self._on_event,),
            interceptor=partial(around.intercept, self),
        )

    # --- life and death ---------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the tree; the world goes on meanwhile."""
        identity = RunIdentity(installation=self.store.installation, epoch=self.epoch, forgotten=self.store.forgotten)
        first = self._connect(self._budget(), self._around.accounts[0])
        with suppress(OutsideError):  # asked for again as soon as it matters
            first.clock_offset_seconds()
        first.close()
        self.system.start(*wire(self.system, identity, self._around.terms, self._ports()))
        self.starting = False

    def holds_lock(self) -> bool:
        """Whether the lock at its path is the one held here."""
        try:
            self.lock.check()
        except Fenced:
            return False
        return True

    def stop(self, deadline_seconds: float) -> StopReport:
        """End in order, as a signal has it end; the world goes on meanwhile."""
        report = self.system.stop(deadline_seconds)
        self._end()
        self.store.close()
        self.lock.release()
        return report

    def kill(self, *, others: bool, unless: tuple[type[Exception], ...]) -> None:
        """Pull the plug: nothing is closed in order, and the disk keeps what it holds now.

        Args:
            others: another process has the same store open.
            unless: what the world raises while the parts are dropped.

        """
        self._end()
        with suppress(*unless):
            self.system.abandon()
        if not others:
            self._around.disk.freeze()
        self.store.close()
        self.lock.release()
        if not others:
            self._around.disk.thaw()

    def _end(self) -> None:
        self.over = True
        if self._chat is not None:
            self._chat.close(0.0)
        self._around.line.close_streams(self.streams)

    # --- ports ------------------------------------------------------------------------------------------------------
    def _ports(self) -> Ports:
        around, clock = self._around, self.clock
        watched = around.around_store(
            WatchedStore(
                self.store,
                committed=partial(around.committed, self),
                settled=around.settled,
                kept=around.kept,
                guarded=around.guarded,
            )
        )
        return Ports(
            accounts=around.accounts,
            open_store=lambda: self._opened("store", watched),
            open_exchange=partial(self._open_exchange, self._budget()),
            open_private_stream=lambda account: self._opened(
                f"{account}'s stream", SimulatedPrivateStream(self.streams[account])
            ),
            open_market_stream=lambda: self._opened("market stream", SimulatedMarketStream(around.market, clock)),
            open_chat=self._open_chat,
            fence=self.lock,
            on_fenced=partial(around.fenced, self),
            read_host=_host,
            backups=Backups(around.disk.store, folder=around.disk.backups, clock=clock.now, kept=BACKUPS_KEPT),
        )

    def _budget(self) -> RateBudget:
        return RateBudget(self.clock, max_wait_seconds=0.0)  # a lane never waits here: it is told when to come back

    def _open_chat(self) -> SimulatedChat:
        self._chat = self._opened("chat", SimulatedChat(self._around.chat, self.clock, unheard=_UNHEARD))
        return self._chat

    def _opened(self, which: str, port: Port) -> Port:
        self._around.breaks(f"opening the {which}")
        return port

    def _open_exchange(self, budget: RateBudget, account: str) -> ExchangePort:
        port = _Fragile(self._connect(budget, account), partial(self._around.breaks, "closing the exchange"))
        return self._opened("exchange", cast(ExchangePort, port))

    def _connect(self, budget: RateBudget, account: str) -> ExchangePort:
        http = self._around.line.http(account, leaving=self._leaving)
        return open_exchange(_ACCESS, budget, account=account, clock=self.clock, http=http)

    def _leaving(self, path: str) -> int:
        self._around.sending(self, path)
        return int(self.clock.now().timestamp() * 1000)

    def _on_event(self, event: RuntimeEvent) -> None:
        if self.over:
            return
        if concerns_health(event):
            self.system.tell(addresses.HEALTH, event)
        self._around.heard(self, event)


class _Fragile:
    """ports.ExchangePort around another; its closing may raise."""

    def __init__(self, port: ExchangePort, breaks: Callable[[], None]) -> None:
        self._port = port
        self._breaks = breaks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def close(self) -> None:
        self._port.close()
        self._breaks()


class _Crank(DeterministicDispatcher):
    """One whose waiting lets the whole world go on."""

    def __init__(
        self,
        seed: int,
        clock: VirtualClock,
        turn: Callable[[Callable[[], bool], float | None], None],
        *,
        stepped: Callable[[str], None],
    ) -> None:
        super().__init__(seed, clock)
        self._turn_world = turn
        self._stepped = stepped

    def turn(self, until: Callable[[], bool], within_seconds: float | None) -> None:
        self._turn_world(until, within_seconds)

    def _tell_hooks(self, path: str) -> None:
        self._stepped(path)  # the path is all the world asks for: a Step for each would be thrown away

    def next_due(self) -> float | None:
        """Give when there is something to do: an instant that is past means now."""
        return 0.0 if self._ready else self._timers.next_due()


def _host() -> HostReading:
    return HostReading(
        disk_free_bytes=10**11,
        memory_used_bytes=10**8,
        memory_available_bytes=10**10,
        sqlite_version="3.51.3",
    )
