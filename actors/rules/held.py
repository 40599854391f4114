"""What a trade holds, for figures net of fees: as it is now, and as it will be once its entries have filled.

Enters: a folded trade. Stays out: prices of the moment, decisions.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from actors.model.money import ZERO
from actors.model.trade import Role, Trade
from actors.rules.net_target import Holding


def holding_of(trade: Trade) -> Holding | None:
    """Give what is open, its share of entry value and entry fees as really paid; None when nothing is open."""
    entered, open_quantity = trade.entered_quantity, trade.open_quantity
    if not open_quantity:
        return None
    value = sum((leg.filled_value_usdt for leg in trade.of(Role.ENTRY)), ZERO)
    fees = trade.entry_fee_usdt
    whole = open_quantity == entered  # a quotient of equal figures may still cost its last digit
    return Holding(
        side=trade.side,
        quantity=open_quantity,
        entry_value_usdt=value if whole else value * open_quantity / entered,
        entry_fees_usdt=fees if whole else fees * open_quantity / entered,
        realised_usdt=trade.realised_pnl_usdt,
    )


def holding_once_entered(trade: Trade) -> Holding | None:
    """Give the same with all that may still fill, at its limit price or, for a market order, as the average so far."""
    held, average = holding_of(trade), trade.average_entry_price
    if held is None or average is None:
        return None
    quantity, value, fees = held.quantity, held.entry_value_usdt, held.entry_fees_usdt
    for left, price, rate in _still_to_fill(trade, average):
        quantity, value, fees = quantity + left, value + left * price, fees + left * price * rate
    return Holding(
        side=held.side,
        quantity=quantity,
        entry_value_usdt=value,
        entry_fees_usdt=fees,
        realised_usdt=held.realised_usdt,
    )


def entries_live(trade: Trade) -> bool:
    """Tell whether an entry may still fill."""
    return any(leg.live for leg in trade.of(Role.ENTRY))


def _still_to_fill(trade: Trade, average: Decimal) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
    for leg in trade.of(Role.ENTRY):
        if leg.live and leg.quantity > leg.filled_quantity:
            rate = trade.fees.taker if leg.price is None else trade.fees.maker
            yield leg.quantity - leg.filled_quantity, average if leg.price is None else leg.price, rate
