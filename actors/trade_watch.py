"""Trade watch: on a slow beat the health checker reads the trades, and now and then compares them with the exchange.

What runs without a stop is kept for the verdict. What two comparisons, moments apart, have both found is told once,
until it is gone. Enters: readings of trades, accounts and books. Stays out: judging (rules.verification), repairing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actors.daemon_guard import DaemonGuard
from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, BookQuestion, BookReading, SnapshotQuestion
from actors.messages.trading import TradeReading, TradesQuestion
from actors.rules import verification
from actors.rules.verification import Finding, Foreign
from runtime import Answered, NotAnswered, handles

WATCH_SECONDS = 60.0  # between readings of the trades
VERIFY_EVERY = 5  # of these beats
AGAIN_SECONDS = 3.0  # before a second comparison, if the first found something
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class LookAtTrades:
    """A slow beat: read the trades; with `again`, compare them a second time."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """Tag of a question of one comparison: what it is about."""

    comparison: int
    account: str = ""  # "": the trades
    symbol: str = ""  # of a book; "": the account's snapshot


@dataclass(slots=True)
class _Comparison:
    number: int
    again: bool
    verifies: bool
    trades: tuple[TradeReading, ...] = ()
    snapshots: list[AccountSnapshot] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)
    awaited: int = 0


class TradeWatch(DaemonGuard):
    def __init__(self, *, accounts: tuple[str, ...], installation: str) -> None:
        super().__init__()
        self._accounts_watched = accounts
        self._installation = installation
        self._looks = 0
        self._comparison: _Comparison | None = None
        self._first_found: tuple[Finding, ...] = ()
        self._disagreeing: dict[tuple[str, str], str] = {}  # what was told and lasts, by part and subject
        self.unprotected: tuple[tuple[str, str], ...] = ()  # (trade, words) of what runs without a stop of its own

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Give what the last comparisons found, in words."""
        return tuple(self._disagreeing.values())

    def begin_watching(self) -> None:
        self.context.start_timer("trades", WATCH_SECONDS, LookAtTrades(), new_trace=True)

    @handles(LookAtTrades)
    def _on_look(self, look: LookAtTrades) -> None:
        self._looks += 1
        if not look.again:
            self.context.start_timer("trades", WATCH_SECONDS, LookAtTrades(), new_trace=True)
        elif self._comparison is not None:
            return  # a beat came in between; the next one finds it
        verifies = look.again or self._looks % VERIFY_EVERY == 0
        self._comparison = _Comparison(number=self._looks, again=look.again, verifies=verifies)
        self._ask(addresses.DESK, TradesQuestion(), Looked(self._looks))

    def _ask(self, path: str, question: object, tag: Looked) -> None:
        self.context.ask(path, question, timeout_seconds=ANSWER_SECONDS, tag=tag)

    def on_looked(self, tag: Looked, message: Answered | NotAnswered) -> None:
        """Take what came of one question. A comparison that misses a part says nothing."""
        current = self._comparison
        if current is None or current.number != tag.comparison:
            return
        if isinstance(message, NotAnswered):
            self._comparison = None
        elif not tag.account:
            self._on_trades(current, message.value)
        elif not tag.symbol:
            self._on_snapshot(current, message.value)
        else:
            self._on_book(current, tag, message.value)

    def _on_trades(self, current: _Comparison, trades: tuple[TradeReading, ...]) -> None:
        self.unprotected = tuple(
            (each.label, f"#{each.number} {each.unprotected}") for each in trades if each.unprotected
        )
        if not current.verifies:
            self._comparison = None
            return
        current.trades = trades
        current.awaited = len(self._accounts_watched)
        for account in self._accounts_watched:
            question = SnapshotQuestion(executions_since=None)
            self._ask(addresses.client(account), question, Looked(current.number, account))

    def _on_snapshot(self, current: _Comparison, snapshot: AccountSnapshot) -> None:
        current.snapshots.append(snapshot)
        symbols = {trade.symbol for trade in current.trades if trade.account == snapshot.account}
        symbols |= {position.symbol for position in snapshot.positions}
        current.awaited += len(symbols)
        for symbol in sorted(symbols):
            book = addresses.position_book(snapshot.account)
            self._ask(book, BookQuestion(symbol=symbol), Looked(current.number, snapshot.account, symbol))
        self._came(current)

    def _on_book(self, current: _Comparison, tag: Looked, book: BookReading) -> None:
        for side, quantity in (("long", book.foreign_long), ("short", book.foreign_short)):
            current.foreign.append(Foreign(account=tag.account, symbol=tag.symbol, side=side, quantity=quantity))
        self._came(current)

    def _came(self, current: _Comparison) -> None:
        current.awaited -= 1
        if current.awaited:
            return
        self._comparison = None
        found = verification.findings(
            current.trades, current.snapshots, current.foreign, installation=self._installation
        )
        if current.again:
            self._tell_lasting(verification.lasting(self._first_found, found))
        elif found:
            self._first_found = found
            self.context.start_timer("trades/again", AGAIN_SECONDS, LookAtTrades(again=True))
        else:
            self._tell_lasting(())

    def _tell_lasting(self, found: tuple[Finding, ...]) -> None:
        known, self._disagreeing = self._disagreeing, {(each.about, each.subject): each.text for each in found}
        for each in found:
            if (each.about, each.subject) not in known:
                fields: dict[str, Any] = {"about": each.about, "subject": each.subject, "text": each.text}
                self.context.log.warning("verification_found", **fields)
                self.promise(verification.told(each))
