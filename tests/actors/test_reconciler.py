"""One reading of the account at a time, handed to all it concerns; a reading that failed says nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.accounts import (
    MonitorsLost,
    PositionsRead,
    SnapshotWanted,
    StrayOrder,
    TradeSnapshot,
    TriggerNear,
)
from actors.messages.health import CoverRead, Uncovered
from actors.messages.lanes import ExecutionsReading, OpenOrdersReading
from actors.messages.market import PriceQuestion, PriceReading
from actors.messages.orders import ExecutionKind, ExecutionReported, StreamDown, StreamFaulted, StreamUp
from actors.messages.reports import Misaddressed, ReconcileFailed, ReconcileRecovered
from actors.model.order import OrderSide
from actors.model.position import ObservedPosition, PositionSide
from actors.reconciler import Reconciler
from runtime import Actor, ChildSpec, Refused, SupervisorSpec, handles
from tests.actors.conftest import AccountWorld, Requests, observed

RECONCILER = addresses.reconciler("main")
BOOK = addresses.position_book("main")
POSITIONS = addresses.positions("main")
MONITOR = addresses.monitor("main", "BTCUSDT", "7K3Q9X")
UP, DOWN = StreamUp(account="main", connection=1), StreamDown(account="main", reason="no pong")


class Prices(Actor):
    """Stands where the price watcher would."""

    known: dict[str, Decimal]

    def __init__(self, known: dict[str, Decimal]) -> None:
        self.known = known

    @handles(PriceQuestion)
    def _on_question(self, question: PriceQuestion) -> PriceReading:
        if question.symbol not in self.known:
            raise Refused(f"no price of {question.symbol} is known")
        price = self.known[question.symbol]
        return PriceReading(symbol=question.symbol, last_price=price, mark_price=None, age_seconds=0, source="stream")


@pytest.fixture
def prices() -> dict[str, Decimal]:
    return {}


@pytest.fixture
def starting(make_world: Callable[..., AccountWorld], trade: Requests, prices: dict[str, Decimal]) -> AccountWorld:
    """The account's first moment: the stream is not up yet, nothing has been read."""
    world = make_world(start=False)
    market = SupervisorSpec("market", children=(ChildSpec("prices", lambda: Prices(prices)),))
    world.system.start(market)
    reconciler = ChildSpec("reconciler", lambda: Reconciler(account="main", installation="7QK2"))
    world.start(*world.neighbours(trade), reconciler)
    return world


@pytest.fixture
def world(starting: AccountWorld) -> AccountWorld:
    starting.system.tell(RECONCILER, UP)
    starting.pass_time(1)
    return starting


def readings(world: AccountWorld) -> int:
    return len(world.exchange.called("executions"))


def execution(
    world: AccountWorld, execution_id: str, client_order_id: str | None, *, at: datetime | None = None, **values: Any
) -> ExecutionReported:
    usual: dict[str, Any] = {
        "account": "main",
        "execution_id": execution_id,
        "symbol": "BTCUSDT",
        "order_id": "o1",
        "client_order_id": client_order_id,
        "order_side": OrderSide.BUY,
        "kind": ExecutionKind.TRADE,
        "quantity": Decimal(1),
        "price": Decimal(100),
        "fee_usdt": Decimal("0.05"),
        "is_maker": False,
        "executed_at": at or world.clock.now(),
    }
    return ExecutionReported(**(usual | values))


def near(symbol: str = "BTCUSDT", stop: str | None = "90", target: str | None = "110") -> TriggerNear:
    return TriggerNear(
        trade_id="7K3Q9X",
        symbol=symbol,
        stop_price=None if stop is None else Decimal(stop),
        target_price=None if target is None else Decimal(target),
    )


# --- when it reads ---------------------------------------------------------------------------------------------
def test_account_is_read_when_the_stream_is_up_and_after_each_further_connection(world: AccountWorld) -> None:
    assert readings(world) == 1
    world.system.tell(RECONCILER, StreamUp(account="main", connection=2))
    world.pass_time(1)
    assert readings(world) == 2


