"""Orders: what we intend, and what the exchange says it holds.

Enters: values only. Stays out: the wire's spellings, decisions.
Quantities are base units on the quantity step; prices are quote per base.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.money import ZERO


class OrderSide(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> OrderSide:
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class OrderKind(StrEnum):
    LIMIT = "limit"
    MARKET = "market"


class TriggerSource(StrEnum):
    """Which price fires a conditional order."""

    LAST = "last"
    MARK = "mark"
    INDEX = "index"


class OrderState(StrEnum):
    """Where an order stands at the exchange."""

    UNTRIGGERED = "untriggered"  # conditional, waiting for its trigger
    WORKING = "working"  # resting or being matched, perhaps partly filled
    FILLED = "filled"
    CANCELLED = "cancelled"  # may hold fills
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        return self in {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """One order as it is to be sent, whole: a repeat sends the same."""

    client_order_id: str  # 36 characters at most; made once, never recomputed
    symbol: str
    order_side: OrderSide
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None  # limit orders only
    trigger_price: Decimal | None = None  # present: a conditional order
    trigger_rises: bool | None = None  # True fires when the price rises to the trigger
    trigger_source: TriggerSource = TriggerSource.LAST
    reduce_only: bool = False
    close_on_trigger: bool = False
    position_index: int = 0  # 0 one-way, 1 hedge long, 2 hedge short
    attached_stop: Decimal | None = None  # position-level stop that comes alive with the first fill
    immediate: bool = False  # limit orders only: what does not fill at once is cancelled (IOC)

    @property
    def takes(self) -> bool:
        """It fills at once as a taker, or never."""
        return self.kind is OrderKind.MARKET or self.immediate


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedOrder:
    """One order as the exchange reports it."""

    order_id: str
    client_order_id: str | None  # None for the exchange's own and for orders made without one
    symbol: str
    order_side: OrderSide
    kind: OrderKind
    state: OrderState
    quantity: Decimal
    filled_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    attached_stop: Decimal | None = None
    reduce_only: bool = False
    close_on_trigger: bool = False
    position_index: int = 0
    fee_usdt: Decimal | None = None  # paid so far; None where the exchange did not say
    reason: str = ""  # cancel or reject reason in the exchange's own word
    immediate: bool = False  # a limit order that was not to rest
    reduced_away: bool = False  # cancelled by the exchange because the position had become too small for it
    is_position_stop: bool = False  # the exchange's own order behind a position-level stop
    updated_at: datetime | None = None

    @property
    def remaining_quantity(self) -> Decimal:
        """What could still fill, from quantity and fills (never from the wire's leaves field, which lies)."""
        return ZERO if self.state.terminal else self.quantity - self.filled_quantity
