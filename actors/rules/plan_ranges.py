"""Plan ranges: what a plan's own figures must satisfy, whatever the account and the market.

Enters: sizes, a slippage. Stays out: balances, prices (rules.limits, rules.price_limits).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from actors.model.money import ONE, ZERO
from actors.model.trade_plan import MarginShare, MarginUsdt, RiskShare, Size
from actors.rules.refusals import Refusal
from actors.rules.size_words import value_of
from actors.rules.wording import percent

MOST_SLIPPAGE = Decimal("0.05")  # of the last price: beyond it lies what the exchange refuses anyway


def size_ranges(size: Size) -> Iterator[Refusal]:
    """Check that a share is over 0 and no more than the whole, that an amount is over 0."""
    match size:
        case MarginShare(of_available=share):
            yield from _share("margin", share, "the available balance", "2%")
        case RiskShare(of_equity=share):
            yield from _share("risk", share, "the equity", "1%")
        case MarginUsdt(amount_usdt=amount) if amount <= ZERO:
            text = f"margin {value_of(size)} must be over 0: write an amount like 200usdt"
            yield Refusal(field="margin", value=value_of(size), limit="over 0", text=text)


def slippage_range(slippage: Decimal) -> Iterator[Refusal]:
    """Check that a slippage bound is over 0 and no wider than is of use."""
    if not ZERO < slippage <= MOST_SLIPPAGE:
        value, limit = percent(slippage), f"over 0% and up to {percent(MOST_SLIPPAGE)}"
        text = f"slippage {value} must be {limit}: write for example 0.5%"
        yield Refusal(field="slippage", value=value, limit=limit, text=text)


def _share(field: str, share: Decimal, of_what: str, example: str) -> Iterator[Refusal]:
    if not ZERO < share <= ONE:
        yield Refusal(
            field=field,
            value=percent(share),
            limit="over 0%, up to 100%",
            text=f"{field} {percent(share)} of {of_what} must be over 0% and up to 100%: write for example {example}",
        )
