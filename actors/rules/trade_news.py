"""What a person is told about a trade's step: told from the difference it made, so no path stays silent.

A fill that only a reading knows of, a stop that moved after a restart: the trade before and after decides, never the
way the fact came. Enters: two states and the facts between them. Stays out: chat formats, delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from actors.messages.adopting import ProtectionStands
from actors.messages.exit_facts import EntriesExpired, FloorArmed
from actors.messages.fanning import MainLeft
from actors.messages.orders import EffectSettled, Settlement
from actors.messages.trading import ExitReason, ExitStarted, MemoryLost, TradeClosed
from actors.model.alert import Alert, Severity
from actors.model.money import ZERO, plain
from actors.model.trade import Leg, LegState, Role, Trade
from actors.rules.adopted_stops import protected_words, removal_told
from actors.rules.change_news import ASKED, change_news
from actors.rules.exit_words import EXPIRED, rule_news, slippage_lines
from actors.rules.next_orders import NO_POSITION, refused_in_a_row
from actors.rules.outside_questions import unprotected_words
from actors.rules.position_life import AT_BREAKEVEN
from actors.rules.trade_names import on_account

_REASONS = {
    ExitReason.PERSON: "closed on request",
    ExitReason.TRIGGER_PASSED: "the price was past the stop already",
    ExitReason.STOP_LOSS: "stop-loss",
    ExitReason.TARGETS: "all targets reached",
    ExitReason.NO_ENTRY: "no entry was filled",
    ExitReason.BACKSTOP: "the backstop fired",
    ExitReason.OUTSIDE: "reduced outside Standfast",
    ExitReason.LATE_FILL: "an order filled late",
    ExitReason.FLOOR: "the floor was met",
    ExitReason.TIME: "its time was over",
    ExitReason.MAIN: "main's trade has ended",
}
# One refusal of a change is often a race with a fill; the third in a row is told, then every tenth more.
_REFUSALS_TOLD, _REFUSALS_A_TELLING = 3, 10
_STOP_NAMES = {
    "rung": "stop at an earlier target",
    "trailing": "trailing stop",
    "net": "stop-loss",
}
_BREAKEVEN_STOP = "breakeven stop"
_PARTLY_CLOSED = "market close filled in part"


def _reason(trade: Trade, reason: ExitReason) -> str:
    """Name why a trade left; a stop that a rule had moved is not told as a loss."""
    if reason is ExitReason.STOP_LOSS:
        otherwise = _BREAKEVEN_STOP if trade.moved_to_breakeven else _REASONS[reason]
        return _STOP_NAMES.get(trade.stop_moved_by, otherwise)
    if reason is ExitReason.NO_ENTRY and trade.entries_expired:
        return f"{_REASONS[reason]}: {EXPIRED[trade.entries_expired]}"
    return _REASONS[reason]


def usdt(amount: Decimal) -> str:
    """Write money as people read it: two decimals, sign always shown."""
    return f"{amount:+.2f} USDT"


def news(before: Trade, after: Trade, facts: Iterable[Any]) -> Iterator[Alert]:
    """Give the alerts for one step, in the order the person should read them."""
    for leg in after.legs:
        known = before.leg(leg.client_order_id)
        if known is not leg:
            yield from _leg_news(after, known, leg)
    yield from _reduction_news(before, after)
    for fact in facts:
        yield from _fact_news(after, fact)
    for kind, severity, about, title, lines in change_news(before, after, facts):
        yield _alert(after, kind, severity, about, title, *lines)


def _alert(trade: Trade, kind: str, severity: Severity, about: str, title: str, *lines: str) -> Alert:
    return Alert(
        kind=kind,
        severity=severity,
        key=f"{trade.trade_id}/{kind}/{about}",
        title=f"#{trade.number} {trade.plan.symbol} {trade.side.value}{on_account(trade.plan.account)}: {title}",
        lines=(*lines, *filter(None, (unprotected_words(trade),))),
        chat_id=trade.plan.chat_id,
        commands=_commands(trade, kind),
        subject=trade.label,
    )


def _commands(trade: Trade, kind: str) -> tuple[tuple[str, str], ...]:
    if kind != ASKED:
        return ()
    return ("Keep", f"/answer {trade.number} keep"), ("Restore", f"/answer {trade.number} restore")


# --- orders ------------------------------------------------------------------------------------------------------
def _leg_news(trade: Trade, before: Leg | None, leg: Leg) -> Iterator[Alert]:
    was, fills_before = (None, ZERO) if before is None else (before.state, before.filled_quantity)
    complete = leg.state is LegState.FILLED and was is not LegState.FILLED
    begun = leg.filled_quantity > ZERO == fills_before and leg.role is not Role.EXIT  # a market order's parts are one
    fell_short = leg.role is Role.EXIT and leg.state is LegState.CANCELLED is not was and leg.filled_quantity > ZERO
    if complete or begun or fell_short:
        yield from _fill_news(trade, leg, complete=complete)
    if leg.state is not was:
        if leg.state is LegState.LIVE and was is LegState.REQUESTED and leg.role is Role.STOP:
            yield _stop_placed(trade, leg)
        elif leg.state is LegState.REJECTED and not _told_otherwise(trade, leg):
            yield _rejected(trade, leg)
        elif leg.state is LegState.CANCELLED:
            yield from _cancel_news(trade, before, leg)
    elif before is not None:
        if _stop_moved(before, leg):
            yield from _stop_moved_news(trade, before, leg)
        if leg.refusals > before.refusals and leg.refusals % _REFUSALS_A_TELLING == _REFUSALS_TOLD:
            yield _change_refused(trade, leg)


def _cancel_news(trade: Trade, before: Leg | None, leg: Leg) -> Iterator[Alert]:
    """The order's own report may come before the answer to our cancel: what was asked for is ours all the same."""
    if leg.cancelled_by_us or (before is not None and before.pending is not None and before.pending.cancels):
        if leg.role is Role.ENTRY:
            yield _entry_cancelled(trade, leg)
    elif leg.role is Role.ENTRY and leg.intent.takes and trade.exit_reason in {None, ExitReason.NO_ENTRY}:
        yield _entry_fell_short(trade, leg)
    elif _loss_worth_telling(trade, leg):
        yield _cancelled_outside(trade, leg)


