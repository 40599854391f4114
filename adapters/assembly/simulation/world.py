"""World: one simulated exchange, chat and clock, and the daemon that lives in it, crashes and comes back.

Enters: a scenario and its faults. Stays out: judging (invariants), the order of a whole run (runner).
The daemon is put together from the same tree, store, translation, error classes and request budget as in production;
its lanes, store and courier run on the deterministic dispatcher, and what would block takes virtual time instead.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from actors.account_client import ClientTerms
from actors.chat_room import ChatRoom
from actors.health_checker import HealthChecker, concerns_health
from actors.messages import addresses
from actors.messages.alerts import DeliverAlert
from actors.messages.health import HostReading
from actors.messages.operator import ShowScreen
from actors.messages.storing import Append
from actors.operator_session import OperatorSession
from actors.ports import ExchangePort, StorePort
from actors.position_monitor import RunIdentity
from actors.supervision_tree import World as Tree
from actors.supervision_tree import daemon_tree
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.chat import PERSON, ChatService, SimulatedChat
from adapters.assembly.simulation.exchange_port import ExchangeLine
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.invariants import Violated, Watch
from adapters.assembly.simulation.scenario import PriceWalk, Scenario
from adapters.assembly.simulation.story import Story
from adapters.assembly.simulation.streams import MarketLine, SimulatedMarketStream, SimulatedPrivateStream
from adapters.assembly.simulation.watched_store import DISK_WORDS, WatchedStore
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.rate_limit import RateBudget
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.local_bybit import LocalBybit
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from adapters.sqlite.store import SqliteStore
from runtime import (
    ActorDead,
    ActorParked,
    ActorRestarted,
    ActorSystem,
    AskFailed,
    AskTimeout,
    ChildSpec,
    DeadLettered,
    DeterministicDispatcher,
    MailboxSpec,
    Refused,
    RuntimeEvent,
    SupervisorEscalated,
    VirtualClock,
)
from runtime.environment import InjectedFault

ACCOUNT = "main"
HAND_OVER_SECONDS = 10.0
PARKED_EXCUSE_SECONDS = 40.0
_FUNDING_AT = datetime(2025, 3, 4, 8, 0, tzinfo=UTC)
_STORE_FILES = ("store.sqlite", "store.sqlite-wal", "store.sqlite-mark")
_ROOMS = (
    "store",
    "alerts/dispatcher",
    "market/prices",
    "accounts/main/client",
    "accounts/main/private_stream",
    "accounts/main/reconciler",
    "accounts/main/position_book",
    "accounts/main/positions",
    "desk",
)
_ACCESS = BybitAccess(api_key="simulated-key", api_secret="simulated-secret")  # noqa: S106 - signs nothing


class PulledPlug(Exception):
    """The daemon's process ends here."""


class InjectedCrash(RuntimeError):
    """Raised in place of a handler."""


class OpenFence:
    """ports.FencePort of a daemon that is alone."""

    def check(self) -> None:
        """Hold the lock."""


