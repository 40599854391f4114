"""Net target: prices at which leaving nets a given amount after both fees, in closed form.

With sign s (1 long, -1 short), open quantity r entered for V and entry fees F, R realised before, and rate f to leave:
leaving at P nets s(Pr - V) - F - fPr + R, so a net of N is met at P = (sV + F + N - R) / (r(s - f)), which is
(V + F + N - R) / (r(1 - f)) for a long and (V - F - N + R) / (r(1 + f)) for a short.

Enters: what is held, as it was paid for; rates; a tick. Stays out: orders, when anything moves, funding (shown apart).
Prices are quote per base; amounts USDT; rates fractions of notional. Source: Bybit fee rules for linear contracts
(fee = price times quantity times rate, at each fill).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from actors.model.money import ZERO, ceil_to, floor_to
from actors.model.position import PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a trade holds, and what it has cost and brought so far."""

    side: PositionSide
    quantity: Decimal  # base units, over 0
    entry_value_usdt: Decimal  # paid for this quantity
    entry_fees_usdt: Decimal  # on this quantity
    realised_usdt: Decimal = ZERO  # of what was sold before, its fees inside

    def net_usdt(self, price: Decimal, fee_rate: Decimal) -> Decimal:
        """Give what the whole trade nets when this quantity leaves at a price and rate."""
        value = price * self.quantity
        gain = (value - self.entry_value_usdt) * self.side.sign
        return gain - self.entry_fees_usdt - fee_rate * value + self.realised_usdt

    def price_of(self, net_usdt: Decimal, fee_rate: Decimal) -> Decimal:
        """Give the exact price that nets an amount; 0 and less where no price does.

        >>> held = {"quantity": Decimal(10000), "entry_value_usdt": Decimal(10000), "entry_fees_usdt": Decimal(4)}
        >>> round(Holding(side=PositionSide.LONG, **held).price_of(Decimal(10), Decimal("0.0004")), 6)
        Decimal('1.001801')

        """
        sign = self.side.sign
        due = self.entry_fees_usdt + net_usdt - self.realised_usdt
        return (sign * self.entry_value_usdt + due) / (self.quantity * (sign - fee_rate))


def target_price(held: Holding, net_usdt: Decimal, maker_rate: Decimal, tick_size: Decimal) -> Decimal | None:
    """Give the nearest price on the tick that nets at least this much; None where none does.

    Args:
        held: quantity over 0.
        net_usdt: of the whole trade, fees inside.
        maker_rate: of a resting order.
        tick_size: over 0.

    """
    return _on_tick(held, net_usdt, maker_rate, tick_size)


def loss_price(held: Holding, loss_usdt: Decimal, taker_rate: Decimal, tick_size: Decimal) -> Decimal | None:
    """Give the farthest price on the tick that loses at most this much; None where no price loses as much.

    A long cannot lose more than it paid and its fees: where even a price of 0 would, no stop is needed for it.

    Args:
        held: quantity over 0.
        loss_usdt: of the whole trade, fees inside; positive.
        taker_rate: of a market order.
        tick_size: over 0.

    """
    return _on_tick(held, -loss_usdt, taker_rate, tick_size)


def _on_tick(held: Holding, net_usdt: Decimal, rate: Decimal, tick: Decimal) -> Decimal | None:
    """Round to the side that nets more: up for a long, down for a short."""
    long = held.side is PositionSide.LONG
    exact = held.price_of(net_usdt, rate)
    price = ceil_to(exact, tick) if long else floor_to(exact, tick)
    if held.net_usdt(price, rate) < net_usdt:  # a quotient's last digit may have been on the wrong side of the tick
        price += held.side.sign * tick
    return price if price > 0 else None
