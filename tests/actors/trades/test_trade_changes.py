"""A person's change carried out: the backstop first, one amend, one record, over a crash after any commit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from actors.errors import Unreachable
from actors.messages import addresses
from actors.messages.accounts import OpeningViewQuestion
from actors.messages.exit_facts import StopLooseningAsked
from actors.messages.storing import Append, PromisedEffect
from actors.messages.trading import ChangeTrade, StopPriceMoved, TradeAccepted, TradeChanged
from actors.model.order import OrderState
from actors.model.trade_change import ChangeKind, TradeChange
from runtime import AskFailed, AskTimeout, InjectedFault, Refused
from tests.actors.trades.conftest import TradeWorld
from tests.actors.trades.test_exit_rules import LIVES, Happening, entered, stop_price

D = Decimal
LADDER = "XRPUSDT long entries 1.19 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10"


def wish(kind: ChangeKind, price: str | None = None, place: int | None = None, **more: Any) -> ChangeTrade:
    change = TradeChange(kind=kind, price=None if price is None else D(price), place=place)
    return ChangeTrade(**{"command_id": "c2", "which": "1", "change": change, "by": "chat:17", **more})


def stop(price: str, **more: Any) -> ChangeTrade:
    return wish(ChangeKind.STOP, price, **more)


def change(world: TradeWorld, wanted: ChangeTrade) -> TradeChanged:
    changed = world.ask(addresses.DESK, wanted)
    assert isinstance(changed, TradeChanged)
    return changed


def refused(world: TradeWorld, wanted: ChangeTrade) -> str:
    with pytest.raises(Refused) as refusal:
        world.ask(addresses.DESK, wanted)
    return str(refusal.value)


def test_a_tighter_stop_is_amended_and_told_once_the_exchange_has_it(world: TradeWorld) -> None:
    entered(world, LADDER)
    changed = change(world, stop("1.17"))
    assert (changed.before, changed.price, changed.loosens) == (D("1.15"), D("1.17"), False)
    world.pass_time(2)
    assert stop_price(world) == D("1.17")
    assert len(world.exchange.ours("S")) == 1
    (told,) = world.alerts("stop_moved")
    assert "stop moved to 1.17" in told.title


def test_a_preview_changes_nothing(world: TradeWorld) -> None:
    trade = entered(world, LADDER)
    assert change(world, stop("1.17", command_id="", preview=True)).price == D("1.17")
    world.pass_time(2)
    assert stop_price(world) == D("1.15")
    assert world.trade(trade).commands == ()


@LIVES
def test_a_looser_stop_goes_out_behind_the_backstop_in_any_life(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER)
    (position,) = world.exchange.positions
    assert position.stop_price is not None
    assert position.stop_price > D("1.14")
    seen: list[tuple[Decimal, Decimal | None]] = []

    def look() -> None:
        (held,) = world.exchange.positions
        seen.append((stop_price(world), held.stop_price))

    changed = change(world, stop("1.14"))
    assert changed.loosens
    assert any(line.startswith("the backstop moves out to 1.13") for line in changed.lines)
    happens(world, trade)
    for _ in range(200):
        look()
        world.pass_time(0.05)
    assert stop_price(world) == D("1.14")
    assert all(backstop is not None and backstop < own for own, backstop in seen)
    asked = [fact for fact in world.journal(trade).facts if isinstance(fact, StopLooseningAsked)]
    moved = [fact for fact in world.journal(trade).facts if isinstance(fact, StopPriceMoved)]
    assert (len(asked), len(moved)) == (1, 1)


def test_while_the_backstop_cannot_move_the_stop_stays(world: TradeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    trade = entered(world, LADDER)
    monkeypatch.setattr(world.exchange, "set_stop", lambda _request: (_ for _ in ()).throw(Unreachable("no route")))
    change(world, stop("1.14"))
    world.pass_time(30)
    assert stop_price(world) == D("1.15")
    assert world.trade(trade).loosening is not None
    monkeypatch.undo()
    world.until(lambda: stop_price(world) == D("1.14"), within_seconds=120)


def test_the_same_command_again_changes_nothing_more(world: TradeWorld) -> None:
    trade = entered(world, LADDER)
    change(world, stop("1.17"))
    world.pass_time(2)
    world.reboot()
    world.pass_time(10)
    assert "recorded before" in change(world, stop("1.17")).lines[0]
    assert world.trade(trade).commands == ("c2",)
    assert len([fact for fact in world.journal(trade).facts if isinstance(fact, StopPriceMoved)]) == 1


def test_a_target_moves_and_another_is_taken_away(world: TradeWorld) -> None:
    trade = entered(world, LADDER)
    assert change(world, wish(ChangeKind.TARGET, "1.215", 2)).before == D("1.21")
    change(world, wish(ChangeKind.NO_TARGET, None, 1, command_id="c3"))
    world.pass_time(5)
    second = world.exchange.live("T2")
    assert second is not None
    assert second.price == D("1.215")
    assert world.exchange.live("T1") is None
    resting = [world.exchange.live(role) for role in ("T2", "T3", "T4")]
    held = world.trade(trade).open_quantity
    assert sum((order.remaining_quantity for order in resting if order is not None), D(0)) == held
    world.reboot()
    world.pass_time(10)
    assert world.exchange.live("T1") is None


def promise(world: TradeWorld, trade: TradeAccepted, wanted: ChangeTrade) -> None:
    """Have a change committed by somebody else, for this trade's monitor."""
    monitor = world.monitor(trade)
    effect = PromisedEffect(key=f"follow/{wanted.command_id}", destination=monitor, owner=monitor, request=wanted)
    world.system.tell(addresses.STORE, Append(stream="test", expected_sequence=0, facts=(), effects=(effect,)))


