"""Ending: what a scripted world has come to, in words that do not depend on when a crash fell.

Enters: a world at rest. Leaves: for each trade its phase, reason, orders by role, fills, stop and result; positions and
backstops by the exchange's own record; what the person was told. Stays out: comparing many of them (cut_points).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from actors.model.trade import Phase
from adapters.assembly.simulation.cut_world import CutWorld
from adapters.assembly.simulation.invariants.held import Held, role
from adapters.assembly.simulation.world import ACCOUNT
from adapters.simulated.records import Order

_NUMBER = re.compile(r"#\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEnd:
    """One trade at the end."""

    phase: str
    reason: str
    stop_price: Decimal
    at_breakeven: bool
    entered: Decimal
    open_quantity: Decimal
    orders: tuple[str, ...]  # every order it ever had: role, state, size, fill, price


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A world at rest."""

    trades: tuple[TradeEnd, ...]
    positions: tuple[str, ...]  # size and backstop of each side
    told: frozenset[str]  # titles of what the person was told of trades, numbers left out
    alarms: frozenset[str]  # kinds of everything that was raised

    @property
    def is_over(self) -> bool:
        """Whether every trade is closed and nothing is held."""
        return all(each.phase == Phase.CLOSED and not each.open_quantity for each in self.trades)


def ending_of(world: CutWorld) -> Ending:
    """Read off what a world has come to."""
    held = sorted(world.watch.trades.values(), key=lambda each: each.trade.opened_at)
    account = world.bybit.exchange.venue.accounts[ACCOUNT]
    positions = []
    for (symbol, index), position in sorted(account.positions.items()):
        backstop = account.orders.get(position.stop_loss_id)
        trigger = "" if backstop is None or not backstop.is_open else f" backstop {backstop.trigger_price}"
        positions.append(f"{symbol}/{index} {position.side if position.size else ''} {position.size}{trigger}")
    promised = world.watch.alerts.promised.values()
    told = (each.raised.alert.title for each in promised if each.shown)
    return Ending(
        trades=tuple(_trade(each) for each in held),
        positions=tuple(positions),
        told=frozenset(_NUMBER.sub("#", title) for title in told),
        alarms=frozenset(each.raised.alert.kind for each in promised),
    )


def _trade(held: Held) -> TradeEnd:
    trade = held.trade
    return TradeEnd(
        phase=trade.phase.value,
        reason=trade.exit_reason or "",
        stop_price=trade.stop_price,
        at_breakeven=trade.moved_to_breakeven,
        entered=held.entered,
        open_quantity=held.open_quantity,
        orders=tuple(sorted(_order(each) for each in held.orders)),
    )


def _order(order: Order) -> str:
    if not order.is_open and not order.cum_qty:
        return f"{role(order)} {order.status}"  # of which size by then hangs on what was amended first
    at = order.trigger_price if order.trigger_price is not None else order.price
    return f"{role(order)} {order.status} {order.cum_qty} of {order.qty} at {at.normalize():f}"
