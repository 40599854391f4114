"""Measure the runtime against pykka's own threads, on the same work, in one run.

Run: python tests/bench/runtime.py [--json] [--rounds N] [--actors N]

Each round starts one process for each way of running actors (pool, thread, stock), in turn, so that a change in the
machine's mood falls on all of them. Nothing is pinned to a core and the interpreter's switch interval is Python's own.
Ours runs with everything on: supervision, tracing, bounded mailboxes, watchdog, an observer.

tell      one sender, one actor, until the last message is handled; messages per second, median of five bursts
ask       one after the other from outside; questions per second, and the p50 and p99 of one
create    until the last actor has run its on_start; microseconds for each
memory    growth of the process's private memory (USS); bytes for each
fanout    one message to each actor, until the last is handled; messages per second
stop      all of them in order; microseconds for each

Ratios are pool over stock, medians of rounds: tell, ask, fanout are rates (more is better), create and memory costs.
"""

import argparse
import gc
import itertools
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pykka

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from runtime import (  # noqa: E402 - the repository's root has to be found first
    Actor,
    ActorSystem,
    ChildSpec,
    Dispatcher,
    MailboxSpec,
    PooledDispatcher,
    SystemClock,
    ThreadedDispatcher,
    handles,
)

TELLS = 100_000
BURSTS = 5
ASKS = 5_000
WARM_UP = 2_000
ROUNDS = 3
ACTORS = 10_000
PATIENCE_SECONDS = 120.0
WAYS = ("pool", "thread", "stock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one process measured."""

    tell_per_second: float
    ask_per_second: float
    ask_p50_us: float
    ask_p99_us: float
    create_us: float
    memory_bytes: float
    fanout_per_second: float
    stop_us: float


class Tally:
    """Counts handled messages across actors and says when the last one was."""

    def __init__(self) -> None:
        self.expect(0)

    def expect(self, messages: int) -> None:
        self._last = messages - 1
        self._count = itertools.count()
        self.done = threading.Event()

    def handled(self) -> None:
        if next(self._count) == self._last:
            self.done.set()

    def wait(self) -> None:
        if not self.done.wait(PATIENCE_SECONDS):
            raise TimeoutError("the last message was not handled")


TALLY = Tally()


@dataclass(frozen=True, slots=True)
class Work:
    """One message."""

    number: int


@dataclass(frozen=True, slots=True)
class HowMany:
    """One question."""


class OurActor(Actor):
    def __init__(self) -> None:
        self._sum = 0

    @handles(Work)
    def _on_work(self, message: Work) -> None:
        self._sum += message.number
        TALLY.handled()

    @handles(HowMany)
    def _on_how_many(self, _: HowMany) -> int:
        return self._sum


class StockActor(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self._sum = 0

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Work):
            self._sum += message.number
            TALLY.handled()
            return None
        return self._sum


def private_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure_messages(tell: Callable[[Any], None], ask: Callable[[Any], Any]) -> tuple[float, list[float]]:
    """Return tells per second and the seconds of each ask."""
    work = Work(1)

    def send(count: int) -> None:
        TALLY.expect(count)
        for _ in range(count):
            tell(work)
        TALLY.wait()

    send(WARM_UP)
    gc.collect()
    # Where the system puts two threads decides between a fast and a slow mode; one burst would show only one of them.
    seconds = statistics.median(timed(lambda: send(TELLS)) for _ in range(BURSTS))
    question = HowMany()
    for _ in range(WARM_UP):
        ask(question)
    return TELLS / seconds, [timed(lambda: ask(question)) for _ in range(ASKS)]


def figures(
    tell_rate: float, asks: list[float], actors: int, *, create: float, memory: int, fanout: float, stop: float
) -> Figures:
    asks.sort()
    return Figures(
        tell_per_second=tell_rate,
        ask_per_second=len(asks) / sum(asks),
        ask_p50_us=asks[len(asks) // 2] * 1e6,
        ask_p99_us=asks[len(asks) * 99 // 100] * 1e6,
        create_us=create / actors * 1e6,
        memory_bytes=memory / actors,
        fanout_per_second=actors / fanout,
        stop_us=stop / actors * 1e6,
    )


def measure_ours(dispatcher: Dispatcher, actors: int) -> Figures:
    system = ActorSystem(
        dispatchers={"pool": dispatcher}, clock=SystemClock(), seed=None, observers=[lambda _event: None]
    )
    roomy = MailboxSpec(capacity=TELLS)
    system.start(ChildSpec("one", OurActor, mailbox=roomy))
    one = system.address("one")
    tell_rate, asks = measure_messages(one.tell, one.ask)
    before = private_bytes()
    specs = [ChildSpec(f"a{number}", OurActor) for number in range(actors)]
    create = timed(lambda: system.start(*specs))
    addresses = [system.address(spec.name) for spec in specs]
    memory = private_bytes() - before
    work = Work(1)
    TALLY.expect(actors)

    def fan_out() -> None:
        for address in addresses:
            address.tell(work)
        TALLY.wait()

    fanout = timed(fan_out)
    stop = timed(lambda: system.stop(PATIENCE_SECONDS))
    return figures(tell_rate, asks, actors, create=create, memory=memory, fanout=fanout, stop=stop)


def measure_stock(actors: int) -> Figures:
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    one = StockActor.start()
    tell_rate, asks = measure_messages(one.tell, one.ask)
    one.stop()
    before = private_bytes()
    refs: list[Any] = []
    create = timed(lambda: refs.extend(StockActor.start() for _ in range(actors)))
    memory = private_bytes() - before
    work = Work(1)
    TALLY.expect(actors)

    def fan_out() -> None:
        for ref in refs:
            ref.tell(work)
        TALLY.wait()

    fanout = timed(fan_out)
    stop = timed(pykka.ActorRegistry.stop_all)
    return figures(tell_rate, asks, actors, create=create, memory=memory, fanout=fanout, stop=stop)


def measure(way: str, actors: int) -> Figures:
    if way == "stock":
        return measure_stock(actors)
    return measure_ours(PooledDispatcher() if way == "pool" else ThreadedDispatcher(), actors)


def in_own_process(way: str, actors: int) -> dict[str, float]:
    """Measure in a fresh process, so that no way inherits another's threads or memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--way", way, "--actors", str(actors)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 4,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    model = platform.processor() or "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pykka": pykka.__version__ if hasattr(pykka, "__version__") else "4.5",
    }


def summarise(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Take medians over rounds; ratios are formed within a round first, so that both sides saw the same machine."""
    medians = {
        way: {name: statistics.median(found[way][name] for found in rounds) for name in rounds[0][way]} for way in WAYS
    }

    def ratio(name: str) -> float:
        return round(statistics.median(found["pool"][name] / found["stock"][name] for found in rounds), 4)

    return {
        "tell_ratio": ratio("tell_per_second"),
        "ask_ratio": ratio("ask_per_second"),
        "fanout_ratio": ratio("fanout_per_second"),
        "create_ratio": ratio("create_us"),
        "memory_ratio": ratio("memory_bytes"),
        **medians,
    }


def print_table(result: dict[str, Any]) -> None:
    facts = result["machine"]
    print(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, {facts['system']}")
    print(f"{result['actors']} actors, medians of {result['rounds']} interleaved rounds\n")
    print(f"{'':22}{'pool':>14}{'thread':>14}{'stock pykka':>14}")
    for name in result["pool"]:
        print(f"{name:22}" + "".join(f"{result[way][name]:>14,.1f}" for way in WAYS))
    print("\npool over stock")
    for name in ("tell_ratio", "ask_ratio", "fanout_ratio", "create_ratio", "memory_ratio"):
        print(f"  {name:20}{result[name]:>10.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the runtime against pykka's own threads.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds, at least 1 (default %(default)s)")
    parser.add_argument("--actors", type=int, default=ACTORS, help="actors to create (default %(default)s)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(asdict(measure(arguments.way, arguments.actors))), flush=True)
        os._exit(0)  # ten thousand stock threads are not waited for
    rounds = [{way: in_own_process(way, arguments.actors) for way in WAYS} for _ in range(max(1, arguments.rounds))]
    result = {
        **summarise(rounds),
        "machine": machine(),
        "actors": arguments.actors,
        "rounds": len(rounds),
        "each_round": rounds,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(result)


if __name__ == "__main__":
    main()
