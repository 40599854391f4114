"""The demonstration: about a minute of accelerated market, five trades, four faults, and a verdict on the promises.

Everything is the real thing over loopback: the daemon with its threads and its database, pybit against the local
exchange, python-telegram-bot against the local Bot API. The figures in the verdict come from the exchange's own record.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.messages import addresses
from actors.messages.alert_records import AlertsQuestion, AlertsReading
from actors.messages.orders import ExecutionReported
from actors.messages.storing import LoadStream, RegisterQuestion
from actors.messages.trading import OpenTrade, StopPriceMoved, TradeAccepted
from actors.model.guarding import GuardTerms
from actors.model.trade import LegState, Role, Trade
from actors.model.trade_plan import TradePlan
from actors.rules.client_order_ids import parse_client_order_id
from actors.rules.plan_text import parse_plan
from actors.rules.position_life import fold
from adapters.assembly.daemon import Daemon, Outside
from adapters.assembly.wiring import Terms
from adapters.bybit.access import BybitAccess
from adapters.host.log_output import close_logging, configure_logging
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer
from adapters.simulated.bot_api_chats import ChatMessage
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.misbehaviour import Fault
from adapters.simulated.server import ExchangeServer
from adapters.telegram.bot import TelegramChat
from adapters.telegram.config import TelegramConfig
from runtime import ActorRestarted, InjectedFault, RuntimeEvent

PERSON = 4711  # the user id that plays the person
SPEED = 60  # market seconds per second
PATIENCE_SECONDS = 120.0
CHAT_SECONDS = 20.0
CURTAIN_SECONDS = 14  # until then prices stand still while trades are opened
OWN_STOP_LIMIT_MS = 2000
CENT = Decimal("0.01")

# Where each symbol goes: (seconds of the demonstration, price). Trades are placed so that each meets another end.
PATHS: dict[str, tuple[tuple[float, str], ...]] = {
    "XRPUSDT": ((0, "0.6300"), (14, "0.6300"), (18, "0.6185"), (22, "0.6085"), (34, "0.6415"), (48, "0.6725")),
    "SOLUSDT": ((0, "152.00"), (14, "152.00"), (18, "149.40"), (22, "148.40"), (32, "153.60"), (44, "147.00")),
    "ETHUSDT": ((0, "3010.00"), (14, "3010.00"), (19, "3024.00"), (24, "3038.00"), (40, "3090.00")),
    "BTCUSDT": ((0, "64000.0"), (14, "64000.0"), (30, "64250.0"), (50, "64150.0")),
}
# Five trades in a quarter of a minute, two of them on one coin: nobody should, so the guards against it are told.
HURRIED = GuardTerms(cooldown_seconds=0.0, idempotency_seconds=0.0)
BY_CHAT = (
    "XRPUSDT long --entries 0.62,0.61 --targets 0.64,0.65,0.66,0.67 --stop 0.595 --margin 2% --leverage 10",
    "BTCUSDT long --entries market --targets 66000,67000,68000,69000 --stop 62000 --margin 2% --leverage 5",
)
BY_COMMAND = (
    "SOLUSDT long --entries 150,149 --targets 153,155,157,159 --stop 145 --margin 2% --leverage 10",
    "ETHUSDT short --entries 3020,3035 --targets 2980,2960,2940,2920 --stop 3080 --margin 2% --leverage 10",
    "XRPUSDT long --entries 0.615 --targets 0.638,0.645,0.655,0.665 --stop 0.598 --margin 1% --leverage 10",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the demonstration measured. Definitions: ARCHITECTURE.md, "Words"."""

    trades_opened: int
    trades_closed: int
    entries_filled: int
    rungs_filled: int
    stops_moved: int
    monitor_restarts: int
    unprotected_ms_max: int
    own_stop_late_ms_max: int
    orders_placed: int
    duplicate_orders: int
    alerts_raised: int
    alerts_delivered: int
    realised_pnl_usdt: Decimal
    exchange_closed_pnl_usdt: Decimal
    funding_usdt: Decimal
    open_positions: int
    wall_seconds: float

    def broken(self) -> Iterator[str]:
        """Give the promises that did not hold."""
        if self.trades_closed != self.trades_opened or self.open_positions:
            yield f"{self.trades_opened - self.trades_closed} trades and {self.open_positions} positions are still open"
        if self.unprotected_ms_max:
            yield f"a position stood without any stop for {self.unprotected_ms_max} ms"
        if self.own_stop_late_ms_max > OWN_STOP_LIMIT_MS:
            yield f"a trade's own stop came after {self.own_stop_late_ms_max} ms, over {OWN_STOP_LIMIT_MS}"
        if self.duplicate_orders:
            yield f"{self.duplicate_orders} orders stand twice for one intent"
        if self.alerts_delivered != self.alerts_raised:
            yield f"{self.alerts_raised} alerts were raised and {self.alerts_delivered} delivered"
        if abs(self.realised_pnl_usdt - self.exchange_closed_pnl_usdt) >= CENT:
            yield f"our result {self.realised_pnl_usdt} is not the exchange's {self.exchange_closed_pnl_usdt} USDT"
        if not self.monitor_restarts:
            yield "the injected crash did not happen"


