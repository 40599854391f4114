"""I6: limits of position, margin and leverage hold at every instant, counting intents that are on their way.

Exempt: conditional orders somebody else places by hand after the trades were admitted; margin that a price move or a
hand at the exchange has bound since (the exchange then refuses the entry, which is its right).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from actors.messages.trading import OrderRequested
from actors.model.trade import LegState, Phase, Role
from adapters.assembly.simulation.invariants.held import ENTRY, ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account, Position
from adapters.simulated.venue import Venue

MOST_TRADES = 8
MOST_CONDITIONALS = 10


def check_room(held: Held, others: Iterable[Held]) -> None:
    """I6: with this trade, at most eight live ones stand on its account and symbol, all with one leverage."""
    plan = held.trade.plan
    same = [
        each
        for each in others
        if each.trade.plan.symbol == plan.symbol
        and each.trade.plan.account == plan.account
        and each.trade.phase is not Phase.CLOSED
    ]
    if len(same) > MOST_TRADES:
        raise Violated("I6", held.trade.trade_id, f"is number {len(same)} on {plan.account}/{plan.symbol}")
    leverages = {each.trade.plan.leverage for each in same}
    if len(leverages) > 1:
        text = f"trades of leverage {sorted(leverages)} stand on {plan.account}/{plan.symbol}"
        raise Violated("I6", held.trade.trade_id, text)


def check_intent(venue: Venue, held: Held, fact: OrderRequested) -> None:
    """I6: an order asked for is inside its symbol's limits, and no entry reaches beyond the plan."""
    rules, order = venue.markets[held.trade.plan.symbol].instrument, fact.order
    most = rules.max_market_quantity if order.price is None else rules.max_limit_quantity
    if not ZERO < order.quantity <= most or not rules.on_step(order.quantity):
        raise Violated("I6", order.client_order_id, f"asks for {order.quantity}, {most} is the most")
    if fact.role is not Role.ENTRY:
        return
    asked = sum(
        (leg.filled_quantity if leg.state.terminal else leg.quantity for leg in held.trade.of(Role.ENTRY)), ZERO
    )
    if asked > held.trade.sized.quantity:
        text = f"entries asked for come to {asked}, planned were {held.trade.sized.quantity}"
        raise Violated("I6", order.client_order_id, text)


def check_margin(venue: Venue, account: Account, trades: Iterable[Held]) -> None:
    """I6: what entries on their way would bind fits into what is available. Asked when an entry becomes durable."""
    fees = venue.margin.fees.taker
    on_its_way = ZERO
    for held in trades:
        if held.trade.plan.account != account.name:
            continue
        for leg in held.trade.of(Role.ENTRY):
            if leg.state is LegState.REQUESTED and leg.client_order_id not in account.by_link_id:
                value = leg.quantity * (leg.price or held.trade.sized.reference_price)
                on_its_way += value / held.trade.plan.leverage + value * fees * 2
    available = venue.margin.available(account)
    if on_its_way > available:
        raise Violated("I6", account.name, f"entries on their way would bind {on_its_way}, available are {available}")


def check_conditionals(account: Account, symbol: str, trades: Iterable[Held]) -> None:
    """I6: stops there and stops on their way come to no more than the exchange takes on one symbol."""
    there = {
        order.link_id or order.order_id
        for order in account.open_on(symbol).values()
        if order.is_conditional and not order.is_position_stop
    }
    coming = {
        leg.client_order_id
        for held in trades
        if held.trade.plan.account == account.name and held.trade.plan.symbol == symbol
        for leg in held.trade.of(Role.STOP)
        if leg.state is LegState.REQUESTED
    }
    if len(there | coming) > MOST_CONDITIONALS:
        raise Violated("I6", f"{account.name}/{symbol}", f"{len(there | coming)} conditional orders there or coming")


def check_leverage(position: Position, trades: Iterable[Held], most: Decimal) -> None:
    """I6: a position of ours has its trades' leverage, which the exchange allows."""
    for held in trades:
        plan = held.trade.plan
        same = (plan.account, plan.symbol) == (position.account, position.symbol)
        if not same or held.trade.phase is Phase.CLOSED or not any(order.is_open for order in held.of(ENTRY)):
            continue
        if position.leverage != plan.leverage or plan.leverage > most:
            text = f"stands at leverage {position.leverage}, {held.trade.label} was planned with {plan.leverage}"
            raise Violated("I6", f"{position.account}/{position.symbol}", text)
