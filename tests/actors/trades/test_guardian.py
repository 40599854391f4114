"""The guardian: while a monitor is set aside, a stop is at the exchange, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Rejected, Unreachable
from actors.messages import addresses
from actors.messages.accounts import BackstopMoved, PositionsRead, SliceReported
from actors.messages.orders import ExecutionReported, PositionReported
from actors.messages.storing import LoadStream
from actors.messages.trading import CloseTrades, ExitReason, ExitStarted, TradeAccepted, TradesQuestion
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.rules.stop_cover import uncovered_quantity
from runtime import ActorParked, ActorUnparked, InjectedFault, Intensity, Refused
from tests.actors.trades.conftest import SYMBOL, Life, TradeWorld

CLIENT = addresses.client("main")


@pytest.fixture
def world(make_world: Callable[..., TradeWorld]) -> TradeWorld:
    return make_world(intensity=Intensity(max_restarts=2, within_seconds=60.0))


class Poison:
    """Whatever the real monitor is told crashes it, until the poison is taken away."""

    def __init__(self, world: TradeWorld, trade: TradeAccepted) -> None:
        self.working = True
        path = world.monitor(trade)

        def crash(at: str, message: Any) -> InjectedFault | None:
            parkings = [type(event) for event in world.events if isinstance(event, ActorParked | ActorUnparked)]
            parked = bool(parkings) and parkings[-1] is ActorParked
            hurts = self.working and not parked and at == path and not isinstance(message, BackstopMoved)
            return InjectedFault(error=RuntimeError("a mistake of ours")) if hurts else None

        world.faults.append(crash)


def silence_the_book(world: TradeWorld) -> None:
    """Keep the position book from setting the stop itself: what is tried is the guardian."""

    def lose(path: str, message: Any) -> InjectedFault | None:
        heard = isinstance(message, PositionReported | PositionsRead | SliceReported)
        return InjectedFault(lose=True) if path == addresses.position_book("main") and heard else None

    world.faults.append(lose)


def parked_over_a_fill(world: TradeWorld) -> tuple[TradeAccepted, Poison]:
    trade = world.open_trade()
    poison = Poison(world, trade)
    world.fill("E1")
    world.until(lambda: any(isinstance(event, ActorParked) for event in world.events))
    return trade, poison


def without_stop(world: TradeWorld) -> None:
    world.exchange.positions = tuple(replace(each, stop_price=None) for each in world.exchange.positions)


def test_a_monitor_that_keeps_crashing_is_set_aside_and_a_stop_that_is_there_is_left_alone(world: TradeWorld) -> None:
    parked_over_a_fill(world)
    world.pass_time(60)
    assert world.exchange.position_stops == []
    (parked,) = [event for event in world.events if isinstance(event, ActorParked)]
    assert parked.has_stand_in
    assert len(world.exchange.called("positions")) > 3  # it keeps looking


def test_a_position_without_any_stop_gets_the_backstop_again(world: TradeWorld) -> None:
    trade, _ = parked_over_a_fill(world)
    silence_the_book(world)
    without_stop(world)
    world.pass_time(15)
    assert [stop.stop_price for stop in world.exchange.position_stops] == [world.trade(trade).backstop_price]
    without_stop(world)  # somebody takes it away again
    world.pass_time(15)
    assert len(world.exchange.position_stops) == 2


def test_the_stop_goes_where_the_backstop_was_last_meant_to_be(world: TradeWorld) -> None:
    trade = world.open_trade()
    silence_the_book(world)
    world.system.tell(world.monitor(trade), BackstopMoved(stop_price=Decimal("1.13")))
    world.pass_time(1)
    Poison(world, trade)
    world.fill("E1")
    without_stop(world)
    world.until(lambda: world.exchange.position_stops)
    assert world.exchange.position_stops[-1].stop_price == Decimal("1.13")
    world.system.tell(world.monitor(trade), BackstopMoved(stop_price=Decimal("1.12")))
    without_stop(world)
    world.pass_time(15)
    assert world.exchange.position_stops[-1].stop_price == Decimal("1.12")


def passed_by(world: TradeWorld, trade: TradeAccepted, ticks: int) -> Decimal:
    """Have the price run past the backstop, with no stop left at the exchange; give the mark."""
    mark = world.trade(trade).backstop_price - ticks * world.trade(trade).instrument.tick_size
    world.exchange.positions = tuple(
        replace(each, stop_price=None, mark_price=mark) for each in world.exchange.positions
    )
    return mark


def test_a_position_whose_price_has_passed_the_backstop_gets_a_stop_just_beyond_the_price(world: TradeWorld) -> None:
    """The exchange refuses a stop that the price has passed, and only a monitor leaves at the market."""
    trade, _ = parked_over_a_fill(world)
    silence_the_book(world)
    mark = passed_by(world, trade, ticks=200)
    world.until(lambda: world.exchange.position_stops, within_seconds=15)
    (stop,) = world.exchange.position_stops
    assert mark * Decimal("0.996") < stop.stop_price < mark


def test_a_stop_refused_for_the_last_price_goes_farther_out_and_does_not_wait_for_the_beat(world: TradeWorld) -> None:
    trade, _ = parked_over_a_fill(world)
    silence_the_book(world)
    mark = passed_by(world, trade, ticks=200)
    passed = Rejected("StopLoss set for Buy position should be lower than LastPrice", code=10001)
    world.exchange.script("position_stop", passed, passed)
    world.until(lambda: world.exchange.called("position_stop"), within_seconds=15)
    world.until(lambda: world.exchange.position_stops, within_seconds=5)
    (stop,) = world.exchange.position_stops
    assert mark * Decimal("0.987") < stop.stop_price < mark * Decimal("0.989")


def test_an_account_that_cannot_be_read_is_asked_ever_more_slowly_and_never_taken_for_flat(world: TradeWorld) -> None:
    parked_over_a_fill(world)
    silence_the_book(world)
    without_stop(world)
    world.exchange.script("positions", *[Unreachable("connection refused")] * 60)
    world.pass_time(60)
    assert world.exchange.position_stops == []
    world.until(lambda: world.exchange.position_stops, within_seconds=300)


def test_a_journal_that_cannot_be_read_is_asked_for_again(world: TradeWorld) -> None:
    trade = world.open_trade()
    Poison(world, trade)
    silence_the_book(world)
    world.fill("E1")
    world.until(lambda: any(isinstance(event, ActorParked) for event in world.events))
    world.on_next(addresses.STORE, LoadStream, InjectedFault(error=Refused("not now")))
    without_stop(world)
    world.until(lambda: world.exchange.position_stops, within_seconds=60)


def test_a_stop_that_was_refused_is_tried_again_at_the_next_look(world: TradeWorld) -> None:
    parked_over_a_fill(world)
    silence_the_book(world)
    without_stop(world)
    world.exchange.script("position_stop", Rejected("not now", code=10001))
    world.until(lambda: world.exchange.position_stops, within_seconds=60)
    assert len(world.exchange.called("position_stop")) == 2


def test_the_monitor_is_tried_again_and_takes_over_from_what_is_durable(world: TradeWorld) -> None:
    trade, poison = parked_over_a_fill(world)
    (reading,) = world.ask(addresses.DESK, TradesQuestion())
    assert "does not answer" in reading.note
    assert reading.number == trade.number
    poison.working = False
    assert world.exchange.live("S") is None
    world.until(lambda: any(isinstance(event, ActorUnparked) for event in world.events), within_seconds=400)
    world.until(lambda: world.exchange.live("S"))
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == Life.QUANTITY
    assert world.trade(trade).open_quantity == Life.QUANTITY
    assert sum(1 for fact in world.journal(trade).facts if isinstance(fact, ExecutionReported)) == 1
    assert world.no_order_twice()


def test_a_parked_trade_can_be_closed_its_monitor_is_tried_again_at_once(world: TradeWorld) -> None:
    trade, poison = parked_over_a_fill(world)
    poison.working = False
    accepted = world.ask(addresses.DESK, CloseTrades(which="all", by="test"))
    assert accepted.labels == (trade.label,)
    world.until(lambda: world.exchange.live("X"), within_seconds=10)
    exits = [fact for fact in world.journal(trade).facts if isinstance(fact, ExitStarted)]
    assert [(each.reason, each.by) for each in exits] == [(ExitReason.PERSON, "test")]
    assert world.no_order_twice()


def test_a_wish_to_close_outlives_a_monitor_that_crashes_again(world: TradeWorld) -> None:
    trade, poison = parked_over_a_fill(world)
    world.ask(addresses.DESK, CloseTrades(which="all", by="test"))
    world.until(lambda: sum(isinstance(event, ActorParked) for event in world.events) == 2, within_seconds=30)
    assert world.exchange.live("X") is None
    poison.working = False
    world.ask(addresses.DESK, CloseTrades(which="all", by="test"))
    world.until(lambda: world.exchange.live("X"), within_seconds=10)
    assert sum(isinstance(fact, ExitStarted) for fact in world.journal(trade).facts) == 1


def test_a_wish_to_close_that_cannot_be_written_down_is_refused_with_the_reason(world: TradeWorld) -> None:
    trade, _ = parked_over_a_fill(world)
    world.pass_time(5)  # the guardian has read the journal for itself
    world.on_next(addresses.STORE, LoadStream, InjectedFault(error=Refused("not now")))
    with pytest.raises(Refused, match=f"#{trade.number} did not answer .*set aside, and the journal was not read"):
        world.ask(addresses.DESK, CloseTrades(which="all", by="test"))


# --- what counts as covered -------------------------------------------------------------------------------------------
POSITION = ObservedPosition(
    symbol=SYMBOL,
    side=PositionSide.LONG,
    size=Decimal(100),
    average_price=Decimal("1.19"),
    leverage=Decimal(10),
    position_index=1,
    stop_price=None,
    liquidation_price=None,
    mark_price=Decimal("1.19"),
)


def conditional(**values: Any) -> ObservedOrder:
    usual: dict[str, Any] = {
        "order_id": "x",
        "client_order_id": None,
        "symbol": SYMBOL,
        "order_side": OrderSide.SELL,
        "kind": OrderKind.MARKET,
        "state": OrderState.UNTRIGGERED,
        "quantity": Decimal(60),
        "trigger_price": Decimal("1.15"),
        "reduce_only": True,
    }
    return ObservedOrder(**(usual | values))


@pytest.mark.parametrize(
    ("orders", "uncovered"),
    [
        ((), 100),
        ((conditional(),), 40),
        ((conditional(), conditional(order_id="y")), 0),
        ((conditional(filled_quantity=Decimal(50), state=OrderState.WORKING),), 90),
        ((conditional(state=OrderState.CANCELLED),), 100),
        ((conditional(symbol="BTCUSDT"),), 100),
        ((conditional(order_side=OrderSide.BUY),), 100),
        ((conditional(reduce_only=False),), 100),
        ((conditional(trigger_price=None, price=Decimal("1.2")),), 100),
        ((conditional(trigger_price=Decimal("1.25")),), 100),  # it takes a profit
    ],
)
def test_only_stops_behind_the_price_cover_a_position(orders: tuple[ObservedOrder, ...], uncovered: int) -> None:
    assert uncovered_quantity(POSITION, orders) == uncovered


def test_a_position_level_stop_covers_all_of_it() -> None:
    assert uncovered_quantity(replace(POSITION, stop_price=Decimal("1.1")), ()) == 0


def test_a_short_is_covered_by_a_buy_above_the_price() -> None:
    short = replace(POSITION, side=PositionSide.SHORT)
    stop = conditional(order_side=OrderSide.BUY, trigger_price=Decimal("1.25"), quantity=Decimal(100))
    assert uncovered_quantity(short, (stop,)) == 0
    assert uncovered_quantity(short, (replace(stop, trigger_price=Decimal("1.1")),)) == 100
