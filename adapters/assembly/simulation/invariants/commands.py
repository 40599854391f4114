"""I8: every accepted command of the person's reaches exactly one outcome that they can see; none lost, none twice.

Judged by the chat's durable record (accepted when it stands there as pending, ended when it has left) and by what the
chat service has shown. Exempt: what says of itself that it may be a repeat ("(again)"), and an edit that shows the
same outcome once more, which leaves nothing twice; a press of a button whose first press is still being carried out,
and what the session turns away because 64 commands wait already (both are used up without being accepted); what ends
after the person has blocked the bot, which nobody can show them; what a frozen run shows on waking, when the run that
followed it has shown the same and said that it may be a repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actors.messages.operator import ChatRecord
from actors.ports import OperatorSaid, OperatorTapped
from adapters.assembly.simulation.invariants.violation import Violated

AGAIN = "(again) "
MOST_PENDING = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Something that became visible in the chat and is no alert."""

    at: float  # monotonic seconds
    message_id: int
    edited: bool
    title: str
    stale: bool = False  # sent by a run that another one has followed


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """A command that has ended, and what is taken for the outcome that was seen of it: which is whose nobody says."""

    since: float  # monotonic seconds
    until: float
    sight: Sight

    def may_be(self, sight: Sight) -> bool:
        return self.since <= sight.at <= self.until


class Commands:
    """The person's commands, from their acceptance to what was seen of them."""

    def __init__(self) -> None:
        self._accepted: dict[int, float] = {}  # under way, by update id
        self._tapped: dict[int, int | None] = {}  # the message each of these was pressed under
        self._ended: set[int] = set()
        self._used: frozenset[int] = frozenset()  # updates that the record knows
        self._pressed: dict[int, str] = {}  # what those under way were pressed with
        self._sights: list[Sight] = []  # that no command has been found for yet, oldest first
        self._repeated: set[str] = set()  # titles that said of themselves that they may be repeats
        self._outcomes: list[_Outcome] = []  # those that were sent as messages of their own

    def seen(self, sight: Sight) -> None:
        self._sights.append(sight)
        if AGAIN in sight.title:
            self._repeated.add(sight.title)

    def kept(self, record: ChatRecord, now: float, *, unseeing_until: float = 0.0) -> None:
        """Judge a chat's record that has become durable. `unseeing_until`: until then the person let nothing in."""
        pending = {each.update_id: each for each in record.pending}
        self._used = frozenset(record.used_updates) | pending.keys()
        self._pressed = {update_id: each.data for update_id, each in pending.items() if each.data}
        for update_id, each in pending.items():
            if update_id in self._ended:
                raise Violated("I8", str(update_id), "a command that has ended was taken up again")
            if update_id not in self._accepted:
                self._accepted[update_id] = now
                self._tapped[update_id] = each.message_id
        for update_id in [each for each in self._accepted if each not in pending]:
            self._end(update_id, now, unseeing_until)

    def acknowledged(self, update: OperatorSaid | OperatorTapped) -> None:
        """Judge an update that the chat service will never send again."""
        pressed_again = isinstance(update, OperatorTapped) and update.data in self._pressed.values()
        if update.update_id not in self._used and not pressed_again and len(self._accepted) < MOST_PENDING:
            raise Violated("I8", str(update.update_id), "a command was acknowledged before it was recorded")

    def _end(self, update_id: int, now: float, unseeing_until: float) -> None:
        since, tapped = self._accepted.pop(update_id), self._tapped.pop(update_id)
        self._ended.add(update_id)
        fitting = [
            each for each in self._sights if each.at >= since - 1.0 and (not each.edited or each.message_id == tapped)
        ]
        if not fitting and since < unseeing_until:
            return
        if not fitting:
            raise Violated("I8", str(update_id), "a command ended and nothing of it was ever shown")
        # An outcome that replaces the tapped message can be nobody else's.
        own = next((each for each in fitting if each.edited), fitting[0])
        repeats = (each for each in self._sights if each.edited and own.edited)  # of the same outcome, in its place
        if not own.edited:
            self._outcomes.append(_Outcome(since=since - 1.0, until=now, sight=own))
        same = {own, *(each for each in repeats if (each.message_id, each.title) == (own.message_id, own.title))}
        self._sights = [each for each in self._sights if each not in same]

    def check_rest(self, waiting: Iterable[object]) -> None:
        """I8 at rest: nothing is under way, and nothing was shown beyond the outcomes. `waiting`: updates not taken."""
        for update in waiting:
            raise Violated("I8", "", f"{update} was never acknowledged")
        if self._accepted:
            raise Violated("I8", str(min(self._accepted)), "a command has no outcome that was seen")
        for each in self._sights:
            if each.edited or AGAIN in each.title or (each.stale and f"{AGAIN}{each.title}" in self._repeated):
                continue
            if not self._find_place(each, set()):
                text = f"shown at {each.at:.1f} beyond all commands, without saying that it is a repeat: {each.title}"
                raise Violated("I8", str(each.message_id), text)

    def _find_place(self, sight: Sight, tried: set[int]) -> bool:
        """Let another command have had this outcome: what was taken for its own is a repeat, or has such a place too.

        Answers cross: one command's first attempt may be seen, unclear to the daemon, before the outcome of an older
        one, and its repeat long after both.
        """
        for number, outcome in enumerate(self._outcomes):
            if number in tried or not outcome.may_be(sight):
                continue
            tried.add(number)
            if AGAIN in outcome.sight.title or self._find_place(outcome.sight, tried):
                outcome.sight = sight
                return True
        return False
