"""Replayed prices: a recorded candle file walked step by step.

Enters: a CSV file ``start,open,high,low,close,volume``, start in milliseconds. Stays out: fetching it, wall clocks.
"""

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from adapters.simulated.instruments import Instrument
from adapters.simulated.prices import WrittenPath, WrittenStep

MINUTE_MS = 60_000
_STEPS_PER_CANDLE = 120


@dataclass(frozen=True, slots=True)
class _Candle:
    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


_COLUMNS = ["start", "open", "high", "low", "close", "volume"]


def replay(instrument: Instrument, file: Path) -> WrittenPath:
    """The path of a recorded candle file: open, nearer extreme, other extreme, close, in small steps.

    The file is CSV with the header ``start,open,high,low,close,volume``, start in milliseconds, candles oldest first
    and equally long. Prices are rounded to the tick; an empty volume is none. Equal distances go to the low first.

    Raises:
        ValueError: the file cannot be used; says which line and why.
        OSError: it cannot be read.

    """
    candles = _read_candles(instrument, file)
    length = min((later.start_ms - earlier.start_ms for earlier, later in pairwise(candles)), default=MINUTE_MS)
    steps = [step for candle in candles for step in _walk_candle(instrument, candle, length)]
    return WrittenPath(candles[0].start_ms, {instrument.symbol: steps})


def _read_candles(instrument: Instrument, file: Path) -> list[_Candle]:
    candles: list[_Candle] = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.reader(lines)
        if [name.strip() for name in next(rows, [])] != _COLUMNS:
            raise ValueError(f"{file}: the first line must be {','.join(_COLUMNS)}")
        for row in rows:
            if not row:
                continue
            where = f"{file} line {rows.line_num}"
            candle = _parse_candle(instrument, row, where)
            if candles and candle.start_ms <= candles[-1].start_ms:
                raise ValueError(f"{where}: start {candle.start_ms} does not come after the candle before it")
            candles.append(candle)
    if not candles:
        raise ValueError(f"{file}: holds no candles")
    return candles


def _parse_candle(instrument: Instrument, row: list[str], where: str) -> _Candle:
    try:
        start, opening, high, low, close, volume = (cell.strip() for cell in row)
        prices = [instrument.to_tick(Decimal(cell)) for cell in (opening, high, low, close)]
        candle = _Candle(int(start), prices[0], prices[1], prices[2], prices[3], Decimal(volume or 0))
    except (ValueError, InvalidOperation, OverflowError):
        raise ValueError(f"{where}: {','.join(row)!r} is not six numbers: {','.join(_COLUMNS)}") from None
    whole = candle.low > 0 and candle.low <= min(prices) and candle.high >= max(prices) and candle.volume >= 0
    if not whole:
        raise ValueError(f"{where}: high {high} and low {low} do not enclose open {opening} and close {close}")
    return candle


def _walk_candle(instrument: Instrument, candle: _Candle, length_ms: int) -> list[WrittenStep]:
    low_first = candle.open - candle.low <= candle.high - candle.open
    turns = [candle.low, candle.high] if low_first else [candle.high, candle.low]
    corners = [candle.open, *turns, candle.close]
    distances = [int(abs(later - earlier) / instrument.tick_size) for earlier, later in pairwise(corners)]
    whole = sum(distances)
    prices = [candle.open]
    for (earlier, later), distance in zip(pairwise(corners), distances, strict=True):
        count = -(-distance * _STEPS_PER_CANDLE // max(whole, _STEPS_PER_CANDLE)) if distance else 0
        prices += [instrument.to_tick(earlier + (later - earlier) * n / count) for n in range(1, count + 1)]
    if len(prices) == 1:
        prices.append(candle.close)
    share = (candle.volume / len(prices)).quantize(Decimal("1E-6"))
    volumes = [share] * (len(prices) - 1) + [candle.volume - share * (len(prices) - 1)]
    return [
        WrittenStep(candle.start_ms + length_ms * number // len(prices), price, volume)
        for number, (price, volume) in enumerate(zip(prices, volumes, strict=True))
    ]
