"""I18: what time ends is ended in time, and not before: entries that expire, trades that are left after a while.

Counted from when the opening became durable, and from the first fill at the exchange. Exempt: worlds whose clocks were
meddled with (a deadline is an instant of the host's clock, which may be wrong then); a time exit while the safety state
is halted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from actors.messages.exit_facts import EntriesExpired
from actors.messages.trading import ExitReason, ExitStarted
from actors.model.trade import Phase, Trade
from adapters.assembly.simulation.invariants.held import ENTRY, Held
from adapters.assembly.simulation.invariants.price_record import PriceRecord
from adapters.assembly.simulation.invariants.violation import Violated

EARLY_SECONDS = 1.0  # a commit takes a while to be durable
SEEN_SECONDS = 40.0


def check_fact(before: Trade, held: Held, fact: Any, prices: PriceRecord, now: float) -> None:
    """I18: nothing ends before its time, nor at a price that was not there."""
    exits = before.plan.exits
    if isinstance(fact, EntriesExpired) and fact.reason == "time":
        after = exits.entries_expire_after_seconds
        if after is None or (not held.timeless and now < held.opened_at + after - EARLY_SECONDS):
            raise Violated("I18", before.trade_id, f"its entries expire {now - held.opened_at:.1f} s after its opening")
    elif isinstance(fact, EntriesExpired):
        _check_touch(before, fact, prices.since(before.plan.symbol, now - SEEN_SECONDS))
    elif isinstance(fact, ExitStarted) and fact.reason is ExitReason.TIME:
        after, filled = exits.leave_after_seconds, held.filled_at
        if before.halted:
            raise Violated("I19", before.trade_id, "it leaves for its time while the safety state is halted")
        if after is None or (not held.timeless and (filled is None or now < filled + after - EARLY_SECONDS)):
            raise Violated("I18", before.trade_id, f"it is left for its time at {now:.1f}, filled at {filled}")


def _check_touch(before: Trade, fact: EntriesExpired, known: list[Any]) -> None:
    aimed = before.rung_prices[0] if fact.reason == "target" else before.stop_price
    sign = before.side.sign if fact.reason == "target" else -before.side.sign
    price = fact.price
    if price is None or price not in known or (price - aimed) * sign < 0 or before.entered_quantity:
        text = f"its entries expire as {price} touched its {fact.reason} at {aimed}; {before.entered_quantity} entered"
        raise Violated("I18", before.trade_id, text)


def lingers(held: Held, now: float, *, shut: bool) -> bool:
    """Whether an entry is at the exchange that has expired, or that the safety state has withdrawn."""
    trade, after = held.trade, held.trade.plan.exits.entries_expire_after_seconds
    late = after is not None and not held.timeless and now >= held.opened_at + after
    if not (late or shut or trade.entries_expired):
        return False
    return any(order.is_open and order.leaves for order in held.of(ENTRY))


def touched(held: Held, price: Decimal | None) -> bool:
    """Whether the first target or the stop is passed, and entries that were to end with that have not."""
    trade = held.trade
    waits = trade.plan.exits.entries_expire_on_touch and not trade.entries_expired and not held.entered
    if price is None or not waits or trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return False
    sign = trade.side.sign
    passed = (price - trade.rung_prices[0]) * sign >= 0 or (price - trade.stop_price) * sign <= 0
    return passed and any(order.is_open for order in held.of(ENTRY))


def stays(held: Held, now: float) -> bool:
    """Whether a trade is held beyond its time."""
    trade, after = held.trade, held.trade.plan.exits.leave_after_seconds
    if after is None or held.filled_at is None or held.timeless or trade.halted:
        return False
    over = trade.phase in {Phase.CLOSING, Phase.CLOSED}
    return now >= held.filled_at + after and not over and held.open_quantity >= trade.instrument.min_quantity
