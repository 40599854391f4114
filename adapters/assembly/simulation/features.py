"""Features: what of the whole desk one world uses beside single trades on single accounts.

Enters: a seed, the world's accounts. Stays out: words of plans (fanned), what the person does (scenario). Every feature
has dice of its own, and with all of them off a seed's world is what it was before there were any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

_DUAL = (0.0, 0.0, 0.3, 0.6)
_MIRRORED = 0.6  # of the worlds with two accounts
_MIRROR_OFF = (0.0, 0.1, 0.3)
_CHANGES = (0, 0, 6, 15, 30)  # in an hour
_RESPECT = (0.0, 0.0, 0.4, 0.9)
_EMERGENCIES = (0, 0, 0, 1, 2)  # in an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Which are on, and how often."""

    dual: float = 0.0  # share of the plans that are written as dual
    mirrored: bool = False  # main's orders are repeated on the mirror account
    mirror_off: float = 0.0  # share of main's plans that are kept on main alone
    changes: float = 0.0  # of open trades, asked for in an hour
    respect: float = 0.0  # share of the plans that respect what is changed at the exchange itself
    emergencies: float = 0.0  # in an hour


NO_FEATURES = Features()


def draw_features(seed: int, accounts: Sequence[str]) -> Features:
    """Draw a world's features."""
    fan = _dice(seed, "fan")
    dual, mirrored, off = fan.choice(_DUAL), fan.random() < _MIRRORED, fan.choice(_MIRROR_OFF)
    thoughts = _dice(seed, "changes")
    return Features(
        dual=dual,
        mirrored=mirrored and len(accounts) > 1,
        mirror_off=off,
        changes=float(thoughts.choice(_CHANGES)),
        respect=thoughts.choice(_RESPECT),
        emergencies=float(_dice(seed, "emergencies").choice(_EMERGENCIES)),
    )


def _dice(seed: int, name: str) -> Random:
    return Random(f"{seed}/features/{name}")  # noqa: S311 - repeatable chance is the point
