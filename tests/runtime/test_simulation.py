"""Virtual time: the same seed is the same run, handlers take time when told to, hooks see every step."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from runtime import (
    ActorRestarted,
    AskFailed,
    AskTimeout,
    HandlerLost,
    HandlerSlow,
    NotAnswered,
    RanTooLong,
    Terminated,
    handles,
)
from runtime.testing import Do, Doer, FaultPlan, InjectedCrash, Stage, run_until_idle


class Gossip(Doer):
    """Passes a number on to a random peer after a random time, and crashes now and then."""

    def __init__(self, peers: int) -> None:
        super().__init__()
        self.peers = peers

    @handles(int)
    def _on_number(self, number: int) -> None:
        context = self.context
        if context.random.random() < 0.05:
            raise ValueError(number)
        context.spend(context.random.random() / 100)
        if number > 0:
            peer = f"gossip{context.random.randrange(self.peers)}"
            context.tell(peer, number - 1)
            context.start_timer(context.new_id(), context.random.expovariate(10.0), "tick")


def gossip(make_stage: Any, *, seed: int, schedule_seed: int) -> tuple[str, int, str]:
    """Run a seeded crowd for a while; return digest, steps, and a rendering of everything that was told."""
    stage = make_stage("deterministic", seed=seed, schedule_seed=schedule_seed)
    for number in range(8):
        stage.start(f"gossip{number}", lambda: Gossip(8))
    for number in range(8):
        stage.system.tell(f"gossip{number}", 40)
    stage.crank.run_for(30)
    story = repr([(type(event).__name__, getattr(event, "path", "")) for event in stage.events.all])
    return stage.crank.digest, stage.crank.steps, story


def test_the_same_seed_is_the_same_run(make_stage: Callable[..., Stage]) -> None:
    first = gossip(make_stage, seed=3, schedule_seed=3)
    assert first == gossip(make_stage, seed=3, schedule_seed=3)
    assert first[1] > 500


@pytest.mark.parametrize(("seed", "schedule_seed"), [(4, 3), (3, 4)])
def test_another_seed_of_actors_or_of_schedule_is_another_run(
    make_stage: Callable[..., Stage], seed: int, schedule_seed: int
) -> None:
    other = gossip(make_stage, seed=seed, schedule_seed=schedule_seed)
    assert gossip(make_stage, seed=3, schedule_seed=3)[0] != other[0]


SCRIPT = """
from runtime import ActorSystem, ChildSpec, DeterministicDispatcher
from runtime.testing import Doer, Do
crank = DeterministicDispatcher(5)
system = ActorSystem(dispatchers={"pool": crank}, clock=crank.clock, seed=5)
system.start(*(ChildSpec(f"a{n}", Doer) for n in range(5)))
def wander(doer):
    if doer.context.monotonic() < 20:
        peers = sorted({f"a{n}" for n in range(5)})
        doer.context.tell(doer.context.random.choice(peers), "hello")
        doer.context.start_timer("t", doer.context.random.random(), Do(wander))
