"""A person's answers about changes made at the exchange, and the wish to run without a stop, judged.

    keep     -> the fact that a change of the person's own would make (StopPriceMoved, TargetSet, StopWithdrawn)
    restore  -> OutsideChangeAnswered; the orders follow
    no stop  -> StopWithdrawn, only where the trade's policy lets a person's word at the exchange count

All other changes are judged in rules.trade_change. Enters: a folded trade, a wish, a fresh reading of the market.
Stays out: asking for it, orders.
"""

from __future__ import annotations

from decimal import Decimal

from actors.messages.exit_facts import OutsideChangeAnswered, StopWithdrawn, TargetSet
from actors.messages.trading import ChangeTrade, StopPriceMoved
from actors.model.money import plain
from actors.model.outside import OutsideKind, OutsideQuestion
from actors.model.trade import Phase, Trade
from actors.model.trade_change import ChangeKind, TradeChange
from actors.model.trade_plan import Policy
from actors.rules import trade_change
from actors.rules.held import holding_once_entered
from actors.rules.net_exit import beyond
from actors.rules.outside_questions import runs_without_stop
from actors.rules.stop_steps import highest_rung
from actors.rules.trade_change import Change, Situation, shown
from actors.rules.trailing import best_seen
from actors.rules.wording import usdt

_ANSWERS = frozenset({ChangeKind.KEEP, ChangeKind.RESTORE})


def judge(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    """Judge any change; a text is the reason why it may not be made, with what to do instead."""
    kind = wish.change.kind
    if kind not in _ANSWERS and kind is not ChangeKind.NO_STOP:
        return trade_change.judge(trade, wish, at)
    if trade.phase in {Phase.CLOSING, Phase.CLOSED}:
        return f"#{trade.number} is leaving already: nothing of it can be changed any more"
    if kind is ChangeKind.NO_STOP:
        return _no_stop(trade, wish, at)
    question = _meant(trade, wish)
    if isinstance(question, str):
        return question
    return _keep(trade, wish, question, at) if kind is ChangeKind.KEEP else _restore(trade, wish, question, at)


def _meant(trade: Trade, wish: ChangeTrade) -> OutsideQuestion | str:
    """Find the question that is answered: the one that was shown, else the oldest."""
    confirmed = not wish.preview and wish.seen_price is not None
    asked = (wish.change.place, wish.change.price)
    for question in trade.questions:
        if not confirmed or (asked == (question.place, question.price) and wish.seen_price == question.before):
            return question
    if confirmed:
        return f"what #{trade.number} was asked about is over: nothing was changed, look at /status"
    return f"nothing of #{trade.number} was changed at the exchange that waits for an answer"


def _change(wish: ChangeTrade, question: OutsideQuestion) -> ChangeTrade:
    """Pin the answer to its question."""
    pinned = TradeChange(kind=wish.change.kind, price=question.price, place=question.place)
    return ChangeTrade(
        command_id=wish.command_id,
        which=wish.which,
        change=pinned,
        by=wish.by,
        preview=wish.preview,
        seen_price=wish.seen_price,
    )


def _keep(trade: Trade, wish: ChangeTrade, question: OutsideQuestion, at: Situation) -> Change | str:
    pinned, before = _change(wish, question), question.before
    if question.kind is OutsideKind.STOP_GONE:
        return _without_stop(trade, pinned, at)
    if question.place is not None:
        line = f"{question.subject} {'stays away' if question.price is None else f'stays at {plain(question.price)}'}"
        set_ = TargetSet(
            place=question.place,
            price=question.price,
            before=before,
            by=wish.by,
            command_id=wish.command_id,
            set_at=at.now,
        )
        return Change(fact=set_, shown=shown(trade, pinned, before, question.price, (line,), loosens=False))
    price = question.price or before
    refusal = _stop_refused(trade, price, at.view.last_price)
    if refusal is not None:
        return refusal
    lines = trade_change.result_lines(trade, price, at.view.last_price)
    loosens = (price - trade.stop_price) * trade.side.sign < 0
    moved = StopPriceMoved(
        stop_price=price,
        reason="person",
        lines=lines,
        moved_at=at.now,
        best_price=best_seen(trade, at.seen),
        by=wish.by,
        command_id=wish.command_id,
        heeded_rung=highest_rung(trade),
    )
    return Change(fact=moved, shown=shown(trade, pinned, before, price, lines, loosens=loosens))


def _stop_refused(trade: Trade, price: Decimal, last: Decimal) -> str | None:
    if (price - trade.backstop_price) * trade.side.sign <= 0:
        backstop = plain(trade.backstop_price)
        return (
            f"{plain(price)} lies at or beyond the backstop {backstop} by now: write /stop {trade.number} "
            f"{plain(price)}, which moves the backstop first"
        )
    if beyond(trade.side.opposite, last, price):
        return f"the price is {plain(last)} and past {plain(price)} already: answer restore, or close #{trade.number}"
    return None


def _restore(trade: Trade, wish: ChangeTrade, question: OutsideQuestion, at: Situation) -> Change:
    answered = OutsideChangeAnswered(
        subject=question.subject, by=wish.by, command_id=wish.command_id, answered_at=at.now
    )
    there = "gone" if question.price is None else plain(question.price)
    lines = (f"{question.subject} ({there} at the exchange) goes back to {plain(question.before)}",)
    pinned = _change(wish, question)
    return Change(fact=answered, shown=shown(trade, pinned, question.before, question.before, lines, loosens=False))


# --- without a stop ------------------------------------------------------------------------------------------------
def _no_stop(trade: Trade, wish: ChangeTrade, at: Situation) -> Change | str:
    if trade.plan.policy is Policy.RESTORE:
        return (
            f"#{trade.number} was opened with policy restore, under which its stop is always there: move it "
            f"(/stop {trade.number} PRICE), or close the trade"
        )
    if runs_without_stop(trade):
        return f"#{trade.number} runs without a stop of its own already"
    if not trade.open_quantity:
        return f"nothing of #{trade.number} is open, so there is no stop to take away"
    return _without_stop(trade, wish, at)


def _without_stop(trade: Trade, wish: ChangeTrade, at: Situation) -> Change:
    back = f"until you set one again (/stop {trade.number} PRICE)"
    lines = (
        f"#{trade.number} runs UNPROTECTED then: no stop of its own, and no rule moves one, {back}",
        f"the account's backstop {plain(trade.backstop_price)} stays{_loss_there(trade)}; slippage comes on top",
    )
    fact = StopWithdrawn(by=wish.by, command_id=wish.command_id, withdrawn_at=at.now)
    return Change(fact=fact, shown=shown(trade, wish, trade.stop_price, None, lines, loosens=True))


def _loss_there(trade: Trade) -> str:
    held = holding_once_entered(trade)
    if held is None:
        return ""
    net = held.net_usdt(trade.backstop_price, trade.fees.taker)
    return f": there the trade {'loses' if net < 0 else 'nets'} {usdt(abs(net))} with fees"
