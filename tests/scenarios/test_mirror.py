"""A dual trade with a mirror on the local exchange: four monitors to their end, over a kill -9 at several moments."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon

WORDS = "XRPUSDT long --approach dual --entries 0.62,0.61 --targets 0.65,0.66 --stop 0.59 --margin 2% --leverage 10"
ACCOUNTS = ("main", "mirror")
PERSON = 4711
ENTERED, TARGETS = "0.6095", ("0.6505", "0.6605")
LIVE = {"New", "PartiallyFilled", "Untriggered"}
ROLES = {"E1": 2, "E2": 1, "T1": 2, "T2": 2, "S": 2}  # of an account: two trades, each order made once


class Books:
    """What the exchange has of one account."""

    def __init__(self, stage: Any, account: str) -> None:
        self.rows = stage.exchange.books(account)

    @property
    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.ours if row["orderStatus"] in LIVE]

    @property
    def ours(self) -> list[dict[str, Any]]:
        return [row for row in self.rows["orders"] if row["orderLinkId"].startswith("SF")]

    def standing(self, role: str) -> list[dict[str, Any]]:
        """Give our live orders of a kind: entries E, targets T, stops S."""
        return [row for row in self.live if role_of(row).startswith(role)]

    @property
    def held(self) -> Decimal:
        return sum((Decimal(row["size"]) for row in self.rows["positions"]), Decimal(0))

    def covered(self) -> bool:
        stops = sum((Decimal(row["qty"]) for row in self.standing("S")), Decimal(0))
        targets = sum((Decimal(row["leavesQty"]) for row in self.standing("T")), Decimal(0))
        return stops == targets == self.held > 0

    def check(self) -> None:
        """See what must be whatever happened: nothing unprotected, doubled, or left."""
        assert (self.held, self.live) == (0, [])
        assert self.rows["audit"]["unprotected_ms_max"] == 0
        assert self.rows["audit"]["duplicate_orders"] == 0
        assert Counter(role_of(row) for row in self.ours) == ROLES


def role_of(row: dict[str, Any]) -> str:
    role: str = row["orderLinkId"].split("-")[2]
    return role


def ask(stage: Any) -> bool:
    """Ask for the order; False when there was no answer, or one to ask again later."""
    try:
        return "ok" in stage.daemon.ask("open", words=WORDS, command_id="the-one")
    except (NoDaemon, AnswerLate, DaemonFailed):
        return False


def settled(stage: Any, *, entries: int) -> bool:
    """Four trades are watched, both accounts hold something under stop and ladder, so many entries rest on each."""
    books = [Books(stage, account) for account in ACCOUNTS]
    resting = [len(each.standing("E")) for each in books]
    return len(stage.daemon.trades()) == 4 and resting == [entries] * 2 and all(each.covered() for each in books)


def closed_told(stage: Any) -> Counter[str]:
    """Count the trades whose end was told, by the account's mark; several alerts may share a message."""
    texts = "\n".join(message.text for message in stage.chat.messages(PERSON))
    return Counter(mark for _, mark in set(re.findall(r"#(\d+) XRPUSDT long( on mirror|): closed, \+", texts)))


@pytest.mark.parametrize("moment", [None, (0, 5), (0, 40), (0, 120), (1, 5), (2, 3)])
def test_a_dual_trade_with_a_mirror_runs_to_its_end_over_a_kill_at_any_moment(
    stage: Any, until: Any, moment: tuple[int, int] | None
) -> None:
    stage.daemon.environment["ENABLE_MIRROR_TRADING"] = "true"
    stage.daemon.environment["BYBIT_API_KEY_2"] = "paper-mirror-key"
    stage.daemon.environment["BYBIT_API_SECRET_2"] = "paper-mirror-secret"
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    asking = threading.Thread(target=ask, args=(stage,))

    def kill_if_due(step: int) -> None:
        if moment is not None and moment[0] == step:
            time.sleep(
                moment[1] / 1000
            )  # a moment, not a wait: wherever the daemon is by then, it must come back right
            stage.daemon.kill()
            asking.join()
            stage.daemon.start()
            until("the same command to be accepted", lambda: ask(stage))

    asking.start()
    kill_if_due(0)
    until("four trades, the fast ones entered", lambda: settled(stage, entries=2))
    asking.join()
    stage.exchange.move(XRPUSDT=ENTERED)
    kill_if_due(1)
    until("the entries", lambda: settled(stage, entries=0))
    for price in TARGETS:
        stage.exchange.move(XRPUSDT=price)
        if price == TARGETS[-1]:
            kill_if_due(2)
    until("the end of all four", lambda: not stage.daemon.trades())
    for account in ACCOUNTS:
        Books(stage, account).check()
    until("all to be told", lambda: closed_told(stage) == Counter({"": 2, " on mirror": 2}))
