"""The store: the one actor that writes. It commits facts and promised effects together, then releases the effects.

Appends that arrive together share one commit (its mailbox is drained first; it never waits for more). Nothing leaves
before the commit, answers to questions included, so what a crash forgets was never promised or told to anyone. A
fenced run, a damaged file, a write that fails by itself: each ends this life of the store, and its watchers begin again
from what is durable.

While the disk takes no commits the store acts from memory: what is written is held by its port, in order; what
protects, reduces or tells is released all the same; what opens risk (rules.risk) waits a moment for the disk and is
then refused, and so are numbers and keys that must never be given twice. The disk is tried again at growing intervals,
and the first commit it takes holds everything. What was held when the process dies is forgotten: the next run finds it
at the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors.errors import Denied, GuardUsed, OutsideError, StaleSequence, Unreachable
from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.keeping import (
    BackupFailed,
    BackupMade,
    Prune,
    StoreQuestion,
    StoreReading,
    WritesFailing,
    WritesWork,
)
from actors.messages.orders import CancelOrder, EffectSettled, PlaceOrder, Settlement
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    Attempted,
    DocumentQuestion,
    LoadStream,
    MarkAttempt,
    NextNumber,
    Perform,
    PromisedEffect,
    PutDocument,
    RegisterQuestion,
    Settle,
    TakeDocument,
    TurnsQuestion,
    UnsettledQuestion,
    UseGuards,
)
from actors.model.alert import Alert
from actors.ports import StorePort
from actors.rules import risk
from actors.rules.ages import span
from actors.rules.outage_news import writes_failing, writes_work
from runtime import LATER, Actor, Backoff, Refused, Reply, handles

STREAM = "store"  # never holds a fact: a stream to promise alerts in
PATIENCE_SECONDS = 2.0  # a disk that refuses for a moment only is no news, and nothing is refused for it
QUIET_SECONDS = 0.25  # without a commit, before the port tidies up
MOST_HELD = 20_000  # writes; beyond, memory is at risk too, and the daemon ends and comes back through its start
RETRY = Backoff(base_seconds=0.5, cap_seconds=15.0, first_immediate=False)


class HeldTooMuch(RuntimeError):
    """More was held in memory than is safe."""


@dataclass(slots=True, kw_only=True)
class _Outage:
    """The disk takes no commits."""

    reason: str
    began: float  # monotonic seconds
    since: datetime
    attempts: int = 0
    lasting: bool = False  # it has outlived our patience: what opens risk is refused, the person told


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Something that leaves after the commit."""

    path: str
    message: object
    story: str  # it belongs to
    stream: str  # it follows from
    waits: bool  # for a durable commit, whatever happens


@dataclass(frozen=True, slots=True)
class _Owed:
    """An answer that is given after the commit."""

    reply: Reply
    value: Any
    waits: bool


