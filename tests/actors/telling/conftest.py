"""The telling side of the daemon in virtual time: the real store actor over tables in memory, the real dispatcher,
courier, sessions and health checker, and a chat service that fails as a script says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors import ports
from actors.alert_dispatcher import AlertDispatcher
from actors.chat_courier import ChatCourier, ChatLine
from actors.errors import GuardUsed, StaleSequence
from actors.messages import addresses, codec, registry
from actors.messages.alert_records import AlertsQuestion, AlertsReading
from actors.messages.alerts import RaiseAlert
from actors.messages.storing import Append, Guard, PromisedEffect, StoredStream, StreamSummary, UnsettledEffect
from actors.model.alert import Alert, Severity
from actors.rules.alerting import AlertingPolicy
from actors.store import Store
from runtime import (
    Actor,
    ActorSystem,
    ChildSpec,
    DeterministicDispatcher,
    InjectedFault,
    RuntimeEvent,
    SupervisorSpec,
    handles,
)

CHAT = 17

assert registry.STORABLE  # importing it makes the messages storable


@dataclass
class Tables:
    """What the store holds; values as they would be written, so that nothing unstorable passes."""

    streams: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    promised: dict[str, dict[str, Any]] = field(default_factory=dict)  # by effect key, in the order promised
    documents: dict[str, tuple[str, str]] = field(default_factory=dict)
    guards: set[str] = field(default_factory=set)
    register: dict[str, StreamSummary] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Tables:
        return Tables(
            streams={name: list(facts) for name, facts in self.streams.items()},
            promised={key: dict(row) for key, row in self.promised.items()},
            documents=dict(self.documents),
            guards=set(self.guards),
            register=dict(self.register),
            numbers=dict(self.numbers),
        )


class Disk:
    """What survives everything: the tables as of the last commit."""

    def __init__(self) -> None:
        self.committed = Tables()
        self.settlements: list[tuple[str, str]] = []  # (effect key, note), as committed

    def unsettled(self) -> list[str]:
        return [key for key, row in self.committed.promised.items() if row["note"] is None]


class MemoryStore:
    """The store port over a Disk; what is not committed is lost with it."""

    epoch = 1
    installation = "TEST"
    forgotten = None
    held = 0  # its disk takes everything

    def __init__(self, disk: Disk, now: Callable[[], datetime]) -> None:
        self._disk = disk
        self._now = now
        self._tables = disk.committed.copy()
        self._changed: list[Callable[[Tables], None]] = []
        self._settled: list[tuple[str, str]] = []

    def _do(self, change: Callable[[Tables], Any]) -> Any:
        self._changed.append(change)
        return change(self._tables)

    def append(self, append: Append, *, trace_id: str = "") -> int:
        facts = self._tables.streams.get(append.stream, [])
        if len(facts) != append.expected_sequence:
            raise StaleSequence(f"{append.stream} has {len(facts)} facts, not {append.expected_sequence}")
        for guard in append.guards:
            if guard.key in self._tables.guards:
                raise GuardUsed(f"{guard.key} was used", key=guard.key)
        encoded = [codec.encode(fact) for fact in append.facts]
        effects = [(effect, codec.encode(effect.request)) for effect in append.effects]
        now = self._now()

        def change(tables: Tables) -> int:
            tables.streams.setdefault(append.stream, []).extend(encoded)
            tables.guards.update(guard.key for guard in append.guards)
            for effect, request in effects:
                assert effect.key not in tables.promised, f"{effect.key} was promised twice"
                row = {"effect": effect, "request": request, "attempts": 0, "note": None, "at": now}
                tables.promised[effect.key] = dict(row)
            if append.register is not None:
                tables.register[append.stream] = append.register
            return len(tables.streams[append.stream])

        for key in append.settles:
            self.settle(key, "")
        return int(self._do(change))

    def settle(self, effect_key: str, note: str) -> None:
        if self._tables.promised[effect_key]["note"] is None:
            self._settled.append((effect_key, note))
            self._do(lambda tables: tables.promised[effect_key].update(note=note))

    def mark_attempt(self, effect_key: str) -> int:
        def change(tables: Tables) -> int:
            tables.promised[effect_key]["attempts"] += 1
            return int(tables.promised[effect_key]["attempts"])

        return int(self._do(change))

    def use_guards(self, guards: Sequence[Guard]) -> bool:
        if any(guard.key in self._tables.guards for guard in guards):
            return False
        self._do(lambda tables: tables.guards.update(guard.key for guard in guards))
        return True

    def next_number(self, counter: str) -> int:
        def change(tables: Tables) -> int:
            tables.numbers[counter] = tables.numbers.get(counter, 0) + 1
            return tables.numbers[counter]

        return int(self._do(change))

    def put_document(self, name: str, body: Any) -> None:
        encoded = codec.encode(body)
        self._do(lambda tables: tables.documents.update({name: encoded}))

    def take_document(self, name: str) -> Any | None:
        taken = self.document(name)
        self._do(lambda tables: tables.documents.pop(name, None))
        return taken

    def commit(self) -> None:
        for change in self._changed:
            change(self._disk.committed)
        self._disk.settlements += self._settled
        self._changed, self._settled = [], []

    untidy = False

    def tidy(self) -> None:
        """Keep no log."""

    def rollback(self) -> None:
        self._tables = self._disk.committed.copy()
        self._changed, self._settled = [], []

    def load(self, stream: str) -> StoredStream:
        facts = tuple(codec.decode(*fact) for fact in self._tables.streams.get(stream, []))
        return StoredStream(stream=stream, sequence=len(facts), facts=facts, unsettled=())

    def unsettled(self, destination: str, limit: int) -> tuple[UnsettledEffect, ...]:
        rows = [
            row
            for row in self._tables.promised.values()
            if row["note"] is None and row["effect"].destination == destination
        ][:limit]
        return tuple(
            UnsettledEffect(
                effect=PromisedEffect(
                    key=row["effect"].key,
                    destination=row["effect"].destination,
                    owner=row["effect"].owner,
                    request=codec.decode(*row["request"]),
                ),
                attempts=row["attempts"],
                promised_at=row["at"],
            )
            for row in rows
        )

    def register(self, kind: str, *, live_only: bool, account: str | None) -> tuple[tuple[str, StreamSummary], ...]:
        return tuple((stream, row) for stream, row in self._tables.register.items() if row.live or not live_only)

    def document(self, name: str) -> Any | None:
        encoded = self._tables.documents.get(name)
        return None if encoded is None else codec.decode(*encoded)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Shown:
    """One message as it stands in the chat."""

    at: float
    chat_id: int
    message_id: int
    screen: ports.Screen
    edited: bool = False

    @property
    def text(self) -> str:
        return "\n".join((self.screen.title, *self.screen.lines, *self.screen.table))

    def button(self, label: str) -> str:
        return next(each.data for row in self.screen.buttons for each in row if each.label == label)


class ScriptedChat:
    """A chat service that remembers all it took. `mishap` is asked before each call: what to raise, and whether
    the message arrives all the same."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.shown: list[Shown] = []
        self.calls: list[tuple[float, str]] = []  # (at, title), arrived or not
        self.mishap: Callable[[int, ports.Screen], tuple[Exception, bool] | None] = lambda _chat, _screen: None
        self.open_ports = 0
        self.sinks: list[Callable[[ports.ChatReport], None]] = []
        self._numbers = 100

    def connect(self) -> ports.ChatPort:
        return _Connection(self)

    def titles(self, chat_id: int | None = None) -> list[str]:
        return [each.screen.title for each in self.shown if chat_id in {None, each.chat_id}]

    def report(self, report: ports.ChatReport) -> None:
        """Have the service tell its open connection something."""
        (sink,) = self.sinks
        sink(report)

    def take(self, chat_id: int, screen: ports.Screen, message_id: int | None) -> int:
        self.calls.append((self._monotonic(), screen.title))
        mishap = self.mishap(chat_id, screen)
        if mishap is not None and not mishap[1]:
            raise mishap[0]
        if message_id is None:
            self._numbers += 1
        number = self._numbers if message_id is None else message_id
        self.shown.append(Shown(self._monotonic(), chat_id, number, screen, edited=message_id is not None))
        if mishap is not None:
            raise mishap[0]
        return number


