"""Positions: a side, and what the exchange says is held there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from actors.model.order import OrderSide


class PositionSide(StrEnum):
    LONG = "long"
    SHORT = "short"

    @property
    def entry_side(self) -> OrderSide:
        return OrderSide.BUY if self is PositionSide.LONG else OrderSide.SELL

    @property
    def exit_side(self) -> OrderSide:
        return self.entry_side.opposite

    @property
    def opposite(self) -> PositionSide:
        return PositionSide.SHORT if self is PositionSide.LONG else PositionSide.LONG

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short: profit is sign times the price's move."""
        return 1 if self is PositionSide.LONG else -1


class PositionMode(StrEnum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"

    def index_for(self, side: PositionSide) -> int:
        """Give the exchange's position index: 0 one-way, 1 hedge long, 2 hedge short."""
        if self is PositionMode.ONE_WAY:
            return 0
        return 1 if side is PositionSide.LONG else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPosition:
    """One row of the exchange's position list. `side` is None when flat."""

    symbol: str
    side: PositionSide | None
    size: Decimal  # base units, never negative
    average_price: Decimal | None
    leverage: Decimal | None
    position_index: int
    stop_price: Decimal | None  # the position-level stop, None when there is none
    liquidation_price: Decimal | None
    mark_price: Decimal | None = None
    sequence: int | None = None  # the exchange's, rising per symbol
    updated_at: datetime | None = None
