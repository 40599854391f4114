"""Exchange setup: the local exchange as a scenario finds it: accounts, position modes, margin modes.

Enters: a scenario, a clock. Stays out: prices in motion, faults.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapters.assembly.simulation.scenario import Scenario
from adapters.simulated import v5_routes
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.exchange import DEFAULT_ACCOUNTS
from adapters.simulated.local_bybit import LocalBybit

_HEDGE = 3


def open_local_bybit(scenario: Scenario, wall_ms: Callable[[], int]) -> LocalBybit:
    """Put the exchange of a scenario together; its prices stand still until somebody moves them."""
    accounts = tuple(each for each in DEFAULT_ACCOUNTS if each.name in scenario.accounts)
    config = ExchangeConfig(
        seed=scenario.seed, script={}, speed=Decimal(1), salt=f"world-{scenario.seed}", accounts=accounts
    )
    bybit = LocalBybit(config, wall_ms)
    for account, symbol in scenario.hedged:
        if account in scenario.accounts:
            _call(bybit, account, "/v5/position/switch-mode", category="linear", symbol=symbol, mode=_HEDGE)
    for account in scenario.crossed:
        if account in scenario.accounts:
            _call(bybit, account, "/v5/account/set-margin-mode", setMarginMode="REGULAR_MARGIN")
    bybit.exchange.drain_events()
    return bybit


def _call(bybit: LocalBybit, account: str, path: str, **params: Any) -> None:
    answer = v5_routes.call(bybit, account, path, params)
    if answer["retCode"]:
        raise ValueError(f"{path} {params} was refused: {answer['retCode']} {answer['retMsg']}")
