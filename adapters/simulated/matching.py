"""Matching: orders against the synthetic depth and against a moving price.

Enters: orders that admission let in, and the prices a path takes. Stays out: HTTP, checks on requests, persistence.
A taker eats the depth level by level. A resting limit order is filled as maker: at its own price, by what is offered
there when the price touches it, in full when the price goes through. Where queues are kept it waits at a touch until
what was there before it has traded; a new price or a larger quantity sends it to the end. Between two prices nothing is
skipped: the walk stops at every price on its way where an order or a liquidation acts.
"""

from decimal import Decimal

from adapters.simulated.depth import taken_side
from adapters.simulated.liquidation import liquidate, liquidation_stop
from adapters.simulated.protection import after_fills, end_order, stop_fired
from adapters.simulated.records import BUY, ZERO, Order, opposite
from adapters.simulated.settlement import Fill, book_fill
from adapters.simulated.venue import Market, Venue


def place(venue: Venue, order: Order) -> None:
    """Bring an accepted order to the market: it waits for its trigger, takes, rests, or ends."""
    market = venue.markets[order.symbol]
    if order.is_conditional:
        market.index.put(order)
        venue.order_changed(order)
    else:
        _activate(venue, market, order)
    fire_triggers(venue, market)


def replace(venue: Venue, order: Order, *, keeps_place: bool = False) -> None:
    """Bring an amended open order back to the market under its new terms; `keeps_place`: in its price's queue."""
    market = venue.markets[order.symbol]
    market.index.drop(order)
    if order.is_conditional:
        market.index.put(order)
        venue.order_changed(order)
    else:
        venue.order_changed(order)
        _take(venue, market, order, queues=venue.queues and not keeps_place)
    fire_triggers(venue, market)


def _activate(venue: Venue, market: Market, order: Order) -> None:
    order.status = "New"
    if order.order_type == "Limit":
        venue.order_changed(order)
    _take(venue, market, order, queues=venue.queues)


def _take(venue: Venue, market: Market, order: Order, *, queues: bool) -> None:
    """Fill what the depth offers within the order's limit; rest or end what is left."""
    offers = _offers(venue, market, order)
    if order.time_in_force == "PostOnly" and offers:
        end_order(venue, order, "UNKNOWN", reason="EC_PostOnlyWillTakeLiquidity")
        return
    if order.time_in_force == "FOK" and sum((left for _, _, left in offers), start=ZERO) < order.leaves:
        end_order(venue, order, "UNKNOWN", reason="EC_NoEnoughQtyToFill")
        return
    fills = []
    for level, price, left in offers:
        quantity = min(left, order.leaves)
        fills.append(book_fill(venue, order, quantity, price, maker=False))
        market.depth.consume(taken_side(order.side), level, quantity, venue.clock())
        venue.traded(order.symbol, order.side, price, quantity)
        if not order.leaves:
            break
    if queues and order.order_type == "Limit":
        order.ahead = market.depth.waiting(order.side, order.price, market.last)
    _conclude(venue, market, order)
    if fills:
        after_fills(venue, order, fills)


def _offers(venue: Venue, market: Market, order: Order) -> list[tuple[int, Decimal, Decimal]]:
    buys = order.side == BUY
    if order.order_type == "Limit":
        limit = order.price
    else:
        reach = market.mark * market.instrument.price_limit_ratio_x
        limit = market.mark + (reach if buys else -reach)
    found = []
    wanted = order.leaves if order.time_in_force != "PostOnly" else ZERO
    for level, price, left in market.depth.levels(taken_side(order.side), market.last, venue.clock()):
        if price > limit if buys else price < limit:
            break
        found.append((level, price, left))
        wanted -= left
        if wanted <= 0:
            break
    return found


def _conclude(venue: Venue, market: Market, order: Order) -> None:
    if not order.leaves:
        order.status = "Filled"
        venue.order_changed(order)
    elif order.order_type == "Market" or order.time_in_force in {"IOC", "FOK"}:
        end_order(venue, order, "UNKNOWN", reason="EC_NoImmediateQtyToFill")
    else:
        partly = order.cum_qty > 0
        if partly and order.status != "PartiallyFilled":
            order.status = "PartiallyFilled"
            venue.order_changed(order)
        market.index.put(order)


