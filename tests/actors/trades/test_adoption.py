"""Adoption carried out: the own stop, the backstop, only then others' stops; whole or not at all, over any crash."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Rejected
from actors.messages import addresses
from actors.messages.accounts import BookQuestion, BookReading
from actors.messages.adopting import AdoptionShown, AdoptPosition, ProtectionStands
from actors.messages.monitoring import LeaveNow
from actors.messages.trading import OpenTrade, TradeAccepted, TradeClosed, TradeOpened
from actors.model.guarding import NO_GUARDS
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.model.trade_plan import PlannedRung
from runtime import AskFailed, AskTimeout, Refused
from tests.actors.trades.conftest import SYMBOL, TradeWorld
from tests.actors.trades.test_exit_rules import LIVES, Happening

D = Decimal
APP_STOP = "app-stop"
TARGETS = (PlannedRung(price=D("1.21"), fraction=D("0.5")), PlannedRung(price=D("1.23"), fraction=D("0.5")))


def wish(**more: Any) -> AdoptPosition:
    usual = {
        "command_id": "a1",
        "account": "main",
        "symbol": SYMBOL,
        "position_side": PositionSide.LONG,
        "stop_price": D("1.15"),
        "rungs": TARGETS,
        "by": "chat:17",
    }
    return AdoptPosition(**{**usual, **more})


def hold(
    world: TradeWorld, size: str = "100", *, stop: str | None = "1.12", own_stop: bool = True, wait: bool = True
) -> None:
    """Somebody buys in the app, with a stop of the position and, perhaps, a stop order; wait until it is counted."""
    position = ObservedPosition(
        symbol=SYMBOL,
        side=PositionSide.LONG,
        size=D(size),
        average_price=D("1.18"),
        leverage=D(5),
        position_index=1,
        stop_price=None if stop is None else D(stop),
        liquidation_price=D("0.9"),
        updated_at=world.exchange.at,
    )
    world.exchange.positions = (position,)
    if own_stop:
        world.exchange.orders[APP_STOP] = ObservedOrder(
            order_id=APP_STOP,
            client_order_id=None,
            symbol=SYMBOL,
            order_side=OrderSide.SELL,
            kind=OrderKind.MARKET,
            state=OrderState.UNTRIGGERED,
            quantity=D(size),
            trigger_price=D("1.13"),
            reduce_only=True,
            position_index=1,
            updated_at=world.exchange.at,
        )
    if wait:
        counted(world, size)


def counted(world: TradeWorld, size: str) -> None:
    def known() -> bool:
        with suppress(Refused):
            reading = world.ask(addresses.position_book("main"), BookQuestion(symbol=SYMBOL))
            assert isinstance(reading, BookReading)
            return reading.foreign_long == D(size)
        return False

    for _ in range(100):
        if known():
            return
        world.pass_time(2)
    raise AssertionError("the book has not counted what is foreign")


def adopt(world: TradeWorld, wanted: AdoptPosition | None = None) -> TradeAccepted:
    accepted = world.ask(addresses.DESK, wanted or wish())
    assert isinstance(accepted, TradeAccepted)
    return accepted


def tell_stop(world: TradeWorld) -> None:
    """The exchange's stream shows the own stop."""
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.client_order_id is not None
    world.report_order(stop.client_order_id)


def settled(world: TradeWorld) -> None:
    """Let stop, backstop, removals and targets come to rest."""
    world.until(lambda: world.exchange.live("S"))
    tell_stop(world)
    world.until(lambda: APP_STOP not in world.exchange.orders or world.exchange.orders[APP_STOP].state.terminal)
    world.until(lambda: world.exchange.live("T2"))
    world.pass_time(2)


def reading(world: TradeWorld) -> BookReading:
    found = world.ask(addresses.position_book("main"), BookQuestion(symbol=SYMBOL))
    assert isinstance(found, BookReading)
    return found


def test_an_adopted_position_gets_stop_backstop_and_targets_and_buys_nothing(world: TradeWorld) -> None:
    hold(world)
    trade = adopt(world)
    settled(world)
    stop = world.exchange.live("S")
    assert stop is not None
    assert (stop.trigger_price, stop.quantity, stop.reduce_only) == (D("1.15"), D(100), True)
    targets = [world.exchange.live(role) for role in ("T1", "T2")]
    assert [target and (target.quantity, target.price) for target in targets] == [
        (D(50), D("1.21")),
        (D(50), D("1.23")),
    ]
    (position,) = world.exchange.positions
    assert position.stop_price == D("1.1465")
    assert (position.size, world.exchange.ours("E1")) == (D(100), [])
    assert (reading(world).foreign_long, reading(world).held_long) == (D(0), D(100))
    assert (world.trade(trade).open_quantity, world.trade(trade).average_entry_price) == (D(100), D("1.18"))
    world.pass_time(120)
    assert (reading(world).foreign_long, reading(world).held_long) == (D(0), D(100))
    assert [alert.kind for alert in world.alerts() if alert.severity.value == "critical"] == []


