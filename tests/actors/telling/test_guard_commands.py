"""/safety and /locks: what makes safer is done at once, what loosens is asked back; readings show what is shut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.messages.guarding import GuardsQuestion, GuardsReading, ReleaseLock, SetSafety
from actors.model.guarding import EVERY_SYMBOL, Lock, LockKind, Safety, SafetyState
from runtime import LATER, Refused, handles
from tests.actors.telling.test_operator_session import Chat, Desk, ScriptedDesk

ACTIVE, REDUCE_ONLY, HALTED = SafetyState.ACTIVE, SafetyState.REDUCE_ONLY, SafetyState.HALTED
NONE_SET = GuardsReading(safety=Safety(), locks=(), dry_run=False)


class GuardedDesk(ScriptedDesk):
    """A desk with guards whose state outlives it."""

    kept: list[GuardsReading]

    def __init__(self, desk: Desk, disk: Any) -> None:
        super().__init__(desk, disk)

    @handles(GuardsQuestion)
    def _on_guards(self, _: GuardsQuestion) -> GuardsReading:
        return self.kept[0]

    @handles(SetSafety)
    def _on_safety(self, wanted: SetSafety) -> Any:
        self._check_durable(wanted.command_id)
        self._desk.asked.append(wanted)
        if self._desk.moods and self._desk.moods.popleft() == "silent":
            self.context.defer_reply()
            return LATER
        safety = Safety(state=wanted.state, by=wanted.by, why=wanted.why, since=self.context.now())
        self.kept[0] = replace(self.kept[0], safety=safety)
        return self.kept[0]

    @handles(ReleaseLock)
    def _on_release(self, wanted: ReleaseLock) -> GuardsReading:
        self._desk.asked.append(wanted)
        if not any(lock.lock_id == wanted.lock_id for lock in self.kept[0].locks):
            raise Refused(f"there is no lock {wanted.lock_id} to release")
        self.kept[0] = replace(self.kept[0], locks=())
        return self.kept[0]


class GuardedChat(Chat):
    def __init__(self, world: Any) -> None:
        self.kept = [NONE_SET]
        kept = self.kept

        class Kept(GuardedDesk):
            def __init__(self, desk: Desk, disk: Any) -> None:
                super().__init__(desk, disk)
                self.kept = kept

        super().__init__(world, Kept)

    def lock(self) -> Lock:
        now = self.world.now()
        found = Lock(
            lock_id="L2",
            kind=LockKind.STOPS,
            account="main",
            symbol=EVERY_SYMBOL,
            reason="4 losing stops on main within 1 d 0 h (limit 4)",
            set_at=now,
            until=now + timedelta(minutes=30),
            newest_close=now,
        )
        self.kept[0] = replace(self.kept[0], locks=(found,))
        return found

    def be(self, state: SafetyState) -> None:
        safety = Safety(state=state, by="cli", why="maintenance", since=self.world.now())
        self.kept[0] = replace(self.kept[0], safety=safety)


@pytest.fixture
def chat(make_world: Callable[..., Any]) -> GuardedChat:
    return GuardedChat(make_world())


def test_the_safety_state_is_shown_with_how_to_change_it(chat: GuardedChat) -> None:
    shown = chat.write("/safety")
    assert "Safety state: active" in shown.text
    assert "/safety reduce-only REASON or /safety halted REASON" in shown.text


def test_a_stricter_state_is_set_at_once_and_by_whom_and_why_is_kept(chat: GuardedChat) -> None:
    shown = chat.write("/safety halted  prices look odd")
    assert "Safety state: halted for 0 s (by chat:17: prices look odd)" in shown.text
    (asked,) = chat.desk.asked
    assert (asked.state, asked.why, asked.by) == (HALTED, "prices look odd", "chat:17")  # type: ignore[attr-defined]
    assert chat.desk.unwritten == []


def test_a_looser_state_is_asked_back_first_and_set_by_confirm_alone(chat: GuardedChat) -> None:
    chat.be(HALTED)
    asked_back = chat.write("/safety reduce-only it calmed down")
    assert "Set the safety state to reduce-only?" in asked_back.text
    assert "It is halted for 0 s (by cli: maintenance)." in asked_back.text
    assert chat.desk.asked == []
    chat.press(asked_back, "Cancel")
    assert chat.kept[0].safety.state is HALTED
    outcome = chat.press(chat.write("/safety active it is over"), "Confirm")
    assert "Safety state: active" in outcome.text
    assert chat.kept[0].safety.why == "it is over"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/safety off", "'off' is no safety state."),
        ("/safety halted", "The reason is missing: write it behind, as in /safety halted maintenance"),
        ("/locks open L1", "Locks are listed, or released one at a time."),
        ("/locks release L7", "There is no lock L7 to release."),
    ],
)
def test_what_cannot_be_done_says_what_to_write(chat: GuardedChat, text: str, answer: str) -> None:
    assert answer in chat.write(text).text
    assert chat.desk.asked == []


def test_locks_are_listed_and_released_after_a_confirmation(chat: GuardedChat) -> None:
    assert "No lock holds." in chat.write("/locks").text
    chat.lock()
    listed = chat.write("/locks")
    assert "LOCKED L2: no new entries on main for another 30 min; 4 losing stops on main" in listed.text
    asked_back = chat.press(listed, "Release L2")
    assert "Release lock L2?" in asked_back.text
    assert chat.desk.asked == []
    assert "No lock holds." in chat.press(asked_back, "Confirm").text
    assert chat.desk.asked == [ReleaseLock(lock_id="L2", by="chat:17")]


@pytest.mark.parametrize("text", ["/status", "/status table"])
def test_what_is_shut_stands_on_top_of_every_reading(chat: GuardedChat, text: str) -> None:
    chat.trade(3)
    assert "SAFETY STATE" not in chat.write(text).text
    chat.be(REDUCE_ONLY)
    chat.lock()
    chat.kept[0] = replace(chat.kept[0], dry_run=True)
    shown = chat.write(text).text
    assert "DRY RUN: new orders pass every check and are not sent" in shown
    assert "SAFETY STATE reduce-only for " in shown
    assert "LOCKED L2" in shown
    assert "XRPUSDT" in shown


def test_what_makes_safer_is_never_too_late_after_a_crash(chat: GuardedChat) -> None:
    chat.desk.moods.append("silent")
    chat.write("/safety halted prices look odd", wait=0.5)
    assert chat.kept[0].safety.state is ACTIVE
    chat.world.system.stop_actor(chat.session)
    chat.world.pass_time(300)
    chat.write("/version")  # the room starts the session again
    assert chat.kept[0].safety.state is HALTED
    first, again = chat.desk.asked
    assert first == again  # under the same id


def test_what_loosens_is_not_done_late(chat: GuardedChat) -> None:
    chat.be(HALTED)
    chat.desk.moods.append("silent")
    chat.press(chat.write("/safety active it is over"), "Confirm", wait=0.5)
    chat.world.system.stop_actor(chat.session)
    chat.world.pass_time(300)
    chat.write("/version")
    assert chat.kept[0].safety.state is HALTED
    assert any(title.startswith("Safety state active: outcome unknown") for title in chat.world.chat.titles())
