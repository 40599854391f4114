"""What every ExchangePort keeps to, told by trading through it. Another implementation joins by a line in SETTINGS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from actors.errors import DuplicateId, Gone, Rejected, TriggerPassed
from actors.messages.orders import AmendOrder, CancelOrder, ExecutionKind, SetPositionStop
from actors.model.account import MarginMode
from actors.model.order import OrderIntent, OrderKind, OrderSide, OrderState
from actors.model.position import PositionMode, PositionSide
from actors.ports import ExchangePort
from adapters.bybit import order_params
from adapters.bybit.access import BybitAccess
from adapters.bybit.connections import open_exchange
from adapters.bybit.rate_limit import RateBudget
from adapters.simulated.config import ExchangeConfig
from adapters.simulated.server import ExchangeServer, RunningExchange
from adapters.simulated.v5_routes import call
from runtime.clock import SystemClock

D = Decimal
SYMBOL = "BTCUSDT"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A port, and a hand on the market behind it."""

    port: ExchangePort
    move: Callable[[Decimal], None]  # walk the price of SYMBOL there, matching everything on the way
    crowd: Callable[[Sequence[OrderIntent]], None]  # place many orders behind the port's back, past any rate limit


@contextmanager
def bybit_over_loopback() -> Iterator[Setting]:
    """Make the Bybit adapter over the real pybit, with the local exchange behind it."""
    server = ExchangeServer(ExchangeConfig(seed=5, speed=D(0)))
    server.start()
    access = BybitAccess(api_key="paper-main-key", api_secret="paper-main-secret", rest_url=server.rest_url)
    clock = SystemClock()
    port = open_exchange(access, RateBudget(clock), account="main", clock=clock)

    def crowd(intents: Sequence[OrderIntent]) -> None:
        def place(running: RunningExchange) -> None:
            for intent in intents:
                answer = call(running.bybit, "main", "/v5/order/create", order_params.place(intent))
                assert answer["retCode"] == 0, answer

        server.run(place)

    try:
        yield Setting(port=port, move=lambda price: server.move_prices({SYMBOL: price}), crowd=crowd)
    finally:
        port.close()
        server.stop()


SETTINGS: dict[str, Callable[[], AbstractContextManager[Setting]]] = {"bybit over loopback": bybit_over_loopback}


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    """A fresh account with USDT in it; BTCUSDT stands at 65000."""
    with SETTINGS[request.param]() as made:
        made.move(D(65000))
        yield made


@pytest.fixture
def port(setting: Setting) -> ExchangePort:
    """The port alone."""
    return setting.port


_numbers = count(1)


def client_id(role: str) -> str:
    return f"SFtest1-7K3Q9X-{role}-{next(_numbers)}"


def limit(price: str, quantity: str = "0.01", *, role: str = "e1") -> OrderIntent:
    """Intend a resting entry."""
    return OrderIntent(
        client_order_id=client_id(role),
        symbol=SYMBOL,
        order_side=OrderSide.BUY,
        kind=OrderKind.LIMIT,
        quantity=D(quantity),
        price=D(price),
    )


def market(quantity: str = "0.01", side: OrderSide = OrderSide.BUY) -> OrderIntent:
    """Intend to buy or sell at once."""
    return OrderIntent(
        client_order_id=client_id("m"), symbol=SYMBOL, order_side=side, kind=OrderKind.MARKET, quantity=D(quantity)
    )


def stop(trigger: str, quantity: str = "0.01", *, rises: bool = False) -> OrderIntent:
    """Intend the stop-loss of a long."""
    return OrderIntent(
        client_order_id=client_id("sl"),
        symbol=SYMBOL,
        order_side=OrderSide.SELL,
        kind=OrderKind.MARKET,
        quantity=D(quantity),
        trigger_price=D(trigger),
        trigger_rises=rises,
        reduce_only=True,
        close_on_trigger=True,
    )


