"""Reconcile pace: how soon an account is read again, by how its stream does and how near a trigger is.

Enters: triggers, prices. Stays out: timers, who asks. Distances are fractions of the price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from actors.messages.accounts import TriggerNear


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceTerms:
    """Seconds between two readings, and what counts as near."""

    steady_seconds: float = 60.0  # the stream is up: readings only confirm it
    stale_near_seconds: float = 2.0  # the stream is down: readings are all there is
    stale_middle_seconds: float = 5.0
    stale_far_seconds: float = 12.0
    near: Decimal = Decimal("0.003")  # up to here "near"
    middle: Decimal = Decimal("0.01")


DEFAULT_PACE = PaceTerms()


def seconds_to_next_reading(
    *,
    stream_up: bool,
    triggers: Iterable[TriggerNear],
    prices: Mapping[str, Decimal],
    terms: PaceTerms = DEFAULT_PACE,
) -> float:
    """Give the pause before the next reading.

    Args:
        stream_up: whether the account's own reports are arriving.
        triggers: one for each trade with something open or pending.
        prices: by symbol; a symbol whose price is not known is missing, and then its triggers count as near.
        terms: the pace.

    """
    if stream_up:
        return terms.steady_seconds
    nearest = min((_distance(trigger, prices.get(trigger.symbol)) for trigger in triggers), default=None)
    if nearest is None or nearest > terms.middle:
        return terms.stale_far_seconds
    return terms.stale_near_seconds if nearest <= terms.near else terms.stale_middle_seconds


def _distance(trigger: TriggerNear, price: Decimal | None) -> Decimal:
    """Give the way from the price to the nearer of a trade's triggers; 0 where it is not known."""
    if price is None or price <= 0:
        return Decimal(0)
    prices = (trigger.stop_price, trigger.target_price, trigger.entry_price)
    levels = [level for level in prices if level is not None]
    return min((abs(price - level) / price for level in levels), default=Decimal("Infinity"))
