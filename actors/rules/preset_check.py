"""Preset check: what is wrong with a plan preset, told when the settings are read and not when it is needed.

A preset is tried in an order that is otherwise sound. Enters: names and words. Stays out: files, the market.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.model.trade_plan import Approach, TradePlan
from actors.rules.plan_ranges import size_ranges, slippage_range
from actors.rules.plan_text import parse_plan
from actors.rules.plan_words import FIELD_WORDS, read_fields

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_SOUND = {"entries": "2", "targets": "3", "stop": "1", "margin": "1%", "leverage": "1"}


def preset_faults(name: str, words: str, *, accounts: Sequence[str] = ("main",)) -> tuple[str, ...]:
    """Give all that is wrong with a preset, a sentence each.

    Args:
        name: as written in the settings.
        words: of an order, without symbol, side and prices.
        accounts: that there are.

    """
    return tuple(_faults(name, words, accounts))


def _faults(name: str, words: str, accounts: Sequence[str]) -> Iterator[str]:
    if not _NAME.fullmatch(name) or name in FIELD_WORDS:
        yield f"{name or '(nothing)'} is no name of a preset: write small letters, digits, - and _, as in scalp"
        return
    reading = read_fields(words)
    if reading.problems:
        yield from (problem.text for problem in reading.problems)
        return
    if not reading.values:
        yield "it is empty: write words of an order, such as approach fast risk 0.5% leverage 10"
        return
    if "preset" in reading.values:
        yield "a preset cannot name another one: write that one's words"
        return
    unfit: list[str] = [field for field in ("targets", "stop") if field in reading.values]
    if reading.values.get("entries", "market").lower() != "market":
        unfit.append("entries")
    if unfit:
        found = " and ".join(unfit)
        yield f"{found} cannot stand in a preset, since prices belong to a symbol and a day: leave them out"
        return
    plan = parse_plan(_sound_line(name, reading.values), presets={name: words}, accounts=accounts)
    if not isinstance(plan, TradePlan):
        yield from (problem.text for problem in plan)
        return
    yield from (problem.text for problem in size_ranges(plan.size))
    if plan.slippage is not None:
        yield from (problem.text for problem in slippage_range(plan.slippage))


def _sound_line(name: str, given: dict[str, str]) -> str:
    """Write an order that lacks only what the preset gives."""
    lacking = {field: value for field, value in _SOUND.items() if field not in given}
    if "risk" in given:
        lacking.pop("margin", None)
    approach = given.get("approach", "").lower()
    if approach == Approach.FAST:
        lacking.pop("entries", None)
    elif approach == Approach.NET_TARGET:
        lacking = {field: value for field, value in lacking.items() if field not in {"targets", "stop"}}
    if "slippage" in given and "entries" in lacking:
        lacking["entries"] = "market"
    return f"BTCUSDT long {' '.join(f'{field} {value}' for field, value in lacking.items())} preset {name}"
