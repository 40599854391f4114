"""Supervisor: what follows when an actor starts, fails, stops or is asked for.

Enters: reports from cells and requests from handlers and the outside, from any thread. Stays out: user code; carrying
out what was decided, step by step (plans). Budgets and delays are the restart policy's.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime import errors, events
from runtime.bulletin import Bulletin
from runtime.cell import Cell
from runtime.envelope import Cause, ReplyTo
from runtime.failure import describe
from runtime.notices import Terminated
from runtime.plans import GOING_DOWN, Plans
from runtime.restart_policy import NO_FAILURES, Exhausted, Intensity, on_failure
from runtime.spec import REST_FOR_ONE, ChildSpec, OnExhausted, RestartType, Spec, SupervisorSpec
from runtime.tree import BeingParked, Ending, Fate, Node, Restarting, State, Waiting

if TYPE_CHECKING:
    from runtime.context import Context
    from runtime.dispatch.port import Dispatcher

_NO_LIMIT = Intensity(max_restarts=2**31, within_seconds=3600.0)  # a stand-in is started again for ever


class Supervisor(Plans):
    """The tree's judge, and its only door."""

    def __init__(
        self,
        root: SupervisorSpec,
        *,
        dispatchers: "Mapping[str, Dispatcher]",
        bulletin: Bulletin,
        on_escalation: Callable[[str, BaseException], None],
    ) -> None:
        super().__init__(root, dispatchers=dispatchers, bulletin=bulletin)
        self._on_escalation = on_escalation

    # -- from outside

    def check(self, spec: Spec) -> None:
        """Raise ValueError when a spec or one below it names a dispatcher that this system does not have."""
        if isinstance(spec, ChildSpec) and spec.dispatcher not in self._dispatchers:
            known = ", ".join(sorted(self._dispatchers))
            raise ValueError(f"actor {spec.name!r} wants dispatcher {spec.dispatcher!r}; this system has: {known}")
        for child in spec.children:
            self.check(child)

    def add_to_root(self, specs: tuple[Spec, ...]) -> None:
        """Start these under the root, in order, each settled before the next."""
        for spec in specs:
            self.check(spec)
        with self.changing():
            root = self.root
            assert isinstance(root.spec, SupervisorSpec)  # noqa: S101 - narrows for the checker
            root.spec = replace(root.spec, children=(*root.spec.children, *specs))
            root.settled = False
            self.root_changed.clear()
            root.to_start = deque(
                (*(root.to_start or ()), *(self._new_node(root, spec, is_static=True) for spec in specs))
            )
            self._agenda.append(root)

    def stop_root(self) -> None:
        """Stop everything, in reverse order of starting, each after what it has queued."""
        with self.changing():
            if self.root.state is State.ENDED:
                return
            self.root_changed.clear()
            self._take_down(self.root, Ending("stopped"), drains=True)

    def stop(self, path: str, reply_to: ReplyTo | None) -> None:
        """Stop an actor for good; the reply comes once it has ended."""
        with self.changing():
            node = self.nodes.get(path)
            if node is None:
                if reply_to is not None:
                    reply_to.decline("dead", errors.ActorDead(f"there is no actor {path}"))
                return
            if reply_to is not None:
                node.told_at_end = [*(node.told_at_end or ()), reply_to]
            self._take_down(node, Ending("stopped"), drains=True)

    # -- from cells: reports

    def started(self, path: str, incarnation: int) -> None:
        """on_start is through."""
        with self.changing():
            node = self.nodes.get(path)
            if node is not None and node.incarnation == incarnation and node.state is State.STARTING:
                self._came_up(node)

    def failed(self, path: str, incarnation: int, error: BaseException, cause: Cause) -> None:
        """The behaviour failed and is gone."""
        with self.changing():
            node = self._behaviour_gone(path, incarnation)
            if node is None:
                return
            node.last_error = f"{type(error).__name__}: {error}"
            node.cause = cause
            if node.state in GOING_DOWN:
                self._agenda.append(node)
            else:
                self._fall(node, error)

    def restart_requested(self, path: str, incarnation: int, reason: str, cause: Cause) -> None:
        """The behaviour asked for a fresh one and is gone; no failure."""
        with self.changing():
            node = self._behaviour_gone(path, incarnation)
            if node is None:
                return
            node.cause = cause
            if node.state in GOING_DOWN:
                self._agenda.append(node)
                return
            self._bulletin.emit(
                events.ActorRestarted(path=path, incarnation=incarnation, error=f"planned: {reason}", delay_seconds=0.0)
            )
            if self._takes_rest_along(node):
                node.pending = Restarting(0.0)
                self._clear(node, Waiting())
                self._plan_rest(node, with_node=True)
            else:
                self._clear(node, Restarting(0.0))

    def down(self, path: str, incarnation: int, error: BaseException | None) -> None:
        """The behaviour has been stopped as it was told to; `error` is what its on_stop raised."""
        with self.changing():
            node = self._behaviour_gone(path, incarnation)
            if node is None:
                return
            if error is not None:
                node.last_error = f"on_stop: {type(error).__name__}: {error}"
                self._bulletin.emit(events.StopFailed(path=path, incarnation=incarnation, error=describe(error)))
            self._agenda.append(node)

    def _behaviour_gone(self, path: str, incarnation: int) -> Node | None:
        node = self.nodes.get(path)
        if node is None or node.incarnation != incarnation or not node.behaviour_up:
            return None
        node.behaviour_up = False
        return node

    # -- from handlers: requests

    def end(self, path: str) -> None:
        """End normally, after what is queued; a permanent actor is started again."""
        with self.changing():
            node = self.nodes.get(path)
            if node is None or node.state in GOING_DOWN:
                return
            if node.spec.restart is RestartType.PERMANENT:
                fate = self._judge(node, errors.EndedUnexpectedly(f"{path} is permanent and ended itself"))
                if fate is None:
                    return
            else:
                fate = Ending("ended")
            self._take_down(node, fate, drains=True)

    def leave_parking(self, path: str) -> None:
        """Try a parked actor's real behaviour again now; one failure parks it again."""
        with self.changing():
            node = self.nodes.get(path)
            if node is not None:
                node.cancel_retry()
                self._retry(node)

    def start_child(self, parent: str, spec: Spec, cause: Cause | None) -> None:
        """Start a child; ignored when the parent is on its way down or the name is taken by now."""
        with self.changing():
            node = self.nodes.get(parent)
            if node is None or node.state in GOING_DOWN or (node.children and spec.name in node.children):
                return
            child = self._new_node(node, spec, is_static=False)
            child.cause = cause
            self._start(child)

    def stop_child(self, parent: str, name: str) -> None:
        """Stop a child for good, after what it has queued."""
        with self.changing():
            node = self.nodes.get(parent)
            child = None if node is None or not node.children else node.children.get(name)
            if child is not None:
                self._take_down(child, Ending("stopped"), drains=True)

    def has_child(self, path: str, name: str) -> bool:
        node = self.nodes.get(path)
        return node is not None and bool(node.children) and name in (node.children or ())

    def children_of(self, path: str) -> tuple[str, ...]:
        with self._lock:
            node = self.nodes.get(path)
            return () if node is None or not node.children else tuple(node.children)

    def watch(self, path: str, watcher: Cell, context: "Context") -> None:
        """Tell this incarnation of the watcher when that actor ends or is restarted."""
        with self.changing():
            node = self.nodes.get(path)
            if node is None:
                self._tell_watcher(watcher, context, Terminated(path=path, incarnation=0, reason="no_such_actor"))
                return
            if node.watchers is None:
                node.watchers = {}
            node.watchers[watcher] = context

    def unwatch(self, path: str, watcher: Cell) -> None:
        with self._lock:
            node = self.nodes.get(path)
            if node is not None and node.watchers is not None:
                node.watchers.pop(watcher, None)

    # -- judgement

    def _fall(self, node: Node, error: BaseException) -> None:
        """A running node failed: judge it, and see whom it takes along."""
        was_starting = node.state is State.STARTING
        fate = self._judge(node, error)
        if fate is None:
            return
        parent = node.parent
        if isinstance(fate, Restarting | BeingParked) and self._takes_rest_along(node):
            node.pending = fate
            self._clear(node, Waiting())
            self._plan_rest(node, with_node=True)
            return
        self._clear(node, fate)
        if was_starting and parent is not None and parent.spec.strategy is not REST_FOR_ONE:
            # It has had its chance to start; the next sibling need not wait for the backoff.
            self._progress(node)

    def _judge(self, node: Node, error: BaseException) -> Fate | None:
        """Decide what becomes of a failed node; None when its supervisor has taken the failure as its own."""
        spec = node.spec
        if spec.restart is RestartType.TEMPORARY:
            return Ending("failed")
        now = self.environment.monotonic()
        if not node.runs_stand_in and now < node.on_probation_until:
            return BeingParked(node.last_error)
        node.history, verdict = on_failure(
            node.history,
            at=now,
            intensity=_NO_LIMIT if node.runs_stand_in else spec.intensity,
            backoff=spec.backoff,
            uniform=self.environment.randomness.jitter.random(),
        )
        if not isinstance(verdict, Exhausted):
            self._bulletin.emit(
                events.ActorRestarted(
                    path=node.path,
                    incarnation=node.incarnation,
                    error=f"{type(error).__name__}: {error}",
                    delay_seconds=verdict.delay_seconds,
                    traceback=describe(error),
                    over=0 if node.cause is None else node.cause.message_id,
                )
            )
            return Restarting(verdict.delay_seconds)
        if spec.on_exhausted is OnExhausted.PARK:
            return BeingParked(f"{type(error).__name__}: {error}")
        self._escalate(node, error)
        return None

    def _escalate(self, node: Node, error: BaseException) -> None:
        parent = node.parent
        text = f"{type(error).__name__}: {error}"
        if parent is None:
            # The root gives up: what still runs keeps running until the owner stops the system in order.
            self._bulletin.emit(events.SupervisorEscalated(path="", child="", error=text))
            self._bulletin.call(lambda fault: self._on_escalation("", fault), error)
            return
        self._bulletin.emit(events.SupervisorEscalated(path=parent.path, child=node.path, error=text))
        node.history = NO_FAILURES
        self._clear(node, Waiting())
        if parent.state not in GOING_DOWN:
            escalation = errors.ChildEscalated(f"{node.path} used up its restarts: {text}")
            escalation.__cause__ = error
            parent.last_error = f"{type(escalation).__name__}: {escalation}"
            self._fall(parent, escalation)
