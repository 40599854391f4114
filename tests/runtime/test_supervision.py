"""Restart types, budgets, backoff, strategies, escalation and parking, in virtual time and on threads."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from runtime import (
    REST_FOR_ONE,
    TEMPORARY,
    TRANSIENT,
    Actor,
    ActorParked,
    ActorRestarted,
    ActorStarted,
    ActorStopped,
    ActorUnparked,
    Backoff,
    ChildSpec,
    DeadLettered,
    Intensity,
    MailboxSpec,
    OnExhausted,
    Parking,
    PoisonPolicy,
    Refused,
    Restarted,
    StopFailed,
    SupervisorEscalated,
    SupervisorSpec,
    Terminated,
    handles,
)
from runtime.testing import Do, Doer, Gate, Stage

NO_JITTER = Backoff(jitter=0.0)


_numbers = itertools.count(1)


def crash() -> Do:
    """Make a message that crashes its handler; each a different one, so that none is known as poison."""
    return Do(partial(_raise, next(_numbers)))


def _raise(number: int, _: Any) -> None:
    raise ValueError(f"crash {number}")


class Story:
    """What happened to several actors, in order; their factories write it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failing_starts: dict[str, int] = {}

    def actor(self, name: str) -> Callable[[], Actor]:
        story = self

        class Told(Doer):
            def on_start(self) -> None:
                if story.failing_starts.get(name, 0) > 0:
                    story.failing_starts[name] -= 1
                    story.lines.append(f"{name} fails")
                    raise OSError(name)
                story.lines.append(f"{name} up")

            def on_stop(self) -> None:
                story.lines.append(f"{name} down")

        return Told

    def spec(self, name: str, **options: Any) -> ChildSpec:
        return ChildSpec(name, self.actor(name), **options)

    def told(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


# -- restart types


def test_a_permanent_actor_is_started_again_after_a_crash_and_after_ending_itself(stage: Stage) -> None:
    stage.start("doer", Doer)
    stage.system.tell("doer", crash())
    stage.events.wait(ActorStarted, times=2)
    stage.system.tell("doer", Do(lambda doer: doer.context.stop()))
    stage.events.wait(ActorStarted, times=3)
    assert stage.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 3
    assert stage.state_of("doer").restarts_in_window == 2


def test_a_transient_actor_is_started_again_after_a_crash_but_a_normal_end_is_for_good(stage: Stage) -> None:
    stage.start("doer", Doer, restart=TRANSIENT)
    stage.system.tell("doer", crash())
    stage.events.wait(ActorStarted, times=2)
    stage.system.tell("doer", Do(lambda doer: doer.context.stop()))
    assert stage.events.wait(ActorStopped) == ActorStopped(path="doer", incarnation=2, reason="ended")
    assert not stage.system.exists("doer")


def test_a_temporary_actor_is_never_started_again(stage: Stage) -> None:
    stage.start("doer", Doer, restart=TEMPORARY)
    stage.system.tell("doer", crash())
    assert stage.events.wait(ActorStopped) == ActorStopped(path="doer", incarnation=1, reason="failed")
    assert len(stage.events.of(ActorStarted)) == 1


def test_an_actor_that_ends_itself_handles_what_was_queued_first(stage: Stage) -> None:
    probe = stage.probe()
    stage.start("doer", Doer, restart=TRANSIENT)

    def stop_and_go_on(doer: Any) -> None:
        doer.context.tell("doer", Do(lambda doer: doer.context.tell("probe", "queued before the end")))
        doer.context.stop()

    stage.system.tell("doer", Do(stop_and_go_on))
    stage.events.wait(ActorStopped)
    assert probe.wait(str) == "queued before the end"


# -- backoff and budget


def test_the_first_restart_is_at_once_and_the_next_wait_longer_each(simulation: Stage) -> None:
    simulation.start("doer", Doer, backoff=NO_JITTER, intensity=Intensity(max_restarts=10))
    for _ in range(5):
        simulation.system.tell("doer", crash())
    simulation.crank.run_for(30)
    delays = [event.delay_seconds for event in simulation.events.of(ActorRestarted)]
    assert delays == [0.0, 0.2, 0.4, 0.8, 1.6]


def test_the_backoff_begins_anew_after_a_minute_of_health(simulation: Stage) -> None:
    simulation.start("doer", Doer, backoff=NO_JITTER)
    for pause in (0, 1, 61, 0):
        simulation.crank.run_for(pause)
        simulation.system.tell("doer", crash())
    simulation.crank.run_for(5)
    delays = [event.delay_seconds for event in simulation.events.of(ActorRestarted)]
    assert delays == [0.0, 0.2, 0.0, 0.2]


def test_messages_wait_out_the_backoff(simulation: Stage) -> None:
    simulation.start("doer", Doer, backoff=NO_JITTER)
    simulation.system.tell("doer", crash())
    simulation.system.tell("doer", crash())
    simulation.crank.run_until_idle()
    assert simulation.state_of("doer").state == "backoff"
    simulation.system.tell("doer", "waits")
    simulation.crank.run_for(0.19)
    assert simulation.state_of("doer").mailbox_depth == 1
    simulation.crank.run_for(0.02)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == ["waits"]


def test_the_mailbox_stays_bounded_during_the_backoff(simulation: Stage) -> None:
    simulation.start("doer", Doer, backoff=NO_JITTER, mailbox=MailboxSpec(capacity=10))
    simulation.system.tell("doer", crash())
    simulation.system.tell("doer", crash())
    simulation.crank.run_until_idle()
    for number in range(100):
        simulation.system.tell("doer", number)
    simulation.crank.run_for(1)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == list(range(10))
    assert simulation.system.dead_letters.count(reason="mailbox_full") == 90


def test_budgets_are_each_childs_own(simulation: Stage) -> None:
    for name in ("one", "other"):
        simulation.start(name, Doer, intensity=Intensity(max_restarts=2))
    for _ in range(3):
        simulation.system.tell("one", crash())
    simulation.crank.run_for(5)
    assert simulation.state_of("one").state == "parked"
    assert simulation.state_of("other").state == "running"


def test_failures_outside_the_window_are_forgotten(simulation: Stage) -> None:
    simulation.start("doer", Doer, intensity=Intensity(max_restarts=2, within_seconds=10))
    for _ in range(6):
        simulation.system.tell("doer", crash())
        simulation.crank.run_for(6)
    assert simulation.state_of("doer").state == "running"
    assert simulation.events.of(ActorParked) == ()


# -- strategies


def test_children_start_in_order_each_after_the_one_before(stage: Stage) -> None:
    story = Story()
    stage.system.start(
        story.spec("a", children=(story.spec("a1"), story.spec("a2"))),
        SupervisorSpec("group", children=(story.spec("b"), story.spec("c"))),
        story.spec("d"),
    )
    assert story.told() == ["a up", "a1 up", "a2 up", "b up", "c up", "d up"]
    stage.system.stop()
    assert story.told() == ["d down", "c down", "b down", "a2 down", "a1 down", "a down"]


def test_one_for_one_a_failing_start_holds_up_nobody(stage: Stage) -> None:
    story = Story()
    story.failing_starts["a"] = 2
    stage.system.start(story.spec("a", backoff=Backoff(base_seconds=0.01)), story.spec("b"))
    stage.events.wait(ActorStarted, times=2)
    assert story.told().count("a fails") == 2
    assert {event.path for event in stage.events.of(ActorStarted)} == {"a", "b"}


def test_rest_for_one_restarts_what_was_started_after_and_nothing_before(stage: Stage) -> None:
    story = Story()
    children = tuple(story.spec(name) for name in ("client", "stream", "reconciler"))
    stage.system.start(SupervisorSpec("account", strategy=REST_FOR_ONE, children=children), story.spec("other"))
    story.told()
    stage.system.tell("account/stream", crash())
    stage.events.wait(ActorStarted, times=7)  # four actors, their supervisor, and the two restarts
    assert story.told() == ["reconciler down", "stream up", "reconciler up"]


def test_rest_for_one_keeps_addresses_and_queues_of_the_siblings(stage: Stage) -> None:
    children = (ChildSpec("client", Doer), ChildSpec("stream", Doer))
    stage.system.start(SupervisorSpec("account", strategy=REST_FOR_ONE, children=children))
    stream = stage.system.address("account/stream")
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("account/stream"))
    stage.system.tell("account/client", crash())
    assert probe.wait(Restarted) == Restarted(path="account/stream", incarnation=2)
    assert stream.ask(Do(lambda doer: doer.context.incarnation)) == 2


