"""The real daemon on a disk that takes no writes, and on one that damaged its store."""

from __future__ import annotations

import resource
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.assembly.daemon import Daemon, Outside
from adapters.assembly.wiring import Terms
from adapters.sqlite.backups import Backups

WORDS = "XRPUSDT long --entries 0.62,0.61 --targets 0.64,0.65,0.66,0.67 --stop 0.59 --margin 2% --leverage 10"
BREAKEVEN = Decimal("0.615")
EACH_ONCE = {"E1": 1, "E2": 1, "T1": 1, "T2": 1, "T3": 1, "T4": 1, "S": 1}


def live(stage: Any) -> dict[str, dict[str, Any]]:
    return {row["orderLinkId"].split("-")[2]: row for row in stage.exchange.live_orders() if row["orderLinkId"]}


def roles(stage: Any) -> Counter[str]:
    return Counter(row["orderLinkId"].split("-")[2] for row in stage.exchange.books()["orders"] if row["orderLinkId"])


def times_told(stage: Any, words: str) -> int:
    return sum(words in line for line in stage.told())


def allow_files(stage: Any, size: int | None) -> None:
    """Let the system refuse the daemon's longer files, as a full disk does; None lifts it."""
    pid = stage.daemon.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def fill_the_disk(stage: Any) -> None:
    allow_files(stage, (stage.daemon.state / "store.sqlite-wal").stat().st_size)


def protected(stage: Any) -> Callable[[], bool]:
    def holds() -> bool:
        held = stage.exchange.held("XRPUSDT")
        rungs = sum((Decimal(row["leavesQty"]) for role, row in live(stage).items() if role[0] == "T"), Decimal(0))
        return held > 0 and rungs == held and bool(stage.exchange.own_stop_covers("XRPUSDT"))

    return holds


def at_breakeven(stage: Any) -> Callable[[], bool]:
    return lambda: "S" in live(stage) and Decimal(live(stage)["S"]["triggerPrice"]) > BREAKEVEN


def finish(stage: Any, until: Any) -> None:
    for price in ("0.6505", "0.6605", "0.6705"):
        stage.exchange.move(XRPUSDT=price)
    until("the trade to end", lambda: not live(stage) and not stage.daemon.trades())
    audit = stage.exchange.books()["audit"]
    assert audit["unprotected_ms_max"] == 0
    assert audit["duplicate_orders"] == 0


@pytest.fixture
def building(stage: Any, until: Any) -> Any:
    """A trade whose entries rest, with a store that can be restored."""
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.daemon.ask("open", words=WORDS, command_id="the-one")
    until("both entries to rest", lambda: {"E1", "E2"} <= set(live(stage)))
    return stage


@pytest.mark.parametrize("dies", [False, True], ids=["the disk works again", "the daemon dies meanwhile"])
def test_a_trade_goes_its_way_from_memory_and_each_order_is_sent_once(building: Any, until: Any, *, dies: bool) -> None:
    stage = building
    fill_the_disk(stage)
    stage.exchange.move(XRPUSDT="0.6095")
    until("the position to be protected", protected(stage))
    until("the person to hear of it", lambda: times_told(stage, "The disk takes no writes") == 1)
    answer = stage.daemon.ask("open", words=WORDS, command_id="another")
    assert "nothing new is opened until it does" in answer["failed"]
    stage.exchange.move(XRPUSDT="0.6405")
    until("the stop to stand at breakeven", at_breakeven(stage))
    if dies:
        stage.daemon.kill()
        stage.daemon.start()
        until("the loss to be told", lambda: any("its last steps before" in line for line in stage.told()))
    else:
        allow_files(stage, None)
        until("that to be told", lambda: times_told(stage, "The disk takes writes again") == 1)
        stage.daemon.kill()
        stage.daemon.start()
    until("the stop to stand at breakeven", at_breakeven(stage))
    finish(stage, until)
    assert roles(stage) == EACH_ONCE
    assert times_told(stage, "The disk takes no writes") == 1


def test_a_restore_is_told_although_the_start_that_made_it_dies_at_once(tmp_path: Path) -> None:
    def opened() -> Daemon:
        nothing: Any = None
        return Daemon(
            Outside(
                state=tmp_path,
                accounts={},
                open_chat=nothing,
                fence=nothing,
                terms=Terms(version="test", default_chat_id=1),
            )
        )

    first = opened()
    first.abandon()
    (tmp_path / "backups").mkdir()
    make_a_backup(tmp_path)
    take_away(tmp_path)
    dies = opened()
    assert len(dies.restored) == 1
    dies.abandon()
    after = opened()
    assert after.restored == ()
    after.abandon()
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        promised = store.execute("SELECT body FROM outbox").fetchall()
    assert [body.count('"state_restored"') for (body,) in promised] == [1]


def make_a_backup(state: Path) -> None:
    store = state / "store.sqlite"
    Backups(store, folder=state / "backups", clock=lambda: datetime.now(UTC), kept=9).back_up()


def flip_bits(state: Path) -> None:
    log = state / "store.sqlite-wal"
    whole = bytearray(log.read_bytes())
    for at in range(100, len(whole), 4096):
        whole[at] ^= 0x10
    log.write_bytes(whole)


def take_away(state: Path) -> None:
    for name in ("store.sqlite", "store.sqlite-wal", "store.sqlite-mark"):
        (state / name).unlink()


@pytest.mark.parametrize("damage", [flip_bits, take_away], ids=["flipped bits", "no file"])
def test_a_damaged_store_is_restored_told_and_its_trade_goes_on(
    building: Any, until: Any, damage: Callable[[Path], None]
) -> None:
    stage = building
    make_a_backup(stage.daemon.state)
    stage.exchange.move(XRPUSDT="0.6095")
    until("the position to be protected", protected(stage))
    stage.daemon.kill()
    damage(stage.daemon.state)
    stage.daemon.start()
    until("it to be told", lambda: any("was restored from" in line for line in stage.told()))
    until("the position to be protected", protected(stage))
    stage.exchange.move(XRPUSDT="0.6405")
    until("the stop to stand at breakeven", at_breakeven(stage))
    finish(stage, until)
    assert roles(stage) == EACH_ONCE
    assert len(list((stage.daemon.state / "damaged").iterdir())) == 1


def test_a_trade_opened_since_the_backup_is_told_and_its_stop_left_at_the_exchange(building: Any, until: Any) -> None:
    stage = building
    state = stage.daemon.state
    make_a_backup(state)
    stage.exchange.move(BTCUSDT="60100")
    btc = "BTCUSDT long --entries market --targets 62000,63000,64000,65000 --stop 59000 --margin 2% --leverage 10"
    stage.daemon.ask("open", words=btc, command_id="since")
    until(
        "the second trade's stop", lambda: stage.exchange.held("BTCUSDT") and stage.exchange.own_stop_covers("BTCUSDT")
    )
    stage.daemon.kill()
    take_away(state)
    stage.daemon.start()
    until("the unknown trade to be told", lambda: any("belongs to no known trade" in line for line in stage.told()))
    stage.exchange.move(XRPUSDT="0.6095")
    until("the known trade to go on", protected(stage))
    assert stage.exchange.held("BTCUSDT") > 0
    assert stage.exchange.own_stop_covers("BTCUSDT")
    books = stage.exchange.books()
    assert books["audit"]["unprotected_ms_max"] == 0
    assert books["audit"]["duplicate_orders"] == 0
