"""How pybit is held: one sending, no detours, no handlers of its own, every endpoint where we say it is."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import OutcomeUnknown
from actors.ports import ExchangePort
from adapters.bybit import endpoints
from adapters.bybit.access import DEMO_REST_URL, DEMO_WS_URL, TESTNET_WS_URL, BybitAccess
from adapters.bybit.endpoints import Endpoint
from adapters.bybit.faults import Attempt, Operation
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.session import Session
from runtime.clock import SystemClock


@pytest.mark.parametrize("endpoint", endpoints.ALL, ids=lambda endpoint: endpoint.method)
def test_each_method_of_pybit_goes_where_the_table_says(venue: Any, access: BybitAccess, endpoint: Endpoint) -> None:
    clock = SystemClock()
    session = Session(access, RateBudget(clock), clock)

    session.call(Attempt(operation=Operation.READ, what="ask"), endpoint, {})

    [asked] = venue.asked
    assert asked.path == endpoint.path
    assert asked.signed_rightly is (endpoint.per_second is not None)
    session.close()


def test_making_a_session_leaves_logging_as_it_was(access: BybitAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the root logger has no handler, pybit hangs one of its own on its logger, one more for each lane."""
    monkeypatch.setattr(logging.root, "handlers", [])
    pybits = logging.getLogger("pybit._http_manager")
    before = list(pybits.handlers)
    clock = SystemClock()

    for _ in range(3):
        Session(access, RateBudget(clock), clock).close()

    assert pybits.handlers == before
    assert logging.root.handlers == []


def test_a_proxy_of_the_environment_is_not_used(
    venue: Any, exchange: ExchangePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")

    exchange.open_orders()

    assert len(venue.asked) == 1


def test_a_signed_order_does_not_follow_a_redirect(venue: Any, exchange: ExchangePort) -> None:
    venue.raw("/v5/position/set-leverage", status=308, headers={"Location": f"{venue.url}/elsewhere"})

    with pytest.raises(OutcomeUnknown):
        exchange.set_leverage("BTCUSDT", Decimal(5))

    assert [asked.path for asked in venue.asked] == ["/v5/position/set-leverage"]


def test_a_trailing_slash_of_the_address_does_no_harm(venue: Any, access: BybitAccess) -> None:
    clock = SystemClock()
    session = Session(replace(access, rest_url=f"{venue.url}/"), RateBudget(clock), clock)

    session.call(Attempt(operation=Operation.READ, what="ask"), endpoints.POSITIONS, {})

    assert venue.asked[0].path == "/v5/position/list"
    session.close()


def test_mainnet_is_the_default_and_addresses_are_settings() -> None:
    mainnet = BybitAccess(api_key="k", api_secret="s")
    testnet = replace(mainnet, ws_url=TESTNET_WS_URL)
    local = replace(mainnet, rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:1/")

    assert mainnet.rest_url == "https://api.bybit.com"
    assert mainnet.private_stream_url == "wss://stream.bybit.com/v5/private"
    assert mainnet.public_stream_url == "wss://stream.bybit.com/v5/public/linear"
    assert testnet.public_stream_url == "wss://stream-testnet.bybit.com/v5/public/linear"
    assert local.private_stream_url == "ws://127.0.0.1:1/v5/private"


def test_demo_takes_its_prices_from_mainnet() -> None:
    demo = BybitAccess(api_key="k", api_secret="s", rest_url=DEMO_REST_URL, ws_url=DEMO_WS_URL)

    assert demo.private_stream_url == "wss://stream-demo.bybit.com/v5/private"
    assert demo.public_stream_url == "wss://stream.bybit.com/v5/public/linear"
    assert replace(demo, public_ws_url="ws://127.0.0.1:2").public_stream_url == "ws://127.0.0.1:2/v5/public/linear"
