"""Measure what a daemon that watches N quiet trades takes of memory and processor.

Run: python tests/bench/footprint.py [--json] [--monitors 0,100,1000] [--seconds 60]

For each number the real daemon (chat, log, health checks and all) runs on a seeded state against an exchange process
whose prices stand still. Once every monitor agrees with the exchange it is left alone for a while, and then watched:

rss_mb_N           resident memory at the end, megabytes of 10^6 bytes
kb_per_monitor     growth from no monitor to 1,000, for each, in 1,000 bytes
idle_cpu_percent   processor time over wall time, of one core, over a whole slow beat, at the largest number up to
                   1,000; idle_cpu_percent_N for each
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from _daemon_log import DaemonLog  # noqa: E402 - the repository's root has to be found first
from _seeded import seed  # noqa: E402
from _stand import Stand, machine  # noqa: E402

MONITORS = (0, 100, 1000)
SETTLING_SECONDS = 25.0  # the first reading is kept for 20 s
WATCHED_SECONDS = 60.0  # one slow beat: the account is read once
MB = 1_000_000


def measure(monitors: int, seconds: float) -> tuple[float, float]:
    """Give resident megabytes and idle percent of one core."""
    with tempfile.TemporaryDirectory(prefix="standfast-footprint-") as name:
        folder = Path(name)
        seeded = seed(folder, trades=monitors)
        with Stand(folder, seeded) as stand:
            log = DaemonLog(seeded.state)
            daemon = psutil.Process(stand.start_daemon().pid)
            log.wait_reconciled(monitors)
            time.sleep(SETTLING_SECONDS)
            before, began = daemon.cpu_times(), time.monotonic()
            time.sleep(seconds)
            after, wall = daemon.cpu_times(), time.monotonic() - began
            busy = after.user + after.system - before.user - before.system
            return daemon.memory_info().rss / MB, busy / wall * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    parser.add_argument("--monitors", default=",".join(map(str, MONITORS)))
    parser.add_argument("--seconds", type=float, default=WATCHED_SECONDS)
    stated = parser.parse_args()
    numbers = [int(number) for number in stated.monitors.split(",")]
    result: dict[str, Any] = {}
    for monitors in numbers:
        resident, busy = measure(monitors, stated.seconds)
        result[f"rss_mb_{monitors}"] = round(resident, 1)
        result[f"idle_cpu_percent_{monitors}"] = round(busy, 2)
    none, many = min(numbers), max(number for number in numbers if number <= max(1000, min(numbers)))
    if many > none:
        grown = result[f"rss_mb_{many}"] - result[f"rss_mb_{none}"]
        result["kb_per_monitor"] = round(grown * 1000 / (many - none), 2)
    result["idle_cpu_percent"] = result[f"idle_cpu_percent_{many}"]
    result["machine"] = machine()
    if stated.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
