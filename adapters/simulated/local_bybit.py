"""A local Bybit put together: exchange, price paths, state file, endpoints; still without a socket.

Enters: a configuration and a clock. Stays out: HTTP and WebSocket (server). Under virtual time it is driven directly:
``v5_routes.call`` answers as the wire would, ``advance`` moves the market, ``exchange.drain_events`` gives the rows.
"""

import secrets
from typing import Any

from adapters.simulated import v5_rows
from adapters.simulated.config import ExchangeConfig, check_config
from adapters.simulated.exchange import Exchange
from adapters.simulated.generated_prices import GeneratedPath
from adapters.simulated.instruments import Instrument, catalogue
from adapters.simulated.market_driver import MarketDriver
from adapters.simulated.prices import FrozenPath, PricePath, waypoints
from adapters.simulated.records import Account
from adapters.simulated.replayed_prices import replay
from adapters.simulated.state_file import StateFile
from adapters.simulated.v5_account import AccountEndpoints
from adapters.simulated.v5_market import MarketEndpoints
from adapters.simulated.venue import Clock

Result = dict[str, Any]
_BACKGROUND_STRIDE = 10  # market seconds between steps of symbols that stand behind a replay, often a fast one


class LocalBybit:
    """The exchange behind the wire."""

    def __init__(self, config: ExchangeConfig, clock: Clock) -> None:
        """``clock`` gives wall milliseconds since 1970 UTC.

        Raises:
            ValueError: the configuration, the replay file or the state file does not fit; says what to write.
            OSError: a file cannot be read or written.

        """
        check_config(config)
        self.config = config
        instruments = catalogue(config.instruments)
        paths = _paths(config, instruments, clock())
        self.exchange = Exchange(
            clock=clock,
            accounts=config.accounts,
            instruments=instruments,
            fees=config.fees,
            seed=config.seed,
            salt=config.salt or secrets.token_hex(8),
            position_stops_count=config.position_stops_count,
            untriggered_end=config.untriggered_end,
            queues=config.queues,
        )
        has_past = config.replay_file is None
        self.driver = MarketDriver(
            self.exchange, paths, speed=config.speed, seed=config.seed, past=has_past, goes_on=config.live is not None
        )
        if config.live is not None:
            live = config.live
            live.heeds(self._held_sides)
            self.exchange.venue.suspended = lambda symbol: symbol in live.opening_prices() and not live.alive()
        self.market = MarketEndpoints(self.driver)
        self.account = AccountEndpoints(self.exchange)
        self.accounts_by_key = {each.key: each for each in self.exchange.venue.accounts.values()}
        self._state = None
        if config.state_file is not None:
            self._state = StateFile(config.state_file, self.exchange, self.driver)
            self._state.open()

    def commit(self) -> None:
        """Write down what changed."""
        if self._state is not None:
            self._state.commit()

    def keep_prices(self) -> None:
        """Write down market time, prices, candles."""
        if self._state is not None:
            self._state.keep_prices()

    def close(self) -> None:
        """Write the last snapshot."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def advance(self, *, most_steps: int | None = None) -> bool:
        """Walk prices to the present market time and write down what that changed; False when steps are left."""
        done = self.driver.advance(most_steps=most_steps)
        self.commit()
        return done

    def _held_sides(self, symbol: str) -> frozenset[str]:
        return frozenset(each.side for each in self.exchange.venue.markets[symbol].holders.values())

    def control_state(self) -> Result:
        """Everything about every account, in v5 rows, with the exchange's own audit."""
        return {"accounts": {name: self._account_state(each) for name, each in self.exchange.venue.accounts.items()}}

    def _account_state(self, account: Account) -> Result:
        venue = self.exchange.venue
        audit = venue.audits[account.name]
        now_ms = venue.clock()
        held = [each for each in account.positions.values() if each.size]
        return {
            "orders": [v5_rows.streamed_order(each) for each in account.orders.values()],
            "positions": [v5_rows.position(each, account, venue) for each in held],
            "executions": [v5_rows.streamed_execution(each) for each in account.executions],
            "closed_pnl": [v5_rows.closed_pnl(each) for each in account.closed_pnl.values()],
            "wallet": v5_rows.wallet(account, venue),
            "audit": {
                "unprotected_ms_max": audit.unprotected_ms(now_ms),
                "own_stop_late_ms_max": audit.own_stop_late_ms(now_ms),
                "orders_placed": account.orders_placed,
                "duplicate_orders": account.duplicate_orders,
            },
        }


def _paths(config: ExchangeConfig, instruments: tuple[Instrument, ...], now_ms: int) -> list[PricePath]:
    if config.live is not None:
        rest = [each for each in instruments if each.symbol not in config.live.opening_prices()]
        return [config.live, FrozenPath(rest, now_ms)]
    if config.script is not None:
        written = waypoints(instruments, config.script, now_ms)
        rest = [each for each in instruments if each.symbol not in config.script]
        return [written, FrozenPath(rest, now_ms)] if config.script else [FrozenPath(rest, now_ms)]
    if config.replay_file is None:
        return [GeneratedPath(config.seed, instruments, now_ms)]
    chosen = [each for each in instruments if each.symbol == config.replay_symbol]
    if not chosen:
        listed = ", ".join(each.symbol for each in instruments[:8])
        raise ValueError(f"--symbol {config.replay_symbol}: no such instrument; there are {listed}")
    written = replay(chosen[0], config.replay_file)
    rest = [each for each in instruments if each.symbol != config.replay_symbol]
    return [written, GeneratedPath(config.seed, rest, written.start_ms, stride_seconds=_BACKGROUND_STRIDE)]
