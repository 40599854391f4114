"""Chat room: a session for each chat that somebody allowed writes in, as its children.

Enters: what people wrote and pressed, any chat. Stays out: what it means (the sessions'). The allow-list is the chat
adapter's: what arrives here was let in. Chats are remembered, so that a restart takes up what was under way in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.messages import addresses
from actors.messages.operator import KnownChats
from actors.messages.storing import DocumentQuestion, PutDocument
from actors.ports import OperatorSaid, OperatorTapped
from runtime import LATER, Actor, Answered, ChildSpec, NotAnswered, Refused, Reply, handles

CHATS = "chats"  # the document's name
PAUSE_SECONDS = 1.0
RECORD_SECONDS = 5.0
MOST_CHATS = 64  # a person has a few; more means that something is wrong


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Tags the question whether an input was recorded."""


@dataclass(frozen=True, slots=True)
class _ReadAgain:
    """The pause is over: ask for the known chats again."""


class ChatRoom(Actor):
    """One for the daemon, at "chats"."""

    def __init__(self, session: Callable[[int], ChildSpec]) -> None:
        """Take how to specify the session of a chat; its name must be the chat's id as text."""
        self._session = session
        self._chats: tuple[int, ...] | None = None  # None until they were read
        self._owed: dict[str, Reply] = {}  # by ask id: who handed an input over and waits for its record

    def on_start(self) -> None:
        self._read()

    def _read(self) -> None:
        self.context.ask(addresses.STORE, DocumentQuestion(name=CHATS), tag="read")

    @handles(_ReadAgain)
    def _on_read_again(self, _: _ReadAgain) -> None:
        self._read()

    @handles(Answered)
    def _on_answered(self, answer: Answered) -> None:
        if isinstance(answer.tag, _Recorded):
            self._owed.pop(answer.ask_id).answer(True)
            return
        if answer.tag == "read":
            known = answer.value
            self._chats = known.chat_ids if isinstance(known, KnownChats) else ()
            for chat_id in self._chats:
                self._start(chat_id)
            self.context.unstash_all()

    @handles(NotAnswered)
    def _on_not_answered(self, silence: NotAnswered) -> None:
        if isinstance(silence.tag, _Recorded):
            self._owed.pop(silence.ask_id).refuse(Refused(f"it could not be recorded: {silence.error}"))
            return
        if silence.tag == "read":
            self.context.start_timer("read", PAUSE_SECONDS, _ReadAgain(), new_trace=True)

    @handles(OperatorSaid, OperatorTapped)
    def _on_input(self, said: OperatorSaid | OperatorTapped) -> Any:
        """Answered True once the session has recorded it."""
        if self._chats is None:
            self.context.stash()
            return None
        if said.chat_id not in self._chats:
            if len(self._chats) >= MOST_CHATS:
                self.context.log.error("chat_refused", chat_id=said.chat_id, chats=len(self._chats))
                return True
            self._chats = (*self._chats, said.chat_id)
            self.context.ask(addresses.STORE, PutDocument(name=CHATS, body=KnownChats(chat_ids=self._chats)), tag="put")
        self._start(said.chat_id)
        reply = self.context.defer_reply()
        ask_id = self.context.ask(
            addresses.session(said.chat_id), said, timeout_seconds=RECORD_SECONDS, tag=_Recorded()
        )
        self._owed[ask_id] = reply
        return LATER

    def _start(self, chat_id: int) -> None:
        if str(chat_id) not in self.context.children():
            self.context.start_child(self._session(chat_id))
