"""One actor hangs or falls over; its neighbours do not notice, and it comes back from what is durable.

Real threads (a pool of two workers and threads of their own), the real daemon, pybit over loopback, the local exchange
whose own record has the last word. Nothing moves but what a test moves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from actors.messages import addresses
from actors.messages.alert_records import AlertsQuestion
from actors.messages.orders import ExecutionReported, OrderReported, PlaceOrder
from actors.messages.storing import Append, LoadStream, Perform
from actors.messages.trading import OpenTrade, TradeAccepted
from actors.model.guarding import NO_GUARDS
from actors.model.screen import Screen
from actors.model.trade import Trade
from actors.ports import ChatReport
from actors.position_monitor import PositionMonitor
from actors.rules.client_order_ids import parse_client_order_id
from actors.rules.plan_text import parse_plan
from actors.rules.position_life import fold
from adapters.assembly.daemon import Daemon, Outside
from adapters.assembly.wiring import Terms
from adapters.bybit.access import BybitAccess
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.misbehaviour import Fault
from adapters.simulated.server import ExchangeServer
from runtime import ActorRestarted, InjectedFault, RuntimeEvent

PATIENCE_SECONDS = 60.0
START = {"XRPUSDT": "0.6200", "SOLUSDT": "150.00", "ETHUSDT": "3000.00"}
PLANS = {
    "XRPUSDT": "XRPUSDT long --entries 0.61 --targets 0.63,0.64,0.65,0.66 --stop 0.58 --margin 2% --leverage 5",
    "SOLUSDT": "SOLUSDT long --entries 148 --targets 153,155,157,159 --stop 141 --margin 2% --leverage 5",
    "ETHUSDT": "ETHUSDT long --entries 2960 --targets 3050,3100,3150,3200 --stop 2840 --margin 2% --leverage 5",
}
ENTRY = {"XRPUSDT": "0.6095", "SOLUSDT": "147.80", "ETHUSDT": "2958.00"}
TARGET_1 = {"XRPUSDT": "0.6305", "SOLUSDT": "153.20", "ETHUSDT": "3052.00"}
TARGET_4 = {"XRPUSDT": "0.6610", "SOLUSDT": "159.30", "ETHUSDT": "3205.00"}
ALL = tuple(PLANS)


class QuietChat:
    """A chat that takes everything."""

    def __init__(self) -> None:
        self.sent: list[Screen] = []

    def open(self, sink: Callable[[ChatReport], None]) -> None:
        """Nobody speaks here."""

    def send(self, _chat_id: int, screen: Screen) -> int:
        self.sent.append(screen)
        return len(self.sent)

    def edit(self, chat_id: int, _message_id: int, screen: Screen) -> int:
        return self.send(chat_id, screen)

    def close(self, deadline_seconds: float) -> None:
        """Nothing is open."""


class HeldByNobodyElse:
    def check(self) -> None:
        """The folder is this test's own."""


