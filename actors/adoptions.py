"""Adoptions: from a person's wish to a trade that watches what was at the exchange already. On the desk's behalf.

One at a time: find what the same command began, read the account, judge, have the position book let the trade in,
commit it with its small number. The commit is the adoption: before it nothing was touched, after it the trade's
monitor puts up its stop, and only then removes what was there. Enters: wishes, answers. Stays out: decisions
(rules.adoption), guards that are about opening risk: an adoption opens none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.desk_guards import TroubleOutside
from actors.errors import Fenced
from actors.messages import addresses
from actors.messages.accounts import (
    AccountSnapshot,
    AdmitTrade,
    BookQuestion,
    BookReading,
    OpeningViewQuestion,
    SnapshotQuestion,
    SnapshotWanted,
    TradeAdmitted,
    WithdrawAdmission,
)
from actors.messages.adopting import AdoptionShown, AdoptPosition
from actors.messages.alerts import RaiseAlert
from actors.messages.storing import (
    Append,
    LoadStream,
    NextNumber,
    PromisedEffect,
    StoredStream,
    StreamSummary,
)
from actors.messages.trading import StartMonitor, TradeAccepted, TradeOpened
from actors.model.account import OpeningView
from actors.model.trade import TradeParameters
from actors.model.trade_plan import SizedPlan
from actors.openings import label_of
from actors.ports import FencePort
from actors.rules import adoption, fan_out
from actors.rules.adoption_words import adopted_news
from runtime import Answered, Context, NotAnswered, Refused, Reply

ASK_SECONDS = 15.0
COUNTING_SECONDS = 14.0  # the book believes a difference after 10 s at most
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AdoptionStep:
    """Tag of a question: which adoption asks, and what the answer is for."""

    adoption: str
    name: str


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """A pause is over: read the account once more for this adoption."""

    adoption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionTerms:
    """What the desk gives its adoptions."""

    salt: str  # the installation: whose order ids are ours, and what trade ids follow from
    parameters: TradeParameters
    backstop: adoption.BackstopTerms
    dry_run: bool


@dataclass(slots=True)
class _Adoption:
    wish: AdoptPosition
    reply: Reply
    name: str  # of this life
    trade_id: str = ""
    attempt: int = 0  # of finding a free trade id
    counting_since: float | None = None  # monotonic seconds
    view: OpeningView | None = None
    snapshot: AccountSnapshot | None = None
    sized: SizedPlan | None = None
    admitted: TradeAdmitted | None = None
    fact: TradeOpened | None = None  # asked of the store
    commits: int = 0


class Adoptions:
    """Made anew with each life of the desk, whose context it works through."""

    def __init__(
        self, context: Context, terms: AdoptionTerms, fence: FencePort, adopted: Callable[[TradeOpened], None]
    ) -> None:
        self._context = context
        self._terms = terms
        self._fence = fence
        self._adopted = adopted  # the desk is told of each
        self._queue: deque[_Adoption] = deque()
        self._next: dict[str, Callable[[_Adoption, Any], None]] = {
            "journal": self._on_journal,
            "view": self._on_view,
            "orders": self._on_orders,
            "book": self._on_book,
            "admit": self._on_admitted,
            "number": self._on_number,
        }

    def begin(self, wish: AdoptPosition) -> None:
        """Take a wish whose answer the running handler owes from now on."""
        self._queue.append(_Adoption(wish, self._context.defer_reply(), self._context.new_id()))
        if len(self._queue) == 1:
            self._start(self._queue[0])

    def begin_again(self) -> None:
        """The store came back and an append may be lost: look whether it was."""
        if self._queue and self._queue[0].fact is not None:
            self._start(self._queue[0])

    def _start(self, current: _Adoption) -> None:
        current.fact = None
        if current.wish.preview:
            self._read(current)
            return
        current.trade_id = fan_out.slice_id(self._terms.salt, current.wish.command_id, "adopt", current.attempt)
        self._ask(current, "journal", addresses.STORE, LoadStream(stream=addresses.trade_stream(current.trade_id)))

    def _ask(self, current: _Adoption, step: str, path: str, question: object) -> None:
        self._context.ask(path, question, timeout_seconds=ASK_SECONDS, tag=AdoptionStep(current.name, step))

    def on_answer(self, step: AdoptionStep, message: Answered | NotAnswered) -> None:
        """Take what came of one step's question."""
        current = self._queue[0] if self._queue else None
        if current is None or current.name != step.adoption:
            return  # it was given up
        if isinstance(message, Answered):
            self._next[step.name](current, message.value)
        elif message.reason == "refused":
            self._refuse(current, message.error, outside=step.name != "admit")
        else:
            text = f"{step.name} was not answered ({message.error}); nothing was touched, ask again"
            self._refuse(current, text, outside=True)

    # --- the steps ------------------------------------------------------------------------------------------------
    def _on_journal(self, current: _Adoption, stored: StoredStream) -> None:
        first = stored.facts[0] if stored.facts else None
        if first is None:
            self._read(current)
        elif isinstance(first, TradeOpened) and first.opened_by == _order(current.wish):
            self._accept(current, first, already=not current.commits)
        else:  # another command's trade has this id by chance
            current.attempt += 1
            self._start(current)

    def _read(self, current: _Adoption) -> None:
        try:
            self._fence.check()
        except Fenced as fenced:
            self._refuse(current, f"this run does not hold the run lock ({fenced}): another one trades here")
            return
        wish = current.wish
        self._ask(current, "view", addresses.client(wish.account), OpeningViewQuestion(symbol=wish.symbol))

    def _on_view(self, current: _Adoption, view: OpeningView | None) -> None:
        wish = current.wish
        if view is None:
            text = f"{wish.symbol} is not a USDT perpetual on the exchange; write its name there, such as BTCUSDT"
            self._refuse(current, text)
            return
        current.view = view
        self._ask(current, "orders", addresses.client(wish.account), SnapshotQuestion(executions_since=None))

    def _on_orders(self, current: _Adoption, snapshot: AccountSnapshot) -> None:
        current.snapshot = snapshot
        book = addresses.position_book(current.wish.account)
        self._ask(current, "book", book, BookQuestion(symbol=current.wish.symbol))

    def _on_book(self, current: _Adoption, book: BookReading) -> None:
        if current.view is None or current.snapshot is None:
            raise RuntimeError("an adoption reached the book without a reading of the account")
        read = adoption.Reading(
            view=current.view, book=book, orders=current.snapshot.orders, installation=self._terms.salt
        )
        verdict = adoption.judge(current.wish, read, self._terms.backstop)
        if not isinstance(verdict, SizedPlan) and adoption.is_passing(verdict) and self._may_wait(current):
            # Nobody has looked at this position lately: have the book count what is foreign, and look again.
            wanted = SnapshotWanted(path=addresses.position_book(current.wish.account))
            self._context.tell(addresses.reconciler(current.wish.account), wanted)
            self._context.start_timer("adoption", PAUSE_SECONDS, ReadAgain(current.name))
            return
        if not isinstance(verdict, SizedPlan):
            text = "\n".join(refusal.text for refusal in verdict)
            self._refuse(current, text, outside=adoption.is_passing(verdict))
            return
        current.sized = verdict
        if current.wish.preview:
            self._finish(current, AdoptionShown(sized=verdict))
        elif self._terms.dry_run:
            self._stay_dry(current, verdict)
        else:
            self._admit(current, current.view, verdict)

    def _may_wait(self, current: _Adoption) -> bool:
        now = self._context.monotonic()
        current.counting_since = current.counting_since or now
        return now - current.counting_since < COUNTING_SECONDS

    def read_again(self, message: ReadAgain) -> None:
        if self._queue and self._queue[0].name == message.adoption:
            self._read(self._queue[0])

    def _stay_dry(self, current: _Adoption, sized: SizedPlan) -> None:
        label = label_of(sized.plan, current.trade_id)
        self._context.log.info("order_stayed_dry", trade=label)
        answer = TradeAccepted(trade_id=current.trade_id, number=0, label=label, sized=sized, dry_run=True)
        self._finish(current, answer)

    def _admit(self, current: _Adoption, view: OpeningView, sized: SizedPlan) -> None:
        plan = sized.plan
        held = next(each for each in view.positions if each.side is plan.position_side and each.size)
        request = AdmitTrade(
            trade_id=current.trade_id,
            symbol=plan.symbol,
            position_side=plan.position_side,
            position_index=held.position_index,
            stop_price=plan.stop_price,
            tick_size=view.instrument.tick_size,
            liquidation_price=held.liquidation_price,
            leverage=plan.leverage,
            adopts=sized.quantity,
        )
        self._ask(current, "admit", addresses.position_book(plan.account), request)

    def _on_admitted(self, current: _Adoption, admitted: TradeAdmitted) -> None:
        current.admitted = admitted
        self._ask(current, "number", addresses.STORE, NextNumber(counter="trade"))

    def _on_number(self, current: _Adoption, number: int) -> None:
        view, sized, admitted = current.view, current.sized, current.admitted
        if view is None or sized is None or admitted is None:
            raise RuntimeError("an adoption reached its commit incomplete")
        plan = sized.plan
        current.fact = TradeOpened(
            trade_id=current.trade_id,
            number=number,
            label=label_of(plan, current.trade_id),
            sized=sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=view.position_mode.index_for(plan.position_side),
            backstop_price=admitted.backstop_price,
            parameters=self._terms.parameters,
            opened_by=_order(current.wish),
            opened_at=self._context.now(),
            equity_usdt=view.balance.equity_usdt,
        )
        current.commits += 1
        self._commit(current.fact)

    def _commit(self, fact: TradeOpened) -> None:
        plan, room = fact.sized.plan, addresses.positions(fact.sized.plan.account)
        effects = (
            PromisedEffect(
                key=f"start/{fact.trade_id}",
                destination=room,
                owner=room,
                request=StartMonitor(trade_id=fact.trade_id, symbol=plan.symbol),
            ),
            PromisedEffect(
                key=f"alert/{fact.trade_id}/adopted",
                destination=addresses.ALERT_DISPATCHER,
                owner=addresses.ALERT_DISPATCHER,
                request=RaiseAlert(alert=adopted_news(fact), raised_at=self._context.now()),
            ),
        )
        summary = StreamSummary(
            kind="trade",
            account=plan.account,
            symbol=plan.symbol,
            number=fact.number,
            label=fact.label,
            live=True,
        )
        append = Append(
            stream=addresses.trade_stream(fact.trade_id),
            expected_sequence=0,
            facts=(fact,),
            effects=effects,
            register=summary,
            confirm_to=self._context.path,
        )
        self._context.tell(addresses.STORE, append)

    def on_appended(self, stream: str) -> bool:
        """Take it that a trade's first fact is durable; False when it is not one of these."""
        current = self._committing(stream)
        if current is None or current.fact is None:
            return False
        self._accept(current, current.fact, already=False)
        return True

    def on_append_refused(self, stream: str, text: str) -> bool:
        current = self._committing(stream)
        if current is None:
            return False
        current.fact = None
        self._refuse(current, f"the trade could not be recorded: {text}", outside=True)
        return True

    def _committing(self, stream: str) -> _Adoption | None:
        current = self._queue[0] if self._queue else None
        mine = current is not None and current.fact is not None
        return current if mine and current and addresses.trade_stream(current.trade_id) == stream else None

    # --- ends -----------------------------------------------------------------------------------------------------
    def _accept(self, current: _Adoption, fact: TradeOpened, *, already: bool) -> None:
        quantity = str(fact.sized.quantity)
        self._context.log.info("position_adopted", trade=fact.label, number=fact.number, quantity=quantity)
        self._adopted(fact)
        answer = TradeAccepted(
            trade_id=fact.trade_id, number=fact.number, label=fact.label, sized=fact.sized, already_open=already
        )
        self._finish(current, answer)

    def _finish(self, current: _Adoption, answer: Any) -> None:
        self._leave()
        current.reply.answer(answer)

    def _refuse(self, current: _Adoption, text: str, *, outside: bool = False) -> None:
        wish = current.wish
        self._context.log.info("adoption_refused", account=wish.account, symbol=wish.symbol, text=text)
        if current.sized is not None and current.trade_id:
            book = addresses.position_book(wish.account)
            self._context.tell(book, WithdrawAdmission(trade_id=current.trade_id))
        self._leave()
        current.reply.refuse(TroubleOutside(text) if outside else Refused(text))

    def _leave(self) -> None:
        self._queue.popleft()
        if self._queue:
            self._start(self._queue[0])


def _order(wish: AdoptPosition) -> str:
    return f"{wish.by}#{wish.command_id}"
