"""Protections: closed trades that shut out new entries for a while, as freqtrade's users know them.

*Stop-loss guard*: n losing stops within a window lock new entries. *Drawdown*: what closed trades lost from the peak of
the account's equity within a window locks them. A lock begins with the close that filled the measure and holds for a
set time; only a later close can set the next one. After a release by hand, what was closed before it counts no more.

Enters: past trades, the locks so far, terms and the time. Stays out: keeping and telling locks, refusing orders.
Source: freqtrade, docs/includes/protections.md (StoplossGuard, MaxDrawdown).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from actors.model.guarding import EVERY_SYMBOL, GuardTerms, Lock, LockKind
from actors.model.money import ZERO
from actors.rules.ages import span
from actors.rules.guard_history import PastTrade, Result
from actors.rules.wording import percent, usdt

Closed = tuple[PastTrade, Result]


def due_locks(
    trades: Sequence[PastTrade], locks: Sequence[Lock], terms: GuardTerms, *, now: datetime
) -> tuple[Lock, ...]:
    """Give the locks that should hold by now and were never set; their ids go on from the last."""
    closed = sorted(
        ((trade, trade.result) for trade in trades if trade.result is not None), key=lambda each: each[1].closed_at
    )
    found: list[Lock] = []
    for account in sorted({trade.account for trade, _ in closed}):
        theirs = [each for each in closed if each[0].account == account]
        found += (lock for lock in _of_account(theirs, locks, terms, account) if lock.holds(now))
    # set_at is when it is noticed; until counts from the close.
    return tuple(
        replace(lock, lock_id=f"L{number}", set_at=now) for number, lock in enumerate(found, start=1 + len(locks))
    )


def _of_account(closed: Sequence[Closed], locks: Sequence[Lock], terms: GuardTerms, account: str) -> Iterator[Lock]:
    if terms.stop_guard_stops:
        symbols = sorted({trade.symbol for trade, _ in closed}) if terms.stop_guard_by_symbol else [EVERY_SYMBOL]
        for symbol in symbols:
            of_symbol = [each for each in closed if symbol in {EVERY_SYMBOL, each[0].symbol}]
            yield from _stop_lock(of_symbol, _of(locks, LockKind.STOPS, account, symbol), terms, account, symbol)
    if terms.drawdown_lock:
        yield from _drawdown_lock(closed, _of(locks, LockKind.DRAWDOWN, account, EVERY_SYMBOL), terms, account)


def _of(locks: Iterable[Lock], kind: LockKind, account: str, symbol: str) -> list[Lock]:
    return [lock for lock in locks if (lock.kind, lock.account, lock.symbol) == (kind, account, symbol)]


def _in_window(closed: Iterable[Closed], before: Sequence[Lock], seconds: float) -> list[Closed]:
    """Give what counts: within the window before the newest close, after the last release by hand."""
    all_closed = list(closed)
    if not all_closed:
        return []
    begin = all_closed[-1][1].closed_at - timedelta(seconds=seconds)
    released = [lock.released_at for lock in before if lock.released_at is not None]
    return [
        each
        for each in all_closed
        if each[1].closed_at >= begin and all(each[1].closed_at > instant for instant in released)
    ]


def _stop_lock(
    closed: Sequence[Closed], before: Sequence[Lock], terms: GuardTerms, account: str, symbol: str
) -> Iterator[Lock]:
    stops = [each for each in closed if each[1].stopped and each[1].pnl_usdt < 0]
    counted = _in_window(stops, before, terms.stop_guard_window_seconds)
    if len(counted) < terms.stop_guard_stops or not _news(counted, before):
        return
    where = account if symbol == EVERY_SYMBOL else f"{symbol} on {account}"
    yield _lock(
        (LockKind.STOPS, account, symbol),
        f"{len(counted)} losing stops on {where} within {span(terms.stop_guard_window_seconds)} "
        f"(limit {terms.stop_guard_stops})",
        counted[-1][1].closed_at,
        terms.stop_guard_lock_seconds,
    )


def _drawdown_lock(closed: Sequence[Closed], before: Sequence[Lock], terms: GuardTerms, account: str) -> Iterator[Lock]:
    counted = _in_window(closed, before, terms.drawdown_window_seconds)
    if len(counted) < max(1, terms.drawdown_least_trades) or not _news(counted, before):
        return
    peak, trough = worst_fall(counted, closed)
    if peak <= 0 or (peak - trough) / peak <= terms.drawdown_lock:
        return
    yield _lock(
        (LockKind.DRAWDOWN, account, EVERY_SYMBOL),
        f"{account} fell {percent((peak - trough) / peak)} from {usdt(peak)} to {usdt(trough)} within "
        f"{span(terms.drawdown_window_seconds)} (limit {percent(terms.drawdown_lock)})",
        counted[-1][1].closed_at,
        terms.drawdown_lock_seconds,
    )


def worst_fall(counted: Sequence[Closed], closed: Sequence[Closed]) -> tuple[Decimal, Decimal]:
    """Give peak and trough (USDT) of the deepest fall, by share of its peak, that the counted results make.

    The curve starts from the equity at the newest opening that knows it, less what was closed in the window before it.
    Peak and trough are 0 when no equity is known.
    """
    knowing = [trade for trade, _ in closed if trade.equity_usdt > 0]
    if not knowing:
        return ZERO, ZERO
    newest = max(knowing, key=lambda trade: trade.opened_at)
    made_before = (result.pnl_usdt for _, result in counted if result.closed_at <= newest.opened_at)
    value = newest.equity_usdt - sum(made_before, ZERO)
    peak, worst = value, (value, value)
    for _, result in counted:
        value += result.pnl_usdt
        peak = max(peak, value)
        if peak > 0 and (peak - value) * worst[0] > (worst[0] - worst[1]) * peak:
            worst = (peak, value)
    return worst


def _news(counted: Sequence[Closed], before: Sequence[Lock]) -> bool:
    """Tell whether something was closed that no lock of this kind rests on yet."""
    return all(counted[-1][1].closed_at > lock.newest_close for lock in before)


def _lock(what: tuple[LockKind, str, str], reason: str, closed_at: datetime, seconds: float) -> Lock:
    return Lock(
        lock_id="",
        kind=what[0],
        account=what[1],
        symbol=what[2],
        reason=reason,
        set_at=closed_at,
        until=closed_at + timedelta(seconds=seconds),
        newest_close=closed_at,
    )
