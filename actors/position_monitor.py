"""The position monitor: one per trade. It hears facts, has them decided by the rules, and commits what follows.

It holds no truth of its own: a fresh incarnation loads the journal, takes up the effects nobody has settled, waits for
one reading of the exchange, and only then goes on with its messages. Requests and alerts leave through the outbox.
"""

from __future__ import annotations

from typing import Any

from actors.messages import addresses
from actors.messages.accounts import (
    BackstopMoved,
    FundingBooked,
    PositionVerified,
    ReductionBooked,
    SliceReported,
    TriggerNear,
)
from actors.messages.fanning import MainLeft
from actors.messages.monitoring import AskAgain, LeaveNow, OwnStopDue, Wake
from actors.messages.orders import EffectSettled, EffectUnclear, ExecutionReported, OrderReported
from actors.messages.storing import LoadStream, Perform, PromisedEffect, Settle, StoredStream, UnsettledQuestion
from actors.messages.trading import ChangeTrade, ExitReason, ExitStarted, SafetyHeeded, TradeQuestion, TradeReading
from actors.model.sharing import shared
from actors.model.trade import Phase
from actors.monitored_trade import RunIdentity
from actors.rules.decision import wants_verification
from actors.rules.exit_words import status_lines
from actors.rules.outside_questions import runs_without_stop
from actors.rules.position_life import fold
from actors.rules.slices import slice_of, triggers_of
from actors.rules.trade_news import own_stop_in_place, own_stop_late, request_unclear
from actors.rules.trade_reading import reading_of
from actors.trade_adoption import ABOUT, ProtectionStep, TradeAdoption
from actors.trade_changes import ChangeStep
from runtime import Answered, NotAnswered, Refused, Restarted, handles

RETRY_SECONDS = 2.0

__all__ = ["PositionMonitor", "RunIdentity"]