def test_stream_that_does_not_come_up_is_waited_for_a_little_only(starting: AccountWorld) -> None:
    starting.pass_time(0.9)
    assert readings(starting) == 0
    starting.pass_time(0.2)
    assert readings(starting) == 1


def test_stream_that_fails_at_the_start_is_not_waited_for(starting: AccountWorld) -> None:
    starting.system.tell(RECONCILER, DOWN)
    starting.pass_time(0.1)
    assert readings(starting) == 1


def test_slow_beat_while_the_stream_is_up(world: AccountWorld) -> None:
    world.pass_time(58)
    assert readings(world) == 1
    world.pass_time(2)
    assert readings(world) == 2
    world.pass_time(600)
    assert readings(world) == 12


def test_message_that_was_skipped_is_made_up_for_by_a_reading(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, StreamFaulted(account="main", reason="no topic", excerpt="{"))
    world.pass_time(1)
    assert readings(world) == 2


@pytest.mark.parametrize(
    ("price", "seconds"),
    [("110.1", 2), ("90.2", 2), ("109", 5), ("100", 12), (None, 2)],
    ids=["target near", "stop near", "middle", "far", "unknown price"],
)
def test_stale_stream_is_read_for_as_often_as_a_trigger_is_near(
    world: AccountWorld, prices: dict[str, Decimal], price: str | None, seconds: int
) -> None:
    if price is not None:
        prices["BTCUSDT"] = Decimal(price)
    world.system.tell(RECONCILER, near())
    world.system.tell(RECONCILER, DOWN)
    world.pass_time(0.5)
    before = readings(world)
    world.pass_time(seconds * 10)
    assert readings(world) == before + 10


def test_price_that_is_lost_counts_as_near(world: AccountWorld, prices: dict[str, Decimal]) -> None:
    prices["BTCUSDT"] = Decimal(100)
    world.system.tell(RECONCILER, near())
    world.system.tell(RECONCILER, DOWN)
    world.pass_time(0.5)
    del prices["BTCUSDT"]
    world.pass_time(12.5)
    before = readings(world)
    world.pass_time(20)
    assert readings(world) == before + 10


def test_stale_stream_with_nothing_open_is_read_for_slowly(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, near())
    world.system.tell(RECONCILER, near(stop=None, target=None))
    world.system.tell(RECONCILER, DOWN)
    world.pass_time(0.5)
    before = readings(world)
    world.pass_time(120)
    assert readings(world) == before + 10


def test_nearest_of_several_triggers_sets_the_pace(world: AccountWorld, prices: dict[str, Decimal]) -> None:
    prices |= {"BTCUSDT": Decimal(100), "ETHUSDT": Decimal("90.1")}
    world.system.tell(RECONCILER, near())
    world.system.tell(RECONCILER, replace(near("ETHUSDT"), trade_id="8K3Q9X"))
    world.system.tell(RECONCILER, DOWN)
    world.pass_time(0.5)
    before = readings(world)
    world.pass_time(20)
    assert readings(world) == before + 10


def test_stream_that_is_back_ends_the_hurry(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, DOWN)
    world.pass_time(30)
    world.system.tell(RECONCILER, UP)
    world.pass_time(1)
    before = readings(world)
    world.pass_time(50)
    assert readings(world) == before