def amend(
    order: OrderIntent,
    *,
    quantity: Decimal | None = None,
    price: Decimal | None = None,
    trigger_price: Decimal | None = None,
    attached_stop: Decimal | None = None,
) -> AmendOrder:
    """Ask for a change of an order."""
    return AmendOrder(
        account="main",
        trade_id="7K3Q9X",
        symbol=SYMBOL,
        client_order_id=order.client_order_id,
        quantity=quantity,
        price=price,
        trigger_price=trigger_price,
        attached_stop=attached_stop,
    )


def cancel(order: OrderIntent) -> CancelOrder:
    """Ask for the end of an order."""
    return CancelOrder(account="main", trade_id="7K3Q9X", symbol=SYMBOL, client_order_id=order.client_order_id)


def backstop(price: str) -> SetPositionStop:
    """Ask for a position-level stop of the long."""
    return SetPositionStop(
        account="main", symbol=SYMBOL, position_side=PositionSide.LONG, position_index=0, stop_price=D(price)
    )


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


# --- orders ------------------------------------------------------------------------------------------------------
def test_an_order_placed_is_found_by_its_client_id_and_listed(port: ExchangePort) -> None:
    intent = replace(limit("60000.10", "0.010"), attached_stop=D(58000))

    accepted = port.place_order(intent)

    found = port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert found.order_id == accepted.order_id
    assert found.client_order_id == intent.client_order_id
    assert (found.order_side, found.kind, found.state) == (OrderSide.BUY, OrderKind.LIMIT, OrderState.WORKING)
    assert (found.quantity, found.price, found.attached_stop) == (D("0.01"), D("60000.1"), D(58000))
    assert (found.filled_quantity, found.remaining_quantity) == (D(0), D("0.01"))
    assert port.open_orders(SYMBOL) == port.open_orders() == (found,)


def test_an_order_nobody_made_is_not_found(port: ExchangePort) -> None:
    assert port.find_order(SYMBOL, "SFtest1-NOBODY-e1-0") is None
    assert port.open_orders() == ()


def test_the_same_client_id_twice_is_a_duplicate_and_places_nothing(port: ExchangePort) -> None:
    intent = limit("60000")
    port.place_order(intent)

    with pytest.raises(DuplicateId):
        port.place_order(intent)

    assert len(port.open_orders(SYMBOL)) == 1


def test_all_pages_of_open_orders_are_read(setting: Setting) -> None:
    """The exchange gives 50 a page."""
    intents = [limit(str(30000 + number), "0.001") for number in range(120)]
    setting.crowd(intents)

    found = setting.port.open_orders(SYMBOL)

    assert {order.client_order_id for order in found} == {intent.client_order_id for intent in intents}
    assert len(found) == 120


def test_an_amended_order_keeps_what_was_not_named(port: ExchangePort) -> None:
    intent = limit("60000")
    port.place_order(intent)

    port.amend_order(amend(intent, price=D("61000.5")))
    port.amend_order(amend(intent, quantity=D("0.02")))

    found = port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert (found.price, found.quantity) == (D("61000.5"), D("0.02"))


def test_amending_to_what_is_already_so_is_done(port: ExchangePort) -> None:
    intent = limit("60000")
    port.place_order(intent)

    port.amend_order(amend(intent, price=D(60000)))
    port.amend_order(amend(intent))

    assert len(port.open_orders(SYMBOL)) == 1


def test_a_cancelled_order_is_found_cancelled_and_cannot_be_cancelled_or_amended_again(port: ExchangePort) -> None:
    intent = limit("60000")
    port.place_order(intent)

    port.cancel_order(cancel(intent))

    found = port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert found.state is OrderState.CANCELLED
    assert port.open_orders() == ()
    with pytest.raises(Gone):
        port.cancel_order(cancel(intent))
    with pytest.raises(Gone):
        port.amend_order(amend(intent, price=D(61000)))


def test_an_order_that_filled_is_gone_for_cancelling_and_found_filled(setting: Setting) -> None:
    intent = limit("64000")
    setting.port.place_order(intent)
    setting.move(D(63900))

    with pytest.raises(Gone):
        setting.port.cancel_order(cancel(intent))

    found = setting.port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert (found.state, found.filled_quantity, found.average_price) == (OrderState.FILLED, D("0.01"), D(64000))
    assert found.fee_usdt is not None
    assert found.fee_usdt > 0


