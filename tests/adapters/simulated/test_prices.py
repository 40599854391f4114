"""Prices: seeded, replayed and scripted paths, and the candles they leave."""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters.simulated.candles import bar_start
from adapters.simulated.generated_prices import GeneratedPath
from adapters.simulated.instruments import LISTED, catalogue
from adapters.simulated.prices import PricePath, PriceStep, waypoints
from adapters.simulated.replayed_prices import replay
from tests.adapters.simulated.conftest import Desk

D = Decimal
XRP = next(each for each in LISTED if each.symbol == "XRPUSDT")
BTC = LISTED[0]
START_MS = 1_636_934_400_000
CANDLES = [
    "1.1893,1.1954,1.1891,1.1941,9289043.5",
    "1.1941,1.1993,1.1934,1.1972,7267451.9",
    "1.1972,1.1980,1.1900,1.1905,",
    '"1.190512","1.190512","1.190488","1.190488",100',
]


def candle_file(folder: Path, rows: Sequence[str] = CANDLES, header: str = "start,open,high,low,close,volume") -> Path:
    file = folder / "candles.csv"
    lines = [f"{START_MS + number * 300_000},{row}" for number, row in enumerate(rows)]
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def take(path: PricePath, count: int) -> list[PriceStep]:
    return [path.take() for _ in range(count) if path.due_ms() is not None]


def test_a_seed_gives_one_path_and_another_seed_another() -> None:
    steps = [take(GeneratedPath(seed, LISTED, START_MS), 3000) for seed in (7, 7, 8)]
    assert steps[0] == steps[1]
    assert steps[0] != steps[2]


def test_a_generated_path_moves_on_the_tick_in_single_market_seconds() -> None:
    steps = [step for step in take(GeneratedPath(3, LISTED, START_MS), 20_000) if step.symbol == "BTCUSDT"]
    assert all(BTC.on_tick(step.price) for step in steps)
    assert {later.market_ms - earlier.market_ms for earlier, later in pairwise(steps)} == {1000}
    assert len({step.price for step in steps}) > 500
    assert all(abs(later.price / earlier.price - 1) < D("0.01") for earlier, later in pairwise(steps))


def test_a_generated_path_goes_on_after_a_restart_as_if_it_had_not_stopped() -> None:
    whole, stopped = (GeneratedPath(5, [BTC], START_MS) for _ in range(2))
    reference = take(whole, 400)
    last = take(stopped, 150)[-1]
    resumed = GeneratedPath(5, [BTC], START_MS)
    resumed.resume(last.market_ms)
    resumed.moved("BTCUSDT", last.price)
    rest = take(resumed, 250)
    assert [step.market_ms for step in rest] == [step.market_ms for step in reference[150:]]
    # Only the part of a tick that was never shown is lost.
    assert all(
        abs(ours.price - theirs.price) <= BTC.tick_size * 3 for ours, theirs in zip(rest, reference[150:], strict=True)
    )


def test_a_generated_path_goes_on_from_where_somebody_moved_it() -> None:
    path = GeneratedPath(5, [BTC], START_MS)
    take(path, 10)
    path.moved("BTCUSDT", D(50000))
    assert abs(path.take().price - 50000) < 500


def test_a_candle_is_walked_from_open_over_the_nearer_extreme_to_the_other_and_to_its_close(tmp_path: Path) -> None:
    prices = [step.price for step in take(replay(XRP, candle_file(tmp_path, CANDLES[:1])), 1000)]
    assert prices[0] == D("1.1893")
    assert prices[-1] == D("1.1941")
    low, high = prices.index(D("1.1891")), prices.index(D("1.1954"))
    assert 0 < low < high
    assert (min(prices), max(prices)) == (D("1.1891"), D("1.1954"))
    assert prices[: low + 1] == sorted(prices[: low + 1], reverse=True)
    assert prices[low : high + 1] == sorted(prices[low : high + 1])


