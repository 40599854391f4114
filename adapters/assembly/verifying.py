"""Verifying: the readings that rules.verification compares, asked of a running daemon one after the other.

Enters: the system from outside its actors. Stays out: comparing, showing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.messages import addresses
from actors.messages.accounts import AccountSnapshot, BookQuestion, SnapshotQuestion
from actors.messages.trading import TradesQuestion
from actors.rules import verification
from runtime import ActorSystem

TRADE_SECONDS = 40.0
READ_SECONDS = 5.0


def findings_of(
    system: ActorSystem, accounts: Sequence[str], *, installation: str, abouts: Iterable[str]
) -> tuple[verification.Finding, ...]:
    """Read the trades and every account once, and give what does not agree.

    Raises:
        Refused, AskTimeout, AskFailed, ActorDead: one of them could not be read.

    """
    trades = system.ask(addresses.DESK, TradesQuestion(), timeout_seconds=TRADE_SECONDS)
    snapshots, foreign = [], []
    for account in accounts:
        question = SnapshotQuestion(executions_since=None)
        snapshot: AccountSnapshot = system.ask(addresses.client(account), question, timeout_seconds=TRADE_SECONDS)
        snapshots.append(snapshot)
        symbols = {
            each.symbol for each in (*trades, *snapshot.positions) if getattr(each, "account", account) == account
        }
        foreign += foreign_of(system, account, symbols)
    return verification.findings(trades, snapshots, foreign, installation=installation, abouts=abouts)


def foreign_of(system: ActorSystem, account: str, symbols: Iterable[str]) -> list[verification.Foreign]:
    """Give what of each symbol's sides belongs to no trade, by the account's position book. Raises as above."""
    foreign = []
    for symbol in sorted(symbols):
        about = BookQuestion(symbol=symbol)
        book = system.ask(addresses.position_book(account), about, timeout_seconds=READ_SECONDS)
        for side, quantity in (("long", book.foreign_long), ("short", book.foreign_short)):
            foreign.append(verification.Foreign(account=account, symbol=symbol, side=side, quantity=quantity))
    return foreign
