"""System: one tree of actors and everything it runs on. Built once by whoever owns the process.

Enters: dispatchers, a clock, a seed, specs. Stays out: what the actors are for.
"""

import gc
import itertools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime import errors
from runtime.address import Address
from runtime.asks import ReplyFuture, running
from runtime.bulletin import Bulletin
from runtime.clock import Clock
from runtime.commands import Fail
from runtime.dead_letters import DeadLetter, DeadLetters
from runtime.dispatch.deterministic import DeterministicDispatcher
from runtime.dispatch.port import Dispatcher
from runtime.envelope import Cause, Envelope, Notice
from runtime.environment import Environment, Interceptor
from runtime.events import DeadLettered, RuntimeEvent, WorkerReplaced
from runtime.failure import revoke
from runtime.lifecycle import StopReport, stop_in_order
from runtime.ownership import disowned
from runtime.randomness import Randomness
from runtime.restart_policy import Intensity
from runtime.snapshot import CellSnapshot, Handled, last_handled, photograph
from runtime.spec import ONE_FOR_ONE, OnExhausted, Spec, Strategy, SupervisorSpec
from runtime.supervisor import Supervisor
from runtime.timers import ThreadTimers
from runtime.watchdog import Watchdog

ROOT_INTENSITY = Intensity(max_restarts=3, within_seconds=300.0)
SLOW_HANDLER_SECONDS = 5.0
SWITCH_INTERVAL_SECONDS = 0.0005
# A thousand monitors are some million objects; going through them all stops every thread for a tenth of a second, and
# by Python's defaults each reading of the account would bring that on. The cycles of a young generation still go soon.
COLLECTOR_THRESHOLDS = (20_000, 20, 20)