def test_account_that_cannot_be_read_in_time_is_given_more_time(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    for _ in range(150):
        world.hang(OpenOrdersReading, 30.0)  # slow, not silent: whichever call is made next answers after 30 s
        world.pass_time(1)
    assert any(isinstance(message, TradeSnapshot) for message in world.inbox(MONITOR))


# --- one reading for all ---------------------------------------------------------------------------------------
def test_requests_made_during_a_reading_share_the_next_one(world: AccountWorld) -> None:
    world.hang(OpenOrdersReading, 2.0)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(0.1)
    asked_at = world.clock.now()
    for _ in range(10):
        world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(10)
    assert readings(world) == 3
    snapshots = [m for m in world.inbox(MONITOR) if isinstance(m, TradeSnapshot)]
    assert len(snapshots) == 2
    assert snapshots[0].started_at < asked_at <= snapshots[1].started_at


def test_first_reading_serves_whoever_asks_while_it_is_under_way(starting: AccountWorld) -> None:
    starting.hang(OpenOrdersReading, 2.0)
    starting.system.tell(RECONCILER, UP)
    starting.pass_time(0.5)
    asked_at = starting.clock.now()
    starting.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, wanted_at=asked_at, first=True))
    starting.pass_time(10)
    (snapshot,) = starting.inbox(MONITOR)
    assert snapshot.started_at < asked_at
    assert snapshot.answers == asked_at
    assert readings(starting) == 1


def test_first_reading_serves_who_comes_a_little_late(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("S"))  # after the first reading: what came since is told by the stream
    asked_at = world.clock.now()
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, wanted_at=asked_at, first=True))
    world.pass_time(1)
    (snapshot,) = world.inbox(MONITOR)
    assert (snapshot.answers, snapshot.orders) == (asked_at, ())
    assert readings(world) == 1


@pytest.mark.parametrize(
    ("wanted", "meanwhile"),
    [
        (SnapshotWanted(path=MONITOR), None),
        (SnapshotWanted(path=MONITOR, first=True), DOWN),
        (SnapshotWanted(path=MONITOR, first=True), MonitorsLost()),
        (SnapshotWanted(path=MONITOR, first=True, executions_since=datetime(2020, 1, 1, tzinfo=UTC)), None),
    ],
    ids=["it has acted before", "the stream broke", "its reports are lost", "it needs older executions"],
)
def test_first_reading_is_not_enough_for_who_may_have_missed_something(
    world: AccountWorld, wanted: SnapshotWanted, meanwhile: object
) -> None:
    if meanwhile is not None:
        world.system.tell(RECONCILER, meanwhile)
        world.pass_time(0.5)
    asked_at = world.clock.now()
    world.system.tell(RECONCILER, wanted)
    world.pass_time(1)
    assert world.inbox(MONITOR)[-1].started_at >= asked_at


def test_first_reading_grows_too_old_to_serve_anybody(world: AccountWorld) -> None:
    world.pass_time(20)
    asked_at = world.clock.now()
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, first=True))
    world.pass_time(1)
    assert world.inbox(MONITOR)[-1].started_at >= asked_at


def test_later_reading_answers_only_requests_from_before_it_began(world: AccountWorld) -> None:
    world.hang(OpenOrdersReading, 2.0)
    world.system.tell(RECONCILER, StreamUp(account="main", connection=2))
    world.pass_time(0.5)
    asked_at = world.clock.now()
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, wanted_at=asked_at))
    world.pass_time(10)
    (snapshot,) = world.inbox(MONITOR)
    assert snapshot.started_at >= asked_at
    assert snapshot.answers == asked_at


def test_first_reading_reaches_as_far_back_as_those_need_who_asked_meanwhile(starting: AccountWorld) -> None:
    days, week = (starting.clock.now() - timedelta(days=number) for number in (3, 7))
    starting.hang(OpenOrdersReading, 1.0)
    starting.hang(ExecutionsReading, 1.0)
    starting.system.tell(RECONCILER, UP)
    starting.pass_time(0.5)
    starting.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, executions_since=days, first=True))
    starting.pass_time(1.0)
    starting.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, executions_since=week, first=True))
    starting.pass_time(10)
    assert starting.exchange.called("executions") == [days.isoformat(), week.isoformat()]
    assert len(starting.inbox(MONITOR)) == 1


def test_first_reading_whose_executions_fail_is_repeated_whole(starting: AccountWorld) -> None:
    starting.exchange.script("executions", *[Unreachable("no route")] * 3)
    starting.system.tell(RECONCILER, UP)
    starting.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    starting.pass_time(30)
    assert len(starting.inbox(MONITOR)) == 1
    assert len(starting.exchange.called("open_orders")) == 2


