"""Whatever order the world's answers and fills come in, a trade keeps its promises.

A small exchange of this file's own holds the orders a trade asked for. A generated script answers requests late
or with a refusal, fills orders, delays, repeats and reorders reports, and cancels from outside. After every step the
exchange's own record is checked; at the end the trade is told everything and must come to rest in agreement.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages.accounts import PositionVerified
from actors.messages.orders import (
    AmendOrder,
    CancelOrder,
    EffectSettled,
    ExecutionKind,
    ExecutionReported,
    OrderReported,
    PlaceOrder,
    Settlement,
)
from actors.messages.trading import ExitReason, ExitStarted, OrderAbsent, TradeOpened
from actors.model.instrument import FeeRates, Instrument
from actors.model.order import ObservedOrder, OrderState
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Role, Trade, TradeParameters
from actors.model.trade_plan import Approach, MarginShare, PlannedEntry, PlannedRung, SizedEntry, SizedPlan, TradePlan
from actors.rules.decision import decide
from actors.rules.next_orders import Asker, doubtful_legs
from actors.rules.position_life import fold, opened

D = Decimal
ZERO = Decimal(0)
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FEES = FeeRates(maker=D("0.0002"), taker=D("0.00055"))


def an_opening(side: PositionSide, lots: tuple[int, ...], *, keep_entries: bool, step: Decimal) -> TradeOpened:
    sign = side.sign
    entries = tuple(SizedEntry(price=D(100) - sign * at, quantity=step * lot) for at, lot in enumerate(lots, start=1))
    total = sum((entry.quantity for entry in entries), D(0))
    fractions = (D("0.85"), D("0.05"), D("0.05"), D("0.05"))
    plan = TradePlan(
        account="main",
        symbol="SOLUSDT",
        position_side=side,
        approach=Approach.CONSERVATIVE,
        entries=tuple(PlannedEntry(price=entry.price, fraction=entry.quantity / total) for entry in entries),
        rungs=tuple(
            PlannedRung(price=D(100) + sign * at, fraction=fraction) for at, fraction in enumerate(fractions, start=1)
        ),
        stop_price=D(100) - sign * 10,
        size=MarginShare(of_available=D("0.02")),
        leverage=D(10),
        cancel_entries_on_first_target=not keep_entries,
    )
    return TradeOpened(
        trade_id="7K3Q9X",
        number=1,
        label="main/SOLUSDT/7K3Q9X",
        sized=SizedPlan(
            asked_usdt=D(200),
            plan=plan,
            entries=entries,
            quantity=total,
            reference_price=D(99),
            notional_usdt=total * 99,
            margin_usdt=total * 10,
            rung_quantities=(total, D(0), D(0), D(0)),
            loss_at_stop_usdt=D(1),
        ),
        instrument=Instrument(
            symbol="SOLUSDT",
            base="SOL",
            quote="USDT",
            tick_size=D("0.01"),
            quantity_step=step,
            min_quantity=step,
            max_limit_quantity=D(10**6),
            max_market_quantity=D(10**6),
            min_notional_usdt=D(1),
            min_leverage=D(1),
            max_leverage=D(50),
            leverage_step=D("0.01"),
            funding_interval_minutes=480,
        ),
        fees=FEES,
        position_index=0,
        backstop_price=D(100) - sign * 11,
        parameters=TradeParameters(),
        opened_by="test",
        opened_at=START,
    )


@dataclass
class Resting:
    request: PlaceOrder
    quantity: Decimal
    price: Decimal | None
    trigger: Decimal | None
    state: OrderState
    filled: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        return D(0) if self.state.terminal else self.quantity - self.filled


@dataclass
class World:
    """The exchange's record, what travels between it and the trade, and a script's dice."""

    trade: Trade
    dice: Random
    journal: list[Any]
    now: datetime = START
    orders: dict[str, Resting] = field(default_factory=dict)
    position: Decimal = ZERO
    outbound: deque[tuple[str, Any]] = field(default_factory=deque)
    inbound: list[Any] = field(default_factory=list)
    executions: int = 0

    # --- the trade's side -----------------------------------------------------------------------------------------
    def take(self, fact: Any) -> None:
        self.now += timedelta(milliseconds=20)
        decision = decide(self.trade, fact, Asker(installation="QK2C", epoch=1, now=self.now))
        self.trade = decision.trade
        self.journal += decision.facts
        self.outbound.extend(decision.requests)
        assert not decision.excess, "without strangers and siblings nothing is ever sold too much"

    def deliver(self) -> None:
        """Hand over one report; now and then twice, often out of order."""
        if not self.inbound:
            return
        fact = self.inbound.pop(self.dice.randrange(min(4, len(self.inbound))))
        if self.dice.random() < 0.1:
            self.inbound.append(fact)
        self.take(fact)

    # --- the exchange's side --------------------------------------------------------------------------------------
    def answer(self, *, refuse: bool = False) -> None:
        """Carry out the oldest request."""
        if not self.outbound:
            return
        key, request = self.outbound.popleft()
        settlement = Settlement.REJECTED if refuse else getattr(self, f"_{type(request).__name__}")(request)
        self.inbound.append(EffectSettled(effect_key=key, settlement=settlement, settled_at=self.now, code=1))

    def _PlaceOrder(self, request: PlaceOrder) -> Settlement:  # noqa: N802 named after the message it carries out
        order = request.order
        assert order.client_order_id not in self.orders, "one order for one intent"
        if order.reduce_only and not self.position:
            return Settlement.REJECTED
        conditional = order.trigger_price is not None
        self.orders[order.client_order_id] = Resting(
            request=request,
            quantity=order.quantity,
            price=order.price,
            trigger=order.trigger_price,
            state=OrderState.UNTRIGGERED if conditional else OrderState.WORKING,
        )
        if order.price is None and not conditional:
            self.fill(order.client_order_id, order.quantity)
        return Settlement.DONE

    def _AmendOrder(self, request: AmendOrder) -> Settlement:  # noqa: N802
        resting = self.orders[request.client_order_id]
        if resting.state.terminal:
            return Settlement.GONE
        if request.quantity is not None and request.quantity <= resting.filled:
            return Settlement.REJECTED
        resting.quantity = request.quantity or resting.quantity
        resting.price = request.price or resting.price
        resting.trigger = request.trigger_price or resting.trigger
        self.report(request.client_order_id)
        return Settlement.DONE

    def _CancelOrder(self, request: CancelOrder) -> Settlement:  # noqa: N802
        resting = self.orders[request.client_order_id]
        if resting.state.terminal:
            self.report(request.client_order_id)
            return Settlement.DONE
        resting.state = OrderState.CANCELLED
        self.report(request.client_order_id)
        return Settlement.DONE

    def fill(self, client_order_id: str, quantity: Decimal) -> None:
        resting = self.orders[client_order_id]
        order = resting.request.order
        if order.reduce_only:
            quantity = min(quantity, self.position)
        quantity = min(quantity, resting.left)
        if not quantity:
            return
        resting.filled += quantity
        self.position += -quantity if order.reduce_only else quantity
        done = resting.filled == resting.quantity
        resting.state = OrderState.FILLED if done else OrderState.WORKING
        if order.price is None and not done:
            resting.state = OrderState.CANCELLED  # what a market order cannot get is given back
        self.executions += 1
        self.inbound.append(
            ExecutionReported(
                account="main",
                execution_id=f"x{self.executions}",
                symbol="SOLUSDT",
                order_id=client_order_id,
                client_order_id=client_order_id,
                order_side=order.order_side,
                kind=ExecutionKind.TRADE,
                quantity=quantity,
                price=resting.price or resting.trigger or D(95),
                fee_usdt=quantity * D("0.01"),
                is_maker=order.price is not None,
                executed_at=self.now,
            )
        )
        self.report(client_order_id)
        self._shrink_reducers()

    def _shrink_reducers(self) -> None:
        """Reduce-only limits beyond the position are cancelled, as the exchange does."""
        for name, resting in self.orders.items():
            limit = resting.request.order.price is not None and resting.request.order.reduce_only
            if limit and resting.left and not self.position:
                resting.state = OrderState.CANCELLED
                self.report(name)

    def report(self, client_order_id: str) -> None:
        self.inbound.append(OrderReported(account="main", order=self.observed(client_order_id)))

    def observed(self, client_order_id: str) -> ObservedOrder:
        resting = self.orders[client_order_id]
        order = resting.request.order
        return ObservedOrder(
            order_id=client_order_id,
            client_order_id=client_order_id,
            symbol="SOLUSDT",
            order_side=order.order_side,
            kind=order.kind,
            state=resting.state,
            quantity=resting.quantity,
            filled_quantity=resting.filled,
            average_price=(resting.price or resting.trigger or D(95)) if resting.filled else None,
            price=resting.price,
            trigger_price=resting.trigger,
            attached_stop=order.attached_stop,
            reduce_only=order.reduce_only,
            updated_at=self.now,
        )

    # --- the script's moves ---------------------------------------------------------------------------------------
    def step(self) -> None:
        self.now += timedelta(milliseconds=self.dice.choice((1, 5, 50, 400)))
        move = self.dice.random()
        if move < 0.35:
            self.deliver()
        elif move < 0.65:
            self.answer(refuse=self.dice.random() < 0.05)
        elif move < 0.85:
            self.some_fill()
        elif move < 0.90:
            self.outside_cancel()
        elif move < 0.905:
            self.take(
                ExitStarted(reason=ExitReason.PERSON, by="person", started_at=self.now)
            ) if self.leavable else None
        else:
            self.take(None)

    @property
    def leavable(self) -> bool:
        return self.trade.phase not in {Phase.CLOSING, Phase.CLOSED}

    def some_fill(self) -> None:
        live = [name for name, resting in self.orders.items() if resting.left and resting.request.order.price]
        stops = [name for name, resting in self.orders.items() if resting.left and resting.trigger]
        if stops and self.dice.random() < 0.03:
            name = self.dice.choice(stops)
            lots = self.dice.random() < 0.5
            self.fill(name, self.orders[name].left if lots else self._lots(self.orders[name].left))
        elif live:
            name = self.dice.choice(live)
            self.fill(name, self._lots(self.orders[name].left))

    def _lots(self, left: Decimal) -> Decimal:
        step = self.trade.instrument.quantity_step
        return min(left, step * self.dice.randint(1, max(1, int(left / step))))

    def outside_cancel(self) -> None:
        live = [name for name, resting in self.orders.items() if resting.left]
        if live and self.dice.random() < 0.5:
            name = self.dice.choice(live)
            self.orders[name].state = OrderState.CANCELLED
            self.report(name)

    def calm(self) -> None:
        """No more surprises: everything in flight arrives, doubts are read, time passes."""
        for _ in range(400):
            self.now += timedelta(milliseconds=700)
            while self.outbound or self.inbound:
                if self.outbound:
                    self.answer()
                if self.inbound:
                    self.take(self.inbound.pop(0))
            for leg in list(doubtful_legs(self.trade)):
                if leg.client_order_id in self.orders:
                    self.report(leg.client_order_id)
                else:
                    self.take(OrderAbsent(client_order_id=leg.client_order_id, read_at=self.now))
            self.take(None)
            if not self.outbound and not self.inbound and not list(doubtful_legs(self.trade)):
                if self.trade.phase is Phase.CLOSING and not self.position:
                    later = self.now + timedelta(seconds=2)
                    self.take(PositionVerified(first_read_at=later, second_read_at=later))
                    continue
                if self.at_rest:
                    return
        pytest.fail(f"does not come to rest: {self.trade.phase} {[(n, r) for n, r in self.orders.items() if r.left]}")

    @property
    def at_rest(self) -> bool:
        if self.trade.phase is Phase.CLOSED:
            return True
        return self.trade.phase is not Phase.CLOSING and (not self.trade.open_quantity or self.trade.own_stop_covers)

    # --- what must hold -------------------------------------------------------------------------------------------
    def check(self) -> None:
        rungs = sum((resting.left for name, resting in self.orders.items() if "-T" in name), D(0))
        left_early = any(resting.filled for name, resting in self.orders.items() if "-S-" in name or "-X-" in name)
        assert rungs <= self.position or left_early, "targets never exceed the position until a stop has fired"
        stops = [resting for name, resting in self.orders.items() if "-S-" in name and resting.left]
        assert len(stops) <= 1, "one stop a trade"
        for resting in self.orders.values():
            entry = "-E" in resting.request.order.client_order_id
            assert resting.request.order.reduce_only is not entry, "every exit is reduce-only"

    def agrees(self) -> None:
        assert self.trade.open_quantity == self.position
        live = {leg.client_order_id: leg for leg in self.trade.legs if leg.live}
        assert set(live) == {name for name, resting in self.orders.items() if resting.left}
        for name, leg in live.items():
            resting = self.orders[name]
            assert leg.state is LegState.LIVE
            assert (leg.quantity, leg.filled_quantity) == (resting.quantity, resting.filled)
        if self.trade.phase is Phase.CLOSED:
            assert not self.position
            assert not live
        elif self.trade.open_quantity:
            stop = self.trade.live_leg(Role.STOP)
            assert stop is not None
            assert stop.quantity - stop.filled_quantity == self.position
            rungs = sum((leg.quantity - leg.filled_quantity for leg in self.trade.of(Role.TARGET) if leg.live), D(0))
            assert rungs == self.position, "the ladder sums: zero dust"
        assert fold(self.journal) == self.trade


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    seed=st.integers(min_value=0, max_value=2**32),
    side=st.sampled_from(PositionSide),
    lots=st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=3),
    keep_entries=st.booleans(),
    steps=st.integers(min_value=5, max_value=120),
)
def test_a_trade_keeps_its_promises_in_any_order_of_events(
    seed: int, side: PositionSide, lots: list[int], keep_entries: bool, steps: int
) -> None:
    opening = an_opening(side, tuple(lots), keep_entries=keep_entries, step=D("0.1"))
    world = World(trade=opened(opening), dice=Random(seed), journal=[opening])
    world.take(None)
    for _ in range(steps):
        world.step()
        world.check()
    world.calm()
    world.check()
    world.agrees()
