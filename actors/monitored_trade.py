"""Monitored trade: a trade as its monitor keeps it. Each fact is decided by the rules and committed with what follows.

Enters: facts, one after the other. Leaves: appends to the store; its outbox sends the requests and alerts. Stays out:
where facts come from (readings, the monitor, which build on this), decisions (rules.decision). Every decision is looked
over by the guard (rules.trade_guard): what it finds is told, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.monitoring import Wake
from actors.messages.orders import EffectSettled
from actors.messages.storing import Append, Appended, AppendRefused, Forgotten, PromisedEffect, StreamSummary
from actors.model.alert import Alert
from actors.model.trade import Phase, Trade
from actors.rules import trade_guard
from actors.rules.decision import Decision, decide
from actors.rules.mirroring import to_followers
from actors.rules.next_orders import Asker
from actors.rules.price_seen import SeenPrice
from runtime import Actor, handles


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Whose ids this run makes."""

    installation: str
    epoch: int
    forgotten: Forgotten | None = None  # the latest run that began with less than an earlier one had acted on


class MonitoredTrade(Actor):
    # Slots, here and below: with more than thirty attributes every monitor would keep a dict of its own, 1.6 kB of it.
    __slots__ = (
        "_account",
        "_begun_epoch",
        "_client",
        "_confirming",
        "_guarded",
        "_identity",
        "_promised",
        "_sequence",
        "_settled_at",
        "_stream",
        "_symbol",
        "_taking_up",
        "_trade",
        "_trade_id",
    )

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        self._account = account
        self._symbol = symbol
        self._trade_id = trade_id
        self._identity = identity
        self._stream = addresses.trade_stream(trade_id)
        self._client = addresses.client(account)
        self._trade: Trade | None = None
        self._sequence = 0
        self._confirming = False  # somebody waits for what is being committed to be durable
        self._taking_up = False  # while the exchange is searched for what was forgotten
        self._begun_epoch = 0  # of the run that opened it
        self._settled_at: dict[str, datetime] = {}  # by client order id: outcomes no reading has seen yet
        self._promised: dict[str, None] = {}  # requests whose outcome is not journalled yet
        self._guarded = trade_guard.Guarded()

    def after_taking(self) -> None:
        """Look at what the trade has become; called after each fact that brought something."""
        raise NotImplementedError

    def on_durable(self, sequence: int) -> None:
        """Hear that the journal is durable so far; called where that was asked for."""

    def price_seen(self) -> SeenPrice | None:
        """Give the price that rules may use; None where nobody listens to any."""
        return None

    @property
    def _known(self) -> Trade:
        if self._trade is None:
            raise RuntimeError(f"trade {self._trade_id} is not loaded yet")
        return self._trade

    def _take(self, fact: Any | None, *, settles: tuple[str, ...] = ()) -> None:
        """Decide one fact and commit what follows."""
        asker = Asker(
            installation=self._identity.installation,
            epoch=self._identity.epoch,
            now=self.context.now(),
            price=self.price_seen(),
            taking_up=self._taking_up,
        )
        before = self._known
        self._note_outcome(fact)
        decision = decide(before, fact, asker)
        self._trade = decision.trade
        if decision.facts or settles or decision.settles:
            self._commit(before, replace(decision, settles=(*decision.settles, *settles)) if settles else decision)
            self._log_decision(before.phase, decision)
            self._guard(decision)
        elif fact is not None:
            return  # nothing new: whatever follows from the trade has followed already
        if decision.wake_after_seconds is not None:
            self.context.start_timer("wake", decision.wake_after_seconds + 0.01, Wake())
        self.after_taking()

    def _note_outcome(self, fact: Any | None) -> None:
        if isinstance(fact, EffectSettled):
            self._settled_at[fact.effect_key.partition("/")[0]] = fact.settled_at

    def _guard(self, decision: Decision) -> None:
        """Tell what must always hold of a trade and does not, once until it is good again."""
        news, self._guarded = trade_guard.guard(decision.trade, decision.facts, self._guarded)
        for wrong in news:
            self.context.log.critical(
                "invariant_violated", invariant=wrong.invariant, subject=decision.trade.label, text=wrong.text
            )
            self._raise(trade_guard.violated(decision.trade, wrong))

    # --- committing -----------------------------------------------------------------------------------------------
    def _commit(self, before: Trade, decision: Decision) -> None:
        effects = [
            PromisedEffect(key=key, destination=self._client, owner=self.context.path, request=request)
            for key, request in decision.requests
        ]
        book = addresses.position_book(self._account)
        effects += [
            PromisedEffect(key=f"excess/{excess.execution_id}", destination=book, owner=book, request=excess)
            for excess in decision.excess
        ]
        effects += [
            PromisedEffect(key=key, destination=addresses.DESK, owner=addresses.DESK, request=follow)
            for key, follow in to_followers(decision.trade, decision.facts)
        ]
        effects += [self._alert_promised(alert) for alert in decision.alerts]
        trade = decision.trade
        settles = self._note_promises(decision)
        turned = (before.phase is Phase.CLOSED) != (trade.phase is Phase.CLOSED)
        self.context.tell(
            addresses.STORE,
            Append(
                stream=self._stream,
                expected_sequence=self._sequence,
                facts=decision.facts,
                effects=tuple(effects),
                settles=settles,
                register=_summary(trade) if turned else None,
                confirm_to=self.context.path if self._confirming or trade.phase is Phase.CLOSED else None,
            ),
        )
        self._sequence += len(decision.facts)

    def _log_decision(self, before: Phase, decision: Decision) -> None:
        trade, log = decision.trade, self.context.log
        for fact in decision.facts:
            log.debug("trade_fact", trade=trade.label, fact=type(fact).__name__)
        if before is not trade.phase:
            log.info("trade_phase", trade=trade.label, before=before.value, now=trade.phase.value)

    def _note_promises(self, decision: Decision) -> tuple[str, ...]:
        """Give the effects that this commit settles: once a trade is closed, all that are left."""
        for key, _ in decision.requests:
            self._promised[key] = None
        for key in decision.settles:
            self._promised.pop(key, None)
        if decision.trade.phase is not Phase.CLOSED:
            return decision.settles
        moot, self._promised = tuple(self._promised), {}
        return (*decision.settles, *moot)

    def _alert_promised(self, alert: Alert) -> PromisedEffect:
        # A number of this incarnation's would not do: a monitor that is started anew counts from 1 again.
        return PromisedEffect(
            key=f"alert/{self._trade_id}/{self._identity.epoch}/{self.context.new_id()}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )

    def _raise(self, alert: Alert) -> None:
        append = Append(
            stream=self._stream, expected_sequence=self._sequence, facts=(), effects=(self._alert_promised(alert),)
        )
        self.context.tell(addresses.STORE, append)

    @handles(Appended)
    def _on_appended(self, message: Appended) -> None:
        if self._trade is None:
            return  # an earlier life's append: the journal this life is about to load has it
        self.on_durable(message.sequence)
        if self._known.phase is Phase.CLOSED and message.sequence == self._sequence:
            self.context.log.info("monitor_ended", trade=self._known.label)
            self.context.stop()

    @handles(AppendRefused)
    def _on_refused(self, message: AppendRefused) -> None:
        if self._trade is None:
            return  # an earlier life's append; what this life is about to load is without it
        self.context.log.warning("append_refused", trade=self._trade_id, reason=message.reason, text=message.text)
        if message.reason == "stale_sequence":
            self.context.restart("the journal has moved on")
        # Whatever else the store has against an append, it would have it again: that has to count as a failure.
        raise RuntimeError(f"the journal refused an append of trade {self._trade_id}: {message.text}")


def _summary(trade: Trade) -> StreamSummary:
    return StreamSummary(
        kind="trade",
        account=trade.plan.account,
        symbol=trade.plan.symbol,
        number=trade.number,
        label=trade.label,
        live=trade.phase is not Phase.CLOSED,
    )
