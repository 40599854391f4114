"""Protection: stops that belong to a position, and reduce-only orders that must follow its size.

Enters: a position that changed, wishes for its stop-loss or take-profit. Stays out: when a trigger fires (matching).
Full mode keeps one stop-loss and one take-profit per position: the exchange's own conditional orders, of the position's
size, changed in place, gone when it is flat. A filled entry's attached values replace them. Partial mode adds orders of
a stated size. Source: Bybit v5 docs, position/trading-stop and order/create-order; bybit-v5.md section 12.
"""

from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated.records import BUY, ZERO, Account, Order, Position, opposite
from adapters.simulated.refusals import TOO_MANY_PARTIAL_STOPS, Refusal, bad_parameter
from adapters.simulated.settlement import Fill
from adapters.simulated.venue import Market, Venue

MAX_PARTIAL_STOPS = 20
_KINDS = {
    ("stop_loss", "Full"): ("StopLoss", "CreateByStopLoss"),
    ("take_profit", "Full"): ("TakeProfit", "CreateByTakeProfit"),
    ("stop_loss", "Partial"): ("PartialStopLoss", "CreateByPartialStopLoss"),
    ("take_profit", "Partial"): ("PartialTakeProfit", "CreateByPartialTakeProfit"),
}
STOP_LOSS, TAKE_PROFIT = "stop_loss", "take_profit"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWish:
    """A stop-loss or take-profit to give a position."""

    what: str  # stop_loss | take_profit
    trigger: Decimal  # 0: none
    source: str = ""  # LastPrice | MarkPrice | IndexPrice; "": as before, else LastPrice
    limit: Decimal = ZERO  # 0: a market order


def end_order(venue: Venue, order: Order, cancel_type: str, *, reason: str = "EC_NoError") -> None:
    """Take an open order out of the market: Cancelled, or what the venue calls it when its trigger never fired."""
    order.status = venue.untriggered_end if order.is_conditional else "Cancelled"
    order.cancel_type = cancel_type
    order.reject_reason = reason
    venue.markets[order.symbol].index.drop(order)
    _forget_stop(venue, order)
    venue.order_changed(order)


def _forget_stop(venue: Venue, order: Order) -> None:
    position = venue.accounts[order.account].positions.get((order.symbol, order.position_idx))
    if position is None:
        return
    if position.stop_loss_id == order.order_id:
        position.stop_loss_id = ""
    if position.take_profit_id == order.order_id:
        position.take_profit_id = ""


def stop_fired(venue: Venue, order: Order) -> None:
    """A conditional order's trigger was reached: it is no longer a waiting stop."""
    _forget_stop(venue, order)
    if order.closes and not order.is_position_stop:
        venue.audits[order.account].own_stop_fired((order.symbol, order.position_idx))


def after_fills(venue: Venue, order: Order, fills: list[Fill]) -> None:
    """Bring everything that hangs on the position in line after ``order`` was filled."""
    account = venue.accounts[order.account]
    position = account.position(order.symbol, order.position_idx)
    opened = sum((fill.opened for fill in fills), start=ZERO)
    flipped = opened and any(fill.closed for fill in fills)
    if not position.size or flipped:
        _clear_stops(venue, account, position)
    if opened:
        _attach(venue, order, position, opened)
    _follow_size(venue, account, position)
    venue.position_changed(position)
    venue.wallet_changed(account)


def _clear_stops(venue: Venue, account: Account, position: Position) -> None:
    for order in list(account.open_on(position.symbol).values()):
        if order.is_position_stop and order.is_conditional and order.position_idx == position.index:
            end_order(venue, order, "CancelByTpSlTsClear")


def _follow_size(venue: Venue, account: Account, position: Position) -> None:
    """Full-mode stops take the position's size; what is larger than the position shrinks or goes."""
    for order in list(account.open_on(position.symbol).values()):
        if order.position_idx != position.index:
            continue
        if order.is_position_stop and order.is_conditional:
            whole = order.order_id in {position.stop_loss_id, position.take_profit_id}
            size = position.size if whole else min(order.qty, position.size)
            if order.qty != size:
                order.qty = size
                venue.order_changed(order)
        elif order.closes and not order.is_conditional:
            _fit_reduce_only(venue, order, position)


def _fit_reduce_only(venue: Venue, order: Order, position: Position) -> None:
    if not position.size or position.side == order.side:
        end_order(venue, order, "CancelByReduceOnly")
    elif order.leaves > position.size:
        order.qty = order.cum_qty + position.size
        order.cancel_type = "CancelByReduceOnly"
        venue.order_changed(order)