def _loss_worth_telling(trade: Trade, leg: Leg) -> bool:
    """What the exchange clears away because the position shrank is none, nor the rest of a stop that fired."""
    if trade.exit_reason is not None or leg.role is Role.EXIT or leg.reduced_away:
        return False
    return leg.role is Role.ENTRY or (bool(trade.open_quantity) and not (leg.role is Role.STOP and leg.filled_quantity))


_MOVES = {"trailing": "trails", "rung": "follows the targets"}


def _stop_moved_news(trade: Trade, before: Leg, leg: Leg) -> Iterator[Alert]:
    """Told when the exchange holds the new stop, never before; of the steps of a trailing stop, only some."""
    if leg.trigger_price != trade.stop_price and not _asked_for(before, leg):
        yield _stop_moved_outside(trade, leg)
    elif trade.stop_moved_by != "trailing" or trade.stop_move_told:
        yield _stop_moved_by_us(trade, leg)


def _stop_moved_by_us(trade: Trade, leg: Leg) -> Alert:
    price = plain(leg.trigger_price or ZERO)
    why = trade.stop_moved_by if leg.trigger_price == trade.stop_price else ""
    return _alert(
        trade,
        "stop_moved",
        Severity.INFO,
        price,
        f"stop moved to breakeven {price}" if why in AT_BREAKEVEN else f"stop {_MOVES.get(why, 'moved')} to {price}",
        f"at the exchange for {plain(leg.quantity)} {trade.instrument.base}",
        *(trade.stop_reasoning if why else ()),
    )


