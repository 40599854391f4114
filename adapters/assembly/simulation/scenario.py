"""Scenario: what a seed makes of the market, the accounts and the person, before anything goes wrong.

Enters: a seed, a duration. Stays out: faults; words (plans, options); prices; carrying anything out (the world's).
Every choice has dice of its own, so that leaving one action out changes nothing about the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from adapters.assembly.simulation.features import NO_FEATURES, Features, draw_features
from adapters.simulated.instruments import LISTED, Instrument

PLANS_FOR_A_TRADE = 1.35  # some are refused, thought better of, or too old once the chat is back
MAIN, MIRROR = "main", "mirror"
# What the person does beside opening and closing: kind to the most in an hour. Expected of each: an answer.
PASTIMES = {
    "status": 3,
    "health": 2,
    "nonsense": 4,  # words that are no command, or half of one: never an order
    "bad_plan": 4,  # a plan that cannot be taken: told what to write instead
    "same_again": 2,  # the plan before, word for word
    "old_button": 3,  # a button pressed long ago, pressed again
    "stranger": 2,  # somebody else writes or taps
}
# How many of a world's plans are written with options (sizes, approaches, exit rules).
_OPTIONED = (0.0, 0.4, 0.5, 0.5, 0.8)
_GUARDS = {"loose": 72, "times": 9, "counts": 9, "protections": 9, "dry": 1}  # how often, see guard_terms.py
_ACTIVE_AGAIN_SECONDS = 90.0  # before the state is loosened once more: the first time may be lost, or thought better of
_CROWD = 11  # plans on one side of one symbol within a few minutes: the ninth trade is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing the person does, at the earliest at `at` (seconds from the start)."""

    at: float
    kind: str  # open | close | change | emergency | strict | active | locks | release | one of the pastimes
    number: int  # of this action in its world
    symbol: str = ""
    account: str = MAIN
    words: str = ""  # a plan as it was written once; "" has it written around the price of its moment
    style: str = ""  # of the plan: "" as usual, "crowd": far entries, to stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A market, its accounts, and a person."""

    seed: int
    seconds: float
    instruments: tuple[Instrument, ...]
    actions: tuple[Action, ...]
    starts_minutes_before_funding: int
    ack_slow: bool
    trades_wanted: int
    accounts: tuple[str, ...] = (MAIN,)
    hedged: tuple[tuple[str, str], ...] = ()  # (account, symbol) in hedge mode; the others are in one-way mode
    crossed: tuple[str, ...] = ()  # accounts in cross margin; the others' positions are isolated
    candles: str = ""  # a recorded candle file for the first symbol; "" makes prices up
    optioned: float = 0.0  # share of the plans that are written with options
    guards: str = ""  # which limits the desk has (guard_terms.py); "": none
    features: Features = NO_FEATURES


def draw_scenario(
    seed: int,
    *,
    hours: float,
    trades_an_hour: float = 10.0,
    candles: str = "",
    optioned: float | None = None,
    guards: str | None = None,
    features: Features | None = None,
) -> Scenario:
    """Draw a scenario.

    Args:
        seed: of everything.
        hours: virtual time.
        trades_an_hour: how many trades should come of it; somewhat more plans are written.
        candles: a recorded candle file whose prices the first symbol takes; "" makes all prices up.
        optioned: the share of plans with options, 0 for none and no limits at the desk; None draws it.
        guards: which limits the desk has; None draws them. All else is as it would be, with either.
        features: which are on; None draws them. With none of them all else is as it would be; mirrored orders have
            the second account.

    """
    dice = _dice(seed, "scenario")
    seconds = hours * 3600.0
    instruments = tuple(dice.sample(LISTED, dice.choice((1, 2, 2, 3))))
    symbols = [each.symbol for each in instruments]
    scenario = Scenario(
        seed=seed,
        seconds=seconds,
        instruments=instruments,
        actions=(),
        starts_minutes_before_funding=dice.choice((5, 30, 300)),
        ack_slow=dice.random() < 0.2,  # noqa: PLR2004 - now and then
        trades_wanted=max(1, round(trades_an_hour * hours)),
        candles=candles,
    )
    scenario = _with_features(_with_accounts(scenario, symbols), features)
    actions = [*_openings(scenario, symbols), *_closings(scenario), *_pastimes(scenario, hours)]
    ordered = sorted(actions, key=lambda each: each.at)
    dice = _dice(seed, "options")
    drawn = dice.choice(_OPTIONED)
    scenario = replace(scenario, optioned=drawn if optioned is None else optioned)
    if scenario.optioned:
        limits = dice.choices([*_GUARDS], [*_GUARDS.values()])[0]
        scenario = replace(scenario, guards=limits if guards is None else guards)
        ordered += _precautions(scenario)  # numbered behind the others, whose words hang on their numbers
    ordered += [*_changes(scenario), *_emergencies(scenario)]
    return replace(scenario, actions=tuple(replace(each, number=number) for number, each in enumerate(ordered)))