def _attach(venue: Venue, entry: Order, position: Position, opened: Decimal) -> None:
    wishes = (
        StopWish(what=STOP_LOSS, trigger=entry.stop_loss, source=entry.sl_trigger_by, limit=entry.sl_limit_price),
        StopWish(what=TAKE_PROFIT, trigger=entry.take_profit, source=entry.tp_trigger_by, limit=entry.tp_limit_price),
    )
    for wish in wishes:
        if wish.trigger and entry.tpsl_mode == "Partial":
            _grow_partial(venue, entry, position, wish, opened)
        elif wish.trigger:
            set_full_stop(venue, position, wish)


def _grow_partial(venue: Venue, entry: Order, position: Position, wish: StopWish, opened: Decimal) -> None:
    kind = _KINDS[wish.what, "Partial"][0]
    for order in venue.accounts[entry.account].open_on(entry.symbol).values():
        if order.parent_id == entry.order_id and order.stop_order_type == kind and order.is_conditional:
            order.qty += opened
            venue.order_changed(order)
            return
    made = _make_stop(venue, position, "Partial", wish, opened)
    made.parent_id = entry.order_id
    made.parent_link_id = entry.link_id
    venue.order_changed(made)


def set_full_stop(venue: Venue, position: Position, wish: StopWish) -> bool:
    """Give the position its one full-mode stop-loss or take-profit; a trigger of 0 removes it.

    Returns whether anything changed. The existing order is changed in place and keeps its id.
    """
    account = venue.accounts[position.account]
    existing = account.orders.get(position.stop_loss_id if wish.what == STOP_LOSS else position.take_profit_id)
    if not wish.trigger:
        if existing is not None:
            end_order(venue, existing, "CancelByUser")
        return existing is not None
    source = wish.source or (existing.trigger_by if existing is not None else "LastPrice")
    if existing is None:
        made = _make_stop(venue, position, "Full", wish, position.size)
        if wish.what == STOP_LOSS:
            position.stop_loss_id = made.order_id
        else:
            position.take_profit_id = made.order_id
        venue.order_changed(made)
        return True
    if (existing.trigger_price, existing.trigger_by) == (wish.trigger, source):
        return False
    existing.trigger_price = wish.trigger
    existing.trigger_by = source
    venue.markets[position.symbol].index.put(existing)
    venue.order_changed(existing)
    return True


def add_partial_stop(venue: Venue, position: Position, wish: StopWish, size: Decimal) -> None:
    """Add a partial-mode stop of ``size`` base units.

    Raises:
        Refusal: 110061, the position has 20 of them already.

    """
    orders = venue.accounts[position.account].open_on(position.symbol).values()
    partial = [order for order in orders if order.is_conditional and order.stop_order_type.startswith("Partial")]
    if len(partial) >= MAX_PARTIAL_STOPS:
        raise Refusal(TOO_MANY_PARTIAL_STOPS, "the number of TP/SL orders exceeds the limit of 20")
    venue.order_changed(_make_stop(venue, position, "Partial", wish, size))


def _make_stop(venue: Venue, position: Position, mode: str, wish: StopWish, size: Decimal) -> Order:
    number = venue.number()
    kind, created_by = _KINDS[wish.what, mode]
    falling = (wish.what == STOP_LOSS) == (position.side == BUY)
    now_ms = venue.clock()
    order = Order(
        account=position.account,
        symbol=position.symbol,
        order_id=venue.identity(number),
        number=number,
        side=opposite(position.side),
        order_type="Limit" if wish.limit else "Market",
        qty=size,
        price=wish.limit,
        time_in_force="GTC" if wish.limit else "IOC",
        status="Untriggered",
        reduce_only=True,
        close_on_trigger=True,
        position_idx=position.index,
        trigger_price=wish.trigger,
        trigger_direction=2 if falling else 1,
        trigger_by=wish.source or "LastPrice",
        create_type=created_by,
        stop_order_type=kind,
        tpsl_mode=mode,
        last_price_on_created=venue.markets[position.symbol].last,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    venue.accounts[position.account].remember(order)
    venue.markets[position.symbol].index.put(order)
    return order


def check_stop_side(market: Market, wish: StopWish, *, side: str, base: Decimal, base_name: str) -> None:
    """See that a stop-loss or take-profit for a ``side`` position lies on its side of ``base``.

    Raises:
        Refusal: 10001, off the tick grid, or on the wrong side.

    """
    name = "StopLoss" if wish.what == STOP_LOSS else "TakeProfit"
    if wish.trigger < 0 or not market.instrument.on_tick(wish.trigger):
        raise bad_parameter(f"{name} price invalid: {wish.trigger}")
    lower = (wish.what == STOP_LOSS) == (side == BUY)
    if (lower and wish.trigger < base) or (not lower and wish.trigger > base):
        return
    raise bad_parameter(
        f"{name}:{wish.trigger} set for {side} position should be {'lower' if lower else 'higher'} than "
        f"{base_name}:{base}??LastPrice"
    )
