"""Plan text: the one line in which a person writes a trade, in the chat and on the command line alike.

    XRPUSDT long --entries 1.19,1.18 --targets 1.2,1.21,1.22,1.23 --stop 1.15 --margin 2% --leverage 10
    /trade XRPUSDT long entries market targets 1.2@60%,1.21@40% stop 1.15 margin 200usdt leverage 10
    /trade XRPUSDT long approach fast slippage 0.3% targets 1.2,1.21 stop 1.15 risk 1% leverage 10
    /trade XRPUSDT long approach dual entries 1.19,1.18 targets 1.2,1.21 stop 1.15 margin 2% leverage 10 mirror off
    /trade XRPUSDT long preset swing entries 1.19,1.18 weights front targets 1.2,1.21 stop 1.15

Words may carry two hyphens, a dash that a phone made of them, or none; fields come in any order. A share behind an
entry or a target is optional. Reading is strict where money hangs on it: a margin needs its unit, and a comma that
could be a thousands separator is asked about, never guessed. A preset's words count where the line says nothing.

Enters: text. Stays out: the exchange's rules and prices (rules.limits), the chat's markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType

from actors.model.money import ONE, ZERO
from actors.model.position import PositionSide
from actors.model.trade_plan import Approach, PlannedEntry, PlannedRung, Policy, RiskShare, Size, TradePlan
from actors.rules.entry_weights import Weights, evenly, weighted
from actors.rules.plan_figures import Figure, Problem, leverage, margin, percentage, price_list, single_price
from actors.rules.plan_options import is_net_target, read_options
from actors.rules.plan_presets import complete
from actors.rules.plan_words import Reading, read_words
from actors.rules.refusals import Refusal
from actors.rules.wording import percent

USUAL_FRACTIONS = (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05"))
NO_PRESETS: Mapping[str, str] = MappingProxyType({})
_REQUIRED = {
    "entries": "write entries with one or more prices, or market",
    "targets": "write targets with one or more prices, nearest first",
    "stop": "write stop with its price",
    "margin": "write margin with a share of the available balance, like 2%, or an amount, like 200usdt; "
    "or risk with the share of the equity to lose at the stop, like 1%",
    "leverage": "write leverage with a number, like 10",
}
FAST_SLIPPAGE = Decimal("0.005")  # of the last price
_WEIGHTS = {
    "even": Weights.EVEN,
    "front": Weights.FRONT,
    "front-loaded": Weights.FRONT,
    "back": Weights.BACK,
    "back-loaded": Weights.BACK,
}
_CUSTOM = "custom"  # as the shares behind the entries say


def parse_plan(
    text: str,
    *,
    rung_fractions: Sequence[Decimal] = USUAL_FRACTIONS,
    approaches: Sequence[Approach] = (Approach.CONSERVATIVE, Approach.FAST, Approach.DUAL, Approach.NET_TARGET),
    presets: Mapping[str, str] = NO_PRESETS,
    fast_slippage: Decimal = FAST_SLIPPAGE,
    accounts: Sequence[str] = ("main",),
    cancel_entries_on_first_target: bool = True,
    chat_id: int | None = None,
) -> TradePlan | tuple[Refusal, ...]:
    """Read one line as a plan, or give all that is wrong with it, each with what to write instead.

    Args:
        text: the line; a leading /trade is passed over.
        rung_fractions: usual shares of the targets, nearest first, summing to 1 (see `usual_rung_fractions`).
        approaches: those that may be asked for; the first is taken when none is.
        presets: name to words; see rules.plan_presets.
        fast_slippage: the bound of a fast trade that names none, a fraction of the last price.
        accounts: as approaches.
        cancel_entries_on_first_target: goes into the plan.
        chat_id: goes into the plan.

    """
    reading = read_words(text)
    complete(reading, presets)
    written = reading.values.get("approach", "").lower()
    fast = Approach.FAST in approaches and written == Approach.FAST
    bounded = fast or (Approach.DUAL in approaches and written == Approach.DUAL)
    entries = _fast_entry(reading) if fast else _entries(reading)
    exits, net = read_options(reading), is_net_target(reading)  # whose target and stop follow from quantities
    rungs = () if net else _rungs(reading, rung_fractions)
    stop = ZERO if net else _figure(reading, "stop", single_price(reading.values.get("stop", "")))
    size = _size(reading)
    times = _figure(reading, "leverage", leverage(reading.values.get("leverage", "")))
    slippage = _slippage(reading, fast_slippage if bounded else None)
    approach = _one_of(reading, "approach", [each.value for each in approaches])
    account = _one_of(reading, "account", accounts)
    policy = _one_of(reading, "policy", [each.value for each in Policy])
    mirror = _one_of(reading, "mirror", ("on", "off"))
    if reading.problems or reading.side is None or size is None:
        return tuple(reading.problems)
    return TradePlan(
        account=account,
        symbol=reading.symbol,
        position_side=reading.side,
        approach=Approach(approach),
        entries=entries,
        rungs=rungs,
        stop_price=stop,
        size=size,
        leverage=times,
        slippage=slippage,
        preset=reading.values.get("preset", ""),
        cancel_entries_on_first_target=cancel_entries_on_first_target,
        policy=Policy(policy),
        exits=exits,
        chat_id=chat_id,
        mirror=mirror == "on",
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
        return (first, *evenly(ONE - first, count - 1)) if first < ONE else evenly(ONE, count)
    kept = list(preferred[:count])
    kept[min(1, count - 1)] += ONE - sum(kept, ZERO)
    return tuple(kept)


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


def _size(reading: Reading) -> Size | None:
    """Give the one size that is written; none or two are refused."""
    margin_text, risk_text = reading.values.get("margin"), reading.values.get("risk")
    if risk_text and is_net_target(reading):
        text = f"risk {risk_text} does not go with approach net-target, whose loss is an amount: write margin and loss"
        reading.refuse("risk", risk_text, "margin", text)
    elif margin_text and risk_text:
        given = f"margin {margin_text} and risk {risk_text}"
        reading.refuse("margin", given, "one of them", f"{given} are both written: write one of them")
    elif risk_text is not None and not margin_text:
        share = percentage(risk_text, example="1%") if risk_text else None
        if isinstance(share, Decimal):
            return RiskShare(of_equity=share)
        advice = "risk is missing: write risk with the share of the equity to lose at the stop, like 1%"
        limit, text = ("needed", advice) if share is None else (share.limit, f"risk {share.value} {share.text}")
        reading.refuse("risk", risk_text, limit, text)
    else:
        size = margin(margin_text or "")
        if not isinstance(size, Problem):
            return size
        _refuse_figure(reading, "margin", size)
    return None


def _slippage(reading: Reading, usual: Decimal | None) -> Decimal | None:
    given = reading.values.get("slippage")
    if given is None:
        return usual
    slippage = percentage(given, example="0.5%")
    if isinstance(slippage, Decimal):
        return slippage
    text = f"slippage {given} {slippage.text}" if given else "slippage is missing its value: write one like 0.5%"
    reading.refuse("slippage", given, slippage.limit, text)
    return usual


def _fast_entry(reading: Reading) -> tuple[PlannedEntry, ...]:
    """Give a fast trade's one entry, whole and at the market."""
    for name, least in (("entries", "market"), ("weights", "")):
        given = reading.values.get(name)
        if given is not None and given.lower() != least:
            text = f"{name} {given} do not go with approach fast, which enters whole at the market: leave them out, or "
            reading.refuse(name, given, "market", f"{text}write approach {Approach.CONSERVATIVE}")
    return (PlannedEntry(price=None, fraction=ONE),)


