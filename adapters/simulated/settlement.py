"""Settlement: one fill booked into its order, position, wallet, execution list and closed-PnL row.

Enters: a fill that matching decided on. Stays out: whether it happens, and what follows for stops (protection).
Fees are value * rate at every fill; a reduction leaves the average entry alone; closed PnL is net of both fees.
The wallet always equals start balance + realised - fees + funding.
"""

from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated.records import BUY, ZERO, Account, ClosedPnl, Execution, Order, Position
from adapters.simulated.venue import Market, Venue

_DUST = Decimal("1E-12")  # shares of money are cut here; what a full close takes is exact


@dataclass(frozen=True, slots=True)
class Fill:
    """What one fill did to the position."""

    closed: Decimal  # base units
    opened: Decimal


@dataclass(frozen=True, slots=True)
class _Closing:
    quantity: Decimal
    entry_value: Decimal
    exit_value: Decimal
    open_fee: Decimal
    close_fee: Decimal
    realised: Decimal  # before fees


def book_fill(
    venue: Venue, order: Order, quantity: Decimal, price: Decimal, *, maker: bool, exec_type: str = "Trade"
) -> Fill:
    """Book ``quantity`` of ``order`` filled at ``price``; says what it closed and opened."""
    account = venue.accounts[order.account]
    market = venue.markets[order.symbol]
    position = account.position(order.symbol, order.position_idx)
    rate = venue.fees.maker if maker else venue.fees.taker
    value = price * quantity
    fee = value * rate

    order.cum_qty += quantity
    order.cum_value += value
    order.cum_fee += fee
    closes = position.size and position.side != order.side
    closed = min(position.size, quantity) if closes else ZERO
    opened = quantity - closed
    realised = ZERO
    close_fee = ZERO
    if closed:
        close_fee = fee if not opened else (fee * closed / quantity).quantize(_DUST)
        closing = _reduce(position, closed, price, close_fee)
        realised = closing.realised
        order.closed_pnl += realised - closing.open_fee - close_fee
        _book_closed_pnl(venue, account, order, leverage=position.leverage, closing=closing, exec_type=exec_type)
    if opened:
        _increase(position, order.side, opened, price, fee=fee - close_fee, now_ms=venue.clock())
    account.wallet += realised - fee
    account.realised += realised
    account.fees += fee
    position.current_realised += realised - fee
    position.total_realised += realised - fee
    execution = _execution(
        venue,
        market,
        order,
        quantity=quantity,
        price=price,
        fee=fee,
        rate=rate,
        closed=closed,
        realised=realised,
        maker=maker,
        exec_type=exec_type,
    )
    venue.executed(execution)
    return Fill(closed, opened)


def _reduce(position: Position, quantity: Decimal, price: Decimal, close_fee: Decimal) -> _Closing:
    whole = quantity == position.size
    entry = position.entry_value if whole else (position.entry_value * quantity / position.size).quantize(_DUST)
    open_fee = position.open_fees if whole else (position.open_fees * quantity / position.size).quantize(_DUST)
    exit_value = price * quantity
    realised = (exit_value - entry) * position.sign
    position.size -= quantity
    position.entry_value -= entry
    position.open_fees -= open_fee
    if whole:
        position.side = ""
        position.opened_ms = 0
    return _Closing(quantity, entry, exit_value, open_fee, close_fee, realised)


def _increase(position: Position, side: str, quantity: Decimal, price: Decimal, *, fee: Decimal, now_ms: int) -> None:
    if not position.size:
        position.side = side
        position.opened_ms = now_ms
        position.current_realised = ZERO
        position.created_ms = position.created_ms or now_ms
    position.size += quantity
    position.entry_value += price * quantity
    position.open_fees += fee


def _book_closed_pnl(
    venue: Venue, account: Account, order: Order, *, leverage: Decimal, closing: _Closing, exec_type: str
) -> None:
    row = account.closed_pnl.get(order.order_id)
    if row is None:
        row = account.closed_pnl[order.order_id] = ClosedPnl(
            account=account.name,
            symbol=order.symbol,
            order_id=order.order_id,
            side=order.side,
            qty=order.qty,
            order_price=order.price,
            order_type=order.order_type,
            exec_type=exec_type,
            leverage=leverage,
            number=venue.number(),
            created_ms=venue.clock(),
            updated_ms=venue.clock(),
        )
    row.qty = order.qty
    row.closed_size += closing.quantity
    row.entry_value += closing.entry_value
    row.exit_value += closing.exit_value
    row.open_fee += closing.open_fee
    row.close_fee += closing.close_fee
    row.closed_pnl += closing.realised - closing.open_fee - closing.close_fee
    row.fill_count += 1
    row.updated_ms = venue.clock()
    venue.changes.closed_pnl[order.order_id] = row


def _execution(
    venue: Venue,
    market: Market,
    order: Order,
    *,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    rate: Decimal,
    closed: Decimal,
    realised: Decimal,
    maker: bool,
    exec_type: str,
) -> Execution:
    market.seq += 1
    number = venue.number()
    return Execution(
        account=order.account,
        symbol=order.symbol,
        order_id=order.order_id,
        link_id=order.link_id,
        side=order.side,
        order_price=order.price,
        order_qty=order.qty,
        leaves_qty=order.leaves,
        order_type=order.order_type,
        stop_order_type=order.stop_order_type,
        create_type=order.create_type,
        exec_id=venue.identity(number),
        exec_type=exec_type,
        price=price,
        qty=quantity,
        value=price * quantity,
        fee=fee,
        fee_rate=rate,
        is_maker=maker,
        closed_size=closed,
        realised=realised,
        mark_price=market.mark,
        seq=market.seq,
        number=number,
        time_ms=venue.clock(),
    )


def pay_funding(venue: Venue, position: Position, rate: Decimal) -> Decimal:
    """Settle one funding of ``position`` at ``rate``; a positive rate makes longs pay. Returns what was paid (USDT)."""
    account = venue.accounts[position.account]
    market = venue.markets[position.symbol]
    value = position.size * market.mark
    paid = value * rate * position.sign
    account.wallet -= paid
    account.funding -= paid
    position.current_realised -= paid
    position.total_realised -= paid
    number = venue.number()
    market.seq += 1
    venue.executed(
        Execution(
            account=account.name,
            symbol=position.symbol,
            order_id=venue.identity(-number),
            link_id="",
            side=position.side or BUY,
            order_price=market.mark,
            order_qty=position.size,
            leaves_qty=ZERO,
            order_type="UNKNOWN",
            stop_order_type="UNKNOWN",
            create_type="",
            exec_id=venue.identity(number),
            exec_type="Funding",
            price=market.mark,
            qty=position.size,
            value=value,
            fee=paid,
            fee_rate=rate,
            is_maker=False,
            closed_size=ZERO,
            realised=ZERO,
            mark_price=market.mark,
            seq=market.seq,
            number=number,
            time_ms=venue.clock(),
        )
    )
    venue.position_changed(position)
    venue.wallet_changed(account)
    return paid
