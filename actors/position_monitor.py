"""The position monitor: one per trade. It hears facts, has them decided by the rules, and commits what follows.

It holds no truth of its own: a fresh incarnation loads the journal, takes up the effects nobody has settled, waits for
one reading of the exchange, and only then goes on with its messages. Requests and alerts leave through the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from actors.messages import addresses
from actors.messages.accounts import (
    BackstopMoved,
    FundingBooked,
    OrderQuestion,
    PositionVerified,
    ReductionBooked,
    SliceReported,
    SnapshotWanted,
    TradeSnapshot,
    TriggerNear,
)
from actors.messages.alerts import RaiseAlert
from actors.messages.monitoring import AskAgain, LeaveNow, OwnStopDue, Wake
from actors.messages.orders import EffectSettled, EffectUnclear, ExecutionReported, OrderReported
from actors.messages.storing import (
    Append,
    Appended,
    AppendRefused,
    Forgotten,
    LoadStream,
    Perform,
    PromisedEffect,
    Settle,
    StoredStream,
    StreamSummary,
    UnsettledQuestion,
)
from actors.messages.trading import (
    ExecutionsRead,
    ExitReason,
    ExitStarted,
    MemoryLost,
    OrderAbsent,
    TradeQuestion,
    TradeReading,
)
from actors.model.alert import Alert
from actors.model.trade import Leg, LegState, Phase, Trade
from actors.rules.decision import Decision, decide, wants_reading, wants_verification
from actors.rules.forgotten_orders import exits_first, taken_up_in_order
from actors.rules.next_orders import Asker, doubtful_legs
from actors.rules.position_life import fold
from actors.rules.slices import slice_of, triggers_of
from actors.rules.trade_news import own_stop_in_place, own_stop_late, request_unclear
from actors.rules.trade_reading import reading_of
from runtime import Actor, Answered, NotAnswered, Refused, Restarted, handles

# Listed nowhere this long after the newest word of it, an order can no longer appear (request, receive window, 1 s).
ABSENCE_SECONDS = 7.0
RETRY_SECONDS = 2.0
CLOSED_LINGER_SECONDS = 5.0
FIGURES_SECONDS = 2.0  # before executions that have not come by themselves are read


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Whose ids this run makes."""

    installation: str
    epoch: int
    forgotten: Forgotten | None = None  # the latest run that began with less than an earlier one had acted on