def _with_accounts(scenario: Scenario, symbols: list[str]) -> Scenario:
    dice = _dice(scenario.seed, "accounts")
    accounts = dice.choice(((MAIN,), (MAIN, MIRROR)))
    every = [(account, symbol) for account in (MAIN, MIRROR) for symbol in symbols]
    hedged = tuple(each for each in every if dice.random() < 0.3)  # noqa: PLR2004 - three of ten are hedged
    crossed = tuple(each for each in (MAIN, MIRROR) if dice.random() < 0.25)  # noqa: PLR2004 - one of four
    return replace(scenario, accounts=accounts, hedged=hedged, crossed=crossed)


def _with_features(scenario: Scenario, features: Features | None) -> Scenario:
    wanted = draw_features(scenario.seed, scenario.accounts) if features is None else features
    accounts = (MAIN, MIRROR) if wanted.mirrored else scenario.accounts
    return replace(scenario, features=wanted, accounts=accounts)


def _openings(scenario: Scenario, symbols: list[str]) -> list[Action]:
    dice = _dice(scenario.seed, "openings")
    openings = [
        Action(
            at=dice.uniform(10.0, scenario.seconds * 0.85),
            kind="open",
            number=0,
            symbol=dice.choice(symbols),
            account=dice.choice(scenario.accounts),
        )
        for _ in range(max(1, round(scenario.trades_wanted * PLANS_FOR_A_TRADE)))
    ]
    if dice.random() < 0.08 and scenario.seconds >= 1800:  # noqa: PLR2004 - one world in twelve is crowded
        first = dice.uniform(10.0, scenario.seconds * 0.5)
        symbol, account = dice.choice(symbols), dice.choice(scenario.accounts)
        openings += [
            Action(at=first + 25.0 * turn, kind="open", number=0, symbol=symbol, account=account, style="crowd")
            for turn in range(_CROWD)
        ]
    return openings


def _closings(scenario: Scenario) -> list[Action]:
    dice = _dice(scenario.seed, "closings")
    return [
        Action(at=dice.uniform(scenario.seconds * 0.2, scenario.seconds * 0.95), kind="close", number=0)
        for _ in range(dice.randint(0, max(1, scenario.trades_wanted // 3)))
    ]


def _pastimes(scenario: Scenario, hours: float) -> list[Action]:
    actions = []
    for kind, most in PASTIMES.items():
        dice = _dice(scenario.seed, f"pastime/{kind}")
        for _ in range(round(dice.randint(0, most) * hours)):
            at = dice.uniform(5.0, scenario.seconds * 0.97)
            symbol, account = dice.choice(scenario.instruments).symbol, dice.choice(scenario.accounts)
            actions.append(Action(at=at, kind=kind, number=0, symbol=symbol, account=account))
    return actions


def _precautions(scenario: Scenario) -> list[Action]:
    """What the person does with the desk's guards: shuts it, opens it again, releases locks."""
    actions, seconds = [], scenario.seconds
    dice = _dice(scenario.seed, "safety")
    for _ in range(max(1, round(seconds / 3600.0))):
        if dice.random() >= 0.45:  # noqa: PLR2004 - in somewhat under half of the hours
            continue
        at, state = dice.uniform(0.1, 0.8) * seconds, dice.choice(("reduce-only", "reduce-only", "halted"))
        actions.append(Action(at=at, kind="strict", number=0, words=state))
        if dice.random() < 0.25:  # noqa: PLR2004 - one in four is made stricter, or a little looser
            other = "halted" if state == "reduce-only" else "reduce-only"
            actions.append(Action(at=at + dice.uniform(0.1, 30.0), kind="strict", number=0, words=other))
        back = at + dice.uniform(15.0, 0.15 * seconds)
        actions += [
            Action(at=each, kind="active", number=0)
            for each in (back, back + _ACTIVE_AGAIN_SECONDS)
            if each < seconds * 0.97
        ]
    if scenario.guards == "protections":
        dice = _dice(scenario.seed, "locks")
        for kind in ("locks", *("release" for _ in range(dice.randint(0, 4)))):
            at = dice.uniform(0.2, 0.95) * seconds
            actions.append(Action(at=at, kind=kind, number=0, words=f"L{dice.randint(1, 3)}"))
    return sorted(actions, key=lambda each: each.at)


def _changes(scenario: Scenario) -> list[Action]:
    """What the person changes of open trades."""
    dice, seconds = _dice(scenario.seed, "changes"), scenario.seconds
    count = round(scenario.features.changes * seconds / 3600.0)
    times = sorted(dice.uniform(0.03, 0.97) * seconds for _ in range(count))
    return [Action(at=at, kind="change", number=0) for at in times]


def _emergencies(scenario: Scenario) -> list[Action]:
    """When everything is to be left at once, and when the desk is opened again."""
    dice, seconds, actions = _dice(scenario.seed, "emergencies"), scenario.seconds, []
    for _ in range(round(scenario.features.emergencies * seconds / 3600.0)):
        at, back = dice.uniform(0.1, 0.8) * seconds, dice.uniform(60.0, 0.1 * seconds)
        actions.append(Action(at=at, kind="emergency", number=0, account=dice.choice(scenario.accounts)))
        actions += [Action(at=at + each, kind="active", number=0) for each in (back, back + _ACTIVE_AGAIN_SECONDS)]
    return sorted(actions, key=lambda each: each.at)


def _dice(seed: int, name: str) -> Random:
    return Random(f"{seed}/{name}")  # noqa: S311 - repeatable chance is the point