def _stop_moved_outside(trade: Trade, leg: Leg) -> Alert:
    return _alert(
        trade,
        "stop_moved_outside",
        Severity.WARNING,
        f"{leg.client_order_id}/{plain(leg.trigger_price or ZERO)}",
        f"stop was moved to {plain(leg.trigger_price or ZERO)} by somebody else",
        f"Standfast moves it back to {plain(trade.stop_price)}",
    )


def _asked_for(before: Leg, leg: Leg) -> bool:
    return before.pending is not None and before.pending.trigger_price == leg.trigger_price


def _stop_moved(before: Leg, leg: Leg) -> bool:
    return leg.role is Role.STOP and leg.live and before.trigger_price != leg.trigger_price


def _fill_news(trade: Trade, leg: Leg, *, complete: bool) -> Iterator[Alert]:
    """Tell the first part of a fill, and its completion."""
    average = plain((leg.average_price or ZERO).quantize(trade.instrument.tick_size))
    sold = f"{plain(leg.filled_quantity)} of {plain(_whole(leg))} {trade.instrument.base} at {average}"
    left = f"open now {plain(trade.open_quantity)} {trade.instrument.base}"
    if leg.role is Role.ENTRY:
        kind, title = ("entry_filled", "filled") if complete else ("entry_partly_filled", "partly filled")
        yield _alert(trade, kind, Severity.INFO, leg.client_order_id, f"entry {leg.index} {title}", sold, left)
    elif leg.role is Role.TARGET:
        kind, title = ("rung_filled", "filled") if complete else ("rung_partly_filled", "partly filled")
        result = f"realised so far {usdt(trade.realised_pnl_usdt)}"
        yield _alert(trade, kind, Severity.INFO, leg.client_order_id, f"target {leg.index} {title}", sold, left, result)
    elif leg.role is Role.STOP:
        kind, title = ("stop_filled", "filled") if complete else ("stop_firing", "fires")
        title = f"{_reason(trade, ExitReason.STOP_LOSS)} {title}"
        yield _alert(trade, kind, Severity.WARNING, leg.client_order_id, title, sold, left)
    elif leg.role is Role.EXIT:
        kind, title = ("exit_filled", "closed at market") if complete else ("exit_partly_filled", _PARTLY_CLOSED)
        yield _alert(trade, kind, Severity.INFO, leg.client_order_id, title, sold, left)


def _whole(leg: Leg) -> Decimal:
    """Give what the order comes to. Fills beyond it tell that the change on its way arrived before its answer."""
    if leg.filled_quantity <= leg.quantity:
        return leg.quantity
    asked = ZERO if leg.pending is None else leg.pending.quantity or ZERO
    return max(leg.filled_quantity, asked)


def _stop_placed(trade: Trade, leg: Leg) -> Alert:
    return _alert(
        trade,
        "stop_placed",
        Severity.INFO,
        leg.client_order_id,
        f"stop placed at {plain(leg.trigger_price or ZERO)}",
        f"covers {plain(leg.quantity)} {trade.instrument.base}; backstop {plain(trade.backstop_price)}",
    )


_NAMES = {Role.ENTRY: "entry", Role.TARGET: "target", Role.STOP: "stop", Role.EXIT: "market close"}


def _name(leg: Leg) -> str:
    numbered = leg.role in {Role.ENTRY, Role.TARGET}
    return f"{_NAMES[leg.role]} {leg.index}" if numbered else _NAMES[leg.role]


def _rejected(trade: Trade, leg: Leg) -> Alert:
    grave = leg.role in {Role.STOP, Role.EXIT}
    code = f" (code {leg.code})" if leg.code is not None else ""
    return _alert(
        trade,
        "order_rejected",
        Severity.CRITICAL if grave else Severity.WARNING,
        f"{leg.role.value}{leg.index}/{leg.code}",
        f"the {_name(leg)} was not placed" if leg.code is None else f"the exchange refused the {_name(leg)}",
        f"{leg.text}{code}",
        *((f"backstop {plain(trade.backstop_price)} covers the position meanwhile",) if grave else ()),
    )


