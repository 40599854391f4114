"""Invariants: what must hold after every step of a simulated world, whatever has gone wrong.

Enters: the exchange's own record, what the store has made durable. Stays out: what the daemon believes in between;
only what it has committed and what it has sent counts. Names follow the list in docs: I1, I2 and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from actors.messages.alerts import RaiseAlert
from actors.messages.storing import Append
from actors.messages.trading import OrderRequested, TradeOpened
from actors.model.alert import Severity
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Trade
from actors.rules.client_order_ids import parse_client_order_id
from actors.rules.position_life import evolve, opened
from adapters.assembly.simulation.faults import Faults
from adapters.simulated.records import Account, Order, Position
from adapters.simulated.venue import Venue, stop_cover
from runtime.clock import Clock

ZERO = Decimal(0)
OWN_STOP_SECONDS = 2.0
LADDER_SECONDS = 5.0
BREAKEVEN_SECONDS = 5.0
AT_WORK_MS = 30_000  # a stop that fired and left something over is followed by closes for so long


class Violated(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, about: str, text: str) -> None:
        super().__init__(f"{invariant} {about}: {text}")
        self.invariant = invariant
        self.about = about
        self.text = text


@dataclass(slots=True)
class Held:
    """One trade by the exchange's own record and by its durable journal."""

    trade: Trade
    links: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)  # those the exchange has accepted
    best_stop: Decimal | None = None  # the tightest own stop seen after breakeven
    late_since: float | None = None
    oversold_since: float | None = None
    bare_since: float | None = None  # a target is filled and the stop is not at breakeven
    stop_fired: bool = False

    def of(self, role: str) -> Iterator[Order]:
        return (order for order in self.orders if _role(order).startswith(role))

    @property
    def entered(self) -> Decimal:
        return sum((order.cum_qty for order in self.of("E")), ZERO)

    @property
    def open_quantity(self) -> Decimal:
        """What it truly holds: its own orders' fills, less what was booked to it of others' exits."""
        exited = sum((order.cum_qty for order in self.orders if not _role(order).startswith("E")), ZERO)
        booked = sum((each.quantity for each in self.trade.reductions), ZERO)
        return self.entered - exited - booked


