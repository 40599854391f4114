"""The demonstration is the first thing a newcomer runs: it must end well, and say in figures that it did."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTS = (
    "trades_opened",
    "trades_closed",
    "entries_filled",
    "rungs_filled",
    "stops_moved",
    "monitor_restarts",
    "unprotected_ms_max",
    "own_stop_late_ms_max",
    "orders_placed",
    "duplicate_orders",
    "alerts_raised",
    "alerts_delivered",
)


@pytest.mark.timeout(240)
def test_the_demonstration_keeps_every_promise() -> None:
    ran = subprocess.run(
        [sys.executable, "main.py", "demo", "--seed", "3", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert [name for name in COUNTS if not isinstance(figures[name], int)] == []
    assert figures["trades_opened"] == figures["trades_closed"] >= 5
    assert figures["rungs_filled"] >= 5
    assert figures["stops_moved"] >= 2
    assert figures["monitor_restarts"] >= 1
    assert figures["unprotected_ms_max"] == figures["duplicate_orders"] == 0
    assert figures["own_stop_late_ms_max"] <= 2000
    assert figures["alerts_raised"] == figures["alerts_delivered"] > 0
    ours, theirs = (Decimal(str(figures[name])) for name in ("realised_pnl_usdt", "exchange_closed_pnl_usdt"))
    assert abs(ours - theirs) < Decimal("0.01")
    assert "injected" not in ran.stderr
