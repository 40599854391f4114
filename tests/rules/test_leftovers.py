"""Leftovers: only what can close nothing any more, and only what is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors.messages.accounts import AccountSnapshot
from actors.messages.guarding import ProtectionChanged
from actors.model.guarding import GuardTerms
from actors.model.order import ObservedOrder, OrderSide
from actors.model.position import ObservedPosition, PositionSide
from actors.rules import guard_record
from actors.rules.guard_screens import protection, standing
from actors.rules.leftovers import leftovers
from tests.rules.test_adoption import held, order

D = Decimal
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LEFT = order("left")


def found(*orders: ObservedOrder, positions: tuple[ObservedPosition, ...] = ()) -> list[str]:
    snapshot = AccountSnapshot(
        account="main", started_at=NOW, finished_at=NOW, orders=orders, positions=positions, executions=()
    )
    return [each.order_id for each in leftovers(snapshot, "XRPUSDT", "7QK2")]


def test_a_stop_of_others_where_nothing_is_held_is_left_over() -> None:
    assert found(LEFT, replace(LEFT, order_id="limit", trigger_price=None, price=D("1.3"))) == ["left", "limit"]


@pytest.mark.parametrize(
    "stays",
    [
        replace(LEFT, symbol="BTCUSDT"),
        replace(LEFT, reduce_only=False),
        replace(LEFT, client_order_id="SF7QK2C-7K3Q9X-S-0"),
        replace(LEFT, is_position_stop=True),
    ],
    ids=["another symbol", "an entry", "ours", "of a position"],
)
def test_everything_else_stays(stays: ObservedOrder) -> None:
    assert found(stays) == []


def test_what_can_still_close_something_stays() -> None:
    assert found(LEFT, positions=(held("5"),)) == []
    assert found(replace(LEFT, order_side=OrderSide.BUY), positions=(held("5"),)) == ["left"]
    short = held("5", side=PositionSide.SHORT, position_index=2)
    assert found(LEFT, positions=(short,)) == ["left"]


def test_the_settings_say_until_it_is_switched() -> None:
    record, off = guard_record.GuardRecord(), GuardTerms(external_order_protection=False)
    assert record.reading(NOW, GuardTerms()).protection.on
    reading = record.reading(NOW, off)
    assert not reading.protection.on
    assert standing(reading, now=NOW) == ("PROTECTION OF OTHERS' ORDERS OFF (by the settings)",)
    switched = ProtectionChanged(command_id="c1", on=True, why="it bites", by="chat:17", changed_at=NOW)
    again = guard_record.evolve(record, switched).reading(NOW, off)
    assert again.protection.on
    assert protection(again, now=NOW).title == "Protection of others' orders: on for 0 s (by chat:17: it bites)"
    assert standing(again, now=NOW) == ()
