"""What every dispatcher promises of messages, failures, restarts and asks."""

from dataclasses import dataclass
from typing import Any

import pytest

from runtime import (
    LATER,
    Actor,
    ActorDead,
    ActorRestarted,
    ActorStarted,
    Answered,
    AskFailed,
    AskTimeout,
    BlockingAskInActor,
    ChildSpec,
    ContextNotBound,
    DeadLettered,
    NotAnswered,
    Refused,
    Restarted,
    Terminated,
    handles,
)
from runtime.restart_policy import Intensity
from runtime.testing import Do, Doer, Stage


@dataclass(frozen=True, slots=True)
class Add:
    amount: int


@dataclass(frozen=True, slots=True)
class Total:
    pass


@dataclass(frozen=True, slots=True)
class Boom:
    note: str = "boom"


class Counter(Actor):
    def __init__(self) -> None:
        self.total = 0

    @handles(Add)
    def _on_add(self, message: Add) -> None:
        if message.amount < 0:
            raise Refused(f"cannot add {message.amount}")
        self.total += message.amount

    @handles(Total)
    def _on_total(self, _: Total) -> int:
        return self.total

    @handles(Boom)
    def _on_boom(self, message: Boom) -> None:
        raise ValueError(message.note)


def test_messages_of_one_sender_are_handled_in_order_one_at_a_time(stage: Stage) -> None:
    stage.start("doer", Doer)
    for number in range(200):
        stage.system.tell("doer", number)
    assert stage.system.ask("doer", Do(lambda doer: doer.log)) == list(range(200))


def test_a_subclass_inherits_handlers_and_may_override_them(stage: Stage) -> None:
    class Doubling(Counter):
        def _on_add(self, message: Add) -> None:
            self.total += 2 * message.amount

    stage.start("counter", Doubling)
    stage.system.tell("counter", Add(3))
    assert stage.system.ask("counter", Total()) == 6


def test_two_handlers_for_one_type_in_one_class_are_refused() -> None:
    with pytest.raises(TypeError, match="two handlers for Add"):

        class Torn(Actor):
            @handles(Add)
            def _one(self, _: Add) -> None: ...

            @handles(Add)
            def _two(self, _: Add) -> None: ...


def test_the_context_is_not_there_before_on_start(stage: Stage) -> None:
    class Hasty(Actor):
        def __init__(self) -> None:
            with pytest.raises(ContextNotBound):
                _ = self.context.path

        @handles(Total)
        def _on_total(self, _: Total) -> str:
            return self.context.path

    stage.start("hasty", Hasty)
    assert stage.system.ask("hasty", Total()) == "hasty"


def test_a_refusal_reaches_the_asker_and_leaves_the_actor_as_it_was(stage: Stage) -> None:
    stage.start("counter", Counter)
    stage.system.tell("counter", Add(4))
    with pytest.raises(Refused, match="cannot add -1"):
        stage.system.ask("counter", Add(-1))
    assert stage.system.ask("counter", Total()) == 4
    assert stage.state_of("counter").incarnation == 1


def test_a_refusal_of_a_told_message_becomes_a_dead_letter(stage: Stage) -> None:
    stage.start("counter", Counter)
    stage.system.tell("counter", Add(-5))
    assert stage.system.ask("counter", Total()) == 0
    assert stage.system.dead_letters.count(path="counter", reason="refused") == 1


