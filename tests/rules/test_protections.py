"""Protections: what locks new entries, for how long, and what a release by hand leaves. Figures by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from actors.model.guarding import EVERY_SYMBOL, GuardTerms, Lock, LockKind
from actors.rules.guard_history import PastTrade
from actors.rules.protections import due_locks
from tests.rules.conftest import NOON
from tests.rules.test_guards import past

D = Decimal
STOPS = GuardTerms(stop_guard_stops=3, stop_guard_window_seconds=3600, stop_guard_lock_seconds=1800)
DRAWDOWN = GuardTerms(drawdown_lock=D("0.1"), drawdown_window_seconds=7200, drawdown_lock_seconds=3600)


def stopped(number: int, *, ago: float, symbol: str = "XRPUSDT", pnl: str = "-10") -> PastTrade:
    """A trade that closed at its stop so many seconds ago."""
    return past(str(number), symbol, ago=ago + 1, pnl=pnl)


def due(trades: list[PastTrade], terms: GuardTerms, *locks: Lock, seconds_later: float = 0) -> tuple[Lock, ...]:
    return due_locks(trades, locks, terms, now=NOON + timedelta(seconds=seconds_later))


# --- the stop-loss guard ---------------------------------------------------------------------------------------------
def test_three_losing_stops_within_an_hour_lock_for_half_an_hour_from_the_last() -> None:
    two = [stopped(1, ago=3600), stopped(2, ago=1000)]
    assert due(two, STOPS) == ()
    (lock,) = due([*two, stopped(3, ago=0)], STOPS)
    assert (lock.lock_id, lock.kind, lock.account, lock.symbol) == ("L1", LockKind.STOPS, "main", EVERY_SYMBOL)
    assert lock.until == NOON + timedelta(minutes=30)
    assert lock.reason == "3 losing stops on main within 1 h 0 min (limit 3)"


def test_stops_before_the_window_gains_and_closes_by_a_person_do_not_count() -> None:
    last = stopped(9, ago=0)
    old = stopped(1, ago=3601)
    gain = stopped(2, ago=100, pnl="0.01")
    by_hand = stopped(3, ago=100)
    assert by_hand.result is not None
    by_hand = replace(by_hand, result=replace(by_hand.result, stopped=False))
    on_mirror = replace(stopped(4, ago=100), account="mirror")
    assert due([old, gain, by_hand, on_mirror, stopped(5, ago=200), last], STOPS) == ()


def test_a_lock_that_is_over_does_not_come_back_before_the_next_stop() -> None:
    three = [stopped(number, ago=number) for number in (0, 1, 2)]
    (lock,) = due(three, STOPS)
    assert due(three, STOPS, lock, seconds_later=1) == ()
    assert due(three, STOPS, lock, seconds_later=1801) == ()
    fourth = replace(stopped(4, ago=-1810), trade_id="4")
    (again,) = due([*three, fourth], STOPS, lock, seconds_later=1811)
    assert (again.lock_id, again.reason[:1]) == ("L2", "4")


def test_a_lock_noticed_too_late_to_hold_is_not_set() -> None:
    three = [stopped(number, ago=number) for number in (0, 1, 2)]
    assert due(three, STOPS, seconds_later=1799)
    assert due(three, STOPS, seconds_later=1800) == ()


def test_after_a_release_by_hand_counting_begins_anew() -> None:
    three = [stopped(number, ago=number) for number in (0, 1, 2)]
    (lock,) = due(three, STOPS)
    released = replace(lock, released_at=NOON + timedelta(seconds=5), released_by="cli")
    later = [stopped(number, ago=-number * 10) for number in (4, 5)]
    assert due([*three, *later], STOPS, released, seconds_later=60) == ()
    assert len(due([*three, *later, stopped(6, ago=-60)], STOPS, released, seconds_later=60)) == 1


def test_each_symbol_by_itself_when_asked_for() -> None:
    terms = replace(STOPS, stop_guard_by_symbol=True)
    mixed = [stopped(1, ago=3), stopped(2, ago=2), stopped(3, ago=1, symbol="BTCUSDT")]
    assert due(mixed, terms) == ()
    (lock,) = due([*mixed, stopped(4, ago=0)], terms)
    assert (lock.symbol, lock.reason) == ("XRPUSDT", "3 losing stops on XRPUSDT on main within 1 h 0 min (limit 3)")


# --- drawdown --------------------------------------------------------------------------------------------------------
def test_a_fall_of_more_than_a_tenth_from_the_peak_locks() -> None:
    # Opened with 10,000 each before anything closed: 10,000 -> 10,500 -> 9,450 is 10 % of 10,500; 0.01 more is over.
    gain = past("1", ago=3000, pnl="500")
    just = past("2", ago=2000, pnl="-1050", equity_usdt=D(10_500))
    assert due([gain, just], DRAWDOWN) == ()
    more = past("2", ago=2000, pnl="-1050.01", equity_usdt=D(10_500))
    (lock,) = due([gain, more], DRAWDOWN)
    assert lock.kind is LockKind.DRAWDOWN
    assert lock.reason.startswith("main fell 10.0001% from 10500.00 USDT to 9449.99 USDT within 2 h 0 min")
    assert lock.until == NOON - timedelta(seconds=1999) + timedelta(hours=1)


def test_a_fall_that_was_made_up_for_still_counts_within_its_window() -> None:
    # 10,000 -> 8,800 (12 %) -> 9,800.
    fall = past("1", ago=3000, pnl="-1200")
    rise = past("2", ago=2000, pnl="1000", equity_usdt=D(8_800))
    assert len(due([fall, rise], DRAWDOWN)) == 1


def test_too_few_trades_say_nothing_and_old_ones_do_not_count() -> None:
    fall = past("1", ago=3000, pnl="-2000")
    assert due([fall], replace(DRAWDOWN, drawdown_least_trades=2)) == ()
    old = past("0", ago=20_000, pnl="-2000")
    assert due([old, past("2", ago=2000, pnl="-10", equity_usdt=D(8_000))], DRAWDOWN) == ()


def test_without_a_known_equity_nothing_is_locked() -> None:
    assert due([past("1", ago=3000, pnl="-9000", equity_usdt=D(0))], DRAWDOWN) == ()
