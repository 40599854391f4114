"""The verb `run`: settings, lock, paper exchange if there are no keys, chat, daemon, control socket; until a signal.

Exit codes: 0 an ordered end, 70 the tree gave up and 74 the disk refuses (the service manager starts it again), 75
another daemon holds the state, 78 the configuration cannot be used. Standard output is for the person; everything else
is in the log.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

import structlog

from actors.errors import OutsideError, Unreachable
from actors.ports import ChatPort
from actors.settings import Settings
from adapters.assembly.daemon import Daemon, Outside, boot_id
from adapters.assembly.restored_news import restored_news
from adapters.assembly.verbs import Verbs
from adapters.assembly.wiring import terms_of
from adapters.bybit.access import BybitAccess
from adapters.cli.arguments import Run
from adapters.console.chat import CONSOLE_CHAT_ID, ConsoleChat
from adapters.host.control_socket import ControlServer
from adapters.host.log_output import close_logging, configure_logging
from adapters.host.run_lock import LockedByAnother, RunLock
from adapters.host.service_manager import notify
from adapters.host.settings_file import Read, SettingsFaults, load_settings
from adapters.host.state_folder import StateFolder, StateFolderUnusable, make, state_folder

if TYPE_CHECKING:
    from adapters.assembly.live_feed import LiveFeed
    from adapters.simulated.server import ExchangeServer

ENDED = 0
GAVE_UP = 70
LOCKED = 75
BAD_CONFIGURATION = 78
UNWRITABLE = 74
LAST_WORDS_SECONDS = 3.0
SECOND_THOUGHT_SECONDS = 0.5  # one request to end may arrive twice: to the process and to its group
PAPER_KEY = ("paper-main-key", "paper-main-secret")  # the local exchange's main account
PAPER_MIRROR_KEY = ("paper-mirror-key", "paper-mirror-secret")  # its other one


class PaperExchangeUnusable(OutsideError):
    """The books of paper mode's own exchange cannot be continued."""


def run_daemon(command: Run, *, version: str) -> int:
    """Run until SIGINT or SIGTERM; give the exit code."""
    try:
        folder = make(state_folder(command.state))
        read = load_settings(
            file=command.settings_file or folder.settings,
            must_exist=command.settings_file is not None,
            env_file=Path(".env"),
        )
    except StateFolderUnusable as unusable:
        return _refuse([str(unusable)])
    except SettingsFaults as wrong:
        return _refuse(wrong.faults)
    # Where the terminal is the chat, only what calls for attention stands between its lines; the file has everything.
    console_level = "info" if read.settings.chat.token else "warning"
    configure_logging(folder.log, console_level=console_level, secrets=read.secrets)
    log: structlog.stdlib.BoundLogger = structlog.get_logger()
    started = datetime.now(UTC)
    try:
        lock = RunLock.acquire(folder.run_lock, pid=os.getpid(), started=started, boot_id=boot_id())
    except LockedByAnother as locked:
        log.error("run_locked", pid=locked.pid, started=locked.started, state=str(folder.path))  # noqa: TRY400
        print(locked, file=sys.stderr)
        close_logging()
        return LOCKED
    try:
        return _Run(folder, read, lock, version).serve()
    except Unreachable as unwritable:
        log.critical("run_refused", reason=str(unwritable))
        _refuse([str(unwritable)])
        return UNWRITABLE
    except OutsideError as damaged:
        log.critical("run_refused", reason=str(damaged))
        return _refuse([str(damaged)])
    finally:
        lock.release()
        close_logging()


def _refuse(faults: list[str]) -> int:
    print("Standfast cannot start:", file=sys.stderr)
    for fault in faults:
        print(f"  - {fault}", file=sys.stderr)
    return BAD_CONFIGURATION