@pytest.mark.parametrize("fatal", [ValueError, SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_whatever_a_handler_raises_ends_its_behaviour_and_nothing_else(
    stage: Stage, fatal: type[BaseException]
) -> None:
    stage.start("doer", Doer)
    stage.start("sibling", Counter)

    def die(_: Any) -> None:
        raise fatal("enough")

    with pytest.raises(AskFailed):
        stage.system.ask("doer", Do(die))
    restarted = stage.events.wait(ActorRestarted)
    assert fatal.__name__ in restarted.error
    assert stage.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2
    assert stage.system.ask("sibling", Total()) == 0


def test_a_crash_by_tell_and_a_crash_by_ask_are_the_same_failure(stage: Stage) -> None:
    stage.start("told", Counter)
    stage.start("asked", Counter)
    stage.system.tell("told", Boom())
    with pytest.raises(AskFailed, match="boom"):
        stage.system.ask("asked", Boom())
    stage.events.wait(ActorRestarted, times=2)
    assert {event.path for event in stage.events.of(ActorRestarted)} == {"told", "asked"}


def test_a_restart_keeps_address_and_queue_and_replaces_the_object(stage: Stage) -> None:
    stage.start("counter", Counter)
    address = stage.system.address("counter")
    ref = address.ref
    for message in (Add(1), Add(1), Boom(), Add(3), Add(3)):
        address.tell(message)
    assert address.ask(Total()) == 6
    assert address.ref is ref
    assert ref.is_alive()
    assert stage.state_of("counter").incarnation == 2


def test_a_handlers_sends_leave_only_when_it_returns(stage: Stage) -> None:
    stage.start("doer", Doer)
    probe = stage.probe()

    def send_and_crash(doer: Doer) -> None:
        doer.context.tell("probe", "from a crashed handler")
        doer.context.start_child(ChildSpec("never", Doer))
        doer.context.start_timer("t", 0, "from a crashed handler")
        raise ValueError

    def send_and_refuse(doer: Doer) -> None:
        doer.context.tell("probe", "from a refusing handler")
        raise Refused("no")

    def send(doer: Doer) -> None:
        doer.context.tell("probe", "first")
        doer.context.tell("probe", "second")

    stage.system.tell("doer", Do(send_and_crash))
    stage.system.tell("doer", Do(send_and_refuse))
    stage.system.ask("doer", Do(send))
    probe.wait(lambda message: message == "second")
    assert probe.received == ("first", "second")
    assert not stage.system.exists("doer/never")


def test_a_failing_factory_and_a_failing_on_start_are_failures_that_are_retried(stage: Stage) -> None:
    attempts: list[str] = []

    class Late(Counter):
        def on_start(self) -> None:
            attempts.append("start")
            if len(attempts) < 4:
                raise OSError("not yet")

    def build() -> Actor:
        attempts.append("build")
        if len(attempts) < 2:
            raise OSError("no parts")
        return Late()

    stage.start("late", build)
    started = stage.events.wait(ActorStarted)
    assert started.incarnation == 3
    assert [event.incarnation for event in stage.events.of(ActorRestarted)] == [1, 2]
    assert attempts == ["build", "build", "start", "build", "start"]


def test_a_factory_that_builds_no_actor_is_a_failure_not_a_hang(stage: Stage) -> None:
    stage.start("odd", lambda: None, intensity=Intensity(max_restarts=0))  # type: ignore[arg-type,return-value]
    assert stage.state_of("odd").state == "parked"


def test_an_unhandled_message_is_a_dead_letter_and_its_asker_is_refused(stage: Stage) -> None:
    stage.start("counter", Counter)
    stage.system.tell("counter", "what is this")
    with pytest.raises(Refused, match="no handler for str"):
        stage.system.ask("counter", "nor this")
    assert stage.system.dead_letters.count(path="counter", reason="unhandled") == 2


def test_a_message_to_nobody_is_a_dead_letter_and_never_an_error(stage: Stage) -> None:
    stage.system.tell("nobody", "hello")
    letter = stage.events.wait(DeadLettered)
    assert (letter.path, letter.message, letter.reason) == ("nobody", "hello", "no_such_actor")
    with pytest.raises(ActorDead):
        stage.system.ask("nobody", "hello")


def test_an_ask_inside_an_actor_never_blocks_and_brings_one_answer(stage: Stage) -> None:
    stage.start("counter", Counter)
    probe = stage.probe()
    ask_id = probe.do(lambda actor: actor.context.ask("counter", Total(), tag="my tag"))
    answer = probe.wait(Answered)
    assert (answer.ask_id, answer.tag, answer.question, answer.value) == (ask_id, "my tag", Total(), 0)
    assert len(probe.record.of(Answered)) == 1


@pytest.mark.parametrize(
    ("path", "question", "reason"),
    [("counter", Add(-1), "refused"), ("counter", Boom(), "failed"), ("nobody", Total(), "dead")],
)
def test_an_ask_that_fails_says_how(stage: Stage, path: str, question: object, reason: str) -> None:
    stage.start("counter", Counter)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.ask(path, question))
    outcome = probe.wait(NotAnswered)
    assert outcome.reason == reason
    assert outcome.error


def test_an_ask_without_an_answer_times_out_and_a_late_answer_is_dropped(stage: Stage) -> None:
    replies: list[Any] = []

    def owe(doer: Doer) -> Any:
        replies.append(doer.context.defer_reply())
        return LATER

    stage.start("doer", Doer)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.ask("doer", Do(owe), timeout_seconds=0.05))
    assert probe.wait(NotAnswered).reason == "timed_out"
    stage.system.ask("doer", Do(lambda _: replies[0].answer("too late")))
    stage.settle("probe")
    assert probe.record.of(Answered) == ()


