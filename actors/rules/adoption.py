"""Adoption: from a wish and a reading of the account to the plan of a trade that takes a position over, or to all that
is wrong with it.

Taken over is the foreign remainder of one side: the position less what the trades there hold. Its entry price is the
position's average with their cost taken out. Nothing is bought; entries are none.

Enters: values as read, at one moment as nearly as can be. Stays out: asking, admission, orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.messages.accounts import BookReading
from actors.messages.adopting import AdoptPosition
from actors.model.account import OpeningView
from actors.model.adoption import Adopted, OutsideStop
from actors.model.exit_rules import ExitRules
from actors.model.instrument import Instrument
from actors.model.money import ONE, ZERO, plain
from actors.model.order import ObservedOrder
from actors.model.position import ObservedPosition, PositionMode, PositionSide
from actors.model.trade_plan import Approach, MarginUsdt, SizedPlan, TradePlan
from actors.rules import ladder
from actors.rules.backstop import backstop_price, inside_liquidation
from actors.rules.client_order_ids import is_ours
from actors.rules.limits import MOST_CONDITIONALS, MOST_TRADES, SPARE_CONDITIONALS
from actors.rules.price_limits import stop_refusals, targets_refusals
from actors.rules.refusals import Refusal

AGAIN = "ask again in a few seconds"  # in a refusal of what is over in moments by itself
MOST_AWAY = Decimal(2)  # an entry price worked out farther than this factor from the average is not believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The account as it was read for one adoption."""

    view: OpeningView
    book: BookReading
    orders: Sequence[ObservedOrder]  # all that are open on the account
    installation: str  # whose ids are ours


@dataclass(frozen=True, slots=True, kw_only=True)
class BackstopTerms:
    distance: Decimal  # beyond the farthest stop, a fraction of price
    min_ticks: int


def judge(wish: AdoptPosition, read: Reading, terms: BackstopTerms) -> SizedPlan | tuple[Refusal, ...]:
    """Give the trade that an adoption begins, or all that is wrong with the wish."""
    if not read.view.instrument.trading:
        text = f"{wish.symbol} is not trading at the exchange now: no stop can be placed, wait until it is"
        return (Refusal(field="symbol", value=wish.symbol, limit="trading", text=text),)
    position = _position(wish, read)
    if isinstance(position, Refusal):
        return (position,)
    side, quantity, adopted = _remainder(position, read)
    plan = _plan(wish, read, side, position, adopted)
    wrong = (*_quantity(wish, position, quantity, read), *_room(wish, side, read))
    wrong = (*wrong, *stop_refusals(plan, read.view), *_targets(plan, read))
    wrong = (*wrong, *_beyond_liquidation(plan, position, read, terms))
    return wrong or _sized(plan, adopted, read)


# --- which position ------------------------------------------------------------------------------------------------
def _position(wish: AdoptPosition, read: Reading) -> ObservedPosition | Refusal:
    """Find the position that is meant."""
    held = {each.side: each for each in read.view.positions if each.size and each.side is not None}
    where = f"{wish.symbol} on {wish.account}"
    if not held:
        text = f"there is no position in {where}, so there is nothing to adopt"
        return Refusal(field="symbol", value=wish.symbol, limit="a position", text=text)
    there = ", ".join(f"{side.value} {plain(position.size)}" for side, position in sorted(held.items()))
    if wish.position_side is None and read.view.position_mode is PositionMode.HEDGE:
        text = f"{wish.symbol} is in hedge mode, where both sides may be held (now {there}): write --side long or short"
        return Refusal(field="side", value="", limit="long or short", text=text)
    if wish.position_side is None:
        return next(iter(held.values()))
    found = held.get(wish.position_side)
    if found is None:
        side = wish.position_side.value
        text = f"there is no {side} position in {where}, held is {there}: write --side {next(iter(held)).value}"
        return Refusal(field="side", value=side, limit=there, text=text)
    return found


