"""The guards: what one order of a person's must pass, in order, before anything of it is fanned out or sent.

    safety, run_lock, allow_list | validation | cooldown, idempotency, open_trades, capital, rapid_creation,
    correlated_exposure, daily_loss, margin, locks

The first group is asked before the account is read, the last with its reading; validation lies between them
(rules.opening). Each guard gives a verdict with its numbers; the first that blocks is the answer, a sentence with what
to do. A guard that is turned off gives none.

Enters: an order, the past, terms, the time. Stays out: reading any of it, refusing, logging.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any, TypeAlias

from actors.messages.orders import PlaceOrder
from actors.model.account import Balance
from actors.model.guarding import EVERY_SYMBOL, GuardTerms, Lock, Safety, SafetyState
from actors.model.money import ZERO, plain
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules.ages import span
from actors.rules.base_currency import base_currency
from actors.rules.guard_history import PastTrade
from actors.rules.wording import percent, usdt

SETTLING_SECONDS = 10.0  # so long after its commit an order may not be in the balance yet
Figures: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard says."""

    guard: str  # as the log names it
    figures: Figures
    text: str = ""  # why it blocks, and what to do; empty: passed

    @property
    def blocks(self) -> bool:
        return bool(self.text)


def signal_key(plan: TradePlan, asked_at: datetime) -> str:
    """Name an order by what it wants and the minute it was asked in; one of them is carried out once."""
    return f"{plan.symbol}:{plan.position_side.value}:{int(asked_at.timestamp()) // 60}"


def waiting_entries(requests: Iterable[Any]) -> dict[str, Decimal]:
    """Give by trade id how much (base units) of its entries is asked for and not answered yet."""
    waiting: dict[str, Decimal] = {}
    for request in requests:
        if isinstance(request, PlaceOrder) and not request.order.reduce_only:
            waiting[request.trade_id] = waiting.get(request.trade_id, ZERO) + request.order.quantity
    return waiting


# --- at the door ---------------------------------------------------------------------------------------------------
def at_the_door(plan: TradePlan, safety: Safety, terms: GuardTerms, *, lost_lock: str | None) -> Iterator[Verdict]:
    """Give the verdicts that need no reading of the account.

    Args:
        plan: as asked.
        safety: as it is set.
        terms: the limits.
        lost_lock: why this run may not trade; None: it holds the run lock.

    """
    yield _safety(safety)
    yield Verdict("run_lock", {"held": lost_lock is None}, "" if lost_lock is None else _lock_lost(lost_lock))
    if terms.allowed_symbols:
        yield _allow_list(plan, terms)


def _safety(safety: Safety) -> Verdict:
    figures: Figures = {"state": safety.state.value}
    if safety.state is SafetyState.ACTIVE:
        return Verdict("safety", figures)
    figures |= {"by": safety.by, "why": safety.why}
    text = (
        f"the safety state is {safety.state.value}{_set_by(safety)}, and nothing new is opened: "
        "when it may go on, write /safety active REASON"
    )
    return Verdict("safety", figures, text)


def _set_by(safety: Safety) -> str:
    when = "" if safety.since is None else f" since {safety.since:%d %b %H:%M} UTC"
    return f"{when} (by {safety.by}: {safety.why})"


def _lock_lost(why: str) -> str:
    return f"this run does not hold the run lock ({why}), another may trade: look at main.py status, then ask again"


def _allow_list(plan: TradePlan, terms: GuardTerms) -> Verdict:
    figures: Figures = {"symbol": plan.symbol, "allowed": len(terms.allowed_symbols)}
    if plan.symbol in terms.allowed_symbols:
        return Verdict("allow_list", figures)
    names = ", ".join(sorted(terms.allowed_symbols))
    text = f"{plan.symbol} is not among the symbols allowed here: write one of {names}, or add it to ALLOWED_SYMBOLS"
    return Verdict("allow_list", figures, text)


# --- with the account read ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of a person's that passed validation."""

    sized: SizedPlan
    name: str  # who asked and the command's id; its own trades do not count against it
    signal_key: str
    balance: Balance
    unsettled: Mapping[str, Decimal] = field(default_factory=dict)  # by trade id: entries without an answer, base units
    slices: int = 1  # trades that it opens on its account

    @property
    def plan(self) -> TradePlan:
        return self.sized.plan


