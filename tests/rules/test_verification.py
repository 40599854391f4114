"""Verification by hand: sums, orders and drift that do not agree, each named with its figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from actors.messages.accounts import AccountSnapshot
from actors.messages.trading import TradeReading
from actors.model.order import ObservedOrder, OrderKind, OrderSide, OrderState
from actors.model.position import ObservedPosition, PositionSide
from actors.rules.mirroring import drift
from actors.rules.verification import Finding, Foreign, findings, lasting, report

NOW = datetime(2026, 1, 5, tzinfo=UTC)
OURS = "7QK2"


def trade(trade_id: str, number: int, held: str, *, account: str = "main", follows: str = "") -> TradeReading:
    return TradeReading(
        trade_id=trade_id,
        number=number,
        label=f"{account}/XRPUSDT/long/fast/{trade_id}",
        account=account,
        symbol="XRPUSDT",
        position_side="long",
        phase="monitoring",
        planned_quantity=Decimal(100),
        open_quantity=Decimal(held),
        average_entry_price=None,
        stop_price=Decimal("1.15"),
        stop_at_exchange=True,
        backstop_price=None,
        rungs=(),
        realised_pnl_usdt=Decimal(0),
        funding_usdt=Decimal(0),
        opened_at=NOW,
        last_confirmed_at=NOW,
        filled_quantity=Decimal(held),
        follows=follows,
        order_ids=(f"SF{OURS}1-{trade_id}-S-0",),
    )


def order(client_order_id: str | None) -> ObservedOrder:
    return ObservedOrder(
        order_id=f"x-{client_order_id}",
        client_order_id=client_order_id,
        symbol="XRPUSDT",
        order_side=OrderSide.SELL,
        kind=OrderKind.MARKET,
        state=OrderState.UNTRIGGERED,
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        average_price=None,
        price=None,
        trigger_price=Decimal("1.15"),
        reduce_only=True,
        position_index=0,
        attached_stop=None,
        updated_at=NOW,
    )


def account(size: str, *orders: ObservedOrder, name: str = "main") -> AccountSnapshot:
    position = ObservedPosition(
        symbol="XRPUSDT",
        side=PositionSide.LONG,
        size=Decimal(size),
        average_price=Decimal("1.19"),
        leverage=Decimal(10),
        position_index=0,
        stop_price=None,
        liquidation_price=None,
        updated_at=NOW,
    )
    return AccountSnapshot(
        account=name, started_at=NOW, finished_at=NOW, orders=orders, positions=(position,), executions=()
    )


PAIR = (trade("7K3Q9X", 1, "60"), trade("7K3Q9Y", 2, "40"))
STOPS = tuple(order(f"SF{OURS}1-{each.trade_id}-S-0") for each in PAIR)


def test_two_slices_that_sum_to_their_position_are_no_finding() -> None:
    assert findings(PAIR, (account("100", *STOPS),), (), installation=OURS) == ()


def test_slices_that_do_not_sum_are_named_with_both_figures() -> None:
    (found,) = findings(PAIR, (account("90", *STOPS),), (), installation=OURS)
    assert (found.about, found.subject) == ("separation", "main/XRPUSDT/long")
    assert found.text == "main XRPUSDT long: the trades hold 100, and the position is 90"


def test_what_is_foreign_counts_apart() -> None:
    foreign = (Foreign(account="main", symbol="XRPUSDT", side="long", quantity=Decimal(7)),)
    assert findings(PAIR, (account("107", *STOPS),), foreign, installation=OURS) == ()
    (found,) = findings(PAIR, (account("100", *STOPS),), foreign, installation=OURS)
    assert "100 and 7 foreign, and the position is 100" in found.text


def test_an_order_of_two_trades_and_one_of_none_are_found_and_strangers_are_not() -> None:
    doubled = replace(PAIR[1], order_ids=(*PAIR[1].order_ids, *PAIR[0].order_ids))
    stray = order(f"SF{OURS}1-000000-E1-0")
    others = (order(None), order("SFAAAA1-7K3Q9X-S-0"), order("by hand"))
    found = findings((PAIR[0], doubled), (account("100", *STOPS, stray, *others),), (), installation=OURS)
    assert [each.text for each in found] == [
        f"order SF{OURS}1-7K3Q9X-S-0 belongs to #1 and #2 at once",
        f"main XRPUSDT: order SF{OURS}1-000000-E1-0 is ours, and no open trade knows it",
    ]


def test_a_mirror_that_filled_much_less_or_lost_its_stop_has_drifted() -> None:
    main = trade("7K3Q9X", 1, "60")
    near = trade("7K3Q9Z", 3, "50", account="mirror", follows="7K3Q9X")
    far = replace(near, filled_quantity=Decimal(20))
    bare = replace(near, stop_at_exchange=False)
    assert drift(near, main).worst == Decimal("0.1")
    moved = replace(near, stop_price=Decimal("1.1385"))
    assert drift(moved, main).stop == Decimal("-0.01")
    for other, count in ((near, 0), (moved, 0), (far, 1), (bare, 1)):
        found = findings((main, other), (), (), installation=OURS, abouts=("mirror",))
        assert len(found) == count
    (lost,) = findings((main, bare), (), (), installation=OURS, abouts=("mirror",))
    assert lost.text == (
        "#3 mirror/XRPUSDT/long/fast/7K3Q9Z has drifted from #1: filled 50% of its plan, main 60%; stop 0% from "
        "main's; STOP MISSING"
    )


def test_only_what_two_readings_have_found_is_reported() -> None:
    one, other = (Finding(about="orders", subject=name, text="…") for name in "ab")
    assert lasting((one,), (one, other)) == (one,)
    assert report((), 2, ("main",)).title == "Everything agrees: 2 open trades on main, read twice."
    assert report((one,), 1, ("main", "mirror")).title == "1 finding: 1 open trade on main, mirror, read twice"
