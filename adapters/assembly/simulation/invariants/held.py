"""Held: one trade by the exchange's own record and by its durable journal, side by side.

Enters: facts that were committed, orders that the exchange has accepted. Stays out: judging them (the other files).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from actors.messages.trading import TradeClosed, TradeOpened
from actors.model.trade import Phase, Trade
from adapters.simulated.records import Order, opposite

ZERO = Decimal(0)
ENTRY, TARGET, STOP, EXIT = "E", "T", "S", "X"


@dataclass(slots=True)
class Held:
    """One trade as the outside can see it."""

    trade: Trade
    states: list[Trade] = field(default_factory=list)  # after each fact of its journal, the opening first
    links: list[str] = field(default_factory=list)  # client order ids that reached the exchange, oldest first
    orders: list[Order] = field(default_factory=list)  # of these, what the exchange has accepted
    forgotten: set[str] = field(default_factory=set)  # client order ids whose intents went with a lost memory
    bad_since: dict[str, float] = field(default_factory=dict)  # by condition that may last a little: since when
    best_stop: Decimal | None = None  # where the own stop belongs since breakeven, at its tightest
    planned_before: tuple[Decimal, ...] = ()  # its entries by an earlier opening that was forgotten
    verified_at: Decimal | None = None  # all it had bought and sold when its position was last verified
    reached_stop: Decimal | None = None  # of that, what has been seen at the exchange
    opening: TradeOpened | None = None
    main: Held | None = None  # of a mirror's trade: the one it follows
    closed: TradeClosed | None = None  # the last time
    opened_at: float = 0.0  # monotonic seconds, when that was durable
    wallet: Decimal = ZERO  # of its account then
    filled_at: float | None = None  # monotonic seconds, of the first fill at the exchange
    is_to_leave: bool = False  # by an emergency on its account
    timeless: bool = False  # clocks were meddled with while it lived
    followed_until: Decimal | None = None  # the best price when a person moved its stop: a better one is followed
    trailed: Decimal | None = None  # the best price that the daemon must have seen since `trails_since`
    trails_since: float = 0.0  # monotonic seconds

    def of(self, letter: str) -> Iterator[Order]:
        return (order for order in self.orders if role(order)[0] == letter)

    def take_over(self, before: Held) -> None:
        """Go on from the same trade as it was opened before; the new opening knows nothing of that one."""
        self.links = before.links
        self.reached_stop = before.reached_stop
        self.planned_before = tuple(entry.quantity for entry in before.trade.sized.entries)
        self.forgotten = before.forgotten | {leg.client_order_id for leg in before.trade.legs}

    @property
    def entered(self) -> Decimal:
        return sum((order.cum_qty for order in self.of(ENTRY)), ZERO)

    @property
    def sold(self) -> Decimal:
        """What its own exits have sold."""
        return sum((order.cum_qty for order in self.orders if role(order)[0] != ENTRY), ZERO)

    @property
    def open_quantity(self) -> Decimal:
        """What it truly holds: its own orders' fills, less what was booked to it of others' exits."""
        held = ZERO
        for order in self.orders:
            held += order.cum_qty if role(order)[0] == ENTRY else -order.cum_qty
        return held - sum((each.quantity for each in self.trade.reductions), ZERO)

    @property
    def bounded(self) -> bool:
        return any(entry.bound_price is not None for entry in self.trade.sized.entries)

    @property
    def at_rest(self) -> bool:
        """Over for good, as far as anybody knows: closed, and nothing of it open at the exchange."""
        return self.trade.phase is Phase.CLOSED and not any(order.is_open for order in self.orders)

    @property
    def resting_targets(self) -> Decimal:
        return sum((order.leaves for order in self.of(TARGET) if order.is_open), ZERO)

    @property
    def stop_cover(self) -> Decimal:
        """What its own waiting stops would sell, counting only those that are stops in earnest."""
        return sum((order.leaves for order in self.of(STOP) if self.protects(order)), ZERO)

    def protects(self, order: Order) -> bool:
        """Whether an order waits to close this trade on an adverse move, and can do nothing else."""
        sign = self.trade.side.sign
        return (
            order.is_open
            and order.is_conditional
            and order.closes
            and order.side == opposite("Buy" if sign > 0 else "Sell")
            and order.trigger_direction == (2 if sign > 0 else 1)
        )

    def note(self, condition: str, *, holds: bool, now: float) -> None:
        """Remember since when (monotonic seconds) a condition that may last a little has held."""
        if not holds:
            self.bad_since.pop(condition, None)
        else:
            self.bad_since.setdefault(condition, now)


def role(order: Order) -> str:
    """Give the role part of our client order id: E1, T2, S, X."""
    return role_of(order.link_id)


@lru_cache(maxsize=4096)
def role_of(link_id: str) -> str:
    """Give the role part of a client order id of ours."""
    return link_id.split("-", 3)[2]
