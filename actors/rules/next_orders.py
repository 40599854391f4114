"""Which orders a trade needs next: what should be at the exchange, against what is there or on its way.

The whole wanted set follows from the trade alone, so a restart, a lost order and a plain fill take the same path.
One change at a time for each order; nothing is asked of an order whose last change is unsettled or in doubt.

Enters: a trade, who asks (epoch, installation) and the time. Stays out: the journal, alerts, sending.
Sources: design, "A trade" (stops first; ladders shrink before they grow; one exit sequence).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from actors.messages.adopting import OutsideStopRemovalRequested
from actors.messages.trading import AmendRequested, CancelRequested, OrderRequested
from actors.model.money import ZERO, ceil_to, floor_to
from actors.model.order import OrderIntent, OrderKind
from actors.model.position import PositionSide
from actors.model.trade import Leg, LegState, Phase, Role, Trade
from actors.model.trade_plan import SizedEntry
from actors.rules.adopted_stops import removals_due
from actors.rules.client_order_ids import epoch_of, format_client_order_id
from actors.rules.ladder import RungState, respread
from actors.rules.net_exit import resting_price
from actors.rules.outside_questions import left_there, runs_without_stop, stays_away
from actors.rules.price_seen import SeenPrice

Request: TypeAlias = OrderRequested | AmendRequested | CancelRequested | OutsideStopRemovalRequested

FIRST_PAUSE_SECONDS = 0.5  # before the first repeat of a refused order
LONGEST_PAUSE_SECONDS = 30.0
SMALL_RAISE = Decimal("0.05")
PRICE_RAISE = Decimal("0.01")  # under the narrowest band of prices, so that what is taken at last trades at once
OUT_OF_BAND = frozenset({110003, 110120, 110121})  # by the exchange: it takes no such price now
NO_POSITION = 110017  # by the exchange; it proves nothing before the position has been read
REDUCED_AWAY = 3  # pauses like a third refusal (2 s), before a rung is put back that the exchange reduced away


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Under whose name ids are made, and when."""

    installation: str
    epoch: int
    now: datetime
    price: SeenPrice | None = None  # None: not known, or no rule of the trade asks for it
    taking_up: bool = False  # more is about to be told of what is at the exchange: conclude nothing, ask for nothing


@dataclass(slots=True)
class _Draft:
    """What has been found necessary so far."""

    trade: Trade
    asker: Asker
    requests: list[Request] = field(default_factory=list)
    wake_after_seconds: float | None = None

    def wake(self, seconds: float) -> None:
        if self.wake_after_seconds is None or seconds < self.wake_after_seconds:
            self.wake_after_seconds = seconds

    def paused(self, since: datetime | None, refusals: int) -> bool:
        """Hold back a repeat of what was refused, ever longer; False once it may go."""
        if since is None or not refusals:
            return False
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (refusals - 1))
        left = (since + timedelta(seconds=pause) - self.asker.now).total_seconds()
        if left <= 0:
            return False
        self.wake(left)
        return True

    def place(
        self,
        role: Role,
        index: int,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        immediate: bool = False,
    ) -> None:
        trade = self.trade
        revision = sum(1 for leg in trade.legs if leg.role is role and leg.index == index)
        letter = f"{role.value}{index}" if role in {Role.ENTRY, Role.TARGET} else role.value
        client_order_id = format_client_order_id(
            installation=self.asker.installation,
            epoch=self.asker.epoch,
            trade_id=trade.trade_id,
            role=letter,
            revision=revision,
        )
        entry = role is Role.ENTRY
        order = OrderIntent(
            client_order_id=client_order_id,
            symbol=trade.plan.symbol,
            order_side=trade.side.entry_side if entry else trade.side.exit_side,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            quantity=quantity,
            price=price,
            trigger_price=trigger_price,
            # A long's stop fires on a fall, a short's on a rise.
            trigger_rises=None if trigger_price is None else trade.side is PositionSide.SHORT,
            reduce_only=not entry,
            close_on_trigger=role is Role.STOP,
            position_index=trade.position_index,
            attached_stop=trade.backstop_price if entry else None,
            immediate=immediate,
        )
        self.requests.append(
            OrderRequested(
                effect_key=f"{client_order_id}/place",
                role=role,
                index=index,
                revision=revision,
                order=order,
                requested_at=self.asker.now,
            )
        )

    def amend(
        self,
        leg: Leg,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        attached_stop: Decimal | None = None,
    ) -> None:
        self.requests.append(
            AmendRequested(
                effect_key=f"{leg.client_order_id}/amend/{leg.changes + 1}",
                client_order_id=leg.client_order_id,
                quantity=quantity,
                price=price,
                trigger_price=trigger_price,
                attached_stop=attached_stop,
                requested_at=self.asker.now,
            )
        )

    def cancel(self, leg: Leg) -> None:
        """Cancel at once, whatever amends of it were refused; what was refused to be cancelled waits like they do."""
        if _settled(leg) and not self.paused(leg.refused_at, leg.refusals if leg.cancel_refused else 0):
            self.requests.append(
                CancelRequested(
                    effect_key=f"{leg.client_order_id}/cancel/{leg.changes + 1}",
                    client_order_id=leg.client_order_id,
                    requested_at=self.asker.now,
                )
            )


