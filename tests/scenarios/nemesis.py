"""What a nemesis needs: a seeded script of misfortunes, prices that never rest, a person who trades on, and an eye.

Enters: a stage of whole processes. Stays out: what must hold at the end (the test). The eye judges by the exchange's
own record alone, and by no private part of the daemon.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from urllib.error import URLError

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon

OPENING = {"XRPUSDT": "1.2000", "SOLUSDT": "150.00", "ETHUSDT": "3200.00", "DOGEUSDT": "0.20000"}
ORDERS = ("/v5/order/create", "/v5/order/amend", "/v5/order/cancel", "/v5/position/trading-stop")
READINGS = ("/v5/order/realtime", "/v5/position/list", "/v5/execution/list")
LIVE = frozenset({"New", "PartiallyFilled", "Untriggered"})
RECEIVE_WINDOW_SECONDS = 5.0
# Time in which lateness proves nothing: a misfortune, its lookups (receive window + 1 s, time-outs), a loaded machine.
EXCUSED_SECONDS = 12.0
STARVED_SECONDS = 1.5  # between two looks: the machine itself stands still
CALM = 0.35  # of each minute nothing goes wrong but prices: there the timed promises are judged
LATE_SECONDS = 4.0  # the promise is 2 s; what is read twice a second on a loaded machine is allowed twice that
DOWN = (NoDaemon, AnswerLate, DaemonFailed, OSError)


def script(seed: int, seconds: float) -> list[tuple[float, str]]:
    """Write what goes wrong and when (seconds from the start): at least six kills, four freezes, one of them long."""
    random = Random(seed)
    rounds = max(1, round(seconds / 60))
    must = ["kill"] * 6 + ["freeze"] * 3 + ["freeze_long", "chat_outage", "drop_sockets", "drop_sockets"]
    must += ["delay_messages", "double_messages", "lost_answer", "lost_answer", "lost_request", "lost_request"]
    must += ["unavailable", "unavailable", "refused", "refused", "unreadable", "unreadable"]
    events = must * rounds
    random.shuffle(events)
    each, pace = len(must), seconds / rounds * (1 - CALM) / len(must)
    return [
        (place // each * seconds / rounds + (place % each + random.random() * 0.8) * pace, event)
        for place, event in enumerate(events)
    ]


@dataclass
class Eye:
    """Looks at the exchange's own record all the while; what it finds wrong, it keeps."""

    exchange: Any
    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    disturbed_until: float = 0.0  # monotonic seconds
    _best_stop: dict[str, Decimal] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)
    _looked_at: float = 0.0

    def disturbed(self, seconds: float = 0.0) -> None:
        """Something goes wrong for so long from now."""
        self.disturbed_until = max(self.disturbed_until, time.monotonic() + seconds + EXCUSED_SECONDS)

    def look(self) -> None:
        books = self.exchange.books()
        now = time.monotonic()
        if now - self._looked_at > STARVED_SECONDS:
            self.disturbed()
        self.looks, self._looked_at = self.looks + 1, now
        audit = books["audit"]
        self._check("unprotected", audit["unprotected_ms_max"] == 0, audit)
        self._check("duplicate", audit["duplicate_orders"] == 0, audit)
        live = [row for row in books["orders"] if row["orderStatus"] in LIVE and row["orderLinkId"].startswith("SF")]
        seen: set[tuple[str, str]] = set()
        for row in live:
            _, trade, role, _ = row["orderLinkId"].split("-")
            self._check("one live order a role", (trade, role) not in seen, row["orderLinkId"])
            seen.add((trade, role))
            self._check("an exit only reduces", role.startswith("E") or row["reduceOnly"], row["orderLinkId"])
            if role == "S" and row["orderStatus"] == "Untriggered":
                self._check_stop(trade, row)
        self._check_entries(books["orders"])
        held = {row["symbol"]: (Decimal(row["size"]), row["side"]) for row in books["positions"]}
        for symbol in OPENING:
            self._check_symbol(symbol, live, *held.get(symbol, (Decimal(0), "")))

    def _check_stop(self, trade: str, row: dict[str, Any]) -> None:
        """Never loosened: every trade here keeps its stop where it is or tightens it."""
        sign = 1 if row["side"] == "Sell" else -1
        trigger = Decimal(row["triggerPrice"]) * sign
        best = self._best_stop.setdefault(trade, trigger)
        self._check("the stop is not loosened", trigger >= best, f"{row['orderLinkId']} from {best} to {trigger}")
        self._best_stop[trade] = max(best, trigger)

    def _check_entries(self, orders: list[dict[str, Any]]) -> None:
        """One order for one intent: what an entry's orders fill and may fill is what one of them was for."""
        sums: dict[tuple[str, str], Decimal] = {}
        most: dict[tuple[str, str], Decimal] = {}
        for row in orders:
            parts = row["orderLinkId"].split("-")
            if len(parts) == 4 and parts[2].startswith("E"):
                entry = (parts[1], parts[2])
                standing = Decimal(row["leavesQty"]) if row["orderStatus"] in LIVE else Decimal(0)
                sums[entry] = sums.get(entry, Decimal(0)) + Decimal(row["cumExecQty"]) + standing
                most[entry] = max(most.get(entry, Decimal(0)), Decimal(row["qty"]))
        for entry, quantity in sums.items():
            self._check("an entry is filled once", quantity <= most[entry], entry)

    def _check_symbol(self, symbol: str, live: list[dict[str, Any]], held: Decimal, side: str) -> None:
        rows = [row for row in live if row["symbol"] == symbol and not row["orderLinkId"].split("-")[2].startswith("E")]
        of = {"S": Decimal(0), "T": Decimal(0)}
        for row in rows:
            role = row["orderLinkId"].split("-")[2][0]
            if role in of:
                of[role] += Decimal(row["leavesQty"] if role == "T" else row["qty"])
            if side:
                self._check("an exit leaves the side that is held", row["side"] != side, row["orderLinkId"])
        self._timed(f"own stop of {symbol}", held > 0 and of["S"] < held, f"holds {held}, stops for {of['S']}")
        self._timed(f"targets of {symbol}", of["T"] > held, f"holds {held}, targets for {of['T']}")

    def _timed(self, what: str, is_wrong: bool, how: object) -> None:
        """Judge what may be wrong for a moment, and longer only while something goes wrong."""
        now = time.monotonic()
        if not is_wrong:
            self._since.pop(what, None)
            return
        since = max(self._since.setdefault(what, now), self.disturbed_until)
        self._check(what, now - since < LATE_SECONDS, f"{how} for {now - since:.1f} s undisturbed")

    def _check(self, what: str, holds: bool, about: object) -> None:
        if not holds:
            self.wrong.append(f"{what}: {about}")


