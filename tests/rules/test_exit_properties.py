"""Whatever prices and fills come, in whatever order: one exit at a time, stops only tighter, targets net enough."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages.trading import StopPriceMoved
from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.position import PositionSide
from actors.model.trade import LegState, Phase, Role
from actors.rules.held import holding_of
from tests.rules.test_exit_rules import Market, net_opening, with_exits

D = Decimal
TICK = D("0.0001")
WILD = ExitRules(
    breakeven_after=2,
    follow_after=2,
    trailing=TrailingStop(
        activation=Offset(value=D("0.004"), of_price=False), distance=Offset(value=D("0.003"), of_price=True)
    ),
    leave_after_seconds=900,
    entries_expire_after_seconds=300,
    entries_expire_on_touch=True,
)


class Walk:
    """A market that walks, answers that come late, orders that fill in parts where the walk has touched them."""

    def __init__(self, market: Market, dice: Random, price: Decimal) -> None:
        self.market, self.dice, self.price = market, dice, price
        self.stops: list[Decimal] = []

    def step(self) -> None:
        match self.dice.randrange(4):
            case 0 | 1:
                self.price += self.dice.randint(-40, 40) * TICK
                self.market.see(str(self.price), age=self.dice.choice((0.0, 0.0, 0.0, 40.0)), after=self.dice.random())
            case 2 if self.market.asked:
                self.market.settle()
            case 3:
                self.fill_something()
        self.check()

    def fill_something(self) -> None:
        trade = self.market.trade
        live = [leg for leg in trade.legs if leg.state is LegState.LIVE and self.touched(leg.role, leg.price)]
        live = [leg for leg in live if leg.role is Role.ENTRY or trade.open_quantity]
        if not live:
            return
        leg = self.dice.choice(live)
        left = leg.quantity - leg.filled_quantity
        most = left if leg.role is Role.ENTRY else min(left, trade.open_quantity)
        parts = int(most / D("0.1"))
        if parts > 0:
            quantity = D(self.dice.choice((parts, self.dice.randint(1, parts)))) * D("0.1")
            price = leg.price or self.price
            self.market.fill(
                leg.role, str(quantity), str(price), index=leg.index, fee=str(quantity * price * D("0.0004"))
            )

    def touched(self, role: Role, price: Decimal | None) -> bool:
        sign = self.market.trade.side.sign * (-1 if role is Role.ENTRY else 1)
        if role is Role.STOP:
            return (self.price - self.market.trade.stop_price) * sign <= 0
        return price is None or (self.price - price) * sign >= 0

    def check(self) -> None:
        trade = self.market.trade
        exits = [leg for leg in trade.of(Role.EXIT) if leg.live]
        rungs = [leg for leg in trade.of(Role.TARGET) if leg.live]
        assert len(exits) <= 1, "two exits at once"
        assert not (exits and rungs), "an exit beside a rung"
        moves = [fact for fact in self.market.journal if isinstance(fact, StopPriceMoved)]
        placed = trade.of(Role.STOP)
        if placed:
            self.stops.append(trade.stop_price)
            assert all((b - a) * trade.side.sign >= 0 for a, b in zip(self.stops, self.stops[1:], strict=False)), moves


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(PositionSide))
def test_a_net_target_leaves_once_and_its_target_nets_enough(seed: int, side: PositionSide) -> None:
    market = Market.of(net_opening(side, NetTarget()))
    assert isinstance(market, Market)
    walk = Walk(market, Random(seed), D(1))
    for _ in range(80):
        walk.step()
        trade, held = market.trade, holding_of(market.trade)
        right = held is not None and trade.target_price is not None and trade.target_entered == trade.entered_quantity
        if right and held is not None and trade.target_price is not None and trade.phase is not Phase.CLOSING:
            assert held.net_usdt(trade.target_price, trade.fees.maker) >= 10


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(PositionSide))
def test_all_exit_rules_together_leave_once_and_never_loosen_a_stop(seed: int, side: PositionSide) -> None:
    market = Market.of(with_exits(WILD, side=side, keep_entries=seed % 2 == 0))
    assert isinstance(market, Market)
    walk = Walk(market, Random(seed), D("1.195") if side is PositionSide.LONG else D("1.205"))
    for _ in range(120):
        walk.step()
    assert market.restarted() == market.trade