def test_asker_gets_its_part_even_when_nothing_of_it_is_open(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(1)
    assert world.inbox(MONITOR) == [
        TradeSnapshot(started_at=world.inbox(MONITOR)[0].started_at, orders=(), executions=())
    ]


def test_trade_whose_orders_have_all_vanished_hears_of_it_though_it_did_not_ask(world: AccountWorld) -> None:
    world.system.tell(RECONCILER, near())
    world.system.tell(RECONCILER, StreamUp(account="main", connection=2))
    world.pass_time(1)
    (snapshot,) = world.inbox(MONITOR)
    assert (snapshot.orders, snapshot.executions) == ((), ())
    world.system.tell(RECONCILER, near(stop=None, target=None))
    world.system.tell(RECONCILER, StreamUp(account="main", connection=3))
    world.pass_time(1)
    assert len(world.inbox(MONITOR)) == 1


def test_executions_are_read_from_where_the_oldest_asker_needs_them(world: AccountWorld) -> None:
    now = world.clock.now()
    long_ago = now - timedelta(days=3)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR, executions_since=long_ago))
    world.pass_time(1)
    assert world.exchange.called("executions")[-1] == long_ago.isoformat()


def test_readings_overlap_so_that_late_executions_are_not_missed(world: AccountWorld) -> None:
    world.pass_time(60)
    last = datetime.fromisoformat(world.exchange.called("executions")[-1])
    before = world.inbox(BOOK)[-2].started_at
    assert before - last == timedelta(seconds=60)


# --- whom it tells ---------------------------------------------------------------------------------------------
def test_trade_gets_its_own_orders_and_executions(
    world: AccountWorld, trade: Requests, make_trade: type[Requests]
) -> None:
    other = make_trade(trade_id="8K3Q9X")
    for requests in (trade, other):
        world.exchange.place(requests.intent("S"))
    mine = execution(world, "x1", trade.order_id("E1"))
    world.exchange.executions += [mine, execution(world, "x2", other.order_id("E1"))]
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(1)
    (snapshot,) = world.inbox(MONITOR)
    assert snapshot.orders == (world.exchange.orders[trade.order_id("S")],)
    assert snapshot.executions == (mine,)


def test_trade_that_did_not_ask_hears_of_what_concerns_it(world: AccountWorld, trade: Requests) -> None:
    fill = execution(world, "x1", trade.order_id("E1"))
    world.exchange.executions.append(fill)
    world.pass_time(60)
    (snapshot,) = world.inbox(MONITOR)
    assert snapshot.executions == (fill,)


def test_ours_without_a_monitor_goes_to_the_positions_room_once(
    world: AccountWorld, make_trade: type[Requests]
) -> None:
    closed = make_trade(trade_id="8K3Q9X")
    late = execution(world, "x2", closed.order_id("T1"))
    world.exchange.executions.append(late)
    world.pass_time(180)
    assert world.inbox(POSITIONS) == [Misaddressed(trade_id="8K3Q9X", symbol="BTCUSDT", report=late)]


def test_stray_order_of_ours_is_told_at_each_reading(world: AccountWorld, make_trade: type[Requests]) -> None:
    stray = observed(make_trade(trade_id="8K3Q9X").intent("E1"))
    world.exchange.orders["stray"] = stray
    world.pass_time(120)
    assert world.inbox(POSITIONS) == [StrayOrder(account="main", order=stray, trade_id="8K3Q9X")] * 2


