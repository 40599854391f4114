"""The guardian: stands in for a parked monitor. It sees to one thing only: a stop is at the exchange.

Small on purpose, and apart from the code that failed: of the trade's journal it reads what was opened and where the
backstop was last meant to be; of the exchange, position and orders. When nothing covers the position, it sets the stop:
the backstop, or just beyond a price that has passed it (only the monitor leaves at the market, and until it is back no
position may be without a stop). A person's wish to close it writes down, and has the monitor tried again at once to
carry it out.
"""

from __future__ import annotations

from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, BackstopMoved, SnapshotQuestion
from actors.messages.market import PriceReading
from actors.messages.monitoring import LeaveNow, Wake
from actors.messages.orders import EffectSettled, EffectUnclear, SetPositionStop, Settlement
from actors.messages.reports import UnsubscribePrice
from actors.messages.storing import Append, Appended, AppendRefused, LoadStream, Perform, PromisedEffect, StoredStream
from actors.messages.trading import ChangeTrade, ExitReason, ExitStarted, TradeOpened
from actors.model.money import ZERO
from actors.model.position import ObservedPosition
from actors.rules.backstop import takeable_backstop
from actors.rules.stop_cover import uncovered_quantity
from runtime import LATER, Actor, Answered, NotAnswered, Refused, Reply, handles

BEAT_SECONDS = 10.0
LONGEST_BEAT_SECONDS = 60.0
REFUSED_SECONDS = 1.0  # after a first refusal, until it looks again; doubles, up to the beat


