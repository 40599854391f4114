"""Count what a quiet daemon asks of the exchange, a minute, at the exchange.

Run: python tests/bench/economy.py [--json] [--positions 1,10,100,500] [--seconds 65]

The real daemon runs on a seeded state, one trade to a position, prices standing still; every REST request that arrives
is counted, whatever its path. Two states of the private stream:

healthy    it is up; the slow beat reads the account once a minute
stale      every socket is cut and none is let in, so readings are all there is: the stops and targets are 4 % and more
           away, so the account is read at the far pace, every 12 s, and prices come by REST

requests_per_minute is {state: {positions: figure}}; by_path says which. Pages hold 50 orders, 200 positions, 100
executions: with five orders and a backstop a trade, 500 trades are 60 pages of orders.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from _daemon_log import DaemonLog  # noqa: E402 - the repository's root has to be found first
from _seeded import seed  # noqa: E402
from _stand import Stand, machine  # noqa: E402

POSITIONS = (1, 10, 100, 500)
COUNTED_SECONDS = 60.0
SETTLING_SECONDS = 5.0
DEAD_MS = 600_000


def measure(positions: int, seconds: float) -> dict[str, dict[str, float]]:
    """Give requests a minute by path, for each state."""
    with tempfile.TemporaryDirectory(prefix="standfast-economy-") as name:
        folder = Path(name)
        seeded = seed(folder, trades=positions, per_symbol=1)
        with Stand(folder, seeded) as stand:
            log = DaemonLog(seeded.state)
            stand.start_daemon()
            log.wait_reconciled(positions)
            counted = {"healthy": _count(stand, seconds)}
            stand.control("faults", {"kind": "drop_ws", "ms": DEAD_MS})
            counted["stale"] = _count(stand, seconds)
    return counted


def _count(stand: Stand, seconds: float) -> dict[str, float]:
    time.sleep(SETTLING_SECONDS)
    stand.control("timeline", {})
    began = time.monotonic()
    time.sleep(seconds)
    requests = stand.control("timeline", {})["requests"]
    minutes = (time.monotonic() - began) / 60
    return {path: round(number / minutes, 1) for path, number in sorted(requests.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--positions", default=",".join(map(str, POSITIONS)))
    parser.add_argument("--seconds", type=float, default=COUNTED_SECONDS, help="counted, for each state")
    stated = parser.parse_args()
    totals: dict[str, dict[str, float]] = {"healthy": {}, "stale": {}}
    paths: dict[str, dict[str, dict[str, float]]] = {"healthy": {}, "stale": {}}
    for positions in stated.positions.split(","):
        for state, requests in measure(int(positions), stated.seconds).items():
            totals[state][positions] = round(sum(requests.values()), 1)
            paths[state][positions] = requests
    result: dict[str, Any] = {"requests_per_minute": totals, "by_path": paths, "machine": machine()}
    if stated.json:
        print(json.dumps(result))
        return
    for state, figures in totals.items():
        for positions, figure in figures.items():
            print(f"{state:8} {positions:>5} positions  {figure:8.1f} requests a minute  {paths[state][positions]}")


if __name__ == "__main__":
    main()