def _remainder(position: ObservedPosition, read: Reading) -> tuple[PositionSide, Decimal, Adopted]:
    """Give the side, what of it belongs to no trade by the book, and that as something to adopt."""
    long = position.side is PositionSide.LONG
    side = PositionSide.LONG if long else PositionSide.SHORT
    foreign = read.book.foreign_long if long else read.book.foreign_short
    cost = read.book.cost_long if long else read.book.cost_short
    adopted = Adopted(
        held_quantity=foreign,
        average_price=_average(position, foreign, cost, read.view.instrument.tick_size) if foreign else ZERO,
        position_stop=position.stop_price if not (read.book.held_long if long else read.book.held_short) else None,
        outside_stops=tuple(outside_stops(read.orders, position, read.view.mark_price, read.installation)),
    )
    return side, foreign, adopted


def _average(position: ObservedPosition, foreign: Decimal, cost: Decimal, tick: Decimal) -> Decimal:
    """Take what the trades there were entered for out of the position's average.

    The exchange keeps its average when a part is sold, a trade has its own: the rest can come out at any price after
    much trading. One beyond all reason gives way to the position's average.
    """
    average = position.average_price or position.mark_price or ZERO
    rest = (average * position.size - cost) / foreign
    if not average / MOST_AWAY <= rest <= average * MOST_AWAY:
        return average
    return average if rest == average else rest.quantize(tick / 100)


def outside_stops(
    orders: Iterable[ObservedOrder], position: ObservedPosition, mark_price: Decimal, installation: str
) -> Iterator[OutsideStop]:
    """Give the stop orders that others have on a position: they only close it, at a price worse than the market's."""
    if position.side is None:
        return
    for order in orders:
        closes = order.reduce_only or order.close_on_trigger
        of_it = order.symbol == position.symbol and order.position_index == position.position_index
        foreign = not order.is_position_stop and not is_ours(order.client_order_id, installation)
        trigger = order.trigger_price
        if not (of_it and foreign and closes and trigger) or order.order_side is not position.side.exit_side:
            continue
        if (mark_price - trigger) * position.side.sign > 0:  # a target lies on the other side, and stays
            yield OutsideStop(order_id=order.order_id, trigger_price=trigger, quantity=order.remaining_quantity)


# --- what is wrong -------------------------------------------------------------------------------------------------
def _quantity(wish: AdoptPosition, position: ObservedPosition, foreign: Decimal, read: Reading) -> Iterator[Refusal]:
    side, rules = "" if position.side is None else position.side.value, read.view.instrument
    held = read.book.held_long if position.side is PositionSide.LONG else read.book.held_short
    where, size = f"{wish.symbol} {side} on {wish.account}", plain(position.size)
    if foreign != max(ZERO, position.size - held):
        text = f"how much of the {size} {where} belongs to no trade is still being counted: {AGAIN}"
        yield Refusal(field="symbol", value=size, limit="counted", text=text)
    elif not foreign:
        text = f"all {size} of {where} belong to trades already: /status names them, and there is nothing to adopt"
        yield Refusal(field="symbol", value=size, limit="foreign quantity", text=text)
    elif foreign < rules.min_quantity:
        least = plain(rules.min_quantity)
        text = (
            f"{plain(foreign)} of {where} are under the smallest order of {least}, so no stop of their own can be "
            "placed: close them in the app, or add to them"
        )
        yield Refusal(field="symbol", value=plain(foreign), limit=least, text=text)
    elif wish.seen_quantity is not None and wish.seen_quantity != foreign:
        text = f"{plain(foreign)} of {where} belong to no trade now, {plain(wish.seen_quantity)} when it was shown: "
        yield Refusal(field="symbol", value=plain(foreign), limit=plain(wish.seen_quantity), text=f"{text}ask again")


