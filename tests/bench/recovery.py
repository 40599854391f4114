"""Measure how soon a killed daemon has all its trades reconciled again.

Run: python tests/bench/recovery.py [--json] [--rounds N] [--trades 20,200,1000]

For each number of open trades one exchange process runs, and a daemon that is killed with SIGKILL once all is
reconciled. Each round then takes two times on what the kill left, in turn:

floor     a fresh process that imports what the daemon imports, reads the journal and the open effects from the database
          and all pages of orders, positions and executions from the exchange, bare: pybit, JSON, the daemon's own rate
          budget, nothing checked, nothing translated; from exec to the last row
daemon    main.py run, from exec to the last `monitor_reconciled` in its log

ratio_N is the median of the daemon's times over the median of the floor's. Between two measurements the exchange's rate
windows run empty. The time in which the dead process is noticed and started again is the service manager's, not ours.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from _daemon_log import DaemonLog  # noqa: E402 - the repository's root has to be found first
from _seeded import KEY, SECRET, Seeded, seed  # noqa: E402
from _stand import Stand, clean_environment, machine  # noqa: E402

TRADES = (20, 200, 1000)
ROUNDS = 5
QUIET_SECONDS = 1.5  # a rate window is a second


def measure(trades: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Take both times in turn; seconds."""
    seeded = seed(folder, trades=trades)
    times: dict[str, list[float]] = {"floor": [], "daemon": []}
    with Stand(folder, seeded) as stand:
        _daemon_seconds(stand, seeded)
        for _ in range(rounds):
            stand.kill_daemon()
            time.sleep(QUIET_SECONDS)
            times["floor"].append(_floor_seconds(seeded.state / "store.sqlite", stand.rest_url))
            time.sleep(QUIET_SECONDS)
            times["daemon"].append(_daemon_seconds(stand, seeded))
            time.sleep(QUIET_SECONDS)
    return times


def _daemon_seconds(stand: Stand, seeded: Seeded) -> float:
    log = DaemonLog(seeded.state)
    began = time.time()
    stand.start_daemon()
    return log.wait_reconciled(len(seeded.trades)) - began


def _floor_seconds(store: Path, url: str) -> float:
    began = time.time()
    command = [sys.executable, __file__, "--floor", str(store), url]
    answer = subprocess.run(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=True)
    ended: float = json.loads(answer.stdout)["ended"]
    return ended - began


# --- the floor: a process of its own ------------------------------------------------------------------------------
def floor(store: Path, url: str) -> None:
    """Read everything there is to know, and nothing else; print when it was done."""
    from pybit.unified_trading import HTTP  # noqa: PLC0415

    import adapters.assembly.run  # noqa: PLC0415 - what the daemon imports
    import adapters.telegram.bot  # noqa: F401, PLC0415
    from adapters.bybit import endpoints  # noqa: PLC0415
    from adapters.bybit.rate_limit import RateBudget  # noqa: PLC0415
    from runtime import SystemClock  # noqa: PLC0415

    with sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True) as connection:
        facts = [json.loads(body) for (body,) in connection.execute("SELECT body FROM journal ORDER BY position")]
        connection.execute("SELECT body FROM outbox WHERE settled_at IS NULL ORDER BY position").fetchall()
    opened = min(fact["opened_at"] for fact in facts if "opened_at" in fact)
    since = int(datetime.fromisoformat(opened).astimezone(UTC).timestamp() * 1000)
    client = HTTP(api_key=KEY, api_secret=SECRET, return_response_headers=True)
    client.endpoint = url
    budget = RateBudget(SystemClock())
    rows = 0
    for endpoint, params in (
        (endpoints.RECENT_ORDERS, {"category": "linear", "settleCoin": "USDT", "limit": 50}),
        (endpoints.POSITIONS, {"category": "linear", "settleCoin": "USDT", "limit": 200}),
        (endpoints.EXECUTIONS, {"category": "linear", "limit": 100, "startTime": since}),
    ):
        cursor: str | None = None
        while True:
            budget.admit(endpoint, "read")
            body, _, headers = getattr(client, endpoint.method)(**params, cursor=cursor)
            budget.answered(endpoint, headers)
            rows += len(body["result"]["list"])
            cursor = body["result"].get("nextPageCursor")
            if not cursor or not body["result"]["list"]:
                break
    print(json.dumps({"ended": time.time(), "facts": len(facts), "rows": rows}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--trades", default=",".join(map(str, TRADES)))
    parser.add_argument("--floor", nargs=2, metavar=("STORE", "URL"), help=argparse.SUPPRESS)
    stated = parser.parse_args()
    if stated.floor:
        floor(Path(stated.floor[0]), stated.floor[1])
        return
    result: dict[str, Any] = {}
    for trades in map(int, stated.trades.split(",")):
        with tempfile.TemporaryDirectory(prefix="standfast-recovery-") as folder:
            times = measure(trades, stated.rounds, Path(folder))
        median = {name: statistics.median(values) for name, values in times.items()}
        result[f"ratio_{trades}"] = round(median["daemon"] / median["floor"], 2)
        for name, values in times.items():
            result[f"{name}_seconds_{trades}"] = round(median[name], 3)
            result[f"{name}_seconds_{trades}_all"] = [round(value, 3) for value in values]
    result |= {"rounds": stated.rounds, "machine": machine()}
    if stated.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