class _Connection:
    def __init__(self, chat: ScriptedChat) -> None:
        self._chat = chat
        self._sink: Callable[[ports.ChatReport], None] | None = None

    def open(self, sink: Callable[[ports.ChatReport], None]) -> None:
        self._sink = sink
        self._chat.sinks.append(sink)
        self._chat.open_ports += 1

    def send(self, chat_id: int, screen: ports.Screen) -> int:
        return self._chat.take(chat_id, screen, None)

    def edit(self, chat_id: int, message_id: int, screen: ports.Screen) -> int:
        return self._chat.take(chat_id, screen, message_id)

    def close(self, deadline_seconds: float) -> None:
        if self._sink is not None:
            self._chat.sinks.remove(self._sink)
            self._chat.open_ports -= 1
        self._sink = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Have an actor send something, as the store answers only actors."""

    path: str
    message: object


class Messenger(Actor):
    @handles(Forward)
    def _on_forward(self, forward: Forward) -> None:
        self.context.tell(forward.path, forward.message)

    def on_unhandled(self, message: Any) -> None:
        pass


class Collector(Actor):
    """Stands at an address and keeps what comes."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def on_unhandled(self, message: Any) -> None:
        self._kept.append(message)


class World:
    """The telling side, from one seed."""

    def __init__(self, *, seed: int = 1, default_chat_id: int | None = CHAT, **policy: Any) -> None:
        self.crank = DeterministicDispatcher(seed)
        self.clock = self.crank.clock
        self.observers: list[Callable[[RuntimeEvent], None]] = []
        self.system = ActorSystem(
            dispatchers={"pool": self.crank, "thread": self.crank},
            clock=self.clock,
            seed=seed,
            observers=(lambda event: [observe(event) for observe in self.observers],),
        )
        self.disk = Disk()
        self.chat = ScriptedChat(self.clock.monotonic)
        self.line = ChatLine(self.chat.connect, self.system.tell)
        self.health: list[Any] = []
        self.policy = AlertingPolicy(**policy)
        self.default_chat_id = default_chat_id
        self._alerts = 0

    def specs(self, *, health: ChildSpec | None = None) -> tuple[Any, ...]:
        return (
            ChildSpec(
                "store", lambda: Store(open_port=lambda: MemoryStore(self.disk, self.clock.now)), dispatcher="thread"
            ),
            ChildSpec("messenger", Messenger),
            SupervisorSpec(
                "alerts",
                children=(
                    ChildSpec(
                        "dispatcher",
                        lambda: AlertDispatcher(default_chat_id=self.default_chat_id, policy=self.policy),
                    ),
                    ChildSpec("courier", lambda: ChatCourier(self.line), dispatcher="thread"),
                ),
            ),
            health or ChildSpec("health", lambda: Collector(self.health)),
        )

    def start(self, *more: Any, health: ChildSpec | None = None) -> World:
        self.system.start(*self.specs(health=health), *more)
        return self

    def pass_time(self, seconds: float) -> None:
        self.crank.run_for(seconds)

    def settle_down(self, within_seconds: float = 600.0) -> None:
        """Let time pass until nothing waits for the person any more."""
        self.crank.run_until_idle()  # what was raised just now is committed
        assert self.crank.run(lambda: not self.disk.unsettled(), within_seconds=within_seconds), self.disk.unsettled()

    def now(self) -> datetime:
        return self.clock.now()

    def raise_alert(
        self,
        title: str,
        severity: Severity = Severity.INFO,
        *,
        key: str | None = None,
        subject: str = "",
        chat_id: int | None = None,
        raised_at: datetime | None = None,
        effect_key: str | None = None,
    ) -> str:
        """Have the store commit and release an alert; gives its effect key."""
        self._alerts += 1
        effect_key = effect_key or f"alert/{self._alerts}"
        alert = Alert(
            kind="tested", severity=severity, key=key or effect_key, title=title, chat_id=chat_id, subject=subject
        )
        effect = PromisedEffect(
            key=effect_key,
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=raised_at or self.now()),
        )
        append = Append(stream="tests", expected_sequence=0, facts=(), effects=(effect,))
        self.system.tell("messenger", Forward(addresses.STORE, append))
        return effect_key

    def reading(self) -> AlertsReading:
        reading: AlertsReading = self.system.ask(addresses.ALERT_DISPATCHER, AlertsQuestion())
        return reading

    def crash(self, path: str, message_type: type) -> None:
        """Have the actor's handler of the next such message fail."""
        self._inject(path, message_type, InjectedFault(error=RuntimeError("injected")))

    def lose(self, path: str, message_type: type) -> None:
        """Have the next such message vanish before the actor sees it."""
        self._inject(path, message_type, InjectedFault(lose=True))

    def slow(self, path: str, message_type: type, *, seconds: float) -> None:
        """Have the actor's next handler of such a message take so long."""
        self._inject(path, message_type, InjectedFault(spend_seconds=seconds))

    def _inject(self, path: str, message_type: type, fault: InjectedFault) -> None:
        left = [fault]
        self.system.intercept(
            lambda at, message: left.pop() if left and at == path and isinstance(message, message_type) else None
        )

    def stop(self) -> None:
        self.system.stop()

    def said(self, text: str, update_id: int, *, chat_id: int = CHAT, seconds_ago: float = 0.0) -> None:
        said = ports.OperatorSaid(
            update_id=update_id,
            chat_id=chat_id,
            user_id=chat_id,
            text=text,
            said_at=self.now() - timedelta(seconds=seconds_ago),
        )
        self.chat.report(said)

    def tapped(self, data: str, message_id: int, update_id: int, *, chat_id: int = CHAT) -> None:
        tapped = ports.OperatorTapped(
            update_id=update_id,
            chat_id=chat_id,
            user_id=chat_id,
            data=data,
            message_id=message_id,
            tapped_at=self.now(),
        )
        self.chat.report(tapped)


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(**options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world().start()
