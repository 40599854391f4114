"""Trades as screens: what is open, what a plan comes to, what closing would mean.

Enters: readings with their ages. Stays out: markup, asking, deciding. Every figure says where it comes from and how
old that knowledge is; what is not known is called unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from actors.messages.market import PriceReading
from actors.messages.storing import StreamSummary
from actors.messages.trading import OrderPreview, SliceOutcome, TradeAccepted, TradeReading
from actors.model.money import plain
from actors.model.position import PositionSide
from actors.model.screen import Screen
from actors.model.trade_plan import Policy, SizedPlan, TradePlan
from actors.rules import exit_words
from actors.rules.ages import span
from actors.rules.chat_commands import confirm_buttons, say_button
from actors.rules.mirroring import drift
from actors.rules.size_words import asked_words, entry_price_words
from actors.rules.wording import percent, usdt

RESPECTED = "a stop or target that you move at the exchange stays there, a target you cancel stays away"
ASKED = "a stop or target that you move or cancel at the exchange is asked about; without an answer it goes back"
Prices = Mapping[str, PriceReading]


def signed_usdt(amount: Decimal) -> str:
    """Write a gain or loss; the sign is always there."""
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_EVEN):+f} USDT"


# --- what is open -----------------------------------------------------------------------------------------------
def status(trades: Sequence[TradeReading], prices: Prices, *, now: datetime, number: int | None = None) -> Screen:
    """Show open trades one below the other, or one of them."""
    everyone = trades
    refresh = ((say_button("Refresh", "/status" if number is None else f"/status {number}"),),)
    if number is not None:
        trades = [trade for trade in trades if trade.number == number]
        if not trades:
            return Screen(title=f"There is no open trade {number}.", lines=("/status lists the open ones.",))
    if not trades:
        return Screen(title="No trade is open.", lines=("/help trade shows how to open one.",), buttons=refresh)
    known = {trade.trade_id: trade for trade in everyone}
    blocks = [_block(trade, prices.get(trade.symbol), now, known.get(trade.follows)) for trade in trades]
    title = "1 open trade" if len(trades) == 1 else f"{len(trades)} open trades"
    bare = ", ".join(f"#{trade.number}" for trade in trades if trade.unprotected)
    title = f"UNPROTECTED: {bare}. {title}" if bare else title
    lines = tuple(line for block in blocks for line in (*block, ""))[:-1]
    return Screen(title=f"{title}, read at {now:%H:%M:%S} UTC", lines=lines, buttons=refresh)


def status_table(trades: Sequence[TradeReading], prices: Prices, *, now: datetime) -> Screen:
    """Show one row a trade, 32 columns wide. One star: entries pending; two: leaving."""
    if not trades:
        return status(trades, prices, now=now)
    header = f"{'#':<5}{'symbol':<10}{'open':>9}{'PnL':>8}"
    return Screen(
        title=f"{len(trades)} open, read at {now:%H:%M:%S} UTC",
        lines=(
            *(f"#{trade.number} {trade.unprotected}" for trade in trades if trade.unprotected),
            "L long, S short; * entries pending, ** leaving; PnL in USDT, realised and open, before exit fees",
        ),
        table=(header, *(_row(trade, prices.get(trade.symbol)) for trade in trades)),
        buttons=((say_button("Refresh", "/status table"),),),
    )


def _block(
    trade: TradeReading, price: PriceReading | None, now: datetime, main: TradeReading | None
) -> tuple[str, ...]:
    average = "no fill yet" if trade.average_entry_price is None else f"average {_price(trade.average_entry_price)}"
    lines = [
        f"#{trade.number} {trade.symbol} {trade.position_side} ({trade.label})",
        f"{_phase(trade)}: {plain(trade.open_quantity)} open of {plain(trade.planned_quantity)} planned, {average}",
        _stop_line(trade, now),
    ]
    lines += [
        f"target {place}: {plain(target)} for {plain(quantity)}, filled {plain(filled)}"
        for place, (target, quantity, filled) in enumerate(trade.rungs, start=1)
    ]
    lines += trade.exits
    if main is not None:
        lines.append(f"follows #{main.number}: {drift(trade, main).words()}")
    elif trade.follows:
        lines.append("follows a trade of main's that is not open any more")
    lines.append(_price_line(trade, price))
    funding = f", funding paid {usdt(trade.funding_usdt)}" if trade.funding_usdt else ""
    lines.append(f"realised {signed_usdt(trade.realised_pnl_usdt)} after fees{funding}")
    lines.append(f"opened {span((now - trade.opened_at).total_seconds())} ago")
    if trade.note:
        lines.append(trade.note)
    return tuple(lines)


def _phase(trade: TradeReading) -> str:
    return trade.phase.replace("_", " ")


def _stop_line(trade: TradeReading, now: datetime) -> str:
    """Say where the stop is and how that is known."""
    heard = (
        "nothing heard from the exchange yet"
        if trade.last_confirmed_at is None
        else f"confirmed {span((now - trade.last_confirmed_at).total_seconds())} ago"
    )
    backstop = f"backstop {plain(trade.backstop_price)}" if trade.backstop_price is not None else "no backstop"
    if trade.unprotected:
        return trade.unprotected
    if trade.stop_price is None:
        return f"no stop of its own, {backstop}; {heard}"
    if trade.stop_at_exchange:
        return f"stop {plain(trade.stop_price)} at exchange, {heard}; {backstop}"
    if not trade.open_quantity:
        return f"stop {plain(trade.stop_price)} follows the first fill; {backstop} on the entries; {heard}"
    return f"stop {plain(trade.stop_price)} NOT confirmed at exchange; {backstop}; {heard}"


def _price_line(trade: TradeReading, price: PriceReading | None) -> str:
    if price is None:
        return "price unknown at the moment"
    stale = "STALE, " if price.stale else ""
    source = f"{plain(price.last_price)} ({stale}{price.source}, {span(price.age_seconds)} ago)"
    gain = open_pnl(trade, price)
    return f"price {source}" if gain is None else f"price {source}, open PnL {signed_usdt(gain)} before exit fees"


def open_pnl(trade: TradeReading, price: PriceReading | None) -> Decimal | None:
    """Give what is open at the last price, USDT, before exit fees. None: unknown, or nothing is open."""
    if price is None or trade.average_entry_price is None or not trade.open_quantity:
        return None
    return (price.last_price - trade.average_entry_price) * trade.open_quantity * PositionSide(trade.position_side).sign


def _row(trade: TradeReading, price: PriceReading | None) -> str:
    star = "!" if trade.unprotected else {"building": "*", "closing": "**"}.get(trade.phase, "")
    gain = open_pnl(trade, price)
    known = trade.realised_pnl_usdt + (gain or 0)
    pnl = "?" if gain is None and trade.open_quantity else f"{known:+.2f}"
    side = trade.position_side[:1].upper()
    return f"{f'{trade.number}{star}':<5}{trade.symbol[:8]:<9}{side}{plain(trade.open_quantity):>9}{pnl:>8}"


def _price(value: Decimal) -> str:
    """Write an average without the endless digits a quotient has."""
    return plain(value.quantize(Decimal("0.00000001"), ROUND_HALF_EVEN)) if value else "0"


def with_silent(screen: Screen, registered: Sequence[StreamSummary], trades: Sequence[TradeReading]) -> Screen:
    """Add the trades that exist and of which nobody could tell: they are open, only unread."""
    read = {trade.number for trade in trades}
    silent = [row for row in registered if row.number not in read]
    lines = tuple(f"#{row.number} {row.label}: its monitor did not answer, look at the exchange" for row in silent)
    if not lines:
        return screen
    title = f"{len(lines)} of {len(registered)} trades could not be read" if not trades else screen.title
    return replace(screen, title=title, lines=(*lines, *screen.lines) if trades else lines)


# --- opening ----------------------------------------------------------------------------------------------------
def preview(order: OrderPreview, nonce: str, seconds: float) -> Screen:
    """Show what an order comes to, with the buttons that open it or do not."""
    shown = plan_shown(order)
    return replace(
        shown,
        lines=(*shown.lines, "", f"Nothing is sent before you confirm, within {seconds:.0f} s."),
        buttons=confirm_buttons(nonce, "Confirm"),
    )


def plan_shown(order: OrderPreview) -> Screen:
    """Show what an order comes to, slice by slice, to one who is asked elsewhere and has all the time."""
    title = f"Open {_plan_title(order.plan)}?"
    if len(order.slices) == 1 and order.slices[0].sized is not None:
        return Screen(title=title, lines=plan_lines(order.slices[0].sized))
    blocks = [_preview_block(each) for each in order.slices]
    count = sum(each.sized is not None for each in order.slices)
    lines = tuple(line for block in blocks for line in ("", *block))[1:]
    return Screen(title=title, lines=(f"{count} trade{'s' if count != 1 else ''}:", "", *lines))


def _preview_block(slice_: SliceOutcome) -> tuple[str, ...]:
    if slice_.refused:
        return (f"{slice_.name}: will not be opened: {slice_.refused}",)
    if slice_.sized is None:
        return (f"{slice_.name}: its account has not answered in time; it is sized when it is opened",)
    return (f"{slice_.name}:", *plan_lines(slice_.sized))


def _plan_title(plan: TradePlan) -> str:
    return f"{plan.symbol} {plan.position_side.value} on {plan.account}"


def plan_lines(sized: SizedPlan) -> tuple[str, ...]:
    """Give one slice's plan in figures."""
    plan = sized.plan
    entries = [
        f"entry {place}: {plain(entry.quantity)} at {entry_price_words(entry, plan.position_side)}"
        f"{f' ({percent(planned.fraction)})' if len(plan.entries) > 1 else ''}"
        for place, (planned, entry) in enumerate(zip(plan.entries, sized.entries, strict=True), start=1)
    ]
    targets = [
        f"target {place}: {plain(rung.price)} for {plain(quantity)} ({percent(rung.fraction)})"
        if quantity
        else f"target {place}: {plain(rung.price)} merged into another"
        for place, (rung, quantity) in enumerate(zip(plan.rungs, sized.rung_quantities, strict=True), start=1)
    ]
    return (
        *entries,
        f"together {plain(sized.quantity)}, worth {usdt(sized.notional_usdt)} at {_price(sized.reference_price)}",
        *targets,
        f"stop {plain(plan.stop_price)}: loss {usdt(sized.loss_at_stop_usdt)} with fees, if all entries fill",
        asked_words(plan.size, sized.asked_usdt),
        f"margin {usdt(sized.margin_usdt)}, leverage {plain(plan.leverage)}",
        f"approach {plan.approach.value}{f', preset {plan.preset}' if plan.preset else ''}",
        *({Policy.RESPECT: (RESPECTED,), Policy.ASK: (ASKED,)}.get(plan.policy, ())),
        *exit_words.plan_lines(sized),
        *sized.notes,
    )


