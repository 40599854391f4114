"""A real history: the first 300 recorded five-minute candles of XRPUSDT, replayed to a daemon that trades on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import pytest

CANDLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "XRPUSDT-5m.csv"
WANTED_TRADES = 5
SPEED = 900  # 300 candles of 300 s in 100 s
TICK = Decimal("0.0001")


@pytest.fixture(name="history")
def _history(tmp_path: Path) -> Path:
    if not CANDLES.exists():
        pytest.skip("the recorded candles are not beside this checkout")
    lines = CANDLES.read_text(encoding="ascii").splitlines()[:301]
    path = tmp_path / "first-300.csv"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


@pytest.fixture(name="replayed")
def _replayed(tmp_path: Path, history: Path, make_stage: Any) -> Iterator[Any]:
    yield from make_stage(tmp_path, "--replay", str(history), "--symbol", "XRPUSDT", "--speed", str(SPEED))


def plan_at(price: Decimal, side: str) -> str:
    """A trade close around the market, so that history meets its levels within minutes."""

    def away(fraction: str) -> str:
        sign = 1 if side == "long" else -1
        return str((price * (1 + sign * Decimal(fraction))).quantize(TICK, ROUND_DOWN))

    entries = f"{away('-0.001')},{away('-0.003')}"
    targets = ",".join(away(fraction) for fraction in ("0.002", "0.004", "0.006", "0.008"))
    return f"XRPUSDT {side} --entries {entries} --targets {targets} --stop {away('-0.008')} --margin 2% --leverage 5"


@pytest.mark.timeout(240)
def test_five_trades_on_recorded_prices_are_never_unprotected(replayed: Any, until: Any) -> None:
    daemon, exchange = replayed.daemon, replayed.exchange
    daemon.start()
    opened, refusals = 0, []
    deadline = time.monotonic() + 100  # the whole of the 300 candles
    while time.monotonic() < deadline:
        live = daemon.trades()
        if len(live) < 2:
            price = Decimal(exchange.books_market("XRPUSDT"))
            side = live[0]["position_side"] if live else ("long" if opened % 2 == 0 else "short")
            answer = daemon.ask("open", words=plan_at(price, side), command_id=f"replay-{opened}-{len(refusals)}")
            if "ok" in answer:
                opened += 1
            else:
                refusals.append(answer)  # the price ran away between reading it and ordering: asked again
        time.sleep(0.3)  # the market's pace, not a wait for a result
    assert opened >= WANTED_TRADES, refusals
    daemon.ask("close", which="all")
    until("every trade to be closed", lambda: daemon.status().get("ready") and not daemon.trades(), seconds=60)
    books = exchange.books()
    assert books["audit"]["unprotected_ms_max"] == 0
    assert books["audit"]["own_stop_late_ms_max"] <= 2000
    assert books["audit"]["duplicate_orders"] == 0
    assert exchange.held("XRPUSDT") == 0
    assert not exchange.live_orders()