def test_book_hears_of_positions_foreign_executions_and_foreign_conditionals(
    world: AccountWorld, trade: Requests
) -> None:
    position = ObservedPosition(
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        size=Decimal(3),
        average_price=Decimal(100),
        leverage=Decimal(10),
        position_index=0,
        stop_price=Decimal(89),
        liquidation_price=None,
    )
    world.exchange.positions = (position,)
    by_hand = execution(world, "h1", None)
    funding = execution(world, "f1", None, kind=ExecutionKind.FUNDING)
    world.exchange.executions += [by_hand, funding, execution(world, "x1", trade.order_id("E1"))]
    stop = observed(trade.intent("S"))
    world.exchange.orders |= {
        "ours": stop,
        "by hand": replace(stop, client_order_id=None),
        "other daemon": replace(stop, client_order_id="SFZZZZC-7K3Q9X-S-0"),
        "backstop": replace(stop, client_order_id=None, is_position_stop=True),
        "limit": replace(observed(trade.intent("E1")), client_order_id=None),
    }
    world.pass_time(60)
    read = world.inbox(BOOK)[-1]
    assert isinstance(read, PositionsRead)
    assert read.positions == (position,)
    assert read.foreign_executions == (by_hand, funding)
    assert read.foreign_conditionals == (("BTCUSDT", 2),)


def test_health_hears_of_a_size_without_a_stop_where_a_trade_holds_something_and_of_its_end(
    world: AccountWorld,
) -> None:
    position = ObservedPosition(
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        size=Decimal(3),
        average_price=Decimal(100),
        leverage=Decimal(10),
        position_index=0,
        stop_price=None,
        liquidation_price=None,
    )
    world.exchange.positions = (position,)
    world.pass_time(60)
    assert not told_of_cover(world), "nobody here holds anything of it"
    near = TriggerNear(trade_id="7K3Q9X", symbol="BTCUSDT", stop_price=Decimal(90), target_price=None)
    world.system.tell(RECONCILER, near)
    world.pass_time(60)
    bare = Uncovered(symbol="BTCUSDT", side="long", quantity=Decimal(3))
    assert {each.uncovered for each in told_of_cover(world)} == {(bare,)}
    world.exchange.positions = (replace(position, stop_price=Decimal(89)),)
    world.pass_time(200)
    assert [each.uncovered for each in told_of_cover(world)].count(()) == 1
    assert told_of_cover(world)[-1].uncovered == ()


def told_of_cover(world: AccountWorld) -> list[CoverRead]:
    return [each for each in world.health if isinstance(each, CoverRead)]


# --- readings that fail ----------------------------------------------------------------------------------------
def test_failed_reading_tells_nobody_anything_and_is_repeated(world: AccountWorld) -> None:
    told = len(world.inbox(BOOK))
    world.exchange.script("positions", *[Unreachable("no route")] * 6)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(3)
    assert len(world.inbox(BOOK)) == told
    assert world.inbox(MONITOR) == []
    world.pass_time(20)
    assert len(world.inbox(MONITOR)) == 1
    assert len(world.inbox(BOOK)) == told + 1
    assert not any(isinstance(m, ReconcileFailed) for m in world.health)


def test_third_failure_in_a_row_is_told_to_health_and_so_is_the_recovery(world: AccountWorld) -> None:
    world.exchange.script("open_orders", *[Unreachable("no route")] * 12)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(60)
    told = [m for m in world.health if isinstance(m, ReconcileFailed | ReconcileRecovered)]
    assert [type(m) for m in told] == [ReconcileFailed, ReconcileFailed, ReconcileRecovered]
    assert [m.failures for m in told if isinstance(m, ReconcileFailed)] == [3, 4]
    assert isinstance(told[0], ReconcileFailed)
    assert "no route" in told[0].text
    assert len(world.inbox(MONITOR)) == 1


def test_asking_more_often_does_not_shorten_the_pause_after_a_failure(world: AccountWorld) -> None:
    world.exchange.script("open_orders", *[Unreachable("no route")] * 300)
    for _ in range(100):
        world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
        world.pass_time(0.3)
    assert len(world.exchange.called("open_orders")) < 30


