"""Mailbox: two lanes into a cell. The system lane goes first and is never full; the user lane is bounded.

Enters: envelopes and commands from any thread. Stays out: handling them. Posting never blocks and never raises.

The fast path takes no lock. It rests on three facts of CPython: list and deque operations are atomic, threads see
each other's writes in order, and whoever takes the one token out of `idle` is the one who submits the cell.
A sender appends first and looks for the token after; a worker puts the token back first and looks for messages after:
one of the two always sees the other, so no wake-up is lost and no two workers run one cell.
Two senders racing for the last place may both get it: the bound is exact up to the number of posting threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, NoReturn, Protocol

from runtime.envelope import Envelope, Notice
from runtime.errors import RuntimeFault
from runtime.spec import Coalesce, DropOldest, MailboxSpec

_TOKEN = None


class Owner(Protocol):
    """What a mailbox needs of its cell."""

    def submit(self) -> None:
        """Enter the dispatcher's run queue."""
        ...

    def refuse(self, envelope: Envelope, reason: str) -> None:
        """Answer for a message that the mailbox cannot take."""
        ...

    def adopt(self, foreign: Any) -> None:
        """Take an envelope of pykka's, sent through one of its references."""
        ...


class Mailbox:
    """The inbox of one cell: pykka's protocol (`put`, `get`, `empty`) for its references, `post` for everyone else."""

    __slots__ = (
        "_capacity",
        "_drop_oldest",
        "_key",
        "_latest",
        "_lock",
        "_open_places",
        "_owner",
        "closed_reason",
        "dropped",
        "idle",
        "system",
        "user",
    )

    def __init__(self) -> None:
        self.user: deque[Envelope] = deque()
        self.system: list[Any] = []
        self.idle: list[
            None
        ] = []  # holds the token while no worker has the cell; at first the cell is not yet attached
        self.closed_reason: str | None = None  # set: every message is refused for this reason
        self.dropped = 0  # messages the bound has cost so far

    def attach(self, spec: MailboxSpec, owner: Owner) -> None:
        """Join the mailbox to its cell, with the bound and what happens at it."""
        self._owner = owner
        self._capacity = spec.capacity
        self._drop_oldest = isinstance(spec.overflow, DropOldest)
        self._key = spec.overflow.key if isinstance(spec.overflow, Coalesce) else None
        self._latest: dict[Hashable, Envelope] | None = None if self._key is None else {}
        # Only the policies that replace what is queued need to exclude the worker and each other.
        self._lock = threading.Lock() if self._key is not None else None
        # The fast path's one comparison: 0 sends everything through _post_with_care.
        self._open_places = 0 if self._key is not None else spec.capacity
        self.idle.append(_TOKEN)

    @property
    def coalesces(self) -> bool:
        """Whether `taken` has to be told of every envelope that leaves."""
        return self._key is not None

    def put(self, foreign: Any) -> None:
        """Take an envelope from one of pykka's references (pykka's protocol)."""
        self._owner.adopt(foreign)

    def get(self) -> NoReturn:
        """Refuse: pykka's own loop never runs a cell, dispatchers do."""
        raise RuntimeFault("a cell's mailbox is emptied by its batches, not by pykka's loop")

    def empty(self) -> bool:
        return not self.user

    def post(self, envelope: Envelope) -> None:
        """Queue a user message, or refuse it as the bound's policy says."""
        user = self.user
        if len(user) < self._open_places:
            user.append(envelope)
            if self.idle:
                self.wake()
        else:
            self._post_with_care(envelope)

    def post_notice(self, envelope: Envelope) -> None:
        """Queue what the actor itself asked for (answers, timers, watches): in order, outside the bound."""
        if self.closed_reason is not None:
            return
        self.user.append(envelope)
        if self.idle:
            self.wake()

    def command(self, command: Any) -> None:
        """Queue a command of the runtime's: taken before any user message, never refused."""
        self.system.append(command)
        if self.idle:
            self.wake()

    def wake(self) -> None:
        """Get the cell run, unless it is already queued or running."""
        if self.closed_reason is not None:
            self._refuse_all()
            if not self.system:
                return
        try:
            self.idle.pop()
        except IndexError:
            return
        self._owner.submit()

    def rest(self, *, ready: bool) -> bool:
        """Give the cell back after a batch, unless there is more to do.

        Args:
            ready: whether the cell could go on with user messages.

        Returns:
            True when there is more to do: the caller keeps the cell, to run it again or submit it.

        """
        if self.system or (ready and self.user):
            return True
        self.idle.append(_TOKEN)
        if self.closed_reason is not None:
            self._refuse_all()
        if self.system or (ready and self.user):
            try:
                self.idle.pop()
            except IndexError:
                return False  # a sender saw the token first and has submitted the cell
            return True
        return False

    def taken(self, envelope: Envelope) -> None:
        """Note that a worker took this envelope out, so that nothing coalesces into it any more."""
        lock = self._lock
        if lock is not None:
            with lock:
                self._forget(envelope)

    def put_back(self, envelopes: list[Envelope]) -> None:
        """Return envelopes to the front of the user lane, in this order, outside the bound."""
        self.user.extendleft(reversed(envelopes))

    def close(self, reason: str) -> None:
        """Refuse what is queued and everything that comes from now on."""
        self.closed_reason = reason
        self._open_places = 0
        self._refuse_all()

    def reopen(self) -> None:
        """Take messages again, after `close`."""
        self.closed_reason = None
        self._open_places = 0 if self._key is not None else self._capacity

    def _post_with_care(self, envelope: Envelope) -> None:
        if self.closed_reason is not None:
            self._owner.refuse(envelope, self.closed_reason)
        elif self._key is not None:
            self._coalesce(envelope, self._key)
        elif self._drop_oldest:
            self._make_room_for(envelope)
        else:
            self.dropped += 1
            self._owner.refuse(envelope, "mailbox_full")

    def _coalesce(self, envelope: Envelope, key_of: Callable[[Any], Hashable]) -> None:
        assert self._lock is not None and self._latest is not None  # noqa: S101, PT018 - narrows for the checker
        key = None
        if envelope.reply_to is None:
            try:
                key = key_of(envelope.message)
                hash(key)
            except Exception as error:  # noqa: BLE001 - the sender must not pay for a receiver's faulty key
                self._owner.refuse(envelope, f"coalesce_key_failed: {error!r}")
                return
        with self._lock:
            queued = None if key is None else self._latest.get(key)
            if queued is not None:
                queued.message, queued.cause, queued.id = envelope.message, envelope.cause, envelope.id
                queued.sent_at, queued.deadline = envelope.sent_at, envelope.deadline
                return
            full = len(self.user) >= self._capacity
            if not full:
                if key is not None:
                    envelope.coalesce_key = key
                    self._latest[key] = envelope
                self.user.append(envelope)
        if full:
            self.dropped += 1
            self._owner.refuse(envelope, "mailbox_full")
        elif self.idle or self.closed_reason is not None:
            self.wake()

    def _forget(self, envelope: Envelope) -> None:
        key = getattr(envelope, "coalesce_key", None)
        if key is not None and self._latest is not None and self._latest.get(key) is envelope:
            del self._latest[key]

    def _make_room_for(self, envelope: Envelope) -> None:
        kept: list[Envelope] = []
        oldest: Envelope | None = None
        while oldest is None:
            try:
                candidate = self.user.popleft()
            except IndexError:
                break
            if isinstance(candidate.message, Notice):
                kept.append(candidate)
            else:
                oldest = candidate
        self.user.extendleft(reversed(kept))
        if oldest is not None:
            self.dropped += 1
            self._owner.refuse(oldest, "dropped_oldest")
        self.user.append(envelope)
        if self.idle or self.closed_reason is not None:
            self.wake()

    def _refuse_all(self) -> None:
        reason = self.closed_reason or "stopped"
        while True:
            try:
                envelope = self.user.popleft()
            except IndexError:
                return
            self.taken(envelope)
            self._owner.refuse(envelope, reason)
