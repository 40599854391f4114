"""What belongs to an incarnation: timers, stash, traces, randomness, logs; and what the outside can see of it."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import structlog

from runtime import (
    LATER,
    ActorRestarted,
    Answered,
    ChildSpec,
    DeadLettered,
    DeadLetters,
    NotAnswered,
    Refused,
    Terminated,
    handles,
)
from runtime.events import RuntimeEvent
from runtime.log_context import LOG_LINES, log_event
from runtime.testing import Do, Doer, Gate, Stage


def crash(_: Any) -> None:
    raise ValueError("crash")


# -- timers


def test_a_timer_is_a_message_to_self(stage: Stage) -> None:
    probe = stage.probe()
    probe.do(lambda actor: actor.context.start_timer("t", 0.01, "rang"))
    assert probe.wait(str) == "rang"
    assert probe.senders == ["probe"]


def test_a_timer_of_the_same_key_replaces_the_one_before(simulation: Stage) -> None:
    probe = simulation.probe()
    probe.do(lambda actor: actor.context.start_timer("t", 1, "first"))
    probe.do(lambda actor: actor.context.start_timer("t", 5, "second"))
    simulation.crank.run_for(10)
    assert probe.received == ("second",)


def test_a_cancelled_timer_does_not_ring_even_when_its_message_is_already_queued(simulation: Stage) -> None:
    simulation.start("doer", Doer)

    def set_two_and_be_busy(doer: Any) -> None:
        doer.context.start_timer("cancelled", 1, "cancelled")
        doer.context.start_timer("kept", 1, "kept")

    simulation.system.ask("doer", Do(set_two_and_be_busy))
    simulation.system.tell("doer", Do(lambda doer: (doer.context.spend(3), doer.context.cancel_timer("cancelled"))))
    simulation.crank.run_for(5)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == ["kept"]


def test_timers_end_with_their_incarnation(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    simulation.system.ask("doer", Do(lambda doer: doer.context.start_timer("t", 1, "of the first")))
    simulation.system.tell("doer", Do(crash))
    simulation.crank.run_for(5)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == []


def test_an_ended_incarnations_timers_and_asks_leave_nothing_pending(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    simulation.start("busy", Doer)
    simulation.system.tell("busy", Do(lambda doer: doer.context.spend(5)))

    def leave_much_behind(doer: Any) -> None:
        doer.context.start_timer("t", 1000, "x")
        doer.context.ask("busy", "x", timeout_seconds=2000)

    simulation.system.ask("doer", Do(leave_much_behind))
    simulation.system.tell("doer", Do(crash))
    simulation.crank.run()
    assert simulation.crank.clock.monotonic() < 10


def test_the_delay_counts_from_the_end_of_the_handler(simulation: Stage) -> None:
    probe = simulation.probe()
    probe.do(lambda actor: (actor.context.start_timer("t", 1, "rang"), actor.context.spend(2)))
    at_end = simulation.crank.clock.monotonic()
    probe.wait(str)
    assert simulation.crank.clock.monotonic() - at_end == pytest.approx(1.0)


# -- stash


class Reconciling(Doer):
    """Sets everything aside until it hears "go"."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False

    @handles(str)
    def _on_word(self, word: str) -> Any:
        if word == "go":
            self.ready = True
            self.context.unstash_all()
            return None
        if not self.ready:
            self.context.stash()
            return LATER
        self.log.append(word)
        return word.upper()


def test_stashed_messages_come_back_first_and_in_order(stage: Stage) -> None:
    stage.start("doer", Reconciling)
    probe = stage.probe()

    def send(actor: Any) -> None:
        for word in ("a", "b", "c", "go", "d"):
            actor.context.tell("doer", word)

    probe.do(send)
    stage.settle("probe")
    stage.settle("doer")
    stage.settle("doer")
    assert stage.system.ask("doer", Do(lambda doer: doer.log)) == ["a", "b", "c", "d"]


def test_the_asker_of_a_stashed_question_is_answered_when_it_is_handled(stage: Stage) -> None:
    stage.start("doer", Reconciling)
    probe = stage.probe()
    probe.do(lambda actor: (actor.context.ask("doer", "question"), actor.context.tell("doer", "go")))
    assert probe.wait(Answered).value == "QUESTION"


def test_the_stash_is_bounded_and_what_is_over_is_a_dead_letter(stage: Stage) -> None:
    stage.start("doer", Reconciling)
    for number in range(300):
        stage.system.tell("doer", f"{number}")
    stage.system.tell("doer", "go")
    stage.settle("doer")
    stage.settle("doer")
    assert stage.system.ask("doer", Do(lambda doer: len(doer.log))) == 256
    assert stage.system.dead_letters.count(path="doer", reason="stash_full") == 44


