"""Planted on a request's way to the exchange: outcomes, order, lanes, readings.

Enters: the account's client and its rules. Stays out: what the requests are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors import account_client, lane, position_monitor, reconciler
from actors.messages.accounts import OrderQuestion, TradeSnapshot
from actors.messages.lanes import AnswerKind, ExecutionsReading, LaneAnswer, OpenOrdersReading, PositionsReading
from actors.messages.orders import AmendOrder, CancelOrder, PlaceOrder, Settlement
from actors.messages.trading import OrderAbsent
from actors.model.trade import LegState
from actors.rules import account_reading, decision, next_orders, order_outcome, position_life, request_queue
from actors.rules.client_order_ids import format_client_order_id, parse_client_order_id
from actors.rules.request_order import Rank, standing_of
from adapters.assembly.simulation.planted.patch import Bug, Patch
from runtime import NotAnswered

Method = Callable[..., Any]


def _fresh_id(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def careless(state: Any, situation: Any) -> Any:
            again = honest(state, situation)
            place = again.state.request
            parsed = parse_client_order_id(place.order.client_order_id) if isinstance(place, PlaceOrder) else None
            if parsed is None:
                return again
            fresh = format_client_order_id(
                installation=parsed.installation,
                epoch=parsed.epoch,
                trade_id=parsed.trade_id,
                role=parsed.role,
                revision=parsed.revision + 1,
            )
            order = replace(place.order, client_order_id=fresh)
            return replace(again, state=replace(again.state, request=replace(place, order=order)))

        return careless

    patch.wrap(order_outcome, "_send_again", make)


def _unknown_is(settlement: Settlement, *kinds: type) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        def make(honest: Method) -> Method:
            def sure(state: Any, answer: LaneAnswer, situation: Any) -> Any:
                if answer.kind is AnswerKind.UNKNOWN and isinstance(state.request, kinds):
                    return order_outcome.Settled(settlement=settlement, text="no answer")
                return honest(state, answer, situation)

            return sure

        patch.wrap(order_outcome, "_after_send", make)

    return plant


def _absent_at_once(patch: Patch) -> None:
    """One listing without the order proves that it is nowhere."""

    def make(honest: Method) -> Method:
        def sure(self: position_monitor.PositionMonitor, message: TradeSnapshot) -> None:
            listed = {order.client_order_id for order in message.orders}
            if self._trade is not None:
                for leg in self._trade.legs:
                    if leg.live and leg.client_order_id not in listed:
                        self._take(OrderAbsent(client_order_id=leg.client_order_id, read_at=message.started_at))
            honest(self, message)

        return sure

    patch.rewire(position_monitor.PositionMonitor, TradeSnapshot, make)


def _readings_always_believed(patch: Patch) -> None:
    """A reading is believed over everything that was heard since it began."""
    patch.replace(position_life, "_outlives_its_end", lambda _leg, _fact: True)

    def make(honest: Method) -> Method:
        def backwards(trade: Any, leg: Any, order: Any) -> Any:
            if order.filled_quantity < leg.filled_quantity and not order.state.terminal:
                leg = replace(leg, reported_quantity=order.filled_quantity, executed_quantity=order.filled_quantity)
            return honest(trade, leg, order)

        return backwards

    patch.wrap(position_life, "_report", make)


def _amends_overtake(patch: Patch) -> None:
    """Requests on one order do not wait for one another, neither in their trade nor on their way."""
    patch.replace(next_orders, "_settled", lambda leg: leg.state is LegState.LIVE and not leg.in_doubt)

    def make(honest: Method) -> Method:
        def free(candidates: Any, **terms: Any) -> Any:
            apart = [replace(each, standing=replace(each.standing, order=f"{each.number}")) for each in candidates]
            return honest(apart, **terms)

        return free

    patch.wrap(request_queue, "next_to_start", make)


def _stops_last(patch: Patch) -> None:
    """A trade asks for its stop last, and nothing on the way knows what a stop is."""

    def make(honest: Method) -> Method:
        def behind(trade: Any, asker: Any) -> Any:
            requests, wake = honest(trade, asker)
            return tuple(sorted(requests, key=lambda each: "-S-" in each.effect_key)), wake

        return behind

    patch.replace(decision, "next_orders", make(next_orders.next_orders))
    order = {Rank.STOP: Rank.RUNG, Rank.RUNG: Rank.STOP}
    honest = standing_of

    def upside_down(request: Any) -> Any:
        standing = honest(request)
        return replace(standing, rank=order.get(standing.rank, standing.rank), is_stop=False)

    patch.replace(request_queue, "standing_of", upside_down)


def _lost_lane_kept(patch: Patch) -> None:
    def make(_honest: Method) -> Method:
        def shrug(_self: account_client.AccountClient, _message: NotAnswered) -> None:
            """Wait for it."""

        return shrug

    patch.rewire(account_client.AccountClient, NotAnswered, make)


def _outcome_lost_on_crash(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def forget(self: account_client.AccountClient, entry: Any, verdict: Any) -> None:
            if entry.state.troubled_since is None:
                honest(self, entry, verdict)
                return
            entry.effect = replace(entry.effect, owner="nobody")
            honest(self, entry, verdict)

        return forget

    patch.wrap(account_client.AccountClient, "_settle", make)


def _empty_reading_on_failure(patch: Patch) -> None:
    """A call that failed is taken for one that found nothing, of all lists and of single orders."""
    nothing = {OpenOrdersReading: (), PositionsReading: (), ExecutionsReading: (), OrderQuestion: None}

    def make(honest: Method) -> Method:
        def empty(reading: Any, answer: LaneAnswer, **terms: Any) -> Any:
            kind = type(reading.calls[0])
            if answer.kind is not AnswerKind.DONE and kind in nothing:
                answer = replace(answer, kind=AnswerKind.DONE, value=nothing[kind])
            return honest(reading, answer, **terms)

        return empty

    patch.replace(account_client, "proceed", make(account_reading.proceed))


def _reconciler_rests(patch: Patch) -> None:
    patch.replace(reconciler.Reconciler, "_arm_beat", lambda _self: None)
    patch.replace(reconciler.Reconciler, "_want_reading", lambda _self: None)


def _fence_removed(patch: Patch) -> None:
    def make(honest: Method) -> Method:
        def open_gate(self: lane.Lane, *args: Any, **named: Any) -> None:
            honest(self, *args, **named)
            self._fence = _OpenGate()

        return open_gate

    patch.wrap(lane.Lane, "__init__", make)


class _OpenGate:
    def check(self) -> None:
        """Let everybody through."""


BUGS = (
    Bug(name="retry_with_fresh_id", mistake="a lost order is sent again under another id", plant=_fresh_id),
    Bug(
        name="unknown_is_rejected",
        mistake="an order without an answer counts as refused",
        plant=_unknown_is(Settlement.REJECTED, PlaceOrder),
    ),
    Bug(
        name="unknown_cancel_is_done",
        mistake="a cancel without an answer counts as done",
        plant=_unknown_is(Settlement.DONE, CancelOrder),
    ),
    Bug(
        name="unknown_amend_is_done",
        mistake="an amendment without an answer counts as done",
        plant=_unknown_is(Settlement.DONE, AmendOrder),
    ),
    Bug(name="absent_at_once", mistake="one listing without an order proves its absence", plant=_absent_at_once),
    Bug(name="readings_always_believed", mistake="a stale reading undoes fills", plant=_readings_always_believed),
    Bug(name="amends_overtake", mistake="requests on one order overtake one another", plant=_amends_overtake),
    Bug(name="stops_last", mistake="stops wait for everything else", plant=_stops_last),
    Bug(name="lost_lane_kept", mistake="a call that never ends is waited for", plant=_lost_lane_kept),
    Bug(name="late_outcome_lost", mistake="an outcome after trouble is told to nobody", plant=_outcome_lost_on_crash),
    Bug(name="failed_reading_is_empty", mistake="a failed reading is an empty one", plant=_empty_reading_on_failure),
    Bug(name="reconciler_rests", mistake="the exchange is read at the start only", plant=_reconciler_rests),
    Bug(name="fence_removed", mistake="a daemon that lost its lock goes on sending", plant=_fence_removed),
)
