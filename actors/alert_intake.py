"""Alert intake: what waits for the person, as the outbox has it, and the record of what was told and given up.

Enters: RaiseAlert effects after their commit. Stays out: sending (the dispatcher, which builds on this), who is told
first (rules.alerting). Nothing here is the only copy of an alert: until it is settled it is in the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.messages import addresses
from actors.messages.alert_records import (
    FailedAlert,
    FailedAlertsQuestion,
    KeptAlerts,
    OfferDefaultChat,
    RetryFailedAlerts,
    ToldAlerts,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.storing import (
    Append,
    AppendRefused,
    DocumentQuestion,
    Perform,
    PromisedEffect,
    PutDocument,
    Settle,
    UnsettledEffect,
    UnsettledQuestion,
)
from actors.rules.alert_queue import AlertQueue, Taken
from actors.rules.alerting import RETRY_MARK, AlertingPolicy, Waiting, is_same_failure, origin
from runtime import Actor, Restarted, handles

TOLD = "alerts/told"
KEPT = "alerts/kept"
OUTBOX = "outbox"
RETRY_STREAM = "alerts/retries"  # never holds a fact: a stream to promise retries in

STORE_PAUSE_SECONDS = 1.0
LOOK_SECONDS = 60.0  # how often the outbox is compared with what is known here


@dataclass(frozen=True, slots=True)
class _Look:
    """Compare with the outbox."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Tag of a question to the store: which part of the record it reads."""

    name: str
    limit: int = 0  # of rows; the outbox alone has one


@dataclass(slots=True)
class Counts:
    """What became of alerts since this incarnation began."""

    raised: int = 0
    delivered: int = 0
    deduplicated: int = 0
    failed: int = 0
    repeats_marked: int = 0