class Demonstration:
    """One run. `play` goes through it; `close` takes everything down whatever happened."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a market to show, not a secret
        self._began = time.monotonic()
        self._state = Path(tempfile.mkdtemp(prefix="standfast-demo-"))
        self._exchange = ExchangeServer(
            ExchangeConfig(seed=seed, script=self._script(), speed=Decimal(SPEED), salt=f"demo-{seed}")
        )
        self._telegram = BotApiServer(chats=(PERSON,))
        self._daemon: Daemon | None = None
        self._restarts = 0
        self._crashed = threading.Event()
        self._accepted: list[TradeAccepted] = []
        self._told = 0

    def _script(self) -> dict[str, tuple[tuple[Decimal, Decimal], ...]]:
        """Scale the paths to market time; the seed shifts the turning points a little."""
        script = {}
        for symbol, points in PATHS.items():
            script[symbol] = tuple(
                (
                    Decimal(round((at + (self._dice.uniform(-0.5, 0.5) if at > CURTAIN_SECONDS else 0)) * SPEED)),
                    Decimal(price),
                )
                for at, price in points
            )
        return script

    # --- the stage --------------------------------------------------------------------------------------------------
    def play(self) -> Verdict:
        """Run it all; seconds in what is said count from the start."""
        self._raise_curtain()
        self._open_trades()
        self._go_on_with_faults()
        self._await_the_end()
        return self._verdict()

    def say(self, kind: str, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {kind:<9} {text}", flush=True)

    def _raise_curtain(self) -> None:
        self._exchange.start()
        api_url = self._telegram.start()
        configure_logging(self._state / "log", console_level="critical", secrets=(LOCAL_TOKEN,))
        config = TelegramConfig(token=LOCAL_TOKEN, allowed_users=frozenset({PERSON}), api_url=api_url, poll_seconds=2)
        access = BybitAccess(
            api_key="paper-main-key",
            api_secret="paper-main-secret",  # noqa: S106 - the local exchange's own
            rest_url=self._exchange.rest_url,
            ws_url=self._exchange.ws_url,
        )
        self._daemon = Daemon(
            Outside(
                state=self._state,
                accounts={"main": access},
                open_chat=lambda: TelegramChat(config),
                fence=_NoFence(),
                terms=Terms(version="demo", default_chat_id=PERSON, guards=HURRIED),
                observers=(self._on_event,),
            )
        )
        self._daemon.start()
        self._wait("the daemon to take commands", self._daemon.ready)
        self.say("daemon", f"up: local exchange {self._exchange.rest_url}, local Bot API {api_url}")

    @property
    def _system(self) -> Any:
        if self._daemon is None:
            raise RuntimeError("the daemon has not been started")
        return self._daemon.system

    def _on_event(self, event: RuntimeEvent) -> None:
        if isinstance(event, ActorRestarted) and "/positions/" in event.path:
            self._restarts += 1

    # --- trades -----------------------------------------------------------------------------------------------------
    def _open_trades(self) -> None:
        for words in BY_CHAT:
            self._open_by_chat(words)
        for number, words in enumerate(BY_COMMAND, start=1):
            if number == 1:
                self.say("fault", "the exchange accepts the next order, and never answers")
                self._exchange.misbehave(Fault(kind="timeout_after_accept", path="/v5/order/create", times=1))
            plan = parse_plan(words, chat_id=PERSON)
            if not isinstance(plan, TradePlan):
                raise TypeError(f"the demonstration's own plan is refused: {plan}")
            question = OpenTrade(command_id=f"demo-{number}", plan=plan, by="demo")
            accepted = self._system.ask(addresses.DESK, question, timeout_seconds=30.0)
            self.say("trade", f"#{accepted.number} {words}")
        self._tell_chat()

    def _open_by_chat(self, words: str) -> None:
        seen = len(self._telegram.messages(PERSON))
        self._telegram.user_says(f"/trade {words}", PERSON)
        self.say("person", f"/trade {words}")
        preview = self._asked(seen)
        self._tell_chat()  # what is pressed has been seen
        label = preview.buttons[0][0][0]
        known = len(self._register(live_only=False))
        self._telegram.user_taps(preview.message_id, label)
        self.say("person", f"presses {label!r}")
        self._wait("the trade to be accepted", lambda: len(self._register(live_only=False)) > known)

    def _asked(self, seen: int) -> ChatMessage:
        """Wait for a message with buttons among those the person has not seen."""
        asked = self._telegram.wait_for(
            lambda api: next((each for each in api.messages(PERSON)[seen:] if each.buttons), None), CHAT_SECONDS
        )
        if asked is None:
            raise TimeoutError(f"the chat asked nothing back within {CHAT_SECONDS} s")
        return asked

    # --- faults -----------------------------------------------------------------------------------------------------
    def _go_on_with_faults(self) -> None:
        self._system.intercept(self._crash_once)
        turns: list[tuple[float, Callable[[], None]]] = [
            (24.0, self._break_chat),
            (31.0, self._mend_chat),
            (36.0, self._cut_sockets),
            (46.0, self._close_by_chat),
        ]
        for at, turn in turns:
            while time.monotonic() - self._began < at:
                self._tell_chat()
                time.sleep(0.1)
            turn()

    def _crash_once(self, path: str, message: Any) -> InjectedFault | None:
        """Let the monitor that hears of its first filled rung fall over it."""
        if self._crashed.is_set() or "/positions/" not in path or not isinstance(message, ExecutionReported):
            return None
        order = parse_client_order_id(message.client_order_id)
        if order is None or not order.role.startswith("T"):
            return None
        self._crashed.set()
        self.say("fault", f"the monitor {path.rsplit('/', 1)[1]} crashes on a fill of its first target")
        return InjectedFault(error=RuntimeError("injected by the demonstration"))

    def _break_chat(self) -> None:
        self.say("fault", "the chat service is out")
        self._telegram.outage(on=True)

    def _mend_chat(self) -> None:
        self._telegram.outage(on=False)
        self.say("fault", "the chat service is back")

    def _cut_sockets(self) -> None:
        self.say("fault", "every socket to the exchange is cut")
        self._exchange.drop_sockets()

    def _close_by_chat(self) -> None:
        number = next((row.number for _, row in self._register() if row.symbol == "BTCUSDT"), None)
        if number is None:
            return
        seen = len(self._telegram.messages(PERSON))
        self._telegram.user_says(f"/close {number}", PERSON)
        self.say("person", f"/close {number}")
        asked = self._asked(seen)
        self._tell_chat()
        self._telegram.user_taps(asked.message_id, asked.buttons[0][0][0])
        self.say("person", f"presses {asked.buttons[0][0][0]!r}")

    # --- the end ----------------------------------------------------------------------------------------------------
    def _await_the_end(self) -> None:
        self._wait("every trade to be closed", lambda: not self._register())
        self._wait("every alert to be delivered", lambda: self._alerts().raised == self._alerts().delivered)
        self._tell_chat()

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            self._tell_chat()
            if time.monotonic() > deadline:
                self.say("waiting", f"gave up waiting for {what}")
                return
            time.sleep(0.1)

    def _tell_chat(self) -> None:
        """Show what has newly arrived in the person's chat."""
        messages = self._telegram.messages(PERSON)
        for message in messages[self._told :]:
            first, *rest = message.text.splitlines() or [""]
            self.say("chat", first)
            for line in rest:
                print(f"{'':19} {line}", flush=True)
        self._told = len(messages)

    def _register(self, *, live_only: bool = True) -> Any:
        return self._system.ask(addresses.STORE, RegisterQuestion(kind="trade", live_only=live_only))

    def _alerts(self) -> AlertsReading:
        reading = self._system.ask(addresses.ALERT_DISPATCHER, AlertsQuestion())
        if not isinstance(reading, AlertsReading):
            raise TypeError(f"the alert dispatcher answered {reading!r}")
        return reading

    def _verdict(self) -> Verdict:
        account = self._exchange.state()["accounts"]["main"]
        trades, moves = [], 0
        for stream, _ in self._register(live_only=False):
            facts = self._system.ask(addresses.STORE, LoadStream(stream=stream)).facts
            trades.append(fold(facts))
            moves += sum(1 for fact in facts if isinstance(fact, StopPriceMoved))
        alerts = self._alerts()
        audit = account["audit"]
        exchange_pnl = sum((Decimal(row["closedPnl"]) for row in account["closed_pnl"]), Decimal(0))
        return Verdict(
            trades_opened=len(trades),
            trades_closed=sum(1 for trade in trades if trade.closed_at is not None),
            entries_filled=_filled(trades, Role.ENTRY),
            rungs_filled=_filled(trades, Role.TARGET),
            stops_moved=moves,
            monitor_restarts=self._restarts,
            unprotected_ms_max=audit["unprotected_ms_max"],
            own_stop_late_ms_max=audit["own_stop_late_ms_max"],
            orders_placed=audit["orders_placed"],
            duplicate_orders=audit["duplicate_orders"],
            alerts_raised=alerts.raised,
            alerts_delivered=alerts.delivered,
            realised_pnl_usdt=_to_fractions(sum((trade.realised_pnl_usdt for trade in trades), Decimal(0))),
            exchange_closed_pnl_usdt=_to_fractions(exchange_pnl),
            funding_usdt=_to_fractions(sum((trade.funding_usdt for trade in trades), Decimal(0))),
            open_positions=sum(1 for row in account["positions"] if Decimal(row["size"])),
            wall_seconds=round(time.monotonic() - self._began, 1),
        )

    def close(self, *, keep: bool) -> None:
        """Take everything down; the state folder stays when it may explain something."""
        if self._daemon is not None:
            self._daemon.stop()
        self._telegram.stop()
        self._exchange.stop()
        close_logging()
        if keep:
            self.say("state", f"kept in {self._state}")
        else:
            shutil.rmtree(self._state, ignore_errors=True)


class _NoFence:
    """The demonstration's state folder is its own: nobody else can hold it."""

    def check(self) -> None:
        """Nothing to check."""


def _to_fractions(amount: Decimal) -> Decimal:
    """Round money to a hundredth of a cent for showing."""
    return amount.quantize(CENT / 100)


def _filled(trades: list[Trade], role: Role) -> int:
    return sum(1 for trade in trades for leg in trade.of(role) if leg.state is LegState.FILLED)


def run_demo(seed: int, *, as_json: bool) -> int:
    """Play the demonstration; exit code 0 only if the promises held."""
    demonstration = Demonstration(seed)
    broken: list[str] = ["the demonstration did not come to its end"]
    try:
        verdict = demonstration.play()
        broken = list(verdict.broken())
    finally:
        demonstration.close(keep=bool(broken))
    print()
    for name, value in asdict(verdict).items():
        print(f"  {name:<26} {value}")
    for each in broken:
        print(f"BROKEN: {each}", file=sys.stderr)
    if not broken:
        print("\nEvery promise held: never unprotected, nothing sent twice, every alert delivered, all closed.")
    if as_json:
        print(json.dumps(asdict(verdict), default=float), flush=True)  # JSON has but one kind of number
    return 1 if broken else 0