def _told_otherwise(trade: Trade, leg: Leg) -> bool:
    """A stop the price has passed is told with the leaving; "no position" says nothing before a reading agrees."""
    if leg.role is Role.STOP and trade.trigger_passed:
        return True
    return leg.code == NO_POSITION and refused_in_a_row(trade, leg.role, leg.index)[0] < _REFUSALS_TOLD


def _change_refused(trade: Trade, leg: Leg) -> Alert:
    grave = leg.role is Role.STOP
    code = f" (code {leg.code})" if leg.code is not None else ""
    return _alert(
        trade,
        "change_refused",
        Severity.CRITICAL if grave else Severity.WARNING,
        f"{leg.client_order_id}/{leg.refusals}",
        f"the exchange refuses to change the {_name(leg)}",
        f"{leg.text}{code}; {leg.refusals} times in a row, Standfast keeps trying",
        *((f"backstop {plain(trade.backstop_price)} covers the position meanwhile",) if grave else ()),
    )


def _cancelled_outside(trade: Trade, leg: Leg) -> Alert:
    return _alert(
        trade,
        "order_cancelled_outside",
        Severity.WARNING,
        leg.client_order_id,
        f"{_name(leg)} was cancelled by somebody else",
        f"reason given: {leg.text or 'none'}",
    )


def _entry_fell_short(trade: Trade, leg: Leg) -> Alert:
    """The market did not offer all of it within the bound (its own, or the exchange's band)."""
    base, missing = trade.instrument.base, leg.quantity - leg.filled_quantity
    bound = f"the price bound {plain(leg.price)}" if leg.intent.immediate and leg.price else "the exchange's price band"
    return _alert(
        trade,
        "entry_fell_short",
        Severity.WARNING,
        leg.client_order_id,
        f"entry {leg.index} filled {plain(leg.filled_quantity)} of {plain(leg.quantity)} {base}",
        f"{plain(missing)} {base} were not to be had within {bound}; they are not tried again",
        "what was filled is kept, with its stop and its targets" if leg.filled_quantity else "nothing is open",
    )


def _entry_cancelled(trade: Trade, leg: Leg) -> Alert:
    return _alert(
        trade,
        "entry_cancelled",
        Severity.INFO,
        leg.client_order_id,
        f"entry {leg.index} cancelled",
        f"filled {plain(leg.filled_quantity)} of {plain(leg.quantity)} {trade.instrument.base}",
    )


# --- turns -------------------------------------------------------------------------------------------------------
def _fact_news(after: Trade, fact: Any) -> Iterator[Alert]:
    if isinstance(fact, ExitStarted):
        yield from _exit_news(after, fact)
    elif isinstance(fact, TradeClosed):
        yield _alert(
            after,
            "trade_closed",
            Severity.INFO,
            str(after.closed_at),
            f"closed, {usdt(fact.realised_pnl_usdt)}",
            _reason(after, fact.reason),
            f"fees are inside; funding {usdt(-fact.funding_usdt)}",
            *slippage_lines(fact.slippage_usdt),
        )
    elif isinstance(fact, MainLeft) and not fact.by_person:
        seconds = after.parameters.orphan_grace_seconds
        yield _alert(
            after,
            "main_left",
            Severity.INFO,
            str(fact.left_at),
            "main's trade has ended",
            f"This one has {seconds:.0f} s to end by its own fills; then its entries are cancelled and it is closed.",
        )
    elif isinstance(fact, ProtectionStands):
        yield _alert(after, "adoption_protected", Severity.INFO, str(fact.seen_at), *protected_words(after))
    elif isinstance(fact, FloorArmed | EntriesExpired):
        kind, about, title, lines = rule_news(after, fact)
        yield _alert(after, kind, Severity.INFO, about, title, *lines)
    elif isinstance(fact, MemoryLost):
        yield _alert(
            after,
            "memory_lost",
            Severity.CRITICAL,
            str(fact.epoch),
            "its last steps before the restart are forgotten",
            "They never reached the disk. What stands at the exchange is found there and taken up; entries that were"
            " cancelled are not placed again.",
            "If you had asked for it to be closed, look whether it was, and ask again.",
        )
    elif isinstance(fact, EffectSettled) and (removed := removal_told(after, fact)) is not None:
        done, title, lines = removed
        severity = Severity.INFO if done else Severity.WARNING
        kind = "outside_stop_removed" if done else "outside_stop_stays"
        yield _alert(after, kind, severity, fact.effect_key, title, *lines)
    elif isinstance(fact, EffectSettled) and fact.settlement is Settlement.TRIGGER_WRONG_SIDE:
        yield _alert(
            after,
            "trigger_wrong_side",
            Severity.CRITICAL,
            fact.effect_key,
            "the exchange says our trigger is on the wrong side",
            f"{fact.text} (code {fact.code}). Nothing was closed; look at the position",
        )