def next_orders(trade: Trade, asker: Asker) -> tuple[tuple[Request, ...], float | None]:
    """Give the requests that are due now, most urgent first, and when to ask again at the latest (seconds, or None)."""
    draft = _Draft(trade, asker)
    if asker.taking_up:
        return (), None
    if trade.phase is Phase.CLOSING:
        _leave(draft)
    elif trade.phase is not Phase.CLOSED:
        _keep_stop(draft)
        _keep_rungs(draft)
        _keep_entries(draft)
        draft.requests.extend(removals_due(trade, asker.now))
    return tuple(draft.requests), draft.wake_after_seconds


def _settled(leg: Leg) -> bool:
    """The order may be changed: it is at the exchange, and nothing about it is open."""
    return leg.state is LegState.LIVE and leg.pending is None and not leg.in_doubt


def refused_in_a_row(trade: Trade, role: Role, index: int = 1) -> tuple[int, datetime | None]:
    """Count the newest placements of this order that the exchange refused, and when the last was."""
    count, last = 0, None
    for leg in reversed([leg for leg in trade.legs if leg.role is role and leg.index == index]):
        if leg.state is not LegState.REJECTED:
            break
        count, last = count + 1, last or leg.ended_at
    return count, last


def _outgrown(trade: Trade, role: Role, index: int, quantity: Decimal, price: Decimal) -> bool:
    """The newest was refused when it was worth less than an order: what is wanted now is worth one, and need not wait.

    A first lot fills, and the rest a little later: neither stop nor rung waits out the pauses that the lot has earned.
    """
    last, least = trade.latest(role, index), trade.instrument.min_notional_usdt
    refused = last is not None and last.state is LegState.REJECTED and last.quantity * price < least
    return refused and quantity * price >= least


def under_minimum(trade: Trade) -> bool:
    """What is open is too small for any order of its own: only the backstop can cover it."""
    return ZERO < trade.open_quantity < trade.instrument.min_quantity


# --- the stop ----------------------------------------------------------------------------------------------------
def _keep_stop(draft: _Draft) -> None:
    trade = draft.trade
    quantity = trade.open_quantity
    if not quantity or under_minimum(trade):
        return
    leg = trade.live_leg(Role.STOP)
    if runs_without_stop(trade):
        if leg is not None and not leg.filled_quantity:
            draft.cancel(leg)
        return
    if leg is None:
        refusals, last = refused_in_a_row(trade, Role.STOP)
        if _outgrown(trade, Role.STOP, 1, quantity, trade.stop_price) or not draft.paused(last, refusals):
            draft.place(Role.STOP, 1, _takeable(trade, refusals), trigger_price=trade.stop_price)
        return
    if not _settled(leg) or leg.filled_quantity:  # filling: it has fired and cannot be changed any more
        return
    if leg.quantity != quantity:
        raised = _takeable(trade, 1)
        quantity = raised if leg.refusals or leg.quantity == raised else quantity
    price = left_there(trade, "stop", leg.trigger_price, trade.stop_price)
    if (leg.quantity, leg.trigger_price) != (quantity, price) and not draft.paused(leg.refused_at, leg.refusals):
        draft.amend(
            leg,
            quantity=quantity if leg.quantity != quantity else None,
            trigger_price=price if leg.trigger_price != price else None,
        )


