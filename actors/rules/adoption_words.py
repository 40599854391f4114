"""Adoption in words: the plan as it is shown, the question, what was recorded, and how the wish is read.

Enters: what a person wrote; plans. Stays out: markup, judging.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.messages.adopting import AdoptionShown, AdoptPosition
from actors.messages.trading import TradeAccepted, TradeOpened
from actors.model.alert import Alert, Severity
from actors.model.money import ONE, ZERO, plain
from actors.model.position import PositionSide
from actors.model.screen import Screen
from actors.model.trade_plan import PlannedRung, SizedPlan
from actors.rules.chat_commands import confirm_buttons
from actors.rules.entry_weights import evenly
from actors.rules.plan_figures import Problem, price_list, single_price
from actors.rules.trade_names import on_account
from actors.rules.wording import percent, usdt

FORM = "adopt ACCOUNT SYMBOL [long|short] stop PRICE [targets PRICE,...]"


# --- reading it ----------------------------------------------------------------------------------------------------
def read_wish(words: Sequence[str], *, by: str, chat_id: int | None = None) -> AdoptPosition | str:
    """Read what stands behind the verb; a text says all that is wrong with it.

    Args:
        words: account, symbol, perhaps the side, then stop and targets with their values (the names may have dashes).
        by: who asks.
        chat_id: where its alerts go; None: the default chat.

    """
    if len(words) < 2:  # noqa: PLR2004 - account and symbol
        return f"Which account and which symbol? Write {FORM}"
    account, symbol, rest = words[0].lower(), words[1].upper(), [word.removeprefix("--").lower() for word in words[2:]]
    side = PositionSide(rest.pop(0)) if rest and rest[0] in set(PositionSide) else None
    named: dict[str, str] = {}
    while rest:
        name = rest.pop(0)
        if name not in {"side", "stop", "targets"} or name in named:
            return f"{name!r} is not understood here: write {FORM}"
        named[name] = rest.pop(0) if rest else ""
    given = named.get("side", "" if side is None else side.value)
    if given and given not in set(PositionSide):
        return f"side {given} is not known: write long or short"
    stop = single_price(named.get("stop", ""))
    rungs = _rungs(named["targets"]) if "targets" in named else ()
    wrong = []
    if isinstance(stop, Problem):
        missing = "stop is missing: write where the position's stop is to be, as in stop 1.15"
        wrong.append(missing if not named.get("stop") else f"stop {stop.value} {stop.text}")
    if isinstance(rungs, str):
        wrong.append(rungs)
    if isinstance(stop, Problem) or isinstance(rungs, str):
        return "\n".join(wrong)
    return AdoptPosition(
        command_id="",
        account=account,
        symbol=symbol,
        position_side=PositionSide(given) if given else None,
        stop_price=stop,
        rungs=rungs,
        by=by,
        chat_id=chat_id,
    )


def _rungs(text: str) -> tuple[PlannedRung, ...] | str:
    """Read targets with or without shares; those without share the rest evenly."""
    if not text:
        return "targets are missing: write prices with commas, nearest first, as in targets 1.22,1.24"
    figures = list(price_list(text, market=False))
    wrong = [f"targets {each.value} {each.text}" for each in figures if isinstance(each, Problem)]
    if wrong:
        return "\n".join(wrong)
    prices = [(each.price, each.share) for each in figures if not isinstance(each, Problem)]
    open_ones = sum(share is None for _, share in prices)
    rest = ONE - sum((share for _, share in prices if share is not None), ZERO)
    if open_ones and rest <= 0:
        return f"the shares of the targets leave nothing for {open_ones} of them: write them so that all make 100%"
    shares = iter(evenly(rest, open_ones)) if open_ones else iter(())
    return tuple(
        PlannedRung(price=price, fraction=next(shares) if share is None else share)
        for price, share in prices
        if price is not None
    )


# --- showing it ----------------------------------------------------------------------------------------------------
def plan_lines(sized: SizedPlan) -> tuple[str, ...]:
    """Give the plan of an adopted position in figures."""
    plan, adopted = sized.plan, sized.plan.adopted
    if adopted is None:
        raise ValueError("the plan of an adoption has nothing adopted")
    targets = [
        f"target {place}: {plain(rung.price)} for {plain(quantity)} ({percent(rung.fraction)})"
        if quantity
        else f"target {place}: {plain(rung.price)} merged into another"
        for place, (rung, quantity) in enumerate(zip(plan.rungs, sized.rung_quantities, strict=True), start=1)
    ]
    entered = f"{plain(sized.quantity)} entered at {plain(adopted.average_price)}, worth {usdt(sized.notional_usdt)}"
    result = "loss" if sized.loss_at_stop_usdt >= 0 else "profit"
    at_stop = f"{result} {usdt(abs(sized.loss_at_stop_usdt))} with fees (a taker's to enter is assumed)"
    return (
        f"taken over: {entered}; nothing is bought",
        *(targets or ("no targets: it is left by its stop, or by you",)),
        f"stop {plain(plan.stop_price)}: {at_stop}",
        *_outside(sized),
        f"leverage {plain(plan.leverage)} as it is; your other orders there stay",
        *sized.notes,
    )


def _outside(sized: SizedPlan) -> tuple[str, ...]:
    adopted = sized.plan.adopted
    if adopted is None:
        return ()
    lines = [
        f"your stop order {plain(stop.quantity)} at {plain(stop.trigger_price)} is removed"
        for stop in adopted.outside_stops
    ]
    if adopted.position_stop is not None:
        own = plain(adopted.position_stop)
        lines.insert(0, f"the position's own stop {own} gives way to the backstop, farther out than the trade's stop")
    if not lines:
        return ("you have no stop there now: it is unprotected until the trade's own stands",)
    return (*lines, "each only once the trade's own stop stands at the exchange")


def _named(sized: SizedPlan) -> str:
    plan = sized.plan
    return f"{plain(sized.quantity)} {plan.symbol} {plan.position_side.value} on {plan.account}"


def asked_back(shown: AdoptionShown) -> Screen:
    """Show what it would mean, to one who is asked elsewhere."""
    return Screen(title=f"Adopt {_named(shown.sized)}?", lines=plan_lines(shown.sized))


def preview(shown: AdoptionShown, nonce: str, seconds: float) -> Screen:
    """Show what it would mean, with the buttons that do it or do not."""
    return Screen(
        title=asked_back(shown).title,
        lines=(*plan_lines(shown.sized), "", f"Nothing is touched before you confirm, within {seconds:.0f} s."),
        buttons=confirm_buttons(nonce, "Adopt"),
    )


def accepted(answer: TradeAccepted) -> Screen:
    """Show that it is recorded; that our stop stands is told when it does."""
    if answer.dry_run:
        return Screen(
            title=f"DRY RUN: {_named(answer.sized)} could be adopted; nothing was touched.",
            lines=(*plan_lines(answer.sized), "Nothing was recorded either. Set DRY_RUN=false to trade."),
        )
    already = " (by this command before)" if answer.already_open else ""
    return Screen(
        title=f"Trade #{answer.number} has adopted {_named(answer.sized)}{already}",
        lines=(answer.label, *plan_lines(answer.sized), f"/status {answer.number} follows it."),
    )


def adopted_news(fact: TradeOpened) -> Alert:
    """Tell the person that a position is watched from now on, with the whole plan in figures."""
    plan = fact.sized.plan
    named = f"#{fact.number} {plan.symbol} {plan.position_side.value}{on_account(plan.account)}"
    return Alert(
        kind="position_adopted",
        severity=Severity.INFO,
        key=f"{fact.trade_id}/position_adopted",
        title=f"{named}: {plain(fact.sized.quantity)} adopted",
        lines=plan_lines(fact.sized),
        chat_id=plan.chat_id,
        subject=fact.label,
    )


def words_of(wish: AdoptPosition) -> str:
    """Name a wish."""
    side = "" if wish.position_side is None else f" {wish.position_side.value}"
    return f"Adopt {wish.symbol}{side} on {wish.account}"