@pytest.mark.parametrize(
    "intent",
    [
        limit("60000.05"),  # off the tick
        limit("60000", "0.0015"),  # off the step
        limit("60000", "0.00001"),  # under the minimum
        replace(limit("60000"), symbol="NOSUCHUSDT"),
        replace(market(side=OrderSide.SELL), reduce_only=True),  # nothing to reduce
    ],
    ids=["off the tick", "off the step", "too little", "no such symbol", "nothing to reduce"],
)
def test_an_impossible_order_is_rejected_with_the_exchanges_code_and_words(
    port: ExchangePort, intent: OrderIntent
) -> None:
    with pytest.raises(Rejected, match=intent.client_order_id) as caught:
        port.place_order(intent)

    assert caught.value.code is not None
    assert port.open_orders() == ()


def test_an_immediate_order_fills_within_its_price_and_ends_with_what_it_got(port: ExchangePort) -> None:
    """Far more than is offered up to its price: the rest does not wait there."""
    intent = replace(limit("65000.1", "1.2"), immediate=True, attached_stop=D(60000))

    port.place_order(intent)

    found = port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert (found.kind, found.state, found.price, found.immediate) == (
        OrderKind.LIMIT,
        OrderState.CANCELLED,
        D("65000.1"),
        True,
    )
    assert D(0) < found.filled_quantity < D("1.2")
    assert found.remaining_quantity == D(0)
    fills = port.executions(since=an_hour_ago(), symbol=SYMBOL)
    assert sum(each.quantity for each in fills) == found.filled_quantity
    assert all(each.price <= D("65000.1") and not each.is_maker for each in fills)
    [position] = port.positions(SYMBOL)
    assert (position.size, position.stop_price) == (found.filled_quantity, D(60000))
    assert [order for order in port.open_orders(SYMBOL) if not order.is_position_stop] == []


def test_an_immediate_order_the_market_has_left_behind_ends_without_a_fill(setting: Setting) -> None:
    setting.move(D(65100))
    intent = replace(limit("65050"), immediate=True)

    setting.port.place_order(intent)

    found = setting.port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert (found.state, found.filled_quantity) == (OrderState.CANCELLED, D(0))
    assert setting.port.open_orders(SYMBOL) == setting.port.executions(since=an_hour_ago(), symbol=SYMBOL) == ()
    assert setting.port.positions() == ()


def test_an_immediate_order_that_fits_fills_whole(port: ExchangePort) -> None:
    intent = replace(limit("65050"), immediate=True)

    port.place_order(intent)

    found = port.find_order(SYMBOL, intent.client_order_id)
    assert found is not None
    assert (found.state, found.filled_quantity) == (OrderState.FILLED, D("0.01"))


# --- stops -------------------------------------------------------------------------------------------------------
def test_a_stop_rests_untriggered_moves_and_fires(setting: Setting) -> None:
    port = setting.port
    port.place_order(market())
    guard = stop("63000")
    port.place_order(guard)

    resting = port.find_order(SYMBOL, guard.client_order_id)
    assert resting is not None
    assert (resting.state, resting.trigger_price) == (OrderState.UNTRIGGERED, D(63000))
    assert (resting.reduce_only, resting.close_on_trigger, resting.is_position_stop) == (True, True, False)

    port.amend_order(replace(amend(guard, trigger_price=D(64000)), is_stop=True))
    setting.move(D(63900))

    fired = port.find_order(SYMBOL, guard.client_order_id)
    assert fired is not None
    assert (fired.state, fired.filled_quantity) == (OrderState.FILLED, D("0.01"))
    assert port.positions() == ()


@pytest.mark.parametrize(
    ("trigger", "rises"), [("66000", False), ("64000", True)], ids=["expected to fall", "expected to rise"]
)
def test_a_trigger_behind_the_market_is_told_with_the_side_it_was_expected_from(
    port: ExchangePort, trigger: str, rises: bool
) -> None:
    port.place_order(market())

    with pytest.raises(TriggerPassed) as caught:
        port.place_order(stop(trigger, rises=rises))

    assert caught.value.expected_rise is rises