def _takeable(trade: Trade, refusals: int) -> Decimal:
    """Give what an order that leaves has to ask for: what is open, or, once that was refused for its small worth, more.

    The exchange takes an order under its least value only if it closes a whole position, and a slice may be less than
    that. Reduce-only holds it to the position; what it should sell of a sibling's is booked there.
    """
    rules = trade.instrument
    if not refusals or trade.open_quantity * trade.stop_price >= rules.min_notional_usdt:
        return trade.open_quantity
    # At the market the price is not known here: each refusal asks for a twentieth more.
    least = rules.min_notional_usdt / trade.stop_price * (1 + SMALL_RAISE * (refusals - 1))
    return max(trade.open_quantity, ceil_to(least, rules.quantity_step))


# --- the ladder --------------------------------------------------------------------------------------------------
def wanted_rungs(trade: Trade) -> tuple[Decimal, ...]:
    """Give what should still rest at each rung (base units, one figure a rung); they sum to what is open.

    Rungs that are completely filled want nothing; when all are and something is open, the last takes it.
    """
    rungs = trade.plan.rungs
    states = [_rung_state(trade, index, rung.fraction) for index, rung in enumerate(rungs, start=1)]
    return _without_taken(trade, states) if trade.taken_targets else _spread(trade, states, trade.rung_prices)


def _spread(trade: Trade, states: list[RungState], prices: Sequence[Decimal]) -> tuple[Decimal, ...]:
    if not states:  # a trade without targets
        return ()
    if all(state.complete for state in states):
        states[-1] = RungState(fraction=states[-1].fraction, filled=ZERO, wanted=trade.open_quantity, complete=False)
    return respread(trade.open_quantity, states, trade.instrument, prices)


def _without_taken(trade: Trade, states: list[RungState]) -> tuple[Decimal, ...]:
    """Spread over the targets that a person has left; nothing rests anywhere when none is."""
    left = [at for at in range(len(states)) if at + 1 not in trade.taken_targets]
    if not left:
        return (ZERO,) * len(states)
    spread = _spread(trade, [states[at] for at in left], [trade.rung_prices[at] for at in left])
    wanted = dict(zip(left, spread, strict=True))
    return tuple(wanted.get(at, ZERO) for at in range(len(states)))


def _rung_state(trade: Trade, index: int, fraction: Decimal) -> RungState:
    legs = [leg for leg in trade.legs if leg.role is Role.TARGET and leg.index == index]
    live, filled = None, ZERO
    for leg in legs:
        filled += leg.filled_quantity
        live = leg if live is None and leg.live else live
    return RungState(
        fraction=fraction,
        filled=filled,
        wanted=ZERO if live is None else _asked_quantity(live) - live.filled_quantity,
        complete=live is None and any(leg.state is LegState.FILLED for leg in legs),
    )


def _asked_quantity(leg: Leg) -> Decimal:
    if leg.pending is not None and leg.pending.quantity is not None:
        return leg.pending.quantity
    return leg.quantity