class Watch:
    """The eye on one world."""

    def __init__(self, venue: Venue, clock: Clock, faults: Faults) -> None:
        self.trades: dict[str, Held] = {}
        self.alerts: dict[str, RaiseAlert] = {}  # promised and not settled, by effect key
        self.raised: dict[str, RaiseAlert] = {}  # every alert ever promised
        self.unsettled: dict[str, Any] = {}  # every promised effect that is not settled
        self.requested: set[str] = set()  # client order ids whose intent is durable
        self.opened_by: dict[str, str] = {}  # command to trade id
        self.checks = 0
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._touched: set[str] = set()  # trades that something happened to since the last look
        self._facts: dict[str, int] = {}

    # --- what becomes durable ---------------------------------------------------------------------------------------
    def committed(self, append: Append) -> None:
        for fact in append.facts:
            self._take(append.stream, fact)
        for effect in append.effects:
            self.unsettled[effect.key] = effect.request
            if isinstance(effect.request, RaiseAlert):
                self.alerts[effect.key] = self.raised[effect.key] = effect.request

    def settled(self, effect_key: str) -> None:
        self.unsettled.pop(effect_key, None)
        self.alerts.pop(effect_key, None)

    def _take(self, stream: str, fact: Any) -> None:
        if not stream.startswith("trade/"):
            return
        trade_id = stream.removeprefix("trade/")
        if isinstance(fact, TradeOpened):
            before = self.opened_by.setdefault(fact.opened_by, trade_id)
            if before != trade_id:
                raise Violated("I11", trade_id, f"command {fact.opened_by} opened {before} before")
            self.trades[trade_id] = Held(trade=opened(fact))
            return
        held = self.trades[trade_id]
        held.trade = evolve(held.trade, fact)
        if isinstance(fact, OrderRequested):
            self.requested.add(fact.order.client_order_id)
        self._touched.add(trade_id)

    # --- what leaves ------------------------------------------------------------------------------------------------
    def placing(self, account: str, client_order_id: str) -> None:
        """Judge an order as it reaches the exchange."""
        parsed = parse_client_order_id(client_order_id)
        if parsed is None:
            return
        if client_order_id not in self.requested:
            raise Violated("I14", client_order_id, "it was sent before its intent was committed")
        held = self.trades[parsed.trade_id]
        if client_order_id not in held.links:
            held.links.append(client_order_id)
        self._touched.add(parsed.trade_id)
        if account != held.trade.plan.account:
            raise Violated("I5", client_order_id, f"it was sent to account {account}")

    def exchange_changed(self, symbols: set[str]) -> None:
        """Look at every trade on these symbols at the next check."""
        for trade_id, held in self.trades.items():
            if held.trade.plan.symbol in symbols and held.links:
                self._touched.add(trade_id)

    # --- after every step -------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Judge what was touched since the last check, and everything that is timed."""
        if not self._touched:
            return
        self.checks += 1
        now = self._clock.monotonic()
        touched, self._touched = self._touched, set()
        for trade_id in sorted(touched):
            self._check_trade(self.trades[trade_id], now)
        for symbol in sorted({self.trades[trade_id].trade.plan.symbol for trade_id in touched}):
            self._check_cover(symbol)

    def check_time(self) -> None:
        """Judge what goes wrong by time passing alone."""
        now = self._clock.monotonic()
        for held in self.trades.values():
            if (held.late_since, held.oversold_since, held.bare_since) != (None, None, None):
                self._check_timed(held, now)

    def _check_trade(self, held: Held, now: float) -> None:
        trade = held.trade
        account = self._venue.accounts[trade.plan.account]
        if len(held.orders) != len(held.links):
            ids = (account.by_link_id.get(link) for link in held.links)
            held.orders = [account.orders[each] for each in ids if each is not None]
        self._check_orders(held)
        self._check_counts(held)
        self._check_breakeven(held)
        self._note_lateness(held, now)
        self._check_timed(held, now)

    def _check_orders(self, held: Held) -> None:
        """I1: one order for one intent; I3: what leaves only reduces."""
        live: set[str] = set()
        planned: dict[str, Decimal] = {}
        for order in held.orders:
            role = _role(order)
            if order.is_open and order.leaves:
                if role in live:
                    raise Violated("I1", held.trade.trade_id, f"two orders at once for {role}")
                live.add(role)
            if role.startswith("E"):
                planned[role] = planned.get(role, ZERO) + order.cum_qty + (order.leaves if order.is_open else ZERO)
            elif not order.reduce_only:
                raise Violated("I3", order.link_id, "an exit that is not reduce-only")
        for index, entry in enumerate(held.trade.sized.entries, start=1):
            if planned.get(f"E{index}", ZERO) > entry.quantity:
                text = f"entry {index} comes to {planned[f'E{index}']}, planned were {entry.quantity}"
                raise Violated("I1", held.trade.trade_id, text)

    def _check_counts(self, held: Held) -> None:
        """I1: nothing is counted that did not happen, and nothing twice."""
        filled = {order.link_id: order.cum_qty for order in held.orders}
        for leg in held.trade.legs:
            if leg.filled_quantity > filled.get(leg.client_order_id, ZERO):
                text = f"counted {leg.filled_quantity} of {filled.get(leg.client_order_id, ZERO)} filled"
                raise Violated("I1", leg.client_order_id, text)

    def _check_breakeven(self, held: Held) -> None:
        """I4: after the first target the stop stands at breakeven and is never loosened."""
        if not held.trade.moved_to_breakeven:
            return
        sign = held.trade.side.sign
        for order in held.of("S"):
            if not order.is_open or order.trigger_price is None:
                continue
            reached = (order.trigger_price - held.trade.stop_price) * sign >= 0
            if held.best_stop is not None and (order.trigger_price - held.best_stop) * sign < 0:
                text = f"the stop went back from {held.best_stop} to {order.trigger_price}"
                raise Violated("I4", held.trade.trade_id, text)
            if reached:
                held.best_stop = order.trigger_price

    def _note_lateness(self, held: Held, now: float) -> None:
        trade = held.trade
        quantity = held.open_quantity
        stops = sum((order.leaves for order in held.of("S") if order.is_open and order.is_conditional), ZERO)
        held.stop_fired = held.stop_fired or any(order.triggered for order in held.of("S"))
        late = (
            quantity >= trade.instrument.min_quantity
            and stops < quantity
            and trade.phase not in {Phase.CLOSING, Phase.CLOSED}
            and not held.stop_fired
        )
        held.late_since = (held.late_since if held.late_since is not None else now) if late else None
        rungs = sum((order.leaves for order in held.of("T") if order.is_open), ZERO)
        over = rungs > max(ZERO, quantity)
        held.oversold_since = (held.oversold_since if held.oversold_since is not None else now) if over else None
        bare = stops > 0 and quantity > 0 and not held.stop_fired and not _at_breakeven(held)
        held.bare_since = (held.bare_since if held.bare_since is not None else now) if bare else None

    def _check_timed(self, held: Held, now: float) -> None:
        trade = held.trade
        excused = self._faults.excused_until(trade.plan.symbol, trade.trade_id)
        if held.late_since is not None and now - max(held.late_since, excused) > OWN_STOP_SECONDS:
            text = f"holds {held.open_quantity} without its own stop for {now - held.late_since:.2f} s"
            raise Violated("I2", trade.trade_id, text)
        if held.bare_since is not None and now - max(held.bare_since, excused) > BREAKEVEN_SECONDS:
            raise Violated("I4", trade.trade_id, "a target is filled and the stop is not at breakeven")
        if held.oversold_since is not None and now - max(held.oversold_since, excused) > LADDER_SECONDS:
            rungs = sum((order.leaves for order in held.of("T") if order.is_open), ZERO)
            text = f"targets for {rungs} rest while it holds {held.open_quantity}"
            raise Violated("I3", trade.trade_id, text)

    def _check_cover(self, symbol: str) -> None:
        """I2: what our trades hold is covered by stops at every instant, by the exchange's own record."""
        for account in self._venue.accounts.values():
            for index in account.indexes(symbol):
                position = account.positions.get((symbol, index))
                if position is not None and position.size:
                    self._check_position(account, position)

    def _check_position(self, account: Account, position: Position) -> None:
        own, system = stop_cover(account, position)
        if own + system >= position.size:
            return
        side = PositionSide.LONG if position.sign > 0 else PositionSide.SHORT
        ours = [
            held
            for held in self.trades.values()
            if held.trade.plan.account == account.name
            and held.trade.plan.symbol == position.symbol
            and held.trade.side is side
            and held.open_quantity > 0
        ]
        # A stop that found too little to sell to is followed by closes, once there is a daemon to send them.
        excused_ms = int((self._faults.excused_until(position.symbol) - self._clock.monotonic()) * 1000)
        lately = self._venue.clock() - AT_WORK_MS if excused_ms <= 0 else 0
        at_work = any(
            order.triggered and order.updated_ms > lately
            for order in account.orders.values()
            if order.symbol == position.symbol
        )
        if ours and not at_work:
            text = f"size {position.size}, stops for {own} of ours and {system} of the position's"
            raise Violated("I2", f"{account.name}/{position.symbol}", text)

    # --- at rest ----------------------------------------------------------------------------------------------------
    def check_told(self, arrived: set[str]) -> None:
        """I9: every alert but the quiet ones arrived, or the same news did. `arrived`: effect keys."""
        told = {self.raised[key].alert.key for key in arrived if key in self.raised}
        for key, raised in self.raised.items():
            if raised.alert.severity.rank < Severity.INFO.rank and key not in arrived and raised.alert.key not in told:
                raise Violated("I9", key, f"settled and never told: {raised.alert.title}")

    def check_rest(self, foreign: set[str]) -> None:
        """I7: local state equals exchange state, and nothing is in doubt. `foreign`: symbols where others trade too."""
        for trade_id, held in self.trades.items():
            self._check_legs(trade_id, held)
            self._check_covered(trade_id, held)
        waiting = {key: each for key, each in self.unsettled.items() if not isinstance(each, RaiseAlert)}
        if waiting:
            key, request = next(iter(waiting.items()))
            raise Violated("I7", key, f"its outcome is not known at rest: {type(request).__name__}")
        for account in self._venue.accounts.values():
            for (symbol, _), position in account.positions.items():
                mine = sum(
                    (
                        held.trade.open_quantity
                        for held in self.trades.values()
                        if held.trade.plan.symbol == symbol and held.trade.plan.account == account.name
                    ),
                    ZERO,
                )
                if mine > position.size or (mine != position.size and symbol not in foreign):
                    raise Violated("I7", f"{account.name}/{symbol}", f"trades hold {mine}, position {position.size}")

    def _check_covered(self, trade_id: str, held: Held) -> None:
        """I2 and I3 at rest: the own stop and the ladder come to exactly what is held, and the backstop stands."""
        trade, quantity = held.trade, held.open_quantity
        if quantity < trade.instrument.min_quantity or trade.phase is Phase.CLOSED:
            return
        stops = [order for order in held.of("S") if order.is_open]
        # A slice under the least order value has a stop of that value: the exchange takes no smaller one.
        least = trade.instrument.min_notional_usdt / trade.stop_price + trade.instrument.quantity_step
        fits = [quantity <= order.leaves <= max(quantity, least) for order in stops]
        if fits != [True] or stops[0].trigger_price != trade.stop_price:
            found = [(str(order.leaves), str(order.trigger_price)) for order in stops]
            raise Violated("I2", trade_id, f"holds {quantity}, stop wanted at {trade.stop_price}, there are {found}")
        rungs = sum((order.leaves for order in held.of("T") if order.is_open), ZERO)
        if rungs != quantity:
            raise Violated("I3", trade_id, f"holds {quantity}, its targets come to {rungs}")
        if trade.moved_to_breakeven and _lost_at_stop(held) > 0:
            text = f"the stop at breakeven, {trade.stop_price}, would lose {_lost_at_stop(held)} USDT"
            raise Violated("I4", trade_id, text)
        position = self._venue.accounts[trade.plan.account].position(trade.plan.symbol, trade.position_index)
        backstop = self._venue.accounts[trade.plan.account].orders.get(position.stop_loss_id)
        if backstop is None or backstop.trigger_price is None:
            raise Violated("I2", trade_id, "there is no backstop")
        if (backstop.trigger_price - trade.stop_price) * trade.side.sign >= 0:
            text = f"the backstop at {backstop.trigger_price} is not beyond the stop at {trade.stop_price}"
            raise Violated("I2", trade_id, text)

    def _check_legs(self, trade_id: str, held: Held) -> None:
        trade = held.trade
        there = {order.link_id: order for order in held.orders}
        for leg in trade.legs:
            order = there.pop(leg.client_order_id, None)
            if leg.state is LegState.REQUESTED or leg.pending is not None or leg.in_doubt:
                raise Violated("I7", leg.client_order_id, f"is {leg.state}, pending {leg.pending}, at rest")
            if leg.live != (order is not None and order.is_open):
                state = "nowhere" if order is None else order.status
                raise Violated("I7", leg.client_order_id, f"is {leg.state} here and {state} at the exchange")
            if order is None:
                continue
            if leg.filled_quantity != order.cum_qty:
                raise Violated("I7", leg.client_order_id, f"filled {leg.filled_quantity} here, {order.cum_qty} there")
            same = (leg.quantity, leg.trigger_price) == (order.qty, order.trigger_price)
            if leg.live and not same:
                text = f"is {leg.quantity}@{leg.trigger_price} here, {order.qty}@{order.trigger_price} there"
                raise Violated("I7", leg.client_order_id, text)
        if there:
            raise Violated("I7", trade_id, f"the exchange has orders of no leg: {sorted(there)}")
        if trade.phase is Phase.CLOSED and held.open_quantity:
            raise Violated("I7", trade_id, f"is closed and holds {held.open_quantity}")
        if trade.phase is Phase.CLOSING:
            raise Violated("I7", trade_id, f"is still closing at rest, open {trade.open_quantity}")


def _at_breakeven(held: Held) -> bool:
    """Whether every stop there is on the winning side of the entries, once a target was filled."""
    if not any(order.status == "Filled" for order in held.of("T")) or held.trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return True
    average = sum((order.cum_value for order in held.of("E")), ZERO) / held.entered
    sign = held.trade.side.sign
    triggers = (order.trigger_price for order in held.of("S") if order.is_open)
    return all(trigger is not None and (trigger - average) * sign > 0 for trigger in triggers)


def _lost_at_stop(held: Held) -> Decimal:
    """What leaving at the stop would lose by the exchange's own record, both fees and funding counted (USDT)."""
    trade, quantity = held.trade, held.open_quantity
    entries = list(held.of("E"))
    average = sum((order.cum_value for order in entries), ZERO) / held.entered
    fees = sum((order.cum_fee for order in entries), ZERO) * quantity / held.entered
    fees += quantity * trade.stop_price * trade.fees.taker + trade.funding_since_entry_usdt
    return fees - (trade.stop_price - average) * trade.side.sign * quantity


def _role(order: Order) -> str:
    return order.link_id.split("-")[2]
