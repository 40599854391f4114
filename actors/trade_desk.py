"""The trade desk: opens trades, closes them, and knows which are live.

An opening is one conversation at a time and account: read the account, judge and size the plan, have the position book
admit it, commit it with its small number, and have its monitor started. The trade's id follows from the command's id,
so the same command twice, or again after a crash, finds the trade it opened. On its way each order passes the guards
(rules.guards) once; what they go by is committed with the trades. Orders are the monitor's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actors.adoptions import Adoptions, AdoptionStep, AdoptionTerms, ReadAgain
from actors.clearance import Clearance, ClearingStep, ClearOn
from actors.fanned_openings import FannedOpenings
from actors.leftover_sweep import LeftoverSweep, SweepStep
from actors.messages import addresses
from actors.messages.accounts import (
    AdmitTrade,
    BookQuestion,
    BookReading,
    EnsureLeverage,
    TradeAdmitted,
)
from actors.messages.adopting import AdoptPosition
from actors.messages.alerts import RaiseAlert
from actors.messages.fanning import HalfPromised, MirrorPromised
from actors.messages.guarding import STREAM
from actors.messages.keeping import WritesFailing, WritesWork
from actors.messages.market import WatchPrice
from actors.messages.orders import EffectSettled, EffectUnclear
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    NextNumber,
    PromisedEffect,
    Settle,
    StoredStream,
    StreamSummary,
)
from actors.messages.trading import (
    ChangeTrade,
    CloseTrades,
    StartMonitor,
    TradeAccepted,
    TradeOpened,
    TradesQuestion,
)
from actors.model.account import OpeningView
from actors.model.guarding import GuardTerms, SafetyState
from actors.model.money import ZERO
from actors.model.trade import BackstopSettings, TradeParameters
from actors.model.trade_plan import Follower, SizedPlan, TradePlan
from actors.openings import Opening, Part, label_of
from actors.ports import FencePort
from actors.rules import fan_out, risk
from actors.rules.adoption import BackstopTerms
from actors.rules.fan_out_news import slice_not_opened
from actors.rules.guards import Verdict
from actors.rules.opening import judge, liquidation_estimate, opened_news
from actors.rules.refusals import Refusal
from runtime import LATER, Answered, NotAnswered, Restarted, handles

ASK_SECONDS = 15.0
READING_SECONDS = 3.0
OLDEST_READING = timedelta(seconds=15)  # of the account, when a trade sized by it is committed
OLDEST_PROMISE = timedelta(seconds=fan_out.PROMISE_SECONDS)
MOST_READINGS = 3  # of the account for one trade


class TradeDesk(FannedOpenings):
    def __init__(
        self,
        *,
        accounts: tuple[str, ...],
        parameters: TradeParameters,
        backstop: BackstopSettings,
        guards: GuardTerms,
        fence: FencePort,
        salt: str,
        mirrors: tuple[str, ...] = (),
    ) -> None:
        super().__init__(accounts=accounts, mirrors=mirrors, guards=guards, fence=fence, salt=salt)
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
        backstop = BackstopTerms(distance=self._backstop.distance, min_ticks=self._backstop.min_ticks)
        terms = AdoptionTerms(
            salt=self._salt, parameters=self._parameters, backstop=backstop, dry_run=self._terms.dry_run
        )
        self._adoptions = Adoptions(self.context, terms, self._fence, self._watch_price)
        self._sweep = LeftoverSweep(self.context, self._salt)
        self._sweep.take_up(self._accounts)
        self._clearance = Clearance(self.context, self._salt, self._guards.cleared)
        self._first_record = True

    # --- the steps ------------------------------------------------------------------------------------------------
    def _on_journal(self, opening: Opening, stored: StoredStream) -> None:
        first = stored.facts[0] if stored.facts else None
        if opening.promise is not None:
            self._on_promised_journal(opening, first)
        elif isinstance(first, TradeOpened) and first.opened_by == opening.order:
            self.answer_found(opening, first)
        elif first is not None:  # another command's trade has this id by chance
            opening.attempt += 1
            self._begin(opening)
        elif opening.looked_up + 1 < len(opening.parts):
            opening.looked_up += 1
            self._look_up(opening)
        else:
            self._at_the_door(opening)

    def _on_promised_journal(self, opening: Opening, first: object) -> None:
        if first is None:
            self.take_up(opening)
        elif isinstance(first, TradeOpened) and first.opened_by == opening.order:
            self.context.tell(addresses.STORE, Settle(effect_key=opening.promise_key, note="opened before"))
            self._accept(opening, first)
        else:
            self._refuse(opening, "another command's trade has its id: write the order again")

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
        view = self.sizing_view(opening, opening.view)
        wrong: dict[str, tuple[Refusal, ...]] = {}
        for part in opening.parts:
            ahead = fan_out.beside(book, part.plan.position_side, sum(each.sized is not None for each in opening.parts))
            verdict = self.judged(opening, part, view, ahead)
            if isinstance(verdict, SizedPlan):
                part.sized = verdict
            else:
                wrong[part.name] = verdict
                part.refused = "; ".join(refusal.text for refusal in verdict)
        text = "" if opening.open_parts else "\n".join(fan_out.refusal_lines(wrong))
        if opening.preview is not None:
            self.mirror_previewed(opening)
            return
        if opening.promise is not None:
            self._on_mirror_judged(opening, view, text)
            return
        fields = sorted({refusal.field for refusals in wrong.values() for refusal in refusals})
        if self._passes(opening, (Verdict("validation", {"wrong": fields}, text),)):
            self._ask(opening, "turns", addresses.STORE, self._guards.look_back)

    def _on_mirror_judged(self, opening: Opening, view: OpeningView, text: str) -> None:
        if text:
            self._refuse(opening, text)
        else:
            self.on_passed(opening, view)

    def judge(self, plan: TradePlan, view: OpeningView, book: BookReading) -> SizedPlan | tuple[Refusal, ...]:
        return judge(plan, view, book, distance=self._backstop.distance, min_ticks=self._backstop.min_ticks)

    def on_passed(self, opening: Opening, view: OpeningView) -> None:
        leverage = opening.head.plan.leverage
        held = bool(view.positions) and all(each.leverage == leverage for each in view.positions)
        if not held:  # nothing live has another one, or the plan would have been refused
            request = EnsureLeverage(symbol=opening.plan.symbol, leverage=leverage)
            self._ask(opening, "leverage", addresses.client(opening.plan.account), request)
        else:
            self._on_leverage(opening, True)

    def _on_leverage(self, opening: Opening, _held: object) -> None:
        view, sized = opening.view, opening.sized
        if view is None or sized is None:
            raise RuntimeError("an opening reached its admission without a size")
        self._admit(self._draft(opening, opening.head, view), liquidation_estimate(sized, view), opening)

    def admit(self, opening: Opening) -> None:
        promise = opening.promise
        if not isinstance(promise, HalfPromised):
            raise TypeError("only the other half of a dual comes with its sizes")
        self._admit(promise.draft, promise.liquidation_price, opening)

    def _admit(self, draft: TradeOpened, liquidation_price: Decimal | None, opening: Opening) -> None:
        plan = draft.sized.plan  # with the prices that a net target's quantities made
        opening.fact = None
        opening.draft = draft
        request = AdmitTrade(
            trade_id=draft.trade_id,
            symbol=plan.symbol,
            position_side=plan.position_side,
            position_index=draft.position_index,
            stop_price=plan.stop_price,
            tick_size=draft.instrument.tick_size,
            liquidation_price=liquidation_price,
            leverage=plan.leverage,
        )
        self._ask(opening, "admit", addresses.position_book(plan.account), request)

    def _draft(self, opening: Opening, part: Part, view: OpeningView) -> TradeOpened:
        """Give a slice's first fact but for its number, its backstop and the time."""
        if part.sized is None:
            raise RuntimeError(f"slice {part.trade_id} has no size")
        promise = opening.promise
        follows = promise.follows if isinstance(promise, MirrorPromised) else ""
        return TradeOpened(
            trade_id=part.trade_id,
            number=0,
            label=label_of(part.plan, part.trade_id),
            sized=part.sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=view.position_mode.index_for(part.plan.position_side),
            backstop_price=ZERO,
            parameters=self._parameters,
            opened_by=opening.order,
            opened_at=opening.asked_at,
            signal_key=promise.signal_key if isinstance(promise, MirrorPromised) else opening.signal_key,
            equity_usdt=view.balance.equity_usdt,
            followers=tuple(
                Follower(account=each.account, trade_id=each.trade_id) for each in self._mirrors_of(opening, part)
            ),
            follows=follows,
        )

    def _mirrors_of(self, opening: Opening, part: Part) -> tuple[MirrorPromised, ...]:
        """Give what is promised on the mirror accounts for a slice of an order on main."""
        view, plan = opening.view, opening.plan
        if opening.promise is not None or view is None:
            return ()
        available = view.balance.available_usdt
        return tuple(
            MirrorPromised(
                trade_id=fan_out.slice_id(self._salt, opening.command_id, f"{account}/{part.name}", 0),
                plan=fan_out.mirrored(part.plan, account, available),
                order=opening.order,
                signal_key=opening.signal_key,
                follows=part.trade_id,
                main_label=label_of(part.plan, part.trade_id),
                main_available_usdt=available,
                promised_at=opening.asked_at,
            )
            for account in self.mirrors_of(plan)
        )

    def _on_admitted(self, opening: Opening, admitted: TradeAdmitted) -> None:
        opening.admitted = admitted
        self._ask(opening, "number", addresses.STORE, NextNumber(counter="trade"))

    def _on_number(self, opening: Opening, number: int) -> None:
        admitted, draft = opening.admitted, opening.draft
        if admitted is None or draft is None:
            raise RuntimeError("an opening reached its commit incomplete")
        if opening.promise is not None and self._too_late(opening) is not None:
            self.take_up(opening)  # says why
            return
        if self._guards.safety.state is not SafetyState.ACTIVE:  # it was set while this was under way
            self._at_the_door(opening)
            return
        read_at = opening.asked_at if opening.view is None else opening.view.read_at  # a half is as old as its promise
        if self.context.now() - read_at > (OLDEST_READING if opening.view is not None else OLDEST_PROMISE):
            self._judge_anew(opening)
            return
        opening.fact = replace(
            draft, number=number, backstop_price=admitted.backstop_price, opened_at=self.context.now()
        )
        opening.commits += 1
        self._commit(opening, opening.fact)

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
        self._withdraw(opening)
        opening.admitted = None
        if opening.promise is None:
            self._at_the_door(opening)
        else:
            self.take_up(opening)

    def _commit(self, opening: Opening, fact: TradeOpened) -> None:
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
            *self._promises(opening),
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
                settles=(opening.promise_key,) if opening.promise_key else (),
                register=summary,
                confirm_to=self.context.path,
            ),
        )

    def _promises(self, opening: Opening) -> Iterator[PromisedEffect]:
        """Give the slices that are promised with this one: its mirrors', and on main the other half."""
        promise, desk = opening.promise, self.context.path
        mirrors = promise.mirrors if isinstance(promise, HalfPromised) else self._mirrors_of(opening, opening.head)
        slices: list[HalfPromised | MirrorPromised] = list(mirrors)
        for part in opening.parts:
            if part is opening.head or opening.view is None:
                continue
            if part.refused:
                yield self._not_opened(part)
            elif part.sized is not None:
                slices.insert(
                    0,
                    HalfPromised(
                        draft=self._draft(opening, part, opening.view),
                        liquidation_price=liquidation_estimate(part.sized, opening.view),
                        mirrors=self._mirrors_of(opening, part),
                        promised_at=self.context.now(),
                    ),
                )
        for each in slices:
            yield PromisedEffect(key=f"slice/{each.trade_id}", destination=desk, owner=desk, request=each)

    def _not_opened(self, part: Part) -> PromisedEffect:
        alert = slice_not_opened(part.plan, part.trade_id, part.refused)
        return PromisedEffect(
            key=f"alert/{part.trade_id}/not_opened",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )

    @handles(Appended)
    def _on_appended(self, message: Appended) -> None:
        if message.stream == STREAM:
            self._guards.on_appended(message)
            self._clearance.go_on(self._guards.clearing if self._guards.known else frozenset())
            return
        if self._adoptions.on_appended(message.stream):
            return
        opening = self._committing(message.stream)
        if opening is not None and opening.fact is not None:
            self._accept(opening, opening.fact)

    @handles(AppendRefused)
    def _on_append_refused(self, message: AppendRefused) -> None:
        if message.stream == STREAM:
            self._guards.on_append_refused(message)
            return
        if self._adoptions.on_append_refused(message.stream, message.text):
            return
        opening = self._committing(message.stream)
        if opening is not None:
            outside = message.reason == "disk"
            self._refuse(opening, f"the trade could not be recorded: {message.text}", outside=outside)

    def _committing(self, stream: str) -> Opening | None:
        heads = (queue[0] for queue in self._queues.values() if queue)
        return next((each for each in heads if addresses.trade_stream(each.trade_id) == stream), None)

    def _accept(self, opening: Opening, fact: TradeOpened) -> None:
        self._accepted(fact, already_open=False)
        self._opened(
            opening,
            TradeAccepted(trade_id=fact.trade_id, number=fact.number, label=fact.label, sized=fact.sized),
            fact,
        )

    def _accepted(self, fact: TradeOpened, *, already_open: bool) -> None:
        self._watch_price(fact)
        self.context.log.info("trade_accepted", trade=fact.label, number=fact.number, already_open=already_open)

    def _watch_price(self, fact: TradeOpened) -> None:
        self.context.tell(addresses.PRICES, WatchPrice(symbol=fact.sized.plan.symbol))

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        """A commit may have been lost with the store: look each current opening up by its id and go on from there."""
        if message.path != addresses.STORE:
            return
        self._guards.load()
        self._ask_for_promises()
        self._adoptions.begin_again()
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

    # --- adoptions ------------------------------------------------------------------------------------------------
    @handles(AdoptPosition)
    def _on_adopt(self, message: AdoptPosition) -> Any:
        self._check_account(message.account)
        self._adoptions.begin(message)
        return LATER

    @handles(ReadAgain)
    def _on_read_again(self, message: ReadAgain) -> None:
        self._adoptions.read_again(message)

    def _is_anothers(self, message: Answered | NotAnswered) -> bool:
        if isinstance(message.tag, AdoptionStep):
            self._adoptions.on_answer(message.tag, message)
        elif isinstance(message.tag, SweepStep):
            self._sweep.on_answer(message.tag, message)
        elif isinstance(message.tag, ClearingStep):
            self._clearance.on_answer(message.tag, message)
        else:
            anothers = super()._is_anothers(message)
            if self._first_record and self._guards.known:  # what an earlier life had begun
                self._first_record = False
                self._clearance.go_on(self._guards.clearing, first=True)
            return anothers
        return True

    @handles(ClearOn)
    def _on_clear(self, message: ClearOn) -> None:
        self._clearance.look(message, self._guards.clearing)

    # --- what others left -----------------------------------------------------------------------------------------
    def on_trade_ended(self, trade_id: str) -> None:
        if not self._guards.protects_others:
            self._sweep.begin(trade_id)

    @handles(EffectSettled)
    def _on_settled(self, message: EffectSettled) -> None:
        if not self._clearance.on_settled(message):
            self._sweep.on_settled(message)

    @handles(EffectUnclear)
    def _on_unclear(self, _message: EffectUnclear) -> None:
        """The client goes on until it knows."""

    # --- the live trades ------------------------------------------------------------------------------------------
    @handles(TradesQuestion, CloseTrades, ChangeTrade)
    def _on_live(self, message: TradesQuestion | CloseTrades | ChangeTrade) -> Any:
        self._live.begin(message)
        return LATER
