"""The trade desk: opens trades, closes them, and knows which are live.

An opening is one conversation at a time and account: read the account, judge and size the plan, have the position book
admit it, commit it with its small number, and have its monitor started. The trade's id follows from the command's id,
so the same command twice, or again after a crash, finds the trade it opened. Orders are the monitor's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from actors.live_trades import LiveTrades, Part
from actors.messages import addresses
from actors.messages.accounts import (
    AdmitTrade,
    BookQuestion,
    BookReading,
    EnsureLeverage,
    OpeningViewQuestion,
    TradeAdmitted,
    WithdrawAdmission,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.keeping import WritesFailing, WritesWork
from actors.messages.market import WatchPrice
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    LoadStream,
    NextNumber,
    PromisedEffect,
    StoredStream,
    StreamSummary,
)
from actors.messages.trading import (
    CloseTrades,
    OpenTrade,
    PreviewTrade,
    StartMonitor,
    TradeAccepted,
    TradeOpened,
    TradesQuestion,
)
from actors.model.account import OpeningView
from actors.model.trade import BackstopSettings, TradeParameters
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules import risk
from actors.rules.client_order_ids import new_trade_id
from actors.rules.opening import judge, liquidation_estimate, opened_news
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, Restarted, handles

ASK_SECONDS = 15.0
READING_SECONDS = 3.0


@dataclass(slots=True)
class _Opening:
    """One plan on its way to a trade."""

    plan: TradePlan
    reply: Reply
    command_id: str = ""  # empty: a preview
    by: str = ""
    trade_id: str = ""
    attempt: int = 0  # of finding a free trade id
    view: OpeningView | None = None
    book: BookReading | None = None
    sized: SizedPlan | None = None
    admitted: TradeAdmitted | None = None
    fact: TradeOpened | None = None
    commits: int = 0  # asked of the store for it


class TroubleOutside(Refused):
    """Nothing is wrong with what was asked: the exchange or the store did not do its part. It may be asked again."""


class TradeDesk(Actor):
    def __init__(
        self, *, accounts: tuple[str, ...], parameters: TradeParameters, backstop: BackstopSettings, salt: str
    ) -> None:
        self._accounts = accounts
        self._parameters = parameters
        self._backstop = backstop
        self._salt = salt  # the installation: trade ids of two installations differ
        self._shut: str | None = None  # why nothing is opened for now
        self._queues: dict[str, deque[_Opening]] = {account: deque() for account in accounts}
        self._next: dict[str, Callable[[_Opening, Any], None]] = {
            "journal": self._on_journal,
            "view": self._on_view,
            "book": self._on_book,
            "leverage": self._on_leverage,
            "admit": self._on_admitted,
            "number": self._on_number,
        }

    def on_start(self) -> None:
        self._live = LiveTrades(self.context)
        self.context.watch(addresses.STORE)

    # --- openings: taken in turn, one at a time and account -----------------------------------------------------------
    @handles(PreviewTrade)
    def _on_preview(self, message: PreviewTrade) -> Any:
        return self._enter(_Opening(plan=message.plan, reply=self._owed(message.plan)))

    @handles(OpenTrade)
    def _on_open(self, message: OpenTrade) -> Any:
        return self._enter(
            _Opening(plan=message.plan, reply=self._owed(message.plan), command_id=message.command_id, by=message.by)
        )

    def _owed(self, plan: TradePlan) -> Reply:
        if plan.account not in self._queues:
            known = ", ".join(self._accounts)
            raise Refused(f"account {plan.account} is not configured; write one of: {known}")
        if self._shut is not None:
            raise TroubleOutside(self._shut)
        return self.context.defer_reply()

    def _enter(self, opening: _Opening) -> Any:
        queue = self._queues[opening.plan.account]
        queue.append(opening)
        if len(queue) == 1:
            self._begin(opening)
        return LATER

    def _begin(self, opening: _Opening) -> None:
        if opening.command_id:
            seed = f"{self._salt}/{opening.command_id}/{opening.attempt}".encode()
            opening.trade_id = new_trade_id(int.from_bytes(sha256(seed).digest()[:8]))
            self._ask(opening, "journal", addresses.STORE, LoadStream(stream=addresses.trade_stream(opening.trade_id)))
        else:
            self._read(opening)

    def _ask(self, opening: _Opening, step: str, path: str, question: object) -> None:
        self.context.ask(path, question, timeout_seconds=ASK_SECONDS, tag=f"{step}/{opening.plan.account}")

    def _current(self, tag: str) -> tuple[str, _Opening | None]:
        step, _, account = tag.partition("/")
        queue = self._queues.get(account)
        return step, queue[0] if queue else None

    def _finish(self, opening: _Opening, answer: Any) -> None:
        self._leave(opening)
        opening.reply.answer(answer)

    def _refuse(self, opening: _Opening, text: str, *, outside: bool = False) -> None:
        self.context.log.info("opening_refused", symbol=opening.plan.symbol, text=text)
        if opening.admitted is not None:
            book = addresses.position_book(opening.plan.account)
            self.context.tell(book, WithdrawAdmission(trade_id=opening.trade_id))
        self._leave(opening)
        opening.reply.refuse(TroubleOutside(text) if outside else Refused(text))

    def _leave(self, opening: _Opening) -> None:
        queue = self._queues[opening.plan.account]
        queue.popleft()
        if queue:
            self._begin(queue[0])

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if isinstance(message.tag, Part):
            self._live.on_answer(message.tag, message)
            return
        step, opening = self._current(str(message.tag))
        if opening is not None:
            self._next[step](opening, message.value)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if isinstance(message.tag, Part):
            self._live.on_answer(message.tag, message)
            return
        step, opening = self._current(str(message.tag))
        if opening is None:
            return
        if message.reason == "refused":
            # A symbol nobody knows is answered with None: the account's reading is refused only when it failed.
            self._refuse(opening, message.error, outside=step in {"view", "number"})
        elif step == "admit":
            book = addresses.position_book(opening.plan.account)
            self.context.tell(book, WithdrawAdmission(trade_id=opening.trade_id))
            self._refuse(
                opening, "the backstop could not be moved in time; nothing was opened, try again", outside=True
            )
        else:
            text = f"{step} was not answered ({message.error}); nothing was opened, try again"
            self._refuse(opening, text, outside=True)

    # --- the steps ------------------------------------------------------------------------------------------------
    def _on_journal(self, opening: _Opening, stored: StoredStream) -> None:
        if not stored.facts:
            self._read(opening)
            return
        first = stored.facts[0]
        if isinstance(first, TradeOpened) and first.opened_by == _opened_by(opening):
            self._accept(opening, first, already_open=not opening.commits)
        else:  # another command's trade has this id by chance
            opening.attempt += 1
            self._begin(opening)

    def _read(self, opening: _Opening) -> None:
        question = OpeningViewQuestion(symbol=opening.plan.symbol)
        self._ask(opening, "view", addresses.client(opening.plan.account), question)

    def _on_view(self, opening: _Opening, view: OpeningView | None) -> None:
        symbol = opening.plan.symbol
        if view is None:
            self._refuse(
                opening, f"{symbol} is not a USDT perpetual on the exchange; write its name there, such as BTCUSDT"
            )
            return
        opening.view = view
        self._ask(opening, "book", addresses.position_book(opening.plan.account), BookQuestion(symbol=symbol))

    def _on_book(self, opening: _Opening, book: BookReading) -> None:
        opening.book = book
        if opening.view is None:
            raise RuntimeError("an opening reached the book without a reading of the account")
        verdict = judge(
            opening.plan,
            opening.view,
            book,
            distance=self._backstop.distance,
            min_ticks=self._backstop.min_ticks,
        )
        if not isinstance(verdict, SizedPlan):
            self._refuse(opening, "\n".join(refusal.text for refusal in verdict))
            return
        opening.sized = verdict
        if not opening.command_id:
            self._finish(opening, verdict)
            return
        leverage = opening.plan.leverage
        held = bool(opening.view.positions) and all(each.leverage == leverage for each in opening.view.positions)
        if not held:  # nothing live has another one, or the plan would have been refused
            request = EnsureLeverage(symbol=opening.plan.symbol, leverage=opening.plan.leverage)
            self._ask(opening, "leverage", addresses.client(opening.plan.account), request)
        else:
            self._on_leverage(opening, True)

    def _on_leverage(self, opening: _Opening, _held: object) -> None:
        view, sized = opening.view, opening.sized
        if view is None or sized is None:
            raise RuntimeError("an opening reached its admission without a size")
        plan = sized.plan  # with the prices that a net target's quantities made
        request = AdmitTrade(
            trade_id=opening.trade_id,
            symbol=plan.symbol,
            position_side=plan.position_side,
            position_index=view.position_mode.index_for(plan.position_side),
            stop_price=plan.stop_price,
            tick_size=view.instrument.tick_size,
            liquidation_price=liquidation_estimate(sized, view),
            leverage=plan.leverage,
        )
        self._ask(opening, "admit", addresses.position_book(plan.account), request)

    def _on_admitted(self, opening: _Opening, admitted: TradeAdmitted) -> None:
        opening.admitted = admitted
        self._ask(opening, "number", addresses.STORE, NextNumber(counter="trade"))

    def _on_number(self, opening: _Opening, number: int) -> None:
        view, sized, admitted = opening.view, opening.sized, opening.admitted
        if view is None or sized is None or admitted is None:
            raise RuntimeError("an opening reached its commit incomplete")
        plan = opening.plan
        opening.fact = TradeOpened(
            trade_id=opening.trade_id,
            number=number,
            label=f"{plan.account}/{plan.symbol}/{plan.position_side.value}/{plan.approach.value}/{opening.trade_id}",
            sized=sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=view.position_mode.index_for(plan.position_side),
            backstop_price=admitted.backstop_price,
            parameters=self._parameters,
            opened_by=_opened_by(opening),
            opened_at=self.context.now(),
        )
        opening.commits += 1
        self._commit(opening.fact)

    def _commit(self, fact: TradeOpened) -> None:
        plan = fact.sized.plan
        room = addresses.positions(plan.account)
        effects = (
            PromisedEffect(
                key=f"start/{fact.trade_id}",
                destination=room,
                owner=room,
                request=StartMonitor(trade_id=fact.trade_id, symbol=plan.symbol),
            ),
            PromisedEffect(
                key=f"alert/{fact.trade_id}/opened",
                destination=addresses.ALERT_DISPATCHER,
                owner=addresses.ALERT_DISPATCHER,
                request=RaiseAlert(alert=opened_news(fact), raised_at=self.context.now()),
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
        self.context.tell(
            addresses.STORE,
            Append(
                stream=addresses.trade_stream(fact.trade_id),
                expected_sequence=0,
                facts=(fact,),
                effects=effects,
                register=summary,
                confirm_to=self.context.path,
            ),
        )

    @handles(Appended)
    def _on_appended(self, message: Appended) -> None:
        opening = self._committing(message.stream)
        if opening is not None and opening.fact is not None:
            self._accept(opening, opening.fact, already_open=False)

    @handles(AppendRefused)
    def _on_append_refused(self, message: AppendRefused) -> None:
        opening = self._committing(message.stream)
        if opening is not None:
            outside = message.reason == "disk"
            self._refuse(opening, f"the trade could not be recorded: {message.text}", outside=outside)

    def _committing(self, stream: str) -> _Opening | None:
        heads = (queue[0] for queue in self._queues.values() if queue)
        return next((each for each in heads if addresses.trade_stream(each.trade_id) == stream), None)

    def _accept(self, opening: _Opening, fact: TradeOpened, *, already_open: bool) -> None:
        self.context.tell(addresses.PRICES, WatchPrice(symbol=fact.sized.plan.symbol))
        self.context.log.info("trade_accepted", trade=fact.label, number=fact.number, already_open=already_open)
        self._finish(
            opening,
            TradeAccepted(
                trade_id=fact.trade_id,
                number=fact.number,
                label=fact.label,
                sized=fact.sized,
                already_open=already_open,
            ),
        )

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        """A commit may have been lost with the store: look each current opening up by its id and go on from there."""
        if message.path != addresses.STORE:
            return
        for queue in self._queues.values():
            if queue and queue[0].fact is not None:
                queue[0].fact = None
                self._begin(queue[0])

    @handles(WritesFailing)
    def _on_writes_failing(self, message: WritesFailing) -> None:
        """Refuse at the door what the store would refuse at the end, before a backstop is moved for it."""
        self._shut = risk.refusal(message.reason)

    @handles(WritesWork)
    def _on_writes_work(self, _message: WritesWork) -> None:
        self._shut = None

    # --- the live trades ------------------------------------------------------------------------------------------
    @handles(TradesQuestion, CloseTrades)
    def _on_live(self, message: TradesQuestion | CloseTrades) -> Any:
        self._live.begin(message)
        return LATER


def _opened_by(opening: _Opening) -> str:
    return f"{opening.by}#{opening.command_id}"
