"""Fanned plans: one order that becomes several trades, written into the line as a person would.

Enters: a plan in its words, with options or without. Leaves: the same, dual, kept off the mirror, or respecting what is
changed at the exchange, now and then.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

from adapters.assembly.simulation.scenario import Action, Scenario
from adapters.simulated.instruments import Instrument

_PERCENT = Decimal(100)
_USUAL_SLIPPAGE = Decimal("0.5")  # percent; settings.fast_slippage
_STEPS = ("breakeven", "follow")  # each names a target


def fanned(scenario: Scenario, action: Action, words: str, instrument: Instrument, *, price: Decimal) -> str:
    """Give the words as they are, or with more. `price`: the present one."""
    features = scenario.features
    dice = Random(f"{scenario.seed}/fanned/{action.number}")  # noqa: S311 - repeatable chance is the point
    dual, off, respect = (dice.random() < each for each in (features.dual, features.mirror_off, features.respect))
    if action.style or not (dual or off or respect):
        return words
    symbol, side, *rest = words.split()
    fields = dict(zip(rest[::2], rest[1::2], strict=True))
    account = fields.pop("account", "")
    if dual and "approach" not in fields:
        _be_dual(dice, fields, instrument, price=price, sign=1 if side == "long" else -1)
    if off and features.mirrored and not account:
        fields["mirror"] = "off"
    if respect:
        fields["policy"] = "respect"
    if account:
        fields["account"] = account
    return f"{symbol} {side} " + " ".join(f"{name} {value}" for name, value in fields.items())


def _be_dual(dice: Random, fields: dict[str, str], instrument: Instrument, *, price: Decimal, sign: int) -> None:
    """Be both. Mostly the targets lie beyond the fast half's bound; else that half is refused, and told."""
    fields["approach"] = "dual"
    slippage = dice.choice((None, Decimal("0.1"), Decimal("0.2")))
    if slippage is not None:
        fields["slippage"] = f"{slippage}%"
    if dice.random() < 0.2:  # noqa: PLR2004 - one in five does not look
        return
    reach = price * (1 + sign * (_USUAL_SLIPPAGE if slippage is None else slippage) * 2 / _PERCENT)
    targets = [each for each in fields["targets"].split(",") if (Decimal(each) - reach) * sign > 0]
    beyond = instrument.to_tick(reach * (1 + sign * Decimal("0.01")))
    fields["targets"] = ",".join(targets) or format(beyond, "f")
    for name in _STEPS:
        if fields.get(name, "0").isdigit() and int(fields.get(name, "0")) > max(1, len(targets)):
            del fields[name]