def test_rest_for_one_waits_for_the_failed_one_before_it_starts_the_rest(simulation: Stage) -> None:
    story = Story()
    children = tuple(story.spec(name, backoff=NO_JITTER) for name in ("client", "stream"))
    simulation.system.start(SupervisorSpec("account", strategy=REST_FOR_ONE, children=children))
    story.told()
    story.failing_starts["client"] = 2
    simulation.system.tell("account/client", crash())
    simulation.crank.run_for(0.3)
    assert story.told() == ["stream down", "client fails", "client fails"]
    simulation.crank.run_for(1)
    assert story.told() == ["client up", "stream up"]


@pytest.mark.parametrize("schedule", range(12))
def test_rest_for_one_restarts_all_when_a_second_one_fails_on_the_way_down(
    make_stage: Callable[..., Stage], schedule: int
) -> None:
    """Whatever order they go down in: the first to fail has children of its own to wait for, the second is among those
    that it takes along."""
    stage = make_stage("deterministic", schedule_seed=schedule)
    story = Story()
    children = (story.spec("client", children=(story.spec("lane"),)), story.spec("stream"), story.spec("reconciler"))
    stage.system.start(SupervisorSpec("account", strategy=REST_FOR_ONE, children=(*children, story.spec("positions"))))
    story.told()
    stage.system.tell("account/client", crash())
    stage.system.tell("account/reconciler", crash())
    stage.crank.run_for(10)
    paths = [f"account/{name}" for name in ("client", "client/lane", "stream", "reconciler", "positions")]
    assert {path: stage.state_of(path).state for path in paths} == dict.fromkeys(paths, "running")
    assert all(stage.state_of(path).incarnation >= 2 for path in paths)
    last_ups = {line: place for place, line in enumerate(story.told()) if line.endswith(" up")}
    wanted = ["client up", "lane up", "stream up", "reconciler up", "positions up"]
    assert sorted(last_ups, key=lambda line: last_ups[line]) == wanted


