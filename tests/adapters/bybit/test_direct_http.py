"""An exchange in the same thread is told apart from one behind a wire by nothing that a session sees."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import OutcomeUnknown, OutsideError, Rejected, Throttled, Unreachable
from adapters.bybit import endpoints
from adapters.bybit.access import BybitAccess
from adapters.bybit.direct_http import DirectHttp, WireFault
from adapters.bybit.faults import Attempt, Operation
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.session import Session
from runtime.clock import VirtualClock

PLACE = Attempt(operation=Operation.PLACE, what="place an order")
READ = Attempt(operation=Operation.READ, what="read orders")


class Exchange:
    """Answers with what it was given, and keeps what it was asked."""

    def __init__(self, outcome: dict[str, Any] | WireFault) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, params))
        if isinstance(self.outcome, WireFault):
            raise self.outcome
        return self.outcome


def session(exchange: Exchange) -> Session:
    clock = VirtualClock()
    access = BybitAccess(api_key="a-key", api_secret="a-secret")
    return Session(access, RateBudget(clock, max_wait_seconds=0.0), clock, http=DirectHttp(exchange))


def test_an_answer_passes_through_and_a_cursor_arrives_as_it_was_given() -> None:
    exchange = Exchange({"retCode": 0, "retMsg": "OK", "result": {"list": [1]}})
    params = {"category": "linear", "cursor": "page%3A2", "symbol": None}
    assert session(exchange).call(READ, endpoints.RECENT_ORDERS, params) == {"list": [1]}
    assert exchange.asked == [("/v5/order/realtime", {"category": "linear", "cursor": "page:2"})]


@pytest.mark.parametrize(
    ("outcome", "after_a_write", "after_a_read"),
    [
        (WireFault("no_connection"), Unreachable, Unreachable),
        (WireFault("timeout"), OutcomeUnknown, Unreachable),
        (WireFault("reset"), OutcomeUnknown, Unreachable),
        (WireFault("not_json"), OutcomeUnknown, Unreachable),
        (WireFault("http", 503), OutcomeUnknown, Unreachable),
        ({"retCode": 110007, "retMsg": "not enough"}, Rejected, Rejected),
        ({"retCode": 10006, "retMsg": "too many visits"}, Throttled, Throttled),
    ],
    ids=str,
)
def test_what_goes_wrong_is_classed_as_on_the_wire(
    outcome: dict[str, Any] | WireFault, after_a_write: type[OutsideError], after_a_read: type[OutsideError]
) -> None:
    with pytest.raises(after_a_write) as written:
        session(Exchange(outcome)).call(PLACE, endpoints.PLACE_ORDER, {})
    with pytest.raises(after_a_read) as read:
        session(Exchange(outcome)).call(READ, endpoints.RECENT_ORDERS, {})
    assert (type(written.value), type(read.value)) == (after_a_write, after_a_read)


def test_the_budget_counts_and_refuses_at_once_where_nobody_can_wait() -> None:
    exchange = Exchange({"retCode": 0, "retMsg": "OK", "result": {}})
    busy = session(exchange)
    for _ in range(7):  # of ten a second, three are kept for stops and cancels
        busy.call(PLACE, endpoints.PLACE_ORDER, {})
    with pytest.raises(Throttled):
        busy.call(PLACE, endpoints.PLACE_ORDER, {})
    busy.call(PLACE, endpoints.PLACE_ORDER, {}, urgent=True)
    assert len(exchange.asked) == 8
