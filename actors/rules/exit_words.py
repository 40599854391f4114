"""Exit rules in the person's words: on the preview, on the status screen, in news.

Enters: rules, figures. Stays out: when they act, screens' layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from actors.messages.exit_facts import EntriesExpired, FloorArmed
from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.instrument import FeeRates
from actors.model.money import plain
from actors.model.trade import Trade
from actors.model.trade_plan import SizedPlan
from actors.rules.ages import span
from actors.rules.deadlines import expiry_left, time_left
from actors.rules.held import holding_of
from actors.rules.net_exit import floor_price
from actors.rules.net_target import Holding, target_price
from actors.rules.price_seen import SeenPrice
from actors.rules.wording import percent, usdt

HALF_A_CENT = Decimal("0.005")
EXPIRED = {
    "time": "their time was over",
    "target": "the first target was touched before the first fill",
    "stop": "the stop was touched before the first fill",
    "safety": "the safety state lets nothing new in",
}


def offset(value: Offset) -> str:
    """Write a distance as the person did.

    >>> offset(Offset(value=Decimal("0.005"), of_price=True)), offset(Offset(value=Decimal("0.02"), of_price=False))
    ('0.5%', '0.02')
    """
    return percent(value.value) if value.of_price else plain(value.value)


def plan_lines(sized: SizedPlan) -> tuple[str, ...]:
    """Say which exit rules a plan has, a line each; nothing of those it leaves as usual."""
    exits = sized.plan.exits
    return (*_net_lines(exits.net), *_step_lines(exits), *_trailing_lines(exits.trailing), *_time_lines(exits))


def _net_lines(net: NetTarget | None) -> Iterator[str]:
    if net is None:
        return
    yield f"the target nets {usdt(net.target_usdt)} at least, both fees inside, for what is held then"
    if net.floor_usdt is not None:
        yield (
            f"floor: once leaving would net more than {usdt(net.floor_usdt)}, it is left when that is met again; "
            "the fill may be lower"
        )
    yield f"the stop's trigger loses {usdt(net.stop_usdt)} at most, both fees inside; what slips past it comes on top"


def _step_lines(exits: ExitRules) -> Iterator[str]:
    if exits.breakeven_after is None:
        yield "the stop does not go to breakeven"
    elif exits.breakeven_after > 1:
        yield f"the stop goes to breakeven after target {exits.breakeven_after}"
    if exits.follow_after is not None:
        yield f"from target {exits.follow_after} on the stop goes to the target before the one that filled"


def _trailing_lines(trailing: TrailingStop | None) -> Iterator[str]:
    if trailing is not None:
        begun = (
            f"from {offset(trailing.activation)} beyond the average entry on"
            if trailing.activation.value
            else "from the first fill on"
        )
        yield f"{begun} the stop trails {offset(trailing.distance)} behind the best price"


def _time_lines(exits: ExitRules) -> Iterator[str]:
    if exits.leave_after_seconds is not None:
        yield f"left at market {span(exits.leave_after_seconds)} after the first fill"
    if exits.entries_expire_after_seconds is not None:
        yield f"unfilled entries are cancelled after {span(exits.entries_expire_after_seconds)}"
    if exits.entries_expire_on_touch:
        yield "entries are cancelled when the first target or the stop is touched before the first fill"


def floor_warning(held: Holding, net: NetTarget, fees: FeeRates, tick: Decimal) -> str | None:
    """Say so when the floor can only arm beyond the target: leaving there costs a taker's fee, the target a maker's."""
    if net.floor_usdt is None:
        return None
    target = target_price(held, net.target_usdt, fees.maker, tick)
    floor = target_price(held, net.floor_usdt, fees.taker, tick)
    if target is None or floor is None or (target - floor) * held.side.sign > 0:
        return None
    return (
        f"the floor would arm at {plain(floor)}, not before the target at {plain(target)}: the taker's fee to leave "
        "at the floor eats the difference"
    )


def rule_news(trade: Trade, fact: FloorArmed | EntriesExpired) -> tuple[str, str, str, tuple[str, ...]]:
    """Word what an exit rule has noted: kind, what it is about, title, lines. Orders tell themselves."""
    if isinstance(fact, FloorArmed):
        price = floor_price(trade)
        where = "" if price is None else f", at {plain(price)}"
        title = f"floor armed: leaving at {plain(fact.price)} would net {usdt(fact.net_usdt)}"
        line = f"it is left when the floor is met again{where}; the fill may be lower"
        return "floor_armed", str(fact.armed_at), title, (line,)
    seen = () if fact.price is None else (f"the price was {plain(fact.price)}",)
    title = f"unfilled entries are cancelled: {EXPIRED[fact.reason]}"
    return "entries_expired", str(fact.expired_at), title, seen


def slippage_lines(slippage_usdt: Decimal) -> Iterator[str]:
    """Tell apart what slipped past a trigger; it is inside the result. Less than half a cent is nothing."""
    if abs(slippage_usdt) >= HALF_A_CENT:
        word = "lost" if slippage_usdt > 0 else "won"
        yield f"inside it, {word} by slippage past the trigger: {usdt(abs(slippage_usdt))}"


# --- as it stands --------------------------------------------------------------------------------------------------
def status_lines(trade: Trade, seen: SeenPrice | None, now: datetime) -> tuple[str, ...]:
    """Say how the exit rules of a running trade stand, a line each."""
    return (
        *_net_status(trade, seen),
        *_trailing_status(trade),
        *_deadlines(trade, now),
        *_expired_status(trade),
        *_changes_status(trade),
        *_price_status(seen),
    )


def _changes_status(trade: Trade) -> Iterator[str]:
    if trade.loosening is not None:
        yield f"the stop goes out to {plain(trade.loosening.stop_price)} once the backstop reaches beyond that"
    if trade.asked_stop is not None:
        yield f"the stop is on its way to {plain(trade.asked_stop)}"
    if trade.taken_targets:
        yield "taken away: target " + ", ".join(str(place) for place in sorted(trade.taken_targets))


def _deadlines(trade: Trade, now: datetime) -> Iterator[str]:
    left, expiry = time_left(trade, now), expiry_left(trade, now)
    if left is not None:
        yield f"left at market in {span(left)}"
    if expiry is not None:
        yield f"unfilled entries expire in {span(expiry)}"


def _net_status(trade: Trade, seen: SeenPrice | None) -> Iterator[str]:
    net, held = trade.plan.exits.net, holding_of(trade)
    if net is None or held is None:
        return
    stop = held.net_usdt(trade.stop_price, trade.fees.taker)
    yield f"net {usdt(stop)} at the stop's trigger" + _net_target(trade, held)
    floor = floor_price(trade)
    if net.floor_usdt is not None and floor is not None:
        state = "armed" if trade.floor_armed else "not armed yet"
        now = f", net now {usdt(held.net_usdt(seen.price, trade.fees.taker))}" if seen is not None else ""
        yield f"floor {usdt(net.floor_usdt)} at {plain(floor)}: {state}{now}"


def _net_target(trade: Trade, held: Holding) -> str:
    if trade.target_price is None:
        return ", the target waits until more is held"
    return f", {usdt(held.net_usdt(trade.target_price, trade.fees.maker))} at the target"


def _trailing_status(trade: Trade) -> Iterator[str]:
    trailing = trade.plan.exits.trailing
    if trailing is None:
        return
    if trade.best_price is not None:
        yield f"trailing {offset(trailing.distance)} behind {plain(trade.best_price)}"
    elif trade.average_entry_price is not None:
        average, tick = trade.average_entry_price, trade.instrument.tick_size
        begins = average + trade.side.sign * trailing.activation.at(average)
        yield f"trailing begins at {plain(begins.quantize(tick))}"


def _expired_status(trade: Trade) -> Iterator[str]:
    if trade.entries_expired:
        yield f"unfilled entries were cancelled: {EXPIRED[trade.entries_expired]}"


def _price_status(seen: SeenPrice | None) -> Iterator[str]:
    if seen is not None and not seen.fresh:
        yield f"the price is {span(seen.age_seconds)} old: rules that need one wait"