class Nemesis:
    """Carries the script out."""

    def __init__(self, stage: Any, seed: int) -> None:
        self.stage = stage
        self.eye = Eye(stage.exchange)
        self.happened: list[str] = []
        self.opened: set[str] = set()  # commands that the daemon said it accepted
        self.exits: list[int] = []  # how the daemon ended when nobody had killed it
        self.failed: list[BaseException] = []
        self._random = Random(seed)
        self._prices = {symbol: Decimal(price) for symbol, price in OPENING.items()}
        self._commands = 0
        self._asking: dict[str, str] = {}  # by symbol: the command whose answer is not known
        self._words: dict[str, str] = {}
        self._over = threading.Event()
        self._daemon = threading.Lock()  # whoever starts or ends the process
        self._threads: list[threading.Thread] = []

    # --- the whole of it --------------------------------------------------------------------------------------------
    def rage(self, events: list[tuple[float, str]], seconds: float) -> None:
        """Let everything happen; ends with all faults taken back and the daemon alive."""
        began = time.monotonic()
        for beat, pause in ((self.eye.look, 0.25), (self._move_prices, 0.4), (self._trade, 0.8), (self._serve, 0.5)):
            self._in_background(beat, pause)
        for at, event in events:
            self._wait(began + at - time.monotonic())
            self.happened.append(event)
            getattr(self, event)()
        self._wait(began + seconds - time.monotonic())
        self.stage.exchange.behave()
        self.stage.chat.outage(False)
        self.eye.disturbed()

    def rest(self) -> None:
        """Let nothing happen any more."""
        self._over.set()
        for thread in self._threads:
            thread.join(90.0)
            assert not thread.is_alive(), f"{thread.name} hangs"
        if self.failed:
            raise self.failed[0]

    def _in_background(self, beat: Callable[[], None], pause: float) -> None:
        def go_on() -> None:
            try:
                while not self._over.wait(pause):
                    beat()
            except BaseException as error:  # noqa: BLE001 - told by the test's own thread
                self.failed.append(error)

        thread = threading.Thread(target=go_on, name=beat.__name__, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wait(self, seconds: float) -> None:
        # The script's pace, not a wait for anything: wherever the daemon is by then, the next blow falls.
        time.sleep(max(0.0, seconds))

    # --- the market, the person, the service manager ------------------------------------------------------------------
    def _move_prices(self) -> None:
        symbol = self._random.choice(tuple(OPENING))
        origin = Decimal(OPENING[symbol])
        pull = (origin - self._prices[symbol]) / origin / 20
        step = Decimal(repr(round(self._random.gauss(0.0, 0.0025), 6)))
        self._prices[symbol] *= 1 + step + pull
        digits = -int(origin.as_tuple().exponent)
        self.stage.exchange.move(**{symbol: str(round(self._prices[symbol], digits))})

    def everywhere(self) -> bool:
        """Open a first trade on every symbol, before anything goes wrong; tell whether all were accepted."""
        for symbol in tuple(OPENING)[len(self.opened) :]:
            self._open(symbol)
        return len(self.opened) >= len(OPENING)

    def _trade(self) -> None:
        """Have a trade on every symbol."""
        symbol = self._random.choice(tuple(OPENING))
        with suppress(*DOWN):
            self._open(symbol)

    def _open(self, symbol: str) -> None:
        """Give a command; one whose answer was lost is given again under its own id."""
        if symbol not in self._asking:
            if self.stage.exchange.held(symbol) > 0 and self._random.random() < 0.7:
                return
            self._commands += 1
            self._asking[symbol] = f"nemesis-{self._commands}"
            self._words[symbol] = self._plan(symbol)
        answer = self.stage.daemon.ask("open", seconds=15.0, words=self._words[symbol], command_id=self._asking[symbol])
        command = self._asking.pop(symbol)
        if "ok" in answer:
            self.opened.add(command)

    def _plan(self, symbol: str) -> str:
        price = self._prices[symbol]
        digits = -int(Decimal(OPENING[symbol]).as_tuple().exponent)

        def at(fraction: str) -> str:
            return str(round(price * (1 + Decimal(fraction)), digits))

        entries = self._random.choice(("market", f"{at('-0.001')},{at('-0.003')}"))
        targets = ",".join(at(each) for each in ("0.002", "0.004", "0.006", "0.008"))
        return f"{symbol} long --entries {entries} --targets {targets} --stop {at('-0.012')} --margin 0.5% --leverage 5"

    def _serve(self) -> None:
        """Start the daemon again when it has ended, as a service manager does."""
        with self._daemon:
            if not self.stage.daemon.alive:
                self.exits.append(self.stage.daemon.process.returncode)
                self.stage.daemon.launch()
        if not self.stage.daemon.status().get("ready"):
            self.eye.disturbed()  # down-time ends when it takes commands

    # --- misfortunes --------------------------------------------------------------------------------------------------
    def kill(self) -> None:
        self.eye.disturbed(5.0)
        with self._daemon:
            if self.stage.daemon.alive:
                self.stage.daemon.kill()
            self.stage.daemon.launch()

    def freeze(self) -> None:
        self._freeze(self._random.uniform(0.3, 1.5))

    def freeze_long(self) -> None:
        """Longer than the receive window: what it had signed is too old when it wakes up."""
        self._freeze(RECEIVE_WINDOW_SECONDS + 2.0)

    def _freeze(self, seconds: float) -> None:
        self.eye.disturbed(seconds)
        with self._daemon:
            process = self.stage.daemon.process
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSTOP)
                self._wait(seconds)
                os.kill(process.pid, signal.SIGCONT)

    def chat_outage(self) -> None:
        self.stage.chat.outage(True)
        back = threading.Timer(self._random.uniform(3.0, 8.0), self.stage.chat.outage, (False,))
        self._threads.append(back)
        back.start()

    def drop_sockets(self) -> None:
        self._fault(kind="drop_ws", ms=self._random.choice((0, 1500, 4000)))

    def delay_messages(self) -> None:
        self._fault(kind="delay_ws", ms=self._random.choice((300, 1500, 4000)), times=6)

    def double_messages(self) -> None:
        self._fault(kind="duplicate_ws", times=8)

    def lost_answer(self) -> None:
        self._fault(kind="timeout_after_accept", path=self._random.choice(ORDERS), ms=12_000)

    def lost_request(self) -> None:
        self._fault(kind="timeout_before", path=self._random.choice(ORDERS), ms=12_000)

    def unavailable(self) -> None:
        self._fault(kind="http_503", path=self._random.choice(ORDERS + READINGS), times=2)

    def refused(self) -> None:
        code = self._random.choice((10000, 10002, 10006, 10016))
        self._fault(kind="ret_code", path=self._random.choice(ORDERS), ret_code=code, times=2)

    def unreadable(self) -> None:
        self._fault(kind="timeout_before", path=self._random.choice(READINGS), ms=12_000)

    def _fault(self, **fault: Any) -> None:
        self.eye.disturbed(fault.get("ms", 0) / 1000)
        with suppress(URLError):
            self.stage.exchange.fault(**fault)
