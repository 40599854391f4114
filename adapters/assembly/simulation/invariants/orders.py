"""I1 and the exactness of orders: one order for one intent, and nothing counted that did not happen, or twice.

Enters: what a trade believes and what the exchange holds. Exempt: nothing; both hold at every instant.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from actors.messages.accounts import ReductionBooked
from actors.messages.orders import ExecutionReported
from actors.messages.trading import ExcessPassedOn
from adapters.assembly.simulation.invariants.held import ENTRY, ZERO, Held, role
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account, Execution

FEE_DIGITS = Decimal("0.000001")  # fees go over the wire with eight decimals


def check_one_order_an_intent(held: Held) -> None:
    """I1: no two live orders of one role, and no entry that comes to more than was planned.

    A trade whose opening was forgotten is sized anew when its command is carried out again. What the first opening
    placed is taken up as it is: then the larger of the two was planned.
    """
    live: set[str] = set()
    planned: dict[str, Decimal] = {}
    for order in held.orders:
        part = role(order)
        if order.is_open and order.leaves:
            if part in live:
                raise Violated("I1", held.trade.trade_id, f"two orders at once for {part}")
            live.add(part)
        if part[0] == ENTRY:
            planned[part] = planned.get(part, ZERO) + order.cum_qty + (order.leaves if order.is_open else ZERO)
    for index, entry in enumerate(held.trade.sized.entries, start=1):
        most = max((entry.quantity, *held.planned_before[index - 1 : index]))
        if planned.get(f"E{index}", ZERO) > most:
            text = f"entry {index} comes to {planned[f'E{index}']}, planned were {most}"
            raise Violated("I1", held.trade.trade_id, text)


def check_counts(held: Held) -> None:
    """I1: no leg counts more than the exchange has filled of its order."""
    filled = {order.link_id: order.cum_qty for order in held.orders}
    for leg in held.trade.legs:
        if leg.filled_quantity > filled.get(leg.client_order_id, ZERO):
            text = f"counted {leg.filled_quantity} of {filled.get(leg.client_order_id, ZERO)} filled"
            raise Violated("I1", leg.client_order_id, text)


class ExecutionLedger:
    """I1: every execution that a trade counts happened like that, and shares of one never exceed it."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts
        self._known: dict[str, Execution] = {}
        self._read: dict[str, int] = dict.fromkeys(accounts, 0)  # rows taken so far
        self._shared: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._passed_on: dict[str, Decimal] = {}

    def committed(self, trade_id: str, fact: Any) -> None:
        """Judge a fact that has become durable."""
        if isinstance(fact, ExecutionReported):
            self._check_reported(trade_id, fact)
        elif isinstance(fact, ExcessPassedOn):
            self._passed_on[fact.execution_id] = fact.quantity
        elif isinstance(fact, ReductionBooked):
            self._check_share(trade_id, fact)

    def _find(self, execution_id: str) -> Execution | None:
        if execution_id not in self._known:
            for name, account in self._accounts.items():
                for row in account.executions[self._read[name] :]:
                    self._known[row.exec_id] = row
                self._read[name] = len(account.executions)
        return self._known.get(execution_id)

    def _check_reported(self, trade_id: str, fact: ExecutionReported) -> None:
        row = self._find(fact.execution_id)
        told = (fact.client_order_id, fact.quantity, fact.price)
        same = (
            row is not None and told == (row.link_id, row.qty, row.price) and abs(fact.fee_usdt - row.fee) < FEE_DIGITS
        )
        if not same:
            raise Violated("I1", trade_id, f"counted {told} for {fact.execution_id}, which the exchange never made so")

    def _check_share(self, trade_id: str, fact: ReductionBooked) -> None:
        self._shared[fact.execution_id] += fact.quantity
        row = self._find(fact.execution_id)
        # What nothing explains is booked as a difference between two readings: no execution stands behind it.
        whole = row.qty if row is not None else self._passed_on.get(fact.execution_id)
        if whole is None and fact.cause != "unexplained":
            raise Violated("I1", trade_id, f"was booked a share of {fact.execution_id}, which never happened")
        if whole is not None and self._shared[fact.execution_id] > whole:
            text = f"shares of {fact.execution_id} come to {self._shared[fact.execution_id]} of {whole}"
            raise Violated("I1", trade_id, text)