def _exit_news(trade: Trade, fact: ExitStarted) -> Iterator[Alert]:
    if not trade.open_quantity and fact.reason in {ExitReason.TARGETS, ExitReason.STOP_LOSS}:
        return  # its fills have been told
    grave = fact.reason in {ExitReason.TRIGGER_PASSED, ExitReason.LATE_FILL, ExitReason.BACKSTOP}
    grave = grave or (fact.reason is ExitReason.STOP_LOSS and bool(trade.open_quantity))
    yield _alert(
        trade,
        "exit_started",
        Severity.CRITICAL if grave else Severity.INFO,
        f"{fact.reason.value}/{fact.started_at}",
        f"leaving: {_reason(trade, fact.reason)}",
        f"open {plain(trade.open_quantity)} {trade.instrument.base}",
    )


def _reduction_news(before: Trade, after: Trade) -> Iterator[Alert]:
    """Tell the first part of what went by one cause, and the last: an order may have many fills.

    The position book raises the alarm, once for all its trades; this says what it means for one of them.
    """
    new = [each for each in after.reductions[len(before.reductions) :] if each.quantity > ZERO]
    known = {each.cause for each in before.reductions}
    over = bool(before.open_quantity) and not after.open_quantity
    for cause in dict.fromkeys(each.cause for each in new):
        if cause in known and not over:
            continue
        parts = [each for each in new if each.cause == cause]
        together = sum((each.quantity for each in parts), ZERO)
        yield _alert(
            after,
            "reduced_outside",
            Severity.WARNING,
            parts[0].execution_id,
            f"{plain(together)} {after.instrument.base} went by {cause}",
            f"at {plain(parts[-1].price)}; open now {plain(after.open_quantity)} {after.instrument.base}",
        )


# --- raised by the monitor itself --------------------------------------------------------------------------------
def own_stop_late(trade: Trade) -> Alert:
    """The own stop does not cover what is open, and its time is over."""
    return _alert(
        trade,
        "own_stop_late",
        Severity.CRITICAL,
        str(trade.last_fill_at),
        "its own stop is not in place yet",
        f"open {plain(trade.open_quantity)} {trade.instrument.base}; backstop {plain(trade.backstop_price)} covers it",
        "Standfast keeps trying; look at the exchange if this stays",
    )


def own_stop_in_place(trade: Trade) -> Alert:
    """Withdraw the alarm of a late own stop."""
    held = f"{plain(trade.open_quantity)} {trade.instrument.base}"
    covered = f"covers {held}" if trade.open_quantity else "nothing is open"
    return _alert(
        trade,
        "own_stop_in_place",
        Severity.INFO,
        str(trade.last_fill_at),
        "its own stop is in place again",
        covered,
    )


def request_unclear(trade: Trade, effect_key: str, text: str) -> Alert:
    """No answer came for a request; its outcome is being looked up."""
    order, _, action = effect_key.partition("/")
    leg = trade.leg(order)
    what = "an order" if leg is None else f"the {_name(leg)}"
    return _alert(
        trade,
        "request_unclear",
        Severity.WARNING,
        effect_key,
        f"no clear answer to {action.split('/')[0]} {what}",
        text,
        "Nothing is sent twice: the exchange is asked first",
    )
