"""The six traps of pykka 4.5 for a daemon: each shown on stock pykka, and each closed here.

Should pykka change one of them, the first half of its test says so.
"""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from runtime import ActorDead, ActorRestarted, AskFailed, DeadLettered, Killed, Refused
from runtime.testing import Do, Doer, Gate, Stage

SHORT = 0.3


class Stock(pykka.ThreadingActor):
    """pykka as it comes, doing in its handler what it is told."""

    use_daemon_thread = True

    def __init__(self, failures: list[str], failed: threading.Event) -> None:
        super().__init__()
        self._failures = failures
        self._failed = failed

    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message

    def on_failure(self, exception_type: Any, _value: Any, _traceback: Any) -> None:
        self._failures.append(exception_type.__name__)
        self._failed.set()


@pytest.fixture
def stock() -> Iterator[Any]:
    """Start stock actors; whatever is left of them is put out of the registry at the end."""
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    failures: list[str] = []

    def start(kind: type[Stock] = Stock) -> Any:
        return kind.start(failures, start.failed)  # type: ignore[attr-defined]

    start.failures = failures  # type: ignore[attr-defined]
    start.failed = threading.Event()  # type: ignore[attr-defined]
    yield start
    for ref in pykka.ActorRegistry.get_all():
        ref.actor_stopped.set()
        ref.tell_anyway = ref.actor_inbox.put  # type: ignore[attr-defined]
        pykka.ActorRegistry.unregister(ref)


def boom() -> None:
    raise ValueError("boom")


def exit_now() -> None:
    raise SystemExit


class TestTrapOneAnExceptionUnderAskNeverReachesTheSupervisor:
    def test_stock_has_it(self, stock: Any) -> None:
        ref = stock()
        with pytest.raises(ValueError, match="boom"):
            ref.ask(boom, timeout=5)
        assert ref.ask("still here", timeout=5) == "still here"
        assert stock.failures == []
        ref.stop()

    def test_here_it_is_a_failure(self, stage: Stage) -> None:
        stage.start("doer", Doer)
        with pytest.raises(AskFailed, match="boom"):
            stage.system.ask("doer", Do(lambda _: boom()))
        assert "boom" in stage.events.wait(ActorRestarted).error

    def test_here_it_is_a_failure_through_pykkas_own_reference_too(self, stage: Stage) -> None:
        stage.start("doer", Doer)
        with pytest.raises(AskFailed, match="boom"):
            stage.system.address("doer").ref.ask(Do(lambda _: boom()))
        assert "boom" in stage.events.wait(ActorRestarted).error


class TestTrapTwoAFailingOnStartSkipsOnFailure:
    def test_stock_has_it(self, stock: Any) -> None:
        class BadStart(Stock):
            def on_start(self) -> None:
                boom()

        ref = stock(BadStart)
        assert ref.actor_stopped.wait(5)
        assert not stock.failed.wait(SHORT)

    def test_here_it_is_a_failure(self, stage: Stage) -> None:
        class BadStart(Doer):
            def on_start(self) -> None:
                if self.context.incarnation == 1:
                    boom()

        stage.start("bad", BadStart)
        assert "boom" in stage.events.wait(ActorRestarted).error
        assert stage.system.ask("bad", Do(lambda doer: doer.context.incarnation)) == 2


class TestTrapThreeToldMessagesBehindAFatalOneVanish:
    def test_stock_has_it(self, stock: Any) -> None:
        ref = stock()
        gate = threading.Event()
        handled: list[int] = []
        ref.tell(lambda: gate.wait(5))
        ref.tell(boom)
        ref.tell(lambda: handled.append(1))
        gate.set()
        assert ref.actor_stopped.wait(5)
        assert stock.failed.wait(5)
        assert handled == []

    def test_here_they_wait_for_the_next_behaviour(self, stage: Stage) -> None:
        stage.start("doer", Doer)
        for message in ("before", Do(lambda _: boom()), "behind", "behind too"):
            stage.system.tell("doer", message)
        assert stage.system.ask("doer", Do(lambda doer: doer.log)) == ["behind", "behind too"]

    def test_here_what_an_ended_actor_had_queued_is_a_dead_letter(self, threads: Stage) -> None:
        threads.start("doer", Doer)
        with Gate().held() as gate:
            threads.system.tell("doer", Do(lambda _: gate.pass_through()))
            gate.wait_entered()
            threads.system.address("doer").ref.stop(block=False)
            threads.system.tell("doer", "behind the stop")
            gate.open()
            letter = threads.events.wait(DeadLettered)
        assert (letter.message, letter.reason) == ("behind the stop", "stopped")


