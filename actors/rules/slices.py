"""What a trade tells its neighbours: its slice of the position, and its nearest triggers."""

from __future__ import annotations

from decimal import Decimal

from actors.messages.accounts import SliceReported, TriggerNear
from actors.model.money import ZERO
from actors.model.position import PositionSide
from actors.model.trade import Phase, Role, Trade
from actors.rules.adopted_stops import stop_to_come


def slice_of(trade: Trade, path: str, *, wants_verification: bool) -> SliceReported:
    """Give the trade's slice as the account's position book keeps it."""
    attached = {leg.attached_stop for leg in trade.of(Role.ENTRY) if leg.live and leg.attached_stop is not None}
    return SliceReported(
        trade_id=trade.trade_id,
        path=path,
        symbol=trade.plan.symbol,
        position_side=trade.side,
        position_index=trade.position_index,
        tick_size=trade.instrument.tick_size,
        quantity_step=trade.instrument.quantity_step,
        leverage=trade.plan.leverage,
        opened_at=trade.opened_at,
        open_quantity=trade.open_quantity,
        reductions=tuple(each.execution_id for each in trade.reductions if each.quantity > 0),
        stop_price=farthest_stop(trade),
        backstop_price=trade.backstop_price,
        attached_stops=tuple(sorted(attached)),
        wants_verification=wants_verification,
        ended=trade.phase is Phase.CLOSED,
        last_fill_at=trade.last_fill_at,
        average_entry_price=trade.average_entry_price,
        adopted_quantity=ZERO if trade.adopted is None else trade.adopted.held_quantity,
        stop_to_come=stop_to_come(trade),
    )


def farthest_stop(trade: Trade) -> Decimal | None:
    """Give the outermost price at which the own stop may stand: the wanted one, or the one it is moving from.

    None once nothing is open and no entry can fill: the trade needs no backstop any more.
    """
    fills_left = any(leg.live for leg in trade.of(Role.ENTRY))
    waiting = trade.phase is Phase.BUILDING and not trade.of(Role.ENTRY)
    if not trade.open_quantity and not fills_left and not waiting:
        return None
    stop = trade.live_leg(Role.STOP)
    prices = [trade.stop_price]
    if trade.loosening is not None:
        prices.append(trade.loosening.stop_price)
    if stop is not None and stop.trigger_price is not None:
        prices.append(stop.trigger_price)
    return min(prices) if trade.side is PositionSide.LONG else max(prices)


def triggers_of(trade: Trade) -> TriggerNear:
    """Give the prices at which something of this trade fires next."""
    held = trade.open_quantity > 0
    targets = [leg.price for leg in trade.of(Role.TARGET) if leg.live and leg.price is not None]
    entries = [leg.price for leg in trade.of(Role.ENTRY) if leg.live and leg.price is not None]
    nearest = min if trade.side is PositionSide.LONG else max
    target = nearest(targets) if targets else None
    furthest = max if trade.side is PositionSide.LONG else min
    return TriggerNear(
        trade_id=trade.trade_id,
        symbol=trade.plan.symbol,
        stop_price=trade.stop_price if held else None,
        target_price=target,
        entry_price=furthest(entries) if entries else None,
    )
