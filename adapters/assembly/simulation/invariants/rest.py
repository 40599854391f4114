"""I7: at rest the daemon and the exchange agree on everything, and what I2 to I4 allow for a while is all in place.

Asked once, when nothing has gone wrong for the time that coming to rest may take. Enters: every trade, every position,
every promise. Exempt: positions that somebody else trades too may be larger than what our trades hold; an order that a
lost memory had asked for and that ended without a fill may be of no leg.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any

from actors.messages.alerts import RaiseAlert
from actors.model.trade import LegState, Phase
from actors.rules.client_order_ids import parse_client_order_id
from adapters.assembly.simulation.invariants.breakeven import lost_at
from adapters.assembly.simulation.invariants.held import STOP, ZERO, Held
from adapters.assembly.simulation.invariants.ladder import shares_of, skewed, unpriced
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account
from adapters.simulated.venue import Venue

# From the farthest stop; settings say 0.003 and 5 ticks, and the tick rounds outward.
BACKSTOP_DISTANCE, BACKSTOP_TICKS = Decimal("0.004"), 6


def check_rest(
    venue: Venue, trades: Mapping[str, Held], unsettled: Mapping[str, Any], foreign: set[str] | frozenset[str]
) -> None:
    """I7. `unsettled`: requests promised and without an outcome. `foreign`: symbols where others trade too."""
    for held in trades.values():
        check_legs(held)
        check_protection(held, venue.accounts[held.trade.plan.account])
    for key, request in unsettled.items():
        if not isinstance(request, RaiseAlert):
            raise Violated("I7", key, f"its outcome is not known at rest: {type(request).__name__}")
    for account in venue.accounts.values():
        check_positions(account, trades.values(), foreign)


def check_positions(account: Account, trades: Iterable[Held], foreign: set[str] | frozenset[str]) -> None:
    """I7: each position is the sum of what our trades believe they hold of it."""
    ours = [held.trade for held in trades if held.trade.plan.account == account.name]
    slots = {(trade.plan.symbol, trade.position_index) for trade in ours} | set(account.positions)
    for symbol, index in sorted(slots):
        size = account.position(symbol, index).size
        mine = sum(
            (each.open_quantity for each in ours if (each.plan.symbol, each.position_index) == (symbol, index)), ZERO
        )
        if mine > size or (mine != size and symbol not in foreign):
            raise Violated("I7", f"{account.name}/{symbol}", f"trades hold {mine}, position {size}")


def check_legs(held: Held) -> None:
    """I7: each order of a trade is here what it is at the exchange, and none is there that is not here."""
    trade = held.trade
    there = {order.link_id: order for order in held.orders}
    for leg in trade.legs:
        order = there.pop(leg.client_order_id, None)
        if leg.state is LegState.REQUESTED or leg.pending is not None or leg.in_doubt:
            raise Violated("I7", leg.client_order_id, f"is {leg.state}, pending {leg.pending}, at rest")
        if leg.live != (order is not None and order.is_open):
            state = "nowhere" if order is None else order.status
            raise Violated("I7", leg.client_order_id, f"is {leg.state} here and {state} at the exchange")
        if order is None:
            continue
        if leg.filled_quantity != order.cum_qty:
            raise Violated("I7", leg.client_order_id, f"filled {leg.filled_quantity} here, {order.cum_qty} there")
        if leg.live and (leg.quantity, leg.trigger_price) != (order.qty, order.trigger_price):
            text = f"is {leg.quantity}@{leg.trigger_price} here, {order.qty}@{order.trigger_price} there"
            raise Violated("I7", leg.client_order_id, text)
    # Nobody can or need do anything about an order that is over, of which nothing was filled and nothing is remembered.
    strange = sorted(
        link for link, order in there.items() if link not in held.forgotten or order.is_open or order.cum_qty
    )
    if strange:
        raise Violated("I7", trade.trade_id, f"the exchange has orders of no leg: {strange}")
    if trade.phase is Phase.CLOSED and held.open_quantity:
        raise Violated("I7", trade.trade_id, f"is closed and holds {held.open_quantity}")
    if trade.phase is Phase.CLOSING:
        raise Violated("I7", trade.trade_id, f"is still closing at rest, open {trade.open_quantity}")


def check_strays(venue: Venue, trades: Container[str], installation: str) -> None:
    """I7: nothing with our mark can open a position that no trade here would know of. `trades`: ids of those known.

    Exits of an unknown trade are left alone: they may be all that protects what it holds.
    """
    for account in venue.accounts.values():
        for order in account.orders.values():
            parsed = parse_client_order_id(order.link_id) if order.is_open and not order.reduce_only else None
            if parsed is not None and parsed.installation == installation and parsed.trade_id not in trades:
                raise Violated("I7", order.link_id, f"belongs to no trade and may still open {order.leaves}")


def check_protection(held: Held, account: Account) -> None:
    """I2, I3, I4 at rest: own stop and ladder come to exactly what is held, and the backstop stands beyond."""
    trade, quantity = held.trade, held.open_quantity
    if quantity < trade.instrument.min_quantity or trade.phase is Phase.CLOSED:
        return
    stops = [order for order in held.of(STOP) if order.is_open]
    # A slice under the least order value has a stop of that value: the exchange takes no smaller one.
    least = trade.instrument.min_notional_usdt / trade.stop_price + trade.instrument.quantity_step
    fits = [held.protects(order) and quantity <= order.leaves <= max(quantity, least) for order in stops]
    if fits != [True] or stops[0].trigger_price != trade.stop_price:
        found = [(str(order.leaves), str(order.trigger_price)) for order in stops]
        raise Violated("I2", trade.trade_id, f"holds {quantity}, stop wanted at {trade.stop_price}, there are {found}")
    # Nor a target: what is worth less than an order rests nowhere, and waits for the stop, or for more to fill.
    dust = quantity * min(trade.rung_prices) < trade.instrument.min_notional_usdt
    wanted = quantity if any(shares_of(trade)) else ZERO  # a person has taken every target away
    waits = unpriced(trade) or (trade.halted and held.resting_targets < quantity)
    if (
        not waits
        and (held.resting_targets != wanted or skewed(held, quantity))
        and not (dust and not held.resting_targets)
    ):
        text = f"holds {quantity}, its targets come to {held.resting_targets} and may be out of their shares"
        raise Violated("I3", trade.trade_id, text)
    at_breakeven = trade.moved_to_breakeven and trade.stop_moved_by != "person"
    if at_breakeven and lost_at(held, quantity, trade.stop_price) > 0:
        text = f"the stop at breakeven, {trade.stop_price}, would lose {lost_at(held, quantity, trade.stop_price)} USDT"
        raise Violated("I4", trade.trade_id, text)
    _check_backstop(held, account)


def _check_backstop(held: Held, account: Account) -> None:
    trade = held.trade
    position = account.position(trade.plan.symbol, trade.position_index)
    backstop = account.orders.get(position.stop_loss_id)
    if backstop is None or backstop.trigger_price is None:
        raise Violated("I2", trade.trade_id, "there is no backstop")
    if (backstop.trigger_price - trade.stop_price) * trade.side.sign >= 0:
        text = f"the backstop at {backstop.trigger_price} is not beyond the stop at {trade.stop_price}"
        raise Violated("I2", trade.trade_id, text)


def check_backstops(venue: Venue, trades: Iterable[Held]) -> None:
    """I2 at rest: a backstop stands no farther out than the farthest stop of its side needs it to."""
    sides: dict[tuple[str, str, int], list[Held]] = {}
    for held in trades:
        trade = held.trade
        if trade.phase is not Phase.CLOSED:
            sides.setdefault((trade.plan.account, trade.plan.symbol, trade.position_index), []).append(held)
    for (name, symbol, index), ours in sides.items():
        account, side = venue.accounts[name], ours[0].trade.side
        placed = account.orders.get(account.position(symbol, index).stop_loss_id)
        if placed is None or placed.trigger_price is None or any(each.trade.side is not side for each in ours):
            continue
        stops = [each.trade.stop_price for each in ours]
        stops += [each.trade.loosening.stop_price for each in ours if each.trade.loosening is not None]
        farthest = min(each * side.sign for each in stops) * side.sign
        tick = ours[0].trade.instrument.tick_size
        most = max(farthest * BACKSTOP_DISTANCE, BACKSTOP_TICKS * tick)
        if (farthest - placed.trigger_price) * side.sign > most:
            text = f"the backstop at {placed.trigger_price} is far beyond the farthest stop, {farthest}"
            raise Violated("I2", f"{name}/{symbol}", text)
