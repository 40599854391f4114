"""Judgement: what must hold of a world that has come to rest: every command, alert and journal accounted for.

Enters: a world whose faults have ended. Stays out: what must hold at every step (invariants).
"""

from __future__ import annotations

from actors.model.alert import Severity
from actors.rules import verification
from adapters.assembly.simulation.features import NO_FEATURES
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.invariants.rest import check_strays
from adapters.assembly.simulation.outsiders import check_left_alone
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.world import World
from adapters.assembly.verifying import findings_of

# A price that jumps over an entry and its stop at once causes these, though nothing has gone wrong.
MARKET_ALARMS = frozenset({"unattributed_execution", "exit_started", "reduced_outside", "order_rejected"})
TELLING_SECONDS = 240.0  # the longest pause between two attempts at telling, several times
BACK_SECONDS = 600.0  # the longest pause between two starts, many times over


def judge(world: World, person: Person) -> None:
    """Judge a world at rest.

    Raises:
        Violated: an invariant does not hold.

    """
    check_left_alone(world)
    world.watch.check_rest(person.foreign)
    check_strays(world.bybit.exchange.venue, world.watch.trades, world.store.installation)
    _judge_verified(world)
    world.run_until(world.clock.monotonic() + TELLING_SECONDS)
    _judge_alarms(world)
    world.watch.check_told(world.chat.waiting)
    _judge_questions(world, person)
    wait_until_up(world)
    world.watch.check_journals(world.store)


def _judge_verified(world: World) -> None:
    """I7: the daemon's own verification finds nothing. Where trades were forgotten their orders are nobody's."""
    if world.system is None or world.scenario.features == NO_FEATURES or world.failures["trades_forgotten"]:
        return
    found = findings_of(
        world.system,
        world.scenario.accounts,
        installation=world.store.installation,
        abouts=[each for each in verification.ABOUTS if each != "mirror"],  # prices may have drawn those apart
    )
    if found:
        raise Violated("I7", found[0].subject, f"verification at rest: {found[0].text}")


def wait_until_up(world: World) -> None:
    """Let time pass until the daemon is there.

    Raises:
        Violated: it does not come back.

    """
    until = world.clock.monotonic() + BACK_SECONDS
    while world.system is None:
        if world.clock.monotonic() >= until:
            raise Violated("I7", "", f"the daemon is not back after {BACK_SECONDS:.0f} s")
        world.run_until(world.clock.monotonic() + 1.0)


def _judge_questions(world: World, person: Person) -> None:
    """I8: no command was answered with more than one question."""
    asked, offered = person.asked, sum(world.chat.is_question(each) for each in world.chat.messages)
    if offered > asked:
        raise Violated("I8", "", f"{asked} commands were given and {offered} questions asked back")


def _judge_alarms(world: World) -> None:
    """Where nothing goes wrong nobody is alarmed."""
    if world.faults.happened:
        return
    for key, promise in world.watch.alerts.promised.items():
        alert = promise.raised.alert
        # A backstop behind a trailing stop is near: the price may pass it before it is set, and the exchange says so.
        passed = alert.kind == "backstop_refused" and any("LastPrice" in line for line in alert.lines)
        # Nor can an own stop be set that the price has passed: its trade leaves instead, its targets first.
        held = world.watch.trades.get(alert.subject.rpartition("/")[2])
        passed = passed or (alert.kind == "own_stop_late" and held is not None and held.trade.trigger_passed)
        if alert.severity is Severity.CRITICAL and alert.kind not in MARKET_ALARMS and not passed:
            raise Violated("no_false_alarm", key, f"{alert.title} {alert.lines}")
