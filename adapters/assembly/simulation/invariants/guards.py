"""I19: what the desk's guards must keep out is not there: safety state, cooldown, used orders, limits, locks, dry run.

Judged when an opening becomes durable, from the openings and closings that were durable before it, so it holds across
any crash. Exempt: an order's other trades, whose guards were asked with the first (but for the safety state); what a
lost memory has forgotten; openings whose guards had passed when a lock came (60 s); the times between orders where
clocks were meddled with; the capital in use while the account changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages.guarding import LockReleased, LockSet, SafetyChanged
from actors.messages.trading import ExitReason, TradeOpened
from actors.model.guarding import EVERY_SYMBOL, GuardTerms, Lock, SafetyState
from actors.model.trade import Phase
from adapters.assembly.simulation.invariants.held import ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account
from adapters.simulated.venue import Venue

ON_ITS_WAY_SECONDS = 60.0  # an order that has passed the guards may be as long on its way to its commit
ROUNDED = Decimal("0.0001")
_STOPS = frozenset({ExitReason.STOP_LOSS, ExitReason.BACKSTOP, ExitReason.TRIGGER_PASSED})


class Guards:
    """The safety state and the locks, as they are durable."""

    def __init__(self, terms: GuardTerms) -> None:
        self._terms = terms
        self.state = SafetyState.ACTIVE
        self._locks: dict[str, Lock] = {}
        self._released: dict[str, datetime] = {}
        self._facts: list[Any] = []

    @property
    def shut(self) -> bool:
        return self.state is not SafetyState.ACTIVE

    def begins(self, facts: Sequence[Any], *, forgot: bool) -> None:
        """A run begins. What it reads of the guards is what was durable; where its memory was lost, that counts."""
        if not forgot and list(facts) != self._facts:
            raise Violated("I15", "guards", f"{len(self._facts)} facts of the guards were durable, {len(facts)} are")
        if forgot:
            self.state = SafetyState.ACTIVE
            self._locks, self._released, self._facts = {}, {}, []
            self.appended(facts)

    def appended(self, facts: Iterable[Any]) -> None:
        for fact in facts:
            self._facts.append(fact)
            if isinstance(fact, SafetyChanged):
                self.state = fact.state
            elif isinstance(fact, LockSet):
                self._locks[fact.lock.lock_id] = fact.lock
            elif isinstance(fact, LockReleased):
                self._released[fact.lock_id] = fact.released_at

    def check_opened(
        self, fact: TradeOpened, trades: Iterable[Held], venue: Venue, *, quiet: bool, timeless: bool
    ) -> None:
        """Judge an opening. `quiet`: the account has not changed of late; `timeless`: clocks were meddled with."""
        known = [held for held in trades if held.opening is not None]
        others = [held for held in known if held.opening is not None and held.opening.opened_by != fact.opened_by]
        account = venue.accounts[fact.sized.plan.account]
        wrong = [*self._at_the_door()]
        if len(others) == len(known):  # else its order has passed already: guards are asked once
            wrong += [
                *([] if timeless else self._too_soon(fact, others)),
                *self._too_many(fact, others),
                *([] if timeless else self._locked(fact, others)),
                *(self._too_much(fact, venue, account) if quiet else ()),
            ]
        if wrong:
            raise Violated("I19", fact.trade_id, f"it was opened, and {wrong[0]}")

    def _at_the_door(self) -> Iterator[str]:
        if self.shut:
            yield f"the safety state was {self.state.value}"
        if self._terms.dry_run:
            yield "the run is dry"

    def _too_soon(self, fact: TradeOpened, others: Iterable[Held]) -> Iterator[str]:
        terms, orders = self._terms, set()
        for held in others:
            other = held.opening
            if other is None:
                continue
            age = max(0.0, (fact.opened_at - other.opened_at).total_seconds())
            if other.sized.plan.symbol == fact.sized.plan.symbol and age < terms.cooldown_seconds:
                yield f"its coin was opened {age:.1f} s before ({other.trade_id})"
            if other.signal_key == fact.signal_key and age < terms.idempotency_seconds:
                yield f"{fact.signal_key} was carried out as {other.trade_id}"
            if age < terms.rapid_seconds:
                orders.add(other.opened_by)
        if terms.rapid_orders and len(orders) >= terms.rapid_orders:
            yield f"{len(orders)} orders were opened within {terms.rapid_seconds} s"

    def _too_many(self, fact: TradeOpened, others: Iterable[Held]) -> Iterator[str]:
        theirs = [held for held in others if held.trade.plan.account == fact.sized.plan.account]
        count = sum(held.trade.phase is not Phase.CLOSED and held.closed is None for held in theirs)
        if self._terms.most_open_trades and count >= self._terms.most_open_trades:
            yield f"{count} trades were open on its account"
        if not self._terms.daily_loss_limit_usdt:
            return
        results = [
            (held.closed.closed_at, held.closed.realised_pnl_usdt - held.closed.funding_usdt)
            for held in theirs
            if held.closed is not None and held.closed.closed_at.date() == fact.opened_at.date()
        ]
        made = sum((result for _, result in results), ZERO)
        late = [
            result for at, result in results if (fact.opened_at - at).total_seconds() <= ON_ITS_WAY_SECONDS
        ]  # may have come when the guards had passed
        if made - sum((each for each in late if each < 0), ZERO) <= -self._terms.daily_loss_limit_usdt:
            yield f"{-made} USDT were lost on its account that day"

    def _too_much(self, fact: TradeOpened, venue: Venue, account: Account) -> Iterator[str]:
        most = self._terms.most_capital_in_use
        used = fact.equity_usdt - venue.margin.available(account) + fact.sized.margin_usdt
        if most and used > most * fact.equity_usdt * (1 + ROUNDED):
            yield f"{used} of {fact.equity_usdt} USDT are in use with it"

    def _locked(self, fact: TradeOpened, others: Iterable[Held]) -> Iterator[str]:
        plan, now = fact.sized.plan, fact.opened_at
        for lock in self._locks.values():
            meant = lock.account == plan.account and lock.symbol in {EVERY_SYMBOL, plan.symbol}
            settled = (now - lock.set_at).total_seconds() > ON_ITS_WAY_SECONDS
            if meant and settled and now < lock.until and lock.lock_id not in self._released:
                yield f"{lock.lock_id} locks it: {lock.reason}"
        yield from self._due(fact, others)

    def _due(self, fact: TradeOpened, others: Iterable[Held]) -> Iterator[str]:
        """The stop-loss guard, though no lock was ever set."""
        terms, plan, now = self._terms, fact.sized.plan, fact.opened_at
        if not terms.stop_guard_stops:
            return
        released = [
            self._released[lock.lock_id]
            for lock in self._locks.values()
            if lock.lock_id in self._released and lock.account == plan.account
        ]
        stops = sorted(
            held.closed.closed_at
            for held in others
            if held.closed is not None
            and held.trade.plan.account == plan.account
            and (held.trade.plan.symbol == plan.symbol or not terms.stop_guard_by_symbol)
            and held.closed.reason in _STOPS
            and held.closed.realised_pnl_usdt - held.closed.funding_usdt < 0
            and all(held.closed.closed_at > each for each in released)
            and (now - held.closed.closed_at).total_seconds() > ON_ITS_WAY_SECONDS
        )
        counted = [at for at in stops if (stops[-1] - at).total_seconds() <= terms.stop_guard_window_seconds]
        if (
            len(counted) >= terms.stop_guard_stops
            and (now - counted[-1]).total_seconds() < terms.stop_guard_lock_seconds
        ):
            yield f"{len(counted)} losing stops shut it for {terms.stop_guard_lock_seconds} s from {counted[-1]} on"
