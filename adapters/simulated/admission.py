"""Admission: whether an order may enter, or change, before it reaches the market.

Enters: a draft order whose words are well formed, the account, the market. Stays out: parsing, matching.
Every check raises the refusal Bybit gives; the order of the checks is Bybit's: grid, identity, trigger side,
price band, reduce-only, notional, counts, margin. Source: bybit-v5.md sections 4, 5 and 10.
"""

from decimal import Decimal

from adapters.simulated.protection import STOP_LOSS, TAKE_PROFIT, StopWish, check_stop_side
from adapters.simulated.records import BUY, SELL, ZERO, Account, Order
from adapters.simulated.refusals import (
    DUPLICATE_LINK_ID,
    EXPECT_FALLING,
    EXPECT_RISING,
    MARGIN_TOO_SMALL,
    NOTIONAL_TOO_SMALL,
    PRICE_OUT_OF_RANGE,
    REDUCE_ONLY_WITHOUT_POSITION,
    TOO_MANY_ACTIVE_ORDERS,
    TOO_MANY_CONDITIONALS,
    TRADING_SUSPENDED,
    Refusal,
    bad_parameter,
)
from adapters.simulated.venue import Market, Venue, position_index

MAX_ACTIVE_ORDERS = 500
MAX_CONDITIONAL_ORDERS = 10


def admit(venue: Venue, order: Order, *, position_stops_count: bool) -> None:
    """See that a new order may enter; fits a reduce-only quantity to the position.

    ``position_stops_count``: whether the exchange's own position stops count toward the ten conditional orders.

    Raises:
        Refusal: with the code of the first check it fails.

    """
    account = venue.accounts[order.account]
    market = venue.markets[order.symbol]
    check_trading(venue, order.symbol)
    position_index(account, order.symbol, order.position_idx)
    check_grid(market, order)
    if order.link_id and order.link_id in account.used_link_ids:
        raise Refusal(DUPLICATE_LINK_ID, "OrderLinkedID is duplicate")
    if order.is_conditional:
        check_trigger_side(venue, order)
    else:
        check_price_band(market, order)
    check_attached_stops(market, order)
    if order.closes:
        _fit_to_position(account, order)
    check_notional(account, market, order)
    _check_counts(account, order, position_stops_count=position_stops_count)
    if not order.is_conditional and not order.closes:
        check_margin(venue, account, order, order.leaves)


def check_trading(venue: Venue, symbol: str) -> None:
    """The symbol is traded (110066): nothing enters or changes while it is not. Cancels are still taken."""
    if venue.suspended(symbol):
        raise Refusal(TRADING_SUSPENDED, "trading is suspended: no price of this symbol is known at present")


def check_grid(market: Market, order: Order) -> None:
    """Price, trigger and quantity on the instrument's grid and within its bounds (10001)."""
    rules = market.instrument
    if order.order_type == "Limit":
        _check_price(market, "price", order.price)
    if order.trigger_price is not None:
        _check_price(market, "triggerPrice", order.trigger_price)
    if not order.qty and order.reduce_only and order.close_on_trigger:
        return  # "0": the whole position
    if order.qty <= 0 or not rules.on_step(order.qty):
        raise bad_parameter("Qty invalid")
    if order.qty < rules.min_quantity:
        raise bad_parameter("The number of contracts exceeds minimum limit allowed")
    largest = rules.max_market_quantity if order.order_type == "Market" else rules.max_limit_quantity
    if order.qty > largest:
        raise bad_parameter("The number of contracts exceeds maximum limit allowed: too large")


def _check_price(market: Market, name: str, price: Decimal) -> None:
    rules = market.instrument
    if not rules.min_price <= price <= rules.max_price or not rules.on_tick(price):
        raise bad_parameter(f"params error: {name} invalid {price}")


def check_trigger_side(venue: Venue, order: Order) -> None:
    """The trigger must lie on the side it waits for (110092, 110093)."""
    if order.trigger_price is None:
        return
    source = order.trigger_by or "LastPrice"
    now = venue.price_of(order.symbol, source)
    if order.trigger_direction == 1 and order.trigger_price <= now:
        text = f"expect Rising, but trigger_price[{order.trigger_price}] <= current[{now}]??{source}"
        raise Refusal(EXPECT_RISING, text)
    if order.trigger_direction == 2 and order.trigger_price >= now:
        text = f"expect Falling, but trigger_price[{order.trigger_price}] >= current[{now}]??{source}"
        raise Refusal(EXPECT_FALLING, text)


