"""The tree as data: who owns whom, in which order, under which strategy, and why.

standfast            only store and accounts escalate to the root; past its limit the daemon ends and comes back
├── store            first: everything else recovers from it
├── alerts           dispatcher · courier (owns the chat service)
├── market           prices
├── accounts
│   └── main …       rest-for-one: a dead client makes what was built on it doubtful
│       ├── client   + lanes
│       ├── private_stream
│       ├── reconciler
│       ├── position_book
│       └── positions   one-for-one: a monitor cannot touch a sibling
├── desk
├── chats            one session per allowed chat
└── health
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from actors.account_client import AccountClient, ClientTerms
from actors.alert_dispatcher import DEFAULT_BREAKER, AlertDispatcher
from actors.chat_courier import ChatCourier, ChatLine
from actors.guardian import Guardian
from actors.lane import Lane
from actors.messages import addresses
from actors.messages.orders import EffectSettled
from actors.model.guarding import GuardTerms
from actors.model.trade import BackstopSettings, TradeParameters
from actors.port_slot import PortSlot
from actors.ports import BackupPort, ChatPort, ExchangePort, FencePort, MarketStreamPort, PrivateStreamPort, StorePort
from actors.position_book import PositionBook
from actors.position_monitor import PositionMonitor, RunIdentity
from actors.positions_room import PositionsRoom
from actors.price_watcher import PriceWatcher, coalesce_key
from actors.private_stream import PrivateStream
from actors.reconciler import Reconciler, ReconcilerTerms
from actors.record_keeper import KeepingTerms, RecordKeeper
from actors.rules.alerting import AlertingPolicy
from actors.store import Store
from actors.trade_desk import TradeDesk
from runtime import (
    REST_FOR_ONE,
    TRANSIENT,
    Actor,
    ChildSpec,
    Coalesce,
    Intensity,
    MailboxSpec,
    OnExhausted,
    Parking,
    PoisonPolicy,
    Spec,
    SupervisorSpec,
)
from runtime.circuit_breaker import CircuitBreaker

MONITOR_INTENSITY = Intensity(max_restarts=5, within_seconds=60.0)
MONITOR_HANDLER_SECONDS = 10.0  # pure rules take milliseconds: one that takes this long hangs
# Without the outcome its request would be on its way for ever; one it can never take parks it, and is told.
_MONITORS_POISON: Mapping[type, PoisonPolicy] = {EffectSettled: PoisonPolicy.INSIST}
ROOM_HANDLER_SECONDS = 40.0  # everybody else's: longer than any call they make may take


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything the tree needs of the outside, made by whoever puts the daemon together."""

    identity: RunIdentity
    accounts: tuple[str, ...]
    open_store: Callable[[], StorePort]
    open_exchange: Callable[[str], ExchangePort]  # by account; one for each lane
    open_private_stream: Callable[[str], PrivateStreamPort]
    open_market_stream: Callable[[], MarketStreamPort]
    open_chat: Callable[[], ChatPort]
    fence: FencePort
    enqueue: Callable[[str, object], None]  # put a message into an actor's mailbox from any thread, at once
    hand_over: Callable[[str, object], None] | None = None  # ask an actor to record it, and wait; None: as enqueue
    default_chat_id: int | None = None
    chats: ChildSpec | None = None  # the room of chats and health are specs of their own authors
    health: ChildSpec | None = None
    backups: BackupPort | None = None  # None: somebody else sees to them
    keeping: KeepingTerms = KeepingTerms()  # noqa: RUF009 - an immutable value
    parameters: TradeParameters = TradeParameters()  # noqa: RUF009 - an immutable value
    backstop: BackstopSettings = BackstopSettings()  # noqa: RUF009 - an immutable value
    guards: GuardTerms = GuardTerms()  # noqa: RUF009 - an immutable value
    mirrors: tuple[str, ...] = ()  # accounts that main's orders are repeated on
    client: ClientTerms = ClientTerms()  # noqa: RUF009 - an immutable value
    reconciler: ReconcilerTerms = ReconcilerTerms()  # noqa: RUF009 - an immutable value
    monitor_intensity: Intensity = MONITOR_INTENSITY
    park_retry_seconds: float = 300.0
    alerting: AlertingPolicy = AlertingPolicy()  # noqa: RUF009 - an immutable value
    breaker: CircuitBreaker = DEFAULT_BREAKER


def daemon_tree(world: World) -> tuple[Spec, ...]:
    """Give the root's children in their starting order."""
    rooms: list[Spec] = [_store(world), _alerts(world), _market(world), _accounts(world), _desk(world)]
    rooms += [room for room in (world.chats, world.health) if room is not None]
    if world.backups is not None:
        keeper = partial(RecordKeeper, port=world.backups, terms=world.keeping)
        rooms.append(ChildSpec("records", keeper, dispatcher="thread", on_exhausted=OnExhausted.PARK))
    return tuple(rooms)


