"""Measure the reaction: an execution on the private socket to the stop's amendment received by the exchange.

Run: python tests/bench/reaction.py [--json] [--samples N] [--monitors N ...]

The real daemon (`main.py run`, with chat, logs and everything) stands before the local exchange, each a process of its
own, with N trades open. A touch fills one lot of a trade's first target, which shrinks its stop. Beside it stands the
floor (_bare_reactor.py): a bare pybit callback that commits one row with synchronous=FULL and calls pybit at once, on
the same exchange. Touches go to one and the other in turn, so that both see the same machine. Both instants are taken
at the exchange, on one clock: when the execution's message is handed to the socket, and when the amendment has been
read. The ratios are those of the last state, the one with the most monitors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/bench")]

from _seeded import RUNGS, seed  # noqa: E402 - the repository's root has to be found first
from _stand import Stand, clean_environment, machine, until  # noqa: E402

from adapters.simulated.instruments import LISTED, catalogue  # noqa: E402

SAMPLES = 300
MONITORS = (1, 1000)
FLOOR = "mirror"
FLOOR_SYMBOL = "ETHUSDT"
FLOOR_ACCOUNT = f"{FLOOR}:paper-mirror-key:paper-mirror-secret:10000000"
REST_SECONDS = 0.1  # between touches, and after the price has gone back: no two reactions meet
SETTLE_SECONDS = 5.0
TOUCHED_SYMBOLS = 20
WARM_UP = 20  # touches of each that are not counted
LONE_TRADE_MARGIN_USDT = Decimal(50_000)  # so that one trade has lots enough for every touch


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Where a price goes to fill one lot, and comes back to."""

    account: str
    symbol: str
    price: Decimal
    before: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Milliseconds."""

    p50: float
    p99: float
    longest: float
    samples: int

    @classmethod
    def of(cls, times: list[float]) -> Figures:
        ranked = sorted(times)
        return cls(
            p50=round(ranked[len(ranked) // 2], 3),
            p99=round(ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)], 3),
            longest=round(ranked[-1], 3),
            samples=len(ranked),
        )


def daemon_touches(symbols: list[str], instruments: int) -> list[Touch]:
    """Give where the first target of each symbol's trades is."""
    rules = {each.symbol: each for each in catalogue(instruments)}
    found = []
    for symbol in symbols:
        instrument = rules[symbol]
        price = instrument.to_tick(instrument.opening_price * (1 + Decimal(RUNGS[0][0])))
        found.append(Touch(account="main", symbol=symbol, price=price, before=price - instrument.tick_size))
    return found


def chosen(symbols: list[str], instruments: int) -> list[str]:
    """Give symbols whose trades have lots enough: those of a high price and a small step."""
    rules = {each.symbol: each for each in catalogue(instruments)}
    fine = [symbol for symbol in symbols if rules[symbol].synthetic and rules[symbol].opening_price > 100]
    return fine[:TOUCHED_SYMBOLS] or symbols[:1]


def lots(stand: Stand, touches: list[Touch], instruments: int) -> None:
    """Have each touch fill one lot only."""
    rules = {each.symbol: each for each in catalogue(instruments)}
    stand.control("liquidity", {each.symbol: str(rules[each.symbol].min_quantity) for each in touches})


def touch(stand: Stand, where: Touch) -> None:
    stand.control("prices", {where.symbol: str(where.before)})
    time.sleep(REST_SECONDS)
    stand.control("prices", {where.symbol: str(where.price)})
    time.sleep(REST_SECONDS)


def reactions(timeline: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, float]]:
    """Give account and milliseconds for every execution: until the next amendment of a stop of that symbol came."""
    received = [each for each in timeline["received"] if "-S-" in each["orderLinkId"]]
    sent = timeline["sent"]
    for number, execution in enumerate(sent):
        about = (execution["account"], execution["symbol"])
        later = [each["at_ns"] for each in sent[number + 1 :] if (each["account"], each["symbol"]) == about]
        end = later[0] if later else float("inf")
        answers = [
            each["at_ns"]
            for each in received
            if (each["account"], each["symbol"]) == about and execution["at_ns"] < each["at_ns"] < end
        ]
        if not answers:
            raise RuntimeError(f"nothing was done about {execution}")
        yield execution["account"], (answers[0] - execution["at_ns"]) / 1e6


