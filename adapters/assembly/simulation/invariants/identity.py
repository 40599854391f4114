"""I11 and I14: ids, numbers, epochs and used updates survive any crash: none forgotten, none used again.

I11: each run has an epoch of its own, higher than all before. A command opens one trade, a number and an effect key
are given once, an update of the chat stays used, a guard that was used stays used. I14: an order's intent is durable
before anything leaves for it, under the epoch of the run that committed it, and no request leaves but by the newest.
Exempt: updates beyond the newest 256 of a chat (the service repeats no older ones); a guard past its end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from actors.messages.operator import ChatRecord
from actors.messages.orders import AmendOrder, CancelOrder
from actors.messages.storing import Append, Guard
from actors.messages.trading import OrderRequested, TradeOpened
from actors.rules.client_order_ids import parse_client_order_id
from adapters.assembly.simulation.invariants.violation import Violated

UPDATES_KEPT = 256


class Identities:
    """Everything that is used once and never again."""

    def __init__(self) -> None:
        self.epoch = -1  # the newest run's
        self.requested: set[str] = set()  # client order ids whose intent is durable
        self._changes: dict[str, set[bool]] = {}  # by client order id: whether amends (False), cancels were promised
        self._opened_by: dict[tuple[str, str, str], str] = {}  # command, account, approach to trade id
        self._numbers: set[int] = set()
        self._effects: set[str] = set()
        self._guards: dict[str, datetime | None] = {}
        self._updates: dict[str, tuple[int, ...]] = {}  # by chat document: used, oldest first

    def begins(self, epoch: int) -> None:
        """Judge a new run's epoch."""
        if epoch <= self.epoch:
            raise Violated("I11", str(epoch), f"a run began under this epoch after one under {self.epoch}")
        self.epoch = epoch

    def forget(self, numbers: set[int]) -> None:
        """A run began with less than was acted on: what it cannot know, it may give again. Order ids stay used."""
        self._numbers = numbers
        self._opened_by.clear()
        self._effects.clear()
        self._guards.clear()
        self._updates.clear()

    # --- what becomes durable ---------------------------------------------------------------------------------------
    def appended(self, append: Append, now: datetime) -> None:
        for effect in append.effects:
            if effect.key in self._effects:
                raise Violated("I11", effect.key, "an effect was promised twice under one key")
            self._effects.add(effect.key)
            if isinstance(effect.request, CancelOrder | AmendOrder):
                cancels = isinstance(effect.request, CancelOrder)
                self._changes.setdefault(effect.request.client_order_id, set()).add(cancels)
        for guard in append.guards:
            self.guarded(guard, now)

    def guarded(self, guard: Guard, now: datetime) -> None:
        if guard.key in self._guards:
            until = self._guards[guard.key]
            if until is None or until > now:
                raise Violated("I11", guard.key, "a guard was used again")
        self._guards[guard.key] = guard.expires_at

    def fact(self, trade_id: str, fact: Any) -> None:
        if isinstance(fact, TradeOpened):
            plan = fact.sized.plan  # one order opens each of its trades once
            slice_ = fact.opened_by, plan.account, plan.approach.value
            before = self._opened_by.setdefault(slice_, trade_id)
            if before != trade_id:
                raise Violated("I11", trade_id, f"command {fact.opened_by} opened {before} before")
            if fact.number in self._numbers:
                raise Violated("I11", trade_id, f"number {fact.number} was given before")
            self._numbers.add(fact.number)
        elif isinstance(fact, OrderRequested):
            self._asked(fact.order.client_order_id, trade_id)

    def _asked(self, client_order_id: str, trade_id: str) -> None:
        parsed = parse_client_order_id(client_order_id)
        if parsed is None or parsed.trade_id != trade_id:
            raise Violated("I11", trade_id, f"asks for an order under {client_order_id!r}")
        if client_order_id in self.requested:
            raise Violated("I11", client_order_id, "an order's id was used for a second intent")
        if parsed.epoch != self.epoch:
            raise Violated("I14", client_order_id, f"was first committed under epoch {self.epoch}")
        self.requested.add(client_order_id)

    def chat_kept(self, name: str, record: ChatRecord) -> None:
        """Judge a chat's record that has become durable."""
        before, now = self._updates.get(name, ()), record.used_updates
        lost = set(before) - set(now)
        if len(now) < UPDATES_KEPT and lost:
            raise Violated("I11", name, f"used updates were forgotten: {sorted(lost)}")
        if len(now) != len(set(now)):
            raise Violated("I11", name, "an update was used twice")
        self._updates[name] = now

    # --- what leaves ------------------------------------------------------------------------------------------------
    def check_sent(self, client_order_id: str) -> None:
        """I14: an order leaves under a durable intent of a run that has been."""
        parsed = parse_client_order_id(client_order_id)
        if parsed is None:
            return
        if client_order_id not in self.requested:
            raise Violated("I14", client_order_id, "it was sent before its intent was committed")
        if parsed.epoch > self.epoch:
            raise Violated(
                "I14", client_order_id, f"it was sent under an epoch nobody has begun; {self.epoch} is the newest"
            )

    def check_changed(self, client_order_id: str, *, cancels: bool) -> None:
        """I14: a change of an order leaves under a durable intent too."""
        if client_order_id in self.requested and cancels not in self._changes.get(client_order_id, set()):
            raise Violated("I14", client_order_id, f"it was {'cancelled' if cancels else 'amended'} without an intent")