def _keep_rungs(draft: _Draft) -> None:
    trade = draft.trade
    if not trade.open_quantity or under_minimum(trade) or not resting_price(trade):
        return
    wanted = wanted_rungs(trade)
    prices = [_asked_price(trade, index, price) for index, price in enumerate(trade.rung_prices, start=1)]
    # Counted at the larger of what is there and what is asked for, so that no order of events over-sells.
    room = trade.open_quantity - sum((leg.exposed_quantity for leg in trade.of(Role.TARGET)), ZERO)
    for index, remaining in enumerate(wanted, start=1):
        leg = trade.live_leg(Role.TARGET, index)
        if leg is not None:
            prices[index - 1] = left_there(trade, f"target {index}", leg.price, prices[index - 1])
        if leg is not None and _settled(leg):
            _shrink(draft, leg, remaining, prices[index - 1])
    if trade.halted:
        return  # what rests may fill, and shrinks with the position; nothing is added
    for index, remaining in enumerate(wanted, start=1):
        leg = trade.live_leg(Role.TARGET, index)
        if leg is None:
            refusals, last = refused_in_a_row(trade, Role.TARGET, index)
            outgrown = _outgrown(trade, Role.TARGET, index, remaining, prices[index - 1])
            refused = not outgrown and draft.paused(last, refusals)
            held_back = refused or draft.paused(_reduced_away_at(trade, index), REDUCED_AWAY)
            held_back = held_back or stays_away(trade, index)
            if ZERO < remaining <= room and not held_back:
                draft.place(Role.TARGET, index, remaining, price=prices[index - 1])
                room -= remaining
            continue
        growth = remaining - (leg.quantity - leg.filled_quantity)
        if _settled(leg) and ZERO < growth <= room and not draft.paused(leg.refused_at, leg.refusals):
            moved = None if leg.price == prices[index - 1] else prices[index - 1]
            draft.amend(leg, quantity=leg.quantity + growth, price=moved)
            room -= growth


def _asked_price(trade: Trade, index: int, price: Decimal) -> Decimal:
    """Give where a rung rests, or is to: at its price, or at a better one for each time that was out of the band.

    An exchange takes no limit order far beyond the market, and the market may be far beyond a rung that was not there
    in time. Each refusal asks for a hundredth more: never sold for less, and at last within the band.
    """
    placed = [leg for leg in trade.legs if leg.role is Role.TARGET and leg.index == index]
    if placed and placed[-1].live:
        placed.pop()  # it rests where it was placed at last
    refused = 0
    while placed and placed[-1].state is LegState.REJECTED and placed.pop().code in OUT_OF_BAND:
        refused += 1
    if not refused:
        return price
    raised = 1 + PRICE_RAISE * refused
    tick = trade.instrument.tick_size
    if trade.side is PositionSide.LONG:
        return ceil_to(price * raised, tick)
    return max(tick, floor_to(price / raised, tick))


def _reduced_away_at(trade: Trade, index: int) -> datetime | None:
    """When the exchange took this rung away because the position had shrunk: word of the shrinking is on its way."""
    last = trade.latest(Role.TARGET, index)
    return last.ended_at if last is not None and last.reduced_away else None


def _shrink(draft: _Draft, leg: Leg, remaining: Decimal, price: Decimal) -> None:
    # What is worth less than an order is taken only if it closes the whole position: once refused, it rests nowhere.
    dust = bool(leg.refusals) and remaining * price < draft.trade.instrument.min_notional_usdt
    if not remaining or dust:
        draft.cancel(leg)
        return
    quantity = leg.filled_quantity + remaining
    moved = leg.price != price
    if (quantity < leg.quantity or (moved and quantity == leg.quantity)) and not draft.paused(
        leg.refused_at, leg.refusals
    ):
        draft.amend(leg, quantity=quantity if quantity < leg.quantity else None, price=price if moved else None)


# --- the entries -------------------------------------------------------------------------------------------------
def _keep_entries(draft: _Draft) -> None:
    trade = draft.trade
    over = entries_over(trade)
    for index, entry in enumerate(trade.sized.entries, start=1):
        leg = trade.latest(Role.ENTRY, index)
        if leg is None:
            if not over and not entry_forgotten(trade, index):
                _enter(draft, index, entry)
        elif leg.live:
            _keep_entry(draft, leg, over=over)
        elif not over and to_be_rebuilt(trade, leg):
            left = entry.quantity - sum(
                (each.filled_quantity for each in trade.of(Role.ENTRY) if each.index == index), ZERO
            )
            if left >= trade.instrument.min_quantity:
                draft.place(Role.ENTRY, index, left, price=entry.price)


