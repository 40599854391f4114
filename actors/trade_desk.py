"""The trade desk: opens trades, closes them, and knows which are live.

An opening is one conversation at a time and account: read the account, judge and size the plan, have the position book
admit it, commit it with its small number, and have its monitor started. The trade's id follows from the command's id,
so the same command twice, or again after a crash, finds the trade it opened. On its way each order passes the guards
(rules.guards) once; what they go by is committed with the trades. Orders are the monitor's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from actors.guarded_openings import GuardedOpenings, Opening
from actors.messages import addresses
from actors.messages.accounts import (
    AdmitTrade,
    BookQuestion,
    BookReading,
    EnsureLeverage,
    TradeAdmitted,
    WithdrawAdmission,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.guarding import (
    STREAM,
)
from actors.messages.keeping import WritesFailing, WritesWork
from actors.messages.market import WatchPrice
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    NextNumber,
    PromisedEffect,
    StoredStream,
    StreamSummary,
)
from actors.messages.trading import (
    CloseTrades,
    StartMonitor,
    TradeAccepted,
    TradeOpened,
    TradesQuestion,
)
from actors.model.account import OpeningView
from actors.model.guarding import GuardTerms, SafetyState
from actors.model.trade import BackstopSettings, TradeParameters
from actors.model.trade_plan import SizedPlan
from actors.ports import FencePort
from actors.rules import risk
from actors.rules.guards import Verdict
from actors.rules.opening import judge, liquidation_estimate, opened_news
from runtime import LATER, Restarted, handles

ASK_SECONDS = 15.0
READING_SECONDS = 3.0
OLDEST_READING = timedelta(seconds=15)  # of the account, when a trade sized by it is committed
MOST_READINGS = 3  # of the account for one trade


class TradeDesk(GuardedOpenings):
    def __init__(
        self,
        *,
        accounts: tuple[str, ...],
        parameters: TradeParameters,
        backstop: BackstopSettings,
        guards: GuardTerms,
        fence: FencePort,
        salt: str,
    ) -> None:
        super().__init__(accounts=accounts, guards=guards, fence=fence, salt=salt)
        self._parameters = parameters
        self._backstop = backstop
        self._next |= {
            "journal": self._on_journal,
            "view": self._on_view,
            "book": self._on_book,
            "leverage": self._on_leverage,
            "admit": self._on_admitted,
            "number": self._on_number,
        }

    def on_start(self) -> None:
        super().on_start()
        self.context.watch(addresses.STORE)

    # --- the steps ------------------------------------------------------------------------------------------------
    def _on_journal(self, opening: Opening, stored: StoredStream) -> None:
        if not stored.facts:
            self._at_the_door(opening)
            return
        first = stored.facts[0]
        if isinstance(first, TradeOpened) and first.opened_by == opening.order:
            self._accept(opening, first, already_open=not opening.commits)
        else:  # another command's trade has this id by chance
            opening.attempt += 1
            self._begin(opening)

    def _on_view(self, opening: Opening, view: OpeningView | None) -> None:
        symbol = opening.plan.symbol
        if view is None:
            self._refuse(
                opening, f"{symbol} is not a USDT perpetual on the exchange; write its name there, such as BTCUSDT"
            )
            return
        opening.view = view
        self._ask(opening, "book", addresses.position_book(opening.plan.account), BookQuestion(symbol=symbol))

    def _on_book(self, opening: Opening, book: BookReading) -> None:
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
        wrong = () if isinstance(verdict, SizedPlan) else verdict
        text = "\n".join(refusal.text for refusal in wrong)
        fields = sorted({refusal.field for refusal in wrong})
        if not self._passes(opening, (Verdict("validation", {"wrong": fields}, text),)):
            return
        opening.sized = verdict if isinstance(verdict, SizedPlan) else None
        self._ask(opening, "turns", addresses.STORE, self._guards.look_back)

    def on_passed(self, opening: Opening, view: OpeningView) -> None:
        leverage = opening.plan.leverage
        held = bool(view.positions) and all(each.leverage == leverage for each in view.positions)
        if not held:  # nothing live has another one, or the plan would have been refused
            request = EnsureLeverage(symbol=opening.plan.symbol, leverage=opening.plan.leverage)
            self._ask(opening, "leverage", addresses.client(opening.plan.account), request)
        else:
            self._on_leverage(opening, True)

    def _on_leverage(self, opening: Opening, _held: object) -> None:
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

    def _on_admitted(self, opening: Opening, admitted: TradeAdmitted) -> None:
        opening.admitted = admitted
        self._ask(opening, "number", addresses.STORE, NextNumber(counter="trade"))

    def _on_number(self, opening: Opening, number: int) -> None:
        view, sized, admitted = opening.view, opening.sized, opening.admitted
        if view is None or sized is None or admitted is None:
            raise RuntimeError("an opening reached its commit incomplete")
        if self._guards.safety.state is not SafetyState.ACTIVE:  # it was set while this was under way
            self._at_the_door(opening)
            return
        if self.context.now() - view.read_at > OLDEST_READING:
            self._judge_anew(opening)
            return
        opening.fact = TradeOpened(
            trade_id=opening.trade_id,
            number=number,
            label=opening.label,
            sized=sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=view.position_mode.index_for(opening.plan.position_side),
            backstop_price=admitted.backstop_price,
            parameters=self._parameters,
            opened_by=opening.order,
            opened_at=self.context.now(),
            signal_key=opening.signal_key,
            equity_usdt=view.balance.equity_usdt,
        )
        opening.commits += 1
        self._commit(opening.fact)

    def _judge_anew(self, opening: Opening) -> None:
        """Begin again with a fresh reading: a process that was frozen meanwhile knows an account of long ago."""
        opening.readings += 1
        if opening.readings >= MOST_READINGS:
            self._refuse(
                opening,
                f"the account was read {opening.readings} times, and each time it took more than "
                f"{OLDEST_READING.seconds} s until the trade could be opened",
                outside=True,
            )
            return
        book = addresses.position_book(opening.plan.account)
        self.context.tell(book, WithdrawAdmission(trade_id=opening.trade_id))
        opening.admitted = None
        self._at_the_door(opening)

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
        if message.stream == STREAM:
            self._guards.on_appended(message)
            return
        opening = self._committing(message.stream)
        if opening is not None and opening.fact is not None:
            self._accept(opening, opening.fact, already_open=False)

    @handles(AppendRefused)
    def _on_append_refused(self, message: AppendRefused) -> None:
        if message.stream == STREAM:
            self._guards.on_append_refused(message)
            return
        opening = self._committing(message.stream)
        if opening is not None:
            outside = message.reason == "disk"
            self._refuse(opening, f"the trade could not be recorded: {message.text}", outside=outside)

    def _committing(self, stream: str) -> Opening | None:
        heads = (queue[0] for queue in self._queues.values() if queue)
        return next((each for each in heads if addresses.trade_stream(each.trade_id) == stream), None)

    def _accept(self, opening: Opening, fact: TradeOpened, *, already_open: bool) -> None:
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
        self._guards.load()
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
