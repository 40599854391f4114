"""A tree under every kind of trouble at once, seed after seed: it must always come to rest whole, and end once."""

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pykka
import pytest

from runtime import (
    REST_FOR_ONE,
    TEMPORARY,
    TRANSIENT,
    ActorStarted,
    Backoff,
    ChildSpec,
    Coalesce,
    DropOldest,
    Intensity,
    MailboxSpec,
    OnExhausted,
    Parking,
    Spec,
    SupervisorSpec,
    Terminated,
)
from runtime.testing import Do, Doer, Stage

FEW = Intensity(max_restarts=3, within_seconds=5)
QUICK = Backoff(base_seconds=0.05, cap_seconds=1.0)
AT_REST = {"running", "parked"}


class Troubled(Doer):
    """Fails to start, to stop and to drain now and then, by its own chance, while there is trouble."""

    trouble = True

    def _maybe(self, chance: float) -> None:
        if self.trouble and self.context.random.random() < chance:
            raise OSError(f"trouble in {self.context.path}")

    def on_start(self) -> None:
        self._maybe(0.15)
        self.context.start_timer("beat", self.context.random.random(), "beat")

    def on_stop(self) -> None:
        self._maybe(0.2)

    def on_drained(self) -> None:
        self._maybe(0.02)

    def on_unhandled(self, message: Any) -> None:
        self.context.spend(self.context.random.random() / 50)
        self._maybe(0.05)


def tree() -> tuple[Spec, ...]:
    def child(name: str, **options: Any) -> ChildSpec:
        return ChildSpec(
            name, Troubled, backoff=QUICK, intensity=Intensity(max_restarts=3, within_seconds=5), **options
        )

    parked_soon = Parking(retry_seconds=20)
    return (
        child("store", mailbox=MailboxSpec(capacity=16)),
        SupervisorSpec(
            "account",
            strategy=REST_FOR_ONE,
            on_exhausted=OnExhausted.PARK,
            parking=parked_soon,
            children=(
                child("client", on_exhausted=OnExhausted.ESCALATE, children=(child("lane"), child("spare"))),
                child("stream", mailbox=MailboxSpec(capacity=4, overflow=DropOldest())),
                child("reconciler", parking=Parking(stand_in=Doer, retry_seconds=20)),
                SupervisorSpec("positions", on_exhausted=OnExhausted.PARK, children=(child("one"), child("two"))),
            ),
        ),
        child("prices", mailbox=MailboxSpec(capacity=4, overflow=Coalesce(key=str)), parking=parked_soon),
        child(
            "flow", strategy=REST_FOR_ONE, children=(child("a"), child("b"), child("c")), handler_deadline_seconds=1.0
        ),
    )


def crash(number: int) -> Do:
    def handler(_: Any) -> None:
        raise ValueError(number)

    return Do(handler)


def actions(random: Random) -> Iterator[Do]:
    """Things to have done inside actors, for ever."""
    number = 0
    while True:
        number += 1
        name = f"extra{number}"
        spec = ChildSpec(name, Troubled, restart=random.choice([TRANSIENT, TEMPORARY]), backoff=QUICK)
        yield random.choice(
            [
                crash(number),
                crash(number),
                Do(lambda doer: doer.context.stop()),
                Do(lambda doer: doer.context.restart("as asked")),
                Do(lambda doer: doer.context.spend(2.5)),
                Do(lambda doer, spec=spec: doer.context.start_child(spec)),
                Do(lambda doer: [doer.context.stop_child(name) for name in doer.context.children()[-1:]]),
                Do(lambda doer: doer.context.watch("account/stream")),
                Do(lambda doer: doer.context.ask("store", "question", timeout_seconds=0.5)),
            ]
        )


def living_paths(stage: Stage) -> set[str]:
    return {node.path for node in stage.system.snapshot() if node.dispatcher}


def registered_paths() -> set[str]:
    return {ref.actor_urn.rsplit(":", 1)[1] for ref in pykka.ActorRegistry.get_all()}


@pytest.mark.parametrize("seed", range(40))
def test_the_tree_comes_to_rest_whole_after_any_trouble(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    stage = make_stage("deterministic", seed=seed, schedule_seed=seed)
    random = Random(seed)
    stage.system.start(*tree())
    probe = stage.probe("witness")
    watched = sorted(living_paths(stage) - {"witness"})
    probe.do(lambda actor: [actor.context.watch(path) for path in watched])

    def whole(_: Any) -> None:
        assert living_paths(stage) == registered_paths()
        assert all(len(ref.actor_inbox.idle) <= 1 for ref in pykka.ActorRegistry.get_all())

    trouble = actions(random)
    for _ in range(150):
        path = random.choice(sorted(living_paths(stage) - {"witness"}))
        match random.randrange(12):
            case 0:
                stage.system.kill(path)
            case 1:
                for number in range(30):
                    stage.system.tell(path, number)
            case _:
                stage.system.tell(path, next(trouble))
        stage.crank.run_for(random.random() / 2)
        whole(None)

    monkeypatch.setattr(Troubled, "trouble", False)
    stage.crank.run_for(400)
    states = {node.path: node.state for node in stage.system.snapshot()}
    assert {path: state for path, state in states.items() if state not in AT_REST} == {}
    assert set(watched) <= set(states) | {notice.path for notice in probe.record.of(Terminated)}
    for path in sorted(living_paths(stage)):
        if states[path] == "running":
            assert stage.system.ask(path, Do(lambda doer: doer.context.path)) == path

    report = stage.system.stop(60.0)
    assert report.in_order
    assert registered_paths() == set()
    ends = Counter(notice.path for notice in probe.record.of(Terminated))
    assert not ends or max(ends.values()) == 1
    assert len(stage.events.of(ActorStarted)) >= len(watched)


def test_the_tree_survives_the_same_trouble_on_real_threads(threads: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(11)
    threads.system.start(*tree())
    trouble = actions(random)
    for _ in range(300):
        path = random.choice(sorted(living_paths(threads)))
        if random.randrange(15) == 0:
            threads.system.kill(path)
        else:
            threads.system.tell(path, next(trouble))
        threads.system.snapshot()
    monkeypatch.setattr(Troubled, "trouble", False)
    report = threads.system.stop(10.0)
    assert report.in_order, report
    assert registered_paths() == set()
