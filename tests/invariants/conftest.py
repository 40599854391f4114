"""Hand-made records: one trade, the orders the exchange has of it, and a place to make each of them wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.orders import ExecutionKind, ExecutionReported
from actors.messages.trading import OrderRequested, TradeOpened
from actors.model.instrument import FeeRates
from actors.model.order import OrderIntent, OrderKind, OrderSide
from actors.model.trade import Role, TradeParameters
from actors.model.trade_plan import SizedPlan
from actors.rules.position_life import evolve, opened
from actors.rules.sizing import size
from adapters.assembly.simulation.invariants.held import Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.records import Account, Order
from adapters.simulated.venue import Venue
from tests.rules.conftest import NOON, instrument, read, view_of

TRADE_ID = "7K3Q9X"
SYMBOL = "BTCUSDT"
PLAN = "BTCUSDT long entries 65000 targets 66000,67000,68000,69000 stop 62000 margin 10% leverage 10"
TAKER = Decimal("0.00055")
_numbers = itertools.count(1)


def broken(invariant: str, words: str = "") -> Any:
    """Expect this invariant, and no other, to be found broken."""
    return pytest.raises(Violated, match=f"^{invariant} .*{words}")


@pytest.fixture
def venue() -> Venue:
    config = ExchangeConfig(seed=1, script={}, speed=Decimal(1), salt="hand-made")
    return LocalBybit(config, lambda: 1_000_000_000).exchange.venue


@pytest.fixture
def account(venue: Venue) -> Account:
    return venue.accounts["main"]


def opening(plan: str = PLAN, *, trade_id: str = TRADE_ID, number: int = 1, opened_by: str = "chat:1#a") -> TradeOpened:
    fees = FeeRates(maker=Decimal("0.0002"), taker=TAKER)
    rules = instrument(SYMBOL, "0.1", "0.001")
    sized = size(read(plan), view_of(rules, fees, "65000"))
    assert isinstance(sized, SizedPlan)
    return TradeOpened(
        trade_id=trade_id,
        number=number,
        label=f"main/{SYMBOL}/long/conservative/{trade_id}",
        sized=sized,
        instrument=rules,
        fees=fees,
        position_index=0,
        backstop_price=Decimal(61800),
        parameters=TradeParameters(),
        opened_by=opened_by,
        opened_at=NOON,
    )


@pytest.fixture
def held() -> Held:
    """A long of 0.152 BTC: planned, nothing sent."""
    trade = opened(opening())
    assert trade.sized.quantity == Decimal("0.152")
    return Held(trade=trade, states=[trade])


@pytest.fixture
def give(account: Account) -> Callable[..., Order]:
    """Have the exchange hold an order of a trade."""

    def give(held: Held | None, role: str, quantity: str, revision: int = 0, **terms: Any) -> Order:
        entry = role.startswith("E")
        trade_id = TRADE_ID if held is None else held.trade.trade_id
        usual: dict[str, Any] = {
            "link_id": f"SF00001-{trade_id}-{role}-{revision}",
            "side": "Buy" if entry else "Sell",
            "order_type": "Limit",
            "reduce_only": not entry,
        }
        if role == "S":
            usual |= {
                "order_type": "Market",
                "status": "Untriggered",
                "trigger_price": Decimal(62000),
                "trigger_direction": 2,
                "close_on_trigger": True,
                "stop_order_type": "Stop",
            }
        filled = Decimal(terms.pop("filled", "0"))
        number = next(_numbers)
        order = Order(
            account=account.name,
            symbol=SYMBOL,
            order_id=f"order-{number}",
            number=number,
            qty=Decimal(quantity),
            created_ms=1_000_000_000,
            updated_ms=1_000_000_000,
            cum_qty=filled,
            **(usual | terms),
        )
        account.remember(order)
        if held is not None and order.link_id:
            held.links.append(order.link_id)
            held.orders.append(order)
        return order

    return give


def filled(held: Held, give: Callable[..., Order], quantity: str = "0.100") -> Order:
    """Have the entry filled by so much, here and there, at 65,000 with the maker's fee."""
    order = give(held, "E1", "0.152", filled=quantity, status="PartiallyFilled")
    order.cum_value = order.cum_qty * 65000
    order.cum_fee = order.cum_value * Decimal("0.0002")
    request(held, Role.ENTRY, "0.152", order.link_id)
    report(held, order.link_id, quantity, price="65000", fee=order.cum_fee)
    return order


def request(
    held: Held, role: Role, quantity: str, client_order_id: str, index: int = 1, **terms: Any
) -> OrderRequested:
    """Make an order's intent durable."""
    entry = role is Role.ENTRY
    intent = OrderIntent(
        client_order_id=client_order_id,
        symbol=SYMBOL,
        order_side=OrderSide.BUY if entry else OrderSide.SELL,
        kind=OrderKind.LIMIT,
        quantity=Decimal(quantity),
        price=terms.pop("price", Decimal(65000)),
        trigger_price=terms.pop("trigger_price", None),
        trigger_rises=None,
        reduce_only=not entry,
        close_on_trigger=role is Role.STOP,
        position_index=0,
        attached_stop=None,
    )
    fact = OrderRequested(
        effect_key=f"{client_order_id}/place",
        role=role,
        index=index,
        revision=0,
        order=intent,
        requested_at=NOON,
    )
    held.trade = evolve(held.trade, fact)
    held.states.append(held.trade)
    return fact


def report(
    held: Held, client_order_id: str, quantity: str, *, price: str = "65000", fee: Decimal = Decimal(0), key: str = ""
) -> ExecutionReported:
    """Have the trade count an execution."""
    fact = ExecutionReported(
        account="main",
        execution_id=key or f"execution-{next(_numbers)}",
        symbol=SYMBOL,
        order_id="order",
        client_order_id=client_order_id,
        order_side=OrderSide.BUY,
        kind=ExecutionKind.TRADE,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee_usdt=fee,
        is_maker=True,
        executed_at=NOON + timedelta(seconds=1),
        sequence=1,
    )
    held.trade = evolve(held.trade, fact)
    held.states.append(held.trade)
    return fact
