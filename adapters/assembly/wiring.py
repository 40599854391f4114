"""Wiring: the daemon's tree from terms and ports, the same for real threads and for simulation.

Enters: what a person may set, and the ways to the outside. Stays out: opening anything, threads, the process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from actors.account_client import ClientTerms
from actors.chat_room import ChatRoom
from actors.errors import Fenced
from actors.health_checker import HealthChecker
from actors.messages import addresses
from actors.messages.health import HostReading
from actors.model.guarding import GuardTerms
from actors.model.trade import BackstopSettings, TradeParameters
from actors.operator_session import OperatorSession
from actors.ports import BackupPort, ChatPort, ExchangePort, FencePort, MarketStreamPort, PrivateStreamPort, StorePort
from actors.position_monitor import RunIdentity
from actors.reconciler import ReconcilerTerms
from actors.record_keeper import KeepingTerms
from actors.rules.alerting import AlertingPolicy
from actors.rules.plan_text import parse_plan
from actors.rules.reconcile_pace import PaceTerms
from actors.settings import AlertSettings, Settings
from actors.supervision_tree import MONITOR_INTENSITY, ROOM_HANDLER_SECONDS, World, daemon_tree
from runtime import (
    ActorSystem,
    ChildSpec,
    HandlerLost,
    Intensity,
    MailboxSpec,
    RuntimeEvent,
    Spec,
    SupervisorEscalated,
)
from runtime.circuit_breaker import CircuitBreaker

HAND_OVER_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a daemon works; `terms_of` makes them from settings."""

    version: str
    default_chat_id: int | None = None
    parameters: TradeParameters = field(default_factory=TradeParameters)
    backstop: BackstopSettings = field(default_factory=BackstopSettings)
    guards: GuardTerms = field(default_factory=GuardTerms)
    mirrors: tuple[str, ...] = ()  # accounts that main's orders are repeated on
    client: ClientTerms = field(default_factory=ClientTerms)
    reconciler: ReconcilerTerms = field(default_factory=ReconcilerTerms)
    read_plan: Callable[..., Any] = parse_plan
    monitor_intensity: Intensity = MONITOR_INTENSITY
    alerts: AlertSettings = field(default_factory=AlertSettings)
    keeping: KeepingTerms = field(default_factory=KeepingTerms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ways to the outside."""

    accounts: tuple[str, ...]  # the first is where prices are read when the public stream is silent
    open_store: Callable[[], StorePort]
    open_exchange: Callable[[str], ExchangePort]  # by account; one for each lane
    open_private_stream: Callable[[str], PrivateStreamPort]
    open_market_stream: Callable[[], MarketStreamPort]
    open_chat: Callable[[], ChatPort]
    fence: FencePort
    read_host: Callable[[], HostReading]
    on_fenced: Callable[[str], None] = lambda _text: None  # told when a request was held back: this run must end
    beat: Callable[[], None] = lambda: None  # told on every healthy beat; the service manager's watchdog
    backups: BackupPort | None = None


def terms_of(settings: Settings, *, version: str, default_chat_id: int | None) -> Terms:
    """Give the terms that a settings tree stands for."""
    trading = settings.trading
    return Terms(
        version=version,
        default_chat_id=default_chat_id,
        parameters=TradeParameters(
            breakeven_margin_fraction=trading.breakeven_margin,
            own_stop_deadline_seconds=settings.timing.own_stop_deadline_seconds,
        ),
        backstop=BackstopSettings(
            distance=trading.backstop_distance,
            min_ticks=trading.backstop_min_ticks,
            most_trades=trading.most_trades_per_symbol,
        ),
        guards=settings.guards,
        mirrors=tuple(account.name for account in settings.accounts[1:]) if trading.mirrored else (),
        reconciler=ReconcilerTerms(pace=PaceTerms(steady_seconds=settings.timing.slow_read_seconds)),
        alerts=settings.alerts,
        keeping=KeepingTerms(
            backup_seconds=settings.keeping.backup_seconds, settled_days=settings.keeping.settled_days
        ),
        read_plan=partial(_read_plan, settings),
    )


def wire(system: ActorSystem, identity: RunIdentity, terms: Terms, ports: Ports) -> tuple[Spec, ...]:
    """Give the root's children in their starting order."""
    health = partial(
        HealthChecker,
        accounts=ports.accounts,
        read_tree=system.snapshot,
        read_host=ports.read_host,
        beat=ports.beat,
        installation=identity.installation,
    )

    def hand_over(path: str, report: object) -> None:
        """Give what a person did to its room and wait for the record, so that a kill in between loses nothing."""
        system.ask(path, report, timeout_seconds=HAND_OVER_SECONDS)

    world = World(
        identity=identity,
        accounts=ports.accounts,
        open_store=ports.open_store,
        open_exchange=ports.open_exchange,
        open_private_stream=ports.open_private_stream,
        open_market_stream=ports.open_market_stream,
        open_chat=ports.open_chat,
        fence=_ToldFence(ports.fence, ports.on_fenced),
        enqueue=system.tell,
        hand_over=hand_over,
        default_chat_id=terms.default_chat_id,
        chats=ChildSpec("chats", partial(ChatRoom, partial(_session, terms))),
        health=ChildSpec(
            "health",
            health,
            mailbox=MailboxSpec(capacity=20_000),
            handler_deadline_seconds=ROOM_HANDLER_SECONDS,
        ),
        backups=ports.backups,
        keeping=terms.keeping,
        parameters=terms.parameters,
        backstop=terms.backstop,
        guards=terms.guards,
        mirrors=terms.mirrors,
        client=terms.client,
        reconciler=terms.reconciler,
        monitor_intensity=terms.monitor_intensity,
        alerting=AlertingPolicy(
            dedup_seconds=terms.alerts.dedup_window_seconds,
            bound=terms.alerts.queue_bound,
            failed_kept=terms.alerts.failed_kept,
        ),
        breaker=CircuitBreaker(
            failure_threshold=terms.alerts.breaker_failures, open_seconds=terms.alerts.breaker_open_seconds
        ),
    )
    return daemon_tree(world)


def ends_run(event: RuntimeEvent) -> bool:
    """Say whether a run can only end after this: it is started again, and its start is the recovery.

    The root has given up; or the store hangs, and whatever its thread holds goes only with the process.
    """
    if isinstance(event, SupervisorEscalated):
        return not event.path
    return isinstance(event, HandlerLost) and event.path == addresses.STORE


class _ToldFence:
    """A fence that tells when it has fallen: whoever cannot trade any more makes room for one who can."""

    def __init__(self, fence: FencePort, fallen: Callable[[str], None]) -> None:
        self._fence = fence
        self._fallen = fallen

    def check(self) -> None:
        try:
            self._fence.check()
        except Fenced as fenced:
            self._fallen(str(fenced))
            raise


def _session(terms: Terms, chat_id: int) -> ChildSpec:
    session = partial(OperatorSession, chat_id=chat_id, version=terms.version, read_plan=terms.read_plan)
    return ChildSpec(str(chat_id), session)


def _read_plan(settings: Settings, words: str, **more: Any) -> Any:
    """Read a one-line order under these settings."""
    options: dict[str, Any] = {
        "rung_fractions": settings.trading.rung_fractions,
        "presets": dict(settings.trading.presets),
        "fast_slippage": settings.trading.fast_slippage,
        "accounts": tuple(account.name for account in settings.accounts),
        "cancel_entries_on_first_target": settings.trading.cancel_entries_on_first_target,
    }
    return parse_plan(words, **{**options, **more})
