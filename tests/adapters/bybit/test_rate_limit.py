"""The request budget: the exchange's own count never exceeds its limit, and what protects money has room."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import Throttled
from adapters.bybit.endpoints import AMEND_ORDER, CANCEL_ORDER, FEE_RATE, PLACE_ORDER, TICKERS
from adapters.bybit.rate_limit import RateBudget, Window
from runtime.clock import VirtualClock


class Turned:
    """A hand-turned clock that a waiting budget turns itself, and the exchange's own strict count."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.budget = RateBudget(self.clock, pause=lambda _changed, seconds: self.clock.advance(seconds))

    def send(self, *, urgent: bool = False, takes: float = 0.0, headers: dict[str, str] | None = None) -> None:
        self.budget.admit(PLACE_ORDER, "place an order", urgent=urgent)
        self.clock.advance(takes)
        self.budget.answered(PLACE_ORDER, headers)

    def sendable(self, *, urgent: bool) -> int:
        """Count how many leave without a wait."""
        began, count = self.clock.monotonic(), 0
        while True:
            self.send(urgent=urgent)
            if self.clock.monotonic() > began:
                return count
            count += 1


def test_ordinary_requests_leave_a_share_of_the_limit_to_urgent_ones() -> None:
    turned = Turned()
    for _ in range(7):
        turned.send()
    assert turned.clock.monotonic() == 0

    for _ in range(3):
        turned.send(urgent=True)
    assert turned.clock.monotonic() == 0

    turned.send(urgent=True)
    assert turned.clock.monotonic() == 1.0


def test_urgent_requests_may_use_the_whole_limit() -> None:
    assert Turned().sendable(urgent=True) == 10
    assert Turned().sendable(urgent=False) == 7


def test_endpoints_have_limits_of_their_own() -> None:
    turned = Turned()
    for endpoint in (PLACE_ORDER, AMEND_ORDER, CANCEL_ORDER):
        for _ in range(10):
            turned.budget.admit(endpoint, "do it", urgent=True)
            turned.budget.answered(endpoint, None)

    assert turned.clock.monotonic() == 0


def test_a_request_counts_until_a_window_after_its_answer() -> None:
    """The exchange may have dealt with it at any time before it answered."""
    turned = Turned()
    turned.send(urgent=True, takes=0.8)
    for _ in range(9):
        turned.send(urgent=True)
    turned.send(urgent=True)

    assert turned.clock.monotonic() == pytest.approx(1.8)


@given(
    takes=st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=80),
    there=st.floats(min_value=0, max_value=1),
    urgent=st.booleans(),
)
def test_the_exchange_never_counts_more_than_its_limit_whatever_the_network_delays(
    takes: list[float], there: float, urgent: bool
) -> None:
    turned = Turned()
    counted: deque[float] = deque()
    for take in takes:
        turned.budget.admit(PLACE_ORDER, "place an order", urgent=urgent)
        arrives = turned.clock.monotonic() + take * there
        while counted and counted[0] <= arrives - 1.0 + 1e-9:
            counted.popleft()
        counted.append(arrives)
        assert len(counted) <= 10
        turned.clock.advance(take)
        turned.budget.answered(PLACE_ORDER, None)


def test_a_wait_longer_than_allowed_is_refused_with_the_instant_and_nothing_leaves() -> None:
    turned = Turned()
    turned.budget.close(PLACE_ORDER, turned.clock.now() + timedelta(seconds=9))

    with pytest.raises(Throttled, match=r"Tried to place an order: .* Nothing was sent") as caught:
        turned.send()

    assert caught.value.until == turned.clock.now() + timedelta(seconds=9)
    assert turned.clock.monotonic() == 0
    turned.clock.advance(9)
    assert turned.sendable(urgent=True) == 10


def test_a_closed_endpoint_leaves_the_others_open() -> None:
    turned = Turned()
    turned.budget.close(PLACE_ORDER, turned.clock.now() + timedelta(seconds=60))

    turned.budget.admit(CANCEL_ORDER, "cancel an order", urgent=True)


