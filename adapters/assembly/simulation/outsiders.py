"""Outsiders: hands in the exchange's own app, other programs, and the exchange itself, at work on our accounts.

Enters: a world. Stays out: the person's chat, when it happens (strewn). What is done to our orders has to be undone,
what is done to our position has to be taken as it is, and what is none of ours has to be left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from actors.rules.client_order_ids import parse_client_order_id
from adapters.assembly.simulation.invariants import Violated
from adapters.simulated import v5_routes
from adapters.simulated.liquidation import deleverage
from adapters.simulated.records import BUY, SELL, Account, Order, Position, opposite

if TYPE_CHECKING:
    from adapters.assembly.simulation.world import World

_UNDONE_SECONDS = 5.0  # what a hand undid is put right within
_TOLD_SECONDS = 10.0  # what a hand took is shared out among trades within
_AWAY = Decimal("0.35")  # as a fraction of price: foreign orders rest here and never fill


def cancel_one(world: World, dice: Random) -> None:
    """Cancel one order of ours in the app."""
    role = dice.choice(("S", "T", "E"))
    found = _one_of_ours(world, dice, role)
    if found is not None:
        account, order = found
        _note(world, "manual_cancel", order.symbol, _UNDONE_SECONDS, f"cancels {order.link_id} in the app")
        _call(world, account, "/v5/order/cancel", symbol=order.symbol, orderId=order.order_id)


def cancel_all(world: World, dice: Random) -> None:
    """Cancel everything there is on a symbol, the position's own stop included."""
    found = _one_of_ours(world, dice, "")
    if found is not None:
        account, order = found
        _note(world, "manual_cancel_all", order.symbol, _UNDONE_SECONDS, f"cancels all of {order.symbol} in the app")
        world.line.swept.add((account.name, order.symbol))
        _call(world, account, "/v5/order/cancel-all", symbol=order.symbol)


def move_stop(world: World, dice: Random) -> None:
    """Move our stop in the app, a little nearer or farther."""
    found = _one_of_ours(world, dice, "S")
    if found is None or found[1].trigger_price is None or not found[1].is_conditional:
        return
    account, order = found
    instrument = world.bybit.exchange.venue.markets[order.symbol].instrument
    price = instrument.to_tick(found[1].trigger_price * (1 + Decimal(dice.choice((-4, -1, 1))) / 1000))
    _note(world, "manual_stop_move", order.symbol, _UNDONE_SECONDS, f"moves {order.link_id} to {price} in the app")
    _amend(world, account, order, triggerPrice=format(price, "f"))


def move_target(world: World, dice: Random) -> None:
    """Move a target of ours in the app, or shrink it."""
    found = _one_of_ours(world, dice, "T")
    if found is None:
        return
    account, order = found
    instrument = world.bybit.exchange.venue.markets[order.symbol].instrument
    if dice.random() < 0.5:  # noqa: PLR2004 - one in two
        sign = 1 if order.side == SELL else -1
        price = instrument.to_tick(order.price * (1 + sign * Decimal(dice.randint(1, 5)) / 1000))
        _note(world, "manual_target_move", order.symbol, _UNDONE_SECONDS, f"moves {order.link_id} to {price}")
        _amend(world, account, order, price=format(price, "f"))
    elif order.leaves > instrument.quantity_step:
        quantity = order.qty - instrument.quantity_step
        _note(world, "manual_target_move", order.symbol, _UNDONE_SECONDS, f"shrinks {order.link_id} to {quantity}")
        _amend(world, account, order, qty=format(quantity, "f"))


