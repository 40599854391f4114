"""Reconciler: asks the exchange for the truth of one account and hands it round.

Enters: requests for a reading, the stream's ups and downs, triggers with their distance. Stays out: what a difference
means (the monitors and the book decide that). There is never more than one reading under way; one that began after a
request serves everybody who asked meanwhile. A reading that failed says nothing: it is repeated, never taken for empty.

The first reading of a run is everybody's: it begins when the stream is up (so that nothing falls between the two), or
after a short patience, while the monitors load their journals. Who asks while it is under way, or soon after, and has
done nothing in this run yet that it could have missed is served by it. Its executions are read last, from where the
askers need them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from actors.messages import addresses
from actors.messages.accounts import (
    AccountSnapshot,
    ExecutionsQuestion,
    MonitorsLost,
    SnapshotQuestion,
    SnapshotWanted,
    StrayOrder,
    TradeSnapshot,
    TriggerNear,
)
from actors.messages.health import CoverRead, Uncovered
from actors.messages.market import PriceQuestion
from actors.messages.orders import ExecutionReported, StreamDown, StreamFaulted, StreamUp
from actors.messages.reports import Misaddressed, ReconcileFailed, ReconcileRecovered
from actors.rules.reconcile_pace import PaceTerms, seconds_to_next_reading
from actors.rules.snapshot_parts import TradePart, parts_of
from actors.rules.stop_cover import uncovered_sides
from runtime import Actor, Answered, Backoff, NotAnswered, handles

NOTHING = TradePart(symbol="", trade_id="")  # a trade of which a reading shows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerTerms:
    """How an account is read."""

    deadline_seconds: float = 20.0  # for one whole reading, or, if that is more, for each trade that is known ...
    trade_seconds: float = 0.008  # ... so long: five orders at 33 pages of 50 a second take 0.003
    most_doublings: int = 4  # of that, one for each reading in a row that ran out of it: slow is not silent
    stream_patience_seconds: float = 1.0  # for the stream to come up, before the first reading begins without it
    first_serves_seconds: float = 20.0  # so long after its beginning the first reading serves who comes late
    overlap_seconds: float = 60.0  # executions may be listed late: each reading begins this long before the last one
    first_lookback_seconds: float = 3600.0  # of the first reading; a monitor that needs more says so
    told_after_failures: int = 3
    slice_trades: int = 8  # trades at a time that are told what they did not ask for ...
    slice_seconds: float = 0.01  # ... and the pause between, in which what cannot wait finds the processor free
    most_slices: int = 200
    remembered_executions: int = 10_000  # handed on lately, so that a closed trade's are not handed on twice
    pace: PaceTerms = PaceTerms()  # noqa: RUF009 - an immutable value
    backoff: Backoff = Backoff(base_seconds=1.0, cap_seconds=10.0, first_immediate=False)  # noqa: RUF009 - an immutable value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beat:
    """Time for the next reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NextSlice:
    """Time to tell some more of the last reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TooLate:
    """The first reading serves nobody any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What somebody needs of a reading."""

    since: datetime | None = None  # executions from here on
    wanted_at: datetime | None = None  # when it was asked for last, by the asker's clock

    def joined(self, later: _Wish) -> _Wish:
        return _Wish(since=_earlier(self.since, later.since), wanted_at=later.wanted_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """The first reading, kept for those whose journals take longer to load than the account to read."""

    started_at: datetime
    reach: datetime  # of its executions
    until: datetime
    parts: Mapping[str, TradePart]  # by monitor

    def serves(self, wish: _Wish, now: datetime) -> bool:
        return now < self.until and (wish.since is None or wish.since >= self.reach)


class Reconciler(Actor):
    """One account's readings.

    Args:
        account: its name.
        installation: the part of client order ids that marks them as ours.
        terms: numbers and patience.

    """

    def __init__(self, *, account: str, installation: str, terms: ReconcilerTerms | None = None) -> None:
        self._account = account
        self._installation = installation
        self._terms = terms or ReconcilerTerms()
        self._stream_up = False
        self._triggers: dict[str, TriggerNear] = {}  # by trade
        self._prices: dict[str, Decimal] = {}  # by symbol, only while they are known
        self._waiting: dict[str, _Wish] = {}  # who waits for the next reading
        self._serving: dict[str, _Wish] | None = None  # who gets the one under way; None: none is
        self._begun = False  # a reading has; until then the stream is waited for
        self._half: AccountSnapshot | None = None  # the first reading, while its executions are being read
        self._reach: datetime | None = None  # from where those are
        self._first: _First | None = None  # that reading, once handed round
        self._read_until: datetime | None = None  # executions up to here have been read
        self._failures = 0
        self._doublings = 0  # of the patience for a reading
        self._patience = 0.0  # seconds, for the one under way
        self._failing_since: datetime | None = None
        self._failure_told = False
        self._told_uncovered: tuple[Uncovered, ...] = ()
        self._round: deque[tuple[str, datetime, TradePart]] = deque()  # of the last reading, not told yet: by monitor
        self._slice = 0
        self._handed_on: OrderedDict[str, None] = OrderedDict()

    def on_start(self) -> None:
        self.context.start_timer("beat", self._terms.stream_patience_seconds, _Beat())

    # --- reasons to read ------------------------------------------------------------------------------------------
    @handles(SnapshotWanted)
    def _on_wanted(self, message: SnapshotWanted) -> None:
        wish = _Wish(since=message.executions_since, wanted_at=message.wanted_at)
        if message.first and self._serving is not None and self._reads_first():
            self._serving[message.path] = self._serving.get(message.path, wish).joined(wish)
            return
        if message.first and self._first is not None and self._first.serves(wish, self.context.now()):
            if message.path != addresses.position_book(self._account):  # which has been told
                part = self._first.parts.get(message.path, NOTHING)
                self._tell_trade(message.path, self._first.started_at, part, wish)
            return
        self._waiting[message.path] = self._waiting.get(message.path, wish).joined(wish)
        if self._begun:
            self._read_soon()

    @handles(_TooLate)
    def _on_too_late(self, _message: _TooLate) -> None:
        self._first = None

    def _reads_first(self) -> bool:
        """Tell whether no reading of this run has ended yet."""
        return self._read_until is None and self.context.incarnation == 1

    @handles(MonitorsLost)
    def _on_monitors_lost(self, _message: MonitorsLost) -> None:
        self._first = None

    @handles(StreamUp)
    def _on_stream_up(self, _message: StreamUp) -> None:
        self._stream_up = True
        self._failures = 0  # whatever kept readings from succeeding, the exchange answers again: no pause
        self._want_reading()

    @handles(StreamDown)
    def _on_stream_down(self, _message: StreamDown) -> None:
        self._stream_up = False
        self._first = None
        self._want_reading()

    @handles(StreamFaulted)
    def _on_stream_faulted(self, _message: StreamFaulted) -> None:
        self._want_reading()  # whatever the message said is in the next reading

    @handles(TriggerNear)
    def _on_trigger_near(self, message: TriggerNear) -> None:
        if message.stop_price is None and message.target_price is None and message.entry_price is None:
            self._triggers.pop(message.trade_id, None)
        else:
            self._triggers[message.trade_id] = message

    @handles(_Beat)
    def _on_beat(self, _message: _Beat) -> None:
        self._read()

    def _want_reading(self) -> None:
        """Have a reading that begins after now, though nobody waits for a part of it."""
        self._waiting.setdefault(addresses.position_book(self._account), _Wish())
        self._read_soon()

    def _read_soon(self) -> None:
        # After a failure the pause holds: asking more often does not make the exchange answer.
        if self._serving is None and self._failures == 0:
            self._read()

    # --- one reading ----------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._serving is not None:
            return
        self.context.cancel_timer("beat")
        self._begun = True
        self._serving, self._waiting = self._waiting, {}
        since = None if self._reads_first() else self._executions_since(self._serving)
        self._ask_client(SnapshotQuestion(executions_since=since), "snapshot")
        if not self._stream_up:
            for symbol in sorted({trigger.symbol for trigger in self._triggers.values()}):
                self.context.ask(
                    addresses.PRICES,
                    PriceQuestion(symbol=symbol, most_age_seconds=3.0),
                    timeout_seconds=2.0,
                    tag=symbol,
                )

    def _ask_client(self, question: SnapshotQuestion | ExecutionsQuestion, tag: str) -> None:
        trades = max(len(self._triggers), len(self._serving or {}))
        patience = max(self._terms.deadline_seconds, trades * self._terms.trade_seconds)
        self._patience = patience * 2**self._doublings
        self.context.ask(addresses.client(self._account), question, timeout_seconds=self._patience, tag=tag)

    def _executions_since(self, askers: dict[str, _Wish]) -> datetime:
        known = self._read_until
        lookback = self._terms.first_lookback_seconds if known is None else self._terms.overlap_seconds
        usual = (known or self.context.now()) - timedelta(seconds=lookback)
        return min(usual, *(wish.since for wish in askers.values() if wish.since is not None), usual)

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if message.tag == "snapshot":
            if self._reads_first():
                self._half = message.value
                self._read_executions()
            else:
                self._on_snapshot(message.value)
        elif message.tag == "executions":
            self._on_executions(message.value)
        else:
            self._prices[str(message.tag)] = message.value.last_price

    def _read_executions(self) -> None:
        self._reach = self._executions_since(self._serving or {})
        self._ask_client(ExecutionsQuestion(since=self._reach), "executions")

    def _on_executions(self, executions: tuple[ExecutionReported, ...]) -> None:
        if self._half is None or self._reach is None:
            return
        needed = min((wish.since for wish in (self._serving or {}).values() if wish.since), default=self._reach)
        if needed < self._reach:  # somebody has asked meanwhile whose last fill is older
            self._read_executions()
            return
        half, self._half = self._half, None
        whole = replace(half, executions=executions)
        late_until = whole.started_at + timedelta(seconds=self._terms.first_serves_seconds)
        parts = {
            addresses.monitor(self._account, part.symbol, part.trade_id): part
            for part in parts_of(whole, self._installation).trades
        }
        self._on_snapshot(whole)
        self.context.start_timer("first", self._terms.first_serves_seconds, _TooLate())
        self._first = _First(started_at=whole.started_at, reach=self._reach, until=late_until, parts=parts)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if message.tag in {"snapshot", "executions"}:
            self._half = None
            if message.reason == "timed_out":
                self._doublings = min(self._doublings + 1, self._terms.most_doublings)
            self._on_failure(message)
        else:
            self._prices.pop(str(message.tag), None)

    def _on_snapshot(self, snapshot: AccountSnapshot) -> None:
        askers, self._serving = self._serving or {}, None
        self._first = None
        self._read_until = snapshot.started_at
        if self._failure_told:
            self._failure_told = False
            recovered = ReconcileRecovered(account=self._account, at=self.context.now())
            self.context.tell(addresses.HEALTH, recovered)
        self._failures, self._failing_since = 0, None
        if (snapshot.finished_at - snapshot.started_at).total_seconds() < self._patience / 4:
            self._doublings = max(0, self._doublings - 1)  # else the next one may well take as long
        self._hand_round(snapshot, askers)
        self._tell_cover(snapshot)
        if self._waiting:
            self._read()
        else:
            self._arm_beat()

    def _on_failure(self, message: NotAnswered) -> None:
        for path, wish in (self._serving or {}).items():
            self._waiting[path] = wish.joined(self._waiting.get(path, wish))
        self._serving = None
        self._failures += 1
        self._failing_since = self._failing_since or self.context.now()
        self.context.log.warning(
            "reconcile_failed",
            account=self._account,
            failures=self._failures,
            reason=message.reason,
            error=message.error,
        )
        if self._failures >= self._terms.told_after_failures:
            self._failure_told = True
            failed = ReconcileFailed(
                account=self._account, failures=self._failures, text=message.error, since=self._failing_since
            )
            self.context.tell(addresses.HEALTH, failed)
        pause = self._terms.backoff.delay_seconds(self._failures - 1, self.context.random.random())
        self.context.start_timer("beat", pause, _Beat(), new_trace=True)

    def _arm_beat(self) -> None:
        pause = seconds_to_next_reading(
            stream_up=self._stream_up,
            triggers=self._triggers.values(),
            prices=self._prices,
            terms=self._terms.pace,
        )
        self.context.start_timer("beat", pause, _Beat(), new_trace=True)

    # --- handing it round -----------------------------------------------------------------------------------------
    def _hand_round(self, snapshot: AccountSnapshot, askers: dict[str, _Wish]) -> None:
        """Tell who asked, and of executions, at once; the others in slices, which a newer reading replaces."""
        parts = parts_of(snapshot, self._installation)
        self._round.clear()
        book = addresses.position_book(self._account)
        unserved = dict.fromkeys(path for path in askers if path != book)
        listed = {(part.symbol, part.trade_id) for part in parts.trades}
        for part in parts.trades:
            monitor = addresses.monitor(self._account, part.symbol, part.trade_id)
            unserved.pop(monitor, None)
            if self.context.exists(monitor):
                self._tell_or_queue(monitor, snapshot.started_at, part, askers.get(monitor))
            else:
                self._tell_positions(part)
        for trigger in self._triggers.values():  # who believes in an order has to hear that it is not listed
            if (trigger.symbol, trigger.trade_id) not in listed:
                unserved[addresses.monitor(self._account, trigger.symbol, trigger.trade_id)] = None
        for path in filter(self.context.exists, unserved):  # nothing of theirs is open: that is news as well
            self._tell_or_queue(path, snapshot.started_at, NOTHING, askers.get(path))
        self._slice = max(self._terms.slice_trades, len(self._round) // self._terms.most_slices + 1)
        self._tell_slice()
        self.context.tell(book, parts.book)
        self.context.log.debug(
            "account_read",
            account=self._account,
            orders=len(snapshot.orders),
            positions=len(snapshot.positions),
            executions=len(snapshot.executions),
            asked_by=len(askers),
        )

    def _tell_cover(self, snapshot: AccountSnapshot) -> None:
        """Tell the health checker of sizes without a stop where trades of ours hold something, and of their end."""
        ours = {trigger.symbol for trigger in self._triggers.values() if trigger.stop_price is not None}
        uncovered = uncovered_sides(snapshot.positions, snapshot.orders, ours)
        if uncovered or self._told_uncovered:
            self.context.tell(addresses.HEALTH, CoverRead(account=self._account, uncovered=uncovered))
        self._told_uncovered = uncovered

    def _tell_or_queue(self, monitor: str, started_at: datetime, part: TradePart, wish: _Wish | None) -> None:
        if wish is not None or part.executions:
            self._tell_trade(monitor, started_at, part, wish)
        else:
            self._round.append((monitor, started_at, part))

    def _tell_slice(self) -> None:
        for _ in range(min(self._slice, len(self._round))):
            monitor, started_at, part = self._round.popleft()
            if self.context.exists(monitor):
                self._tell_trade(monitor, started_at, part, None)
        if self._round:
            self.context.start_timer("slice", self._terms.slice_seconds, _NextSlice())

    @handles(_NextSlice)
    def _on_next_slice(self, _message: _NextSlice) -> None:
        self._tell_slice()

    def _tell_trade(self, monitor: str, started_at: datetime, part: TradePart, wish: _Wish | None) -> None:
        for execution in part.executions:
            self._remember(execution.execution_id)
        snapshot = TradeSnapshot(
            started_at=started_at,
            orders=tuple(part.orders),
            executions=tuple(part.executions),
            answers=None if wish is None else wish.wanted_at,
        )
        self.context.tell(monitor, snapshot)

    def _tell_positions(self, part: TradePart) -> None:
        positions = addresses.positions(self._account)
        for execution in part.executions:
            if execution.execution_id not in self._handed_on:
                self._remember(execution.execution_id)
                report = Misaddressed(trade_id=part.trade_id, symbol=part.symbol, report=execution)
                self.context.tell(positions, report)
        for order in part.orders:
            self.context.tell(positions, StrayOrder(account=self._account, order=order, trade_id=part.trade_id))

    def _remember(self, execution_id: str) -> None:
        self._handed_on[execution_id] = None
        while len(self._handed_on) > self._terms.remembered_executions:
            self._handed_on.popitem(last=False)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the earlier of two instants, either of which may be missing."""
    return other if one is None else one if other is None else min(one, other)
