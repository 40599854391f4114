"""Plan text: the one line in which a person writes a trade, in the chat and on the command line alike.

    XRPUSDT long --entries 1.19,1.18 --targets 1.2,1.21,1.22,1.23 --stop 1.15 --margin 2% --leverage 10
    /trade XRPUSDT long entries market targets 1.2@60%,1.21@40% stop 1.15 margin 2% leverage 10

Words may carry two hyphens, a dash that a phone made of them, or none; fields come in any order. A share behind an
entry or a target is optional. Reading is strict where money hangs on it: a margin needs its percent sign, and a comma
that could be a thousands separator is asked about, never guessed.

Enters: text. Stays out: the exchange's rules and prices (rules.limits), the chat's markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches

from actors.model.money import ONE, ZERO, floor_to
from actors.model.trade_plan import Approach, PlannedEntry, PlannedRung, TradePlan
from actors.rules.plan_figures import Figure, Problem, leverage, margin, price_list, single_price
from actors.rules.plan_options import is_net_target, read_options
from actors.rules.plan_words import Reading, read_words
from actors.rules.refusals import Refusal
from actors.rules.wording import percent

USUAL_FRACTIONS = (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05"))
_REQUIRED = {
    "entries": "write entries with one or more prices, or market",
    "targets": "write targets with one or more prices, nearest first",
    "stop": "write stop with its price",
    "margin": "write margin with a share of the available balance, like 2%",
    "leverage": "write leverage with a number, like 10",
}
_SHARE_STEP = Decimal("0.000001")  # even shares are cut here; the first takes the remainder


def parse_plan(
    text: str,
    *,
    rung_fractions: Sequence[Decimal] = USUAL_FRACTIONS,
    approaches: Sequence[Approach] = (Approach.CONSERVATIVE, Approach.NET_TARGET),
    accounts: Sequence[str] = ("main",),
    cancel_entries_on_first_target: bool = True,
    chat_id: int | None = None,
) -> TradePlan | tuple[Refusal, ...]:
    """Read one line as a plan, or give all that is wrong with it, each with what to write instead.

    Args:
        text: the line; a leading /trade is passed over.
        rung_fractions: usual shares of the targets, nearest first, summing to 1 (see `usual_rung_fractions`).
        approaches: those that may be asked for; the first is taken when none is.
        accounts: likewise.
        cancel_entries_on_first_target: goes into the plan.
        chat_id: goes into the plan.

    """
    reading = read_words(text)
    entries = _entries(reading)
    exits, net = read_options(reading), is_net_target(reading)  # whose target and stop follow from quantities
    rungs = () if net else _rungs(reading, rung_fractions)
    stop = ZERO if net else _figure(reading, "stop", single_price(reading.values.get("stop", "")))
    share = _figure(reading, "margin", margin(reading.values.get("margin", "")))
    times = _figure(reading, "leverage", leverage(reading.values.get("leverage", "")))
    approach = _one_of(reading, "approach", [each.value for each in approaches])
    account = _one_of(reading, "account", accounts)
    if reading.problems or reading.side is None:
        return tuple(reading.problems)
    return TradePlan(
        account=account,
        symbol=reading.symbol,
        position_side=reading.side,
        approach=Approach(approach),
        entries=entries,
        rungs=rungs,
        stop_price=stop,
        margin_fraction=share,
        leverage=times,
        cancel_entries_on_first_target=cancel_entries_on_first_target,
        exits=exits,
        chat_id=chat_id,
    )


def usual_rung_fractions(count: int, preferred: Sequence[Decimal] = USUAL_FRACTIONS) -> tuple[Decimal, ...]:
    """Give the shares of n targets that were written without any.

    As many targets as preferred shares take those. Fewer: the shares that find no target go to the second one (to the
    only one where there is one). More: the first keeps its share and the others share the rest evenly (all of it,
    where the first share is the whole).

    Args:
        count: of targets, 1 and up.
        preferred: shares summing to 1, nearest target first.

    >>> [[str(each) for each in usual_rung_fractions(count)] for count in (1, 2, 3)]
    [['1.00'], ['0.85', '0.15'], ['0.85', '0.10', '0.05']]

    """
    if count > len(preferred):
        first = preferred[0]
        return (first, *_evenly(ONE - first, count - 1)) if first < ONE else _evenly(ONE, count)
    kept = list(preferred[:count])
    kept[min(1, count - 1)] += ONE - sum(kept, ZERO)
    return tuple(kept)


def _evenly(total: Decimal, count: int) -> tuple[Decimal, ...]:
    """Divide a share so that the parts sum to it exactly; the first takes the remainder."""
    each = floor_to(total / count, _SHARE_STEP)
    return (total - each * (count - 1), *[each] * (count - 1))


# --- values ------------------------------------------------------------------------------------------------------
def _figure(reading: Reading, name: str, figure: Decimal | Problem) -> Decimal:
    """Keep the figure, or refuse it; nothing more is said of a field that is missing altogether."""
    if isinstance(figure, Decimal):
        return figure
    _refuse_figure(reading, name, figure)
    return ZERO


def _refuse_figure(reading: Reading, name: str, problem: Problem) -> None:
    given = reading.values.get(name, "")
    if not given:
        verb = "are" if name in {"entries", "targets"} else "is"
        reading.refuse(name, "", "needed", f"{name} {verb} missing: {_REQUIRED[name]}")
    else:
        reading.refuse(name, problem.value, problem.limit, f"{name} {problem.value} {problem.text}")


def _one_of(reading: Reading, name: str, choices: Sequence[str]) -> str:
    given = reading.values.get(name)
    if given is None:
        return choices[0]
    if given.lower() not in choices:
        near = get_close_matches(given.lower(), choices, n=1) or list(choices)
        reading.refuse(
            name, given, " or ".join(choices), f"{name} {given or '(nothing)'} is not known here: write {near[0]}"
        )
    return given.lower()


def _entries(reading: Reading) -> tuple[PlannedEntry, ...]:
    figures = _list(reading, "entries", market=True)
    shares = _shares(reading, "entries", figures, _evenly(ONE, len(figures)) if figures else ())
    return tuple(PlannedEntry(price=each.price, fraction=share) for each, share in zip(figures, shares, strict=True))


def _rungs(reading: Reading, preferred: Sequence[Decimal]) -> tuple[PlannedRung, ...]:
    figures = _list(reading, "targets", market=False)
    shares = _shares(reading, "targets", figures, usual_rung_fractions(len(figures), preferred) if figures else ())
    return tuple(
        PlannedRung(price=each.price, fraction=share)
        for each, share in zip(figures, shares, strict=True)
        if each.price is not None
    )


def _list(reading: Reading, name: str, *, market: bool) -> tuple[Figure, ...]:
    """Give the figures, or none as soon as one of them is wrong: shares of a part would mean nothing."""
    items = tuple(price_list(reading.values.get(name, ""), market=market))
    problems = [item for item in items if isinstance(item, Problem)]
    for problem in problems:
        _refuse_figure(reading, name, problem)
    return () if problems else tuple(item for item in items if isinstance(item, Figure))


def _shares(reading: Reading, name: str, figures: Sequence[Figure], usual: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Give each figure its share: all as usual, all as written, or the rest evenly to those without one."""
    written = [each.share for each in figures if each.share is not None]
    if not written:
        return tuple(usual)
    without = len(figures) - len(written)
    rest = ONE - sum(written, ZERO)
    if (without and rest <= 0) or (not without and rest):
        total = percent(sum(written, ZERO))
        left = f" and leave nothing for {without} more" if without else ""
        reading.refuse(
            name,
            reading.values[name],
            "100%",
            f"the shares of the {name} make {total}{left}: write shares that make 100%, or none",
        )
        return tuple(usual)
    even = iter(_evenly(rest, without) if without else ())
    return tuple(next(even) if each.share is None else each.share for each in figures)
