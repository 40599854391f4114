"""Adoption: what a trade takes over of a position that was at the exchange already.

Enters: figures as read. Stays out: orders of ours, decisions. Quantities are base units.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideStop:
    """A conditional order of a person's, or of another program's, that closes a position against a loss."""

    order_id: str  # the exchange's
    trigger_price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What a position held that belonged to no trade, as it was read when a person asked to have it watched."""

    held_quantity: Decimal
    average_price: Decimal  # of the position's entries, with what the trades there hold taken out
    position_stop: Decimal | None = None  # the position's own stop then: the backstop takes its place
    outside_stops: tuple[OutsideStop, ...] = ()  # removed once ours stand

    @property
    def cost_usdt(self) -> Decimal:
        return self.held_quantity * self.average_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The cancel of an outside stop, from its request on."""

    order_id: str
    effect_key: str
    settled: bool = False  # it has its outcome, whatever that was