def walk(venue: Venue, symbol: str, target: Decimal, volume: Decimal | None = None) -> None:
    """Move the last price to ``target`` (on the tick grid), and mark with it, matching everything on the way.

    ``volume``: base units that trade at the target; None: what the depth offers.
    """
    market = venue.markets[symbol]
    index = market.index
    if not index and not market.holders:
        if target != market.last:
            market.last = target
            market.depth.refill()
        return
    falling = target < market.last
    while market.last != target:
        stop = _next_stop(venue, market, falling=falling)
        if stop is None or (stop <= target if falling else stop >= target):
            break
        market.last = stop
        market.depth.refill()
        _settle(venue, market)
    if market.last != target:
        market.last = target
        market.depth.refill()
    _settle(venue, market, volume)


def _next_stop(venue: Venue, market: Market, *, falling: bool) -> Decimal | None:
    """The next price on the way where something acts, at least one tick on: what could act here has acted."""
    found = market.index.next_falling(market.basis) if falling else market.index.next_rising(market.basis)
    for position in market.holders.values():
        price = liquidation_stop(venue, market, position)
        if price is not None and (position.side == BUY) == falling:
            found = price if found is None else (max(found, price) if falling else min(found, price))
    if found is None:
        return None
    tick = market.instrument.tick_size
    return min(found, market.last - tick) if falling else max(found, market.last + tick)


def _settle(venue: Venue, market: Market, volume: Decimal | None = None) -> None:
    """Match everything that acts at the present price."""
    for resting in (market.index.buys.reached(market.last), market.index.sells.reached(market.last)):
        left = market.depth.offered(0, market.last) if volume is None or not venue.queues else volume
        for order in resting:
            passed = order.price > market.last if order.side == BUY else order.price < market.last
            quantity = order.leaves if passed else min(order.leaves, _reaching(venue, order, left))
            if not order.is_open or quantity <= 0:
                continue
            if not passed:
                left -= quantity
            fill_resting(venue, order, quantity)
    fire_triggers(venue, market)
    for position in list(market.holders.values()):
        liquidate(venue, market, position)


def _reaching(venue: Venue, order: Order, traded: Decimal) -> Decimal:
    """What reaches an order of the quantity that trades at its price, once those before it have had theirs."""
    if not venue.queues:
        return traded
    before = min(order.ahead, traded)
    if before:
        order.ahead -= before
        venue.changes.orders[order.order_id] = order
    instrument = venue.markets[order.symbol].instrument
    return (traded - before) // instrument.quantity_step * instrument.quantity_step


def fill_resting(venue: Venue, order: Order, quantity: Decimal) -> None:
    """Have somebody trade ``quantity`` with a resting order at its own price."""
    market = venue.markets[order.symbol]
    fill: Fill = book_fill(venue, order, quantity, order.price, maker=True)
    order.status = "PartiallyFilled" if order.leaves else "Filled"
    market.index.put(order)
    venue.order_changed(order)
    venue.traded(order.symbol, opposite(order.side), order.price, quantity)
    after_fills(venue, order, [fill])


def fire_triggers(venue: Venue, market: Market) -> None:
    """Fire every conditional order whose trigger is reached, those that a fired one brings up included."""
    while fired := market.index.triggered(market.last, market.mark):
        for order in fired:
            if order.is_conditional:
                _fire(venue, market, order)


def _fire(venue: Venue, market: Market, order: Order) -> None:
    stop_fired(venue, order)
    market.index.drop(order)
    order.status = "Triggered"
    order.triggered = True
    account = venue.accounts[order.account]
    position = account.position(order.symbol, order.position_idx)
    if order.closes:
        if not position.size or position.side == order.side:
            end_order(venue, order, "CancelByReduceOnly")
            return
        order.qty = min(order.qty, position.size) if order.qty else position.size
    elif _lacks_margin(venue, order, position.leverage):
        end_order(venue, order, "UNKNOWN", reason="EC_Others")
        return
    venue.order_changed(order)
    _activate(venue, market, order)


def _lacks_margin(venue: Venue, order: Order, leverage: Decimal) -> bool:
    account = venue.accounts[order.account]
    price = order.price or venue.markets[order.symbol].mark
    return venue.margin.order_cost(order.qty, price, leverage) > venue.margin.available(account)
