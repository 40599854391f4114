"""Account client: the only writer to one account. It hands requests to lanes and sees each of them to its outcome.

Enters: effects released by the store, repeats by their owners after a restart, questions about the account.
Stays out: what a request is for. Which one goes next is rules.request_order; what an answer means is
rules.order_outcome; the calls themselves are made by lanes, children of this actor, each on a thread of its own.

Every effect ends in exactly one EffectSettled told to its owner, and only when its outcome is known. Reads have lanes
of their own: they never stand before a stop-loss.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from actors.messages import addresses
from actors.messages.accounts import (
    BalanceQuestion,
    ClockOffsetQuestion,
    ClosedPnlQuestion,
    EnsureLeverage,
    ExecutionsQuestion,
    OpeningViewQuestion,
    OrderQuestion,
    PriceFromRest,
    PricesFromRest,
    RightsQuestion,
    SnapshotQuestion,
)
from actors.messages.lanes import AccountFenced, AccountRestored, AccountSuspended, AnswerKind, LaneAnswer
from actors.messages.orders import (
    CancelOrder,
    EffectSettled,
    EffectUnclear,
    OrderRequest,
    PlaceOrder,
    SetPositionStop,
    Settlement,
)
from actors.messages.storing import Perform
from actors.rules.account_access import AccountAccess
from actors.rules.account_reading import Read, Reading, Unreadable, begin, proceed
from actors.rules.order_outcome import (
    OutcomeTerms,
    Settled,
    Situation,
    Step,
    is_unclear,
    judge,
    taken_up,
)
from actors.rules.request_news import News, news_of_outcome, news_of_trying_again
from actors.rules.request_order import is_protective
from actors.rules.request_queue import Entry, RequestQueue
from runtime import LATER, Actor, Answered, Backoff, ChildSpec, NotAnswered, Refused, Reply, handles


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTerms:
    """How an account's client works."""

    lanes: int = 4  # connections that write
    readers: int = 1  # connections that only read
    lane_deadline_seconds: float = 12.0  # a call without an answer for so long has lost its lane ...
    read_share: float = 0.6  # ... but one for somebody more patient has this share of what that patience has left
    read_attempts: int = 3  # of one call of a question
    remembered_outcomes: int = 1000
    access: AccountAccess = AccountAccess()  # noqa: RUF009 - an immutable value
    outcome: OutcomeTerms = OutcomeTerms()  # noqa: RUF009 - an immutable value
    backoff: Backoff = Backoff(  # noqa: RUF009 - an immutable value
        base_seconds=0.25, cap_seconds=5.0, first_immediate=False
    )


@dataclass(slots=True, kw_only=True, eq=False)
class _Asked:
    """A question, and whom its answer is owed to."""

    reading: Reading
    reply: Reply
    deadline: float | None  # monotonic seconds; nobody waits afterwards


_Task: TypeAlias = Entry | _Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """Something that had to wait is ready."""