def test_connection_that_is_back_ends_the_pause_after_a_failure(world: AccountWorld) -> None:
    world.exchange.script("open_orders", *[Unreachable("no route")] * 12)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.crank.run(lambda: len(world.exchange.called("open_orders")) == 14, within_seconds=60)
    world.pass_time(0.5)
    world.system.tell(RECONCILER, UP)
    world.pass_time(0.5)
    assert len(world.inbox(MONITOR)) == 1


def test_reading_that_hangs_is_given_up_and_made_again(world: AccountWorld) -> None:
    world.hang(OpenOrdersReading)
    world.system.tell(RECONCILER, SnapshotWanted(path=MONITOR))
    world.pass_time(60)
    assert len(world.inbox(MONITOR)) == 1


def test_restarted_reconciler_reads_at_once(world: AccountWorld) -> None:
    before = readings(world)
    world.system.kill(RECONCILER)
    world.pass_time(1)
    assert readings(world) == before + 1


# --- a crowd ---------------------------------------------------------------------------------------------------
@pytest.fixture
def crowd(make_world: Callable[..., AccountWorld], prices: dict[str, Decimal]) -> tuple[AccountWorld, list[str]]:
    """Forty trades that believe in a stop, and their monitors' paths; the first reading has been handed round."""
    trades = [Requests(trade_id=f"{number:02}K3QX") for number in range(40)]
    world = make_world(start=False)
    world.system.start(SupervisorSpec("market", children=(ChildSpec("prices", lambda: Prices(prices)),)))
    reconciler = ChildSpec("reconciler", lambda: Reconciler(account="main", installation="7QK2"))
    world.start(*world.neighbours(*trades), reconciler)
    for trade in trades:
        world.system.tell(RECONCILER, replace(near(), trade_id=trade.trade_id))
    world.system.tell(RECONCILER, UP)
    world.pass_time(1)
    paths = [addresses.monitor("main", "BTCUSDT", trade.trade_id) for trade in trades]
    for path in paths:
        world.inbox(path).clear()
    return world, paths


def told(world: AccountWorld, paths: list[str]) -> int:
    return sum(len(world.inbox(path)) for path in paths)


def test_a_crowd_that_did_not_ask_is_told_a_few_at_a_time_and_who_asked_at_once(
    crowd: tuple[AccountWorld, list[str]],
) -> None:
    world, paths = crowd
    world.system.tell(RECONCILER, SnapshotWanted(path=paths[-1]))
    world.crank.run_until_idle()
    assert len(world.inbox(paths[-1])) == 1
    assert told(world, paths) == 1 + 8
    world.pass_time(0.015)
    assert told(world, paths) == 1 + 16
    world.pass_time(1)
    assert [len(world.inbox(path)) for path in paths] == [1] * 40


def test_a_newer_reading_replaces_what_is_left_of_an_older_one(crowd: tuple[AccountWorld, list[str]]) -> None:
    world, paths = crowd
    world.system.tell(RECONCILER, StreamUp(account="main", connection=2))
    world.crank.run_until_idle()
    world.system.tell(RECONCILER, StreamUp(account="main", connection=3))
    world.pass_time(1)
    assert told(world, paths) == 40 + 8
    newest = {world.inbox(path)[-1].started_at for path in paths}
    assert len(newest) == 1


@pytest.mark.parametrize(("trades", "calls"), [(0, 2), (4000, 1)], ids=["small account", "large account"])
def test_a_large_account_is_given_longer_to_be_listed(
    crowd: tuple[AccountWorld, list[str]], trades: int, calls: int
) -> None:
    world, paths = crowd
    for number in range(trades):
        world.system.tell(RECONCILER, replace(near(), trade_id=f"{number:06}"))
        world.crank.run_until_idle()
    before = len(world.exchange.called("open_orders"))
    world.hang(OpenOrdersReading, 18.0)
    world.system.tell(RECONCILER, StreamUp(account="main", connection=2))
    world.pass_time(25)
    assert told(world, paths) == 40
    assert len(world.exchange.called("open_orders")) == before + calls
