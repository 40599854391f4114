"""Options of a plan: its size, weights, approach and exit rules, written into the line as a person would.

Enters: a plan in its usual words. Leaves: the same, or one with options. Stays out: when it is written. The dice are
the options' own, so that the usual words are those of a seed whatever is drawn here.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

from adapters.assembly.simulation.scenario import Action, Scenario
from adapters.simulated.instruments import Instrument

_PERCENT = Decimal(100)
_CENT = Decimal("0.01")


def with_options(
    scenario: Scenario, action: Action, words: str, instrument: Instrument, *, price: Decimal, wallet: Decimal
) -> str:
    """Give the words with options, or as they are. `price`: the present one; `wallet`: the account's, USDT."""
    dice = Random(f"{scenario.seed}/options/{action.number}")  # noqa: S311 - repeatable chance is the point
    if action.style or dice.random() >= scenario.optioned:
        return words
    symbol, side, *rest = words.split()
    fields = dict(zip(rest[::2], rest[1::2], strict=True))
    account = fields.pop("account", "")
    approach = dice.choices(("conservative", "fast", "net-target"), (40, 27, 33))[0]
    if approach == "fast":
        _be_fast(dice, fields, instrument, price=price, sign=1 if side == "long" else -1)
    elif approach == "net-target":
        _be_net(dice, fields, price=price, wallet=wallet)
    if approach != "net-target":
        _size(dice, fields)
        _steps(dice, fields)
    if "," in fields.get("entries", "") and dice.random() < 0.4:  # noqa: PLR2004 - two of five
        fields["weights"] = dice.choice(("front", "back"))
    _trail(dice, fields, often=0.35 if approach != "net-target" else 0.1)
    _times(dice, fields, often=0.25)
    if account:
        fields["account"] = account
    return f"{symbol} {side} " + " ".join(f"{name} {value}" for name, value in fields.items())


def _be_fast(dice: Random, fields: dict[str, str], instrument: Instrument, *, price: Decimal, sign: int) -> None:
    """Enter at the market within a bound; targets that the bound reaches are left out."""
    fields["approach"] = "fast"
    fields.pop("entries")
    slippage = dice.choice((None, Decimal("0.05"), Decimal("0.1"), Decimal("0.2"), Decimal(1)))
    if slippage is not None:
        fields["slippage"] = f"{slippage}%"
    reach = price * (1 + sign * (Decimal("0.5") if slippage is None else slippage) * 2 / _PERCENT)
    targets = [each for each in fields["targets"].split(",") if (Decimal(each) - reach) * sign > 0]
    beyond = instrument.to_tick(reach * (1 + sign * Decimal("0.01")))
    fields["targets"] = ",".join(targets) or format(beyond, "f")


def _be_net(dice: Random, fields: dict[str, str], *, price: Decimal, wallet: Decimal) -> None:
    """Ask for amounts that fit the size: a fraction of the notional, and for the loss what the entries lie apart."""
    fields["approach"] = "net-target"
    fields.pop("targets")
    fields.pop("stop")
    share = Decimal(fields["margin"].removesuffix("%")) / _PERCENT
    notional = wallet * share * Decimal(fields["leverage"]) * Decimal("0.9")
    entries = fields["entries"].split(",")
    apart = max((abs(Decimal(each) - price) / price for each in entries if each != "market"), default=Decimal(0))
    net = _drawn(dice, 0.0015, 0.008) * notional
    loss = (apart + _drawn(dice, 0.004, 0.02)) * notional
    fields["net"] = _usdt(net)
    fields["floor"] = "none" if dice.random() < 0.2 else _usdt(net * _drawn(dice, 0.05, 0.6))  # noqa: PLR2004 - one of five
    fields["loss"] = _usdt(loss)


def _size(dice: Random, fields: dict[str, str]) -> None:
    kind = dice.choices(("share", "usdt", "risk"), (40, 25, 35))[0]
    if kind == "usdt":
        fields["margin"] = f"{dice.choice((50, 120, 200, 333))}usdt"
    elif kind == "risk":
        fields.pop("margin")
        fields["risk"] = dice.choice(("0.1%", "0.25%", "0.5%", "0.8%"))


def _steps(dice: Random, fields: dict[str, str]) -> None:
    rungs = len(fields["targets"].split(","))
    if dice.random() < 0.3:  # noqa: PLR2004 - three of ten
        fields["breakeven"] = dice.choice(("never", *(str(each) for each in range(2, rungs + 1))))
    if rungs > 1 and dice.random() < 0.3:  # noqa: PLR2004 - likewise
        fields["follow"] = str(dice.randint(2, rungs))


def _trail(dice: Random, fields: dict[str, str], *, often: float) -> None:
    if dice.random() < often:
        fields["trail"] = f"{dice.uniform(0.2, 1.2):.2f}%"
        if dice.random() < 0.5:  # noqa: PLR2004 - every other one
            fields["trail-from"] = f"{dice.uniform(0.05, 0.8):.2f}%"


def _times(dice: Random, fields: dict[str, str], *, often: float) -> None:
    if dice.random() < often:
        fields["leave-after"] = f"{dice.randint(30, 1200)}s"
    if dice.random() < often and fields.get("approach") != "fast":
        time, touch = f"{dice.randint(20, 600)}s", "touch"
        fields["expire"] = dice.choice((time, touch, f"{time},{touch}"))


def _drawn(dice: Random, least: float, most: float) -> Decimal:
    return Decimal(repr(round(dice.uniform(least, most), 6)))


def _usdt(amount: Decimal) -> str:
    return format(max(_CENT, amount.quantize(_CENT)), "f")
