"""Orders the journal has forgotten: sent while the disk took no writes, by a run whose memory was lost.

The client order id says whose they are and what for, the exchange says the rest: so they are taken up, never placed a
second time. Ids of a later run differ in their epoch; nothing that was sent is ever named again.

Enters: a trade, a report of an order it does not know. Stays out: what then is wanted of it (next_orders).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from actors.messages.orders import ExecutionReported, OrderReported
from actors.model.money import ZERO
from actors.model.order import ObservedOrder, OrderIntent, OrderKind
from actors.model.position import PositionSide
from actors.model.trade import Leg, LegState, Role, Trade
from actors.rules.client_order_ids import ClientOrderId, parse_client_order_id

_FIRST = {Role.STOP: 0, Role.EXIT: 1, Role.TARGET: 2, Role.ENTRY: 3}


def forgotten_by_report(trade: Trade, fact: OrderReported) -> Leg | None:
    """Give the leg behind a reported order of this trade; None for another's, or one that ended without a fill."""
    order = fact.order
    made = _made_for(trade, order.client_order_id)
    if made is None or (order.state.terminal and not order.filled_quantity):
        return None
    intent = OrderIntent(
        client_order_id=order.client_order_id or "",
        symbol=order.symbol,
        order_side=order.order_side,
        kind=order.kind,
        quantity=order.quantity,
        price=order.price,
        trigger_price=order.trigger_price,
        trigger_rises=None if order.trigger_price is None else trade.side is PositionSide.SHORT,
        reduce_only=order.reduce_only,
        close_on_trigger=order.close_on_trigger,
        position_index=order.position_index,
        attached_stop=order.attached_stop,
        immediate=order.immediate and order.price is not None,
    )
    return _leg(made, intent, at=fact.read_at or order.updated_at or trade.opened_at, in_doubt=False)


def forgotten_by_execution(trade: Trade, fact: ExecutionReported) -> Leg | None:
    """Give the leg behind a fill of this trade's; what else it holds is in doubt until the order itself is read."""
    made = _made_for(trade, fact.client_order_id)
    if made is None:
        return None
    role = Role(made.role[0])
    intent = OrderIntent(
        client_order_id=fact.client_order_id or "",
        symbol=fact.symbol,
        order_side=fact.order_side,
        kind=OrderKind.LIMIT if fact.is_maker else OrderKind.MARKET,
        quantity=max(fact.quantity, _most(trade, role, _index(made))),
        reduce_only=role is not Role.ENTRY,
        close_on_trigger=role is Role.STOP,
        position_index=trade.position_index,
    )
    return _leg(made, intent, at=fact.executed_at, in_doubt=True)


def taken_up_in_order(trade: Trade, orders: tuple[ObservedOrder, ...]) -> tuple[ObservedOrder, ...]:
    """Give the orders a trade does not know, what protects before what opens: else one would be placed beside it."""
    unknown = [order for order in orders if trade.leg(order.client_order_id or "") is None]
    made = [(parse_client_order_id(order.client_order_id), order) for order in unknown]
    ours = [(_FIRST[Role(each.role[0])], order) for each, order in made if each is not None]
    return tuple(order for _, order in sorted(ours, key=lambda pair: pair[0]))


def stops_of(trade: Trade, orders: tuple[ObservedOrder, ...]) -> tuple[ObservedOrder, ...]:
    """Give the orders that are stops the trade knows."""
    known = {leg.client_order_id for leg in trade.of(Role.STOP)}
    return tuple(order for order in orders if order.client_order_id in known)


def exits_first(trade: Trade, executions: tuple[ExecutionReported, ...]) -> tuple[ExecutionReported, ...]:
    """Give executions with forgotten exits' ahead of the others: what has left is not to be covered any more."""

    def later(execution: ExecutionReported) -> bool:
        made = _made_for(trade, execution.client_order_id)
        forgotten = made is not None and trade.leg(execution.client_order_id or "") is None
        return not (forgotten and made is not None and not made.role.startswith(Role.ENTRY.value))

    return tuple(sorted(executions, key=later))


def _made_for(trade: Trade, client_order_id: str | None) -> ClientOrderId | None:
    made = parse_client_order_id(client_order_id)
    return made if made is not None and made.trade_id == trade.trade_id else None


def _index(made: ClientOrderId) -> int:
    return int(made.role[1:] or 1)


def _most(trade: Trade, role: Role, index: int) -> Decimal:
    entries = trade.sized.entries
    if role is Role.ENTRY and index <= len(entries):
        return entries[index - 1].quantity
    return sum((entry.quantity for entry in entries), ZERO)


def _leg(made: ClientOrderId, intent: OrderIntent, *, at: datetime, in_doubt: bool) -> Leg:
    return Leg(
        intent=intent,
        role=Role(made.role[0]),
        index=_index(made),
        revision=made.revision,
        place_key=f"{intent.client_order_id}/place",
        state=LegState.LIVE,
        quantity=intent.quantity,
        price=intent.price,
        trigger_price=intent.trigger_price,
        attached_stop=intent.attached_stop,
        requested_at=at,
        in_doubt=in_doubt,
    )
