"""The positions room: starts a monitor for every live trade of its account, and finds trades for late reports.

It is the supervisor of the monitors (one for one: a monitor cannot touch a sibling) and holds no trade itself. What
the register calls live has a monitor: that is seen to at the start, when the store is back, when a monitor has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from actors.messages import addresses
from actors.messages.accounts import MonitorsLost, StrayOrder
from actors.messages.alerts import RaiseAlert
from actors.messages.guarding import TradeEnded
from actors.messages.monitoring import AskAgain
from actors.messages.orders import CancelOrder, EffectSettled, EffectUnclear, ExecutionReported, OrderReported
from actors.messages.reports import Misaddressed
from actors.messages.storing import (
    Append,
    AppendRefused,
    DocumentQuestion,
    Guard,
    LoadStream,
    Perform,
    PromisedEffect,
    RegisterQuestion,
    Settle,
    StoredStream,
    UnsettledQuestion,
)
from actors.messages.trading import StartMonitor
from actors.model.alert import Alert, Severity
from actors.model.order import ObservedOrder
from runtime import Actor, Answered, ChildSpec, NotAnswered, Restarted, Terminated, handles

RETRY_SECONDS = 2.0
WAVE = 50  # monitors that load their journals at once: a thousand together would hold every fact in memory twice over

Late: TypeAlias = tuple[str, ExecutionReported | OrderReported]  # a symbol, and what was reported of a trade there


class PositionsRoom(Actor):
    def __init__(self, *, account: str, monitor_spec: Callable[[str, str], ChildSpec]) -> None:
        self._account = account
        self._monitor_spec = monitor_spec  # (symbol, trade id) to the child's spec
        self._to_start: dict[str, str] = {}  # trade ids to symbols, while the wave before is loading
        self._waiting: dict[str, list[Late]] = {}  # by trade id, while its journal is looked for
        self._cancelling: dict[str, str] = {}  # stray orders by the key of the cancel that is on its way

    def on_start(self) -> None:
        self.context.watch(addresses.STORE)
        if self.context.incarnation > 1:
            self.context.tell(addresses.reconciler(self._account), MonitorsLost())
        self._take_up()

    def _take_up(self) -> None:
        self._ask_register()
        for tag, destination in (("unsettled", self.context.path), ("cancels", addresses.client(self._account))):
            question = UnsettledQuestion(destination=destination)
            self.context.ask(addresses.STORE, question, timeout_seconds=10, tag=tag)

    def _ask_register(self) -> None:
        question = RegisterQuestion(kind="trade", account=self._account)
        self.context.ask(addresses.STORE, question, timeout_seconds=10, tag="register")

    @handles(Answered)
    def _on_answer(self, message: Answered) -> None:
        if message.tag == "register":
            there = set(self.context.children())
            for stream, summary in message.value:
                trade_id = stream.removeprefix("trade/")
                if addresses.monitor_name(summary.symbol, trade_id) not in there:
                    self._to_start[trade_id] = summary.symbol
            self._start_wave()
            self.context.log.info("monitors_started", account=self._account, trades=len(message.value))
        elif message.tag == "wave":
            self._start_wave()
        elif message.tag == "unsettled":
            for unsettled in message.value:
                self._on_perform(Perform(effect=unsettled.effect, repeat=True))
        elif message.tag == "cancels":
            self._resume_cancels(unsettled.effect for unsettled in message.value)
        else:
            self._on_looked_for(str(message.tag), message.value)

    def _start_wave(self) -> None:
        """Start some; the next ones once the store has come to a question behind their loads."""
        for trade_id in tuple(self._to_start)[:WAVE]:
            self._start(self._to_start[trade_id], trade_id)
        if self._to_start:
            self.context.ask(addresses.STORE, DocumentQuestion(name="wave"), timeout_seconds=10, tag="wave")

    @handles(NotAnswered)
    def _on_no_answer(self, message: NotAnswered) -> None:
        if message.tag == "wave":
            self._start_wave()
            return
        self.context.start_timer(f"again/{message.tag}", RETRY_SECONDS, AskAgain(about=str(message.tag)))

    @handles(AskAgain)
    def _on_ask_again(self, message: AskAgain) -> None:
        if message.about in {"register", "unsettled", "cancels"}:
            self._take_up()
        else:
            self._look_for(message.about)

    @handles(Perform)
    def _on_perform(self, message: Perform) -> None:
        """Start the monitor of a trade that was just committed. Starting one that lives is nothing."""
        request = message.effect.request
        if isinstance(request, StartMonitor):
            self._start(request.symbol, request.trade_id)
        self.context.tell(addresses.STORE, Settle(effect_key=message.effect.key))

    @handles(Restarted)
    def _on_restarted(self, _message: Restarted) -> None:
        """The store is back: what it released just before it fell may have been lost on the way here."""
        self._take_up()

    @handles(Terminated)
    def _on_terminated(self, message: Terminated) -> None:
        """A monitor has ended by itself. Something late may have reopened its trade in its last moment."""
        if message.reason == "ended":  # those that are stopped go down with this room
            self.context.tell(addresses.DESK, TradeEnded(trade_id=message.path.rpartition("-")[2]))
            self._ask_register()

    def _start(self, symbol: str, trade_id: str) -> str:
        self._to_start.pop(trade_id, None)
        path = addresses.monitor(self._account, symbol, trade_id)
        if addresses.monitor_name(symbol, trade_id) not in self.context.children():
            self.context.start_child(self._monitor_spec(symbol, trade_id))
            self.context.watch(path)
        return path

    # --- late reports -----------------------------------------------------------------------------------------------
    @handles(Misaddressed, StrayOrder)
    def _on_late(self, message: Misaddressed | StrayOrder) -> None:
        symbol = message.symbol if isinstance(message, Misaddressed) else message.order.symbol
        report = message.report if isinstance(message, Misaddressed) else _as_report(message, self.context.now())
        if isinstance(report, OrderReported) and report.order.state.terminal:
            return  # an order of a closed trade that ended once more; a fill in it comes as an execution
        path = addresses.monitor(self._account, symbol, message.trade_id)
        if message.trade_id in self._to_start:
            self._start(symbol, message.trade_id)
            self.context.tell(path, report)
            return
        if self.context.exists(path):
            self.context.tell(path, report)
            return
        waiting = self._waiting.setdefault(message.trade_id, [])
        waiting.append((symbol, report))
        if len(waiting) == 1:
            self._look_for(message.trade_id)

    def _look_for(self, trade_id: str) -> None:
        stream = LoadStream(stream=addresses.trade_stream(trade_id))
        self.context.ask(addresses.STORE, stream, timeout_seconds=10, tag=trade_id)

    def _on_looked_for(self, trade_id: str, stored: StoredStream) -> None:
        known = {fact.execution_id for fact in stored.facts if isinstance(fact, ExecutionReported)}
        waiting = self._waiting.pop(trade_id, [])
        news = [(symbol, report) for symbol, report in waiting if not _is_known(report, known)]
        if stored.facts:
            # A closed trade comes back to life: its monitor flattens what filled late and cancels what still rests.
            for symbol, report in news:
                self.context.tell(self._start(symbol, trade_id), report)
        elif news:
            self._on_unknown(trade_id, [report for _, report in news])

    def _on_unknown(self, trade_id: str, reports: list[ExecutionReported | OrderReported]) -> None:
        """Nobody here opened this trade. What could open a position is cancelled; what closes one is left alone."""
        self.context.log.error("trade_unknown", trade=trade_id, reports=len(reports))
        stream = f"unknown/{self._account}/{trade_id}"
        once = (Guard(key=stream),)
        alert = (self._unknown_alert(trade_id),)
        self.context.tell(
            addresses.STORE, Append(stream=stream, expected_sequence=0, facts=(), effects=alert, guards=once)
        )
        for report in reports:
            if isinstance(report, OrderReported) and not report.order.reduce_only:
                self._cancel_stray(stream, trade_id, report.order)

    def _cancel_stray(self, stream: str, trade_id: str, order: ObservedOrder) -> None:
        """Have a stray entry cancelled; each reading that still shows it asks again, one cancel at a time."""
        stray = order.client_order_id
        if stray is None or stray in self._cancelling.values():
            return
        key = f"{stray}/cancel/stray/{int(self.context.now().timestamp() * 1000)}"
        self._cancelling[key] = stray
        request = CancelOrder(account=self._account, trade_id=trade_id, symbol=order.symbol, client_order_id=stray)
        client = addresses.client(self._account)
        effect = PromisedEffect(key=key, destination=client, owner=self.context.path, request=request)
        self.context.tell(addresses.STORE, Append(stream=stream, expected_sequence=0, facts=(), effects=(effect,)))

    def _resume_cancels(self, promised: Iterable[PromisedEffect]) -> None:
        """Take up cancels whose outcome went with an earlier life; the client looks before it sends one again."""
        for effect in promised:
            if effect.owner == self.context.path and isinstance(effect.request, CancelOrder):
                self._cancelling[effect.key] = effect.request.client_order_id
                self.context.tell(effect.destination, Perform(effect=effect, repeat=True))

    @handles(EffectSettled)
    def _on_settled(self, message: EffectSettled) -> None:
        self._cancelling.pop(message.effect_key, None)
        self.context.log.info("stray_cancel_settled", effect_key=message.effect_key, outcome=message.settlement.value)
        self.context.tell(addresses.STORE, Settle(effect_key=message.effect_key, note=message.settlement.value))

    @handles(EffectUnclear)
    def _on_unclear(self, message: EffectUnclear) -> None:
        self.context.log.warning("stray_cancel_unclear", effect_key=message.effect_key, error=message.text)

    @handles(AppendRefused)
    def _on_refused(self, message: AppendRefused) -> None:
        """The unknown trade was told before; or a cancel could not be promised, and the next reading asks again."""
        if message.guard_key is None:
            self._cancelling.clear()
        self.context.log.info("stray_known", stream=message.stream, reason=message.reason)

    def _unknown_alert(self, trade_id: str) -> PromisedEffect:
        alert = Alert(
            kind="trade_unknown",
            severity=Severity.CRITICAL,
            key=f"{self._account}/trade_unknown/{trade_id}",
            title=f"{self._account}: an order with our mark belongs to no known trade ({trade_id})",
            lines=("An entry is cancelled, an exit left alone. Was an older copy of the state folder put back?",),
        )
        return PromisedEffect(
            key=f"alert/unknown/{self._account}/{trade_id}",
            destination=addresses.ALERT_DISPATCHER,
            owner=addresses.ALERT_DISPATCHER,
            request=RaiseAlert(alert=alert, raised_at=self.context.now()),
        )


def _as_report(stray: StrayOrder, at: datetime) -> OrderReported:
    return OrderReported(account=stray.account, order=stray.order, read_at=at)


def _is_known(report: ExecutionReported | OrderReported, known: set[str]) -> bool:
    return isinstance(report, ExecutionReported) and report.execution_id in known
