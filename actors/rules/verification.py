"""Verification: what is at the exchange against what the trades say, account by account, finding by finding.

    separation   the slices of each side sum to the position, what belongs to nobody here apart
    orders       no order of ours belongs to two trades, and each that is there to one
    mirror       a mirror's trade does not drift from main's, and has its stop

Enters: readings of trades and accounts, taken as close together as can be. Stays out: asking, repairing. A finding may
be a moment's difference between two readings: whoever reports it has read twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.messages.accounts import AccountSnapshot
from actors.messages.trading import TradeReading
from actors.model.alert import Alert, Severity
from actors.model.money import ZERO, plain
from actors.model.screen import Screen
from actors.rules.client_order_ids import parse_client_order_id
from actors.rules.mirroring import drift
from actors.rules.wording import percent

ABOUTS = ("mirror", "orders", "separation")
MOST_DRIFT = Decimal("0.25")  # of a plan filled on one account and not on the other, or of the stop's price


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    about: str  # one of ABOUTS
    subject: str  # an account and symbol, an order, a trade
    text: str  # one sentence with the figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What belongs to no trade on one side of a symbol, base units, as the book has it."""

    account: str
    symbol: str
    side: str
    quantity: Decimal


def findings(
    trades: Sequence[TradeReading],
    snapshots: Sequence[AccountSnapshot],
    foreign: Sequence[Foreign],
    *,
    installation: str,
    abouts: Iterable[str] = ABOUTS,
) -> tuple[Finding, ...]:
    """Give what does not agree.

    Args:
        trades: all that are live, of all accounts.
        snapshots: one an account.
        foreign: of every side with a trade or a position; a side left out has none.
        installation: whose order ids are ours.
        abouts: which parts to look at.

    """
    wanted = set(abouts)
    found: list[Finding] = []
    for snapshot in snapshots:
        there = [trade for trade in trades if trade.account == snapshot.account]
        if "separation" in wanted:
            found += _separation(snapshot, there, foreign)
        if "orders" in wanted:
            found += _orders(snapshot, there, installation)
    if "mirror" in wanted:
        found += _mirror(trades)
    return tuple(found)


def _separation(
    snapshot: AccountSnapshot, trades: Sequence[TradeReading], foreign: Sequence[Foreign]
) -> Iterator[Finding]:
    slices: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    sizes: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for trade in trades:
        slices[trade.symbol, trade.position_side] += trade.open_quantity
    for position in snapshot.positions:
        if position.side is not None:
            sizes[position.symbol, position.side.value] += position.size
    others = {(each.symbol, each.side): each.quantity for each in foreign if each.account == snapshot.account}
    for symbol, side in sorted({*slices, *sizes}):
        ours, held, strange = slices[symbol, side], sizes[symbol, side], others.get((symbol, side), ZERO)
        if ours + strange != held:
            rest = f" and {plain(strange)} foreign" if strange else ""
            yield Finding(
                about="separation",
                subject=f"{snapshot.account}/{symbol}/{side}",
                text=f"{snapshot.account} {symbol} {side}: the trades hold {plain(ours)}{rest}, and the position is "
                f"{plain(held)}",
            )


def _orders(snapshot: AccountSnapshot, trades: Sequence[TradeReading], installation: str) -> Iterator[Finding]:
    claims: dict[str, list[TradeReading]] = defaultdict(list)
    for trade in trades:
        for order_id in trade.order_ids:
            claims[order_id].append(trade)
    for order_id, claimers in sorted(claims.items()):
        if len(claimers) > 1:
            names = " and ".join(f"#{trade.number}" for trade in claimers)
            yield Finding(about="orders", subject=order_id, text=f"order {order_id} belongs to {names} at once")
    for order in snapshot.orders:
        parsed = parse_client_order_id(order.client_order_id)
        if parsed is None or parsed.installation != installation or order.client_order_id is None:
            continue  # not ours
        if order.client_order_id not in claims:
            yield Finding(
                about="orders",
                subject=order.client_order_id,
                text=f"{snapshot.account} {order.symbol}: order {order.client_order_id} is ours, and no open trade "
                "knows it",
            )


def _mirror(trades: Sequence[TradeReading]) -> Iterator[Finding]:
    by_id = {trade.trade_id: trade for trade in trades}
    for trade in trades:
        main = by_id.get(trade.follows)
        if main is None:
            continue
        drifted = drift(trade, main)
        if drifted.unstopped or drifted.worst > MOST_DRIFT:
            why = "" if drifted.unstopped else f" (over {percent(MOST_DRIFT)})"
            yield Finding(
                about="mirror",
                subject=trade.label,
                text=f"#{trade.number} {trade.label} has drifted from #{main.number}{why}: {drifted.words()}",
            )


def lasting(first: Iterable[Finding], second: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give what two readings, moments apart, have both found: the rest was on its way."""
    before = {(finding.about, finding.subject) for finding in first}
    return tuple(finding for finding in second if (finding.about, finding.subject) in before)


def told(finding: Finding) -> Alert:
    """Tell one finding that lasts."""
    return Alert(
        kind="verification_found",
        severity=Severity.WARNING,
        key=f"verification/{finding.about}/{finding.subject}/{finding.text}",
        title=f"trades and exchange do not agree ({finding.about})",
        lines=(
            finding.text,
            "Two readings have found it. Nothing was changed because of it; main.py verify looks again.",
        ),
    )


def report(found: Sequence[Finding], trades: int, accounts: Sequence[str]) -> Screen:
    """Show what was found."""
    looked = f"{trades} open trade{'' if trades == 1 else 's'} on {', '.join(accounts)}, read twice"
    if not found:
        return Screen(title=f"Everything agrees: {looked}.")
    title = f"{len(found)} finding{'' if len(found) == 1 else 's'}: {looked}"
    return Screen(title=title, lines=tuple(f"{finding.about}: {finding.text}" for finding in found))
