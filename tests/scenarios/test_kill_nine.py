"""kill -9 at twenty moments of a trade's life, then a restart: nothing doubled, all protected, finished, told right."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon

WORDS = "XRPUSDT long --entries 0.62,0.61 --targets 0.64,0.65,0.66,0.67 --stop 0.59 --margin 2% --leverage 10"
# The life of the trade: what the price does, and what the exchange's books show when the trade has dealt with it.
STEPS = ("accepted", "0.6195", "0.6095", "0.6405", "0.6505", "0.6605", "0.6705")
MOMENTS = [
    *((0, milliseconds) for milliseconds in (2, 12, 25, 60)),
    *((1, milliseconds) for milliseconds in (0, 4, 10, 30)),
    *((2, milliseconds) for milliseconds in (0, 4, 10, 30)),
    *((3, milliseconds) for milliseconds in (0, 4, 10, 30)),
    *((4, milliseconds) for milliseconds in (3, 15)),
    *((6, milliseconds) for milliseconds in (3, 15)),
]


class Life:
    """One trade walked through its life, with one kill on the way."""

    def __init__(self, stage: Any, until: Any) -> None:
        self.stage = stage
        self.until = until

    def open(self) -> None:
        """Ask for the trade; the answer may be lost with the daemon."""

        def ask() -> None:
            try:
                self.stage.daemon.ask("open", words=WORDS, command_id="the-one")
            except (NoDaemon, AnswerLate, DaemonFailed):
                return

        self.asking = threading.Thread(target=ask)
        self.asking.start()

    def kill_after(self, milliseconds: int) -> None:
        # A moment, not a wait for something to have happened: wherever the daemon is by then, it must come back right.
        time.sleep(milliseconds / 1000)
        self.stage.daemon.kill()
        self.asking.join()
        self.stage.daemon.start()

    def step(self, number: int) -> None:
        exchange = self.stage.exchange
        if number == 0:
            self.open()
        else:
            exchange.move(XRPUSDT=STEPS[number])

    def settled(self, number: int) -> bool:
        """The books show what this step should have come to."""
        exchange = self.stage.exchange
        live = {row["orderLinkId"].split("-")[2]: row for row in exchange.live_orders() if row["orderLinkId"]}
        held = exchange.held("XRPUSDT")
        if number == 0:
            return {"E1", "E2"} <= set(live)
        if number == len(STEPS) - 1:
            return not live and not held and not self.stage.daemon.trades()
        rungs = sum((Decimal(row["leavesQty"]) for role, row in live.items() if role.startswith("T")), Decimal(0))
        at_breakeven = number < 3 or ("S" in live and Decimal(live["S"]["triggerPrice"]) > Decimal("0.61"))
        return held > 0 and exchange.own_stop_covers("XRPUSDT") and rungs == held and at_breakeven


@pytest.mark.parametrize(("at", "milliseconds"), MOMENTS)
def test_a_daemon_killed_at_any_moment_comes_back_and_finishes_its_trade(
    stage: Any, until: Any, at: int, milliseconds: int
) -> None:
    life = Life(stage, until)
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    for number in range(len(STEPS)):
        life.step(number)
        if number == at:
            life.kill_after(milliseconds)
            if number == 0 and not stage.daemon.trades():
                life.open()  # it was never accepted: the person asks once more, with the same command
        until(f"step {number} ({STEPS[number]}) to settle", lambda number=number: life.settled(number))
    life.asking.join()
    books = stage.exchange.books()
    assert books["audit"]["unprotected_ms_max"] == 0
    assert books["audit"]["duplicate_orders"] == 0
    # One order for one intent: two entries, four targets, one stop. A doubled or re-made one would be one more.
    roles = Counter(row["orderLinkId"].split("-")[2] for row in books["orders"] if row["orderLinkId"])
    assert roles == {"E1": 1, "E2": 1, "T1": 1, "T2": 1, "T3": 1, "T4": 1, "S": 1}
    until("the last alert", lambda: any("closed, +" in line for line in stage.told()))
    check_told(stage.told())


def check_told(lines: list[str]) -> None:
    """Every step was told once; a repeat after a crash is marked."""
    # One trade. Its number is 2 when the daemon died between giving number 1 and the commit that would have used it.
    numbers = {found.group() for line in lines if (found := re.search(r"#\d+(?= XRPUSDT)", line))}
    assert numbers in ({"#1"}, {"#2"}), lines
    steps = Counter(line.split(": ", 1)[1] for line in lines if line.startswith(tuple(numbers)))
    for wanted in (
        "opened (conservative)",
        "entry 1 filled",
        "entry 2 filled",
        *(f"target {number} filled" for number in range(1, 5)),
    ):
        assert steps[wanted] == 1 or any(wanted in line for line in lines if "(again)" in line), (wanted, lines)
    doubled = [step for step, times in steps.items() if times > 1]
    assert not doubled, lines
