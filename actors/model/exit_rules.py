"""Exit rules: what a plan may ask for beside its ladder and its stop. Frozen with the trade; no state.

Enters: prices as offsets, counts of rungs, durations, USDT. Stays out: when they act (rules.exit_turns), how they are
written (rules.plan_options).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """A distance in price: an amount, or a fraction of the price it is measured from."""

    value: Decimal  # 0 and up
    of_price: bool  # True: a fraction of a price; False: quote per base

    def at(self, price: Decimal) -> Decimal:
        """Give the distance from this price, quote per base.

        >>> Offset(value=Decimal("0.01"), of_price=True).at(Decimal(250))
        Decimal('2.50')
        """
        return self.value * price if self.of_price else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailingStop:
    """A stop that follows the best price from `activation` beyond the average entry on; only ever tighter."""

    activation: Offset  # from the average entry
    distance: Offset  # from the best price, over 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetTarget:
    """Figures net of both fees, funding apart; target > floor > -stop."""

    target_usdt: Decimal = Decimal(10)  # what the resting target nets at least, fee of a maker to leave
    floor_usdt: Decimal | None = Decimal(7)  # armed when exceeded, left when met again, taker fee to leave; None: none
    stop_usdt: Decimal = Decimal(10)  # the loss at the stop's trigger, taker fee to leave; positive


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRules:
    """All options together; the usual ones are a plain ladder with a stop to breakeven after the first rung."""

    breakeven_after: int | None = 1  # rung after which the stop goes to breakeven; None: never
    follow_after: int | None = None  # from this rung n (2 and up) on the stop goes to rung n-1's price; None: never
    trailing: TrailingStop | None = None
    leave_after_seconds: int | None = None  # since the first fill
    entries_expire_after_seconds: int | None = None  # since the opening
    entries_expire_on_touch: bool = False  # the first target or the stop was touched before the first fill
    net: NetTarget | None = None  # of approach net-target alone

    @property
    def usual(self) -> bool:
        """Tell whether nothing but rungs moves the stop to breakeven: then nothing else has to be asked."""
        timed = self.leave_after_seconds or self.entries_expire_after_seconds or self.entries_expire_on_touch
        return not (self.follow_after or self.trailing or self.net or timed)
