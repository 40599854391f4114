"""Testing: what a test of actors needs, for every dispatcher. Shipped with the runtime.

Enters: systems under test. Stays out: sleeping and hoping; everything here waits for a fact, with a deadline, and turns
the crank where nothing runs by itself.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from runtime.actor import Actor, handles
from runtime.clock import Clock, SystemClock
from runtime.dispatch.deterministic import DeterministicDispatcher
from runtime.dispatch.pooled import PooledDispatcher
from runtime.dispatch.port import Dispatcher
from runtime.dispatch.threaded import ThreadedDispatcher
from runtime.environment import InjectedFault
from runtime.events import RuntimeEvent
from runtime.snapshot import CellSnapshot
from runtime.spec import ChildSpec, MailboxSpec
from runtime.system import ActorSystem

PATIENCE_SECONDS = 5.0

_Item = TypeVar("_Item")


class Record(Generic[_Item]):
    """Things that happened, in order, to be awaited from another thread."""

    def __init__(self) -> None:
        self.crank: DeterministicDispatcher | None = None  # set: waiting means turning it
        self._items: list[_Item] = []
        self._grew = threading.Condition()

    def add(self, item: _Item) -> None:
        with self._grew:
            self._items.append(item)
            self._grew.notify_all()

    @property
    def all(self) -> tuple[_Item, ...]:
        with self._grew:
            return tuple(self._items)

    def of(self, kind: type) -> tuple[Any, ...]:
        """Return what is of this type, oldest first."""
        return tuple(item for item in self.all if isinstance(item, kind))

    def wait(
        self,
        wanted: type | Callable[[_Item], bool],
        *,
        times: int = 1,
        within_seconds: float = PATIENCE_SECONDS,
    ) -> Any:
        """Return the `times`-th item that is wanted, waiting for it if need be.

        Args:
            wanted: a type or a predicate.
            times: how many such items there must be, earlier ones included.
            within_seconds: real or virtual, as the system under test lives.

        Raises:
            AssertionError: when it does not come in time; it shows what did.

        """
        matches = (lambda item: isinstance(item, wanted)) if isinstance(wanted, type) else wanted

        def found() -> list[_Item]:
            return [item for item in self._items if matches(item)]

        def enough() -> bool:
            return len(found()) >= times

        if self.crank is not None:
            arrived = self.crank.run(enough, within_seconds=within_seconds)
        else:
            with self._grew:
                arrived = self._grew.wait_for(enough, within_seconds)
        if not arrived:
            raise AssertionError(f"{times} x {wanted} did not come within {within_seconds} s; came: {self.all}")
        return found()[times - 1]


@dataclass(frozen=True, slots=True)
class Do:
    """Run this inside the handler, with the behaviour; what it returns is the answer."""

    action: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Settle:
    """A question whose answer means that everything queued before it has been handled."""


class Doer(Actor):
    """An actor that does inside its handler what the test says, and remembers everything else it got."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    @handles(Do)
    def _on_do(self, message: Do) -> Any:
        return message.action(self)

    @handles(Settle)
    def _on_settle(self, _: Settle) -> None:
        """Answer; that is all."""

    def on_unhandled(self, message: Any) -> Any:
        self.log.append(message)


class _ProbeActor(Doer):
    def __init__(self, probe: "Probe") -> None:
        super().__init__()
        self._probe = probe

    def on_unhandled(self, message: Any) -> Any:
        self._probe.senders.append(self.context.sender)
        self._probe.traces.append(self.context.trace_id)
        self._probe.record.add(message)
        return self._probe.answers.get(type(message))


