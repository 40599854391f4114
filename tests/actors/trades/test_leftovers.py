"""With the protection of others' orders off, what they left goes when a trade ends; it is switched durably."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from actors.messages import addresses
from actors.messages.guarding import GuardsQuestion, GuardsReading, SetProtection
from actors.messages.storing import Perform
from actors.messages.trading import CloseTrades, TradeAccepted
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from runtime import InjectedFault
from tests.actors.trades.conftest import SYMBOL, TradeWorld
from tests.actors.trades.test_exit_rules import LADDER, entered

D = Decimal
LEFT = ObservedOrder(
    order_id="left",
    client_order_id=None,
    symbol=SYMBOL,
    order_side=OrderSide.SELL,
    kind=OrderKind.MARKET,
    state=OrderState.UNTRIGGERED,
    quantity=D(50),
    trigger_price=D("1.1"),
    reduce_only=True,
    position_index=1,
)


def switch(world: TradeWorld, command_id: str, *, on: bool) -> GuardsReading:
    wanted = SetProtection(command_id=command_id, on=on, why="the old bot left stops", by="cli")
    reading = world.ask(addresses.DESK, wanted)
    assert isinstance(reading, GuardsReading)
    return reading


def left_and_ended(world: TradeWorld) -> TradeAccepted:
    """Trade, with others' orders beside it, and leave."""
    trade = entered(world, LADDER)
    entry = replace(LEFT, order_id="entry", reduce_only=False, trigger_price=None, price=D("1.1"))
    world.exchange.orders |= {"left": LEFT, "entry": replace(entry, order_side=OrderSide.BUY)}
    world.ask(addresses.DESK, CloseTrades(which="1", by="test"))
    world.until(lambda: world.exchange.live("X"))
    world.fill("X")
    world.until(lambda: not world.live_rows())
    world.pass_time(10)
    return trade


def test_on_everything_of_others_is_left_alone(world: TradeWorld) -> None:
    left_and_ended(world)
    assert not world.exchange.orders["left"].state.terminal


def test_off_only_what_can_close_nothing_any_more_goes(world: TradeWorld) -> None:
    assert not switch(world, "p1", on=False).protection.on
    left_and_ended(world)
    assert world.exchange.orders["left"].state is OrderState.CANCELLED
    assert not world.exchange.orders["entry"].state.terminal
    (told,) = world.alerts("leftovers_cleared")
    assert told.lines[0] == "sell 50 at the market, trigger 1.1"
    assert world.unsettled(addresses.client("main")) == []


def test_it_holds_over_a_kill_and_the_same_command_switches_once(world: TradeWorld) -> None:
    switch(world, "p1", on=False)
    world.reboot()
    world.pass_time(5)
    reading = world.ask(addresses.DESK, GuardsQuestion())
    assert isinstance(reading, GuardsReading)
    assert (reading.protection.on, reading.protection.by) == (False, "cli")
    switch(world, "p2", on=True)
    assert switch(world, "p1", on=False).protection.on  # carried out before
    world.pass_time(1)
    assert len(world.alerts("protection_changed")) == 2


def test_a_cancel_that_was_promised_is_made_by_the_next_run(world: TradeWorld) -> None:
    """Killed after the commit that promised it, before anything of it was done."""
    switch(world, "p1", on=False)
    trade = entered(world, LADDER)
    world.exchange.orders["left"] = LEFT
    world.ask(addresses.DESK, CloseTrades(which="1", by="test"))
    world.until(lambda: world.exchange.live("X"))
    world.fill("X")
    world.until(lambda: not world.live_rows())

    world.on_next(addresses.client("main"), Perform, InjectedFault(lose=True))
    world.pass_time(5)
    assert not world.exchange.orders["left"].state.terminal
    assert [effect.key for effect in world.unsettled(addresses.client("main"))] == [f"leftovers/{trade.trade_id}/left"]
    world.faults.clear()
    world.reboot()
    world.until(lambda: world.exchange.orders["left"].state is OrderState.CANCELLED)
    world.pass_time(1)
    assert world.unsettled(addresses.client("main")) == []