def trade(world: World, dice: Random) -> None:
    """Buy or sell a part of a position at the market."""
    found = _a_position(world, dice)
    if found is None:
        return
    account, position = found
    instrument = world.bybit.exchange.venue.markets[position.symbol].instrument
    steps = int(position.size / instrument.quantity_step)
    quantity = instrument.quantity_step * max(1, steps * dice.randint(10, 60) // 100)
    reduces = dice.random() < 0.5  # noqa: PLR2004 - one in two
    verb = "reduces" if reduces else "adds"
    _note(world, "manual_trade", position.symbol, _TOLD_SECONDS, f"{verb} by {quantity} in the app", foreign=True)
    _trade(world, account, position, quantity, reduces=reduces)


def close(world: World, dice: Random) -> None:
    """Close a whole position in the app."""
    found = _a_position(world, dice)
    if found is not None:
        account, position = found
        text = f"closes {position.size} in the app"
        _note(world, "manual_close", position.symbol, _TOLD_SECONDS, text, foreign=True)
        _trade(world, account, position, position.size, reduces=True)


def place_foreign(world: World, dice: Random) -> None:
    """Have another program's orders rest here: a limit order, or a stop without a position."""
    _place_resting(world, dice, "foreign_order", f"grid-{dice.randint(1, 10**6)}", stays=True)


def place_lookalike(world: World, dice: Random) -> None:
    """Have an order rest here whose id looks like one of ours, but is another installation's."""
    link_id = f"SFZZZZ{dice.randint(1, 9)}-{''.join(dice.choices('0123456789ABCDEF', k=6))}-E1-0"
    _place_resting(world, dice, "lookalike_order", link_id, stays=True)


def place_stray(world: World, dice: Random) -> None:
    """Have an entry rest here that has our own mark and no trade: it may open a position that nobody watches."""
    if world.system is None:
        return
    link_id = f"SF{world.store.installation}1-{''.join(dice.choices('0123456789ABCDEF', k=6))}-E1-0"
    _place_resting(world, dice, "stray_order", link_id, stays=False)


def liquidate(world: World, dice: Random) -> None:
    """Let the mark price dart to a position's liquidation price, and back with the next price."""
    found = _a_position(world, dice)
    if found is None:
        return
    account, position = found
    venue = world.bybit.exchange.venue
    market = venue.markets[position.symbol]
    price = venue.margin.liquidation_price(account, position)
    slots = [account.position(position.symbol, index) for index in account.indexes(position.symbol)]
    hedged = sum(bool(slot.size) for slot in slots) > 1  # its orders would go with those of the other side
    if hedged or price is None or price <= market.instrument.min_price:
        return
    tick = market.instrument.tick_size
    mark = market.instrument.to_tick(price) - tick * position.sign
    _note(world, "liquidation", position.symbol, _TOLD_SECONDS, f"mark darts to {mark}: {account.name} is liquidated")
    world.bybit.driver.move({position.symbol: (market.last, mark)})


def deleverage_one(world: World, dice: Random) -> None:
    """Have the exchange take a part of a position against somebody's loss."""
    found = _a_position(world, dice)
    if found is None:
        return
    account, position = found
    venue = world.bybit.exchange.venue
    market = venue.markets[position.symbol]
    steps = int(position.size / market.instrument.quantity_step)
    quantity = market.instrument.quantity_step * dice.choice((1, max(1, steps // 3), steps))
    _note(world, "deleveraging", position.symbol, _TOLD_SECONDS, f"{quantity} of {account.name}'s is deleveraged")
    deleverage(venue, market, position, quantity)


OUTSIDERS: dict[str, Callable[[World, Random], None]] = {
    "manual_cancel": cancel_one,
    "manual_cancel_all": cancel_all,
    "manual_stop_move": move_stop,
    "manual_target_move": move_target,
    "manual_trade": trade,
    "manual_close": close,
    "foreign_order": place_foreign,
    "lookalike_order": place_lookalike,
    "stray_order": place_stray,
    "liquidation": liquidate,
    "deleveraging": deleverage_one,
}


def check_left_alone(world: World) -> None:
    """See that nothing foreign was touched.

    Raises:
        Violated: somebody cancelled another program's order, or traded with it.

    """
    for name, link_id in world.line.left_alone:
        account = world.bybit.exchange.venue.accounts[name]
        order = account.orders[account.by_link_id[link_id]]
        if order.cancel_type == "CancelByUser" and (name, order.symbol) not in world.line.swept:
            raise Violated("F6", link_id, "another program's order was cancelled")


def is_ours(world: World, order: Order) -> bool:
    """Tell whether a trade of ours asked for this order."""
    parsed = parse_client_order_id(order.link_id)
    return parsed is not None and parsed.trade_id in world.watch.trades


# --- what they find -------------------------------------------------------------------------------------------------
def _one_of_ours(world: World, dice: Random, role: str) -> tuple[Account, Order] | None:
    symbols = [each.symbol for each in world.scenario.instruments]
    ours = [
        (account, order)
        for account in world.bybit.exchange.venue.accounts.values()
        for symbol in symbols
        for order in account.open_on(symbol).values()
        if is_ours(world, order) and order.link_id.split("-")[2].startswith(role)
    ]
    return dice.choice(sorted(ours, key=lambda each: each[1].number)) if ours else None


def _a_position(world: World, dice: Random) -> tuple[Account, Position] | None:
    held = [
        (account, position)
        for account in world.bybit.exchange.venue.accounts.values()
        for position in account.positions.values()
        if position.size
    ]
    return dice.choice(held) if held else None


# --- what they do ---------------------------------------------------------------------------------------------------
def _note(world: World, name: str, symbol: str, seconds: float, text: str, *, foreign: bool = False) -> None:
    if foreign:
        world.foreign.add(symbol)
    world.story.tell("outside", symbol, text)
    world.faults.note(name, world.clock.monotonic(), about=symbol, excuses_seconds=seconds)


def _amend(world: World, account: Account, order: Order, **changes: str) -> None:
    _call(world, account, "/v5/order/amend", symbol=order.symbol, orderId=order.order_id, **changes)


def _trade(world: World, account: Account, position: Position, quantity: Decimal, *, reduces: bool) -> None:
    _call(
        world,
        account,
        "/v5/order/create",
        symbol=position.symbol,
        side=opposite(position.side) if reduces else position.side,
        orderType="Market",
        qty=format(quantity, "f"),
        positionIdx=position.index,
        reduceOnly=reduces,
    )


def _place_resting(world: World, dice: Random, name: str, link_id: str, *, stays: bool) -> None:
    account = dice.choice(list(world.bybit.exchange.venue.accounts.values()))
    instrument = dice.choice(world.scenario.instruments)
    market = world.bybit.exchange.venue.markets[instrument.symbol]
    side = dice.choice((BUY, SELL))
    away = _AWAY if side == SELL else -_AWAY
    price = instrument.to_tick(market.last * (1 + away))
    least = instrument.min_notional_usdt / price // instrument.quantity_step + 1
    index = (1 if side == BUY else 2) if instrument.symbol in account.hedge_symbols else 0
    _note(world, name, instrument.symbol, 0.0, f"another program places {link_id} at {price}")
    answer = _call(
        world,
        account,
        "/v5/order/create",
        symbol=instrument.symbol,
        side=side,
        orderType="Limit",
        qty=format(max(instrument.min_quantity, least * instrument.quantity_step), "f"),
        price=format(price, "f"),
        positionIdx=index,
        orderLinkId=link_id,
    )
    if answer["retCode"] == 0 and stays:
        world.line.left_alone.append((account.name, link_id))


def _call(world: World, account: Account, path: str, **params: Any) -> dict[str, Any]:
    return v5_routes.call(world.bybit, account.name, path, {"category": "linear", **params})
