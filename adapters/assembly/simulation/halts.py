"""Halts: symbols whose trading stands still at the simulated exchange: no prices, no new or changed orders.

Enters: a symbol and until when. Stays out: why. A cancel is still taken, as the exchange takes it.
"""

from __future__ import annotations

from typing import Any

from runtime.clock import Clock

HALTED, NOT_LIVE = 110066, 110074
_REFUSED = frozenset({"/v5/order/create", "/v5/order/amend", "/v5/position/trading-stop"})


class Halts:
    """What stands still, and until when (monotonic seconds)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._gone: set[str] = set()

    def halt(self, symbol: str, until: float) -> None:
        """Let a symbol stand still until then."""
        self._until[symbol] = max(until, self._until.get(symbol, 0.0))

    def delist(self, symbol: str) -> None:
        """Let a symbol stand still for ever."""
        self._gone.add(symbol)

    def stands(self, symbol: str) -> bool:
        """Tell whether a symbol stands still."""
        return symbol in self._gone or self._until.get(symbol, 0.0) > self._clock.monotonic()

    def refusal(self, path: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Give the answer to a request that the halt refuses; None for one that passes."""
        symbol = str(params.get("symbol", ""))
        if path not in _REFUSED or not self.stands(symbol):
            return None
        code, text = (NOT_LIVE, "contract not live") if symbol in self._gone else (HALTED, "trading is suspended")
        return {"retCode": code, "retMsg": f"{symbol}: {text}", "result": {}}
