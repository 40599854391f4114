"""Measure isolation: how long siblings wait for their handler while one neighbour misbehaves.

Run: python tests/bench/isolation.py [--json] [--seconds S] [--blocked-seconds S]

A hundred monitors' stand-ins run on the pool that production runs (PooledDispatcher() and the interpreter as the daemon
tunes it), under supervision, tracing and bounded mailboxes. A stand-in's handler does a monitor's work: the real
decision about a partial fill of a real trade. Two hundred times a second one of them gets a message; the delay is from
sending to the handler's beginning. Each misbehaviour is measured against the quiet spell just before it:

crash     one neighbour gets 100 messages a second and crashes over each; its restart budget is lifted, no backoff
blocked   one neighbour's handler blocks for 30 s (its deadline of 10 s replaces it meanwhile, as in production)
flood     one neighbour gets 10,000 messages a second, and decides about each that its mailbox takes

Figures are milliseconds; `..._added_p99_ms` is the p99 of that spell less that of the quiet one before.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/bench")]

from _seeded import seed  # noqa: E402 - the repository's root has to be found first
from _stand import machine  # noqa: E402

from actors.messages.orders import ExecutionReported  # noqa: E402
from actors.model.trade import Role, Trade  # noqa: E402
from actors.rules.decision import decide  # noqa: E402
from actors.rules.next_orders import Asker  # noqa: E402
from actors.rules.position_life import fold  # noqa: E402
from adapters.sqlite.opening import open_store  # noqa: E402
from adapters.sqlite.runs import Run  # noqa: E402
from runtime import (  # noqa: E402
    Actor,
    ActorRestarted,
    ActorSystem,
    Backoff,
    ChildSpec,
    Intensity,
    PooledDispatcher,
    RuntimeEvent,
    SystemClock,
    ThreadedDispatcher,
    handles,
    tune_interpreter,
)

SIBLINGS = 100
PER_SECOND = 200
CRASHES_PER_SECOND = 100
FLOOD_PER_SECOND = 10_000
HANDLER_DEADLINE_SECONDS = 10.0  # a monitor's in production
SECONDS = 15.0
BLOCKED_SECONDS = 30.0
DRAIN_SECONDS = 0.5  # after the last message of a spell


@dataclass(frozen=True, slots=True)
class Filled:
    """A partial fill, and when it was sent (monotonic nanoseconds)."""

    execution: ExecutionReported
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Crash:
    number: int


@dataclass(frozen=True, slots=True)
class Block:
    seconds: float


class Neighbour(Actor):
    """A monitor's stand-in."""

    def __init__(self, *, trade: Trade, asker: Asker, delays: list[int]) -> None:
        self._trade = trade
        self._asker = asker
        self._delays = delays

    @handles(Filled)
    def _on_filled(self, message: Filled) -> None:
        self._delays.append(time.monotonic_ns() - message.sent_ns)
        decide(self._trade, message.execution, self._asker)

    @handles(Crash)
    def _on_crash(self, message: Crash) -> None:
        raise RuntimeError(f"crash {message.number}")

    @handles(Block)
    def _on_block(self, message: Block) -> None:
        threading.Event().wait(message.seconds)


def real_trade() -> tuple[Trade, Asker, ExecutionReported]:
    """Give a trade with its stop and targets in place, and a partial fill of its first target."""
    with tempfile.TemporaryDirectory(prefix="isolation-") as place:
        seeded = seed(Path(place), trades=1)
        run = Run(pid=1, boot_id="bench", started_at=datetime.now(UTC))
        store = open_store(
            seeded.state / "store.sqlite",
            clock=lambda: datetime.now(UTC),
            random_bytes=lambda count: b"7" * count,
            run=run,
        )
        facts = store.load(f"trade/{seeded.trades[0][1]}").facts
        asker = Asker(installation=store.installation, epoch=store.epoch, now=datetime.now(UTC))
        store.close()
    trade = fold(facts)
    target = trade.latest(Role.TARGET, 1)
    entry = next(fact for fact in facts if isinstance(fact, ExecutionReported))
    assert target is not None
    fill = replace(
        entry,
        execution_id="measured",
        client_order_id=target.client_order_id,
        order_side=target.intent.order_side,
        quantity=Decimal("0.001"),
    )
    if not decide(trade, fill, asker).requests:
        raise RuntimeError("a partial fill of a target should shrink the stop")
    return trade, asker, fill


