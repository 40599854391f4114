"""Handler faults: handlers that take long, hang for ever, wait for one another, meet poison or a flood.

Enters: a world and dice. Stays out: handlers that raise by chance (interception's rates), processes (process_faults).
Each is aimed at one handler to come, and says until when lateness is excused and of what.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from actors.messages import addresses
from actors.messages.orders import AmendOrder, CancelOrder, ExecutionReported, OrderReported, PlaceOrder
from adapters.assembly.simulation.exchange_port import order_of
from adapters.assembly.simulation.interception import RAISED_EXCUSE_SECONDS, crash_of
from adapters.assembly.simulation.process import Process
from adapters.assembly.simulation.world import World
from runtime import BlockingAskInActor
from runtime.environment import InjectedFault

STALL_SECONDS = 30.0
FOR_EVER = 1e6
MONITOR_LOST_SECONDS = 10.0  # supervision_tree.MONITOR_HANDLER_SECONDS
LANE_LOST_SECONDS = 12.0  # account_client.ClientTerms.lane_deadline_seconds
ROOM_LOST_SECONDS = 40.0  # supervision_tree.ROOM_HANDLER_SECONDS
SETTLES_SECONDS = 15.0
LOOKED_UP_SECONDS = 25.0  # a write whose answer never came
SLOW_BEAT_SECONDS = 75.0  # what a monitor was never told it reads at the latest then
FLOOD = 10_000  # prices in a second
QUEUED_AT_MOST = 64  # a flooded mailbox that coalesces holds one for each symbol, and a few commands
_RUNS_AGAIN_SECONDS = (0.5, 2.0, 30.0)  # when poison is delivered again


def _is_monitor(path: str) -> bool:
    return "/positions/" in path


def stall(world: World, dice: Random) -> None:
    """F14: one handler of one room takes 30 s: the others wait for it or do without, nothing is lost."""
    path = dice.choice((*sorted(world.handlers.rooms), addresses.STORE, addresses.HEALTH, addresses.CHAT_COURIER))

    def strike(_process: Process, _path: str, _message: Any) -> InjectedFault:
        now = world.clock.monotonic()
        world.faults.note("stall", now + STALL_SECONDS, excuses_seconds=SETTLES_SECONDS)
        world.watch.held_up(path, now + STALL_SECONDS)
        world.story.tell("fault", "", f"a handler of {path} takes {STALL_SECONDS:.0f} s")
        return InjectedFault(spend_seconds=STALL_SECONDS)

    world.handlers.aim(lambda at, _message: at == path, strike)


def hang_room(world: World, dice: Random) -> None:
    """F14: a handler of a room never returns: its lease is lost after the deadline and a fresh one takes over."""
    _hang(world, "hang_room", dice.choice(sorted({*world.handlers.rooms, addresses.HEALTH} - {addresses.STORE})))


def hang_store(world: World, _dice: Random) -> None:
    """F14: the store never returns: what its thread holds goes only with the process, so a new run takes over."""
    _hang(world, "hang_store", addresses.STORE)


def _hang(world: World, name: str, path: str) -> None:
    def strike(_process: Process, _path: str, _message: Any) -> InjectedFault:
        lost_at = world.clock.monotonic() + ROOM_LOST_SECONDS
        world.faults.note(name, lost_at, excuses_seconds=RAISED_EXCUSE_SECONDS)
        world.watch.held_up(path, lost_at)
        world.story.tell("fault", "", f"a handler of {path} never returns")
        return InjectedFault(spend_seconds=FOR_EVER)

    world.handlers.aim(lambda at, _message: at == path, strike)


def hang_monitor(world: World, _dice: Random) -> None:
    """F14: a monitor's handler never returns: it is lost after 10 s, what it had to send is discarded."""

    def strike(_process: Process, path: str, message: Any) -> InjectedFault:
        lost_at = world.clock.monotonic() + MONITOR_LOST_SECONDS
        about = path.rpartition("-")[2]
        world.faults.note("hang_monitor", lost_at, about=about, excuses_seconds=RAISED_EXCUSE_SECONDS)
        world.story.tell("fault", about, f"{path} never returns from {type(message).__name__}")
        return InjectedFault(spend_seconds=FOR_EVER)

    world.handlers.aim(lambda path, _message: _is_monitor(path), strike)


def hang_lane(world: World, dice: Random) -> None:
    """F14: a lane's call never returns, carried out or not: the lane is replaced, the write looked up."""
    writes = dice.random() < 0.7  # noqa: PLR2004 - the others hang over a reading

    def fits(path: str, message: Any) -> bool:
        return "/client/" in path and isinstance(message, PlaceOrder | AmendOrder | CancelOrder) is writes

    def strike(_process: Process, path: str, message: Any) -> InjectedFault:
        world.line.latency_of(message, path.split("/")[1])  # this call may meet a fault of its own as well
        lost_at = world.clock.monotonic() + LANE_LOST_SECONDS
        about, order = (message.trade_id, order_of(message)) if writes else ("", "")
        world.faults.note("hang_lane", lost_at, about=about, order=order, excuses_seconds=LOOKED_UP_SECONDS)
        if writes:
            world.line.hangs(message, LANE_LOST_SECONDS)
        world.story.tell("fault", about, f"{path} never returns from {type(message).__name__}")
        return InjectedFault(spend_seconds=FOR_EVER)

    world.handlers.aim(fits, strike)


