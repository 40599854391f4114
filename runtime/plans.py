"""Plans: how the tree gets from what it is to what was decided, one step at a time, without waiting.

Enters: fates (what becomes of a node once nothing of it runs). Stays out: judging failures (supervisor), user code
(cells). Everything happens under one lock. A node that must wait for another (children down first, siblings in order)
keeps a plan, and `_advance` takes the plan one step on whenever what it waited for has happened.
"""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime import errors, events
from runtime.bulletin import Bulletin
from runtime.cell import Cell
from runtime.commands import Begin, End, WatchNotice
from runtime.envelope import Envelope
from runtime.environment import Environment
from runtime.failure import revoke
from runtime.notices import Restarted, Terminated
from runtime.restart_policy import NO_FAILURES
from runtime.spec import REST_FOR_ONE, ChildSpec, RestartType, Spec, SupervisorSpec
from runtime.tree import BeingParked, Ending, Fate, Node, Restarting, State, Waiting

if TYPE_CHECKING:
    from runtime.context import Context
    from runtime.dispatch.port import Dispatcher

NOT_RUNNING = frozenset({State.WAITING, State.ENDED})
GOING_DOWN = frozenset({State.CLEARING, State.STOPPING})


class Plans:
    """All nodes of one actor system, and the plans by which they come up and go down."""

    def __init__(self, root: SupervisorSpec, *, dispatchers: "Mapping[str, Dispatcher]", bulletin: Bulletin) -> None:
        self.environment: Environment  # joined by the system, which builds both
        self.root = Node(root, "", None, is_static=True, state=State.RUNNING, settled=True)
        self.nodes: dict[str, Node] = {"": self.root}
        self.overdue: list[str] = []  # actors whose ordered stop had to be cut short
        self.root_changed = threading.Event()  # set when the root settles or ends
        self._dispatchers = dispatchers
        self._bulletin = bulletin
        self._lock = threading.RLock()
        self._agenda: deque[Node] = deque()  # nodes whose plan may go on

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the tree; when the outermost holder leaves, plans have advanced and events go out."""
        with self._bulletin.held(), self._lock:
            yield
            while self._agenda:
                self._advance(self._agenda.popleft())

    # -- up

    def _new_node(self, parent: Node, spec: Spec, *, is_static: bool) -> Node:
        path = f"{parent.path}/{spec.name}" if parent.path else spec.name
        node = Node(spec, path, parent, is_static=is_static)
        self.nodes[path] = node
        if parent.children is None:
            parent.children = {}
        parent.children[spec.name] = node
        if isinstance(spec, ChildSpec):
            Cell.start(path, spec, self._dispatchers[spec.dispatcher], self.environment)
            node.cell = self.environment.cells[path]
        self._complete_children(node)
        return node

    def _complete_children(self, node: Node) -> None:
        """Have a node for every static child, in the spec's order; children that ended for good live again."""
        missing = [spec for spec in node.spec.children if not node.children or spec.name not in node.children]
        for spec in missing:
            self._new_node(node, spec, is_static=True)
        if missing and node.children is not None:
            order = {spec.name: place for place, spec in enumerate(node.spec.children)}
            node.children = dict(sorted(node.children.items(), key=lambda item: order.get(item[0], len(order))))

    def _start(self, node: Node) -> None:
        node.cancel_timer()
        node.settled = False
        node.pending = None
        node.state = State.STARTING
        node.incarnation += 1
        self._complete_children(node)
        if node.cell is None:
            self._came_up(node)
            return
        spec = node.cell.spec
        stand_in = spec.parking.stand_in if node.runs_stand_in else None
        node.behaviour_up = True
        node.told_to_end = False
        node.cell.command(Begin(node.incarnation, stand_in or spec.factory, node.runs_stand_in, node.cause))

    def _came_up(self, node: Node) -> None:
        node.state = State.PARKED if node.runs_stand_in else State.RUNNING
        if not node.runs_stand_in:
            self._bulletin.emit(events.ActorStarted(path=node.path, incarnation=node.incarnation))
            if node.was_parked:
                node.was_parked = False
                self._bulletin.emit(events.ActorUnparked(path=node.path, incarnation=node.incarnation))
                if self._takes_rest_along(node):
                    self._plan_rest(node, with_node=False)
            if node.incarnation > 1:
                self._tell_watchers(node, Restarted(path=node.path, incarnation=node.incarnation))
            node.to_start = deque(child for child in node.living_children() if child.state is State.WAITING)
        self._agenda.append(node)

    def _start_planned(self, node: Node) -> None:
        pending, node.pending = node.pending, None
        if isinstance(pending, BeingParked):
            self._park(node, pending.error)
        else:
            self._start_after(node, 0.0 if pending is None else pending.delay_seconds)

    def _start_after(self, node: Node, delay_seconds: float) -> None:
        if delay_seconds <= 0:
            self._start(node)
            return
        node.state = State.BACKOFF

        def start() -> None:
            with self.changing():
                if node.state is State.BACKOFF:
                    self._start(node)

        node.timer = self.environment.timers.call_later(delay_seconds, start)

    # -- down

    def _take_down(self, node: Node, fate: Fate, *, drains: bool) -> None:
        """Stop a node in order: children first, then its behaviour; then comes its fate."""
        if node.state is State.ENDED:
            return
        if node.state in GOING_DOWN:
            if not isinstance(node.fate, Ending):
                node.fate = fate
            return
        self._clear(node, fate, state=State.STOPPING, drains=drains)

    def _clear(self, node: Node, fate: Fate, *, state: State = State.CLEARING, drains: bool = False) -> None:
        node.cancel_timer()
        if not isinstance(fate, Restarting):
            node.cancel_retry()
        node.fate = fate
        node.drains = drains
        node.state = state
        node.settled = False
        node.to_start = None
        node.to_stop = node.living_children()
        node.waiting_for = None
        self._agenda.append(node)

    def _takes_rest_along(self, node: Node) -> bool:
        parent = node.parent
        return (
            parent is not None
            and parent.spec.strategy is REST_FOR_ONE
            and parent.state not in GOING_DOWN
            and not node.runs_stand_in
        )

    def _plan_rest(self, node: Node, *, with_node: bool) -> None:
        """Have the siblings started after this one stopped and started again, and perhaps the node itself first."""
        parent = node.parent
        assert parent is not None  # noqa: S101 - narrows for the checker; the root has no siblings
        siblings = parent.living_children()
        place = siblings.index(node)
        # A plan under way may have begun further up: whom it still waits for, or has yet to stop, goes down with these,
        # and the starts are taken on from there.
        unfinished = {id(child) for child in (*(parent.to_stop or ()), parent.waiting_for) if child is not None}
        parent.to_stop = [
            child
            for at, child in enumerate(siblings)
            if at > place or (child is node and with_node) or (id(child) in unfinished and child is not node)
            if child.state not in NOT_RUNNING
        ]
        begun = [siblings.index(child) for child in parent.to_start or () if child in siblings]
        parent.to_start = deque(siblings[min([place if with_node else place + 1, *begun]) :])
        parent.waiting_for = None
        parent.settled = False
        self._agenda.append(parent)

    def _fate_with(self, parent: Node, child: Node) -> Fate:
        """Say what becomes of a child that is stopped by its parent's plan."""
        if child.spec.restart is RestartType.TEMPORARY or isinstance(parent.fate, Ending):
            return Ending("stopped")
        if parent.state not in GOING_DOWN:
            return Waiting()  # rest-for-one brings all of them back
        # A restarting parent brings back its spec's children alone, and they begin with a clean record.
        child.history = NO_FAILURES
        return Waiting() if child.is_static else Ending("stopped")

    def _children_are_down(self, node: Node) -> None:
        if not node.behaviour_up or node.cell is None:
            self._carry_out(node)
        elif not node.told_to_end:
            node.told_to_end = True
            incarnation = node.incarnation
            if node.drains:
                node.cell.stop_after_queued(incarnation)
            else:
                node.cell.command(End(incarnation))
            node.timer = self.environment.timers.call_later(
                node.spec.stop_timeout_seconds, lambda: self._stop_is_overdue(node, incarnation)
            )

    def _stop_is_overdue(self, node: Node, incarnation: int) -> None:
        with self._lock:
            if node.state not in GOING_DOWN or node.incarnation != incarnation or not node.behaviour_up:
                return
        self.cut_short(node)

    def next_in_the_way(self) -> Node | None:
        """Return the node that a stop of the whole tree is waiting for; None when all have ended."""
        with self.changing():
            node = self.root
            if node.state is State.ENDED:
                return None
            while node.waiting_for is not None:
                node = node.waiting_for
            return node

    def cut_short(self, node: Node) -> None:
        """Stop waiting for a node that is being stopped: declare it lost."""
        late = errors.Killed(f"{node.path} did not stop in time")
        with self.changing():
            self.overdue.append(node.path)
            if isinstance(node.fate, Ending):
                node.fate = Ending("killed")
        # Outside the lock: the cell reports back through `failed` if there was a handler to lose.
        if node.cell is not None and revoke(node.cell, late):
            return
        with self.changing():
            if node.state in GOING_DOWN and node.behaviour_up:
                self._carry_out(node)

    def _carry_out(self, node: Node) -> None:
        """Nothing of the node runs any more: let its fate come."""
        fate, node.fate = node.fate, None
        node.cancel_timer()
        if isinstance(fate, Ending):
            self._end(node, fate.reason)
            return
        node.behaviour_up = False
        node.told_to_end = False
        node.drains = False
        if isinstance(fate, Restarting):
            self._start_after(node, fate.delay_seconds)
        elif isinstance(fate, BeingParked):
            self._park(node, fate.error)
        else:
            node.state = State.WAITING
            if node.was_parked:
                self._leave_parking(node)
            self._progress(node)

    def _end(self, node: Node, reason: str) -> None:
        """Gone for good. The only place where Terminated is sent."""
        if node.state is State.ENDED:
            return
        node.state = State.ENDED
        node.cancel_timer()
        node.cancel_retry()
        for child in node.living_children():
            self._end(child, "stopped")
        self.nodes.pop(node.path, None)
        parent = node.parent
        if parent is not None and parent.children is not None:
            parent.children.pop(node.spec.name, None)
        if node.cell is not None:
            node.cell.close(forced=node.behaviour_up)
        node.behaviour_up = False
        self._bulletin.emit(events.ActorStopped(path=node.path, incarnation=node.incarnation, reason=reason))
        self._tell_watchers(node, Terminated(path=node.path, incarnation=node.incarnation, reason=reason))
        node.watchers = None
        for reply_to in node.told_at_end or ():
            reply_to.answer(None)
        if parent is None:
            self.root_changed.set()
            return
        self._progress(node)
        if node.spec.significant and reason in {"ended", "failed"} and parent is not self.root:
            self._end_without_significant(parent)

    def _end_without_significant(self, node: Node) -> None:
        if not any(child.spec.significant for child in node.living_children()):
            self._take_down(node, Ending("ended"), drains=True)

    # -- one step on

    def _progress(self, node: Node) -> None:
        """What the parent may have been waiting for has happened."""
        parent = node.parent
        if parent is not None and parent.waiting_for is node:
            parent.waiting_for = None
            self._agenda.append(parent)

    def _advance(self, node: Node) -> None:
        """Take a node's plan as far as it goes without waiting: stops from the last, then itself, then starts."""
        while node.waiting_for is None and node.to_stop:
            child = node.to_stop.pop()
            if child.state in NOT_RUNNING:
                continue
            node.waiting_for = child
            self._take_down(child, self._fate_with(node, child), drains=node.drains)
        if node.waiting_for is not None:
            return
        if node.state in GOING_DOWN:
            self._children_are_down(node)
            return
        while node.waiting_for is None and node.to_start:
            child = node.to_start.popleft()
            if child.state is State.WAITING:
                node.waiting_for = child
                self._start_planned(child)
        node.to_start = node.to_start or None  # an empty plan costs a quiet actor as much as its mailbox
        if node.waiting_for is None and not node.settled and node.state in {State.RUNNING, State.PARKED}:
            node.settled = True
            if node is self.root:
                self.root_changed.set()
            self._progress(node)

    # -- parking

    def _park(self, node: Node, error: str) -> None:
        cell = node.cell
        parking = node.spec.parking
        has_stand_in = cell is not None and parking.stand_in is not None
        node.was_parked = True
        node.runs_stand_in = has_stand_in
        node.cancel_retry()
        node.retry_timer = self.environment.timers.call_later(parking.retry_seconds, lambda: self._retry(node))
        self._bulletin.emit(
            events.ActorParked(
                path=node.path, error=error, retry_seconds=parking.retry_seconds, has_stand_in=has_stand_in
            )
        )
        if has_stand_in:
            self._start(node)
            return
        node.state = State.PARKED
        if cell is not None:
            cell.actor_inbox.close("parked")
        self._agenda.append(node)

    def _retry(self, node: Node) -> None:
        """Try the real behaviour of a parked node again; one failure parks it again."""
        with self.changing():
            if not node.was_parked or node.state in GOING_DOWN or node.state in NOT_RUNNING:
                return
            self._leave_parking(node)
            self._clear(node, Restarting(0.0))

    def _leave_parking(self, node: Node) -> None:
        node.runs_stand_in = False
        node.on_probation_until = self.environment.monotonic() + node.spec.intensity.within_seconds
        if node.cell is not None:
            node.cell.actor_inbox.reopen()

    # -- watchers

    def _tell_watchers(self, node: Node, news: Terminated | Restarted) -> None:
        for watcher, context in (node.watchers or {}).items():
            self._tell_watcher(watcher, context, news)

    def _tell_watcher(self, watcher: Cell, context: "Context", news: Terminated | Restarted) -> None:
        environment = self.environment
        watcher.actor_inbox.post_notice(
            Envelope(WatchNotice(context, news), None, None, next(environment.numbers), environment.monotonic(), None)
        )