system.tell("a0", Do(wander))
crank.run_for(3)
print(crank.digest, crank.steps)
system.stop()
"""


def test_the_run_does_not_depend_on_the_hash_seed() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ".", "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(digests) == 1


def test_a_handler_that_takes_virtual_time_sends_at_its_end_and_is_busy_meanwhile(simulation: Stage) -> None:
    probe = simulation.probe()
    simulation.start("doer", Doer)

    def slow(doer: Any) -> None:
        doer.context.tell("probe", "sent")
        doer.context.spend(2.0)

    simulation.system.tell("doer", Do(slow))
    simulation.system.tell("doer", "behind")
    simulation.crank.run_for(1.9)
    assert probe.received == ()
    assert simulation.state_of("doer").running_handler == "Do"
    assert simulation.state_of("doer").mailbox_depth == 1
    simulation.crank.run_for(0.2)
    assert probe.received == ("sent",)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == ["behind"]


def test_a_slow_handlers_siblings_go_on_meanwhile(simulation: Stage) -> None:
    simulation.start("slow", Doer)
    simulation.start("sibling", Doer)
    simulation.system.tell("slow", Do(lambda doer: doer.context.spend(30)))
    began = simulation.crank.clock.monotonic()
    assert simulation.system.ask("sibling", Do(lambda _: "here")) == "here"
    assert simulation.crank.clock.monotonic() - began < 1


def test_a_slow_handler_that_crashes_crashes_at_its_end(simulation: Stage) -> None:
    simulation.start("doer", Doer)

    def slow_crash(doer: Any) -> None:
        doer.context.spend(2.0)
        raise ValueError

    simulation.system.tell("doer", Do(slow_crash))
    simulation.crank.run_for(1.9)
    assert simulation.events.of(ActorRestarted) == ()
    simulation.crank.run_for(0.2)
    assert len(simulation.events.of(ActorRestarted)) == 1


def test_a_virtual_handler_past_its_deadline_is_lost_and_sends_nothing(simulation: Stage) -> None:
    probe = simulation.probe()
    simulation.start("doer", Doer, handler_deadline_seconds=1.0)

    def overrun(doer: Any) -> None:
        doer.context.tell("probe", "never")
        doer.context.spend(4.0)

    began = simulation.crank.clock.monotonic()
    with pytest.raises(AskFailed, match=r"longer than 1.0 s"):
        simulation.system.ask("doer", Do(overrun))
    assert simulation.crank.clock.monotonic() - began == pytest.approx(1.0)
    assert len(simulation.events.of(HandlerLost)) == 1
    assert simulation.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2
    simulation.crank.run_for(10)
    assert probe.received == ()


def test_a_slow_virtual_handler_is_told_of(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    simulation.system.tell("doer", Do(lambda doer: doer.context.spend(6)))
    simulation.crank.run_for(4.9)
    assert simulation.events.of(HandlerSlow) == ()
    simulation.crank.run_for(0.2)
    assert len(simulation.events.of(HandlerSlow)) == 1


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "on_drained"])
def test_every_hook_may_take_virtual_time(simulation: Stage, hook: str) -> None:
    def spend(doer: Any) -> None:
        doer.context.spend(1.0)
        doer.context.tell("probe", hook)

    probe = simulation.probe()
    kind = type("Slow", (Doer,), {hook: spend})
    began = simulation.crank.clock.monotonic()
    simulation.start("slow", kind)
    simulation.system.tell("slow", "x")
    simulation.crank.run_for(0.5)
    simulation.system.stop_actor("slow")
    simulation.crank.run_for(5)
    assert hook in probe.received
    assert simulation.crank.clock.monotonic() - began >= 1.0
    assert not simulation.system.exists("slow")


def test_an_ordered_stop_commits_what_is_not_yet_drained(simulation: Stage) -> None:
    story: list[str] = []

    class Store(Doer):
        drain_every = 1000

        def on_unhandled(self, message: Any) -> None:
            story.append(message)

        def on_drained(self) -> None:
            self.context.spend(0.5)
            story.append("commit")

        def on_stop(self) -> None:
            story.append("closed")

    simulation.start("store", Store)
    simulation.system.tell("store", "a")
    simulation.system.tell("store", "b")
    simulation.system.stop_actor("store")
    assert story == ["a", "b", "commit", "closed"]


def test_hooks_see_every_step_and_may_end_the_run(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    paths: list[str] = []

    def watch(step: Any) -> None:
        paths.append(step.path)
        if len(paths) == 3:
            raise AssertionError("invariant broken")

    simulation.crank.hooks.append(watch)
    for number in range(5):
        simulation.system.tell("doer", number)
    with pytest.raises(AssertionError, match="invariant broken"):
        simulation.crank.run()
    assert paths == ["doer"] * 3
    simulation.crank.hooks.clear()


def test_faults_are_injected_by_actor_and_type(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    simulation.start("other", Doer)
    simulation.system.intercept(FaultPlan().crash("doer", int).lose("doer", str).delay("other", int, 3.0))
    for path in ("doer", "other"):
        for message in (1, "two", 3, "four"):
            simulation.system.tell(path, message)
    run_until_idle(simulation.system)
    assert InjectedCrash.__name__ in simulation.events.of(ActorRestarted)[0].error
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == [3, "four"]
    assert simulation.state_of("other").running_handler == "int"
    simulation.crank.run_for(3.1)
    assert simulation.system.ask("other", Do(lambda doer: doer.log)) == [1, "two", 3, "four"]


def test_what_a_handler_held_does_not_leave_when_it_is_made_to_fail_at_its_end(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    probe = simulation.probe()
    simulation.system.intercept(FaultPlan().crash("doer", Do, after=True))
    done: list[str] = []

    def ring_and_note(doer: Any) -> None:
        done.append("ran")
        ring(doer)

    simulation.system.tell("doer", Do(ring_and_note))
    simulation.system.tell("doer", Do(ring))
    run_until_idle(simulation.system)
    assert done == ["ran"]
    assert probe.received == ("rang",)


def test_an_outside_ask_lets_exactly_its_timeout_of_virtual_time_pass(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    simulation.system.tell("doer", Do(lambda doer: doer.context.spend(100)))
    began = simulation.crank.clock.monotonic()
    with pytest.raises(AskTimeout):
        simulation.system.ask("doer", "x", timeout_seconds=7.0)
    assert simulation.crank.clock.monotonic() - began == pytest.approx(7.0)


def test_an_expired_question_is_never_run(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    probe = simulation.probe()
    simulation.system.tell("doer", Do(lambda doer: doer.context.spend(10)))
    probe.do(lambda actor: actor.context.ask("doer", "too late", timeout_seconds=3.0))
    assert probe.wait(NotAnswered).reason == "timed_out"
    simulation.crank.run_for(20)
    assert simulation.system.ask("doer", Do(lambda doer: doer.log)) == []
    assert simulation.system.dead_letters.count(path="doer", reason="expired") == 1


def test_time_stands_still_while_there_is_something_to_do(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    for number in range(50):
        simulation.system.tell("doer", number)
    run_until_idle(simulation.system)
    assert simulation.crank.clock.monotonic() == 0.0


def test_a_run_that_never_ends_is_reported_not_endured(simulation: Stage) -> None:
    simulation.start("doer", Doer)

    def again(doer: Any) -> None:
        doer.context.tell("doer", Do(again))

    simulation.system.tell("doer", Do(again))
    with pytest.raises(RanTooLong):
        simulation.crank.run(steps=1000)
    simulation.system.kill("doer")
    simulation.system.intercept(FaultPlan().lose("doer", Do, times=10))
    run_until_idle(simulation.system)


def test_the_wall_may_jump_without_moving_any_timer(simulation: Stage) -> None:
    simulation.start("doer", Doer)
    probe = simulation.probe()
    simulation.system.ask("doer", Do(lambda doer: doer.context.start_timer("t", 5, Do(ring))))
    before = simulation.system.ask("doer", Do(lambda doer: doer.context.now()))
    simulation.crank.clock.jump_wall(-3600)
    simulation.crank.run_for(4.9)
    assert probe.received == ()
    simulation.crank.run_for(0.2)
    assert probe.received == ("rang",)
    assert simulation.system.ask("doer", Do(lambda doer: doer.context.now())) < before


def ring(doer: Any) -> None:
    doer.context.tell("probe", "rang")


def test_a_simulated_stop_ends_everything_in_virtual_time(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("deterministic")
    stage.start("doer", Doer, stop_timeout_seconds=2.0)
    probe = stage.probe()
    probe.do(lambda actor: actor.context.watch("doer"))
    stage.system.tell("doer", Do(lambda doer: doer.context.spend(100)))
    run_until_idle(stage.system)
    stage.system.address("doer").ref.stop(block=False)
    assert probe.wait(Terminated) == Terminated(path="doer", incarnation=1, reason="killed")
    report = stage.system.stop()
    assert report.not_stopped == ("doer",)
