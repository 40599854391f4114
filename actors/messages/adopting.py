"""Adoption: the wish, the plan that answers it, and the facts it adds to a trade's journal.

Enters: values. Stays out: what is done about them (rules.adoption, rules.adopted_stops).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.model.position import PositionSide
from actors.model.trade_plan import PlannedRung, SizedPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptPosition:
    """Watch what belongs to no trade on one side of a position. Asked of the desk.

    Answered with TradeAccepted once it is recorded (with `preview`, with AdoptionShown), or refused with all that is
    wrong. The same command again finds the trade it began.
    """

    command_id: str
    account: str
    symbol: str
    position_side: PositionSide | None  # None: the one there is
    stop_price: Decimal
    rungs: tuple[PlannedRung, ...]  # nearest first; none: it is left by the stop, or by the person
    by: str  # who asked: "chat:17", "cli"
    chat_id: int | None = None
    preview: bool = False  # only say what would become of it
    seen_quantity: Decimal | None = None  # what the preview showed: where it is another by now, ask again. None: any


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionShown:
    """What an adoption comes to; nothing was done."""

    sized: SizedPlan


# --- facts of a trade's journal ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionStands:
    """An adopted position has our own stop and our backstop at the exchange: outside stops may go now."""

    backstop_price: Decimal
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideStopRemovalRequested:
    """An outside stop is to be cancelled."""

    effect_key: str
    order_id: str
    requested_at: datetime