def test_a_restarting_parent_stops_its_children_in_reverse_and_starts_only_the_specs_again(stage: Stage) -> None:
    story = Story()
    stage.system.start(story.spec("parent", children=(story.spec("first"), story.spec("second"))))
    stage.system.ask("parent", Do(lambda doer: doer.context.start_child(story.spec("dynamic"))))
    probe = stage.probe()
    probe.do(lambda actor: (actor.context.watch("parent/dynamic"), actor.context.watch("parent/first")))
    stage.settle("parent/dynamic")
    story.told()
    stage.system.tell("parent", crash())
    assert probe.wait(Terminated) == Terminated(path="parent/dynamic", incarnation=1, reason="stopped")
    assert probe.wait(Restarted) == Restarted(path="parent/first", incarnation=2)
    stage.events.wait(lambda event: isinstance(event, ActorStarted) and event.path == "parent/second", times=2)
    assert story.told() == ["dynamic down", "second down", "first down", "parent up", "first up", "second up"]
    assert not stage.system.exists("parent/dynamic")


def test_the_parent_ends_when_all_its_significant_children_have(stage: Stage) -> None:
    story = Story()
    children = tuple(story.spec(name, restart=TRANSIENT, significant=True) for name in ("fast", "slow"))
    stage.system.start(SupervisorSpec("group", children=(*children, story.spec("other"))))
    stage.system.tell("group/fast", Do(lambda doer: doer.context.stop()))
    stage.events.wait(lambda event: isinstance(event, ActorStopped) and event.path == "group/fast")
    assert stage.system.exists("group/other")
    stage.system.tell("group/slow", Do(lambda doer: doer.context.stop()))
    stage.events.wait(lambda event: isinstance(event, ActorStopped) and event.path == "group")
    assert not stage.system.exists("group/other")


def test_stopping_a_significant_child_on_purpose_does_not_end_the_parent(stage: Stage) -> None:
    story = Story()
    stage.system.start(SupervisorSpec("group", children=(story.spec("one", significant=True), story.spec("other"))))
    stage.system.stop_actor("group/one")
    stage.settle("group/other")
    assert stage.system.exists("group/other")


