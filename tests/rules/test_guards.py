"""The guards an order passes, in order, with figures worked by hand. An account of 10,000 USDT equity throughout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.model.account import Balance
from actors.model.guarding import EVERY_SYMBOL, GuardTerms, Lock, LockKind, Safety, SafetyState
from actors.model.position import PositionSide
from actors.model.trade_plan import SizedPlan
from actors.rules import guards
from actors.rules.guard_history import PastTrade, Result
from actors.rules.guards import Order, Verdict, at_the_door, with_the_account
from actors.rules.sizing import size
from tests.rules.conftest import NOON, instrument, read, view_of
from tests.rules.test_trade_life import FEES

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
PLAN = read("XRPUSDT long entries 1.19,1.18 targets 1.2,1.21,1.22,1.23 stop 1.15 margin 2% leverage 10")


def sized(symbol: str = "XRPUSDT", *, margin: str = "200", notional: str = "2000") -> SizedPlan:
    found = size(PLAN, view_of(instrument("XRPUSDT", "0.0001", "0.1"), FEES, "1.19"))
    assert isinstance(found, SizedPlan)
    plan = replace(PLAN, symbol=symbol)
    return replace(found, plan=plan, margin_usdt=D(margin), notional_usdt=D(notional))


def order(
    symbol: str = "XRPUSDT",
    *,
    available: str = "10000",
    name: str = "chat:1#new",
    key: str = "new",
    unsettled: dict[str, D] | None = None,
    **size_of: str,
) -> Order:
    balance = Balance(equity_usdt=D(10_000), wallet_usdt=D(10_000), available_usdt=D(available), read_at=NOON)
    plan = sized(symbol, **size_of)
    return Order(sized=plan, name=name, signal_key=key, balance=balance, unsettled=unsettled or {})


def past(
    trade_id: str = "A", symbol: str = "XRPUSDT", *, ago: float, pnl: str | None = None, **changes: Any
) -> PastTrade:
    """A trade opened so many seconds ago; with a result, closed a second later."""
    opened_at = NOON - timedelta(seconds=ago)
    result = None
    if pnl is not None:
        result = Result(pnl_usdt=D(pnl), stopped=D(pnl) < 0, closed_at=opened_at + timedelta(seconds=1))
    values: dict[str, Any] = {
        "account": "main",
        "side": LONG,
        "order": f"chat:1#{trade_id}",
        "signal_key": trade_id,
        "quantity": D(1000),
        "margin_usdt": D(100),
        "notional_usdt": D(1000),
        "equity_usdt": D(10_000),
    }
    return PastTrade(trade_id=trade_id, symbol=symbol, opened_at=opened_at, result=result, **{**values, **changes})


def verdict(guard: str, asked: Order, *history: PastTrade, now: datetime = NOON, **terms: Any) -> Verdict:
    given = {each.guard: each for each in with_the_account(asked, history, (), GuardTerms(**terms), now=now)}
    return given[guard]


# --- the order of things ---------------------------------------------------------------------------------------------
def test_the_guards_stand_in_their_order_and_those_turned_off_are_silent() -> None:
    everything = GuardTerms(
        allowed_symbols=frozenset({"XRPUSDT"}), most_correlated_exposure=D(3), daily_loss_limit_usdt=D(200)
    )
    door = [each.guard for each in at_the_door(PLAN, Safety(), everything, lost_lock=None)]
    rest = [each.guard for each in with_the_account(order(), (), (), everything, now=NOON)]
    assert door == ["safety", "run_lock", "allow_list"]
    assert rest == [
        "cooldown",
        "idempotency",
        "open_trades",
        "capital",
        "rapid_creation",
        "correlated_exposure",
        "daily_loss",
        "margin",
        "locks",
    ]
    usual = [each.guard for each in with_the_account(order(), (), (), GuardTerms(), now=NOON)]
    assert [guard for guard in rest if guard not in usual] == ["correlated_exposure", "daily_loss"]


# --- at the door -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [SafetyState.REDUCE_ONLY, SafetyState.HALTED])
def test_a_safety_state_shuts_the_door_and_says_who_set_it_when_and_why(state: SafetyState) -> None:
    safety = Safety(state=state, by="chat:17", why="maintenance", since=NOON)
    blocked = next(iter(at_the_door(PLAN, safety, GuardTerms(), lost_lock=None)))
    assert blocked.guard == "safety"
    assert blocked.text.startswith(
        f"the safety state is {state.value} since 05 Jan 12:00 UTC (by chat:17: maintenance)"
    )
    assert "/safety active" in blocked.text


def test_a_run_that_lost_its_lock_opens_nothing() -> None:
    _, blocked = at_the_door(PLAN, Safety(), GuardTerms(), lost_lock="run 8 holds the state")
    assert (blocked.guard, blocked.blocks) == ("run_lock", True)
    assert "run 8 holds the state" in blocked.text


def test_only_allowed_symbols_pass_where_some_are_named() -> None:
    terms = GuardTerms(allowed_symbols=frozenset({"BTCUSDT", "ADAUSDT"}))
    *_, blocked = at_the_door(PLAN, Safety(), terms, lost_lock=None)
    assert "write one of ADAUSDT, BTCUSDT, or add it to ALLOWED_SYMBOLS" in blocked.text
    *_, passed = at_the_door(replace(PLAN, symbol="ADAUSDT"), Safety(), terms, lost_lock=None)
    assert not passed.blocks


# --- cooldown and idempotency ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ago", "left"), [(0, 300), (40, 260), (299.5, 1), (300, 0), (-30, 300)], ids=str)
def test_a_coin_rests_for_300_seconds_after_an_order(ago: float, left: int) -> None:
    found = verdict("cooldown", order(), past(ago=ago))
    assert found.figures == {"base": "XRP", "seconds_remaining": left}
    assert found.blocks is (left > 0)
    assert not left or f"wait {left} s" in found.text


def test_the_same_coin_rests_whatever_its_contract_side_and_account() -> None:
    perpetual = past(symbol="BTCPERP", ago=10, side=SHORT, account="mirror")
    assert verdict("cooldown", order("BTCUSDT"), perpetual).blocks
    assert not verdict("cooldown", order("ETHUSDT"), perpetual).blocks


def test_the_trades_of_one_order_do_not_hold_each_other_up() -> None:
    assert not verdict("cooldown", order(name="chat:1#A"), past(ago=1)).blocks


def test_the_key_of_an_order_is_symbol_side_and_minute() -> None:
    noon = int(NOON.timestamp()) // 60
    assert guards.signal_key(PLAN, NOON) == f"XRPUSDT:long:{noon}"
    assert guards.signal_key(PLAN, NOON + timedelta(seconds=59.9)) == f"XRPUSDT:long:{noon}"
    assert guards.signal_key(PLAN, NOON + timedelta(seconds=60)) == f"XRPUSDT:long:{noon + 1}"


@pytest.mark.parametrize(("hours", "blocked"), [(1, True), (23.9, True), (24.1, False)])
def test_a_key_is_used_once_in_24_hours(hours: float, blocked: bool) -> None:
    known = past(ago=hours * 3600, pnl="5", signal_key="XRPUSDT:long:1")
    found = verdict("idempotency", order(key="XRPUSDT:long:1"), known)
    assert (found.figures, found.blocks) == ({"signal_key": "XRPUSDT:long:1"}, blocked)
    assert not blocked or "carried out as trade A" in found.text


# --- how many, how fast ----------------------------------------------------------------------------------------------
def test_fifteen_open_trades_of_the_account_are_the_most() -> None:
    fourteen = [past(str(number), ago=9000) for number in range(14)]
    others = [past("closed", ago=9000, pnl="1"), past("mirrored", ago=9000, account="mirror")]
    assert not verdict("open_trades", order(), *fourteen, *others).blocks
    found = verdict("open_trades", order(), *fourteen, past("one more", ago=9000), *others)
    assert found.figures == {"open_trades": 15, "limit": 15}
    assert "close one with /close, or raise MAX_OPEN_TRADES" in found.text


def test_five_orders_in_five_minutes_are_the_most_and_one_order_of_many_trades_is_one() -> None:
    dual = [past("D1", ago=250, order="chat:1#dual"), past("D2", ago=250, order="chat:1#dual")]
    three = [past(str(number), ago=number) for number in (10, 20, 30)]
    assert verdict("rapid_creation", order(), *dual, *three).figures["orders"] == 4
    assert not verdict("rapid_creation", order(), *dual, *three, past("old", ago=300)).blocks
    found = verdict("rapid_creation", order(), *dual, *three, past("fifth", ago=299, pnl="1"))
    # The oldest of the five leaves the window in one second.
    assert found.figures == {"orders": 5, "limit": 5, "window_seconds": 300}
    assert "wait 1 s" in found.text


# --- money -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("available", "margin", "share", "advice"),
    [
        ("10000", "9000", "0.9000", None),  # nothing in use: 9,000 of 10,000 is just the most
        ("10000", "9001", "0.9001", "write a margin of 9000.00 USDT or less"),
        ("4000", "3500", "0.9500", "write a margin of 3000.00 USDT or less"),  # 6,000 in use
        ("500", "400", "0.9900", "close a trade first"),  # 9,500 in use: over the limit already
    ],
)
def test_nine_tenths_of_the_equity_are_the_most_to_be_in_use(
    available: str, margin: str, share: str, advice: str | None
) -> None:
    found = verdict("capital", order(available=available, margin=margin))
    assert found.figures["share"] == share
    assert (advice in found.text) if advice else not found.blocks


def test_margin_is_free_only_after_what_is_on_its_way() -> None:
    # 1,000 available. One trade was committed 3 s before the balance was read: all of its 100 may be missing there.
    fresh = past("fresh", ago=3)
    # One is older, and 400 of its 1,000 base units still have no answer: 40 of its 100.
    slow = past("slow", ago=500)
    asked = order(available="1000", margin="860", unsettled={"slow": D(400), "gone": D(7)})
    found = verdict("margin", asked, fresh, slow, most_capital_in_use=D(0))
    assert found.figures == {"needed_usdt": "860.00", "free_usdt": "860.00", "in_flight_usdt": "140.00"}
    assert not found.blocks
    more = order(available="1000", margin="860.01", unsettled={"slow": D(400)})
    found = verdict("margin", more, fresh, slow)
    assert "860.01 USDT of margin are needed, and 860.00 USDT are free on main" in found.text


def test_what_is_on_its_way_counts_as_in_use() -> None:
    found = verdict("capital", order(margin="8950"), past("fresh", ago=3))
    assert (found.figures["in_use_usdt"], found.blocks) == ("100.00", True)


def test_correlated_exposure_adds_up_one_side_of_the_coins_that_move_together() -> None:
    history = (
        past("E", "ETHUSDT", ago=9000, notional_usdt=D(15_000)),
        past("S", "BTCUSDT", ago=9000, notional_usdt=D(90_000), side=SHORT),
        past("O", "XRPUSDT", ago=9000, notional_usdt=D(90_000)),
        past("C", "BTCUSDT", ago=9000, notional_usdt=D(90_000), pnl="1"),
    )
    terms = {"most_correlated_exposure": D(2), "correlated_groups": (frozenset({"BTC", "ETH"}),)}
    passed = verdict("correlated_exposure", order("BTCUSDT", notional="5000"), *history, **terms)
    assert (passed.figures["exposure_usdt"], passed.figures["limit_usdt"]) == ("20000.00", "20000.00")
    assert not passed.blocks
    blocked = verdict("correlated_exposure", order("BTCUSDT", notional="5000.01"), *history, **terms)
    assert "write a size worth 5000.00 USDT or less" in blocked.text
    # Without groups everything on one side moves together.
    all_of_them = verdict("correlated_exposure", order("BTCUSDT"), *history, most_correlated_exposure=D(2))
    assert all_of_them.figures["exposure_usdt"] == "107000.00"


def test_the_daily_loss_begins_anew_at_midnight_utc() -> None:
    # NOON is 12 h after midnight: the first loss was booked a second before it, the others today.
    history = (
        past("y", ago=12 * 3600 + 2, pnl="-500"),
        past("a", ago=7200, pnl="-150"),
        past("b", ago=3600, pnl="30"),
        past("c", ago=1800, pnl="-79.99"),
    )
    assert not verdict("daily_loss", order(), *history, daily_loss_limit_usdt=D(200)).blocks
    found = verdict("daily_loss", order(), *history, past("d", ago=900, pnl="-0.01"), daily_loss_limit_usdt=D(200))
    assert found.figures == {"realised_usdt": "-200.00", "limit_usdt": "200.00"}
    assert "nothing is opened before midnight UTC" in found.text


# --- locks -----------------------------------------------------------------------------------------------------------
def test_a_lock_shuts_its_account_and_symbol_and_says_how_to_open_it() -> None:
    lock = Lock(
        lock_id="L3",
        kind=LockKind.STOPS,
        account="main",
        symbol="BTCUSDT",
        reason="4 losing stops",
        set_at=NOON,
        until=NOON + timedelta(minutes=30),
        newest_close=NOON,
    )

    def blocked(asked: Order, held: Lock) -> Verdict:
        return list(with_the_account(asked, (), (held,), GuardTerms(), now=NOON))[-1]

    assert not blocked(order("XRPUSDT"), lock).blocks
    assert not blocked(order("BTCUSDT"), replace(lock, account="mirror")).blocks
    assert blocked(order("XRPUSDT"), replace(lock, symbol=EVERY_SYMBOL)).blocks
    found = blocked(order("BTCUSDT"), lock)
    assert found.figures == {"lock": "L3", "kind": "stop_loss_guard", "seconds_remaining": 1800}
    assert "locked for another 30 min (L3: 4 losing stops)" in found.text
    assert "/locks release L3" in found.text
