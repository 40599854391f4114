"""Every effect ends in exactly one outcome, and only when the outcome is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import structlog.testing

from actors.errors import AccessDenied, Gone, OutcomeUnknown, Rejected, Throttled, TriggerPassed, Unreachable
from actors.messages import addresses
from actors.messages.accounts import ClockOffsetQuestion, EnsureLeverage, OrderQuestion, SnapshotQuestion
from actors.messages.lanes import AccountFenced, AccountRestored, AccountSuspended
from actors.messages.orders import EffectSettled, PlaceOrder, Settlement
from actors.messages.storing import Perform, PromisedEffect
from actors.model.order import OrderSide, OrderState
from runtime import Refused
from tests.actors.conftest import OWNER, AccountWorld, Mishap, Requests, observed

CLIENT = addresses.client("main")


# --- placing ---------------------------------------------------------------------------------------------------
def test_accepted_order_is_done_at_once(world: AccountWorld, trade: Requests) -> None:
    world.perform("e1", trade.place("E1"))
    assert world.outcome_of("e1").settlement is Settlement.DONE
    assert world.exchange.accepted == [trade.order_id("E1")]
    assert world.unclear() == []


def test_order_whose_answer_was_lost_is_looked_up_and_not_sent_again(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.ANSWER_LOST)
    world.perform("e1", trade.place("E1"))
    outcome = world.outcome_of("e1")
    assert outcome.settlement is Settlement.DONE
    assert outcome.observed == world.exchange.orders[trade.order_id("E1")]
    assert len(world.exchange.called("place")) == 1
    assert [m.effect_key for m in world.unclear()] == ["e1"]


def test_lost_request_is_sent_again_under_the_same_id_once_absence_is_proof(
    world: AccountWorld, trade: Requests
) -> None:
    world.exchange.script("place", Mishap.REQUEST_LOST)
    world.perform("e1", trade.place("E1"))
    world.pass_time(5.9)
    assert len(world.exchange.called("place")) == 1
    assert world.outcome_of("e1", within_seconds=1.0).settlement is Settlement.DONE
    assert world.exchange.called("place") == [trade.order_id("E1")] * 2
    assert len(world.unclear()) == 1


def test_order_that_arrives_late_is_found_and_not_sent_again(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.ARRIVES_LATE)
    world.perform("e1", trade.place("E1"))
    assert world.outcome_of("e1").settlement is Settlement.DONE
    assert len(world.exchange.called("place")) == 1


def test_request_lost_again_and_again_goes_through_the_same_cycle(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", *[Mishap.REQUEST_LOST] * 3)
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert world.exchange.called("place") == [trade.order_id("S")] * 4
    assert world.clock.monotonic() >= 18.0
    assert len(world.unclear()) == 1


def test_look_ups_that_fail_prove_nothing(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.REQUEST_LOST)
    world.exchange.script("find", *[Unreachable("no route")] * 6)
    world.perform("e1", trade.place("E1"))
    world.pass_time(7.0)
    assert len(world.exchange.called("place")) == 1
    assert world.outcome_of("e1").settlement is Settlement.DONE
    assert len(world.exchange.accepted) == 1


def test_order_already_there_under_our_id_is_done_when_it_is_the_same(world: AccountWorld, trade: Requests) -> None:
    place = trade.place("E1")
    world.exchange.place(place.order)
    world.perform("e1", place)
    outcome = world.outcome_of("e1")
    assert outcome.settlement is Settlement.DONE
    assert outcome.observed is not None
    assert len(world.exchange.accepted) == 1


@pytest.mark.parametrize(
    "difference",
    [
        {"quantity": Decimal(4)},
        {"price": Decimal(101)},
        {"order_side": OrderSide.SELL},
        {"symbol": "ETHUSDT"},
        {"reduce_only": True},
        {"trigger_price": Decimal(95)},
    ],
    ids=lambda values: next(iter(values)),
)
def test_different_order_under_our_id_is_a_rejection(
    world: AccountWorld, trade: Requests, difference: dict[str, object]
) -> None:
    world.exchange.orders[trade.order_id("E1")] = replace(observed(trade.intent("E1")), **difference)  # type: ignore[arg-type]
    world.perform("e1", trade.place("E1"))
    outcome = world.outcome_of("e1")
    assert outcome.settlement is Settlement.REJECTED
    assert "different order" in outcome.text
    assert outcome.observed == world.exchange.orders[trade.order_id("E1")]


def test_used_id_that_stays_unlisted_is_a_rejection_in_the_end(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("E1"))
    world.exchange.listing_lag_seconds = 1e6
    world.exchange.orders[trade.order_id("E1")] = observed(trade.intent("E1"))
    world.exchange._listed_at[trade.order_id("E1")] = world.clock.now() + timedelta(days=1)
    world.perform("e1", trade.place("E1"))
    world.pass_time(30.0)
    assert world.settled("e1") == []
    outcome = world.outcome_of("e1")
    assert (outcome.settlement, outcome.code) == (Settlement.REJECTED, 110072)


def test_refused_order_carries_the_exchange_s_code_and_words(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Rejected("ab not enough for new order", code=110007))
    world.perform("e1", trade.place("E1"))
    outcome = world.outcome_of("e1")
    assert (outcome.settlement, outcome.code) == (Settlement.REJECTED, 110007)
    assert outcome.text == "ab not enough for new order"


@pytest.mark.parametrize(
    ("side", "expected_rise", "settlement"),
    [
        (OrderSide.SELL, False, Settlement.TRIGGER_PASSED),  # a long's stop, 110093
        (OrderSide.SELL, True, Settlement.TRIGGER_WRONG_SIDE),
        (OrderSide.BUY, True, Settlement.TRIGGER_PASSED),  # a short's stop, 110092
        (OrderSide.BUY, False, Settlement.TRIGGER_WRONG_SIDE),
    ],
)
@pytest.mark.parametrize("method", ["place", "amend"])
def test_only_the_objection_of_its_own_side_means_the_price_has_passed(
    world: AccountWorld, trade: Requests, *, method: str, side: OrderSide, expected_rise: bool, settlement: Settlement
) -> None:
    stop = trade.place("S", order_side=side)
    if method == "amend":
        world.exchange.place(stop.order)
    world.exchange.script(method, TriggerPassed("no", expected_rise=expected_rise, code=110092 + (not expected_rise)))
    world.perform("s", stop if method == "place" else trade.amend("S", trigger_price=Decimal(99)))
    outcome = world.outcome_of("s", within_seconds=1.0)
    assert outcome.settlement is settlement
    assert outcome.code == 110092 + (not expected_rise)


def test_unreachable_stop_is_tried_until_it_stands_and_its_owner_hears_after_two_seconds(
    world: AccountWorld, trade: Requests
) -> None:
    world.exchange.script("place", *[Mishap.UNREACHABLE] * 40)
    world.perform("s", trade.place("S"))
    world.pass_time(1.5)
    assert world.unclear() == []
    assert world.outcome_of("s", within_seconds=300).settlement is Settlement.DONE
    assert len(world.exchange.called("place")) == 41
    assert len(world.unclear()) == 1


def test_entry_that_could_not_be_sent_for_a_minute_is_given_up(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", *[Mishap.UNREACHABLE] * 100)
    world.perform("e1", trade.place("E1"))
    outcome = world.outcome_of("e1")
    assert outcome.settlement is Settlement.ABSENT
    assert 60 <= world.clock.monotonic() < 70
    assert world.exchange.accepted == []


def test_throttled_request_waits_for_the_named_instant_and_holds_back_its_kind(
    world: AccountWorld, make_trade: type[Requests]
) -> None:
    one, other = make_trade(), make_trade(trade_id="8K3Q9X")
    world.exchange.script("place", Throttled("10 a second", until=world.clock.now() + timedelta(seconds=3), code=10006))
    world.perform("one", one.place("E1"))
    world.pass_time(0.1)
    world.perform("other", other.place("E1"))
    world.perform("cancel", other.cancel("T1"))
    world.pass_time(2.8)
    assert len(world.exchange.called("place")) == 1
    assert len(world.exchange.called("cancel")) == 1  # another kind has a limit of its own
    world.pass_time(1.0)
    assert sorted(world.exchange.accepted) == [one.order_id("E1"), other.order_id("E1")]


def test_a_halted_symbol_holds_back_nothing_but_its_own_requests(
    world: AccountWorld, make_trade: type[Requests]
) -> None:
    one, other = make_trade(), make_trade(trade_id="8K3Q9X")
    until = world.clock.now() + timedelta(seconds=30)
    world.exchange.script("place", Throttled("trading is suspended", until=until, code=110066, shared=False))
    world.perform("one", one.place("S"))
    world.pass_time(0.1)
    world.perform("other", other.place("S"))
    world.pass_time(1.0)
    assert world.exchange.accepted == [other.order_id("S")]
    world.pass_time(30.0)
    assert world.exchange.accepted == [other.order_id("S"), one.order_id("S")]


# --- repeats and duplicates ------------------------------------------------------------------------------------
def test_repeat_is_looked_up_before_it_is_sent(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("S"))
    world.perform("s", trade.place("S"), repeat=True)
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert world.exchange.called("place") == []


def test_repeat_of_what_never_arrived_is_sent_once_absence_is_proof(world: AccountWorld, trade: Requests) -> None:
    world.perform("s", trade.place("S"), repeat=True)
    world.pass_time(5.9)
    assert world.exchange.called("place") == []
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert len(world.exchange.accepted) == 1


def test_repeated_order_that_was_amended_since_is_recognised(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("S"))
    world.exchange.amend(trade.amend("S", quantity=Decimal(5)))
    world.perform("s", trade.place("S"), repeat=True)
    world.perform("s/1", trade.amend("S", quantity=Decimal(5)), repeat=True)
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert world.outcome_of("s/1").settlement is Settlement.DONE
    assert world.exchange.called("place") == world.exchange.called("amend") == []


def test_effect_handed_in_twice_is_performed_once_and_settled_once(world: AccountWorld, trade: Requests) -> None:
    for _ in range(3):
        world.perform("e1", trade.place("E1"))
    world.perform("e1", trade.place("E1"), repeat=True)
    world.outcome_of("e1")
    world.pass_time(30)
    assert len(world.settled("e1")) == 1
    assert len(world.exchange.called("place")) == 1


def test_effect_settled_lately_is_answered_with_the_same_outcome(world: AccountWorld, trade: Requests) -> None:
    world.perform("e1", trade.place("E1"))
    first = world.outcome_of("e1")
    world.perform("e1", trade.place("E1"), repeat=True)
    world.pass_time(10)
    assert world.settled("e1") == [first, first]
    assert world.exchange.called("find") == []


def test_outcomes_are_remembered_up_to_a_bound(make_world: Callable[..., AccountWorld], trade: Requests) -> None:
    world = make_world(remembered_outcomes=2)
    for role in ("T1", "T2", "T3"):
        world.perform(role, trade.place(role))
    world.pass_time(1)
    world.perform("T1", trade.place("T1"), repeat=True)
    world.perform("T3", trade.place("T3"), repeat=True)
    world.pass_time(1)
    assert world.exchange.called("find") == [trade.order_id("T1")]


# --- amending --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mishap", [Mishap.ANSWER_LOST, Mishap.REQUEST_LOST, Mishap.ARRIVES_LATE])
def test_unknown_amend_ends_with_the_order_as_asked(world: AccountWorld, trade: Requests, mishap: Mishap) -> None:
    world.exchange.place(trade.intent("S"))
    world.exchange.script("amend", mishap)
    world.perform("s/1", trade.amend("S", quantity=Decimal(5), trigger_price=Decimal(95)))
    outcome = world.outcome_of("s/1")
    assert outcome.settlement is Settlement.DONE
    order = world.exchange.orders[trade.order_id("S")]
    assert (order.quantity, order.trigger_price) == (5, 95)
    assert len(world.unclear()) == 1


def test_unknown_amend_is_sent_again_only_past_the_window(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("S"))
    world.exchange.script("amend", Mishap.REQUEST_LOST)
    world.perform("s/1", trade.amend("S", quantity=Decimal(5)))
    world.pass_time(5.9)
    assert len(world.exchange.called("amend")) == 1
    world.pass_time(0.2)
    assert len(world.exchange.called("amend")) == 2


def test_unknown_amend_of_an_order_that_ended_is_gone_with_its_last_state(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.end(trade.order_id("T1"), OrderState.FILLED)
    world.exchange.script("amend", Mishap.REQUEST_LOST)
    world.perform("t/1", trade.amend("T1", quantity=Decimal(2)))
    outcome = world.outcome_of("t/1")
    assert outcome.settlement is Settlement.GONE
    assert outcome.observed is not None
    assert outcome.observed.state is OrderState.FILLED


def test_amend_of_an_order_that_is_gone_tells_its_last_state(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.end(trade.order_id("T1"), OrderState.FILLED)
    world.perform("t/1", trade.amend("T1", quantity=Decimal(2)))
    outcome = world.outcome_of("t/1", within_seconds=1.0)
    assert (outcome.settlement, outcome.code) == (Settlement.GONE, 110001)
    assert outcome.observed is not None


def test_amend_of_an_order_listed_nowhere_is_gone_without_a_state(world: AccountWorld, trade: Requests) -> None:
    world.perform("t/1", trade.amend("T1", quantity=Decimal(2)))
    outcome = world.outcome_of("t/1")
    assert (outcome.settlement, outcome.observed) == (Settlement.GONE, None)


def test_order_called_gone_but_listed_as_live_is_amended_in_the_end(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.script("amend", Gone("not there", code=110001))
    world.perform("t/1", trade.amend("T1", quantity=Decimal(2)))
    assert world.outcome_of("t/1").settlement is Settlement.DONE
    assert world.exchange.orders[trade.order_id("T1")].quantity == 2


# --- cancelling ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mishap", [Mishap.ANSWER_LOST, Mishap.REQUEST_LOST, Mishap.ARRIVES_LATE])
def test_unknown_cancel_ends_with_the_order_cancelled(world: AccountWorld, trade: Requests, mishap: Mishap) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.script("cancel", mishap)
    world.perform("t/1", trade.cancel("T1"))
    assert world.outcome_of("t/1").settlement is Settlement.DONE
    assert world.exchange.orders[trade.order_id("T1")].state is OrderState.CANCELLED


def test_cancel_of_a_filled_order_is_done_and_tells_the_fill(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1"))
    world.exchange.end(trade.order_id("T1"), OrderState.FILLED)
    world.perform("t/1", trade.cancel("T1"))
    outcome = world.outcome_of("t/1", within_seconds=1.0)
    assert outcome.settlement is Settlement.DONE
    assert outcome.observed is not None
    assert outcome.observed.state is OrderState.FILLED


def test_cancel_of_an_order_listed_nowhere_is_done_once_absence_is_proof(world: AccountWorld, trade: Requests) -> None:
    world.perform("t/1", trade.cancel("T1"))
    world.pass_time(5.9)
    assert world.settled("t/1") == []
    outcome = world.outcome_of("t/1")
    assert (outcome.settlement, outcome.observed) == (Settlement.DONE, None)


def test_order_cancelled_before_it_could_be_sent_is_never_sent(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.UNREACHABLE)
    world.perform("e1", trade.place("E1"))
    world.crank.run_until_idle()
    world.perform("e1/1", trade.cancel("E1"))
    world.pass_time(30)
    assert world.settlements() == {"e1": Settlement.ABSENT, "e1/1": Settlement.DONE}
    assert world.exchange.accepted == []
    assert world.exchange.called("cancel") == []


def test_order_in_doubt_is_not_dropped_for_its_cancel(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.ARRIVES_LATE)
    world.perform("e1", trade.place("E1"))
    world.crank.run_until_idle()
    world.perform("e1/1", trade.cancel("E1"))
    world.pass_time(30)
    assert world.settlements() == {"e1": Settlement.DONE, "e1/1": Settlement.DONE}
    assert world.exchange.orders[trade.order_id("E1")].state is OrderState.CANCELLED


# --- the position's stop ---------------------------------------------------------------------------------------
def test_position_stop_is_absolute_and_simply_set_again(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("position_stop", OutcomeUnknown("read timed out"), Mishap.UNREACHABLE)
    world.perform("b", trade.backstop("89"), repeat=True)
    assert world.outcome_of("b", within_seconds=5).settlement is Settlement.DONE
    assert [stop.stop_price for stop in world.exchange.position_stops] == [89]
    assert world.exchange.called("find") == []


def test_position_stop_without_a_position_is_rejected(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("position_stop", Rejected("can not set tp/sl for zero position", code=10001))
    world.perform("b", trade.backstop("89"))
    assert world.outcome_of("b").settlement is Settlement.REJECTED


# --- access ----------------------------------------------------------------------------------------------------
def test_refused_key_denies_entries_and_lets_stops_through_slowly(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", AccessDenied("API key is invalid", code=10003))
    world.perform("e1", trade.place("E1"))
    assert world.outcome_of("e1").settlement is Settlement.DENIED
    assert [type(m) for m in world.health] == [AccountSuspended]
    world.perform("e2", trade.place("E2"))
    world.perform("s", trade.place("S"))
    assert world.outcome_of("e2", within_seconds=0).settlement is Settlement.DENIED
    assert world.settled("s") == []
    assert world.outcome_of("s", within_seconds=6).settlement is Settlement.DONE
    assert [type(m) for m in world.health] == [AccountSuspended, AccountRestored]
    world.perform("e3", trade.place("E3"))
    assert world.outcome_of("e3").settlement is Settlement.DONE


def test_stop_is_tried_for_as_long_as_the_key_is_refused(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", *[AccessDenied("API key is invalid", code=10003)] * 5)
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s", within_seconds=400).settlement is Settlement.DONE
    assert len(world.exchange.called("place")) == 6
    assert len(world.unclear()) == 1
    assert [type(m) for m in world.health] == [AccountSuspended, AccountRestored]


def test_ordinary_request_is_tried_again_a_minute_after_the_refusal(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", AccessDenied("API key is invalid", code=10003))
    world.perform("e1", trade.place("E1"))
    world.pass_time(61)
    world.perform("e2", trade.place("E2"))
    assert world.outcome_of("e2").settlement is Settlement.DONE


def test_fenced_client_sends_nothing_more_and_settles_nothing(world: AccountWorld, trade: Requests) -> None:
    world.exchange.fenced = True
    world.perform("s", trade.place("S"))
    world.perform("e1", trade.place("E1"))
    world.pass_time(60)
    assert world.told == []
    assert world.exchange.calls == []
    assert [type(m) for m in world.health] == [AccountFenced]
    world.exchange.fenced = False
    world.perform("t", trade.place("T1"))
    world.pass_time(60)
    assert world.exchange.calls == []
    with pytest.raises(Refused, match="another run"):
        world.system.ask(CLIENT, ClockOffsetQuestion())


def test_request_of_another_account_is_refused(world: AccountWorld, make_trade: type[Requests]) -> None:
    world.perform("e1", make_trade(account="mirror").place("E1"))
    world.pass_time(10)
    assert world.told == []
    assert world.exchange.calls == []
    assert world.system.dead_letters.count(path=CLIENT, reason="refused") == 1


# --- lanes that fail -------------------------------------------------------------------------------------------
def test_hung_lane_is_replaced_and_its_request_looked_up(world: AccountWorld, trade: Requests) -> None:
    world.hang(PlaceOrder)
    world.perform("s", trade.place("S"))
    world.pass_time(11.9)
    assert world.settled("s") == []
    assert world.outcome_of("s", within_seconds=1.0).settlement is Settlement.DONE
    assert len(world.exchange.accepted) == 1
    world.pass_time(10)
    lanes = {cell.path.rpartition("/")[2] for cell in world.system.snapshot() if "/lane-" in cell.path}
    assert len(lanes) == 4
    assert "lane-6" in lanes


def test_lane_that_crashed_over_a_request_leaves_it_to_be_looked_up(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.CRASH_AFTER)
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert len(world.exchange.accepted) == 1
    assert world.exchange.closed == 1  # the connection it crashed with


def test_lanes_that_cannot_be_built_are_replaced_until_one_can(
    make_world: Callable[..., AccountWorld], trade: Requests
) -> None:
    world = make_world(start=False)
    world.exchange.failing_connections = 100
    world.start()
    world.perform("s", trade.place("S"))
    world.perform("e1", trade.place("E1"))
    world.pass_time(5)
    assert world.exchange.calls == []
    assert world.outcome_of("s", within_seconds=1200).settlement is Settlement.DONE
    assert world.outcome_of("e1").settlement in {Settlement.DONE, Settlement.ABSENT}
    assert world.exchange.failing_connections == 0


def test_what_is_no_order_request_is_refused(world: AccountWorld, trade: Requests) -> None:
    world.perform("odd", ClockOffsetQuestion())  # type: ignore[arg-type]
    world.perform("s", trade.place("S"))
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert world.system.dead_letters.count(path=CLIENT, reason="refused") == 1


def test_client_that_crashed_takes_its_effects_up_again_without_doubling_them(
    world: AccountWorld, trade: Requests
) -> None:
    world.exchange.listing_lag_seconds = 3.0
    world.perform("s", trade.place("S"))
    world.crank.run(lambda: bool(world.exchange.accepted))
    world.system.kill(CLIENT)
    world.perform("s", trade.place("S"), repeat=True)
    assert world.outcome_of("s").settlement is Settlement.DONE
    assert len(world.exchange.accepted) == 1


# --- questions -------------------------------------------------------------------------------------------------
def test_order_question_is_answered_with_the_order_or_none(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("S"))
    question = OrderQuestion(symbol="BTCUSDT", client_order_id=trade.order_id("S"))
    assert world.system.ask(CLIENT, question) == world.exchange.orders[trade.order_id("S")]
    assert world.system.ask(CLIENT, replace(question, client_order_id="other")) is None


def test_snapshot_reads_the_executions_last(world: AccountWorld) -> None:
    since = world.clock.now() - timedelta(minutes=1)
    snapshot = world.system.ask(CLIENT, SnapshotQuestion(executions_since=since))
    assert [method for method, _ in world.exchange.calls] == ["open_orders", "positions", "executions"]
    assert snapshot.started_at == world.clock.now()
    assert (snapshot.account, snapshot.orders, snapshot.positions, snapshot.executions) == ("main", (), (), ())


def test_failed_part_of_a_snapshot_refuses_the_whole(world: AccountWorld) -> None:
    world.exchange.script("positions", *[Unreachable("no route to host")] * 3)
    with pytest.raises(Refused, match="no route to host"):
        world.system.ask(CLIENT, SnapshotQuestion(executions_since=world.clock.now()), timeout_seconds=20)


def test_read_that_failed_once_is_made_again(world: AccountWorld) -> None:
    world.exchange.script("clock", Unreachable("connection reset"))
    assert world.system.ask(CLIENT, ClockOffsetQuestion()) == 0.25


def test_leverage_is_set_again_when_its_answer_was_lost(world: AccountWorld) -> None:
    world.exchange.script("leverage", Mishap.REQUEST_LOST)
    assert world.system.ask(CLIENT, EnsureLeverage(symbol="BTCUSDT", leverage=Decimal(10))) is True
    assert world.exchange.leverages == [("BTCUSDT", Decimal(10))]


def test_refused_leverage_is_refused_in_the_exchange_s_words(world: AccountWorld) -> None:
    world.exchange.script("leverage", Rejected("cannot set leverage gt maxLeverage by risk limit", code=110013))
    with pytest.raises(Refused, match="gt maxLeverage"):
        world.system.ask(CLIENT, EnsureLeverage(symbol="BTCUSDT", leverage=Decimal(200)))


def test_hung_reader_is_replaced_and_later_reads_are_answered(world: AccountWorld) -> None:
    world.hang(ClockOffsetQuestion)
    assert world.system.ask(CLIENT, ClockOffsetQuestion(), timeout_seconds=30) == 0.25


def test_outcome_goes_to_the_owner_named_in_the_effect(world: AccountWorld, trade: Requests) -> None:
    effect = PromisedEffect(key="b", destination=CLIENT, owner=addresses.HEALTH, request=trade.backstop("89"))
    world.system.tell(CLIENT, Perform(effect=effect))
    world.pass_time(1)
    assert [type(m) for m in world.health] == [EffectSettled]
    assert world.told == []
    assert OWNER != addresses.HEALTH


# --- the log ---------------------------------------------------------------------------------------------------
def test_log_tells_the_way_to_an_outcome_once(world: AccountWorld, trade: Requests) -> None:
    world.exchange.script("place", Mishap.UNREACHABLE, Mishap.REQUEST_LOST)
    with structlog.testing.capture_logs() as lines:
        world.perform("s", trade.place("S"))
        world.outcome_of("s")
    told = [(line["event"], line["order"]) for line in lines if line.get("effect_key") == "s"]
    events = ["request_retried", "request_unknown", "request_retried", "order_placed"]
    assert told == [(event, trade.order_id("S")) for event in events]
    assert lines[-1]["trigger_price"] == "90"


def test_log_tells_what_was_refused_and_how_a_doubt_ended(world: AccountWorld, trade: Requests) -> None:
    world.exchange.place(trade.intent("T1", quantity=Decimal(9)))
    world.exchange.script("amend", Rejected("no", code=110064))
    with structlog.testing.capture_logs() as lines:
        world.perform("t1", trade.place("T1"))
        world.perform("t1/1", trade.amend("T1", quantity=Decimal(1)))
        world.outcome_of("t1/1")
    told = [(line["effect_key"], line["event"]) for line in lines if "effect_key" in line]
    assert told == [
        ("t1", "request_retried"),
        ("t1", "request_rejected"),
        ("t1", "request_resolved"),
        ("t1/1", "request_rejected"),
    ]
    assert lines[-1]["code"] == 110064
