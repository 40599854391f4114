"""Scenario: what a seed makes of the market and of the person, before anything goes wrong.

Enters: a seed, a duration. Stays out: faults; carrying anything out (the world's). Every action and every symbol has
dice of its own, so that leaving one out changes nothing about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from adapters.simulated.instruments import LISTED, Instrument

MEAN_TICK_SECONDS = 5.0
_REGIMES = ("trend", "chop", "calm", "wild")
_MANUAL = ("cancel_stop", "cancel_target", "cancel_entry", "reduce", "add")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing the person does, at the earliest at `at` (seconds from the start)."""

    at: float
    kind: str  # open | close | status | one of the manual changes
    number: int  # of this action in its world
    symbol: str = ""
    account: str = "main"
    words: str = ""  # a plan as it was written once; "" has it written around the price of its moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A market and a person."""

    seed: int
    seconds: float
    instruments: tuple[Instrument, ...]
    actions: tuple[Action, ...]
    starts_minutes_before_funding: int
    ack_slow: bool
    trades_wanted: int


def draw_scenario(seed: int, *, hours: float, trades_an_hour: float = 10.0) -> Scenario:
    """Draw a scenario."""
    dice = _dice(seed, "scenario")
    seconds = hours * 3600.0
    instruments = tuple(dice.sample(LISTED, dice.choice((1, 2, 2, 3))))
    symbols = [each.symbol for each in instruments]
    trades = max(1, round(trades_an_hour * hours))
    actions: list[Action] = []

    def add(kind: str, at: float, symbol: str = "") -> None:
        actions.append(Action(at=at, kind=kind, number=len(actions), symbol=symbol))

    for _ in range(trades):
        add("open", dice.uniform(10.0, seconds * 0.8), dice.choice(symbols))
    for _ in range(dice.randint(0, max(1, trades // 3))):
        add("close", dice.uniform(seconds * 0.2, seconds * 0.95))
    for _ in range(dice.randint(0, 3)):
        add("status", dice.uniform(0.0, seconds))
    if dice.random() < 0.4:  # noqa: PLR2004 - in two worlds of five somebody uses the app as well
        for _ in range(dice.randint(1, 4)):
            add(dice.choice(_MANUAL), dice.uniform(seconds * 0.2, seconds * 0.95), dice.choice(symbols))
    return Scenario(
        seed=seed,
        seconds=seconds,
        instruments=instruments,
        actions=tuple(sorted(actions, key=lambda each: each.at)),
        starts_minutes_before_funding=dice.choice((5, 30, 300)),
        ack_slow=dice.random() < 0.2,  # noqa: PLR2004 - now and then
        trades_wanted=trades,
    )


class PriceWalk:
    """One symbol's price: regimes that change, with gaps and wicks in between."""

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._dice = _dice(seed, f"price/{instrument.symbol}")
        self._instrument = instrument
        self._origin = float(instrument.opening_price)
        self._price = self._origin
        self._regime_left = 0
        self._drift = 0.0
        self._spread = 0.0
        self._after_wick: float | None = None

    def next(self) -> tuple[float, Decimal]:
        """Give the pause before the next price (seconds), and that price on the instrument's grid."""
        dice = self._dice
        if self._regime_left <= 0:
            self._begin_regime()
        self._regime_left -= 1
        pause = min(30.0, dice.expovariate(1.0 / MEAN_TICK_SECONDS) + 0.05)
        if self._after_wick is not None:
            self._price, self._after_wick = self._after_wick, None
            pause = dice.uniform(0.05, 2.0)
        elif dice.random() < 0.004:  # noqa: PLR2004 - one in 250 is a wick
            self._after_wick = self._price
            self._price *= 1 + dice.choice((-1, 1)) * dice.uniform(0.005, 0.03)
        elif dice.random() < 0.002:  # noqa: PLR2004 - one in 500 is a gap
            self._price *= 1 + dice.choice((-1, 1)) * dice.uniform(0.01, 0.04)
        else:
            pull = (self._origin - self._price) / self._origin * 0.002
            self._price *= 1 + self._drift + pull + dice.gauss(0.0, self._spread)
        return pause, self._instrument.to_tick(Decimal(repr(round(self._price, 8))))

    def _begin_regime(self) -> None:
        dice = self._dice
        regime = dice.choice(_REGIMES)
        self._regime_left = dice.randint(10, 120)
        self._drift = dice.choice((-1, 1)) * dice.uniform(0.0002, 0.0008) if regime == "trend" else 0.0
        self._spread = {"trend": 0.0008, "chop": 0.0015, "calm": 0.0002, "wild": 0.004}[regime]


def plan_words(seed: int, action: Action, instrument: Instrument, price: Decimal, *, avoid: Sequence[str] = ()) -> str:
    """Write the plan that an opening asks for, as the person would: prices around the present one.

    `avoid`: sides that are of no use now.
    """
    dice = _dice(seed, f"action/{action.number}")
    sides = [side for side in ("long", "short") if side not in avoid] or ["long"]
    side = dice.choice(sides)
    sign = 1 if side == "long" else -1

    def at(percent: float) -> str:
        return format(instrument.to_tick(price * (1 + sign * Decimal(repr(round(percent / 100, 6))))), "f")

    if dice.random() < 0.4:  # noqa: PLR2004 - two of five at the market
        entries = "market"
        nearest = 0.0
    else:
        steps = sorted(dice.uniform(0.05, 1.2) for _ in range(dice.choice((1, 2, 2, 3))))
        entries = ",".join(dict.fromkeys(at(-step) for step in steps))
        nearest = steps[-1]
    rungs = sorted(dice.uniform(0.2, 2.5) for _ in range(dice.choice((1, 2, 4, 4, 4))))
    targets = ",".join(dict.fromkeys(at(rung) for rung in rungs))
    stop = at(-(nearest + dice.uniform(0.4, 2.0)))
    margin = dice.choice(("0.05%", "0.5%", "1%", "2%"))
    leverage = dice.choice((5, 10, 10))
    words = f"{instrument.symbol} {side} entries {entries} targets {targets} stop {stop} margin {margin}"
    return f"{words} leverage {leverage}"


def _dice(seed: int, name: str) -> Random:
    return Random(f"{seed}/{name}")  # noqa: S311 - repeatable chance is the point