def test_a_replay_steps_by_the_tick_and_rounds_extra_digits(tmp_path: Path) -> None:
    steps = take(replay(XRP, candle_file(tmp_path)), 10_000)
    assert all(XRP.on_tick(step.price) for step in steps)
    inside = [pair for pair in pairwise(steps) if pair[0].market_ms // 300_000 == pair[1].market_ms // 300_000]
    assert max(abs(later.price - earlier.price) for earlier, later in inside) <= XRP.tick_size * 3
    assert steps[-1].price == D("1.1905")
    assert [later.market_ms >= earlier.market_ms for earlier, later in pairwise(steps)].count(False) == 0


def test_the_candles_served_from_a_replay_are_those_of_the_file(tmp_path: Path, make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(replay_file=candle_file(tmp_path), replay_symbol="XRPUSDT")
    desk.bybit.driver.advance(until_ms=START_MS + 900_000 - 1)

    rows = desk.rows("market/kline", symbol="XRPUSDT", interval="5")

    assert [row[:6] for row in rows[::-1]] == [
        [str(START_MS), "1.1893", "1.1954", "1.1891", "1.1941", "9289043.500000"],
        [str(START_MS + 300_000), "1.1941", "1.1993", "1.1934", "1.1972", "7267451.900000"],
        [str(START_MS + 600_000), "1.1972", "1.1980", "1.1900", "1.1905", "0.000000"],
    ]


def test_orders_fill_on_the_way_of_a_replay_and_stamps_stay_wall_time(
    tmp_path: Path, make_desk: Callable[..., Desk]
) -> None:
    desk = make_desk(replay_file=candle_file(tmp_path), replay_symbol="XRPUSDT", speed=D(900))
    desk.symbol = "XRPUSDT"
    order = desk.place("Buy", "100", price="1.1891")
    desk.now_ms += 334  # a five-minute candle at 900 times
    desk.bybit.advance()

    row = desk.status(order)
    assert (row["orderStatus"], row["updatedTime"]) == ("Filled", str(desk.now_ms))
    assert desk.ask("market/time")["result"]["timeSecond"] == str(desk.now_ms // 1000)
    assert bar_start("5", desk.bybit.driver.market_ms) == START_MS + 300_000


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ([], "start,open,high,low,close,volume", "holds no candles"),
        (CANDLES, "time,o,h,l,c,v", "first line must be start,open,high,low,close,volume"),
        (["1,2,3"], "start,open,high,low,close,volume", "line 2"),
        (["x,1.2,1.1,1.1,5"], "start,open,high,low,close,volume", "line 2"),
        (["1.15,1.14,1.1,1.12,5"], "start,open,high,low,close,volume", "do not enclose"),
    ],
)
def test_an_unusable_file_is_named_with_its_line_and_fault(
    tmp_path: Path, rows: list[str], header: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replay(XRP, candle_file(tmp_path, rows, header))


def test_candles_out_of_order_are_refused(tmp_path: Path) -> None:
    file = candle_file(tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[2], lines[1]]))
    with pytest.raises(ValueError, match=r"line 3.*does not come after"):
        replay(XRP, file)


def test_the_first_recorded_candles_replay_exactly(make_desk: Callable[..., Desk]) -> None:
    file = Path(__file__).parents[4] / "shared" / "data" / "XRPUSDT-5m.csv"
    if not file.exists():
        pytest.skip("no recorded candles beside this tree")
    desk = make_desk(replay_file=file, replay_symbol="XRPUSDT")
    recorded = [line.split(",") for line in file.read_text().splitlines()[1:301]]
    desk.bybit.driver.advance(until_ms=int(recorded[-1][0]) + 299_999)

    rows = desk.rows("market/kline", symbol="XRPUSDT", interval="5", limit=1000)[::-1]

    assert len(rows) == 300
    for row, line in zip(rows, recorded, strict=True):
        assert [D(cell) for cell in row[:5]] == [XRP.to_tick(D(cell)) if "." in cell else D(cell) for cell in line[:5]]


