"""A fast trade through desk, journal and monitor: the bound that was shown is what leaves, after a kill as well."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from actors.model.order import ObservedOrder, OrderKind, OrderState
from runtime import AskFailed, Refused
from tests.actors.trades.conftest import TradeWorld

FAST = "XRPUSDT long approach fast slippage 0.3% targets 1.21,1.22 stop 1.15 risk 1% leverage 10"
BOUND = Decimal("1.1985")  # 1.195 * 1.003 = 1.198585


def entry(world: TradeWorld) -> ObservedOrder:
    [order] = world.exchange.ours("E1")
    return order


def ends_short(world: TradeWorld, filled: str) -> None:
    """The exchange fills a part of the entry and cancels the rest of it."""
    order = entry(world)
    assert order.client_order_id is not None
    if Decimal(filled):
        world.report(world.exchange.fill(order.client_order_id, filled, "1.1955"))
    ended = replace(entry(world), state=OrderState.CANCELLED, reason="EC_NoImmediateQtyToFill")
    world.exchange.orders[order.client_order_id] = ended
    world.report_order(order.client_order_id)


def test_the_bound_is_recorded_and_sent(world: TradeWorld) -> None:
    world.pass_time(1)
    accepted = world.open_trade(FAST)
    assert [each.bound_price for each in accepted.sized.entries] == [BOUND]
    assert (entry(world).kind, entry(world).price) == (OrderKind.LIMIT, BOUND)
    # 1 % of 10,000 lost from the bound to the stop with both fees: 100 / (0.0485 + 2.3485 * 0.00055) = 2008.3 XRP
    assert entry(world).quantity == Decimal("2008.3")


@pytest.mark.parametrize("commits", range(6))
def test_a_kill_after_any_commit_changes_nothing_of_the_entry(world: TradeWorld, commits: int) -> None:
    world.pass_time(1)
    world.kill_after_commits = commits
    with suppress(AskFailed, Refused):
        world.open_trade(FAST)
    if world.live_rows():  # recorded: from here on nothing is worked out anew
        world.exchange.last_price = "1.25"
    else:
        world.open_trade(FAST)
    world.pass_time(30)
    world.kill_after_commits = None
    world.pass_time(5)
    assert (entry(world).price, entry(world).quantity) == (BOUND, Decimal("2008.3"))


def test_what_was_filled_within_the_bound_is_a_protected_smaller_trade(world: TradeWorld) -> None:
    world.pass_time(1)
    world.open_trade(FAST)
    world.pass_time(1)
    ends_short(world, "700")
    world.pass_time(3)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == Decimal(700)
    targets = [world.exchange.live(role) for role in ("T1", "T2")]
    assert sum(order.quantity for order in targets if order is not None) == Decimal(700)
    [alert] = world.alerts("entry_fell_short")
    assert alert.lines[0] == "1308.3 XRP were not to be had within the price bound 1.1985; they are not tried again"
    assert len(world.exchange.ours("E1")) == 1


def test_nothing_filled_within_the_bound_ends_the_trade(world: TradeWorld) -> None:
    world.pass_time(1)
    world.open_trade(FAST)
    world.pass_time(1)
    ends_short(world, "0")
    world.pass_time(10)
    assert world.live_rows() == []
    assert [alert.title.split(": ", 1)[1] for alert in world.alerts("exit_started")] == ["leaving: no entry was filled"]
    assert len(world.exchange.ours("E1")) == 1
