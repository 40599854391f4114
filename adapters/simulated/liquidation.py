"""Liquidation: a position whose mark price reached its liquidation price is taken over.

Enters: positions and mark prices. Stays out: the formulas (margin), ordinary matching.
All orders of the symbol are cancelled first (CancelAllBeforeLiq), then the whole position is taken over at its
bankruptcy price as one BustTrade. In cross mode the same happens when the account's equity no longer carries its
maintenance. Automatic deleveraging takes a part at the mark price as an AdlTrade and leaves the orders alone.
"""

from decimal import Decimal

from adapters.simulated.protection import after_fills, end_order
from adapters.simulated.records import BUY, Order, Position, opposite
from adapters.simulated.settlement import book_fill
from adapters.simulated.venue import Market, Venue


def liquidation_stop(venue: Venue, market: Market, position: Position) -> Decimal | None:
    """The last price at which ``position`` is liquidated, None when there is none."""
    price = venue.margin.liquidation_price(venue.accounts[position.account], position)
    return None if price is None else price - market.basis


def liquidate(venue: Venue, market: Market, position: Position) -> None:
    """Take ``position`` over if mark has reached its liquidation price."""
    price = venue.margin.liquidation_price(venue.accounts[position.account], position)
    reached = price is not None and (market.mark <= price if position.side == BUY else market.mark >= price)
    if not reached:
        return
    account = venue.accounts[position.account]
    bust = venue.margin.bankruptcy_price(account, position)
    for order in list(account.open_on(position.symbol).values()):
        end_order(venue, order, "CancelAllBeforeLiq")
    _take_over(venue, market, position, position.size, bust, exec_type="BustTrade", create_type="CreateByLiq")


def deleverage(venue: Venue, market: Market, position: Position, quantity: Decimal) -> None:
    """Take ``quantity`` of ``position`` at the mark price to settle somebody else's loss (automatic deleveraging)."""
    price = market.instrument.to_tick(market.mark)
    create_type = "CreateByAdl_PassThrough"
    _take_over(venue, market, position, quantity, price, exec_type="AdlTrade", create_type=create_type)


def _take_over(
    venue: Venue,
    market: Market,
    position: Position,
    quantity: Decimal,
    price: Decimal,
    *,
    exec_type: str,
    create_type: str,
) -> None:
    account = venue.accounts[position.account]
    number = venue.number()
    now_ms = venue.clock()
    order = Order(
        account=account.name,
        symbol=position.symbol,
        order_id=venue.identity(number),
        number=number,
        side=opposite(position.side),
        order_type="Market",
        qty=quantity,
        time_in_force="IOC",
        reduce_only=True,
        close_on_trigger=True,
        position_idx=position.index,
        create_type=create_type,
        stop_order_type="",
        last_price_on_created=market.last,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    account.remember(order)
    fill = book_fill(venue, order, quantity, price, maker=False, exec_type=exec_type)
    order.status = "Filled"
    venue.order_changed(order)
    after_fills(venue, order, [fill])
