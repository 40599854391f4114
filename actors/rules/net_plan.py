"""A net-target plan before anything has filled: what is asked in USDT becomes a target and a stop, as planned.

The person gives entries and amounts; the prices follow from the quantities, as if every entry filled at its price
(a market entry at the last one). They are what the preview shows and what the limits are checked against; once entries
have filled, rules.net_exit works both out anew for what was really paid.

Enters: a plan, a view of its symbol. Stays out: running trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from actors.model.account import OpeningView
from actors.model.exit_rules import NetTarget
from actors.model.money import ONE, ZERO, ceil_to, floor_to, plain
from actors.model.position import PositionSide
from actors.model.trade_plan import PlannedRung, RiskShare, SizedPlan, TradePlan
from actors.rules.limits import sizable
from actors.rules.net_target import Holding, loss_price, target_price
from actors.rules.refusals import Refusal
from actors.rules.sizing import size
from actors.rules.wording import percent, usdt

_ABOUT = Decimal("0.01")  # where placeholders lie while quantities are worked out, a fraction of the price


def with_prices(plan: TradePlan, view: OpeningView) -> TradePlan | tuple[Refusal, ...]:
    """Give the plan with target and stop, or what is wrong with its amounts; any other plan as it is.

    Where its quantities cannot be worked out, the plan comes back with placeholders: whoever looks at the rest of it
    will find what is wrong.
    """
    net = plan.exits.net
    if net is None:
        return plan
    problems = (*net_refusals(net), *_risk_refusals(plan))
    if problems:
        return problems
    about = with_placeholders(plan, view)
    sized = size(about, view) if sizable(about, view) else ()
    if not isinstance(sized, SizedPlan):
        return about
    held = planned_holding(sized, view)
    target = target_price(held, net.target_usdt, view.fees.maker, view.instrument.tick_size)
    stop = loss_price(held, net.stop_usdt, view.fees.taker, view.instrument.tick_size)
    problems = (*_target_refusals(plan, net, target, held), *_stop_refusals(plan, view, net, stop, held))
    if problems or target is None or stop is None:
        return problems
    return replace(plan, rungs=(PlannedRung(price=target, fraction=ONE),), stop_price=stop)


def planned_holding(sized: SizedPlan, view: OpeningView) -> Holding:
    """Give what a sized plan will hold if all its entries fill at their prices."""
    value = fees = ZERO
    for entry in sized.entries:
        part = entry.quantity * (view.last_price if entry.price is None else entry.price)
        value += part
        fees += part * (view.fees.taker if entry.price is None else view.fees.maker)
    return Holding(
        side=sized.plan.position_side,
        quantity=sized.quantity,
        entry_value_usdt=value,
        entry_fees_usdt=fees,
    )


def net_refusals(net: NetTarget) -> Iterator[Refusal]:
    """Check the amounts among themselves: target > floor > -stop, target and stop over 0."""
    if net.target_usdt <= 0:
        yield _refusal("net", net.target_usdt, "over 0 USDT", "the net target must be over 0: write net 10")
    if net.stop_usdt <= 0:
        text = "the loss at the stop must be over 0: write it without a sign, as in loss 10"
        yield _refusal("loss", net.stop_usdt, "over 0 USDT", text)
    floor = net.floor_usdt
    if floor is None or net.target_usdt <= 0 or net.stop_usdt <= 0:
        return
    if floor >= net.target_usdt:
        text = (
            f"floor {usdt(floor)} must lie under the net target of {usdt(net.target_usdt)}: "
            f"write floor {plain(net.target_usdt * 7 / 10)}, or floor none"
        )
        yield _refusal("floor", floor, f"under {plain(net.target_usdt)}", text)
    elif floor <= -net.stop_usdt:
        text = (
            f"floor {usdt(floor)} must lie over the stop's {usdt(-net.stop_usdt)}: write a floor between that and "
            f"{plain(net.target_usdt)}, or floor none"
        )
        yield _refusal("floor", floor, f"over {plain(-net.stop_usdt)}", text)


def _risk_refusals(plan: TradePlan) -> Iterator[Refusal]:
    """Refuse a size that waits for a stop, where the stop waits for the size."""
    if isinstance(plan.size, RiskShare):
        risk = percent(plan.size.of_equity)
        text = f"risk {risk} does not go with a net target, whose loss is an amount: write margin and loss"
        yield Refusal(field="risk", value=risk, limit="margin", text=text)


def _refusal(field: str, value: Decimal, limit: str, text: str) -> Refusal:
    return Refusal(field=field, value=plain(value), limit=limit, text=text)


def _target_refusals(plan: TradePlan, net: NetTarget, target: Decimal | None, held: Holding) -> Iterator[Refusal]:
    if target is None:
        yield _refusal(
            "net",
            net.target_usdt,
            f"under {usdt(held.entry_value_usdt)}",
            f"a {plan.position_side.value} of {usdt(held.entry_value_usdt)} cannot net {usdt(net.target_usdt)}, "
            "whatever the price: write a smaller net, or a larger margin",
        )


def _stop_refusals(
    plan: TradePlan, view: OpeningView, net: NetTarget, stop: Decimal | None, held: Holding
) -> Iterator[Refusal]:
    """Refuse a loss that no price makes, and one that fees and the entries themselves have made already."""
    long = plan.position_side is PositionSide.LONG
    if stop is None:
        yield _refusal(
            "loss",
            net.stop_usdt,
            f"under {usdt(held.entry_value_usdt)}",
            f"a long of {usdt(held.entry_value_usdt)} cannot lose {usdt(net.stop_usdt)}: write a smaller loss",
        )
        return
    prices = [view.last_price, *(entry.price for entry in plan.entries if entry.price is not None)]
    nearest = min(prices) if long else max(prices)
    tick = view.instrument.tick_size
    last = nearest - plan.position_side.sign * tick
    if (stop - last) * plan.position_side.sign > 0:
        least = -held.net_usdt(last, view.fees.taker)
        shown = ceil_to(least, Decimal("0.1"))
        yield _refusal(
            "loss",
            net.stop_usdt,
            f"{usdt(shown)} or more",
            f"a loss of {usdt(net.stop_usdt)} is made at {plain(stop)} already, by fees and by entries apart, and "
            f"a stop must lie beyond every entry and the last price: write loss {plain(shown)} or more, or a smaller "
            "margin",
        )


def with_placeholders(plan: TradePlan, view: OpeningView) -> TradePlan:
    """Put a target and a stop where they offend nothing, so that everything else can be judged."""
    long, tick = plan.position_side is PositionSide.LONG, view.instrument.tick_size
    prices = [view.last_price, *(entry.price for entry in plan.entries if entry.price)]
    above, below = ceil_to(max(prices) * (1 + _ABOUT), tick), floor_to(min(prices) * (1 - _ABOUT), tick)
    target, stop = (above, max(tick, below)) if long else (max(tick, below), above)
    return replace(plan, rungs=(PlannedRung(price=target, fraction=ONE),), stop_price=stop)
