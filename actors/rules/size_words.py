"""Size words: how a plan's size and its entries are shown, and what size to write instead of one that does not fit.

Enters: sizes. Stays out: what they come to (rules.sizing), reading them (rules.plan_figures).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from actors.model.money import ZERO, ceil_to, floor_to, plain
from actors.model.position import PositionSide
from actors.model.trade_plan import MarginShare, MarginUsdt, RiskShare, Size, SizedEntry
from actors.rules.wording import percent, usdt

PERCENT_STEP = Decimal("0.0001")  # shares are suggested in hundredths of a percent
USDT_STEP = Decimal("0.01")


def field_of(size: Size) -> str:
    """Name the field in which a size is written."""
    return "risk" if isinstance(size, RiskShare) else "margin"


def value_of(size: Size) -> str:
    """Give a size's value as a person may write it.

    >>> value_of(MarginShare(of_available=Decimal("0.02"))), value_of(MarginUsdt(amount_usdt=Decimal(200)))
    ('2%', '200usdt')
    """
    return f"{plain(size.amount_usdt)}usdt" if isinstance(size, MarginUsdt) else percent(_amount(size))


def words_of(size: Size) -> str:
    """Give a size as a person may write it: field and value.

    >>> words_of(RiskShare(of_equity=Decimal("0.005")))
    'risk 0.5%'
    """
    return f"{field_of(size)} {value_of(size)}"


def asked_words(size: Size, asked_usdt: Decimal) -> str:
    """Say by what a trade was sized, with what that came to.

    >>> asked_words(RiskShare(of_equity=Decimal("0.01")), Decimal(100))
    'sized by risk 1% of equity: 100.00 USDT at the stop'
    """
    if isinstance(size, RiskShare):
        return f"sized by {words_of(size)} of equity: {usdt(asked_usdt)} at the stop"
    of_balance = " of the available balance" if isinstance(size, MarginShare) else ""
    return f"sized by {words_of(size)}{of_balance}: {usdt(asked_usdt)} with fees"


def entry_price_words(entry: SizedEntry, side: PositionSide) -> str:
    """Say at which price an entry is meant to fill."""
    if entry.price is not None:
        return plain(entry.price)
    if entry.bound_price is None:
        return "market"
    return f"market, {plain(entry.bound_price)} {'at the most' if side is PositionSide.LONG else 'at the least'}"


def raised(size: Size, factor: Decimal) -> Size | None:
    """Give the next larger size worth writing, at least `factor` times this one; None where that is over the whole."""
    more = _with_amount(size, ceil_to(_amount(size) * factor, _step(size)))
    return None if not isinstance(size, MarginUsdt) and _amount(more) > 1 else more


def lowered(size: Size, factor: Decimal) -> Size | None:
    """Give the next smaller size worth writing, at most `factor` times this one; None where nothing would be left."""
    less = floor_to(_amount(size) * factor, _step(size))
    return _with_amount(size, less) if less > ZERO else None


def _amount(size: Size) -> Decimal:
    match size:
        case MarginShare(of_available=amount) | MarginUsdt(amount_usdt=amount) | RiskShare(of_equity=amount):
            return amount


def _with_amount(size: Size, amount: Decimal) -> Size:
    match size:
        case MarginShare():
            return replace(size, of_available=amount)
        case MarginUsdt():
            return replace(size, amount_usdt=amount)
        case RiskShare():
            return replace(size, of_equity=amount)


def _step(size: Size) -> Decimal:
    return USDT_STEP if isinstance(size, MarginUsdt) else PERCENT_STEP


def finest(size: Size) -> str:
    """Name the step in which sizes are suggested."""
    return usdt(USDT_STEP) if isinstance(size, MarginUsdt) else percent(PERCENT_STEP)
