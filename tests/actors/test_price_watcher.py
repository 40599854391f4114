"""The newest price with its age: from the stream while it is fresh, else from REST, else refused."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.market import (
    MarketStreamDown,
    MarketStreamUp,
    PriceQuestion,
    PriceReading,
    PriceReported,
    WatchPrice,
)
from actors.messages.reports import StreamAgeQuestion, SubscribePrice, UnsubscribePrice
from actors.port_slot import PortSlot
from actors.price_watcher import PriceWatcher, coalesce_key
from runtime import ChildSpec, Refused, SupervisorSpec
from tests.actors.conftest import OWNER, AccountWorld, Feeds

PRICES = addresses.PRICES


@pytest.fixture
def world(make_world: Callable[..., AccountWorld], feeds: Feeds) -> AccountWorld:
    world = make_world()
    slot: PortSlot[Any] = PortSlot(feeds)

    def watcher() -> PriceWatcher:
        return PriceWatcher(
            slot=slot,
            enqueue=lambda message: world.system.tell(PRICES, message),
            rest_client=addresses.client("main"),
        )

    world.system.start(SupervisorSpec("market", children=(ChildSpec("prices", watcher),)))
    world.exchange.prices["BTCUSDT"] = (Decimal(200), Decimal(201))
    return world


def price(world: AccountWorld, last: str | None, mark: str | None = None, symbol: str = "BTCUSDT") -> PriceReported:
    return PriceReported(
        symbol=symbol,
        last_price=None if last is None else Decimal(last),
        mark_price=None if mark is None else Decimal(mark),
        reported_at=world.clock.now(),
    )


def ask(world: AccountWorld, symbol: str = "BTCUSDT") -> PriceReading:
    reading = world.system.ask(PRICES, PriceQuestion(symbol=symbol))
    assert isinstance(reading, PriceReading)
    return reading


def subscribe(world: AccountWorld) -> None:
    """Have the owner told, and forget what it is told first."""
    world.system.tell(PRICES, SubscribePrice(symbol="BTCUSDT", path=OWNER))
    world.pass_time(1)
    world.told.clear()


def told(world: AccountWorld) -> list[tuple[Decimal, str]]:
    return [(reading.last_price, reading.source) for reading in world.told]


def test_fresh_streamed_price_answers_with_its_age(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100", "101"))
    world.pass_time(2.5)
    reading = ask(world)
    assert (reading.last_price, reading.mark_price, reading.source) == (100, 101, "stream")
    assert reading.age_seconds == pytest.approx(2.5)
    assert world.exchange.called("price") == []


def test_stale_price_is_read_from_rest(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100"))
    world.pass_time(29.0)
    assert ask(world).source == "stream"
    world.pass_time(1.0)
    reading = ask(world)
    assert (reading.last_price, reading.mark_price, reading.source) == (200, 201, "rest")
    assert reading.age_seconds == 0.0


def test_questions_asked_meanwhile_share_one_rest_reading(world: AccountWorld) -> None:
    for _ in range(5):
        world.system.tell(PRICES, PriceQuestion(symbol="BTCUSDT"))
    assert ask(world).last_price == 200
    assert world.exchange.called("price") == ["BTCUSDT"]


def test_question_about_a_symbol_makes_it_watched(world: AccountWorld, feeds: Feeds) -> None:
    ask(world)
    world.system.tell(PRICES, WatchPrice(symbol="ETHUSDT"))
    world.crank.run_until_idle()
    assert feeds.open.symbols == ("BTCUSDT", "ETHUSDT")


def test_price_nobody_knows_is_refused_with_the_reason(world: AccountWorld) -> None:
    world.exchange.script("price", *[Unreachable("no route to host")] * 99)
    with pytest.raises(Refused, match=r"no price of BTCUSDT is known.*no route to host"):
        ask(world)


def test_last_known_price_stands_in_marked_stale_after_five_tries(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100"))
    world.exchange.script("price", *[Unreachable("no route")] * 99)
    world.pass_time(50.0)
    begun = world.clock.now()
    reading = ask(world)
    assert (reading.last_price, reading.source, reading.stale) == (100, "stream", True)
    assert reading.age_seconds > 50
    assert world.exchange.called("price")
    assert (world.clock.now() - begun).total_seconds() < 2


def test_a_try_that_succeeds_ends_the_reading(world: AccountWorld) -> None:
    world.exchange.script("price", *[Unreachable("no route")] * 4)
    reading = ask(world)
    assert (reading.last_price, reading.source, reading.stale) == (200, "rest", False)


def test_many_symbols_are_read_in_one_request(world: AccountWorld) -> None:
    symbols = [f"{number}USDT" for number in range(10)]
    world.exchange.prices |= {symbol: (Decimal(number + 1), Decimal(9)) for number, symbol in enumerate(symbols)}
    for symbol in symbols:
        world.system.tell(PRICES, PriceQuestion(symbol=symbol))
    world.pass_time(1)
    assert [ask(world, symbol).last_price for symbol in symbols] == list(range(1, 11))
    assert world.exchange.called("prices") == [",".join(sorted(symbols))]
    assert world.exchange.called("price") == []


def test_few_symbols_are_read_by_themselves(world: AccountWorld) -> None:
    world.exchange.prices["ETHUSDT"] = (Decimal(2), Decimal(3))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        world.system.tell(PRICES, PriceQuestion(symbol=symbol))
    world.pass_time(1)
    assert sorted(world.exchange.called("price")) == ["BTCUSDT", "ETHUSDT"]
    assert world.exchange.called("prices") == []


def test_a_symbol_that_is_not_listed_is_refused_and_hides_no_other(world: AccountWorld) -> None:
    symbols = ["BTCUSDT", *(f"GONE{number}USDT" for number in range(4))]
    for symbol in symbols:
        world.system.tell(PRICES, PriceQuestion(symbol=symbol))
    with pytest.raises(Refused, match=r"no price of GONE3USDT is known.*GONE3USDT is not listed"):
        ask(world, "GONE3USDT")
    assert ask(world).last_price == 200


def test_who_wants_a_younger_price_has_it_read(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100"))
    world.pass_time(4.0)
    assert ask(world).source == "stream"
    reading = world.system.ask(PRICES, PriceQuestion(symbol="BTCUSDT", most_age_seconds=3.0))
    assert reading.source == "rest"


def test_report_with_one_of_the_prices_keeps_the_other(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    for report in (price(world, "100", "101"), price(world, "102"), price(world, None, "103")):
        feeds.open.report(report)
    reading = ask(world)
    assert (reading.last_price, reading.mark_price) == (102, 103)


def test_mark_price_alone_does_not_make_the_last_price_younger(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100"))
    world.pass_time(30.0)
    feeds.open.report(price(world, None, "101"))
    assert ask(world).source == "rest"


def test_subscriber_hears_the_newest_price_and_stops_hearing(world: AccountWorld, feeds: Feeds) -> None:
    subscribe(world)
    feeds.open.report(price(world, "100", "101"))
    feeds.open.report(price(world, "102", symbol="ETHUSDT"))  # nobody watches it
    world.pass_time(1)
    assert told(world) == [(100, "stream")]
    world.system.tell(PRICES, UnsubscribePrice(symbol="BTCUSDT", path=OWNER))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "103"))
    world.pass_time(60)
    assert len(world.told) == 1


def test_run_of_reports_reaches_a_subscriber_as_one(world: AccountWorld, feeds: Feeds) -> None:
    subscribe(world)
    for last in ("100", "101", "102"):
        feeds.open.report(price(world, last, "99"))
    world.pass_time(0.1)
    assert told(world) == [(102, "stream")]


def test_a_flood_reaches_a_subscriber_four_times_a_second_at_most_and_ends_with_the_newest(
    world: AccountWorld, feeds: Feeds
) -> None:
    subscribe(world)
    for at in range(200):
        feeds.open.report(price(world, str(100 + at)))
        world.pass_time(0.01)
    world.pass_time(1)
    assert 8 <= len(world.told) <= 10
    assert told(world)[-1] == (299, "stream")


def test_a_subscriber_hears_from_rest_when_the_stream_is_silent(world: AccountWorld, feeds: Feeds) -> None:
    subscribe(world)
    feeds.open.report(price(world, "100"))
    world.pass_time(36.0)
    assert told(world) == [(100, "stream"), (200, "rest")]
    world.exchange.script("price", *[Unreachable("no route")] * 99)
    world.pass_time(36.0)
    assert world.told[-1].stale
    assert world.told[-1].last_price == 200


def test_what_a_new_subscriber_is_told_first_has_its_age(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, WatchPrice(symbol="BTCUSDT"))
    world.crank.run_until_idle()
    feeds.open.report(price(world, "100"))
    world.pass_time(20.0)
    world.system.tell(PRICES, SubscribePrice(symbol="BTCUSDT", path=OWNER))
    world.crank.run_until_idle()
    assert world.told[0].age_seconds == pytest.approx(20.0)


def test_subscription_ends_with_the_subscriber(world: AccountWorld, feeds: Feeds) -> None:
    world.system.tell(PRICES, SubscribePrice(symbol="BTCUSDT", path=OWNER))
    world.crank.run_until_idle()
    world.system.stop_actor(OWNER)
    feeds.open.report(price(world, "100"))
    world.crank.run_until_idle()
    assert world.system.dead_letters.total == 0


def test_stream_s_ups_and_downs_go_to_health(world: AccountWorld, feeds: Feeds) -> None:
    reports = [MarketStreamUp(connection=1), MarketStreamDown(reason="no pong")]
    for report in reports:
        feeds.open.report(report)
    world.crank.run_until_idle()
    assert world.health == reports


def test_restart_closes_the_old_socket_before_the_new_one_opens(world: AccountWorld, feeds: Feeds) -> None:
    world.system.kill(PRICES)
    world.pass_time(1)
    assert [feed.closed for feed in feeds.built] == [True, False]
    feeds.open.age_seconds = 1.5
    assert world.system.ask(PRICES, StreamAgeQuestion()) == 1.5


def test_queued_reports_replace_each_other_only_where_nothing_is_lost(world: AccountWorld) -> None:
    assert coalesce_key(price(world, "100")) == coalesce_key(price(world, "101"))
    assert coalesce_key(price(world, "100")) != coalesce_key(price(world, None, "101"))
    assert coalesce_key(price(world, "100")) != coalesce_key(price(world, "100", symbol="ETHUSDT"))
    assert coalesce_key(PriceQuestion(symbol="BTCUSDT")) is None
