"""Planted in what is recorded: the journal, the outbox, keys and numbers.

Enters: the store, monitors' start, the desk, the chat's record. Stays out: decisions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors import guarded_openings, operator_session, position_monitor, store
from actors.conversation import Conversation
from actors.messages.orders import EffectSettled
from actors.messages.storing import Append, Perform
from actors.rules import next_orders, session_record
from actors.rules.client_order_ids import format_client_order_id
from adapters.assembly.simulation.planted.patch import Bug, Patch

Method = Callable[..., Any]


def _send_before_commit(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def hasty(self: store.Store, message: Append) -> None:
            for effect in message.effects:
                self.context.tell(effect.destination, Perform(effect=effect))
            honest(self, message)

        return hasty

    patch.rewire(store.Store, Append, make)


def _release_half(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def forgetful(self: store.Store) -> None:
            released = [each for each in self._leaving if isinstance(each.message, Perform)]
            if len(released) > 1:
                self._leaving.remove(released[-1])
            honest(self)

        return forgetful

    patch.wrap(store.Store, "on_drained", make)


class _LazyPort:
    """A store port that leaves every other commit to the next."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def commit(self) -> None:
        self._asked += 1
        if self._asked % 2:
            self._port.commit()


def _commit_later(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def lazy(self: store.Store) -> None:
            honest(self)
            if self._port is not None:
                self._port = _LazyPort(self._port)

        return lazy

    patch.wrap(store.Store, "on_start", make)


def _outbox_not_taken_up(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        return lambda self, stored: honest(self, replace(stored, unsettled=()))

    patch.wrap(position_monitor.PositionMonitor, "_take_up", make)


def _outcome_forgotten(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def deaf(self: position_monitor.PositionMonitor, message: EffectSettled) -> None:
            if message.settlement.value == "done" or "/amend/" not in message.effect_key:
                honest(self, message)

        return deaf

    patch.rewire(position_monitor.PositionMonitor, EffectSettled, make)


def _trade_id_drawn(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def fresh(self: guarded_openings.GuardedOpenings, opening: Any) -> None:
            if opening.command_id and not opening.attempt:
                opening.attempt = self.context.random.getrandbits(20)
            honest(self, opening)

        return fresh

    patch.wrap(guarded_openings.GuardedOpenings, "_begin", make)


def _epoch_again(patch: Patch) -> None:
    honest = format_client_order_id
    patch.replace(next_orders, "format_client_order_id", lambda **parts: honest(**{**parts, "epoch": 1}))


def _updates_not_remembered(patch: Patch) -> None:
    patch.replace(session_record, "is_used", lambda _record, _update_id: False)
    patch.replace(session_record, "is_under_way", lambda _record, _data: False)


def _confirmed_not_recorded(patch: Patch) -> None:
    """Once it is asked for, a confirmed command leaves the record, as if its outcome had been shown."""

    def make(honest: Method) -> Method:
        def finish(self: operator_session.OperatorSession, pending: Any) -> None:
            honest(self, pending)
            self._change(session_record.finish(self.known, pending.update_id))

        return finish

    patch.wrap(operator_session.OperatorSession, "proceed", make)


def _acknowledged_before_recorded(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def hasty(self: Conversation, update_id: int, record: Any, then: Method) -> None:
            if then.__name__ != "recorded":
                honest(self, update_id, record, then)
                return
            honest(self, update_id, record, lambda: None)
            then()

        return hasty

    patch.wrap(Conversation, "change_first", make)


BUGS = (
    Bug(name="send_before_commit", mistake="effects are released before their commit", plant=_send_before_commit),
    Bug(
        name="release_half", mistake="of several effects in one commit the last is never released", plant=_release_half
    ),
    Bug(name="commit_later", mistake="every other commit is left to the next one", plant=_commit_later),
    Bug(
        name="outbox_not_taken_up",
        mistake="a fresh monitor does not take up the requests nobody has settled",
        plant=_outbox_not_taken_up,
    ),
    Bug(name="outcome_forgotten", mistake="a refused amendment is never heard of again", plant=_outcome_forgotten),
    Bug(name="trade_id_drawn", mistake="a trade's id is drawn, not derived from its command", plant=_trade_id_drawn),
    Bug(name="epoch_again", mistake="every run names its orders as the first would", plant=_epoch_again),
    Bug(name="updates_not_remembered", mistake="a repeated chat update is a new one", plant=_updates_not_remembered),
    Bug(
        name="works_forgotten", mistake="a confirmed command is forgotten once asked for", plant=_confirmed_not_recorded
    ),
    Bug(
        name="acknowledged_before_recorded",
        mistake="a command is acknowledged before it is recorded",
        plant=_acknowledged_before_recorded,
    ),
)