class Probe:
    """An actor that records whatever it gets and does, inside its handler, what the test tells it to."""

    def __init__(self, system: ActorSystem, path: str = "probe", *, dispatcher: str = "pool") -> None:
        """Start it under the root of a system."""
        self.path = path
        self.record: Record[Any] = Record()
        self.record.crank = system.crank
        self.senders: list[str | None] = []
        self.traces: list[str] = []
        self.answers: dict[type, Any] = {}  # by question type; None otherwise
        self._system = system
        spec = ChildSpec(
            path, lambda: _ProbeActor(self), dispatcher=dispatcher, mailbox=MailboxSpec(capacity=1_000_000)
        )
        system.start(spec)

    def do(self, action: Callable[[Actor], Any]) -> Any:
        """Run `action` inside the probe's handler, with its context, and return what it returns."""
        return self._system.ask(self.path, Do(action))

    def wait(
        self, wanted: type | Callable[[Any], bool], *, times: int = 1, within_seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Return a recorded message; see `Record.wait`."""
        return self.record.wait(wanted, times=times, within_seconds=within_seconds)

    @property
    def received(self) -> tuple[Any, ...]:
        return self.record.all


class Gate:
    """Holds a handler until the test lets it go; real threads only."""

    def __init__(self) -> None:
        self._entered = threading.Semaphore(0)
        self._open = threading.Event()

    def pass_through(self) -> None:
        """Say that the handler is here, and wait; called inside the handler."""
        self._entered.release()
        if not self._open.wait(60.0):
            raise TimeoutError("the test never opened the gate")

    def wait_entered(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until one more handler stands at the gate."""
        if not self._entered.acquire(timeout=within_seconds):
            raise AssertionError(f"no handler came to the gate within {within_seconds} s")

    def open(self) -> None:
        self._open.set()

    @contextmanager
    def held(self) -> Iterator["Gate"]:
        """Open the gate at the end, whatever happens."""
        try:
            yield self
        finally:
            self.open()


class Stage:
    """One observed system in which every actor runs in one way: "deterministic", "pool" or "thread"."""

    def __init__(self, way: str, *, seed: int = 7, schedule_seed: int = 7, **options: Any) -> None:
        """Build it; `options` go to `ActorSystem`."""
        clock: Clock = SystemClock()
        dispatcher: Dispatcher
        if way == "deterministic":
            dispatcher = DeterministicDispatcher(schedule_seed)
            clock = dispatcher.clock
        else:
            dispatcher = PooledDispatcher() if way == "pool" else ThreadedDispatcher()
        self.way = way
        self.events: Record[RuntimeEvent] = Record()
        self.escalations: list[tuple[str, BaseException]] = []
        self.system = ActorSystem(
            dispatchers={"pool": dispatcher, "thread": dispatcher},
            clock=clock,
            seed=seed,
            observers=[self.events.add],
            on_escalation=lambda path, error: self.escalations.append((path, error)),
            **options,
        )
        self.events.crank = self.system.crank

    @property
    def crank(self) -> DeterministicDispatcher:
        """The deterministic dispatcher, to be turned by hand.

        Raises:
            TypeError: on real threads, which run by themselves.

        """
        if self.system.crank is None:
            raise TypeError(f"the {self.way} dispatcher runs by itself")
        return self.system.crank

    def start(self, name: str, factory: Callable[[], Actor], **options: Any) -> None:
        """Start an actor under the root; `options` go to its `ChildSpec`."""
        self.system.start(ChildSpec(name, factory, **options))

    def probe(self, path: str = "probe") -> Probe:
        return Probe(self.system, path)

    def settle(self, path: str) -> None:
        """Return once everything queued for this actor before now has been handled; it must be a `Doer`."""
        self.system.ask(path, Settle())

    def state_of(self, path: str) -> CellSnapshot:
        return next(node for node in self.system.snapshot() if node.path == path)


class FaultPlan:
    """Faults by actor and message type, each for a number of times; give it to `ActorSystem.intercept`.

    Example:
        >>> plan = FaultPlan().crash("counter", int, times=2)
        >>> type(plan("counter", 1).error).__name__
        'InjectedCrash'

    """

    def __init__(self) -> None:
        self._plans: list[tuple[str, type, InjectedFault, list[None]]] = []

    def crash(
        self, path: str, message_type: type, *, times: int = 1, error: BaseException | None = None, after: bool = False
    ) -> "FaultPlan":
        """Have the handler raise: before it has done anything, or `after` all it does."""
        raised = InjectedCrash(f"{path} over {message_type.__name__}") if error is None else error
        fault = InjectedFault(error=raised, after=after)
        return self._add(path, message_type, fault, times)

    def lose(self, path: str, message_type: type, *, times: int = 1) -> "FaultPlan":
        """Have the message vanish before the handler."""
        return self._add(path, message_type, InjectedFault(lose=True), times)

    def delay(self, path: str, message_type: type, seconds: float, *, times: int = 1) -> "FaultPlan":
        """Have the handler take this much more virtual time."""
        return self._add(path, message_type, InjectedFault(spend_seconds=seconds), times)

    def __call__(self, path: str, message: Any) -> InjectedFault | None:
        for at_path, message_type, fault, left in self._plans:
            if at_path == path and isinstance(message, message_type) and left:
                left.pop()
                return fault
        return None

    def _add(self, path: str, message_type: type, fault: InjectedFault, times: int) -> "FaultPlan":
        self._plans.append((path, message_type, fault, [None] * times))
        return self


class InjectedCrash(RuntimeError):
    """Raised in place of a handler by a fault plan."""


def run_until_idle(system: ActorSystem) -> None:
    """Run what is ready on a deterministic system, without letting time pass.

    Raises:
        TypeError: for a system of real threads, which is never known to be idle.

    """
    if system.crank is None:
        raise TypeError("only a deterministic system can be run until it is idle")
    system.crank.run_until_idle()


__all__ = ["Do", "Doer", "FaultPlan", "Gate", "InjectedCrash", "Probe", "Record", "Settle", "Stage", "run_until_idle"]
