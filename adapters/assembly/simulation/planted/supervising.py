"""Planted in the runtime: what holds sends, timers, leases, budgets and deadlines together.

Enters: the runtime's own modules. Stays out: trading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.assembly.simulation.planted.patch import Bug, Patch
from runtime import cell, effects, failure, plans, supervisor, virtual_time
from runtime.envelope import Envelope

Method = Callable[..., Any]


def _crashed_sends_leave(patch: Patch) -> None:
    honest = failure.crash

    def careless(fallen: Any, context: Any, envelope: Any, error: BaseException) -> None:
        fallen._send_held(context, envelope)
        honest(fallen, context, envelope, error)

    patch.replace(failure, "crash", careless)
    patch.replace(cell, "crash", careless)


def _lost_handlers_count(patch: Patch) -> None:
    """What a handler that was declared lost still brings is taken."""
    honest = failure.revoke

    def lenient(lost: Any, error: BaseException, stack: str = "") -> bool:
        context, lease = lost.context, lost.lease
        if context is not None and lease:
            lost._send_held(context, lease[0])
        return honest(lost, error, stack)

    patch.replace(virtual_time, "revoke", lenient)


def _old_timers_fire(patch: Patch) -> None:
    def start(owner: Any, cause: Any, _key: str, how: tuple[float, Any, bool]) -> None:
        delay_seconds, message, _new_trace = how
        environment = owner.environment

        def fire() -> None:
            now = environment.monotonic()
            owner.actor_inbox.post(Envelope(message, None, cause, next(environment.numbers), now, None))

        environment.timers.call_later(delay_seconds, fire)

    patch.replace(effects, "start_timer", start)


def _budget_shared(patch: Patch) -> None:
    spent: dict[str, Any] = {}

    def make(honest: Method) -> Method:
        def judge(self: supervisor.Supervisor, node: Any, error: BaseException) -> Any:
            parent = "" if node.parent is None else node.parent.path
            node.history = spent.get(parent, node.history)
            fate = honest(self, node, error)
            spent[parent] = node.history
            return fate

        return judge

    patch.wrap(supervisor.Supervisor, "_judge", make)


def _one_for_all(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def along(self: plans.Plans, node: Any) -> bool:
            return bool(honest(self, node)) or (node.parent is not None and "/positions/" in node.path)

        return along

    patch.wrap(plans.Plans, "_takes_rest_along", make)


def _no_deadlines(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def patient(owner: Any, cause: Any, how: tuple[str, str, float], what: Any) -> None:
            ask_id, path, _timeout = how
            honest(owner, cause, (ask_id, path, 1e9), what)

        return patient

    patch.wrap(effects, "put_question", make)


def _handlers_hang(patch: Patch) -> None:
    patch.replace(virtual_time, "_watch_virtual_handler", lambda *_: None)


BUGS = (
    Bug(
        name="crashed_sends_leave",
        mistake="what a handler held leaves although it raised",
        plant=_crashed_sends_leave,
    ),
    Bug(name="lost_handlers_count", mistake="what a lost handler still brings is taken", plant=_lost_handlers_count),
    Bug(name="old_timers_fire", mistake="timers of an old incarnation ring in the new one", plant=_old_timers_fire),
    Bug(name="budget_shared", mistake="siblings share one restart budget", plant=_budget_shared),
    Bug(name="one_for_all", mistake="one crashing monitor takes its siblings along", plant=_one_for_all),
    Bug(name="no_deadlines", mistake="a question waits for its answer for ever", plant=_no_deadlines),
    Bug(name="handlers_hang", mistake="a handler that hangs is never given up", plant=_handlers_hang),
)
