"""Planted on an alert's way to the person.

Enters: the alert dispatcher and its rules. Stays out: what the alerts say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors.alert_dispatcher import AlertDispatcher
from actors.alert_intake import AlertIntake
from actors.messages.alerts import AlertDelivered
from actors.model.alert import Severity
from actors.rules import alert_queue, alerting
from adapters.assembly.simulation.planted.patch import Bug, Patch

Method = Callable[..., Any]


def _settled_before_told(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def hasty(self: AlertDispatcher, chat_id: int, delivery: Any) -> None:
            for each in delivery.group:
                self.settle(each.effect_key, "")
            if self.context.random.random() < 0.5:  # noqa: PLR2004 - the other half arrives
                honest(self, chat_id, delivery)

        return hasty

    patch.wrap(AlertDispatcher, "_hand_over", make)


def _unclear_is_told(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def sure(self: AlertDispatcher, tag: Any, outcome: Any) -> None:
            if not isinstance(outcome, AlertDelivered) and outcome.unclear:
                outcome = AlertDelivered(effect_key=outcome.effect_key, message_id=0)
            honest(self, tag, outcome)

        return sure

    patch.wrap(AlertDispatcher, "_on_outcome", make)


def _repeat_unmarked(patch: Patch) -> None:
    patch.replace(alert_queue.AlertQueue, "mark_maybe_sent", lambda _queue, _keys: None)
    patch.wrap(
        AlertIntake,
        "_waiting",
        lambda honest: lambda self, effect, **_: honest(self, effect, maybe_sent=False),
    )


def _dedup_forgotten(patch: Patch) -> None:
    patch.replace(alert_queue, "is_duplicate", lambda _told, _waiting, _policy: False)


def _everything_is_duplicate(patch: Patch) -> None:
    """News is told apart by its kind, whichever trade it is about and whenever it comes."""
    patch.replace(alert_queue, "is_duplicate", lambda _told, _waiting, _policy: True)

    def make(honest: Method) -> Method:
        def by_kind(self: alert_queue.AlertQueue, waiting: Any) -> Any:
            return honest(self, replace(waiting, alert=replace(waiting.alert, key=waiting.alert.kind)))

        return by_kind

    patch.wrap(alert_queue.AlertQueue, "_judge", make)


def _outage_gives_up(patch: Patch) -> None:
    def make(_honest: Method) -> Method:
        def give_up(self: AlertDispatcher, line: Any, delivery: Any, _outcome: Any) -> None:
            for each in delivery.group:
                self.settle(each.effect_key, "failed")
            line.not_before = self.context.monotonic() + 1.0

        return give_up

    patch.wrap(AlertDispatcher, "_on_failed", make)


def _newest_first(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        return lambda waiting, **terms: honest(reversed(list(waiting)), **terms)

    patch.replace(alert_queue, "next_group", make(alerting.next_group))


def _critical_waits(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def sleepy(waiting: Any, **terms: Any) -> Any:
            waiting = tuple(waiting)
            calm = [each for each in waiting if each.severity is not Severity.CRITICAL]
            ripe = [each for each in waiting if terms["at"] - each.taken_at > 120.0]  # noqa: PLR2004 - two minutes
            return honest(calm or ripe, **terms)

        return sleepy

    patch.replace(alert_queue, "next_group", make(alerting.next_group))


BUGS = (
    Bug(name="settled_before_told", mistake="the outbox is acknowledged before delivery", plant=_settled_before_told),
    Bug(name="unclear_is_told", mistake="a message without an answer counts as delivered", plant=_unclear_is_told),
    Bug(name="repeat_unmarked", mistake="a possible repeat does not say so", plant=_repeat_unmarked),
    Bug(name="dedup_forgotten", mistake="the same news is told again and again", plant=_dedup_forgotten),
    Bug(
        name="everything_is_duplicate", mistake="any second alert of a kind is dropped", plant=_everything_is_duplicate
    ),
    Bug(name="outage_gives_up", mistake="an alert that failed once is dropped", plant=_outage_gives_up),
    Bug(name="newest_first", mistake="alerts of one trade leave newest first", plant=_newest_first),
    Bug(name="critical_waits", mistake="critical alerts wait two minutes", plant=_critical_waits),
)