def tune_interpreter() -> None:
    """Let threads change hands ten times as often as Python does by default, and all objects be gone through rarely.

    For the daemon's start. One spinning thread takes a five-hop reaction from 2 to 50 ms at the default of 5 ms, and to
    7 ms at 0.5 ms.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


class ActorSystem:
    """A tree of actors under one root."""

    def __init__(
        self,
        *,
        dispatchers: Mapping[str, Dispatcher],
        clock: Clock,
        seed: int | None,
        observers: Sequence[Callable[[RuntimeEvent], None]] = (),
        dead_letters: DeadLetters | None = None,
        on_escalation: Callable[[str, BaseException], None] | None = None,
        interceptor: Interceptor | None = None,
        strategy: Strategy = ONE_FOR_ONE,
        intensity: Intensity = ROOT_INTENSITY,
        slow_handler_seconds: float = SLOW_HANDLER_SECONDS,
    ) -> None:
        """Put the parts together; nothing runs until `start`.

        Args:
            dispatchers: by the names that specs use; a deterministic one brings its own timers and serves alone.
            clock: what time it is; the deterministic dispatcher's own clock, if there is one.
            seed: of every generator and id; None draws one.
            observers: told of every runtime event; must not block.
            dead_letters: where undeliverable messages are kept.
            on_escalation: told (path "", error) when the root gives up; the owner then stops system and process.
            interceptor: sees every message before its handler, and may return a fault to happen instead; for tests.
            strategy: the root's.
            intensity: how many escalations the root bears.
            slow_handler_seconds: after which a running handler is told of.

        """
        self.clock = clock
        self.dispatchers = dict(dispatchers)
        self._each_dispatcher = tuple(dict.fromkeys(self.dispatchers.values()))  # one may serve under several names
        self.dead_letters = DeadLetters() if dead_letters is None else dead_letters
        self.escalated = threading.Event()
        self._on_escalation = on_escalation
        self._bulletin = Bulletin(observers)
        self.crank = next((d for d in self.dispatchers.values() if isinstance(d, DeterministicDispatcher)), None)
        self._thread_timers = None if self.crank is not None else ThreadTimers(clock, on_error=self._timer_failed)
        self.randomness = Randomness(seed)
        root = SupervisorSpec("root", strategy=strategy, intensity=intensity, on_exhausted=OnExhausted.ESCALATE)
        self._supervisor = Supervisor(
            root, dispatchers=self.dispatchers, bulletin=self._bulletin, on_escalation=self._give_up
        )
        timers = self.crank if self.crank is not None else self._thread_timers
        assert timers is not None  # noqa: S101 - one of the two exists
        self._environment = Environment(
            clock=clock,
            monotonic=clock.monotonic,
            timers=timers,
            randomness=self.randomness,
            numbers=itertools.count(1),
            run_id=self.randomness.new_id()[:8],
            emit=self._bulletin.emit,
            undelivered=self._undelivered,
            ask=self._ask,
            turn=None if self.crank is None else self.crank.turn,
            interceptor=interceptor,
            slow_handler_seconds=slow_handler_seconds,
            cells={},
            supervision=self._supervisor,
        )
        self._supervisor.environment = self._environment
        for dispatcher in self._each_dispatcher:
            dispatcher.on_replaced = self._worker_replaced
        self._watchdog = Watchdog(self._environment, self._each_dispatcher)
        if self.crank is None:
            self._watchdog.start()

    # -- the tree

    def start(self, *specs: Spec, deadline_seconds: float = 60.0) -> None:
        """Start these under the root, in order, each up (or failed and waiting for its restart) before the next.

        Raises:
            ValueError: for a spec that cannot be run here.
            TimeoutError: when they are not all up in time; they go on starting.

        """
        self._supervisor.add_to_root(specs)
        if not self.wait(self._supervisor.root_changed, deadline_seconds):
            late = [s.path for s in self.snapshot() if s.state in {"starting", "waiting", "clearing"}]
            raise TimeoutError(f"not up after {deadline_seconds} s: {', '.join(late)}")

    def stop(self, deadline_seconds: float = 20.0) -> StopReport:
        """Stop everything in reverse order; one deadline over all of it. Names what did not stop."""
        return stop_in_order(self, self._supervisor, deadline_seconds)

    def abandon(self) -> None:
        """Drop everything as a power cut would: nothing is stopped in order, no handler runs again.

        Raises:
            TypeError: on real threads, which cannot be dropped.

        """
        if self.crank is None:
            raise TypeError("only a deterministic system can be dropped: real threads would go on")
        for cell in reversed(tuple(self._environment.cells.values())):
            cell.close(forced=True)
        self.crank.close(0.0)

    def stop_actor(self, path: str, *, timeout_seconds: float = 5.0) -> None:
        """Stop one actor for good, after what it has queued.

        Raises:
            ActorDead: when there is none.
            AskTimeout: when it has not ended in time; it goes on stopping.

        """
        future = self._future()
        self._supervisor.stop(path, future)
        future.get(timeout=timeout_seconds)

    def kill(self, path: str) -> None:
        """Declare an actor lost at once: what it is doing is discarded, its supervisor takes it as a failure."""
        cell = self._environment.cells.get(path)
        if cell is None:
            return
        error = errors.Killed(f"{path} was killed")
        if not revoke(cell, error):
            cell.command(Fail(cell.incarnation, error))

    def snapshot(self) -> tuple[CellSnapshot, ...]:
        """Describe every node, the root first, children after their parents in the order they were started."""
        with self._supervisor.changing():
            now = self._environment.monotonic()
            found: list[CellSnapshot] = []
            stack = [self._supervisor.root]
            while stack:
                node = stack.pop()
                found.append(photograph(node, now))
                stack.extend(reversed(node.living_children()))
            return tuple(found)

    def disowned(self) -> tuple[str, ...]:
        """Give every disagreement of tree, addresses, mailboxes and registry in words; nothing when all is in order."""
        with self._supervisor.changing():
            return disowned(self._supervisor.nodes, self._environment.cells)

    def last_handled(self, path: str) -> Handled | None:
        """Describe the message this actor handled last; None for an actor that is not there or has handled none."""
        cell = self._environment.cells.get(path)
        context = None if cell is None else cell.context
        if cell is None or context is None:
            return None
        return last_handled(cell, context)

    # -- messages from outside

    def tell(self, path: str, message: object, *, trace_id: str | None = None) -> None:
        """Send a message; never blocks, never raises: what cannot be delivered becomes a dead letter."""
        environment = self._environment
        cause = None if trace_id is None else Cause(trace_id, 0, None)
        envelope = Envelope(message, None, cause, next(environment.numbers), environment.monotonic(), None)
        cell = environment.cells.get(path)
        if cell is None:
            environment.undelivered(path, envelope, "no_such_actor")
        else:
            cell.actor_inbox.post(envelope)

    def ask(self, path: str, message: object, *, timeout_seconds: float = 5.0, trace_id: str | None = None) -> Any:
        """Put a question and wait; see `Address.ask` for what it raises. Deterministic: turns the crank meanwhile."""
        return self._ask(path, message, timeout_seconds, trace_id)

    def address(self, path: str) -> Address:
        """Return an address for repeated use.

        Raises:
            ActorDead: when there is no such actor now.

        """
        cell = self._environment.cells.get(path)
        if cell is None:
            raise errors.ActorDead(f"there is no actor {path}")
        return Address(path, cell, self._environment)

    def exists(self, path: str) -> bool:
        """Say whether an actor has this path now."""
        return path in self._environment.cells

    def replay(self, number: int) -> DeadLetter | None:
        """Send a dead letter again, taking it out; None when it is no longer kept."""
        letter = self.dead_letters.take(number)
        if letter is not None:
            self.tell(letter.path, letter.message, trace_id=letter.trace_id)
        return letter

    def intercept(self, interceptor: Interceptor | None) -> None:
        """Put an interceptor before every handler from now on, or take it away; for tests and simulation."""
        self._environment.interceptor = interceptor
        for cell in tuple(self._environment.cells.values()):
            cell.look_closely()

    # -- inside

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event; deterministic: turn the crank until it is set or the virtual time is over."""
        if self.crank is None:
            return event.wait(seconds)
        self.crank.turn(event.is_set, seconds)
        return event.is_set()

    def close_parts(self, seconds: float) -> tuple[str, ...]:
        """End watchdog, timers and workers; return the names of threads that are still busy."""
        self._watchdog.close()
        if self._thread_timers is not None:
            self._thread_timers.close()
        return tuple(name for dispatcher in self._each_dispatcher for name in dispatcher.close(seconds))

    def _future(self) -> ReplyFuture:
        future = ReplyFuture()
        future.turn = self._environment.turn
        return future

    def _ask(self, path: str, message: object, timeout_seconds: float, trace_id: str | None) -> Any:
        if running.cell is not None:
            raise errors.BlockingAskInActor(
                f"a handler of {running.cell.path} asked {path} and would wait: use context.ask"
            )
        environment = self._environment
        cell = environment.cells.get(path)
        if cell is None:
            raise errors.ActorDead(f"there is no actor {path}")
        future = self._future()
        now = environment.monotonic()
        cause = None if trace_id is None else Cause(trace_id, 0, None)
        cell.actor_inbox.post(Envelope(message, future, cause, next(environment.numbers), now, now + timeout_seconds))
        return future.get(timeout=timeout_seconds)

    def _undelivered(self, path: str, envelope: Envelope, reason: str, error: str = "") -> None:
        message = envelope.message
        if isinstance(message, Notice):
            return
        trace_id = self._environment.trace_text(envelope.trace)
        letter = self.dead_letters.record(
            path=path,
            message=message,
            reason=reason,
            sender=envelope.sender,
            trace_id=trace_id,
            at=self.clock.now(),
            error=error,
        )
        if letter is not None and self.dead_letters.sink is not None:
            self._bulletin.call(self.dead_letters.sink, letter)
        self._bulletin.emit(
            DeadLettered(
                path=path, message=message, reason=reason, sender=envelope.sender, trace_id=trace_id, error=error
            )
        )

    def _give_up(self, path: str, error: BaseException) -> None:
        self.escalated.set()
        if self._on_escalation is not None:
            self._on_escalation(path, error)

    def _worker_replaced(self, dispatcher: str, worker: str, reason: str) -> None:
        self._bulletin.emit(WorkerReplaced(dispatcher=dispatcher, worker=worker, reason=reason))

    def _timer_failed(self, error: BaseException) -> None:
        # A fault of the supervision itself: nothing above can be trusted to go on.
        self._give_up("", error)
