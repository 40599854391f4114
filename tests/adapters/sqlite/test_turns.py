"""How trades began and ended, as the guards read it: every live one, the others for as long as they are asked for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.errors import StateDamaged
from actors.messages.storing import Append, StreamSummary
from actors.messages.trading import ExitReason, OrderAbsent, TradeClosed, TradeOpened
from adapters.sqlite.journal import TURNS
from adapters.sqlite.store import SqliteStore
from tests.adapters.sqlite.conftest import START, StateFolder
from tests.invariants.conftest import opening

HOUR = timedelta(hours=1)


def begin(store: SqliteStore, trade_id: str) -> TradeOpened:
    fact = opening(trade_id=trade_id)
    store.append(Append(stream=f"trade/{trade_id}", expected_sequence=0, facts=(fact,), register=row(live=True)))
    return fact


def end(store: SqliteStore, trade_id: str) -> TradeClosed:
    """Close it after something else has happened to it."""
    closed = TradeClosed(
        realised_pnl_usdt=Decimal(-5), funding_usdt=Decimal(0), reason=ExitReason.STOP_LOSS, closed_at=START
    )
    between = OrderAbsent(client_order_id="x", read_at=START)
    store.append(
        Append(stream=f"trade/{trade_id}", expected_sequence=1, facts=(between, closed), register=row(live=False))
    )
    return closed


def row(*, live: bool) -> StreamSummary:
    return StreamSummary(kind="trade", account="main", symbol="BTCUSDT", number=1, label="x", live=live)


def test_live_trades_are_given_however_old_and_closed_ones_while_they_are_recent(folder: StateFolder) -> None:
    store = folder.open()
    old_live, old_closed = begin(store, "AAAAAA"), begin(store, "BBBBBB")
    began_long_ago = begin(store, "CCCCCC")
    ended_long_ago = end(store, "BBBBBB")
    folder.now += 10 * HOUR
    ended = end(store, "CCCCCC")
    young = begin(store, "DDDDDD")
    store.commit()
    a, b, c, d = (f"trade/{letter * 6}" for letter in "ABCD")
    recent = ((a, old_live), (c, began_long_ago), (c, ended), (d, young))
    assert store.turns(folder.now - HOUR) == recent
    everything = store.turns(START - HOUR)
    assert set(everything) == {*recent, (b, old_closed), (b, ended_long_ago)}
    store.close()
    assert folder.open().turns(folder.now - HOUR) == recent


def test_what_is_written_and_not_committed_is_seen(folder: StateFolder) -> None:
    store = folder.open()
    fact = begin(store, "AAAAAA")
    assert store.turns(START) == (("trade/AAAAAA", fact),)
    store.rollback()
    assert store.turns(START) == ()


@pytest.mark.parametrize("kind", ["TradeOpened", "TradeClosed"])
def test_a_changed_row_is_noticed(folder: StateFolder, kind: str) -> None:
    store = folder.open()
    begin(store, "AAAAAA")
    end(store, "AAAAAA")
    store.commit()
    with closing(sqlite3.connect(folder.store)) as other:
        other.execute(f"UPDATE journal SET trace_id = 'z' WHERE kind = '{kind}'")  # noqa: S608 - our own words
        other.commit()
    with pytest.raises(StateDamaged, match=f"{kind}.*fails its checksum"):
        store.turns(START)


def test_they_are_read_through_their_index(folder: StateFolder) -> None:
    store = folder.open()
    begin(store, "AAAAAA")
    store.commit()
    with closing(sqlite3.connect(folder.store)) as other:
        plan = [line for *_, line in other.execute(f"EXPLAIN QUERY PLAN {TURNS}", ("x",)).fetchall()]
    readings = [line for line in plan if "journal" in line]
    assert [line for line in readings if "INDEX" not in line] == []
    assert any("SEARCH journal USING INDEX journal_turns (stream=?)" in line for line in readings), plan
