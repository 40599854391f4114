"""Outside questions: what somebody has changed of our orders at the exchange itself, and a person is asked about.

Enters: values. Stays out: who asks, what becomes of it (rules.outside_changes, rules.outside_questions).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class OutsideKind(StrEnum):
    STOP_MOVED = "stop_moved"  # it stays where it is until the answer
    STOP_GONE = "stop_gone"  # it is placed again at once: a stop stays until the answer
    TARGET_MOVED = "target_moved"  # likewise as the moved stop
    TARGET_GONE = "target_gone"  # it stays away until the answer, the others as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideQuestion:
    kind: OutsideKind
    place: int | None  # of a target
    price: Decimal | None  # where it was moved; None: it is gone
    before: Decimal  # where it belongs, and goes back to without an answer
    asked_at: datetime
    expires_at: datetime

    @property
    def subject(self) -> str:
        """Name what it is about: one question is open about one order."""
        return "stop" if self.place is None else f"target {self.place}"
