"""Margin: what an order or a position ties up, what is left, and where a position is liquidated.

Enters: positions, orders, mark prices, fee rates. Stays out: the act of liquidating (matching).
Isolated: a position risks its initial margin only. Cross: it risks the account's equity, and the liquidation price is
an estimate with everything else held still. All amounts USDT.
Source: Bybit's "Liquidation Price Calculation under Isolated Mode (UTA)"; the linear form is derived in
``liquidation_price``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from adapters.simulated.instruments import Instrument
from adapters.simulated.records import BUY, ZERO, Account, Order, Position

ISOLATED = "ISOLATED_MARGIN"
CROSS = "REGULAR_MARGIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """Fractions of the filled value, paid at every fill."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.00055")


@dataclass(frozen=True, slots=True)
class MarginRules:
    """Margin arithmetic over one exchange's instruments, fees and mark prices."""

    fees: FeeRates
    instrument: Callable[[str], Instrument]
    mark: Callable[[str], Decimal]

    def position_margin(self, position: Position) -> Decimal:
        """Initial margin held by a position: entry value over leverage, plus the estimated fee to close."""
        return position.entry_value / position.leverage + position.entry_value * self.fees.taker

    def position_maintenance(self, position: Position) -> Decimal:
        """Maintenance margin at mark, plus the estimated fee to close."""
        value = position.size * self.mark(position.symbol)
        return value * (self.instrument(position.symbol).maintenance_rate + self.fees.taker)

    def order_cost(self, quantity: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
        """What opening ``quantity`` at ``price`` needs: initial margin, the fee to open and the fee to close."""
        value = quantity * price
        return value / leverage + value * self.fees.taker * 2

    def orders_margin(self, account: Account) -> Decimal:
        """Initial margin held by resting orders that could open something; conditional ones hold none."""
        total = ZERO
        for symbol, orders in account.open_orders.items():
            active = [order for order in orders.values() if not order.is_conditional and not order.closes]
            if active:
                total += self._symbol_orders(account, symbol, active)
        return total

    def _symbol_orders(self, account: Account, symbol: str, active: list[Order]) -> Decimal:
        total = ZERO
        for index in account.indexes(symbol):
            position = account.position(symbol, index)
            free = position.size  # that much of the opposite side only closes
            for order in (each for each in active if each.position_idx == index):
                opening = order.leaves
                if position.size and order.side != position.side:
                    closing = min(free, opening)
                    free -= closing
                    opening -= closing
                total += self.order_cost(opening, order.price or self.mark(symbol), position.leverage)
        return total

    def unrealised(self, account: Account) -> Decimal:
        """Unrealised PnL of all its positions at mark."""
        return sum(
            (each.unrealised(self.mark(each.symbol)) for each in account.positions.values() if each.size), start=ZERO
        )

    def positions_margin(self, account: Account) -> Decimal:
        """Initial margin of all its positions."""
        return sum((self.position_margin(each) for each in account.positions.values() if each.size), start=ZERO)

    def maintenance(self, account: Account) -> Decimal:
        """Maintenance margin of all its positions."""
        return sum((self.position_maintenance(each) for each in account.positions.values() if each.size), start=ZERO)

    def available(self, account: Account) -> Decimal:
        """What new orders may tie up: the wallet, in cross mode with unrealised PnL, less what is held already."""
        funds = account.wallet if account.margin_mode == ISOLATED else account.wallet + self.unrealised(account)
        return funds - self.positions_margin(account) - self.orders_margin(account)

    def liquidation_price(self, account: Account, position: Position) -> Decimal | None:
        """The mark price at which a position is taken over, on the tick that is reached first; None when there is none.

        The equity behind it (E, without its own unrealised PnL) meets its maintenance margin and fee to close. Long:
        ``E + (p - entry) * q = p * q * (mmr + taker)``, so ``p = (entry * q - E) / (q * (1 - mmr - taker))``.
        """
        if not position.size:
            return None
        instrument = self.instrument(position.symbol)
        if account.margin_mode == ISOLATED:
            backing = position.entry_value / position.leverage
        else:
            own = position.unrealised(self.mark(position.symbol))
            others = self.maintenance(account) - self.position_maintenance(position)
            backing = account.wallet + self.unrealised(account) - own - others
        burden = instrument.maintenance_rate + self.fees.taker
        tick = instrument.tick_size
        if position.side == BUY:
            price = (position.entry_value - backing) / (position.size * (1 - burden))
            price += tick if price % tick else ZERO  # rounds up: reached first on the way down
        else:
            price = (position.entry_value + backing) / (position.size * (1 + burden))
        price -= price % tick
        return price if instrument.min_price <= price <= instrument.max_price else None

    def bankruptcy_price(self, account: Account, position: Position) -> Decimal:
        """Where a liquidated position is taken over: isolated, the price at which its initial margin is gone."""
        instrument = self.instrument(position.symbol)
        if account.margin_mode != ISOLATED:
            return self.mark(position.symbol)
        price = position.average_price * (1 - position.sign / position.leverage)
        return instrument.to_tick(price)
