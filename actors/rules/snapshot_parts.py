"""Snapshot parts: a reading of an account, taken apart by whom each piece concerns.

Enters: an AccountSnapshot. Stays out: who is alive, who asked. Ours is what carries this installation's client id.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from actors.messages.accounts import AccountSnapshot, PositionsRead
from actors.messages.orders import ExecutionKind, ExecutionReported
from actors.model.order import ObservedOrder
from actors.rules.client_order_ids import parse_client_order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePart:
    """One trade's share, in the order of the reading."""

    trade_id: str
    symbol: str
    orders: list[ObservedOrder] = field(default_factory=list)
    executions: list[ExecutionReported] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotParts:
    trades: tuple[TradePart, ...]
    book: PositionsRead


def parts_of(snapshot: AccountSnapshot, installation: str) -> SnapshotParts:
    """Take a reading apart. Funding has no order of ours behind it and goes to the book."""
    trades: dict[tuple[str, str], TradePart] = {}

    def part(client_order_id: str | None, symbol: str) -> TradePart | None:
        parsed = parse_client_order_id(client_order_id)
        if parsed is None or parsed.installation != installation:
            return None
        return trades.setdefault((parsed.trade_id, symbol), TradePart(trade_id=parsed.trade_id, symbol=symbol))

    foreign_conditionals: Counter[str] = Counter()
    for order in snapshot.orders:
        ours = part(order.client_order_id, order.symbol)
        if ours is not None:
            ours.orders.append(order)
        elif order.trigger_price is not None and not order.is_position_stop:
            foreign_conditionals[order.symbol] += 1
    foreign_executions = []
    for execution in snapshot.executions:
        ours = None
        if execution.kind is not ExecutionKind.FUNDING:
            ours = part(execution.client_order_id, execution.symbol)
        if ours is None:
            foreign_executions.append(execution)
        else:
            ours.executions.append(execution)
    book = PositionsRead(
        started_at=snapshot.started_at,
        positions=snapshot.positions,
        foreign_executions=tuple(foreign_executions),
        foreign_conditionals=tuple(sorted(foreign_conditionals.items())),
    )
    return SnapshotParts(trades=tuple(trades.values()), book=book)