# -- escalation


def escalating(story: Story, name: str, **options: Any) -> ChildSpec:
    return story.spec(name, intensity=Intensity(max_restarts=1), on_exhausted=OnExhausted.ESCALATE, **options)


def test_an_exhausted_child_takes_its_supervisor_down_and_the_whole_group_comes_back(stage: Stage) -> None:
    story = Story()
    stage.system.start(SupervisorSpec("accounts", children=(story.spec("sibling"), escalating(story, "child"))))
    story.told()
    stage.system.tell("accounts/child", crash())
    stage.system.tell("accounts/child", crash())
    escalated = stage.events.wait(SupervisorEscalated)
    assert (escalated.path, escalated.child) == ("accounts", "accounts/child")
    stage.events.wait(lambda event: isinstance(event, ActorStarted) and event.path == "accounts/child", times=3)
    assert story.told() == ["child up", "sibling down", "sibling up", "child up"]
    assert stage.escalations == []


def test_a_parent_with_a_behaviour_takes_an_escalation_as_its_own_failure(stage: Stage) -> None:
    story = Story()
    stage.system.start(story.spec("parent", children=(escalating(story, "child"),)))
    story.told()
    stage.system.tell("parent/child", crash())
    stage.system.tell("parent/child", crash())
    stage.events.wait(lambda event: isinstance(event, ActorStarted) and event.path == "parent/child", times=3)
    assert story.told() == ["child up", "parent down", "parent up", "child up"]
    assert stage.state_of("parent").restarts_in_window == 1


def test_a_supervisor_over_its_own_budget_escalates_further_or_is_parked(simulation: Stage) -> None:
    story = Story()
    group = SupervisorSpec(
        "group",
        children=(escalating(story, "child"), story.spec("sibling")),
        intensity=Intensity(max_restarts=1),
        on_exhausted=OnExhausted.PARK,
        parking=Parking(retry_seconds=50),
        backoff=NO_JITTER,
    )
    simulation.system.start(group)
    for _ in range(4):
        simulation.system.tell("group/child", crash())
        simulation.crank.run_for(0.5)
    assert simulation.state_of("group").state == "parked"
    assert simulation.state_of("group/sibling").state == "waiting"
    simulation.crank.run_for(60)
    assert simulation.state_of("group/sibling").state == "running"
    assert simulation.events.of(ActorUnparked)[0].path == "group"


def test_the_root_restarts_everything_three_times_and_then_gives_up_without_stopping_the_rest(
    simulation: Stage,
) -> None:
    story = Story()
    simulation.system.start(story.spec("sibling"), escalating(story, "store"))
    for _ in range(40):
        simulation.system.tell("store", crash())
        simulation.crank.run_for(1)
    assert simulation.system.escalated.is_set()
    ((path, error),) = simulation.escalations
    assert path == ""
    assert "store used up its restarts" in str(error)
    assert story.lines.count("sibling up") == 4
    assert simulation.state_of("sibling").state == "running"


# -- parking


class Guardian(Actor):
    """A small stand-in."""

    @handles(str)
    def _on_word(self, word: str) -> str:
        if word == "crash":
            raise ValueError("even the guardian")
        if word == "leave":
            self.context.leave_parking()
        return f"guarded {word}"


def parked(stage: Stage, **options: Any) -> None:
    """Bring an actor over its budget of one restart."""
    stage.start("doer", Doer, intensity=Intensity(max_restarts=1, within_seconds=10), backoff=NO_JITTER, **options)
    stage.system.tell("doer", crash())
    stage.system.tell("doer", crash())
    stage.events.wait(ActorParked)


def test_a_parked_actors_stand_in_answers_under_the_same_address(stage: Stage) -> None:
    parked(stage, parking=Parking(stand_in=Guardian))
    assert stage.system.ask("doer", "BTC") == "guarded BTC"
    assert stage.state_of("doer").state == "parked"


def test_what_the_stand_in_has_no_handler_for_is_dropped_silently_and_asked_is_refused(stage: Stage) -> None:
    parked(stage, parking=Parking(stand_in=Guardian))
    before = stage.system.dead_letters.total
    stage.system.tell("doer", crash())
    with pytest.raises(Refused, match="parked"):
        stage.system.ask("doer", crash())
    assert stage.system.dead_letters.total == before


