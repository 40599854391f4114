"""Conversation: the engine under a chat's session. An accepted command is in the record until its outcome was shown.

Enters: what a person wrote or pressed in this chat. Stays out: what it means and what is done about it (the session,
which builds on this). Accepting is one commit: the update is used and the command kept together. A fresh incarnation
takes up what the record holds, with the stored ids, so that nothing is done twice and nothing ends in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from actors.messages import addresses
from actors.messages.operator import ChatRecord, PendingCommand, ScreenNotShown, ScreenShown, ShowScreen
from actors.messages.storing import DocumentQuestion, PutDocument
from actors.model.screen import Screen
from actors.ports import OperatorSaid, OperatorTapped
from actors.rules import session_record
from actors.rules.ages import span
from runtime import LATER, Actor, Answered, NotAnswered, Reply, handles
from runtime.retry import ErrorClass, RetryAfter, RetryPolicy

SHOW_SECONDS = 60.0  # over all time limits of one send; past it the outcome of showing is unknown
PAUSE_SECONDS = 1.0
BARE_CHARACTERS = 100
PATIENCE = RetryPolicy(max_attempts=1_000_000_000, base_seconds=1.0, cap_seconds=60.0, jitter=0.2)  # never gives up


@dataclass(frozen=True, slots=True)
class Step:
    """Tag of a question: which command asks, and what the answer is for."""

    update_id: int
    name: str
    about: str = ""  # a symbol, a trade id, a nonce


@dataclass(frozen=True, slots=True)
class _Again:
    """A pause is over: take this step once more."""

    step: Step


@dataclass(frozen=True, slots=True)
class _WriteRecord:
    """Write the record; also the tag of its being written."""


@dataclass(frozen=True, slots=True)
class _ReadRecord:
    """Read the record; also the tag of its being read."""


@dataclass(frozen=True, slots=True)
class _Showing:
    """Tag of an outcome at the courier."""

    update_id: int


@dataclass(frozen=True, slots=True)
class _ShowAgain:
    """A pause is over: show it once more."""

    update_id: int


@dataclass(slots=True)
class _Ending:
    """How far one command is from its end. Lost with the incarnation; the record is not."""

    edits: int | None  # the message the outcome replaces; None: it is sent as a new one
    then: Callable[[], None] | None = None  # what follows once the record is written
    then_change: int = 0
    screen: Screen | None = None
    shows: int = 0  # attempts at showing
    maybe_shown: bool = False
    bare: bool = False  # the chat refused the whole; only its title is tried


def _bare(screen: Screen) -> Screen:
    """Give what is left to say where the chat refuses the whole: too long, or words it cannot take."""
    lines = ("The chat refused the rest of this answer. /status shows how things stand.",)
    return Screen(title=screen.title[:BARE_CHARACTERS], lines=lines)


class Conversation(Actor):
    """One chat's commands, from their acceptance to their outcome."""

    def __init__(self, *, chat_id: int) -> None:
        self._chat_id = chat_id
        self._record: ChatRecord | None = None  # None until it was read
        self._endings: dict[int, _Ending] = {}
        self._changes = 0  # of the record, counted
        self._written = 0  # the newest change known to be durable
        self._writing = 0  # the change being written; 0: none
        self._owed: list[tuple[int, Reply]] = []  # who is told once that change is durable

    def on_start(self) -> None:
        self._read_record()

    # --- for the session to fill ------------------------------------------------------------------------------------
    def begin(self, pending: PendingCommand) -> None:
        """Start on an accepted command."""
        raise NotImplementedError

    def proceed(self, pending: PendingCommand) -> None:
        """Ask for what was confirmed, perhaps not for the first time."""
        raise NotImplementedError

    def too_late(self, pending: PendingCommand, age: str) -> None:
        """End a confirmed command that was interrupted and is too old to be asked for again."""
        raise NotImplementedError

    def on_step(self, step: Step, value: Any) -> None:
        """Take the answer to a question of this command."""
        raise NotImplementedError

    def on_silent_step(self, step: Step, silence: NotAnswered) -> None:
        """Take it that a question of this command has no answer."""
        raise NotImplementedError

    def on_step_again(self, step: Step) -> None:
        """Take a step once more after a pause."""
        raise NotImplementedError

    def on_ended(self, update_id: int) -> None:
        """Forget what was known of a command whose outcome was seen."""
        raise NotImplementedError

    # --- for the session to use -------------------------------------------------------------------------------------
    @property
    def known(self) -> ChatRecord:
        if self._record is None:
            raise RuntimeError(f"{self._name} was used before it was read")
        return self._record

    def pending(self, update_id: int) -> PendingCommand | None:
        return session_record.find(self.known, update_id)

    def question(self, step: Step, path: str, question: object, *, timeout_seconds: float = 5.0) -> None:
        """Ask on behalf of a command; the answer comes to on_step, its absence to on_silent_step."""
        self.context.ask(path, question, timeout_seconds=timeout_seconds, tag=step)

    def later(self, step: Step) -> None:
        """Have on_step_again called with this step after a short pause."""
        self.context.start_timer(f"again/{step.update_id}", PAUSE_SECONDS, _Again(step))

    def change_first(self, update_id: int, record: ChatRecord, then: Callable[[], None]) -> None:
        """Change the record, and go on once that is durable."""
        ending = self._endings[update_id]
        ending.then, ending.then_change = then, self._changes + 1
        self._change(record)

    def show_apart(self, update_id: int) -> None:
        """Send the outcome as a message of its own instead of replacing the tapped one."""
        self._endings[update_id].edits = None

    def decide(self, update_id: int, outcome: Screen) -> None:
        """Keep the outcome of what was done, then show it."""
        self.context.log.info("command_decided", update_id=update_id, outcome=outcome.title)
        decided = session_record.decide(self.known, update_id, outcome)
        self.change_first(update_id, decided, lambda: self.show(update_id, outcome))

    def show(self, update_id: int, screen: Screen) -> None:
        """Show how a command ended; it is over once this was seen."""
        ending = self._endings[update_id]
        ending.screen = screen
        ending.shows += 1
        pending = session_record.find(self.known, update_id)
        waited = 0.0 if pending is None else (self.context.now() - pending.said_at).total_seconds()
        late = (f"Asked {span(waited)} ago.",) if waited > session_record.FRESH_SECONDS else ()
        again = "(again) " if ending.maybe_shown and ending.edits is None else ""  # an edit leaves nothing twice
        shown = replace(screen, title=f"{again}{screen.title}", lines=(*late, *screen.lines))
        show = ShowScreen(chat_id=self._chat_id, screen=shown, edit_message_id=ending.edits)
        self.context.ask(addresses.CHAT_COURIER, show, timeout_seconds=SHOW_SECONDS, tag=_Showing(update_id))

    def _on_shown(self, update_id: int, outcome: ScreenShown | ScreenNotShown) -> None:
        ending = self._endings[update_id]
        if isinstance(outcome, ScreenNotShown) and outcome.permanent and ending.screen is not None and not ending.bare:
            ending.bare = True
            self.context.log.warning("outcome_cut_short", update_id=update_id, error=outcome.text)
            self.show(update_id, _bare(ending.screen))
            return
        if isinstance(outcome, ScreenShown) or outcome.permanent:
            if isinstance(outcome, ScreenNotShown):
                self.context.log.error("outcome_not_shown", update_id=update_id, error=outcome.text)
            del self._endings[update_id]
            self.on_ended(update_id)
            self._change(session_record.finish(self.known, update_id))
            return
        ending.maybe_shown = ending.maybe_shown or outcome.unclear
        decided = PATIENCE.after(
            ending.shows, ErrorClass.REPEATABLE, self.context.random, retry_after_seconds=outcome.retry_after_seconds
        )
        pause = decided.delay_seconds if isinstance(decided, RetryAfter) else PATIENCE.cap_seconds
        self.context.log.warning("outcome_delayed", update_id=update_id, error=outcome.text, retry_in_seconds=pause)
        self.context.start_timer(f"show/{update_id}", pause, _ShowAgain(update_id))

    @handles(_ShowAgain)
    def _on_show_again(self, again: _ShowAgain) -> None:
        ending = self._endings[again.update_id]
        if ending.screen is not None:
            self.show(again.update_id, ending.screen)

    # --- the record -------------------------------------------------------------------------------------------------
    @property
    def _name(self) -> str:
        return f"chat/{self._chat_id}"

    def _read_record(self) -> None:
        self.context.ask(addresses.STORE, DocumentQuestion(name=self._name), tag=_ReadRecord())

    @handles(_ReadRecord)
    def _on_read_again(self, _: _ReadRecord) -> None:
        self._read_record()

    def _on_record(self, value: object) -> None:
        self._record = value if isinstance(value, ChatRecord) else ChatRecord()
        for pending in self._record.pending:
            self._resume(pending)
        self.context.unstash_all()

    def _resume(self, pending: PendingCommand) -> None:
        """Go on with a command whose outcome nobody is known to have seen."""
        self.context.log.info("command_resumed", update_id=pending.update_id, decided=pending.outcome is not None)
        # The last incarnation may have shown it and ended before it noted that.
        self._endings[pending.update_id] = _Ending(edits=pending.message_id, maybe_shown=True)
        if pending.outcome is not None:
            self.show(pending.update_id, pending.outcome)
        elif pending.action is None or pending.confirmed_at is None:
            self.begin(pending)
        elif session_record.is_stale(pending.confirmed_at, self.context.now()):
            self.too_late(pending, span((self.context.now() - pending.confirmed_at).total_seconds()))
        else:
            self.proceed(pending)

    def _change(self, record: ChatRecord) -> None:
        self._record = record
        self._changes += 1
        self._write()

    def _write(self) -> None:
        if self._writing or self._written == self._changes:
            return
        self._writing = self._changes
        self.context.ask(addresses.STORE, PutDocument(name=self._name, body=self.known), tag=_WriteRecord())

    def _on_written(self) -> None:
        self._written, self._writing = self._writing, 0
        for _, reply in (each for each in self._owed if each[0] <= self._written):
            reply.answer(True)
        self._owed = [each for each in self._owed if each[0] > self._written]
        for ending in tuple(self._endings.values()):
            if ending.then is not None and ending.then_change <= self._written:
                then, ending.then = ending.then, None
                then()
        self._write()

    @handles(_WriteRecord)
    def _on_write_again(self, _: _WriteRecord) -> None:
        self._write()

    # --- in -----------------------------------------------------------------------------------------------------
    @handles(OperatorSaid)
    def _on_said(self, said: OperatorSaid) -> Any:
        return self._accept(
            PendingCommand(
                update_id=said.update_id,
                user_id=said.user_id,
                text=said.text,
                data="",
                message_id=None,
                said_at=said.said_at,
                nonce=self.context.new_id(),
            )
        )

    @handles(OperatorTapped)
    def _on_tapped(self, tapped: OperatorTapped) -> Any:
        return self._accept(
            PendingCommand(
                update_id=tapped.update_id,
                user_id=tapped.user_id,
                text="",
                data=tapped.data,
                message_id=tapped.message_id,
                said_at=tapped.tapped_at,
                nonce=self.context.new_id(),
            )
        )

    def _accept(self, pending: PendingCommand) -> Any:
        """Answered True once it stands in the record, or stood there before."""
        if self._record is None:
            self.context.stash()
            return None
        if session_record.is_used(self._record, pending.update_id):
            self.context.log.info("update_repeated", update_id=pending.update_id)
            return self._once_written()
        pressed_again = pending.data and session_record.is_under_way(self._record, pending.data)
        if pressed_again or session_record.is_full(self._record):
            self.context.log.warning("command_ignored", update_id=pending.update_id, pressed_again=bool(pressed_again))
            self._change(session_record.use(self._record, pending.update_id))
            return True
        self.context.log.info("command_accepted", update_id=pending.update_id, text=pending.text, data=pending.data)
        self._endings[pending.update_id] = _Ending(edits=pending.message_id)
        accepted = session_record.accept(self._record, pending)
        reply = self.context.defer_reply()

        def recorded() -> None:
            reply.answer(True)
            self.begin(pending)

        self.change_first(pending.update_id, accepted, recorded)
        return LATER

    def _once_written(self) -> Any:
        """Answer True once the record, as it is now, is durable: what only memory knows is lost in a crash."""
        if self._written == self._changes:
            return True
        self._owed.append((self._changes, self.context.defer_reply()))
        return LATER

    def _open(self, update_id: int) -> bool:
        """Tell whether a command has no outcome yet: of several questions asked for it the first silence may end it."""
        ending = self._endings.get(update_id)
        return ending is not None and ending.screen is None

    # --- answers and silences ---------------------------------------------------------------------------------------
    @handles(Answered)
    def _on_answered(self, answer: Answered) -> None:
        match answer.tag:
            case _ReadRecord():
                self._on_record(answer.value)
            case _WriteRecord():
                self._on_written()
            case _Showing(update_id=update_id):
                self._on_shown(update_id, answer.value)
            case Step(update_id=update_id) as step if self._open(update_id):
                self.on_step(step, answer.value)

    @handles(NotAnswered)
    def _on_not_answered(self, silence: NotAnswered) -> None:
        match silence.tag:
            case _ReadRecord():
                self.context.start_timer("read", PAUSE_SECONDS, _ReadRecord(), new_trace=True)
            case _WriteRecord():
                self._writing = 0
                self.context.start_timer("write", PAUSE_SECONDS, _WriteRecord(), new_trace=True)
            case _Showing(update_id=update_id):
                unclear = silence.reason not in {"refused", "dead"}
                outcome = ScreenNotShown(permanent=False, unclear=unclear, retry_after_seconds=None, text=silence.error)
                self._on_shown(update_id, outcome)
            case Step(update_id=update_id) as step if self._open(update_id):
                self.on_silent_step(step, silence)

    @handles(_Again)
    def _on_again(self, again: _Again) -> None:
        if self._open(again.step.update_id):
            self.on_step_again(again.step)