def accepted(answer: TradeAccepted) -> Screen:
    if answer.dry_run:
        return Screen(
            title=f"DRY RUN: {_plan_title(answer.sized.plan)} passes every check; nothing was sent.",
            lines=(
                *plan_lines(answer.sized),
                *_others(answer.others),
                "Nothing was recorded either. Set DRY_RUN=false to trade.",
            ),
        )
    already = " (it was opened by this command before)" if answer.already_open else ""
    return Screen(
        title=f"Trade #{answer.number} opened: {_plan_title(answer.sized.plan)}{already}",
        lines=(
            answer.label,
            *plan_lines(answer.sized),
            *_others(answer.others),
            f"/status {answer.number} follows it, /close {answer.number} leaves it.",
        ),
    )


def _others(slices: Sequence[SliceOutcome]) -> Iterator[str]:
    """Say what became of an order's other slices: each opened, refused with its reason, or under way."""
    for each in slices:
        yield ""
        if each.refused:
            yield f"{each.name}: not opened: {each.refused}"
        elif each.number and each.sized is not None:
            yield f"{each.name}: trade #{each.number} opened ({each.label})"
            yield from plan_lines(each.sized)
        elif each.sized is not None:
            yield f"{each.name}:"
            yield from plan_lines(each.sized)
        else:
            yield f"{each.name}: on its way; an alert says whether it was opened"