def test_a_parked_actor_without_a_stand_in_turns_everything_into_dead_letters(stage: Stage) -> None:
    parked(stage)
    stage.system.tell("doer", "anyone?")
    with pytest.raises(Refused, match="parked"):
        stage.system.ask("doer", "anyone?")
    assert stage.system.dead_letters.count(path="doer", reason="parked") == 2


def test_what_was_queued_when_parking_began_is_a_dead_letter_too(simulation: Stage) -> None:
    simulation.start("doer", Doer, intensity=Intensity(max_restarts=0))
    for message in (crash(), "queued"):
        simulation.system.tell("doer", message)
    simulation.events.wait(ActorParked)
    letter = simulation.events.wait(lambda event: isinstance(event, DeadLettered) and event.reason == "parked")
    assert letter.message == "queued"


def test_the_real_behaviour_is_tried_again_slowly_and_takes_its_place_back(simulation: Stage) -> None:
    parked(simulation, parking=Parking(stand_in=Guardian, retry_seconds=300))
    probe = simulation.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    simulation.crank.run_for(299)
    assert simulation.state_of("doer").state == "parked"
    simulation.crank.run_for(2)
    assert simulation.state_of("doer").state == "running"
    assert probe.wait(Restarted).path == "doer"
    assert simulation.system.ask("doer", Do(type)) is Doer


def test_a_stand_in_may_have_the_real_behaviour_tried_before_its_time(simulation: Stage) -> None:
    parked(simulation, parking=Parking(stand_in=Guardian, retry_seconds=300))
    simulation.system.tell("doer", "leave")
    simulation.crank.run_for(1)
    assert simulation.state_of("doer").state == "running"
    simulation.system.tell("doer", crash())
    simulation.crank.run_for(200)
    assert simulation.state_of("doer").state == "parked"  # on probation, and the retry of before is not remembered
    simulation.crank.run_for(101)
    assert simulation.state_of("doer").state == "running"


def test_an_unparked_actor_is_on_probation_one_failure_parks_it_again(simulation: Stage) -> None:
    parked(simulation, parking=Parking(retry_seconds=300))
    simulation.crank.run_for(301)
    simulation.system.tell("doer", crash())
    simulation.crank.run_for(1)
    assert len(simulation.events.of(ActorParked)) == 2


def test_after_probation_an_unparked_actor_has_its_whole_budget_again(simulation: Stage) -> None:
    parked(simulation, parking=Parking(retry_seconds=300))
    simulation.crank.run_for(312)
    simulation.system.tell("doer", crash())
    simulation.crank.run_for(1)
    assert simulation.state_of("doer").state == "running"


def test_a_failing_stand_in_is_started_again_without_limit_and_parking_goes_on(simulation: Stage) -> None:
    parked(simulation, parking=Parking(stand_in=Guardian, retry_seconds=300))
    for _ in range(6):
        simulation.system.tell("doer", "crash")
        simulation.crank.run_for(12)
    assert len(simulation.events.of(ActorParked)) == 1
    simulation.crank.run_for(60)
    assert simulation.system.ask("doer", "BTC") == "guarded BTC"
    simulation.crank.run_for(180)
    assert simulation.state_of("doer").state == "running"


def test_a_parked_actors_watchers_hear_of_no_end(simulation: Stage) -> None:
    probe = simulation.probe()
    simulation.start("doer", Doer, intensity=Intensity(max_restarts=0))
    probe.do(lambda actor: actor.context.watch("doer"))
    simulation.system.tell("doer", crash())
    simulation.crank.run_for(10)
    assert probe.received == ()


# -- failing at the edges


def test_a_crash_in_on_stop_is_told_and_the_actor_is_down_all_the_same(stage: Stage) -> None:
    class Clumsy(Doer):
        def on_stop(self) -> None:
            raise OSError("cannot let go")

    stage.start("clumsy", Clumsy)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("clumsy"))
    stage.system.stop_actor("clumsy")
    assert "cannot let go" in stage.events.wait(StopFailed).error
    assert probe.wait(Terminated).reason == "stopped"


