"""Plan presets: named words of an order that stand in the settings, and are meant wherever a line does not say else.

Enters: a line taken apart, the presets. Stays out: files, what the words mean (rules.plan_text).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from actors.model.trade_plan import Approach
from actors.rules.plan_options import NET_FIELDS
from actors.rules.plan_words import Reading, read_fields

_EITHER = ({"margin", "risk"},)  # where a line names one of these, none of them is taken from the preset


def complete(reading: Reading, presets: Mapping[str, str]) -> None:
    """Add to a line the words of the preset it names; what the line says itself wins.

    A preset that is not known is refused with those that are. What the preset says of something that the line has
    replaced goes with it: weights where the line writes shares, a slippage where it writes limits, the amounts of a
    net target where it names another approach.

    Args:
        reading: a line taken apart; changed.
        presets: name (in small letters) to words.

    """
    given = reading.values.get("preset")
    if given is None:
        return
    name = given.lower()
    if name not in presets:
        near = get_close_matches(name, presets, n=1)
        _refuse_unknown(reading, given, presets, near)
        if not near:
            return
        name = near[0]  # so that nothing else is called missing because of it
    values = read_fields(presets[name]).values
    written = reading.values
    for group in _EITHER:
        if group & written.keys():
            values = {field: value for field, value in values.items() if field not in group}
    approach = written.get("approach", "").lower()
    if approach == Approach.FAST:
        values.pop("weights", None)
    if approach != Approach.NET_TARGET and (approach or "approach" not in values):
        values = {field: value for field, value in values.items() if field not in NET_FIELDS}
    entries = written.get("entries")
    if entries is not None and "@" in entries:
        values.pop("weights", None)
    dual = (approach or values.get("approach", "").lower()) == Approach.DUAL  # its fast half has a bound all the same
    if entries is not None and "market" not in entries.lower() and not dual:
        values.pop("slippage", None)
    reading.values = {**values, **written, "preset": name}


def _refuse_unknown(reading: Reading, given: str, presets: Mapping[str, str], near: list[str]) -> None:
    shown = given or "(nothing)"
    if not presets:
        text = f"preset {shown} is not known, and the settings hold none: leave it out, or add it to plan_presets there"
        reading.refuse("preset", given, "a preset of the settings", text)
        return
    meant = f"write {near[0]}; " if near else ""
    known = ", ".join(sorted(presets))
    reading.refuse("preset", given, known, f"preset {shown} is not known: {meant}the settings hold {known}")