def refused(what: str, text: str) -> Screen:
    """Show a refusal: what was not done, and why, with what to write instead."""
    return Screen(title=f"{what}: refused, nothing was sent.", lines=tuple(text.split("\n")))


def unknown(what: str, text: str) -> Screen:
    return Screen(
        title=f"{what}: outcome unknown, look at /status.",
        lines=("It may have been carried out. Do not repeat it before you have looked.", *((text,) if text else ())),
    )


# --- closing ----------------------------------------------------------------------------------------------------
def choose_close(trades: Sequence[TradeReading]) -> Screen:
    """Offer one button a trade."""
    if not trades:
        return Screen(title="No trade is open, so there is nothing to close.")
    rows = tuple(
        (say_button(f"#{trade.number} {trade.symbol} {trade.position_side}", f"/close {trade.number}"),)
        for trade in trades
    )
    every = ((say_button("All of them", "/close all"),),) if len(trades) > 1 else ()
    return Screen(title="Close which trade?", buttons=(*rows, *every))


def pick(trades: Sequence[TradeReading], which: str) -> tuple[TradeReading, ...]:
    """Find the trades meant by a number, a trade id or "all"."""
    wanted = which.strip().removeprefix("#").upper()
    if wanted == "ALL":
        return tuple(trades)
    return tuple(trade for trade in trades if wanted in {str(trade.number), trade.trade_id})


