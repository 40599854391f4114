"""The daemon put together: store, accounts, chat and the tree on real threads. `run` and `demo` both live on it.

Enters: a description of the outside. Stays out: arguments, settings files, printing, the run lock (the caller's).
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import structlog

from actors.errors import AccessDenied, OutsideError
from actors.health_checker import concerns_health
from actors.messages import addresses
from actors.messages.accounts import BookQuestion
from actors.messages.alert_records import AlertsQuestion
from actors.messages.alerts import RaiseAlert
from actors.messages.health import HostReading
from actors.messages.storing import Append, PromisedEffect, RegisterQuestion
from actors.model.account import KeyRights
from actors.model.alert import Alert, Severity
from actors.ports import ChatPort, FencePort
from actors.position_monitor import RunIdentity
from adapters.assembly.restored_news import restored_news
from adapters.assembly.runtime_log import log_runtime_event
from adapters.assembly.state_binding import DOCUMENT as BINDING
from adapters.assembly.state_binding import StateBinding, contradiction, joined
from adapters.assembly.wiring import Ports, Terms, ends_run, wire
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange, open_market_stream, open_private_stream
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.venue_clock import VenueClock
from adapters.sqlite.backups import Backups
from adapters.sqlite.integrity import LIBRARY_VERSION
from adapters.sqlite.restoring import forget_told, open_or_restore
from adapters.sqlite.runs import Run
from runtime import (
    ActorDead,
    ActorSystem,
    AskFailed,
    AskTimeout,
    HandlerLost,
    HandlerOverran,
    PooledDispatcher,
    Refused,
    RuntimeEvent,
    StopReport,
    SystemClock,
    ThreadedDispatcher,
    tune_interpreter,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a daemon is put together from."""

    state: Path  # an existing folder, held by the run lock
    accounts: Mapping[str, BybitAccess]  # the first is where prices are read when the public stream is silent
    open_chat: Callable[[], ChatPort]
    fence: FencePort
    terms: Terms
    beat: Callable[[], None] = lambda: None  # told on every healthy beat; the service manager's watchdog
    backups_kept: int = 48
    observers: tuple[Callable[[RuntimeEvent], None], ...] = ()
    on_escalation: Callable[[str, BaseException], None] | None = None  # the root gave up: end and start anew
    on_fenced: Callable[[str], None] = lambda _text: None  # another run may hold the state: end and start anew


