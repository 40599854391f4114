"""Policy ask carried out: the question outlives any life of the monitor; a stop is there until the answer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.messages import addresses
from actors.messages.exit_facts import OutsideChangeAnswered, StopWithdrawn
from actors.messages.trading import ChangeTrade, TradeChanged, TradeReading, TradesQuestion
from actors.model.order import OrderState
from actors.model.trade_change import ChangeKind
from runtime import Refused
from tests.actors.trades.conftest import TradeWorld
from tests.actors.trades.test_exit_rules import LIVES, Happening, entered, stop_price
from tests.actors.trades.test_trade_changes import LADDER, change, wish

D = Decimal


def at_the_exchange(world: TradeWorld, role: str, **seen: Any) -> None:
    """Somebody changes an order of ours in the app; the stream tells it."""
    order = world.exchange.live(role)
    assert order is not None
    assert order.client_order_id is not None
    world.exchange.orders[order.client_order_id] = replace(order, updated_at=world.exchange.at, **seen)
    world.report_order(order.client_order_id)
    world.pass_time(1)


def shown(world: TradeWorld) -> TradeReading:
    (reading,) = world.ask(addresses.DESK, TradesQuestion())
    assert isinstance(reading, TradeReading)
    return reading


def confirmed(world: TradeWorld, kind: ChangeKind) -> TradeChanged:
    """Ask for a preview, and confirm what it shows."""
    seen = change(world, wish(kind, command_id="", preview=True))
    asked = ChangeTrade(command_id="c2", which="1", change=seen.change, by="chat:17", seen_price=seen.before)
    return change(world, asked)


@LIVES
def test_a_kept_stop_stays_where_it_was_put_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER + " policy ask")
    world.pass_time(10)
    at_the_exchange(world, "S", trigger_price=D("1.16"))
    happens(world, trade)
    assert stop_price(world) == D("1.16")
    assert confirmed(world, ChangeKind.KEEP).price == D("1.16")
    world.pass_time(400)
    assert (stop_price(world), world.trade(trade).stop_price) == (D("1.16"), D("1.16"))
    assert len(world.exchange.ours("S")) == 1


@LIVES
def test_without_an_answer_it_goes_back_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER + " policy ask")
    world.pass_time(10)
    at_the_exchange(world, "S", trigger_price=D("1.16"))
    happens(world, trade)
    world.pass_time(200)
    assert stop_price(world) == D("1.16")
    world.pass_time(120)
    assert stop_price(world) == D("1.15")
    answered = [fact for fact in world.journal(trade).facts if isinstance(fact, OutsideChangeAnswered)]
    assert [fact.by for fact in answered] == ["nobody"]


@LIVES
@pytest.mark.parametrize("policy", ["respect", "ask"])
def test_a_cancelled_stop_is_there_again_until_a_person_confirms_to_run_without(
    world: TradeWorld, happens: Happening, policy: str
) -> None:
    trade = entered(world, f"{LADDER} policy {policy}")
    world.pass_time(10)
    at_the_exchange(world, "S", state=OrderState.CANCELLED, reason="CancelByUser")
    assert stop_price(world) == D("1.15")
    happens(world, trade)
    seen = confirmed(world, ChangeKind.KEEP)
    assert (seen.loosens, seen.price) == (True, None)
    world.pass_time(5)
    assert world.exchange.live("S") is None
    happens(world, trade)
    world.pass_time(300)
    assert world.exchange.live("S") is None
    (position,) = world.exchange.positions
    assert position.stop_price == D("1.1465")  # the backstop stays
    assert shown(world).unprotected.startswith("UNPROTECTED: no stop of its own since ")
    (told,) = world.alerts("stop_withdrawn")
    assert told.severity.value == "critical"
    assert "runs WITHOUT a stop of its own" in told.title
    assert world.alerts("own_stop_late") == []
    assert len([fact for fact in world.journal(trade).facts if isinstance(fact, StopWithdrawn)]) == 1
    change(world, wish(ChangeKind.STOP, "1.16", command_id="c7"))
    world.until(lambda: world.exchange.live("S"))
    assert stop_price(world) == D("1.16")
    assert shown(world).unprotected == ""


def test_under_restore_no_stop_is_taken_away(world: TradeWorld) -> None:
    entered(world, LADDER)
    with pytest.raises(Refused, match="policy restore, under which its stop is always there"):
        change(world, wish(ChangeKind.NO_STOP))
    assert world.exchange.live("S") is not None
