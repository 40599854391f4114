"""Facts of an account's position book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.messages import codec
from actors.model.position import PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionBooked:
    """An execution without our id (or a sibling's excess) was shared out; the shares left as effects of this fact.

    One execution that turns a one-way position round is booked twice, once for each side.
    """

    execution_id: str
    symbol: str
    position_side: PositionSide
    foreign_change: Decimal  # what the foreign slice gained (or, negative, lost) by it
    executed_at: datetime
    shares: tuple[tuple[str, Decimal], ...] = ()  # (trade id, quantity it lost); empty for funding


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCounted:
    """Readings agree that this much of the position belongs to no trade. Executions from before are in the count."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopPlaced:
    """The backstop of this side is to be here from now on; None: no trade needs one any more."""

    symbol: str
    position_side: PositionSide
    stop_price: Decimal | None
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAgain:
    """The book's own reminder to look at a side again."""

    symbol: str


codec.register(ExecutionBooked, ForeignCounted, BackstopPlaced)