def test_the_backstop_is_set_moved_repeated_and_seen(port: ExchangePort) -> None:
    port.place_order(market())

    port.set_position_stop(backstop("60000"))
    port.set_position_stop(backstop("61000.5"))
    port.set_position_stop(backstop("61000.5"))

    [position] = port.positions(SYMBOL)
    assert position.stop_price == D("61000.5")
    [order] = port.open_orders(SYMBOL)
    assert order.is_position_stop
    assert order.client_order_id is None
    assert order.trigger_price == D("61000.5")


def test_a_backstop_without_a_position_is_rejected(port: ExchangePort) -> None:
    with pytest.raises(Rejected):
        port.set_position_stop(backstop("60000"))


def test_an_attached_stop_comes_alive_with_the_first_fill(setting: Setting) -> None:
    setting.port.place_order(replace(limit("64000"), attached_stop=D(60000)))
    setting.move(D(63990))

    [position] = setting.port.positions(SYMBOL)
    assert (position.side, position.stop_price) == (PositionSide.LONG, D(60000))


# --- positions, executions, results --------------------------------------------------------------------------------
def test_positions_without_a_symbol_are_the_open_ones_with_one_flat_rows_too(port: ExchangePort) -> None:
    assert port.positions() == ()
    [flat] = port.positions(SYMBOL)
    assert (flat.side, flat.size) == (None, D(0))

    port.place_order(market("0.02"))

    [held] = port.positions()
    assert (held.symbol, held.side, held.size, held.position_index) == (SYMBOL, PositionSide.LONG, D("0.02"), 0)
    assert held.average_price is not None
    assert held.liquidation_price is None or held.liquidation_price < held.average_price


def test_executions_come_oldest_first_once_each_and_only_since_the_instant(setting: Setting) -> None:
    port = setting.port
    opening, closing = market("0.02"), replace(market("0.02", OrderSide.SELL), reduce_only=True)
    port.place_order(opening)
    port.place_order(closing)

    found = port.executions(since=an_hour_ago(), symbol=SYMBOL)

    assert sum(each.quantity for each in found if each.client_order_id == opening.client_order_id) == D("0.02")
    assert sum(each.quantity for each in found if each.client_order_id == closing.client_order_id) == D("0.02")
    assert [each.executed_at for each in found] == sorted(each.executed_at for each in found)
    assert len({each.execution_id for each in found}) == len(found)
    assert {each.kind for each in found} == {ExecutionKind.TRADE}
    assert all(each.fee_usdt > 0 and each.account == "main" and not each.is_maker for each in found)
    assert port.executions(since=an_hour_ago()) == found
    assert port.executions(since=datetime.now(UTC) + timedelta(minutes=1), symbol=SYMBOL) == ()


def test_executions_of_many_days_are_joined(port: ExchangePort) -> None:
    port.place_order(market())

    found = port.executions(since=datetime.now(UTC) - timedelta(days=22), symbol=SYMBOL)

    assert sum(each.quantity for each in found) == D("0.01")
    assert len({each.execution_id for each in found}) == len(found)


def test_all_pages_of_executions_and_results_are_read(setting: Setting) -> None:
    """The exchange gives 100 a page."""
    sides = [OrderSide.BUY, OrderSide.SELL] * 110
    setting.crowd([market("0.001", side) for side in sides])

    found = setting.port.executions(since=an_hour_ago(), symbol=SYMBOL)
    results = setting.port.closed_pnl(since=an_hour_ago())

    assert sum(each.quantity for each in found) == D("0.220")
    assert len({each.order_id for each in found}) == 220
    assert len({each.order_id for each in results}) == 110


