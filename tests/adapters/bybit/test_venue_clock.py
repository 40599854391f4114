"""The exchange's time, whatever the host's clock says: requests are signed by it, and it is set right when refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages.orders import StreamUp
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange, open_private_stream
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.supervised_socket import Patience
from adapters.bybit.venue_clock import VenueClock
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.server import ExchangeServer
from runtime.clock import SystemClock, VirtualClock
from runtime.randomness import Randomness

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def learnt(host: VirtualClock, theirs: datetime, *, took_seconds: float = 0.0) -> VenueClock:
    clock = VenueClock(host)
    clock.learn(theirs, asked_at=host.monotonic() - took_seconds, answered_at=host.monotonic())
    return clock


def test_until_it_is_measured_it_is_the_hosts_time() -> None:
    host = VirtualClock(NOON)
    clock = VenueClock(host)
    host.advance(2.0)
    host.jump_wall(-10.0)
    assert clock.now() == host.now()


@pytest.mark.parametrize("jump_seconds", [3600.0, -3600.0, 0.4])
def test_once_measured_no_jump_of_the_host_moves_it(jump_seconds: float) -> None:
    host = VirtualClock(NOON)
    clock = learnt(host, NOON + timedelta(minutes=7))
    host.jump_wall(jump_seconds)
    host.advance(5.0)
    assert clock.now() == NOON + timedelta(minutes=7, seconds=5)
    assert clock.host_is_behind_seconds() == 7 * 60 - jump_seconds


def test_the_first_measurement_puts_the_reading_half_way() -> None:
    clock = learnt(VirtualClock(NOON), NOON + timedelta(hours=1), took_seconds=0.2)
    assert clock.now() == NOON + timedelta(hours=1, seconds=0.1)


def test_a_measurement_that_may_agree_moves_nothing_and_one_that_cannot_moves_to_its_nearer_end() -> None:
    host = VirtualClock(NOON)
    clock = learnt(host, NOON)
    host.advance(10.0)
    clock.learn(NOON + timedelta(seconds=9.9), asked_at=9.8, answered_at=10.0)
    assert clock.now() == NOON + timedelta(seconds=10)
    clock.learn(NOON + timedelta(seconds=30), asked_at=9.8, answered_at=10.0)
    assert clock.now() == NOON + timedelta(seconds=30)
    clock.learn(NOON + timedelta(seconds=20), asked_at=9.8, answered_at=10.0)
    assert clock.now() == NOON + timedelta(seconds=20.2)


# --- against an exchange that checks timestamps ----------------------------------------------------------------------
class WrongHost(SystemClock):
    """A host whose clock is off by so much."""

    def __init__(self, seconds: float) -> None:
        self.off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self.off


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    running = ExchangeServer(ExchangeConfig(seed=11, speed=Decimal(0)))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def local(server: ExchangeServer) -> BybitAccess:
    return BybitAccess(
        api_key="paper-main-key", api_secret="paper-main-secret", rest_url=server.rest_url, ws_url=server.ws_url
    )


@pytest.mark.parametrize("off_seconds", [3600.0, -3600.0])
def test_a_refused_timestamp_sets_the_clock_and_the_next_request_is_accepted(
    local: BybitAccess, off_seconds: float
) -> None:
    clock = VenueClock(WrongHost(off_seconds))
    lane = open_exchange(local, RateBudget(clock), account="main", clock=clock)
    with pytest.raises(Unreachable, match="10002"):
        lane.open_orders()
    assert lane.open_orders() == ()
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1.0
    lane.close()


def test_a_host_that_jumps_after_the_measurement_is_never_refused(local: BybitAccess) -> None:
    host = WrongHost(0.0)
    clock = VenueClock(host)
    lane = open_exchange(local, RateBudget(clock), account="main", clock=clock)
    assert abs(lane.clock_offset_seconds()) < 1.0
    host.off = timedelta(hours=-1)
    assert lane.open_orders() == ()
    assert abs(lane.clock_offset_seconds() - 3600.0) < 1.0
    lane.close()


def test_the_private_stream_authorises_by_it_too(local: BybitAccess, inbox: Any, impatience: Patience) -> None:
    clock = VenueClock(WrongHost(-3600.0))
    lane = open_exchange(local, RateBudget(clock), account="main", clock=clock)
    lane.clock_offset_seconds()
    random = Randomness(3).generator("stream")
    stream = open_private_stream(local, account="main", random=random, clock=clock, patience=impatience)
    stream.open(inbox)
    inbox.wait(StreamUp)
    stream.close()
    lane.close()