class Stage:
    """The exchange, the daemon, and what was injected."""

    def __init__(self, folder: Path) -> None:
        script = {symbol: ((Decimal(0), Decimal(price)),) for symbol, price in START.items()}
        self.exchange = ExchangeServer(ExchangeConfig(seed=1, script=script, speed=Decimal(0), salt="isolation"))
        self.exchange.start()
        self.chat = QuietChat()
        self.restarted: list[str] = []
        access = BybitAccess(
            api_key="paper-main-key",
            api_secret="paper-main-secret",
            rest_url=self.exchange.rest_url,
            ws_url=self.exchange.ws_url,
        )
        self.daemon = Daemon(
            Outside(
                state=folder,
                accounts={"main": access},
                open_chat=lambda: self.chat,
                fence=HeldByNobodyElse(),
                terms=Terms(version="test", default_chat_id=1, guards=NO_GUARDS),
                observers=(self._on_event,),
            )
        )
        self.daemon.start()
        self.until("the daemon to take commands", self.daemon.ready)

    def close(self) -> None:
        self.daemon.system.intercept(None)
        try:
            self.daemon.stop()
        finally:
            self.exchange.stop()

    def _on_event(self, event: RuntimeEvent) -> None:
        if isinstance(event, ActorRestarted) and not event.error.startswith("planned"):
            self.restarted.append(event.path)

    # --- waiting and asking -----------------------------------------------------------------------------------------
    @staticmethod
    def until(what: str, true: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s in vain for {what}")
            time.sleep(0.005)
        return found

    def open(self, *symbols: str) -> dict[str, TradeAccepted]:
        trades = {}
        for symbol in symbols:
            plan = parse_plan(PLANS[symbol])
            assert not isinstance(plan, tuple), plan
            question = OpenTrade(command_id=f"open-{symbol}", plan=plan, by="test")
            trades[symbol] = self.daemon.system.ask(addresses.DESK, question, timeout_seconds=20.0)
        self.until("the entries", lambda: all(self.orders(symbol, "E1") for symbol in symbols))
        return trades

    def move(self, prices: dict[str, str], *symbols: str) -> None:
        self.exchange.move_prices({symbol: Decimal(prices[symbol]) for symbol in symbols})

    def intercept(self, path: str, matches: Callable[[Any], bool], act: Callable[[], InjectedFault | None]) -> None:
        """Have `act` run, once, in place of the handler (or before it) of the first message that matches there."""
        once = threading.Lock()

        def injected(at: str, message: Any) -> InjectedFault | None:
            if at == path and matches(message) and once.acquire(blocking=False):
                return act()
            return None

        self.daemon.system.intercept(injected)

    # --- what is there ----------------------------------------------------------------------------------------------
    @property
    def account(self) -> dict[str, Any]:
        account: dict[str, Any] = self.exchange.state()["accounts"]["main"]
        return account

    def orders(self, symbol: str, role: str, *states: str) -> list[dict[str, Any]]:
        """Give our orders of a symbol and role; by default those that still stand."""
        wanted = states or ("New", "PartiallyFilled", "Untriggered")
        found = []
        for row in self.account["orders"]:
            ours = parse_client_order_id(row["orderLinkId"])
            if ours and row["symbol"] == symbol and ours.role == role and row["orderStatus"] in wanted:
                found.append(row)
        return found

    def position(self, symbol: str) -> Decimal:
        return sum((Decimal(row["size"]) for row in self.account["positions"] if row["symbol"] == symbol), Decimal(0))

    def stop_covers(self, symbol: str) -> bool:
        stops = self.orders(symbol, "S")
        held = self.position(symbol)
        return bool(held) and sum((Decimal(row["qty"]) for row in stops), Decimal(0)) == held

    def at_breakeven(self, symbol: str) -> bool:
        entry = Decimal(PLANS[symbol].split("--entries ")[1].split()[0])
        stops = self.orders(symbol, "S")
        return self.stop_covers(symbol) and all(Decimal(row["triggerPrice"]) > entry for row in stops)

    def trade(self, trade: TradeAccepted) -> Trade:
        question = LoadStream(stream=addresses.trade_stream(trade.trade_id))
        return fold(self.daemon.system.ask(addresses.STORE, question).facts)

    def is_closed(self, trade: TradeAccepted) -> bool:
        return self.trade(trade).closed_at is not None

    def fill_entries(self, *symbols: str) -> None:
        self.move(ENTRY, *symbols)
        for symbol in symbols:
            self.until(f"the stop of {symbol}", partial(self.stop_covers, symbol))
            self.until(f"the targets of {symbol}", partial(self.orders, symbol, "T4"))

    def run_to_the_end(self, trades: dict[str, TradeAccepted]) -> None:
        """Reach the last target with every trade, and see the promises kept by the exchange's own record."""
        symbols = tuple(trades)
        self.move(TARGET_1, *symbols)
        for symbol in symbols:
            self.until(f"breakeven of {symbol}", partial(self.at_breakeven, symbol))
        self.move(TARGET_4, *symbols)
        for trade in trades.values():
            self.until("the trade to be closed", partial(self.is_closed, trade))
        self.promises_held()
        assert not [row for row in self.account["positions"] if Decimal(row["size"])]
        ours = sum((self.trade(trade).realised_pnl_usdt for trade in trades.values()), Decimal(0))
        theirs = sum((Decimal(row["closedPnl"]) for row in self.account["closed_pnl"]), Decimal(0))
        assert abs(ours - theirs) < Decimal("0.01")

    def promises_held(self) -> None:
        audit = self.account["audit"]
        assert (audit["unprotected_ms_max"], audit["duplicate_orders"]) == (0, 0)


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """What is injected fills screens; a failure shows conditions, not logs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


class Held:
    """A handler that waits until the test lets it go."""

    def __init__(self, cleanup: ExitStack) -> None:
        self.entered = threading.Event()
        self._go_on = threading.Event()
        cleanup.callback(self._go_on.set)

    def wait(self) -> InjectedFault | None:
        self.entered.set()
        self._go_on.wait(60.0)
        return None

    def release(self) -> None:
        self._go_on.set()


@pytest.fixture
def held(stage: Stage) -> Iterator[Held]:
    with ExitStack() as cleanup:
        yield Held(cleanup)


def crash() -> InjectedFault:
    return InjectedFault(error=RuntimeError("injected"))


def fill_of(role: str) -> Callable[[Any], bool]:
    """Match the execution of an order of this role."""

    def matches(message: Any) -> bool:
        ours = parse_client_order_id(message.client_order_id) if isinstance(message, ExecutionReported) else None
        return ours is not None and ours.role == role

    return matches


def monitor_of(trade: TradeAccepted) -> str:
    return addresses.monitor("main", trade.sized.plan.symbol, trade.trade_id)


# --- a monitor --------------------------------------------------------------------------------------------------------
def test_a_monitor_that_falls_over_a_fill_comes_back_from_durable_state_and_its_siblings_go_on(stage: Stage) -> None:
    trades = stage.open(*ALL)
    stage.intercept(monitor_of(trades["XRPUSDT"]), fill_of("E1"), crash)
    stage.fill_entries(*ALL)
    assert stage.restarted == [monitor_of(trades["XRPUSDT"])]
    stage.run_to_the_end(trades)


def test_a_monitor_that_hangs_keeps_nobody_from_their_fills_and_stops(stage: Stage, held: Held) -> None:
    trades = stage.open(*ALL)
    stage.intercept(monitor_of(trades["XRPUSDT"]), fill_of("E1"), held.wait)
    stage.move(ENTRY, "XRPUSDT")
    assert held.entered.wait(PATIENCE_SECONDS)
    siblings = ("SOLUSDT", "ETHUSDT")
    stage.fill_entries(*siblings)
    stage.move(TARGET_1, *siblings)
    for symbol in siblings:
        stage.until(f"breakeven of {symbol}", partial(stage.at_breakeven, symbol))
    assert not stage.orders("XRPUSDT", "S")  # it hangs still; the backstop covers its position
    assert stage.position("XRPUSDT") > 0
    stage.promises_held()
    held.release()
    stage.until("the stop of XRPUSDT", lambda: stage.stop_covers("XRPUSDT"))
    stage.run_to_the_end(trades)


def test_a_monitor_that_never_comes_back_from_a_handler_is_replaced_and_what_it_did_is_discarded(
    stage: Stage, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    trades = stage.open(*ALL)
    path = monitor_of(trades["XRPUSDT"])
    handler = PositionMonitor.handlers[ExecutionReported]
    first = threading.Lock()
    stale: list[PositionMonitor] = []

    def hang(monitor: PositionMonitor, message: ExecutionReported) -> None:
        if message.symbol == "XRPUSDT" and first.acquire(blocking=False):
            held.wait()
            handler(monitor, message)
            stale.append(monitor)
        else:
            handler(monitor, message)

    monkeypatch.setitem(PositionMonitor.handlers, ExecutionReported, hang)
    stage.move(ENTRY, "XRPUSDT")
    assert held.entered.wait(PATIENCE_SECONDS)
    stage.daemon.system.kill(path)  # what the watchdog does after ten seconds
    stage.fill_entries("XRPUSDT")
    known = len(stage.account["orders"])
    held.release()
    stage.until("the stale handler's end", lambda: stale)
    assert len(stage.account["orders"]) == known  # it went on, into nothing
    stage.fill_entries(*ALL)
    assert stage.restarted == [path]
    stage.run_to_the_end(trades)


# --- the alert dispatcher ---------------------------------------------------------------------------------------------
def is_perform(message: Any) -> bool:
    return isinstance(message, Perform)


def test_an_alert_dispatcher_that_falls_over_an_alert_loses_none_and_holds_up_no_trade(stage: Stage) -> None:
    stage.intercept(addresses.ALERT_DISPATCHER, is_perform, crash)
    trades = stage.open(*ALL)
    stage.fill_entries(*ALL)
    stage.run_to_the_end(trades)
    stage.until("every alert", lambda: _all_delivered(stage))
    told = " ".join(screen.title for screen in stage.chat.sent)
    for trade in trades.values():
        assert f"#{trade.number} " in told


def test_an_alert_dispatcher_that_hangs_holds_up_no_trade(stage: Stage, held: Held) -> None:
    stage.intercept(addresses.ALERT_DISPATCHER, is_perform, held.wait)
    trades = stage.open(*ALL)
    assert held.entered.wait(PATIENCE_SECONDS)
    stage.fill_entries(*ALL)
    stage.run_to_the_end(trades)
    held.release()
    stage.until("every alert", lambda: _all_delivered(stage))


def _all_delivered(stage: Stage) -> bool:
    reading = stage.daemon.system.ask(addresses.ALERT_DISPATCHER, AlertsQuestion())
    return bool(reading.raised) and reading.raised == reading.delivered


# --- a lane -----------------------------------------------------------------------------------------------------------
def test_a_lane_that_hangs_in_its_call_stalls_one_request_and_nothing_is_sent_twice(stage: Stage) -> None:
    trades = stage.open(*ALL)
    stage.exchange.misbehave(Fault(kind="timeout_after_accept", path="/v5/order/create", times=1, ms=60_000))
    stage.move(ENTRY, "XRPUSDT")
    stage.until("the request that hangs", lambda: stage.orders("XRPUSDT", "S"))
    stage.fill_entries("SOLUSDT", "ETHUSDT")
    stage.fill_entries("XRPUSDT")
    stage.run_to_the_end(trades)


def test_a_lane_that_falls_over_a_request_looks_before_it_sends_again(stage: Stage) -> None:
    trades = stage.open(*ALL)
    crashed = threading.Event()

    def first_placement(path: str, message: Any) -> InjectedFault | None:
        if "/lane-" not in path or not isinstance(message, PlaceOrder) or crashed.is_set():
            return None
        crashed.set()
        return crash()

    stage.daemon.system.intercept(first_placement)
    stage.fill_entries(*ALL)
    assert crashed.is_set()
    stage.run_to_the_end(trades)


# --- the private stream -----------------------------------------------------------------------------------------------
def test_a_private_stream_that_falls_over_a_report_opens_a_new_socket_and_loses_nothing(stage: Stage) -> None:
    trades = stage.open(*ALL)
    path = addresses.private_stream("main")
    stage.intercept(path, lambda message: isinstance(message, ExecutionReported | OrderReported), crash)
    stage.fill_entries(*ALL)
    assert path in stage.restarted
    stage.run_to_the_end(trades)


# --- the store --------------------------------------------------------------------------------------------------------
def test_a_store_that_falls_over_an_append_releases_nothing_of_it_and_everyone_begins_again(stage: Stage) -> None:
    trades = stage.open(*ALL)
    stage.intercept(addresses.STORE, lambda message: isinstance(message, Append) and bool(message.facts), crash)
    stage.fill_entries(*ALL)
    assert addresses.STORE in stage.restarted
    stage.run_to_the_end(trades)


def test_a_store_that_hangs_holds_everything_back_and_loses_nothing(stage: Stage, held: Held) -> None:
    trades = stage.open(*ALL)
    stage.intercept(addresses.STORE, lambda message: isinstance(message, Append) and bool(message.facts), held.wait)
    stage.move(ENTRY, *ALL)
    assert held.entered.wait(PATIENCE_SECONDS)
    for symbol in ALL:
        assert stage.position(symbol) > 0
        assert not stage.orders(symbol, "S")  # an intent that is not durable does not leave
    held.release()
    stage.fill_entries(*ALL)
    stage.run_to_the_end(trades)
