"""What the person hears from an account's book.

Enters: figures. Stays out: when to say it. An estimate is always called one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from actors.messages import addresses
from actors.messages.accounts import ExcessReported
from actors.messages.orders import EffectSettled, ExecutionReported
from actors.model.alert import Alert, Severity
from actors.model.money import plain
from actors.rules.book_side import Side

# What the exchange did on its own; the own stops should have been first.
_GRAVE = {"backstop", "liquidation", "deleveraging"}


def unattributed(
    account: str,
    execution: ExecutionReported,
    cause: str,
    shares: Mapping[str, Decimal],
    foreign: Mapping[str, Decimal],
) -> Alert:
    """An execution without our id was shared out. The key is its order's: of many fills the first is told.

    Args:
        account: whose.
        execution: as reported.
        cause: in a word.
        shares: trade id to what it lost.
        foreign: side to what the foreign quantity there changed by.

    """
    what = f"{execution.order_side.value} {plain(execution.quantity)} {execution.symbol}"
    return _alert(
        account,
        "unattributed_execution",
        execution.order_id or execution.execution_id,
        f"{what} not ordered by Standfast",
        f"at {plain(execution.price)}, cause: {cause}",
        *_carried(shares),
        *(f"foreign {side} quantity changes by {plain(change)}" for side, change in foreign.items() if change),
        severity=Severity.CRITICAL if cause in _GRAVE else Severity.WARNING,
    )


def excess(account: str, excess: ExcessReported, shares: Mapping[str, Decimal]) -> Alert:
    return _alert(
        account,
        "excess_exit",
        excess.execution_id,
        f"an exit of trade {excess.trade_id} sold {plain(excess.quantity)} {excess.symbol} too much",
        *_carried(shares),
        "nothing is bought back",
        severity=Severity.CRITICAL,
    )


def unexplained(account: str, side: Side, missing: Decimal, price: Decimal, shares: Mapping[str, Decimal]) -> Alert:
    """The position lost quantity and no execution tells how."""
    return _alert(
        account,
        "position_shortfall",
        f"{side.symbol}/{side.position_side.value}/{plain(missing)}",
        f"{plain(missing)} {side.symbol} {side.position_side.value} is gone and no execution explains it",
        *_carried(shares),
        f"booked at {plain(price)}, an ESTIMATE: the last mark price known. No fee is known, so none is counted",
        "Compare with the exchange's own closed PnL.",
        severity=Severity.CRITICAL,
    )


def foreign(account: str, side: Side, quantity: Decimal) -> Alert:
    where = f"{side.symbol} {side.position_side.value}"
    about = f"{side.symbol}/{side.position_side.value}/{plain(quantity)}"
    if not quantity:
        title, line = f"nothing of {where} is foreign any more", "New trades on this side are taken again."
        return _alert(account, "foreign_quantity", about, title, line, severity=Severity.INFO)
    title = f"{plain(quantity)} {where} belongs to no trade of Standfast"
    line = "It is left alone; new trades on this side are refused until it is gone."
    how = f"/adopt {account} {side.symbol} {side.position_side.value} stop PRICE has it watched, after a confirmation."
    return _alert(account, "foreign_quantity", about, title, line, how, severity=Severity.WARNING)


def backstop_refused(account: str, side: Side, outcome: EffectSettled, refusals: int) -> Alert:
    return _alert(
        account,
        "backstop_refused",
        f"{side.symbol}/{side.position_side.value}/{refusals}",
        f"the exchange refused the backstop on {side.symbol} {side.position_side.value}",
        f"{outcome.settlement.value} {outcome.code or ''}: {outcome.text}",
        f"{refusals} times in a row; it is asked again and again",
        severity=Severity.CRITICAL,
    )


def backstop_stays(account: str, side: Side, stop_price: Decimal) -> Alert:
    where = f"{side.symbol} {side.position_side.value}"
    return _alert(
        account,
        "backstop_stays",
        f"{side.symbol}/{side.position_side.value}/{plain(stop_price)}",
        f"the backstop at {plain(stop_price)} stays on your {plain(side.foreign_quantity)} {where}",
        "No trade needs it any more. It is not removed, so that nothing is without a stop by our doing;",
        "move or remove it at the exchange as you like.",
        severity=Severity.WARNING,
    )


def backstop_in_place(account: str, side: Side, stop_price: Decimal) -> Alert:
    return _alert(
        account,
        "backstop_in_place",
        f"{side.symbol}/{side.position_side.value}/{plain(stop_price)}",
        f"the backstop on {side.symbol} {side.position_side.value} is in place again at {plain(stop_price)}",
        severity=Severity.INFO,
    )


def _carried(shares: Mapping[str, Decimal]) -> tuple[str, ...]:
    return tuple(f"trade {trade} carries {plain(part)}" for trade, part in shares.items() if part)


def _alert(account: str, kind: str, about: str, title: str, *lines: str, severity: Severity) -> Alert:
    return Alert(
        kind=kind,
        severity=severity,
        key=f"{account}/{kind}/{about}",
        title=f"{account}: {title}",
        lines=lines,
        subject=addresses.position_book(account),
    )