def with_the_account(
    order: Order, past: Sequence[PastTrade], locks: Sequence[Lock], terms: GuardTerms, *, now: datetime
) -> Iterator[Verdict]:
    """Give the verdicts on an order whose size is known.

    Args:
        order: what is asked.
        past: every open trade, and the others of the terms' longest look-back; openings under way among them.
        locks: those that hold.
        terms: the limits.
        now: aware UTC.

    """
    others = [trade for trade in past if trade.order != order.name]
    there = [trade for trade in others if trade.account == order.plan.account]
    ordered = [trade for trade in others if not trade.adopted]  # what was taken over was no order
    in_flight = in_flight_margin(there, order)
    if terms.cooldown_seconds:
        yield _cooldown(order, ordered, terms, now)
    if terms.idempotency_seconds:
        yield _idempotency(order, others, terms, now)
    if terms.most_open_trades:
        yield _open_trades(order, there, terms)
    if terms.most_capital_in_use:
        yield _capital(order, in_flight, terms)
    if terms.rapid_orders:
        yield _rapid_creation(ordered, terms, now)
    if terms.most_correlated_exposure:
        yield _correlated(order, there, terms)
    if terms.daily_loss_limit_usdt:
        yield _daily_loss(order, there, terms, now)
    yield _margin(order, in_flight)
    yield from _locks(order, locks, now)


def _left(since: datetime, seconds: float, now: datetime) -> int:
    """Whole seconds left of a while; a clock that was set back makes it no longer than it is."""
    age = max(0.0, (now - since).total_seconds())
    return max(0, ceil(seconds - age))


def _cooldown(order: Order, others: Sequence[PastTrade], terms: GuardTerms, now: datetime) -> Verdict:
    base = base_currency(order.plan.symbol)
    newest = max((trade for trade in others if trade.base == base), key=lambda trade: trade.opened_at, default=None)
    left = 0 if newest is None else _left(newest.opened_at, terms.cooldown_seconds, now)
    figures: Figures = {"base": base, "seconds_remaining": left}
    if newest is None or not left:
        return Verdict("cooldown", figures)
    text = (
        f"{newest.symbol} was opened {span((now - newest.opened_at).total_seconds())} ago, and {base} rests for "
        f"{span(terms.cooldown_seconds)} after an order: wait {left} s and ask again (COOLDOWN_SECONDS)"
    )
    return Verdict("cooldown", figures, text)


def _idempotency(order: Order, others: Sequence[PastTrade], terms: GuardTerms, now: datetime) -> Verdict:
    same = [
        trade
        for trade in others
        if trade.signal_key == order.signal_key and _left(trade.opened_at, terms.idempotency_seconds, now)
    ]
    figures: Figures = {"signal_key": order.signal_key}
    if not same:
        return Verdict("idempotency", figures)
    text = (
        f"the same order ({order.signal_key}: symbol, side and minute) was carried out as trade {same[-1].trade_id}: "
        "look at /status; if another one is meant, ask again in the next minute"
    )
    return Verdict("idempotency", figures, text)


def _open_trades(order: Order, there: Sequence[PastTrade], terms: GuardTerms) -> Verdict:
    count = sum(trade.result is None for trade in there)
    figures: Figures = {"open_trades": count, "limit": terms.most_open_trades}
    if count + order.slices <= terms.most_open_trades:
        return Verdict("open_trades", figures)
    text = (
        f"{count} trades are open on {order.plan.account}{_and_more(order)}, and {terms.most_open_trades} are the "
        "most: "
        "close one with /close, or raise MAX_OPEN_TRADES"
    )
    return Verdict("open_trades", figures, text)


def _and_more(order: Order) -> str:
    return "" if order.slices == 1 else f" and this order opens {order.slices}"


def in_flight_margin(there: Sequence[PastTrade], order: Order) -> Decimal:
    """Give the margin (USDT) of other orders that the balance may not show yet.

    Of a trade committed moments before the balance was read, all of it; of an older one, the entries whose requests
    have no answer yet. Rather too much than too little: it is asked again in seconds.
    """
    fresh = order.balance.read_at - timedelta(seconds=SETTLING_SECONDS)
    total = ZERO
    for trade in there:
        if trade.result is None:
            waiting = min(order.unsettled.get(trade.trade_id, ZERO), trade.quantity)
            total += trade.margin_usdt if trade.opened_at >= fresh else trade.margin_usdt * waiting / trade.quantity
    return total


def _capital(order: Order, in_flight: Decimal, terms: GuardTerms) -> Verdict:
    balance, margin = order.balance, order.sized.margin_usdt
    in_use = max(ZERO, balance.equity_usdt - balance.available_usdt) + in_flight
    most = terms.most_capital_in_use * balance.equity_usdt
    share = (in_use + margin) / balance.equity_usdt if balance.equity_usdt > 0 else Decimal(1)
    figures: Figures = {
        "in_use_usdt": f"{in_use:.2f}",
        "margin_usdt": f"{margin:.2f}",
        "equity_usdt": f"{balance.equity_usdt:.2f}",
        "share": f"{share:.4f}",
        "limit": str(terms.most_capital_in_use),
    }
    if in_use + margin <= most:
        return Verdict("capital", figures)
    left = max(ZERO, most - in_use)
    text = (
        f"with {usdt(margin)} of margin, {percent(share)} of the equity on {order.plan.account} would be in use, and "
        f"{percent(terms.most_capital_in_use)} is the most (MAX_CAPITAL_IN_USE): "
        + (f"write a margin of {usdt(left)} or less" if left > 0 else "close a trade first")
    )
    return Verdict("capital", figures, text)


