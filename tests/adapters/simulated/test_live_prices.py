"""A market elsewhere: prices are walked as they come; what was missed is walked first, what hurts before the rest."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.simulated.live_prices import Candle, LivePath
from tests.adapters.simulated.conftest import START_MS, Desk

D = Decimal
MINUTE_MS = 60_000
OPENS_MS = START_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS  # of the first whole minute after the start


def candle(number: int, opening: str, high: str, low: str, close: str) -> Candle:
    """The minute so many after the first whole one."""
    return Candle(
        symbol="BTCUSDT",
        start_ms=OPENS_MS + number * MINUTE_MS,
        open=D(opening),
        high=D(high),
        low=D(low),
        close=D(close),
        volume=D(10),
    )


class Elsewhere:
    """The market that is followed."""

    def __init__(self) -> None:
        self.candles: list[Candle] = []
        self.asked: list[int] = []
        self.reachable = True
        self.now_ms = START_MS

    def history(self, symbol: str, since_ms: int) -> list[Candle]:
        if not self.reachable:
            raise OSError("no route there")
        self.asked.append(since_ms)
        return [each for each in self.candles if each.symbol == symbol and each.start_ms >= since_ms]

    def path(self, price: str = "65000") -> LivePath:
        return LivePath({"BTCUSDT": D(price)}, lambda: self.now_ms, self.history)


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


def following(path: LivePath, state: Path | None = None) -> Desk:
    return Desk(live=path, speed=D(1), script=None, state_file=state)


def pass_time(desk: Desk, milliseconds: int) -> None:
    desk.now_ms += milliseconds
    while not desk.bybit.advance(most_steps=100):
        pass


def last(desk: Desk) -> Decimal:
    return desk.bybit.exchange.venue.markets["BTCUSDT"].last


def test_prices_are_walked_when_they_were_and_orders_on_the_way_fill(elsewhere: Elsewhere) -> None:
    path = elsewhere.path()
    desk = following(path)
    order = desk.place("Buy", "0.1", price="64500")
    path.price("BTCUSDT", START_MS + 100, D(64_800))
    path.price("BTCUSDT", START_MS + 200, D(64_400))
    path.price("NOSUCHUSDT", START_MS + 200, D(1))
    pass_time(desk, 150)
    assert (last(desk), desk.status(order)["orderStatus"]) == (D(64_800), "New")
    pass_time(desk, 100)
    assert (last(desk), desk.status(order)["orderStatus"]) == (D(64_400), "Filled")


def test_symbols_that_are_not_followed_stand_still(elsewhere: Elsewhere) -> None:
    desk = following(elsewhere.path())
    before = desk.bybit.exchange.venue.markets["ETHUSDT"].last
    pass_time(desk, 3_600_000)
    assert desk.bybit.exchange.venue.markets["ETHUSDT"].last == before


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_of_a_stop_and_a_target_inside_one_missed_minute_the_stop_is_hit(
    elsewhere: Elsewhere, tmp_path: Path, side: str
) -> None:
    out, stop, target, direction = ("Sell", "64000", "66000", 2) if side == "Buy" else ("Buy", "66000", "64000", 1)
    before = following(elsewhere.path(), tmp_path / "exchange.json")
    before.place(side, "0.1")
    stopped = before.stop(out, "0.1", stop, direction)
    aimed = before.place(out, "0.1", price=target, reduceOnly=True)
    before.bybit.close()

    elsewhere.candles = [candle(0, "65000", "66500", "63500", "65000")]
    elsewhere.now_ms += 2 * MINUTE_MS
    after = following(elsewhere.path("65000"), tmp_path / "exchange.json")
    pass_time(after, 2 * MINUTE_MS)
    assert after.status(stopped)["orderStatus"] == "Filled"
    assert after.status(aimed)["cumExecQty"] == "0"
    assert not after.position().size


def test_what_happened_in_the_minute_before_the_end_is_not_walked_twice(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """An order that came after a price of that minute must not be filled by it."""
    before = following(elsewhere.path(), tmp_path / "exchange.json")
    pass_time(before, 1_000)
    order = before.place("Buy", "0.1", price="64500")
    before.bybit.keep_prices()
    before.bybit.close()
    elsewhere.candles = [candle(-1, "65000", "65100", "64000", "64900")]
    after = following(elsewhere.path("64900"), tmp_path / "exchange.json")
    after.now_ms = before.now_ms
    pass_time(after, MINUTE_MS)
    assert after.status(order)["orderStatus"] == "New"
    assert last(after) == D(64_900)


def test_the_running_minute_is_walked_as_far_as_it_has_come(elsewhere: Elsewhere) -> None:
    path = elsewhere.path()
    desk = following(path)
    gap = path.begin_gap()
    elsewhere.candles = [candle(0, "65000", "65200", "64900", "65100")]
    elsewhere.now_ms = desk.now_ms = OPENS_MS + 10_000
    path.end_gap(OPENS_MS, gap)
    pass_time(desk, 1)
    assert last(desk) == D(65_100)


def test_fundings_that_were_missed_are_paid_at_their_time(elsewhere: Elsewhere, tmp_path: Path) -> None:
    before = following(elsewhere.path(), tmp_path / "exchange.json")
    before.place("Buy", "0.1")
    pass_time(before, 1_000)
    before.bybit.close()
    elsewhere.candles = [candle(number, "65000", "65000", "65000", "65000") for number in range(24 * 60)]
    elsewhere.now_ms += 24 * 60 * MINUTE_MS
    after = following(elsewhere.path(), tmp_path / "exchange.json")
    pass_time(after, 24 * 60 * MINUTE_MS)
    assert [row["execType"] for row in after.rows("execution/list")].count("Funding") == 3


def test_prices_wait_for_what_was_missed_before_them(elsewhere: Elsewhere) -> None:
    path = elsewhere.path()
    desk = following(path)
    order = desk.place("Sell", "0.1", price="66000")
    gap = path.begin_gap()
    path.price("BTCUSDT", OPENS_MS + 2 * MINUTE_MS, D(65_200))
    pass_time(desk, 3 * MINUTE_MS)
    assert last(desk) == D(65_000)
    elsewhere.reachable = False
    with pytest.raises(OSError, match="no route"):
        path.end_gap(OPENS_MS, gap)
    pass_time(desk, 1_000)
    assert last(desk) == D(65_000)
    elsewhere.reachable = True
    elsewhere.candles = [candle(0, "65000", "66100", "64900", "65100")]
    elsewhere.now_ms = desk.now_ms
    path.end_gap(OPENS_MS, gap)
    pass_time(desk, 1_000)
    assert desk.status(order)["orderStatus"] == "Filled"
    assert last(desk) == D(65_200)


def test_a_stream_cut_again_while_a_gap_is_filled_walks_nothing_twice(elsewhere: Elsewhere) -> None:
    path = elsewhere.path()
    desk = following(path)
    first, second = path.begin_gap(), path.begin_gap()
    elsewhere.candles = [candle(0, "65000", "66100", "64900", "65100")]
    elsewhere.now_ms = desk.now_ms = OPENS_MS + MINUTE_MS
    assert not path.end_gap(OPENS_MS, first)
    assert path.end_gap(OPENS_MS, second)
    pass_time(desk, 1)
    order = desk.place("Sell", "0.1", price="66000")
    assert not path.end_gap(OPENS_MS, second)
    pass_time(desk, 1_000)
    assert desk.status(order)["orderStatus"] == "New"  # the 66100 of before it came is not walked again


def test_while_no_price_is_known_nothing_enters_and_cancels_are_taken(elsewhere: Elsewhere) -> None:
    path = elsewhere.path()
    desk = following(path)
    order = desk.place("Buy", "0.1", price="64500")
    path.alive = lambda: False
    assert desk.order("Buy", "0.1")["retCode"] == 110066
    assert desk.ask("order/amend", symbol="BTCUSDT", orderId=order, price="64000")["retCode"] == 110066
    assert desk.ask("order/cancel", symbol="BTCUSDT", orderId=order)["retCode"] == 0
    desk.symbol = "ETHUSDT"  # not followed: it has no price elsewhere to miss
    assert desk.order("Buy", "0.1")["retCode"] == 0


def test_prices_come_from_one_place(make_desk: Callable[..., Desk], elsewhere: Elsewhere) -> None:
    with pytest.raises(ValueError, match="one of: a market elsewhere, a replay, a script"):
        make_desk(live=elsewhere.path(), script={}, speed=D(1))
    with pytest.raises(ValueError, match="at their own speed"):
        make_desk(live=elsewhere.path(), script=None, speed=D(2))
