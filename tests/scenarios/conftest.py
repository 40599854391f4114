"""Whole processes on loopback: a local Bybit, a local Bot API with somebody at it, and daemons that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pybit.unified_trading import HTTP

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon, call
from adapters.host.state_folder import state_folder
from adapters.simulated.bot_api import LOCAL_TOKEN, BotApiServer

ROOT = Path(__file__).resolve().parents[2]
PERSON = 4711
PATIENCE_SECONDS = 60.0  # for what takes a moment: only a loaded machine, or a broken daemon, comes near it


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


def until(what: str, found: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition of another process; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = found()
        if outcome:
            return outcome
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def _environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BYBIT_", "TELEGRAM_"))}
    return {**clean, **more}


@dataclass
class LocalBybit:
    """The exchange as a process of its own, moved and read through /control."""

    process: subprocess.Popen[str]
    port: int

    @classmethod
    def start(cls, *arguments: str) -> LocalBybit:
        command = [sys.executable, "main.py", "exchange", "--port", "0", "--control", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_environment())
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "http://" in first, first
        return cls(process=process, port=int(first.split("http://127.0.0.1:")[1].split()[0]))

    @property
    def addresses(self) -> dict[str, str]:
        return {
            "BYBIT_REST_URL": f"http://127.0.0.1:{self.port}",
            "BYBIT_WS_URL": f"ws://127.0.0.1:{self.port}",
        }

    def move(self, **prices: str) -> None:
        """Walk prices there; returns when everything on the way is matched."""
        self._post("prices", prices)

    def fault(self, **fault: Any) -> None:
        self._post("faults", fault)

    def behave(self) -> None:
        """Forget every fault that has not struck yet."""
        address = f"http://127.0.0.1:{self.port}/control/faults"
        with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=PATIENCE_SECONDS) as done:
            done.read()

    def _post(self, what: str, body: Mapping[str, Any]) -> None:
        address = f"http://127.0.0.1:{self.port}/control/{what}"
        request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            answer.read()

    def books(self, account: str = "main") -> dict[str, Any]:
        address = f"http://127.0.0.1:{self.port}/control/state"
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
            state: dict[str, Any] = json.load(answer)["accounts"][account]
        return state

    def order_by_hand(self, symbol: str, side: str, quantity: str) -> None:
        """Order at market as the person would in the app: without an id of ours."""
        client = HTTP(api_key="paper-main-key", api_secret="paper-main-secret")
        client.endpoint = f"http://127.0.0.1:{self.port}"
        client.place_order(category="linear", symbol=symbol, side=side, orderType="Market", qty=quantity)
        client.client.close()

    def books_market(self, symbol: str) -> str:
        """The last price, as the exchange tells everybody."""
        address = f"http://127.0.0.1:{self.port}/v5/market/tickers?category=linear&symbol={symbol}"
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
            price: str = json.load(answer)["result"]["list"][0]["lastPrice"]
        return price

    def live_orders(self) -> list[dict[str, Any]]:
        return [
            row for row in self.books()["orders"] if row["orderStatus"] in {"New", "PartiallyFilled", "Untriggered"}
        ]

    def held(self, symbol: str) -> Decimal:
        rows = (row for row in self.books()["positions"] if row["symbol"] == symbol)
        return sum((Decimal(row["size"]) for row in rows), Decimal(0))

    def own_stop_covers(self, symbol: str) -> bool:
        """The trades' own stops, the backstop left out, cover what is held."""
        stops = [
            Decimal(row["qty"])
            for row in self.live_orders()
            if row["symbol"] == symbol and row["orderStatus"] == "Untriggered" and "-S-" in row["orderLinkId"]
        ]
        return sum(stops, Decimal(0)) == self.held(symbol)

    def ladder_covers(self, symbol: str) -> bool:
        """The trades' targets come to what is held: everything that a fill set going is done."""
        targets = [
            Decimal(row["leavesQty"])
            for row in self.live_orders()
            if row["symbol"] == symbol and row["orderLinkId"] and row["orderLinkId"].split("-")[2].startswith("T")
        ]
        return sum(targets, Decimal(0)) == self.held(symbol)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class DaemonProcess:
    """`main.py run` on one state folder, started, killed and started again."""

    state: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start it and wait until it takes commands."""
        self.launch()
        until("the daemon to take commands", lambda: self.status().get("ready"))

    def launch(self) -> None:
        self.starts += 1
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / f"run-{self.starts}.out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "main.py", "run", "--state", str(self.state)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def end(self) -> int:
        """Ask it to end; give the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask(self, verb: str, seconds: float = 20.0, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = call(state_folder(self.state), verb, body, timeout_seconds=seconds)
        return answer

    def status(self) -> dict[str, Any]:
        try:
            return self.ask("status")
        except (NoDaemon, AnswerLate, DaemonFailed):
            return {}

    def trades(self) -> list[dict[str, Any]]:
        trades: list[dict[str, Any]] = self.status().get("trades", [])
        return trades


@dataclass
class Stage:
    """Exchange, chat and daemon of one test."""

    exchange: LocalBybit
    chat: BotApiServer
    daemon: DaemonProcess
    closers: list[Callable[[], None]] = field(default_factory=list)

    def told(self) -> list[str]:
        """The first line of every message in the person's chat."""
        return [message.text.splitlines()[0] for message in self.chat.messages(PERSON) if message.text]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A frozen market (prices move only by `exchange.move`), a chat, and a daemon that is not started yet."""
    yield from make_stage(tmp_path, "--speed", "0")


@pytest.fixture(name="make_stage", scope="session")
def _make_stage() -> Callable[..., Iterator[Stage]]:
    return make_stage


# These stages open trade upon trade; what the guards do about that has tests of its own.
NO_GUARDS = {"COOLDOWN_SECONDS": "0", "IDEMPOTENCY_HOURS": "0", "RAPID_CREATION_ORDERS": "0"}


def make_stage(folder: Path, *arguments: str) -> Iterator[Stage]:
    exchange = LocalBybit.start(*arguments)
    chat = BotApiServer(chats=(PERSON,))
    environment = _environment(
        **exchange.addresses,
        **NO_GUARDS,
        BYBIT_API_KEY="paper-main-key",
        BYBIT_API_SECRET="paper-main-secret",
        TELEGRAM_TOKEN=LOCAL_TOKEN,
        TELEGRAM_API_URL=chat.start(),
        TELEGRAM_ALLOWED_USERS=str(PERSON),
    )
    daemon = DaemonProcess(state=folder / "state", environment=environment)
    try:
        yield Stage(exchange=exchange, chat=chat, daemon=daemon)
    finally:
        if daemon.alive:
            daemon.kill()
        exchange.stop()
        chat.stop()