class AlertIntake(Actor):
    """Keeps the queue true to the outbox."""

    def __init__(self, *, default_chat_id: int | None, policy: AlertingPolicy) -> None:
        self.policy = policy
        self.queue = AlertQueue(policy)
        self.counts = Counts()
        self.ready = False  # the record and the outbox were read
        self.default_chat_id = default_chat_id
        self.kept = KeptAlerts()
        self._reading_outbox = False

    def on_start(self) -> None:
        self.context.watch(addresses.STORE)
        self._read(Reading(TOLD))

    def pump(self) -> None:
        """Send what may be sent; called whenever the queue has changed."""
        raise NotImplementedError

    def give_up(self, failed: FailedAlert) -> None:
        """Keep an alert that the chat will never take, for a person to look at and send again; the same news once."""
        self.counts.failed += 1
        older = tuple(each for each in self.kept.failed if not is_same_failure(each, failed, self.policy))
        self._keep(replace(self.kept, failed=(*older, failed)[-self.policy.failed_kept :]))
        self.queue.give_up(failed.effect_key)

    # --- what a restart needs: the record, then the outbox ------------------------------------------------------
    def _read(self, what: Reading) -> None:
        if what.limit:
            self._read_outbox(what.limit)
        else:
            self.context.ask(addresses.STORE, DocumentQuestion(name=what.name), tag=what)

    def _read_outbox(self, limit: int) -> None:
        self._reading_outbox = True
        question = UnsettledQuestion(destination=addresses.ALERT_DISPATCHER, limit=limit)
        self.context.ask(addresses.STORE, question, timeout_seconds=15.0, tag=Reading(OUTBOX, limit))

    def on_read(self, what: Reading, value: object) -> None:
        if what.name == TOLD:
            if isinstance(value, ToldAlerts):
                self.queue.remember_told(value.alerts)
            self._read(Reading(KEPT))
        elif what.name == KEPT:
            if isinstance(value, KeptAlerts):
                self.kept = value
                self.default_chat_id = self.default_chat_id or value.default_chat_id
            self._read_outbox(self.policy.read_limit)
        elif isinstance(value, tuple):
            self._reading_outbox = False
            if len(value) >= what.limit:  # there is more, and the most urgent may be last
                self._read_outbox(what.limit * 2)
            else:
                self._take_up(value)

    def on_not_read(self, what: Reading, reason: str) -> None:
        self.context.log.warning("store_silent", question=what.name, reason=reason)
        self.context.start_timer("read_again", STORE_PAUSE_SECONDS, what, new_trace=True)

    @handles(Reading)
    def _on_read_again(self, what: Reading) -> None:
        self._read(what)

    def reload_if_wanted(self) -> None:
        """Read the outbox again where the queue has room for what it let go."""
        if self.queue.wants_reload and not self._reading_outbox:
            self._read_outbox(self.policy.read_limit)

    def _take_up(self, stored: tuple[UnsettledEffect, ...]) -> None:
        rows = (self._waiting(row.effect, maybe_sent=row.attempts > 0) for row in stored)
        taken = self.queue.reload(tuple(row for row in rows if row is not None))
        for effect_key, found in taken.items():
            self._close_if_told(effect_key, found)
        news = sum(found in {Taken.HELD, Taken.SPILLED} for found in taken.values())
        if not self.ready or news:
            self.context.log.info("alerts_loaded", waiting=len(self.queue), found=news, spilled=self.queue.spilled)
        self.counts.raised += 0 if self.ready else news
        self.ready = True
        self.context.start_timer("look", LOOK_SECONDS, _Look(), new_trace=True)
        self.pump()

    @handles(_Look)
    def _on_look(self, _: _Look) -> None:
        """Find what was promised but never released to us, and what was told but not settled."""
        self._compare()

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        """The store is back. What it released or was told just before it fell may be lost, and critical news is due."""
        if self.ready and message.path == addresses.STORE:
            self._compare()

    def _compare(self) -> None:
        self.queue.told_lately(self.context.now())  # forgets the old
        if self._reading_outbox or (self.queue.spilled and not self.queue.wants_reload):
            self.context.start_timer("look", LOOK_SECONDS, _Look(), new_trace=True)
        else:
            self._read_outbox(self.policy.read_limit)

    # --- in -----------------------------------------------------------------------------------------------------
    @handles(Perform)
    def _on_perform(self, perform: Perform) -> None:
        if not self.ready:
            return  # committed before it came, so the outbox shows it when it is read
        waiting = self._waiting(perform.effect, maybe_sent=perform.repeat)
        if waiting is None:
            return
        spilled_before = self.queue.spilled
        found = self.queue.take(waiting)
        self._close_if_told(waiting.effect_key, found)
        self.counts.raised += found in {Taken.HELD, Taken.SPILLED}
        if self.queue.spilled and not spilled_before:
            self.context.log.warning("alerts_spilled", waiting=len(self.queue))
        if waiting.chat_id is None and found is Taken.HELD:
            self.context.log.warning("alert_without_chat", effect_key=waiting.effect_key, kind=waiting.alert.kind)
        self.pump()

    def _waiting(self, effect: PromisedEffect, *, maybe_sent: bool) -> Waiting | None:
        """Give the alert behind an effect. What is none is told in the log and closed: it would come back for ever."""
        request = effect.request
        if not isinstance(request, RaiseAlert):
            self.context.log.error("alert_not_understood", effect_key=effect.key, request=type(request).__name__)
            self.settle(effect.key, "not an alert")
            return None
        chat_id = self.default_chat_id if request.alert.chat_id is None else request.alert.chat_id
        return Waiting(
            effect_key=effect.key,
            alert=request.alert,
            chat_id=chat_id,
            raised_at=request.raised_at,
            taken_at=self.context.monotonic(),
            maybe_sent=maybe_sent,
        )

    def _close_if_told(self, effect_key: str, found: Taken) -> None:
        if found is Taken.DUPLICATE:
            self.counts.deduplicated += 1
            self.context.log.info("alert_deduplicated", effect_key=effect_key)
            self.settle(effect_key, "duplicate")
        elif found is Taken.SETTLED:
            self.settle(effect_key, "told before")

    def settle(self, effect_key: str, note: str) -> None:
        self.queue.settle(effect_key)
        self.context.tell(addresses.STORE, Settle(effect_key=effect_key, note=note))

    @handles(OfferDefaultChat)
    def _on_offer_default_chat(self, offer: OfferDefaultChat) -> None:
        if self.default_chat_id is not None:
            return
        self.default_chat_id = offer.chat_id
        self.queue.send_homeless_to(offer.chat_id)
        self._keep(replace(self.kept, default_chat_id=offer.chat_id))
        self.context.log.info("default_chat_chosen", chat_id=offer.chat_id)
        self.pump()

    # --- the record ---------------------------------------------------------------------------------------------
    def remember_told(self) -> None:
        told = ToldAlerts(alerts=self.queue.told_lately(self.context.now()))
        self.context.tell(addresses.STORE, PutDocument(name=TOLD, body=told))

    def _keep(self, kept: KeptAlerts) -> None:
        self.kept = kept
        self.context.tell(addresses.STORE, PutDocument(name=KEPT, body=kept))

    # --- asked by others ----------------------------------------------------------------------------------------
    @handles(FailedAlertsQuestion)
    def _on_failed_question(self, _: FailedAlertsQuestion) -> tuple[FailedAlert, ...]:
        return self.kept.failed

    @handles(RetryFailedAlerts)
    def _on_retry_failed(self, retry: RetryFailedAlerts) -> int:
        """Promise them anew under keys of their own: they then wait like any other."""
        wanted = [each for each in self.kept.failed if not retry.effect_keys or each.effect_key in retry.effect_keys]
        if not wanted:
            return 0
        effects = tuple(
            PromisedEffect(
                key=f"{origin(each.effect_key)}{RETRY_MARK}{each.retries + 1}",
                destination=addresses.ALERT_DISPATCHER,
                owner=addresses.ALERT_DISPATCHER,
                request=RaiseAlert(alert=each.alert, raised_at=each.raised_at),
            )
            for each in wanted
        )
        self.context.tell(addresses.STORE, Append(stream=RETRY_STREAM, expected_sequence=0, facts=(), effects=effects))
        self._keep(replace(self.kept, failed=tuple(each for each in self.kept.failed if each not in wanted)))
        self.context.log.info("alerts_retried", alerts=len(wanted))
        return len(wanted)

    @handles(AppendRefused)
    def _on_append_refused(self, refusal: AppendRefused) -> None:
        self.context.log.error("alert_retry_refused", reason=refusal.reason, error=refusal.text)