def test_a_stash_ends_with_its_incarnation_as_dead_letters_and_askers_are_told(stage: Stage) -> None:
    stage.start("doer", Reconciling)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.ask("doer", "question"))
    stage.system.tell("doer", "told")
    stage.settle("probe")
    stage.settle("doer")
    stage.system.tell("doer", Do(crash))
    assert probe.wait(NotAnswered).reason == "actor_restarted"
    assert stage.system.dead_letters.count(path="doer", reason="stash_lost") == 2


# -- traces


def test_what_a_handler_sends_belongs_to_the_story_of_what_it_handles(stage: Stage) -> None:
    stage.start("first", Doer)
    stage.start("second", Doer)
    probe = stage.probe()
    pass_on = Do(lambda doer: doer.context.tell("second", Do(lambda doer: doer.context.tell("probe", "end"))))
    stage.system.tell("first", pass_on, trace_id="tap-4711")
    probe.wait(str)
    assert probe.traces == ["tap-4711"]
    assert probe.senders == ["second"]


def test_what_was_put_off_goes_on_with_its_own_story(stage: Stage) -> None:
    stage.start("later", Doer)
    probe = stage.probe()

    def tell_both(doer: Doer) -> None:
        doer.context.tell("probe", "of another", trace_id="one story")
        doer.context.tell("probe", "of this")

    stage.system.tell("later", Do(tell_both), trace_id="this story")
    probe.wait(str, times=2)
    assert probe.traces == ["one story", "this story"]
    assert probe.senders == ["later", "later"]


def test_each_message_from_outside_begins_a_story_of_its_own(stage: Stage) -> None:
    probe = stage.probe()
    for _ in range(3):
        stage.system.tell("probe", "x")
    probe.wait(str, times=3)
    assert len(set(probe.traces)) == 3
    assert probe.senders == [None] * 3


def test_answers_timers_and_restarts_carry_the_story_on(stage: Stage) -> None:
    traces: list[str] = []

    class Curious(Doer):
        def on_start(self) -> None:
            traces.append(self.context.trace_id)

        @handles(Answered)
        def _on_answered(self, _: Answered) -> None:
            traces.append(self.context.trace_id)
            self.context.start_timer("t", 0.01, Do(crash))

    stage.start("curious", Curious)
    stage.start("other", Doer)
    traces.clear()
    stage.system.tell("curious", Do(lambda doer: doer.context.ask("other", Do(lambda _: 1))), trace_id="one story")
    stage.events.wait(ActorRestarted)
    stage.settle("curious")
    assert traces == ["one story", "one story"]


def test_a_beat_may_begin_a_new_story_each_time(stage: Stage) -> None:
    probe = stage.probe()
    probe.do(lambda actor: actor.context.start_timer("t", 0, "beat", new_trace=True))
    probe.do(lambda actor: actor.context.start_timer("u", 0, "beat", new_trace=True))
    probe.wait(str, times=2)
    assert len(set(probe.traces)) == 2


def test_a_dead_letter_knows_its_story_and_its_sender(stage: Stage) -> None:
    stage.start("doer", Doer)
    stage.system.tell("doer", Do(lambda doer: doer.context.tell("nobody", "x")), trace_id="story")
    letter = stage.events.wait(DeadLettered)
    assert (letter.sender, letter.trace_id, letter.reason) == ("doer", "story", "no_such_actor")


