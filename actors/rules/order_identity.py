"""Order identity: is the order the exchange shows the one we meant, and does it hold the values we asked for.

Enters: intents, amends, what was observed. Stays out: why it was looked up, what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.messages.orders import AmendOrder
from actors.model.order import ObservedOrder, OrderIntent, OrderKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """What an amend can change."""

    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None

    def after(self, amend: AmendOrder) -> _Values:
        return _Values(
            quantity=self.quantity if amend.quantity is None else amend.quantity,
            price=self.price if amend.price is None else amend.price,
            trigger_price=self.trigger_price if amend.trigger_price is None else amend.trigger_price,
        )


def is_the_same_order(intent: OrderIntent, seen: ObservedOrder, later_amends: Sequence[AmendOrder] = ()) -> bool:
    """Tell whether an observed order is the intent, or the intent as a later amend of ours left it.

    After a crash an order is looked up that may have been amended since; those amends are unsettled too and wait behind
    it. What the exchange fills in by itself (a market order's price, the attached stop) is not compared.

    Args:
        intent: what was sent, or was to be sent.
        seen: the order found under its client id.
        later_amends: of the same order, oldest first; any number of them may have been made.

    """
    nature = (
        seen.symbol == intent.symbol
        and seen.order_side is intent.order_side
        and seen.kind is intent.kind
        and seen.reduce_only == intent.reduce_only
    )
    values = _Values(quantity=intent.quantity, price=intent.price, trigger_price=intent.trigger_price)
    possible = [values]
    for amend in later_amends:
        values = values.after(amend)
        possible.append(values)
    return nature and any(_holds(seen, candidate) for candidate in possible)


def _holds(seen: ObservedOrder, values: _Values) -> bool:
    # The exchange itself shrinks a reduce-only order to what is left of the position.
    quantity = seen.quantity == values.quantity or (seen.reduce_only and seen.quantity < values.quantity)
    price = seen.kind is OrderKind.MARKET or seen.price == values.price
    return quantity and price and seen.trigger_price == values.trigger_price


def shows_the_target(amend: AmendOrder, seen: ObservedOrder) -> bool:
    """Tell whether a live order holds every value the amend asked for."""
    wanted = (
        (amend.quantity, seen.quantity),
        (amend.price, seen.price),
        (amend.trigger_price, seen.trigger_price),
        (amend.attached_stop, seen.attached_stop),
    )
    return all(asked is None or asked == found for asked, found in wanted)
