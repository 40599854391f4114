"""Changes: what the exchange changes under our feet: balance, fees, leverage caps, least order values, trading itself.

Enters: a world. Stays out: when (strewn). A trade that is open goes on under the new terms; one that cannot be opened
under them is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from actors.model.trade import Phase
from adapters.assembly.simulation.outsiders import is_ours
from adapters.simulated.margin import FeeRates
from adapters.simulated.records import Order
from adapters.simulated.venue import Market

if TYPE_CHECKING:
    from adapters.assembly.simulation.world import World

_AFTER_HALT_SECONDS = 35.0  # a halted request is tried again after 30 s, and then takes its time
_NEAR = Decimal("0.015")  # as a fraction of price: how far the price darts to touch an order


def change_balance(world: World, dice: Random) -> None:
    """Pay in, or take out what is free."""
    account = dice.choice(list(world.bybit.exchange.venue.accounts.values()))
    venue = world.bybit.exchange.venue
    free = max(Decimal(0), venue.margin.available(account))
    amount = (free * Decimal(dice.choice(("-0.95", "-0.5", "0.5")))).quantize(Decimal("0.01"))
    account.wallet += amount
    account.start_balance += amount
    venue.wallet_changed(account)
    _note(world, "balance_change", "", f"{account.name}'s balance changes by {amount} USDT")


def change_fees(world: World, dice: Random) -> None:
    """Move to another fee tier."""
    times = Decimal(dice.choice(("0.5", "1.5", "2")))
    usual = FeeRates()
    world.bybit.exchange.venue.charge(FeeRates(maker=usual.maker * times, taker=usual.taker * times))
    _note(world, "fee_change", "", f"fees are {times} times the usual")


def swing_funding(world: World, symbol: str, dice: Random) -> None:
    """Have funding paid, one way or the other, where a trade has just taken its first profit: its breakeven moves."""
    rate = Decimal(dice.choice(("-0.0005", "-0.0001", "0.0003")))
    market = world.bybit.exchange.venue.markets[symbol]
    market.instrument = replace(market.instrument, funding_rate=rate)
    _note(world, "funding_swing", symbol, f"funding is {rate} of what is held")
    world.pay_funding(symbol)


def leap_away(world: World, symbol: str, by: float) -> None:
    """Have the price leap by a fraction of itself; nothing trades in between."""
    if world.line.halts.stands(symbol):
        return
    market = world.bybit.exchange.venue.markets[symbol]
    price = market.instrument.to_tick(market.last * (1 + Decimal(repr(round(by, 6)))))
    world.story.tell("world", symbol, f"the price leaps to {price}")
    world.move_price(symbol, price, leaps=True)


def cap_leverage(world: World, dice: Random) -> None:
    """Lower what leverage may be chosen."""
    market, cap = _a_market(world, dice), Decimal(dice.choice((3, 5, 20)))
    market.instrument = replace(market.instrument, max_leverage=cap)
    _note(world, "leverage_cap", market.instrument.symbol, f"leverage may be {cap} at most")


def raise_least_value(world: World, dice: Random) -> None:
    """Raise the least value of an order, where no trade is live: one that is goes by what it was opened under."""
    market, least = _a_market(world, dice), Decimal(dice.choice((10, 25)))
    trades = [held.trade for held in world.watch.trades.values()]
    if any(each.plan.symbol == market.instrument.symbol and each.phase is not Phase.CLOSED for each in trades):
        return
    market.instrument = replace(market.instrument, min_notional_usdt=least)
    _note(world, "least_value_change", market.instrument.symbol, f"an order must come to {least} USDT")


def halt(world: World, dice: Random) -> None:
    """Let a symbol stand still for a while: no prices, orders refused."""
    symbol = dice.choice(world.scenario.instruments).symbol
    seconds = dice.choice((20.0, 120.0, 600.0))
    now = world.clock.monotonic()
    world.line.halts.halt(symbol, now + seconds)
    world.story.tell("fault", symbol, f"trading is suspended for {seconds:.0f} s")
    world.faults.note("halt", now + seconds, about=symbol, excuses_seconds=_AFTER_HALT_SECONDS)


def fill_partly(world: World, dice: Random) -> None:
    """Have the price dart to a resting order of ours where little is offered: one lot, or a few, are filled."""
    venue = world.bybit.exchange.venue
    near: list[Order] = [
        order
        for account in venue.accounts.values()
        for instrument in world.scenario.instruments
        for order in account.open_on(instrument.symbol).values()
        if is_ours(world, order)
        and not order.is_conditional
        and abs(order.price / venue.markets[order.symbol].last - 1) < _NEAR
    ]
    if not near or world.line.halts.stands(near[0].symbol):
        return
    order = dice.choice(sorted(near, key=lambda each: each.number))
    market = venue.markets[order.symbol]
    usual, market.depth.level_quantity = (
        market.depth.level_quantity,
        market.instrument.quantity_step * dice.choice((1, 1, 3, 20)),
    )
    _note(world, "partial_fill", order.symbol, f"little is offered at {order.price}")
    world.move_price(order.symbol, order.price)
    market.depth.level_quantity = usual


CHANGES: dict[str, Callable[[World, Random], None]] = {
    "balance_change": change_balance,
    "fee_change": change_fees,
    "leverage_cap": cap_leverage,
    "least_value_change": raise_least_value,
    "halt": halt,
    "partial_fill": fill_partly,
}


def _a_market(world: World, dice: Random) -> Market:
    return world.bybit.exchange.venue.markets[dice.choice(world.scenario.instruments).symbol]


def _note(world: World, name: str, symbol: str, text: str) -> None:
    world.story.tell("fault", symbol, text)
    world.faults.note(name, world.clock.monotonic(), about=symbol)
