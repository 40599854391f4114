"""Fan-out: what a person writes once becomes several plans, one a slice, that share nothing but the price.

    approach dual      a fast and a conservative trade on one symbol, half the size each
    mirror accounts    the same slices, each sized by the mirror's own balance in the same percentage

Enters: an order's plan, readings. Stays out: guards, opening, ids' storage. A slice's plan is frozen with its trade;
nothing here is worked out again for a trade that exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256

from actors.messages.accounts import BookReading
from actors.model.account import OpeningView
from actors.model.money import ONE, ZERO, floor_to, plain
from actors.model.position import PositionSide
from actors.model.trade_plan import (
    Approach,
    MarginShare,
    MarginUsdt,
    PlannedEntry,
    RiskShare,
    Size,
    SizedPlan,
    TradePlan,
)
from actors.rules.client_order_ids import new_trade_id
from actors.rules.refusals import Refusal
from actors.rules.wording import percent, usdt

PROMISE_SECONDS = 60.0  # a promised slice that is not open by then is told as not opened: the price has moved on
_HALVES = 2
_CENT = Decimal("0.01")
_SHARE_STEP = Decimal("0.000001")
_WORTH_A_NOTE = Decimal("0.02")  # of the quantity expected, up or down


@dataclass(frozen=True, slots=True)
class Slice:
    """One of an order's plans. Its name tells its trade id from its siblings'; "" is an order's only slice."""

    name: str
    plan: TradePlan


# --- dual --------------------------------------------------------------------------------------------------------
def slices(plan: TradePlan) -> tuple[Slice, ...]:
    """Give what an order opens on its own account: itself, or the two halves of a dual.

    The fast half enters whole at the market within the order's slippage; the conservative one has the order's entries.
    Targets, stop, leverage and exit rules are the order's in both.
    """
    if plan.approach is not Approach.DUAL:
        return (Slice("", plan),)
    limits_alone = all(entry.price is not None for entry in plan.entries)
    half = halved(plan.size)
    at_market = (PlannedEntry(price=None, fraction=ONE),)
    fast = replace(plan, approach=Approach.FAST, entries=at_market, size=half)
    steady = replace(plan, approach=Approach.CONSERVATIVE, size=half, slippage=None if limits_alone else plan.slippage)
    return (Slice(Approach.FAST.value, fast), Slice(Approach.CONSERVATIVE.value, steady))


def halved(size: Size) -> Size:
    """Give half of a size: of the margin, the amount, or the risk.

    >>> halved(MarginUsdt(amount_usdt=Decimal(200))).amount_usdt
    Decimal('100')
    """
    match size:
        case MarginShare(of_available=share):
            return MarginShare(of_available=share / _HALVES)
        case MarginUsdt(amount_usdt=amount):
            return MarginUsdt(amount_usdt=amount / _HALVES)
        case RiskShare(of_equity=share):
            return RiskShare(of_equity=share / _HALVES)


def slice_id(salt: str, command_id: str, name: str, attempt: int) -> str:
    """Give a slice's trade id; the same command gives the same.

    Args:
        salt: the installation's, so that ids of two differ.
        command_id: of the order.
        name: the slice's; "" for an order's only one.
        attempt: 0, or more where another command's trade has the id by chance.

    """
    parts = [salt, command_id, *([name] if name else []), str(attempt)]
    return new_trade_id(int.from_bytes(sha256("/".join(parts).encode()).digest()[:8]))


def beside(book: BookReading, side: PositionSide, count: int) -> BookReading:
    """Give the book as it will be once so many slices of the same order stand there, too."""
    if side is PositionSide.LONG:
        return replace(book, trades_long=book.trades_long + count)
    return replace(book, trades_short=book.trades_short + count)


def together(parts: Sequence[SizedPlan]) -> SizedPlan:
    """Give the slices of one order as the one thing that the guards weigh: quantity, notional and margin in sum."""
    return replace(
        parts[0],
        quantity=sum((each.quantity for each in parts), ZERO),
        notional_usdt=sum((each.notional_usdt for each in parts), ZERO),
        margin_usdt=sum((each.margin_usdt for each in parts), ZERO),
        loss_at_stop_usdt=sum((each.loss_at_stop_usdt for each in parts), ZERO),
    )


def refusal_lines(wrong: Mapping[str, Sequence[Refusal]]) -> Iterator[str]:
    """Say what is wrong with each slice, by name; what is wrong with all of them once."""
    texts = {name: [each.text for each in refusals] for name, refusals in wrong.items()}
    shared = [text for text in next(iter(texts.values()), []) if all(text in others for others in texts.values())]
    yield from shared
    for name, each in texts.items():
        said = f"the {name} half: " if name else ""
        yield from (f"{said}{text}" for text in each if text not in shared)


# --- mirrors -----------------------------------------------------------------------------------------------------
def mirrored(plan: TradePlan, account: str, available_usdt: Decimal) -> TradePlan:
    """Give a slice's plan for a mirror account: an amount becomes the share that it is of main's available balance.

    Args:
        plan: main's slice.
        account: the mirror's.
        available_usdt: main's available balance when its slice was sized, over 0.

    """
    size = plan.size
    if isinstance(size, MarginUsdt):
        size = MarginShare(of_available=min(ONE, floor_to(size.amount_usdt / available_usdt, _SHARE_STEP)))
    return replace(plan, account=account, size=size)


def fitted(
    plan: TradePlan, view: OpeningView, book: BookReading, main_available_usdt: Decimal
) -> tuple[TradePlan, tuple[str, ...]]:
    """Give a mirror's plan as its account allows it, and what had to differ, each with the reason.

    The leverage is that of what is live or pending there, or the most that the account allows. A net target's amounts
    shrink or grow with the balance, so that its prices are main's.
    """
    notes: list[str] = []
    rules = view.instrument
    held = next((each.leverage for each in view.positions if each.size and each.leverage is not None), book.leverage)
    leverage = held if held is not None else min(plan.leverage, rules.max_leverage)
    if leverage != plan.leverage:
        why = f"what is live or pending there has {plain(leverage)}" if held is not None else "it is the most there"
        notes.append(f"leverage {plain(leverage)} instead of main's {plain(plan.leverage)}: {why}")
    exits = plan.exits
    if exits.net is not None and main_available_usdt > 0:
        ratio = view.balance.available_usdt / main_available_usdt
        floor = exits.net.floor_usdt
        net = replace(
            exits.net,
            target_usdt=max(_CENT, floor_to(exits.net.target_usdt * ratio, _CENT)),
            floor_usdt=None if floor is None else floor_to(floor * ratio, _CENT),
            stop_usdt=max(_CENT, floor_to(exits.net.stop_usdt * ratio, _CENT)),
        )
        exits = replace(exits, net=net)
        notes.append(f"net target {usdt(net.target_usdt)}, loss {usdt(net.stop_usdt)}: main's, by the balance here")
    return replace(plan, leverage=leverage, exits=exits), tuple(notes)


def differing(mirror: SizedPlan, main: SizedPlan, share_of_main: Decimal) -> str | None:
    """Say how a mirror's quantity differs from main's in proportion; None where it does by less than a fiftieth.

    Args:
        mirror: as sized on its account.
        main: the slice that it goes with.
        share_of_main: the mirror's balance over main's.

    """
    expected = main.quantity * share_of_main
    if expected <= 0 or abs(mirror.quantity / expected - ONE) < _WORTH_A_NOTE:
        return None
    there = percent(round(mirror.quantity / expected, 3))
    return f"quantity {plain(mirror.quantity)} is {there} of main's {plain(main.quantity)} by the balances"