def test_others_stops_go_only_once_ours_and_the_backstop_stand(world: TradeWorld) -> None:
    """Each change at the exchange is looked at: never is the position without a stop for its whole size."""
    hold(world)
    trade = adopt(world)
    world.until(lambda: world.exchange.live("S"))
    world.pass_time(1)
    assert world.exchange.position_stops == []  # acknowledged is not yet shown: nothing else is touched
    assert world.exchange.orders[APP_STOP].state is OrderState.UNTRIGGERED
    tell_stop(world)
    seen: list[tuple[bool, Decimal | None, bool]] = []
    for _ in range(100):
        (position,) = world.exchange.positions
        theirs = not world.exchange.orders[APP_STOP].state.terminal
        seen.append((world.exchange.live("S") is not None, position.stop_price, theirs))
        world.pass_time(0.01)
    assert seen[0] == (True, D("1.12"), True)
    assert seen[-1] == (True, D("1.1465"), False)
    assert all(backstop == D("1.1465") for _, backstop, theirs in seen if not theirs)
    (told,) = world.alerts("outside_stop_removed")
    assert "your stop order at 1.13 is removed" in told.title
    assert len([fact for fact in world.journal(trade).facts if isinstance(fact, ProtectionStands)]) == 1


def test_while_our_stop_is_refused_nothing_of_theirs_is_touched(world: TradeWorld) -> None:
    hold(world)
    refusals = [Rejected("no more orders", code=110009) for _ in range(5)]
    world.exchange.script("place", *refusals)
    adopt(world, wish(rungs=()))
    world.pass_time(5)
    assert world.exchange.live("S") is None
    (position,) = world.exchange.positions
    assert position.stop_price == D("1.12")
    assert world.exchange.orders[APP_STOP].state is OrderState.UNTRIGGERED
    world.until(lambda: world.exchange.live("S"), within_seconds=120)
    tell_stop(world)
    world.until(lambda: world.exchange.orders[APP_STOP].state.terminal)


def test_a_stop_order_that_is_gone_already_counts_as_removed(world: TradeWorld) -> None:
    hold(world)
    trade = adopt(world)
    world.until(lambda: world.exchange.live("S"))
    world.exchange.end(APP_STOP, OrderState.CANCELLED)
    tell_stop(world)
    world.until(lambda: world.alerts("outside_stop_removed"))
    assert all(each.settled for each in world.trade(trade).removals)


def test_a_stop_order_that_cannot_be_removed_is_told(world: TradeWorld) -> None:
    hold(world)
    world.exchange.script("cancel", Rejected("not yours", code=10005))
    adopt(world)
    world.until(lambda: world.exchange.live("S"))
    tell_stop(world)
    world.until(lambda: world.alerts("outside_stop_stays"))
    (told,) = world.alerts("outside_stop_stays")
    assert "not yours (code 10005)" in told.lines[0]
    assert world.exchange.live("S") is not None


@LIVES
def test_an_adopted_trade_lives_to_its_end_in_any_life(world: TradeWorld, happens: Happening) -> None:
    hold(world)
    trade = adopt(world)
    settled(world)
    happens(world, trade)
    world.fill("T1")
    world.pass_time(2)
    stop = world.exchange.live("S")
    assert stop is not None
    assert stop.quantity == D(50)
    assert stop.trigger_price is not None
    assert stop.trigger_price > D("1.18")  # at breakeven: 1.18, a taker's fee in and out, the margin
    world.fill("T2")
    world.until(lambda: not world.live_rows())
    world.pass_time(1)
    closed = next(fact for fact in world.journal(trade).facts if isinstance(fact, TradeClosed))
    # 50 x 0.03 + 50 x 0.05 = 4; fees: 118 x 0.00055 to enter, (60.5 + 61.5) x 0.0002 to leave
    assert closed.realised_pnl_usdt == D("4") - D("0.0649") - D("0.0244")


def test_without_targets_it_is_left_by_its_stop_or_the_person(world: TradeWorld) -> None:
    hold(world)
    trade = adopt(world, wish(rungs=()))
    world.until(lambda: world.exchange.live("S"))
    tell_stop(world)
    world.pass_time(5)
    assert world.exchange.ours("T1") == []
    assert world.ask(world.monitor(trade), LeaveNow(by="test")) is True
    world.until(lambda: world.exchange.live("X"))
    world.fill("X")
    world.until(lambda: not world.live_rows())
    assert world.exchange.positions == ()
    assert world.exchange.live("S") is None


def test_a_preview_touches_nothing_and_says_what_would_be(world: TradeWorld) -> None:
    hold(world)
    shown = world.ask(addresses.DESK, wish(command_id="", preview=True))
    assert isinstance(shown, AdoptionShown)
    assert shown.sized.quantity == D(100)
    world.pass_time(10)
    assert (world.live_rows(), world.exchange.accepted, world.exchange.position_stops) == ([], [], [])
    counted(world, "100")


def test_the_same_command_again_finds_the_trade_it_began(world: TradeWorld) -> None:
    hold(world)
    trade = adopt(world)
    settled(world)
    again = adopt(world)
    assert (again.trade_id, again.already_open) == (trade.trade_id, True)
    world.reboot()
    world.pass_time(5)
    assert adopt(world).trade_id == trade.trade_id
    assert len(world.exchange.ours("S")) == 1


