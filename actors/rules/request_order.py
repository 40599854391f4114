"""Request order: which of an account's waiting requests leaves next, and which must wait for which.

Enters: requests and where they stand. Stays out: lanes, answers, clocks (instants are monotonic seconds).

Within one order, requests go one by one in the order of their arrival. Within one trade too, with two exceptions made
for the sake of its stop-loss: a stop waits for nothing but its own order, and a request that is in doubt, backing off
or throttled steps aside. Between trades the more urgent kind goes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from actors.messages.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, SetPositionStop
from actors.model.order import OrderKind


class Rank(IntEnum):
    """How urgent a kind of request is; the lowest goes first."""

    STOP = 0  # stop-losses, the backstop, and market exits: each of them ends a risk
    CANCEL = 1
    ENTRY = 2
    RUNG = 3


def is_stop(request: OrderRequest) -> bool:
    """Tell whether the request places or moves a stop-loss (the backstop included)."""
    match request:
        case PlaceOrder(order=order):
            return order.reduce_only and order.trigger_price is not None
        case AmendOrder():
            return request.is_stop
        case SetPositionStop():
            return True
        case CancelOrder():
            return False


def is_protective(request: OrderRequest) -> bool:
    """Tell whether the request can only lessen a risk: stops, cancels, and whatever is reduce-only."""
    if isinstance(request, PlaceOrder):
        return request.order.reduce_only
    return isinstance(request, CancelOrder) or is_stop(request)


def rank_of(request: OrderRequest) -> Rank:
    """Give a request's urgency. A trade's market exit counts as a stop: it stands for one that was passed."""
    if is_stop(request):
        return Rank.STOP
    match request:
        case CancelOrder():
            return Rank.CANCEL
        case PlaceOrder(order=order) if order.reduce_only:
            return Rank.STOP if order.kind is OrderKind.MARKET else Rank.RUNG
        case AmendOrder(attached_stop=None):
            return Rank.RUNG
        case _:  # an entry, or the stop value that a pending entry carries
            return Rank.ENTRY


def order_key(request: OrderRequest) -> str:
    """Name what the request changes: an order by its client id (another's by the exchange's), or a position's stop."""
    match request:
        case PlaceOrder(order=order):
            return order.client_order_id
        case SetPositionStop():
            return f"position/{request.symbol}/{request.position_index}/{request.position_side}"
        case AmendOrder():
            return request.client_order_id
        case CancelOrder():
            return request.client_order_id or request.order_id


def trade_key(request: OrderRequest) -> str:
    """Name whose sequence the request belongs to: a trade, or the backstop as a sequence of its own."""
    return order_key(request) if isinstance(request, SetPositionStop) else request.trade_id


def merged(older: OrderRequest, newer: OrderRequest) -> OrderRequest | None:
    """Fold two waiting requests on one order into one that reaches the same end; None where that cannot be done.

    Amends fold value by value (None leaves a value as it is, so the older one's value stands); position stops are
    absolute, so the newer stands alone.
    """
    if order_key(older) != order_key(newer):
        return None
    if isinstance(older, SetPositionStop) and isinstance(newer, SetPositionStop):
        return newer
    if isinstance(older, AmendOrder) and isinstance(newer, AmendOrder):
        return overlaid(older, newer)
    return None


def overlaid(older: AmendOrder, newer: AmendOrder) -> AmendOrder:
    """Give the amend that has the effect of the older followed by the newer."""
    return replace(
        newer,
        quantity=older.quantity if newer.quantity is None else newer.quantity,
        price=older.price if newer.price is None else newer.price,
        trigger_price=older.trigger_price if newer.trigger_price is None else newer.trigger_price,
        attached_stop=older.attached_stop if newer.attached_stop is None else newer.attached_stop,
        is_stop=newer.is_stop or older.is_stop,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a request's turn depends on; the same for as long as it waits, so it is worked out once."""

    order: str
    trade: str
    rank: Rank
    is_stop: bool


def standing_of(request: OrderRequest) -> Standing:
    """Work out a request's standing."""
    return Standing(order=order_key(request), trade=trade_key(request), rank=rank_of(request), is_stop=is_stop(request))


@dataclass(slots=True, kw_only=True)
class Candidate:
    """One request that has no outcome yet. Many are made for each choice, so this one is not frozen."""

    number: int  # of arrival
    standing: Standing
    ready_at: float  # not to be started before
    aside: bool  # in doubt or backing off: it lets the trade's other orders pass
    in_flight: bool


def next_to_start(candidates: Iterable[Candidate], *, at: float, free_lanes: int, lanes: int) -> Candidate | None:
    """Choose the request that is to leave now.

    Args:
        candidates: everything without an outcome, in the order of arrival.
        at: now.
        free_lanes: how many lanes are idle.
        lanes: how many there are. With more than one, the last idle lane is kept for stops, exits and cancels.

    Returns:
        The most urgent request that waits for nothing, the oldest among equals; None when there is none.

    """
    if free_lanes < 1:
        return None
    lowest = Rank.CANCEL if free_lanes == 1 and lanes > 1 else Rank.RUNG
    startable = (c for c in _unhindered(list(candidates), at) if c.standing.rank <= lowest)
    return min(startable, key=lambda c: (c.standing.rank, c.number), default=None)


def _unhindered(candidates: list[Candidate], at: float) -> list[Candidate]:
    """Give the requests that wait for no other one, nor for their time."""
    held_trades = {c.standing.trade for c in candidates if c.in_flight and not c.aside}
    held_orders: set[str] = set()
    free = []
    for candidate in candidates:
        order, trade = candidate.standing.order, candidate.standing.trade
        if order in held_orders:
            continue  # it follows an older request on its own order, and holds nothing but that order
        held_orders.add(order)
        if candidate.in_flight or candidate.ready_at > at:
            continue
        if candidate.aside:
            free.append(candidate)
            continue
        if candidate.standing.is_stop or trade not in held_trades:
            free.append(candidate)
        held_trades.add(trade)
    return free
