"""The state file: an exchange that survives kill -9.

Enters: what changed, as the venue notes it; the file's path. Stays out: when to write (the server: before each answer).
Two files: PATH, a snapshot written beside it and renamed into place, and PATH.log, a JSON line per change since. A line
has reached the operating system when ``commit`` returns, so a killed process loses nothing it answered for. A torn last
line belongs to a request that was never answered, and is left out.
"""

import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from adapters.simulated.audit import ExposureAudit
from adapters.simulated.candles import Bar
from adapters.simulated.exchange import Exchange
from adapters.simulated.market_driver import MarketDriver, Origin
from adapters.simulated.records import Account, ClosedPnl, Execution, Order, Position, from_plain, to_plain

FORMAT = 1
COMPACT_BYTES = 8_000_000
_SAVED_MINUTES = 1_500
_SAVED_MINUTES_SYNTHETIC = 120
_FORGET_MS = 86_400_000  # orders that ended without a fill
_AMOUNTS = ("wallet", "realised", "fees", "funding", "start_balance")
Plain = dict[str, Any]


class StateFile:
    """Writes an exchange down, and brings it back."""

    def __init__(self, path: Path, exchange: Exchange, driver: MarketDriver) -> None:
        self._path = path
        self._log_path = path.with_name(path.name + ".log")
        self._exchange = exchange
        self._venue = exchange.venue
        self._driver = driver
        self._line = 0
        self._log: int | None = None
        self._log_bytes = 0

    def open(self) -> bool:
        """Bring back what was saved, if anything was, and begin a new log. Says whether something was.

        Raises:
            ValueError: the file is not a state of an exchange like this one; says what to do.
            OSError: it cannot be read or written.

        """
        found = self._load()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.compact()
        return found

    def close(self) -> None:
        """Write a last snapshot and let go of the files."""
        if self._log is not None:
            self.compact()
            os.close(self._log)
            self._log = None

    def commit(self) -> None:
        """Write down what changed since the last call; nothing when nothing did."""
        if self._venue.changes:
            self._append(self._changed())

    def keep_prices(self) -> None:
        """Write down market time, prices and finished candles, with any change still unwritten."""
        line = self._changed()
        line["symbols"] = self._symbols(self._venue.markets)
        line["bars"] = {symbol: bars for symbol in self._driver.candles if (bars := self._new_bars(symbol))}
        self._append(line)
        if self._log_bytes > COMPACT_BYTES:
            self.compact()

    def _new_bars(self, symbol: str) -> list[list[str]]:
        """Minutes finished since the last call, and the running one; of synthetic symbols the finished ones only."""
        book = self._driver.candles[symbol]
        bars = [*book.unsaved]
        book.unsaved.clear()
        if not self._venue.markets[symbol].instrument.synthetic:
            bars += book.minutes[-1:]
        return [bar.to_plain() for bar in bars]

    def compact(self) -> None:
        """Write a whole snapshot, atomically, and empty the log."""
        self._prune()
        beside = self._path.with_name(self._path.name + ".tmp")
        beside.touch(mode=0o600)
        with beside.open("wb") as out:
            out.write(json.dumps(self._whole(), separators=(",", ":")).encode())
            out.flush()
            os.fsync(out.fileno())
        beside.replace(self._path)
        if self._log is not None:
            os.close(self._log)
        self._log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._log_bytes = 0
        self._venue.changes.clear()
        for book in self._driver.candles.values():
            book.unsaved.clear()

    # -- writing --------------------------------------------------------------------------------------------------

    def _append(self, line: Plain) -> None:
        if self._log is None:
            return
        self._line += 1
        line["line"] = self._line
        raw = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        view = memoryview(raw)
        while view:
            view = view[os.write(self._log, view) :]
        self._log_bytes += len(raw)
        self._venue.changes.clear()

    def _changed(self) -> Plain:
        changes = self._venue.changes
        touched = {each.account for each in changes.orders.values()} | {each.account for each in changes.executions}
        touched |= changes.accounts | {account for account, _, _ in changes.positions}
        return {
            "counter": self._venue.counter,
            "market_ms": self._driver.market_ms,
            "accounts": {name: self._account(self._venue.accounts[name]) for name in touched},
            "orders": [to_plain(each) for each in changes.orders.values()],
            "positions": [to_plain(each) for each in changes.positions.values()],
            "executions": [to_plain(each) for each in changes.executions],
            "closed_pnl": [to_plain(each) for each in changes.closed_pnl.values()],
            "symbols": self._symbols(changes.symbols),
        }

    def _symbols(self, names: Any) -> Plain:
        markets = ((name, self._venue.markets[name]) for name in names)
        return {name: [str(each.last), str(each.basis), each.seq, each.next_funding_ms] for name, each in markets}

    def _account(self, account: Account) -> Plain:
        return {
            **{name: str(getattr(account, name)) for name in _AMOUNTS},
            "margin_mode": account.margin_mode,
            "hedge": sorted(account.hedge_symbols),
            "placed": account.orders_placed,
            "duplicates": account.duplicate_orders,
            "audit": self._venue.audits[account.name].to_plain(),
        }

    def _whole(self) -> Plain:
        accounts = self._venue.accounts.values()
        return {
            "format": FORMAT,
            "line": self._line,
            "salt": self._venue.salt,
            "counter": self._venue.counter,
            "market_ms": self._driver.market_ms,
            "accounts": {each.name: self._account(each) for each in accounts},
            "links": {each.name: sorted(each.used_link_ids) for each in accounts},
            "orders": [to_plain(order) for each in accounts for order in each.orders.values()],
            "positions": [to_plain(position) for each in accounts for position in each.positions.values()],
            "executions": [to_plain(execution) for each in accounts for execution in each.executions],
            "closed_pnl": [to_plain(row) for each in accounts for row in each.closed_pnl.values()],
            "symbols": self._symbols(self._venue.markets),
            "origins": {
                name: [each.opened_ms, str(each.price), each.has_past] for name, each in self._driver.origins.items()
            },
            "candles": {name: self._candles(name) for name in self._driver.candles},
        }

    def _candles(self, symbol: str) -> Plain:
        synthetic = self._venue.markets[symbol].instrument.synthetic
        minutes, hours = self._driver.candles[symbol].saved(_SAVED_MINUTES_SYNTHETIC if synthetic else _SAVED_MINUTES)
        return {"minutes": [bar.to_plain() for bar in minutes], "hours": [bar.to_plain() for bar in hours]}

    def _prune(self) -> None:
        """Forget orders that nobody can ask for any more; their ids stay used."""
        before = self._venue.clock() - _FORGET_MS
        for account in self._venue.accounts.values():
            gone = [
                order
                for order in account.orders.values()
                if not order.is_open and not order.cum_qty and order.updated_ms < before
            ]
            for order in gone:
                del account.orders[order.order_id]
                account.by_link_id.pop(order.link_id, None)

    # -- reading --------------------------------------------------------------------------------------------------

    def _load(self) -> bool:
        if not self._path.exists():
            return False
        try:
            whole = json.loads(self._path.read_bytes())
            self._restore(whole)
        except (ValueError, KeyError, TypeError, InvalidOperation, AttributeError) as problem:
            raise ValueError(
                f"{self._path} cannot be continued as this exchange's state: {problem}. "
                "Start with the accounts and instruments it was made with, or move it away to begin afresh."
            ) from problem
        return True

    def _restore(self, whole: Plain) -> None:
        if whole["format"] != FORMAT:
            raise ValueError(f"format {whole['format']}, this version reads {FORMAT}")
        strangers = set(whole["accounts"]) - set(self._venue.accounts)
        if strangers:
            raise ValueError(f"it holds account {', '.join(sorted(strangers))}, which was not given")
        unlisted = {each["symbol"] for each in whole["positions"] + whole["orders"]} - set(self._venue.markets)
        if unlisted:
            raise ValueError(f"it holds {', '.join(sorted(unlisted))}, which is not listed")
        self._venue.salt = whole["salt"]
        self._line = whole["line"]
        for name, links in whole["links"].items():
            self._venue.accounts[name].used_link_ids.update(links)
        self._apply(whole)
        origins = {
            name: Origin(opened_ms=at, price=Decimal(price), has_past=past)
            for name, (at, price, past) in whole["origins"].items()
        }
        lines = list(self._log_lines())
        for line in lines:
            self._apply(line)
        self._apply_prices(whole, lines, origins)
        self._reopen_books()

    def _log_lines(self) -> list[Plain]:
        if not self._log_path.exists():
            return []
        lines = []
        for raw in self._log_path.read_bytes().split(b"\n"):
            try:
                line = json.loads(raw)
            except ValueError:
                break  # torn, or the empty rest behind the last newline
            if line["line"] > self._line:
                lines.append(line)
        if lines:
            self._line = lines[-1]["line"]
        return lines

    def _apply(self, plain: Plain) -> None:
        self._venue.counter = plain["counter"]
        for name, saved in plain["accounts"].items():
            self._apply_account(self._venue.accounts[name], saved)
        for saved in plain["positions"]:
            position = from_plain(Position, saved)
            self._venue.accounts[position.account].positions[position.symbol, position.index] = position
        for saved in plain["orders"]:
            order = from_plain(Order, saved)
            account = self._venue.accounts[order.account]
            account.remember(order)
            if order.link_id:
                account.used_link_ids.add(order.link_id)
        for saved in plain["executions"]:
            execution = from_plain(Execution, saved)
            self._venue.accounts[execution.account].executions.append(execution)
        for saved in plain["closed_pnl"]:
            row = from_plain(ClosedPnl, saved)
            self._venue.accounts[row.account].closed_pnl[row.order_id] = row
        for symbol, (last, basis, seq, funding_ms) in plain["symbols"].items():
            if (market := self._venue.markets.get(symbol)) is not None:
                market.last, market.basis = Decimal(last), Decimal(basis)
                market.seq, market.next_funding_ms = seq, funding_ms

    def _apply_account(self, account: Account, saved: Plain) -> None:
        for name in _AMOUNTS:
            setattr(account, name, Decimal(saved[name]))
        account.margin_mode = saved["margin_mode"]
        account.hedge_symbols = set(saved["hedge"])
        account.orders_placed, account.duplicate_orders = saved["placed"], saved["duplicates"]
        self._venue.audits[account.name] = ExposureAudit.from_plain(saved["audit"])

    def _apply_prices(self, whole: Plain, lines: list[Plain], origins: dict[str, Origin]) -> None:
        prices = {symbol: market.last for symbol, market in self._venue.markets.items()}
        market_ms = lines[-1]["market_ms"] if lines else whole["market_ms"]
        self._driver.restore(market_ms, prices, origins)
        for symbol, saved in whole["candles"].items():
            if (book := self._driver.candles.get(symbol)) is not None:
                book.hours = [Bar.from_plain(row) for row in saved["hours"]]
                book.minutes = [Bar.from_plain(row) for row in saved["minutes"]]
                for line in lines:
                    book.append_saved([Bar.from_plain(row) for row in line.get("bars", {}).get(symbol, [])])
                book.record(market_ms, prices[symbol], Decimal(0))

    def _reopen_books(self) -> None:
        for account in self._venue.accounts.values():
            for orders in account.open_orders.values():
                for order in orders.values():
                    self._venue.markets[order.symbol].index.put(order)
            for position in account.positions.values():
                if position.size:
                    self._venue.markets[position.symbol].holders[account.name, position.index] = position
