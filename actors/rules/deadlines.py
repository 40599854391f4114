"""What time and touched prices end: a trade whose time is over, entries that nothing has filled.

Enters: a folded trade, a price seen, the time. Stays out: cancelling (rules.next_orders), timers (a wait is a figure).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from actors.messages.exit_facts import EntriesExpired
from actors.messages.trading import ExitReason, ExitStarted
from actors.model.trade import Role, Trade
from actors.rules.held import entries_live
from actors.rules.net_exit import beyond
from actors.rules.price_seen import SeenPrice


def expiry_due(trade: Trade, seen: SeenPrice | None, now: datetime) -> EntriesExpired | None:
    """Expire entries: their time is over; or, before the first fill, the first target or the stop was touched."""
    if trade.entries_expired or not _may_expire(trade):
        return None
    left = expiry_left(trade, now)
    if left is not None and left <= 0:
        return EntriesExpired(reason="time", price=None, expired_at=now)
    if not waits_for_touch(trade) or seen is None or not seen.fresh:
        return None
    prices = enumerate(trade.rung_prices, start=1)
    first = next((price for place, price in prices if place not in trade.taken_targets), None)
    if first is not None and beyond(trade.side, seen.price, first):
        return EntriesExpired(reason="target", price=seen.price, expired_at=now)
    if beyond(trade.side.opposite, seen.price, trade.stop_price):
        return EntriesExpired(reason="stop", price=seen.price, expired_at=now)
    return None


def waits_for_touch(trade: Trade) -> bool:
    """Tell whether a touched price would end the entries: asked for, and nothing has filled."""
    asked = trade.plan.exits.entries_expire_on_touch and not trade.entries_expired
    return asked and not trade.entered_quantity and _may_expire(trade)


def expiry_left(trade: Trade, now: datetime) -> float | None:
    """Give the seconds until unfilled entries expire; None: never, or there are none any more."""
    after = trade.plan.exits.entries_expire_after_seconds
    if after is None or trade.entries_expired or not _may_expire(trade):
        return None
    return (trade.opened_at + timedelta(seconds=after) - now).total_seconds()


def _may_expire(trade: Trade) -> bool:
    return entries_live(trade) or not trade.of(Role.ENTRY)


def time_exit_due(trade: Trade, now: datetime) -> ExitStarted | None:
    """Leave once the time since the first fill is over."""
    left = time_left(trade, now)
    if left is None or left > 0:
        return None
    return ExitStarted(reason=ExitReason.TIME, by="rule", started_at=now)


def time_left(trade: Trade, now: datetime) -> float | None:
    """Give the seconds until the trade is left; None: never, or nothing is held."""
    after = trade.plan.exits.leave_after_seconds
    if after is None or trade.first_fill_at is None or not trade.open_quantity or trade.halted:
        return None
    return (trade.first_fill_at + timedelta(seconds=after) - now).total_seconds()