@LIVES
@pytest.mark.parametrize("told", [True, False], ids=["told", "read later"])
def test_under_respect_what_was_moved_at_the_exchange_stays_in_any_life(
    world: TradeWorld, happens: Happening, *, told: bool
) -> None:
    trade = entered(world, LADDER + " policy respect")
    world.pass_time(10)
    changes: dict[str, dict[str, Any]] = {
        "S": {"trigger_price": D("1.16")},
        "T2": {"price": D("1.215")},
        "T3": {"state": OrderState.CANCELLED, "reason": "CancelByUser"},
    }
    for role, seen in changes.items():
        order = world.exchange.live(role)
        assert order is not None
        assert order.client_order_id is not None
        world.exchange.orders[order.client_order_id] = replace(order, updated_at=world.exchange.at, **seen)
        if told:
            world.report_order(order.client_order_id)
    world.pass_time(1)
    happens(world, trade)
    world.pass_time(120)
    second = world.exchange.live("T2")
    assert second is not None
    assert (stop_price(world), second.price, world.exchange.live("T3")) == (D("1.16"), D("1.215"), None)
    assert (len(world.exchange.ours("S")), len(world.exchange.ours("T3"))) == (1, 1)
    held = world.trade(trade).open_quantity
    resting = [world.exchange.live(role) for role in ("T1", "T2", "T4")]
    assert sum((order.remaining_quantity for order in resting if order is not None), D(0)) == held


@LIVES
def test_a_promised_change_is_made_once_and_settled_with_its_record(world: TradeWorld, happens: Happening) -> None:
    trade = entered(world, LADDER)
    world.on_next(addresses.client("main"), OpeningViewQuestion, InjectedFault(lose=True))  # tried again by itself
    promise(world, trade, stop("1.17", by="main/XRPUSDT/long/conservative/7K3Q9X"))
    world.pass_time(0.5)
    happens(world, trade)
    world.until(lambda: stop_price(world) == D("1.17"))
    world.pass_time(5)
    assert world.unsettled(world.monitor(trade)) == []
    assert world.trade(trade).commands == ("c2",)


def test_a_promised_change_that_cannot_be_made_is_told_and_settled(world: TradeWorld) -> None:
    trade = entered(world, LADDER)
    promise(world, trade, stop("1.3", by="main/XRPUSDT/long/conservative/7K3Q9X"))
    world.pass_time(5)
    (told,) = world.alerts("change_not_made")
    assert "is not followed" in told.title
    assert "past 1.3 already: the stop stays at 1.15" in told.lines[0]
    assert world.unsettled(world.monitor(trade)) == []
    assert stop_price(world) == D("1.15")


def test_breakeven_is_refused_until_the_price_has_passed_it(world: TradeWorld) -> None:
    entered(world, LADDER)
    world.exchange.last_price = "1.19"
    assert "has not got past it: the stop stays at 1.15. The sum:" in refused(world, wish(ChangeKind.BREAKEVEN))
    world.exchange.last_price = "1.195"
    assert change(world, wish(ChangeKind.BREAKEVEN)).price > D("1.19")


@pytest.mark.parametrize(
    ("which", "words"),
    [("7", "there is no open trade 7: open are #1 XRPUSDT"), ("all", "one trade at a time is changed")],
)
def test_only_one_open_trade_is_changed(world: TradeWorld, which: str, words: str) -> None:
    entered(world, LADDER)
    assert refused(world, stop("1.17", which=which)).startswith(words)


def test_with_none_open_there_is_none_to_change(world: TradeWorld) -> None:
    assert refused(world, stop("1.17")) == "no trade is open, so there is nothing to change"


def test_without_a_fresh_price_nothing_is_changed(world: TradeWorld) -> None:
    entered(world, LADDER)
    world.on_next(addresses.client("main"), OpeningViewQuestion, InjectedFault(lose=True))
    assert "nothing was changed, ask again in a moment" in refused(world, stop("1.17"))
    assert change(world, stop("1.17")).price == D("1.17")


@pytest.mark.parametrize("price", ["1.17", "1.14"], ids=["tighter", "looser"])
def test_a_process_killed_after_any_one_commit_still_makes_the_change_once(
    make_world: Callable[..., TradeWorld], price: str
) -> None:
    for number in itertools.count():
        world = make_world(seed=number)
        trade = entered(world, LADDER)
        world.kill_after_commits = number
        _ask_until_answered(world, stop(price))
        world.until(lambda world=world: stop_price(world) == D(price), within_seconds=120)
        world.pass_time(5)
        moved = [fact for fact in world.journal(trade).facts if isinstance(fact, StopPriceMoved)]
        assert len(moved) == 1
        assert world.trade(trade).commands == ("c2",)
        assert len(world.exchange.ours("S")) == 1
        assert world.no_order_twice()
        if world.still_alive():
            assert number >= 2
            return


def _ask_until_answered(world: TradeWorld, wanted: ChangeTrade) -> None:
    """Ask as a session does: again, with the same id, until there is an answer."""
    for _ in range(5):
        with suppress(Refused, AskFailed, AskTimeout):
            if isinstance(world.ask(addresses.DESK, wanted), TradeChanged):
                return
        world.pass_time(5)
    raise AssertionError("it was never answered")