def price_limits(market: Market) -> tuple[Decimal, Decimal]:
    """(highest price to buy at, lowest price to sell at) for limit orders now."""
    ratio = market.instrument.price_limit_ratio_y
    tick = market.instrument.tick_size
    return (market.mark * (1 + ratio)) // tick * tick, (market.mark * (1 - ratio)) // tick * tick


def check_price_band(market: Market, order: Order) -> None:
    """A limit order may not cross mark by more than the instrument's ratio (110003)."""
    if order.order_type != "Limit":
        return
    highest, lowest = price_limits(market)
    if (order.side == BUY and order.price > highest) or (order.side == SELL and order.price < lowest):
        raise Refusal(PRICE_OUT_OF_RANGE, "Order price exceeds the allowable range.")


def check_attached_stops(market: Market, order: Order) -> None:
    """An attached stop-loss or take-profit lies on its side of the entry (10001)."""
    base = order.price if order.order_type == "Limit" else (order.trigger_price or market.last)
    for what, trigger in ((STOP_LOSS, order.stop_loss), (TAKE_PROFIT, order.take_profit)):
        if trigger:
            wish = StopWish(what=what, trigger=trigger)
            check_stop_side(market, wish, side=order.side, base=base, base_name="base_price")


def _fit_to_position(account: Account, order: Order) -> None:
    position = account.position(order.symbol, order.position_idx)
    if not position.size:
        text = "current position is zero, cannot fix reduce-only order qty"
        raise Refusal(REDUCE_ONLY_WITHOUT_POSITION, text)
    if position.side == order.side:
        text = f"orderQty will be truncated to zero: {order.side} does not reduce a {position.side} position"
        raise Refusal(REDUCE_ONLY_WITHOUT_POSITION, text)
    if not order.is_conditional:
        order.qty = min(order.qty, position.size) if order.qty else position.size


def check_notional(account: Account, market: Market, order: Order) -> None:
    """At least the instrument's least value (110094); closing all that is left is always allowed."""
    price = order.price or order.trigger_price or market.mark
    whole = order.closes and order.qty in {ZERO, account.position(order.symbol, order.position_idx).size}
    least = market.instrument.min_notional_usdt
    if not whole and order.qty * price < least:
        raise Refusal(NOTIONAL_TOO_SMALL, f"Order does not meet minimum order value {least}USDT")


def _check_counts(account: Account, order: Order, *, position_stops_count: bool) -> None:
    existing = account.open_on(order.symbol).values()
    if order.is_conditional:
        counted = [each for each in existing if each.is_conditional]
        if not position_stops_count:
            counted = [each for each in counted if not each.is_position_stop]
        if len(counted) >= MAX_CONDITIONAL_ORDERS:
            text = "The number of stop orders exceeds the maximum allowable limit"
            raise Refusal(TOO_MANY_CONDITIONALS, text)
    elif len(existing) >= MAX_ACTIVE_ORDERS:
        active = [each for each in existing if not each.is_conditional]
        if len(active) >= MAX_ACTIVE_ORDERS:
            raise Refusal(TOO_MANY_ACTIVE_ORDERS, "The number of active orders exceeds the limit of 500")


def check_margin(venue: Venue, account: Account, order: Order, quantity: Decimal) -> None:
    """What ``quantity`` more of an order opens must be affordable (110007); what only closes is free."""
    position = account.position(order.symbol, order.position_idx)
    market = venue.markets[order.symbol]
    opening = quantity
    if position.size and position.side != order.side:
        opening = max(ZERO, quantity - position.size)
    price = order.price or market.depth.best(SELL if order.side == BUY else BUY, market.last, venue.clock())
    if venue.margin.order_cost(opening, price, position.leverage) > max(ZERO, venue.margin.available(account)):
        raise Refusal(MARGIN_TOO_SMALL, "ab not enough for new order")