def test_a_closed_position_has_its_result_net_of_fees(setting: Setting) -> None:
    port = setting.port
    port.place_order(limit("65500", "0.01"))
    [bought] = port.executions(since=an_hour_ago())
    setting.move(D(66000))
    port.place_order(replace(market("0.01", OrderSide.SELL), reduce_only=True))

    [result] = port.closed_pnl(since=an_hour_ago(), symbol=SYMBOL)

    sold = port.executions(since=an_hour_ago())[1:]
    proceeds = sum(each.price * each.quantity for each in sold)
    fees = bought.fee_usdt + sum(each.fee_usdt for each in sold)
    assert result.quantity == D("0.01")
    assert result.order_id == sold[0].order_id
    assert abs(result.pnl_usdt - (proceeds - bought.price * bought.quantity - fees)) < D("1E-6")


# --- rules and account ---------------------------------------------------------------------------------------------
def test_an_instruments_rules(port: ExchangePort) -> None:
    rules = port.instrument(SYMBOL)

    assert rules is not None
    assert (rules.base, rules.quote, rules.trading) == ("BTC", "USDT", True)
    assert (rules.tick_size, rules.quantity_step, rules.min_quantity) == (D("0.1"), D("0.001"), D("0.001"))
    assert rules.min_notional_usdt == D(5)
    assert rules.max_leverage >= 50
    assert rules in port.instruments()


def test_an_unknown_symbol_has_no_rules_and_no_view(port: ExchangePort) -> None:
    assert port.instrument("NOSUCHUSDT") is None
    assert port.opening_view("NOSUCHUSDT") is None


def test_the_view_for_an_opening_tells_everything(setting: Setting) -> None:
    port = setting.port
    port.place_order(market())
    port.place_order(stop("63000"))
    port.set_leverage(SYMBOL, D(10))

    view = port.opening_view(SYMBOL)

    assert view is not None
    assert view.account == "main"
    assert view.instrument == port.instrument(SYMBOL)
    assert D(0) < view.fees.maker < view.fees.taker < D("0.001")
    assert view.balance.available_usdt < view.balance.equity_usdt
    assert view.margin_mode in MarginMode
    assert view.position_mode is PositionMode.ONE_WAY
    assert [position.side for position in view.positions] == [PositionSide.LONG]
    assert view.positions[0].leverage == D(10)
    assert view.conditional_orders == 1
    assert (view.last_price, view.mark_price) == port.last_price(SYMBOL)
    assert D("0.001") < view.maintenance_margin_rate < D("0.1")
    assert abs(view.read_at - datetime.now(UTC)) < timedelta(seconds=10)


def test_prices_follow_the_market(setting: Setting) -> None:
    setting.move(D("65432.1"))

    assert setting.port.last_price(SYMBOL)[0] == D("65432.1")


def test_the_prices_of_many_symbols_come_together_without_those_not_listed(setting: Setting) -> None:
    setting.move(D("65432.1"))

    assert setting.port.last_prices({SYMBOL, "NOSUCHUSDT"}) == {SYMBOL: setting.port.last_price(SYMBOL)}


def test_the_price_of_no_symbol_is_an_error_not_a_number(port: ExchangePort) -> None:
    with pytest.raises(Rejected):
        port.last_price("NOSUCHUSDT")


def test_leverage_is_set_and_setting_it_again_is_done(port: ExchangePort) -> None:
    port.set_leverage(SYMBOL, D("12.5"))
    port.set_leverage(SYMBOL, D("12.5"))

    [flat] = port.positions(SYMBOL)
    assert flat.leverage == D("12.5")


def test_leverage_beyond_the_instruments_cap_is_rejected(port: ExchangePort) -> None:
    with pytest.raises(Rejected):
        port.set_leverage(SYMBOL, D(1000))


def test_the_balance_of_a_fresh_account_is_all_available(port: ExchangePort) -> None:
    balance = port.balance()

    assert balance.equity_usdt == balance.wallet_usdt == balance.available_usdt == D(10000)


def test_the_key_may_trade_but_not_withdraw(port: ExchangePort) -> None:
    rights = port.key_rights()

    assert rights.user_id
    assert (rights.read_only, rights.may_order, rights.may_position, rights.unified) == (False, True, True, True)
    assert not rights.may_withdraw


def test_clocks_on_one_machine_agree(port: ExchangePort) -> None:
    assert abs(port.clock_offset_seconds()) < 0.5