def test_a_banned_address_sends_nothing_at_all_not_even_what_is_urgent() -> None:
    turned = Turned()
    turned.budget.close(None, turned.clock.now() + timedelta(minutes=10))

    for endpoint in (PLACE_ORDER, CANCEL_ORDER, TICKERS):
        with pytest.raises(Throttled) as caught:
            turned.budget.admit(endpoint, "do it", urgent=True)
        assert caught.value.until == turned.clock.now() + timedelta(minutes=10)


def test_the_exchanges_own_limit_is_learned() -> None:
    turned = Turned()
    turned.send(headers={"X-Bapi-Limit": "4"})

    assert turned.sendable(urgent=True) == 3


def test_requests_that_others_sent_for_the_account_are_counted() -> None:
    turned = Turned()
    turned.send(headers={"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "2"})

    assert turned.sendable(urgent=True) == 2


@pytest.mark.parametrize("written", ["", "many", "-1", "0", "²"])
def test_strange_headers_change_nothing(written: str) -> None:
    turned = Turned()
    turned.send(headers={"X-Bapi-Limit": written, "X-Bapi-Limit-Reset-Timestamp": "now"})

    assert turned.sendable(urgent=True) == 9


def test_public_requests_count_for_the_address_only() -> None:
    turned = Turned()
    for _ in range(100):
        turned.budget.admit(TICKERS, "read a price")
        turned.budget.answered(TICKERS, {"X-Bapi-Limit-Status": "0"})

    assert turned.clock.monotonic() == 0
    assert turned.sendable(urgent=True) == 10


@pytest.mark.parametrize(("urgent", "most"), [(True, 280), (False, 187)])
def test_the_limit_of_the_address_holds_over_all_endpoints(urgent: bool, most: int) -> None:
    turned = Turned()
    for _ in range(most):
        turned.budget.admit(TICKERS, "read a price", urgent=urgent)
        turned.budget.answered(TICKERS, None)

    with pytest.raises(Throttled) as caught:
        turned.budget.admit(PLACE_ORDER, "place an order", urgent=urgent)
    assert caught.value.until == turned.clock.now() + timedelta(seconds=5)


def test_an_urgent_request_that_waits_goes_before_ordinary_ones() -> None:
    clock = VirtualClock()
    order: list[str] = []
    waiting = threading.Semaphore(0)
    go_on = threading.Event()

    def pause(changed: threading.Condition, seconds: float) -> None:
        waiting.release()
        while not go_on.is_set():
            changed.wait(0.005)
        changed.wait(0.001)  # lets the others look too

    budget = RateBudget(clock, pause=pause, max_wait_seconds=60)
    for _ in range(4):
        budget.admit(FEE_RATE, "read")
        budget.answered(FEE_RATE, None)
    budget.admit(FEE_RATE, "read", urgent=True)
    budget.answered(FEE_RATE, None)

    def ask(name: str, *, urgent: bool) -> None:
        budget.admit(FEE_RATE, name, urgent=urgent)
        order.append(name)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, "ordinary", urgent=False)
        assert waiting.acquire(timeout=5)
        second = pool.submit(ask, "urgent", urgent=True)
        assert waiting.acquire(timeout=5)
        clock.advance(1.0)
        go_on.set()
        second.result(5)
        first.result(5)

    assert order == ["urgent", "ordinary"]


def test_a_window_full_of_unanswered_requests_is_looked_at_again_soon() -> None:
    window = Window(limit=2, seconds=1.0)
    window.leave()
    window.leave()

    assert 0 < window.wait_seconds(0.0, urgent=True) <= 0.1


def test_lanes_share_one_budget() -> None:
    turned = Turned()
    with ThreadPoolExecutor(6) as lanes:
        for sending in [lanes.submit(turned.send, urgent=True) for _ in range(10)]:
            sending.result(5)
    assert turned.clock.monotonic() == 0

    turned.send(urgent=True)
    assert turned.clock.monotonic() == 1.0
