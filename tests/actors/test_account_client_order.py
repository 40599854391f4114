"""Who goes first: one trade's requests keep their order, stops pass, and what is in doubt holds nobody else up."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from actors.messages.accounts import ClockOffsetQuestion
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder, Settlement
from tests.actors.conftest import AccountWorld, Mishap, Requests

MakeWorld = Callable[..., AccountWorld]


def test_one_trade_s_requests_keep_their_order_and_go_one_at_a_time(world: AccountWorld, trade: Requests) -> None:
    world.hang(PlaceOrder, 1.0)
    roles = ["T1", "T2", "T3", "T4"]
    for role in roles:
        world.perform(role, trade.place(role))
    world.pass_time(0.9)
    assert len(world.exchange.calls) == 1
    world.pass_time(5.0)
    assert world.exchange.called("place") == [trade.order_id(role) for role in roles]


def test_exit_waits_for_the_cancels_before_it(world: AccountWorld, trade: Requests) -> None:
    for role in ("T1", "T2"):
        world.exchange.place(trade.intent(role))
    world.hang(CancelOrder, 1.0)
    world.perform("t1", trade.cancel("T1"))
    world.perform("t2", trade.cancel("T2"))
    world.perform("x", trade.place("X"))
    world.pass_time(5.0)
    assert [method for method, _ in world.exchange.calls] == ["cancel", "cancel", "place"]


def test_trades_run_side_by_side(world: AccountWorld, make_trade: type[Requests]) -> None:
    world.hang(PlaceOrder, 10.0)
    world.perform("slow", make_trade().place("T1"))
    world.pass_time(0.1)
    world.perform("other", make_trade(trade_id="8K3Q9X").place("T1"))
    assert world.outcome_of("other", within_seconds=0.1).settlement is Settlement.DONE
    assert world.settled("slow") == []


def test_stop_overtakes_all_that_waits_of_its_own_and_of_other_trades(
    make_world: MakeWorld, make_trade: type[Requests]
) -> None:
    world, one, other = make_world(lanes=1), make_trade(), make_trade(trade_id="8K3Q9X")
    world.hang(PlaceOrder, 1.0)
    world.perform("one/t1", one.place("T1"))
    world.pass_time(0.1)
    world.perform("one/t2", one.place("T2"))
    world.perform("other/t1", other.place("T1"))
    world.perform("other/e2", other.place("E2"))
    world.perform("one/s", one.place("S"))
    world.pass_time(10.0)
    placed = world.exchange.called("place")
    assert placed[:2] == [one.order_id("T1"), one.order_id("S")]
    assert placed.index(other.order_id("T1")) < placed.index(other.order_id("E2"))


def test_stop_does_not_wait_for_its_trade_s_call_under_way(world: AccountWorld, trade: Requests) -> None:
    world.hang(PlaceOrder, 11.0)
    world.perform("t1", trade.place("T1"))
    world.pass_time(0.1)
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s", within_seconds=0.1).settlement is Settlement.DONE


def test_exit_waits_two_seconds_at_most_for_a_call_that_hangs(world: AccountWorld, trade: Requests) -> None:
    world.hang(PlaceOrder, 11.0)
    world.perform("t1", trade.place("T1"))
    world.perform("x", trade.place("X"))
    world.pass_time(1.9)
    assert world.settled("x") == []
    assert world.outcome_of("x", within_seconds=0.2).settlement is Settlement.DONE


def test_urgent_kinds_go_first_between_trades(make_world: MakeWorld, make_trade: type[Requests]) -> None:
    world = make_world(lanes=1)
    trades = {role: make_trade(trade_id=f"{n}K3Q9X") for n, role in enumerate(("T1", "E1", "C", "X", "S"))}
    world.exchange.place(trades["C"].intent("T1"))
    world.hang(PlaceOrder, 1.0)
    world.perform("first", make_trade(trade_id="ZK3Q9X").place("T1"))
    world.pass_time(0.1)
    for role, trade in trades.items():
        world.perform(role, trade.cancel("T1") if role == "C" else trade.place(role))
    world.pass_time(10.0)
    arrived = [about for _, about in world.exchange.calls][1:]
    assert arrived == [
        trades["X"].order_id("X"),  # a market exit counts as a stop, and came before the stop
        trades["S"].order_id("S"),
        trades["C"].order_id("T1"),
        trades["E1"].order_id("E1"),
        trades["T1"].order_id("T1"),
    ]


def test_last_idle_lane_is_kept_for_stops_exits_and_cancels(world: AccountWorld, make_trade: type[Requests]) -> None:
    slow = [make_trade(trade_id=f"{n}K3Q9X") for n in range(6)]
    for n, trade in enumerate(slow):
        world.hang(PlaceOrder, 5.0)
        world.perform(f"e{n}", trade.place("E1"))
        world.pass_time(0.01)
    assert len(world.exchange.called("place")) == 3
    world.exchange.place(slow[5].intent("S"))
    world.perform("s", slow[5].amend("S", quantity=Decimal(4)))
    assert world.outcome_of("s", within_seconds=0.1).settlement is Settlement.DONE


def test_reads_never_stand_before_a_stop(world: AccountWorld, trade: Requests) -> None:
    world.hang(ClockOffsetQuestion, 5.0)
    for _ in range(20):
        world.system.tell("accounts/main/client", ClockOffsetQuestion())
    world.pass_time(0.1)
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s", within_seconds=0.1).settlement is Settlement.DONE


def test_request_in_doubt_holds_up_its_own_order_only(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.script("amend", Mishap.REQUEST_LOST)
    world.perform("t1/1", trade.amend("T1", quantity=Decimal(2)))
    world.pass_time(0.1)
    world.perform("t1/2", trade.cancel("T1"))
    world.perform("t2", trade.place("T2"))
    world.perform("s", trade.place("S"))
    world.pass_time(0.1)
    assert world.settlements() == {"t2": Settlement.DONE, "s": Settlement.DONE}
    world.pass_time(10.0)
    assert world.settlements().keys() == {"t1/1", "t1/2", "t2", "s"}
    assert world.exchange.called("cancel") == [trade.order_id("T1")]


def test_unreachable_rung_lets_the_rest_of_its_trade_pass(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.UNREACHABLE)
    world.perform("t1", trade.place("T1"))
    world.perform("t2", trade.place("T2"))
    assert world.outcome_of("t2", within_seconds=0.01).settlement is Settlement.DONE
    assert world.outcome_of("t1").settlement is Settlement.DONE


# --- one change instead of two ---------------------------------------------------------------------------------
def test_newer_amend_takes_over_the_one_that_waits_and_both_are_settled(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.hang(AmendOrder, 1.0)
    world.perform("1", trade.amend("T1", quantity=Decimal(5)))
    world.pass_time(0.1)
    world.perform("2", trade.amend("T1", quantity=Decimal(4)))
    world.perform("3", trade.amend("T1", price=Decimal(111)))
    world.perform("4", trade.amend("T1", quantity=Decimal(2)))
    world.pass_time(10.0)
    assert len(world.exchange.called("amend")) == 2
    order = world.exchange.orders[trade.order_id("T1")]
    assert (order.quantity, order.price) == (2, 111)  # nothing of the superseded ones is lost
    assert world.settlements() == dict.fromkeys("1234", Settlement.DONE)
    assert len(world.told) == 4


def test_taken_over_amend_is_still_known_by_its_key(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.hang(AmendOrder, 1.0)
    for key in ("1", "2", "3", "2"):
        world.perform(key, trade.amend("T1", quantity=Decimal(int(key))))
    world.pass_time(10.0)
    world.perform("2", trade.amend("T1", quantity=Decimal(2)), repeat=True)
    world.pass_time(10.0)
    assert [m.effect_key for m in world.told] == ["1", "2", "3", "2"]
    assert world.exchange.orders[trade.order_id("T1")].quantity == 3


def test_amends_do_not_pass_a_cancel_between_them(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.hang(AmendOrder, 1.0)
    world.perform("1", trade.amend("T1", quantity=Decimal(5)))
    world.pass_time(0.1)
    world.perform("2", trade.cancel("T1"))
    world.perform("3", trade.amend("T1", quantity=Decimal(4)))
    world.pass_time(10.0)
    assert world.settlements() == {"1": Settlement.DONE, "2": Settlement.DONE, "3": Settlement.GONE}


def test_newer_position_stop_stands_alone(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("position_stop", Mishap.UNREACHABLE)
    world.perform("1", trade.backstop("89"))
    world.pass_time(0.1)
    world.perform("2", trade.backstop("88"))
    world.pass_time(5.0)
    assert [stop.stop_price for stop in world.exchange.position_stops] == [88]
    assert world.settlements() == {"1": Settlement.DONE, "2": Settlement.DONE}


@pytest.mark.parametrize("seed", range(5))
def test_same_seed_makes_the_same_calls(make_world: MakeWorld, make_trade: type[Requests], seed: int) -> None:
    def calls() -> tuple[list[tuple[str, str]], str]:
        world = make_world(seed=seed)
        world.exchange.script("place", Mishap.REQUEST_LOST, Mishap.UNREACHABLE)
        for n in range(5):
            world.perform(f"s{n}", make_trade(trade_id=f"{n}K3Q9X").place("S"))
        world.pass_time(20)
        return world.exchange.calls, world.crank.digest

    assert calls() == calls()