@dataclass(frozen=True, slots=True)
class _TryAgain:
    """See whether the disk takes a commit by now."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """Nothing was committed for a moment."""


class Store(Actor):
    """Every call to its port blocks, for as long as the disk takes."""

    drain_every = 128  # appends in one commit at the most

    def __init__(self, *, open_port: Callable[[], StorePort]) -> None:
        self._open_port = open_port
        self._port: StorePort | None = None
        self._leaving: list[_Leaving] = []
        self._owed: list[_Owed] = []
        self._openings: list[tuple[str | None, Append]] = []  # trades that are not durable yet, and who asked
        self._dirty = False
        self._outage: _Outage | None = None
        self._backup_at: float | None = None  # monotonic seconds
        self._backup_fault = ""

    def on_start(self) -> None:
        self._port = self._open_port()
        self._port.rollback()  # whatever an earlier life left half done; what it acted upon stays
        if self._port.held:
            self._begin_outage("an earlier life of the store could not commit")

    @property
    def _db(self) -> StorePort:
        if self._port is None:
            raise RuntimeError("the store is not open")
        return self._port

    # --- writing --------------------------------------------------------------------------------------------------
    @handles(Append)
    def _on_append(self, message: Append) -> None:
        writer = self.context.sender
        opens_trade = risk.opens_trade(message)
        if self._outage is not None and self._outage.lasting and opens_trade:
            self._refuse(writer, message, "disk", Unreachable(risk.refusal(self._outage.reason)))
            return
        try:
            sequence = self._db.append(message, trace_id=self.context.trace_id)
        except StaleSequence as error:
            self._refuse(writer, message, "stale_sequence", error)
            return
        except GuardUsed as error:
            self._refuse(writer, message, "guard_used", error, guard_key=error.key)
            return
        except Denied as error:  # a mistake in this append; its neighbours and the store are sound
            self.context.log.exception("append_impossible", stream=message.stream, writer=writer)
            self._refuse(writer, message, "failed", error)
            return
        self._dirty = True
        if opens_trade:
            self._openings.append((writer, message))
        for effect in message.effects:
            waits = opens_trade or risk.opens_position(effect.request)
            self._leave(effect.destination, Perform(effect=effect), message.stream, waits=waits)
        if message.confirm_to is not None:
            confirmation = Appended(stream=message.stream, sequence=sequence)
            self._leave(message.confirm_to, confirmation, message.stream, waits=opens_trade)

    def _leave(self, path: str, message: object, stream: str, *, waits: bool) -> None:
        story = self.context.trace_id
        self._leaving.append(_Leaving(path=path, message=message, story=story, stream=stream, waits=waits))

    def _refuse(
        self, writer: str | None, message: Append, reason: str, error: OutsideError, guard_key: str | None = None
    ) -> None:
        self.context.log.warning("append_refused", stream=message.stream, reason=reason, text=str(error))
        refusal = AppendRefused(stream=message.stream, reason=reason, text=str(error), guard_key=guard_key)
        if writer is not None:
            self.context.tell(writer, refusal)

    @handles(Settle)
    def _on_settle(self, message: Settle) -> None:
        self._db.settle(message.effect_key, message.note)
        self._dirty = True

    @handles(MarkAttempt)
    def _on_attempt(self, message: MarkAttempt) -> Any:
        try:
            attempts = self._db.mark_attempt(message.effect_key)
        except Denied as error:
            raise Refused(str(error)) from error
        return self._after_commit(Attempted(effect_key=message.effect_key, attempts=attempts))

    @handles(UseGuards)
    def _on_guards(self, message: UseGuards) -> Any:
        self._refuse_from_memory()
        return self._after_commit(self._db.use_guards(message.guards), durable=True)

    @handles(NextNumber)
    def _on_number(self, message: NextNumber) -> Any:
        self._refuse_from_memory()
        return self._after_commit(self._db.next_number(message.counter), durable=True)

    def _refuse_from_memory(self) -> None:
        """A number or key that is forgotten would be given again."""
        if self._outage is not None and self._outage.lasting:
            raise Refused(risk.refusal(self._outage.reason))

    @handles(PutDocument)
    def _on_put(self, message: PutDocument) -> Any:
        self._db.put_document(message.name, message.body)
        return self._after_commit(True)

    @handles(TakeDocument)
    def _on_take(self, message: TakeDocument) -> Any:
        return self._after_commit(self._db.take_document(message.name))

    @handles(Prune)
    def _on_prune(self, message: Prune) -> None:
        if self._outage is None:
            rows = self._db.prune(message.before)
            self._dirty = True
            self.context.log.info("store_pruned", rows=rows, before=message.before.isoformat())

    def _after_commit(self, value: Any, *, durable: bool = False) -> Any:
        """Answer once what the answer says is durable, or, unless it has to be, held in memory."""
        self._dirty = True
        self._owed.append(_Owed(self.context.defer_reply(), value, durable))
        return LATER

    def on_drained(self) -> None:
        if not self._dirty:
            return
        if self._outage is None:
            self._commit()
        self._dirty = False
        if self._outage is None:
            self._release()
        else:
            self._release_from_memory(self._outage)

    def _commit(self) -> None:
        try:
            self._db.commit()
        except Unreachable as error:
            self._begin_outage(str(error))

    def _release(self) -> None:
        """Let everything go: it is durable."""
        leaving, self._leaving = self._leaving, []
        owed, self._owed = self._owed, []
        self._openings = []
        for each in leaving:
            self.context.tell(each.path, each.message, trace_id=each.story)
        for answer in owed:
            answer.reply.answer(answer.value)
        if self._db.untidy:
            self.context.start_timer("quiet", QUIET_SECONDS, _Quiet(), new_trace=True)

    @handles(_Quiet)
    def _on_quiet(self, _: _Quiet) -> None:
        if self._outage is None and not self._dirty:
            self._db.tidy()

    # --- the disk takes no commits ----------------------------------------------------------------------------------
    def _begin_outage(self, reason: str) -> None:
        self._outage = _Outage(reason=reason, began=self.context.monotonic(), since=self.context.now())
        self.context.log.critical("writes_failing", reason=reason, held=self._db.held)
        self._try_later(self._outage)

    def _lose_patience(self, outage: _Outage) -> None:
        outage.lasting = True
        self.context.tell(addresses.DESK, WritesFailing(reason=outage.reason, since=outage.since))
        self._raise(writes_failing(outage.reason, outage.since))

    def _release_from_memory(self, outage: _Outage) -> None:
        """Let go what need not wait for the disk. The port keeps it in order until the disk takes it."""
        if outage.lasting:
            self._refuse_waiting(outage)
        self._db.hold()
        if self._db.held > MOST_HELD:
            raise HeldTooMuch(f"{self._db.held} writes are held in memory, {MOST_HELD} may be")
        leaving, self._leaving = self._leaving, []
        owed, self._owed = self._owed, []
        for each in leaving:
            if each.waits:
                self._leaving.append(each)
            else:
                self._refuse_cancelled(each.message, outage)
                self.context.tell(each.path, each.message, trace_id=each.story)
        for answer in owed:
            if answer.waits:
                self._owed.append(answer)
            else:
                answer.reply.answer(answer.value)

    def _refuse_waiting(self, outage: _Outage) -> None:
        """Refuse what opens risk and has waited long enough: new trades are forgotten whole, entries denied."""
        text = risk.refusal(outage.reason)
        for writer, append in self._openings:
            self._db.withdraw(append.stream)
            self._refuse(writer, append, "disk", Unreachable(text))
        withdrawn = {append.stream for _, append in self._openings}
        self._openings = []
        waiting = [each for each in self._leaving if each.waits and each.stream not in withdrawn]
        self._leaving = [each for each in self._leaving if not each.waits]
        for each in waiting:
            self._deny(each, text)
        refused = [answer for answer in self._owed if answer.waits]
        self._owed = [answer for answer in self._owed if not answer.waits]
        for answer in refused:
            answer.reply.refuse(Refused(text))

    def _refuse_cancelled(self, message: object, outage: _Outage) -> None:
        """Refuse an order that waits when its cancel leaves: the other way round it would be placed afterwards."""
        if not isinstance(message, Perform) or not isinstance(message.effect.request, CancelOrder):
            return
        name = message.effect.request.client_order_id
        for each in [each for each in self._leaving if _places(each.message, name)]:
            self._leaving.remove(each)
            self._deny(each, risk.refusal(outage.reason))

    def _deny(self, each: _Leaving, text: str) -> None:
        """Tell the owner of a request that it was not made."""
        if not isinstance(each.message, Perform):
            return
        effect = each.message.effect
        self.context.log.warning("effect_refused", effect_key=effect.key, reason=text)
        denied = EffectSettled(
            effect_key=effect.key, settlement=Settlement.DENIED, settled_at=self.context.now(), text=text
        )
        self.context.tell(effect.owner, denied, trace_id=each.story)

    def _try_later(self, outage: _Outage) -> None:
        pause = RETRY.delay_seconds(outage.attempts, self.context.random.random())
        outage.attempts += 1
        self.context.start_timer("disk", pause, _TryAgain(), new_trace=True)

    @handles(_TryAgain)
    def _on_try_again(self, _: _TryAgain) -> None:
        outage = self._outage
        if outage is None:
            return
        held = self._db.held
        try:
            self._db.commit()
        except Unreachable as error:
            outage.reason = str(error)
            if not outage.lasting and self.context.monotonic() - outage.began >= PATIENCE_SECONDS:
                self._lose_patience(outage)
            self._try_later(outage)
            return
        self._outage = None
        self._dirty = True  # what has waited leaves with the end of this batch
        seconds = self.context.monotonic() - outage.began
        self.context.log.warning("writes_work", held=held, seconds=round(seconds, 3))
        if outage.lasting:
            self.context.tell(addresses.DESK, WritesWork(at=self.context.now()))
            self._raise(writes_work(held, span(seconds), outage.since))

    def _raise(self, alert: Alert) -> None:
        """Promise an alert in a stream of the store's own; it leaves like any other effect."""
        effect = PromisedEffect(
            key=f"alert/store/{alert.key}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )
        self._on_append(Append(stream=STREAM, expected_sequence=0, facts=(), effects=(effect,)))

    @handles(BackupMade)
    def _on_backup_made(self, _message: BackupMade) -> None:
        self._backup_at, self._backup_fault = self.context.monotonic(), ""

    @handles(BackupFailed)
    def _on_backup_failed(self, message: BackupFailed) -> None:
        self._backup_fault = message.reason

    @handles(StoreQuestion)
    def _on_store_question(self, _: StoreQuestion) -> StoreReading:
        now, outage = self.context.monotonic(), self._outage
        return StoreReading(
            failing_seconds=None if outage is None else now - outage.began,
            reason="" if outage is None else outage.reason,
            held=self._db.held,
            backup_age_seconds=None if self._backup_at is None else now - self._backup_at,
            backup_fault=self._backup_fault,
        )

    # --- reading: what is written and not yet committed is seen, and told once it is durable ------------------------
    @handles(LoadStream)
    def _on_load(self, message: LoadStream) -> Any:
        return self._once_durable(self._db.load(message.stream))

    @handles(UnsettledQuestion)
    def _on_unsettled(self, message: UnsettledQuestion) -> Any:
        return self._once_durable(self._db.unsettled(message.destination, message.limit))

    @handles(RegisterQuestion)
    def _on_register(self, message: RegisterQuestion) -> Any:
        return self._once_durable(self._db.register(message.kind, live_only=message.live_only, account=message.account))

    @handles(TurnsQuestion)
    def _on_turns(self, message: TurnsQuestion) -> Any:
        return self._once_durable(self._db.turns(message.since))

    @handles(DocumentQuestion)
    def _on_document(self, message: DocumentQuestion) -> Any:
        return self._once_durable(self._db.document(message.name))

    def _once_durable(self, value: Any) -> Any:
        return self._after_commit(value) if self._dirty else value

    def on_stop(self) -> None:
        """Keep what is written. Whoever opened the port closes it: a store that is started again finds it open."""
        if self._port is None or not (self._dirty or self._port.held):
            return
        try:
            self._port.commit()
        except Unreachable as error:
            self.context.log.critical("writes_lost", held=self._port.held, reason=str(error))


def _places(message: object, client_order_id: str) -> bool:
    """Tell whether this is the request that places the order."""
    request = message.effect.request if isinstance(message, Perform) else None
    return isinstance(request, PlaceOrder) and request.order.client_order_id == client_order_id