def _store(world: World) -> Spec:
    return ChildSpec(
        "store",
        partial(Store, open_port=world.open_store),
        # On the pool, though every commit waits for the disk: a report, what it decides, its commit and its request
        # then go on one thread, one right behind the other. The pool's other workers go on meanwhile.
        urgent=True,
        blocks=True,
        mailbox=MailboxSpec(capacity=100_000),  # an append turned away would be a fact lost
        intensity=Intensity(max_restarts=3, within_seconds=300.0),
        on_exhausted=OnExhausted.ESCALATE,
        stop_timeout_seconds=10.0,
        handler_deadline_seconds=ROOM_HANDLER_SECONDS,
        quarantines=False,  # it crashes over the disk, not over what is to be written
    )


def _alerts(world: World) -> Spec:
    dispatcher = partial(
        AlertDispatcher, default_chat_id=world.default_chat_id, policy=world.alerting, breaker=world.breaker
    )
    line = ChatLine(world.open_chat, world.enqueue, world.hand_over)
    return SupervisorSpec(
        "alerts",
        on_exhausted=OnExhausted.PARK,
        children=(
            ChildSpec("courier", partial(ChatCourier, line), dispatcher="thread"),
            _room("dispatcher", dispatcher, mailbox=MailboxSpec(capacity=100_000)),
        ),
    )


def _market(world: World) -> Spec:
    slot = PortSlot(world.open_market_stream)
    watcher = partial(
        PriceWatcher,
        slot=slot,
        enqueue=partial(world.enqueue, addresses.PRICES),
        rest_client=addresses.client(world.accounts[0]),
    )
    prices = _room("prices", watcher, mailbox=MailboxSpec(capacity=4096, overflow=Coalesce(key=coalesce_key)))
    return SupervisorSpec("market", on_exhausted=OnExhausted.PARK, children=(prices,))


def _accounts(world: World) -> Spec:
    return SupervisorSpec("accounts", children=tuple(_account(world, name) for name in world.accounts))


def _account(world: World, name: str) -> Spec:
    slot = PortSlot(partial(world.open_private_stream, name))
    lane = partial(Lane, port_factory=partial(world.open_exchange, name), fence=world.fence)
    client = partial(AccountClient, account=name, lane_factory=lane, terms=world.client)
    stream = partial(
        PrivateStream,
        account=name,
        installation=world.identity.installation,
        slot=slot,
        enqueue=partial(world.enqueue, addresses.private_stream(name)),
    )
    reconciler = partial(Reconciler, account=name, installation=world.identity.installation, terms=world.reconciler)
    book = partial(PositionBook, account=name, settings=world.backstop, epoch=world.identity.epoch)
    positions = partial(PositionsRoom, account=name, monitor_spec=partial(monitor_spec, world, name))
    wide = MailboxSpec(capacity=100_000)  # a report turned away would have to be read again
    return SupervisorSpec(
        name,
        strategy=REST_FOR_ONE,
        children=(
            _room("client", client, mailbox=wide, on_exhausted=OnExhausted.ESCALATE, urgent=True),
            _room("private_stream", stream, mailbox=wide, on_exhausted=OnExhausted.ESCALATE, urgent=True),
            _room("reconciler", reconciler, mailbox=wide, on_exhausted=OnExhausted.ESCALATE),
            _room("position_book", book, mailbox=wide, on_exhausted=OnExhausted.ESCALATE),
            _room("positions", positions, mailbox=wide, on_exhausted=OnExhausted.ESCALATE),
        ),
    )


@dataclass(frozen=True, slots=True)
class _OneTrade:
    """What the actors of a trade are made of; as two partials it would be half a kilobyte more for each trade."""

    account: str
    symbol: str
    trade_id: str
    identity: RunIdentity

    def monitor(self) -> Actor:
        return PositionMonitor(account=self.account, symbol=self.symbol, trade_id=self.trade_id, identity=self.identity)

    def guardian(self) -> Actor:
        return Guardian(account=self.account, trade_id=self.trade_id)


def monitor_spec(world: World, account: str, symbol: str, trade_id: str) -> ChildSpec:
    """Describe one trade's monitor: it ends with its trade, and is parked under a guardian when it keeps crashing."""
    trade = _OneTrade(account, sys.intern(symbol), sys.intern(trade_id), world.identity)
    return ChildSpec(
        addresses.monitor_name(symbol, trade_id),
        trade.monitor,
        restart=TRANSIENT,
        intensity=world.monitor_intensity,
        on_exhausted=OnExhausted.PARK,
        parking=Parking(stand_in=trade.guardian, retry_seconds=world.park_retry_seconds),
        handler_deadline_seconds=MONITOR_HANDLER_SECONDS,
        poison=_MONITORS_POISON,
    )


def _desk(world: World) -> Spec:
    desk = partial(
        TradeDesk,
        accounts=world.accounts,
        parameters=world.parameters,
        backstop=world.backstop,
        guards=world.guards,
        fence=world.fence,
        salt=world.identity.installation,
        mirrors=world.mirrors,
    )
    return _room("desk", desk)


def _room(name: str, factory: Callable[[], Actor], **more: Any) -> ChildSpec:
    """Describe an actor that never waits for the outside: one that hangs is declared lost and made anew."""
    return ChildSpec(name, factory, handler_deadline_seconds=ROOM_HANDLER_SECONDS, **more)
