"""Cases: everything one simulated world is made from, as a value, and as a file that outlives changes of the dice.

Enters: a seed, or a file. Stays out: running it. A seed means another world as soon as the code draws differently; a
case holds the market, the actions with the plans as they were written, and the faults with their rates and instants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from adapters.assembly.simulation.faults import COUNTS, RATES, Faults, draw_faults, given_faults
from adapters.assembly.simulation.features import NO_FEATURES, Features
from adapters.assembly.simulation.scenario import Scenario, draw_scenario

TRADES_AN_HOUR = 10.0
_STANDARD_SYMBOLS = 2
_ANOTHER = 1_000_003  # the step to the next seed that is tried, clear of the seeds in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A market, a person, and what goes wrong."""

    scenario: Scenario
    rates: dict[str, float]  # chance of each fault, by name
    counts: dict[str, int]  # how many in an hour
    times: dict[str, tuple[float, ...]] = field(default_factory=dict)  # seconds; of strewn faults that were drawn
    invariant: str = ""  # what it violated when it was saved
    note: str = ""  # how that showed

    @property
    def seed(self) -> int:
        return self.scenario.seed

    @property
    def fault_names(self) -> tuple[str, ...]:
        return (*self.rates, *self.counts)

    def faults(self) -> Faults:
        """Make the faults ready to strike, each with dice of its own."""
        return given_faults(self.seed, self.rates, self.counts, self.times)

    def without(self, names: Iterable[str]) -> Case:
        """Leave faults out; nothing else changes."""
        gone = set(names)
        return replace(
            self,
            rates={name: rate for name, rate in self.rates.items() if name not in gone},
            counts={name: count for name, count in self.counts.items() if name not in gone},
            times={name: instants for name, instants in self.times.items() if name not in gone},
        )

    def lived(self, written: Mapping[int, str], times: Mapping[str, tuple[float, ...]]) -> Case:
        """Put down what was drawn on the way: plans by their action's number, instants by their fault's name."""
        actions = tuple(
            replace(action, words=written.get(action.number, action.words)) for action in self.scenario.actions
        )
        return replace(self, scenario=replace(self.scenario, actions=actions), times=dict(times))

    def found(self, invariant: str, note: str) -> Case:
        """Put down what it violates."""
        return replace(self, invariant=invariant, note=note)


def draw_case(
    seed: int,
    *,
    hours: float = 1.0,
    trades_an_hour: float = TRADES_AN_HOUR,
    without: Iterable[str] = (),
    optioned: float | None = None,
    guards: str | None = None,
    features: Features | None = None,
) -> Case:
    """Draw a world from its seed, with a random subset of the faults.

    Args:
        seed: which.
        hours: virtual time until it comes to rest.
        trades_an_hour: plans the person writes.
        without: names of faults that are left out.
        optioned: share of the plans with options; None draws it.
        guards: which limits the desk has; None draws them.
        features: what of the whole desk it uses; None draws it.

    """
    faults = draw_faults(seed, without=without)
    scenario = draw_scenario(
        seed, hours=hours, trades_an_hour=trades_an_hour, optioned=optioned, guards=guards, features=features
    )
    return Case(scenario=scenario, rates=faults.rates, counts=faults.counts)


def draw_case_of(
    seed: int, names: Iterable[str], *, hours: float = 1.0, trades_an_hour: float = TRADES_AN_HOUR
) -> Case:
    """Draw a world in which just these faults are on, each as often as it ever is."""
    wanted = tuple(names)
    rates = {name: RATES[name][1] for name in wanted if name in RATES}
    counts = {name: COUNTS[name][1] for name in wanted if name in COUNTS}
    scenario = draw_scenario(seed, hours=hours, trades_an_hour=trades_an_hour)
    return Case(scenario=scenario, rates=rates, counts=counts)


def standard_case(seed: int) -> Case:
    """Draw the standard scenario: two symbols, a price every 5 s on average, ten trades in one hour, faults on.

    Each trade is one order's on the one account, left to itself: features make more trades of an order.
    """
    case = draw_case(seed, features=NO_FEATURES)
    while len(case.scenario.instruments) != _STANDARD_SYMBOLS or len(case.scenario.accounts) != 1:
        seed += _ANOTHER
        case = draw_case(seed, features=NO_FEATURES)
    return case


_ADAPTER = TypeAdapter(Case)


def write_case(case: Case, folder: Path) -> Path:
    """Write a case into a folder, which is made when missing; give the file. An older one of its name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.invariant.lower() or 'case'}_seed_{case.seed}.json"
    plain = _ADAPTER.dump_python(case, mode="json")
    path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_case(path: Path) -> Case:
    """Read a case.

    Raises:
        ValueError: the file is none; says what to give instead.

    """
    try:
        return _ADAPTER.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; give a file that `simulate --seed N --save` wrote") from None
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "it is not text"}
        where = ".".join(map(str, first["loc"])) or "the file"
        text = f"{path} is not a case ({where}: {first['msg']}); give a file that `simulate --seed N --save` wrote"
        raise ValueError(text) from None
