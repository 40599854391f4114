"""Control: what a test or a demo may do to the exchange from outside, when it was started for that.

Enters: JSON bodies; answers 400 with what to write instead. Stays out: how faults are carried out and prices walked.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.misbehaviour import Misbehaviour, parse_fault
from adapters.simulated.refusals import Refusal
from adapters.simulated.timeline import Timeline
from adapters.simulated.v5_rows import text
from adapters.simulated.v5_stream import V5Stream

Prices = Mapping[str, tuple[Decimal, Decimal | None]]
_PRICES_EXAMPLE = '{"BTCUSDT":"65000"} or {"BTCUSDT":{"last":"65000","mark":"64990"}}'


class Control:
    """The /control endpoints."""

    def __init__(
        self,
        bybit: LocalBybit,
        misbehaviour: Misbehaviour,
        stream: V5Stream,
        paths: Mapping[str, object],
        publish: Callable[[], None],
        *,
        timeline: Timeline,
    ) -> None:
        self._bybit = bybit
        self._misbehaviour = misbehaviour
        self._stream = stream
        self._paths = paths
        self._publish = publish
        self._timeline = timeline

    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        return [
            web.post("/control/prices", self.prices),
            web.post("/control/liquidity", self.liquidity),
            web.post("/control/faults", self.faults),
            web.delete("/control/faults", self.behave),
            web.get("/control/state", self.state),
            web.post("/control/timeline", self.timeline),
        ]

    async def prices(self, request: web.Request) -> web.Response:
        """Walk prices, and answer when everything on the way is matched."""
        try:
            self.move(parse_prices(await _json(request)))
        except (ValueError, Refusal) as problem:
            return _bad(problem)
        markets = self._bybit.exchange.venue.markets
        now = {symbol: {"last": text(each.last), "mark": text(each.mark)} for symbol, each in markets.items()}
        return web.json_response({"prices": now})

    def move(self, prices: Prices) -> None:
        """Walk prices, write the outcome down, send its messages out.

        Raises:
            Refusal: an unknown symbol or an impossible price; nothing moved.

        """
        self._bybit.driver.move(prices)
        self._bybit.keep_prices()
        self._publish()

    async def liquidity(self, request: web.Request) -> web.Response:
        """Set what each level of a symbol's depth holds (base units), or null for the seeded shape."""
        try:
            wishes = parse_liquidity(await _json(request))
            markets = {symbol: self._bybit.exchange.venue.market(symbol) for symbol in wishes}
        except (ValueError, Refusal) as problem:
            return _bad(problem)
        for symbol, quantity in wishes.items():
            markets[symbol].depth.level_quantity = quantity
            markets[symbol].depth.refill()
        return web.json_response({"symbols": list(wishes)})

    async def faults(self, request: web.Request) -> web.Response:
        """Queue a fault; dropped sockets drop at once."""
        try:
            fault = parse_fault(await _json(request), self._paths)
        except ValueError as problem:
            return _bad(problem)
        if fault.kind == "drop_ws":
            self._stream.drop_all(fault.ms)
            fault.times -= 1
        if fault.times > 0:
            self._misbehaviour.add(fault)
        return web.json_response({"queued": len(self._misbehaviour.faults)})

    async def behave(self, _: web.Request) -> web.Response:
        """Forget every queued fault."""
        self._misbehaviour.clear()
        return web.json_response({"queued": 0})

    async def state(self, _: web.Request) -> web.Response:
        """Every account's orders, positions, executions, closed PnL and audit."""
        return web.json_response(self._bybit.control_state())

    async def timeline(self, _: web.Request) -> web.Response:
        """When executions were sent and orders' requests received since this was last asked; then begin anew."""
        return web.json_response(self._timeline.take())


def parse_prices(stated: Any) -> Prices:
    """Symbol to (last, mark or None) from a control body.

    Raises:
        ValueError: says what to write instead.

    """
    if not isinstance(stated, dict) or not stated:
        raise ValueError(f"send {_PRICES_EXAMPLE}")
    prices: dict[str, tuple[Decimal, Decimal | None]] = {}
    for symbol, value in stated.items():
        if isinstance(value, dict):
            if set(value) - {"last", "mark"} or "last" not in value:
                raise ValueError(f"{symbol}: send {_PRICES_EXAMPLE}")
            mark = _number(symbol, value["mark"], "mark price") if "mark" in value else None
            prices[symbol] = (_number(symbol, value["last"], "last price"), mark)
        else:
            prices[symbol] = (_number(symbol, value, "price"), None)
    return prices


def parse_liquidity(stated: Any) -> dict[str, Decimal | None]:
    """Symbol to base units at each level (None: the seeded shape) from a control body.

    Raises:
        ValueError: says what to write instead.

    """
    if not isinstance(stated, dict) or not stated:
        raise ValueError('send {"BTCUSDT":"0.01"}, or null in place of the quantity for the seeded depth')
    return {
        symbol: None if quantity is None else _number(symbol, quantity, "quantity per level")
        for symbol, quantity in stated.items()
    }


def _number(symbol: str, value: Any, what: str) -> Decimal:
    number = Decimal(-1)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with suppress(InvalidOperation):
            number = Decimal(str(value))
    if not number.is_finite() or number < 0:
        raise ValueError(f'{symbol}: {what} {value!r} is not a number of 0 or more, such as "65000"')
    return number


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise ValueError("the body is not JSON") from None


def _bad(problem: ValueError | Refusal) -> web.Response:
    said = problem.text if isinstance(problem, Refusal) else str(problem)
    return web.json_response({"error": said}, status=400)