def start_floor(stand: Stand, folder: Path) -> tuple[subprocess.Popen[str], Touch]:
    _, key, secret, _ = FLOOR_ACCOUNT.split(":")
    floor = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("_bare_reactor.py")),
            *(stand.rest_url, stand.ws_url, key, secret, FLOOR_SYMBOL, str(folder)),
        ],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert floor.stdout is not None
    price = Decimal(floor.stdout.readline())
    tick = next(each.tick_size for each in LISTED if each.symbol == FLOOR_SYMBOL)
    return floor, Touch(account=FLOOR, symbol=FLOOR_SYMBOL, price=price, before=price - tick)


def measure(monitors: int, samples: int, command: tuple[str, ...] = ("main.py",)) -> dict[str, Any]:
    """Measure with so many trades open."""
    with tempfile.TemporaryDirectory(prefix="reaction-") as place:
        folder = Path(place)
        seeded = seed(folder, trades=monitors, **({"margin_usdt": LONE_TRADE_MARGIN_USDT} if monitors == 1 else {}))
        symbols = list(dict.fromkeys(symbol for symbol, _ in seeded.trades))
        ours = daemon_touches(chosen(symbols, seeded.instruments), seeded.instruments)
        with Stand(folder, seeded, "--account", FLOOR_ACCOUNT) as stand:
            stand.start_daemon(command)
            stand.wait_reconciled(monitors)
            floor, theirs = start_floor(stand, folder)
            try:
                lots(stand, [*ours, theirs], seeded.instruments)
                time.sleep(SETTLE_SECONDS)
                for number in range(WARM_UP + samples):
                    if number == WARM_UP:
                        stand.control("timeline")
                    touch(stand, ours[number % len(ours)])
                    touch(stand, theirs)
                timeline = stand.control("timeline")
                until("the daemon to answer", stand.status)
            finally:
                floor.kill()
                floor.wait(10)
                assert floor.stdout is not None
                floor.stdout.close()
                stand.stop_daemon()
    times: dict[str, list[float]] = {"main": [], FLOOR: []}
    for account, milliseconds in reactions(timeline):
        times[account].append(milliseconds)
    if not all(times.values()):
        raise RuntimeError(f"one side heard nothing: { ({account: len(each) for account, each in times.items()}) }")
    return compare(monitors, Figures.of(times["main"]), Figures.of(times[FLOOR]))


def compare(monitors: int, ours: Figures, floor: Figures) -> dict[str, Any]:
    return {
        "monitors": monitors,
        "p50_ratio": round(ours.p50 / floor.p50, 3),
        "p99_ratio": round(ours.p99 / floor.p99, 3),
        **{f"{name}_ms": value for name, value in (("p50", ours.p50), ("p99", ours.p99), ("longest", ours.longest))},
        **{f"floor_{name}_ms": value for name, value in (("p50", floor.p50), ("p99", floor.p99))},
        "floor_longest_ms": floor.longest,
        "samples": ours.samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon a stop follows an execution, over the floor.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="touches of each side (default %(default)s)")
    parser.add_argument("--monitors", type=int, nargs="+", default=list(MONITORS), help="trades open")
    arguments = parser.parse_args()
    states = [measure(monitors, arguments.samples) for monitors in arguments.monitors]
    most = states[-1]
    result = {name: most[name] for name in ("p50_ratio", "p99_ratio", "monitors")}
    if arguments.json:
        print(json.dumps({**result, "states": states, "machine": machine()}))
        return
    for state in states:
        print(" ".join(f"{name}={value}" for name, value in state.items()))


if __name__ == "__main__":
    main()