def test_a_stop_during_the_backoff_ends_the_actor_once_and_no_timer_revives_it(simulation: Stage) -> None:
    simulation.start("doer", Doer, backoff=NO_JITTER)
    probe = simulation.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    simulation.system.tell("doer", crash())
    simulation.system.tell("doer", crash())
    simulation.crank.run_until_idle()
    assert simulation.state_of("doer").state == "backoff"
    simulation.system.stop_actor("doer")
    simulation.crank.run_for(60)
    assert len(probe.record.of(Terminated)) == 1
    assert not simulation.system.exists("doer")


def test_a_stop_during_a_restart_leaves_no_zombie_and_one_end(threads: Stage) -> None:
    with Gate().held() as gate:
        incarnations: list[int] = []

        class SlowToRestart(Doer):
            def on_start(self) -> None:
                incarnations.append(self.context.incarnation)
                if self.context.incarnation == 2:
                    gate.pass_through()

        threads.start("slow", SlowToRestart)
        probe = threads.probe()
        probe.do(lambda actor: actor.context.watch("slow"))
        threads.system.tell("slow", crash())
        gate.wait_entered()
        stopping = threads.system.address("slow").ref.stop(block=False)
        gate.open()
        assert stopping.get(timeout=5) is True
    probe.wait(Terminated)
    threads.settle("probe")
    assert len(probe.record.of(Terminated)) == 1
    assert incarnations == [1, 2]