def _enter(draft: _Draft, index: int, entry: SizedEntry) -> None:
    """Place an entry for the first time: a market entry with a bound as a limit there that does not rest."""
    bounded = entry.price is None and entry.bound_price is not None
    price = entry.bound_price if bounded else entry.price
    draft.place(Role.ENTRY, index, entry.quantity, price=price, immediate=bounded)


def _keep_entry(draft: _Draft, leg: Leg, *, over: bool) -> None:
    if over:
        draft.cancel(leg)
        return
    moved = leg.attached_stop != draft.trade.backstop_price and _can_carry(leg, draft.trade)
    if moved and _settled(leg) and not draft.paused(leg.refused_at, leg.refusals):
        draft.amend(leg, attached_stop=draft.trade.backstop_price)


def _can_carry(leg: Leg, trade: Trade) -> bool:
    """Tell whether an entry can attach the backstop: the exchange takes none on the wrong side of the entry's price.

    A stop that was tightened past a waiting entry leaves that one with the backstop it has, which lies farther out.
    """
    return leg.price is None or (leg.price - trade.backstop_price) * trade.side.sign > 0


def entries_over(trade: Trade) -> bool:
    """Tell whether no entry is wanted any more: the first target was reached, or they have expired."""
    return bool(trade.entries_expired) or (trade.first_target_hit and trade.plan.cancel_entries_on_first_target)


def entry_forgotten(trade: Trade, index: int) -> bool:
    """What became of this entry is not known any more: it may have been placed, filled and left, or cancelled."""
    return bool(trade.forgot_epoch) and trade.latest(Role.ENTRY, index) is None


def to_be_rebuilt(trade: Trade, leg: Leg) -> bool:
    """A resting entry that the exchange, or somebody else, cancelled: rebuilt a few times, then let go.

    One from before a loss of memory is let go at once: it may be we who cancelled it.
    """
    return (
        leg.state is LegState.CANCELLED
        and not leg.cancelled_by_us
        and not leg.intent.takes
        and leg.revision < trade.parameters.entry_rebuilds
        and epoch_of(leg.client_order_id) >= trade.forgot_epoch
    )


# --- leaving -----------------------------------------------------------------------------------------------------
def _leave(draft: _Draft) -> None:
    """Cancel entries and rungs, close what is open, cancel the stop once nothing is."""
    trade = draft.trade
    for leg in trade.of(Role.ENTRY, Role.TARGET):
        if leg.live:
            draft.cancel(leg)
    stop = trade.live_leg(Role.STOP)
    if trade.open_quantity:
        rungs_rest = any(leg.live for leg in trade.of(Role.TARGET))
        firing = stop is not None and stop.filled_quantity > 0
        if not rungs_rest and not firing and trade.live_leg(Role.EXIT) is None:
            _exit(draft, stop)
    elif stop is not None:
        draft.cancel(stop)


def _exit(draft: _Draft, stop: Leg | None) -> None:
    trade = draft.trade
    refusals, last = refused_in_a_row(trade, Role.EXIT)
    previous = trade.latest(Role.EXIT)
    if refusals and stop is None and not under_minimum(trade):
        _keep_stop(draft)  # it could not be closed at once: cover it while trying
    if draft.paused(last, refusals) or _too_soon(draft, previous):
        return
    draft.place(Role.EXIT, 1, min(_takeable(trade, refusals), trade.instrument.max_market_quantity))


def _too_soon(draft: _Draft, previous: Leg | None) -> bool:
    """Market closes that end short of the whole follow one another at a pace, not in a burst."""
    if previous is None or previous.state is LegState.FILLED or previous.ended_at is None:
        return False
    pace = draft.trade.parameters.exit_pace_seconds
    left = (previous.ended_at + timedelta(seconds=pace) - draft.asker.now).total_seconds()
    if left <= 0:
        return False
    draft.wake(min(left, pace))
    return True


def doubtful_legs(trade: Trade) -> Iterator[Leg]:
    """Give the legs whose end must be read at the exchange before anything is done about them."""
    # One that is over may have filled beyond what it was for: then it may not be over at the exchange.
    return (leg for leg in trade.legs if leg.in_doubt and (leg.live or leg.state is LegState.FILLED))
