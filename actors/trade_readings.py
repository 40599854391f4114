"""Trade readings: what a monitor asks of the exchange about its trade, and what it makes of the answers.

Enters: snapshots handed round by the reconciler, orders read one by one. Stays out: facts that come by themselves (the
monitor's, which builds on this), deciding. A reading never undoes what is newer than it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from actors.messages import addresses
from actors.messages.accounts import OrderQuestion, SnapshotWanted, TradeSnapshot
from actors.messages.monitoring import AskAgain
from actors.messages.orders import OrderReported
from actors.messages.trading import ExecutionsRead, MemoryLost, OrderAbsent
from actors.model.trade import Leg, LegState, Phase
from actors.monitored_trade import MonitoredTrade, RunIdentity
from actors.rules.decision import wants_reading
from actors.rules.forgotten_orders import exits_first, stops_of, taken_up_in_order
from actors.rules.next_orders import doubtful_legs
from runtime import Answered, handles

# Listed nowhere this long after the newest word of it, an order can no longer appear (request, receive window, 1 s).
ABSENCE_SECONDS = 7.0
CLOSED_LINGER_SECONDS = 5.0
FIGURES_SECONDS = 2.0  # before executions that have not come by themselves are read


class TradeReadings(MonitoredTrade):
    __slots__ = ("_asked", "_figures_pause", "_reading_figures", "_reading_wanted_at", "_reconciled")

    def __init__(self, *, account: str, symbol: str, trade_id: str, identity: RunIdentity) -> None:
        super().__init__(account=account, symbol=symbol, trade_id=trade_id, identity=identity)
        self._reconciled = False
        self._reading_wanted_at: datetime | None = None
        self._asked: dict[str, None] = {}  # client order ids whose state is being asked for
        self._reading_figures = False
        self._figures_pause = FIGURES_SECONDS

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

    @handles(TradeSnapshot)
    def _on_snapshot(self, message: TradeSnapshot) -> None:
        if self._trade is None:
            return  # it was asked for by an earlier life; this one will ask itself
        if not self._reconciled:
            self._take_up_forgotten(message)
        for execution in message.executions:
            self._take(execution)
        self._take(ExecutionsRead(read_at=message.started_at))
        self._take_orders(message)
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

    def _take_orders(self, message: TradeSnapshot) -> None:
        for order in message.orders:
            settled_at = self._settled_at.get(order.client_order_id or "")
            if settled_at is None or settled_at < message.started_at:  # else it may show what we have changed since
                self._take(OrderReported(account=self._account, order=order, read_at=message.started_at))
        # Readings come in the order in which they began: to none that comes now will these outcomes be news.
        self._settled_at = {name: at for name, at in self._settled_at.items() if at >= message.started_at}

    def _take_up_forgotten(self, message: TradeSnapshot) -> None:
        """Find at the exchange what a lost memory had sent, before anything is wanted anew."""
        trade, lost = self._known, self._identity.forgotten
        self._taking_up = True  # one by one: nothing may be placed beside what is about to be found
        if lost is not None and max(trade.forgot_epoch, self._begun_epoch) < lost.epoch:
            self.context.log.warning("memory_lost", trade=trade.label, epoch=lost.epoch)
            self._take(MemoryLost(epoch=lost.epoch, noted_at=self.context.now()))
            for order in stops_of(trade, message.orders):  # before anything is concluded about where they belong
                self._take(OrderReported(account=self._account, order=order, read_at=message.started_at))
        for order in taken_up_in_order(trade, message.orders):
            self.context.log.warning("order_taken_up", trade=trade.label, order=order.client_order_id)
            self._take(OrderReported(account=self._account, order=order, read_at=message.started_at))
        for execution in exits_first(trade, message.executions):
            self._take(execution)
        self._taking_up = False

    def _is_this_lifes(self, message: TradeSnapshot) -> bool:
        """Tell whether it answers this life: another that began earlier may not reach back far enough."""
        wanted = self._reading_wanted_at
        return wanted is not None and (message.started_at >= wanted or message.answers == wanted)

    def _ask_for_order(self, client_order_id: str) -> None:
        if client_order_id in self._asked:
            return
        self._asked[client_order_id] = None
        question = OrderQuestion(symbol=self._symbol, client_order_id=client_order_id)
        self.context.ask(self._client, question, timeout_seconds=20, tag=client_order_id)

    def _on_order_read(self, client_order_id: str, message: Answered) -> None:
        self._asked.pop(client_order_id, None)
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
        instants = (leg.requested_at, leg.reported_at, leg.settled_at, self._settled_at.get(leg.client_order_id))
        return max(instant for instant in instants if instant is not None)

    def _read_doubtful(self) -> None:
        for leg in doubtful_legs(self._known):
            self._ask_for_order(leg.client_order_id)

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
