"""What only real threads can show: isolation, spares, lost handlers, leases, stuck stops, the watchdog."""

import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from runtime import (
    LATER,
    ActorRestarted,
    ActorSystem,
    AskFailed,
    ChildSpec,
    HandlerLost,
    HandlerSlow,
    PooledDispatcher,
    SystemClock,
    ThreadedDispatcher,
    WorkerReplaced,
    tune_interpreter,
)
from runtime.dispatch.pooled import ASIDE_SECONDS
from runtime.dispatch.run_queue import FAIR_TURN, RunQueue
from runtime.testing import Do, Doer, Gate, Stage


class Waiting:
    """A cell in a queue."""

    urgent = False
    blocks = False

    def __init__(self, path: str) -> None:
        self.path = path

    def run(self, _limit: int, _seconds: float) -> bool:
        return False


def test_a_held_handler_delays_no_sibling_on_a_pool_of_two(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    for name in ("held", "sibling", "other"):
        stage.start(name, Doer)
    with Gate().held() as gate:
        stage.system.tell("held", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        for number in range(100):
            stage.system.tell("sibling", number)
            stage.system.tell("other", number)
        assert stage.system.ask("sibling", Do(lambda doer: len(doer.log))) == 100
        assert stage.system.ask("other", Do(lambda doer: len(doer.log))) == 100
        assert stage.state_of("held").running_handler == "Do"


def test_a_spare_joins_when_every_worker_is_held_and_cells_wait(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    for number in range(5):
        stage.start(f"held{number}", Doer)
    stage.start("free", Doer)
    with Gate().held() as gate:
        for number in range(5):
            stage.system.tell(f"held{number}", Do(lambda _: gate.pass_through()))
        for _ in range(5):
            gate.wait_entered()
        assert stage.system.ask("free", Do(lambda _: "answered")) == "answered"
        assert stage.events.wait(WorkerReplaced).reason == "spare"


def test_spares_stop_at_the_cap() -> None:
    dispatcher = PooledDispatcher(2, most_workers=3)
    system = ActorSystem(dispatchers={"pool": dispatcher}, clock=SystemClock(), seed=1)

    try:
        for number in range(5):
            system.start(ChildSpec(f"held{number}", Doer))
        with Gate().held() as gate:
            for number in range(5):
                system.tell(f"held{number}", Do(lambda _: gate.pass_through()))
            for _ in range(3):
                gate.wait_entered()
            with pytest.raises(AssertionError):
                gate.wait_entered(within_seconds=0.2)
            assert dispatcher.workers == 3
    finally:
        system.stop(5.0)


def test_a_pool_has_at_least_two_workers() -> None:
    with pytest.raises(ValueError, match="between 2 and 16"):
        PooledDispatcher(1)


def test_a_handler_past_its_deadline_is_lost_and_what_it_still_does_is_discarded(threads: Stage) -> None:
    probe = threads.probe()
    threads.start("doer", Doer, handler_deadline_seconds=0.1)
    left = threading.Event()
    with Gate().held() as gate:

        def overrun(doer: Any) -> str:
            doer.context.tell("probe", "sent before")
            reply = doer.context.defer_reply()
            gate.pass_through()
            doer.context.tell("probe", "sent after")
            doer.context.start_timer("t", 0, "from the lost one")
            reply.answer("too late")
            left.set()
            return LATER

        with pytest.raises(AskFailed, match=r"ran longer than 0\.1 s"):
            threads.system.ask("doer", Do(overrun))
        lost = threads.events.wait(HandlerLost)
        assert "overrun" in lost.stack
        assert threads.events.wait(WorkerReplaced).reason == "lost"
        assert threads.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2
        gate.open()
        assert left.wait(5)
        threads.settle("doer")
        threads.settle("probe")
        assert probe.received == ()
        assert threads.system.ask("doer", Do(lambda doer: doer.log)) == []


def test_a_lost_handlers_late_crash_touches_nobody(threads: Stage) -> None:
    threads.start("doer", Doer, handler_deadline_seconds=0.1)
    with Gate().held() as gate:

        def overrun_and_crash(_: Any) -> None:
            gate.pass_through()
            raise SystemExit

        threads.system.tell("doer", Do(overrun_and_crash))
        threads.events.wait(HandlerLost)
        threads.settle("doer")
        gate.open()
    for _ in range(20):
        threads.settle("doer")
    assert len(threads.events.of(ActorRestarted)) == 1
    assert threads.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2


def test_a_lost_handler_never_runs_the_fresh_behaviours_hooks(threads: Stage) -> None:
    drained_on: list[int] = []

    class Draining(Doer):
        drain_every = 1

        def on_drained(self) -> None:
            drained_on.append(threading.get_ident())

    threads.start("doer", Draining, handler_deadline_seconds=0.1)
    stuck_on: list[int] = []
    with Gate().held() as gate:

        def overrun(doer: Any) -> None:
            stuck_on.append(threading.get_ident())
            gate.pass_through()
            doer.context.tell("nobody", "never")

        threads.system.tell("doer", Do(overrun))
        threads.events.wait(HandlerLost)
        threads.settle("doer")
        stuck = next(thread for thread in threading.enumerate() if thread.ident == stuck_on[0])
        gate.open()
        stuck.join(5)
    assert not stuck.is_alive()
    assert stuck_on[0] not in drained_on
    assert threads.system.dead_letters.count(path="nobody") == 0


def test_messages_behind_a_lost_handler_go_to_the_fresh_behaviour(threads: Stage) -> None:
    threads.start("doer", Doer, handler_deadline_seconds=0.1)
    with Gate().held() as gate:
        threads.system.tell("doer", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        threads.system.tell("doer", "behind")
        assert threads.system.ask("doer", Do(lambda doer: doer.log)) == ["behind"]


def test_killing_a_running_handler_frees_its_actor_at_once(threads: Stage) -> None:
    threads.start("doer", Doer)
    with Gate().held() as gate:
        threads.system.tell("doer", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        threads.system.kill("doer")
        assert threads.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2


def test_losing_handlers_again_and_again_leaves_the_pool_as_large_as_it_was() -> None:

    dispatcher = PooledDispatcher(2)
    system = ActorSystem(dispatchers={"pool": dispatcher}, clock=SystemClock(), seed=1)
    try:
        system.start(ChildSpec("doer", Doer))
        gates = [Gate() for _ in range(3)]
        for gate in gates:
            system.tell("doer", Do(lambda _, gate=gate: gate.pass_through()))
            gate.wait_entered()
            system.kill("doer")
        assert system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 4
        assert dispatcher.workers == 2
        for gate in gates:
            gate.open()
    finally:
        assert system.stop(5.0).in_order


def test_a_slow_handler_is_told_of_once_with_its_live_stack(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool", slow_handler_seconds=0.05)
    stage.start("doer", Doer)
    with Gate().held() as gate:

        def dawdle(_: Any) -> None:
            gate.pass_through()

        stage.system.tell("doer", Do(dawdle))
        slow = stage.events.wait(HandlerSlow)
        assert slow.path == "doer"
        assert "dawdle" in slow.stack
        assert threading.Event().wait(0.35) is False  # three more looks of the watchdog
    assert len(stage.events.of(HandlerSlow)) == 1


def test_an_actor_stuck_in_a_stop_is_named_and_keeps_nothing_alive(threads: Stage) -> None:
    threads.start("good", Doer)
    threads.start("stuck", Doer, stop_timeout_seconds=60)
    with Gate().held() as gate:
        threads.system.tell("stuck", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        began = time.monotonic()
        report = threads.system.stop(1.0)
        assert time.monotonic() - began < 2.0
        assert report.not_stopped == ("stuck",)
        assert not report.in_order
        assert [name.rsplit(" in ", 1)[1] for name in report.stuck_threads] == ["stuck"]
        stuck = [thread for thread in threading.enumerate() if thread.name == report.stuck_threads[0].split(" in ")[0]]
        assert stuck
        assert all(thread.daemon for thread in stuck)
    for thread in stuck:
        thread.join(5)


def test_one_actors_stop_timeout_lets_the_rest_stop_in_order(threads: Stage) -> None:
    stopped: list[str] = []

    class Polite(Doer):
        def on_stop(self) -> None:
            stopped.append(self.context.path)

    threads.start("first", Polite)
    threads.start("stuck", Polite, stop_timeout_seconds=0.2)
    threads.start("last", Polite)
    with Gate().held() as gate:
        threads.system.tell("stuck", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        report = threads.system.stop(5.0)
        assert stopped == ["last", "first"]
        assert report.not_stopped == ("stuck",)


def test_every_runtime_thread_is_gone_after_an_ordered_stop(threads: Stage) -> None:
    for number in range(5):
        threads.start(f"doer{number}", Doer)
        threads.settle(f"doer{number}")
    report = threads.system.stop(5.0)
    assert report.in_order
    assert [thread for thread in threading.enumerate() if thread is not threading.main_thread()] == []


def test_an_actors_thread_ends_with_the_actor() -> None:

    system = ActorSystem(dispatchers={"thread": ThreadedDispatcher()}, clock=SystemClock(), seed=1)
    system.start(ChildSpec("doer", Doer, dispatcher="thread"))
    (pinned,) = [thread for thread in threading.enumerate() if thread.name.endswith("doer")]
    system.stop_actor("doer")
    pinned.join(5)
    assert not pinned.is_alive()
    system.stop(5.0)


def test_an_actor_on_the_thread_dispatcher_stays_on_its_thread() -> None:

    system = ActorSystem(dispatchers={"thread": ThreadedDispatcher()}, clock=SystemClock(), seed=1)
    try:
        system.start(ChildSpec("doer", Doer, dispatcher="thread"))
        threads = {system.ask("doer", Do(lambda _: threading.get_ident())) for _ in range(20)}
        assert len(threads) == 1
    finally:
        system.stop(5.0)


def test_the_interpreter_is_tuned_only_when_the_daemon_asks_for_it() -> None:
    before, thresholds = sys.getswitchinterval(), gc.get_threshold()
    assert before == pytest.approx(0.005)
    try:
        tune_interpreter()
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        assert gc.get_threshold() == (20_000, 20, 20)
    finally:
        sys.setswitchinterval(before)
        gc.set_threshold(*thresholds)


def test_an_urgent_actor_and_whom_it_tells_run_before_a_crowd_that_was_there_first(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage("pool")
    order: list[str] = []
    crowd = [f"crowd{number}" for number in range(200)]
    stage.start("receiver", Doer)
    stage.system.start(ChildSpec("urgent", Doer, urgent=True))
    for name in (*crowd, "held0", "held1"):
        stage.start(name, Doer)
    gate = Gate()
    with gate.held():
        for name in ("held0", "held1"):  # both workers; the spare that joins for them is a third
            stage.system.tell(name, Do(lambda _: gate.pass_through()))
            gate.wait_entered()
        for name in crowd:
            stage.system.tell(name, Do(lambda _, name=name: (order.append(name), time.sleep(0.002))))
        stage.system.tell("urgent", Do(lambda doer: doer.context.tell("receiver", Do(lambda _: order.append("it")))))
    for name in (*crowd, "receiver"):
        stage.system.ask(name, Do(lambda _: None), timeout_seconds=10.0)
    assert order.index("it") < len(crowd) // 2


def test_a_crowd_in_a_hurry_does_not_starve_one_that_is_not() -> None:
    queue = RunQueue()
    hurried = [Waiting(f"hurried{number}") for number in range(50)]
    patient = Waiting("patient")
    for cell in (patient, *hurried):
        queue.put(cell)
    for cell in hurried:
        queue.hurry(cell)
    taken = [queue.get() for _ in range(51)]
    assert 0 < taken.index(patient) < FAIR_TURN
    assert [cell for cell in taken if cell is not patient] == hurried
    assert queue.empty()


def test_what_a_turn_makes_ready_runs_next_on_the_same_worker(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    stage.start("teller", Doer)
    stage.start("told", Doer)
    for _ in range(20):
        threads: list[int] = []
        ran = threading.Event()

        def note(_: Any, threads: list[int] = threads, ran: threading.Event = ran) -> None:
            threads.append(threading.get_ident())
            ran.set()

        def tell(doer: Any, threads: list[int] = threads, note: Callable[[Any], None] = note) -> None:
            threads.append(threading.get_ident())
            doer.context.tell("told", Do(note))

        stage.system.tell("teller", Do(tell))
        assert ran.wait(5.0)
        assert threads[0] == threads[1]


def test_what_a_turn_made_ready_is_left_to_others_when_its_worker_hangs(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    stage.start("teller", Doer)
    stage.start("told", Doer)
    ran = threading.Event()
    with Gate().held() as gate:
        # Both are handled in one batch: the first makes another actor ready, the second hangs.
        with Gate().held() as first:
            stage.system.tell("teller", Do(lambda _: first.pass_through()))
            first.wait_entered()
            stage.system.tell("teller", Do(lambda doer: doer.context.tell("told", Do(lambda _: ran.set()))))
            stage.system.tell("teller", Do(lambda _: gate.pass_through()))
        gate.wait_entered()
        assert ran.wait(2.0)


def test_others_are_called_before_a_cell_that_blocks(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("pool")
    stage.start("teller", Doer)
    stage.start("other", Doer)
    stage.system.start(ChildSpec("blocks", Doer, urgent=True, blocks=True))
    ran = threading.Event()

    def tell(doer: Any) -> None:
        doer.context.tell("other", Do(lambda _: ran.set()))
        doer.context.tell("blocks", Do(lambda _: gate.pass_through()))

    with Gate().held() as gate:
        stage.system.tell("teller", Do(tell))
        gate.wait_entered()
        assert ran.wait(2.0)


def test_while_an_urgent_actors_question_is_taken_up_elsewhere_only_urgent_ones_run() -> None:
    pool = PooledDispatcher()
    system = ActorSystem(dispatchers={"pool": pool, "thread": ThreadedDispatcher()}, clock=SystemClock(), seed=1)
    at: dict[str, float] = {}
    done = threading.Semaphore(0)

    def note(name: str) -> Do:
        def noted(_: Any) -> None:
            at[name] = time.monotonic()
            done.release()

        return Do(noted)

    def ask(doer: Any) -> None:
        doer.context.ask("lane", note("lane"))
        doer.context.tell("patient", note("patient"))
        doer.context.tell("hasty", note("hasty"))
        at["asked"] = time.monotonic()

    try:
        system.start(
            ChildSpec("lane", Doer, dispatcher="thread"),
            ChildSpec("patient", Doer),
            ChildSpec("hasty", Doer, urgent=True),
            ChildSpec("client", Doer, urgent=True),
        )
        for _ in range(5):
            system.tell("client", Do(ask))
            for _ in range(3):
                assert done.acquire(timeout=5.0)
            assert at["patient"] - at["asked"] >= ASIDE_SECONDS
            assert at["hasty"] < at["patient"]
    finally:
        system.stop(5.0)
