"""A trade as people read it: one value with the figures of the moment.

Enters: a folded trade, or, where nobody can say more, its row in the register. Stays out: who asks, how it is shown.
"""

from __future__ import annotations

from datetime import datetime

from actors.messages.storing import StreamSummary
from actors.messages.trading import TradeReading
from actors.model.money import ZERO
from actors.model.trade import Role, Trade
from actors.rules.next_orders import wanted_rungs
from actors.rules.outside_questions import unprotected_words


def reading_of(trade: Trade, *, note: str, exits: tuple[str, ...] = ()) -> TradeReading:
    """Give a trade's reading; `note` says what is to be known about the figures' age or doubt."""
    wanted = wanted_rungs(trade) if trade.open_quantity else (ZERO,) * len(trade.plan.rungs)
    rungs = []
    for index, (price, remaining) in enumerate(zip(trade.rung_prices, wanted, strict=True), start=1):
        filled = sum((leg.filled_quantity for leg in trade.of(Role.TARGET) if leg.index == index), start=ZERO)
        rungs.append((price, remaining + filled, filled))
    stop = trade.live_leg(Role.STOP)
    return TradeReading(
        trade_id=trade.trade_id,
        number=trade.number,
        label=trade.label,
        account=trade.plan.account,
        symbol=trade.plan.symbol,
        position_side=trade.side.value,
        phase=trade.phase.value,
        planned_quantity=trade.sized.quantity,
        open_quantity=trade.open_quantity,
        average_entry_price=trade.average_entry_price,
        stop_price=trade.stop_price if stop is None else stop.trigger_price,
        stop_at_exchange=trade.open_quantity > 0 and trade.own_stop_covers,
        backstop_price=trade.backstop_price,
        rungs=tuple(rungs),
        realised_pnl_usdt=trade.realised_pnl_usdt,
        funding_usdt=trade.funding_usdt,
        opened_at=trade.opened_at,
        last_confirmed_at=trade.confirmed_at,
        note=note,
        exits=exits,
        filled_quantity=trade.entered_quantity,
        follows=trade.follows,
        unprotected=unprotected_words(trade),
        order_ids=tuple(leg.client_order_id for leg in trade.legs if leg.live),
    )


def reading_of_row(trade_id: str, row: StreamSummary, *, now: datetime, note: str) -> TradeReading:
    """Give what the register alone knows of a live trade. Its figures are unknown, and the phase says so."""
    _, _, side, *_ = row.label.split("/")
    return TradeReading(
        trade_id=trade_id,
        number=row.number,
        label=row.label,
        account=row.account,
        symbol=row.symbol,
        position_side=side,
        phase="unknown",
        planned_quantity=ZERO,
        open_quantity=ZERO,
        average_entry_price=None,
        stop_price=None,
        stop_at_exchange=False,
        backstop_price=None,
        rungs=(),
        realised_pnl_usdt=ZERO,
        funding_usdt=ZERO,
        opened_at=now,
        last_confirmed_at=None,
        note=note,
    )