def _rapid_creation(others: Sequence[PastTrade], terms: GuardTerms, now: datetime) -> Verdict:
    first: dict[str, datetime] = {}
    for trade in others:
        if _left(trade.opened_at, terms.rapid_seconds, now):
            first.setdefault(trade.order, trade.opened_at)
    figures: Figures = {
        "orders": len(first),
        "limit": terms.rapid_orders,
        "window_seconds": round(terms.rapid_seconds),
    }
    if len(first) < terms.rapid_orders:
        return Verdict("rapid_creation", figures)
    # There is room once the limit's oldest of the newest has left the window.
    oldest = sorted(first.values())[-terms.rapid_orders]
    text = (
        f"{len(first)} orders were opened within {span(terms.rapid_seconds)}, and {terms.rapid_orders} are the most: "
        f"wait {_left(oldest, terms.rapid_seconds, now)} s and ask again (RAPID_CREATION_ORDERS)"
    )
    return Verdict("rapid_creation", figures, text)


def _correlated(order: Order, there: Sequence[PastTrade], terms: GuardTerms) -> Verdict:
    group = _group(base_currency(order.plan.symbol), terms)
    same_side = (trade for trade in there if trade.result is None and trade.side is order.plan.position_side)
    exposed = sum((trade.notional_usdt for trade in same_side if group is None or trade.base in group), ZERO)
    asked, equity = exposed + order.sized.notional_usdt, order.balance.equity_usdt
    most = terms.most_correlated_exposure * equity
    name = "every symbol" if group is None else "/".join(sorted(group))
    figures: Figures = {
        "group": name,
        "exposure_usdt": f"{asked:.2f}",
        "limit_usdt": f"{most:.2f}",
        "side": order.plan.position_side.value,
    }
    if asked <= most:
        return Verdict("correlated_exposure", figures)
    left = max(ZERO, most - exposed)
    text = (
        f"{order.plan.position_side.value} on {name} would come to {usdt(asked)}, and {usdt(most)} "
        f"({plain(terms.most_correlated_exposure)} times the equity) is the most: "
        + (f"write a size worth {usdt(left)} or less" if left > 0 else "close a trade of that side first")
        + " (MAX_CORRELATED_EXPOSURE)"
    )
    return Verdict("correlated_exposure", figures, text)


def _group(base: str, terms: GuardTerms) -> frozenset[str] | None:
    """Give the coins that move with this one; None: all do. A coin in no group moves alone."""
    if not terms.correlated_groups:
        return None
    return next((group for group in terms.correlated_groups if base in group), frozenset({base}))


def _daily_loss(order: Order, there: Sequence[PastTrade], terms: GuardTerms, now: datetime) -> Verdict:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = sum(
        (trade.result.pnl_usdt for trade in there if trade.result is not None and trade.result.closed_at >= midnight),
        ZERO,
    )
    figures: Figures = {"realised_usdt": f"{made:.2f}", "limit_usdt": f"{terms.daily_loss_limit_usdt:.2f}"}
    if made > -terms.daily_loss_limit_usdt:
        return Verdict("daily_loss", figures)
    text = (
        f"{usdt(-made)} were lost on {order.plan.account} today, and {usdt(terms.daily_loss_limit_usdt)} is the limit: "
        "nothing is opened before midnight UTC, unless DAILY_LOSS_LIMIT_USDT is raised"
    )
    return Verdict("daily_loss", figures, text)


def _margin(order: Order, in_flight: Decimal) -> Verdict:
    free = order.balance.available_usdt - in_flight
    needed = order.sized.margin_usdt
    figures: Figures = {
        "needed_usdt": f"{needed:.2f}",
        "free_usdt": f"{free:.2f}",
        "in_flight_usdt": f"{in_flight:.2f}",
    }
    if needed <= free:
        return Verdict("margin", figures)
    text = (
        f"{usdt(needed)} of margin are needed, and {usdt(max(ZERO, free))} are free on {order.plan.account} once the "
        f"{usdt(in_flight)} of orders on their way are counted: write a smaller margin, or ask again in a moment"
    )
    return Verdict("margin", figures, text)


def _locks(order: Order, locks: Sequence[Lock], now: datetime) -> Iterator[Verdict]:
    meant = [
        lock
        for lock in locks
        if lock.account == order.plan.account and lock.symbol in {EVERY_SYMBOL, order.plan.symbol}
    ]
    for lock in meant:
        left = _left(now, (lock.until - now).total_seconds(), now)
        text = (
            f"new entries are locked for another {span(left)} ({lock.lock_id}: {lock.reason}): wait, or release it "
            f"with /locks release {lock.lock_id}"
        )
        figures: Figures = {"lock": lock.lock_id, "kind": lock.kind.value, "seconds_remaining": left}
        yield Verdict("locks", figures, text)
    if not meant:
        yield Verdict("locks", {"holding": 0})
