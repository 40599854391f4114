"""World: one simulated exchange, chat, disk and clock, and the daemon that lives in it, ends and comes back.

Enters: a scenario and its faults. Stays out: judging (invariants), a life's order (life), one run of the daemon
(process), what happens in handlers (interception). Whoever may start the daemon anew here does what a service manager
does: it comes back whenever it ended, unless another one holds the state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

from actors.errors import Unreachable
from actors.messages.storing import Append
from actors.settings import AccountSettings, KeepingSettings, Settings, TradingSettings
from adapters.assembly.simulation.agenda import Agenda
from adapters.assembly.simulation.chat import PERSON, ChatService
from adapters.assembly.simulation.exchange_port import ExchangeLine
from adapters.assembly.simulation.exchange_setup import open_local_bybit
from adapters.assembly.simulation.faults import Faults
from adapters.assembly.simulation.guard_terms import GUARD_TERMS
from adapters.assembly.simulation.interception import RAISED_EXCUSE_SECONDS, Interception, crash_of, is_injected
from adapters.assembly.simulation.invariants import Violated, Watch
from adapters.assembly.simulation.market import Market
from adapters.assembly.simulation.plug_pulled import PulledPlug
from adapters.assembly.simulation.prices import open_walks
from adapters.assembly.simulation.process import Process, Surroundings
from adapters.assembly.simulation.scenario import Scenario
from adapters.assembly.simulation.state_disk import StateDisk
from adapters.assembly.simulation.states import states_of
from adapters.assembly.simulation.story import Story
from adapters.assembly.simulation.streams import MarketLine
from adapters.assembly.simulation.wandering_clock import WanderingClock
from adapters.assembly.wiring import ends_run, terms_of
from adapters.host.run_lock import LockedByAnother
from adapters.sqlite.store import SqliteStore
from runtime import (
    ActorParked,
    ActorRestarted,
    ActorStarted,
    ActorSystem,
    DeadLettered,
    HandlerLost,
    RuntimeEvent,
    SupervisorEscalated,
    VirtualClock,
)

ACCOUNT = "main"
PARKED_EXCUSE_SECONDS = 40.0
START_EXCUSE_SECONDS = 25.0  # from a start to everything being as it should
COMES_BACK_SECONDS = 2.0  # the service manager's pause after a daemon that gave up
MOST_PAUSE_SECONDS = 60.0  # the same between starts that a disk refuses: the hundredth of them shows nothing new
STOP_SECONDS = 20.0
DAMAGES = frozenset({"bit_flip", "torn_page", "wal_truncated", "wal_deleted", "file_missing"})  # of the state's files
DAMAGED_BACKUP_SECONDS = 600.0
# What the words of an expected restart contain: a full disk, an actor's own wish, a handler that was made to hang.
_MEANT = ("planned:", "ran longer than")
_FUNDING_AT = datetime(2025, 3, 4, 8, 0, tzinfo=UTC)


def rooms_of(accounts: tuple[str, ...]) -> frozenset[str]:
    """Name the actors that everything depends on."""
    of_accounts = (
        f"accounts/{account}/{room}"
        for account in accounts
        for room in ("client", "private_stream", "reconciler", "position_book", "positions")
    )
    return frozenset({"store", "alerts/dispatcher", "market/prices", "desk", *of_accounts})


class World:
    """Everything outside the daemon, and the daemon."""

    def __init__(self, scenario: Scenario, faults: Faults, folder: Path, *, story: bool = False) -> None:
        self.scenario = scenario
        self.faults = faults
        start = _FUNDING_AT - timedelta(minutes=scenario.starts_minutes_before_funding)
        self.clock = VirtualClock(start)
        self.host = WanderingClock(self.clock)  # the machine's
        self.venue_clock = WanderingClock(self.clock)  # the exchange's
        self.agenda = Agenda()
        self.story = Story(self.clock.monotonic, wanted=story)
        self.process: Process | None = None  # the one that has the state
        self.stale: list[Process] = []  # those that have lost it and do not know yet
        self.crashes = 0
        self.runs = 0
        self.steps = 0
        self.epoch = 0  # the latest
        self._start_pause = COMES_BACK_SECONDS
        self.digests: list[str] = []
        self.foreign: set[str] = set()  # symbols where others traded too
        self.left_alone: list[tuple[str, str]] = []  # orders that are nobody of ours: account, client order id
        self.failures: Counter[str] = Counter()  # what was noticed without being a violation
        self.births: Counter[tuple[int, str]] = Counter()  # how often an actor was made anew: by run and path
        self._incarnations: dict[tuple[int, str], int] = {}  # by run and path: the last that started
        self.bybit = open_local_bybit(scenario, self._wall_ms)
        self.market = MarketLine(self.clock, self.agenda)
        self.line = self._open_line()
        self.prices = Market(
            open_walks(scenario.seed, scenario.instruments, scenario.candles),
            self.bybit,
            self.market,
            clock=self.clock,
            agenda=self.agenda,
            story=self.story,
            stands=self.line.halts.stands,
        )
        self.watch = Watch(self.bybit.exchange.venue, self.clock, faults, GUARD_TERMS[scenario.guards])
        self.watch.skew = self._skew
        self.prices.on_moved = self.watch.priced
        faults.states_of = partial(states_of, self.watch)
        self.line.on_leaving = self.watch.leaving
        self.line.on_under_way = self.watch.under_way
        self.line.on_placed = self.watch.placing
        self.line.on_read = self.watch.read
        self.line.on_changed = self.watch.changing
        self.chat = self._open_chat()
        self.disk = StateDisk(folder)
        self.handlers = Interception(
            faults,
            clock=self.clock,
            story=self.story,
            line=self.line,
            chat=self.chat,
            rooms=rooms_of(scenario.accounts),
            dice=self.dice("store"),
        )
        self._around = self._surroundings()
        self._crash_in: int | None = None  # steps
        self._break_dice = self.dice("break")
        self._violated: Violated | None = None

    def dice(self, name: str) -> Random:
        """Make the dice of one part of this world."""
        return Random(f"{self.scenario.seed}/{name}")  # noqa: S311 - repeatable chance is the point

    def _wall_ms(self) -> int:
        return int(self.venue_clock.now().timestamp() * 1000)

    def _skew(self) -> float:
        process = self.process
        return 0.0 if process is None else (process.clock.now() - self.clock.now()).total_seconds()

    def _open_line(self) -> ExchangeLine:
        dice = self.dice("world")
        return ExchangeLine(
            self.bybit, clock=self.clock, agenda=self.agenda, faults=self.faults, story=self.story, dice=dice
        )

    def _open_chat(self) -> ChatService:
        return ChatService(self.venue_clock, self.agenda, self.faults, self.story, self.dice("chat"))

    def _surroundings(self) -> Surroundings:
        # Where nothing damages the files nobody reads a copy: one an hour has to do.
        backup_seconds = DAMAGED_BACKUP_SECONDS if DAMAGES & set(self.faults.counts) else 3600.0
        accounts = tuple(AccountSettings(name=name) for name in self.scenario.accounts)
        return Surroundings(
            clock=self.clock,
            host=self.host,
            disk=self.disk,
            accounts=self.scenario.accounts,
            terms=terms_of(
                Settings(
                    accounts=accounts,
                    keeping=KeepingSettings(backup_seconds=backup_seconds),
                    trading=TradingSettings(mirrored=self.scenario.features.mirrored),
                    guards=GUARD_TERMS[self.scenario.guards],
                ),
                version="simulated",
                default_chat_id=PERSON,
            ),
            line=self.line,
            market=self.market,
            chat=self.chat,
            turn=self._turn,
            intercept=self.handlers,
            fenced=self._on_fenced,
            heard=self._on_event,
            stepped=self._after_step,
            committed=self._on_committed,
            settled=self.watch.settled,
            kept=self.watch.kept,
            guarded=self.watch.guarded,
            sending=self._on_sending,
            breaks=self._break,
        )

    # --- the market -------------------------------------------------------------------------------------------------
    def open_market(self, until: float) -> None:
        self.prices.open(until)

    def move_price(self, symbol: str, price: Decimal, *, leaps: bool = False) -> None:
        self.prices.move(symbol, price, leaps=leaps)

    def pay_funding(self, symbol: str) -> None:
        self.prices.pay_funding(symbol)

    def price(self, symbol: str) -> Decimal:
        return self.prices.price(symbol)

    # --- the daemon -------------------------------------------------------------------------------------------------
    @property
    def system(self) -> ActorSystem | None:
        return None if self.process is None else self.process.system

    @property
    def store(self) -> SqliteStore:
        """The open store.

        Raises:
            LookupError: the daemon is down.

        """
        if self.process is None:
            raise LookupError("the daemon is down")
        return self.process.store

    @property
    def on_handled(self) -> Callable[[str, object], None]:
        """Told of every message before its handler."""
        return self.handlers.on_handled

    @on_handled.setter
    def on_handled(self, heard: Callable[[str, object], None]) -> None:
        self.handlers.on_handled = heard

    def start_daemon(self) -> None:
        """Start a run on the present state folder; nothing happens where another one holds it."""
        self.runs += 1
        if self.process is None:
            self.disk.on_found(self.disk.folder)
        try:
            process = Process(self._around, self.runs, self.dice(f"run-{self.runs}"))
        except LockedByAnother:
            self.story.tell("world", "", f"run {self.runs} finds the state held by another and ends")
            self.failures["locked_out"] += 1
            return
        except Unreachable as unwritable:
            self._start_later(str(unwritable))
            return
        self._start_pause = COMES_BACK_SECONDS
        self.story.tell("world", "", f"the daemon starts, run {self.runs}, epoch {process.epoch}")
        if self.process is not None:
            self.stale.append(self.process)
        self.process, self.epoch = process, process.epoch
        if process.restored:
            self._note_restored(process)
        self.watch.begins(process.system, process.store)
        process.start()

    def _start_later(self, reason: str) -> None:
        """A start that finds the disk refusing ends at once (exit 74); it is tried again, ever more slowly."""
        now, pause = self.clock.monotonic(), self._start_pause
        self._start_pause = min(2.0 * pause, MOST_PAUSE_SECONDS)
        self.story.tell("world", "", f"run {self.runs} cannot start: {reason}")
        self.failures["unwritable_start"] += 1
        self.faults.note("unwritable_start", now, excuses_seconds=pause + START_EXCUSE_SECONDS)
        self.agenda.at(now + pause, self.start_daemon)

    def _note_restored(self, process: Process) -> None:
        """Trades the restored store does not know are nobody's from now on: told, and left alone."""
        self.story.tell("world", "", f"run {process.number} restored its store: {process.restored[-1]}")
        self.failures["restored"] += 1
        for trade_id, held in self.watch.trades.items():
            if not process.store.load(f"trade/{trade_id}").facts:
                self.failures["trades_forgotten"] += 1
                self.foreign.add(held.trade.plan.symbol)

    def crash(self) -> None:
        """Pull the plug, and have the daemon started again after a while."""
        if self.process is None:
            return
        self.crashes += 1
        down = self.dice(f"crash-{self.crashes}").choice((0.5, 2.0, 10.0, 60.0))
        now = self.clock.monotonic()
        self.faults.note("crash", now + down, excuses_seconds=down + START_EXCUSE_SECONDS)
        self.story.tell("fault", "", f"the daemon is killed, it comes back after {down} s")
        self.kill(self.process)
        self.agenda.at(now + down, self.start_daemon)

    def kill(self, process: Process) -> None:
        """Let a process die at once."""
        self._forget(process)
        process.kill(others=self.process is not None or bool(self.stale), unless=(PulledPlug, Violated))

    def end(self, process: Process, *, comes_back_after: float | None) -> None:
        """Have a process end in order, and the service manager start it again."""
        if process.over or process.ending:
            return
        if process.starting:
            self.agenda.at(self.clock.monotonic() + 1.0, partial(self.end, process, comes_back_after=comes_back_after))
            return
        process.ending = True
        report = process.stop(STOP_SECONDS)
        self._forget(process)
        if not report.in_order:
            self.failures[f"not_stopped {report.not_stopped}"] += 1
        if comes_back_after is not None:
            self.agenda.at(self.clock.monotonic() + comes_back_after, self.start_daemon)

    def _forget(self, process: Process) -> None:
        self.digests.append(process.crank.digest)
        self.watch.ends(process.system)
        if process is self.process:
            self.process = None
            self._crash_in = None
        else:
            self.stale.remove(process)

    def close(self) -> None:
        """Take the world down."""
        for process in [*self.stale, *([] if self.process is None else [self.process])]:
            self.kill(process)

    # --- time -------------------------------------------------------------------------------------------------------
    def run_until(self, end: float) -> None:
        """Let virtual time pass, the daemon's and the world's in step.

        Raises:
            Violated: an invariant does not hold.

        """
        while True:
            try:
                self._turn(lambda: False, max(0.0, end - self.clock.monotonic()))
            except PulledPlug:
                self.crash()
            else:
                return

    def _turn(self, until: Callable[[], bool], within_seconds: float | None) -> None:
        """Let the world go on until something holds, or for so long."""
        end = float("inf") if within_seconds is None else self.clock.monotonic() + within_seconds
        while not until():
            due = self.agenda.next_due()
            bound = end if due is None or due > end else due
            if self._step(bound):
                continue
            if bound == float("inf"):
                return
            self.clock.advance_to(bound)
            action = self.agenda.take(min(end, self.clock.monotonic()))
            if action is not None:
                action()
                self._look()
                self.watch.check_time()
            elif bound >= end:
                return

    def _step(self, bound: float) -> bool:
        """Have one step done by whoever is due first, up to a bound; False when nobody is."""
        process = self.process
        if not self.stale:
            return process is not None and not process.frozen and process.crank.step(until=bound)
        awake = [each for each in (*self.stale, process) if each is not None and not each.frozen]
        dues = [(due, each.number, each) for each in awake if (due := each.crank.next_due()) is not None]
        return bool(dues) and min(dues)[2].crank.step(until=bound)

    def violated(self, invariant: str, about: str, text: str) -> None:
        """Keep a violation until the step is over: raised here it would only crash an actor. The first one counts."""
        if self._violated is None:
            self._violated = Violated(invariant, about, text)

    def _after_step(self, process: Process, path: str) -> None:
        self.steps += 1
        self.watch.stepped(process.system, path)
        self._look()
        if self._crash_in is not None and process is self.process:
            self._crash_in -= 1
            if self._crash_in <= 0:
                raise PulledPlug

    def _look(self) -> None:
        if self._violated is not None:
            raise self._violated
        events = self.bybit.exchange.venue.events
        if events:
            self.watch.exchange_changed(events)
            self.line.pass_on()
        self.watch.check()

    def crash_soon(self, steps: int) -> None:
        """Pull the plug after so many more steps."""
        if self._crash_in is None:
            self._crash_in = steps

    def call_off_crash(self) -> None:
        """Let the plug stay in, where it was to be pulled."""
        self._crash_in = None

    # --- what the daemon does, as it does it -------------------------------------------------------------------------
    def _break(self, what: str) -> None:
        """F16: opening a port fails in its actor's on_start, closing it in its on_stop."""
        if self.faults.strikes("port_breaks"):
            self.faults.note("port_breaks", self.clock.monotonic(), excuses_seconds=RAISED_EXCUSE_SECONDS)
            self.story.tell("fault", "", f"{what} raises")
            raise crash_of(self._break_dice, what)

    def _on_sending(self, process: Process, path: str) -> None:
        """I14: no request leaves a run whose state has been taken over."""
        if process.epoch != self.epoch:
            self.violated("I14", path, f"sent by run {process.number} of epoch {process.epoch}, now it is {self.epoch}")

    def _on_committed(self, process: Process, append: Append) -> None:
        if process.epoch != self.epoch:
            text = f"committed by run {process.number} of epoch {process.epoch}, now it is {self.epoch}"
            self.violated("I14", append.stream, text)
        if self.story.wanted:
            for fact in append.facts:
                self.story.journal(append.stream, fact)
            for effect in append.effects:
                self.story.tell("promise", append.stream.removeprefix("trade/"), f"{effect.key}")
        self.watch.committed(append)

    def _note_birth(self, process: Process, event: RuntimeEvent) -> None:
        """An actor's incarnations only rise: one that does not is of another, made anew in its place."""
        if isinstance(event, ActorStarted):
            name = process.number, event.path
            if event.incarnation <= self._incarnations.get(name, 0):
                self.births[name] += 1
            self._incarnations[name] = event.incarnation

    def _on_event(self, process: Process, event: RuntimeEvent) -> None:
        self.watch.event(process.system, event)
        self._note_birth(process, event)
        if isinstance(event, ActorRestarted):
            self.story.tell("restart", "", f"{event.path}: {event.error}")
            if not self._expected(process, event.error):
                self.violated("no_unexpected_crash", event.path, f"{event.error}\n{event.traceback}")
        elif isinstance(event, ActorParked) and "/positions/" in event.path:
            # A guardian sees to a stop meanwhile; everything else of the trade waits for its monitor.
            trade_id, waits = event.path.rpartition("-")[2], event.retry_seconds + PARKED_EXCUSE_SECONDS
            self.faults.note("parked", self.clock.monotonic(), about=trade_id, excuses_seconds=waits)
        elif isinstance(event, HandlerLost):
            self.failures[f"lost {event.path.rpartition('/')[2] if '/client/' in event.path else event.path}"] += 1
            if ends_run(event):
                self._on_giving_up(process, event.path)
        elif isinstance(event, SupervisorEscalated):
            self.failures[f"escalated {event.path}"] += 1
            if ends_run(event):
                if not self._expected(process, event.error):
                    self.violated("no_escalation", event.child, event.error)
                self._on_giving_up(process, event.error)
        elif isinstance(event, DeadLettered):
            self.failures[f"dead_letter {event.reason} {type(event.message).__name__}"] += 1

    def _expected(self, process: Process, error: str) -> bool:
        is_stale = process is not self.process  # such a one is told by its store that it has lost the state
        return is_stale or is_injected(error) or any(each in error for each in _MEANT)

    def _on_fenced(self, process: Process, _text: str) -> None:
        """A process that finds its lock gone ends, and is started again: then it holds the state, or somebody else."""
        now = self.clock.monotonic()
        if process is self.process and not process.ending:
            late = STOP_SECONDS + COMES_BACK_SECONDS + START_EXCUSE_SECONDS
            self.faults.note("fenced", now, excuses_seconds=late)
        self.story.tell("world", "", f"run {process.number} finds that it is fenced")
        self.agenda.at(now, partial(self.end, process, comes_back_after=COMES_BACK_SECONDS))

    def _on_giving_up(self, process: Process, error: str) -> None:
        """The process ends in order, and is started again."""
        now = self.clock.monotonic()
        self.faults.note("gave_up", now, excuses_seconds=STOP_SECONDS + COMES_BACK_SECONDS + START_EXCUSE_SECONDS)
        self.story.tell("world", "", f"run {process.number} gives up: {error}")
        self.agenda.at(now, partial(self.end, process, comes_back_after=COMES_BACK_SECONDS))