class Guardian(Actor):
    def __init__(self, *, account: str, trade_id: str) -> None:
        self._account = account
        self._stream = addresses.trade_stream(trade_id)
        self._opened: TradeOpened | None = None
        self._backstop = ZERO
        self._refusals = 0  # of its stop, in a row
        self._beat = BEAT_SECONDS
        self._wish: LeaveNow | None = None
        self._owed: list[Reply] = []  # to those who wish the trade closed

    def on_start(self) -> None:
        self.context.log.warning("guardian_stands_in", trade=self._stream)
        self._look()

    def _look(self) -> None:
        if self._opened is None:
            self.context.ask(addresses.STORE, LoadStream(stream=self._stream), timeout_seconds=10, tag="journal")
        else:
            question = SnapshotQuestion(executions_since=self.context.now())
            self.context.ask(addresses.client(self._account), question, timeout_seconds=20, tag="reading")

    @handles(ChangeTrade)
    def _on_change(self, _message: ChangeTrade) -> None:
        raise Refused("its monitor is set aside and a guardian keeps a stop there meanwhile: nothing was changed")

    @handles(Wake)
    def _on_wake(self, _message: Wake) -> None:
        self._look()

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if message.tag == "journal":
            self._take_up(message.value)
        elif message.tag == "wish":
            self._write_wish(message.value)
        else:
            self._guard(message.value)

    def _take_up(self, stored: StoredStream) -> None:
        first = next(iter(stored.facts), None)
        if not isinstance(first, TradeOpened):
            self.context.log.error("guardian_blind", about="journal", reason="it does not begin with an opening")
            self._rest()
            return
        moves = [fact.stop_price for fact in stored.facts if isinstance(fact, BackstopMoved)]
        self._opened, self._backstop = first, moves[-1] if moves else first.backstop_price
        unsubscribe = UnsubscribePrice(symbol=first.sized.plan.symbol, path=self.context.path)
        self.context.tell(addresses.PRICES, unsubscribe)
        self._look()

    @handles(PriceReading)
    def _on_price(self, _message: PriceReading) -> None:
        """Pass over what the monitor had subscribed to: nothing is decided here."""

    @handles(BackstopMoved)
    def _on_backstop(self, message: BackstopMoved) -> None:
        """Heed what the position book tells the monitor this one stands in for."""
        self._backstop = message.stop_price

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if message.tag == "wish":
            self._refuse_wish(f"the journal was not read ({message.error})")
            return
        self.context.log.error("guardian_blind", about=str(message.tag), reason=message.reason)
        self._beat = min(LONGEST_BEAT_SECONDS, self._beat * 2)
        self._rest()

    # --- a person's wish to close -------------------------------------------------------------------------------------
    @handles(LeaveNow)
    def _on_leave(self, message: LeaveNow) -> object:
        self._owed.append(self.context.defer_reply())
        self._wish = message
        self.context.ask(addresses.STORE, LoadStream(stream=self._stream), timeout_seconds=5, tag="wish")
        return LATER

    def _write_wish(self, stored: StoredStream) -> None:
        """Journal that the trade is to be left, unless it is leaving, so that no crash can lose the wish."""
        if self._wish is None:
            return
        if any(isinstance(fact, ExitStarted) for fact in stored.facts):
            self._have_it_tried()
            return
        exit_started = ExitStarted(reason=ExitReason.PERSON, by=self._wish.by, started_at=self.context.now())
        append = Append(
            stream=self._stream,
            expected_sequence=stored.sequence,
            facts=(exit_started,),
            effects=(),
            confirm_to=self.context.path,
        )
        self.context.tell(addresses.STORE, append)

    @handles(Appended)
    def _on_appended(self, _message: Appended) -> None:
        self._have_it_tried()

    @handles(AppendRefused)
    def _on_append_refused(self, message: AppendRefused) -> None:
        self._refuse_wish(f"the wish could not be recorded ({message.text})")

    def _have_it_tried(self) -> None:
        self.context.log.warning("guardian_hands_back", trade=self._stream, by=self._wish.by if self._wish else "")
        self._wish = None
        for reply in self._owed:
            reply.answer(True)
        self._owed = []
        self.context.leave_parking()

    def _refuse_wish(self, text: str) -> None:
        self._wish = None
        for reply in self._owed:
            reply.refuse(Refused(f"its monitor is set aside, and {text}"))
        self._owed = []

    def _rest(self) -> None:
        self.context.start_timer("beat", self._beat, Wake())

    def _guard(self, snapshot: AccountSnapshot) -> None:
        opened = self._opened
        if opened is None:
            return
        plan = opened.sized.plan
        position = next(
            (each for each in snapshot.positions if (each.symbol, each.side) == (plan.symbol, plan.position_side)), None
        )
        uncovered = ZERO if position is None else uncovered_quantity(position, snapshot.orders)
        self.context.log.info("guardian_looked", symbol=plan.symbol, uncovered=str(uncovered))
        if uncovered and position is not None:
            self._place(opened, position)
        self._beat = BEAT_SECONDS
        self._rest()

    def _place(self, opened: TradeOpened, position: ObservedPosition) -> None:
        plan = opened.sized.plan
        stop_price = takeable_backstop(
            plan.position_side,
            self._backstop,
            position.mark_price,
            opened.instrument.tick_size,
            refusals=self._refusals,
        )
        request = SetPositionStop(
            account=self._account,
            symbol=plan.symbol,
            position_side=plan.position_side,
            position_index=position.position_index,
            stop_price=stop_price,
        )
        # Absolute and harmless to repeat, so it needs no journal.
        effect = PromisedEffect(
            key=f"guardian/{self._stream}/{self.context.new_id()}",
            destination=addresses.client(self._account),
            owner=self.context.path,
            request=request,
        )
        self.context.log.warning("guardian_places_stop", symbol=plan.symbol, stop=str(stop_price))
        self.context.tell(addresses.client(self._account), Perform(effect=effect))

    @handles(EffectSettled)
    def _on_settled(self, message: EffectSettled) -> None:
        if message.settlement is Settlement.DONE:
            self._refusals = 0
            return
        self.context.log.error("guardian_stop_refused", code=message.code, text=message.text)
        pause = REFUSED_SECONDS * 2 ** min(self._refusals, 10)
        self._refusals += 1
        if pause < BEAT_SECONDS:
            self.context.start_timer("beat", pause, Wake())

    @handles(EffectUnclear)
    def _on_unclear(self, message: EffectUnclear) -> None:
        self.context.log.error("guardian_stop_unclear", text=message.text)