class TestTrapFourAnAskRacingAStopIsNeverAnswered:
    def test_stock_has_it(self, stock: Any) -> None:
        ref = stock()
        put = ref.actor_inbox.put

        def slow_put(envelope: Any) -> None:
            # The reference has seen the actor alive; the actor ends before the message is in.
            ref.actor_inbox.put = put
            ref.stop()
            put(envelope)

        ref.actor_inbox.put = slow_put
        with pytest.raises(pykka.Timeout):
            ref.ask("late", block=False).get(timeout=SHORT)

    def test_here_the_closed_mailbox_answers(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        stage.start("doer", Doer)
        ref = stage.system.address("doer").ref
        mailbox_type = type(ref.actor_inbox)
        put = mailbox_type.put

        def slow_put(mailbox: Any, envelope: Any) -> None:
            monkeypatch.setattr(mailbox_type, "put", put)
            stage.system.stop_actor("doer")
            put(mailbox, envelope)

        monkeypatch.setattr(mailbox_type, "put", slow_put)
        with pytest.raises(ActorDead):
            ref.ask("late", timeout=5)

    def test_here_every_ask_racing_a_stop_has_an_outcome(self, threads: Stage) -> None:
        for attempt in range(30):
            name = f"doer{attempt}"
            threads.start(name, Doer)
            ref = threads.system.address(name).ref
            begin = threading.Barrier(2)
            futures: list[Any] = []

            def ask_on(ref: Any = ref, begin: threading.Barrier = begin, futures: list[Any] = futures) -> None:
                begin.wait(5)
                futures.extend(ref.ask("x", block=False) for _ in range(50))

            asker = threading.Thread(target=ask_on)
            asker.start()
            begin.wait(5)
            ref.stop()
            asker.join(5)
            outcomes = {outcome(future) for future in futures}
            assert outcomes <= {"answered", "ActorDead"}


def outcome(future: Any) -> str:
    try:
        future.get(timeout=5)
    except pykka.ActorDeadError:
        return "ActorDead"
    return "answered"


class TestTrapFiveAnAskWhoseHandlerExitsIsNeverAnswered:
    def test_stock_has_it(self, stock: Any) -> None:
        future = stock().ask(exit_now, block=False)
        with pytest.raises(pykka.Timeout):
            future.get(timeout=SHORT)

    def test_here_it_fails_like_any_other(self, stage: Stage) -> None:
        stage.start("doer", Doer)
        with pytest.raises(AskFailed, match="SystemExit"):
            stage.system.ask("doer", Do(lambda _: exit_now()))
        assert stage.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2


class TestTrapSixSystemExitInOneActorStopsOrDeadlocksAll:
    def test_stock_has_it(self, stock: Any) -> None:
        dying, waiting = stock(), stock()
        gate = threading.Event()
        entered = threading.Event()
        dying.tell(lambda: gate.wait(5))
        dying.tell(exit_now)
        asked: list[Any] = []

        def ask_the_dying() -> Any:
            asked.append(dying.ask("hello", block=False))
            entered.set()
            # stop_all, on the dying actor's thread, waits for this actor, which waits for the dying one.
            return asked[0].get(timeout=SHORT)

        future = waiting.ask(ask_the_dying, block=False)
        assert entered.wait(5)
        gate.set()
        with pytest.raises(pykka.Timeout):
            future.get(timeout=5)
        # Without the time-out above both would wait for ever; and the innocent actor is stopped as well.
        assert waiting.actor_stopped.wait(5)

    def test_here_it_is_one_actors_crash(self, stage: Stage) -> None:
        stage.start("dying", Doer)
        stage.start("innocent", Doer)
        stage.system.tell("dying", Do(lambda _: exit_now()))
        assert "SystemExit" in stage.events.wait(ActorRestarted).error
        assert stage.system.ask("innocent", Do(lambda doer: doer.context.incarnation)) == 1
        assert stage.system.ask("dying", Do(lambda doer: doer.context.incarnation)) == 2


def test_pykkas_registry_knows_the_living_and_forgets_the_ended(stage: Stage) -> None:
    stage.start("one", Doer)
    stage.start("two", Doer)
    refs = {ref.actor_urn.rsplit(":", 1)[1] for ref in pykka.ActorRegistry.get_all()}
    assert refs == {"one", "two"}
    stage.system.stop_actor("one")
    assert [ref.actor_urn.rsplit(":", 1)[1] for ref in pykka.ActorRegistry.get_all()] == ["two"]


def test_pykkas_futures_map_join_and_are_read_twice(stage: Stage) -> None:
    stage.start("doer", Doer)
    ref = stage.system.address("doer").ref
    first = ref.ask(Do(lambda _: 20), block=False)
    second = ref.ask(Do(lambda _: 22), block=False)
    assert first.join(second).map(sum).get(timeout=5) == 42
    assert first.get(timeout=5) == first.get(timeout=5) == 20


def test_a_proxy_is_refused_because_behaviours_come_and_go(stage: Stage) -> None:
    stage.start("doer", Doer)
    ref = stage.system.address("doer").ref

    with pytest.raises(Refused, match="proxy"):
        ref.ask(pykka.messages.ProxyGetAttr(attr_path=("log",)))


def test_killing_declares_the_actor_lost_and_its_supervisor_starts_it_again(stage: Stage) -> None:
    stage.start("doer", Doer)
    stage.system.kill("doer")
    assert Killed.__name__ in stage.events.wait(ActorRestarted).error
    assert stage.system.ask("doer", Do(lambda doer: doer.context.incarnation)) == 2