def _room(wish: AdoptPosition, side: PositionSide, read: Reading) -> Iterator[Refusal]:
    trades = read.book.trades_long + read.book.trades_short
    if trades >= MOST_TRADES:
        text = f"{wish.symbol} has {trades} trades already, the most the exchange's limit on conditional orders allows"
        yield Refusal(field="symbol", value=str(trades), limit=str(MOST_TRADES), text=f"{text}: close one first")
    others = max(read.book.foreign_conditionals, read.view.conditional_orders - trades)
    if trades + 1 + others > MOST_CONDITIONALS - SPARE_CONDITIONALS:
        text = (
            f"{wish.symbol} would need {trades + 1 + others} conditional orders with its stop, and of the "
            f"{MOST_CONDITIONALS} that are allowed one stays free: cancel one of your own {side.value} stops there"
        )
        yield Refusal(field="symbol", value=str(others), limit=str(MOST_CONDITIONALS), text=text)


def _targets(plan: TradePlan, read: Reading) -> Iterator[Refusal]:
    """Targets are optional; those that are written lie beyond the market, nearest first."""
    if plan.rungs:
        yield from targets_refusals(plan, read.view)


def _beyond_liquidation(
    plan: TradePlan, position: ObservedPosition, read: Reading, terms: BackstopTerms
) -> Iterator[Refusal]:
    limit = position.liquidation_price
    if limit is None or plan.stop_price <= 0:
        return
    long = plan.position_side is PositionSide.LONG
    other = read.book.farthest_stop_long if long else read.book.farthest_stop_short
    stops = [plan.stop_price] if other is None else [plan.stop_price, other]
    backstop = backstop_price(
        plan.position_side,
        stops,
        read.view.instrument.tick_size,
        distance=terms.distance,
        min_ticks=terms.min_ticks,
    )
    if not inside_liquidation(plan.position_side, backstop, limit):
        text = (
            f"stop {plain(plan.stop_price)} would put the backstop to {plain(backstop)}, beyond the position's "
            f"liquidation price {plain(limit)}: write a nearer stop"
        )
        yield Refusal(field="stop", value=plain(plan.stop_price), limit=plain(limit), text=text)


# --- the plan ------------------------------------------------------------------------------------------------------
def _plan(
    wish: AdoptPosition, read: Reading, side: PositionSide, position: ObservedPosition, adopted: Adopted
) -> TradePlan:
    return TradePlan(
        account=wish.account,
        symbol=wish.symbol,
        position_side=side,
        approach=Approach.ADOPTED,
        entries=(),
        rungs=wish.rungs,
        stop_price=wish.stop_price,
        size=MarginUsdt(amount_usdt=ZERO),
        leverage=position.leverage or read.book.leverage or ONE,
        exits=ExitRules(breakeven_after=1 if wish.rungs else None),
        chat_id=wish.chat_id,
        mirror=False,
        adopted=adopted,
    )


def _sized(plan: TradePlan, adopted: Adopted, read: Reading) -> SizedPlan:
    rules, fees = read.view.instrument, read.view.fees
    shares, prices = [rung.fraction for rung in plan.rungs], [rung.price for rung in plan.rungs]
    quantities, notes = ladder_of(adopted.held_quantity, shares, rules, prices)
    at_stop = plan.stop_price * adopted.held_quantity
    lost = (adopted.cost_usdt - at_stop) * plan.position_side.sign + (adopted.cost_usdt + at_stop) * fees.taker
    return SizedPlan(
        plan=plan,
        asked_usdt=ZERO,
        entries=(),
        quantity=adopted.held_quantity,
        reference_price=adopted.average_price,
        notional_usdt=adopted.cost_usdt,
        margin_usdt=ZERO,
        rung_quantities=quantities,
        loss_at_stop_usdt=lost,
        notes=notes,
    )


def ladder_of(
    quantity: Decimal, shares: Sequence[Decimal], rules: Instrument, prices: Sequence[Decimal]
) -> tuple[tuple[Decimal, ...], tuple[str, ...]]:
    """Spread a quantity over the targets, where there are any; also what was merged, in words."""
    if not shares:
        return (), ()
    spread = ladder.split(quantity, shares, rules, prices)
    return spread.quantities, spread.notes


def is_passing(refusals: Iterable[Refusal]) -> bool:
    """Tell whether what is wrong is over in moments by itself."""
    return any(AGAIN in refusal.text for refusal in refusals)
