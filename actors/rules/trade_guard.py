"""Trade guard: invariants of one trade that cost next to nothing to check, so that production checks them too.

I1: no two live orders of one role, and no order that counts more than it could fill. I3: whatever leaves only reduces,
and targets are never asked for beyond what is open. I4: after breakeven, and once a rule has moved it, the stop never
moves against the trade, but where a person has put it.
A violation is a mistake of ours. It is told and changes nothing: what the trade does about its facts is decided
elsewhere, and this never adds an order nor holds one back.

Enters: the trade after a decision, the requests it made. Stays out: telling (the monitor's), putting it right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from actors.messages.trading import AmendRequested, OrderRequested
from actors.model.alert import Alert, Severity
from actors.model.money import ZERO, plain
from actors.model.trade import LegState, Role, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One invariant that does not hold. `subject` is the same for as long as it is the same mistake."""

    invariant: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What the guard keeps from one decision to the next."""

    wrong: frozenset[str] = frozenset()  # subjects that were told and are not good again
    tightest_stop: Decimal | None = None  # seen since breakeven or a rule's first move


def guard(trade: Trade, facts: Iterable[Any], before: Guarded) -> tuple[tuple[Wrong, ...], Guarded]:
    """Judge a trade after a decision.

    Args:
        trade: as it is now.
        facts: of the decision, its requests among them.
        before: what the last call gave.

    Returns:
        What went wrong just now (nothing that was told and has not been good since), and what to keep.

    """
    tightest = _tightest(trade, before.tightest_stop)
    found = (
        *_orders(trade),
        *_counts(trade),
        *_exits(trade),
        *_targets(trade, facts, known="I3/targets" in before.wrong),
        *_stop(trade, tightest),
    )
    news = tuple(each for each in found if each.subject not in before.wrong)
    return news, replace(before, wrong=frozenset(each.subject for each in found), tightest_stop=tightest)


def _orders(trade: Trade) -> Iterator[Wrong]:
    live = Counter((leg.role, leg.index) for leg in trade.legs if leg.live)
    for (role, index), count in live.items():
        if count > 1:
            name = f"{role.value}{index}"
            yield Wrong(invariant="I1", subject=f"I1/live/{name}", text=f"{count} live orders at once for {name}")


def _counts(trade: Trade) -> Iterator[Wrong]:
    for leg in trade.legs:
        most = max(leg.quantity, leg.reported_quantity, leg.intent.quantity)
        if leg.state is LegState.FILLED and leg.executed_quantity > most:
            text = f"{leg.client_order_id} counts {plain(leg.executed_quantity)}, it could fill {plain(most)}"
            yield Wrong(invariant="I1", subject=f"I1/count/{leg.client_order_id}", text=text)


def _exits(trade: Trade) -> Iterator[Wrong]:
    for leg in trade.legs:
        if leg.live and leg.role is not Role.ENTRY and not leg.intent.reduce_only:
            text = f"{leg.client_order_id} leaves the trade and is not reduce-only"
            yield Wrong(invariant="I3", subject=f"I3/exit/{leg.client_order_id}", text=text)


def _targets(trade: Trade, facts: Iterable[Any], *, known: bool) -> Iterator[Wrong]:
    """A stop that fires leaves more resting than is held, for a moment: only asking for more is a mistake."""
    exposed = sum((leg.exposed_quantity for leg in trade.of(Role.TARGET)), ZERO)
    if exposed > trade.open_quantity and (known or any(_asks_for_target(trade, fact) for fact in facts)):
        text = f"targets of {plain(exposed)} are asked for, open are {plain(trade.open_quantity)}"
        yield Wrong(invariant="I3", subject="I3/targets", text=text)


def _asks_for_target(trade: Trade, fact: Any) -> bool:
    if isinstance(fact, OrderRequested):
        return fact.role is Role.TARGET
    if not isinstance(fact, AmendRequested) or fact.quantity is None:
        return False
    leg = trade.leg(fact.client_order_id)
    return leg is not None and leg.role is Role.TARGET and fact.quantity > leg.quantity


def _tightest(trade: Trade, before: Decimal | None) -> Decimal | None:
    by_rule = trade.stop_moved_by and trade.of(Role.STOP)  # a net target's may move outward before it stands
    by_person = trade.stop_moved_by == "person" or trade.asked_stop is not None
    if by_person or not (trade.moved_to_breakeven or by_rule):
        return None
    if before is None or (trade.stop_price - before) * trade.side.sign > 0:
        return trade.stop_price
    return before


def _stop(trade: Trade, tightest: Decimal | None) -> Iterator[Wrong]:
    if tightest is not None and (trade.stop_price - tightest) * trade.side.sign < 0:
        text = f"the stop belongs at {plain(trade.stop_price)} now and stood at {plain(tightest)} already"
        yield Wrong(invariant="I4", subject="I4/stop", text=text)


def violated(trade: Trade, wrong: Wrong) -> Alert:
    """Word the alert."""
    return Alert(
        kind="invariant_violated",
        severity=Severity.CRITICAL,
        key=f"{trade.trade_id}/invariant_violated/{wrong.subject}",
        title=f"#{trade.number} {trade.plan.symbol} {trade.side.value}: something that must always hold does not",
        lines=(
            f"{wrong.invariant}: {wrong.text}",
            "This is a mistake of Standfast's. Nothing was changed because of it: look at the position, send the log",
        ),
        chat_id=trade.plan.chat_id,
        subject=trade.label,
    )
