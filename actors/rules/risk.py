"""Risk: what may leave while the disk takes no writes. What protects or reduces may; what opens does not.

Why: an order whose intent is nowhere durable is forgotten when the process dies. A forgotten stop or exit is found at
the exchange by its client order id and harms nobody meanwhile; a forgotten entry would be a position nobody knows.

Enters: appends and requests. Stays out: whether the disk works.
"""

from __future__ import annotations

from typing import Any

from actors.messages.orders import PlaceOrder
from actors.messages.storing import Append
from actors.messages.trading import TradeOpened


def opens_trade(append: Append) -> bool:
    """Tell whether an append records a new trade."""
    return any(isinstance(fact, TradeOpened) for fact in append.facts)


def opens_position(request: Any) -> bool:
    """Tell whether a request could make a position larger. Amends and cancels of entries never do."""
    return isinstance(request, PlaceOrder) and not request.order.reduce_only


def refusal(reason: str) -> str:
    """Say why nothing new is opened. `reason`: what the disk says."""
    return f"the disk does not take writes ({reason}); nothing new is opened until it does"
