"""Exit rules carried out: a monitor hears prices only while it may act, and a fresh life goes on where the last was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.messages import addresses
from actors.messages.monitoring import LeaveNow
from actors.messages.trading import TradeAccepted, TradeClosed, TradeQuestion
from tests.actors.trades.conftest import TradeWorld

D = Decimal
LADDER = "XRPUSDT long entries 1.19 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"
NET = "XRPUSDT long entries 1.19 margin 10% leverage 10 approach net-target net 10 floor 5 loss 20"


def entered(world: TradeWorld, words: str) -> TradeAccepted:
    """Open a trade, fill its entry, and let stop and targets come to rest."""
    trade = world.open_trade(words)
    world.fill("E1")
    world.pass_time(1)
    assert world.exchange.live("S") is not None
    assert world.exchange.live("T1") is not None
    return trade


def crash(world: TradeWorld, trade: TradeAccepted) -> None:
    """Have the monitor fail once, and come back."""
    world.crash(world.monitor(trade), LeaveNow)
    world.system.tell(world.monitor(trade), LeaveNow(by="crash"))
    world.pass_time(5)
    world.faults.clear()


def restart(world: TradeWorld, _trade: TradeAccepted) -> None:
    world.exchange.price_subscribers.clear()
    world.reboot()
    world.pass_time(10)


def stop_price(world: TradeWorld) -> Decimal:
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.trigger_price is not None
    return stop.trigger_price


def closed(world: TradeWorld, trade: TradeAccepted) -> TradeClosed:
    world.until(lambda: not world.live_rows())
    world.pass_time(1)
    return next(fact for fact in world.journal(trade).facts if isinstance(fact, TradeClosed))


LIVES = pytest.mark.parametrize("happens", [lambda *_: None, crash, restart], ids=["nothing", "crash", "restart"])
Happening = Callable[[TradeWorld, TradeAccepted], None]


def test_a_plain_trade_hears_no_price(world: TradeWorld) -> None:
    entered(world, LADDER)
    assert world.exchange.price_subscribers == set()


def test_prices_are_heard_from_the_first_fill_until_the_trade_leaves(world: TradeWorld) -> None:
    trade = world.open_trade(NET)
    assert world.exchange.price_subscribers == set()
    world.fill("E1")
    world.pass_time(1)
    assert world.exchange.price_subscribers == {world.monitor(trade)}
    world.ask(world.monitor(trade), LeaveNow(by="test"))
    world.pass_time(1)
    assert world.exchange.price_subscribers == set()


@LIVES
def test_a_floor_that_was_armed_is_left_at_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, NET)
    world.see("1.1916")
    assert world.trade(trade).floor_armed
    happens(world, trade)
    world.see("1.1905")
    world.until(lambda: world.exchange.live("X"))
    assert world.exchange.live("T1") is None  # never two exits
    world.fill("X", price="1.1904")
    result = closed(world, trade)
    assert result.reason.value == "floor"
    assert result.slippage_usdt > 0
    assert world.no_order_twice()
    told = [alert.kind for alert in world.alerts()]
    assert told.count("floor_armed") == 1
    assert told.count("exit_started") == 1


@LIVES
def test_a_trailing_stop_goes_on_from_where_it_was_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER + " trail 0.005 trail-from 0.01")
    world.see("1.1990")
    assert stop_price(world) == D("1.15")
    world.see("1.2060")
    assert stop_price(world) == D("1.2010")
    happens(world, trade)
    world.see("1.2020")
    assert stop_price(world) == D("1.2010")
    world.see("1.2080")
    assert stop_price(world) == D("1.2030")


@pytest.mark.parametrize(("words", "moved"), [(NET, "floor_armed"), (LADDER + " trail 0.005", "stop_moved")])
def test_a_price_from_before_the_fill_moves_nothing_however_it_comes(world: TradeWorld, words: str, moved: str) -> None:
    trade = entered(world, words)
    filled_at = world.trade(trade).first_fill_at
    assert filled_at is not None
    world.see("1.1990", age_seconds=10.0)  # the watcher's last known one, told at the subscription
    world.see("1.1990", reported_at=filled_at - timedelta(milliseconds=1))  # overtaken by the fill's report
    assert moved not in [alert.kind for alert in world.alerts()]
    world.see("1.1990", reported_at=filled_at)
    assert moved in [alert.kind for alert in world.alerts()]


@pytest.mark.parametrize(("words", "moved"), [(NET, "floor_armed"), (LADDER + " trail 0.005", "stop_moved")])
def test_an_exchange_clock_set_back_puts_rules_off_for_half_a_minute_at_most(
    world: TradeWorld, words: str, moved: str
) -> None:
    trade = entered(world, words)
    filled_at = world.trade(trade).first_fill_at
    assert filled_at is not None
    world.see("1.1990", reported_at=filled_at - timedelta(hours=1), after=31.0)
    assert moved in [alert.kind for alert in world.alerts()]


def test_a_flood_of_prices_commits_only_what_moves_something(world: TradeWorld) -> None:
    trade = entered(world, LADDER + " trail 0.005")
    before = len(world.journal(trade).facts)
    for at in range(300):
        world.see(str(D("1.2000") + at % 3 * D("0.0001")), after=0.0)
    stops = [fact for fact in world.journal(trade).facts[before:] if type(fact).__name__ == "StopPriceMoved"]
    assert len(stops) == 1
    assert len(world.journal(trade).facts) - before < 10


def test_a_stale_price_moves_nothing(world: TradeWorld) -> None:
    entered(world, LADDER + " trail 0.005")
    world.see("1.2100", age_seconds=31.0)
    assert stop_price(world) == D("1.15")


@LIVES
def test_a_trade_is_left_when_its_time_is_over_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER + " leave-after 10m")
    happens(world, trade)
    world.pass_time(540)
    assert world.exchange.live("X") is None
    world.until(lambda: world.exchange.live("X"), within_seconds=120)
    world.fill("X")
    assert closed(world, trade).reason.value == "time"


@LIVES
def test_entries_expire_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = world.open_trade(LADDER + " expire 10m")
    happens(world, trade)
    world.pass_time(540)
    assert world.exchange.live("E1") is not None
    world.until(lambda: world.exchange.live("E1") is None, within_seconds=120)
    assert closed(world, trade).reason.value == "no_entry"
    assert any("their time was over" in alert.title for alert in world.alerts("entries_expired"))


def test_a_touched_target_ends_entries_before_the_first_fill(world: TradeWorld) -> None:
    trade = world.open_trade(LADDER + " expire touch")
    assert world.exchange.price_subscribers == {world.monitor(trade)}
    world.see("1.2000")
    assert world.exchange.live("E1") is None
    ended = closed(world, trade)
    assert ended.reason.value == "no_entry"
    told = [line for alert in world.alerts("trade_closed") for line in alert.lines]
    assert "no entry was filled: the first target was touched before the first fill" in told


def test_a_net_target_rests_for_what_was_paid(world: TradeWorld) -> None:
    trade = entered(world, NET)
    folded = world.trade(trade)
    target = world.exchange.live("T1")
    assert target is not None
    assert target.price is not None
    fees = folded.entry_fee_usdt + target.price * target.quantity * D("0.0002")
    assert (target.price - D("1.19")) * target.quantity - fees >= 10
    reading = world.ask(world.monitor(trade), TradeQuestion())
    assert any(line.startswith("floor 5.00 USDT") for line in reading.exits)


def test_a_restarted_price_watcher_is_subscribed_to_again(world: TradeWorld) -> None:
    trade = entered(world, NET)
    world.exchange.price_subscribers.clear()
    world.system.kill(addresses.PRICES)
    world.pass_time(5)
    assert world.exchange.price_subscribers == {world.monitor(trade)}
