"""The resting orders of one symbol, sorted by the price at which something happens.

Enters: open orders. Stays out: what happens then (matching). A price step asks only for the nearest order on its way,
so a thousand resting orders cost a step no more than one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from adapters.simulated.records import BUY, Order

Entry = tuple[Decimal, int, Order]


class _Shelf:
    """Orders that act when the price *falls* to them (or rises: negated keys), nearest last."""

    __slots__ = ("_entries", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign  # 1: acts when falling (highest price first); -1: when rising (lowest first)
        self._entries: list[tuple[Decimal, int, Order]] = []

    def add(self, price: Decimal, order: Order) -> None:
        insort(self._entries, (price * self._sign, -order.number, order))

    def remove(self, price: Decimal, order: Order) -> None:
        at = bisect_left(self._entries, (price * self._sign, -order.number))
        if at < len(self._entries) and self._entries[at][2] is order:
            del self._entries[at]

    def nearest(self) -> Decimal | None:
        """The first price at which one of them acts."""
        return self._entries[-1][0] * self._sign if self._entries else None

    def reached(self, price: Decimal) -> list[Order]:
        """Those that act at ``price``, best price first, oldest first among equals."""
        edge = price * self._sign
        found = []
        for key, _, order in reversed(self._entries):
            if key < edge:
                break
            found.append(order)
        return found

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Order]:
        return (order for _, _, order in reversed(self._entries))


class OrderIndex:
    """Six shelves: limits to buy and to sell, triggers falling and rising by last and by mark price."""

    __slots__ = ("_falling", "_places", "_rising", "buys", "sells")

    def __init__(self) -> None:
        self.buys = _Shelf(1)
        self.sells = _Shelf(-1)
        self._falling = {"LastPrice": _Shelf(1), "MarkPrice": _Shelf(1)}
        self._rising = {"LastPrice": _Shelf(-1), "MarkPrice": _Shelf(-1)}
        self._places: dict[str, tuple[_Shelf, Decimal]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, order: Order) -> None:
        """Shelve an order, or shelve it anew after its price, trigger or status changed; a closed one is dropped."""
        self.drop(order)
        if not order.is_open:
            return
        if order.trigger_price is not None and order.is_conditional:
            side = self._falling if order.trigger_direction == 2 else self._rising
            shelf, price = side[_source(order)], order.trigger_price
        else:
            shelf, price = (self.buys if order.side == BUY else self.sells), order.price
        shelf.add(price, order)
        self._places[order.order_id] = (shelf, price)

    def drop(self, order: Order) -> None:
        """Take an order off its shelf, if it is on one."""
        place = self._places.pop(order.order_id, None)
        if place is not None:
            place[0].remove(place[1], order)

    def next_falling(self, basis: Decimal) -> Decimal | None:
        """The highest last price at which something happens on the way down; mark is last + ``basis``."""
        by_mark = self._falling["MarkPrice"].nearest()
        prices = (self.buys.nearest(), self._falling["LastPrice"].nearest(), by_mark and by_mark - basis)
        return max((price for price in prices if price is not None), default=None)

    def next_rising(self, basis: Decimal) -> Decimal | None:
        """The lowest last price at which something happens on the way up; mark is last + ``basis``."""
        by_mark = self._rising["MarkPrice"].nearest()
        prices = (self.sells.nearest(), self._rising["LastPrice"].nearest(), by_mark and by_mark - basis)
        return min((price for price in prices if price is not None), default=None)

    def triggered(self, last: Decimal, mark: Decimal) -> list[Order]:
        """Conditional orders whose trigger is reached at these prices."""
        found: list[Order] = []
        for side in (self._falling, self._rising):
            found += side["LastPrice"].reached(last)
            found += side["MarkPrice"].reached(mark)
        return found


def _source(order: Order) -> str:
    # No separate index price here: the index moves with mark.
    return "LastPrice" if order.trigger_by in {"", "LastPrice"} else "MarkPrice"
