"""Preset check: what is wrong with a plan preset, told when the settings are read and not when it is needed.

A preset is tried in an order that is otherwise sound. Enters: names and words. Stays out: files, the market.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.model.trade_plan import TradePlan
from actors.rules.plan_ranges import size_ranges, slippage_range
from actors.rules.plan_text import parse_plan
from actors.rules.plan_words import FIELD_WORDS, read_fields

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_NOT_OF_A_PRESET = ("targets", "stop", "preset")  # prices belong to a symbol and a day
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
    unfit = [field for field in _NOT_OF_A_PRESET if field in reading.values]
    if reading.values.get("entries", "market").lower() != "market":
        unfit.append("entries")
    if unfit:
        yield f"{' and '.join(unfit)} cannot stand in a preset, since prices differ from trade to trade: leave it out"
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
    if given.get("approach", "").lower() == "fast":
        lacking.pop("entries", None)
    elif "slippage" in given:
        lacking["entries"] = "market"
    return f"BTCUSDT long {' '.join(f'{field} {value}' for field, value in lacking.items())} preset {name}"