def test_a_crash_while_stopping_ends_the_actor_once(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    probe = simulation.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    simulation.system.tell("doer", crash())
    simulation.system.tell("doer", "never handled")
    simulation.system.stop_actor("doer")
    simulation.crank.run_for(60)
    assert len(probe.record.of(Terminated)) == 1
    assert len(simulation.events.of(ActorStarted)) == 2  # the doer and the probe, and nobody after


def test_a_child_of_a_crashed_handler_is_never_started(stage: Stage) -> None:
    stage.start("parent", Doer)

    def start_and_crash(doer: Any) -> None:
        doer.context.start_child(ChildSpec("child", Doer))
        raise ValueError

    stage.system.tell("parent", Do(start_and_crash))
    assert stage.system.ask("parent", Do(lambda doer: doer.context.children())) == ()


def test_two_children_of_one_name_are_refused_where_they_are_asked_for(stage: Stage) -> None:
    stage.start("parent", Doer)

    def start_twice(doer: Any) -> str:
        doer.context.start_child(ChildSpec("child", Doer))
        with pytest.raises(ValueError, match="already has a child"):
            doer.context.start_child(ChildSpec("child", Doer))
        return doer.context.children()

    assert stage.system.ask("parent", Do(start_twice)) == ("child",)
    with pytest.raises(ValueError, match="appear twice: x"):
        SupervisorSpec("s", children=(ChildSpec("x", Doer), ChildSpec("x", Doer)))


def test_an_unknown_dispatcher_is_refused_before_anything_starts(stage: Stage) -> None:
    with pytest.raises(ValueError, match="'gpu'; this system has: pool, thread"):
        stage.system.start(ChildSpec("a", Doer), ChildSpec("b", Doer, dispatcher="gpu"))
    assert not stage.system.exists("a")


# -- poison


def poisoned(stage: Stage, policy: PoisonPolicy | None) -> list[Any]:
    class Delicate(Doer):
        @handles(bytes)
        def _on_bytes(self, message: bytes) -> None:
            raise ValueError(message)

    poison = {} if policy is None else {bytes: policy}
    stage.start("delicate", Delicate, poison=poison)
    stage.system.tell("delicate", b"poison")
    stage.settle("delicate")
    return [letter.reason for letter in stage.system.dead_letters.letters()]


def test_a_crashing_message_is_kept_with_its_traceback_by_default(stage: Stage) -> None:
    assert poisoned(stage, None) == ["crashed"]
    (letter,) = stage.system.dead_letters.letters()
    assert "ValueError: b'poison'" in letter.error


def test_a_crashing_message_of_a_dropped_type_is_gone(stage: Stage) -> None:
    assert poisoned(stage, PoisonPolicy.DROP) == []


def test_a_message_that_may_be_retried_is_given_to_the_fresh_behaviour_once(stage: Stage) -> None:
    assert poisoned(stage, PoisonPolicy.RETRY_ONCE) == ["quarantined"]
    assert stage.state_of("delicate").incarnation == 3


@pytest.mark.parametrize("policy", sorted(set(PoisonPolicy) - {PoisonPolicy.INSIST}, key=lambda each: each.value))
def test_a_message_that_crashed_an_actor_twice_never_reaches_it_again(stage: Stage, policy: PoisonPolicy) -> None:
    poisoned(stage, policy)
    stage.system.tell("delicate", b"poison")
    stage.settle("delicate")
    incarnation = stage.state_of("delicate").incarnation
    stage.system.tell("delicate", b"poison")
    with pytest.raises(Refused, match="crashed the actor twice"):
        stage.system.ask("delicate", b"poison")
    assert stage.state_of("delicate").incarnation == incarnation == 3


@pytest.mark.parametrize("terms", [{"quarantines": False}, {"poison": {bytes: PoisonPolicy.INSIST}}])
def test_what_the_world_is_at_fault_for_or_is_insisted_upon_is_taken_however_often_it_crashed(
    stage: Stage, terms: dict[str, Any]
) -> None:
    tries: list[int] = []

    class Writer(Doer):
        @handles(bytes)
        def _on_bytes(self, message: bytes) -> bytes:
            tries.append(self.context.incarnation)
            if len(tries) < 4:
                raise OSError("the disk is full")
            return message

    stage.start("writer", Writer, **terms)
    for _ in range(3):
        stage.system.tell("writer", b"row")
        stage.settle("writer")
    assert stage.system.ask("writer", b"row") == b"row"
    assert tries == [1, 2, 3, 4]


def test_a_message_cannot_be_retried_by_an_actor_that_never_gives_up_on_one() -> None:
    with pytest.raises(ValueError, match="for ever"):
        ChildSpec("writer", Doer, poison={bytes: PoisonPolicy.RETRY_ONCE}, quarantines=False)


def test_a_message_insisted_upon_that_can_never_be_taken_uses_up_the_restarts(stage: Stage) -> None:
    class Delicate(Doer):
        @handles(bytes)
        def _on_bytes(self, message: bytes) -> None:
            raise ValueError(message)

    few = Intensity(max_restarts=2, within_seconds=60)
    stage.start("delicate", Delicate, poison={bytes: PoisonPolicy.INSIST}, intensity=few)
    for _ in range(2):
        stage.system.tell("delicate", b"poison")
        stage.settle("delicate")
    stage.system.tell("delicate", b"poison")
    stage.events.wait(ActorParked)
    assert stage.system.dead_letters.count(path="delicate", reason="crashed") == 3


def test_another_message_of_a_quarantined_type_is_handled(stage: Stage) -> None:
    class Picky(Doer):
        @handles(bytes)
        def _on_bytes(self, message: bytes) -> bytes:
            if message == b"bad":
                raise ValueError
            return message

    stage.start("picky", Picky)
    stage.system.tell("picky", b"bad")
    stage.system.tell("picky", b"bad")
    assert stage.system.ask("picky", b"good") == b"good"


def test_an_actors_own_timer_is_never_quarantined_so_that_it_cannot_fall_silent(simulation: Stage) -> None:
    beats: list[int] = []

    class Beating(Doer):
        def on_start(self) -> None:
            self.context.start_timer("beat", 1, b"beat")

        @handles(bytes)
        def _on_beat(self, message: bytes) -> None:
            beats.append(self.context.incarnation)
            if self.context.incarnation < 4:
                raise ValueError("the world is not ready")
            self.context.start_timer("beat", 1, message)

    simulation.start("beating", Beating)
    simulation.crank.run_for(10)
    assert beats[:4] == [1, 2, 3, 4]
    assert len(beats) > 6


def test_a_quarantine_ends_after_ten_minutes(simulation: Stage) -> None:
    poisoned(simulation, PoisonPolicy.RETRY_ONCE)
    simulation.crank.run_for(601)
    simulation.system.tell("delicate", b"poison")
    simulation.crank.run_for(1)
    assert simulation.state_of("delicate").incarnation == 4