def test_a_dry_run_adopts_nothing(make_world: Callable[..., TradeWorld]) -> None:
    world = make_world(guards=replace(NO_GUARDS, dry_run=True))
    hold(world)
    assert adopt(world).dry_run
    world.pass_time(5)
    assert (world.live_rows(), world.exchange.accepted) == ([], [])


def test_what_nobody_has_counted_yet_is_counted_first(world: TradeWorld) -> None:
    """A position that was opened a moment ago: the book reads it twice, a second apart, before it is believed."""
    world.pass_time(5)
    hold(world, wait=False)
    assert adopt(world).sized.quantity == D(100)


def test_what_was_shown_must_still_be_there(world: TradeWorld) -> None:
    hold(world)
    with pytest.raises(Refused, match="100 of XRPUSDT long on main belong to no trade now, 90 when it was shown"):
        adopt(world, wish(seen_quantity=D(90)))
    assert world.live_rows() == []


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (wish(account="second"), "account second is not configured; write one of: main"),
        (wish(symbol="NOPEUSDT"), "NOPEUSDT is not a USDT perpetual on the exchange"),
        (wish(symbol="BTCUSDT"), "there is no position in BTCUSDT on main"),
    ],
)
def test_what_is_not_there_is_refused(world: TradeWorld, wanted: AdoptPosition, sentence: str) -> None:
    hold(world)
    with pytest.raises(Refused, match=sentence):
        adopt(world, wanted)


def test_a_run_that_lost_its_lock_adopts_nothing(world: TradeWorld) -> None:
    hold(world)
    world.exchange.fenced = True
    with pytest.raises(Refused):
        adopt(world)
    assert world.live_rows() == []


def test_beside_a_trade_only_what_is_foreign_is_taken_and_the_trade_keeps_its_own(world: TradeWorld) -> None:
    plan = "XRPUSDT long entries 1.19 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 5"
    ours = world.open_trade(plan)
    world.fill("E1")
    world.pass_time(1)
    own = world.trade(ours).open_quantity
    (position,) = world.exchange.positions
    both = replace(position, size=own + 100, average_price=D("1.19"), leverage=D(5))
    world.exchange.positions = (both,)
    counted(world, "100")
    trade = adopt(world, wish(stop_price=D("1.14"), rungs=()))
    world.until(lambda: len(world.exchange.ours("S")) == 2)
    for order in world.exchange.ours("S"):
        assert order.client_order_id is not None
        world.report_order(order.client_order_id)
    world.until(lambda: world.exchange.positions[0].stop_price == D("1.1365"))  # 1.14 x 0.997, down to the tick
    world.pass_time(30)
    assert (world.trade(trade).open_quantity, world.trade(ours).open_quantity) == (D(100), own)
    assert (reading(world).foreign_long, reading(world).held_long) == (D(0), own + 100)
    assert world.alerts("position_shortfall") == []


def test_an_adoption_is_no_order_to_the_guards(make_world: Callable[..., TradeWorld]) -> None:
    world = make_world(guards=replace(NO_GUARDS, cooldown_seconds=300.0))
    hold(world)
    adopt(world)
    settled(world)
    plan = world.plan("XRPUSDT long entries 1.19 targets 1.22 stop 1.15 margin 2% leverage 5")
    opened = world.ask(addresses.DESK, OpenTrade(command_id="c9", plan=plan, by="test"))
    assert isinstance(opened, TradeAccepted)


def test_a_process_killed_after_any_one_commit_adopts_once_or_not_at_all(
    make_world: Callable[..., TradeWorld],
) -> None:
    for number in itertools.count():
        world = make_world(seed=number)
        hold(world)
        world.kill_after_commits = number
        trade = _ask_until_answered(world)
        _watched(world)
        opened = [fact for fact in world.journal(trade).facts if isinstance(fact, TradeOpened)]
        assert (len(opened), world.live_rows()) == (1, [addresses.trade_stream(trade.trade_id)])
        assert len(world.exchange.ours("S")) == 1
        assert world.no_order_twice()
        assert world.exchange.called("cancel").count(APP_STOP) >= 1
        if world.still_alive():
            assert number >= 4
            return


def _watched(world: TradeWorld) -> None:
    """Come to the end of it, looking at each moment that a stop for the whole size is there."""
    for _ in range(600):
        (position,) = world.exchange.positions
        theirs = not world.exchange.orders[APP_STOP].state.terminal
        assert theirs or world.exchange.live("S") is not None
        assert position.stop_price in ({D("1.12"), D("1.1465")} if theirs else {D("1.1465")})
        if world.exchange.live("S") is not None:
            tell_stop(world)
        if not theirs and world.exchange.live("T2") is not None:
            return
        world.pass_time(0.1)
    raise AssertionError("it was never adopted whole")


def _ask_until_answered(world: TradeWorld) -> TradeAccepted:
    """Ask as a session does: again, with the same id, until there is an answer."""
    for _ in range(8):
        with suppress(Refused, AskFailed, AskTimeout):
            return adopt(world)
        world.pass_time(5)
    raise AssertionError("it was never answered")
