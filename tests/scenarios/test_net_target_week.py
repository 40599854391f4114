"""Net-target trades over a recorded week of XRPUSDT, judged by the exchange's own executions.

The daemon trades on paper under virtual time, market entries long and short, on recorded five-minute candles; no faults
are on. What each trade netted is added up from what the exchange matched, fees as it took them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from actors.messages.trading import TradeClosed
from adapters.assembly.simulation.faults import given_faults
from adapters.assembly.simulation.life import Life
from adapters.assembly.simulation.quiet import silence
from adapters.assembly.simulation.runner import quick_folder
from adapters.assembly.simulation.scenario import Action, Scenario
from adapters.assembly.simulation.world import World
from adapters.simulated.instruments import LISTED

CANDLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "XRPUSDT-5m.csv"
XRP = next(each for each in LISTED if each.symbol == "XRPUSDT")
TICK = Decimal("0.0001")
TAKER = Decimal("0.00055")
NET, FLOOR, LOSS = 10, 4, 30
WORDS = f"entries market margin 8% leverage 10 approach net-target net {NET} floor {FLOOR} loss {LOSS}"
PLACES = 5  # in the week, each its own world
HOURS = 2.0


@dataclass
class Booked:
    """One trade as the exchange has booked it."""

    fills: list[Any] = field(default_factory=list)
    stop_trigger: Decimal | None = None
    sign: int = 1
    told: TradeClosed | None = None

    def role(self, letter: str) -> list[Any]:
        return [each for each in self.fills if each.link_id.split("-")[2].startswith(letter)]

    @property
    def left_by(self) -> str:
        return "".join(sorted({each.link_id.split("-")[2][0] for each in self.fills} - {"E"}))

    def net(self, exits: Iterable[Any] | None = None) -> Decimal:
        rows = self.fills if exits is None else [*self.role("E"), *exits]
        bought = {"Buy": -1, "Sell": 1}
        return sum((bought[each.side] * each.price * each.qty - each.fee for each in rows), Decimal(0))

    def net_at(self, price: Decimal) -> Decimal:
        """Leave all of it at one price, for the taker's fee."""
        quantity = sum((each.qty for each in self.role("E")), Decimal(0))
        entered = self.net([])
        return entered + self.sign * price * quantity - TAKER * price * quantity


def lived(seed: int) -> list[Booked]:
    """Live through some hours of the week and give the trades that ended."""
    actions = tuple(
        Action(at=30.0 + at * 240.0, kind="open", number=at, symbol="XRPUSDT", words=f"XRPUSDT {side} {WORDS}")
        for at, side in enumerate(("long", "short") * int(HOURS * 7.5))
    )
    scenario = Scenario(
        seed=seed,
        seconds=HOURS * 3600,
        instruments=(XRP,),
        actions=actions,
        starts_minutes_before_funding=300,
        ack_slow=False,
        trades_wanted=len(actions),
        hedged=(("main", "XRPUSDT"),),
        candles=str(CANDLES),
    )
    with silence(), TemporaryDirectory(dir=quick_folder()) as folder:
        world = World(scenario, given_faults(seed, {}, {}, {}), Path(folder))
        try:
            Life(world).live()
            return booked(world)
        finally:
            world.close()


def booked(world: World) -> list[Booked]:
    account = world.bybit.exchange.venue.accounts["main"]
    trades: dict[str, Booked] = defaultdict(Booked)
    for fill in account.executions:
        if fill.link_id.startswith("SF"):
            trades[fill.link_id.split("-")[1]].fills.append(fill)
    for order in account.orders.values():
        marks = order.link_id.split("-")
        if len(marks) == 4 and marks[2] == "S" and order.cum_qty:
            trades[marks[1]].stop_trigger = order.trigger_price
    for trade_id, trade in trades.items():
        held = world.watch.trades[trade_id].trade
        trade.sign = held.side.sign
        facts = world.store.load(f"trade/{trade_id}").facts
        trade.told = next((fact for fact in facts if isinstance(fact, TradeClosed)), None)
    return [trade for trade in trades.values() if trade.told is not None]


@pytest.mark.timeout(600)
def test_net_targets_over_the_recorded_week_net_what_they_promise() -> None:
    if not CANDLES.exists():
        pytest.skip("the recorded candles are not beside this checkout")
    trades = [trade for seed in range(1, PLACES + 1) for trade in lived(seed)]
    ended = Counter(trade.left_by for trade in trades)
    assert ended["T"] >= 10, ended
    assert ended["S"] >= 10, ended
    assert ended["X"] >= 3, ended
    for trade in trades:
        told = trade.told
        assert told is not None
        assert abs(told.realised_pnl_usdt - trade.net()) < Decimal("0.000001")
        if trade.left_by == "T":
            assert all(fill.is_maker for fill in trade.role("T"))
            assert trade.net() >= NET, "a resting target netted less than was meant"
            assert told.slippage_usdt == 0
        elif trade.left_by == "S":
            at_trigger = trade.net_at(trade.stop_trigger or Decimal(0))
            tick_worth = TICK * sum((each.qty for each in trade.role("E")), Decimal(0)) * (1 + TAKER)
            assert -LOSS <= at_trigger < -LOSS + tick_worth, "the stop's trigger is more than a tick's worth off"
            slipped = at_trigger - trade.net()
            fee_of_it = abs(told.slippage_usdt) * TAKER
            assert abs(slipped - told.slippage_usdt) <= fee_of_it + Decimal("0.000001"), "slippage is told wrongly"
