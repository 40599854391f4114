"""What a person reads about a step: whose doing it was, by its right name, in figures that add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.messages.trading import ExitReason, ExitStarted, TradeClosed, TradeOpened
from actors.model.account import OpeningView
from actors.model.alert import Alert
from actors.model.order import OrderIntent, OrderKind, OrderSide
from actors.model.trade import Leg, LegState, PendingChange, Reduction, Role, Trade, TradeParameters
from actors.model.trade_plan import SizedPlan, TradePlan
from actors.rules.decision import wants_reading
from actors.rules.position_life import opened
from actors.rules.sizing import size
from actors.rules.trade_news import news

D = Decimal
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def leg(role: Role, quantity: str, **more: Any) -> Leg:
    client_order_id = f"SFQK2C3-7K3Q9X-{role.value}1-0"
    trigger_price = more.pop("trigger_price", None)
    entry = role is Role.ENTRY
    intent = OrderIntent(
        client_order_id=client_order_id,
        symbol="XRPUSDT",
        order_side=OrderSide.BUY if entry else OrderSide.SELL,
        kind=OrderKind.LIMIT if trigger_price is None else OrderKind.MARKET,
        quantity=D(quantity),
    )
    made = Leg(
        intent=intent,
        role=role,
        index=1,
        revision=0,
        place_key=f"{client_order_id}/place",
        state=LegState.LIVE,
        quantity=D(quantity),
        price=None,
        trigger_price=trigger_price,
        attached_stop=None,
        requested_at=NOW,
    )
    return replace(made, **more)


def pending(**change: Any) -> PendingChange:
    return PendingChange(effect_key="change/1", **change)


@pytest.fixture(name="trade")
def _trade(plan: TradePlan, view: OpeningView) -> Trade:
    """A long with 100 filled, stop planned at 1.15."""
    sized = size(plan, view)
    assert isinstance(sized, SizedPlan)
    trade = opened(
        TradeOpened(
            trade_id="7K3Q9X",
            number=1,
            label="main/XRPUSDT/long/conservative/7K3Q9X",
            sized=sized,
            instrument=view.instrument,
            fees=view.fees,
            position_index=0,
            backstop_price=D("1.1465"),
            parameters=TradeParameters(),
            opened_by="test",
            opened_at=NOW,
        )
    )
    filled = leg(Role.ENTRY, "100", state=LegState.FILLED, executed_quantity=D(100), executed_value_usdt=D(119))
    return replace(trade, legs=(filled,))


def told(trade: Trade, before: Leg, after: Leg, *facts: Any) -> list[Alert]:
    return list(news(replace(trade, legs=(*trade.legs, before)), replace(trade, legs=(*trade.legs, after)), facts))


@pytest.mark.parametrize("exiting", [None, ExitReason.PERSON])
def test_an_entry_we_cancelled_is_told_as_ours_though_its_report_came_before_the_answer(
    trade: Trade, exiting: ExitReason | None
) -> None:
    resting = replace(leg(Role.ENTRY, "50", pending=pending(cancels=True)), index=2)
    resting = replace(resting, intent=replace(resting.intent, client_order_id="SFQK2C3-7K3Q9X-E2-0"))
    ended = replace(resting, state=LegState.CANCELLED, pending=None, text="CancelByUser")
    (alert,) = told(replace(trade, exit_reason=exiting), resting, ended)
    assert alert.kind == "entry_cancelled"


def test_a_stop_somebody_cancelled_is_told(trade: Trade) -> None:
    stop = leg(Role.STOP, "100", trigger_price=D("1.15"))
    (alert,) = told(trade, stop, replace(stop, state=LegState.CANCELLED, text="CancelByUser"))
    assert alert.kind == "order_cancelled_outside"
    assert alert.title.endswith("stop was cancelled by somebody else")


def test_the_rest_of_a_stop_that_fired_is_nobodys_cancel(trade: Trade) -> None:
    stop = leg(Role.STOP, "100", trigger_price=D("1.15"), executed_quantity=D(40), executed_value_usdt=D(46))
    assert told(trade, stop, replace(stop, state=LegState.CANCELLED, text="EC_NoEnoughQtyToFill")) == []


def test_a_rung_the_exchange_cut_off_with_the_position_is_blamed_on_nobody(trade: Trade) -> None:
    rung = leg(Role.TARGET, "85")
    assert told(trade, rung, replace(rung, state=LegState.CANCELLED, reduced_away=True)) == []


def test_what_a_market_close_got_before_it_ended_is_told(trade: Trade) -> None:
    leaving = replace(trade, exit_reason=ExitReason.PERSON)
    sent = leg(Role.EXIT, "100")
    ended = replace(sent, state=LegState.CANCELLED, executed_quantity=D(40), executed_value_usdt=D(46))
    (alert,) = told(leaving, sent, ended)
    assert alert.title.endswith("market close filled in part")
    assert alert.lines[0].startswith("40 of 100 XRP")


@pytest.mark.parametrize(
    ("change", "to", "kind"),
    [
        (None, "1.10", "stop_moved_outside"),
        (None, "1.15", "stop_moved"),  # brought back; or known only by a reading
        (pending(trigger_price=D("1.16")), "1.16", "stop_moved"),  # the plan has moved on meanwhile
        (pending(trigger_price=D("1.16")), "1.10", "stop_moved_outside"),
    ],
)
def test_a_stop_that_moved_is_ours_only_if_we_asked_for_it(
    trade: Trade, change: PendingChange | None, to: str, kind: str
) -> None:
    before = leg(Role.STOP, "100", trigger_price=D("1.14"), pending=change)
    (alert,) = told(trade, before, replace(before, trigger_price=D(to), pending=None))
    assert alert.kind == kind
    assert to.rstrip("0") in alert.title


@pytest.mark.parametrize(
    ("filled", "change", "shown"),
    [
        ("40", None, "40 of 50 XRP"),
        ("80", pending(quantity=D(100)), "80 of 100 XRP"),
        ("80", None, "80 of 80 XRP"),
        ("40", pending(quantity=D(100)), "40 of 50 XRP"),
    ],
)
def test_a_fill_is_never_more_than_the_whole(
    trade: Trade, filled: str, change: PendingChange | None, shown: str
) -> None:
    rung = leg(Role.TARGET, "50", pending=change)
    (alert,) = told(trade, rung, replace(rung, executed_quantity=D(filled), executed_value_usdt=D(filled) * D("1.2")))
    assert alert.lines[0].startswith(shown)


@pytest.mark.parametrize(("at_breakeven", "name"), [(False, "stop-loss"), (True, "breakeven stop")])
def test_a_stop_at_breakeven_is_not_told_as_a_loss(trade: Trade, *, at_breakeven: bool, name: str) -> None:
    trade = replace(trade, moved_to_breakeven=at_breakeven)
    stop = leg(Role.STOP, "100", trigger_price=D("1.15"))
    fired = replace(stop, state=LegState.FILLED, executed_quantity=D(100), executed_value_usdt=D(115))
    closed = TradeClosed(realised_pnl_usdt=D(1), funding_usdt=D(0), reason=ExitReason.STOP_LOSS, closed_at=NOW)
    stopped, ended = told(trade, stop, fired, closed)
    assert stopped.title.endswith(f"{name} filled")
    assert ended.lines[0] == name
    (leaving,) = news(trade, trade, [ExitStarted(reason=ExitReason.STOP_LOSS, by="rule", started_at=NOW)])
    assert leaving.title.endswith(f"leaving: {name}")


def test_a_refused_rung_leaves_no_empty_line(trade: Trade) -> None:
    rung = leg(Role.TARGET, "50", state=LegState.REQUESTED)
    (alert,) = told(trade, rung, replace(rung, state=LegState.REJECTED, text="no", code=1))
    assert alert.lines == ("no (code 1)",)


# --- what went without an order of ours -------------------------------------------------------------------------------
def part(number: int, quantity: str, cause: str = "backstop") -> Reduction:
    return Reduction(execution_id=f"x{number}", quantity=D(quantity), price=D("1.14"), fee_usdt=D(0), cause=cause)


def test_of_many_fills_of_one_backstop_the_first_and_the_last_are_told(trade: Trade) -> None:
    parts = [part(number, "20") for number in range(5)]
    titles = [
        alert.title
        for count in range(5)
        for alert in news(
            replace(trade, reductions=tuple(parts[:count])), replace(trade, reductions=tuple(parts[: count + 1])), ()
        )
    ]
    assert len(titles) == 2
    assert [alert.title.partition(": ")[2] for alert in news(trade, replace(trade, reductions=tuple(parts)), ())] == [
        "100 XRP went by backstop"
    ]


def test_another_cause_is_told_again(trade: Trade) -> None:
    before = replace(trade, reductions=(part(1, "20"),))
    (alert,) = news(before, replace(before, reductions=(*before.reductions, part(2, "5", "manual"))), ())
    assert alert.title.endswith("5 XRP went by manual")


# --- refusals ---------------------------------------------------------------------------------------------------------
def test_a_stop_the_price_has_passed_is_told_once_with_the_leaving(trade: Trade) -> None:
    stop = leg(Role.STOP, "100", state=LegState.REQUESTED)
    refused = replace(stop, state=LegState.REJECTED, code=110093, text="expect Falling")
    leaving = ExitStarted(reason=ExitReason.TRIGGER_PASSED, by="rule", started_at=NOW)
    before = replace(trade, legs=(*trade.legs, stop))
    after = replace(trade, legs=(*trade.legs, refused), trigger_passed=True)
    assert [alert.kind for alert in news(before, after, [leaving])] == ["exit_started"]


def test_no_position_is_believed_and_told_only_when_it_is_said_again_and_again(trade: Trade) -> None:
    refused = [
        replace(leg(Role.EXIT, "100", state=LegState.REQUESTED), revision=number, intent=exit_intent(number))
        for number in range(3)
    ]
    kinds = []
    for at in range(3):
        known = tuple(replace(each, state=LegState.REJECTED, code=110017) for each in refused[:at])
        before = replace(trade, legs=(*trade.legs, *known, refused[at]))
        last = replace(refused[at], state=LegState.REJECTED, code=110017, text="current position is zero")
        after = replace(trade, legs=(*trade.legs, *known, last))
        assert wants_reading(after), "the position is read before anything is made of it"
        kinds.append([alert.kind for alert in news(before, after, ())])
    assert kinds == [[], [], ["order_rejected"]]


def exit_intent(number: int) -> OrderIntent:
    return replace(leg(Role.EXIT, "100").intent, client_order_id=f"SF7QK2C-7K3Q9X-X-{number}")


@pytest.mark.parametrize(("role", "severity"), [(Role.STOP, "critical"), (Role.TARGET, "warning")])
def test_a_change_that_is_refused_again_and_again_is_told(trade: Trade, role: Role, severity: str) -> None:
    order = leg(role, "100", state=LegState.LIVE)
    told_of = [told(trade, replace(order, refusals=times), replace(order, refusals=times + 1)) for times in range(14)]
    assert [len(alerts) for alerts in told_of] == [0, 0, 1, *[0] * 9, 1, 0]
    assert told_of[2][0].severity.value == severity
