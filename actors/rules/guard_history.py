"""What the guards know of the past: orders and results, read from the trades' own journals.

Enters: TradeOpened and TradeClosed facts by stream. Stays out: asking for them, judging them. Since they are committed
with the trades themselves, nothing of this can be forgotten in a crash that does not forget the trade as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from actors.messages.trading import ExitReason, TradeClosed, TradeOpened
from actors.model.position import PositionSide
from actors.rules.base_currency import base_currency

# Left at a stop by itself. What a person closed, or somebody else, says nothing about the market.
_STOPS = frozenset({ExitReason.STOP_LOSS, ExitReason.BACKSTOP, ExitReason.TRIGGER_PASSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a trade ended."""

    pnl_usdt: Decimal  # both fees inside, and funding
    stopped: bool
    closed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrade:
    """One trade as the guards see it."""

    trade_id: str
    account: str
    symbol: str
    side: PositionSide
    order: str  # who asked and the command's id: trades of one order share it
    signal_key: str
    opened_at: datetime
    quantity: Decimal  # planned, base units
    margin_usdt: Decimal
    notional_usdt: Decimal
    equity_usdt: Decimal  # of the account when it was opened; 0: not known
    result: Result | None = None  # None: it is open
    adopted: bool = False  # it bought nothing: its coin does not rest for it, and it counts as no order

    @property
    def base(self) -> str:
        return base_currency(self.symbol)


def history(turns: Iterable[tuple[str, Any]]) -> tuple[PastTrade, ...]:
    """Give the trades, in the order they were opened. A trade that ended more than once ended the last time."""
    trades: dict[str, PastTrade] = {}
    for stream, fact in turns:
        if isinstance(fact, TradeOpened):
            trades[stream] = past_trade(fact)
        elif isinstance(fact, TradeClosed) and stream in trades:
            result = Result(
                pnl_usdt=fact.realised_pnl_usdt - fact.funding_usdt,
                stopped=fact.reason in _STOPS,
                closed_at=fact.closed_at,
            )
            trades[stream] = replace(trades[stream], result=result)
    return tuple(sorted(trades.values(), key=lambda trade: trade.opened_at))


def past_trade(fact: TradeOpened) -> PastTrade:
    plan = fact.sized.plan
    return PastTrade(
        trade_id=fact.trade_id,
        account=plan.account,
        symbol=plan.symbol,
        side=plan.position_side,
        order=fact.opened_by,
        signal_key=fact.signal_key,
        opened_at=fact.opened_at,
        quantity=fact.sized.quantity,
        margin_usdt=fact.sized.margin_usdt,
        notional_usdt=fact.sized.notional_usdt,
        equity_usdt=fact.equity_usdt,
        adopted=plan.adopted is not None,
    )
