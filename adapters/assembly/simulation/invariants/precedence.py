"""In what order requests leave. I2: of what one commit asks for, the trade's stop leaves before its targets. I1: of one
order only one request is under way at a time, or the later one could arrive first.

Judged as a lane takes a request up. Exempt: what an earlier run asked for (it is looked up first, each by itself), the
while in which a limit of the exchange's holds back one kind of request, and that in which an earlier request of the
same stop has no outcome: requests of one order leave one after the other, and targets do not wait for the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.messages.orders import AmendOrder, OrderRequest, PlaceOrder
from actors.messages.storing import Append
from actors.rules.request_order import order_key
from adapters.assembly.simulation.invariants.held import STOP, TARGET, role_of
from adapters.assembly.simulation.invariants.violation import Violated

HANGS_SECONDS = 1.0


class Precedence:
    """Stops that have not left yet, and the targets promised with them."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}  # by target: the stop that leaves before it

    def begins(self) -> None:
        """A run begins: what an earlier one asked for has no order any more."""
        self._first.clear()

    def appended(self, append: Append) -> None:
        asked = [link for each in append.effects if (link := _link(each.request))]
        stops = [link for link in asked if role_of(link) == STOP]
        if stops:
            self._first.update({link: stops[0] for link in asked if role_of(link)[0] == TARGET})

    def leaving(self, request: OrderRequest, *, excused: bool, waits: Callable[[str], bool]) -> None:
        """Judge a request that a lane takes up. `waits`: whether a stop has an earlier request without an outcome."""
        link = _link(request)
        if link and role_of(link) == STOP:
            self._first = {target: stop for target, stop in self._first.items() if stop != link}
            return
        stop = self._first.pop(link, "")
        if stop and not excused and not waits(stop):
            raise Violated("I2", link, f"leaves before {stop}, which was asked for with it")


class OneByOne:
    """Until when each order's newest request is under way (monotonic seconds). Calls that hang are not judged."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def begins(self) -> None:
        """A run begins: what an earlier one sent has no lane any more."""
        self._until.clear()

    def leaves(self, request: OrderRequest, now: float, seconds: float) -> None:
        """Judge a request that a lane takes up, whose call lasts so long."""
        order = f"{request.account}/{order_key(request)}"
        order = f"{request.account}/{order_key(request)}"
        if self._until.get(order, now) > now:
            raise Violated("I1", order, "a request leaves while an earlier one of the same order is under way")
        if seconds < HANGS_SECONDS:
            self._until[order] = now + seconds


def _link(request: object) -> str:
    """Name the order that a request places or changes; "" for any other request."""
    if isinstance(request, PlaceOrder):
        return request.order.client_order_id
    return request.client_order_id if isinstance(request, AmendOrder) else ""
