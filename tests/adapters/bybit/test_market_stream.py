"""The public stream: prices put together per connection, symbols coming and going, sockets dying."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.market import MarketStreamDown, MarketStreamUp, PriceReported
from actors.ports import MarketStreamPort
from adapters.bybit.fields import Unreadable
from adapters.bybit.price_board import PriceBoard

D = Decimal
RECEIVED = datetime(2025, 6, 1, tzinfo=UTC)


def ticker(kind: str, symbol: str = "BTCUSDT", **data: Any) -> dict[str, Any]:
    return {
        "topic": f"tickers.{symbol}",
        "type": kind,
        "ts": 1700000000123,
        "cs": 1,
        "data": {"symbol": symbol, **data},
    }


def test_a_snapshot_then_changes() -> None:
    board = PriceBoard()

    whole = board.take(ticker("snapshot", lastPrice="65000", markPrice="65001"), RECEIVED)
    last = board.take(ticker("delta", lastPrice="65010"), RECEIVED)
    neither = board.take(ticker("delta", turnover24h="1"), RECEIVED)

    assert whole == PriceReported(
        symbol="BTCUSDT",
        last_price=D(65000),
        mark_price=D(65001),
        reported_at=datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
    )
    assert last is not None
    assert neither is not None
    assert (last.last_price, last.mark_price) == (D(65010), D(65001))
    assert (neither.last_price, neither.mark_price) == (D(65010), D(65001))


def test_a_change_before_any_snapshot_is_dropped() -> None:
    assert PriceBoard().take(ticker("delta", lastPrice="1"), RECEIVED) is None


def test_symbols_do_not_mix() -> None:
    board = PriceBoard()
    board.take(ticker("snapshot", lastPrice="65000", markPrice="65001"), RECEIVED)

    assert board.take(ticker("delta", "ETHUSDT", lastPrice="1"), RECEIVED) is None


def test_a_new_snapshot_forgets_what_was_before() -> None:
    board = PriceBoard()
    board.take(ticker("snapshot", lastPrice="65000", markPrice="65001"), RECEIVED)

    again = board.take(ticker("snapshot", lastPrice="64000"), RECEIVED)

    assert again is not None
    assert (again.last_price, again.mark_price) == (D(64000), None)


def test_a_message_without_its_own_instant_counts_from_its_arrival() -> None:
    message = {**ticker("snapshot", lastPrice="1", markPrice="1"), "ts": ""}

    report = PriceBoard().take(message, RECEIVED)

    assert report is not None
    assert report.reported_at == RECEIVED


@pytest.mark.parametrize("data", [{}, [], None, {"symbol": "BTCUSDT"}, {"lastPrice": "", "markPrice": "0"}])
def test_a_snapshot_without_prices_is_refused(data: object) -> None:
    with pytest.raises(Unreadable):
        PriceBoard().take({"topic": "tickers.BTCUSDT", "type": "snapshot", "data": data}, RECEIVED)


def test_other_topics_pass_by() -> None:
    assert PriceBoard().take({"topic": "kline.1.BTCUSDT", "data": []}, RECEIVED) is None


# --- over a socket ----------------------------------------------------------------------------------------------
def test_watched_symbols_are_subscribed_and_reported(script: Any, market: MarketStreamPort, inbox: Any) -> None:
    market.watch(["BTCUSDT", "ETHUSDT", "BTCUSDT"])
    market.open(inbox)
    peer = script.subscribed(1, topics=2)
    inbox.wait(MarketStreamUp)

    peer.send(ticker("snapshot", lastPrice="65000", markPrice="65001"))

    assert inbox.wait(PriceReported).last_price == D(65000)
    assert peer.path == "/v5/public/linear"
    assert peer.ops() == ["subscribe", "subscribe"]  # no authorisation; a request for each symbol
    assert peer.topics() == ["tickers.BTCUSDT", "tickers.ETHUSDT"]
    assert market.last_message_age_seconds() is not None


def test_the_set_of_symbols_is_replaced_on_the_living_connection(
    script: Any, market: MarketStreamPort, inbox: Any
) -> None:
    market.watch(["BTCUSDT", "ETHUSDT"])
    market.open(inbox)
    inbox.wait(MarketStreamUp)

    market.watch(["ETHUSDT", "SOLUSDT"])

    peer = script.subscribed(1, topics=3)
    script.wait(lambda: "unsubscribe" in peer.ops())
    [gone] = [said["args"] for said in peer.said if said["op"] == "unsubscribe"]
    assert gone == ["tickers.BTCUSDT"]
    assert peer.topics()[-1] == "tickers.SOLUSDT"
    peer.send(ticker("snapshot", lastPrice="1", markPrice="1"))  # still on its way when it was given up
    peer.send(ticker("snapshot", "SOLUSDT", lastPrice="150", markPrice="151"))
    assert inbox.wait(PriceReported).symbol == "SOLUSDT"
    assert inbox.of(MarketStreamDown) == []


def test_nothing_watched_is_a_quiet_living_connection(script: Any, market: MarketStreamPort, inbox: Any) -> None:
    market.open(inbox)
    inbox.wait(MarketStreamUp)

    assert script.peers[0].ops() == []


def test_a_symbol_the_exchange_does_not_know_costs_only_itself(
    script: Any, market: MarketStreamPort, inbox: Any
) -> None:
    script.refused_topics = {"tickers.NOSUCHUSDT"}
    market.watch(["NOSUCHUSDT", "BTCUSDT"])
    market.open(inbox)
    inbox.wait(MarketStreamUp)

    script.peers[0].send(ticker("snapshot", lastPrice="65000", markPrice="65001"))

    inbox.wait(PriceReported)
    assert inbox.of(MarketStreamDown) == []


def test_a_new_connection_starts_from_a_new_snapshot(script: Any, market: MarketStreamPort, inbox: Any) -> None:
    market.watch(["BTCUSDT"])
    market.open(inbox)
    inbox.wait(MarketStreamUp)
    script.peers[0].send(ticker("snapshot", lastPrice="65000", markPrice="65001"))
    inbox.wait(PriceReported)

    script.peers[0].abort()
    assert inbox.wait(MarketStreamUp, 2).connection == 2
    peer = script.subscribed(2, topics=1)
    peer.send(ticker("delta", lastPrice="1"))
    peer.send(ticker("snapshot", lastPrice="66000", markPrice="66001"))

    assert inbox.wait(PriceReported, 2).last_price == D(66000)
    assert len(inbox.of(PriceReported)) == 2
    assert len(inbox.of(MarketStreamDown)) == 1


@pytest.mark.parametrize("poison", [b"{", b"[]", b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"x":1}}'])
def test_a_message_that_cannot_be_read_is_skipped(
    script: Any, market: MarketStreamPort, inbox: Any, poison: bytes
) -> None:
    market.watch(["BTCUSDT"])
    market.open(inbox)
    inbox.wait(MarketStreamUp)

    script.peers[0].send_frame(1, poison)
    script.peers[0].send(ticker("snapshot", lastPrice="65000", markPrice="65001"))

    inbox.wait(PriceReported)
    assert inbox.of(MarketStreamDown) == []


def test_an_exception_in_the_receiver_costs_one_price(script: Any, market: MarketStreamPort, inbox: Any) -> None:
    market.watch(["BTCUSDT"])
    market.open(inbox)
    inbox.wait(MarketStreamUp)

    def refuse_the_first(report: Any) -> None:
        if report.last_price == 1:
            raise RuntimeError("full")

    inbox.act = refuse_the_first
    script.peers[0].send(ticker("snapshot", lastPrice="1", markPrice="1"))
    script.peers[0].send(ticker("snapshot", lastPrice="2", markPrice="2"))

    assert inbox.wait(PriceReported).last_price == D(2)