class World:
    """Everything outside the daemon, and the daemon."""

    def __init__(self, scenario: Scenario, faults: Faults, folder: Path, *, story: bool = False) -> None:
        self.scenario = scenario
        self.faults = faults
        start = _FUNDING_AT - timedelta(minutes=scenario.starts_minutes_before_funding)
        self.clock = VirtualClock(start)
        self.agenda = Agenda()
        self.story = Story(self.clock.monotonic, wanted=story)
        self.system: ActorSystem | None = None
        self.crashes = 0
        self.runs = 0
        self.steps = 0
        self.digests: list[str] = []
        self.failures: Counter[str] = Counter()  # what was noticed without being a violation
        self.market = MarketLine(self.clock, self.agenda)
        dice = self._dice("world")
        self.bybit = LocalBybit(
            ExchangeConfig(seed=scenario.seed, script={}, speed=Decimal(1), salt=f"world-{scenario.seed}"),
            self._wall_ms,
        )
        self.line = ExchangeLine(
            self.bybit, clock=self.clock, agenda=self.agenda, faults=faults, story=self.story, dice=dice
        )
        self.watch = Watch(self.bybit.exchange.venue, self.clock, faults)
        self.line.on_placed = self._on_placed
        self.chat = ChatService(self.clock, self.agenda, faults, self.story, self._dice("chat"))
        self.on_handled: Callable[[str, Any], None] = lambda _path, _message: None
        self._folder = folder
        self._store: SqliteStore | None = None
        self._crash_in: int | None = None  # steps
        self._commits_to_refuse = 0
        self._violated: Violated | None = None
        self._walks = {each.symbol: PriceWalk(scenario.seed, each) for each in scenario.instruments}
        self._store_dice = self._dice("store")

    def _dice(self, name: str) -> Random:
        return Random(f"{self.scenario.seed}/{name}")  # noqa: S311 - repeatable chance is the point

    def _wall_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    # --- the market -------------------------------------------------------------------------------------------------
    def open_market(self, until: float) -> None:
        """Have prices move until an instant."""
        for symbol in self._walks:
            self.agenda.at(0.0, partial(self._move, symbol, until))

    def _move(self, symbol: str, until: float) -> None:
        now = self.clock.monotonic()
        if now >= until:
            return
        pause, price = self._walks[symbol].next()
        self.bybit.advance()
        self.bybit.driver.move({symbol: (price, None)})
        self.story.tell("price", symbol, str(price))
        self.market.tell(symbol, price, price)
        self.agenda.at(now + pause, partial(self._move, symbol, until))

    def pay_funding(self, symbol: str) -> None:
        """Have this symbol's funding fall due now."""
        market = self.bybit.exchange.venue.markets[symbol]
        self.story.tell("fault", symbol, "funding is paid")
        market.next_funding_ms = self.bybit.driver.market_ms
        self.bybit.exchange.keep_market_time(symbol, self.bybit.driver.market_ms)

    def price(self, symbol: str) -> Decimal:
        return self.bybit.exchange.venue.markets[symbol].last

    # --- the daemon -------------------------------------------------------------------------------------------------
    def start_daemon(self) -> None:
        """Start a run on the present state folder."""
        self.runs += 1
        self.story.tell("world", "", f"the daemon starts, run {self.runs}")
        folder = self._folder / f"run-{self.runs}"
        folder.mkdir()
        if self.runs > 1:
            for name in _STORE_FILES:
                before = self._folder / f"run-{self.runs - 1}" / name
                if before.exists():
                    shutil.copyfile(before, folder / name)
        bits = self._dice(f"run-{self.runs}")
        store = self._store = open_store(
            folder / "store.sqlite",
            clock=self.clock.now,
            random_bytes=bits.randbytes,
            run=Run(pid=self.runs, boot_id="simulated", started_at=self.clock.now()),
        )
        dispatcher = DeterministicDispatcher(bits.getrandbits(60), self.clock)
        dispatcher.hooks.append(lambda _step: self._after_step())
        system = self.system = ActorSystem(
            dispatchers={"pool": dispatcher, "thread": dispatcher},
            clock=self.clock,
            seed=bits.getrandbits(60),
            observers=(self._on_event,),
            interceptor=self._intercept,
        )
        watched = WatchedStore(
            store, committed=self._on_committed, settled=self.watch.settled, refuses=self._disk_refuses
        )
        system.start(*daemon_tree(self._tree(system, store, watched)))

    def _tree(self, system: ActorSystem, store: SqliteStore, watched: StorePort) -> Tree:
        budget = RateBudget(self.clock, max_wait_seconds=0.0)  # a lane never waits here: it is told when to come back
        health = partial(
            HealthChecker,
            accounts=(ACCOUNT,),
            read_tree=system.snapshot,
            read_host=_host,
            beat=lambda: None,
        )
        return Tree(
            identity=RunIdentity(installation=store.installation, epoch=store.epoch),
            accounts=(ACCOUNT,),
            open_store=lambda: watched,
            open_exchange=partial(self._open_exchange, budget),
            open_private_stream=lambda account: SimulatedPrivateStream(self.line.streams[account]),
            open_market_stream=lambda: SimulatedMarketStream(self.market, self.clock),
            open_chat=lambda: SimulatedChat(self.chat, unheard=(Refused, AskTimeout, ActorDead, AskFailed)),
            fence=OpenFence(),
            enqueue=system.tell,
            hand_over=lambda path, report: system.ask(path, report, timeout_seconds=HAND_OVER_SECONDS),
            default_chat_id=PERSON,
            chats=ChildSpec("chats", partial(ChatRoom, _session)),
            health=ChildSpec("health", health, mailbox=MailboxSpec(capacity=20_000)),
            client=ClientTerms(),
        )

    def _open_exchange(self, budget: RateBudget, account: str) -> ExchangePort:
        return open_exchange(_ACCESS, budget, account=account, clock=self.clock, http=self.line.http(account))

    @property
    def store(self) -> SqliteStore:
        """The open store.

        Raises:
            LookupError: the daemon is down.

        """
        if self._store is None:
            raise LookupError("the daemon is down")
        return self._store

    def crash(self) -> None:
        """Pull the plug, and have the daemon started again after a while."""
        system, store = self.system, self._store
        if system is None or store is None:
            return
        self.crashes += 1
        self._crash_in = None
        down = self._dice(f"crash-{self.crashes}").choice((0.5, 2.0, 10.0, 60.0))
        now = self.clock.monotonic()
        self.faults.note("crash", now + down, excuses_seconds=down + 25.0)
        self.story.tell("fault", "", f"the daemon is killed, it comes back after {down} s")
        self._drop()
        self.agenda.at(now + down, self.start_daemon)

    def _drop(self) -> None:
        system, store = self.system, self._store
        self.system = self._store = None
        self.chat.disconnect()
        if system is not None:
            if system.crank is not None:
                self.digests.append(system.crank.digest)
            with suppress(PulledPlug, Violated):
                system.abandon()
        if store is not None:
            here, kept = self._folder / f"run-{self.runs}", self._folder / f"kept-{self.runs}"
            kept.mkdir()
            for name in _STORE_FILES:  # what the disk holds now; closing the connection would tidy it up
                if (here / name).exists():
                    shutil.copyfile(here / name, kept / name)
            store.close()
            shutil.rmtree(here)
            kept.rename(here)

    def close(self) -> None:
        """Take the world down."""
        self._drop()

    # --- time -------------------------------------------------------------------------------------------------------
    def run_until(self, end: float) -> None:
        """Let virtual time pass, the daemon's and the world's in step.

        Raises:
            Violated: an invariant does not hold.

        """
        while True:
            try:
                bound = self._crank(end)
                self.clock.advance_to(bound)
                action = self.agenda.take(min(end, self.clock.monotonic()))
                if action is not None:
                    action()
                    self._after_action()
                elif bound >= end:
                    return
            except PulledPlug:
                self.crash()

    def _crank(self, end: float) -> float:
        """Turn the daemon's crank up to the world's next event, or the end; give which instant that is."""
        while True:
            due = self.agenda.next_due()
            bound = end if due is None or due > end else due
            if self.system is None or self.system.crank is None or not self.system.crank.step(until=bound):
                return bound

    def _found(self, invariant: str, about: str, text: str) -> None:
        """Keep a violation until the step is over: raised here it would only crash an actor."""
        if self._violated is None:
            self._violated = Violated(invariant, about, text)

    def _after_step(self) -> None:
        self.steps += 1
        self._look()
        if self._crash_in is not None:
            self._crash_in -= 1
            if self._crash_in <= 0:
                raise PulledPlug

    def _after_action(self) -> None:
        self._look()
        self.watch.check_time()

    def _look(self) -> None:
        if self._violated is not None:
            raise self._violated
        events = self.bybit.exchange.venue.events
        if events:
            self.watch.exchange_changed({str(event.row.get("symbol", "")) for event in events})
            self.line.pass_on()
        self.watch.check()

    def crash_soon(self, steps: int) -> None:
        """Pull the plug after so many more steps."""
        if self._crash_in is None:
            self._crash_in = steps

    # --- what the daemon does, as it does it -------------------------------------------------------------------------
    def _intercept(self, path: str, message: Any) -> InjectedFault | None:
        self.on_handled(path, message)
        if "/client/" in path:
            return InjectedFault(spend_seconds=self.line.latency_of(message))
        if path == addresses.CHAT_COURIER:
            self.chat.delivering = message.effect_key if isinstance(message, DeliverAlert) else ""
            slow = isinstance(message, DeliverAlert | ShowScreen)
            return InjectedFault(spend_seconds=self._store_dice.uniform(0.02, 0.2)) if slow else None
        if path == addresses.STORE and isinstance(message, Append):
            return self._slow_store()
        return self._raise_at(path)

    def disk_fills(self, commits: int) -> None:
        """Have so many of the next commits refused."""
        self._commits_to_refuse = commits

    def _disk_refuses(self) -> bool:
        if self._commits_to_refuse <= 0 or self.faults.ended:
            return False
        self._commits_to_refuse -= 1
        self.faults.note("disk_full", self.clock.monotonic(), excuses_seconds=45.0)
        self.story.tell("fault", "", "the disk refuses a commit")
        return True

    def _slow_store(self) -> InjectedFault:
        now = self.clock.monotonic()
        if self.faults.strikes("store_slow"):
            self.faults.note("store_slow", now, excuses_seconds=8.0)
            return InjectedFault(spend_seconds=self._store_dice.uniform(0.1, 3.0))
        return InjectedFault(spend_seconds=self._store_dice.uniform(0.0002, 0.002))

    def _raise_at(self, path: str) -> InjectedFault | None:
        now = self.clock.monotonic()
        if "/positions/" in path:
            if self.faults.strikes("monitor_raises"):
                self.faults.note("monitor_raises", now, about=path.rpartition("-")[2], excuses_seconds=40.0)
                self.story.tell("fault", "", f"{path} raises")
                return InjectedFault(error=InjectedCrash(path))
        elif path in _ROOMS and self.faults.strikes("room_raises"):
            self.faults.note("room_raises", now, excuses_seconds=40.0)
            self.story.tell("fault", "", f"{path} raises")
            return InjectedFault(error=InjectedCrash(path))
        return None

    def _on_committed(self, append: Append) -> None:
        if self.story.wanted:
            for fact in append.facts:
                self.story.journal(append.stream, fact)
            for effect in append.effects:
                self.story.tell("promise", append.stream.removeprefix("trade/"), f"{effect.key}")
        try:
            self.watch.committed(append)
        except Violated as found:
            self._violated = self._violated or found

    def _on_placed(self, account: str, client_order_id: str) -> None:
        try:
            self.watch.placing(account, client_order_id)
        except Violated as found:
            self._violated = self._violated or found

    def _on_event(self, event: RuntimeEvent) -> None:
        if self.system is None:
            return
        if concerns_health(event):
            self.system.tell(addresses.HEALTH, event)
        if isinstance(event, ActorRestarted):
            self.story.tell("restart", "", f"{event.path}: {event.error}")
            if not _expected(event.error):
                self._found("no_unexpected_crash", event.path, f"{event.error}\n{event.traceback}")
        elif isinstance(event, ActorParked) and "/positions/" in event.path:
            # A guardian sees to a stop meanwhile; everything else of the trade waits for its monitor.
            trade_id, waits = event.path.rpartition("-")[2], event.retry_seconds + PARKED_EXCUSE_SECONDS
            self.faults.note("parked", self.clock.monotonic(), about=trade_id, excuses_seconds=waits)
        elif isinstance(event, SupervisorEscalated):
            self.failures[f"escalated {event.path}"] += 1
            if not event.path:
                self._on_escalation(event)
        elif isinstance(event, DeadLettered):
            self.failures[f"dead_letter {event.reason} {type(event.message).__name__}"] += 1

    def _on_escalation(self, event: SupervisorEscalated) -> None:
        """The root gives up: in production the process ends and is started again."""
        if _expected(event.error):
            self.crash_soon(1)
        else:
            self._found("no_escalation", event.child, event.error)


def _expected(error: str) -> bool:
    return "InjectedCrash" in error or DISK_WORDS in error or error.startswith("planned:")


def _host() -> HostReading:
    return HostReading(
        disk_free_bytes=10**11,
        memory_used_bytes=10**8,
        memory_available_bytes=10**10,
        sqlite_version="3.51.3",
    )


def _session(chat_id: int) -> ChildSpec:
    return ChildSpec(str(chat_id), partial(OperatorSession, chat_id=chat_id, version="simulated"))
