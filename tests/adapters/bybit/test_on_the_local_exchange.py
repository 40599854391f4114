"""The whole adapter on the local exchange: a trade's life heard over the sockets, faults on the way, limits kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import OutcomeUnknown
from actors.messages.market import MarketStreamUp, PriceReported
from actors.messages.orders import (
    ExecutionReported,
    OrderReported,
    PositionReported,
    StreamDown,
    StreamFaulted,
    StreamUp,
    WalletReported,
)
from actors.model.order import OrderIntent, OrderKind, OrderSide, OrderState
from actors.ports import ExchangePort
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange, open_market_stream, open_private_stream
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.supervised_socket import Patience
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.misbehaviour import Fault
from adapters.simulated.server import ExchangeServer
from runtime.clock import SystemClock
from runtime.randomness import Randomness

D = Decimal
SYMBOL = "BTCUSDT"


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    """A local Bybit whose prices move by hand only."""
    running = ExchangeServer(ExchangeConfig(seed=11, speed=D(0)))
    running.start()
    running.move_prices({SYMBOL: D(65000)})
    yield running
    running.stop()


@pytest.fixture
def local(server: ExchangeServer) -> BybitAccess:
    """The way to it."""
    return BybitAccess(
        api_key="paper-main-key",
        api_secret="paper-main-secret",
        rest_url=server.rest_url,
        ws_url=server.ws_url,
        read_timeout_seconds=0.4,
    )


@pytest.fixture
def lane(local: BybitAccess) -> Iterator[ExchangePort]:
    """One lane of the main account."""
    clock = SystemClock()
    opened = open_exchange(local, RateBudget(clock), account="main", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def heard(local: BybitAccess, inbox: Any, impatience: Patience) -> Iterator[Any]:
    """What the main account's private stream reports, from the moment it is up."""
    random = Randomness(3).generator("stream")
    stream = open_private_stream(local, account="main", random=random, patience=impatience)
    stream.open(inbox)
    inbox.wait(StreamUp)
    yield inbox
    stream.close()


def entry(number: int = 0, quantity: str = "0.01", price: str = "64000") -> OrderIntent:
    return OrderIntent(
        client_order_id=f"SFloc1-7K3Q9X-e1-{number}",
        symbol=SYMBOL,
        order_side=OrderSide.BUY,
        kind=OrderKind.LIMIT,
        quantity=D(quantity),
        price=D(price),
        attached_stop=D(60000),
    )


def test_a_trades_life_is_heard_as_it_is_read(server: ExchangeServer, lane: ExchangePort, heard: Any) -> None:
    lane.place_order(entry())
    resting = heard.wait(OrderReported).order
    assert (resting.client_order_id, resting.state) == (entry().client_order_id, OrderState.WORKING)

    server.move_prices({SYMBOL: D(63990)})
    bought = heard.wait(ExecutionReported)
    assert (bought.client_order_id, bought.price, bought.is_maker) == (entry().client_order_id, D(64000), True)
    held = heard.find(PositionReported, lambda report: report.position.size > 0).position
    assert (held.average_price, held.stop_price) == (D(64000), D(60000))
    heard.wait(WalletReported)

    server.move_prices({SYMBOL: D(59000)})
    sold = heard.wait(ExecutionReported, 2)
    assert sold.is_position_stop
    assert sold.client_order_id is None
    assert sold.quantity == D("0.01")
    ended = heard.find(OrderReported, lambda report: report.order.is_position_stop and report.order.state.terminal)
    assert ended.order.trigger_price == D(60000)

    assert tuple(heard.of(ExecutionReported)) == lane.executions(since=datetime.now(UTC) - timedelta(minutes=1))
    assert (
        lane.find_order(SYMBOL, entry().client_order_id)
        == [each.order for each in heard.of(OrderReported) if each.order.client_order_id == entry().client_order_id][-1]
    )
    assert heard.of(StreamFaulted) == []