def test_an_ask_shows_its_deadline_to_the_handler(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    deadline = simulation.system.ask("doer", Do(lambda doer: doer.context.deadline), timeout_seconds=3)
    assert deadline == pytest.approx(3.0)


# -- randomness, ids, logs


def test_randomness_and_ids_repeat_with_the_seed_and_differ_between_actors_and_incarnations(
    make_stage: Callable[..., Stage],
) -> None:
    def draw(seed: int) -> list[Any]:
        stage = make_stage("deterministic", seed=seed)
        stage.start("one", Doer)
        stage.start("two", Doer)
        look = Do(lambda doer: (doer.context.random.random(), doer.context.new_id()))
        drawn = [stage.system.ask("one", look), stage.system.ask("two", look)]
        stage.system.tell("one", Do(crash))
        return [*drawn, stage.system.ask("one", look)]

    first = draw(1)
    assert draw(1) == first
    assert draw(2) != first
    assert len({number for number, _ in first}) == 3
    assert len({new_id for _, new_id in first}) == 3
    assert all(len(new_id) == 26 for _, new_id in first)


def test_every_log_line_of_a_handler_names_actor_incarnation_and_story(stage: Stage) -> None:
    stage.start("doer", Doer)
    with structlog.testing.capture_logs() as lines:
        stage.system.tell("doer", Do(lambda doer: doer.context.log.info("seen", price="1.5")), trace_id="story")
        stage.settle("doer")
    (line,) = [line for line in lines if line["event"] == "seen"]
    assert (line["actor"], line["incarnation"], line["trace_id"], line["price"]) == ("doer", 1, "story", "1.5")


def test_every_runtime_event_has_a_log_line(make_stage: Callable[..., Stage]) -> None:

    assert set(LOG_LINES) == set(get_args(RuntimeEvent))
    names = [name for name, _ in LOG_LINES.values()]
    assert len(set(names)) == len(names)


def test_logged_dead_letters_show_the_kind_of_the_message_not_its_content() -> None:
    event = DeadLettered(path="a", message={"secret": 1}, reason="unhandled", sender=None, trace_id="t")
    with structlog.testing.capture_logs() as lines:
        log_event(event)
    assert lines == [
        {
            "event": "dead_lettered",
            "log_level": "warning",
            "actor": "a",
            "message_type": "dict",
            "reason": "unhandled",
            "sender": None,
            "trace_id": "t",
            "error": "",
        }
    ]


def test_a_failing_observer_is_logged_and_the_others_still_hear(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("deterministic")
    heard: list[Any] = []
    stage.system._bulletin._observers = (lambda event: 1 / 0, heard.append)
    with structlog.testing.capture_logs() as lines:
        stage.start("doer", Doer)
    assert [type(event).__name__ for event in heard] == ["ActorStarted"]
    assert lines[0]["event"] == "observer_failed"


# -- what the outside sees


def test_the_snapshot_shows_the_tree_its_queues_and_its_running_handlers(threads: Stage) -> None:
    threads.start("parent", Doer)

    threads.system.ask("parent", Do(lambda doer: doer.context.start_child(ChildSpec("child", Doer))))
    threads.settle("parent/child")
    with Gate().held() as gate:
        threads.system.tell("parent/child", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        threads.system.tell("parent/child", "queued")
        nodes = {node.path: node for node in threads.system.snapshot()}
        assert list(nodes) == ["", "parent", "parent/child"]
        child = nodes["parent/child"]
        assert (child.parent, child.state, child.incarnation) == ("parent", "running", 1)
        assert (child.mailbox_depth, child.running_handler, child.handled) == (1, "Do", 1)
        assert child.running_seconds > 0
        assert child.oldest_message_age_seconds >= 0
    threads.settle("parent/child")
    assert threads.state_of("parent/child").running_handler is None


def test_the_snapshot_shows_the_last_error_and_the_restarts_in_the_window(stage: Stage) -> None:
    stage.start("doer", Doer)
    stage.system.tell("doer", Do(crash))
    stage.settle("doer")
    assert stage.state_of("doer").last_error == "ValueError: crash"
    assert stage.state_of("doer").restarts_in_window == 1


def test_a_dead_letter_is_replayed_by_hand_once(stage: Stage) -> None:
    stage.system.tell("late", "hello")
    (letter,) = stage.system.dead_letters.letters()
    stage.start("late", Doer)
    assert stage.system.replay(letter.number) == letter
    assert stage.system.ask("late", Do(lambda doer: doer.log)) == ["hello"]
    assert stage.system.replay(letter.number) is None


def test_the_sink_hears_of_each_new_letter_and_not_of_repeats(make_stage: Callable[..., Stage]) -> None:
    heard: list[Any] = []
    stage = make_stage("deterministic", dead_letters=DeadLetters(sink=heard.append))
    for message in ("x", "x", "y"):
        stage.system.tell("nobody", message)
    assert [letter.message for letter in heard] == ["x", "y"]
    assert [letter.count for letter in stage.system.dead_letters.letters()] == [2, 1]
    assert stage.system.dead_letters.total == 3


def test_a_child_told_right_after_it_was_asked_for_gets_the_message(stage: Stage) -> None:

    stage.start("parent", Doer)

    def start_and_tell(doer: Any) -> None:
        path = doer.context.start_child(ChildSpec("child", Doer))
        doer.context.tell(path, "welcome")

    stage.system.ask("parent", Do(start_and_tell))
    assert stage.system.ask("parent/child", Do(lambda doer: doer.log)) == ["welcome"]


def test_a_parent_stops_a_child_for_good(stage: Stage) -> None:

    stage.start("parent", Doer)
    stage.system.ask("parent", Do(lambda doer: doer.context.start_child(ChildSpec("child", Doer))))
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("parent/child"))
    stage.system.tell("parent", Do(lambda doer: doer.context.stop_child("child")))
    assert probe.wait(Terminated).reason == "stopped"
    assert stage.system.ask("parent", Do(lambda doer: doer.context.children())) == ()


def test_a_refused_question_tells_why(stage: Stage) -> None:
    def refuse(_: Any) -> None:
        raise Refused("margin 0 is not a trade; give 0.1 to 100 %")

    stage.start("doer", Doer)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.ask("doer", Do(refuse)))
    assert probe.wait(NotAnswered).error == "margin 0 is not a trade; give 0.1 to 100 %"