def test_a_deferred_reply_is_given_by_a_later_handler(stage: Stage) -> None:
    stage.start("doer", Doer)
    probe = stage.probe()
    replies: list[Any] = []

    def owe(doer: Doer) -> Any:
        replies.append(doer.context.defer_reply())
        return LATER

    probe.do(lambda actor: actor.context.ask("doer", Do(owe)))
    stage.settle("doer") if stage.way != "deterministic" else stage.crank.run_until_idle()
    stage.settle("doer")
    assert probe.record.of(Answered) == ()
    stage.system.tell("doer", Do(lambda _: replies[0].answer(42)))
    assert probe.wait(Answered).value == 42


def test_an_owed_reply_is_failed_when_its_actor_restarts(stage: Stage) -> None:
    stage.start("doer", Doer)
    probe = stage.probe()

    def owe(doer: Doer) -> Any:
        doer.context.defer_reply()
        doer.context.tell("doer", Do(crash))
        return LATER

    def crash(_: Doer) -> None:
        raise ValueError

    probe.do(lambda actor: actor.context.ask("doer", Do(owe)))
    assert probe.wait(NotAnswered).reason == "actor_restarted"


def test_returning_later_without_owing_a_reply_is_a_crash(stage: Stage) -> None:
    stage.start("doer", Doer)
    with pytest.raises(AskFailed, match="defer_reply"):
        stage.system.ask("doer", Do(lambda _: LATER))


def test_an_outside_ask_times_out_with_unknown_not_no(stage: Stage) -> None:
    stage.start("doer", Doer)

    def owe(doer: Doer) -> Any:
        doer.context.defer_reply()
        return LATER

    with pytest.raises(AskTimeout, match="unknown"):
        stage.system.ask("doer", Do(owe), timeout_seconds=0.05)


def test_a_blocking_ask_inside_a_handler_is_refused_at_once(stage: Stage) -> None:
    stage.start("doer", Doer)
    stage.start("counter", Counter)
    ref = stage.system.address("counter").ref
    seen: list[type] = []

    def block(_: Doer) -> None:
        for blocking in (lambda: stage.system.ask("counter", Total()), lambda: ref.ask(Total())):
            with pytest.raises(BlockingAskInActor) as caught:
                blocking()
            seen.append(caught.type)

    stage.system.ask("doer", Do(block))
    assert len(seen) == 2


def test_a_planned_restart_is_no_failure_and_counts_towards_nothing(stage: Stage) -> None:
    stage.start("doer", Doer, intensity=Intensity(max_restarts=0))
    for _ in range(4):
        stage.system.tell("doer", Do(lambda doer: doer.context.restart("new settings")))
    assert stage.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 5
    assert stage.state_of("doer").restarts_in_window == 0


def test_the_asker_of_a_planned_restart_learns_that_the_actor_restarted(stage: Stage) -> None:
    stage.start("doer", Doer)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.ask("doer", Do(lambda doer: doer.context.restart("why not"))))
    assert probe.wait(NotAnswered).reason == "actor_restarted"