class Daemon:
    """One run of the daemon. Start it once, stop it once."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._clock = VenueClock(SystemClock())
        self._budgets = {name: RateBudget(self._clock) for name in outside.accounts}
        self._dice = random.SystemRandom()
        run = Run(pid=os.getpid(), boot_id=boot_id(), started_at=self._clock.now())
        path, backups = outside.state / "store.sqlite", outside.state / "backups"
        self._store, self.restored = open_or_restore(
            path, clock=self._clock.now, random_bytes=os.urandom, run=run, backups=backups
        )
        self._backups = Backups(path, folder=backups, clock=self._clock.now, kept=outside.backups_kept)
        self.identity = RunIdentity(
            installation=self._store.installation, epoch=self._store.epoch, forgotten=self._store.forgotten
        )
        self.system = ActorSystem(
            dispatchers={"pool": PooledDispatcher(), "thread": ThreadedDispatcher()},
            clock=self._clock,
            seed=None,
            observers=(log_runtime_event, self._tell_health, self._end_if_lost, *outside.observers),
            on_escalation=outside.on_escalation,
        )
        self._told = 0
        self._keep_news_of_restores(path)
        self.notes: list[str] = []  # what the person should know of this start
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()

    def start(self) -> None:
        """Start the tree; returns when every room is up. Trades are taken up meanwhile."""
        tune_interpreter()
        self.system.start(*wire(self.system, self.identity, self._outside.terms, self._ports()))

    def start_faults(self, mode: str) -> list[str]:
        """Say what forbids the start: keys that cannot trade, and a state folder that belongs to something else.

        With trades to watch a refused key does not stop the start: the account keeps trying, and the stops stand at the
        exchange. An exchange that cannot be reached never does.

        Args:
            mode: "paper" or "live".

        """
        watching = bool(self._store.register("trade", live_only=True, account=None))
        problems: list[str] = []
        users: list[tuple[str, str]] = []
        for name in self._outside.accounts:
            port = self._open_exchange(name)
            with contextlib.suppress(OutsideError):  # asked for again as soon as it matters
                port.clock_offset_seconds()
            try:
                rights = port.key_rights()
            except AccessDenied as denied:
                if not watching:
                    problems.append(f"account {name}: {denied}. Check the key, its secret and its allowed addresses")
            except OutsideError as error:
                self._log.warning("key_rights_unread", account=name, error=str(error))
            else:
                users.append((name, rights.user_id))
                problems += () if watching else key_problems(name, rights)
                if rights.may_withdraw:
                    self.notes.append(f"account {name}: its key may withdraw money; a key without that right is enough")
            finally:
                port.close()
        found = StateBinding(mode=mode, users=tuple(users))
        known = self._store.document(BINDING)
        fault = contradiction(known, found) if isinstance(known, StateBinding) else None
        if fault is not None:
            problems.append(fault)
        elif not problems:
            self._store.put_document(BINDING, joined(known, found) if isinstance(known, StateBinding) else found)
            self._store.commit()
        return problems

    def abandon(self) -> None:
        """Close what was opened by a daemon that is not to start."""
        self.system.stop(1.0)
        self._store.close()

    def announce(self, kind: str, title: str, *lines: str, severity: Severity = Severity.INFO) -> None:
        """Tell the person something about this run, through the outbox like every other alert."""
        self.system.tell(
            addresses.STORE,
            self._news(Alert(kind=kind, severity=severity, key=self._key(kind), title=title, lines=lines)),
        )

    def _key(self, what: str) -> str:
        return f"run/{self.identity.epoch}/{what}"

    def _news(self, alert: Alert) -> Append:
        self._told += 1
        effect = PromisedEffect(
            key=f"alert/run/{self.identity.epoch}/{self._told}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.now()),
        )
        return Append(stream=f"run/{self.identity.epoch}", expected_sequence=0, facts=(), effects=(effect,))

    def _keep_news_of_restores(self, path: Path) -> None:
        """Promise to tell each restore, before anything else can end this run; the tree finds that in its outbox.

        Raises Unreachable: the disk takes no writes. The next start tells.
        """
        if not self.restored:
            return
        try:
            for restored in self.restored:
                title, *lines = restored_news(restored)
                alert = Alert(
                    kind="state_restored",
                    severity=Severity.CRITICAL,
                    key=self._key(f"state_restored/{restored.set_aside.name}"),  # under one key they were one news
                    title=title,
                    lines=tuple(lines),
                )
                self._store.append(self._news(alert))
            self._store.commit()
        except BaseException:
            self._store.close()
            raise
        forget_told(path)

    def live_trades(self) -> int:
        """Count the trades that are being watched."""
        return len(self.system.ask(addresses.STORE, RegisterQuestion(kind="trade")))

    def let_alerts_go(self, seconds: float) -> None:
        """Wait a little for what is waiting to be told; what stays behind is told by the next run."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline:
            try:
                reading = self.system.ask(addresses.ALERT_DISPATCHER, AlertsQuestion(), timeout_seconds=1.0)
            except (Refused, AskTimeout, ActorDead, AskFailed):
                return
            if reading.delivered >= reading.raised:
                return
            threading.Event().wait(0.05)

    def stop(self, deadline_seconds: float = 20.0) -> StopReport:
        """Stop in order within the deadline; orders at the exchange stay as they are."""
        report = self.system.stop(deadline_seconds)
        self._store.close()
        return report

    def superseded(self) -> bool:
        """Say whether a later run has taken the store over."""
        return not self._store.epoch_is_latest()

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._outside.accounts)

    def now(self) -> datetime:
        return self._clock.now()

    def ready(self) -> bool:
        """Say whether commands are taken: every account knows its trades again."""
        try:
            for name in self._outside.accounts:
                self.system.ask(addresses.position_book(name), BookQuestion(symbol=""), timeout_seconds=2.0)
        except (Refused, AskTimeout, ActorDead, AskFailed):
            return False
        return True

    # --- its ports --------------------------------------------------------------------------------------------------
    def _ports(self) -> Ports:
        outside = self._outside
        return Ports(
            accounts=tuple(outside.accounts),
            open_store=lambda: self._store,
            open_exchange=self._open_exchange,
            open_private_stream=self._open_private_stream,
            open_market_stream=self._open_market_stream,
            open_chat=outside.open_chat,
            fence=outside.fence,
            read_host=self._read_host,
            on_fenced=outside.on_fenced,
            beat=outside.beat,
            backups=self._backups,
        )

    def _open_exchange(self, account: str) -> Any:
        return open_exchange(
            self._outside.accounts[account], self._budgets[account], account=account, clock=self._clock
        )

    def _open_private_stream(self, account: str) -> Any:
        return open_private_stream(
            self._outside.accounts[account], account=account, random=self._dice, clock=self._clock
        )

    def _open_market_stream(self) -> Any:
        access = next(iter(self._outside.accounts.values()))
        return open_market_stream(access, random=self._dice, clock=self._clock)

    def _read_host(self) -> HostReading:
        memory = psutil.virtual_memory()
        return HostReading(
            disk_free_bytes=psutil.disk_usage(str(self._outside.state)).free,
            memory_used_bytes=psutil.Process().memory_info().rss,
            memory_available_bytes=memory.available,
            sqlite_version=LIBRARY_VERSION,
        )

    def _end_if_lost(self, event: RuntimeEvent) -> None:
        """A store that hangs cannot be replaced in this process; giving up of the root's own is told by the system."""
        if isinstance(event, HandlerLost) and ends_run(event) and self._outside.on_escalation is not None:
            self._outside.on_escalation(event.path, HandlerOverran(f"{event.path} hangs over {event.message_type}"))

    def _tell_health(self, event: RuntimeEvent) -> None:
        if concerns_health(event):
            self.system.tell(addresses.HEALTH, event)


def key_problems(account: str, rights: KeyRights) -> list[str]:
    """Say what a key lacks to trade with, each with what to do."""
    problems = []
    if rights.read_only:
        problems.append(f"account {account}: its key is read-only; make one with Orders and Positions of Contract")
    elif not (rights.may_order and rights.may_position):
        problems.append(f"account {account}: its key may not trade contracts; allow it Orders and Positions")
    if not rights.unified:
        problems.append(f"account {account}: it is no unified trading account; upgrade it at Bybit first")
    return problems


def boot_id() -> str:
    """Give the machine's boot id, so that a process id from before a reboot is not taken for a living one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))