class PositionMonitor(Actor):
    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        self._account = account
        self._symbol = symbol
        self._trade_id = trade_id
        self._identity = identity
        self._stream = addresses.trade_stream(trade_id)
        self._client = addresses.client(account)
        self._trade: Trade | None = None
        self._sequence = 0
        self._reconciled = False
        self._reading_wanted_at: datetime | None = None
        self._asked: set[str] = set()  # client order ids whose state is being asked for
        self._settled_at: dict[str, datetime] = {}  # by client order id: the last outcome of a request
        self._promised: dict[str, None] = {}  # requests whose outcome is not journalled yet
        self._told_slice: SliceReported | None = None
        self._told_triggers: TriggerNear | None = None
        self._watching_stop = False  # until the own stop covers again; its lateness is told once meanwhile
        self._told_stop_late = False
        self._reading_figures = False
        self._figures_pause = FIGURES_SECONDS

    # --- coming alive: journal, unsettled effects, one reading ---------------------------------------------------
    def on_start(self) -> None:
        self.context.watch(addresses.STORE)
        self._load()

    def _load(self) -> None:
        self.context.ask(addresses.STORE, LoadStream(stream=self._stream), timeout_seconds=10, tag="journal")

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if message.tag == "journal":
            self._take_up(message.value)
        elif message.tag == "booked":
            if not self._not_yet():
                for unsettled in message.value:
                    self._take_booked(unsettled.effect)
        else:
            self._on_order_read(str(message.tag), message)

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        about = str(message.tag)
        self.context.start_timer(f"again/{about}", RETRY_SECONDS, AskAgain(about=about))

    @handles(AskAgain)
    def _on_ask_again(self, message: AskAgain) -> None:
        if message.about == "journal":
            self._load()
        elif message.about == "booked":
            self._ask_for_booked()
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
            self._asked.discard(message.about)
            self._read_doubtful()

    def _take_up(self, stored: StoredStream) -> None:
        if not stored.facts:
            self.context.log.error("trade_unknown", trade=self._trade_id)
            self.context.stop()
            return
        self._trade = fold(stored.facts)
        self._sequence = stored.sequence
        for fact in stored.facts:
            self._note_outcome(fact)
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

    def _want_snapshot(self) -> None:
        trade = self._known
        since = trade.opened_at if wants_reading(trade) or trade.last_fill_at is None else trade.last_fill_at
        self._reading_wanted_at = self.context.now()
        wanted = SnapshotWanted(
            path=self.context.path,
            executions_since=since - timedelta(seconds=5),
            wanted_at=self._reading_wanted_at,
            first=not self._reconciled and self.context.incarnation == 1,
        )
        self.context.tell(addresses.reconciler(self._account), wanted)
        self.context.start_timer("again/snapshot", 15.0, AskAgain(about="snapshot"))

    @handles(Restarted)
    def _on_restarted(self, message: Restarted) -> None:
        if message.path == addresses.STORE:
            self.context.restart("the store restarted: appends on their way to it may be lost")

    @property
    def _known(self) -> Trade:
        if self._trade is None:
            raise RuntimeError(f"trade {self._trade_id} is not loaded yet")
        return self._trade

    def _not_yet(self) -> bool:
        """Keep the current message for later while the first reading is out."""
        if self._reconciled:
            return False
        self.context.stash()
        return True

    # --- readings -------------------------------------------------------------------------------------------------
    @handles(TradeSnapshot)
    def _on_snapshot(self, message: TradeSnapshot) -> None:
        if self._trade is None:
            return  # it was asked for by an earlier life; this one will ask itself
        if not self._reconciled:
            self._take_up_forgotten(message)
        for execution in message.executions:
            self._take(execution)
        self._take(ExecutionsRead(read_at=message.started_at))
        for order in message.orders:
            settled_at = self._settled_at.get(order.client_order_id or "")
            if settled_at is None or settled_at < message.started_at:  # else it may show what we have changed since
                self._take(OrderReported(account=self._account, order=order, read_at=message.started_at))
        listed = {order.client_order_id for order in message.orders}
        settled_before = message.started_at - timedelta(seconds=1)
        for leg in self._known.legs:
            missing = leg.state is LegState.LIVE and leg.client_order_id not in listed
            if missing and leg.requested_at < settled_before:
                self._ask_for_order(leg.client_order_id)
        if not self._reconciled and self._is_this_lifes(message):
            self._reconciled = True
            self.context.cancel_timer("again/snapshot")
            self.context.log.info("monitor_reconciled", trade=self._known.label, phase=self._known.phase.value)
            self.context.unstash_all()
        self._take(None)
        if self._known.phase is Phase.CLOSED:
            # Brought back for a report it knew already: let what else is on its way arrive, then go.
            self.context.start_timer("again/closed", CLOSED_LINGER_SECONDS, AskAgain(about="closed"))

    def _take_up_forgotten(self, message: TradeSnapshot) -> None:
        """Find at the exchange what a lost memory had sent, before anything is wanted anew."""
        trade, lost = self._known, self._identity.forgotten
        if lost is not None and trade.forgot_epoch < lost.epoch and trade.opened_at < lost.at:
            self.context.log.warning("memory_lost", trade=trade.label, epoch=lost.epoch)
            self._take(MemoryLost(epoch=lost.epoch, noted_at=self.context.now()))
        for order in taken_up_in_order(trade, message.orders):
            self.context.log.warning("order_taken_up", trade=trade.label, order=order.client_order_id)
            self._take(OrderReported(account=self._account, order=order, read_at=message.started_at))
        for execution in exits_first(trade, message.executions):
            self._take(execution)

    def _is_this_lifes(self, message: TradeSnapshot) -> bool:
        """Tell whether it answers this life: another that began earlier may not reach back far enough."""
        wanted = self._reading_wanted_at
        return wanted is not None and (message.started_at >= wanted or message.answers == wanted)

    def _ask_for_order(self, client_order_id: str) -> None:
        if client_order_id in self._asked:
            return
        self._asked.add(client_order_id)
        question = OrderQuestion(symbol=self._symbol, client_order_id=client_order_id)
        self.context.ask(self._client, question, timeout_seconds=20, tag=client_order_id)

    def _on_order_read(self, client_order_id: str, message: Answered) -> None:
        self._asked.discard(client_order_id)
        leg = self._known.leg(client_order_id)
        if leg is None:
            return
        if message.value is not None:
            self._take(OrderReported(account=self._account, order=message.value))
        elif leg.live:
            if (self.context.now() - self._newest_word_of(leg)).total_seconds() > ABSENCE_SECONDS:
                self._take(OrderAbsent(client_order_id=client_order_id, read_at=self.context.now()))
            else:
                self.context.start_timer(f"again/{client_order_id}", 1.0, AskAgain(about=client_order_id))

    def _newest_word_of(self, leg: Leg) -> datetime:
        """Give the newest instant the order is known to have been on its way or at the exchange.

        Its intent may be old: a request is repeated when it did not arrive, and listings lag behind what they list.
        """
        instants = (leg.requested_at, leg.reported_at, self._settled_at.get(leg.client_order_id))
        return max(instant for instant in instants if instant is not None)

    def _read_doubtful(self) -> None:
        for leg in doubtful_legs(self._known):
            self._ask_for_order(leg.client_order_id)

    # --- facts ----------------------------------------------------------------------------------------------------
    @handles(ExecutionReported, OrderReported, EffectSettled, BackstopMoved, PositionVerified)
    def _on_fact(self, message: Any) -> None:
        if not self._not_yet():
            self._take(message)

    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        """Take what the position book has booked to this trade."""
        if not self._not_yet():
            self._take_booked(message.effect)

    def _take_booked(self, effect: PromisedEffect) -> None:
        fact, key = effect.request, effect.key
        if isinstance(fact, ReductionBooked | FundingBooked) and fact.execution_id not in self._known.executions:
            self._take(fact, settles=(key,))
        else:
            self.context.tell(addresses.STORE, Settle(effect_key=key, note="already booked"))

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

    def _take(self, fact: Any | None, *, settles: tuple[str, ...] = ()) -> None:
        """Decide one fact, commit what follows, and tell the neighbours."""
        asker = Asker(installation=self._identity.installation, epoch=self._identity.epoch, now=self.context.now())
        before = self._known
        self._note_outcome(fact)
        decision = decide(before, fact, asker)
        self._trade = decision.trade
        if decision.facts or settles or decision.settles:
            self._commit(before, replace(decision, settles=(*decision.settles, *settles)))
        elif fact is not None:
            return  # nothing new: whatever follows from the trade has followed already
        if decision.wake_after_seconds is not None:
            self.context.start_timer("wake", decision.wake_after_seconds + 0.01, Wake())
        self._read_doubtful()
        self._watch_own_stop()
        self._watch_figures()
        self._tell_book()
        self._tell_triggers()

    def _note_outcome(self, fact: Any | None) -> None:
        if isinstance(fact, EffectSettled):
            self._settled_at[fact.effect_key.partition("/")[0]] = fact.settled_at

    def _watch_figures(self) -> None:
        """Have the exchange read again, ever more patiently, while the trade's figures do not fit together."""
        if not wants_reading(self._known):
            self._figures_pause = FIGURES_SECONDS
            self._reading_figures = False
            self.context.cancel_timer("again/figures")
        elif not self._reading_figures:
            self._reading_figures = True
            self.context.start_timer("again/figures", self._figures_pause, AskAgain(about="figures"))
            self._figures_pause = min(60.0, self._figures_pause * 2)

    # --- committing -----------------------------------------------------------------------------------------------
    def _commit(self, before: Trade, decision: Decision) -> None:
        effects = [
            PromisedEffect(key=key, destination=self._client, owner=self.context.path, request=request)
            for key, request in decision.requests
        ]
        book = addresses.position_book(self._account)
        effects += [
            PromisedEffect(key=f"excess/{excess.execution_id}", destination=book, owner=book, request=excess)
            for excess in decision.excess
        ]
        effects += [self._alert_promised(alert) for alert in decision.alerts]
        trade = decision.trade
        settles = self._note_promises(decision)
        turned = (before.phase is Phase.CLOSED) != (trade.phase is Phase.CLOSED)
        self.context.tell(
            addresses.STORE,
            Append(
                stream=self._stream,
                expected_sequence=self._sequence,
                facts=decision.facts,
                effects=tuple(effects),
                settles=settles,
                register=_summary(trade) if turned else None,
                confirm_to=self.context.path if trade.phase is Phase.CLOSED else None,
            ),
        )
        self._sequence += len(decision.facts)
        for fact in decision.facts:
            self.context.log.debug("trade_fact", trade=trade.label, fact=type(fact).__name__)
        if before.phase is not trade.phase:
            self.context.log.info("trade_phase", trade=trade.label, before=before.phase.value, now=trade.phase.value)

    def _note_promises(self, decision: Decision) -> tuple[str, ...]:
        """Give the effects that this commit settles: once a trade is closed, all that are left."""
        for key, _ in decision.requests:
            self._promised[key] = None
        for key in decision.settles:
            self._promised.pop(key, None)
        if decision.trade.phase is not Phase.CLOSED:
            return decision.settles
        moot, self._promised = tuple(self._promised), {}
        return (*decision.settles, *moot)

    def _alert_promised(self, alert: Alert) -> PromisedEffect:
        # A number of this incarnation's would not do: a monitor that is started anew counts from 1 again.
        return PromisedEffect(
            key=f"alert/{self._trade_id}/{self._identity.epoch}/{self.context.new_id()}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )

    def _raise(self, alert: Alert) -> None:
        append = Append(
            stream=self._stream, expected_sequence=self._sequence, facts=(), effects=(self._alert_promised(alert),)
        )
        self.context.tell(addresses.STORE, append)

    @handles(Appended)
    def _on_appended(self, message: Appended) -> None:
        if self._trade is None:
            return  # an earlier life's append: the journal this life is about to load has it
        if self._known.phase is Phase.CLOSED and message.sequence == self._sequence:
            self.context.log.info("monitor_ended", trade=self._known.label)
            self.context.stop()

    @handles(AppendRefused)
    def _on_refused(self, message: AppendRefused) -> None:
        if self._trade is None:
            return  # an earlier life's append; what this life is about to load is without it
        self.context.log.warning("append_refused", trade=self._trade_id, reason=message.reason, text=message.text)
        if message.reason == "stale_sequence":
            self.context.restart("the journal has moved on")
        # Whatever else the store has against an append, it would have it again: that has to count as a failure.
        raise RuntimeError(f"the journal refused an append of trade {self._trade_id}: {message.text}")

    # --- the own stop's deadline ----------------------------------------------------------------------------------
    def _watch_own_stop(self) -> None:
        trade = self._known
        late = trade.open_quantity > 0 and not trade.own_stop_covers
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
        if trade.open_quantity > 0 and not trade.own_stop_covers:
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
        return reading_of(self._trade, note="" if self._reconciled else "reconciling with the exchange")


def _summary(trade: Trade) -> StreamSummary:
    return StreamSummary(
        kind="trade",
        account=trade.plan.account,
        symbol=trade.plan.symbol,
        number=trade.number,
        label=trade.label,
        live=trade.phase is not Phase.CLOSED,
    )