def _entries(reading: Reading) -> tuple[PlannedEntry, ...]:
    figures = _list(reading, "entries", market=True)
    weights = _weights(reading, figures)
    prices = [figure.price for figure in figures]
    usual = weighted(weights, prices, reading.side or PositionSide.LONG) if figures else ()
    shares = _shares(reading, "entries", figures, usual)
    return tuple(PlannedEntry(price=each.price, fraction=share) for each, share in zip(figures, shares, strict=True))


def _weights(reading: Reading, figures: Sequence[Figure]) -> Weights:
    """Give how entries without shares are spread; shares behind the entries and weights exclude each other."""
    given = reading.values.get("weights")
    if given is None:
        return Weights.EVEN
    shares = any(figure.share is not None for figure in figures)
    custom = given.lower() == _CUSTOM
    if custom and figures and not shares:
        text = "weights custom needs the shares behind the entries: write them as in 1.19@60%,1.18@40%"
        reading.refuse("weights", given, "shares", text)
    elif not custom and given.lower() not in _WEIGHTS:
        text = f"weights {given or '(nothing)'} are not known here: write even, front or back, or shares as in 1.19@60%"
        reading.refuse("weights", given, "even, front or back", text)
    elif not custom and shares:
        text = f"weights {given} and shares behind the entries are both written: write one of them"
        reading.refuse("weights", given, "one of them", text)
    return _WEIGHTS.get(given.lower(), Weights.EVEN)


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
    even = iter(evenly(rest, without) if without else ())
    return tuple(next(even) if each.share is None else each.share for each in figures)