def test_death_watch_tells_of_restarts_and_of_the_one_end(stage: Stage) -> None:
    stage.start("doer", Doer)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    stage.system.tell("doer", Do(lambda doer: 1 / 0))
    assert probe.wait(Restarted) == Restarted(path="doer", incarnation=2)
    stage.system.stop_actor("doer")
    assert probe.wait(Terminated) == Terminated(path="doer", incarnation=2, reason="stopped")
    stage.settle("probe")
    assert len(probe.record.of(Terminated)) == 1


def test_watching_what_never_lived_tells_at_once(stage: Stage) -> None:
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("ghost"))
    assert probe.wait(Terminated) == Terminated(path="ghost", incarnation=0, reason="no_such_actor")


def test_unwatching_takes_back_even_a_queued_notice(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    probe = simulation.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    simulation.system.tell("probe", Do(lambda actor: (actor.context.spend(3), actor.context.unwatch("doer"))))
    simulation.crank.run_for(1)
    simulation.system.stop_actor("doer")
    assert simulation.state_of("probe").mailbox_depth == 1
    simulation.crank.run_for(5)
    assert simulation.state_of("probe").mailbox_depth == 0
    assert probe.received == ()


def test_stopped_actors_are_dead_to_every_kind_of_sender(stage: Stage) -> None:
    stage.start("doer", Doer)
    address = stage.system.address("doer")
    ref = address.ref
    assert ref.stop() is True
    assert ref.stop() is False
    assert not ref.is_alive()
    address.tell("late")
    assert stage.system.dead_letters.count(path="doer", reason="stopped") == 1
    with pytest.raises(ActorDead):
        address.ask("late")


def test_an_address_follows_a_new_actor_under_the_old_path(stage: Stage) -> None:
    stage.start("parent", Doer)
    spec = ChildSpec("child", Counter)
    stage.system.ask("parent", Do(lambda doer: doer.context.start_child(spec)))
    address = stage.system.address("parent/child")
    stage.system.stop_actor("parent/child")
    stage.system.ask("parent", Do(lambda doer: doer.context.start_child(spec)))
    address.tell(Add(5))
    assert address.ask(Total()) == 5


def test_an_ordered_stop_handles_what_is_queued_then_calls_on_stop(stage: Stage) -> None:
    handled: list[Any] = []

    class Careful(Actor):
        def on_unhandled(self, message: Any) -> None:
            handled.append(message)

        def on_stop(self) -> None:
            handled.append("stopped")
            self.context.tell("probe", "goodbye")

    probe = stage.probe()
    stage.start("careful", Careful)
    for number in range(5):
        stage.system.tell("careful", number)
    stage.system.stop_actor("careful")
    assert handled == [0, 1, 2, 3, 4, "stopped"]
    assert probe.wait(str) == "goodbye"


def test_on_drained_closes_each_run_of_messages(stage: Stage) -> None:
    runs: list[list[Any]] = []

    class Batching(Doer):
        drain_every = 3

        def on_unhandled(self, message: Any) -> None:
            self.log.append(message)

        def on_drained(self) -> None:
            runs.append(list(self.log))
            self.log.clear()
            self.context.tell("probe", "committed")

    probe = stage.probe()
    stage.start("batching", Batching)

    def burst(doer: Any) -> None:
        for number in range(7):
            doer.context.tell("batching", number)

    probe.do(burst)
    probe.wait(lambda message: message == "committed", times=3)
    stage.settle("batching")
    assert [number for run in runs for number in run] == list(range(7))
    assert all(len(run) <= 3 for run in runs)
    assert all(runs[: len(runs) - 1])


def test_a_crash_in_on_drained_is_a_crash(stage: Stage) -> None:
    class Torn(Doer):
        def on_drained(self) -> None:
            raise OSError("disk full")

    stage.start("torn", Torn)
    stage.system.tell("torn", "x")
    assert "disk full" in stage.events.wait(ActorRestarted).error
