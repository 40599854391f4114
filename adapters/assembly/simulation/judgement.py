"""Judgement: what must hold of a world that has come to rest: every command, alert and journal accounted for.

Enters: a world whose faults have ended. Stays out: what must hold at every step (invariants).
"""

from __future__ import annotations

from collections import Counter

from actors.model.alert import Severity
from actors.rules.position_life import fold
from adapters.assembly.simulation.chat import PERSON
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.world import World

# A price that jumps over an entry and its stop at once causes these, though nothing has gone wrong.
MARKET_ALARMS = frozenset({"unattributed_execution", "exit_started", "reduced_outside", "order_rejected"})
TELLING_SECONDS = 240.0  # the longest pause between two attempts at telling, several times


def judge(world: World, person: Person) -> None:
    """Judge a world at rest.

    Raises:
        Violated: an invariant does not hold.

    """
    world.watch.check_rest(person.foreign)
    world.run_until(world.clock.monotonic() + TELLING_SECONDS)
    _judge_telling(world, person)
    _judge_journals(world)


def _judge_telling(world: World, person: Person) -> None:
    """I8 and I9: every command has its outcome, every alert arrived, none twice without saying so."""
    chat = world.chat
    if chat.waiting:
        raise Violated("I8", "", f"{chat.waiting[0]} was never acknowledged")
    store = world.store
    record = store.document(f"chat/{PERSON}")
    if record is not None and record.pending:
        raise Violated("I8", "", f"{record.pending[0]} has no outcome that was seen")
    if world.watch.alerts:
        key, raised = next(iter(world.watch.alerts.items()))
        raise Violated("I9", key, f"never settled: {raised.alert.title}")
    _judge_alarms(world)
    world.watch.check_told({key for key, _, _ in chat.arrived})
    asked, offered = person.asked, sum(chat.is_question(each) for each in chat.messages)
    if offered > asked:
        raise Violated("I8", "", f"{asked} commands were given and {offered} questions asked back")
    told: Counter[str] = Counter()
    for key, title, at in chat.arrived:
        told[key] += 1
        if told[key] > 1 and "(again)" not in title:
            raise Violated("I9", key, f"told twice without saying so, the second time at {at:.1f}: {title}")


def _judge_alarms(world: World) -> None:
    """Where nothing goes wrong nobody is alarmed."""
    if world.faults.happened:
        return
    for key, raised in world.watch.raised.items():
        if raised.alert.severity is Severity.CRITICAL and raised.alert.kind not in MARKET_ALARMS:
            raise Violated("no_false_alarm", key, f"{raised.alert.title} {raised.alert.lines}")


def _judge_journals(world: World) -> None:
    """I15: the stored journal folds to the trade that was watched; a fold passes every prefix on its way."""
    for trade_id, held in world.watch.trades.items():
        if fold(world.store.load(f"trade/{trade_id}").facts) != held.trade:
            raise Violated("I15", trade_id, "the stored journal folds to another trade")