def test_dropped_sockets_come_back_and_hear_again(server: ExchangeServer, lane: ExchangePort, heard: Any) -> None:
    server.drop_sockets(refuse_ms=150)
    heard.wait(StreamDown)
    heard.wait(StreamUp, 2)

    lane.place_order(entry())

    assert heard.wait(OrderReported).order.client_order_id == entry().client_order_id


def test_a_restarted_exchange_is_found_again(local: BybitAccess, inbox: Any, impatience: Patience) -> None:
    first = ExchangeServer(ExchangeConfig(seed=11, speed=D(0)))
    port = first.start()
    random = Randomness(3).generator("stream")
    access = replace(local, ws_url=first.ws_url)
    stream = open_private_stream(access, account="main", random=random, patience=impatience)
    stream.open(inbox)
    inbox.wait(StreamUp)

    first.stop()
    inbox.wait(StreamDown, 3)
    second = ExchangeServer(ExchangeConfig(seed=11, speed=D(0), port=port))
    second.start()

    inbox.wait(StreamUp, 2)
    stream.close()
    second.stop()


def test_a_wrong_secret_is_refused_and_told(local: BybitAccess, inbox: Any, impatience: Patience) -> None:
    random = Randomness(3).generator("stream")
    access = replace(local, api_secret="wrong")
    stream = open_private_stream(access, account="main", random=random, patience=impatience)
    stream.open(inbox)

    assert inbox.wait(StreamDown, 2).reason.startswith("authorisation refused")
    assert inbox.of(StreamUp) == []
    stream.close()


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after_accept"])
def test_an_unanswered_order_is_unknown_and_the_lookup_tells(
    server: ExchangeServer, lane: ExchangePort, kind: str
) -> None:
    server.misbehave(Fault(kind=kind, path="/v5/order/create", ms=1500))

    with pytest.raises(OutcomeUnknown):
        lane.place_order(entry())

    found = lane.find_order(SYMBOL, entry().client_order_id)
    assert (found is not None) == (kind == "timeout_after_accept")
    orders = server.state()["accounts"]["main"]["orders"]
    assert len(orders) == (1 if kind == "timeout_after_accept" else 0)


def test_prices_are_heard_and_follow_the_market(
    server: ExchangeServer, local: BybitAccess, inbox: Any, impatience: Patience
) -> None:
    stream = open_market_stream(local, random=Randomness(3).generator("stream"), patience=impatience)
    stream.watch([SYMBOL])
    stream.open(inbox)
    inbox.wait(MarketStreamUp)
    assert inbox.wait(PriceReported).last_price == D(65000)

    server.move_prices({SYMBOL: D("65123.4")})
    stream.watch([SYMBOL, "ETHUSDT"])

    inbox.wait(PriceReported, 3)
    assert {each.symbol for each in inbox.of(PriceReported)} == {SYMBOL, "ETHUSDT"}
    assert [each.last_price for each in inbox.of(PriceReported) if each.symbol == SYMBOL][-1] == D("65123.4")
    stream.close()


def test_lanes_that_hammer_an_account_never_meet_its_limit(server: ExchangeServer, local: BybitAccess) -> None:
    """Four lanes, 28 orders at ten a second: an answer 10006 would raise Throttled."""
    clock = SystemClock()
    budget = RateBudget(clock, max_wait_seconds=10.0)
    lanes = [open_exchange(local, budget, account="main", clock=clock) for _ in range(4)]
    began = clock.monotonic()

    def hammer(lane: int) -> None:
        for number in range(7):
            lanes[lane].place_order(entry(lane * 100 + number, "0.001"))

    with ThreadPoolExecutor(4) as pool:
        for hammering in [pool.submit(hammer, lane) for lane in range(4)]:
            hammering.result(30)

    assert len(server.state()["accounts"]["main"]["orders"]) == 28
    assert clock.monotonic() - began >= 3.0  # seven at once and seven a second: the rest is kept for exits
    for lane in lanes:
        lane.close()
