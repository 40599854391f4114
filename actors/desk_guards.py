"""The desk's guards: the safety state and the locks, kept in the stream "guards"; the only writer of it is the desk.

Changes are made one at a time: read what is needed, append the facts with all that follows from them, answer once that
is durable. A stricter safety state holds from the moment it is asked for, a looser one from its commit. Every live
trade is told through the outbox, in the same commit, so that no crash leaves one behind.

Enters: questions and wishes, answers of the store. Stays out: decisions (rules.guards, rules.protections), openings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.guarding import (
    STREAM,
    AccountCleared,
    GuardsReading,
    LockReleased,
    LockSet,
    ProtectionChanged,
    ReleaseLock,
    SafetyChanged,
    SetProtection,
    SetSafety,
)
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    LoadStream,
    PromisedEffect,
    RegisterQuestion,
    StoredStream,
    StreamSummary,
    TurnsQuestion,
)
from actors.messages.trading import ExitReason, ExitStarted, SafetyHeeded
from actors.model.guarding import GuardTerms, Lock, Safety
from actors.rules import guard_record
from actors.rules.guard_history import PastTrade, history
from actors.rules.guard_news import guard_news
from actors.rules.guard_record import GuardRecord
from actors.rules.protections import due_locks
from runtime import Answered, Context, NotAnswered, Refused, Reply

ASK_SECONDS = 10.0
PAUSE_SECONDS = 1.0


class TroubleOutside(Refused):
    """Nothing is wrong with what was asked: the exchange or the store did not do its part. It may be asked again."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Tag of a question to the store: what the answer is for."""

    step: str


@dataclass(frozen=True, slots=True)
class LoadAgain:
    """A pause is over: read the record once more."""


@dataclass(frozen=True, slots=True)
class _Look:
    """See whether a lock is due; `past` where it was read already."""

    past: tuple[PastTrade, ...] | None = None


@dataclass(slots=True)
class _Wish:
    """One change on its way."""

    what: SetSafety | SetProtection | ReleaseLock | AccountCleared | _Look
    reply: Reply | None = None
    facts: tuple[Any, ...] = field(default=())  # appended, not confirmed yet


_Wanted: TypeAlias = SetSafety | SetProtection | ReleaseLock


