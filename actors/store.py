"""The store: the one actor that writes. It commits facts and promised effects together, then releases the effects.

Appends that arrive together share one commit (its mailbox is drained first; it never waits for more). Nothing leaves
before the commit, answers to questions included, so what a crash forgets was never promised or told to anyone. A
commit that fails, or a fenced run, ends this life of the store: its watchers begin again from what is durable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.errors import Denied, GuardUsed, OutsideError, StaleSequence
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
    PutDocument,
    RegisterQuestion,
    Settle,
    TakeDocument,
    UnsettledQuestion,
    UseGuards,
)
from actors.ports import StorePort
from runtime import LATER, Actor, Refused, Reply, handles


class Store(Actor):
    """Runs on a thread of its own: every call to its port blocks."""

    drain_every = 128  # appends in one commit at the most

    def __init__(self, *, open_port: Callable[[], StorePort]) -> None:
        self._open_port = open_port
        self._port: StorePort | None = None
        self._told: list[tuple[str, object, str]] = []  # what leaves after the commit, and to which story it belongs
        self._answers: list[tuple[Reply, Any]] = []
        self._dirty = False

    def on_start(self) -> None:
        self._port = self._open_port()
        self._port.rollback()  # whatever an earlier life left half done

    @property
    def _db(self) -> StorePort:
        if self._port is None:
            raise RuntimeError("the store is not open")
        return self._port

    # --- writing --------------------------------------------------------------------------------------------------
    @handles(Append)
    def _on_append(self, message: Append) -> None:
        writer = self.context.sender
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
        story = self.context.trace_id
        self._told += [(effect.destination, Perform(effect=effect), story) for effect in message.effects]
        if message.confirm_to is not None:
            self._told.append((message.confirm_to, Appended(stream=message.stream, sequence=sequence), story))

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
        return self._after_commit(self._db.use_guards(message.guards))

    @handles(NextNumber)
    def _on_number(self, message: NextNumber) -> Any:
        return self._after_commit(self._db.next_number(message.counter))

    @handles(PutDocument)
    def _on_put(self, message: PutDocument) -> Any:
        self._db.put_document(message.name, message.body)
        return self._after_commit(True)

    @handles(TakeDocument)
    def _on_take(self, message: TakeDocument) -> Any:
        return self._after_commit(self._db.take_document(message.name))

    def _after_commit(self, value: Any) -> Any:
        """Answer once what the answer says is durable."""
        self._dirty = True
        self._answers.append((self.context.defer_reply(), value))
        return LATER

    def on_drained(self) -> None:
        if not self._dirty:
            return
        self._db.commit()
        self._dirty = False
        told, self._told = self._told, []
        answers, self._answers = self._answers, []
        for path, message, story in told:
            self.context.tell(path, message, trace_id=story)
        for reply, value in answers:
            reply.answer(value)

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

    @handles(DocumentQuestion)
    def _on_document(self, message: DocumentQuestion) -> Any:
        return self._once_durable(self._db.document(message.name))

    def _once_durable(self, value: Any) -> Any:
        return self._after_commit(value) if self._dirty else value

    def on_stop(self) -> None:
        """Keep what is written. Whoever opened the port closes it: a store that is started again finds it open."""
        if self._port is not None and self._dirty:
            self._port.commit()
