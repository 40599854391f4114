"""Facts that exit rules and a person's changes add to a trade's journal: what a restarted monitor has to know again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actors.model.outside import OutsideQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPriceMoved:
    """Where the only rung of a net-target trade belongs from now on."""

    target_price: Decimal
    entered_quantity: Decimal  # base units it was worked out for
    lines: tuple[str, ...]  # the sum, in the person's words
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorArmed:
    """The trade, left now, would net more than its floor: it is left when it would net no more than that again."""

    price: Decimal  # seen
    net_usdt: Decimal  # at that price, both fees inside
    armed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesExpired:
    """Entries that have not filled are cancelled and not placed again."""

    reason: str  # "time", "target", "stop": what was reached before the first fill
    price: Decimal | None  # seen; None for "time"
    expired_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLooseningAsked:
    """A person wants the stop farther out. It stays where it is until the backstop reaches beyond the new price."""

    stop_price: Decimal
    lines: tuple[str, ...]  # what it means, as the person has seen it
    by: str
    command_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSet:
    """Where a person wants a target from now on; without a price it is taken away, never to come back."""

    place: int  # 1 is the nearest
    price: Decimal | None
    before: Decimal
    by: str
    command_id: str
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideChangeAsked:
    """Somebody changed an order of this trade at the exchange itself, and a person is asked what becomes of that."""

    question: OutsideQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideChangeAnswered:
    """A question is over and the order goes back to where it belongs. What is kept is StopPriceMoved or TargetSet."""

    subject: str  # "stop", "target 2"
    by: str  # who said so; "nobody": no answer in time
    command_id: str
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWithdrawn:
    """The trade runs without a stop of its own from now on: a person has confirmed it. A stop they set ends that."""

    by: str
    command_id: str
    withdrawn_at: datetime
