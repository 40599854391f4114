"""Mirroring: how a mirror's trade goes with main's, each by its own fills.

Main's end is a mirror's end: at once where a person closed main, else after a grace in which the mirror's own last
target or stop may fill just as main's did. A person's change of main (stop, breakeven, target) is asked of the mirror's
trade in the same words, and judged there by its own figures. Nothing else of main's life (fills, targets, rules) is
followed.

Enters: folded trades, facts, readings. Stays out: delivery (the outbox, the desk).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from actors.messages.exit_facts import TargetSet
from actors.messages.fanning import FollowMain, MainLeft
from actors.messages.trading import ChangeTrade, ExitReason, ExitStarted, StopPriceMoved, TradeReading
from actors.model.money import ONE, ZERO
from actors.model.trade import Phase, Trade
from actors.model.trade_change import ChangeKind, TradeChange
from actors.rules.wording import percent

_LEAVING = (Phase.CLOSING, Phase.CLOSED)


# --- main's side -------------------------------------------------------------------------------------------------
def to_followers(trade: Trade, facts: Iterable[Any]) -> Iterator[tuple[str, FollowMain]]:
    """Give what followers are to hear of these facts, under keys that never change."""
    for fact in facts if trade.followers else ():
        heard = _heard(trade, fact)
        for follower in trade.followers if heard is not None else ():
            name, what = heard or ("", None)
            if isinstance(what, ChangeTrade):
                what = replace(what, which=follower.trade_id)
            if what is not None:
                key = f"follow/{trade.trade_id}/{name}/{follower.trade_id}"
                yield key, FollowMain(follower=follower, symbol=trade.plan.symbol, what=what)


def _heard(trade: Trade, fact: Any) -> tuple[str, MainLeft | ChangeTrade] | None:
    """Give what a fact of main's means for its followers: that it leaves, or a person's change; None: nothing."""
    match fact:
        case ExitStarted() if fact.reason is not ExitReason.LATE_FILL:
            by_person = fact.reason is ExitReason.PERSON
            return "left", MainLeft(reason=fact.reason.value, by_person=by_person, left_at=fact.started_at)
        case StopPriceMoved() if fact.command_id:
            at_costs = fact.reason == "breakeven"
            kind = ChangeKind.BREAKEVEN if at_costs else ChangeKind.STOP
            change = TradeChange(kind=kind, price=None if at_costs else fact.stop_price)
            return fact.command_id, _change(trade, fact.command_id, change)
        case TargetSet() if fact.command_id:
            kind = ChangeKind.NO_TARGET if fact.price is None else ChangeKind.TARGET
            change = TradeChange(kind=kind, price=fact.price, place=fact.place)
            return fact.command_id, _change(trade, fact.command_id, change)
    return None


def _change(trade: Trade, command_id: str, change: TradeChange) -> ChangeTrade:
    return ChangeTrade(command_id=f"{command_id}/main", which="", change=change, by=trade.label)


# --- the mirror's side ---------------------------------------------------------------------------------------------
def leave_at(trade: Trade, left: MainLeft) -> datetime:
    """Say when a mirror's trade leaves after main's."""
    grace = 0.0 if left.by_person else trade.parameters.orphan_grace_seconds
    return left.left_at + timedelta(seconds=grace)


def mirror_turn(trade: Trade, now: datetime) -> ExitStarted | None:
    """Give what is due on a mirror's trade because of main's; None when nothing is."""
    if trade.phase in _LEAVING:
        return None
    if trade.leave_with_main_at is not None and now >= trade.leave_with_main_at:
        return ExitStarted(reason=ExitReason.MAIN, by="main", started_at=now)
    return None


def mirror_wait(trade: Trade, now: datetime) -> float | None:
    """Give the seconds until a mirror's trade leaves after main's; None when nothing waits."""
    if trade.phase in _LEAVING or trade.leave_with_main_at is None:
        return None
    return max(0.0, (trade.leave_with_main_at - now).total_seconds())


# --- drift ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far a mirror's trade is from main's."""

    filled: Decimal  # of its own plan, a fraction
    main_filled: Decimal
    stop: Decimal | None  # its stop's distance from main's, a fraction of main's; None: one has no stop yet
    unstopped: bool  # something is open and its own stop is not confirmed

    @property
    def worst(self) -> Decimal:
        return max(abs(self.filled - self.main_filled), abs(self.stop or ZERO))

    def words(self) -> str:
        """Write it as one line."""
        filled = f"filled {percent(round(self.filled, 3))} of its plan, main {percent(round(self.main_filled, 3))}"
        stop = "" if self.stop is None else f"; stop {percent(round(abs(self.stop), 5))} from main's"
        return f"{filled}{stop}{'; STOP MISSING' if self.unstopped else ''}"


def drift(mirror: TradeReading, main: TradeReading) -> Drift:
    """Compare a mirror's trade with the one that it goes with.

    Args:
        mirror: its reading.
        main: of main's trade, planned quantity over 0.

    """
    known = mirror.stop_price is not None and main.stop_price is not None and main.stop_price > 0
    return Drift(
        filled=_filled(mirror),
        main_filled=_filled(main),
        stop=mirror.stop_price / main.stop_price - ONE if known and mirror.stop_price and main.stop_price else None,
        unstopped=mirror.open_quantity > 0 and not mirror.stop_at_exchange,
    )


def _filled(reading: TradeReading) -> Decimal:
    return reading.filled_quantity / reading.planned_quantity if reading.planned_quantity else ZERO