def ask_in_handler(world: World, _dice: Random) -> None:
    """F14: a handler that would wait for another's answer is refused at once; two of them would wait for ever."""

    def strike(process: Process, path: str, message: Any) -> InjectedFault | None:
        world.faults.note("ask_in_handler", world.clock.monotonic(), excuses_seconds=RAISED_EXCUSE_SECONDS)
        world.story.tell("fault", "", f"{path} asks {addresses.STORE} and waits, in a handler")
        try:
            process.system.ask(addresses.STORE, message, timeout_seconds=5.0)
        except BlockingAskInActor as refused:
            refused.args = (f"{refused} InjectedCrash",)
            return InjectedFault(error=refused)
        world.violated("F14", path, "a handler was let wait for another actor")
        return None

    world.handlers.aim(lambda path, _message: path in world.handlers.rooms or _is_monitor(path), strike)


def poison(world: World, dice: Random) -> None:
    """F13: a report that crashes its monitor however often it comes: quarantined after the second time."""

    def strike(process: Process, path: str, message: Any) -> InjectedFault:
        about = path.rpartition("-")[2]
        now = world.clock.monotonic()
        until = now + max(_RUNS_AGAIN_SECONDS)
        world.faults.note("poison", until, about=about, excuses_seconds=SLOW_BEAT_SECONDS + RAISED_EXCUSE_SECONDS)
        world.story.tell("fault", about, f"{path} is crashed by {type(message).__name__}, and will be again")
        crashes, life = 1, _life_of(world, process, path)

        def again(now_in: Process, _path: str, _message: Any) -> InjectedFault:
            nonlocal crashes, life
            before, life = life, _life_of(world, now_in, path)
            crashes = crashes + 1 if life == before else 1  # another actor remembers none
            if crashes > 2:  # noqa: PLR2004 - the second crash is the last that is allowed
                text = f"a {type(message).__name__} reached its handler after {crashes - 1} crashes over it"
                world.violated("F13", path, text)
            return InjectedFault(error=crash_of(dice, path))

        for _ in _RUNS_AGAIN_SECONDS:
            world.handlers.aim(lambda at, told: at == path and told == message, again)
        for seconds in _RUNS_AGAIN_SECONDS:
            world.agenda.at(now + seconds, partial(_deliver_again, process, path, message))
        return InjectedFault(error=crash_of(dice, path))

    world.handlers.aim(
        lambda path, message: _is_monitor(path) and isinstance(message, ExecutionReported | OrderReported), strike
    )


def _life_of(world: World, process: Process, path: str) -> tuple[int, int]:
    """Give which run an actor lives in, and how often it was made anew there; its restarts are the same life."""
    return process.number, world.births[process.number, path]


def _deliver_again(process: Process, path: str, message: Any) -> None:
    if not process.over:
        process.system.tell(path, message)


def flood_prices(world: World, dice: Random) -> None:
    """F15: ten thousand prices of one symbol in a second: coalesced, and the mailbox stays small."""
    symbol = dice.choice(world.scenario.instruments).symbol
    now = world.clock.monotonic()
    world.faults.note("flood_prices", now + 1.0)
    world.story.tell("fault", symbol, f"{FLOOD} prices in a second")
    for part in range(10):
        world.agenda.at(now + part / 10, partial(_pour, world, symbol))


def _pour(world: World, symbol: str) -> None:
    process = world.process
    world.prices.tell_again(symbol, FLOOD // 10)
    if process is None or process.frozen:
        return
    depth = next((each.mailbox_depth for each in process.system.snapshot() if each.path == addresses.PRICES), 0)
    if depth > QUEUED_AT_MOST:
        world.violated("F15", symbol, f"{depth} messages wait for the price watcher")


def flood_reports(world: World, dice: Random) -> None:
    """F15: the private stream repeats its last row hundreds of times: counted once, and nobody is late for it."""
    stream = dice.choice(list(world.line.streams.values()))
    if stream.repeats_last(dice.choice((200, 1000))):
        world.faults.note("flood_reports", world.clock.monotonic())
        world.story.tell("fault", "", f"{stream.account}'s stream repeats itself")


HANDLER_FAULTS: dict[str, Callable[[World, Random], None]] = {
    "stall": stall,
    "hang_room": hang_room,
    "hang_store": hang_store,
    "hang_monitor": hang_monitor,
    "hang_lane": hang_lane,
    "ask_in_handler": ask_in_handler,
    "poison": poison,
    "flood_prices": flood_prices,
    "flood_reports": flood_reports,
}
