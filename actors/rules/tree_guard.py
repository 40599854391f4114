"""Tree guard: invariants of the whole daemon that cost next to nothing to check, so that production checks them too.

I12: every actor has an owner, and a parked monitor has a guardian in its place. I2: what an account's reading shows of
sizes without a stop. A size that a single reading shows bare may have been filled in the middle of it: only what the
next reading shows as well counts.

Enters: the tree and the readings as values. Stays out: telling (the health checker's), putting it right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from actors.messages.health import Uncovered
from actors.model.alert import Alert, Severity
from actors.model.money import plain
from actors.rules.health import is_monitor

PARKED, ENDED = "parked", "ended"


class Placed(NamedTuple):
    """One actor's place in the tree."""

    path: str  # "" is the root
    parent: str | None
    state: str
    stand_in: bool = False  # something runs in a parked actor's place


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One invariant that does not hold of the daemon."""

    invariant: str
    subject: str
    text: str


def disowned(tree: Iterable[Placed]) -> Iterator[Broken]:
    """Give what nobody owns (I12)."""
    placed = tuple(tree)
    paths = {each.path for each in placed}
    seen: set[str] = set()
    for each in placed:
        if each.path in seen:
            yield _i12(each.path, "stands in the tree twice")
        seen.add(each.path)
        if each.state == ENDED:
            yield _i12(each.path, "has ended and is still there")
        if each.path and (each.parent is None or each.parent not in paths):
            yield _i12(each.path, "has no owner")
        if each.state == PARKED and is_monitor(each.path) and not each.stand_in:
            yield _i12(each.path, "is parked and no guardian stands in for it")


def _i12(path: str, text: str) -> Broken:
    return Broken(invariant="I12", subject=path or "root", text=f"{path or 'the root'} {text}")


def bare(account: str, before: Mapping[tuple[str, str], Decimal], now: Iterable[Uncovered]) -> Iterator[Broken]:
    """Give the sides that two readings in a row have shown without a stop (I2). `before`: by symbol and side."""
    for each in now:
        if (each.symbol, each.side) in before:
            subject = f"{account}/{each.symbol}/{each.side}"
            text = f"two readings of {subject} show {plain(each.quantity)} that no stop at the exchange covers"
            yield Broken(invariant="I2", subject=subject, text=text)


def violated(broken: Broken) -> Alert:
    """Word the alert."""
    return Alert(
        kind="invariant_violated",
        severity=Severity.CRITICAL,
        key=f"health/invariant_violated/{broken.invariant}/{broken.subject}",
        title="Something that must always hold does not",
        lines=(f"{broken.invariant}: {broken.text}", "Look at the exchange, and send the log"),
    )
