"""Runner: a whole world from its seed: life, faults, coming to rest, the judgement at the end.

Enters: seeds. Stays out: command lines, printing.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NoReturn

import structlog

from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder
from actors.model.alert import Severity
from actors.model.trade import Phase
from actors.rules.position_life import fold
from adapters.assembly.simulation.chat import ChatService
from adapters.assembly.simulation.faults import draw_faults
from adapters.assembly.simulation.invariants import Violated
from adapters.assembly.simulation.person import Person
from adapters.assembly.simulation.scenario import draw_scenario
from adapters.assembly.simulation.story import Line
from adapters.assembly.simulation.world import World

REST_SECONDS = 60.0
# A price that jumps over an entry and its stop at once causes these, though nothing has gone wrong.
MARKET_ALARMS = frozenset({"unattributed_execution", "exit_started", "reduced_outside", "order_rejected"})
TELLING_SECONDS = 240.0  # the longest pause between two attempts at telling, several times


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one world went."""

    seed: int
    violation: Violated | None
    digest: str
    trades: int
    closed: int
    faults: Counter[str]
    messages: int
    requests: int
    virtual_seconds: float
    wall_seconds: float
    noticed: Counter[str] = field(default_factory=Counter)
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many worlds went."""

    seeds: int
    hours_simulated: float
    trades: int
    faults_injected: int
    messages: int
    violations: tuple[tuple[int, str], ...]
    digest: str
    wall_seconds: float
    slowest_seed: int
    faults: Counter[str]
    noticed: Counter[str]

    @property
    def virtual_seconds_per_second(self) -> float:
        return self.hours_simulated * 3600 / self.wall_seconds if self.wall_seconds else 0.0


def run_simulation(
    seeds: Iterable[int], *, hours: float = 1.0, trades_an_hour: float = 10.0, without: Iterable[str] = ()
) -> Report:
    """Run one world a seed.

    Args:
        seeds: which.
        hours: virtual time of each, before it comes to rest.
        trades_an_hour: plans the person writes.
        without: names of faults that are left out.

    """
    outcomes = [run_world(seed, hours=hours, trades_an_hour=trades_an_hour, without=without) for seed in seeds]
    digest = hashlib.blake2b("".join(each.digest for each in outcomes).encode(), digest_size=16)
    return Report(
        seeds=len(outcomes),
        hours_simulated=sum(each.virtual_seconds for each in outcomes) / 3600,
        trades=sum(each.trades for each in outcomes),
        faults_injected=sum(sum(each.faults.values()) for each in outcomes),
        messages=sum(each.messages for each in outcomes),
        violations=tuple((each.seed, str(each.violation)) for each in outcomes if each.violation is not None),
        digest=digest.hexdigest(),
        wall_seconds=sum(each.wall_seconds for each in outcomes),
        slowest_seed=max(outcomes, key=lambda each: each.wall_seconds).seed if outcomes else 0,
        faults=sum((each.faults for each in outcomes), Counter()),
        noticed=sum((each.noticed for each in outcomes), Counter()),
    )


def story(seed: int, *, hours: float = 1.0, trades_an_hour: float = 10.0, last: int = 120) -> tuple[Outcome, list[str]]:
    """Run one world and give its outcome with the last lines that concern what was violated."""
    outcome = run_world(seed, hours=hours, trades_an_hour=trades_an_hour, tell=True)
    return outcome, [str(line) for line in outcome.lines[-last:]]


def run_world(
    seed: int, *, hours: float = 1.0, trades_an_hour: float = 10.0, without: Iterable[str] = (), tell: bool = False
) -> Outcome:
    """Run one world from its start to its rest, or to its first violation."""
    began = time.perf_counter()
    scenario = draw_scenario(seed, hours=hours, trades_an_hour=trades_an_hour)
    faults = draw_faults(seed, without=without)
    violation: Violated | None = None
    with _silence(), tempfile.TemporaryDirectory(prefix="standfast-simulation-") as folder:
        world = World(scenario, faults, Path(folder), story=tell)
        try:
            Life(world).live()
        except Violated as found:
            violation = found
        finally:
            world.close()
    return Outcome(
        seed=seed,
        violation=violation,
        digest=_digest(world),
        trades=len(world.watch.trades),
        closed=sum(held.trade.phase is Phase.CLOSED for held in world.watch.trades.values()),
        faults=faults.happened,
        messages=world.steps,
        requests=world.line.requests,
        virtual_seconds=world.clock.monotonic(),
        wall_seconds=time.perf_counter() - began,
        noticed=world.failures,
        lines=world.story.lines(),
    )


class Life:
    """A world from start to rest."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._person = Person(world)
        self._dice = Random(f"{world.scenario.seed}/life")  # noqa: S311 - repeatable chance is the point
        self._aimed = 0
        world.on_handled = self._aim

    def live(self) -> None:
        """Go through it all. Raises Violated."""
        world, end = self._world, self._world.scenario.seconds
        world.open_market(end)
        self._plan_faults(end)
        world.agenda.at(0.0, world.start_daemon)
        world.run_until(end)
        self._come_to_rest()
        self._judge()

    def _plan_faults(self, end: float) -> None:
        world, counts = self._world, self._world.faults.counts
        hours = end / 3600.0
        times = {name: max(1, round(count * hours)) for name, count in counts.items()}
        strewn: dict[str, Callable[[], None]] = {
            "stream_drop": self._drop_stream,
            "stream_half_open": world.line.streams["main"].goes_deaf,
            "chat_outage": self._cut_chat,
            "funding": self._pay_funding,
            "disk_full": self._fill_disk,
            "crash": self._crash,
        }
        for name, action in strewn.items():
            for _ in range(times.get(name, 0)):
                world.agenda.at(self._dice.uniform(5.0, end), action)
        self._aimed = times.get("crash_at_request", 0)
        if "thin_market" in counts:
            for instrument in world.scenario.instruments:
                market = world.bybit.exchange.venue.markets[instrument.symbol]
                notional = self._dice.choice((20, 60, 400))
                step = instrument.quantity_step
                market.depth.level_quantity = max(step, notional / instrument.opening_price // step * step)
            world.faults.note("thin_market", 0.0)

    def _drop_stream(self) -> None:
        self._world.line.streams["main"].drop(self._dice.choice((0.1, 1.0, 5.0, 30.0)))

    def _cut_chat(self) -> None:
        self._world.chat.goes_down(self._dice.choice((5.0, 60.0, 600.0)))

    def _pay_funding(self) -> None:
        chosen = self._dice.choice(self._world.scenario.instruments)
        self._world.faults.note("funding", self._world.clock.monotonic())
        self._world.pay_funding(chosen.symbol)

    def _fill_disk(self) -> None:
        self._world.disk_fills(self._dice.choice((1, 2, 6)))

    def _crash(self) -> None:
        self._world.crash_soon(self._dice.randint(1, 30))

    def _aim(self, _path: str, message: object) -> None:
        """Have some of the crashes fall between the steps of an order's way."""
        if self._aimed and isinstance(message, PlaceOrder | AmendOrder | CancelOrder) and self._dice.random() < 0.1:  # noqa: PLR2004
            self._aimed -= 1
            self._world.crash_soon(self._dice.randint(1, 12))

    def _come_to_rest(self) -> None:
        """Let nothing go wrong any more; wait for the last fault's traces, then as long as coming to rest may take."""
        world = self._world
        world.faults.ended = True
        world.run_until(max(world.faults.last_at, world.clock.monotonic()))
        while world.system is None:
            world.run_until(world.clock.monotonic() + 1.0)
        world.run_until(max(world.faults.traces_until, world.clock.monotonic()) + REST_SECONDS)

    def _judge(self) -> None:
        world = self._world
        world.watch.check_rest(self._person.foreign)
        world.run_until(world.clock.monotonic() + TELLING_SECONDS)
        self._judge_telling(world.chat)
        self._judge_journals()

    def _judge_telling(self, chat: ChatService) -> None:
        """I8 and I9: every command has its outcome, every alert arrived, none twice without saying so."""
        world = self._world
        if chat.waiting:
            raise Violated("I8", "", f"{chat.waiting[0]} was never acknowledged")
        store = world.store
        record = store.document(f"chat/{4711}")
        if record is not None and record.pending:
            raise Violated("I8", "", f"{record.pending[0]} has no outcome that was seen")
        if world.watch.alerts:
            key, raised = next(iter(world.watch.alerts.items()))
            raise Violated("I9", key, f"never settled: {raised.alert.title}")
        self._judge_alarms()
        world.watch.check_told({key for key, _, _ in chat.arrived})
        asked, offered = self._person.asked, sum(chat.is_question(each) for each in chat.messages)
        if offered > asked:
            raise Violated("I8", "", f"{asked} commands were given and {offered} questions asked back")
        told: Counter[str] = Counter()
        for key, title, at in chat.arrived:
            told[key] += 1
            if told[key] > 1 and "(again)" not in title:
                raise Violated("I9", key, f"told twice without saying so, the second time at {at:.1f}: {title}")

    def _judge_alarms(self) -> None:
        """Where nothing goes wrong nobody is alarmed."""
        world = self._world
        if world.faults.happened:
            return
        for key, raised in world.watch.raised.items():
            if raised.alert.severity is Severity.CRITICAL and raised.alert.kind not in MARKET_ALARMS:
                raise Violated("no_false_alarm", key, f"{raised.alert.title} {raised.alert.lines}")

    def _judge_journals(self) -> None:
        """I15: the stored journal folds to the trade that was watched, and every prefix of it folds."""
        for trade_id, held in self._world.watch.trades.items():
            facts = self._world.store.load(f"trade/{trade_id}").facts
            if fold(facts) != held.trade:
                raise Violated("I15", trade_id, "the stored journal folds to another trade")
            for length in range(1, len(facts)):
                fold(facts[:length])


def _digest(world: World) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for each in world.digests:
        digest.update(each.encode())
    for account in world.bybit.exchange.venue.accounts.values():
        for order in account.orders.values():
            digest.update(f"{order.link_id} {order.status} {order.cum_qty} {order.updated_ms}\n".encode())
    for message in world.chat.messages:
        digest.update(f"{message.at:.6f} {message.screen.title}\n".encode())
    return digest.hexdigest()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the daemon's log to itself: thousands of hours would be written."""
    before = structlog.get_config()
    only_critical = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=only_critical, processors=[_drop], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: object) -> NoReturn:
    raise structlog.DropEvent