class _Run:
    """One run, from the first line to the last."""

    def __init__(self, folder: StateFolder, read: Read, lock: RunLock, version: str) -> None:
        self._folder = folder
        self._settings = read.settings
        self._notes = read.notes
        self._lock = lock
        self._version = version
        chat = read.settings.chat
        self._terms = terms_of(
            read.settings, version=version, default_chat_id=chat.default_chat_id if chat.token else CONSOLE_CHAT_ID
        )
        self._ending = threading.Event()
        self._asked_at: float | None = None  # monotonic; when it was first asked to end
        self._gave_up = False
        self._paper: ExchangeServer | None = None
        self._feed: LiveFeed | None = None
        self._exchange_url = read.settings.exchange.rest_url
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()

    def serve(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            # A job in the background that reads or writes the terminal would be frozen, and its trades unwatched.
            signal.signal(number, signal.SIG_IGN)
        try:
            outside = self._outside(self._accounts())
            daemon = Daemon(outside)
            refused = daemon.start_faults("paper" if self._settings.paper else "live")
        except BaseException:
            self._stop_paper()
            raise
        if refused:
            daemon.abandon()
            self._stop_paper()
            self._log.critical("run_refused", reason=refused)
            return _refuse(refused)
        self._lock.also_watch(daemon.superseded)
        verbs = Verbs(daemon, self._terms.read_plan, self._about(daemon))
        control = ControlServer(self._folder, verbs.handle)
        try:
            self._announce(daemon)
            daemon.start()
            control.start()
            notify("READY=1")
            self._log.info("commands_accepted", state=str(self._folder.path))
            self._tell_started(daemon)
            self._ending.wait()
            self._tell_stopping(daemon)
        finally:
            notify("STOPPING=1")
            control.stop()
            report = daemon.stop(self._settings.timing.stop_deadline_seconds)
            self._stop_paper()
            self._log.info("run_end", not_stopped=list(report.not_stopped), seconds=round(report.seconds, 3))
        return GAVE_UP if self._gave_up else ENDED

    # --- what it stands on ------------------------------------------------------------------------------------------
    def _accounts(self) -> Mapping[str, BybitAccess]:
        exchange = self._settings.exchange
        if not self._settings.paper:
            return {
                account.name: BybitAccess(
                    api_key=account.api_key,
                    api_secret=account.api_secret,
                    rest_url=exchange.rest_url,
                    ws_url=exchange.ws_url,
                )
                for account in self._settings.accounts
            }
        rest_url, ws_url = exchange.rest_url, exchange.ws_url
        if not _is_local(rest_url):  # no exchange process of the person's own was named: bring one along
            from adapters.assembly.live_feed import FeedUnavailable, feed_of  # noqa: PLC0415 - a live daemon does without
            from adapters.simulated.config import ExchangeConfig  # noqa: PLC0415 - a live daemon does without
            from adapters.simulated.server import ExchangeServer  # noqa: PLC0415

            try:
                opens = feed_of(exchange.paper_feed)
                self._feed = None if opens is None else opens()
                config = ExchangeConfig(
                    state_file=self._folder.paper_exchange,
                    queues=True,
                    live=None if self._feed is None else self._feed.path,
                )
                self._paper = ExchangeServer(config)
                self._paper.start()
                if self._feed is not None:
                    self._feed.open()
            except FeedUnavailable as away:
                advice = f"{away} Try later, or leave PAPER_FEED out: prices are made up then."
                raise PaperExchangeUnusable(advice) from away
            except (ValueError, OSError) as unusable:
                raise PaperExchangeUnusable(str(unusable)) from unusable
            rest_url, ws_url = self._paper.rest_url, self._paper.ws_url
        self._exchange_url = rest_url
        keys = (PAPER_KEY, PAPER_MIRROR_KEY)
        return {
            account.name: BybitAccess(api_key=key, api_secret=secret, rest_url=rest_url, ws_url=ws_url)
            for account, (key, secret) in zip(self._settings.accounts, keys, strict=False)
        }

    def _outside(self, accounts: Mapping[str, BybitAccess]) -> Outside:
        settings = self._settings
        return Outside(
            state=self._folder.path,
            accounts=accounts,
            open_chat=_chat(settings),
            fence=self._lock,
            terms=self._terms,
            beat=_tell_watchdog,
            on_escalation=self._on_escalation,
            backups_kept=self._settings.keeping.backups_kept,
            on_fenced=self._on_fenced,
        )

    def _about(self, daemon: Daemon) -> dict[str, Any]:
        return {
            "version": self._version,
            "mode": "paper" if self._settings.paper else "live",
            "exchange": self._exchange_url,
            "state": str(self._folder.path),
            "pid": os.getpid(),
            "epoch": daemon.identity.epoch,
            "installation": daemon.identity.installation,
        }

    def _announce(self, daemon: Daemon) -> None:
        mode = "PAPER (no keys given: a local exchange, no real money)" if self._settings.paper else "LIVE"
        print(f"Standfast {self._version}: {mode}, exchange {self._exchange_url}", flush=True)
        print(f"state {self._folder.path}, run {daemon.identity.epoch}; stop with Ctrl-C", flush=True)
        for restored in daemon.restored:
            self._log.critical(
                "state_restored",
                damage=restored.damage,
                source=restored.source,
                commits=restored.commits,
                lost_commits=restored.lost_commits,
                set_aside=str(restored.set_aside),
            )
            print("\n".join(restored_news(restored)), flush=True)
        notes = [*self._notes, *daemon.notes]
        for note in notes:
            print(f"note: {note}", flush=True)
        self._log.info("run_start", **self._about(daemon), notes=notes)

    def _tell_started(self, daemon: Daemon) -> None:
        trades = daemon.live_trades()
        daemon.announce(
            "run_started",
            f"Standfast {self._version} started, {'PAPER' if self._settings.paper else 'LIVE'}",
            f"watching {trades} open {'trade' if trades == 1 else 'trades'}; /status shows them",
            *self._notes,
            *daemon.notes,
        )

    def _tell_stopping(self, daemon: Daemon) -> None:
        why = "it gave up and comes back through its start" if self._gave_up else "on request"
        daemon.announce(
            "run_stopping",
            f"Standfast {self._version} stops: {why}",
            "Orders and stops at the exchange stay as they are; nothing is moved until it runs again.",
        )
        daemon.let_alerts_go(LAST_WORDS_SECONDS)

    # --- how it ends ------------------------------------------------------------------------------------------------
    def _on_signal(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self._ending.set()
        elif now - self._asked_at > SECOND_THOUGHT_SECONDS:
            os._exit(128 + number)  # asked twice: at once; the start path is the recovery path

    def _on_escalation(self, path: str, error: BaseException) -> None:
        self._log.critical("tree_gave_up", path=path, error=repr(error))
        self._gave_up = True
        self._ending.set()

    def _on_fenced(self, text: str) -> None:
        """Make room for whoever holds the state; if it is nobody, the next start takes it again."""
        if not self._ending.is_set():
            self._log.critical("run_fenced", reason=text)
            self._gave_up = True
            self._ending.set()

    def _stop_paper(self) -> None:
        if self._feed is not None:
            self._feed.close()
        if self._paper is not None:
            self._paper.stop()


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def _tell_watchdog() -> None:
    notify("WATCHDOG=1")


def _somebody_may_type(source: TextIO | None) -> bool:
    """Tell a terminal, or a pipe or socket that a program holds the other end of, from a file or nothing."""
    if source is None or source.closed:
        return False
    try:
        mode = os.fstat(source.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return source.isatty() or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _chat(settings: Settings) -> Callable[[], ChatPort]:
    chat = settings.chat
    if not chat.token:
        return lambda: ConsoleChat(sys.stdin, sys.stdout, listens=_somebody_may_type(sys.stdin))
    from adapters.telegram.bot import TelegramChat  # noqa: PLC0415 - a daemon without a token does without
    from adapters.telegram.config import TelegramConfig  # noqa: PLC0415

    config = TelegramConfig(
        token=chat.token, allowed_users=chat.allowed_users, api_url=chat.api_url, file_url=chat.file_url
    )
    return lambda: TelegramChat(config)
