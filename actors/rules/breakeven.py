"""Breakeven: where the stop-loss goes once the first rung has filled.

Leaving what remains there by a market order pays back its share of the entry fees, its share of funding, the fee to
leave, and a small margin. The fill may be worse than the trigger; the margin is for that, not a promise.

Enters: model values, fee rates, amounts. Stays out: orders, clocks, settings.
Prices are quote per base; amounts USDT; rates fractions of notional. Source: Bybit fee rules for linear contracts
(fee = price times quantity times rate, at each fill).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from actors.model.money import ceil_to, floor_to, plain
from actors.model.position import PositionSide
from actors.rules.wording import percent, usdt


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakeven:
    """The price and the sum behind it."""

    price: Decimal  # on the tick, rounded to the safe side
    exact_price: Decimal
    entry_fees_usdt: Decimal
    funding_usdt: Decimal  # paid; negative when received
    exit_fee_usdt: Decimal  # at `price`
    margin_usdt: Decimal  # what is to be left over at least
    net_usdt: Decimal  # what is left over at `price`
    sum_lines: tuple[str, ...]  # the sum in the person's words


def breakeven_price(
    *,
    side: PositionSide,
    remaining_quantity: Decimal,
    average_entry_price: Decimal,
    entry_fees_share_usdt: Decimal,
    funding_share_usdt: Decimal,
    taker_fee_rate: Decimal,
    tick_size: Decimal,
    margin_fraction: Decimal = Decimal("0.0002"),
) -> Breakeven:
    """Solve for the price at which leaving by market nets the margin, and round it to the safe side.

    With sign s, quantity q, entry A, costs C (entry fees and funding), taker rate t and margin m of the entry notional:
    s(P - A)q - C - tPq = mAq, so P = (sAq + C + mAq) / (q(s - t)). A long rounds up, a short down.

    Args:
        side: of the position.
        remaining_quantity: base units, over 0.
        average_entry_price: quote per base, over 0.
        entry_fees_share_usdt: what entering this quantity cost.
        funding_share_usdt: paid on this quantity so far; negative when received.
        taker_fee_rate: fraction of notional, 0 and up, under 1.
        tick_size: quote per base, over 0.
        margin_fraction: of the entry notional, 0 and up.

    Raises:
        ValueError: nothing remains, or no positive price pays the costs back (they exceed the notional itself).

    """
    if remaining_quantity <= 0 or average_entry_price <= 0:
        raise ValueError(f"breakeven of {remaining_quantity} entered at {average_entry_price}: both must be over 0")
    notional = average_entry_price * remaining_quantity
    margin = margin_fraction * notional
    due = entry_fees_share_usdt + funding_share_usdt + margin
    exact = (side.sign * notional + due) / (remaining_quantity * (side.sign - taker_fee_rate))
    price = ceil_to(exact, tick_size) if side is PositionSide.LONG else floor_to(exact, tick_size)
    if price <= 0:
        raise ValueError(f"breakeven of {notional} USDT {side}: costs of {due} USDT leave no price above 0")
    exit_fee = taker_fee_rate * price * remaining_quantity
    gain = side.sign * (price - average_entry_price) * remaining_quantity
    return Breakeven(
        price=price,
        exact_price=exact,
        entry_fees_usdt=entry_fees_share_usdt,
        funding_usdt=funding_share_usdt,
        exit_fee_usdt=exit_fee,
        margin_usdt=margin,
        net_usdt=gain - entry_fees_share_usdt - funding_share_usdt - exit_fee,
        sum_lines=(
            f"{plain(remaining_quantity)} entered at {_short(average_entry_price, tick_size)}: {usdt(notional)}",
            f"entry fees on it {usdt(entry_fees_share_usdt, 4)}",
            f"funding {'received' if funding_share_usdt < 0 else 'paid'} {usdt(abs(funding_share_usdt), 4)}",
            f"taker fee to leave ({percent(taker_fee_rate)}) {usdt(exit_fee, 4)}",
            f"safety margin ({percent(margin_fraction)}) {usdt(margin, 4)}",
            f"exactly {_short(exact, tick_size)}, on the tick at the safe side {plain(price)}",
        ),
    )


def tightened(side: PositionSide, current_stop: Decimal, candidate: Decimal) -> Decimal:
    """Give the tighter of two stop prices: the higher for a long, the lower for a short."""
    return max(current_stop, candidate) if side is PositionSide.LONG else min(current_stop, candidate)


def _short(price: Decimal, tick_size: Decimal) -> str:
    """Write a price with two digits more than the tick has."""
    return plain(price.quantize(tick_size / 100))