class Ground:
    """The system under measurement."""

    def __init__(self) -> None:
        tune_interpreter()
        trade, asker, self._fill = real_trade()
        self._delays: list[int] = []
        self.system = ActorSystem(
            dispatchers={"pool": PooledDispatcher(), "thread": ThreadedDispatcher()},
            clock=SystemClock(),
            seed=None,
            observers=[self._observe],
        )
        self.restarts = 0
        self.flooded = 0
        spec = partial(ChildSpec, handler_deadline_seconds=HANDLER_DEADLINE_SECONDS)
        sibling = partial(Neighbour, trade=trade, asker=asker, delays=self._delays)
        lifted = Intensity(max_restarts=10**9, within_seconds=1.0)
        at_once = Backoff(base_seconds=0.0, cap_seconds=0.0)
        self.system.start(
            *(spec(f"sibling{number}", sibling) for number in range(SIBLINGS)),
            spec(
                "bad",
                partial(Neighbour, trade=trade, asker=asker, delays=[]),
                intensity=lifted,
                backoff=at_once,
                quarantines=False,
            ),
        )

    def _observe(self, event: RuntimeEvent) -> None:
        self.restarts += isinstance(event, ActorRestarted)

    def bad(self, message: object) -> None:
        self.system.tell("bad", message)

    def flood(self, count: int) -> None:
        self.flooded += count
        for _ in range(count):
            self.bad(Filled(self._fill, time.monotonic_ns()))

    def spell(self, seconds: float) -> dict[str, float]:
        """Send to the siblings in turn; give the quantiles of their delays."""
        self._delays.clear()
        gc.collect()
        step, began = 1 / PER_SECOND, time.monotonic()
        for number in range(int(seconds * PER_SECOND)):
            self.system.tell(f"sibling{number % SIBLINGS}", Filled(self._fill, time.monotonic_ns()))
            time.sleep(max(0.0, began + (number + 1) * step - time.monotonic()))
        time.sleep(DRAIN_SECONDS)
        ranked = sorted(self._delays)
        wanted = int(seconds * PER_SECOND)
        if len(ranked) != wanted:
            raise RuntimeError(f"{wanted - len(ranked)} messages of {wanted} were not handled")
        return {
            "p50_ms": round(ranked[wanted // 2] / 1e6, 3),
            "p99_ms": round(ranked[wanted * 99 // 100] / 1e6, 3),
            "longest_ms": round(ranked[-1] / 1e6, 3),
        }


@contextmanager
def steadily(per_second: int, act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with how many are due, every few milliseconds, on a thread of its own."""
    end = threading.Event()

    def work() -> None:
        began, done = time.monotonic(), 0
        while not end.wait(min(0.002, 1 / per_second) if per_second > CRASHES_PER_SECOND else 1 / per_second):
            due = int((time.monotonic() - began) * per_second) - done
            act(due)
            done += due

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def measure(seconds: float, blocked_seconds: float) -> dict[str, Any]:
    ground = Ground()
    ground.spell(2.0)  # warm
    found: dict[str, Any] = {}

    def crashes(due: int) -> None:
        for number in range(due):
            ground.bad(Crash(number))

    found["quiet_before_crash"] = ground.spell(seconds)
    with steadily(CRASHES_PER_SECOND, crashes):
        found["crash"] = ground.spell(seconds)
    crashed = ground.restarts  # before a lost handler counts as one
    found["quiet_before_blocked"] = ground.spell(seconds)
    ground.bad(Block(blocked_seconds))
    found["blocked"] = ground.spell(blocked_seconds)
    found["quiet_before_flood"] = ground.spell(seconds)
    with steadily(FLOOD_PER_SECOND, ground.flood):
        found["flood"] = ground.spell(seconds)
    added = {
        f"{name}_added_p99_ms": round(found[name]["p99_ms"] - found[f"quiet_before_{name}"]["p99_ms"], 3)
        for name in ("crash", "blocked", "flood")
    }
    ground.system.stop(5.0)
    return {
        **added,
        "spells": found,
        "crashes_per_second": round(crashed / (seconds + DRAIN_SECONDS)),
        "flood_per_second": round(ground.flooded / (seconds + DRAIN_SECONDS)),
        "blocked_seconds": blocked_seconds,
        "siblings": SIBLINGS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a misbehaving neighbour costs its siblings.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each spell (default %(default)s)")
    parser.add_argument("--blocked-seconds", type=float, default=BLOCKED_SECONDS, help="default %(default)s")
    arguments = parser.parse_args()
    result = measure(arguments.seconds, arguments.blocked_seconds)
    if arguments.json:
        print(json.dumps({**result, "machine": machine()}))
        return
    for name, spell in result["spells"].items():
        print(f"{name:22}" + " ".join(f"{each}={value:<9}" for each, value in spell.items()))
    for name in ("crash", "blocked", "flood"):
        print(f"{name}_added_p99_ms={result[f'{name}_added_p99_ms']}")
    print(
        f"reached: {result['crashes_per_second']} crashes, {result['flood_per_second']} messages of the flood a second"
    )


if __name__ == "__main__":
    main()
