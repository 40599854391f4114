"""The store: one commit for all that arrived together, nothing before it, and nobody pays for another's mistake."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    Guard,
    MarkAttempt,
    NextNumber,
    Perform,
    PromisedEffect,
    Settle,
    UseGuards,
)
from actors.messages.trading import OrderAbsent, TradesQuestion
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from runtime import Actor, ActorRestarted, AskTimeout, Refused
from runtime.testing import Probe
from tests.actors.trades.conftest import TradeWorld

DISK_FULL = Unreachable("commit: the disk is full")


def fact(world: TradeWorld) -> OrderAbsent:
    return OrderAbsent(client_order_id="SF0123A-7K3Q9X-E1-0", read_at=world.clock.now())


def effect(key: str, destination: str = "writer") -> PromisedEffect:
    request = OrderAbsent(client_order_id=key, read_at=TradeWorld.EPOCH)
    return PromisedEffect(key=key, destination=destination, owner=destination, request=request)


@pytest.fixture
def writer(world: TradeWorld) -> Probe:
    """Somebody who appends, watches the store, and keeps what is told."""
    world.pass_time(1)
    probe = Probe(world.system, "writer")
    probe.do(lambda actor: actor.context.watch(addresses.STORE))
    return probe


def tell(writer: Probe, *messages: Any) -> None:
    def send(actor: Actor) -> None:
        for message in messages:
            actor.context.tell(addresses.STORE, message)

    writer.do(send)


def append(world: TradeWorld, number: int, **more: Any) -> Append:
    return Append(
        stream=f"stream/{number}",
        expected_sequence=0,
        facts=(fact(world),),
        effects=(effect(f"effect/{number}"),),
        confirm_to="writer",
        **more,
    )


def store_failures(world: TradeWorld) -> int:
    return sum(1 for e in world.events if isinstance(e, ActorRestarted) and e.path == addresses.STORE)


def test_appends_that_wait_together_share_one_commit_and_leave_in_their_order(world: TradeWorld, writer: Probe) -> None:
    before = world.store.commits
    tell(writer, *(append(world, number) for number in range(100)))
    world.pass_time(1)
    assert world.store.commits == before + 1
    performed = [message.effect.key for message in writer.received if isinstance(message, Perform)]
    assert performed == [f"effect/{number}" for number in range(100)]
    assert len(writer.record.of(Appended)) == 100


def test_what_one_commit_releases_goes_on_with_the_story_of_each_append(world: TradeWorld, writer: Probe) -> None:
    for number in range(3):
        world.system.tell(addresses.STORE, append(world, number), trace_id=f"story {number}")
    world.pass_time(1)
    told = zip(writer.received, writer.traces, strict=True)
    stories = {message.effect.key: trace for message, trace in told if isinstance(message, Perform)}
    assert stories == {f"effect/{number}": f"story {number}" for number in range(3)}


def test_an_append_that_is_refused_leaves_its_neighbours(world: TradeWorld, writer: Probe) -> None:
    used = (Guard(key="once"),)
    tell(
        writer,
        append(world, 1, guards=used),
        append(world, 2, guards=used),
        Append(stream="stream/1", expected_sequence=0, facts=(fact(world),)),
        append(world, 3),
    )
    world.pass_time(1)
    refusals = [(each.stream, each.reason, each.guard_key) for each in writer.record.of(AppendRefused)]
    assert refusals == [("stream/2", "guard_used", "once"), ("stream/1", "stale_sequence", None)]
    assert [message.effect.key for message in writer.record.of(Perform)] == ["effect/1", "effect/3"]
    assert store_failures(world) == 0


def test_an_effect_promised_twice_is_its_writers_mistake_alone(world: TradeWorld, writer: Probe) -> None:
    again = Append(stream="stream/9", expected_sequence=0, facts=(fact(world),), effects=(effect("effect/1"),))
    tell(writer, append(world, 1), again, append(world, 2))
    world.pass_time(1)
    (refusal,) = writer.record.of(AppendRefused)
    assert (refusal.stream, refusal.reason) == ("stream/9", "failed")
    assert "never reused" in refusal.text
    assert world.store.real.load("stream/9").sequence == 0
    assert [message.effect.key for message in writer.record.of(Perform)] == ["effect/1", "effect/2"]
    assert store_failures(world) == 0


def test_an_attempt_at_an_unknown_effect_is_refused_to_its_asker_alone(world: TradeWorld, writer: Probe) -> None:
    tell(writer, append(world, 1))
    with pytest.raises(Refused, match="not in the outbox"):
        world.ask(addresses.STORE, MarkAttempt(effect_key="nobody's"))
    assert world.ask(addresses.STORE, MarkAttempt(effect_key="effect/1")).attempts == 1
    assert store_failures(world) == 0


@pytest.mark.parametrize("question", [NextNumber(counter="n"), UseGuards(guards=())], ids=["number", "guards"])
def test_a_number_or_key_is_given_once_it_is_durable_and_never_while_it_is_not(
    world: TradeWorld, writer: Probe, question: Any
) -> None:
    world.store.always_fails = DISK_FULL
    with pytest.raises((Refused, AskTimeout)):
        world.ask(addresses.STORE, question)
    world.pass_time(10)
    with pytest.raises(Refused, match="the disk does not take writes"):
        world.ask(addresses.STORE, question)
    world.store.always_fails = None
    world.pass_time(20)
    assert world.ask(addresses.STORE, NextNumber(counter="n")) in {1, 2}


def test_settling_what_is_unknown_or_settled_harms_nobody(world: TradeWorld, writer: Probe) -> None:
    tell(writer, append(world, 1), Settle(effect_key="effect/1"), Settle(effect_key="effect/1"), Settle(effect_key="x"))
    world.pass_time(1)
    assert world.unsettled("writer") == []
    assert store_failures(world) == 0


def test_a_run_that_was_overtaken_writes_nothing_releases_nothing_and_gives_up(
    world: TradeWorld, writer: Probe
) -> None:
    run = Run(pid=1, boot_id="boot", started_at=world.clock.now())
    later = open_store(world.folder / "store.sqlite", clock=world.clock.now, random_bytes=bytes, run=run)
    for number in range(40):
        tell(writer, append(world, number))
        world.pass_time(5)
    assert writer.record.of(Perform) == writer.record.of(Appended) == ()
    assert later.load("stream/0").sequence == 0
    assert world.system.escalated.is_set()
    later.close()


def test_everything_begins_again_by_itself_after_the_disk_was_full_for_a_moment(world: TradeWorld) -> None:
    world.open_trade()
    world.store.before_commit.extend([DISK_FULL] * 2)
    world.fill("E1")
    world.until(lambda: world.exchange.live("S"))
    (reading,) = world.ask(addresses.DESK, TradesQuestion())
    assert reading.open_quantity > 0
    assert world.no_order_twice()
