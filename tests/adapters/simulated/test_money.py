"""Money: whatever happens, executions add up to positions and the wallet to what was earned, paid and received."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulated.config import ExchangeConfig
from adapters.simulated.exchange import AccountSpec
from adapters.simulated.local_bybit import LocalBybit
from adapters.simulated.v5_routes import call

D = Decimal
QUANTITIES = st.sampled_from(["0.001", "0.01", "0.037", "0.2", "1.5"])
PRICES = st.integers(min_value=620_000, max_value=680_000).map(lambda ticks: str(D(ticks) / 10))
SIDES = st.sampled_from(["Buy", "Sell"])
ACTS = st.one_of(
    st.tuples(st.just("market"), SIDES, QUANTITIES, st.booleans()),
    st.tuples(st.just("limit"), SIDES, QUANTITIES, PRICES, st.booleans()),
    st.tuples(st.just("stop"), SIDES, QUANTITIES, PRICES, st.booleans()),
    st.tuples(st.just("attached"), SIDES, QUANTITIES, PRICES, PRICES),
    st.tuples(st.just("trading_stop"), PRICES, PRICES),
    st.tuples(st.just("amend"), st.integers(0, 5), QUANTITIES),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("move"), PRICES),
    st.tuples(st.just("funding")),
    st.tuples(st.just("thin"), st.sampled_from([None, "0.01", "0.3"])),
)


class World:
    """One account under random orders and prices."""

    def __init__(self, mode: str) -> None:
        self.now_ms = 1_700_000_000_000
        spec = AccountSpec(name="a", key="k", secret="s", balance_usdt=D(50_000), margin_mode=mode)
        self.bybit = LocalBybit(ExchangeConfig(script={}, salt="x", accounts=(spec,)), lambda: self.now_ms)
        self.account = self.bybit.exchange.venue.accounts["a"]
        self.hours = 0

    def ask(self, path: str, **params: Any) -> dict[str, Any]:
        return call(self.bybit, "a", f"/v5/{path}", {"category": "linear", "symbol": "BTCUSDT", **params})

    def open_order(self, number: int) -> str:
        rows = self.ask("order/realtime")["result"]["list"]
        return rows[number % len(rows)]["orderId"] if rows else "none"

    def act(self, act: Any) -> None:
        self.now_ms += 250
        kind, *rest = act
        getattr(self, kind)(*rest)

    def market(self, side: str, qty: str, reduce_only: bool) -> None:
        self.ask("order/create", side=side, orderType="Market", qty=qty, reduceOnly=reduce_only)

    def limit(self, side: str, qty: str, price: str, reduce_only: bool) -> None:
        self.ask("order/create", side=side, orderType="Limit", qty=qty, price=price, reduceOnly=reduce_only)

    def stop(self, side: str, qty: str, trigger: str, reduce_only: bool) -> None:
        direction = 1 if D(trigger) > self.bybit.exchange.venue.markets["BTCUSDT"].last else 2
        stop = {"triggerPrice": trigger, "triggerDirection": direction, "reduceOnly": reduce_only}
        self.ask("order/create", side=side, orderType="Market", qty=qty, **stop)

    def attached(self, side: str, qty: str, price: str, stop: str) -> None:
        self.ask("order/create", side=side, orderType="Limit", qty=qty, price=price, stopLoss=stop)

    def trading_stop(self, stop: str, target: str) -> None:
        self.ask("position/trading-stop", tpslMode="Full", positionIdx=0, stopLoss=stop, takeProfit=target)

    def amend(self, number: int, qty: str) -> None:
        self.ask("order/amend", orderId=self.open_order(number), qty=qty)

    def cancel(self, number: int) -> None:
        self.ask("order/cancel", orderId=self.open_order(number))

    def move(self, price: str) -> None:
        self.bybit.driver.move({"BTCUSDT": (D(price), None)})

    def funding(self) -> None:
        self.hours += 8
        self.bybit.driver.advance(until_ms=self.bybit.driver.market_ms + 8 * 3_600_000)

    def thin(self, quantity: str | None) -> None:
        depth = self.bybit.exchange.venue.markets["BTCUSDT"].depth
        depth.level_quantity = None if quantity is None else D(quantity)


def check(world: World) -> None:
    account = world.account
    signs = {"Buy": 1, "Sell": -1}
    traded = [each for each in account.executions if each.exec_type != "Funding"]
    position = account.position("BTCUSDT", 0)
    assert sum(signs[each.side] * each.qty for each in traded) == position.size * position.sign
    assert position.size >= 0
    assert account.wallet == account.start_balance + account.realised - account.fees + account.funding
    assert sum(each.fee for each in account.executions if each.exec_type != "Funding") == account.fees
    assert -sum(each.fee for each in account.executions if each.exec_type == "Funding") == account.funding
    assert sum(each.realised for each in traded) == account.realised
    rows = account.closed_pnl.values()
    closed = sum((each.closed_pnl for each in rows), start=D(0))
    assert abs(closed - (account.realised - account.fees + position.open_fees)) < D("1e-6")
    assert len({each.exec_id for each in account.executions}) == len(account.executions)
    for order in account.orders.values():
        mine = [each for each in traded if each.order_id == order.order_id]
        assert sum((each.qty for each in mine), start=D(0)) == order.cum_qty <= max(order.qty, order.cum_qty)
        assert order.cum_qty <= order.qty
        if order.reduce_only:
            assert all(each.qty == each.closed_size for each in mine)
        if order.is_open and not order.is_conditional and order.closes:
            assert order.leaves <= position.size
    stops = [each for each in account.open_on("BTCUSDT").values() if each.is_position_stop]
    assert all(each.qty == position.size and each.side != position.side for each in stops)
    index = world.bybit.exchange.venue.markets["BTCUSDT"].index
    assert len(index) == len(account.open_on("BTCUSDT"))


@settings(max_examples=120, deadline=None)
@given(acts=st.lists(ACTS, max_size=30), mode=st.sampled_from(["ISOLATED_MARGIN", "REGULAR_MARGIN"]))
def test_any_sequence_conserves_quantity_and_money_and_never_flips_by_reduce_only(acts: list[Any], mode: str) -> None:
    world = World(mode)
    for act in acts:
        world.act(act)
        check(world)


@settings(max_examples=30, deadline=None)
@given(acts=st.lists(ACTS, max_size=15))
def test_the_same_requests_and_prices_give_the_same_exchange(acts: list[Any]) -> None:
    worlds = [World("ISOLATED_MARGIN"), World("ISOLATED_MARGIN")]
    for world in worlds:
        for act in acts:
            world.act(act)

    first, second = (world.bybit.control_state() for world in worlds)
    assert first == second


@settings(max_examples=60, deadline=None)
@given(prices=st.lists(PRICES, min_size=1, max_size=6), orders=st.lists(st.tuples(SIDES, PRICES), max_size=12))
def test_a_walk_in_one_jump_fills_the_same_limits_as_a_walk_by_the_tick(
    prices: list[str], orders: list[tuple[str, str]]
) -> None:
    """What lies on the way is matched however large the steps are."""
    worlds = [World("ISOLATED_MARGIN"), World("ISOLATED_MARGIN")]
    filled = []
    for world, stride in zip(worlds, (None, D(700)), strict=True):
        world.account.wallet = world.account.start_balance = D(10**9)
        for side, price in orders:
            world.limit(side, "0.001", price, False)
        for target in prices:
            last = world.bybit.exchange.venue.markets["BTCUSDT"].last
            while stride is not None and abs(D(target) - last) > stride:
                last += stride if D(target) > last else -stride
                world.move(str(last))
            world.move(target)
        filled.append({order.number: order.cum_qty for order in world.account.orders.values()})
    assert list(filled[0].values()) == list(filled[1].values())