class AccountClient(Actor):
    """One account's requests and questions.

    Args:
        account: its name.
        lane_factory: builds one Lane with a connection of its own.
        terms: numbers and patience.

    """

    def __init__(self, *, account: str, lane_factory: Callable[[], Actor], terms: ClientTerms | None = None) -> None:
        self._account = account
        self._lane_factory = lane_factory
        self._terms = terms or ClientTerms()
        self._queue = RequestQueue(remembered=self._terms.remembered_outcomes)
        self._questions: deque[_Asked] = deque()
        self._idle: dict[str, list[str]] = {"lane": [], "reader": []}
        self._tasks: dict[str, _Task] = {}  # by the name of the lane that has it
        self._lanes_made = 0
        self._not_before: dict[type, float] = {}  # kinds of request the exchange has throttled
        self._access = self._terms.access
        self._fenced = False

    def on_start(self) -> None:
        for kind, count in (("lane", self._terms.lanes), ("reader", self._terms.readers)):
            for _ in range(count):
                self._open_lane(kind)

    # --- what comes in --------------------------------------------------------------------------------------------
    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        effect = message.effect
        request: OrderRequest = effect.request
        if not isinstance(request, OrderRequest):
            raise Refused(
                f"{effect.key} asks an account's client for {type(request).__name__}, which is no order request"
            )
        if request.account != self._account:
            raise Refused(f"{effect.key} is for account {request.account}, this is {self._account}'s client")
        outcome = self._queue.outcome(effect.key)
        if outcome is not None:
            self.context.tell(effect.owner, outcome)
            return
        if self._fenced or self._queue.holds(effect.key):
            return
        at = self.context.monotonic()
        state = taken_up(request, repeat=message.repeat, at=at, terms=self._terms.outcome)
        entry = self._queue.add(effect, state)
        if entry.taken_over:
            self._log(entry, ("request_superseded", {"superseded": entry.taken_over[-1].key}))
        if not self._access.admits_ordinary(at=at):
            self._deny_ordinary("the exchange refuses access to this account")
        self._go_on()

    @handles(
        OpeningViewQuestion,
        EnsureLeverage,
        OrderQuestion,
        SnapshotQuestion,
        ExecutionsQuestion,
        PriceFromRest,
        PricesFromRest,
        RightsQuestion,
        BalanceQuestion,
        ClockOffsetQuestion,
        ClosedPnlQuestion,
    )
    def _on_question(self, question: Any) -> Any:
        if self._fenced:
            raise Refused("another run holds this state; this one asks the exchange nothing any more")
        reply, deadline = self.context.defer_reply(), self.context.deadline
        self._questions.append(_Asked(reading=begin(question), reply=reply, deadline=deadline))
        self._go_on()
        return LATER

    @handles(_Due)
    def _on_due(self, _message: _Due) -> None:
        self._go_on()

    # --- lanes ----------------------------------------------------------------------------------------------------
    def _open_lane(self, kind: str) -> str:
        self._lanes_made += 1
        name = f"{kind}-{self._lanes_made}"
        self.context.start_child(ChildSpec(name, self._lane_factory, dispatcher="thread"))
        self._idle[kind].append(name)
        return name

    def _start(self, lane: str, task: _Task, call: Any, patience_seconds: float = 0.0) -> None:
        self._tasks[lane] = task
        path = f"{self.context.path}/{lane}"
        limit = max(self._terms.lane_deadline_seconds, patience_seconds * self._terms.read_share)
        self.context.ask(path, call, timeout_seconds=limit, tag=lane)

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        lane = str(message.tag)
        self._idle[_kind_of(lane)].append(lane)
        self._take_answer(self._tasks.pop(lane), message.value)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        lane = str(message.tag)
        if message.reason in {"timed_out", "dead", "refused"}:  # hung, ended, or set aside after too many crashes
            self.context.stop_child(lane)
            fresh = self._open_lane(_kind_of(lane))
            self.context.log.error("lane_replaced", lane=lane, by=fresh, reason=message.reason, error=message.error)
        else:
            # It crashed over the call; its supervisor starts it again and its mailbox waits for that.
            self._idle[_kind_of(lane)].append(lane)
            self.context.log.error("lane_crashed", lane=lane, reason=message.reason, error=message.error)
        never_made = message.reason in {"dead", "refused"}
        self._take_answer(
            self._tasks.pop(lane),
            LaneAnswer(
                kind=AnswerKind.UNREACHABLE if never_made else AnswerKind.UNKNOWN,
                began_at=self.context.monotonic(),
                text=f"the lane gave no answer: {message.error}",
            ),
        )

    def _take_answer(self, task: _Task, answer: LaneAnswer) -> None:
        if answer.kind is AnswerKind.FENCED:
            self._stop_for_good(answer)
        if answer.kind is AnswerKind.ACCESS_DENIED:
            self._suspend(answer)
        if isinstance(task, Entry):
            task.in_flight = False
            if not self._fenced:
                self._take_outcome(task, answer)
        else:
            self._take_reading(task, answer)
        self._go_on()

    # --- going on -------------------------------------------------------------------------------------------------
    def _go_on(self) -> None:
        """Start everything that can start now, and wake up for the rest."""
        at = self.context.monotonic()
        if not self._fenced:
            self._drop_cancelled()
            self._start_requests(at)
        self._start_reads(at)
        due = self._next_due(at)
        if due is None:
            self.context.cancel_timer("due")
        else:
            self.context.start_timer("due", due - at, _Due())

    def _start_requests(self, at: float) -> None:
        idle = self._idle["lane"]
        while self._access.may_start(at=at):
            entry = self._queue.next_to_start(
                at=at, free_lanes=len(idle), lanes=self._terms.lanes, not_before=self._not_before
            )
            if entry is None:
                return
            self._access = self._access.started(at=at)
            entry.in_flight, entry.started_at = True, at
            self._start(idle.pop(0), entry, _next_call(entry))

    def _start_reads(self, at: float) -> None:
        idle = self._idle["reader"]
        for asked in tuple(self._questions):
            reading = asked.reading
            if asked.deadline is not None and asked.deadline <= at:
                self._questions.remove(asked)  # its asker has been told "timed out" already
                asked.reply.refuse(Refused("asked too long ago"))
            elif idle and reading.ready_at <= at:
                self._questions.remove(asked)
                asked.reading = replace(reading, started_at=reading.started_at or self.context.now())
                patience = 0.0 if asked.deadline is None else asked.deadline - at
                self._start(idle.pop(0), asked, reading.calls[0], patience)

    def _next_due(self, at: float) -> float | None:
        """Give the instant at which something that waits for time alone is ready."""
        instants = [asked.reading.ready_at for asked in self._questions if asked.reading.ready_at > at]
        ready = self._queue.next_change_at(at=at, not_before=self._not_before)
        if ready is not None:
            instants.append(ready)
        if not self._access.may_start(at=at) and len(self._queue):
            instants.append(self._access.next_at)
        return min(instants, default=None)

    def _pause(self, failures: int) -> float:
        return self._terms.backoff.delay_seconds(failures - 1, self.context.random.random())

    # --- requests -------------------------------------------------------------------------------------------------
    def _take_outcome(self, entry: Entry, answer: LaneAnswer) -> None:
        at = self.context.monotonic()
        if answer.kind is AnswerKind.DONE and entry.state.step is Step.SEND:
            self._restore()
        self._note_throttling(entry, answer)
        situation = Situation(
            at=at,
            now=self.context.now(),
            terms=self._terms.outcome,
            pause=self._pause,
            waiting_amends=self._queue.amends_behind(entry),
        )
        verdict = judge(entry.state, answer, situation)
        if isinstance(verdict, Settled):
            self._settle(entry, verdict)
            return
        self._log(entry, *news_of_trying_again(entry.state, verdict, answer))
        entry.state = verdict.state
        entry.ready_at = at + verdict.delay_seconds
        if not entry.unclear_told and is_unclear(entry.state, at=at, terms=self._terms.outcome):
            entry.unclear_told = True
            for effect in entry.effects:
                unclear = EffectUnclear(effect_key=effect.key, text=answer.text, since=self.context.now())
                self.context.tell(effect.owner, unclear)

    def _settle(self, entry: Entry, verdict: Settled) -> None:
        self._log(entry, *news_of_outcome(entry.state, verdict))
        outcomes = tuple(
            EffectSettled(
                effect_key=effect.key,
                settlement=verdict.settlement,
                settled_at=self.context.now(),
                code=verdict.code,
                text=verdict.text,
                observed=verdict.observed,
            )
            for effect in entry.effects
        )
        for effect, outcome in zip(entry.effects, outcomes, strict=True):
            self.context.tell(effect.owner, outcome)
        self._queue.settle(entry, outcomes)

    def _drop_cancelled(self) -> None:
        """Settle orders that are to be cancelled before anything of them was sent: nothing needs to be sent at all."""
        while (pair := self._queue.cancelled_before_sent()) is not None:
            place, cancel = pair
            self._settle(place, Settled(settlement=Settlement.ABSENT, text="cancelled before it was sent"))
            self._settle(cancel, Settled(settlement=Settlement.DONE, text="the order was never sent"))

    def _note_throttling(self, entry: Entry, answer: LaneAnswer) -> None:
        """Hold back all requests of a kind that the exchange has throttled: they share its limit."""
        limited = answer.kind is AnswerKind.THROTTLED and answer.shared
        if limited and answer.until is not None and entry.state.step is Step.SEND:
            wait = max(0.0, (answer.until - self.context.now()).total_seconds())
            self._not_before[type(entry.state.request)] = self.context.monotonic() + wait

    # --- access ---------------------------------------------------------------------------------------------------
    def _suspend(self, answer: LaneAnswer) -> None:
        if not self._access.suspended:
            now = self.context.now()
            suspended = AccountSuspended(account=self._account, code=answer.code, text=answer.text, since=now)
            self.context.tell(addresses.HEALTH, suspended)
            self.context.log.error("account_suspended", account=self._account, code=answer.code, error=answer.text)
        self._access = self._access.refused(at=self.context.monotonic())
        self._deny_ordinary(answer.text)

    def _deny_ordinary(self, text: str) -> None:
        for entry in self._queue:
            if entry.untouched and not is_protective(entry.state.request):
                self._settle(entry, Settled(settlement=Settlement.DENIED, text=text))

    def _restore(self) -> None:
        if self._access.suspended:
            self._access = self._access.accepted()
            self.context.tell(addresses.HEALTH, AccountRestored(account=self._account, at=self.context.now()))
            self.context.log.info("account_restored", account=self._account)

    def _stop_for_good(self, answer: LaneAnswer) -> None:
        if not self._fenced:
            self._fenced = True
            fenced = AccountFenced(account=self._account, text=answer.text, since=self.context.now())
            self.context.tell(addresses.HEALTH, fenced)
            self.context.log.error("account_fenced", account=self._account, error=answer.text)
            while self._questions:
                self._questions.popleft().reply.refuse(Refused(answer.text))

    # --- questions ------------------------------------------------------------------------------------------------
    def _take_reading(self, asked: _Asked, answer: LaneAnswer) -> None:
        progress = proceed(
            asked.reading,
            answer,
            account=self._account,
            at=self.context.monotonic(),
            now=self.context.now(),
            attempts=1 if self._fenced else self._terms.read_attempts,
            pause=self._pause,
        )
        match progress:
            case Reading():
                asked.reading = progress
                self._questions.append(asked)
            case Read(value=value):
                asked.reply.answer(value)
            case Unreadable(text=text):
                question = type(asked.reading.question).__name__
                self.context.log.warning("read_failed", question=question, kind=answer.kind.value, error=text)
                asked.reply.refuse(Refused(text))

    def _log(self, entry: Entry, *news: News) -> None:
        request, effect = entry.state.request, entry.effect
        about = {"effect_key": effect.key, "request": type(request).__name__, "order": entry.standing.order}
        for event, facts in news:
            self.context.log.info(event, **about, owner=effect.owner, **facts)


def _kind_of(lane: str) -> str:
    return lane.partition("-")[0]


def _next_call(entry: Entry) -> Any:
    """Give what the lane is asked for: the request itself, or the order it concerns."""
    request = entry.state.request
    if entry.state.step is Step.SEND or isinstance(request, SetPositionStop):
        return request
    symbol = request.order.symbol if isinstance(request, PlaceOrder) else request.symbol
    if isinstance(request, CancelOrder) and request.order_id:
        return OrderQuestion(symbol=symbol, client_order_id="", order_id=request.order_id)
    return OrderQuestion(symbol=symbol, client_order_id=entry.standing.order)