class PositionMonitor(TradeAdoption):
    __slots__ = ("_told_slice", "_told_stop_late", "_told_triggers", "_watching_stop")

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        super().__init__(account=account, symbol=symbol, trade_id=trade_id, identity=identity)
        self._told_slice: SliceReported | None = None
        self._told_triggers: TriggerNear | None = None
        self._watching_stop = False  # until the own stop covers again; its lateness is told once meanwhile
        self._told_stop_late = False

    def after_taking(self) -> None:
        self._read_doubtful()
        self._watch_own_stop()
        self._watch_figures()
        self._tell_book()
        self._tell_triggers()
        self._watch_prices()
        self._watch_loosening()
        self._watch_protection()

    # --- coming alive: journal, unsettled effects, one reading ---------------------------------------------------
    def on_start(self) -> None:
        self.context.watch(addresses.STORE)
        self._load()

    def _load(self) -> None:
        self.context.ask(addresses.STORE, LoadStream(stream=self._stream), timeout_seconds=10, tag="journal")

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if isinstance(message.tag, ChangeStep):
            self._on_change_answer(message.tag, message)
        elif isinstance(message.tag, ProtectionStep):
            self._on_protection(message)
        elif message.tag == "journal":
            self._take_up(message.value)
        elif message.tag == "booked":
            if not self._not_yet():
                for unsettled in message.value:
                    self._take_booked(unsettled.effect)
        else:
            self._on_order_read(str(message.tag), message)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if isinstance(message.tag, ChangeStep):
            self._on_change_silence(message.tag, message)
            return
        if isinstance(message.tag, ProtectionStep):
            self._on_protection(message)
            return
        about = str(message.tag)
        self.context.start_timer(f"again/{about}", RETRY_SECONDS, AskAgain(about=about))

    @handles(AskAgain)
    def _on_ask_again(self, message: AskAgain) -> None:
        if message.about == "journal":
            self._load()
        elif message.about == "booked":
            self._ask_for_booked()
        elif message.about == "backstop":
            self._look_at_backstop()
        elif message.about == ABOUT:
            self._look_at_protection()
        elif message.about == "snapshot":
            if not self._reconciled:
                self._want_snapshot()
        elif message.about == "figures":
            self._reading_figures = False
            self._want_snapshot()
        elif message.about == "closed":
            if self._known.phase is Phase.CLOSED:
                self.context.stop()
        else:
            self._asked.pop(message.about, None)
            self._read_doubtful()

    def _take_up(self, stored: StoredStream) -> None:
        if not stored.facts:
            self.context.log.error("trade_unknown", trade=self._trade_id)
            self.context.stop()
            return
        self._trade = shared(fold(stored.facts))
        self._sequence = stored.sequence
        self._begun_epoch = stored.begun_epoch
        for leg in self._trade.legs:
            outcome_at = leg.settled_at or leg.ended_at
            if outcome_at is not None:
                self._settled_at[leg.client_order_id] = outcome_at
        for unsettled in stored.unsettled:
            # Its outcome may have been lost with an earlier life of this monitor; the client looks before it sends.
            if unsettled.effect.owner == self.context.path:
                self._promised[unsettled.effect.key] = None
                self.context.tell(unsettled.effect.destination, Perform(effect=unsettled.effect, repeat=True))
        self._ask_for_booked()
        self._tell_book()
        self._want_snapshot()

    def _ask_for_booked(self) -> None:
        question = UnsettledQuestion(destination=self.context.path)
        self.context.ask(addresses.STORE, question, timeout_seconds=10, tag="booked")

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        if message.path == addresses.STORE:
            self.context.restart("the store restarted: appends on their way to it may be lost")
        elif message.path == addresses.PRICES:
            self._prices_forgotten()

    # --- facts ----------------------------------------------------------------------------------------------------
    @handles(ExecutionReported, OrderReported, EffectSettled, BackstopMoved, PositionVerified)
    def _on_fact(self, message: Any) -> None:
        if not self._not_yet():
            self._take(message)

    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        """Take what the position book has booked to this trade, or the desk has it heed."""
        if not self._not_yet():
            self._take_booked(message.effect)

    def _take_booked(self, effect: PromisedEffect) -> None:
        fact, key = effect.request, effect.key
        if isinstance(fact, ChangeTrade):
            self._take_promised(fact, key)
            return
        booked = isinstance(fact, ReductionBooked | FundingBooked)
        leaves = isinstance(fact, ExitStarted) and self._known.phase not in {Phase.CLOSING, Phase.CLOSED}
        heard = leaves or isinstance(fact, SafetyHeeded | MainLeft)
        if heard or (booked and fact.execution_id not in self._known.executions):
            self._take(fact, settles=(key,))
        else:
            self.context.tell(addresses.STORE, Settle(effect_key=key, note="already so"))

    @handles(EffectUnclear)
    def _on_unclear(self, message: EffectUnclear) -> None:
        if not self._not_yet():
            self._raise(request_unclear(self._known, message.effect_key, message.text))

    @handles(LeaveNow)
    def _on_leave(self, message: LeaveNow) -> bool | None:
        if self._not_yet():
            return None
        if self._known.phase not in {Phase.CLOSING, Phase.CLOSED}:
            self._take(ExitStarted(reason=ExitReason.PERSON, by=message.by, started_at=self.context.now()))
        return True

    @handles(Wake)
    def _on_wake(self, _message: Wake) -> None:
        self._take(None)

    # --- the own stop's deadline ----------------------------------------------------------------------------------
    def _watch_own_stop(self) -> None:
        trade = self._known
        late = trade.open_quantity > 0 and not trade.own_stop_covers and not runs_without_stop(trade)
        if late and not self._watching_stop:
            self._watching_stop = True
            self.context.start_timer("own_stop", trade.parameters.own_stop_deadline_seconds, OwnStopDue())
        elif not late and self._watching_stop:
            self._watching_stop = False
            self.context.cancel_timer("own_stop")
            if self._told_stop_late:
                self._told_stop_late = False
                self._raise(own_stop_in_place(trade))

    @handles(OwnStopDue)
    def _on_own_stop_due(self, _message: OwnStopDue) -> None:
        trade = self._known
        if trade.open_quantity > 0 and not trade.own_stop_covers and not runs_without_stop(trade):
            self.context.log.error("own_stop_late", trade=trade.label, open=str(trade.open_quantity))
            self._told_stop_late = True
            self._raise(own_stop_late(trade))

    # --- neighbours -----------------------------------------------------------------------------------------------
    def _tell_book(self) -> None:
        told = slice_of(self._known, self.context.path, wants_verification=wants_verification(self._known))
        if told != self._told_slice:
            self._told_slice = told
            self.context.tell(addresses.position_book(self._account), told)

    def _tell_triggers(self) -> None:
        told = triggers_of(self._known)
        if told != self._told_triggers:
            self._told_triggers = told
            self.context.tell(addresses.reconciler(self._account), told)

    # --- reading it -----------------------------------------------------------------------------------------------
    @handles(TradeQuestion)
    def _on_question(self, _message: TradeQuestion) -> TradeReading:
        if self._trade is None:
            raise Refused(f"trade {self._trade_id} is being loaded; ask again in a moment")
        exits = status_lines(self._trade, self.price_seen(), self.context.now())
        note = "" if self._reconciled else "reconciling with the exchange"
        return reading_of(self._trade, note=note, exits=exits)