def nothing_to_close(which: str, trades: Sequence[TradeReading], registered: Sequence[StreamSummary]) -> Screen:
    """Say that no open trade is meant, and which there are."""
    known = ", ".join(f"#{trade.number} {trade.symbol}" for trade in trades)
    open_ones = f"Open are {known}." if trades else "No trade is open."
    missing = "" if which.lower() == "all" else f" {which}"
    screen = Screen(title=f"There is no open trade{missing} to close.", lines=(open_ones, "/close lets you choose."))
    return with_silent(screen, registered, trades)


def close_preview(trades: Sequence[TradeReading], prices: Prices, nonce: str, seconds: float) -> Screen:
    """Show the consequence of leaving these trades now, with the button that does it."""
    lines: list[str] = []
    total: Decimal | None = Decimal(0)
    for trade in trades:
        gain = open_pnl(trade, prices.get(trade.symbol))
        lines += _close_lines(trade, prices.get(trade.symbol), gain)
        if trade.open_quantity:
            total = None if gain is None or total is None else total + gain
    if len(trades) > 1:
        lines.append(f"together: {'unknown' if total is None else f'about {signed_usdt(total)}'}")
    lines.append(f"Pending entries and targets are cancelled. Confirm within {seconds:.0f} s.")
    title = f"Close #{trades[0].number} {trades[0].symbol} {trades[0].position_side} at market?"
    return Screen(
        title=title if len(trades) == 1 else f"Close {len(trades)} trades at market?",
        lines=tuple(lines),
        buttons=confirm_buttons(nonce, "Close now" if len(trades) == 1 else f"Close all {len(trades)}"),
    )


def _close_lines(trade: TradeReading, price: PriceReading | None, gain: Decimal | None) -> list[str]:
    name = f"#{trade.number} {trade.symbol} {trade.position_side}"
    if not trade.open_quantity:
        return [f"{name}: nothing filled yet, only its entries are cancelled"]
    if price is None or gain is None:
        return [f"{name}: {plain(trade.open_quantity)} sold at market, result unknown (no price at the moment)"]
    stale = "STALE, " if price.stale else ""
    heard = f"{plain(price.last_price)} ({stale}{price.source}, {span(price.age_seconds)} ago)"
    return [f"{name}: {plain(trade.open_quantity)} at about {heard}, {signed_usdt(gain)} before exit fees"]


def closing(results: Sequence[tuple[str, str, str]]) -> Screen:
    """Show how a confirmed close ended.

    Args:
        results: (label, "leaving" | "refused" | "unknown", the words of a refusal) for each trade.

    """
    unclear = any(result == "unknown" for _, result, _ in results)
    refusals = sum(result == "refused" for _, result, _ in results)
    if unclear:
        title = "Close: outcome unknown for some, look at /status."
    elif refusals == len(results):
        title = "Close: refused."
    else:
        title = "Leaving; the fills are told as they come."
    words = {"leaving": "leaving now", "refused": "refused", "unknown": "outcome unknown, look at /status"}
    return Screen(
        title=title,
        lines=tuple(f"{label}: {words[result]}{f' ({text})' if text else ''}" for label, result, text in results),
    )