class DeskGuards:
    """Made anew with each life of the desk, whose context it works through."""

    def __init__(self, context: Context, terms: GuardTerms) -> None:
        self._context = context
        self._terms = terms
        self._record: GuardRecord | None = None  # None until it was read
        self._sequence = 0
        self._wishes: deque[_Wish] = deque()

    # --- for the desk ---------------------------------------------------------------------------------------------
    @property
    def known(self) -> bool:
        return self._record is not None

    @property
    def safety(self) -> Safety:
        """The state to go by: the recorded one, or a stricter one that is being recorded."""
        strictest = self._known.safety
        for wish in self._wishes:
            if isinstance(wish.what, SetSafety) and wish.what.state.rank > strictest.state.rank:
                strictest = Safety(state=wish.what.state, by=wish.what.by, why=wish.what.why, since=self._context.now())
        return strictest

    def locks(self, past: Sequence[PastTrade]) -> tuple[Lock, ...]:
        """Give the locks that hold, those among them that are due by this past and have yet to be recorded."""
        now = self._context.now()
        due = due_locks(past, self._known.locks, self._terms, now=now)
        if due:
            self._wish(_Wish(_Look(tuple(past))))
        return (*self._known.holding(now), *due)

    def reading(self) -> GuardsReading:
        return self._known.reading(self._context.now(), self._terms)

    @property
    def clearing(self) -> frozenset[str]:
        """The accounts on which nothing at all is to be left."""
        return self._known.clearing

    def cleared(self, account: str) -> None:
        """Record that an account is clear."""
        self._wish(_Wish(AccountCleared(account=account, cleared_at=self._context.now())))

    @property
    def protects_others(self) -> bool:
        """Whether others' orders are left alone; one that is about to be switched on holds already."""
        on = self._known.protection_by(self._terms).on
        return on or any(isinstance(wish.what, SetProtection) and wish.what.on for wish in self._wishes)

    @property
    def look_back(self) -> TurnsQuestion:
        """The question for as much of the past as the guards need."""
        seconds = self._terms.longest_look_back_seconds
        return TurnsQuestion(since=self._context.now() - timedelta(seconds=seconds))

    def change(self, wanted: _Wanted) -> None:
        """Take a wish whose answer the running handler owes from now on."""
        self._wish(_Wish(wanted, self._context.defer_reply()))

    def look(self) -> None:
        """See whether a protection is due."""
        if self._terms.stop_guard_stops or self._terms.drawdown_lock:
            self._wish(_Wish(_Look()))

    # --- the record -----------------------------------------------------------------------------------------------
    @property
    def _known(self) -> GuardRecord:
        if self._record is None:
            raise RuntimeError("the guards were used before they were read")
        return self._record

    def load(self) -> None:
        """Read the record; also what to do when the store has come back and appends may be lost."""
        self._ask("record", LoadStream(stream=STREAM))

    def _ask(self, step: str, question: object) -> None:
        self._context.ask(addresses.STORE, question, timeout_seconds=ASK_SECONDS, tag=Errand(step))

    def on_answer(self, errand: Errand, message: Answered | NotAnswered) -> None:
        if isinstance(message, NotAnswered):
            self._on_silence(errand, message)
            return
        if errand.step == "record":
            self._on_record(message.value)
        elif self._wishes and not self._wishes[0].facts:
            wish = self._wishes[0]
            if errand.step == "trades" and isinstance(wish.what, SetSafety):
                self._set_safety(wish, wish.what, message.value)
            elif errand.step == "turns" and isinstance(wish.what, _Look):
                self._set_locks(wish, history(message.value))

    def _on_silence(self, errand: Errand, message: NotAnswered) -> None:
        if errand.step == "record":
            self._context.start_timer("guards", PAUSE_SECONDS, LoadAgain(), new_trace=True)
        elif self._wishes:
            self._refuse(f"the store did not answer ({message.error}); nothing was changed, try again")

    def _on_record(self, stored: StoredStream) -> None:
        first = self._record is None
        self._record = guard_record.fold(stored.facts)
        self._sequence = stored.sequence
        if first:
            self._context.unstash_all()
            self.look()
        if self._wishes:
            self._begin(self._wishes[0])

    # --- one change at a time ---------------------------------------------------------------------------------------
    def _wish(self, wish: _Wish) -> None:
        self._wishes.append(wish)
        if len(self._wishes) == 1:
            self._begin(wish)

    def _begin(self, wish: _Wish) -> None:
        wish.facts = ()
        match wish.what:
            case SetSafety(command_id=command_id) | SetProtection(command_id=command_id) if (
                command_id in self._known.commands
            ):
                self._done()
            case SetProtection(command_id=command_id, on=on, why=why, by=by):
                now = self._context.now()
                fact = ProtectionChanged(command_id=command_id, on=on, why=why, by=by, changed_at=now)
                self._append(wish, (fact,), [])
            case SetSafety():
                self._ask("trades", RegisterQuestion(kind="trade"))
            case AccountCleared() as cleared:
                self._append(wish, (cleared,), [])
            case ReleaseLock():
                self._release(wish, wish.what)
            case _Look(past=None):
                self._ask("turns", self.look_back)
            case _Look(past=past) if past is not None:
                self._set_locks(wish, past)

    def _set_safety(self, wish: _Wish, wanted: SetSafety, trades: Sequence[tuple[str, StreamSummary]]) -> None:
        now, number = self._context.now(), self._sequence + 1
        state = wanted.state
        if wanted.leave and self._known.safety.state.rank > state.rank:
            state = self._known.safety.state
        fact = SafetyChanged(
            command_id=wanted.command_id,
            state=state,
            why=wanted.why,
            by=wanted.by,
            changed_at=now,
            clears=wanted.leave if wanted.everything else "",
        )
        heeded = SafetyHeeded(state=state, by=wanted.by, changed_at=now)
        leaving = ExitStarted(reason=ExitReason.PERSON, by=wanted.by, started_at=now)
        effects = []
        for stream, row in trades:
            trade_id = stream.removeprefix("trade/")
            monitor = addresses.monitor(row.account, row.symbol, trade_id)
            key = f"safety/{number}/{trade_id}"
            effects.append(PromisedEffect(key=key, destination=monitor, owner=monitor, request=heeded))
            if row.account == wanted.leave:
                key = f"leave/{number}/{trade_id}"
                effects.append(PromisedEffect(key=key, destination=monitor, owner=monitor, request=leaving))
        self._append(wish, (fact,), effects)

    def _release(self, wish: _Wish, wanted: ReleaseLock) -> None:
        now = self._context.now()
        holding = [lock.lock_id for lock in self._known.holding(now)]
        lock_id = wanted.lock_id.strip().upper()
        if lock_id in holding:
            self._append(wish, (LockReleased(lock_id=lock_id, by=wanted.by, released_at=now),), [])
            return
        if any(lock.lock_id == lock_id and lock.released_at is not None for lock in self._known.locks):
            self._done()  # by this very wish, before the store came back, or by somebody else: it is as wished
            return
        names = f"those that hold are {', '.join(holding)}" if holding else "none holds, so nothing is shut"
        self._refuse(f"there is no lock {wanted.lock_id} to release: {names}", outside=False)

    def _set_locks(self, wish: _Wish, past: Sequence[PastTrade]) -> None:
        due = due_locks(past, self._known.locks, self._terms, now=self._context.now())
        if due:
            self._append(wish, tuple(LockSet(lock=lock) for lock in due), [])
        else:
            self._done()

    def _append(self, wish: _Wish, facts: tuple[Any, ...], effects: list[PromisedEffect]) -> None:
        wish.facts = facts
        now = self._context.now()
        alerts = [
            PromisedEffect(
                key=f"alert/guards/{number}",
                destination=addresses.ALERT_DISPATCHER,
                owner=addresses.ALERT_DISPATCHER,
                request=RaiseAlert(alert=guard_news(fact, number), raised_at=now),
            )
            for number, fact in enumerate(facts, start=self._sequence + 1)
        ]
        self._context.tell(
            addresses.STORE,
            Append(
                stream=STREAM,
                expected_sequence=self._sequence,
                facts=facts,
                effects=(*effects, *alerts),
                confirm_to=self._context.path,
            ),
        )

    def on_appended(self, message: Appended) -> None:
        """Take it that the change under way is recorded."""
        facts = self._wishes[0].facts if self._wishes else ()
        if not facts or message.sequence != self._sequence + len(facts):
            return  # an earlier life's append: what this life has read of the record has it
        for fact in facts:
            self._record = guard_record.evolve(self._known, fact)
            self._sequence += 1
            self._log(fact)
        self._done()

    def on_append_refused(self, message: AppendRefused) -> None:
        if message.reason == "stale_sequence":
            self.load()  # an earlier life's append came in between; the change is begun again
        elif self._wishes:
            self._refuse(f"it could not be recorded: {message.text}")

    def _log(self, fact: Any) -> None:
        log = self._context.log
        match fact:
            case SafetyChanged():
                log.warning("safety_changed", state=fact.state.value, by=fact.by, why=fact.why)
            case AccountCleared():
                log.warning("account_cleared", account=fact.account)
            case ProtectionChanged():
                log.warning("protection_changed", on=fact.on, by=fact.by, why=fact.why)
            case LockSet(lock=lock):
                log.warning(
                    "lock_set",
                    lock=lock.lock_id,
                    kind=lock.kind.value,
                    account=lock.account,
                    symbol=lock.symbol,
                    until=lock.until.isoformat(),
                    reason=lock.reason,
                )
            case LockReleased():
                log.warning("lock_released", lock=fact.lock_id, by=fact.by)

    def _done(self) -> None:
        reply = self._leave()
        if reply is not None:
            reply.answer(self.reading())

    def _refuse(self, text: str, *, outside: bool = True) -> None:
        reply = self._leave()
        if reply is not None:
            reply.refuse(TroubleOutside(text) if outside else Refused(text))

    def _leave(self) -> Reply | None:
        wish = self._wishes.popleft()
        if self._wishes:
            self._begin(self._wishes[0])
        return wish.reply
