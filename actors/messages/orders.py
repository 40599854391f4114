"""Orders on their way and back: requests that leave through the outbox, outcomes, and what the exchange reports.

Requests are imperative and carry the stored client order id; a repeat sends the same words. Reports are facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from actors.model.order import ObservedOrder, OrderIntent, OrderSide
from actors.model.position import ObservedPosition, PositionSide


# --- requests: effects promised in the outbox, performed by an account's client -------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    account: str
    trade_id: str
    order: OrderIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendOrder:
    """Bring a live order to these values; None leaves a value as it is. `quantity` is the new total."""

    account: str
    trade_id: str
    symbol: str
    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    attached_stop: Decimal | None = None
    is_stop: bool = False  # a stop-loss is amended before anything else of the account


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel an order of ours; with `order_id` (the exchange's, then there is no client id) one that is not."""

    account: str
    trade_id: str
    symbol: str
    client_order_id: str
    order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPositionStop:
    """Set the position-level stop (the backstop). Absolute, so a repeat is harmless."""

    account: str
    symbol: str
    position_side: PositionSide
    position_index: int
    stop_price: Decimal


OrderRequest: TypeAlias = PlaceOrder | AmendOrder | CancelOrder | SetPositionStop


# --- outcomes -------------------------------------------------------------------------------------------------
class Settlement(StrEnum):
    """How a request ended. UNKNOWN never settles: the client looks until it knows."""

    DONE = "done"  # accepted, or the goal already held
    REJECTED = "rejected"  # refused by the exchange; as it is, never again
    TRIGGER_PASSED = "trigger_passed"  # the price is past the trigger already
    TRIGGER_WRONG_SIDE = "trigger_wrong_side"  # the other code for that side: our own mistake
    GONE = "gone"  # the order is not there to be changed; `observed` is its last state where it could be read
    ABSENT = "absent"  # proven never to have reached the exchange, and not sent again
    DENIED = "denied"  # key, address or account refused


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSettled:
    """A request promised in the outbox has its outcome."""

    effect_key: str
    settlement: Settlement
    settled_at: datetime
    code: int | None = None  # the exchange's own number
    text: str = ""
    observed: ObservedOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectUnclear:
    """No answer came for a request; it is being looked up. Told to the owner so that others can be warned."""

    effect_key: str
    text: str
    since: datetime


# --- what the exchange reports --------------------------------------------------------------------------------
class ExecutionKind(StrEnum):
    TRADE = "trade"
    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"
    SETTLEMENT = "settlement"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReported:
    """One match of an order, or one funding payment."""

    account: str
    execution_id: str
    symbol: str
    order_id: str
    client_order_id: str | None
    order_side: OrderSide
    kind: ExecutionKind
    quantity: Decimal  # base units; for funding the position's size
    price: Decimal
    fee_usdt: Decimal  # positive when paid; for funding: what was paid (negative: received)
    is_maker: bool
    executed_at: datetime
    closed_quantity: Decimal | None = None  # how much of it reduced a position, where the exchange says so
    position_index: int | None = None
    sequence: int | None = None  # the exchange's, rising per symbol
    is_position_stop: bool = False  # from the exchange's own stop order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReported:
    """An order's state, from the stream or, with `read_at`, from a reading that began at that instant."""

    account: str
    order: ObservedOrder
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReported:
    account: str
    position: ObservedPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletReported:
    account: str
    equity_usdt: Decimal | None
    available_usdt: Decimal | None


StreamReport: TypeAlias = ExecutionReported | OrderReported | PositionReported | WalletReported


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUp:
    """A socket is connected, authorised and subscribed. What happened before was missed: reconcile."""

    account: str
    connection: int  # rises with each connection of this run


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDown:
    account: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFaulted:
    """A message could not be understood. It was skipped; the socket lives on."""

    account: str
    reason: str
    excerpt: str  # the start of the message, secrets never travel here
