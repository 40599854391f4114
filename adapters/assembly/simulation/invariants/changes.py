"""I21: what a person changes of an open trade is what was asked for, once, and the backstop lies beyond the stop.

A change in a trade's journal goes back to a command that was confirmed, by its id and to the tick, or to main's record
of it, or to a hand in the app under a plan that respects it. A stop moves against its trade only behind the backstop:
the wish is recorded, the backstop moves, the stop follows. Where a person's price was passed the stop is back where it
was, and nothing leaves.
Exempt: commands that a lost memory has forgotten; the place of the stop while a hand in the app moves stops.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from actors.messages.exit_facts import StopLooseningAsked, TargetSet
from actors.messages.operator import ChangeAction, ChatRecord
from actors.messages.orders import EffectSettled, Settlement
from actors.messages.trading import ChangeTrade, StopPriceMoved
from actors.model.position import PositionSide
from actors.model.trade import Role, Trade
from actors.model.trade_change import ChangeKind, TradeChange
from actors.model.trade_plan import Policy
from adapters.assembly.simulation.invariants.held import STOP, TARGET, ZERO, Held
from adapters.assembly.simulation.invariants.violation import Violated
from adapters.simulated.records import Account, Order, Position

FROM_MAIN = "/main"  # behind the command's id, at those that follow
BY_HAND = "CancelByUser"


class Changes:
    """Commands that were confirmed, and what was recorded of them."""

    def __init__(self) -> None:
        self._wished: dict[str, TradeChange] = {}  # by command id
        self._recorded: set[tuple[str, str, type[Any]]] = set()  # trade id, command id, kind of fact

    def kept(self, record: ChatRecord) -> None:
        for pending in record.pending:
            if isinstance(pending.action, ChangeAction):
                self._wished[pending.command_id] = pending.action.change

    def asked(self, wanted: ChangeTrade) -> None:
        """A person asks at a terminal, where no confirmation is kept."""
        self._wished[wanted.command_id] = wanted.change

    def forget(self) -> None:
        """A run began with less than was acted on: what it cannot know it may record again."""
        self._recorded.clear()

    def check_fact(self, before: Trade, held: Held, fact: Any) -> None:
        """Judge a fact that has become durable."""
        if isinstance(fact, EffectSettled):
            _check_given_back(before, held, fact)
        if not isinstance(fact, StopPriceMoved | StopLooseningAsked | TargetSet) or not fact.by:
            return
        if not fact.command_id:
            _check_by_hand(before, held, fact)
            return
        name = before.trade_id, fact.command_id, type(fact)
        if name in self._recorded:
            raise Violated("I21", before.trade_id, f"command {fact.command_id} is recorded a second time")
        self._recorded.add(name)
        self._check_asked(before, fact)
        if isinstance(fact, StopPriceMoved):
            _check_outward(before, fact)

    def _check_asked(self, before: Trade, fact: StopPriceMoved | StopLooseningAsked | TargetSet) -> None:
        command = fact.command_id
        if command.endswith(FROM_MAIN):
            origin = command.removesuffix(FROM_MAIN)
            if not any((before.follows, origin) == each[:2] for each in self._recorded):
                raise Violated("I21", before.trade_id, f"follows {origin}, which main has no record of")
            return
        wish = self._wished.get(command)
        if wish is None:
            raise Violated("I21", before.trade_id, f"was changed by {command}, and nobody has confirmed that")
        price = fact.price if isinstance(fact, TargetSet) else fact.stop_price
        same = price == wish.price or (
            price is not None
            and wish.price is not None
            and abs(price - wish.price) < before.instrument.tick_size
            and (price - wish.price) * before.side.sign * (-1 if isinstance(fact, TargetSet) else 1) >= 0
        )
        place = fact.place if isinstance(fact, TargetSet) else None
        if wish.kind is not ChangeKind.BREAKEVEN and (not same or place != wish.place):
            raise Violated("I21", before.trade_id, f"{command} asked for {wish}, recorded is {fact}")


def _check_outward(before: Trade, fact: StopPriceMoved) -> None:
    waited = before.loosening is not None and before.loosening.stop_price == fact.stop_price
    if (fact.stop_price - before.stop_price) * before.side.sign < 0 and not waited:
        text = f"its stop goes from {before.stop_price} out to {fact.stop_price} and has not waited for the backstop"
        raise Violated("I21", before.trade_id, text)


def _check_by_hand(before: Trade, held: Held, fact: StopPriceMoved | StopLooseningAsked | TargetSet) -> None:
    """Only what is there, only where it is respected, and no stop at the backstop or beyond."""
    if before.plan.policy is not Policy.RESPECT or isinstance(fact, StopLooseningAsked):
        raise Violated("I21", before.trade_id, f"takes over what {fact.by} did, and its plan does not respect it")
    if isinstance(fact, TargetSet):
        theirs = [order for order in held.of(TARGET) if int(order.link_id.split("-")[2][1:]) == fact.place]
        there = any(
            order.cancel_type == BY_HAND if fact.price is None else order.price == fact.price for order in theirs
        )
    else:
        there = any(order.trigger_price == fact.stop_price for order in held.of(STOP))
        there = there and (fact.stop_price - before.backstop_price) * before.side.sign > 0
    if not there:
        raise Violated("I21", before.trade_id, f"takes over {fact}, which nobody did")


def _check_given_back(before: Trade, held: Held, fact: EffectSettled) -> None:
    """A stop goes back for one reason alone: the exchange refused a person's price as passed."""
    after = held.trade
    pending = [leg.pending for leg in before.of(Role.STOP) if leg.pending is not None]
    asked = [each.trigger_price for each in pending if each.effect_key == fact.effect_key]
    left = after.trigger_passed and not before.trigger_passed
    if left and before.asked_stop is not None and before.asked_stop in asked:
        text = f"leaves because the price has passed {before.asked_stop}, which a person asked for"
        raise Violated("I21", before.trade_id, text)
    if after.stop_price == before.stop_price:
        return
    kept = before.kept_stop
    if fact.settlement is not Settlement.TRIGGER_PASSED or kept is None or after.stop_price != kept.stop_price:
        text = f"its stop goes from {before.stop_price} to {after.stop_price} with an outcome {fact.settlement}"
        raise Violated("I21", before.trade_id, text)


def check_inside(account: Account, position: Position, trades: Iterable[Held]) -> None:
    """I21: no own stop at the exchange lies at the backstop or beyond it."""
    backstop = account.orders.get(position.stop_loss_id)
    if backstop is None or not backstop.is_open or backstop.triggered or backstop.trigger_price is None:
        return
    sign = position.sign
    side = PositionSide.LONG if sign > 0 else PositionSide.SHORT
    for held in trades:
        plan = held.trade.plan
        if (plan.account, plan.symbol, plan.position_side) != (account.name, position.symbol, side):
            continue
        outside = [order for order in held.of(STOP) if _is_outside(order, backstop.trigger_price, sign)]
        if outside and held.open_quantity > ZERO:
            text = f"waits at {outside[0].trigger_price}, the backstop at {backstop.trigger_price} would fire first"
            raise Violated("I21", outside[0].link_id, text)


def _is_outside(order: Order, backstop: Decimal, sign: int) -> bool:
    trigger = order.trigger_price
    return order.is_open and order.is_conditional and trigger is not None and (trigger - backstop) * sign <= 0
