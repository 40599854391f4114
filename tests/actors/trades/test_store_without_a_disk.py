"""The disk takes no writes: what protects goes on from memory, what opens is refused, nothing is doubled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.keeping import StoreQuestion
from actors.messages.storing import Append, Appended, LoadStream, Perform, PromisedEffect
from actors.messages.trading import CloseTrades, OrderAbsent, TradesQuestion
from actors.model.trade import LegState, Phase, Role, Trade
from actors.rules.position_life import fold
from runtime import Actor, ActorRestarted, InjectedFault, Refused
from runtime.testing import Probe
from tests.actors.trades.conftest import TradeWorld

FULL = Unreachable("commit: the disk is full")


@pytest.fixture
def writer(world: TradeWorld) -> Probe:
    """Somebody who appends and keeps what is told."""
    world.pass_time(1)
    return Probe(world.system, "writer")


def append(number: int) -> Append:
    fact = OrderAbsent(client_order_id="SF0123A-7K3Q9X-E1-0", read_at=TradeWorld.EPOCH)
    effect = PromisedEffect(key=f"effect/{number}", destination="writer", owner="writer", request=fact)
    return Append(stream="stream", expected_sequence=number, facts=(fact,), effects=(effect,), confirm_to="writer")


def tell(writer: Probe, *messages: Any) -> None:
    def send(actor: Actor) -> None:
        for message in messages:
            actor.context.tell(addresses.STORE, message)

    writer.do(send)


def store_restarts(world: TradeWorld) -> int:
    return sum(1 for event in world.events if isinstance(event, ActorRestarted) and event.path == addresses.STORE)


def raised(world: TradeWorld, kind: str) -> list[str]:
    """Give the titles of what the store has promised to tell."""
    stored = world.store.real.unsettled(addresses.ALERT_DISPATCHER, 1000)
    alerts = [each.effect.request.alert for each in stored if isinstance(each.effect.request, RaiseAlert)]
    return [alert.title for alert in alerts if alert.kind == kind]


def the_trade(world: TradeWorld) -> Trade:
    ((stream, _),) = world.store.real.register("trade", live_only=False, account=None)
    return fold(world.store.real.load(stream).facts)


def stop_order(world: TradeWorld) -> Any:
    order = world.exchange.live("S")
    assert order is not None
    return order


def test_appends_go_on_from_memory_in_their_order_and_all_are_committed_together(
    world: TradeWorld, writer: Probe
) -> None:
    before = world.store.commits
    world.store.always_fails = FULL
    for number in range(20):
        tell(writer, append(number))
        world.pass_time(1)
    performed = [message.effect.key for message in writer.received if isinstance(message, Perform)]
    assert performed == [f"effect/{number}" for number in range(20)]
    assert len(writer.record.of(Appended)) == 20
    reading = world.ask(addresses.STORE, StoreQuestion())
    assert (reading.held, reading.failing_seconds > 15) == (21, True)  # and the alert about it
    world.store.always_fails = None
    world.pass_time(20)
    assert world.store.commits <= before + 3
    assert world.store.real.held == 0
    assert world.ask(addresses.STORE, StoreQuestion()).failing_seconds is None
    world.reboot()
    assert world.store.real.load("stream").sequence == 20
    assert store_restarts(world) == 0


def test_the_person_is_told_once_that_the_disk_takes_no_writes_and_once_that_it_does(world: TradeWorld) -> None:
    world.open_trade()
    world.store.always_fails = FULL
    world.fill("E1")
    world.pass_time(120)
    assert raised(world, "writes_failing") == ["The disk takes no writes."]
    world.store.always_fails = None
    world.pass_time(20)
    assert raised(world, "writes_failing") == ["The disk takes no writes."]
    assert raised(world, "writes_work") == ["The disk takes writes again."]


def test_a_refusal_for_a_moment_is_no_news_and_costs_no_trade(world: TradeWorld) -> None:
    world.store.before_commit.extend([FULL] * 2)
    world.open_trade()
    world.until(lambda: world.exchange.live("E1"))
    world.pass_time(5)
    assert raised(world, "writes_failing") == []
    assert world.no_order_twice()


def test_a_position_is_protected_and_left_while_no_write_reaches_the_disk(world: TradeWorld) -> None:
    world.open_trade()
    world.store.always_fails = FULL
    world.pass_time(60)
    world.fill("E1")
    world.until(lambda: world.exchange.live("S") and world.exchange.live("T1"))
    (reading,) = world.ask(addresses.DESK, TradesQuestion())
    assert reading.stop_at_exchange
    world.fill("T1")
    world.until(lambda: stop_order(world).trigger_price > Decimal(reading.stop_price or 0))
    world.store.always_fails = None
    world.pass_time(30)
    world.reboot()
    world.pass_time(10)
    assert the_trade(world).phase is Phase.PROFIT_TAKING
    assert world.no_order_twice()


def test_nothing_is_opened_while_the_disk_takes_no_writes_and_the_person_hears_why(world: TradeWorld) -> None:
    world.pass_time(1)
    world.store.always_fails = FULL
    with pytest.raises((Refused, AssertionError), match="the disk does not take writes"):
        world.open_trade()
    world.pass_time(30)
    with pytest.raises((Refused, AssertionError), match="nothing new is opened until it does"):
        world.open_trade()
    assert world.exchange.ours("E1") == []
    world.store.always_fails = None
    world.pass_time(30)
    world.open_trade()
    world.until(lambda: world.exchange.live("E1"))


def test_an_order_of_the_dead_run_that_no_journal_knows_is_taken_up_and_not_placed_again(world: TradeWorld) -> None:
    world.open_trade()
    world.until(lambda: world.exchange.live("E1"))
    world.store.always_fails = FULL
    world.fill("E1")
    world.until(lambda: world.exchange.live("S") and world.exchange.live("T1"))
    stop, target = stop_order(world).client_order_id, world.exchange.live("T1")
    world.reboot()
    world.pass_time(20)
    trade = the_trade(world)
    assert trade.own_stop_covers
    assert [leg.client_order_id for leg in trade.of(Role.STOP)] == [stop]
    assert target is not None
    assert target.client_order_id in [leg.client_order_id for leg in trade.of(Role.TARGET)]
    assert len(world.exchange.ours("S")) == 1
    assert world.no_order_twice()


@pytest.mark.parametrize("host_ahead_seconds", [0.0, -3600.0, 3600.0])
def test_a_trade_that_was_closed_from_memory_is_not_opened_again_by_the_next_run(
    world: TradeWorld, host_ahead_seconds: float
) -> None:
    world.open_trade()
    world.until(lambda: world.exchange.live("E1"))
    world.store.always_fails = FULL
    world.ask(addresses.DESK, CloseTrades(which="all", by="test"))
    world.until(lambda: world.exchange.live("E1") is None and world.exchange.live("E2") is None)
    world.clock.jump_wall(host_ahead_seconds)
    world.reboot()
    world.clock.jump_wall(-host_ahead_seconds)  # the exchange's clock is right, and what the actors go by
    world.pass_time(30)
    assert len(world.exchange.ours("E1")) == len(world.exchange.ours("E2")) == 1
    trade = the_trade(world)
    assert trade.phase is Phase.CLOSED
    assert all(leg.state is LegState.CANCELLED for leg in trade.legs)
    assert [alert.title for alert in world.alerts("memory_lost")] == [
        "#1 XRPUSDT long: its last steps before the restart are forgotten"
    ]


def test_a_trade_opened_by_a_run_that_forgot_has_forgotten_nothing_itself_whatever_the_clock_says(
    world: TradeWorld,
) -> None:
    world.pass_time(1)
    world.store.always_fails = FULL
    world.system.tell(addresses.STORE, append(0))
    world.pass_time(5)
    world.reboot()
    assert world.identity.forgotten is not None
    world.clock.jump_wall(-3600.0)
    world.open_trade()
    world.until(lambda: world.exchange.live("E1"))
    assert world.alerts("memory_lost") == []


def test_a_store_that_crashes_meanwhile_still_knows_what_was_acted_upon(world: TradeWorld, writer: Probe) -> None:
    world.store.always_fails = FULL
    tell(writer, append(0))
    world.pass_time(5)
    left = [True]

    def crash_once(path: str, _message: Any) -> InjectedFault | None:
        return InjectedFault(error=RuntimeError("injected")) if path == addresses.STORE and left.pop() else None

    world.faults.append(lambda path, message: crash_once(path, message) if left else None)
    tell(writer, append(1))
    world.pass_time(5)
    assert store_restarts(world) == 1
    assert world.ask(addresses.STORE, LoadStream(stream="stream")).sequence == 1
    world.store.always_fails = None
    world.pass_time(20)
    world.reboot()
    assert world.store.real.load("stream").sequence == 1


def test_the_log_is_written_back_once_nothing_was_committed_for_a_moment(
    world: TradeWorld, writer: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[float] = []
    monkeypatch.setattr(world.store, "untidy", True, raising=False)
    monkeypatch.setattr(world.store, "tidy", lambda: tidied.append(world.clock.monotonic()), raising=False)
    began = world.clock.monotonic()
    for number in range(3):
        tell(writer, append(number))
        world.pass_time(0.2)
    assert tidied == []
    world.pass_time(1.0)
    assert [at - began for at in tidied] == [pytest.approx(0.4 + 0.25, abs=0.01)]


def test_while_the_disk_refuses_nothing_is_written_back(
    world: TradeWorld, writer: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[float] = []
    monkeypatch.setattr(world.store, "untidy", True, raising=False)
    monkeypatch.setattr(world.store, "tidy", lambda: tidied.append(world.clock.monotonic()), raising=False)
    tell(writer, append(0))
    world.pass_time(0.2)
    world.store.always_fails = FULL
    tell(writer, append(1))
    world.pass_time(1.0)
    assert tidied == []
