"""I6: limits of position, margin and leverage hold at every instant, counting intents that are on their way.

Exempt: conditional orders somebody else places by hand after the trades were admitted; margin is judged when a trade is
opened (what a price move or a hand at the exchange binds later may have the exchange refuse an entry, rightly).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from actors.messages.trading import OrderRequested
from actors.model.trade import LegState, Phase, Role, Trade
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
    planned = max(held.trade.sized.quantity, sum(held.planned_before, ZERO))
    if asked > planned:
        text = f"entries asked for come to {asked}, planned were {planned}"
        raise Violated("I6", order.client_order_id, text)


def check_margin(venue: Venue, account: Account, trades: Iterable[Held]) -> None:
    """I6: what the account's trades bind, entries on their way included, fits into its wallet. Asked at an opening."""
    fees = venue.margin.fees.taker * 2
    bound = ZERO
    for held in trades:
        plan = held.trade.plan
        if plan.account == account.name:
            bound += _at_stake(held.trade) * held.trade.sized.reference_price * (1 / plan.leverage + fees)
    if bound > account.wallet:
        text = f"its trades bind {bound} with what is on its way, the wallet holds {account.wallet}"
        raise Violated("I6", account.name, text)


def _at_stake(trade: Trade) -> Decimal:
    """Give what a trade holds and may still come to hold (base units)."""
    entered = ZERO
    for index, entry in enumerate(trade.sized.entries, start=1):
        legs = [leg for leg in trade.of(Role.ENTRY) if leg.index == index]
        entered += sum((leg.filled_quantity if leg.state.terminal else leg.quantity for leg in legs), ZERO)
        if not legs and trade.phase is Phase.BUILDING:
            entered += entry.quantity  # its intent is not even made
    return max(ZERO, entered - trade.exited_quantity)


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


def check_leverage(position: Position, trades: Iterable[Held]) -> None:
    """I6: a position of ours has its trades' leverage.

    It was allowed when it was set, the exchange refuses any other; a cap that is lowered later leaves it as it is.
    """
    for held in trades:
        plan = held.trade.plan
        same = (plan.account, plan.symbol) == (position.account, position.symbol)
        if not same or held.trade.phase is Phase.CLOSED or not any(order.is_open for order in held.of(ENTRY)):
            continue
        if position.leverage != plan.leverage:
            text = f"stands at leverage {position.leverage}, {held.trade.label} was planned with {plan.leverage}"
            raise Violated("I6", f"{position.account}/{position.symbol}", text)
