"""What a person may change of an open trade, as asked for: one change at a time.

Enters: a kind, a price, a target's place. Stays out: whether it may be (rules.trade_change), orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class ChangeKind(StrEnum):
    STOP = "stop"  # to `price`
    BREAKEVEN = "breakeven"  # the stop to where the costs are paid
    TARGET = "target"  # target `place` to `price`
    NO_TARGET = "no_target"  # target `place` is taken away; the others share what it was for
    NO_STOP = "no_stop"  # the trade runs without a stop of its own
    KEEP = "keep"  # what somebody has changed at the exchange stays; `price` and `place` once it was shown
    RESTORE = "restore"  # it goes back


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeChange:
    kind: ChangeKind
    price: Decimal | None = None  # quote per base, as written
    place: int | None = None  # of a target, 1 is the nearest