def test_waypoints_are_walked_straight_in_market_seconds(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(script={"BTCUSDT": [(D(0), D(65000)), (D(10), D(66000)), (D(20), D(64000))]}, speed=D(2))
    seen = []
    for _ in range(4):
        desk.now_ms += 2500
        desk.bybit.advance()
        seen.append(desk.bybit.exchange.venue.markets["BTCUSDT"].last)
    assert seen == [D(65500), D(66000), D(65000), D(64000)]
    desk.now_ms += 60_000
    assert desk.bybit.advance()
    assert desk.bybit.exchange.venue.markets["BTCUSDT"].last == D(64000)
    assert desk.bybit.exchange.venue.markets["ETHUSDT"].last == D(3200)


@pytest.mark.parametrize(
    "script", [{"NOPE": [(D(0), D(1))]}, {"BTCUSDT": []}, {"BTCUSDT": [(D(1), D(1)), (D(1), D(2))]}]
)
def test_an_impossible_script_is_refused(script: Any) -> None:
    with pytest.raises(ValueError, match="waypoints for"):
        waypoints(LISTED, script, START_MS)


def test_after_a_pause_market_time_slips_instead_of_racing(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(script={"BTCUSDT": [(D(0), D(65000)), (D(1000), D(66000))]}, speed=D(2))
    desk.now_ms += 120_000

    desk.bybit.driver.slip(500)
    desk.bybit.advance()

    assert desk.bybit.exchange.venue.markets["BTCUSDT"].last == 65001
    desk.now_ms += 1_000
    desk.bybit.driver.slip(500)
    desk.bybit.advance()
    assert desk.bybit.exchange.venue.markets["BTCUSDT"].last <= 65003


def test_speed_zero_freezes_everything_but_the_control(desk: Desk) -> None:
    desk.now_ms += 3_600_000
    assert desk.bybit.advance()
    assert desk.bybit.exchange.venue.markets["BTCUSDT"].last == 65000
    desk.move("65500")
    assert desk.rows("market/tickers", symbol="BTCUSDT")[0]["markPrice"] == "65500"


@pytest.mark.parametrize("interval", ["1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"])
def test_every_interval_has_two_hundred_earlier_candles_newest_first_and_whole(desk: Desk, interval: str) -> None:
    rows = desk.rows("market/kline", symbol="ETHUSDT", interval=interval)
    assert len(rows) == 200
    starts = [int(row[0]) for row in rows]
    assert starts == sorted(set(starts), reverse=True)
    assert all(bar_start(interval, start) == start for start in starts)
    for row in rows:
        opening, high, low, close, volume, turnover = map(D, row[1:])
        assert 0 < low <= min(opening, close) <= max(opening, close) <= high
        assert volume > 0 or row is rows[0]
        assert turnover == 0 if volume == 0 else turnover > 0
    for newer, older in pairwise(rows):
        assert newer[1] == older[4]


def test_intervals_agree_on_opens_and_closes(desk: Desk) -> None:
    hours = desk.rows("market/kline", symbol="BTCUSDT", interval="60", limit=48)
    minutes = {row[0]: row for row in desk.rows("market/kline", symbol="BTCUSDT", interval="5", limit=600)}
    for row in hours:
        assert minutes[row[0]][1] == row[1]


def test_kline_start_and_end_bound_the_page(desk: Desk) -> None:
    rows = desk.rows("market/kline", symbol="BTCUSDT", interval="60", limit=10)
    start, end = int(rows[5][0]), int(rows[2][0])
    assert desk.rows("market/kline", symbol="BTCUSDT", interval="60", start=str(start), end=str(end)) == rows[2:6]
    assert desk.rows("market/kline", symbol="BTCUSDT", interval="60", start=str(start), limit=2) == rows[4:6]


def test_the_walked_path_joins_the_past(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(speed=D(60))
    desk.now_ms += 20_000
    while not desk.bybit.advance():
        pass
    rows = desk.rows("market/kline", symbol="BTCUSDT", interval="1", limit=60)
    assert len(rows) == 60
    assert D(rows[0][4]) == desk.bybit.exchange.venue.markets["BTCUSDT"].last


def test_synthetic_instruments_are_the_same_every_time_and_on_their_own_grid() -> None:
    first, second = catalogue(300), catalogue(300)
    assert first == second
    assert len({each.symbol for each in first}) == 305
    assert first[5].symbol == "SYN0001USDT"
    assert all(each.on_tick(each.opening_price) and each.on_step(each.min_quantity) for each in first)
    with pytest.raises(ValueError, match="0 to 9999"):
        catalogue(10_000)


def test_a_thousand_resting_orders_cost_a_walking_price_next_to_nothing(make_desk: Callable[..., Desk]) -> None:
    """Thousands of steps a second are promised; a scan of all orders at each step could not keep this."""
    desk = make_desk(speed=D(60))
    for name in ("main", "mirror"):
        desk.name = name
        desk.deep_pockets()
        for number in range(498):
            desk.place("Buy", "0.001", price=str(40000 - number))
    desk.now_ms += 60_000
    began = time.process_time()
    while not desk.bybit.advance(most_steps=1000):
        pass
    assert time.process_time() - began < 3.6  # 18,000 steps: at least 5,000 a second, on a slow machine too
